/* SPDX-License-Identifier: MIT */
/* idle.h - what connections cost that are only there */
#ifndef TOOLS_BENCH_IDLE_H
#define TOOLS_BENCH_IDLE_H

#include "measure.h"

/* Their sources: 198.51.100.80 and on, below the broadcast address, all but the privileged ports.
 */
enum {
	IDLE_FIRST = 80,
	IDLE_PORTS = 65535 - 1024 + 1,
	IDLE_CONNECTIONS_MAX = (255 - IDLE_FIRST) * IDLE_PORTS,
};

/* @opening, if not NULL, is called some twenty times a second while connections are opened. */
struct idle_progress {
	void (*opening)(void *arg, uint64_t ns, uint64_t server_bytes);
	void *arg;
};

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
		 uint64_t connections, const struct measure_config *cfg,
		 const struct idle_progress *progress, struct idle_result *out,
		 char what[MEASURE_WHAT]);

#endif
