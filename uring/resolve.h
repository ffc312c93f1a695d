/* SPDX-License-Identifier: MIT */
/* resolve.h - names to candidate addresses by getaddrinfo */
#ifndef URING_RESOLVE_H
#define URING_RESOLVE_H

#include "../rawstack/addr.h"

enum { RESOLVE_MAX = 16 };

/* One address to try, with the family of the socket to try it on. */
struct candidate {
	int family;
	struct endpoint ep;
};

struct resolve_query {
	const char *host; /* name or literal, with %zone where needed; NULL with @passive: the
			     wildcard */
	const char *port; /* decimal */
	int family;	  /* AF_UNSPEC, AF_INET or AF_INET6 */
	bool mapped;	  /* AI_V4MAPPED: with AF_INET6, IPv4-only names come as ::ffff:a.b.c.d */
	bool all;	  /* AI_ALL: and beside native ones too */
	bool passive;
	bool numeric; /* no look-up */
	int socktype;
};

struct resolve_result {
	struct candidate list[RESOLVE_MAX];
	size_t n;
	bool more;	 /* there were more than RESOLVE_MAX */
	char canon[256]; /* canonical name, empty when none */
};

/* Returns 0, or the EAI_* code of getaddrinfo (compare with 0 only: its sign differs between
 * systems). */
int resolve(const struct resolve_query *q, struct resolve_result *out);

#endif
