/* SPDX-License-Identifier: MIT */
/* addr_class.c - the IN6_IS_ADDR_* tests and the table of special-purpose blocks */
#include "addr_class.h"

#include <assert.h>
#include <netinet/in.h>

static const char *const macro_names[ADDR_MACRO_NUM] = {
	[ADDR_MACRO_UNSPECIFIED] = "IN6_IS_ADDR_UNSPECIFIED",
	[ADDR_MACRO_LOOPBACK] = "IN6_IS_ADDR_LOOPBACK",
	[ADDR_MACRO_MULTICAST] = "IN6_IS_ADDR_MULTICAST",
	[ADDR_MACRO_LINKLOCAL] = "IN6_IS_ADDR_LINKLOCAL",
	[ADDR_MACRO_SITELOCAL] = "IN6_IS_ADDR_SITELOCAL",
	[ADDR_MACRO_V4MAPPED] = "IN6_IS_ADDR_V4MAPPED",
	[ADDR_MACRO_V4COMPAT] = "IN6_IS_ADDR_V4COMPAT",
	[ADDR_MACRO_MC_NODELOCAL] = "IN6_IS_ADDR_MC_NODELOCAL",
	[ADDR_MACRO_MC_LINKLOCAL] = "IN6_IS_ADDR_MC_LINKLOCAL",
	[ADDR_MACRO_MC_SITELOCAL] = "IN6_IS_ADDR_MC_SITELOCAL",
	[ADDR_MACRO_MC_ORGLOCAL] = "IN6_IS_ADDR_MC_ORGLOCAL",
	[ADDR_MACRO_MC_GLOBAL] = "IN6_IS_ADDR_MC_GLOBAL",
};

const char *addr_macro_name(enum addr_macro m)
{
	assert(m < ADDR_MACRO_NUM);
	return macro_names[m];
}

/* The answers are the C library's own: an application that asks gets exactly these. */
bool addr_macro_test(enum addr_macro m, const struct addr *a)
{
	struct in6_addr in6;

	memcpy(&in6, a->b, sizeof(in6));
	switch (m) {
	case ADDR_MACRO_UNSPECIFIED:
		return IN6_IS_ADDR_UNSPECIFIED(&in6);
	case ADDR_MACRO_LOOPBACK:
		return IN6_IS_ADDR_LOOPBACK(&in6);
	case ADDR_MACRO_MULTICAST:
		return IN6_IS_ADDR_MULTICAST(&in6);
	case ADDR_MACRO_LINKLOCAL:
		return IN6_IS_ADDR_LINKLOCAL(&in6);
	case ADDR_MACRO_SITELOCAL:
		return IN6_IS_ADDR_SITELOCAL(&in6);
	case ADDR_MACRO_V4MAPPED:
		return IN6_IS_ADDR_V4MAPPED(&in6);
	case ADDR_MACRO_V4COMPAT:
		return IN6_IS_ADDR_V4COMPAT(&in6);
	case ADDR_MACRO_MC_NODELOCAL:
		return IN6_IS_ADDR_MC_NODELOCAL(&in6);
	case ADDR_MACRO_MC_LINKLOCAL:
		return IN6_IS_ADDR_MC_LINKLOCAL(&in6);
	case ADDR_MACRO_MC_SITELOCAL:
		return IN6_IS_ADDR_MC_SITELOCAL(&in6);
	case ADDR_MACRO_MC_ORGLOCAL:
		return IN6_IS_ADDR_MC_ORGLOCAL(&in6);
	case ADDR_MACRO_MC_GLOBAL:
		return IN6_IS_ADDR_MC_GLOBAL(&in6);
	case ADDR_MACRO_NUM:
		break;
	}
	assert(!"no such macro");
	return false;
}

/* clang-format off */
/*
 * Rows are static data, so these two cannot be functions. Text and bytes of an IPv4 prefix come
 * from the same arguments; those of an IPv6 prefix are compared by the unit test.
 */
