/* SPDX-License-Identifier: MIT */
/* metrics.h - what a server counts, and how it is written down */
#ifndef URING_METRICS_H
#define URING_METRICS_H

#include "engine.h"
#include "stackstats.h"

#include <stdio.h>

/* How a peer reached us. */
enum metrics_kind {
	METRICS_IPV4,	 /* on an AF_INET socket */
	METRICS_MAPPED,	 /* IPv4 on an AF_INET6 socket */
	METRICS_NATIVE,	 /* IPv6 */
	METRICS_UNKNOWN, /* on an AF_INET6 socket that was not asked */
	METRICS_KINDS,
};

enum metrics_cause {
	METRICS_ORDERLY,
	METRICS_IDLE,
	METRICS_RESET,
	METRICS_STOPPED, /* still open when the server ended */
	METRICS_ERROR,
	METRICS_CAUSES,
};

struct metrics {
	uint64_t accepted[METRICS_KINDS];
	uint64_t open;
	uint64_t closed[METRICS_CAUSES];
	uint64_t datagrams[METRICS_KINDS];
	uint64_t forged; /* datagrams not answered for that */
	uint64_t bytes_in, bytes_out;
	struct engine_stats engine;
	struct stackstats stack;
};

enum metrics_kind metrics_kind_of(int family, const struct addr *peer);
enum metrics_cause metrics_cause_of(int error);

/* Adds up the servers of one program. */
void metrics_add(struct metrics *sum, const struct metrics *m);

/* System calls that submitted or waited, per connection; 0 before the first. */
double metrics_waits_per_conn(const struct metrics *m);

/* Prometheus' text format, version 0.0.4. */
void metrics_print_prometheus(FILE *f, const struct metrics *m);

/* One line for people, with its newline. */
void metrics_print_text(FILE *f, const struct metrics *m);

/* One line of JSON, with its newline. */
void metrics_print_json(FILE *f, const struct metrics *m);

#endif
