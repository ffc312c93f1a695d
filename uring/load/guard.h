/* SPDX-License-Identifier: MIT */
/* guard.h - where raw load may be sent: finding out, and deciding */
#ifndef URING_LOAD_GUARD_H
#define URING_LOAD_GUARD_H

#include "sources.h"

/*
 * Made-up sources at a hundred thousand connections per second are an attack anywhere but in a
 * laboratory. So raw frames go out only of a veth in a network namespace of its own, whose other
 * end is not in the machine's first namespace either, unless somebody says that the network is his.
 * To broadcast and multicast addresses they never go.
 */
enum guard_verdict {
	GUARD_OK,
	GUARD_TARGET_CLASS,  /* multicast, broadcast, unspecified, loopback or 240/4 */
	GUARD_TARGET_OWN,    /* the target is this host itself */
	GUARD_SOURCE_CLASS,  /* some source is of such a class */
	GUARD_SOURCE_TARGET, /* the target is among the sources */
	GUARD_SOURCE_OWN,    /* some source is an address of this host, whose kernel would answer */
	GUARD_FIRST_NETNS,   /* the namespace of process 1 */
	GUARD_NOT_VETH,
	GUARD_LEADS_OUT, /* the other end of the veth is in the namespace of process 1 */
	GUARD_VERDICTS
};

enum { GUARD_ADDRS_MAX = 64 };

/* What was found out. */
struct guard_facts {
	bool first_netns; /* the interface is in process 1's namespace, or may be */
	bool veth;
	bool leads_out;
	struct addr own[GUARD_ADDRS_MAX], broadcast[GUARD_ADDRS_MAX];
	size_t n_own, n_broadcast; /* of all interfaces in the namespace; more are not kept */
};

/* Finds out about interface @ifname in @netns_fd (-1: here). Returns 0 or -errno (-ENODEV). */
int guard_look(int netns_fd, const char *ifname, struct guard_facts *facts);

/* Pure. @target NULL: there is none, @sources are answered for. @own_network overrides the rules
 * about the interface, not those about addresses. */
enum guard_verdict guard_decide(const struct guard_facts *facts, const struct sources *sources,
				const struct addr *target, bool own_network);

/* One line for a person: why not, and what to do. */
const char *guard_text(enum guard_verdict v);

#endif
