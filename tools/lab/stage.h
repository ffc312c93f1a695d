/* SPDX-License-Identifier: MIT */
/* stage.h - a lab made ready for its cases: their settings, rules, names, and programs */
#ifndef TOOLS_LAB_STAGE_H
#define TOOLS_LAB_STAGE_H

#include <sys/types.h>

#include "bypass_plan.h"
#include "lab_server.h"
#include "resolver.h"
#include "socket_host.h"

struct stage {
	struct lab lab;
	pid_t dns;		  /* 0: none */
	struct more_addrs more;	  /* of a stack of ours, which the case has given it */
	struct stack_host *stack; /* of the server's host; NULL: the kernel, or the engine */
	struct socket_host hosts[LAB_SIDES];
};

enum { STAGE_READY, STAGE_SKIP };

/*
 * Makes the lab and gives it what @c asks for (NULL: nothing). Unless the kernel serves, the
 * server's kernel has no address; with SERVING_SOCKETS our stack has them. Returns STAGE_READY;
 * STAGE_SKIP when something that is not ours is missing here, with @why for people; or -errno with
 * @why.
 */
int stage_open(const struct lab_case *c, enum serving serving, struct stage *s, char *why,
	       size_t why_len);
void stage_close(struct stage *s);

/* The files that the resolver of this case shall see. Returns as stage_open(). */
int stage_files(const struct stage *s, const struct lab_case *c, struct resolver_files *f,
		char *why, size_t why_len);

#endif
