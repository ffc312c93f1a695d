/* SPDX-License-Identifier: MIT */
/* sockets_view.h - the sockets of a network namespace, and what each listener really serves */
#ifndef TOOLS_SOCKETS_VIEW_H
#define TOOLS_SOCKETS_VIEW_H

#include "../rawstack/netlink/dispatch.h"
#include "holders.h"

#include <jansson.h>

enum { SOCKETS_PORTS_MAX = 16 };

struct sockets_filter {
	bool tcp, udp;
	uint16_t ports[SOCKETS_PORTS_MAX]; /* local ones; none: all */
	size_t n_ports;
};

/* A socket that waits for whoever comes. */
struct sockets_listener {
	struct sockdiag_entry e;
	/* Of IPv4 and IPv6; indices in it count from @first. */
	struct dispatch_service service[2];
	bool disputed[2]; /* the kernel finds another socket than the rules do */
	size_t first, n;  /* the listeners of its protocol and port */
};

struct sockets_view {
	struct sockets_listener *listeners;
	size_t n_listeners, cap_listeners;
	struct sockdiag_entry *connections; /* and everything else that has a peer */
	size_t n_connections, cap_connections;
	struct holders holders;
	bool failed; /* an entry could not be kept for want of memory */
};

/*
 * Lists the calling thread's network namespace, finds what each listener gets and asks the kernel
 * about it. Returns 0 or -errno; release with sockets_view_free().
 */
int sockets_view_read(const struct sockets_filter *f, struct sockets_view *v);
void sockets_view_free(struct sockets_view *v);

/* Does it travel as IPv4 although its socket is AF_INET6? */
bool sockets_is_mapped(const struct sockdiag_entry *e);

/* "tcp", "tcp6", "udp", "udp6": the name under which netstat and /proc/net list it. */
const char *sockets_netstat_name(const struct sockdiag_entry *e);

/* "ESTAB", "TIME-WAIT", …, as ss(8) writes them. */
const char *sockets_state_name(uint8_t state);

enum { SOCKETS_WHY_MAX = 1024 };

/* In lines for people: why listener @i serves what it serves. Returns @buf, SOCKETS_WHY_MAX bytes.
 */
const char *sockets_why(const struct sockets_view *v, size_t i, char *buf);

/* The tables; @all: not only mapped connections. Return 0 or -ENOMEM. */
int sockets_print(const struct sockets_view *v, bool all);

/* The same as JSON, all connections; NULL: out of memory. */
json_t *sockets_json(const struct sockets_view *v);

#endif
