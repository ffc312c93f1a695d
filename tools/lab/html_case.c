/* SPDX-License-Identifier: MIT */
/* html_case.c - what opens behind a cell of the report */
#include "html_case.h"

#include "../../rawstack/witness/ladder.h"
#include "../report.h"
#include "cases.h"
#include "markup.h"
#include "svg.h"

#include <stdlib.h>

enum { TEXT_COLUMNS = 120 };

void html_tag(FILE *out, const char *class, const char *text)
{
	fprintf(out, "<span class=\"tag %s\">", class);
	markup_text(out, text);
	fputs("</span>", out);
}

void html_outcome(FILE *out, const struct case_result *r)
{
	static const char *const words[CASE_STATUSES] = {[CASE_PASSED] = "\u2713 as expected",
							 [CASE_FAILED] = "\u2717 not as expected",
							 [CASE_SKIPPED] = "skipped",
							 [CASE_NOT_APPLICABLE] = "does not apply"};

	html_tag(out, case_status_name(r->status), words[r->status]);
	if (r->judged && case_was_played(r))
		html_tag(out, verdict_name(r->verdict), verdict_name(r->verdict));
}

static void print_top(const struct case_result *r, FILE *out)
{
	fputs("<div class=\"top\"><div><h2 tabindex=\"-1\" autofocus>", out);
	markup_text(out, r->c->title);
	fputs("</h2><div class=\"tags\"><code>", out);
	markup_text(out, r->c->name);
	fputs("</code>", out);
	html_outcome(out, r);
	if (r->c->source && r->c->source[0]) {
		fputs("<span class=\"soft\">", out);
		markup_text(out, r->c->source);
		fputs("</span>", out);
	}
	fputs("</div></div><div class=\"nav\">"
	      "<button type=\"button\" class=\"before\" aria-label=\"the case "
	      "before\">\u2190</button>"
	      "<button type=\"button\" class=\"after\" aria-label=\"the next case\">\u2192</button>"
	      "<button type=\"button\" class=\"close\">Close</button></div></div>\n",
	      out);
}

static void print_view(const char *title, const char *text, FILE *out)
{
	fputs("<div><h4>", out);
	markup_text(out, title);
	fputs("</h4><p>", out);
	markup_text(out, text);
	fputs("</p></div>", out);
}

static void print_views(const struct judge_report *rep, const struct judged *j, FILE *out)
{
	char buf[REPORT_TEXT];

	fputs("<div class=\"views\">", out);
	print_view("The program saw", report_api_text(j, buf), out);
	print_view("The kernel keeps", report_kernel_text(j, buf), out);
	print_view("The wire carried", report_wire_text(rep, j, buf), out);
	fputs("</div>\n", out);
}

/* The same ladder as text, to be copied. */
static void print_as_text(const struct ladder *l, FILE *out)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	ladder_print(l, TEXT_COLUMNS, f);
	fclose(f);
	fputs("<details><summary>The ladder as text</summary><pre>", out);
	markup_text(out, text);
	fputs("</pre></details>\n", out);
	free(text);
}

static int print_connection(const struct flow_index *idx, const struct judged *j, FILE *out)
{
	struct ladder l;
	int rc = ladder_of(idx, j, &l);

	if (rc < 0)
		return rc;
	fputs("<h3>", out);
	markup_text(out, l.client);
	fputs(" \u2192 ", out);
	markup_text(out, l.server);
	fputs(": ", out);
	markup_text(out, j->result);
	fputs(" ", out);
	html_tag(out, verdict_name(l.verdict), verdict_name(l.verdict));
	for (int i = 0; i < REASON_NUM; i++)
		if (l.reasons & reason_bit((enum reason)i)) {
			fputs(" <span class=\"soft\">", out);
			markup_text(out, reason_text((enum reason)i));
			fputs("</span>", out);
		}
	fputs("</h3>\n", out);
	print_views(idx->report, j, out);
	fputs("<div class=\"scroll\">", out);
	svg_ladder(&l, out);
	fputs("</div>\n", out);
	print_as_text(&l, out);
	ladder_free(&l);
	return 0;
}

static void print_cell(const char *class, const char *text, FILE *out)
{
	fprintf(out, "<td%s%s%s>", class ? " class=\"" : "", class ? class : "", class ? "\"" : "");
	markup_text(out, text);
	fputs("</td>", out);
}

static void print_checks(const struct case_result *r, FILE *out)
{
	size_t good = 0, left_out = 0;

	if (r->n_checks == 0)
		return;
	for (size_t i = 0; i < r->n_checks; i++) {
		good += r->checks[i].ok && !r->checks[i].left_out;
		left_out += r->checks[i].left_out;
	}
	fprintf(out,
		"<h3>%zu of %zu checks hold%s</h3>\n<div "
		"class=\"scroll\"><table><thead><tr><th>View"
		"</th><th>What was asked</th><th>Wanted</th><th>Got</th><th></th></tr></thead>"
		"<tbody>\n",
		good, r->n_checks - left_out,
		left_out ? "; what would ask the server's kernel is left out" : "");
	for (size_t i = 0; i < r->n_checks; i++) {
		const struct case_check *c = &r->checks[i];

		fputs("<tr>", out);
		print_cell(NULL, check_view_name(c->view), out);
		print_cell("mono", c->what, out);
		print_cell("mono", c->want, out);
		print_cell(c->ok ? "mono" : "mono bad", c->got, out);
		print_cell(c->ok ? NULL : "bad",
			   c->left_out ? "left out"
			   : c->ok     ? "\u2713"
				       : "\u2717 differs",
			   out);
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

static void print_block(const char *title, const char *text, FILE *out)
{
	if (!text || !text[0])
		return;
	fputs("<details><summary>", out);
	markup_text(out, title);
	fputs("</summary><pre>", out);
	markup_text(out, text);
	fputs("</pre></details>\n", out);
}

int html_case(const struct case_result *r, const struct flow_index *idx, FILE *out)
{
	int rc = 0;

	fputs("<dialog id=\"case-", out);
	markup_text(out, r->c->name);
	fputs("\" aria-label=\"", out);
	markup_text(out, r->c->title);
	fputs("\">\n", out);
	print_top(r, out);
	fputs("<div class=\"body\">\n", out);
	if (r->status != CASE_PASSED) {
		fprintf(out, "<p class=\"why %s\">", case_status_name(r->status));
		markup_text(out, r->why);
		fputs("</p>\n", out);
	}
	if (r->c->differs && case_was_played(r)) {
		fputs("<p class=\"why\">Otherwise than with a kernel, on purpose: ", out);
		markup_text(out, r->c->differs);
		fputs("</p>\n", out);
	}
	for (size_t i = 0; idx && rc == 0 && i < idx->report->n; i++)
		if (idx->report->list[i].case_index == r->case_index)
			rc = print_connection(idx, &idx->report->list[i], out);
	print_checks(r, out);
	print_block("See the same by hand", r->c->by_hand, out);
	print_block("The case as it is written", r->c->text, out);
	fputs("</div></dialog>\n", out);
	return rc;
}
