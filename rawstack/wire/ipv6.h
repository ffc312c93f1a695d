/* SPDX-License-Identifier: MIT */
/* ipv6.h - IPv6 headers and the chain of extension headers behind them (RFC 8200) */
#ifndef RAWSTACK_WIRE_IPV6_H
#define RAWSTACK_WIRE_IPV6_H

#include "../addr.h"
#include "span.h"

enum {
	IPV6_HDR_LEN = 40,
	IPV6_EXTHDR_MIN = 8, /* every extension header has at least these bytes */
	IPV6_EXTHDR_MAX = 8, /* extension headers followed in one datagram */
};

/* Host order. */
struct ipv6_hdr {
	uint8_t traffic_class;
	uint32_t flow_label;  /* 20 bits */
	uint16_t payload_len; /* 0 in a jumbogram (RFC 2675) or an offloaded one over 65535 */
	uint8_t next;
	uint8_t hop_limit;
	struct addr src, dst;
};

/* What the extension headers say. Host order. */
struct ipv6_chain {
	uint8_t proto; /* the first header that is none of them: TCP, UDP, ICMPv6, ESP, 59 */
	uint8_t count; /* extension headers read */
	uint16_t want; /* after -ENODATA: bytes of the header the span stopped at */
	bool routed;   /* a routing header with segments left: dst is not the final one */
	bool fragment; /* a fragment header that is not atomic (RFC 6946) */
	bool more_fragments;
	uint16_t frag_offset; /* bytes; behind an offset other than 0 nothing is a header */
	uint32_t frag_id;
	uint32_t jumbo_len; /* payload length of a jumbogram, 0: none */

	/* For who has to answer. Offsets count from behind the fixed header. */
	uint16_t next_at;      /* count > 0: of the octet that names @proto */
	uint16_t fragment_at;  /* fragment: of its header, the first of several */
	uint16_t routing_at;   /* routed: of the first such routing header */
	uint16_t option_at;    /* option_action: of the option's type */
	uint8_t option_action; /* what the first unknown option that may not be skipped asks for:
				  enum ipv6_option_action; 0: there is none */
};

/* RFC 8200 4.2: the highest two bits of an option's type. */
enum ipv6_option_action {
	IPV6_OPTION_SKIP,
	IPV6_OPTION_DISCARD,
	IPV6_OPTION_REPORT,	    /* discard, and tell the source */
	IPV6_OPTION_REPORT_UNICAST, /* tell it unless the destination is multicast */
};

/*
 * Reads the fixed header and moves past it. Returns 0, -ENODATA (fewer than IPV6_HDR_LEN bytes) or
 * -EBADMSG (version); the span moves only on success.
 */
int ipv6_parse(struct span *s, struct ipv6_hdr *h);

/* Appends the fixed header. Returns IPV6_HDR_LEN, -EINVAL (flow label over 20 bits) or -ENOSPC. */
int ipv6_build(const struct ipv6_hdr *h, struct outbuf *out);

/*
 * Follows the extension headers from type @next up to the transport header, or up to the data of a
 * later fragment; then @c->proto is what its fragment header names. Whatever the result, the span
 * stands behind the last header read and @c says what was read.
 * Returns 0; -ENODATA; -EPROTO (hop-by-hop options not first); -EBADMSG (options that do not fit
 * their header, or a bad jumbo option); -E2BIG (more than IPV6_EXTHDR_MAX).
 */
int ipv6_walk(struct span *s, uint8_t next, struct ipv6_chain *c);

#endif
