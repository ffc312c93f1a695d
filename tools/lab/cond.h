/* SPDX-License-Identifier: MIT */
/* cond.h - a condition variable whose deadlines are on the monotonic clock */
#ifndef TOOLS_LAB_COND_H
#define TOOLS_LAB_COND_H

#include <pthread.h>
#include <time.h>

static inline void cond_init_monotonic(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

#endif
