/* SPDX-License-Identifier: MIT */
/* link.c - link headers of capture files */
#include "link.h"

#include <errno.h>
#include <sys/socket.h>

/* Where the protocol and the packet type stand in a cooked header (LINKTYPE_LINUX_SLL and _SLL2).
 */
enum {
	SLL_LEN = 16,
	SLL_TYPE_AT = 0, /* two bytes, big-endian */
	SLL_PROTOCOL_AT = 14,
	SLL2_LEN = 20,
	SLL2_PROTOCOL_AT = 0,
	SLL2_TYPE_AT = 10, /* one byte */
	SLL_SENT_BY_US = 4,
	FAMILY_LEN = 4,
};

/* AF_INET6 of NetBSD and OpenBSD, FreeBSD, Darwin; Linux's own is in <sys/socket.h>. */
enum { AF_INET6_NETBSD = 24, AF_INET6_FREEBSD = 28, AF_INET6_DARWIN = 30 };

static uint16_t ethertype_of_family(uint32_t family)
{
	switch (family) {
	case AF_INET: /* 2 everywhere */
		return ETHTYPE_IPV4;
	case AF_INET6:
	case AF_INET6_NETBSD:
	case AF_INET6_FREEBSD:
	case AF_INET6_DARWIN:
		return ETHTYPE_IPV6;
	default:
		return 0;
	}
}

static int parse_family(struct span *s, enum link_type type, struct eth_hdr *h)
{
	const uint8_t *p = span_take(s, FAMILY_LEN);
	uint32_t family;

	h->hdr_len = FAMILY_LEN;
	if (!p)
		return -ENODATA;
	family = get_be32(p);
	/* No family is as large as 65536: so much for whose byte order it is. */
	if (type == LINK_NULL && family > UINT16_MAX)
		family = __builtin_bswap32(family);
	h->ethertype = ethertype_of_family(family);
	return 0;
}

/* Tags stand behind the cooked header of version 1, whose last field is then the first TPID. */
static int parse_cooked(struct span *s, size_t len, size_t protocol_at, struct eth_hdr *h)
{
	const uint8_t *p = span_peek(s, len);

	h->hdr_len = (uint8_t)len;
	if (!p)
		return -ENODATA;
	h->ethertype = get_be16(p + protocol_at);
	return eth_parse_tags(s, h);
}

int link_parse(struct span *s, enum link_type type, struct eth_hdr *h)
{
	if (type == LINK_ETHERNET)
		return eth_parse(s, h);
	*h = (struct eth_hdr){0};
	switch (type) {
	case LINK_SLL:
		return parse_cooked(s, SLL_LEN, SLL_PROTOCOL_AT, h);
	case LINK_SLL2:
		return parse_cooked(s, SLL2_LEN, SLL2_PROTOCOL_AT, h);
	case LINK_NULL:
	case LINK_LOOP:
		return parse_family(s, type, h);
	default:
		return 0;
	}
}

bool link_outgoing(const struct span *s, enum link_type type)
{
	const uint8_t *p;

	if (type == LINK_SLL)
		return (p = span_peek(s, SLL_LEN)) && get_be16(p + SLL_TYPE_AT) == SLL_SENT_BY_US;
	if (type == LINK_SLL2)
		return (p = span_peek(s, SLL2_LEN)) && p[SLL2_TYPE_AT] == SLL_SENT_BY_US;
	return false;
}
