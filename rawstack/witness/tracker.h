/* SPDX-License-Identifier: MIT */
/* tracker.h - judges flows one by one as they end, in bounded memory */
#ifndef RAWSTACK_WITNESS_TRACKER_H
#define RAWSTACK_WITNESS_TRACKER_H

#include "judge.h"

/*
 * Frames and what the kernel says of sockets go in; each flow comes out judged, once, some time
 * after it has ended, and is then forgotten:
 *
 *   a stream whose end was seen    after TRACKER_GRACE_MS of silence, so that the last
 *                                  acknowledgement and the kernel's last word are there
 *   the same, its socket gone too  after TRACKER_GONE_MS
 *   datagrams                      after TRACKER_SILENCE_MS of silence
 *   a stream that never began      after TRACKER_UNANSWERED_MS (a SYN is repeated for two minutes)
 *   what lasts                     when the caller ends it all, or when its place is needed
 *
 * Where a flow is wanted and there is no room, the one that was silent longest is judged as it
 * stands, with table_full among its reasons: those that had ended first, the lasting ones last.
 *
 * Time is that of the frames; nothing here reads a clock. One tap, number 0.
 */
enum {
	TRACKER_GONE_MS = 50,
	TRACKER_GRACE_MS = 500,
	TRACKER_SILENCE_MS = 3000,
	TRACKER_UNANSWERED_MS = 130000,
	TRACKER_FLOWS_MAX = 1 << 22, /* that may be asked for */
};

/* Called for each flow when it was judged; it is forgotten when the call returns. */
typedef void (*tracker_fn)(const struct judge_report *rep, const struct judged *j, void *arg);

struct tracker;

/*
 * Room for @max_flows flows, allocated once. @ev is the evidence that reports refer to; it must
 * outlive the tracker. Returns 0 or -ENOMEM.
 */
int tracker_create(size_t max_flows, const struct evidence *ev, tracker_fn judged, void *arg,
		   struct tracker **out);
void tracker_destroy(struct tracker *t);

/* The evidence, the flows, and the gates as they stand; it has no list. */
const struct judge_report *tracker_report(const struct tracker *t);

/* The gates of the run as they stand: what is judged from now on is judged by them. */
void tracker_set_run(struct tracker *t, const struct judge_run *run);

/* Enters one frame. Returns its flow, NULL: none of a watched port. */
const struct flow *tracker_frame(struct tracker *t, const struct evidence_frame *f);

/*
 * The same for a caller with several frames at hand, in three rounds over them: expect them all,
 * fetch for all, enter all. What others need is in the cache by then. tracker_fetch() returns the
 * slot that the frame is likely to go to, or SIZE_MAX.
 */
uint64_t tracker_expect(const struct tracker *t, const struct evidence_frame *f);
size_t tracker_fetch(const struct tracker *t, uint64_t hash);
const struct flow *tracker_frame_hashed(struct tracker *t, const struct evidence_frame *f,
					uint64_t hash);

/*
 * What the kernel says about a connected socket goes to the oldest generation of its flow that has
 * none on that side. Returns false when there is no such flow (yet).
 */
bool tracker_socket(struct tracker *t, const struct sockdiag_entry *e);

/* What the kernel's own look-up for the addresses of @fl found at the server. */
void tracker_looked_up(struct tracker *t, const struct flow *fl, const struct sockdiag_entry *e);

/* The server's socket as far as it is known; NULL: not yet. */
const struct sockdiag_entry *tracker_server(const struct tracker *t, const struct flow *fl);

/* Is there a flow to be judged at @now_ns? */
bool tracker_is_due(struct tracker *t, uint64_t now_ns);

/* Judges those that are due. */
void tracker_judge_due(struct tracker *t, uint64_t now_ns);

/* After the last frame: judges all that are left. */
void tracker_judge_rest(struct tracker *t);

#endif
