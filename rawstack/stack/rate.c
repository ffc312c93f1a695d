/* SPDX-License-Identifier: MIT */
/* rate.c - a token bucket on passed-in time */
#include "rate.h"

#include <assert.h>

static const uint64_t ns_per_second = 1000000000;

void rate_init(struct rate *r, uint32_t per_second, uint32_t burst)
{
	assert(burst >= 1);
	*r = (struct rate){0};
	if (!per_second)
		return;
	r->interval_ns = ns_per_second / per_second;
	r->burst_ns = r->interval_ns * (burst - 1);
}

bool rate_take(struct rate *r, uint64_t now_ns)
{
	uint64_t full = r->full_ns > now_ns ? r->full_ns : now_ns;

	if (full - now_ns > r->burst_ns)
		return false;
	r->full_ns = full + r->interval_ns;
	return true;
}
