/* SPDX-License-Identifier: MIT */
/* addr.h - one 16-byte address for both families, endpoints, and their text forms */
#ifndef RAWSTACK_ADDR_H
#define RAWSTACK_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/*
 * An address is always sixteen bytes in network order. IPv4 a.b.c.d is kept as its IPv4-mapped form
 * ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so one comparison, one hash and one table serve both families.
 *
 * What this type does not know: whether a mapped address was written, or will be shown, as
 * "a.b.c.d" or as "::ffff:a.b.c.d". That is a property of the socket it came from and is kept
 * beside it as enum addr_form.
 */
struct addr {
	uint8_t b[16];
};
_Static_assert(sizeof(struct addr) == 16, "an address is sixteen bytes");

/* How a mapped address is written: as a socket of this family shows it. */
enum addr_form {
	ADDR_FORM_INET,	 /* 198.51.100.1; a native IPv6 address is still written as IPv6 */
	ADDR_FORM_INET6, /* ::ffff:198.51.100.1 */
};

/* An address with what a socket needs beside it. */
struct endpoint {
	struct addr addr;
	uint32_t scope; /* interface index of a link-local address, 0: none */
	uint16_t port;	/* host order */
};

enum {
	ADDR_STRLEN = 46,     /* as INET6_ADDRSTRLEN, with the final NUL */
	ENDPOINT_STRLEN = 72, /* "[addr%ifname]:65535" with IFNAMSIZ, with the final NUL */
};

static const struct addr ADDR_ANY6 = {{0}};
static const struct addr ADDR_ANY4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}};

static inline bool addr_is_mapped(const struct addr *a)
{
	return memcmp(a->b, ADDR_ANY4.b, 12) == 0;
}

static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline bool addr_is_any(const struct addr *a)
{
	return addr_eq(a, &ADDR_ANY6) || addr_eq(a, &ADDR_ANY4);
}

/* @v4 points at four bytes in network order. */
static inline struct addr addr_from_v4(const uint8_t *v4)
{
	struct addr a = ADDR_ANY4;

	memcpy(a.b + 12, v4, 4);
	return a;
}

/* @v6 points at sixteen bytes in network order. */
static inline struct addr addr_from_v6(const uint8_t *v6)
{
	struct addr a;

	memcpy(a.b, v6, 16);
	return a;
}

/* The four IPv4 bytes inside a mapped address, NULL for a native one. */
static inline const uint8_t *addr_v4(const struct addr *a)
{
	return addr_is_mapped(a) ? a->b + 12 : NULL;
}

static inline bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_eq(&a->addr, &b->addr);
}

/* Link-local unicast, and multicast of interface-local or link-local scope (RFC 4007 6). */
bool addr_takes_zone(const struct addr *a);

/*
 * Reads an address exactly as inet_pton(3) does for AF_INET or AF_INET6 (no zone, no prefix length,
 * no octal).
 * @form, if not NULL, receives how it was written: dotted quad (INET) or with colons (INET6).
 * Returns 0, or -EINVAL with @a untouched.
 */
int addr_parse(const char *text, struct addr *a, enum addr_form *form);

/*
 * Writes @a as inet_ntop(3) does: of AF_INET for a mapped address in ADDR_FORM_INET, else of
 * AF_INET6. @buf holds at least ADDR_STRLEN bytes. Returns @buf.
 */
const char *addr_print(const struct addr *a, enum addr_form form, char *buf);

/*
 * Reads "198.51.100.2:80", "[2001:db8::1]:80", "[fe80::1%va]:80" or "[fe80::1%3]:80". Brackets are
 * for IPv6 only, and required there. A zone (RFC 4007) is an interface name or index of the calling
 * thread's network namespace, and is malformed on an address that is not link-local. @form as in
 * addr_parse(). Returns 0; -EINVAL malformed; -ERANGE port not in 1..65535; -ENODEV no such
 * interface; another -errno if interfaces cannot be looked up. On an error @ep is untouched.
 */
int endpoint_parse(const char *text, struct endpoint *ep, enum addr_form *form);

/*
 * Writes "a.b.c.d:port" or "[addr]:port", the latter with %index where a scope is set.
 * @buf holds at least ENDPOINT_STRLEN bytes. Returns @buf.
 */
const char *endpoint_print(const struct endpoint *ep, enum addr_form form, char *buf);

/*
 * Reads a decimal port 1..65535, nothing around it but leading zeros.
 * Returns 0, -EINVAL (not a number) or -ERANGE; on an error @port is untouched.
 */
int port_parse(const char *text, uint16_t *port);

/*
 * From a struct sockaddr_in or sockaddr_in6 of any alignment. @len is what the kernel stored.
 * Returns the family; -EAFNOSUPPORT another family; -EINVAL shorter than its family's structure.
 */
int endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct endpoint *ep);

/*
 * Fills @ss for a socket of @family (AF_INET or AF_INET6); an AF_INET6 socket gets IPv4 as mapped.
 * Returns its length, or -EAFNOSUPPORT for a native address on an AF_INET socket or another family.
 */
int endpoint_to_sockaddr(const struct endpoint *ep, int family, struct sockaddr_storage *ss);

#endif
