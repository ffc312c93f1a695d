/* SPDX-License-Identifier: MIT */
/* commands.h - the command lines of a cell's server and generator */
#ifndef TOOLS_BENCH_COMMANDS_H
#define TOOLS_BENCH_COMMANDS_H

#include "measure.h"

enum { COMMAND_ARGS = 48, COMMAND_TEXT = 2048, BENCH_PORT = 7000 };

/* An argument vector with its texts. */
struct command {
	char *argv[COMMAND_ARGS + 1];
	int n;
	char text[COMMAND_TEXT];
	size_t used;
};

/* Both abort when a line outgrows the limits: its parts are ours or were checked. */
void command_server(struct command *cmd, const struct lab *lab, const struct bench_plan *p,
		    const struct bench_cell *c, const struct measure_config *cfg);

struct command_run {
	double seconds;
	bool measured; /* the run that counts, whose latencies may be kept */
	int answer;    /* BENCH_HTTP by raw frames: bytes of an answer */
};

void command_load(struct command *cmd, const struct lab *lab, const struct bench_plan *p,
		  const struct bench_cell *c, const struct measure_config *cfg,
		  const struct command_run *run);

/* The witness on the server's interface. */
void command_witness(struct command *cmd, const struct lab *lab);

/*
 * A generator that opens @connections from 198.51.100.@first on, @ports of each address, holds them
 * for @seconds, and says "held" when they are open.
 */
void command_hold(struct command *cmd, const struct lab *lab, uint64_t connections, int first,
		  int ports, int seconds);

/* Where the clients of that family find the server. */
struct endpoint command_target(const struct lab *lab, enum bench_family f);

/* The bypass engine on AF_XDP instead of packet rings; else servers are named as engines. */
#define BENCH_BYPASS_XDP "bypass-xdp"

/* Does this engine bring its own stack? */
bool command_server_is_bare(const struct bench_subject *s);

#endif
