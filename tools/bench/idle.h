/* SPDX-License-Identifier: MIT */
/* idle.h - what connections cost that are only there */
#ifndef TOOLS_BENCH_IDLE_H
#define TOOLS_BENCH_IDLE_H

#include "measure.h"

/* One server with many silent connections. */
struct idle_result {
	uint64_t asked_for, held;  /* connections */
	double opening_s;	   /* to open them */
	uint64_t sent_again;	   /* segments; lost SYNs would make opening_s a second longer */
	uint64_t before, after;	   /* bytes of the server's memory, without and with them */
	uint64_t answered, errors; /* of those asked once in the end, every second one */
	double rate_alone, rate_beside; /* new connections with one echo a second, without/with */
};

/*
 * Starts an echo server of @subject, measures how many new connections a second it takes, has
 * @connections opened and held (all from IPv4 clients of an AF_INET6 server), measures its memory
 * and that rate again, then has every second one asked. Memory is what the process holds itself
 * (resident, not of files); the kernel's sockets are not in it. Returns as measure_cell().
 */
int idle_measure(struct arena *a, const struct bench_plan *p, uint32_t subject,
		 uint64_t connections, const struct measure_config *cfg, struct idle_result *out,
		 char what[MEASURE_WHAT]);

#endif
