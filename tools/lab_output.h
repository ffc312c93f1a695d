/* SPDX-License-Identifier: MIT */
/* lab_output.h - a run of cases as JSON, as a table, and in a few last words */
#ifndef TOOLS_LAB_OUTPUT_H
#define TOOLS_LAB_OUTPUT_H

#include "lab/run.h"

#include <jansson.h>

/* What the run's cases came to. */
struct lab_outcome {
	size_t n[CASE_STATUSES];
	size_t left_out;    /* checks that could not be made */
	bool wrong_verdict; /* some failure is more than a lack of proof */
};

void lab_assess(const struct lab_run *run, struct lab_outcome *out);

/* Each prints to stdout and returns 0, or an exit code after a message. */
int lab_print_json(const struct lab_run *run, const struct lab_outcome *out);
int lab_print_table(const struct lab_run *run);
int lab_print_checks(const struct lab_run *run);
int lab_print_ladders(const struct lab_run *run);
int lab_print_tap(const struct lab_run *run);

/* One case with its connections and checks, as in the document; NULL: out of memory. */
json_t *lab_case_json(const struct case_result *r);

void lab_print_summary(const struct lab_run *run, const struct lab_outcome *out);

#endif
