/* SPDX-License-Identifier: MIT */
/* test_wheel.c - the timing wheel, in virtual time */
#include "../../uring/wheel.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct wheel wheel;

Test(wheel, fires_never_early_and_at_most_one_tick_late)
{
	static const uint32_t delays[] = {0, 1, 9, 10, 11, 99, 100, 2549, 2550, 2560, 2561, 60000};
	const uint32_t tick = 10;

	for (uint64_t start = 0; start < 45; start += 11) {
		for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
			struct wheel_node node = {0};
			uint64_t due = start + delays[i], now = start;

			wheel_init(&wheel, tick, start);
			wheel_add(&wheel, &node, due);
			while (wheel_expire(&wheel, now) == NULL)
				cr_assert(++now <= due + tick, "start %lu delay %u: not fired",
					  (unsigned long)start, delays[i]);
			cr_assert(now >= due, "start %lu delay %u: fired at %lu",
				  (unsigned long)start, delays[i], (unsigned long)now);
			cr_assert(wheel.armed == 0);
		}
	}
}

Test(wheel, timeout_leads_to_the_expiry_in_few_steps_and_never_spins)
{
	static const uint32_t delays[] = {1, 10, 15, 500, 2559, 2560, 7000, 30000};

	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		struct wheel_node node = {0};
		uint64_t now = 12345, due = now + delays[i];
		unsigned int wakeups = 0;

		wheel_init(&wheel, 10, now);
		wheel_add(&wheel, &node, due);
		while (wheel_expire(&wheel, now) == NULL) {
			int64_t wait = wheel_timeout_ms(&wheel, now);

			cr_assert(wait > 0, "delay %u: would spin at +%lu", delays[i],
				  (unsigned long)(now - 12345));
			now += (uint64_t)wait;
			cr_assert(++wakeups <= 1 + delays[i] / 2560 + 1, "delay %u: %u wake-ups",
				  delays[i], wakeups);
		}
		cr_assert(now >= due && now < due + 10, "delay %u at +%lu", delays[i],
			  (unsigned long)(now - 12345));
		cr_assert(wheel_timeout_ms(&wheel, now) == -1, "empty again: no timeout");
	}
}

Test(wheel, a_removed_timer_does_not_fire)
{
	struct wheel_node a = {0}, b = {0};

	wheel_init(&wheel, 10, 0);
	wheel_add(&wheel, &a, 50);
	wheel_add(&wheel, &b, 50);
	wheel_del(&wheel, &a);
	wheel_del(&wheel, &a);
	cr_assert(wheel.armed == 1);
	cr_assert(wheel_expire(&wheel, 1000) == &b);
	cr_assert(wheel_expire(&wheel, 1000) == NULL);
}

Test(wheel, a_long_sleep_fires_everything_once)
{
	enum { N = 1000 };
	static struct wheel_node nodes[N];
	static unsigned int fired[N];
	struct wheel_node *n;

	wheel_init(&wheel, 10, 0);
	for (int i = 0; i < N; i++)
		wheel_add(&wheel, &nodes[i], (uint64_t)i * 7);
	while ((n = wheel_expire(&wheel, UINT64_C(10000000000))) != NULL)
		fired[n - nodes]++;
	for (int i = 0; i < N; i++)
		cr_assert(fired[i] == 1, "timer %d fired %u times", i, fired[i]);
	wheel_add(&wheel, &nodes[0], UINT64_C(10000000005));
	cr_assert(wheel_expire(&wheel, UINT64_C(10000000004)) == NULL);
	cr_assert(wheel_expire(&wheel, UINT64_C(10000000015)) == &nodes[0]);
}

/* Against the obvious implementation: a list searched in full at every step. */
Test(wheel, agrees_with_a_naive_list_on_random_schedules)
{
	enum { N = 64, STEPS = 20000, TICK = 7 };
	static struct wheel_node nodes[N];
	uint64_t now = 0;
	struct wheel_node *n;

	srand(1);
	wheel_init(&wheel, TICK, now);
	for (int step = 0; step < STEPS; step++) {
		int i = rand() % N;

		if (nodes[i].next != NULL)
			wheel_del(&wheel, &nodes[i]);
		else
			wheel_add(&wheel, &nodes[i], now + (uint64_t)(rand() % 4000));
		now += (uint64_t)(rand() % 20);
		while ((n = wheel_expire(&wheel, now)) != NULL)
			cr_assert(n->due_ms <= now, "step %d: early", step);
		for (int k = 0; k < N; k++)
			cr_assert(nodes[k].next == NULL || nodes[k].due_ms + TICK > now,
				  "step %d: timer %d is late", step, k);
	}
}
