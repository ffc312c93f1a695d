/* SPDX-License-Identifier: MIT */
/* csum.h - the Internet checksum (RFC 1071), over pieces and with either family's pseudo-header */
#ifndef RAWSTACK_WIRE_CSUM_H
#define RAWSTACK_WIRE_CSUM_H

#include "../addr.h"

/* A sum in progress; starts as {0}. Pieces of odd length may be followed by others. */
struct csum {
	uint64_t sum; /* of the 16-bit words in memory order */
	size_t len;   /* bytes summed, for the parity of the next piece */
};

/* Adds @len bytes. */
void csum_add(struct csum *c, const void *data, size_t len);

/*
 * Adds the pseudo-header of a segment of @len bytes: RFC 9293 3.1 for IPv4, RFC 8200 8.1 with @v6.
 * @v6 is how the datagram is carried, not what the addresses look like: mapped addresses inside an
 * IPv6 header count as sixteen bytes. Comes first, or after an even number of bytes.
 */
void csum_add_pseudo(struct csum *c, const struct addr *src, const struct addr *dst, bool v6,
		     uint8_t proto, uint32_t len);

/* The checksum in host order, for put_be16(). Over bytes that hold a right checksum it is 0. */
uint16_t csum_finish(const struct csum *c);

/*
 * The checksum of a whole TCP, UDP, ICMP or ICMPv6 segment as it stands: to be stored when the
 * field holds 0, and 0 when the field holds the right value. IPPROTO_ICMP has no pseudo-header.
 */
uint16_t csum_segment(const struct addr *src, const struct addr *dst, bool v6, uint8_t proto,
		      const void *segment, size_t len);

/* Of @len bytes with no pseudo-header; @len may be odd, and the checksum field among them. */
uint16_t csum_of(const void *data, size_t len);

#endif
