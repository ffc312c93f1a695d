/* SPDX-License-Identifier: MIT */
/* measure.h - measures one cell: a server on one processor, a generator on the other */
#ifndef TOOLS_BENCH_MEASURE_H
#define TOOLS_BENCH_MEASURE_H

#include "arena.h"
#include "plan.h"
#include "sample.h"

enum { MEASURE_WHAT = 512 };

struct measure_config {
	double seconds, warmup_s;
	uint32_t in_flight;	/* connections at a time, of accept, echo and http */
	uint32_t kept;		/* connections of BENCH_KEPT */
	uint64_t max_conns;	/* our servers take that many, 0: their default */
	bool close_fin;		/* clients end in order instead of by RST */
	bool report_peers;	/* our servers ask who connected */
	const char *histograms; /* a directory for latencies of open loops, NULL: none */
	/* Called about ten times a second while it waits; nonzero ends the measurement. */
	int (*tick)(void *arg);
	void *arg;
};

/*
 * Starts the server in its host, waits until it listens, warms up, measures, ends it; once more if
 * others used much of the server's processor meanwhile, and the quieter one is kept. Nothing runs
 * when it returns. Returns 0; -EINTR (tick said so); another -errno with @what filled: what failed,
 * why, and what the program in question said.
 */
int measure_cell(struct arena *a, const struct bench_plan *p, const struct bench_cell *c,
		 const struct measure_config *cfg, struct bench_sample *out,
		 char what[MEASURE_WHAT]);

#endif
