/* SPDX-License-Identifier: MIT */
/* ip.c - IPv4 and IPv6 input: headers into one form, who it is for, who it may be from */
#include "stack_internal.h"

#include "../wire/ipv4.h"
#include "../wire/ipv6.h"

#include <netinet/in.h>

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

static bool v4_is_multicast(const uint8_t *v4)
{
	return (v4[0] & 0xf0) == 0xe0;
}

/* 255.255.255.255 or the last address of one of our prefixes (RFC 1122 3.2.1.3). */
static bool v4_is_broadcast(const struct stack *s, const struct addr *a)
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

	if (own_find(s, &p->src) != OWN_NONE)
		return false;
	if (v4 != NULL)
		return v4[0] != 127 && v4[0] != 0 && v4[0] < 224 && !v4_is_broadcast(s, &p->src);
	if (p->src.b[0] == 0xff)
		return false;
	if (memcmp(p->src.b, ADDR_ANY6.b, 15) != 0)
		return true;
	/* ::1 never; :: is what duplicate address detection sends from */
	return p->src.b[15] == 0 && p->proto == IPPROTO_ICMPV6;
}

/* Fills own and to_group. */
static bool is_for_us(const struct stack *s, struct packet *p)
{
	p->own = own_find(s, &p->dst);
	if (p->own != OWN_NONE)
		return true;
	if (p->v6 ? p->dst.b[0] == 0xff
		  : v4_is_multicast(p->dst.b + 12) || v4_is_broadcast(s, &p->dst)) {
		p->to_group = true;
		return true;
	}
	return false;
}

void ip_deliver(struct stack *s, struct packet *p)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		tcp_input(s, p);
		return;
	default:
		s->stats.drop_protocol++;
	}
}

/* Addresses are read: the same questions for both families. */
static void ip_accept(struct stack *s, struct packet *p, bool fragment)
{
	if (!source_is_possible(s, p)) {
		s->stats.drop_source++;
		return;
	}
	if (!is_for_us(s, p)) {
		s->stats.drop_not_ours++;
		return;
	}
	if (fragment) {
		s->stats.frag_in++;
		s->stats.drop_fragment++;
		return;
	}
	ip_deliver(s, p);
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
	p->l4 = p->ip + h.hdr_len;
	p->l4_len = h.tot_len - (size_t)h.hdr_len;
	ip_accept(s, p, h.mf || h.frag_offset != 0);
}

static void ipv6_input(struct stack *s, struct packet *p)
{
	struct span sp = span_of(p->ip, p->ip_len);
	struct ipv6_hdr h;
	struct ipv6_chain chain;

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
	if (ipv6_walk(&sp, h.next, &chain) < 0 || chain.jumbo_len != 0) {
		s->stats.drop_ip_header++;
		return;
	}
	if (chain.routed) {
		s->stats.drop_ip_options++;
		return;
	}
	p->proto = chain.proto;
	p->l4 = sp.p;
	p->l4_len = span_len(&sp);
	ip_accept(s, p, chain.fragment);
}

void ip_input(struct stack *s, uint64_t now, const uint8_t *ip, size_t len, const uint8_t *mac,
	      bool to_group, bool csum_trusted)
{
	struct packet p = {.now = now,
			   .ip = ip,
			   .ip_len = len,
			   .mac = mac,
			   .to_group = to_group,
			   .csum_trusted = csum_trusted,
			   .own = OWN_NONE};

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
