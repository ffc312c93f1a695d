/* SPDX-License-Identifier: MIT */
/* histogram.h - latencies in log-linear buckets: percentiles within one percent, in fixed memory */
#ifndef URING_LOAD_HISTOGRAM_H
#define URING_LOAD_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Values below 2^HISTOGRAM_BITS have a bucket each; above, every power of two is cut into
 * 2^(HISTOGRAM_BITS - 1) buckets of equal width. So a bucket is never wider than 1/128 of the
 * values in it, recording costs a few instructions, and two histograms are merged by adding.
 *
 * Limits: values up to 2^HISTOGRAM_VALUE_BITS - 1 (18 minutes in nanoseconds); larger ones count in
 * the last bucket, and in max and sum as they are.
 */
enum {
	HISTOGRAM_BITS = 8,
	HISTOGRAM_VALUE_BITS = 40,
	HISTOGRAM_HALF = 1 << (HISTOGRAM_BITS - 1),
	HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_BITS + 2) * HISTOGRAM_HALF,
};

/* All zero is an empty one. */
struct histogram {
	uint64_t count, sum;
	uint64_t min, max; /* valid when count is not 0 */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *h, uint64_t value);

/* Adds what @from holds. */
void histogram_merge(struct histogram *h, const struct histogram *from);

/*
 * The value that @ppm millionths of all values do not exceed (500000: the median), rounded up to
 * the end of its bucket but never above max; 1000000 is max itself. 0 when there are none.
 */
uint64_t histogram_percentile(const struct histogram *h, uint32_t ppm);

/* The smallest and the largest value that count in bucket @index. */
uint64_t histogram_bucket_low(size_t index);
uint64_t histogram_bucket_high(size_t index);

/*
 * Writes "low high count cumulative_share" for each bucket that is not empty, low and high divided
 * by @unit, behind a line of '#' with the totals: fit for gnuplot. Returns 0 or -errno.
 */
int histogram_write(const struct histogram *h, uint64_t unit, FILE *f);

#endif
