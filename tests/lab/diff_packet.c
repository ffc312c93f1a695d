/* SPDX-License-Identifier: MIT */
/* diff_packet.c - the packets of an exchange, and answers in words */
#include "diff.h"

#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/icmp_msg.h"
#include "../../rawstack/wire/ipv4.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/tcp.h"
#include "../../rawstack/wire/udp.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { L4_MAX = 3200, TS_BASE = 0x10000000 };

static struct addr address(const char *text)
{
	struct addr a;

	cr_assert(addr_parse(text, &a, NULL) == 0);
	return a;
}

/* The lab's server, whose kernel has no addresses there: that is us. Its client is the host. */
struct addr diff_our_addr(bool v6, uint8_t which)
{
	struct addr a = address(v6 ? "2001:db8:1::2" : "198.51.100.2");

	a.b[15] = (uint8_t)(a.b[15] + which);
	return a;
}

struct addr diff_host_addr(bool v6)
{
	return address(v6 ? "2001:db8:1::1" : "198.51.100.1");
}

uint16_t diff_port(const struct diff_exchange *x)
{
	return (uint16_t)(DIFF_PORT_FIRST + x->mode * DIFF_PORTS + x->listener);
}

void diff_say(char *text, const char *fmt, ...)
{
	size_t used = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + used, DIFF_TEXT_MAX - used, fmt, ap);
	va_end(ap);
}

/* --- building --- */

static void put_tcp(const struct diff_exchange *x, const struct diff_step *st, uint32_t host_iss,
		    struct outbuf *o)
{
	struct tcp_hdr h = {
		.sport = x->sport,
		.dport = diff_port(x),
		.seq = x->iss + (uint32_t)st->seq,
		.ack = st->flags & TCP_ACK ? host_iss + (uint32_t)st->ack : 0,
		.flags = st->flags,
		.window = st->window,
		.urgent = st->urgent,
		.mss = st->options & DIFF_OPT_MSS ? 1400 : 0,
		.wscale = st->options & DIFF_OPT_WSCALE ? 7 : TCP_WSCALE_NONE,
		.sack_permitted = st->options & DIFF_OPT_SACK,
		.timestamps = st->options & DIFF_OPT_TS,
		.ts_val = TS_BASE - (uint32_t)st->ts_back,
	};
	static const uint8_t unknown[8] = {253, 6, 1, 2, 3, 4, 1, 0};
	static const uint8_t broken[4] = {8, 20, 0, 0};
	size_t begin = o->len;

	cr_assert(tcp_build(&h, o) > 0);
	if (st->options & DIFF_OPT_UNKNOWN)
		outbuf_put(o, unknown, sizeof(unknown));
	if (st->options & DIFF_OPT_BROKEN)
		outbuf_put(o, broken, sizeof(broken));
	o->buf[begin + 12] = (uint8_t)((o->len - begin) / 4 << 4);
}

static void put_payload(const struct diff_step *st, struct outbuf *o)
{
	uint8_t *p = outbuf_add(o, st->len);

	cr_assert(p);
	for (uint16_t i = 0; i < st->len; i++)
		p[i] = (uint8_t)(st->seq + i);
}

/* A segment of the host's as a router would quote it: its header and eight bytes. */
static void put_icmp_error(const struct diff_exchange *x, const struct diff_step *st,
			   uint32_t host_iss, struct outbuf *o)
{
	struct addr us = diff_our_addr(x->v6, x->source), host = diff_host_addr(x->v6);
	struct icmp_hdr h = {.type = st->icmp_type, .code = st->icmp_code, .rest = st->icmp_info};
	uint8_t l4[20] = {0};

	icmp_build(&h, o);
	put_be16(l4, diff_port(x));
	put_be16(l4 + 2, x->sport);
	put_be32(l4 + 4, host_iss + (uint32_t)st->seq);
	l4[12] = 0x50;
	if (x->v6)
		ipv6_build(&(struct ipv6_hdr){.payload_len = 20,
					      .next = IPPROTO_TCP,
					      .hop_limit = 60,
					      .src = host,
					      .dst = us},
			   o);
	else
		ipv4_build(&(struct ipv4_hdr){.tot_len = 40,
					      .df = true,
					      .ttl = 60,
					      .proto = IPPROTO_TCP,
					      .src = host,
					      .dst = us},
			   o);
	outbuf_put(o, l4, sizeof(l4));
}

