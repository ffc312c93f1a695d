/* SPDX-License-Identifier: MIT */
/* ipv6.c - IPv6 headers and extension headers */
#include "ipv6.h"

#include <errno.h>
#include <netinet/in.h>

enum {
	NEXT_HIP = 139,
	NEXT_SHIM6 = 140,
	OPTION_PAD1 = 0x00,
	OPTION_PADN = 0x01,
	OPTION_ROUTER_ALERT = 0x05,
	OPTION_JUMBO = 0xc2,
};

int ipv6_parse(struct span *s, struct ipv6_hdr *h)
{
	const uint8_t *p = span_peek(s, IPV6_HDR_LEN);
	uint32_t word;

	if (!p)
		return -ENODATA;
	word = get_be32(p);
	if (word >> 28 != 6)
		return -EBADMSG;
	span_take(s, IPV6_HDR_LEN);
	h->traffic_class = (uint8_t)(word >> 20);
	h->flow_label = word & 0xfffff;
	h->payload_len = get_be16(p + 4);
	h->next = p[6];
	h->hop_limit = p[7];
	h->src = addr_from_v6(p + 8);
	h->dst = addr_from_v6(p + 24);
	return 0;
}

int ipv6_build(const struct ipv6_hdr *h, struct outbuf *out)
{
	uint8_t *p;

	if (h->flow_label > 0xfffff)
		return -EINVAL;
	p = outbuf_add(out, IPV6_HDR_LEN);
	if (!p)
		return -ENOSPC;
	put_be32(p, 6u << 28 | (uint32_t)h->traffic_class << 20 | h->flow_label);
	put_be16(p + 4, h->payload_len);
	p[6] = h->next;
	p[7] = h->hop_limit;
	memcpy(p + 8, h->src.b, 16);
	memcpy(p + 24, h->dst.b, 16);
	return IPV6_HDR_LEN;
}

static bool is_exthdr(uint8_t type)
{
	switch (type) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
	case NEXT_HIP:
	case NEXT_SHIM6:
		return true;
	default:
		return false;
	}
}

static uint16_t exthdr_len(uint8_t type, uint8_t len_field)
{
	switch (type) {
	case IPPROTO_FRAGMENT:
		return 8;
	case IPPROTO_AH: /* RFC 4302 2.2 counts words of four, less two */
		return (uint16_t)((len_field + 2) * 4);
	default:
		return (uint16_t)((len_field + 1) * 8);
	}
}

/* An option that is not understood; @at is where its type stands. */
static void note_option(uint8_t type, size_t at, struct ipv6_chain *c)
{
	uint8_t action = type >> 6;

	if (type == OPTION_PADN || type == OPTION_ROUTER_ALERT || action == IPV6_OPTION_SKIP ||
	    c->option_action || c->fragment)
		return;
	c->option_action = action;
	c->option_at = (uint16_t)at;
}

/*
 * The options of a hop-by-hop or destination options header that begins at @at: a jumbo payload
 * length (RFC 2675 2) among the former, and what an unknown one asks for.
 */
static int read_options(const uint8_t *hdr, size_t len, size_t at, bool hopopts,
			struct ipv6_chain *c)
{
	struct span opts = span_of(hdr + 2, len - 2);
	const uint8_t *type, *data_len, *data;

	while ((type = span_take(&opts, 1))) {
		if (*type == OPTION_PAD1)
			continue;
		data_len = span_take(&opts, 1);
		if (!data_len)
			return -EBADMSG;
		data = span_take(&opts, *data_len);
		if (!data)
			return -EBADMSG;
		if (*type != OPTION_JUMBO || !hopopts) {
			note_option(*type, at + (size_t)(type - hdr), c);
			continue;
		}
		if (*data_len != 4 || get_be32(data) <= UINT16_MAX)
			return -EBADMSG;
		c->jumbo_len = get_be32(data);
	}
	return 0;
}

static void read_fragment(const uint8_t *hdr, size_t at, struct ipv6_chain *c)
{
	uint16_t word = get_be16(hdr + 2);
	uint16_t offset = word & 0xfff8;
	bool more = word & 1;

	if (!offset && !more)
		return;
	if (!c->fragment)
		c->fragment_at = (uint16_t)at;
	c->fragment = true;
	c->more_fragments = more;
	c->frag_offset = offset;
	c->frag_id = get_be32(hdr + 4);
}

/* What one whole header of type @c->proto says. */
static int read_exthdr(const uint8_t *hdr, size_t len, size_t at, struct ipv6_chain *c)
{
	switch (c->proto) {
	case IPPROTO_HOPOPTS:
		return read_options(hdr, len, at, true, c);
	case IPPROTO_DSTOPTS:
		return read_options(hdr, len, at, false, c);
	case IPPROTO_FRAGMENT:
		read_fragment(hdr, at, c);
		return 0;
	case IPPROTO_ROUTING:
		if (hdr[3] && !c->routed)
			c->routing_at = (uint16_t)at;
		c->routed |= hdr[3] != 0;
		return 0;
	default:
		return 0;
	}
}

int ipv6_walk(struct span *s, uint8_t next, struct ipv6_chain *c)
{
	const uint8_t *begin = s->p, *p;
	int err;

	*c = (struct ipv6_chain){.proto = next};
	while (is_exthdr(c->proto) && !c->frag_offset) {
		if (c->count == IPV6_EXTHDR_MAX)
			return -E2BIG;
		if (c->proto == IPPROTO_HOPOPTS && c->count)
			return -EPROTO;
		c->want = IPV6_EXTHDR_MIN;
		p = span_peek(s, IPV6_EXTHDR_MIN);
		if (!p)
			return -ENODATA;
		c->want = exthdr_len(c->proto, p[1]);
		if (!span_take(s, c->want))
			return -ENODATA;
		c->count++;
		err = read_exthdr(p, c->want, (size_t)(p - begin), c);
		if (err)
			return err;
		c->next_at = (uint16_t)(p - begin);
		c->proto = p[0];
	}
	return 0;
}
