/* SPDX-License-Identifier: MIT */
/* arena.h - the lab a benchmark runs in: each end on its own processor, with its own receive work
 */
#ifndef TOOLS_BENCH_ARENA_H
#define TOOLS_BENCH_ARENA_H

#include "../../rawstack/netlink/lab.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Two labs alike: in one the server's host has the usual addresses and a kernel that answers for
 * them; in the other it has none, for the engine that brings its own stack. In both RPS moves each
 * end's receive work to that end's processor, so that neither pays for the other.
 */
enum arena_kind { ARENA_KERNEL, ARENA_BARE, ARENA_KINDS };

struct arena {
	struct lab lab[ARENA_KINDS];
	bool made[ARENA_KINDS];
	unsigned int client_cpu, server_cpu;
	bool one_cpu;	/* the machine has only one: figures are of both ends together */
	pid_t softirqd; /* of the server's processor, see taskclock.h */
	int rps_error;	/* 0, or why receive work could not be moved: -errno */
};

struct arena_error {
	char what[256];
};

/* Chooses two processors of those the process may use. Makes nothing yet. Returns 0 or -errno. */
int arena_init(struct arena *a);

/* The lab of that kind, made at first use. Returns 0 or -errno with @err filled. */
int arena_need(struct arena *a, enum arena_kind kind, struct arena_error *err);

void arena_free(struct arena *a);

#endif
