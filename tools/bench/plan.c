/* SPDX-License-Identifier: MIT */
/* plan.c - the cells of a benchmark and their order */
#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const FAMILY_NAMES[] = {"ipv4", "mapped", "native"};
static const char *const WORK_NAMES[] = {"accept", "echo", "kept", "http"};
_Static_assert(sizeof(FAMILY_NAMES) / sizeof(FAMILY_NAMES[0]) == BENCH_FAMILIES, "all named");
_Static_assert(sizeof(WORK_NAMES) / sizeof(WORK_NAMES[0]) == BENCH_WORKS, "all named");

const char *bench_family_name(enum bench_family f)
{
	return FAMILY_NAMES[f];
}

const char *bench_work_name(enum bench_work w)
{
	return WORK_NAMES[w];
}

int plan_fill(struct bench_plan *p, uint32_t families, uint32_t works)
{
	p->n_cells = p->n_blocks = 0;
	for (uint32_t w = 0; w < BENCH_WORKS; w++) {
		p->n_blocks += (works & 1U << w) != 0;
		for (uint32_t s = 0; s < p->n_subjects; s++)
			for (uint32_t l = 0; l < p->n_loads; l++)
				for (uint32_t f = 0; f < BENCH_FAMILIES; f++) {
					if (!(works & 1U << w) || !(families & 1U << f))
						continue;
					if (p->n_cells == PLAN_CELLS_MAX)
						return -E2BIG;
					p->cells[p->n_cells++] = (struct bench_cell){
						s, l, (enum bench_family)f, (enum bench_work)w};
				}
	}
	return 0;
}

uint32_t plan_cell_at(const struct bench_plan *p, uint32_t step)
{
	uint32_t size = p->n_cells / p->n_blocks, first = step / (size * p->rounds) * size;
	uint32_t round = step / size % p->rounds, at = step % size;

	return first + (round % 2 ? size - 1 - at : at);
}

static int names_read(const char *text, const char *const *names, uint32_t n, uint32_t *mask,
		      char *bad, size_t bad_len)
{
	*mask = 0;
	for (;;) {
		size_t len = strcspn(text, ",");
		uint32_t i = 0;

		while (i < n && !(strlen(names[i]) == len && strncmp(text, names[i], len) == 0))
			i++;
		if (i == n) {
			snprintf(bad, bad_len, "%.*s", (int)len, text);
			return -EINVAL;
		}
		*mask |= 1U << i;
		if (text[len] == '\0')
			return 0;
		text += len + 1;
	}
}

int bench_families_read(const char *text, uint32_t *mask, char *bad, size_t bad_len)
{
	return names_read(text, FAMILY_NAMES, BENCH_FAMILIES, mask, bad, bad_len);
}

int bench_works_read(const char *text, uint32_t *mask, char *bad, size_t bad_len)
{
	return names_read(text, WORK_NAMES, BENCH_WORKS, mask, bad, bad_len);
}
