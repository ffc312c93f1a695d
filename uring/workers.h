/* SPDX-License-Identifier: MIT */
/* workers.h - one server per thread: listeners that share a port, each with a queue of its own */
#ifndef URING_WORKERS_H
#define URING_WORKERS_H

#include "server.h"

enum { WORKERS_MAX = 256 };

struct workers;

/*
 * Starts @n servers like @cfg, each on a thread of its own, and returns when all of them listen.
 * More than one share their ports by SO_REUSEPORT, are bound in order and pinned, worker i to the
 * i-th processor this process may use; port 0 is chosen once for all. cfg->observe is then called
 * on all of their threads. Block the signals that are none of theirs before.
 * Returns 0, or -errno with @err filled and nothing left running.
 */
int workers_start(const struct server_config *cfg, unsigned int n, struct workers **out,
		  struct server_error *err);

/* As server_listener() and server_engine_text(), of the first of them. */
const struct listen_info *workers_listener(const struct workers *w, size_t i);
const char *workers_engine_text(const struct workers *w);

/* A descriptor that becomes readable when one of them has ended, for whatever reason. */
int workers_ended_fd(const struct workers *w);

/* As server_stop(), for all. */
void workers_stop(struct workers *w);

/* The sum over all of them; @timeout_ms for each. Returns 0 or -ETIMEDOUT. */
int workers_metrics(struct workers *w, struct metrics *out, unsigned int timeout_ms);

/* Waits until all have ended. Returns 0 or the first -errno. Their metrics are final then. */
int workers_wait(struct workers *w);

/* Stops them at once if need be, and frees everything. NULL is allowed. */
void workers_free(struct workers *w);

#endif
