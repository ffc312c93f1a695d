/* SPDX-License-Identifier: MIT */
/* figures.c - median, its confidence interval, minimum, maximum */
#include "figures.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * How many of the smallest and of the largest of @n values lie outside the interval: the most k for
 * which fewer than k of n tosses of a coin come up heads in at most half of what may fail. 0: none.
 */
static size_t outside(size_t n)
{
	double fail = (1 - FIGURES_CONFIDENCE) / 2, term = 1, sum = 0;
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		term /= 2;
	/* term is the probability of k heads, sum that of fewer. */
	while (k < n && sum + term <= fail) {
		sum += term;
		term *= (double)(n - k) / (double)(k + 1);
		k++;
	}
	return k;
}

struct spread spread_of(const double *values, size_t n)
{
	double sorted[FIGURES_MAX];
	size_t k;

	assert(n <= FIGURES_MAX);
	if (n == 0)
		return (struct spread){0};
	memcpy(sorted, values, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), ascending);
	k = outside(n);
	return (struct spread){
		.low = k > 0 ? sorted[k - 1] : 0,
		.high = k > 0 ? sorted[n - k] : 0,
		.median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2,
		.min = sorted[0],
		.max = sorted[n - 1],
		.n = n,
	};
}
