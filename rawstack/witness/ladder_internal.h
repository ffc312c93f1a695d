/* SPDX-License-Identifier: MIT */
/* ladder_internal.h - for ladder*.c only */
#ifndef RAWSTACK_WITNESS_LADDER_INTERNAL_H
#define RAWSTACK_WITNESS_LADDER_INTERNAL_H

#include "ladder.h"

/*
 * A ladder being made: the rungs stand, in order, and @start_ns (CLOCK_REALTIME) is the time that
 * at_ns counts from. @info[i] is the frame of rung i, NULL for one without.
 */
struct ladder_work {
	const struct ladder_input *in;
	struct ladder *l;
	const struct frame_info **info;
	uint64_t start_ns;
};

/* Adds what programs, kernels and the wire have to say. */
void ladder_annotate(struct ladder_work *w);

#endif
