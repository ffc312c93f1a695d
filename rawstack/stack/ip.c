/* SPDX-License-Identifier: MIT */
/* ip.c - IPv4 and IPv6 input: headers into one form, who it is for, who it may be from */
#include "stack_internal.h"

#include "../wire/ipv4.h"
#include "../wire/ipv6.h"
#include "../wire/nd.h"

#include <errno.h>
#include <netinet/in.h>

enum { IPV6_NEXT_AT = 6 }; /* the fixed header's next header field */

uint8_t own_find(const struct stack *s, const struct addr *a)
{
	for (int i = 0; i < s->n_own; i++) {
		if (s->own[i].state == STACK_ADDR_READY && addr_eq(&s->own[i].addr, a))
			return (uint8_t)i;
	}
	return OWN_NONE;
}

uint8_t own_primary(const struct stack *s, bool v6)
{
	for (int i = 0; i < s->n_own; i++) {
		if (s->own[i].state == STACK_ADDR_READY && s->own[i].v6 == v6)
			return (uint8_t)i;
	}
	return OWN_NONE;
}

bool own_broadcast(const struct stack *s, const struct addr *a)
{
	uint32_t v = get_be32(a->b + 12);

	if (v == UINT32_MAX)
		return true;
	for (int i = 0; i < s->n_own; i++) {
		int host = 128 - s->own[i].prefix_len;
		uint32_t mask = host >= 32 ? UINT32_MAX : (1U << host) - 1;

		if (!s->own[i].v6 && host > 1 && (v | mask) == v &&
		    ((v ^ get_be32(s->own[i].addr.b + 12)) & ~mask) == 0)
			return true;
	}
	return false;
}

/* MUST-57, MUST-63; RFC 1122 3.2.1.3, RFC 4291 2.5.2, 2.5.3, 2.7. */
static bool source_is_possible(const struct stack *s, const struct packet *p)
{
	const uint8_t *v4 = addr_v4(&p->src);

	/* Duplicate address detection alone may come from :: or, in a conflict, from our address.
	 */
	if (addr_eq(&p->src, &ADDR_ANY6) || own_find(s, &p->src) != OWN_NONE)
		return p->v6 && p->proto == IPPROTO_ICMPV6 && p->ttl == ND_HOP_LIMIT;
	if (v4 != NULL)
		return v4[0] != 127 && v4[0] != 0 && v4[0] < 224 && !own_broadcast(s, &p->src);
	return p->src.b[0] != 0xff && memcmp(p->src.b, ADDR_ANY6.b, 15) != 0;
}

static bool v4_is_group(const struct stack *s, const struct addr *a)
{
	static const uint8_t all_hosts[4] = {224, 0, 0, 1};

	return memcmp(a->b + 12, all_hosts, 4) == 0 || own_broadcast(s, a);
}

/* All nodes, of interface and link scope, and the solicited-node groups (RFC 4291 2.8). */
static bool v6_is_group(const struct stack *s, const struct addr *a)
{
	static const struct addr all_nodes = {{0xff, 0, [15] = 1}};
	struct addr unscoped = *a;

	unscoped.b[1] = 0;
	if (a->b[0] != 0xff)
		return false;
	if (addr_eq(&unscoped, &all_nodes))
		return a->b[1] == 1 || a->b[1] == 2;
	for (int i = 0; i < s->n_own; i++) {
		struct addr group = nd_solicited_node(&s->own[i].addr);

		if (s->own[i].v6 && s->own[i].state != STACK_ADDR_DUPLICATE && addr_eq(a, &group))
			return true;
	}
	return false;
}

/* Fills own and to_group. */
static bool is_for_us(const struct stack *s, struct packet *p)
{
	p->own = own_find(s, &p->dst);
	if (p->own != OWN_NONE)
		return true;
	if (p->v6 ? !v6_is_group(s, &p->dst) : !v4_is_group(s, &p->dst))
		return false;
	p->to_group = true;
	return true;
}

/* Addresses are read: the same questions for both families. */
static bool addresses_fit(struct stack *s, struct packet *p)
{
	if (!is_for_us(s, p)) {
		s->stats.drop_not_ours++;
		return false;
	}
	if (!source_is_possible(s, p)) {
		s->stats.drop_source++;
		return false;
	}
	return true;
}

