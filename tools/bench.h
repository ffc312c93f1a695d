/* SPDX-License-Identifier: MIT */
/* bench.h - what "dualwire bench" was told */
#ifndef TOOLS_BENCH_H
#define TOOLS_BENCH_H

#include "bench/measure.h"

#include <jansson.h>

enum { BENCH_COMMAND_TEXT = 1024 };

struct bench_options {
	struct bench_plan plan;
	struct measure_config measure;
	uint32_t families, works; /* bit masks */
	double rate;		  /* of our generators, 0: closed loops */
	bool idle, witness;
	uint64_t connections; /* of idle, 0: a number that suits the engine */
	bool json, quiet, strict;
	const char *save; /* a directory, NULL: none */
	const char *plot; /* a file, NULL: none */
	/* Names given as NAME=COMMAND, cut in two. */
	char texts[2 * PLAN_SUBJECTS_MAX][BENCH_COMMAND_TEXT];
	uint32_t n_texts;
};

/* Reads the command line. Returns 0, CLI_DONE, or EXIT_USAGE after a message. */
int bench_options_read(int argc, char **argv, struct bench_options *o);

/* "dualwire bench idle": each engine in turn. Returns an exit code. */
int bench_idle(const struct bench_options *o, struct arena *a);

#endif
