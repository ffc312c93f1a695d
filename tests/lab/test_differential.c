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
 * that still shows it. Long form: SOAK_SECONDS in the environment. One exchange: DIFF_NUMBER;
 * others than usual: DIFF_FIRST.
 */
enum { EXCHANGES = 20000, REPEATS = 3, SHOWN = 6 }; /* DIFF_SHOW: as many instead */

/* Ways for an answer to be wrong, and how many in a thousand of them an excuse may cover. */
static const struct {
	const char *name;
	unsigned int per_mille;
} mutations[] = {
	{"a sequence number one more", 0},
	{"an acknowledgement of one more", 0},
	{"an acknowledgement of one less", 0},
	{"RST for ACK", 0},
	{"FIN forgotten", 1},
	{"SYN forgotten", 0},
	{"ACK on a RST", 0},
	{"a SACK block longer by one", 20},
	{"a datagram longer by one", 0},
	{"a RST too many", 0},
	{"an acknowledgement too many", 0},
	{"the end as an error", 0},
	{"silence", 20}, /* which is the stack's answer in several of them */
};
enum { MUTATIONS = sizeof(mutations) / sizeof(mutations[0]) };

static struct {
	struct diff_host *kernel, *stack;
	uint64_t exchanges, steps, excused[DIFF_EXCUSES_MAX], differ, shown;
	uint64_t mutants[MUTATIONS], survived[MUTATIONS], told;
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

/* --- whether a wrong answer would be told from a right one --- */

static bool change_number(char *text, const char *after, int by)
{
	char *at = strstr(text, after), rest[DIFF_TEXT_MAX];
	int value, n;

	if (!at || sscanf(at + strlen(after), "%d%n", &value, &n) != 1)
		return false;
	at += strlen(after);
	snprintf(rest, sizeof(rest), "%s", at + n);
	snprintf(at, DIFF_TEXT_MAX - (size_t)(at - text), "%d%s", value + by, rest);
	return true;
}

static bool change_word(char *text, const char *from, const char *to)
{
	char *at = strstr(text, from), rest[DIFF_TEXT_MAX];

	if (!at)
		return false;
	snprintf(rest, sizeof(rest), "%s", at + strlen(from));
	snprintf(at, DIFF_TEXT_MAX - (size_t)(at - text), "%s%s", to, rest);
	return true;
}

/* The stack's answer, wrong in the @m-th way; false where it has nothing to be wrong in that way.
 */
static bool mutate(char *s, int m)
{
	switch (m) {
	case 0:
		return change_number(s, " seq ", 1);
	case 1:
		return change_number(s, " ack ", 1);
	case 2:
		return change_number(s, " ack ", -1);
	case 3:
		return change_word(s, " A seq", " R seq");
	case 4:
		return change_word(s, " FA seq", " A seq");
	case 5:
		return change_word(s, " SA seq", " A seq");
	case 6:
		return change_word(s, " R seq", " RA seq");
	case 7:
		return change_number(s, "-", 1) && strchr(s, '[');
	case 8:
		return change_number(s, "(datagram ", 1);
	case 9:
		diff_say(s, " R seq %d ack 0 len 0;", t.before.sent + 1);
		return true;
	case 10:
		diff_say(s, " A seq %d ack %d len 0;", t.before.sent, t.before.acked + 1);
		return true;
	case 11:
		return change_word(s, "(end)", "(ECONNRESET)");
	default:
		if (!strchr(s, ';'))
			return false;
		s[0] = '\0';
		return true;
	}
}

/* Each wrong answer must be a difference that has no excuse. */
static void try_mutants(const struct diff_exchange *x, int i, const char *k, const char *s)
{
	char wrong[DIFF_TEXT_MAX];

	for (int m = 0; m < MUTATIONS; m++) {
		int excuse;

		snprintf(wrong, sizeof(wrong), "%s", s);
		if (!mutate(wrong, m) || strcmp(wrong, k) == 0 || strcmp(wrong, s) == 0)
			continue;
		excuse = diff_excuse(x, i, k, wrong, &t.before);
		t.mutants[m]++;
		if (excuse < 0)
			continue;
		t.survived[m]++;
		if (t.told++ < t.shown)
			fprintf(stderr,
				"exchange %u: kernel%s, instead of%s this would pass:%s (%s)\n",
				x->sport, k, s, wrong, diff_excuse_name(excuse));
	}
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
		try_mutants(x, i, k, s);
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
	const char *shown = getenv("DIFF_SHOW"), *from = getenv("DIFF_FIRST");
	uint64_t first = only ? strtoull(only, NULL, 10) : from ? strtoull(from, NULL, 10) : 0;
	uint64_t n = only ? first + 1 : first + EXCHANGES;
	uint64_t begin = clock_ns(CLOCK_MONOTONIC), end = 0;

	t.shown = shown ? strtoull(shown, NULL, 10) : SHOWN;
	if (soak)
		end = begin + strtoull(soak, NULL, 10) * 1000 * NS_PER_MS;
	for (uint64_t i = first; i < n || (end && clock_ns(CLOCK_MONOTONIC) < end); i++)
		run_one(i);
	fprintf(stderr, "%lu exchanges, %lu steps, %lu ms\n", (unsigned long)t.exchanges,
		(unsigned long)t.steps,
		(unsigned long)((clock_ns(CLOCK_MONOTONIC) - begin) / NS_PER_MS));
	for (int m = 0; m < MUTATIONS; m++)
		fprintf(stderr, "%6lu of %lu excused, though wrong: %s\n",
			(unsigned long)t.survived[m], (unsigned long)t.mutants[m],
			mutations[m].name);
	for (int i = 0; i < DIFF_EXCUSES_MAX && diff_excuse_name(i); i++)
		fprintf(stderr, "%6lu excused: %s\n", (unsigned long)t.excused[i],
			diff_excuse_name(i));
	/* One in ten thousand is next to an answer that is right in another place. */
	for (int m = 0; m < MUTATIONS && !only; m++)
		cr_expect(t.survived[m] * 10000 <= t.mutants[m] * (mutations[m].per_mille * 10 + 1),
			  "wrong, and excused: %s", mutations[m].name);
	cr_assert(t.differ == 0, "%lu exchanges differ", (unsigned long)t.differ);
}
