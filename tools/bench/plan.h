/* SPDX-License-Identifier: MIT */
/* plan.h - what is measured against what, and in which order */
#ifndef TOOLS_BENCH_PLAN_H
#define TOOLS_BENCH_PLAN_H

#include "figures.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A cell is one server under one load. The cells of one workload are a block: what is compared is
 * in one block. Each of its rounds measures every cell once; odd rounds go backwards (A B C,
 * C B A, ...), so that a drift of the machine's speed meets all cells alike. Then comes the next
 * block: two measurements that are compared are some seconds apart, not minutes.
 */
enum bench_family {
	BENCH_IPV4,   /* an AF_INET server, IPv4 frames */
	BENCH_MAPPED, /* an AF_INET6 server, IPv4 frames */
	BENCH_NATIVE, /* an AF_INET6 server, IPv6 frames */
	BENCH_FAMILIES
};

enum bench_work {
	BENCH_ACCEPT, /* the server accepts and closes */
	BENCH_ECHO,   /* one answer of 64 bytes, then the client closes */
	BENCH_KEPT,   /* 64 bytes back and forth on connections that stay */
	BENCH_HTTP,   /* one request, one answer, then the client closes */
	BENCH_WORKS
};

enum { PLAN_SUBJECTS_MAX = 16, PLAN_CELLS_MAX = 128, PLAN_ROUNDS_MAX = 64 };

/* A server: one of our engines, or somebody else's command. */
struct bench_subject {
	const char *name;
	const char *command; /* run by sh(1) with PORT set; NULL: @name is an engine of ours */
};

/* How the load is made. */
struct bench_load {
	const char *command; /* another generator, by sh(1) with HOST, PORT, SECONDS; NULL: ours */
	const char *name;    /* "raw", "sockets", or the other generator's */
	bool raw;
	bool watched; /* with the witness beside it */
	double rate;  /* connections per second, 0: as many as the server takes */
};

struct bench_cell {
	uint32_t subject; /* index into the plan's */
	uint32_t load;
	enum bench_family family;
	enum bench_work work;
};

struct bench_plan {
	struct bench_subject subjects[PLAN_SUBJECTS_MAX];
	uint32_t n_subjects;
	struct bench_load loads[PLAN_SUBJECTS_MAX];
	uint32_t n_loads;
	struct bench_cell cells[PLAN_CELLS_MAX];
	uint32_t n_cells;
	uint32_t n_blocks; /* of n_cells / n_blocks cells each */
	uint32_t rounds;
};

/*
 * Fills the cells: every subject x family x work x load of the given bit masks, families innermost
 * so that what is compared most closely is measured closest in time. Returns 0 or -E2BIG.
 */
int plan_fill(struct bench_plan *p, uint32_t families, uint32_t works);

/* The cell to measure at @step, 0 .. n_cells * rounds - 1. */
uint32_t plan_cell_at(const struct bench_plan *p, uint32_t step);

const char *bench_family_name(enum bench_family f);
const char *bench_work_name(enum bench_work w);

/* Reads "ipv4,mapped" or "accept,kept" into a bit mask. Returns 0, or -EINVAL with @bad pointing at
 * the name that is none. */
int bench_families_read(const char *text, uint32_t *mask, char *bad, size_t bad_len);
int bench_works_read(const char *text, uint32_t *mask, char *bad, size_t bad_len);

/* Is its rate counted in answers rather than in connections? */
static inline bool bench_work_counts_answers(enum bench_work w)
{
	return w == BENCH_KEPT;
}

#endif
