/* SPDX-License-Identifier: MIT */
/* link_arg.h - options that name a link for the user-space stack, in the commands that have it */
#ifndef TOOLS_LINK_ARG_H
#define TOOLS_LINK_ARG_H

#include "../uring/engine.h"

/* An empty one: no interface, no addresses; a station of its own. */
void link_arg_init(struct engine_link *l);

/* "198.51.100.2/24". Returns 0 or EXIT_USAGE after a message of @command. */
int link_arg_address(const char *command, struct engine_link *l, const char *text);

/* "198.51.100.254". */
int link_arg_gateway(const char *command, struct engine_link *l, const char *text);

/* Whose MAC: "own" or "interface". */
int link_arg_mac(const char *command, struct engine_link *l, const char *text);

/* "ring", "sendmmsg" or "xdp". */
int link_arg_kind(const char *command, struct engine_link *l, const char *text);

#endif
