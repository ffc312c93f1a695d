/* SPDX-License-Identifier: MIT */
/* lab_output.c - a run of cases as JSON, as a table, and in a few last words */
#include "lab_output.h"

#include "cli.h"
#include "lab/check_table.h"
#include "lab/grid.h"
#include "lab/table.h"
#include "lab/tap.h"
#include "report.h"
#include "show_ladder.h"

/* Of so many cases every connection is shown, where each has one; more get a line each. */
enum { TABLE_CASES_MAX = 12 };

void lab_assess(const struct lab_run *run, struct lab_outcome *out)
{
	*out = (struct lab_outcome){0};
	for (size_t i = 0; i < run->n_results; i++) {
		const struct case_result *r = &run->results[i];

		out->n[r->status]++;
		for (size_t k = 0; k < r->n_checks; k++)
			out->left_out += r->checks[k].left_out;
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

		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:b,s:b}", "view",
						      check_view_name(c->view), "what", c->what,
						      "want", c->want, "got", c->got, "ok", c->ok,
						      "left_out", c->left_out));
	}
	return list;
}

json_t *lab_case_json(const struct case_result *r)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:b,s:s,s:b,s:s,s:s,s:s?,s:s?,s:o,s:o}", "name",
			 r->c->name, "title", r->c->title, "group", r->c->group, "source",
			 r->c->source, "passed", r->status == CASE_PASSED, "status",
			 case_status_name(r->status), "judged", r->judged, "verdict",
			 verdict_name(r->verdict), "expected", verdict_name(r->expected), "why",
			 r->why[0] ? r->why : NULL, "differs",
			 case_was_played(r) ? r->c->differs : NULL, "connections",
			 connections_json(r), "checks", checks_json(r));
}

int lab_print_json(const struct lab_run *run, const struct lab_outcome *out)
{
	json_t *cases = json_array();

	for (size_t i = 0; i < run->n_results; i++)
		json_array_append_new(cases, lab_case_json(&run->results[i]));
	return cli_print_json(json_pack(
		"{s:{s:i,s:i,s:i,s:i,s:i},s:s,s:o}", "summary", "passed", (int)out->n[CASE_PASSED],
		"failed", (int)out->n[CASE_FAILED], "skipped", (int)out->n[CASE_SKIPPED],
		"not_applicable", (int)out->n[CASE_NOT_APPLICABLE], "left_out", (int)out->left_out,
		"engine", run->engine_text, "cases", cases));
}

int lab_print_tap(const struct lab_run *run)
{
	if (tap_print(run->results, run->n_results, run->engine_text, stdout) < 0)
		return cli_fail("lab", "cannot print the results: out of memory");
	return 0;
}

/* What has to be said of a case beside its place in the table. */
static void summarize_case(const struct case_result *r)
{
	static const char *const words[CASE_STATUSES] = {
		[CASE_FAILED] = "NOT EXPECTED",
		[CASE_SKIPPED] = "skipped",
		[CASE_NOT_APPLICABLE] = "does not apply",
	};

	if (r->status != CASE_PASSED)
		printf("%s  %s: %s\n", words[r->status], r->c->name, r->why);
	else if (r->judged && r->expected == VERDICT_CONTRADICTED)
		printf("contradicted, and rightly so  %s: %s\n", r->c->name, r->c->title);
	if (r->c->differs && case_was_played(r))
		printf("otherwise, on purpose  %s: %s\n", r->c->name, r->c->differs);
}

void lab_print_summary(const struct lab_run *run, const struct lab_outcome *out)
{
	printf("\n%zu of %zu cases ended as expected", out->n[CASE_PASSED],
	       out->n[CASE_PASSED] + out->n[CASE_FAILED]);
	if (out->n[CASE_SKIPPED])
		printf(", %zu could not run here", out->n[CASE_SKIPPED]);
	if (out->n[CASE_NOT_APPLICABLE])
		printf(", %zu do not apply to engine %s", out->n[CASE_NOT_APPLICABLE], run->engine);
	printf(".\n");
	if (out->left_out)
		printf("%zu check%s of the server's kernel left out: it has no part in it "
		       "(--checks names them)\n",
		       out->left_out, out->left_out == 1 ? "" : "s");
	for (size_t i = 0; i < run->n_results; i++)
		summarize_case(&run->results[i]);
}

static bool has_connection(const struct case_result *r)
{
	for (size_t k = 0; r->report && k < r->report->n; k++)
		if (r->report->list[k].case_index == r->case_index)
			return true;
	return false;
}

int lab_print_table(const struct lab_run *run)
{
	bool few = run->n_results <= TABLE_CASES_MAX;
	int rc;

	for (size_t i = 0; i < run->n_results && few; i++)
		few = has_connection(&run->results[i]);
	rc = few ? table_print_results(run->results, run->n_results, cli_color(stdout))
		 : grid_print(run->results, run->n_results, cli_color(stdout));
	return rc < 0 ? cli_fail("lab", "cannot print the table: out of memory") : 0;
}

int lab_print_checks(const struct lab_run *run)
{
	if (check_table_print(run->results, run->n_results, cli_color(stdout)) < 0)
		return cli_fail("lab", "cannot print the checks: out of memory");
	return 0;
}

int lab_print_ladders(const struct lab_run *run)
{
	for (size_t i = 0; i < run->n_scenes; i++)
		if (show_ladders(&run->scenes[i]->report) < 0)
			return cli_fail("lab", "cannot draw the ladders: out of memory");
	return 0;
}
