/* SPDX-License-Identifier: MIT */
/* run.h - runs cases in a lab of their own and judges what happened */
#ifndef TOOLS_LAB_RUN_H
#define TOOLS_LAB_RUN_H

#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/witness/judge.h"
#include "cases.h"

struct lab_run_config {
	const size_t *selected; /* indices into lab_cases(), ascending */
	size_t n_selected;
	const char *engine;
};

/* How the run went. The evidence holds everything else. */
struct lab_run {
	struct evidence evidence;
	struct judge_report report; /* of the evidence */
	char engine_text[128];
	uint64_t setup_ns, ready_ns, total_ns;
};

struct lab_run_error {
	char what[256];	  /* what failed and why */
	char remedy[256]; /* what to do, may be empty */
};

/*
 * Makes the lab, runs the cases, judges. Nothing outlives it but what is in @run (release with
 * lab_run_free()). Returns 0, or -errno with @err filled.
 */
int lab_run(const struct lab_run_config *cfg, struct lab_run *run, struct lab_run_error *err);
void lab_run_free(struct lab_run *run);

/*
 * Did the case at @case_index of the evidence end as its data says: results, addresses, carriage,
 * verdicts? On false, @why says the first difference.
 */
bool lab_case_passed(const struct lab_run *run, int case_index, const struct lab_case *c, char *why,
		     size_t why_len);

#endif
