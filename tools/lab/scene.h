/* SPDX-License-Identifier: MIT */
/* scene.h - one pair of hosts, one server, one capture, and the cases that share them */
#ifndef TOOLS_LAB_SCENE_H
#define TOOLS_LAB_SCENE_H

#include "bypass_plan.h"
#include "run.h"

struct scene_config {
	struct case_result *const *results; /* of the cases to run, which they name */
	size_t n;
	bool own;	      /* there is one case, and the hosts are made as it says */
	enum serving serving; /* who serves on the server's host */
	const char *engine;
	bool keep_bytes; /* as in struct lab_run_config */
	lab_progress_fn progress;
	void *progress_arg;
	size_t done, all; /* for progress */
};

/*
 * Runs the cases and fills their results and @scene, to which they then point. Returns 0, or -errno
 * with @err filled. With cfg->own what cannot be made is the case's own failure, or the reason why
 * it is skipped, and the return value is 1: @scene is empty then.
 */
int scene_run(const struct scene_config *cfg, struct lab_scene *scene, struct lab_run *run,
	      struct lab_run_error *err);

#endif
