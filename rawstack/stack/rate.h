/* SPDX-License-Identifier: MIT */
/* rate.h - a token bucket on passed-in time */
#ifndef RAWSTACK_STACK_RATE_H
#define RAWSTACK_STACK_RATE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The bucket as one number, the time at which it is full (the generic cell rate algorithm, ITU-T
 * I.371): no division, no rounding that adds up, no work while nobody asks. Time is in nanoseconds
 * and may stand still; where it goes backwards the bucket is not refilled.
 *
 * Invariant: within any span of T nanoseconds at most burst + T / interval_ns are let through.
 */
struct rate {
	uint64_t interval_ns; /* between two at the sustained rate; 0: no limit */
	uint64_t burst_ns;    /* how far ahead of time the bucket may run */
	uint64_t full_ns;     /* when it is full again */
};

/* A full bucket of @burst >= 1 tokens, one more every second / @per_second; 0 a second: no limit.
 */
void rate_init(struct rate *r, uint32_t per_second, uint32_t burst);

/* Takes one token. Returns false when there is none, and takes nothing. */
bool rate_take(struct rate *r, uint64_t now_ns);

#endif
