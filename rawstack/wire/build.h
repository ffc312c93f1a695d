/* SPDX-License-Identifier: MIT */
/* build.h - whole Ethernet frames from a description: for injection, the canary, tests and
 * generators */
#ifndef RAWSTACK_WIRE_BUILD_H
#define RAWSTACK_WIRE_BUILD_H

#include "../addr.h"
#include "span.h"

/* A UDP or TCP datagram in one frame. Host order. Zero means "the usual value" where noted. */
struct frame_spec {
	uint8_t dst_mac[6], src_mac[6];
	bool ipv6;	    /* addresses are then written as sixteen bytes, mapped ones too */
	uint16_t ethertype; /* 0: what @ipv6 says */
	struct addr src, dst;
	uint8_t proto; /* IPPROTO_UDP or IPPROTO_TCP */
	uint8_t ttl;   /* 0: 64 */
	uint8_t tos;
	uint16_t ip_id;
	uint16_t sport, dport;
	uint32_t seq, ack; /* TCP */
	uint8_t tcp_flags;
	uint16_t window; /* 0: 65535 */
	uint16_t mss;	 /* 0: no option */
};

/*
 * Appends the frame with valid checksums, unpadded, IPv4 with DF set. IPv4 carriage needs two
 * mapped addresses. Returns the frame's length; -EINVAL (family, protocol), -EMSGSIZE (IP header
 * and payload over 65535) or -ENOSPC; on failure nothing is appended.
 */
int frame_build(const struct frame_spec *spec, const void *payload, size_t payload_len,
		struct outbuf *out);

#endif
