/* SPDX-License-Identifier: MIT */
/* workload.h - what a server does with its connections, the same on every engine */
#ifndef URING_WORKLOAD_H
#define URING_WORKLOAD_H

#include "engine.h"

/*
 * A workload keeps no state: what it must remember travels with the requests. handle() is called
 * for ENGINE_ACCEPT, _RECV, _SENT, _DGRAM and _DGRAM_SENT and must see to it that every buffer it
 * is given is released sooner or later.
 *
 * Returns 0; WORKLOAD_REPLYING for a datagram that is being answered; or -errno of the request that
 * could not be made, upon which the caller closes the connection.
 */
enum { WORKLOAD_REPLYING = 1 };

struct workload {
	const char *name;
	int (*handle)(struct engine *e, const struct engine_event *ev);
};

/* echo: sends back what comes. discard: reads to the end. accept: closes at once. NULL: unknown. */
const struct workload *workload_find(const char *name);

/* The n-th workload's name, NULL past the last. */
const char *workload_name(size_t n);

#endif
