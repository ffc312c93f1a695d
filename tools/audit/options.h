/* SPDX-License-Identifier: MIT */
/* options.h - which options a process has set on a socket of its own */
#ifndef TOOLS_AUDIT_OPTIONS_H
#define TOOLS_AUDIT_OPTIONS_H

#include "../holders.h"
#include "checks.h"

/*
 * Reads them from a copy of a holder's descriptor (pidfd_getfd(2)), of the first holder that lets
 * us. What nobody lets us see is -1.
 */
struct listener_options options_read(const struct holders *h, uint32_t inode);

/* Is process @pid among those that hold the socket? */
bool options_holds(const struct holders *h, uint32_t inode, pid_t pid);

#endif
