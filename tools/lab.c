/* SPDX-License-Identifier: MIT */
/* lab.c - `dualwire lab`: run cases and show what each view said */
#include "../uring/engine.h"
#include "cli.h"
#include "evidence_file.h"
#include "lab/choice.h"
#include "lab_files.h"
#include "lab_output.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	OPT_ENGINE = 256,
	OPT_LADDER,
	OPT_CASES,
	OPT_SHOW,
	OPT_CHECKS,
	OPT_TAP,
	OPT_JUNIT,
	OPT_REPORT,
	OPT_DIR
};

struct options {
	bool json, list, show, checks, verbose, quiet, ladder, tap;
	struct lab_files outputs;
	const char *evidence;
	const char *engine;
	const char *files[CHOICE_FILES_MAX];
	size_t n_files;
};

static const char HELP[] =
	"usage: dualwire lab [-J] [-v] [--engine E] [--evidence FILE] [--cases FILE] [CASE...]\n"
	"       dualwire lab --list [--engine E] [CASE...]\n"
	"       dualwire lab --show CASE...\n\n"
	"Makes two throw-away hosts joined by a cable (network namespaces, no root needed, nothing "
	"of this\n"
	"machine touched), runs a real server and real clients on them, watches both ends of the "
	"cable, and\n"
	"judges every connection on three views: what the program saw, what the kernel keeps, what "
	"the wire\n"
	"carried.\n\n"
	"  CASE             names, patterns such as 'udp-*', or the letter of a group; without "
	"any, "
	"all cases\n"
	"  -l, --list       the cases, with what each is about\n"
	"      --show       what a case does and expects, where its rule is written, and how to "
	"see "
	"the same\n"
	"                   by hand\n"
	"      --cases FILE cases of your own, see dualwire-cases(5); without a CASE only those "
	"run\n"
	"  -J, --json       one JSON document instead of the table\n"
	"  -e, --evidence FILE   keep everything the verdicts rest on; 'dualwire judge FILE' "
	"judges it again.\n"
	"                   Cases that need hosts of their own have a file each, FILE.CASE\n"
	"      --report FILE    a page for people, to be opened in a browser: the matrix, each "
	"cell with its\n"
	"                   three views and its ladder\n"
	"      --evidence-dir DIR   a directory for each case: result.json, evidence.json, "
	"capture.pcapng for\n"
	"                   Wireshark, ladder.txt\n"
	"      --tap        TAP instead of the table, for CI\n"
	"      --junit FILE JUnit XML, for CI\n"
	"      --ladder     each connection as a ladder: its frames, and what kernel and programs "
	"said\n"
	"      --engine E   the server's engine: uring, epoll, or auto (the default). bypass: all "
	"sockets of\n"
	"                   the server's host are those of a stack in user space, and its kernel "
	"has no\n"
	"                   address; cases that need that kernel do not apply: --list says which "
	"and why\n"
	"      --checks     everything that was expected and what came; so it is for a single case "
	"anyway\n"
	"  -q, --quiet      no table, only the exit code\n"
	"  -v, --verbose    timings and the engine, on stderr\n"
	"  -h, --help       this\n\n"
	"Exit codes: 0 every case that applies ended as expected; 1 some connection was "
	"contradicted that\n"
	"should not be, or not contradicted that should be; 2 something could not be proved;\n"
	"3 the lab could not start; 64 usage.\n\n"
	"Examples:\n"
	"  dualwire lab\n"
	"  dualwire lab --ladder tcp-mapped-to-dual\n"
	"  dualwire lab --show tcp-reused-socket && dualwire lab tcp-reused-socket\n"
	"  dualwire lab 'udp-*' -J | jq '.cases[].verdict'\n"
	"  dualwire lab --report lab.html && xdg-open lab.html\n"
	"  dualwire lab --tap >lab.tap; prove -e cat lab.tap\n"
	"  dualwire lab -e run.json && dualwire judge run.json\n"
	"  dualwire lab --engine bypass --list\n"
	"  dualwire lab --engine bypass A C\n";

static bool engine_exists(const char *name)
{
	for (size_t i = 0; engine_name(i); i++)
		if (strcmp(name, engine_name(i)) == 0)
			return true;
	return strcmp(name, "auto") == 0;
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
	case OPT_TAP:
		o->tap = true;
		break;
	case OPT_JUNIT:
		o->outputs.junit = optarg;
		break;
	case OPT_REPORT:
		o->outputs.report = optarg;
		break;
	case OPT_DIR:
		o->outputs.dir = optarg;
		break;
	case OPT_CHECKS:
		o->checks = true;
		break;
	case OPT_SHOW:
		o->show = true;
		break;
	case OPT_CASES:
		if (o->n_files == CHOICE_FILES_MAX)
			return cli_usage_error("lab", "too many case files; at most %d",
					       CHOICE_FILES_MAX);
		o->files[o->n_files++] = optarg;
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
		{"show", no_argument, NULL, OPT_SHOW},
		{"checks", no_argument, NULL, OPT_CHECKS},
		{"cases", required_argument, NULL, OPT_CASES},
		{"verbose", no_argument, NULL, 'v'},
		{"evidence", required_argument, NULL, 'e'},
		{"ladder", no_argument, NULL, OPT_LADDER},
		{"tap", no_argument, NULL, OPT_TAP},
		{"junit", required_argument, NULL, OPT_JUNIT},
		{"report", required_argument, NULL, OPT_REPORT},
		{"evidence-dir", required_argument, NULL, OPT_DIR},
		{"quiet", no_argument, NULL, 'q'},
		{"engine", required_argument, NULL, OPT_ENGINE},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"lab", HELP, ":Jlqve:h", longs, apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	if (rc)
		return rc;
	if (o->show && optind == argc && o->n_files == 0)
		return cli_usage_error("lab", "which case? name one to show; 'dualwire lab --list' "
					      "lists them");
	if (o->json + o->tap + o->ladder > 1)
		return cli_usage_error("lab", "-J, --tap and --ladder exclude each other");
	if (!engine_exists(o->engine))
		return cli_usage_error("lab", "there is no engine '%.64s'; there are %s and auto",
				       o->engine, engine_name(0));
	return 0;
}

