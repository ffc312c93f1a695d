/* SPDX-License-Identifier: MIT */
/* stage.h - a lab made ready for its cases: their settings, rules, names, and programs */
#ifndef TOOLS_LAB_STAGE_H
#define TOOLS_LAB_STAGE_H

#include <sys/types.h>

#include "cases.h"
#include "resolver.h"

struct stage {
	struct lab lab;
	struct resolver_files files;
	pid_t dns; /* 0: none */
};

enum { STAGE_READY, STAGE_SKIP };

/*
 * Makes the lab and gives it what @c asks for (NULL: nothing). Returns STAGE_READY; STAGE_SKIP when
 * something that is not ours is missing here, with @why for people; or -errno with @why.
 */
int stage_open(const struct lab_case *c, struct stage *s, char *why, size_t why_len);
void stage_close(struct stage *s);

#endif
