/* SPDX-License-Identifier: MIT */
/* raw.h - the load generator that speaks in frames, without a TCP */
#ifndef URING_LOAD_RAW_H
#define URING_LOAD_RAW_H

#include "run.h"
#include "sources.h"

/*
 * One thread, one interface, one server. Its source addresses belong to no kernel: it answers ARP
 * and Neighbour Discovery for them itself, under a MAC address of its own, so that the kernel
 * behind the interface throws away at once what is not for it.
 */
struct raw_config {
	int netns_fd; /* namespace of the interface, -1: the calling thread's */
	unsigned int ifindex;
	struct sources sources; /* of the target's family */
	struct endpoint target; /* on the link */
	struct load_plan plan;
	const void *payload; /* plan.payload bytes: the request */
	/*
	 * Called every RAW_TICK_MS. Returns 0 to go on, 1 to stop in order, 2 to stop at once. NULL
	 * is allowed.
	 */
	int (*tick)(const struct run *run, void *arg);
	/* With plan.hold_ns: called when all connections are open. NULL is allowed. */
	void (*held)(const struct run *run, void *arg);
	void *arg;
};

enum { RAW_TICK_MS = 100, RAW_RESOLVE_MS = 1000 };

struct raw;

/*
 * Opens the rings and the table of places. @what says which step failed. Returns 0 or -errno:
 * -ERANGE the sources, -EAFNOSUPPORT their family is not the target's, -EMSGSIZE the payload,
 * else see rawio_open().
 */
int raw_open(const struct raw_config *cfg, struct raw **out, const char **what);

/*
 * Asks who has the target, once from each source address, so that the server's kernel knows all of
 * them before the first SYN. Returns 0, -EHOSTUNREACH when nobody answers within RAW_RESOLVE_MS, or
 * -errno of the interface.
 */
int raw_resolve(struct raw *raw);

/* Runs it to the end. Returns 0 or -errno of the interface; raw_result() is right either way. */
int raw_run(struct raw *raw);

const struct load_result *raw_result(const struct raw *raw);

void raw_close(struct raw *raw); /* NULL is allowed */

#endif
