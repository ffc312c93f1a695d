/* SPDX-License-Identifier: MIT */
/* test_case_report.c - results of cases as TAP and as JUnit, with texts that try to break out */
#include "../../tools/lab/cases.h"
#include "../../tools/lab/junit.h"
#include "../../tools/lab/markup.h"
#include "../../tools/lab/result.h"
#include "../../tools/lab/tap.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What @print writes, to be freed. */
static char *caught(int (*print)(FILE *out, const void *arg), const void *arg)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_assert(f && print(f, arg) == 0);
	fclose(f);
	return text;
}

static int print_markup(FILE *out, const void *arg)
{
	markup_text(out, arg);
	return 0;
}

static void expect_markup(const char *text, const char *expected)
{
	char *got = caught(print_markup, text);

	cr_assert_str_eq(got, expected);
	free(got);
}

Test(case_report, markup_is_text_wherever_it_stands)
{
	expect_markup("plain text, \xc3\xa4 \xe2\x9c\x93 \xf0\x9f\x98\x80",
		      "plain text, \xc3\xa4 \xe2\x9c\x93 \xf0\x9f\x98\x80");
	expect_markup("<b a='1' c=\"2\">&amp;</b>",
		      "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;&lt;/b&gt;");
	expect_markup("tab\tand\nline", "tab\tand\nline");
}

Test(case_report, markup_replaces_what_neither_format_allows)
{
	static const char *const bad[] = {
		"\x01",
		"\x1b",
		"\x7f",
		"\r",
		"\x80",
		"\xff",
		"\xc0",
		"\xc1",
		"\xc3",
		"\xe2\x9c",
		"\xf0\x9f\x98",
		"\xf5",
		"\xed\xa0\x80", /* a surrogate */
		"\xe0\x80\x80", /* longer than need be */
		"\xf0\x80\x80\x80",
		"\xf4\x90\x80\x80", /* beyond U+10FFFF */
		"\xef\xbf\xbe",
		"\xef\xbf\xbf",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *got, text[16];

		snprintf(text, sizeof(text), "a%sb", bad[i]);
		got = caught(print_markup, text);
		cr_assert(strncmp(got, "a\xef\xbf\xbd", 4) == 0, "row %zu: %s", i, got);
		cr_assert(got[strlen(got) - 1] == 'b', "row %zu: %s", i, got);
		cr_assert(!strstr(got, bad[i]), "row %zu: %s", i, got);
		free(got);
	}
}

/* Three cases: one that is well, one that is not, one that was skipped; with hostile words. */
enum { N = 3 };
static const char EVIL[] = "# SKIP not \\ really <a href='x'>&\"]]> \x1b[31m";

static struct lab_case cases[N] = {
	{.name = "first", .title = "goes well", .group = "A"},
	{.name = "second", .title = EVIL, .group = "B"},
	{.name = "third", .title = "would go well", .group = "A"},
};

static void make_results(struct case_result *r)
{
	for (size_t i = 0; i < N; i++)
		r[i] = (struct case_result){.c = &cases[i],
					    .case_index = (int)i,
					    .begin_ns = 1000000000,
					    .end_ns = 1250000000};
	case_result_check(&r[0], CHECK_WIRE, true, "ethertype", "0x0800", "0x0800");
	case_result_check(&r[1], CHECK_API, true, "connect", "ok", "ok");
	case_result_check(&r[1], CHECK_WIRE, false, EVIL, "0x0800\nok 9 - injected", EVIL);
	case_result_check(&r[1], CHECK_KERNEL, false, "family", "AF_INET", "AF_INET6");
	case_result_end(&r[2], CASE_SKIPPED, "it needs # root");
}

static void free_results(struct case_result *r)
{
	for (size_t i = 0; i < N; i++)
		case_result_free(&r[i]);
}

static int print_tap(FILE *out, const void *arg)
{
	return tap_print(arg, N, "", out);
}

static int print_junit(FILE *out, const void *arg)
{
	junit_print(arg, N, "", out);
	return 0;
}

/* One line of YAML in the diagnostics: KEY: "a JSON string". Returns the value, to be freed. */
static char *yaml_value(const char *line, const char *key)
{
	const char *at = strstr(line, key);
	json_t *value;
	char *text;

	cr_assert(at && strncmp(at + strlen(key), ": ", 2) == 0, "%s", line);
	value = json_loads(at + strlen(key) + 2, JSON_DECODE_ANY, NULL);
	cr_assert(json_is_string(value), "%s", line);
	text = strdup(json_string_value(value));
	json_decref(value);
	return text;
}

