/* SPDX-License-Identifier: MIT */
/* sample.c - the names of what spoils a measurement */
#include "sample.h"

#include <stddef.h>

static const struct {
	const char *text;
	size_t offset;
} SPOILERS[] = {
#define BENCH_SPOILER_ROW(name, words) {words, offsetof(struct bench_spoilers, name)},
	BENCH_SPOILERS(BENCH_SPOILER_ROW)
#undef BENCH_SPOILER_ROW
};

const char *bench_spoiler(const struct bench_spoilers *s, size_t n, uint64_t *value)
{
	if (n >= sizeof(SPOILERS) / sizeof(SPOILERS[0]))
		return NULL;
	*value = *(const uint64_t *)((const char *)s + SPOILERS[n].offset);
	return SPOILERS[n].text;
}
