/* SPDX-License-Identifier: MIT */
/* holders.h - which processes hold which sockets, from one walk through /proc */
#ifndef TOOLS_HOLDERS_H
#define TOOLS_HOLDERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { HOLDER_NAME_MAX = 16 };

struct holder {
	uint32_t inode;
	pid_t pid;
	char name[HOLDER_NAME_MAX]; /* as in /proc/PID/comm, without control characters */
};

/* A snapshot. Only processes that we may look into are in it. */
struct holders {
	struct holder *list; /* by inode, then by process */
	size_t n, cap;
	size_t closed; /* processes that we may not look into */
};

/* Returns 0 or -errno; release with holders_free(). */
int holders_read(struct holders *h);
void holders_free(struct holders *h);

/* All holders of a socket: how many in @n, NULL: none that is known. */
const struct holder *holders_find(const struct holders *h, uint32_t inode, size_t *n);

#endif
