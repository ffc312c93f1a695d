/* SPDX-License-Identifier: MIT */
/* load.h - what "dualwire load" was told, and how it tells the result */
#ifndef TOOLS_LOAD_H
#define TOOLS_LOAD_H

#include "../uring/load/run.h"
#include "../uring/load/sources.h"

#include <signal.h>
#include <stdio.h>

enum { LOAD_REQUEST_MAX = 65536, LOAD_PATH_MAX = 1024 };

enum load_generator { LOAD_SOCKETS, LOAD_RAW };

struct load_options {
	enum load_generator generator;
	bool respond; /* be the server that costs nothing */
	bool mapped;  /* IPv4 through AF_INET6 sockets */
	bool own_network;
	bool json, quiet;
	const char *ifname, *netns, *histogram, *path;
	int cpu, ready_fd; /* -1: none */
	struct endpoint target;
	bool has_source;
	struct sources sources; /* n_addrs 0, port_lo 0: not given */
	struct load_plan plan;
	double warmup_s, duration_s, timeout_s, hold_s;
	int64_t payload, expect; /* -1: the workload's default */
};

/* Reads the command line. Returns 0, CLI_DONE, or EXIT_USAGE after a message. */
int load_options_read(int argc, char **argv, struct load_options *o);

/* "ipv4", "mapped" or "native": the sockets and the address they connect to. */
const char *load_family_name(const struct load_options *o);

/* What is said while it runs and watches for SIGINT and SIGTERM, which must be blocked. */
struct load_progress {
	const struct load_options *options;
	bool terminal; /* standard error is one, and progress is wanted */
	bool shown;
	int signals;
	uint64_t last_ns, last_completed, last_requests;
	enum run_phase last_phase;
};

void load_progress_init(struct load_progress *p, const struct load_options *o);

/* For the generators' tick: 0 go on, 1 a signal came, 2 another one. */
int load_progress_tick(const struct run *run, void *progress);

/* Clears the line. */
void load_progress_end(struct load_progress *p);

/* The result on standard output, as JSON or as a table. Returns 0 or an exit code after a message.
 */
int load_report(const struct load_options *o, const struct load_result *r);

#endif
