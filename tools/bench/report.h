/* SPDX-License-Identifier: MIT */
/* report.h - a benchmark's results for people and for programs */
#ifndef TOOLS_BENCH_REPORT_H
#define TOOLS_BENCH_REPORT_H

#include "results.h"

#include <jansson.h>
#include <stdio.h>

/* {"environment","rows":[...],"ratios":[...]}; takes over the reference to @environment. */
json_t *bench_report_json(const struct bench_results *r, json_t *environment);

/* The same as tables: rates, what spoiled them, ratios. Returns 0 or -ENOMEM. */
int bench_report_print(const struct bench_results *r, const json_t *environment, FILE *out);

#endif
