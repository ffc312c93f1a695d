/* SPDX-License-Identifier: MIT */
/* stack_host.h - a lab's host whose sockets are those of our own stack, on a link of its own */
#ifndef TOOLS_LAB_STACK_HOST_H
#define TOOLS_LAB_STACK_HOST_H

#include "../../rawstack/netlink/lab.h"
#include "lab_server.h"
#include "socket_host.h"

/*
 * Puts a stack with the addresses of @lh, which must be a bare host, and with @more on that host's
 * end of the cable. A thread of its own takes its frames and does what is due. Frames leave through
 * the queueing discipline, so a tap on the same end sees them. Returns 0, or -errno with one line
 * in @why.
 */
int stack_host_open(const struct lab_host *lh, const struct more_addrs *more,
		    struct stack_host **out, char *why, size_t why_len);

/* Forgets all connections, unheard. NULL is allowed. */
void stack_host_close(struct stack_host *s);

/* Its sockets. */
struct socket_host stack_host_sockets(struct stack_host *s);

#endif
