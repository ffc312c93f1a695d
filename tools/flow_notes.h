/* SPDX-License-Identifier: MIT */
/* flow_notes.h - what is kept beside each flow that is being watched, and who is told of it */
#ifndef TOOLS_FLOW_NOTES_H
#define TOOLS_FLOW_NOTES_H

#include "../rawstack/witness/judge.h"
#include "owner.h"
#include "pcap_expr.h"
#include "trace.h"

/*
 * One struct flow_notes belongs to one flow table, slot by slot: the live watch has one, a file one
 * for each of its interfaces. It decides which flows are reported (an expression that one of their
 * frames matches, an address of the server), keeps frames for ladders, and hands frames and
 * verdicts to the trace.
 *
 * Limits: FLOW_FRAMES_MAX frames of a flow are kept for its ladder, the first ones.
 */
enum { FLOW_FRAMES_MAX = 256 };

/* What a report may say beside the judgement. */
struct flow_about {
	const char *interface;		       /* NULL: there is only one */
	const struct owner_name *owner;	       /* pid 0: not known */
	const struct sockdiag_entry *listener; /* NULL: not known */
	const struct evidence_frame *frames;   /* for the ladder, with keep_frames */
	size_t n_frames;
};

/* A flow begins (@j has no judgement yet), or was judged. */
typedef void (*flow_report_fn)(const struct judge_report *rep, const struct judged *j,
			       const struct flow_about *about, bool verdict, void *arg);

struct flow_notes_config {
	const struct pcap_expr *expr; /* NULL: every flow */
	bool has_server;
	struct addr server; /* only flows to this address, with has_server */
	bool keep_frames;
	struct trace *trace; /* NULL: none */
	flow_report_fn report;
	void *arg;
};

struct flow_totals {
	uint64_t verdicts[VERDICT_NUM]; /* of those that were reported */
	uint64_t frames, drops;
};

struct flow_notes;

/* @slots: of the flow table. @interface is the trace's number and, where @name is not NULL, told
 * in reports. Returns 0 or -ENOMEM. */
int flow_notes_create(const struct flow_notes_config *cfg, size_t slots, uint32_t interface,
		      const char *name, struct flow_totals *totals, struct flow_notes **out);
void flow_notes_destroy(struct flow_notes *n);

/*
 * A frame, and its flow in slot @slot; NULL and SIZE_MAX: none. The bytes of @raw are only looked
 * at for a trace or an expression. Returns whether it is the flow's first.
 */
bool flow_notes_frame(struct flow_notes *n, const struct judge_report *rep,
		      const struct evidence_frame *f, const struct ring_frame *raw,
		      const struct flow *fl, size_t slot);

/* A frame is likely to come for slot @slot (SIZE_MAX: nobody knows). */
void flow_notes_fetch(const struct flow_notes *n, size_t slot);

/* A number that no other flow in this slot has. */
uint32_t flow_notes_serial(const struct flow_notes *n, size_t slot);

void flow_notes_set_owner(struct flow_notes *n, size_t slot, const struct owner_name *name);
const struct owner_name *flow_notes_owner(const struct flow_notes *n, size_t slot);

/* The flow was judged: reports it and empties its slot. */
void flow_notes_judged(struct flow_notes *n, const struct judge_report *rep, const struct judged *j,
		       const struct sockdiag_entry *listener, size_t slot);

#endif
