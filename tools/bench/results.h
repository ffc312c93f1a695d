/* SPDX-License-Identifier: MIT */
/* results.h - all samples of a benchmark, and what they come to */
#ifndef TOOLS_BENCH_RESULTS_H
#define TOOLS_BENCH_RESULTS_H

#include "plan.h"
#include "sample.h"

struct bench_results {
	const struct bench_plan *plan;
	/* By cell and round; of one cell the first n_samples[cell] are filled. */
	struct bench_sample (*samples)[PLAN_ROUNDS_MAX];
	uint32_t n_samples[PLAN_CELLS_MAX];
};

/* @plan must outlive it. Returns 0 or -ENOMEM. */
int results_init(struct bench_results *r, const struct bench_plan *plan);
void results_free(struct bench_results *r);

void results_add(struct bench_results *r, uint32_t cell, const struct bench_sample *s);

/* Connections, or of BENCH_KEPT answers, per second. */
struct spread results_rate(const struct bench_results *r, uint32_t cell);

/* Microseconds of the server's processor, of one kind or (CPU_KINDS) of all, for each of those. */
struct spread results_cpu_us(const struct bench_results *r, uint32_t cell, enum bench_cpu kind);

/*
 * Microseconds that the server's threads ran for each of those. Unlike the figure above it holds on
 * a machine that others use, and unlike a rate it says little about the generator. n is 0 where the
 * kernel does not tell.
 */
struct spread results_task_us(const struct bench_results *r, uint32_t cell);

/* Of an open loop; n is 0 where there was none. */
struct spread results_latency_us(const struct bench_results *r, uint32_t cell,
				 enum bench_percentile p);

/* Sum over the rounds. */
struct bench_spoilers results_spoilers(const struct bench_results *r, uint32_t cell);
bool results_spoiled(const struct bench_results *r);

/* How many of all measurements were made once more because others used the processor. */
uint32_t results_repeated(const struct bench_results *r, uint32_t *all);

enum { RATIO_NAME = 96, RATIOS_MAX = 320 };

/* What a comparison came to, as far as its interval tells. */
enum bench_verdict { VERDICT_OPEN, VERDICT_BETTER, VERDICT_WORSE, VERDICT_SAME };

/*
 * One thing compared with another, round by round. Above 1 the first is the better one: it has the
 * higher rate, or its server needs less time.
 */
struct bench_ratio {
	char name[RATIO_NAME]; /* "uring / epoll, accept, mapped" */
	struct spread spread;  /* of rates */
	struct spread time;    /* of results_task_us(); n is 0 where there is none */
	size_t pairs;	       /* of cells: more than one are looked at together */
};

/* SAME: the interval lies within 3 percent of 1. Else BETTER and WORSE need one without 1 in it. */
enum bench_verdict bench_verdict_of(const struct spread *s);
const char *bench_verdict_name(enum bench_verdict v);

/*
 * What people ask for: each server against those it is to be measured by (results.c says which),
 * each family against IPv4 on the same server, each generator against the best of the others; first
 * what several of these say together.
 * Returns how many.
 */
size_t results_ratios(const struct bench_results *r, struct bench_ratio *out, size_t max);

#endif
