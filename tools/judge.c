/* SPDX-License-Identifier: MIT */
/* judge.c - `dualwire judge`: judge saved evidence again */
#include "cli.h"
#include "lab/table.h"
#include "report.h"
#include "show_ladder.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char HELP[] =
	"usage: dualwire judge [-J] [--ladder] FILE\n\n"
	"Reads evidence that 'dualwire lab --evidence' or 'dualwire witness "
	"--evidence' wrote and judges it\n"
	"again. The verdict follows from the file alone: delete one frame and "
	"\"confirmed\" is gone.\n\n"
	"  FILE         the evidence, - for standard input\n"
	"  -J, --json   one JSON document instead of the table\n"
	"      --ladder each connection as a ladder: its frames, and what kernel and "
	"programs said\n"
	"  -q, --quiet  no table, only the exit code\n"
	"  -h, --help   this\n\n"
	"Exit codes: for evidence of lab cases 0 when each case ends as it was "
	"expected to, otherwise by the\n"
	"verdicts: 0 all confirmed, 1 some contradicted, 2 some inconclusive or "
	"nothing seen; 3 the file\n"
	"cannot be read; 64 usage.\n\n"
	"Examples:\n"
	"  dualwire lab -e run.json && dualwire judge run.json\n"
	"  dualwire judge --ladder run.json | less\n"
	"  jq 'del(.frames[20])' run.json | dualwire judge -\n";

enum { OPT_LADDER = 256 };

struct options {
	bool json, quiet, ladder;
	const char *path;
};

static int apply(void *options, int c)
{
	struct options *o = options;

	if (c == 'J')
		o->json = true;
	else if (c == 'q')
		o->quiet = true;
	else
		o->ladder = true;
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'J'},
		{"quiet", no_argument, NULL, 'q'},
		{"ladder", no_argument, NULL, OPT_LADDER},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"judge", HELP, ":Jqh", longs, apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	if (rc)
		return rc;
	if (argc - optind != 1)
		return cli_usage_error("judge", "%s",
				       argc == optind ? "which file? name the evidence to judge"
						      : "one file at a time");
	o->path = argv[optind];
	return 0;
}

static int load(const char *path, struct evidence *ev)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *in = standard ? stdin : fopen(path, "r");
	struct stat st;
	char why[160];
	int rc;

	if (in && fstat(fileno(in), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(in);
		in = NULL;
		errno = EISDIR;
	}
	if (!in)
		return cli_fail("judge",
				"cannot read '%s': %s; name a file that 'dualwire lab --evidence' "
				"wrote",
				path, strerrordesc_np(errno));
	rc = evidence_read(in, ev, why, sizeof(why));
	if (!standard)
		fclose(in);
	if (rc == -ENOMEM)
		return cli_fail("judge", "cannot read '%s': out of memory", path);
	if (rc < 0)
		return cli_fail("judge",
				"'%s' is not usable evidence: %s; make it anew with 'dualwire lab "
				"--evidence FILE'",
				path, why);
	return 0;
}

/* With cases: each against its expectation. Without: by the verdicts themselves. */
static int exit_code(const struct judge_report *rep, bool *cases)
{
	enum verdict worst = VERDICT_CONFIRMED;

	if (!rep->ev->n_cases)
		return report_exit_code(judge_overall(rep));
	for (size_t i = 0; i < rep->ev->n_cases; i++) {
		enum verdict v = judge_case(rep, (int)i);

		cases[i] = v == rep->ev->cases[i].expected;
		if (!cases[i] && worst != VERDICT_CONTRADICTED)
			worst = v == VERDICT_INCONCLUSIVE ? v : VERDICT_CONTRADICTED;
	}
	return report_exit_code(worst);
}

static json_t *connections_json(const struct judge_report *rep, int case_index)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rep->n; i++)
		if (rep->list[i].case_index == case_index)
			json_array_append_new(list, report_connection_json(rep, &rep->list[i]));
	return list;
}

static int print_json(const struct judge_report *rep, const bool *cases)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rep->ev->n_cases; i++) {
		const struct evidence_case *c = &rep->ev->cases[i];

		json_array_append_new(list,
				      json_pack("{s:s,s:s,s:b,s:s,s:s,s:o}", "name", c->name,
						"title", c->title, "passed", cases[i], "verdict",
						verdict_name(judge_case(rep, (int)i)), "expected",
						verdict_name(c->expected), "connections",
						connections_json(rep, (int)i)));
	}
	return cli_print_json(json_pack("{s:s,s:o,s:o}", "verdict",
					verdict_name(judge_overall(rep)), "cases", list,
					"connections", connections_json(rep, -1)));
}

static int judge_and_print(const struct options *o, const struct evidence *ev)
{
	bool *cases = calloc(ev->n_cases + 1, sizeof(*cases));
	struct judge_report rep = {0};
	int rc, failed = 0;

	if (!cases || judge(ev, &rep) < 0) {
		free(cases);
		return cli_fail("judge", "out of memory");
	}
	rc = exit_code(&rep, cases);
	if (o->json)
		failed = print_json(&rep, cases);
	else if (o->ladder && show_ladders(&rep) < 0)
		failed = cli_fail("judge", "cannot draw the ladders: out of memory");
	else if (!o->quiet && !o->ladder &&
		 table_print(&rep, ev->n_cases ? cases : NULL, cli_color(stdout)) < 0)
		failed = cli_fail("judge", "cannot print the table: out of memory");
	else if (!o->quiet)
		printf("\n%zu connection%s, %s\n", rep.n, rep.n == 1 ? "" : "s",
		       rc == 0 && ev->n_cases ? "every case as expected"
					      : verdict_name(judge_overall(&rep)));
	judge_report_free(&rep);
	free(cases);
	return failed ? failed : rc;
}

int cmd_judge(int argc, char **argv)
{
	struct options o = {0};
	struct evidence ev;
	int rc = parse_options(argc, argv, &o);

	if (rc)
		return rc == CLI_DONE ? 0 : rc;
	assert(o.path);
	evidence_init(&ev);
	rc = load(o.path, &ev);
	if (rc)
		return rc;
	rc = judge_and_print(&o, &ev);
	evidence_free(&ev);
	return rc;
}
