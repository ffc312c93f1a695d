/* SPDX-License-Identifier: MIT */
/* page.c - an audit as one HTML file */
#include "page.h"

#include "../lab/markup.h"
#include "../report.h"
#include "show.h"

#include <errno.h>
#include <stdlib.h>

enum { LADDER_WIDTH = 140, OUTPUT_SHOWN = 16 * 1024, CONNECTIONS_SHOWN = 500 };

static const char HEAD[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n<title>dualwire audit</title>\n"
	"<style>\nbody { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; "
	"padding: 0 1em; }\n"
	"table { border-collapse: collapse; width: 100%; }\n"
	"td, th { border-bottom: 1px solid #ccc; padding: .4em .6em; text-align: left; "
	"vertical-align: top; }\n"
	"td.cell { white-space: pre-line; font: 13px/1.4 monospace; }\n"
	"pre { background: #f4f4f4; color: #222; padding: 1em; overflow-x: auto; font-size: 12px; "
	"}\n"
	".bug, .failed { color: #b00020; } .risk { color: #8a5a00; } .note { color: #00618a; } "
	".clean { color: #1b6e2c; } .not-asked { color: #666; }\n"
	"td:first-child { white-space: nowrap; }\n"
	"@media (prefers-color-scheme: dark) { body { background: #161616; color: #ddd; } "
	"pre { background: #222; color: #ddd; } .bug, .failed { color: #ff6b7d; } "
	".risk { color: #e0b050; } .note { color: #64b8e0; } .clean { color: #6fcf83; } "
	".not-asked { color: #999; } }\n</style>\n";

/* What a server printed may hold anything, but for markup_text() it ends at the first NUL. */
static int put_text(FILE *out, const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++)
		copy[i] = text[i] ? text[i] : '?';
	copy[len] = '\0';
	markup_text(out, copy);
	free(copy);
	return 0;
}

static void put_row(FILE *out, const char *check, const char *class, const char *text)
{
	fprintf(out, "<tr><td>%s<td class=\"%s\">%s<td>", check, class, class);
	markup_text(out, text);
}

static int put_ladder(FILE *out, const struct audit *a, const struct judged *j)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int ret = f ? show_ladder(a, j, LADDER_WIDTH, f) : -ENOMEM;

	if (f && fclose(f) == EOF)
		ret = -ENOMEM;
	if (ret == 0) {
		fputs("<pre>", out);
		markup_text(out, text);
		fputs("</pre>", out);
	}
	free(text);
	return ret;
}

static int put_finding(FILE *out, const struct audit *a, const char *check, const struct finding *f)
{
	const struct judged *j = show_connection(a, f);
	int ret = 0;

	put_row(out, check, severity_name(f->severity), f->where);
	fputs(": ", out);
	markup_text(out, f->evidence);
	fputs("<br><b>Remedy:</b> ", out);
	markup_text(out, f->remedy);
	if (j)
		ret = put_ladder(out, a, j);
	fputc('\n', out);
	return ret;
}

static int put_checks(FILE *out, const struct audit *a)
{
	int ret = 0;

	fputs("<table>\n<tr><th>Check<th>Outcome<th>Evidence\n", out);
	for (int c = 0; c < CHECK_NUM; c++) {
		const struct audit_result *r = &a->results[c];
		const char *name = audit_check_name((enum audit_check)c);

		if (r->status != AUDIT_FOUND) {
			put_row(out, name, audit_status_name(r->status), r->summary);
			fputc('\n', out);
		}
		for (size_t i = 0; i < r->n && ret == 0; i++)
			ret = put_finding(out, a, name, &r->list[i]);
	}
	fputs("</table>\n", out);
	return ret;
}

static void put_cell(FILE *out, const char *text)
{
	fputs("<td class=\"cell\">", out);
	markup_text(out, text);
}

static void put_connections(FILE *out, const struct audit *a)
{
	const struct judge_report *rep = &a->report;
	size_t n = rep->n < CONNECTIONS_SHOWN ? rep->n : CONNECTIONS_SHOWN;

	if (!n)
		return;
	fprintf(out,
		"<h2>Three views of each connection</h2>\n<p>%zu of %zu.</p>\n<table>\n<tr><th>The "
		"client's program saw<th>The kernel keeps<th>The wire carried<th>Verdict\n",
		n, rep->n);
	for (size_t i = 0; i < n; i++) {
		char text[REPORT_TEXT];

		fputs("<tr>", out);
		put_cell(out, report_api_text(&rep->list[i], text));
		put_cell(out, report_kernel_text(&rep->list[i], text));
		put_cell(out, report_wire_text(rep, &rep->list[i], text));
		put_cell(out, report_verdict_text(&rep->list[i], text));
		fputc('\n', out);
	}
	fputs("</table>\n", out);
}

static int put_output(FILE *out, struct audit *a)
{
	size_t len, shown;
	const char *text = audit_output(a, &len);
	int ret;

	if (!len)
		return 0;
	shown = len < OUTPUT_SHOWN ? len : OUTPUT_SHOWN;
	fprintf(out, "<h2>The server's output</h2>\n%s<pre>",
		shown < len ? "<p>Its end.</p>\n" : "");
	ret = put_text(out, text + len - shown, shown);
	fputs("</pre>\n", out);
	return ret;
}

int page_write(struct audit *a, FILE *out)
{
	int ret;

	fputs(HEAD, out);
	fputs("<h1>dualwire audit</h1>\n<p><code>", out);
	for (char *const *arg = a->cfg->argv; arg && *arg; arg++) {
		markup_text(out, *arg);
		fputc(' ', out);
	}
	fprintf(out, "</code><br>%.1f s</p>\n", a->total_ms / 1e3);
	ret = put_checks(out, a);
	if (ret < 0)
		return ret;
	put_connections(out, a);
	ret = put_output(out, a);
	if (ret < 0)
		return ret;
	return ferror(out) ? -EIO : 0;
}
