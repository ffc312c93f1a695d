/* SPDX-License-Identifier: MIT */
/* witness_target.h - finds what is to be watched: namespace, interface, ports of a process */
#ifndef TOOLS_WITNESS_TARGET_H
#define TOOLS_WITNESS_TARGET_H

#include "../rawstack/netlink/sockdiag.h"
#include "witness_options.h"

/*
 * Moves into the namespace, finds the interface in it, and adds the ports of --pid to @o; checks
 * that --listener exists. Returns 0, or an exit code after a message.
 */
int witness_target_find(struct witness_options *o, unsigned int *ifindex);

/* "IPv4 and IPv6", "IPv6 only", …: what a listener serves by itself. */
const char *witness_serves(const struct sockdiag_entry *e);

#endif
