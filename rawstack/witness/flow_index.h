/* SPDX-License-Identifier: MIT */
/* flow_index.h - the frames of each flow */
#ifndef RAWSTACK_WITNESS_FLOW_INDEX_H
#define RAWSTACK_WITNESS_FLOW_INDEX_H

#include "judge.h"

/*
 * The frames of a report's evidence, sorted by the flow they belong to and, within a flow, as they
 * are listed. Made in one pass over the frames. Not among them: a later fragment that came before
 * its first fragment.
 */
struct flow_index {
	const struct judge_report *report;
	const struct evidence_frame **frames; /* all frames that belong to some flow */
	size_t *start; /* of the flow in slot i: frames[start[i]] up to frames[start[i + 1]] */
};

/* @r must outlive it, with its flow table as judge() left it. Returns 0 or -ENOMEM; release with
 * flow_index_free(). */
int flow_index_init(struct flow_index *idx, const struct judge_report *r);
void flow_index_free(struct flow_index *idx);

/* The frames of @fl, a flow of the report's table; @n receives how many. */
const struct evidence_frame *const *flow_index_frames(const struct flow_index *idx,
						      const struct flow *fl, size_t *n);

#endif
