/* SPDX-License-Identifier: MIT */
/* lab.c - `dualwire lab`: run cases and show what each view said */
#include "../uring/engine.h"
#include "cli.h"
#include "evidence_file.h"
#include "lab/run.h"
#include "lab/table.h"
#include "report.h"
#include "show_ladder.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>

enum { CASES_MAX = 64, OPT_ENGINE = 256, OPT_LADDER };

struct options {
	bool json, list, verbose, quiet, ladder;
	const char *evidence;
	const char *engine;
	size_t selected[CASES_MAX];
	size_t n_selected;
};

static const char HELP[] =
	"usage: dualwire lab [-J] [-v] [--evidence FILE] [CASE...]\n"
	"       dualwire lab --list\n\n"
	"Makes two throw-away hosts joined by a cable (network namespaces, no root needed, nothing "
	"of this\n"
	"machine touched), runs a real server and real clients on them, watches both ends of the "
	"cable, and\n"
	"judges every connection on three views: what the program saw, what the kernel keeps, what "
	"the wire\n"
	"carried.\n\n"
	"  CASE             names or patterns such as 'udp-*'; without any, all cases\n"
	"  -l, --list       the cases, with what each is about\n"
	"  -J, --json       one JSON document instead of the table\n"
	"  -e, --evidence FILE   keep everything the verdicts rest on; 'dualwire judge FILE' "
	"judges it again\n"
	"      --ladder     each connection as a ladder: its frames, and what kernel and programs "
	"said\n"
	"      --engine E   the server's engine: uring, or auto (the default)\n"
	"  -q, --quiet      no table, only the exit code\n"
	"  -v, --verbose    timings and the engine, on stderr\n"
	"  -h, --help       this\n\n"
	"Exit codes: 0 every case ended as expected; 1 some connection was contradicted that "
	"should not be,\n"
	"or not contradicted that should be; 2 something could not be proved; 3 the lab could not "
	"start;\n"
	"64 usage.\n\n"
	"Examples:\n"
	"  dualwire lab\n"
	"  dualwire lab --ladder tcp-mapped-to-dual\n"
	"  dualwire lab 'udp-*' -J | jq '.cases[].verdict'\n"
	"  dualwire lab -e run.json && dualwire judge run.json\n";

static bool engine_exists(const char *name)
{
	for (size_t i = 0; engine_name(i); i++)
		if (strcmp(name, engine_name(i)) == 0)
			return true;
	return strcmp(name, "auto") == 0;
}

static int list_cases(void)
{
	size_t n;
	const struct lab_case *cases = lab_cases(&n);

	for (size_t i = 0; i < n; i++)
		printf("%-20s %s%s\n", cases[i].name, cases[i].title,
		       lab_case_expected(&cases[i]) == VERDICT_CONTRADICTED
			       ? " (contradicted, and should be)"
			       : "");
	return 0;
}

/* Adds the cases that match @pattern. Returns how many. */
static size_t select_cases(const char *pattern, bool *chosen)
{
	size_t n, hits = 0;
	const struct lab_case *cases = lab_cases(&n);

	for (size_t i = 0; i < n; i++) {
		if (fnmatch(pattern, cases[i].name, 0) != 0)
			continue;
		chosen[i] = true;
		hits++;
	}
	return hits;
}

static int choose(struct options *o, char **patterns)
{
	bool chosen[CASES_MAX] = {false};

	if (!*patterns)
		select_cases("*", chosen);
	for (; *patterns; patterns++)
		if (select_cases(*patterns, chosen) == 0)
			return cli_usage_error(
				"lab", "there is no case '%s'; 'dualwire lab --list' shows them",
				*patterns);
	for (size_t i = 0; i < CASES_MAX; i++)
		if (chosen[i])
			o->selected[o->n_selected++] = i;
	return 0;
}

static int apply(void *options, int c)
{
	struct options *o = options;

	switch (c) {
	case 'J':
		o->json = true;
		break;
	case 'l':
		o->list = true;
		break;
	case 'q':
		o->quiet = true;
		break;
	case 'v':
		o->verbose = true;
		break;
	case 'e':
		o->evidence = optarg;
		break;
	case OPT_LADDER:
		o->ladder = true;
		break;
	default:
		o->engine = optarg;
	}
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'J'},
		{"list", no_argument, NULL, 'l'},
		{"verbose", no_argument, NULL, 'v'},
		{"evidence", required_argument, NULL, 'e'},
		{"quiet", no_argument, NULL, 'q'},
		{"ladder", no_argument, NULL, OPT_LADDER},
		{"engine", required_argument, NULL, OPT_ENGINE},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"lab", HELP, ":Jlqve:h", longs, apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	return rc ? rc : choose(o, argv + optind);
}

/* What the run's cases came to. */
struct outcome {
	size_t n[CASE_STATUSES];
	bool wrong_verdict; /* some failure is more than a lack of proof */
};

static void assess(const struct lab_run *run, struct outcome *out)
{
	*out = (struct outcome){0};
	for (size_t i = 0; i < run->n_results; i++) {
		const struct case_result *r = &run->results[i];

		out->n[r->status]++;
		if (r->status == CASE_FAILED && r->verdict != VERDICT_INCONCLUSIVE)
			out->wrong_verdict = true;
	}
}

