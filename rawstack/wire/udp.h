/* SPDX-License-Identifier: MIT */
/* udp.h - UDP headers (RFC 768) */
#ifndef RAWSTACK_WIRE_UDP_H
#define RAWSTACK_WIRE_UDP_H

#include "span.h"

enum {
	UDP_HDR_LEN = 8,
	UDP_CSUM_OFFSET = 6,
};

/* Host order. */
struct udp_hdr {
	uint16_t sport, dport;
	uint16_t len;  /* header and payload; may be less than the IP payload, never more */
	uint16_t csum; /* 0: none, legal over IPv4 only (RFC 8200 8.1) */
};

/*
 * Reads the header and moves past it. That len fits the IP payload is for the caller to check: the
 * span may hold only the captured part of it. Returns 0, -ENODATA or -EBADMSG (len below 8); the
 * span moves only on success.
 */
int udp_parse(struct span *s, struct udp_hdr *h);

/*
 * Appends the header with csum as given: 0 for the finished checksum to be stored at
 * UDP_CSUM_OFFSET. Returns its length, -EINVAL (len below 8) or -ENOSPC.
 */
int udp_build(const struct udp_hdr *h, struct outbuf *out);

#endif
