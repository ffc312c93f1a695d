/* SPDX-License-Identifier: MIT */
/* bench.c - "dualwire bench": engines x families x workloads, in turn and several times */
#include "bench.h"
#include "cli.h"

#include "../rawstack/netlink/netns.h"
#include "bench/environment.h"
#include "bench/plot.h"
#include "bench/report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What is going on, for the line that shows it. */
struct progress {
	bool shown;
	uint32_t step, steps;
	const char *subject, *family, *work;
};

static void progress_show(struct progress *p)
{
	if (p->shown)
		fprintf(stderr, "\r\033[K%u of %u: %s, %s, %s", p->step + 1, p->steps, p->work,
			p->subject, p->family);
}

/* SIGINT and SIGTERM are blocked, so that labs and servers are always put away. */
static int interrupted(void *arg)
{
	static const struct timespec at_once;
	sigset_t signals;

	(void)arg;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	return sigtimedwait(&signals, NULL, &at_once) > 0;
}

static void block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

static int measure_all(const struct bench_options *o, struct arena *a, struct bench_results *r)
{
	const struct bench_plan *p = &o->plan;
	struct progress progress = {
		.shown = !o->quiet && isatty(STDERR_FILENO),
		.steps = p->n_cells * p->rounds,
	};
	struct bench_sample s;
	char what[MEASURE_WHAT];
	int ret = 0;

	for (; progress.step < progress.steps && ret == 0; progress.step++) {
		uint32_t cell = plan_cell_at(p, progress.step);
		const struct bench_cell *c = &p->cells[cell];

		progress.subject = p->subjects[c->subject].name;
		progress.family = bench_family_name(c->family);
		progress.work = bench_work_name(c->work);
		progress_show(&progress);
		ret = measure_cell(a, p, c, &o->measure, &s, what);
		if (ret == 0)
			results_add(r, cell, &s);
	}
	if (progress.shown)
		fputs("\r\033[K", stderr);
	if (ret == -EINTR)
		return cli_fail("bench", "stopped by a signal; nothing is left running");
	return ret < 0 ? cli_fail("bench", "%s, %s, %s: %s", progress.work, progress.subject,
				  progress.family, what)
		       : 0;
}

/* A file of the directory that keeps results. NULL after a message. */
static FILE *save_open(const char *dir, const char *name, int *rc)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	if (!f)
		*rc = cli_fail("bench", "cannot write '%.512s': %s", path, strerror(errno));
	return f;
}

static int save(const struct bench_options *o, const struct bench_results *r, json_t *result)
{
	int rc = 0;
	FILE *f = save_open(o->save, "results.json", &rc);

	if (f) {
		json_dumpf(result, f, JSON_INDENT(1));
		fputc('\n', f);
		if (fclose(f) != 0)
			rc = cli_fail("bench", "cannot write results.json: %s", strerror(errno));
	}
	f = rc == 0 ? save_open(o->save, "results.txt", &rc) : NULL;
	if (f) {
		bench_report_print(r, json_object_get(result, "environment"), f);
		if (fclose(f) != 0)
			rc = cli_fail("bench", "cannot write results.txt: %s", strerror(errno));
	}
	return rc;
}

static int draw(const struct bench_options *o, const struct bench_results *r)
{
	int ret = plot_draw(r, o->plot);

	if (ret == -ENOENT)
		return cli_fail("bench", "cannot draw '%.512s': gnuplot is not installed", o->plot);
	return ret < 0 ? cli_fail("bench",
				  "gnuplot could not draw '%.512s': is it a place that "
				  "can be written to?",
				  o->plot)
		       : 0;
}

static int report(const struct bench_options *o, const struct bench_results *r,
		  const struct arena *a)
{
	json_t *result = bench_report_json(r, environment_json(a));
	int rc = result ? 0 : cli_fail("bench", "cannot report: out of memory");

	if (rc == 0 && o->save)
		rc = save(o, r, result);
	if (rc == 0 && o->json)
		rc = cli_print_json(json_incref(result));
	else if (rc == 0 &&
		 bench_report_print(r, json_object_get(result, "environment"), stdout) < 0)
		rc = cli_fail("bench", "cannot print the table: out of memory");
	json_decref(result);
	if (rc == 0 && o->plot)
		rc = draw(o, r);
	if (rc == 0 && o->strict && results_spoiled(r))
		rc = EXIT_CONTRADICTED;
	return rc;
}

static int run(const struct bench_options *o)
{
	struct bench_results r;
	struct arena a;
	int rc;

	if (o->save && mkdir(o->save, 0777) < 0 && errno != EEXIST)
		return cli_fail("bench", "cannot make '%.512s': %s", o->save, strerror(errno));
	rc = netns_become_capable();
	if (rc < 0)
		return cli_fail("bench",
				"cannot make network namespaces: %s; allow user namespaces, or run "
				"it as root",
				strerror(-rc));
	rc = arena_init(&a);
	if (rc < 0)
		return cli_fail("bench", "cannot choose processors: %s", strerror(-rc));
	if (a.one_cpu)
		fprintf(stderr, "dualwire bench: only one processor: server and load share it, and "
				"the figures are of both\n");
	block_signals();
	if (o->idle) {
		rc = bench_idle(o, &a);
		arena_free(&a);
		return rc;
	}
	if (results_init(&r, &o->plan) < 0)
		return cli_fail("bench", "out of memory");
	rc = measure_all(o, &a, &r);
	if (rc == 0)
		rc = report(o, &r, &a);
	results_free(&r);
	arena_free(&a);
	return rc;
}

int cmd_bench(int argc, char **argv)
{
	struct bench_options *o = calloc(1, sizeof(*o));
	int rc;

	if (!o)
		return cli_fail("bench", "out of memory");
	o->families = (1U << BENCH_FAMILIES) - 1;
	o->works = 1U << BENCH_ACCEPT | 1U << BENCH_ECHO | 1U << BENCH_KEPT;
	o->plan.rounds = 9;
	o->measure = (struct measure_config){.seconds = 0.3,
					     .warmup_s = 0.1,
					     .in_flight = 256,
					     .kept = 900,
					     .report_peers = true,
					     .tick = interrupted};
	rc = bench_options_read(argc, argv, o);
	if (rc == 0) {
		o->measure.histograms = o->save;
		rc = run(o);
	}
	free(o);
	return rc == CLI_DONE ? 0 : rc;
}
