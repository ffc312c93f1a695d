/* SPDX-License-Identifier: MIT */
/* sources.c - a range of addresses times a range of ports */
#include "sources.h"

#include "../../rawstack/wire/span.h"

#include <errno.h>

enum { LOW_OFF = 12 }; /* of the four bytes that differ */

int sources_check(const struct sources *s)
{
	if (s->n_addrs < 1 || s->n_addrs > SOURCES_ADDRS_MAX || s->port_lo < 1 ||
	    s->port_lo > s->port_hi || sources_count(s) > SOURCES_MAX)
		return -ERANGE;
	if (UINT32_MAX - get_be32(s->first.b + LOW_OFF) < s->n_addrs - 1)
		return -ERANGE;
	return 0;
}

uint32_t sources_low(const struct sources *s, uint32_t n)
{
	return get_be32(s->first.b + LOW_OFF) + n;
}

struct addr sources_addr(const struct sources *s, uint32_t n)
{
	struct addr a = s->first;

	put_be32(a.b + LOW_OFF, sources_low(s, n));
	return a;
}

/* The address's number, or -1. */
static int64_t number_of(const struct sources *s, const struct addr *a)
{
	uint32_t n = get_be32(a->b + LOW_OFF) - get_be32(s->first.b + LOW_OFF);

	if (memcmp(a->b, s->first.b, LOW_OFF) != 0 || n >= s->n_addrs)
		return -1;
	return n;
}

bool sources_contain(const struct sources *s, const struct addr *a)
{
	return number_of(s, a) >= 0;
}

int64_t sources_index(const struct sources *s, const struct addr *a, uint16_t port)
{
	int64_t n = number_of(s, a);

	if (n < 0 || port < s->port_lo || port > s->port_hi)
		return -1;
	return (int64_t)(port - s->port_lo) * s->n_addrs + n;
}