static uint8_t put_l4(const struct diff_exchange *x, const struct diff_step *st, uint32_t host_iss,
		      struct outbuf *o)
{
	switch (st->kind) {
	case DIFF_TCP:
		put_tcp(x, st, host_iss, o);
		put_payload(st, o);
		return IPPROTO_TCP;
	case DIFF_UDP:
		udp_build(&(struct udp_hdr){.sport = x->sport,
					    .dport = diff_port(x),
					    .len = (uint16_t)(UDP_HDR_LEN + st->len)},
			  o);
		put_payload(st, o);
		return IPPROTO_UDP;
	case DIFF_ICMP_ERROR:
		put_icmp_error(x, st, host_iss, o);
		return x->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	case DIFF_ECHO:
		icmp_build(&(struct icmp_hdr){.type = x->v6 ? 128 : 8, .rest = 0x1234}, o);
		put_payload(st, o);
		return x->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	default:
		put_payload(st, o);
		return st->icmp_type;
	}
}

static void put_csum(const struct diff_step *st, bool v6, uint8_t proto, const struct addr *src,
		     const struct addr *dst, uint8_t *l4, size_t len)
{
	size_t at = proto == IPPROTO_TCP   ? TCP_CSUM_OFFSET
		    : proto == IPPROTO_UDP ? UDP_CSUM_OFFSET
					   : ICMP_CSUM_OFFSET;
	uint16_t csum;

	if (st->kind == DIFF_OTHER_PROTO || st->no_csum)
		return;
	csum = csum_segment(src, dst, v6, proto, l4, len);
	if (proto == IPPROTO_UDP && !csum)
		csum = 0xffff;
	put_be16(l4 + at, (uint16_t)(csum ^ (st->bad_csum ? 0x0101 : 0)));
}

struct piece {
	const uint8_t *data;
	size_t len;
	uint16_t offset;
	bool fragment, more;
};

/* One IPv6 packet: @carriage's headers, then the piece. */
static void put_v6(const struct diff_step *st, uint32_t id, uint8_t proto, const struct addr *src,
		   const struct addr *dst, const struct piece *p, struct outbuf *o)
{
	uint8_t ext[24] = {proto, 0, 1, 4}, next = IPPROTO_DSTOPTS;
	size_t n = 0;

	switch (st->carriage) {
	case DIFF_HOPOPTS:
		next = IPPROTO_HOPOPTS;
		n = 8;
		break;
	case DIFF_DSTOPTS:
		n = 8;
		break;
	case DIFF_OPTION_DISCARD:
	case DIFF_OPTION_REPORT:
		ext[2] = st->carriage == DIFF_OPTION_DISCARD ? 0x5e : 0x9e;
		n = 8;
		break;
	case DIFF_HOPOPTS_LATE:
		ext[0] = IPPROTO_HOPOPTS;
		ext[8] = proto;
		ext[10] = 1;
		ext[11] = 4;
		n = 16;
		break;
	case DIFF_ROUTING0:
		next = IPPROTO_ROUTING;
		ext[1] = 2;
		ext[2] = 0;
		ext[3] = 1;
		n = 24;
		break;
	default:
		if (!p->fragment && st->carriage != DIFF_ATOMIC) {
			next = proto;
			break;
		}
		next = IPPROTO_FRAGMENT;
		ext[2] = ext[3] = 0;
		put_be16(ext + 2, (uint16_t)(p->offset | p->more));
		put_be32(ext + 4, id);
		n = 8;
	}
	ipv6_build(&(struct ipv6_hdr){.payload_len = (uint16_t)(n + p->len),
				      .next = next,
				      .hop_limit = 64,
				      .src = *src,
				      .dst = *dst},
		   o);
	outbuf_put(o, ext, n);
	outbuf_put(o, p->data, p->len);
}

