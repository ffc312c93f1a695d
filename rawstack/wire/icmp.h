/* SPDX-License-Identifier: MIT */
/* icmp.h - ICMP (RFC 792) and ICMPv6 (RFC 4443) headers, which are laid out alike */
#ifndef RAWSTACK_WIRE_ICMP_H
#define RAWSTACK_WIRE_ICMP_H

#include "span.h"

enum {
	ICMP_HDR_LEN = 8,
	ICMP_CSUM_OFFSET = 2,
};

/* Host order. */
struct icmp_hdr {
	uint8_t type, code;
	uint16_t csum;
	uint32_t rest; /* identifier and sequence, MTU, pointer, flags: what the type makes of it */
};

/* Reads the header and moves past it. Returns 0, or -ENODATA with the span unmoved. */
int icmp_parse(struct span *s, struct icmp_hdr *h);

/*
 * Appends the header with csum as given: 0 for csum_segment() to be stored at ICMP_CSUM_OFFSET.
 * Returns its length or -ENOSPC.
 */
int icmp_build(const struct icmp_hdr *h, struct outbuf *out);

#endif
