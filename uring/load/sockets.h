/* SPDX-License-Identifier: MIT */
/* sockets.h - the load generator that uses the kernel's sockets, on io_uring */
#ifndef URING_LOAD_SOCKETS_H
#define URING_LOAD_SOCKETS_H

#include "run.h"
#include "sources.h"

/*
 * One thread, one ring. Where connections end by RST a socket is disconnected and used again, which
 * spares making and destroying it; where they end by FIN each has a socket of its own.
 */
struct sockets_config {
	int family; /* AF_INET, or AF_INET6: IPv4 then goes to ::ffff:a.b.c.d */
	struct endpoint target;
	bool bind; /* to @sources in turn; their ports may be 0: as the kernel likes */
	struct sources sources;
	struct load_plan plan; /* expect is not looked at for LOAD_HTTP: the answer says */
	const void *payload;   /* plan.payload bytes: the request */
	/* Called every SOCKETS_TICK_MS. Returns 0 to go on, 1 to stop in order, 2 to stop at once.
	 * NULL is allowed. */
	int (*tick)(const struct run *run, void *arg);
	void *arg;
};

enum {
	SOCKETS_TICK_MS = 100,
	SOCKETS_BUFFER = 16384,	   /* bytes of an answer received at a time */
	SOCKETS_OPEN_LOOP = 16384, /* connections at a time, in the open loop */
};

struct sockets;

/*
 * Opens the ring and the table of sockets. @what says which step failed. Returns 0 or -errno;
 * -EMFILE: the limit of open files is below the connections at a time. What a failed ring means is
 * told by uring_caps_explain().
 */
int sockets_open(const struct sockets_config *cfg, struct sockets **out, const char **what);

/* Runs it to the end. Returns 0 or -errno of the ring; sockets_result() is right either way. */
int sockets_run(struct sockets *s);

const struct load_result *sockets_result(const struct sockets *s);

/* The last error of a system call that counted as LOAD_ERR_SOCKET, 0: there was none. */
int sockets_last_error(const struct sockets *s, const char **call);

void sockets_close(struct sockets *s); /* NULL is allowed */

#endif