static void put_v4(const struct diff_step *st, uint32_t id, uint8_t proto, const struct addr *src,
		   const struct addr *dst, const struct piece *p, struct outbuf *o)
{
	static const uint8_t nops[8] = {1, 1, 1, 1, 1, 1, 1, 0};
	static const uint8_t route[8] = {131, 7, 4, 198, 51, 100, 1, 0};
	bool options = st->carriage == DIFF_IP_OPTIONS || st->carriage == DIFF_SOURCE_ROUTE;
	size_t begin = o->len, hdr = options ? 28 : 20;

	ipv4_build(&(struct ipv4_hdr){.hdr_len = (uint8_t)hdr,
				      .tot_len = (uint16_t)(hdr + p->len),
				      .id = (uint16_t)id,
				      .df = !p->fragment,
				      .mf = p->more,
				      .frag_offset = p->offset,
				      .ttl = 64,
				      .proto = proto,
				      .src = *src,
				      .dst = *dst,
				      .options = st->carriage == DIFF_SOURCE_ROUTE ? route : nops},
		   o);
	if (st->carriage == DIFF_BAD_IP_CSUM)
		o->buf[begin + 10] ^= 1;
	outbuf_put(o, p->data, p->len);
}

static void put_packet(const struct diff_exchange *x, const struct diff_step *st, uint8_t proto,
		       const struct addr *ends, const struct piece *p, struct diff_packets *out)
{
	struct outbuf o = outbuf_of(out->bytes[out->n], sizeof(out->bytes[0]));
	/* Another one for each exchange: what is left of a datagram's fragments stays for a while.
	 */
	uint32_t id = (x->iss ^ (uint32_t)x->sport * 2654435761U) + (uint32_t)st->seq * 77U +
		      (uint32_t)(st->len << 8 | st->flags) * 40503U;

	if (x->v6)
		put_v6(st, id, proto, &ends[0], &ends[1], p, &o);
	else
		put_v4(st, id, proto, &ends[0], &ends[1], p, &o);
	if (st->carriage == DIFF_PADDED)
		outbuf_put(&o, "padding", 7);
	cr_assert(!o.overflow);
	if (st->carriage == DIFF_TRUNCATED)
		o.len -= 3;
	out->len[out->n++] = o.len;
}

static bool in_fragments(enum diff_carriage c)
{
	return c >= DIFF_FRAGMENTS && c <= DIFF_FRAGMENT_ALONE;
}

static void put_fragments(const struct diff_exchange *x, const struct diff_step *st, uint8_t proto,
			  const struct addr *ends, const uint8_t *l4, size_t len,
			  struct diff_packets *out)
{
	static uint8_t other[L4_MAX];
	size_t cut = len / 2 / 8 * 8, early = st->carriage == DIFF_FRAGMENTS_OVERLAP ? 8 : 0;
	struct piece first = {l4, cut, 0, true, true};
	struct piece second = {l4 + cut - early, len - cut + early, (uint16_t)(cut - early), true,
			       false};

	if (early) {
		memcpy(other, second.data, second.len);
		other[0] ^= 0xff;
		second.data = other;
	}
	if (st->carriage == DIFF_FRAGMENTS_REVERSED)
		put_packet(x, st, proto, ends, &second, out);
	put_packet(x, st, proto, ends, &first, out);
	if (st->carriage == DIFF_FRAGMENT_TWICE)
		put_packet(x, st, proto, ends, &first, out);
	if (st->carriage != DIFF_FRAGMENTS_REVERSED && st->carriage != DIFF_FRAGMENT_ALONE)
		put_packet(x, st, proto, ends, &second, out);
}

void diff_build(const struct diff_exchange *x, const struct diff_step *st, uint32_t host_iss,
		struct diff_packets *out)
{
	static uint8_t l4[L4_MAX];
	struct outbuf o = outbuf_of(l4, sizeof(l4));
	struct addr ends[2] = {diff_our_addr(x->v6, st->other_source ? !x->source : x->source),
			       diff_host_addr(x->v6)};
	uint8_t proto;

	memset(l4, 0, sizeof(l4));
	out->n = 0;
	if (st->to_group)
		ends[1] = address(x->v6 ? "ff02::1" : "224.0.0.1");
	proto = put_l4(x, st, host_iss, &o);
	cr_assert(!o.overflow);
	put_csum(st, x->v6, proto, &ends[0], &ends[1], l4, o.len);
	if (in_fragments(st->carriage) && o.len >= 40) {
		put_fragments(x, st, proto, ends, l4, o.len, out);
	} else {
		struct piece all = {l4, o.len, 0, false, false};

		put_packet(x, st, proto, ends, &all, out);
	}
}

/* --- reading --- */

