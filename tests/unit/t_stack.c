/* SPDX-License-Identifier: MIT */
/* t_stack.c - one stack whose output is kept */
#include "t_stack.h"

#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/ipv4.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/udp.h"

#include <criterion/criterion.h>
#include <netinet/in.h>

static uint8_t *reserve(void *arg, size_t len)
{
	struct t_stack *t = arg;

	cr_assert(len <= T_STACK_MTU, "a packet over the MTU");
	return t->sent < T_STACK_KEPT ? t->out[t->sent].bytes : NULL;
}

static void commit(void *arg, size_t len)
{
	struct t_stack *t = arg;

	t->out[t->sent++].len = len;
}

static struct addr address(const char *text)
{
	struct addr a;

	cr_assert(addr_parse(text, &a, NULL) == 0, "%s", text);
	return a;
}

struct addr t_peer(bool v6)
{
	return address(v6 ? "2001:db8:1::1" : "198.51.100.1");
}

struct addr t_own(bool v6, int n)
{
	struct addr a = address(v6 ? "2001:db8:1::2" : "198.51.100.2");

	a.b[15] = (uint8_t)(a.b[15] + n);
	return a;
}

struct stack_config t_stack_config(struct t_stack *t)
{
	struct stack_config cfg = {.link = {reserve, commit, t},
				   .l3 = true,
				   .mtu = T_STACK_MTU,
				   .n_addrs = 4,
				   .secret = "thirty-two bytes, known to tests"};

	for (int i = 0; i < 4; i++) {
		cfg.addrs[i].addr = t_own(i & 1, i / 2);
		cfg.addrs[i].prefix_len = i & 1 ? 64 : 24;
	}
	return cfg;
}

void t_stack_open(struct t_stack *t, const struct stack_config *cfg)
{
	struct stack_config usual;

	t->sent = 0;
	t->now = 1000000000;
	usual = t_stack_config(t);
	cr_assert(stack_create(cfg ? cfg : &usual, t->now, &t->s) == 0);
}

void t_stack_close(struct t_stack *t)
{
	stack_destroy(t->s);
	t->s = NULL;
}

struct stack_stats t_stack_stats(const struct t_stack *t)
{
	struct stack_stats st;

	stack_stats(t->s, &st);
	return st;
}

struct t_ip t_ip_usual(bool v6, uint8_t proto)
{
	return (struct t_ip){
		.v6 = v6, .src = t_peer(v6), .dst = t_own(v6, 0), .proto = proto, .ttl = 64};
}

size_t t_ip_build(const struct t_ip *ip, const void *l4, size_t len, uint8_t *out)
{
	struct outbuf o = outbuf_of(out, 65536);

	if (ip->v6)
		ipv6_build(&(struct ipv6_hdr){.traffic_class = ip->tos,
					      .payload_len = (uint16_t)len,
					      .next = ip->proto,
					      .hop_limit = ip->ttl,
					      .src = ip->src,
					      .dst = ip->dst},
			   &o);
	else
		ipv4_build(&(struct ipv4_hdr){.tos = ip->tos,
					      .tot_len = (uint16_t)(IPV4_HDR_LEN + len),
					      .id = ip->id,
					      .mf = ip->frag & 0x2000,
					      .df = ip->frag & 0x4000,
					      .frag_offset = (uint16_t)((ip->frag & 0x1fff) * 8),
					      .ttl = ip->ttl,
					      .proto = ip->proto,
					      .src = ip->src,
					      .dst = ip->dst},
			   &o);
	outbuf_put(&o, l4, len);
	cr_assert(!o.overflow);
	return o.len;
}

void t_stack_ip(struct t_stack *t, const struct t_ip *ip, const void *l4, size_t len)
{
	uint8_t *buf = malloc(65536), *exact;
	size_t n = t_ip_build(ip, l4, len, buf);

	exact = malloc(n);
	memcpy(exact, buf, n);
	free(buf);
	stack_input(t->s, t->now, exact, n, NULL);
	free(exact);
}

size_t t_udp_build(bool v6, const struct addr *src, const struct addr *dst, uint16_t sport,
		   uint16_t dport, const void *data, size_t len, uint8_t *out)
{
	struct outbuf o = outbuf_of(out, 65536);
	uint16_t csum;

	udp_build(&(struct udp_hdr){.sport = sport,
				    .dport = dport,
				    .len = (uint16_t)(UDP_HDR_LEN + len)},
		  &o);
	outbuf_put(&o, data, len);
	csum = csum_segment(src, dst, v6, IPPROTO_UDP, o.buf, o.len);
	put_be16(out + UDP_CSUM_OFFSET, csum ? csum : 0xffff);
	return o.len;
}

void t_stack_udp(struct t_stack *t, bool v6, const struct addr *dst, uint16_t dport,
		 const void *data, size_t len)
{
	struct t_ip ip = t_ip_usual(v6, IPPROTO_UDP);
	uint8_t *l4 = malloc(65536);
	size_t n;

	ip.dst = *dst;
	n = t_udp_build(v6, &ip.src, &ip.dst, 5000, dport, data, len, l4);
	t_stack_ip(t, &ip, l4, n);
	free(l4);
}

static void read_transport(struct t_seen *seen)
{
	struct span s = span_of(seen->l4, seen->l4_len);

	if (seen->fragment)
		return;
	cr_assert(csum_segment(&seen->src, &seen->dst, seen->v6, seen->proto, seen->l4,
			       seen->l4_len) == 0,
		  "checksum of protocol %u", seen->proto);
	if (seen->proto == IPPROTO_ICMP || seen->proto == IPPROTO_ICMPV6)
		cr_assert(icmp_parse(&s, &seen->icmp) == 0);
	if (seen->proto == IPPROTO_UDP || seen->proto == IPPROTO_TCP) {
		seen->sport = get_be16(seen->l4);
		seen->dport = get_be16(seen->l4 + 2);
	}
}

struct t_seen t_stack_read(const struct t_packet *p)
{
	struct span s = span_of(p->bytes, p->len);
	struct t_seen seen = {.v6 = p->bytes[0] >> 4 == 6};
	struct ipv4_hdr h4;
	struct ipv6_hdr h6;

	if (seen.v6) {
		cr_assert(ipv6_parse(&s, &h6) == 0 && h6.payload_len == span_len(&s));
		seen.src = h6.src;
		seen.dst = h6.dst;
		seen.proto = h6.next;
		seen.ttl = h6.hop_limit;
		seen.tos = h6.traffic_class;
		seen.fragment = h6.next == IPPROTO_FRAGMENT;
	} else {
		cr_assert(ipv4_parse(&s, &h4) == 0 && h4.tot_len == p->len && h4.csum_ok);
		seen.src = h4.src;
		seen.dst = h4.dst;
		seen.proto = h4.proto;
		seen.ttl = h4.ttl;
		seen.tos = h4.tos;
		seen.fragment = h4.mf || h4.frag_offset;
	}
	seen.l4 = s.p;
	seen.l4_len = span_len(&s);
	read_transport(&seen);
	return seen;
}

struct t_seen t_stack_last(const struct t_stack *t)
{
	cr_assert(t->sent > 0, "nothing was sent");
	return t_stack_read(&t->out[t->sent - 1]);
}
