/* SPDX-License-Identifier: MIT */
/* test_bench.c - what a benchmark makes of its measurements, without measuring */
#include "../../tools/bench/figures.h"
#include "../../tools/bench/plan.h"
#include "../../tools/bench/plot.h"
#include "../../tools/bench/processor.h"
#include "../../tools/bench/results.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

Test(bench, the_median_stands_in_the_middle_and_the_rest_between_its_ends)
{
	const double odd[] = {30, 10, 20}, even[] = {4, 1, 3, 2};
	struct spread s = spread_of(odd, 3);

	cr_assert(s.median == 20 && s.min == 10 && s.max == 30 && s.n == 3);
	s = spread_of(even, 4);
	cr_assert(s.median == 2.5 && s.min == 1 && s.max == 4);
	cr_assert(spread_of(odd, 0).n == 0);
}

/* 10 values: the second and the ninth, since the first and last alone would miss in 0.2 %. */
Test(bench, the_interval_is_that_of_the_sign_test)
{
	static const struct {
		size_t n;
		double low, high;
	} rows[] = {{5, 0, 0},	{6, 1, 6},   {8, 1, 8},	   {9, 2, 8},
		    {10, 2, 9}, {20, 6, 15}, {40, 14, 27}, {100, 40, 61}};
	double v[100];

	for (size_t i = 0; i < 100; i++)
		v[i] = (double)(i + 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spread s = spread_of(v, rows[i].n);

		cr_assert(s.low == rows[i].low && s.high == rows[i].high, "n %zu: %.0f to %.0f",
			  rows[i].n, s.low, s.high);
		cr_assert(spread_has_interval(&s) == (rows[i].n >= 6));
	}
}

Test(bench, a_verdict_needs_an_interval)
{
	static const struct {
		double low, high;
		enum bench_verdict want;
	} rows[] = {{0, 0, VERDICT_OPEN},	 {0.98, 1.02, VERDICT_SAME},
		    {1.01, 1.02, VERDICT_SAME},	 {1.01, 1.2, VERDICT_BETTER},
		    {0.5, 0.99, VERDICT_WORSE},	 {0.9, 1.01, VERDICT_OPEN},
		    {0.969, 0.98, VERDICT_WORSE}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spread s = {.low = rows[i].low, .high = rows[i].high, .n = 9};

		cr_assert(bench_verdict_of(&s) == rows[i].want, "%f to %f: %s", s.low, s.high,
			  bench_verdict_name(bench_verdict_of(&s)));
	}
}

static struct bench_plan two_by_two(void)
{
	struct bench_plan p = {.n_subjects = 2, .n_loads = 1, .rounds = 3};

	p.subjects[0].name = "uring";
	p.subjects[1].name = "epoll";
	p.loads[0] = (struct bench_load){.name = "raw", .raw = true};
	cr_assert(plan_fill(&p, 1U << BENCH_IPV4 | 1U << BENCH_MAPPED, 1U << BENCH_ACCEPT) == 0);
	return p;
}

/* Two workloads are two blocks: what is compared is never a whole benchmark apart. */
Test(bench, every_round_of_a_block_has_each_cell_once_and_every_other_goes_backwards)
{
	struct bench_plan p = two_by_two();

	cr_assert(p.n_cells == 4 && p.n_blocks == 1);
	cr_assert(plan_fill(&p, 1U << BENCH_IPV4 | 1U << BENCH_MAPPED,
			    1U << BENCH_ACCEPT | 1U << BENCH_KEPT) == 0);
	cr_assert(p.n_cells == 8 && p.n_blocks == 2);
	for (uint32_t i = 0; i < 4; i++) {
		for (uint32_t block = 0; block < 2; block++) {
			cr_assert(plan_cell_at(&p, 12 * block + i) == 4 * block + i);
			cr_assert(plan_cell_at(&p, 12 * block + 4 + i) == 4 * block + 3 - i);
			cr_assert(plan_cell_at(&p, 12 * block + 8 + i) == 4 * block + i);
		}
		cr_assert(p.cells[i].work == BENCH_ACCEPT && p.cells[4 + i].work == BENCH_KEPT);
	}
}

Test(bench, too_many_cells_are_refused)
{
	struct bench_plan p = {.n_subjects = PLAN_SUBJECTS_MAX, .n_loads = 4};

	cr_assert(plan_fill(&p, 7, 15) == -E2BIG);
}

Test(bench, names_are_read_whole_and_the_wrong_one_is_named)
{
	char bad[16] = "";
	uint32_t mask;

	cr_assert(bench_families_read("native,ipv4", &mask, bad, sizeof(bad)) == 0);
	cr_assert(mask == (1U << BENCH_NATIVE | 1U << BENCH_IPV4));
	cr_assert(bench_works_read("kept", &mask, bad, sizeof(bad)) == 0);
	cr_assert(mask == 1U << BENCH_KEPT);
	cr_assert(bench_works_read("accept,kep", &mask, bad, sizeof(bad)) == -EINVAL);
	cr_assert(strcmp(bad, "kep") == 0, "said '%s'", bad);
	cr_assert(bench_families_read("", &mask, bad, sizeof(bad)) == -EINVAL);
	cr_assert(bench_families_read("ipv4,", &mask, bad, sizeof(bad)) == -EINVAL);
}