#define V4(a, b, c, d, bits, title, ref) \
	{#a "." #b "." #c "." #d "/" #bits, title, ref, {{[10] = 0xff, 0xff, a, b, c, d}}, 96 + (bits)}
#define V6(text, bits, title, ref, ...) \
	{text "/" #bits, title, ref, {{__VA_ARGS__}}, bits}

/*
 * IPv4 rows first, then IPv6 rows, each part from the longest prefix to the shortest. Every IPv4
 * row is longer than ::ffff:0:0/96, so the order of the table is "most specific first" for every
 * address. Sources: the IANA special-purpose registries (RFC 6890, RFC 8190), the multicast
 * registries, and the blocks that standards have defined and withdrawn without a registry row.
 */
static const struct addr_block blocks[] = {
	V4(0, 0, 0, 0, 32, "This host on this network", "RFC 1122"),
	V4(192, 0, 0, 8, 32, "IPv4 dummy address", "RFC 7600"),
	V4(192, 0, 0, 9, 32, "Port Control Protocol anycast", "RFC 7723"),
	V4(192, 0, 0, 10, 32, "TURN anycast", "RFC 8155"),
	V4(192, 0, 0, 170, 32, "NAT64/DNS64 discovery", "RFC 7050"),
	V4(192, 0, 0, 171, 32, "NAT64/DNS64 discovery", "RFC 7050"),
	V4(192, 88, 99, 2, 32, "6a44 relay anycast", "RFC 6751"),
	V4(255, 255, 255, 255, 32, "Limited broadcast", "RFC 919"),
	V4(192, 0, 0, 0, 29, "IPv4 service continuity prefix", "RFC 7335"),
	V4(192, 0, 0, 0, 24, "IETF protocol assignments", "RFC 6890"),
	V4(192, 0, 2, 0, 24, "Documentation (TEST-NET-1)", "RFC 5737"),
	V4(192, 31, 196, 0, 24, "AS112-v4", "RFC 7535"),
	V4(192, 52, 193, 0, 24, "AMT", "RFC 7450"),
	V4(192, 88, 99, 0, 24, "6to4 relay anycast (deprecated)", "RFC 7526"),
	V4(192, 175, 48, 0, 24, "Direct delegation AS112 service", "RFC 7534"),
	V4(198, 51, 100, 0, 24, "Documentation (TEST-NET-2)", "RFC 5737"),
	V4(203, 0, 113, 0, 24, "Documentation (TEST-NET-3)", "RFC 5737"),
	V4(224, 0, 0, 0, 24, "Multicast, local network control", "RFC 5771"),
	V4(233, 252, 0, 0, 24, "Multicast documentation (MCAST-TEST-NET)", "RFC 6676"),
	V4(169, 254, 0, 0, 16, "Link-local", "RFC 3927"),
	V4(192, 168, 0, 0, 16, "Private use", "RFC 1918"),
	V4(198, 18, 0, 0, 15, "Benchmarking", "RFC 2544"),
	V4(172, 16, 0, 0, 12, "Private use", "RFC 1918"),
	V4(100, 64, 0, 0, 10, "Shared address space", "RFC 6598"),
	V4(0, 0, 0, 0, 8, "This network", "RFC 791"),
	V4(10, 0, 0, 0, 8, "Private use", "RFC 1918"),
	V4(127, 0, 0, 0, 8, "Loopback", "RFC 1122"),
	V4(232, 0, 0, 0, 8, "Source-specific multicast", "RFC 4607"),
	V4(239, 0, 0, 0, 8, "Administratively scoped multicast", "RFC 2365"),
	V4(224, 0, 0, 0, 4, "Multicast", "RFC 5771"),
	V4(240, 0, 0, 0, 4, "Reserved", "RFC 1112"),

	V6("::", 128, "Unspecified address", "RFC 4291", 0),
	V6("::1", 128, "Loopback address", "RFC 4291", [15] = 1),
	V6("2001:1::1", 128, "Port Control Protocol anycast", "RFC 7723", 0x20, 1, 0, 1, [15] = 1),
	V6("2001:1::2", 128, "TURN anycast", "RFC 8155", 0x20, 1, 0, 1, [15] = 2),
	V6("2001:1::3", 128, "DNS-SD service registration anycast", "RFC 9665", 0x20, 1, 0, 1, [15] = 3),
	V6("ff02::1:ff00:0", 104, "Solicited-node multicast", "RFC 4291", 0xff, 2, [11] = 1, 0xff),
	V6("::", 96, "IPv4-compatible (deprecated)", "RFC 4291", 0),
	V6("::ffff:0:0", 96, "IPv4-mapped", "RFC 4291", [10] = 0xff, 0xff),
	V6("::ffff:0:0:0", 96, "IPv4-translated (SIIT)", "RFC 2765", [8] = 0xff, 0xff),
	V6("64:ff9b::", 96, "IPv4/IPv6 translation (NAT64)", "RFC 6052", 0, 0x64, 0xff, 0x9b),
	V6("100::", 64, "Discard-only", "RFC 6666", 1),
	V6("100:0:0:1::", 64, "Dummy prefix", "RFC 9780", 1, [7] = 1),
	V6("64:ff9b:1::", 48, "IPv4/IPv6 translation, local use", "RFC 8215", 0, 0x64, 0xff, 0x9b, 0, 1),
	V6("2001:2::", 48, "Benchmarking", "RFC 5180", 0x20, 1, 0, 2),
	V6("2001:4:112::", 48, "AS112-v6", "RFC 7535", 0x20, 1, 0, 4, 1, 0x12),
	V6("2620:4f:8000::", 48, "Direct delegation AS112 service", "RFC 7534", 0x26, 0x20, 0, 0x4f, 0x80),
	V6("2001::", 32, "Teredo", "RFC 4380", 0x20, 1),
	V6("2001:3::", 32, "AMT", "RFC 7450", 0x20, 1, 0, 3),
	V6("2001:db8::", 32, "Documentation", "RFC 3849", 0x20, 1, 0x0d, 0xb8),
	V6("ff31::", 32, "Source-specific multicast, interface-local scope", "RFC 4607", 0xff, 0x31),
	V6("ff32::", 32, "Source-specific multicast, link-local scope", "RFC 4607", 0xff, 0x32),
	V6("ff33::", 32, "Source-specific multicast, realm-local scope", "RFC 4607", 0xff, 0x33),
	V6("ff34::", 32, "Source-specific multicast, admin-local scope", "RFC 4607", 0xff, 0x34),
	V6("ff35::", 32, "Source-specific multicast, site-local scope", "RFC 4607", 0xff, 0x35),
	V6("ff38::", 32, "Source-specific multicast, organization-local scope", "RFC 4607", 0xff, 0x38),
	V6("ff3e::", 32, "Source-specific multicast, global scope", "RFC 4607", 0xff, 0x3e),
	V6("2001:10::", 28, "ORCHID (deprecated)", "RFC 4843", 0x20, 1, 0, 0x10),
	V6("2001:20::", 28, "ORCHIDv2", "RFC 7343", 0x20, 1, 0, 0x20),
	V6("2001:30::", 28, "Drone remote ID (DRIP entity tags)", "RFC 9374", 0x20, 1, 0, 0x30),
	V6("2001::", 23, "IETF protocol assignments", "RFC 2928", 0x20, 1),
	V6("3fff::", 20, "Documentation", "RFC 9637", 0x3f, 0xff),
	V6("2002::", 16, "6to4", "RFC 3056", 0x20, 2),
	V6("3ffe::", 16, "6bone (returned)", "RFC 3701", 0x3f, 0xfe),
	V6("5f00::", 16, "Segment routing (SRv6) SIDs", "RFC 9602", 0x5f),
	V6("ff01::", 16, "Multicast, interface-local scope", "RFC 4291", 0xff, 1),
	V6("ff02::", 16, "Multicast, link-local scope", "RFC 4291", 0xff, 2),
	V6("ff03::", 16, "Multicast, realm-local scope", "RFC 7346", 0xff, 3),
	V6("ff04::", 16, "Multicast, admin-local scope", "RFC 4291", 0xff, 4),
	V6("ff05::", 16, "Multicast, site-local scope", "RFC 4291", 0xff, 5),
	V6("ff08::", 16, "Multicast, organization-local scope", "RFC 4291", 0xff, 8),
	V6("ff0e::", 16, "Multicast, global scope", "RFC 4291", 0xff, 0x0e),
	V6("ff10::", 12, "Multicast, transient", "RFC 4291", 0xff, 0x10),
	V6("ff30::", 12, "Multicast, based on a unicast prefix", "RFC 3306", 0xff, 0x30),
	V6("ff70::", 12, "Multicast, embedded rendezvous point", "RFC 3956", 0xff, 0x70),
	V6("fe80::", 10, "Link-local unicast", "RFC 4291", 0xfe, 0x80),
	V6("fec0::", 10, "Site-local unicast (deprecated)", "RFC 3879", 0xfe, 0xc0),
	V6("ff00::", 8, "Multicast", "RFC 4291", 0xff),
	V6("fc00::", 7, "Unique local unicast", "RFC 4193", 0xfc),
};
/* clang-format on */

enum { BLOCK_NUM = sizeof(blocks) / sizeof(blocks[0]) };

static bool block_contains(const struct addr_block *block, const struct addr *a)
{
	size_t whole = block->len / 8;
	unsigned int rest = block->len % 8;

	if (memcmp(block->base.b, a->b, whole) != 0)
		return false;
	return rest == 0 || (block->base.b[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

size_t addr_blocks(const struct addr *a, const struct addr_block **out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < BLOCK_NUM && n < max; i++) {
		if (block_contains(&blocks[i], a))
			out[n++] = &blocks[i];
	}
	return n;
}

const struct addr_block *addr_block_table(size_t *n)
{
	*n = BLOCK_NUM;
	return blocks;
}
