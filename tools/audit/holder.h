/* SPDX-License-Identifier: MIT */
/* holder.h - who holds a listening socket, and which options it set on it */
#ifndef TOOLS_AUDIT_HOLDER_H
#define TOOLS_AUDIT_HOLDER_H

#include "checks.h"

/*
 * Reads the options of the socket with @inode from the process that has it, by a copy of its
 * descriptor (pidfd_getfd(2)). @only: look at this process alone, 0: at all. What the kernel does
 * not let us see stays -1. @pid, if not NULL, receives the process found, 0: none.
 */
struct listener_options holder_options(uint32_t inode, pid_t only, pid_t *pid);

/* Has process @pid this socket? */
bool holder_has(pid_t pid, uint32_t inode);

#endif
