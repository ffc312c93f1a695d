/* SPDX-License-Identifier: MIT */
/* histogram.c - latencies in log-linear buckets */
#include "histogram.h"

#include <errno.h>

enum { PPM_ALL = 1000000 };

/* Values below it have a bucket each. */
static const size_t exact = (size_t)1 << HISTOGRAM_BITS;

static size_t bucket_of(uint64_t value)
{
	unsigned int shift;

	if (value >> HISTOGRAM_VALUE_BITS)
		return HISTOGRAM_BUCKETS - 1;
	if (value < exact)
		return (size_t)value;
	/* The highest bit set is moved to bit HISTOGRAM_BITS - 1. */
	shift = 63U - (unsigned int)__builtin_clzll(value) - (HISTOGRAM_BITS - 1);
	return (size_t)shift * HISTOGRAM_HALF + (size_t)(value >> shift);
}

uint64_t histogram_bucket_low(size_t index)
{
	size_t shift = index < exact ? 0 : index / HISTOGRAM_HALF - 1;

	return (uint64_t)(index - shift * HISTOGRAM_HALF) << shift;
}

uint64_t histogram_bucket_high(size_t index)
{
	return histogram_bucket_low(index + 1) - 1;
}

void histogram_record(struct histogram *h, uint64_t value)
{
	if (h->count == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
	h->sum += value;
	h->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
	if (from->count == 0)
		return;
	if (h->count == 0 || from->min < h->min)
		h->min = from->min;
	if (from->max > h->max)
		h->max = from->max;
	h->count += from->count;
	h->sum += from->sum;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->buckets[i] += from->buckets[i];
}

/* The rank of the value wanted, 1 to count: the share rounded up, without overflow. */
static uint64_t rank_of(uint64_t count, uint32_t ppm)
{
	uint64_t rank = count / PPM_ALL * ppm + (count % PPM_ALL * ppm + PPM_ALL - 1) / PPM_ALL;

	return rank > 0 ? rank : 1;
}

uint64_t histogram_percentile(const struct histogram *h, uint32_t ppm)
{
	uint64_t rank, seen = 0, high;

	if (h->count == 0)
		return 0;
	rank = rank_of(h->count, ppm);
	if (rank >= h->count)
		return h->max;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += h->buckets[i];
		if (seen >= rank) {
			high = histogram_bucket_high(i);
			return high < h->max ? high : h->max;
		}
	}
	return h->max;
}

int histogram_write(const struct histogram *h, uint64_t unit, FILE *f)
{
	uint64_t seen = 0;

	fprintf(f, "# count %llu min %.3f mean %.3f max %.3f\n", (unsigned long long)h->count,
		h->count ? (double)h->min / (double)unit : 0,
		h->count ? (double)h->sum / (double)h->count / (double)unit : 0,
		(double)h->max / (double)unit);
	fprintf(f, "# low high count share\n");
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->buckets[i] == 0)
			continue;
		seen += h->buckets[i];
		fprintf(f, "%.3f %.3f %llu %.7f\n", (double)histogram_bucket_low(i) / (double)unit,
			(double)histogram_bucket_high(i) / (double)unit,
			(unsigned long long)h->buckets[i], (double)seen / (double)h->count);
	}
	if (fflush(f) != 0 || ferror(f))
		return errno ? -errno : -EIO;
	return 0;
}
