/* SPDX-License-Identifier: MIT */
/* service.h - where a server listens: its listening sockets, sorted into services by protocol and
 * port */
#ifndef TOOLS_AUDIT_SERVICE_H
#define TOOLS_AUDIT_SERVICE_H

#include "../../rawstack/netlink/sockdiag.h"

/*
 * A listener is a TCP socket in LISTEN or a UDP socket with a port and no peer. A service is what a
 * client means by "TCP port 80": one or more listeners.
 *
 * Limit: LISTENERS_MAX listeners; of more than that the rest is counted.
 */
enum { LISTENERS_MAX = 1024, SERVICE_TEXT = 24, LISTENER_TEXT = 128 };

struct listeners {
	struct sockdiag_entry list[LISTENERS_MAX]; /* by protocol, port, family, address */
	size_t n;
	size_t unlisted;
};

/*
 * Reads those of a namespace, TCP and UDP, both families. UDP sockets with a local port in
 * [@auto_first, @auto_last], if not 0, did not choose it and are left out. Returns 0 or -errno.
 */
int listeners_read(struct sockdiag *sd, uint16_t auto_first, uint16_t auto_last,
		   struct listeners *out);

/* The same sockets, by all that a client can tell: not the cookie, not who holds it. */
bool listeners_equal(const struct listeners *a, const struct listeners *b);

/* "TCP [::]:80, dual-stack" in @buf of LISTENER_TEXT bytes. Returns @buf. */
const char *listener_text(const struct sockdiag_entry *e, char *buf);

struct service {
	size_t first, n; /* in the list of listeners */
	uint16_t port;
	uint8_t proto;
	bool v4, v6; /* some listener takes clients of that family from other hosts */
};

/* Sorts listeners into at most @max services. Returns how many there are. */
size_t services_of(const struct listeners *l, struct service *out, size_t max);

/*
 * The listener of @s that gets what arrives for @to by the interface @ifindex, by the rules of
 * dispatch.h; the first of several that may. NULL: none.
 */
const struct sockdiag_entry *service_listener(const struct listeners *l, const struct service *s,
					      const struct addr *to, uint32_t ifindex);

/* "TCP 80" in @buf of SERVICE_TEXT bytes. Returns @buf. */
const char *service_text(const struct service *s, char *buf);

#endif
