/* SPDX-License-Identifier: MIT */
/* dispatch.h - which of the sockets on a port gets what arrives there, by the kernel's rules */
#ifndef RAWSTACK_NETLINK_DISPATCH_H
#define RAWSTACK_NETLINK_DISPATCH_H

#include "sockdiag.h"

/*
 * Works on what sockdiag_dump() lists. The rules, as Linux 6.18 has them (inet_hashtables.c, udp.c;
 * tests/lab/test_who_gets_it.c holds them against the real kernel):
 *
 *   1  A socket takes a family at all: AF_INET takes IPv4; AF_INET6 takes IPv6 when it is bound to
 *      :: or a native address, and IPv4 when it is bound to a mapped address, or to :: without
 *      V6ONLY.
 *   2  One that is bound to the very address goes before one that is bound to any.
 *   3  Then an AF_INET socket goes before an AF_INET6 one, whichever was there first. With UDP and
 *      SO_REUSEADDR one that is bound to a device goes before both; with SO_REUSEPORT a device
 *      makes no difference.
 *   4  Sockets that are equal in everything and of one user may be a SO_REUSEPORT group: a hash of
 *      the four numbers picks one for each connection. Equal TCP listeners always are one, equal
 * UDP sockets may have been let in by SO_REUSEADDR. 5  Others that are still equal stand in a list,
 * and its order decides. AF_INET6 with SO_REUSEPORT: who was bound first; otherwise who was bound
 * last.
 *
 * Which option a socket has the kernel does not tell, nor the order of its lists. Where it matters
 * dispatch_ask() asks for the outcome.
 *
 * A connection of a host to itself comes in by the device that has the address, not by lo.
 *
 * Not seen here: connected UDP sockets (they take their own peer's datagrams), SO_INCOMING_CPU,
 * programs attached to sk_lookup or SO_ATTACH_REUSEPORT_*, multicast and broadcast (every UDP
 * socket that matches gets a copy), and devices in a VRF.
 */

/* A datagram or SYN on its way in. */
struct dispatch_arrival {
	uint8_t proto;
	struct endpoint dst; /* mapped: it is IPv4. scope: the device it comes in by, 0: one that no
				socket is bound to */
};

/* Does it wait for whoever comes: a listener, or a UDP socket with a port and no peer? */
bool dispatch_waits(const struct sockdiag_entry *e);

/* Does @e take what arrives as @a, if nobody goes before it? */
bool dispatch_takes(const struct sockdiag_entry *e, const struct dispatch_arrival *a);

/* Are they one SO_REUSEPORT group, if they share a port at all? */
bool dispatch_same_group(const struct sockdiag_entry *a, const struct sockdiag_entry *b);

/*
 * Puts the indices of all sockets that may get @a into @may, at most @max of them, in the order of
 * the list: those that take it and before which none goes. Returns how many there are.
 */
size_t dispatch_find(const struct sockdiag_entry *list, size_t n, const struct dispatch_arrival *a,
		     size_t *may, size_t max);

enum dispatch_share {
	DISPATCH_NOTHING, /* none of this family */
	DISPATCH_ALL,	  /* all that its address takes, but for @except */
	DISPATCH_PART,	  /* the same, shared with the other sockets of its group */
	DISPATCH_UNKNOWN, /* it is up to a group or a list, see rules 4 and 5 */
};

/* Why nothing of a family. */
enum dispatch_reason {
	DISPATCH_TAKES_IT,
	DISPATCH_SOCKET_FAMILY, /* AF_INET, and it is IPv6 */
	DISPATCH_ADDRESS,	/* bound to an address of the other family */
	DISPATCH_V6ONLY,
	DISPATCH_RIVAL, /* @rival goes before it */
};

/* Somebody else who gets part of what a socket's address takes. */
struct dispatch_except {
	size_t who;
	bool certain;			/* by the rules; else it may be */
	struct dispatch_arrival sample; /* of what it gets */
};

enum { DISPATCH_EXCEPT_MAX = 16 };

/* What one socket of a list gets of one family. */
struct dispatch_service {
	enum dispatch_share share;
	enum dispatch_reason reason;
	size_t rival; /* RIVAL: who gets it; UNKNOWN, PART: another that may */
	size_t group; /* sockets that share it, itself among them */
	struct dispatch_except except[DISPATCH_EXCEPT_MAX];
	size_t n_except;
	bool except_overflow;		/* there are more */
	struct dispatch_arrival sample; /* of what it gets, or would get */
};

/* What socket @i of @list, one that waits, gets of IPv6 or IPv4, by the rules alone. Pure. */
void dispatch_service_of(const struct sockdiag_entry *list, size_t n, size_t i, bool ipv6,
			 struct dispatch_service *out);

/*
 * For connections as @out->sample from several ports the kernel found the sockets with @cookies.
 * Settles what was UNKNOWN. Pure. Returns false when that contradicts the rules: something is at
 * work that is not seen here.
 */
bool dispatch_settle(const struct sockdiag_entry *list, size_t n, size_t i, const uint64_t *cookies,
		     size_t n_cookies, struct dispatch_service *out);

/*
 * Asks the kernel about every sample of @s, which dispatch_service_of() filled, and settles what is
 * open. Returns 1; 0 when the kernel finds another socket than the rules do; or -errno.
 */
int dispatch_ask(struct sockdiag *sd, const struct sockdiag_entry *list, size_t n, size_t i,
		 struct dispatch_service *s);

#endif
