/* SPDX-License-Identifier: MIT */
/* out.c - output: route, frame, Ethernet and IP header, for whatever transport comes behind */
#include "stack_internal.h"

#include "neigh.h"
#include "../wire/csum.h"
#include "../wire/eth.h"
#include "../wire/ipv4.h"
#include "../wire/ipv6.h"

#include <errno.h>

static bool in_prefix(const struct own_addr *o, const struct addr *a)
{
	size_t bytes = o->prefix_len / 8, bits = o->prefix_len % 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits);

	return memcmp(o->addr.b, a->b, bytes) == 0 &&
	       (bits == 0 || ((o->addr.b[bytes] ^ a->b[bytes]) & mask) == 0);
}

int route_find(const struct stack *s, const struct addr *dst, struct route *r)
{
	bool v6 = !addr_is_mapped(dst);
	const struct addr *gateway = v6 ? &s->cfg.gateway6 : &s->cfg.gateway4;

	r->own = own_primary(s, v6);
	r->next_hop = *dst;
	if (r->own == OWN_NONE || (v6 && !s->ipv6))
		return -ENETUNREACH;
	for (int i = 0; i < s->n_own; i++) {
		if (s->own[i].state == STACK_ADDR_READY && in_prefix(&s->own[i], dst)) {
			r->own = (uint8_t)i;
			return 0;
		}
	}
	r->next_hop = *gateway;
	return addr_is_any(gateway) ? -ENETUNREACH : 0;
}

/* DF is set always, so that the identification has no meaning (RFC 6864 4.1). */
static uint8_t *put_ipv4(const struct out *o, uint8_t *p, uint8_t proto, uint8_t ttl, uint8_t tos)
{
	p[0] = 0x45;
	p[1] = tos;
	put_be16(p + 2, (uint16_t)(IPV4_HDR_LEN + o->l4_len));
	put_be32(p + 4, 0x4000);
	p[8] = ttl;
	p[9] = proto;
	put_be16(p + 10, 0);
	memcpy(p + 12, o->src->b + 12, 4);
	memcpy(p + 16, o->dst->b + 12, 4);
	put_be16(p + 10, csum_of(p, IPV4_HDR_LEN));
	return p + IPV4_HDR_LEN;
}

static uint8_t *put_ipv6(const struct out *o, uint8_t *p, uint8_t proto, uint8_t ttl, uint8_t tos)
{
	put_be32(p, 0x60000000U | (uint32_t)tos << 20);
	put_be16(p + 4, (uint16_t)o->l4_len);
	p[6] = proto;
	p[7] = ttl;
	memcpy(p + 8, o->src->b, 16);
	memcpy(p + 24, o->dst->b, 16);
	return p + IPV6_HDR_LEN;
}

static void put_ethernet(const struct stack *s, const struct out *o, const uint8_t mac[6])
{
	memcpy(o->frame, mac, 6);
	memcpy(o->frame + 6, s->cfg.mac, 6);
	put_be16(o->frame + 12, o->v6 ? ETHTYPE_IPV6 : ETHTYPE_IPV4);
}

/*
 * Room for the frame, and its Ethernet header. A frame whose next hop is still being asked for is
 * built aside; the neighbour cache keeps it and fills in the station.
 */
static int begin_frame(struct stack *s, uint64_t now, struct out *o)
{
	uint8_t mac[6] = {0};
	int rc = 0;

	if (s->neigh != NULL)
		rc = neigh_resolve(s->neigh, now, &o->next_hop, mac);
	o->held = rc == -EINPROGRESS;
	if (rc < 0 && !o->held) {
		s->stats.neigh_failed++;
		return -EHOSTUNREACH;
	}
	o->frame = o->held ? s->scratch : s->cfg.link.reserve(s->cfg.link.arg, o->frame_len);
	if (o->frame == NULL) {
		s->stats.out_no_room++;
		return -ENOBUFS;
	}
	if (s->neigh != NULL)
		put_ethernet(s, o, mac);
	return 0;
}

int out_begin(struct stack *s, uint64_t now, struct out *o, uint8_t own, const struct addr *dst,
	      uint8_t proto, uint8_t ttl, uint8_t tos, size_t l4_len)
{
	struct route r;
	uint8_t *ip;
	int rc = route_find(s, dst, &r);

	if (rc < 0) {
		s->stats.out_no_route++;
		return rc;
	}
	o->v6 = !addr_is_mapped(dst);
	o->src = &s->own[own].addr;
	o->dst = dst;
	o->l4_len = l4_len;
	o->next_hop = r.next_hop;
	o->frame_len = s->link_hdr + (o->v6 ? IPV6_HDR_LEN : IPV4_HDR_LEN) + l4_len;
	if (o->frame_len > s->link_hdr + s->cfg.mtu)
		return -EMSGSIZE;
	rc = begin_frame(s, now, o);
	if (rc < 0)
		return rc;
	ip = o->frame + s->link_hdr;
	o->l4 = o->v6 ? put_ipv6(o, ip, proto, ttl, tos) : put_ipv4(o, ip, proto, ttl, tos);
	return 0;
}

void out_end(struct stack *s, uint64_t now, struct out *o)
{
	(void)now;
	if (o->held) {
		if (neigh_hold(s->neigh, &o->next_hop, o->frame, o->frame_len) < 0)
			s->stats.neigh_failed++;
		return;
	}
	s->stats.frames_out++;
	s->stats.bytes_out += o->frame_len;
	s->cfg.link.commit(s->cfg.link.arg, o->frame_len);
}

int out_packet(struct stack *s, uint64_t now, uint8_t own, const struct addr *dst, uint8_t proto,
	       uint8_t ttl, uint8_t tos, const void *l4, size_t l4_len, size_t csum_off)
{
	struct out o;
	int rc = out_begin(s, now, &o, own, dst, proto, ttl, tos, l4_len);

	if (rc < 0)
		return rc;
	memcpy(o.l4, l4, l4_len);
	put_be16(o.l4 + csum_off, 0);
	put_be16(o.l4 + csum_off, csum_segment(o.src, dst, o.v6, proto, o.l4, l4_len));
	out_end(s, now, &o);
	return 0;
}

void out_frame(struct stack *s, const void *frame, size_t len)
{
	uint8_t *p = s->cfg.link.reserve(s->cfg.link.arg, len);

	if (p == NULL) {
		s->stats.out_no_room++;
		return;
	}
	memcpy(p, frame, len);
	s->stats.frames_out++;
	s->stats.bytes_out += len;
	s->cfg.link.commit(s->cfg.link.arg, len);
}
