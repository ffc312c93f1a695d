/* SPDX-License-Identifier: MIT */
/* result.h - what became of a case: every single check, view by view */
#ifndef TOOLS_LAB_RESULT_H
#define TOOLS_LAB_RESULT_H

#include "../../rawstack/witness/judge.h"

struct lab_case;

/* Who was asked. */
enum check_view {
	CHECK_API,     /* what a program's call returned */
	CHECK_KERNEL,  /* what sock_diag says of a socket */
	CHECK_WIRE,    /* what the frames carried */
	CHECK_MIB,     /* how far the kernel's counters moved */
	CHECK_VERDICT, /* what the judge made of a connection */
	CHECK_VIEWS
};

enum { CHECK_TEXT = 144, CASE_WHY = 200 };

/* One thing that was expected and what came instead, each in one line for people. */
struct case_check {
	enum check_view view;
	bool ok;
	bool left_out;	       /* it was not asked, and @got says why: neither good nor bad */
	char what[CHECK_TEXT]; /* "c connect m(S4):P" */
	char want[CHECK_TEXT]; /* "ECONNREFUSED" */
	char got[CHECK_TEXT];  /* "ok" */
};

enum case_status {
	CASE_PASSED,
	CASE_FAILED,
	CASE_SKIPPED,	     /* it could not run here; why says what it needs */
	CASE_NOT_APPLICABLE, /* it cannot be asked of this engine; why says what it asks for */
	CASE_STATUSES
};

struct case_result {
	const struct lab_case *c;
	enum case_status status;
	char why[CASE_WHY]; /* of a failed case: the first check that failed; of one that was not
			       played: what it needs, or asks for */
	struct case_check *checks;
	size_t n_checks, cap_checks;
	bool lost; /* a check could not be kept for want of memory: the case has failed */

	/*
	 * Where its connections and frames are: report->list entries of this case_index, and the
	 * frames of report->ev between begin_ns and end_ns or with a port in its range. NULL: it
	 * was not played.
	 */
	const struct judge_report *report;
	int case_index;
	uint64_t begin_ns, end_ns; /* CLOCK_REALTIME */
	bool judged;		   /* the case asks for a verdict */
	enum verdict verdict, expected;
};

/* "api", "kernel", "wire", "mib", "verdict"; "passed", "failed", "skipped", "not-applicable". */
const char *check_view_name(enum check_view v);
const char *case_status_name(enum case_status s);

/* Notes one check. The first that fails makes the case fail, and becomes its why. */
void case_result_check(struct case_result *r, enum check_view view, bool ok, const char *what,
		       const char *want, const char *got);

/* Notes a check that cannot be made here, and why. */
void case_result_leave_out(struct case_result *r, enum check_view view, const char *what,
			   const char *want, const char *why);

/* Does it stand for a run at all? Not when it was skipped or does not apply. */
bool case_was_played(const struct case_result *r);

/* Makes the case a failed or skipped one without a check. */
void case_result_end(struct case_result *r, enum case_status status, const char *why);

void case_result_free(struct case_result *r);

#endif
