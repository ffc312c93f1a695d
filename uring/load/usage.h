/* SPDX-License-Identifier: MIT */
/* usage.h - processor time of the calling thread between two moments */
#ifndef URING_LOAD_USAGE_H
#define URING_LOAD_USAGE_H

#include <stdint.h>
#include <sys/resource.h>

/* What softirqs did meanwhile on this thread's processor is charged to whom they interrupted. */
struct usage {
	struct rusage begin;
};

static inline void usage_begin(struct usage *u)
{
	getrusage(RUSAGE_THREAD, &u->begin);
}

static inline uint64_t usage_us(const struct timeval *end, const struct timeval *begin)
{
	return (uint64_t)((end->tv_sec - begin->tv_sec) * 1000000 + end->tv_usec - begin->tv_usec);
}

/* Microseconds since usage_begin(). */
static inline void usage_end(const struct usage *u, uint64_t *user_us, uint64_t *sys_us)
{
	struct rusage end;

	getrusage(RUSAGE_THREAD, &end);
	*user_us = usage_us(&end.ru_utime, &u->begin.ru_utime);
	*sys_us = usage_us(&end.ru_stime, &u->begin.ru_stime);
}

#endif
