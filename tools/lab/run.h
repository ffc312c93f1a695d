/* SPDX-License-Identifier: MIT */
/* run.h - runs cases in a lab of their own and judges what happened */
#ifndef TOOLS_LAB_RUN_H
#define TOOLS_LAB_RUN_H

#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/witness/judge.h"
#include "cases.h"
#include "result.h"

struct lab_run_config {
	const size_t *selected; /* indices into lab_cases(), ascending */
	size_t n_selected;
	const char *engine;
};

/* One pair of throw-away hosts with all that was seen there; several cases may share it. */
struct lab_scene {
	struct evidence evidence;
	struct judge_report report; /* of the evidence */
};

/* How the run went. Results point into cases and scenes. */
struct lab_run {
	struct case_result *results; /* one for each selected case, in that order */
	size_t n_results;
	struct lab_scene **scenes;
	size_t n_scenes;
	char engine_text[128];
	uint64_t setup_ns, ready_ns, total_ns;
};

struct lab_run_error {
	char what[256];	  /* what failed and why */
	char remedy[256]; /* what to do, may be empty */
};

/*
 * Makes the labs, runs the cases, judges. Nothing outlives it but what is in @run (release with
 * lab_run_free()). Returns 0, or -errno with @err filled.
 */
int lab_run(const struct lab_run_config *cfg, struct lab_run *run, struct lab_run_error *err);
void lab_run_free(struct lab_run *run);

#endif
