/* SPDX-License-Identifier: MIT */
/* bypass_plan.h - which cases can be played against our own stack, who serves them, and why not */
#ifndef TOOLS_LAB_BYPASS_PLAN_H
#define TOOLS_LAB_BYPASS_PLAN_H

#include "cases.h"

/*
 * With the bypass engine the server's host has no kernel sockets. What a case's `server` lines ask
 * for is served by the engine; sockets that its steps make there are those of our stack
 * (stack_host.h). Each has the link to itself, so a case has one or the other.
 *
 * What asks for something that only a kernel has does not apply. Which socket options the stack has
 * is not written down here: the stack is asked.
 */
enum serving {
	SERVING_KERNEL,	 /* the kernel's sockets, our server among them where a case wants it */
	SERVING_ENGINE,	 /* our server on the bypass engine, alone */
	SERVING_SOCKETS, /* sockets of our stack, or none */
	SERVINGS
};

enum { PLAN_WHY = 160 };

struct bypass_plan;

/* @engine: any name; NULL in @out unless it is bypass. Returns 0 or -errno. */
int bypass_plan_open(const char *engine, struct bypass_plan **out);
void bypass_plan_close(struct bypass_plan *p);

/*
 * The case as it is to be played: itself, or as it is written for this engine (then
 * case->differs says why). NULL: it does not apply, @why says why not. @p NULL: as it is.
 */
const struct lab_case *bypass_plan_case(const struct bypass_plan *p, const struct lab_case *c,
					char why[PLAN_WHY]);

enum serving bypass_plan_serving(const struct bypass_plan *p, const struct lab_case *c);

#endif
