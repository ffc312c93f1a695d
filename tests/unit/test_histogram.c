/* SPDX-License-Identifier: MIT */
/* test_histogram.c - percentiles against a sorted list, merging, and the written form */
#include "../../uring/load/histogram.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { N = 20000 };

/* xorshift64: the same values in every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The smallest of the sorted values that at least @ppm millionths do not exceed. */
static uint64_t oracle(const uint64_t *sorted, size_t n, uint32_t ppm)
{
	for (size_t i = 0; i < n; i++)
		if ((i + 1) * 1000000 >= (uint64_t)ppm * n)
			return sorted[i];
	return sorted[n - 1];
}

static void expect_percentiles(const struct histogram *h, const uint64_t *sorted, size_t n)
{
	static const uint32_t ppm[] = {0,      1,      10000,  250000, 500000,
				       900000, 990000, 999000, 999999, 1000000};

	for (size_t i = 0; i < sizeof(ppm) / sizeof(ppm[0]); i++) {
		uint64_t want = oracle(sorted, n, ppm[i]), got = histogram_percentile(h, ppm[i]);

		cr_assert(got >= want && got <= want + want / 128,
			  "%u ppm of %zu values: %lu, the list says %lu", ppm[i], n, got, want);
	}
}

Test(histogram, buckets_follow_each_other)
{
	cr_assert(histogram_bucket_low(0) == 0);
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t low = histogram_bucket_low(i), high = histogram_bucket_high(i);

		cr_assert(low <= high && high - low <= low / 128, "bucket %zu: %lu to %lu", i, low,
			  high);
		if (i > 0)
			cr_assert(low == histogram_bucket_high(i - 1) + 1, "gap before %zu", i);
	}
	cr_assert(histogram_bucket_high(HISTOGRAM_BUCKETS - 1) ==
		  (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1);
}

/* Each bucket's own ends must be counted there: otherwise a percentile would be another's. */
Test(histogram, values_fall_into_their_bucket)
{
	static struct histogram h;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t before = h.buckets[i];

		histogram_record(&h, histogram_bucket_low(i));
		histogram_record(&h, histogram_bucket_high(i));
		cr_assert(h.buckets[i] == before + 2, "bucket %zu", i);
	}
}

Test(histogram, agrees_with_a_sorted_list)
{
	static uint64_t values[N];
	static struct histogram h;
	uint64_t state = 42;

	for (size_t n = 1; n <= N; n = n * 3 + 1) {
		memset(&h, 0, sizeof(h));
		for (size_t i = 0; i < n; i++) {
			/* All magnitudes equally often. */
			values[i] = next_random(&state) >> (24 + next_random(&state) % 40);
			histogram_record(&h, values[i]);
		}
		qsort(values, n, sizeof(values[0]), compare);
		cr_assert(h.count == n && h.min == values[0] && h.max == values[n - 1]);
		expect_percentiles(&h, values, n);
	}
}

Test(histogram, merging_is_adding)
{
	static struct histogram a, b, all, empty;
	uint64_t state = 7;

	for (int i = 0; i < 1000; i++) {
		uint64_t value = next_random(&state) >> 40;

		histogram_record(i % 3 ? &a : &b, value);
		histogram_record(&all, value);
	}
	histogram_merge(&a, &empty);
	histogram_merge(&a, &b);
	cr_assert(memcmp(&a, &all, sizeof(a)) == 0);
	histogram_merge(&empty, &all);
	cr_assert(memcmp(&empty, &all, sizeof(all)) == 0);
}

Test(histogram, empty_and_huge)
{
	static struct histogram h;

	cr_assert(histogram_percentile(&h, 500000) == 0);
	histogram_record(&h, UINT64_MAX);
	cr_assert(histogram_percentile(&h, 500000) == UINT64_MAX);
	histogram_record(&h, 5);
	cr_assert(histogram_percentile(&h, 500000) == 5 && h.max == UINT64_MAX);
}

Test(histogram, written_form_adds_up)
{
	static struct histogram h;
	char *text = NULL, *line;
	size_t len = 0;
	unsigned long long n, total = 0;
	double low, high, share = 0, before = -1;
	FILE *f = open_memstream(&text, &len);

	for (uint64_t v = 1000; v < 5000000; v = v * 5 / 4)
		histogram_record(&h, v);
	cr_assert(histogram_write(&h, 1000, f) == 0);
	fclose(f);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (line[0] == '#')
			continue;
		cr_assert(sscanf(line, "%lf %lf %llu %lf", &low, &high, &n, &share) == 4, "%s",
			  line);
		cr_assert(low > before && high >= low, "%s", line);
		before = high;
		total += n;
	}
	cr_assert(total == h.count);
	cr_assert_float_eq(share, 1.0, 1e-9);
	free(text);
}

Test(histogram, a_full_disk_is_told)
{
	static struct histogram h;
	FILE *f = fopen("/dev/full", "w");

	cr_assert(f);
	histogram_record(&h, 1);
	cr_assert(histogram_write(&h, 1, f) < 0);
	fclose(f);
}
