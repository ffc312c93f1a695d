/* SPDX-License-Identifier: MIT */
/* verify.h - holds what a case expects at its end against what was seen */
#ifndef TOOLS_LAB_VERIFY_H
#define TOOLS_LAB_VERIFY_H

#include "mib.h"
#include "play.h"

/* The counters of both hosts before a case began. */
struct mib_pair {
	struct mib before[LAB_SIDES];
};

/* Does the case look at counters at all? */
bool verify_wants_mib(const struct lab_case *c);

/* Checks the counters, right after the case: what is still on its way is waited for. */
void verify_mib(const struct lab *lab, const struct lab_case *c, const struct mib_pair *m,
		struct case_result *res);

/*
 * Checks frames, sockets and verdicts, after the judge has spoken: res->report, case_index,
 * begin_ns and end_ns are set. @p: the case as it was played, for the ports of its sockets.
 */
void verify_case(const struct play *p, struct case_result *res);

/*
 * Is frame @f of the evidence one of this case: a port of its own, or (without a port of anybody's)
 * seen while it ran? Of the two observations of a frame only that on the sender's end counts.
 * Neighbour discovery and group reports are nobody's.
 */
bool verify_is_frame_of(const struct evidence *ev, const struct case_result *res,
			const struct evidence_frame *f);

#endif
