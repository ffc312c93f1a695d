/* SPDX-License-Identifier: MIT */
/* nd.h - neighbour discovery messages (RFC 4861): the body behind the ICMPv6 header */
#ifndef RAWSTACK_WIRE_ND_H
#define RAWSTACK_WIRE_ND_H

#include "../addr.h"
#include "span.h"

enum nd_type {
	ND_ROUTER_SOLICIT = 133,
	ND_ROUTER_ADVERT = 134,
	ND_SOLICIT = 135,
	ND_ADVERT = 136,
	ND_REDIRECT = 137,
};
enum {
	ND_LEN = 24, /* a solicitation or advertisement without options, ICMPv6 header included */
	ND_OPTION_LEN = 8,  /* a link-layer address option for Ethernet */
	ND_HOP_LIMIT = 255, /* anything less has been forwarded (RFC 4861 3.1) */
	ND_NONCE_LEN = 6,   /* RFC 3971 5.3.2; RFC 7527 uses it to know one's own probe */
};

/*
 * A solicitation or advertisement. Of the other three types only @type is read: a host that takes
 * no configuration from the link has nothing to do with what they say.
 */
struct nd_msg {
	uint8_t type; /* enum nd_type */
	struct addr target;
	bool router, solicited, override; /* of an advertisement */
	bool has_lladdr; /* source (solicitation) or target (advertisement) link-layer address */
	uint8_t lladdr[6];
	bool has_nonce;
	uint8_t nonce[ND_NONCE_LEN];
};

/* The IP header it came in, as far as it matters. */
struct nd_carrier {
	struct addr src, dst;
	uint8_t hop_limit;
};

static inline bool nd_is_type(uint8_t icmp_type)
{
	return icmp_type >= ND_ROUTER_SOLICIT && icmp_type <= ND_REDIRECT;
}

/* ff02::1:ffXX:XXXX of @a (RFC 4291 2.7.1). */
struct addr nd_solicited_node(const struct addr *a);

/* The Ethernet group 33:33:xx:xx:xx:xx that an IPv6 group travels to (RFC 2464 7). */
void nd_group_mac(const struct addr *group, uint8_t mac[6]);

/*
 * Reads a whole ICMPv6 message of one of the five types, whose checksum is right, and applies the
 * rules of RFC 4861 6.1, 7.1.1, 7.1.2 and 8.1: hop limit, code, target, options, and what an
 * unspecified source may not do. Unknown options are passed over; of repeated ones the first
 * counts. Returns 0; -ENODATA; -EBADMSG a rule is broken, so the message must be ignored.
 */
int nd_parse(struct span s, const struct nd_carrier *ip, struct nd_msg *m);

/*
 * Appends a solicitation or advertisement with its checksum over @src and @dst.
 * Returns its length; -EINVAL another type; -ENOSPC.
 */
int nd_build(const struct nd_msg *m, const struct addr *src, const struct addr *dst,
	     struct outbuf *out);

#endif
