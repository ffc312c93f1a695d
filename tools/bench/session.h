/* SPDX-License-Identifier: MIT */
/* session.h - one server under measurement, and the generators run against it */
#ifndef TOOLS_BENCH_SESSION_H
#define TOOLS_BENCH_SESSION_H

#include "../guest.h"
#include "commands.h"

struct session {
	struct arena *arena;
	const struct lab *lab;
	const struct bench_plan *plan;
	const struct bench_cell *cell;
	const struct measure_config *cfg;
	struct guest *server;
	struct guest *watcher; /* the witness beside it, NULL: none; only read from here */
	int answer;	       /* bytes, see struct command_run */
	char *what;	       /* MEASURE_WHAT bytes: why something failed */
};

/* The lab the server needs, the server in it, listening; fills all but the four given pointers. */
int session_begin(struct session *s);

/* Ends the server. Nothing of it runs afterwards. */
void session_end(struct session *s);

const char *session_server_name(const struct session *s);

/* Notes that @who failed, @why and what it said. Returns @ret. */
int session_fail(const struct session *s, int ret, const char *who, const char *why,
		 struct guest *g);

/* Starts a command on one processor. Returns 0 or -errno. */
int session_spawn(unsigned int cpu, int netns_fd, struct command *cmd, struct guest **out);

/* Waits for output of @g, its end, or @ms. Returns 0, or -EINTR: the caller wants to end. */
int session_wait(const struct session *s, struct guest *g, int ms);

/* Waits until all of @g has ended, at most @seconds and a grace. Returns 0 or -errno, noted. */
int session_finish(const struct session *s, const char *name, double seconds, struct guest *g);

/* Runs the cell's generator to its end; its output is in @g, which is the caller's to free. */
int session_load(struct session *s, double seconds, bool measured, struct guest **g);

/* Of a web server under raw frames: asks once how long its answer is. */
int session_learn_answer(struct session *s);

#endif