static const char *flag_text(uint8_t flags)
{
	static char text[16];
	const char *names = "FSRPAUEC";
	int n = 0;

	/* Linux may negotiate ECN (RFC 3168), the stack does not: the two bits are not compared. */
	for (int i = 0; i < 6; i++)
		if (flags & 1 << i && names[i] != 'P')
			text[n++] = names[i];
	text[n] = '\0';
	return text;
}

static void describe_tcp(const struct diff_exchange *x, struct diff_view *v, struct span l4,
			 char *text)
{
	struct tcp_hdr h;
	int32_t seq, ack;

	if (tcp_parse(&l4, &h) < 0 || h.dport != x->sport || h.sport != diff_port(x))
		return;
	if (h.flags & TCP_SYN) {
		/* Another number than before: the port was reopened by a new SYN. */
		if (v->has_iss && v->iss != h.seq)
			diff_say(text, " new");
		v->has_iss = true;
		v->iss = h.seq;
		v->sent = 0;
		v->acked = (int32_t)(h.ack - x->iss);
	}
	seq = (int32_t)(h.seq - (v->has_iss ? v->iss : 0));
	ack = h.flags & TCP_ACK ? (int32_t)(h.ack - x->iss) : 0;
	if ((h.flags & (TCP_RST | TCP_ACK)) == (TCP_RST | TCP_ACK) && h.seq == 0)
		seq = 0; /* in answer to a segment without ACK */
	diff_say(text, " %s seq %d ack %d len %zu", flag_text(h.flags), seq, ack, span_len(&l4));
	if (h.flags & TCP_SYN)
		diff_say(text, " mss %u%s%s%s", h.mss, h.wscale == TCP_WSCALE_NONE ? "" : " ws",
			 h.sack_permitted ? " sack" : "", h.timestamps ? " ts" : "");
	else if (!(h.flags & TCP_RST))
		diff_say(text, "%s%s", h.timestamps ? " ts" : "", h.window ? "" : " win 0");
	for (int i = 0; i < h.sacks; i++)
		diff_say(text, " [%d-%d]", (int32_t)(h.sack[i].left - x->iss),
			 (int32_t)(h.sack[i].right - x->iss));
	diff_say(text, ";");
	if (h.flags & TCP_RST)
		return;
	if (ack > v->acked)
		v->acked = ack;
	seq += (int32_t)span_len(&l4) + !!(h.flags & TCP_SYN) + !!(h.flags & TCP_FIN);
	if (seq > v->sent)
		v->sent = seq;
}

static void describe_icmp(bool v6, struct span l4, char *text)
{
	struct icmp_hdr h;

	if (icmp_parse(&l4, &h) < 0)
		return;
	/* What is quoted is as much as fits; how much is the sender's choice. */
	if (icmp_type_is_error(v6, h.type))
		diff_say(text, " icmp %u/%u info %u;", h.type, h.code, h.rest);
	else if (icmp_kind_of(v6, h.type, h.code) == ICMP_KIND_ECHO_REPLY)
		diff_say(text, " echo reply %x len %zu;", h.rest, span_len(&l4));
}

static bool of_exchange(const struct diff_exchange *x, struct span l4)
{
	const uint8_t *p = span_peek(&l4, 4);

	return p && get_be16(p) == diff_port(x) && get_be16(p + 2) == x->sport;
}

