/* SPDX-License-Identifier: MIT */
/* admit.h - a socket that was accepted becomes a connection and its first event */
#ifndef URING_ADMIT_H
#define URING_ADMIT_H

#include "conns.h"

/* What the event shall tell: each costs a system call. */
enum { ADMIT_PEER = 1, ADMIT_LOCAL = 2, ADMIT_COOKIE = 4 };

/* The ADMIT_* bits that @cfg asks for. */
unsigned int admit_bits(const struct engine_config *cfg);

/*
 * Takes over @fd, accepted on listener @index. @peer is its address where accept4(2) gave it, or
 * NULL. False, with @fd counted and still the caller's, when the table is full.
 */
bool admit(struct conns *t, int fd, const struct listen_info *info, uint32_t index,
	   unsigned int bits, const struct endpoint *peer, struct engine_stats *stats,
	   struct engine_event *ev);

/* Listener @index waits: there were no descriptors or memory for what it had to accept. */
void admit_later(uint32_t index, int error, struct engine_stats *stats, struct engine_event *ev);

#endif
