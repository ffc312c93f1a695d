/* SPDX-License-Identifier: MIT */
/* binding.h - bound sockets of one protocol: what conflicts, and who gets a packet */
#ifndef RAWSTACK_STACK_BINDING_H
#define RAWSTACK_STACK_BINDING_H

#include "ilist.h"
#include "stack.h"

/*
 * One table for TCP and one for UDP, of the same code: on Linux their rules are the same. A binding
 * is identified by its index (the id in stack.h). Ports hash into chains, in the order of binding.
 *
 * Who gets an IPv4 packet for a.b.c.d:port (measured on Linux): AF_INET on the address, AF_INET6 on
 * the mapped address, AF_INET on any, then AF_INET6 on ::ffff:0.0.0.0 or on :: without V6ONLY. An
 * IPv6 packet: the address, then ::. Among equals the first bound; with reuse_port by hash.
 */
enum { BINDING_HASH = 256, BINDING_NONE = 0xffff };

struct binding {
	bool used;
	bool listening; /* TCP: gets SYNs; UDP: set when bound */
	bool v6only;	/* effective */
	bool reuse_addr, reuse_port;
	int family;
	struct endpoint local;
	uint16_t next; /* of the same hash value, BINDING_NONE at the end */

	/* TCP: connections that wait for stack_accept(), linked through the connection. */
	uint32_t backlog, waiting;
	struct ilist queue;
	uint32_t half_open; /* entries of the SYN table that belong here */
	bool event;	    /* ACCEPT (or DGRAM) is on the list of events or was reported */
	uint16_t event_next;
	void *owner;	/* UDP: the socket */
	bool connected; /* UDP: only @peer is heard, and it is heard here before elsewhere */
	struct endpoint peer;
};

struct binding_table {
	bool udp;
	struct binding b[STACK_BINDINGS_MAX];
	uint16_t head[BINDING_HASH];
};

void binding_init(struct binding_table *t, bool udp);

/*
 * Enters @spec; the port must be set. A UDP socket listens at once. Returns the index; -EINVAL
 * (mapped with V6ONLY), -EAFNOSUPPORT (native on AF_INET), -EADDRINUSE, -ENOSPC. That the address
 * is ours is the caller's to check.
 */
int binding_add(struct binding_table *t, const struct stack_bind *spec);
void binding_del(struct binding_table *t, int id);

/* Of that, what depends on @spec alone: 0, -EINVAL, -EAFNOSUPPORT. */
int binding_check(const struct stack_bind *spec);

/* Whether @b can get packets of the wire family at all. */
bool binding_serves(const struct binding *b, bool v6);

/* NULL where @id is none. */
struct binding *binding_at(struct binding_table *t, int id);

/* True when @id may begin to listen: no other that listens conflicts without reuse_port. */
bool binding_may_listen(const struct binding_table *t, int id);

/*
 * Who of the listening gets a packet from @src to @dst that travels by IPv6 (@v6) or IPv4. @hash
 * chooses among equals that share. Returns the index or -ENOENT.
 */
int binding_find(const struct binding_table *t, bool v6, const struct endpoint *src,
		 const struct endpoint *dst, uint32_t hash);

/* True when any binding has @port. */
bool binding_port_used(const struct binding_table *t, uint16_t port);

#endif
