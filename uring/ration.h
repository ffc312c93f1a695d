/* SPDX-License-Identifier: MIT */
/* ration.h - says when a message that could come thousands of times may be said again */
#ifndef URING_RATION_H
#define URING_RATION_H

#include <stdbool.h>
#include <stdint.h>

/* The first at once, then one in RATION_MS; the others are counted. Threads may share one. */
enum { RATION_MS = 1000 };

struct ration {
	uint64_t next_ms; /* none before; a zeroed ration is a new one */
	uint64_t held;	  /* back since the last one */
};

/* Whether it may be said at @now_ms. If so, @held is how many were not since the last time. */
static inline bool ration_take(struct ration *r, uint64_t now_ms, uint64_t *held)
{
	uint64_t next = __atomic_load_n(&r->next_ms, __ATOMIC_RELAXED);

	/* Of several threads at the same moment one wins. */
	if (now_ms < next ||
	    !__atomic_compare_exchange_n(&r->next_ms, &next, now_ms + RATION_MS, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(&r->held, 1, __ATOMIC_RELAXED);
		return false;
	}
	*held = __atomic_exchange_n(&r->held, 0, __ATOMIC_RELAXED);
	return true;
}

#endif
