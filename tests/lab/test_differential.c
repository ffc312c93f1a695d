/* SPDX-License-Identifier: MIT */
/* test_differential.c - the same packets for the kernel and for the stack: answers of one class */
#include "diff.h"

#include "../../rawstack/clock.h"
#include "../unit/t_lab.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Generated exchanges, each had with both; where the answers to a step differ, the difference is on
 * the list of diff_excuse() with its reason, or the test fails and prints the shortest exchange
 * that still shows it. Long form: SOAK_SECONDS in the environment. One exchange: DIFF_NUMBER.
 */
enum { EXCHANGES = 20000, REPEATS = 3, SHOWN = 6 }; /* DIFF_SHOW: as many instead */

static struct {
	struct diff_host *kernel, *stack;
	uint64_t exchanges, steps, excused[DIFF_EXCUSES_MAX], differ, shown;
	uint64_t mutants, survived;
	struct diff_before before;
} t;

static void start(void)
{
	cpu_set_t set;
	int cpu;

	t_lab_rights();
	cpu = sched_getcpu();
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	t.kernel = diff_kernel_open();
	t.stack = diff_stack_open();
}

static void finish(void)
{
	diff_host_close(t.kernel);
	diff_host_close(t.stack);
}

/* One step for both, in comparable words. */
static void both(const struct diff_exchange *x, int i, char k[DIFF_TEXT_MAX], char s[DIFF_TEXT_MAX])
{
	int32_t ka = diff_acked(t.kernel), sa = diff_acked(t.stack), acked = ka < sa ? ka : sa;

	t.before.acked = sa;
	t.before.sent = diff_sent(t.stack);
	t.before.kernel_lags |= ka < sa;

	diff_step(t.kernel, x, &x->step[i], k);
	diff_step(t.stack, x, &x->step[i], s);
	diff_tidy(k, acked);
	diff_tidy(s, acked);
	t.steps++;
}

/* The first step whose answers differ without an excuse, -1 for none. */
static int compare(const struct diff_exchange *x, char k[DIFF_TEXT_MAX], char s[DIFF_TEXT_MAX])
{
	int found = -1;

	t.before.kernel_lags = false;
	diff_begin(t.kernel, x);
	diff_begin(t.stack, x);
	for (int i = 0; i < x->n && found < 0; i++) {
		both(x, i, k, s);
		if (strcmp(k, s) != 0) {
			int excuse = diff_excuse(x, i, k, s, &t.before);

			if (excuse < 0)
				found = i;
			else
				t.excused[excuse]++;
			break; /* from here on they are in different states */
		}
	}
	diff_end(t.kernel, x);
	diff_end(t.stack, x);
	return found;
}

/* A difference must show every time: the kernel's timers are real, and the machine may be loaded.
 */
static int compare_surely(struct diff_exchange *x, char k[DIFF_TEXT_MAX], char s[DIFF_TEXT_MAX])
{
	int found = -1;

	for (int i = 0; i < REPEATS; i++) {
		found = compare(x, k, s);
		if (found < 0)
			return -1;
		x->sport = (uint16_t)(50000 + (t.exchanges * REPEATS + (uint64_t)i) % 15000);
	}
	return found;
}

/* Without any step, and without any oddity of a step, that the difference does not need. */
static void minimise(struct diff_exchange *x)
{
	char k[DIFF_TEXT_MAX], s[DIFF_TEXT_MAX];
	bool shorter = true;

	while (shorter) {
		shorter = false;
		for (int i = 0; i < x->n; i++) {
			struct diff_exchange less = *x;

			memmove(&less.step[i], &less.step[i + 1],
				(size_t)(x->n - i - 1) * sizeof(less.step[0]));
			less.n--;
			less.sport = (uint16_t)(50000 + (x->sport + 7) % 15000);
			t.exchanges++;
			if (less.n && compare_surely(&less, k, s) >= 0) {
				*x = less;
				shorter = true;
				break;
			}
		}
	}
}

static void show(uint64_t number, const struct diff_exchange *given)
{
	struct diff_exchange x = *given;
	char k[DIFF_TEXT_MAX], s[DIFF_TEXT_MAX], line[256];

	minimise(&x);
	fprintf(stderr, "exchange %lu, IPv%d, port %u, iss %u:\n", (unsigned long)number,
		x.v6 ? 6 : 4, diff_port(&x), x.iss);
	diff_begin(t.kernel, &x);
	diff_begin(t.stack, &x);
	for (int i = 0; i < x.n; i++) {
		both(&x, i, k, s);
		diff_print_step(&x, &x.step[i], line, sizeof(line));
		fprintf(stderr, "  %s\n    kernel:%s\n", line, k);
		if (strcmp(k, s) != 0)
			fprintf(stderr, "    stack: %s\n", s);
	}
	diff_end(t.kernel, &x);
	diff_end(t.stack, &x);
}

static void run_one(uint64_t number)
{
	char k[DIFF_TEXT_MAX], s[DIFF_TEXT_MAX];
	struct diff_exchange x;

	diff_generate(number, &x);
	t.exchanges++;
	if (compare(&x, k, s) < 0)
		return;
	x.sport = (uint16_t)(50000 + number % 15000);
	if (compare_surely(&x, k, s) < 0)
		return;
	if (t.differ++ < t.shown)
		show(number, &x);
}

Test(differential, the_stack_answers_as_the_kernel_does, .init = start, .fini = finish,
     .timeout = 36000)
{
	const char *soak = getenv("SOAK_SECONDS"), *only = getenv("DIFF_NUMBER");
	const char *shown = getenv("DIFF_SHOW");
	uint64_t first = only ? strtoull(only, NULL, 10) : 0, n = only ? first + 1 : EXCHANGES;
	uint64_t begin = clock_ns(CLOCK_MONOTONIC), end = 0;

	t.shown = shown ? strtoull(shown, NULL, 10) : SHOWN;
	if (soak)
		end = begin + strtoull(soak, NULL, 10) * 1000 * NS_PER_MS;
	for (uint64_t i = first; i < n || (end && clock_ns(CLOCK_MONOTONIC) < end); i++)
		run_one(i);
	fprintf(stderr, "%lu exchanges, %lu steps, %lu ms\n", (unsigned long)t.exchanges,
		(unsigned long)t.steps,
		(unsigned long)((clock_ns(CLOCK_MONOTONIC) - begin) / NS_PER_MS));
	for (int i = 0; i < DIFF_EXCUSES_MAX && diff_excuse_name(i); i++)
		fprintf(stderr, "%6lu excused: %s\n", (unsigned long)t.excused[i],
			diff_excuse_name(i));
	cr_assert(t.differ == 0, "%lu exchanges differ", (unsigned long)t.differ);
}
