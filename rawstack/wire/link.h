/* SPDX-License-Identifier: MIT */
/* link.h - the headers in front of IP that capture files know beside Ethernet */
#ifndef RAWSTACK_WIRE_LINK_H
#define RAWSTACK_WIRE_LINK_H

#include "eth.h"

/* What a frame begins with. Ethernet is 0: a live ring knows nothing else. */
enum link_type {
	LINK_ETHERNET,
	LINK_RAW,  /* nothing: an IPv4 or IPv6 header, told by its version nibble */
	LINK_SLL,  /* Linux cooked capture, 16 bytes, as "any" has it */
	LINK_SLL2, /* version 2 of it, 20 bytes */
	LINK_NULL, /* BSD loopback: an address family of 4 bytes, in the writer's byte order */
	LINK_LOOP, /* OpenBSD loopback: the same, big-endian */
	LINK_NUM
};

/*
 * Reads the link header and moves past it. All forms end in the same words: @h->ethertype is the
 * type behind the VLAN tags, and @h->hdr_len what was read. Of a loopback header it is the
 * EtherType that its address family stands for, and 0 for another family or for LINK_RAW. There are
 * MAC addresses in Ethernet only. Returns 0, or -ENODATA with the span unmoved and @h->hdr_len the
 * number of bytes it would have taken.
 */
int link_parse(struct span *s, enum link_type type, struct eth_hdr *h);

/* Whether a cooked header says that its own host sent the frame; false where nothing says so. */
bool link_outgoing(const struct span *s, enum link_type type);

#endif
