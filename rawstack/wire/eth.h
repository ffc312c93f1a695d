/* SPDX-License-Identifier: MIT */
/* eth.h - Ethernet II headers with VLAN tags (IEEE 802.3, 802.1Q) */
#ifndef RAWSTACK_WIRE_ETH_H
#define RAWSTACK_WIRE_ETH_H

#include "span.h"

enum {
	ETHTYPE_IPV4 = 0x0800,
	ETHTYPE_ARP = 0x0806,
	ETHTYPE_IPV6 = 0x86dd,
	ETHTYPE_8021Q = 0x8100,
	ETHTYPE_8021AD = 0x88a8,
	ETHTYPE_QINQ_OLD = 0x9100,
	ETHTYPE_LOCAL1 = 0x88b5, /* IEEE 802 local experimental: our canary */
	ETHTYPE_MIN = 0x0600,	 /* below it the field is a length (IEEE 802.3 3.2.6) */
};

enum {
	ETH_HDR_LEN = 14,
	ETH_TAG_LEN = 4,
	ETH_TAGS_MAX = 2,
};

struct eth_tag {
	uint16_t tpid;
	uint16_t tci; /* priority, DEI, and in the low 12 bits the VLAN id */
};

/* Host order. */
struct eth_hdr {
	uint8_t dst[6], src[6];
	uint8_t hdr_len; /* with tags */
	uint8_t tags;
	struct eth_tag tag[ETH_TAGS_MAX]; /* outermost first */
	uint16_t ethertype;		  /* after the tags; a third tag shows here as its TPID */
};

static inline bool eth_is_tag(uint16_t ethertype)
{
	return ethertype == ETHTYPE_8021Q || ethertype == ETHTYPE_8021AD ||
	       ethertype == ETHTYPE_QINQ_OLD;
}

/*
 * Reads the header and moves past it. Returns 0, or -ENODATA with the span unmoved and @h->hdr_len
 * the number of bytes it would have taken.
 */
int eth_parse(struct span *s, struct eth_hdr *h);

/*
 * The tags behind a header of @h->hdr_len bytes, at the span's beginning, whose type field held
 * @h->ethertype; sets tags, ethertype and hdr_len, and moves past all of it. Errors as eth_parse().
 */
int eth_parse_tags(struct span *s, struct eth_hdr *h);

/* Appends the header; hdr_len is not looked at. Returns its length, -EINVAL (tags) or -ENOSPC. */
int eth_build(const struct eth_hdr *h, struct outbuf *out);

#endif
