/* SPDX-License-Identifier: MIT */
/* plot.h - a benchmark's rates as a picture, drawn by gnuplot */
#ifndef TOOLS_BENCH_PLOT_H
#define TOOLS_BENCH_PLOT_H

#include "results.h"

#include <stdio.h>

/*
 * Writes gnuplot's commands that draw @r into the file @svg: a panel for each workload and load, a
 * group of bars for each family, a bar for each server, with its minimum and maximum.
 */
void plot_script(const struct bench_results *r, const char *svg, FILE *out);

/* Runs gnuplot on that. Returns 0, -ENOENT (there is no gnuplot), -EPROTO (it failed), -errno. */
int plot_draw(const struct bench_results *r, const char *svg);

#endif
