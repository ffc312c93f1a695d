/* SPDX-License-Identifier: MIT */
/* run.h - runs cases in labs of their own and judges what happened */
#ifndef TOOLS_LAB_RUN_H
#define TOOLS_LAB_RUN_H

#include "../../rawstack/witness/judge.h"
#include "cases.h"
#include "raw_frames.h"
#include "result.h"

/* Called before each case, for people who wait. */
typedef void (*lab_progress_fn)(size_t done, size_t all, const char *name, void *arg);

struct lab_run_config {
	const struct lab_case *const *cases; /* must outlive the run */
	size_t n_cases;
	const char *engine;
	bool keep_bytes;	  /* of frames, for capture files */
	lab_progress_fn progress; /* NULL: nobody waits */
	void *progress_arg;
};

/* One pair of throw-away hosts with all that was seen there; several cases may share it. */
struct lab_scene {
	struct evidence evidence;
	struct judge_report report; /* of the evidence */
	struct raw_frames frames;   /* empty unless asked for */
};

/* How the run went. Results point into cases and scenes. */
struct lab_run {
	struct case_result *results; /* one for each case, in that order */
	size_t n_results;
	struct lab_scene **scenes; /* in order of the first case of each */
	size_t n_scenes;
	char engine_text[400];
	const char *engine;		       /* as it was asked for */
	uint64_t setup_ns, ready_ns, total_ns; /* the first two of the first scene */
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