void diff_describe(const struct diff_exchange *x, struct diff_view *v, const uint8_t *packet,
		   size_t len, char *text)
{
	struct span s = span_of(packet, len);
	struct ipv4_hdr h4 = {0};
	struct ipv6_hdr h6 = {0};
	struct addr us = diff_our_addr(x->v6, x->source);
	struct ipv6_chain chain;
	uint8_t proto;

	if (packet[0] >> 4 == 6) {
		if (ipv6_parse(&s, &h6) < 0 || ipv6_walk(&s, h6.next, &chain) < 0)
			return;
		proto = chain.proto;
		if (chain.frag_offset)
			return; /* the first fragment speaks for all */
	} else {
		if (ipv4_parse(&s, &h4) < 0 || h4.frag_offset)
			return;
		span_trim(&s, (size_t)(h4.tot_len - h4.hdr_len));
		proto = h4.proto;
	}
	if (proto == IPPROTO_TCP && !of_exchange(x, s))
		return; /* of an earlier one: what was left half-open is sent again for a while */
	if ((packet[0] >> 4 == 6) != x->v6)
		diff_say(text, " OTHER FAMILY");
	if (proto == IPPROTO_TCP && !addr_eq(x->v6 ? &h6.dst : &h4.dst, &us))
		diff_say(text, " elsewhere;");
	else if (proto == IPPROTO_TCP)
		describe_tcp(x, v, s, text);
	else if (proto == (x->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		describe_icmp(x->v6, s, text);
	else
		diff_say(text, " protocol %u len %zu;", proto, span_len(&s));
}

/* It may tell what came twice, in one block that is below what it acknowledges. */
static bool is_bare_ack(const char *words, int *ack)
{
	const char *block = strchr(words, '[');
	int left, right;

	if (strncmp(words, " A seq", 6) != 0 || !strstr(words, " len 0") ||
	    strstr(words, "win 0") || sscanf(strstr(words, " ack "), " ack %d", ack) != 1)
		return false;
	return !block || (sscanf(block, "[%d-%d]", &left, &right) == 2 && right <= *ack &&
			  !strchr(block + 1, '['));
}

void diff_tidy(char *text, int32_t acked)
{
	char copy[DIFF_TEXT_MAX], *at;

	snprintf(copy, sizeof(copy), "%s", text);
	text[0] = '\0';
	for (char *p = strtok_r(copy, ";", &at); p; p = strtok_r(NULL, ";", &at)) {
		char *words = strrchr(p, ')');
		int ack;

		words = words ? words + 1 : p;
		if (is_bare_ack(words, &ack) && ack > acked)
			*words = '\0';
		if (*p)
			diff_say(text, "%s%s", p, *words ? ";" : "");
	}
}

static const char *const carriage_names[DIFF_CARRIAGES] = {
	[DIFF_WHOLE] = "",
	[DIFF_FRAGMENTS] = " in fragments",
	[DIFF_FRAGMENTS_REVERSED] = " in fragments, last first",
	[DIFF_FRAGMENTS_OVERLAP] = " in fragments that overlap",
	[DIFF_FRAGMENT_TWICE] = " in fragments, first twice",
	[DIFF_FRAGMENT_ALONE] = " first fragment only",
	[DIFF_ATOMIC] = " atomic fragment",
	[DIFF_HOPOPTS] = " hop-by-hop options",
	[DIFF_DSTOPTS] = " destination options",
	[DIFF_ROUTING0] = " routing header 0",
	[DIFF_OPTION_DISCARD] = " option to discard",
	[DIFF_OPTION_REPORT] = " option to report",
	[DIFF_HOPOPTS_LATE] = " hop-by-hop options not first",
	[DIFF_IP_OPTIONS] = " IP options",
	[DIFF_SOURCE_ROUTE] = " source route",
	[DIFF_BAD_IP_CSUM] = " bad IP checksum",
	[DIFF_TRUNCATED] = " truncated",
	[DIFF_PADDED] = " padded",
};

void diff_print_step(const struct diff_exchange *x, const struct diff_step *st, char *buf,
		     size_t cap)
{
	static const char *const kinds[] = {"TCP",  "ICMP error", "UDP",
					    "echo", "protocol",	  "the program:"};
	static const char *const acts[DIFF_ACTS] = {"send", "shutdown", "close", "abort", "read"};
	size_t n = (size_t)snprintf(buf, cap, "%s", kinds[st->kind]);

	(void)x;
	if (st->kind == DIFF_TCP)
		n += (size_t)snprintf(buf + n, cap - n,
				      " %s%s seq %d ack %d len %u win %u urg %u options %x back %d",
				      flag_text(st->flags), st->flags & TCP_PSH ? "P" : "", st->seq,
				      st->ack, st->len, st->window, st->urgent, st->options,
				      st->ts_back);
	else if (st->kind == DIFF_ACT)
		n += (size_t)snprintf(buf + n, cap - n, " %s %u", acts[st->act], st->len);
	else
		n += (size_t)snprintf(buf + n, cap - n, " %u/%u seq %d len %u info %u",
				      st->icmp_type, st->icmp_code, st->seq, st->len,
				      st->icmp_info);
	snprintf(buf + n, cap - n, "%s%s%s%s%s", carriage_names[st->carriage],
		 st->bad_csum ? " BAD CHECKSUM" : "", st->no_csum ? " NO CHECKSUM" : "",
		 st->other_source ? " other source" : "", st->to_group ? " to group" : "");
}
