/* SPDX-License-Identifier: MIT */
/* nd.c - neighbour discovery messages */
#include "nd.h"

#include "csum.h"
#include "icmp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>

enum {
	OPTION_SOURCE_LLADDR = 1,
	OPTION_TARGET_LLADDR = 2,
	OPTION_NONCE = 14,
	OPTION_UNIT = 8, /* option lengths count in these */
};

/* The first word behind the checksum of an advertisement. */
static const uint32_t flag_router = UINT32_C(1) << 31;
static const uint32_t flag_solicited = UINT32_C(1) << 30;
static const uint32_t flag_override = UINT32_C(1) << 29;

static const uint8_t solicited_node_prefix[13] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};

static bool is_multicast(const struct addr *a)
{
	return a->b[0] == 0xff;
}

struct addr nd_solicited_node(const struct addr *a)
{
	struct addr group = *a;

	memcpy(group.b, solicited_node_prefix, sizeof(solicited_node_prefix));
	return group;
}

void nd_group_mac(const struct addr *group, uint8_t mac[6])
{
	mac[0] = mac[1] = 0x33;
	memcpy(mac + 2, group->b + 12, 4);
}

/* Shortest legal message of each type (RFC 4861 4.1 to 4.5). */
static size_t minimum_len(uint8_t type)
{
	switch (type) {
	case ND_ROUTER_SOLICIT:
		return 8;
	case ND_ROUTER_ADVERT:
		return 16;
	case ND_REDIRECT:
		return 40;
	default:
		return ND_LEN;
	}
}

static void read_option(const uint8_t *opt, size_t len, struct nd_msg *m)
{
	uint8_t wanted = m->type == ND_SOLICIT ? OPTION_SOURCE_LLADDR : OPTION_TARGET_LLADDR;

	if (opt[0] == wanted && len == ND_OPTION_LEN && !m->has_lladdr) {
		m->has_lladdr = true;
		memcpy(m->lladdr, opt + 2, sizeof(m->lladdr));
	}
	if (opt[0] == OPTION_NONCE && len == 2 + ND_NONCE_LEN && !m->has_nonce) {
		m->has_nonce = true;
		memcpy(m->nonce, opt + 2, sizeof(m->nonce));
	}
}

static int read_options(struct span opts, struct nd_msg *m)
{
	const uint8_t *p;
	size_t len;

	while (span_len(&opts)) {
		p = span_peek(&opts, 2);
		if (!p)
			return -EBADMSG;
		len = (size_t)p[1] * OPTION_UNIT;
		if (!len || !span_take(&opts, len))
			return -EBADMSG;
		read_option(p, len, m);
	}
	return 0;
}

/* What RFC 4861 asks of a solicitation's and an advertisement's addresses. */
static bool addresses_legal(const struct nd_carrier *ip, const struct nd_msg *m)
{
	struct addr group = nd_solicited_node(&m->target);

	if (is_multicast(&m->target) || is_multicast(&ip->src))
		return false;
	if (m->type == ND_ADVERT)
		return !(m->solicited && is_multicast(&ip->dst));
	if (!addr_eq(&ip->src, &ADDR_ANY6))
		return true;
	return addr_eq(&ip->dst, &group) && !m->has_lladdr;
}

int nd_parse(struct span s, const struct nd_carrier *ip, struct nd_msg *m)
{
	struct icmp_hdr icmp;
	const uint8_t *target;
	size_t len = span_len(&s);
	int err;

	*m = (struct nd_msg){0};
	err = icmp_parse(&s, &icmp);
	if (err)
		return err;
	if (!nd_is_type(icmp.type) || icmp.code || ip->hop_limit != ND_HOP_LIMIT)
		return -EBADMSG;
	if (len < minimum_len(icmp.type))
		return -ENODATA;
	m->type = icmp.type;
	if (m->type != ND_SOLICIT && m->type != ND_ADVERT)
		return 0;
	if (m->type == ND_ADVERT) {
		m->router = icmp.rest & flag_router;
		m->solicited = icmp.rest & flag_solicited;
		m->override = icmp.rest & flag_override;
	}
	target = span_take(&s, sizeof(m->target.b));
	assert(target);
	m->target = addr_from_v6(target);
	err = read_options(s, m);
	if (err)
		return err;
	return addresses_legal(ip, m) ? 0 : -EBADMSG;
}

static uint32_t flags_word(const struct nd_msg *m)
{
	if (m->type != ND_ADVERT)
		return 0;
	return (m->router ? flag_router : 0) | (m->solicited ? flag_solicited : 0) |
	       (m->override ? flag_override : 0);
}

static void put_option(uint8_t type, const uint8_t data[6], struct outbuf *out)
{
	const uint8_t head[2] = {type, 1};

	outbuf_put(out, head, sizeof(head));
	outbuf_put(out, data, 6);
}

int nd_build(const struct nd_msg *m, const struct addr *src, const struct addr *dst,
	     struct outbuf *out)
{
	size_t begin = out->len;
	size_t len = ND_LEN + (m->has_lladdr ? ND_OPTION_LEN : 0) +
		     (m->has_nonce ? 2 + ND_NONCE_LEN : 0);
	uint8_t *p = out->buf + begin;

	if (m->type != ND_SOLICIT && m->type != ND_ADVERT)
		return -EINVAL;
	if (out->overflow || out->cap - out->len < len)
		return -ENOSPC;
	icmp_build(&(struct icmp_hdr){.type = m->type, .rest = flags_word(m)}, out);
	outbuf_put(out, m->target.b, sizeof(m->target.b));
	if (m->has_lladdr)
		put_option(m->type == ND_SOLICIT ? OPTION_SOURCE_LLADDR : OPTION_TARGET_LLADDR,
			   m->lladdr, out);
	if (m->has_nonce)
		put_option(OPTION_NONCE, m->nonce, out);
	assert(out->len == begin + len);
	put_be16(p + ICMP_CSUM_OFFSET, csum_segment(src, dst, true, IPPROTO_ICMPV6, p, len));
	return (int)len;
}