Test(bench, proc_stat_is_read_for_the_processor_asked_for)
{
	static const char text[] = "cpu  1 2 3 4 5 6 7 8 9 10\n"
				   "cpu0 11 12 13 14 15 16 17 18 0 0\n"
				   "cpu1 21 22 23 24 25 26 27 28 0 0\n"
				   "cpu10 1 1 1 1 1 1 1 1 0 0\n"
				   "intr 5\n";
	struct processor_time t;

	cr_assert(processor_parse(text, 1, &t) == 0);
	cr_assert(t.user == 43 && t.sys == 23 && t.idle == 49 && t.softirq == 53 && t.stolen == 28);
	cr_assert(processor_parse(text, 10, &t) == 0 && t.sys == 1);
	cr_assert(processor_parse(text, 2, &t) == -ENOENT);
	cr_assert(processor_parse("cpu0 1 2 3", 0, &t) == -ENOENT);
}

static struct bench_ratio ratio_named(const struct bench_results *r, const char *name)
{
	static struct bench_ratio list[RATIOS_MAX];
	size_t n = results_ratios(r, list, RATIOS_MAX);

	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i];
	cr_assert_fail("no ratio '%s' among %zu", name, n);
	return list[0];
}

/* In each round the machine is as fast as it likes; one measurement is missing its time. */
Test(bench, rates_costs_and_ratios_follow_from_the_samples)
{
	struct bench_plan p = two_by_two();
	struct bench_results r;
	struct bench_ratio ratio;
	struct spread cpu;
	uint32_t all;

	cr_assert(results_init(&r, &p) == 0);
	for (uint32_t cell = 0; cell < p.n_cells; cell++)
		for (int round = 0; round < 3; round++) {
			bool uring = p.cells[cell].subject == 0;
			bool mapped = p.cells[cell].family == BENCH_MAPPED;
			struct bench_sample s = {.conn_per_s = 1000 * (round + 1), .attempts = 1};

			s.conn_per_s *= uring ? 1.5 : 1;
			s.conn_per_s *= mapped ? 0.5 : 1;
			s.connections = (uint64_t)s.conn_per_s;
			s.cpu_us[CPU_SYS] = 750000;
			s.cpu_us[CPU_SOFTIRQ] = 250000;
			s.task_us = uring ? 600000 : 800000;
			if (cell == 0 && round == 1)
				s.task_us = 0;
			results_add(&r, cell, &s);
		}
	cr_assert(results_rate(&r, 0).median == 3000);
	cpu = results_cpu_us(&r, 0, CPU_KINDS);
	cr_assert(cpu.median > 333 && cpu.median < 334, "%f", cpu.median);
	cr_assert(results_cpu_us(&r, 0, CPU_SOFTIRQ).median < 84);
	cr_assert(results_task_us(&r, 0).n == 0 && results_task_us(&r, 1).median == 400);
	ratio = ratio_named(&r, "uring / epoll, accept, mapped, raw");
	cr_assert(ratio.spread.median == 1.5 && ratio.time.median == 2 && ratio.time.n == 3);
	ratio = ratio_named(&r, "uring / epoll, accept, ipv4, raw");
	cr_assert(ratio.spread.n == 3 && ratio.time.n == 2);
	ratio = ratio_named(&r, "mapped / ipv4, epoll, accept, raw");
	cr_assert(ratio.spread.median == 0.5 && ratio.time.median == 0.5);
	ratio = ratio_named(&r, "uring / epoll, accept, all families, raw");
	cr_assert(ratio.pairs == 2 && ratio.spread.n == 6 && ratio.time.n == 5);
	cr_assert(ratio.spread.low == 1.5 && ratio.spread.high == 1.5);
	ratio = ratio_named(&r, "mapped / ipv4, all engines on the kernel's TCP, raw");
	cr_assert(ratio.pairs == 2 && ratio.spread.n == 6);
	cr_assert(results_latency_us(&r, 0, LAT_P99).n == 0);
	cr_assert(!results_spoiled(&r));
	r.samples[3][1].spoilers.cookies = 2;
	r.samples[3][1].attempts = 2;
	cr_assert(results_repeated(&r, &all) == 1 && all == 12);
	cr_assert(results_spoiled(&r));
	cr_assert(results_spoilers(&r, 3).cookies == 2);
	results_free(&r);
}

Test(bench, a_picture_has_a_panel_a_workload_and_names_cannot_break_out_of_their_quotes)
{
	struct bench_plan p = two_by_two();
	struct bench_results r;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	p.subjects[1].name = "it's";
	cr_assert(results_init(&r, &p) == 0);
	for (uint32_t cell = 0; cell < p.n_cells; cell++)
		results_add(&r, cell, &(struct bench_sample){.conn_per_s = 10 * (cell + 1)});
	plot_script(&r, "a'b.svg", f);
	fclose(f);
	cr_assert(strstr(text, "set output 'a''b.svg'\n"));
	cr_assert(strstr(text, "layout 1,1"));
	cr_assert(strstr(text, "title 'uring'") && strstr(text, "title 'it''s'"));
	cr_assert(strstr(text, "ipv4 10.0 10.0 10.0\nmapped 20.0 20.0 20.0\nEOD"));
	free(text);
	results_free(&r);
}
