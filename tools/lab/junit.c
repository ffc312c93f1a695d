/* SPDX-License-Identifier: MIT */
/* junit.c - results of cases as JUnit XML, which CI systems read */
#include "junit.h"

#include "cases.h"
#include "markup.h"

#include <string.h>

struct sum {
	size_t n[CASE_STATUSES], all;
	double seconds;
};

static double seconds_of(const struct case_result *r)
{
	return r->end_ns > r->begin_ns ? (double)(r->end_ns - r->begin_ns) / 1e9 : 0;
}

/* @group NULL: all of them. */
static struct sum sum_up(const struct case_result *results, size_t n, const char *group)
{
	struct sum s = {0};

	for (size_t i = 0; i < n; i++) {
		if (group && strcmp(results[i].c->group, group) != 0)
			continue;
		s.n[results[i].status]++;
		s.all++;
		s.seconds += seconds_of(&results[i]);
	}
	return s;
}

static void attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	markup_text(out, value);
	fputc('"', out);
}

static void print_sum(FILE *out, const struct sum *s)
{
	fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" time=\"%.3f\"",
		s->all, s->n[CASE_FAILED], s->n[CASE_SKIPPED] + s->n[CASE_NOT_APPLICABLE],
		s->seconds);
}

static void print_checks(FILE *out, const struct case_result *r, bool failed_only)
{
	for (size_t i = 0; i < r->n_checks; i++) {
		const struct case_check *c = &r->checks[i];

		if (failed_only && c->ok)
			continue;
		fprintf(out, "%s  %s: ",
			c->left_out ? "left out"
			: c->ok	    ? "ok    "
				    : "NOT OK",
			check_view_name(c->view));
		markup_text(out, c->what);
		fprintf(out, ": wanted ");
		markup_text(out, c->want);
		fprintf(out, ", got ");
		markup_text(out, c->got);
		fputc('\n', out);
	}
}

static void print_case(FILE *out, const struct case_result *r)
{
	fprintf(out, "    <testcase");
	attribute(out, "name", r->c->name);
	fprintf(out, " classname=\"dualwire.lab.");
	markup_text(out, r->c->group);
	fprintf(out, "\" time=\"%.3f\">\n", seconds_of(r));
	if (!case_was_played(r)) {
		fprintf(out, "      <skipped message=\"%s",
			r->status == CASE_NOT_APPLICABLE ? "does not apply: " : "");
		markup_text(out, r->why);
		fprintf(out, "\"/>\n");
	} else if (r->status == CASE_FAILED) {
		fprintf(out, "      <failure type=\"unexpected\"");
		attribute(out, "message", r->why);
		fprintf(out, ">\n");
		print_checks(out, r, true);
		fprintf(out, "</failure>\n");
	}
	fprintf(out, "      <system-out>");
	markup_text(out, r->c->title);
	fputc('\n', out);
	if (r->c->differs && case_was_played(r)) {
		fprintf(out, "otherwise than with a kernel, on purpose: ");
		markup_text(out, r->c->differs);
		fputc('\n', out);
	}
	print_checks(out, r, false);
	fprintf(out, "</system-out>\n    </testcase>\n");
}

static void print_suite(FILE *out, const struct case_result *results, size_t n, size_t first,
			const char *server)
{
	const char *group = results[first].c->group;
	struct sum s = sum_up(results, n, group);

	fprintf(out, "  <testsuite name=\"");
	markup_text(out, group);
	fprintf(out, "  ");
	markup_text(out, case_group_title(group));
	fputc('"', out);
	print_sum(out, &s);
	fprintf(out, ">\n");
	if (*server) {
		fprintf(out, "    <properties><property name=\"server\"");
		attribute(out, "value", server);
		fprintf(out, "/></properties>\n");
	}
	for (size_t i = first; i < n; i++)
		if (strcmp(results[i].c->group, group) == 0)
			print_case(out, &results[i]);
	fprintf(out, "  </testsuite>\n");
}

void junit_print(const struct case_result *results, size_t n, const char *server, FILE *out)
{
	struct sum s = sum_up(results, n, NULL);

	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"dualwire lab\"");
	print_sum(out, &s);
	fprintf(out, ">\n");
	for (size_t i = 0; i < n; i++) {
		size_t first = 0;

		while (strcmp(results[first].c->group, results[i].c->group) != 0)
			first++;
		if (first == i)
			print_suite(out, results, n, i, server);
	}
	fprintf(out, "</testsuites>\n");
}
