/* SPDX-License-Identifier: MIT */
/* ipv4.h - IPv4 headers (RFC 791) */
#ifndef RAWSTACK_WIRE_IPV4_H
#define RAWSTACK_WIRE_IPV4_H

#include "../addr.h"
#include "span.h"

enum {
	IPV4_HDR_LEN = 20, /* without options */
	IPV4_OPTIONS_MAX = 40,
};

/* Host order; addresses as mapped. */
struct ipv4_hdr {
	uint8_t hdr_len; /* bytes, with options */
	uint8_t tos;
	uint16_t
		tot_len; /* header and payload; 0 in a segmentation-offloaded datagram over 65535 */
	uint16_t id;
	bool reserved_flag; /* must be zero on the wire */
	bool df, mf;
	uint16_t frag_offset; /* bytes, a multiple of 8 */
	uint8_t ttl;
	uint8_t proto;
	uint16_t csum;
	bool csum_ok;
	struct addr src, dst;
	const uint8_t *options; /* hdr_len - 20 bytes, not owned; in the parsed bytes */
};

/*
 * Reads the header with its options and moves past it. The options' content is not looked at, a
 * wrong checksum is not an error, and a tot_len of 0 is left for the caller to judge.
 * Returns 0; -ENODATA with @h->hdr_len the bytes it would have taken; -EBADMSG (version, IHL, or
 * tot_len below the header). The span moves only on success.
 */
int ipv4_parse(struct span *s, struct ipv4_hdr *h);

/*
 * Appends the header with its checksum; csum and csum_ok are not looked at. hdr_len 0 means 20.
 * Returns its length; -EINVAL (hdr_len, frag_offset, or an address that is not mapped); -ENOSPC.
 */
int ipv4_build(const struct ipv4_hdr *h, struct outbuf *out);

#endif
