/* SPDX-License-Identifier: MIT */
/* figures.h - what repeated measurements come to */
#ifndef TOOLS_BENCH_FIGURES_H
#define TOOLS_BENCH_FIGURES_H

#include <stdbool.h>
#include <stddef.h>

enum { FIGURES_MAX = 1024 }; /* measurements of one thing */

/*
 * Of an odd number the middle one, of an even one the mean of the middle two.
 *
 * [low, high] contains the true median with a probability of FIGURES_CONFIDENCE or more, whatever
 * the distribution: the order statistics that the sign test does not reject. Under six values
 * there are none, and both are 0.
 */
struct spread {
	double median, min, max;
	double low, high;
	size_t n; /* 0: nothing was measured, the rest is 0 */
};

#define FIGURES_CONFIDENCE 0.95

static inline bool spread_has_interval(const struct spread *s)
{
	return s->high > 0;
}

/* Of @n <= FIGURES_MAX values, in any order. */
struct spread spread_of(const double *values, size_t n);

#endif
