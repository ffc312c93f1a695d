/* SPDX-License-Identifier: MIT */
/* clock.h - reads a clock, for the edges: logic takes its time as an argument */
#ifndef RAWSTACK_CLOCK_H
#define RAWSTACK_CLOCK_H

#include <stdint.h>
#include <time.h>

enum { NS_PER_MS = 1000000 };

/* CLOCK_MONOTONIC for durations and deadlines, CLOCK_REALTIME for what is written down.
 * Nanoseconds. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

#endif