static json_t *connections_json(const struct case_result *r)
{
	json_t *list = json_array();

	for (size_t k = 0; r->report && k < r->report->n; k++)
		if (r->report->list[k].case_index == r->case_index)
			json_array_append_new(
				list, report_connection_json(r->report, &r->report->list[k]));
	return list;
}

static json_t *checks_json(const struct case_result *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_checks; i++) {
		const struct case_check *c = &r->checks[i];

		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:b}", "view",
						      check_view_name(c->view), "what", c->what,
						      "want", c->want, "got", c->got, "ok", c->ok));
	}
	return list;
}

static json_t *case_json(const struct case_result *r)
{
	return json_pack("{s:s,s:s,s:b,s:s,s:s,s:s,s:s?,s:o,s:o}", "name", r->c->name, "title",
			 r->c->title, "passed", r->status == CASE_PASSED, "status",
			 case_status_name(r->status), "verdict", verdict_name(r->verdict),
			 "expected", verdict_name(r->expected), "why", r->why[0] ? r->why : NULL,
			 "connections", connections_json(r), "checks", checks_json(r));
}

static int print_json(const struct lab_run *run, const struct outcome *out)
{
	json_t *cases = json_array();

	for (size_t i = 0; i < run->n_results; i++)
		json_array_append_new(cases, case_json(&run->results[i]));
	return cli_print_json(
		json_pack("{s:{s:i,s:i,s:i},s:s,s:o}", "summary", "passed",
			  (int)out->n[CASE_PASSED], "failed", (int)out->n[CASE_FAILED], "skipped",
			  (int)out->n[CASE_SKIPPED], "engine", run->engine_text, "cases", cases));
}

static void print_summary(const struct lab_run *run, const struct outcome *out)
{
	printf("\n%zu of %zu cases ended as expected.\n", out->n[CASE_PASSED],
	       out->n[CASE_PASSED] + out->n[CASE_FAILED]);
	for (size_t i = 0; i < run->n_results; i++) {
		const struct case_result *r = &run->results[i];

		if (r->status != CASE_PASSED)
			printf("%s  %s: %s\n",
			       r->status == CASE_FAILED ? "NOT EXPECTED" : "skipped", r->c->name,
			       r->why);
		else if (r->expected == VERDICT_CONTRADICTED)
			printf("contradicted, and rightly so  %s: %s\n", r->c->name, r->c->title);
	}
}

static int print_table(const struct lab_run *run)
{
	struct table_case cases[CASES_MAX] = {0};

	for (size_t i = 0; i < run->n_results; i++)
		cases[i].passed = run->results[i].status == CASE_PASSED;
	if (table_print(&run->scenes[0]->report, cases, cli_color(stdout)) < 0)
		return cli_fail("lab", "cannot print the table: out of memory");
	return 0;
}

static int print_ladders(const struct lab_run *run)
{
	for (size_t i = 0; i < run->n_scenes; i++)
		if (show_ladders(&run->scenes[i]->report) < 0)
			return cli_fail("lab", "cannot draw the ladders: out of memory");
	return 0;
}

static int report(const struct options *o, const struct lab_run *run)
{
	struct outcome out;
	int rc = 0;

	assess(run, &out);
	if (o->verbose)
		fprintf(stderr,
			"namespaces set up in %.2f ms, witness ready after %.1f ms, whole run %.0f "
			"ms; %s\n",
			(double)run->setup_ns / 1e6, (double)run->ready_ns / 1e6,
			(double)run->total_ns / 1e6, run->engine_text);
	if (o->json) {
		rc = print_json(run, &out);
	} else if (!o->quiet) {
		rc = o->ladder ? print_ladders(run) : print_table(run);
		print_summary(run, &out);
	}
	if (rc)
		return rc;
	if (out.n[CASE_FAILED])
		return out.wrong_verdict ? EXIT_CONTRADICTED : EXIT_INCONCLUSIVE;
	return EXIT_CONFIRMED;
}

int cmd_lab(int argc, char **argv)
{
	struct options o = {.engine = "auto"};
	struct evidence_file *file = NULL;
	struct lab_run_error err;
	struct lab_run run;
	int rc = parse_options(argc, argv, &o);

	if (rc)
		return rc == CLI_DONE ? 0 : rc;
	if (o.list)
		return list_cases();
	if (!engine_exists(o.engine))
		return cli_usage_error("lab", "there is no engine '%.64s'; there are %s and auto",
				       o.engine, engine_name(0));
	/* A place that cannot be written to is found before the work, not after it. */
	if (o.evidence) {
		rc = evidence_file_open("lab", o.evidence, &file);
		if (rc)
			return rc;
	}
	rc = lab_run(&(struct lab_run_config){.selected = o.selected,
					      .n_selected = o.n_selected,
					      .engine = o.engine},
		     &run, &err);
	if (rc < 0) {
		evidence_file_abandon(file);
		return cli_fail("lab", "%s%s%s", err.what, err.remedy[0] ? "; " : "", err.remedy);
	}
	rc = file ? evidence_file_save("lab", file, &run.scenes[0]->evidence) : 0;
	if (rc == 0)
		rc = report(&o, &run);
	lab_run_free(&run);
	return rc;
}
