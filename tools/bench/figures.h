/* SPDX-License-Identifier: MIT */
/* figures.h - what repeated measurements come to */
#ifndef TOOLS_BENCH_FIGURES_H
#define TOOLS_BENCH_FIGURES_H

#include <stddef.h>

enum { FIGURES_MAX = 64 }; /* measurements of one thing */

/* Of an odd number the middle one, of an even one the mean of the middle two. */
struct spread {
	double median, min, max;
	size_t n; /* 0: nothing was measured, the rest is 0 */
};

/* Of @n <= FIGURES_MAX values, in any order. */
struct spread spread_of(const double *values, size_t n);

/*
 * Of a[i] / b[i]: both of a pair were measured one after the other, so what the machine did in
 * between to one it did to the other. Pairs with b[i] = 0 are left out.
 */
struct spread spread_of_ratios(const double *a, const double *b, size_t n);

#endif
