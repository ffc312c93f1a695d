/* SPDX-License-Identifier: MIT */
/* icmp_msg.h - what ICMP and ICMPv6 messages mean, said once for both families */
#ifndef RAWSTACK_WIRE_ICMP_MSG_H
#define RAWSTACK_WIRE_ICMP_MSG_H

#include "../addr.h"
#include "icmp.h"

/*
 * The meanings that a host sends or acts upon. Which type and code carry one is a table per family
 * (RFC 792, 1122 3.2.2, 1191, 1812; RFC 4443, 7112).
 */
enum icmp_kind {
	ICMP_KIND_OTHER, /* nothing to act upon: unknown, source quench, redirect */
	ICMP_KIND_ECHO_REQUEST,
	ICMP_KIND_ECHO_REPLY,
	ICMP_KIND_NET_UNREACHABLE, /* no route */
	ICMP_KIND_HOST_UNREACHABLE,
	ICMP_KIND_PROTO_UNREACHABLE, /* over IPv6: unknown next header */
	ICMP_KIND_PORT_UNREACHABLE,
	ICMP_KIND_TOO_BIG,    /* @info: the next hop's MTU, 0 when an old IPv4 router says none */
	ICMP_KIND_PROHIBITED, /* by administration */
	ICMP_KIND_HOPS_EXCEEDED,
	ICMP_KIND_REASSEMBLY_TIME,
	ICMP_KIND_BAD_FIELD,  /* @info: offset of the octet in the datagram */
	ICMP_KIND_BAD_OPTION, /* likewise; over IPv4 the same as BAD_FIELD */
	ICMP_KIND_TINY_FIRST, /* first fragment without the whole header chain; IPv6 only */
	ICMP_KIND_NUM
};

enum {
	ICMP_TYPE_ECHO_REPLY = 0,
	ICMP_TYPE_UNREACHABLE = 3,
	ICMP_TYPE_ECHO_REQUEST = 8,
	ICMP_TYPE_TIME_EXCEEDED = 11,
	ICMP_TYPE_BAD_PARAMETER = 12,
	ICMP6_TYPE_UNREACHABLE = 1,
	ICMP6_TYPE_TOO_BIG = 2,
	ICMP6_TYPE_TIME_EXCEEDED = 3,
	ICMP6_TYPE_BAD_PARAMETER = 4,
	ICMP6_TYPE_ECHO_REQUEST = 128,
	ICMP6_TYPE_ECHO_REPLY = 129,
	ICMP_ERROR_MAX_V4 = 576,  /* the whole error datagram, RFC 1812 4.3.2.3 */
	ICMP_ERROR_MAX_V6 = 1280, /* RFC 4443 2.4 (c) */
};

/* An error's message and the start of the datagram that caused it. */
struct icmp_report {
	enum icmp_kind kind;
	uint32_t info;
	struct span quoted; /* begins with its IP header */
};

/* A short name such as "port unreachable". */
const char *icmp_kind_name(enum icmp_kind kind);

/* What type and code of a family mean. */
enum icmp_kind icmp_kind_of(bool v6, uint8_t type, uint8_t code);

/*
 * Whether the type is an error's, about which no other error may be sent (RFC 1122 3.2.2,
 * RFC 4443 2.4 (e.1)); an unknown ICMPv6 type below 128 is one.
 */
bool icmp_type_is_error(bool v6, uint8_t type);

/* Reads what follows an error's header @h of kind @kind; @body is what comes behind it. */
void icmp_error_read(bool v6, const struct icmp_hdr *h, struct span body, struct icmp_report *e);

/*
 * Appends an error with its checksum, quoting as much of @e->quoted as its family allows. Returns
 * its length; -EINVAL a kind that this family does not send as an error; -ENOSPC.
 */
int icmp_error_build(const struct icmp_report *e, bool v6, const struct addr *src,
		     const struct addr *dst, struct outbuf *out);

/* Appends an echo request or reply with its checksum; @h->rest is identifier and sequence. */
int icmp_echo_build(enum icmp_kind kind, uint32_t rest, struct span data, bool v6,
		    const struct addr *src, const struct addr *dst, struct outbuf *out);

#endif
