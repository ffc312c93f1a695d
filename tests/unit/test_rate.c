/* SPDX-License-Identifier: MIT */
/* test_rate.c - the token bucket, in virtual time */
#include "../../rawstack/stack/rate.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const uint64_t second = 1000000000;

Test(rate, lets_a_burst_through_and_then_the_rate)
{
	struct rate r;
	uint64_t now = 5 * second;
	int got = 0;

	rate_init(&r, 10, 4);
	for (int i = 0; i < 100; i++)
		got += rate_take(&r, now);
	cr_assert(got == 4, "burst of %d", got);
	got = 0;
	for (uint64_t t = now + 1; t <= now + 2 * second; t += second / 1000)
		got += rate_take(&r, t);
	cr_assert(got == 20 || got == 19, "%d in two seconds", got);
	now += 100 * second;
	got = 0;
	for (int i = 0; i < 100; i++)
		got += rate_take(&r, now);
	cr_assert(got == 4, "after a pause a burst again, not more: %d", got);
}

Test(rate, zero_is_no_limit)
{
	struct rate r;

	rate_init(&r, 0, 1);
	for (int i = 0; i < 1000; i++)
		cr_assert(rate_take(&r, 0));
}

Test(rate, survives_a_clock_that_stands_still_or_goes_back)
{
	struct rate r;

	rate_init(&r, 1, 1);
	cr_assert(rate_take(&r, 10 * second));
	cr_assert_not(rate_take(&r, 10 * second));
	cr_assert_not(rate_take(&r, 9 * second));
	cr_assert(rate_take(&r, 11 * second));
}

/* The invariant, against a list of everything that was let through. */
Test(rate, never_exceeds_burst_plus_rate_in_any_window)
{
	enum { N = 3000, BURST = 7, PER_SECOND = 50 };
	static uint64_t passed[N];
	struct rate r;
	uint64_t now = 0;
	int n = 0;

	srand(3);
	rate_init(&r, PER_SECOND, BURST);
	while (n < N) {
		now += (uint64_t)(rand() % 5) * second / 400;
		if (rate_take(&r, now))
			passed[n++] = now;
	}
	for (int i = 0; i < N; i++)
		for (int k = i; k < N && k < i + 200; k++) {
			uint64_t most = BURST + (passed[k] - passed[i]) * PER_SECOND / second;

			cr_assert((uint64_t)(k - i + 1) <= most + 1, "%d in %lu ns", k - i + 1,
				  (unsigned long)(passed[k] - passed[i]));
		}
}
