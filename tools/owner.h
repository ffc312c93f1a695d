/* SPDX-License-Identifier: MIT */
/* owner.h - which process holds a socket, asked of a helper that has kept the right to know */
#ifndef TOOLS_OWNER_H
#define TOOLS_OWNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The socket's inode is looked for among the descriptors in /proc, which takes CAP_SYS_PTRACE for
 * other users' processes. What watches reads frames from strangers and should have no such right,
 * so a child is started before rights are given up; it is told numbers and answers numbers and a
 * name. It ends with its parent.
 *
 * Cost: processes that held a socket before are searched first (OWNER_KNOWN_MAX of them); all of
 * /proc for a connection at most every OWNER_SEARCH_MS, and for each listener, of which there are
 * few; at a low priority, and never by the one that watches. A socket that several processes hold
 * belongs to the youngest of them if it is a connection (it was forked for it), else to the oldest.
 */
enum { OWNER_NAME_MAX = 16, OWNER_KNOWN_MAX = 64, OWNER_SEARCH_MS = 100 };

struct owner_name {
	pid_t pid; /* 0: not found */
	char name[OWNER_NAME_MAX];
};

struct owner;

/* Starts the helper. Returns 0 or -errno. The process must have one thread. */
int owner_open(struct owner **out);

/* To poll() for answers. */
int owner_fd(const struct owner *o);

/*
 * Asks for the holder of a connection, or of a @listener; @tag comes back with the answer. Returns
 * 0, or -EAGAIN when too much is being asked.
 */
int owner_ask(struct owner *o, uint64_t tag, uint32_t inode, bool listener);

/* Takes one answer. Returns 1, 0: none now, or -EPIPE: the helper is gone. */
int owner_answer(struct owner *o, uint64_t *tag, struct owner_name *name);

/* Ends the helper. NULL is allowed. */
void owner_close(struct owner *o);

#endif
