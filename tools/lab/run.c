/* SPDX-License-Identifier: MIT */
/* run.c - a run of cases: which of them share a pair of hosts, and which cannot run here */
#include "run.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/netns.h"
#include "../../uring/server.h"
#include "bypass_plan.h"
#include "scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Cases that change nothing about their hosts share one pair, one server and one capture: making
 * and stopping a capture costs more than most cases. Those with settings get a pair each. Those
 * that our own stack serves in different ways do not share.
 */
struct batch {
	struct case_result **results;
	size_t n, listeners;
	bool own;
	enum serving serving;
};

static int fail(struct lab_run_error *err, int rc, const char *remedy, const char *what)
{
	snprintf(err->what, sizeof(err->what), "%s: %s", what, strerrordesc_np(-rc));
	snprintf(err->remedy, sizeof(err->remedy), "%s", remedy);
	return rc;
}

static int allocate(struct lab_run *run, const struct lab_run_config *cfg)
{
	run->results = calloc(cfg->n_cases + 1, sizeof(*run->results));
	run->scenes = calloc(cfg->n_cases + 1, sizeof(struct lab_scene *));
	if (!run->results || !run->scenes)
		return -ENOMEM;
	run->n_results = cfg->n_cases;
	run->engine = cfg->engine;
	for (size_t i = 0; i < cfg->n_cases; i++)
		run->results[i] = (struct case_result){.c = cfg->cases[i], .case_index = -1};
	return 0;
}

static void do_not_play(struct case_result *res, enum case_status status, const char *why)
{
	case_result_end(res, status, why);
	res->verdict = res->expected = VERDICT_INCONCLUSIVE;
}

static void choose_variants(struct lab_run *run, const struct bypass_plan *plan)
{
	char why[PLAN_WHY];

	for (size_t i = 0; i < run->n_results; i++) {
		struct case_result *res = &run->results[i];
		const struct lab_case *c = bypass_plan_case(plan, res->c, why);

		if (c)
			res->c = c;
		else
			do_not_play(res, CASE_NOT_APPLICABLE, why);
	}
}

static size_t count_played(const struct lab_run *run)
{
	size_t n = 0;

	for (size_t i = 0; i < run->n_results; i++)
		n += case_was_played(&run->results[i]);
	return n;
}

static int run_batch(const struct lab_run_config *cfg, struct batch *b, size_t *done,
		     struct lab_run *run, struct lab_run_error *err)
{
	struct scene_config sc = {
		.results = b->results,
		.n = b->n,
		.own = b->own,
		.serving = b->serving,
		.engine = cfg->engine,
		.keep_bytes = cfg->keep_bytes,
		.progress = cfg->progress,
		.progress_arg = cfg->progress_arg,
		.done = *done,
		.all = count_played(run),
	};
	struct lab_scene *scene;
	int rc;

	if (b->n == 0)
		return 0;
	scene = calloc(1, sizeof(*scene));
	if (!scene)
		return fail(err, -ENOMEM, "", "cannot start");
	run->scenes[run->n_scenes++] = scene;
	rc = scene_run(&sc, scene, run, err);
	*done += b->n;
	b->n = b->listeners = 0;
	if (rc == 1) {
		free(run->scenes[--run->n_scenes]);
		rc = 0;
	}
	return rc;
}

/* Those of one kind: as many at a time as one server can listen for, or each by itself. */
static int run_kind(const struct lab_run_config *cfg, const struct bypass_plan *plan,
		    struct batch *b, size_t *done, struct lab_run *run, struct lab_run_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < run->n_results && rc == 0; i++) {
		struct case_result *res = &run->results[i];

		if (res->c->own_lab != b->own || !case_was_played(res) ||
		    bypass_plan_serving(plan, res->c) != b->serving)
			continue;
		if (b->n && (b->own || b->listeners + res->c->n_listeners > SERVER_LISTENERS_MAX))
			rc = run_batch(cfg, b, done, run, err);
		b->results[b->n++] = res;
		b->listeners += res->c->n_listeners;
	}
	return rc == 0 ? run_batch(cfg, b, done, run, err) : rc;
}

/* First those that share. */
static int run_batches(const struct lab_run_config *cfg, const struct bypass_plan *plan,
		       struct lab_run *run, struct lab_run_error *err)
{
	struct batch b = {.results = calloc(cfg->n_cases, sizeof(struct case_result *))};
	size_t done = 0;
	int rc = b.results ? 0 : fail(err, -ENOMEM, "", "cannot start");

	for (int i = 0; i < 2 * SERVINGS && rc == 0; i++) {
		b.own = i >= SERVINGS;
		b.serving = (enum serving)(i % SERVINGS);
		rc = run_kind(cfg, plan, &b, &done, run, err);
	}
	free(b.results);
	return rc;
}

static void skip_for_ordinary_users(struct lab_run *run)
{
	for (size_t i = 0; i < run->n_results; i++) {
		struct case_result *res = &run->results[i];

		if (res->c->needs_root)
			do_not_play(res, CASE_SKIPPED,
				    "it needs root, and a user namespace will not do; run it with "
				    "sudo");
	}
}

int lab_run(const struct lab_run_config *cfg, struct lab_run *run, struct lab_run_error *err)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	struct bypass_plan *plan = NULL;
	bool ordinary = geteuid() != 0;
	int rc;

	*run = (struct lab_run){0};
	*err = (struct lab_run_error){0};
	rc = netns_become_capable();
	if (rc < 0)
		return fail(
			err, rc,
			"run as root, or allow user namespaces (sysctl user.max_user_namespaces, "
			"kernel.unprivileged_userns_clone)",
			"cannot make network namespaces");
	ordinary |= rc == 1;
	rc = allocate(run, cfg);
	if (rc == 0)
		rc = bypass_plan_open(cfg->engine, &plan);
	if (rc < 0)
		fail(err, rc, "", "cannot start");
	if (rc == 0)
		choose_variants(run, plan);
	if (rc == 0 && ordinary)
		skip_for_ordinary_users(run);
	if (rc == 0)
		rc = run_batches(cfg, plan, run, err);
	bypass_plan_close(plan);
	run->total_ns = clock_ns(CLOCK_MONOTONIC) - start;
	if (rc < 0)
		lab_run_free(run);
	return rc;
}

void lab_run_free(struct lab_run *run)
{
	for (size_t i = 0; i < run->n_results; i++)
		case_result_free(&run->results[i]);
	free(run->results);
	for (size_t i = 0; i < run->n_scenes; i++) {
		judge_report_free(&run->scenes[i]->report);
		evidence_free(&run->scenes[i]->evidence);
		raw_frames_free(&run->scenes[i]->frames);
		free(run->scenes[i]);
	}
	free(run->scenes);
	*run = (struct lab_run){0};
}