/* @named_at: where in the packet the octet stands that names the protocol, for ICMPv6. */
static void deliver_transport(struct stack *s, struct packet *p, uint32_t named_at)
{
	if (p->proto == IPPROTO_TCP) {
		tcp_input(s, p);
	} else if (p->proto == IPPROTO_UDP) {
		udp_input(s, p);
	} else if (p->proto == (p->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		icmp_input(s, p);
	} else {
		s->stats.drop_protocol++;
		if (p->proto != IPPROTO_NONE || !p->v6)
			icmp_complain(s, p, ICMP_KIND_PROTO_UNREACHABLE, named_at);
	}
}

/* A header that forbids going on (RFC 8200 4). Returns whether there was one. */
static bool refuse_chain(struct stack *s, const struct packet *p, const struct ipv6_chain *c,
			 uint32_t at, int err)
{
	enum { ROUTING_TYPE_AT = 2 };

	if (err == -EPROTO) {
		s->stats.drop_protocol++;
		icmp_complain(s, p, ICMP_KIND_PROTO_UNREACHABLE, at + c->next_at);
	} else if (err < 0 || c->jumbo_len != 0) {
		s->stats.drop_ip_header++;
	} else if (c->option_action) {
		s->stats.drop_ip_options++;
		if (c->option_action == IPV6_OPTION_REPORT ||
		    (c->option_action == IPV6_OPTION_REPORT_UNICAST && !p->to_group))
			icmp_complain(s, p, ICMP_KIND_BAD_OPTION, at + c->option_at);
	} else if (c->routed) {
		s->stats.drop_ip_options++;
		icmp_complain(s, p, ICMP_KIND_BAD_FIELD, at + c->routing_at + ROUTING_TYPE_AT);
	} else {
		return false;
	}
	return true;
}

/* @p->l4 is where the chain begins; what comes behind the fragment header is the fragment's. */
static void ipv6_fragment(struct stack *s, struct packet *p, const struct ipv6_chain *c)
{
	enum { FRAGMENT_HDR_LEN = 8 };
	const uint8_t *hdr = p->l4 + c->fragment_at, *data = hdr + FRAGMENT_HDR_LEN;
	const uint8_t *end = p->l4 + p->l4_len;
	struct reasm_fragment f = {.v6 = true,
				   .src = p->src,
				   .dst = p->dst,
				   .proto = hdr[0],
				   .id = get_be32(hdr + 4),
				   .offset = get_be16(hdr + 2) & 0xfff8,
				   .more = hdr[3] & 1,
				   .counted = c->fragment_at};

	f.data = span_of(data, (size_t)(end - data));
	f.header = span_of(p->ip, (size_t)(data - p->ip));
	p->proto = hdr[0];
	p->hdr_len = span_len(&f.header);
	p->l4 = data;
	p->l4_len = span_len(&f.data);
	fragment_input(s, p, &f);
}

static void ipv6_deliver(struct stack *s, struct packet *p)
{
	const uint32_t at = (uint32_t)p->hdr_len;
	struct span sp = span_of(p->l4, p->l4_len);
	struct ipv6_chain c;
	int err = ipv6_walk(&sp, p->proto, &c);

	if (c.fragment && !p->reassembled) {
		ipv6_fragment(s, p, &c);
		return;
	}
	if (c.fragment)
		err = -EBADMSG; /* a fragment inside a datagram put together from fragments */
	if (refuse_chain(s, p, &c, at, err))
		return;
	p->proto = c.proto;
	p->l4_len = span_len(&sp);
	if (!p->reassembled)
		p->hdr_len += (size_t)(sp.p - p->l4);
	p->l4 = sp.p;
	deliver_transport(s, p, c.count ? at + c.next_at : IPV6_NEXT_AT);
}

void ip_deliver(struct stack *s, struct packet *p)
{
	if (p->v6)
		ipv6_deliver(s, p);
	else
		deliver_transport(s, p, 0);
}

/* Loose and strict source routes are refused (RFC 7126 4.3, 4.4), other options ignored (MUST-50).
 */
static bool has_source_route(const uint8_t *opt, size_t len)
{
	enum { END = 0, NOP = 1, LSRR = 131, SSRR = 137 };

	for (size_t i = 0; i < len && opt[i] != END;) {
		if (opt[i] == LSRR || opt[i] == SSRR)
			return true;
		if (opt[i] == NOP) {
			i++;
			continue;
		}
		if (i + 1 >= len || opt[i + 1] < 2)
			return false;
		i += opt[i + 1];
	}
	return false;
}

static void ipv4_fragment(struct stack *s, struct packet *p, const struct ipv4_hdr *h)
{
	struct reasm_fragment f = {.src = p->src,
				   .dst = p->dst,
				   .proto = p->proto,
				   .id = h->id,
				   .offset = h->frag_offset,
				   .more = h->mf,
				   .counted = h->hdr_len};

	f.header = span_of(p->ip, p->hdr_len);
	f.data = span_of(p->l4, p->l4_len);
	fragment_input(s, p, &f);
}

static void ipv4_input(struct stack *s, struct packet *p)
{
	struct span sp = span_of(p->ip, p->ip_len);
	struct ipv4_hdr h;

	if (ipv4_parse(&sp, &h) < 0) {
		s->stats.drop_ip_header++;
		return;
	}
	if (!h.csum_ok) {
		s->stats.drop_ip_checksum++;
		return;
	}
	/* What follows the total length is padding of the frame (RFC 894). */
	if (h.tot_len > p->ip_len || h.tot_len < h.hdr_len) {
		s->stats.drop_short++;
		return;
	}
	if (h.hdr_len > IPV4_HDR_LEN &&
	    has_source_route(h.options, h.hdr_len - (size_t)IPV4_HDR_LEN)) {
		s->stats.drop_ip_options++;
		return;
	}
	p->src = h.src;
	p->dst = h.dst;
	p->proto = h.proto;
	p->ttl = h.ttl;
	p->tos = h.tos;
	p->ip_len = h.tot_len;
	p->hdr_len = h.hdr_len;
	p->l4 = p->ip + h.hdr_len;
	p->l4_len = h.tot_len - (size_t)h.hdr_len;
	if (!addresses_fit(s, p))
		return;
	if (h.mf || h.frag_offset != 0)
		ipv4_fragment(s, p, &h);
	else
		ip_deliver(s, p);
}

static void ipv6_input(struct stack *s, struct packet *p)
{
	struct span sp = span_of(p->ip, p->ip_len);
	struct ipv6_hdr h;

	if (!s->ipv6 || ipv6_parse(&sp, &h) < 0) {
		s->stats.drop_ip_header++;
		return;
	}
	if (h.payload_len > span_len(&sp)) {
		s->stats.drop_short++;
		return;
	}
	/*
	 * A mapped address inside a native packet: whoever believed it would answer, by IPv4,
	 * somebody who never wrote (draft-itojun-v6ops-v4mapped-harmful). Linux delivers UDP from
	 * such a source; this stack does not.
	 */
	if (addr_is_mapped(&h.src) || addr_is_mapped(&h.dst)) {
		s->stats.drop_forged_mapped++;
		return;
	}
	span_trim(&sp, h.payload_len);
	p->src = h.src;
	p->dst = h.dst;
	p->ttl = h.hop_limit;
	p->tos = h.traffic_class;
	p->ip_len = IPV6_HDR_LEN + (size_t)h.payload_len;
	p->proto = h.next;
	p->hdr_len = IPV6_HDR_LEN;
	p->l4 = sp.p;
	p->l4_len = span_len(&sp);
	if (addresses_fit(s, p))
		ip_deliver(s, p);
}

void ip_input(struct stack *s, uint64_t now, const uint8_t *ip, size_t len, const uint8_t *mac,
	      bool to_group, bool csum_trusted)
{
	struct packet p; /* not cleared: the family's reader sets the rest, or drops it */

	p.now = now;
	p.ip = ip;
	p.ip_len = len;
	p.mac = mac;
	p.to_group = to_group;
	p.csum_trusted = csum_trusted;
	p.own = OWN_NONE;
	p.reassembled = false;
	if (len == 0) {
		s->stats.drop_short++;
		return;
	}
	p.v6 = ip[0] >> 4 == 6;
	if (p.v6)
		ipv6_input(s, &p);
	else
		ipv4_input(s, &p);
}
