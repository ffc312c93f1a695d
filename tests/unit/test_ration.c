/* SPDX-License-Identifier: MIT */
/* test_ration.c - messages that are said at most once a second, in virtual time */
#include "../../uring/ration.h"

#include <criterion/criterion.h>
#include <pthread.h>

Test(ration, the_first_is_said_at_once_and_then_one_a_second)
{
	struct ration r = {0};
	uint64_t held = 99, said = 0, begin = 5;

	cr_assert(ration_take(&r, begin, &held) && held == 0);
	for (uint64_t now = begin + 1; now <= begin + UINT64_C(10) * RATION_MS; now++) {
		if (!ration_take(&r, now, &held))
			continue;
		said++;
		cr_assert(now == begin + said * RATION_MS, "at %lu", (unsigned long)now);
		cr_assert(held == RATION_MS - 1, "%lu held back", (unsigned long)held);
	}
	cr_assert(said == 10, "%lu", (unsigned long)said);
}

Test(ration, after_a_quiet_time_it_is_said_at_once_again)
{
	struct ration r = {0};
	uint64_t held;

	cr_assert(ration_take(&r, 1000, &held));
	cr_assert(!ration_take(&r, 1001, &held));
	cr_assert(ration_take(&r, 60000, &held) && held == 1);
	cr_assert(!ration_take(&r, 60000 + RATION_MS - 1, &held));
	cr_assert(ration_take(&r, 60000 + RATION_MS, &held) && held == 1);
}

enum { THREADS = 4, TIMES = 100000 };

struct speaker {
	struct ration *ration;
	pthread_t thread;
	uint64_t said, held;
};

static void *speak(void *arg)
{
	struct speaker *s = arg;
	uint64_t held;

	for (int i = 0; i < TIMES; i++) {
		if (ration_take(s->ration, 1 + (uint64_t)i / (TIMES / 10) * RATION_MS, &held)) {
			s->said++;
			s->held += held;
		}
	}
	return NULL;
}

/* One of them says it for all, and each that is not said is counted once. */
Test(ration, threads_share_one)
{
	struct ration r = {0};
	struct speaker s[THREADS];
	uint64_t said = 0, held = 0;

	for (int i = 0; i < THREADS; i++) {
		s[i] = (struct speaker){.ration = &r};
		cr_assert(pthread_create(&s[i].thread, NULL, speak, &s[i]) == 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(s[i].thread, NULL);
		said += s[i].said;
		held += s[i].held;
	}
	cr_assert(said == 10, "%lu", (unsigned long)said);
	cr_assert(said + held + r.held == (uint64_t)THREADS * TIMES, "%lu said, %lu + %lu held",
		  (unsigned long)said, (unsigned long)held, (unsigned long)r.held);
}
