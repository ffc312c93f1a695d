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

/* Of an open loop; n is 0 where there was none. */
struct spread results_latency_us(const struct bench_results *r, uint32_t cell,
				 enum bench_percentile p);

/* Sum over the rounds. */
struct bench_spoilers results_spoilers(const struct bench_results *r, uint32_t cell);
bool results_spoiled(const struct bench_results *r);

enum { RATIO_NAME = 96, RATIOS_MAX = 256 };

/* One thing compared with another: rates of the same round divided by each other. */
struct bench_ratio {
	char name[RATIO_NAME]; /* "uring / epoll, accept, mapped" */
	struct spread spread;
};

/*
 * What people ask for: each server against those it is to be measured by (results.c says which),
 * each family against IPv4 on the same server, each generator against the best of the others.
 * Returns how many.
 */
size_t results_ratios(const struct bench_results *r, struct bench_ratio *out, size_t max);

#endif
