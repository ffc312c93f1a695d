/* SPDX-License-Identifier: MIT */
/* netns_arg.h - the --netns option: work in another network namespace */
#ifndef TOOLS_NETNS_ARG_H
#define TOOLS_NETNS_ARG_H

/*
 * Moves the process, which must have one thread, into the network namespace that @arg names: a file
 * such as /run/netns/NAME or /proc/PID/ns/net, or the id of a process in it. Where that takes it,
 * and we may, into the user namespace which owns it as well. Returns 0, or an exit code after a
 * message for @cmd.
 */
int netns_arg_join(const char *cmd, const char *arg);

#endif
