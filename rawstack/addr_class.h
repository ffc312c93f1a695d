/* SPDX-License-Identifier: MIT */
/* addr_class.h - what an address is: the IN6_IS_ADDR_* tests and the special-purpose blocks */
#ifndef RAWSTACK_ADDR_CLASS_H
#define RAWSTACK_ADDR_CLASS_H

#include "addr.h"

/* In the order of <netinet/in.h>. */
enum addr_macro {
	ADDR_MACRO_UNSPECIFIED,
	ADDR_MACRO_LOOPBACK,
	ADDR_MACRO_MULTICAST,
	ADDR_MACRO_LINKLOCAL,
	ADDR_MACRO_SITELOCAL,
	ADDR_MACRO_V4MAPPED,
	ADDR_MACRO_V4COMPAT,
	ADDR_MACRO_MC_NODELOCAL,
	ADDR_MACRO_MC_LINKLOCAL,
	ADDR_MACRO_MC_SITELOCAL,
	ADDR_MACRO_MC_ORGLOCAL,
	ADDR_MACRO_MC_GLOBAL,
	ADDR_MACRO_NUM
};

/* The C name, "IN6_IS_ADDR_V4MAPPED". */
const char *addr_macro_name(enum addr_macro m);

/* The macro's answer for @a taken as an IPv6 address, so IPv4 counts as mapped. */
bool addr_macro_test(enum addr_macro m, const struct addr *a);

/*
 * One special-purpose block: a row of the IANA registries (RFC 6890, RFC 8190), a multicast scope,
 * or a block that a standard defined without a row there (site-local, IPv4-compatible, 6bone).
 */
struct addr_block {
	const char *prefix; /* "64:ff9b::/96"; IPv4 blocks as "127.0.0.0/8" */
	const char *name;
	const char *rfc; /* "RFC 6052" */
	struct addr base;
	uint8_t len; /* prefix length over the 16-byte form: IPv4 length + 96 */
};

/*
 * The blocks that contain @a, most specific first, up to @max pointers into a static table. By
 * prefix alone: a mapped address is in its IPv4 blocks and in ::ffff:0:0/96, and ::1 is in ::/96.
 * Returns how many were stored.
 */
size_t addr_blocks(const struct addr *a, const struct addr_block **out, size_t max);

/* The whole table, for tests and listings. */
const struct addr_block *addr_block_table(size_t *n);

#endif
