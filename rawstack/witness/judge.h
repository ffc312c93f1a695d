/* SPDX-License-Identifier: MIT */
/* judge.h - from evidence to verdicts, a pure function */
#ifndef RAWSTACK_WITNESS_JUDGE_H
#define RAWSTACK_WITNESS_JUDGE_H

#include "join.h"
#include "reason.h"

/*
 * "confirmed" is a claim about every frame of a connection, so it needs proof that none was missed:
 * all gates of judge.c must hold. "contradicted" needs one sound frame that travelled otherwise, or
 * two views that exclude each other, and stands even if other frames were lost. Everything else is
 * "inconclusive", with its reasons.
 */

/* What holds for the whole run: the gates it failed, and which tap stands at which side. */
struct judge_run {
	uint64_t reasons;
	/*
	 * There are frames and nothing else, as in a capture file: then the addresses make the
	 * claim. A connection between IPv4 addresses has to travel as IPv4, one between others as
	 * IPv6, and what programs and kernels made of it is not judged.
	 */
	bool wire_only;
	bool no_programs; /* no program's records at all: foreign servers and clients */
	size_t n_taps;
	uint32_t tap[SIDE_NUM];
};

struct judgement {
	enum verdict verdict;
	uint64_t reasons;      /* bits of enum reason */
	enum carriage claimed; /* what the views said it would be; NONE: no view said */
};

/* The gates of the run. Pure. */
void judge_run_gates(const struct evidence *ev, const struct flow_table *ft, struct judge_run *run);

/*
 * The same while a run with one tap goes on: no last canary has been sent yet, and more may have
 * been captured than was read. Everything before some moment must have been read at that moment.
 * Frames that could not be read are not among these gates: flow_table_unread_near() tells whom they
 * concern.
 */
void judge_live_gates(const struct evidence *ev, const struct flow_table *ft,
		      struct judge_run *run);

/* One connection against its run. Pure. */
void judge_connection(const struct judge_run *run, const struct connection *c,
		      struct judgement *out);

enum { JUDGE_RESULT_MAX = 24 };

/* How it ended, in one word: "connected", "refused", "delivered", "sent", "seen", or an errno name.
 */
void judge_result(const struct connection *c, char buf[JUDGE_RESULT_MAX]);

struct judged {
	struct connection c;
	struct judgement j;
	int case_index;		       /* into ev->cases, -1: none */
	char result[JUDGE_RESULT_MAX]; /* judge_result() */
};

struct judge_report {
	const struct evidence *ev; /* must outlive the report */
	struct flow_table *flows;
	struct judge_run run;
	struct judged *list;
	size_t n;
};

/* Joins the views and judges every connection. Returns 0 or -ENOMEM. Release with
 * judge_report_free(). */
int judge(const struct evidence *ev, struct judge_report *out);
void judge_report_free(struct judge_report *r);

/* Contradicted if any is; else inconclusive if any is or there is none; else confirmed. */
enum verdict judge_overall(const struct judge_report *r);

/* The same over the connections of one case. */
enum verdict judge_case(const struct judge_report *r, int case_index);

/* The tap whose frames a report shows for this connection: the server's, else the one that saw any.
 */
uint32_t judge_shown_tap(const struct judge_run *run, const struct connection *c);

#endif
