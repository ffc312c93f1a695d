/* SPDX-License-Identifier: MIT */
/* raw_frames.h - the bytes of the frames of a scene, for a capture file of each case */
#ifndef TOOLS_LAB_RAW_FRAMES_H
#define TOOLS_LAB_RAW_FRAMES_H

#include "../../rawstack/capture/tap.h"
#include "../../rawstack/witness/evidence.h"

/* A frame's bytes lie in @bytes from @at on, meta.caplen of them. */
struct raw_frame {
	struct frame_meta meta;
	size_t at;
};

/* Frame i is the one that the evidence lists as frames[i]. */
struct raw_frames {
	struct raw_frame *list;
	size_t n, cap;
	uint8_t *bytes;
	size_t len, size;
	struct tap_where where[EVIDENCE_TAPS_MAX];
	bool failed; /* for want of memory: from there on frames are missing */
};

/* A witness_frame_fn; @arg is a struct raw_frames. */
void raw_frames_take(const struct evidence_frame *f, const struct ring_frame *raw, void *arg);
void raw_frames_free(struct raw_frames *r);

#endif
