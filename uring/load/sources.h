/* SPDX-License-Identifier: MIT */
/* sources.h - where connections come from: a range of addresses times a range of ports */
#ifndef URING_LOAD_SOURCES_H
#define URING_LOAD_SOURCES_H

#include "../../rawstack/addr.h"

/*
 * Consecutive addresses, which differ in their last four bytes only, in either family. Each pair of
 * address and port is a place with an index; neighbouring indices have different addresses, so that
 * a short run uses them all.
 *
 * Limits: SOURCES_ADDRS_MAX addresses, and SOURCES_MAX places in all.
 */
enum { SOURCES_ADDRS_MAX = 65536, SOURCES_MAX = 1 << 24 };

struct sources {
	struct addr first;
	uint32_t n_addrs;
	uint16_t port_lo, port_hi; /* both included, host order */
};

/* 0 if it is usable; -ERANGE too many or none, or the addresses would run over the last one. */
int sources_check(const struct sources *s);

static inline uint32_t sources_count(const struct sources *s)
{
	return s->n_addrs * (uint32_t)(s->port_hi - s->port_lo + 1);
}

/* The last four bytes of the n-th address, host order. */
uint32_t sources_low(const struct sources *s, uint32_t n);

/* The n-th address. */
struct addr sources_addr(const struct sources *s, uint32_t n);

/* Whether @a is one of them. */
bool sources_contain(const struct sources *s, const struct addr *a);

/* The place's address, by number, and port. */
static inline void sources_place(const struct sources *s, uint32_t index, uint32_t *n,
				 uint16_t *port)
{
	*n = index % s->n_addrs;
	*port = (uint16_t)(s->port_lo + index / s->n_addrs);
}

/* The place's index, or -1: not one of ours. */
int64_t sources_index(const struct sources *s, const struct addr *a, uint16_t port);

#endif
