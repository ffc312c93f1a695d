/* SPDX-License-Identifier: MIT */
/* workload.h - what a server does with its connections, the same on every engine */
#ifndef URING_WORKLOAD_H
#define URING_WORKLOAD_H

#include "engine.h"

/*
 * handle() is called for ENGINE_ACCEPT, _RECV, _SENT, _DGRAM and _DGRAM_SENT and must see to it
 * that every buffer it is given is released sooner or later. @state is the connection's own memory,
 * zeroed before ENGINE_ACCEPT; NULL for datagrams and where state_size is 0.
 *
 * Returns 0; WORKLOAD_REPLYING for a datagram that is being answered; or -errno of the request that
 * could not be made, upon which the caller closes the connection.
 */
enum { WORKLOAD_REPLYING = 1 };

struct workload {
	const char *name;
	const char *what; /* in a few words */
	int (*handle)(struct engine *e, const struct engine_event *ev, void *state);
	size_t state_size; /* bytes per connection */
	bool streams_only; /* means nothing for datagrams */
};

/* NULL: unknown. */
const struct workload *workload_find(const char *name);

/* The n-th workload, NULL past the last. */
const struct workload *workload_at(size_t n);

/* Writes "echo, discard or http": all names, for messages. Returns @out. */
const char *workload_names(char *out, size_t size);

/* workload_http.c */
extern const struct workload workload_http;

#endif
