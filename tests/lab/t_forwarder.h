/* SPDX-License-Identifier: MIT */
/* t_forwarder.h - a port forwarder on the user-space stack: accepts, connects back, and carries
 * both directions */
#ifndef TESTS_LAB_T_FORWARDER_H
#define TESTS_LAB_T_FORWARDER_H

#include "../../rawstack/netlink/lab.h"

#include <stddef.h>

/*
 * With it, any server on the client's host can be reached through the stack: what connects to
 * 198.51.100.2 or 2001:db8:1::2 is connected, by an active open of the stack's, to the same port of
 * 198.51.100.1 or 2001:db8:1::1. Each byte then crosses the stack twice. Runs in a thread of its
 * own; at most FORWARDER_PAIRS connections at a time.
 */
enum { FORWARDER_PAIRS = 64, FORWARDER_PORTS = 4 };

struct forwarder;

/* Asserts. Listens on the lab's server's host on each of @ports, for both families. */
struct forwarder *forwarder_start(const struct lab *lab, const uint16_t *ports, size_t n);

struct forwarder_result {
	unsigned long accepted, connected, failed; /* failed: ended by an error on either side */
	uint64_t bytes;
};

void forwarder_stop(struct forwarder *f, struct forwarder_result *out);

#endif
