/* SPDX-License-Identifier: MIT */
/* figures.c - median, minimum, maximum */
#include "figures.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread spread_of(const double *values, size_t n)
{
	double sorted[FIGURES_MAX];

	assert(n <= FIGURES_MAX);
	if (n == 0)
		return (struct spread){0};
	memcpy(sorted, values, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), ascending);
	return (struct spread){
		.median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2,
		.min = sorted[0],
		.max = sorted[n - 1],
		.n = n,
	};
}

struct spread spread_of_ratios(const double *a, const double *b, size_t n)
{
	double ratios[FIGURES_MAX] = {0};
	size_t used = 0;

	assert(n <= FIGURES_MAX);
	for (size_t i = 0; i < n; i++)
		if (b[i] > 0)
			ratios[used++] = a[i] / b[i];
	return spread_of(ratios, used);
}
