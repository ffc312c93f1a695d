/* SPDX-License-Identifier: MIT */
/* t_real.h - the program serving over its own stack in a lab, and programs of others as its clients
 */
#ifndef TESTS_LAB_T_REAL_H
#define TESTS_LAB_T_REAL_H

#include "../../rawstack/netlink/lab.h"
#include "t_program.h"

/*
 * The server's host has no kernel address: whatever is answered there, the stack answers. All
 * functions assert, and everything they wait for has a deadline.
 */
enum { REAL_PORT = 7000, REAL_WAIT_MS = 10000, REAL_PATH = 320 };

struct real {
	struct lab lab;
	int server_netns; /* where the stack is: the lab's, or the far end of a t_harm */
	const char *ifname;
	bool kernel; /* the kernel's TCP serves there instead, to compare */
	struct program server;
	char dir[256]; /* for files of clients */
};

/* The lab and the directory; nobody serves yet. */
void real_make(struct real *r);

/* The rest of @args after what every server here is told; NULL: nothing. Returns when it listens.
 */
void real_serve(struct real *r, const char *workload, const char *const *args);

/* Asks it to end in order, and insists. The output must be freed. */
void real_serve_end(struct real *r, struct program_result *out);

/* Ends what is left: server, directory, lab. */
void real_free(struct real *r);

/* Where a program of others is; without it the test is skipped and names Debian's package. */
const char *real_need(const char *program, const char *package);

/*
 * Runs @args (the first is a path, see real_need()) on the client's host and waits for its end.
 * @input and @output are names of files in the directory, NULL: none and caught.
 */
void real_run(struct real *r, struct program_result *out, const char *const *args,
	      const char *input, const char *output);

/* Starts it there; to be ended by real_kill(), or by program_finish() which waits. */
void real_start(struct real *r, struct program *p, const char *const *args);
void real_kill(struct program *p);

bool real_is_running(const struct program *p);

/* Some programs give up root before they work: impossible with one id in a user namespace. */
bool real_may_change_groups(void);

/* A path in the directory, in one of sixteen static buffers. */
const char *real_path(const struct real *r, const char *name);

/* A file of @bytes that look random but are always the same. */
void real_write_noise(const struct real *r, const char *name, size_t bytes);

/* Do two files hold the same? */
bool real_same(const struct real *r, const char *a, const char *b);

/* A connected kernel socket on the client's host. */
int real_connect(const struct real *r, int family, const char *addr, uint16_t port);

#endif