/* One line on a terminal, rewritten for each case. */
static void show_progress(size_t done, size_t all, const char *name, void *arg)
{
	(void)arg;
	fprintf(stderr, "\r\033[K%zu of %zu  %s", done + 1, all, name);
}

/* The first scene goes to @path; others, each of a case with hosts of its own, beside it. */
static int save_evidence(const char *path, struct evidence_file *file, const struct lab_run *run)
{
	int rc = 0;

	for (size_t i = 0; i < run->n_scenes && rc == 0; i++) {
		const struct evidence *ev = &run->scenes[i]->evidence;
		char *beside;

		if (i > 0) {
			if (asprintf(&beside, "%s.%s", path, ev->cases[0].name) < 0)
				return cli_fail("lab", "out of memory");
			rc = evidence_file_open("lab", beside, &file);
			free(beside);
		}
		if (rc == 0)
			rc = evidence_file_save("lab", file, ev);
	}
	if (run->n_scenes == 0)
		evidence_file_abandon(file);
	return rc;
}

static int report(const struct options *o, const struct lab_run *run)
{
	struct lab_outcome out;
	int rc = 0;

	lab_assess(run, &out);
	if (o->verbose)
		fprintf(stderr,
			"namespaces set up in %.2f ms, witness ready after %.1f ms, whole run %.0f "
			"ms%s%s\n",
			(double)run->setup_ns / 1e6, (double)run->ready_ns / 1e6,
			(double)run->total_ns / 1e6, run->engine_text[0] ? "; " : "",
			run->engine_text);
	if (o->json) {
		rc = lab_print_json(run, &out);
	} else if (o->tap) {
		rc = lab_print_tap(run);
	} else if (!o->quiet) {
		rc = o->ladder ? lab_print_ladders(run) : lab_print_table(run);
		if (rc == 0 && (o->checks || (run->n_results == 1 && !o->ladder)))
			rc = lab_print_checks(run);
		lab_print_summary(run, &out);
	}
	if (rc)
		return rc;
	if (out.n[CASE_FAILED])
		return out.wrong_verdict ? EXIT_CONTRADICTED : EXIT_INCONCLUSIVE;
	return out.n[CASE_PASSED] ? EXIT_CONFIRMED : EXIT_INCONCLUSIVE;
}

static int run_cases(const struct options *o, const struct choice *ch)
{
	bool progress = !o->quiet && isatty(STDERR_FILENO);
	struct evidence_file *file = NULL;
	struct lab_outputs *outputs = NULL;
	struct lab_run_error err;
	struct lab_run run;
	int rc = 0;

	/* A place that cannot be written to is found before the work, not after it. */
	if (o->evidence)
		rc = evidence_file_open("lab", o->evidence, &file);
	if (rc == 0)
		rc = lab_files_open(&o->outputs, &outputs);
	if (rc) {
		evidence_file_abandon(file);
		return rc;
	}
	rc = lab_run(&(struct lab_run_config){.cases = ch->cases,
					      .n_cases = ch->n,
					      .engine = o->engine,
					      .keep_bytes = o->outputs.dir != NULL,
					      .progress = progress ? show_progress : NULL},
		     &run, &err);
	if (progress)
		fprintf(stderr, "\r\033[K");
	if (rc < 0) {
		evidence_file_abandon(file);
		lab_files_abandon(outputs);
		return cli_fail("lab", "%s%s%s", err.what, err.remedy[0] ? "; " : "", err.remedy);
	}
	rc = file ? save_evidence(o->evidence, file, &run) : 0;
	if (rc == 0)
		rc = lab_files_write(outputs, &run);
	else
		lab_files_abandon(outputs);
	if (rc == 0)
		rc = report(o, &run);
	lab_run_free(&run);
	return rc;
}

static void show_cases(const struct choice *ch)
{
	for (size_t i = 0; i < ch->n; i++) {
		if (i)
			printf("\n");
		case_show(ch->cases[i], stdout);
	}
}

static int list_cases(const struct options *o, const struct choice *ch)
{
	struct bypass_plan *plan;
	int rc = 0;

	if (bypass_plan_open(o->engine, &plan) < 0)
		return cli_fail("lab", "out of memory");
	if (o->json)
		rc = choice_list_json(ch, plan);
	else
		choice_list(ch, plan, stdout);
	bypass_plan_close(plan);
	return rc;
}

int cmd_lab(int argc, char **argv)
{
	struct options o = {.engine = "auto"};
	struct choice ch;
	int rc = parse_options(argc, argv, &o);

	if (rc)
		return rc == CLI_DONE ? 0 : rc;
	rc = choice_make(o.files, o.n_files, argv + optind, &ch);
	if (rc)
		return rc;
	if (o.show)
		show_cases(&ch);
	else if (o.list)
		rc = list_cases(&o, &ch);
	else
		rc = run_cases(&o, &ch);
	choice_free(&ch);
	return rc;
}
