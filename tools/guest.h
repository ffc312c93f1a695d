/* SPDX-License-Identifier: MIT */
/* guest.h - somebody else's command, run in a network namespace with all that it starts, to a
 * certain end */
#ifndef TOOLS_GUEST_H
#define TOOLS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The command runs in a process namespace of its own, under a keeper that is its process 1. What
 * forks away stays the keeper's child, and when the keeper ends, however it ends, the kernel kills
 * all that is left: nothing outlives guest_stop(), guest_free() or our own death.
 *
 * Its standard input is empty, its output and errors come to us through one pipe. They are kept up
 * to GUEST_OUTPUT_MAX bytes; of more than that the older half is forgotten and counted.
 *
 * The process is single-threaded when it starts a guest.
 */
enum { GUEST_OUTPUT_MAX = 4 << 20 };

struct guest_config {
	char *const *argv; /* ended by NULL; found by PATH as execvp(3) does */
	int netns_fd;
	/*
	 * In a user namespace where the caller's ids became 0: give the command the caller's ids
	 * back. Elsewhere it keeps the ids that we have.
	 */
	bool map_ids;
	uid_t uid;
	gid_t gid;
};

struct guest;

/* Starts it. Whether exec worked is in the state later. Returns 0 or -errno. */
int guest_start(const struct guest_config *cfg, struct guest **out);

/* What is known after the last guest_step(). */
struct guest_state {
	int exec_error;	 /* 0, or the -errno of the exec that failed */
	bool main_ended; /* the command itself; what it forked may go on */
	int main_status; /* as of waitpid(2), when main_ended */
	bool all_ended;	 /* no process of it is left */
};

/* To poll() for reading before guest_step() has work: output and news. Returns how many. */
enum { GUEST_FDS = 3 };
struct pollfd;
size_t guest_fds(const struct guest *g, struct pollfd *fds);

/* Reads all that has arrived, never blocks. */
const struct guest_state *guest_step(struct guest *g);

/* The command's process id as this process sees it, 0: it has ended. */
pid_t guest_pid(const struct guest *g);

/* The output kept; ended by a NUL that does not count. Valid until the next guest_step(). */
const char *guest_output(const struct guest *g, size_t *len);

/* Bytes written since the start, forgotten ones included: a mark for guest_output_since(). */
uint64_t guest_output_mark(const struct guest *g);
const char *guest_output_since(const struct guest *g, uint64_t mark, size_t *len);

/*
 * SIGTERM to every process of it; those left after @grace_ms are killed. Returns 0 when all ended
 * by themselves, 1 when some had to be killed. Then nothing of it runs; the output stays readable.
 */
int guest_stop(struct guest *g, unsigned int grace_ms);

/* Kills what is left, and frees. NULL is allowed. */
void guest_free(struct guest *g);

#endif