/* Line by line what TAP 14 allows and nothing else. */
Test(case_report, tap_is_strictly_tap)
{
	static const char *const lines[] = {
		"TAP version 14",
		"1..3",
		"ok 1 - first: goes well",
		"not ok 2 - second: \\# SKIP not \\\\ really <a href='x'>&\"]]>  [31m",
		"  ---",
		NULL, /* message */
		"  checks:",
		"    - view: \"wire\"",
		NULL, /* what */
		NULL, /* want */
		NULL, /* got */
		"    - view: \"kernel\"",
		"      what: \"family\"",
		"      want: \"AF_INET\"",
		"      got: \"AF_INET6\"",
		"  ...",
		"ok 3 - third: would go well # SKIP it needs \\# root",
	};
	struct case_result r[N];
	char *text, *save = NULL, *line, *value;
	size_t n = 0;

	make_results(r);
	text = caught(print_tap, r);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
		cr_assert(n < sizeof(lines) / sizeof(lines[0]), "too many lines: %s", line);
		if (lines[n])
			cr_assert_str_eq(line, lines[n], "line %zu", n + 1);
		else if (n == 8 || n == 10) {
			value = yaml_value(line, n == 8 ? "what" : "got");
			cr_assert_str_eq(value, EVIL);
			free(value);
		} else if (n == 9) {
			value = yaml_value(line, "want");
			cr_assert_str_eq(value, "0x0800\nok 9 - injected");
			free(value);
		}
	}
	cr_assert(n == sizeof(lines) / sizeof(lines[0]), "%zu lines", n);
	free(text);
	free_results(r);
}

/* A second opinion on well-formedness, where there is one: Python's XML parser reads it. */
static char *python(const char *script, const char *input)
{
	char path[] = "/tmp/dualwire-junit-XXXXXX", command[512], *out = calloc(1, 4096);
	int fd = mkstemp(path);
	FILE *p;
	size_t n;

	cr_assert(fd >= 0 && out);
	cr_assert(write(fd, input, strlen(input)) == (ssize_t)strlen(input));
	close(fd);
	snprintf(command, sizeof(command), "python3 -c '%s' <%s 2>&1", script, path);
	p = popen(command, "r");
	cr_assert(p);
	n = fread(out, 1, 4095, p);
	out[n] = '\0';
	pclose(p);
	unlink(path);
	return out;
}

Test(case_report, junit_is_xml_and_says_what_happened)
{
	static const char SCRIPT[] =
		"import sys, xml.etree.ElementTree as E\n"
		"r = E.parse(sys.stdin).getroot()\n"
		"print(r.tag, r.get(\"tests\"), r.get(\"failures\"), r.get(\"skipped\"), "
		"r.get(\"time\"))\n"
		"for s in r:\n"
		"  print(s.tag, s.get(\"name\")[0], s.get(\"tests\"), s.get(\"failures\"), "
		"s.get(\"skipped\"))\n"
		"  for c in s: print(c.get(\"classname\"), c.get(\"name\"), c.get(\"time\"), "
		"[x.tag for x in c], (c.find(\"failure\").get(\"message\") if c.find(\"failure\") "
		"is "
		"not None else \"\").count(\"<a href=\"))\n";
	struct case_result r[N];
	char *text, *got;

	if (system("python3 -c 'import xml.etree' >/dev/null 2>&1") != 0) {
		fprintf(stderr, "[SKIP] no python3: JUnit is not read by a parser\n");
		cr_skip_test("no python3");
	}
	make_results(r);
	text = caught(print_junit, r);
	got = python(SCRIPT, text);
	cr_assert_str_eq(got,
			 "testsuites 3 1 1 0.750\n"
			 "testsuite A 2 0 1\n"
			 "dualwire.lab.A first 0.250 ['system-out'] 0\n"
			 "dualwire.lab.A third 0.250 ['skipped', 'system-out'] 0\n"
			 "testsuite B 1 1 0\n"
			 "dualwire.lab.B second 0.250 ['failure', 'system-out'] 2\n",
			 "%s\n%s", got, text);
	free(got);
	free(text);
	free_results(r);
}
