/* SPDX-License-Identifier: MIT */
/* tap.c - results of cases as TAP, the Test Anything Protocol version 14 */
#include "tap.h"

#include "cases.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/* A description or reason: one line, in which '#' would begin a directive. */
static void print_line(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '#' || *text == '\\')
			fputc('\\', out);
		fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
	}
}

/* A JSON string is a YAML one too, in double quotes. */
static int print_yaml(const char *key, const char *text, FILE *out)
{
	json_t *value = json_stringn(text, strlen(text));
	char *quoted;

	/* Not UTF-8: a program's own words. What is readable of it stays. */
	if (!value)
		value = json_string("(not UTF-8)");
	quoted = json_dumps(value, JSON_ENCODE_ANY);
	json_decref(value);
	if (!quoted)
		return -ENOMEM;
	fprintf(out, "%s: %s\n", key, quoted);
	free(quoted);
	return 0;
}

static int print_check(const struct case_check *c, FILE *out)
{
	int rc = print_yaml("    - view", check_view_name(c->view), out);

	if (rc == 0)
		rc = print_yaml("      what", c->what, out);
	if (rc == 0)
		rc = print_yaml("      want", c->want, out);
	if (rc == 0)
		rc = print_yaml("      got", c->got, out);
	return rc;
}

static int print_failure(const struct case_result *r, FILE *out)
{
	bool any = false;
	int rc;

	fprintf(out, "  ---\n");
	rc = print_yaml("  message", r->why, out);
	for (size_t i = 0; i < r->n_checks && rc == 0; i++) {
		if (r->checks[i].ok)
			continue;
		if (!any)
			fprintf(out, "  checks:\n");
		any = true;
		rc = print_check(&r->checks[i], out);
	}
	fprintf(out, "  ...\n");
	return rc;
}

int tap_print(const struct case_result *results, size_t n, const char *server, FILE *out)
{
	int rc = 0;

	fprintf(out, "TAP version 14\n1..%zu\n", n);
	if (*server) {
		fprintf(out, "# server: ");
		print_line(server, out);
		fputc('\n', out);
	}
	for (size_t i = 0; i < n && rc == 0; i++) {
		const struct case_result *r = &results[i];

		fprintf(out, "%sok %zu - ", r->status == CASE_FAILED ? "not " : "", i + 1);
		print_line(r->c->name, out);
		fprintf(out, ": ");
		print_line(r->c->title, out);
		if (!case_was_played(r)) {
			fprintf(out, " # SKIP %s",
				r->status == CASE_NOT_APPLICABLE ? "does not apply: " : "");
			print_line(r->why, out);
		}
		fputc('\n', out);
		if (r->status == CASE_FAILED)
			rc = print_failure(r, out);
	}
	return rc;
}
