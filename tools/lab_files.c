/* SPDX-License-Identifier: MIT */
/* lab_files.c - what a run of cases leaves on disk: JUnit, a report, evidence by case */
#include "lab_files.h"

#include "../rawstack/witness/ladder.h"
#include "cli.h"
#include "evidence_file.h"
#include "lab/case_evidence.h"
#include "lab/html.h"
#include "lab/junit.h"
#include "lab_output.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LADDER_COLUMNS = 140 };

struct lab_outputs {
	const char *dir;
	struct evidence_file *junit, *report;
};

static int make_dir(const char *path)
{
	struct stat st;

	if (mkdir(path, 0777) == 0)
		return 0;
	if (errno == EEXIST && stat(path, &st) == 0)
		errno = S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
	return -errno;
}

static int prepare_dir(const char *path)
{
	int rc = make_dir(path);

	if (rc == 0 && access(path, W_OK | X_OK) < 0)
		rc = -errno;
	if (rc < 0)
		return cli_fail("lab",
				"cannot write into '%s': %s; choose a place that can be written to",
				path, strerrordesc_np(-rc));
	return 0;
}

int lab_files_open(const struct lab_files *f, struct lab_outputs **out)
{
	struct lab_outputs *o = calloc(1, sizeof(*o));
	int rc = 0;

	if (!o)
		return cli_fail("lab", "out of memory");
	if (f->junit)
		rc = evidence_file_open("lab", f->junit, &o->junit);
	if (rc == 0 && f->report)
		rc = evidence_file_open("lab", f->report, &o->report);
	if (rc == 0 && f->dir)
		rc = prepare_dir(f->dir);
	if (rc) {
		lab_files_abandon(o);
		return rc;
	}
	o->dir = f->dir;
	*out = o;
	return 0;
}

void lab_files_abandon(struct lab_outputs *o)
{
	if (!o)
		return;
	evidence_file_abandon(o->junit);
	evidence_file_abandon(o->report);
	free(o);
}

/* What the files of one case are made of. */
struct case_files {
	const struct case_result *r;
	const struct lab_scene *scene; /* NULL: it was skipped */
};

static int write_capture(FILE *out, const void *arg)
{
	const struct case_files *c = arg;

	return case_capture(c->r, &c->scene->frames, out);
}

static int write_evidence(FILE *out, const void *arg)
{
	const struct case_files *c = arg;
	struct evidence ev;
	int rc = case_evidence(c->r, &ev);

	if (rc < 0)
		return rc;
	rc = evidence_write(&ev, out);
	evidence_free(&ev);
	return rc;
}

static int write_ladders(FILE *out, const void *arg)
{
	const struct case_files *c = arg;
	const struct judge_report *rep = c->r->report;
	struct flow_index idx;
	bool first = true;
	int rc = flow_index_init(&idx, rep);

	for (size_t i = 0; rc == 0 && i < rep->n; i++) {
		struct ladder l;

		if (rep->list[i].case_index != c->r->case_index)
			continue;
		rc = ladder_of(&idx, &rep->list[i], &l);
		if (rc < 0)
			break;
		if (!first)
			fputc('\n', out);
		ladder_print(&l, LADDER_COLUMNS, out);
		ladder_free(&l);
		first = false;
	}
	if (rc == 0 && first)
		fprintf(out, "This case made no connection.\n");
	flow_index_free(&idx);
	return rc;
}

static int write_result(FILE *out, const void *arg)
{
	const struct case_files *c = arg;
	json_t *o = lab_case_json(c->r);
	int rc;

	if (!o)
		return -ENOMEM;
	rc = json_dumpf(o, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF ? -EIO : 0;
	json_decref(o);
	return rc;
}

static int write_case(const char *dir, struct case_files *c)
{
	static const struct {
		const char *name;
		int (*write)(FILE *out, const void *arg);
		bool of_scene;
	} files[] = {
		{"result.json", write_result, false},
		{"evidence.json", write_evidence, true},
		{"capture.pcapng", write_capture, true},
		{"ladder.txt", write_ladders, true},
	};
	char path[PATH_MAX];
	int rc;

	if (snprintf(path, sizeof(path), "%s/%s", dir, c->r->c->name) >= (int)sizeof(path))
		return cli_fail("lab", "'%s' is too long a path; choose a shorter one", dir);
	rc = prepare_dir(path);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && rc == 0; i++) {
		struct evidence_file *f;

		if (files[i].of_scene && !c->scene)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s/%s", dir, c->r->c->name, files[i].name) >=
		    (int)sizeof(path))
			return cli_fail("lab", "'%s' is too long a path; choose a shorter one",
					dir);
		rc = evidence_file_open("lab", path, &f);
		if (rc == 0)
			rc = evidence_file_fill("lab", f, files[i].write, c);
	}
	return rc;
}

static const struct lab_scene *scene_of(const struct lab_run *run, const struct case_result *r)
{
	for (size_t i = 0; i < run->n_scenes; i++)
		if (r->report == &run->scenes[i]->report)
			return run->scenes[i];
	return NULL;
}

static int write_junit(FILE *out, const void *arg)
{
	const struct lab_run *run = arg;

	junit_print(run->results, run->n_results, run->engine_text, out);
	return 0;
}

static int write_html(FILE *out, const void *arg)
{
	const struct lab_run *run = arg;

	return html_print(run, out);
}

int lab_files_write(struct lab_outputs *o, const struct lab_run *run)
{
	int rc = 0;

	if (o->junit)
		rc = evidence_file_fill("lab", o->junit, write_junit, run);
	o->junit = NULL;
	if (rc == 0 && o->report) {
		rc = evidence_file_fill("lab", o->report, write_html, run);
		o->report = NULL;
	}
	for (size_t i = 0; i < run->n_results && rc == 0 && o->dir; i++) {
		struct case_files c = {.r = &run->results[i],
				       .scene = scene_of(run, &run->results[i])};

		rc = write_case(o->dir, &c);
	}
	lab_files_abandon(o);
	return rc;
}
