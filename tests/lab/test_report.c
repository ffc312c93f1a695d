/* SPDX-License-Identifier: MIT */
/* test_report.c - what a lab run leaves for people and for CI, from the program itself */
#include "t_json.h"
#include "t_program.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[256];

static void prepare(void)
{
	program_dir_make(dir, sizeof(dir));
}

static void clean_up(void)
{
	program_dir_remove(dir);
}

TestSuite(report, .init = prepare, .fini = clean_up);

static void run_well(const struct program_how *how, const char *const *args,
		     struct program_result *r)
{
	program_run(r, how, args);
	cr_assert(r->exit_code == 0, "%s: exit code %d\n%s", program_line(args), r->exit_code,
		  r->err);
}

/* The ladder. */

Test(report, a_ladder_takes_the_six_steps_and_is_drawn_again_from_the_evidence)
{
	const char *const lab[] = {"lab", "--ladder", "-e", "run.json", "tcp-ipv4-to-dual", NULL};
	const char *const judge[] = {"judge", "--ladder", "run.json", NULL};
	static const char *const said[] = {
		"|-- 0x0800 IPv4  SYN  seq 0 mss 1460 ---",
		"1  client program: connects an AF_INET socket to 198.51.100.2:",
		"2  wire: arrives as an IPv4 datagram, EtherType 0x0800\n",
		"3  server kernel: TCP finds the AF_INET6 listener [::]:",
		"4  server kernel: the addresses are mapped: it keeps an AF_INET6 socket,",
		"--- 0x0800 IPv4  SYN ACK  seq 0 ack 1 mss 1460 --|  5  wire: the SYN/ACK goes",
		"6  server program: accept returns [::ffff:198.51.100.1]:",
	};
	struct program_how how = {.dir = dir};
	struct program_result first, second;
	const char *at;

	run_well(&how, lab, &first);
	at = first.out;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		const char *next = strstr(at, said[i]);

		cr_assert(next, "missing after the others: %s in\n%s", said[i], first.out);
		at = next;
	}
	run_well(&how, judge, &second);
	*strstr(first.out, "\n1 of 1 cases ended as expected.") = '\0';
	*strstr(second.out, "\n1 connection, every case as expected") = '\0';
	cr_assert_str_eq(first.out, second.out);
	program_result_free(&first);
	program_result_free(&second);
}

static const char *name_of(const json_t *one)
{
	return json_string_value(json_object_get(one, "name"));
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* For CI. */

Test(report, tap_and_junit_have_a_point_for_each_case)
{
	const char *const tap[] = {"lab", "--tap", "--junit", "lab.xml", "tcp-listen-*", NULL};
	const char *const list[] = {"lab", "--list", "tcp-listen-*", NULL};
	struct program_how how = {.dir = dir};
	struct program_result r, names;
	size_t cases, len;
	char plan[32], *xml;

	run_well(&how, list, &names);
	cases = count(names.out, "\n   tcp-") + (strncmp(names.out, "   tcp-", 7) == 0);
	cr_assert(cases > 5, "%s", names.out);
	run_well(&how, tap, &r);
	snprintf(plan, sizeof(plan), "TAP version 14\n1..%zu\n", cases);
	cr_assert(strncmp(r.out, plan, strlen(plan)) == 0, "%s", r.out);
	cr_assert(count(r.out, "\nok ") == cases && !strstr(r.out, "not ok"), "%s", r.out);
	xml = program_read_file(dir, "lab.xml", &len);
	cr_assert(count(xml, "<testcase ") == cases && !strstr(xml, "<failure"), "%s", xml);
	free(xml);
	program_result_free(&r);
	program_result_free(&names);
}

/* Evidence by case. */

/* Runs a command of somebody else's; -1: it is not installed. Returns lines of output. */
static long lines_of(const char *command)
{
	FILE *p = popen(command, "r");
	long n = 0;
	int c;

	cr_assert(p);
	while ((c = fgetc(p)) != EOF)
		n += c == '\n';
	return pclose(p) == 0 ? n : -1;
}

static size_t frames_without_canaries(const json_t *evidence)
{
	const json_t *frames = json_object_get(evidence, "frames"), *f;
	size_t i, n = 0;

	json_array_foreach (frames, i, f) {
		n += json_object_get(f, "canary") == NULL;
	}
	return n;
}

/* With any one frame of its own taken out, the case's evidence proves its case no more. */
static void expect_missed(const char *sub, json_t *evidence, bool confirmed)
{
	const char *const judge[] = {"judge", "-q", "edited.json", NULL};
	struct program_how how = {.dir = sub};
	json_t *frames = json_object_get(evidence, "frames");
	struct program_result r;
	char path[600];

	json_array_remove(frames, json_array_size(frames) / 2);
	snprintf(path, sizeof(path), "%s/edited.json", sub);
	cr_assert(json_dump_file(evidence, path, 0) == 0);
	program_run(&r, &how, judge);
	cr_assert(!confirmed || r.exit_code == 2, "%s: exit %d", sub, r.exit_code);
	program_result_free(&r);
	unlink(path);
}

static void expect_case_files(const json_t *one, bool tshark)
{
	const char *const judge[] = {"judge", "-q", "evidence.json", NULL};
	struct program_how how;
	struct program_result r;
	char sub[512], command[800], *text;
	json_t *evidence, *result;
	size_t len, frames;

	snprintf(sub, sizeof(sub), "%s/all/%s", dir, name_of(one));
	how = (struct program_how){.dir = sub};
	cr_assert(program_dir_count(sub) == 4, "%s: %zu files", sub, program_dir_count(sub));
	run_well(&how, judge, &r);
	program_result_free(&r);
	text = program_read_file(sub, "result.json", &len);
	result = t_json_parse(text);
	cr_assert(json_equal(result, one), "%s", text);
	json_decref(result);
	free(text);
	text = program_read_file(sub, "evidence.json", &len);
	evidence = t_json_parse(text);
	frames = frames_without_canaries(evidence);
	free(text);
	text = program_read_file(sub, "ladder.txt", &len);
	cr_assert(strstr(text, name_of(one)), "%s", text);
	free(text);
	if (tshark) {
		snprintf(command, sizeof(command),
			 "tshark -r %s/capture.pcapng -T fields -e eth.type 2>/dev/null", sub);
		cr_assert(lines_of(command) == (long)frames, "%s: tshark reads %ld of %zu frames",
			  sub, lines_of(command), frames);
	}
	expect_missed(sub, evidence,
		      strcmp(json_string_value(json_object_get(one, "verdict")), "confirmed") == 0);
	json_decref(evidence);
}

Test(report, each_case_has_evidence_that_stands_by_itself)
{
	const char *const lab[] = {"lab",	 "-J",	       "--evidence-dir",     "all",
				   "tcp-*-to-*", "udp-*-to-*", "setting-bindv6only", NULL};
	bool tshark = system("tshark --version >/dev/null 2>&1") == 0;
	struct program_how how = {.dir = dir};
	const json_t *cases, *one;
	struct program_result r;
	char all[300];
	json_t *doc;
	size_t i;

	if (!tshark)
		fprintf(stderr, "[SKIP] no tshark: captures are not read by it\n");
	run_well(&how, lab, &r);
	doc = t_json_parse(r.out);
	cases = json_object_get(doc, "cases");
	snprintf(all, sizeof(all), "%s/all", dir);
	cr_assert(json_array_size(cases) > 0 && program_dir_count(all) == json_array_size(cases));
	json_array_foreach (cases, i, one) {
		expect_case_files(one, tshark);
	}
	json_decref(doc);
	program_result_free(&r);
}

/* The page. */

static const char EVIL_CASES[] = "[evil-title]\n"
				 "title   = </span><script>window.pwned=1</script><img src=x "
				 "onerror=\"window.pwned=1\"> 'q' & \n"
				 "group   = own\n"
				 "source  = \"><script>window.pwned=1</script>\n"
				 "step    =\n"
				 "    c socket udp4\n";

static const char EVIL_TITLE[] =
	"</span><script>window.pwned=1</script><img src=x onerror=\"window.pwned=1\"> 'q' &";

static size_t size_at(const json_t *o, const char *key)
{
	return json_array_size(json_object_get(o, key));
}

static json_int_t number(const json_t *o, const char *key)
{
	cr_assert(json_is_integer(json_object_get(o, key)), "no number %s", key);
	return json_integer_value(json_object_get(o, key));
}

static const char *word(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	const char *s = json_string_value(json_is_array(v) ? json_array_get(v, 0) : v);

	return s ? s : "";
}

/* What a reader with a browser finds; the browser is driven by report_page.js. */
static json_t *read_page(void)
{
	char command[700], *text = calloc(1, 1 << 20);
	size_t len = 0, n;
	FILE *p;
	json_t *o;

	snprintf(command, sizeof(command), "node tests/lab/report_page.js %s/lab.html", dir);
	p = popen(command, "r");
	cr_assert(p && text);
	while ((n = fread(text + len, 1, (1 << 20) - 1 - len, p)) > 0)
		len += n;
	cr_assert(pclose(p) == 0, "%s", command);
	o = t_json_parse(text);
	free(text);
	return o;
}

/* Listeners against clients: each attempt says what became of it and, where frames were sent, how
 * they travelled. */
static void expect_matrix(const json_t *found)
{
	const json_t *list = json_object_get(found, "attempts"), *a;
	size_t i, v4 = 0, v6 = 0, mapped = 0, refused = 0;

	json_array_foreach (list, i, a) {
		const char *text = json_string_value(a);

		v4 += strstr(text, "0x0800 IPv4, MSS 1460") != NULL;
		v6 += strstr(text, "0x86dd IPv6, MSS 1440") != NULL;
		mapped += strstr(text, "connected\naccept: ::ffff:198.51.100.1") != NULL;
		refused += strncmp(text, "ECONNREFUSED", 12) == 0;
		cr_assert(strcmp(text, "not tried") != 0);
	}
	cr_assert(number(found, "rows") == 8 && i == 40, "%zu attempts", i);
	cr_assert(v4 == 16 && v6 == 8, "%zu by IPv4, %zu by IPv6", v4, v6);
	cr_assert(mapped == 6 && refused == 11, "%zu mapped, %zu refused", mapped, refused);
}

static void expect_reading(const json_t *found, size_t cases)
{
	char opened[128];
	const json_t *ladder = json_object_get(found, "ladder"), *titles, *t;
	bool evil = false;
	size_t i;

	cr_assert(size_at(found, "errors") == 0, "%s", word(found, "errors"));
	cr_assert(size_at(found, "requests") == 1, "it asked for more than itself: %s",
		  json_dumps(json_object_get(found, "requests"), 0));
	cr_assert(number(found, "cells") == (json_int_t)cases);
	cr_assert(number(found, "dialogs") == (json_int_t)cases);
	cr_assert(number(found, "printed") == (json_int_t)cases);
	expect_matrix(found);
	cr_assert(number(found, "foreign") == 0, "a text has become markup");
	cr_assert(number(found, "overflow") == 0, "wider than the window");
	snprintf(opened, sizeof(opened), "case-%s", word(found, "clicked"));
	cr_assert(size_at(found, "opened") == 1);
	cr_assert_str_eq(word(found, "opened"), opened);
	cr_assert(json_number_value(json_object_get(ladder, "width")) > 600 &&
		  json_number_value(json_object_get(ladder, "height")) > 100);
	cr_assert(number(ladder, "arrows") > 1 && size_at(ladder, "steps") >= 5);
	cr_assert(strstr(word(ladder, "text"), "0x"), "%s", word(ladder, "text"));
	cr_assert(size_at(found, "outside") == 0, "leaves its drawing: %s", word(found, "outside"));
	cr_assert(size_at(found, "overlaps") == 0, "%s", word(found, "overlaps"));
	cr_assert(json_is_true(json_object_get(found, "closed")));
	cr_assert_str_eq(word(found, "focus"), word(found, "clicked"));
	cr_assert_str_eq(word(found, "by_key"), opened);
	cr_assert(size_at(found, "next") == 1 && strcmp(word(found, "next"), opened) != 0);
	snprintf(opened, sizeof(opened), "case-%s", word(found, "focus_next"));
	cr_assert_str_eq(word(found, "next"), opened);
	cr_assert_str_eq(word(found, "reopened"), word(found, "next"));
	cr_assert(strstr(word(found, "policy"), "default-src 'none';"), "%s",
		  word(found, "policy"));
	cr_assert(number(found, "filtered") >= 1 && number(found, "filtered") < (json_int_t)cases);
	cr_assert_str_neq(word(found, "light"), word(found, "dark"));
	titles = json_object_get(found, "titles");
	json_array_foreach (titles, i, t) {
		evil |= strcmp(json_string_value(t), EVIL_TITLE) == 0;
	}
	cr_assert(evil, "the hostile title is not there as it was written");
}

Test(report, the_page_has_a_cell_for_each_case_and_a_click_opens_a_ladder, .timeout = 120)
{
	const char *const lab[] = {"lab",     "-J",	   "--report", "lab.html",
				   "--cases", "evil.ini",  "evil-*",   "tcp-*",
				   "udp-*",   "address-*", NULL};
	struct program_how how = {.dir = dir};
	struct program_result r;
	json_t *doc, *found;

	if (system("chromium --version >/dev/null 2>&1") != 0)
		program_skip("no chromium: nobody reads the page");
	if (system("node --version >/dev/null 2>&1") != 0)
		program_skip("no node: nobody drives the browser");
	program_write_file(dir, "evil.ini", EVIL_CASES, strlen(EVIL_CASES));
	program_run(&r, &how, lab);
	cr_assert(r.exit_code != 3 && r.exit_code != 64, "exit %d: %s", r.exit_code, r.err);
	doc = t_json_parse(r.out);
	found = read_page();
	expect_reading(found, json_array_size(json_object_get(doc, "cases")));
	json_decref(found);
	json_decref(doc);
	program_result_free(&r);
}

/* A place that cannot be written to is found before the work, and nothing is left of the others. */
Test(report, places_that_cannot_be_written_to_are_found_at_once)
{
	static const struct {
		const char *args[8];
		int exit_code;
		const char *text;
	} rows[] = {
		{{"lab", "--junit", "missing/x.xml", NULL}, 3, "'missing/x.xml'"},
		{{"lab", "--report", ".", NULL}, 3, "Is a directory"},
		{{"lab", "--evidence-dir", "file", NULL}, 3, "'file': Not a directory"},
		{{"lab", "--evidence-dir", "missing/sub", NULL}, 3, "'missing/sub'"},
		{{"lab", "--junit", "good.xml", "--report", "missing/x.html", NULL},
		 3,
		 "'missing/x.html'"},
		{{"lab", "--tap", "-J", NULL}, 64, "exclude each other"},
		{{"lab", "--junit", NULL}, 64, "needs a value"},
	};
	struct program_how how = {.dir = dir};
	struct program_result r;

	program_write_file(dir, "file", "", 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		program_run(&r, &how, rows[i].args);
		cr_assert(r.exit_code == rows[i].exit_code && strstr(r.err, rows[i].text),
			  "%s: exit %d: %s", program_line(rows[i].args), r.exit_code, r.err);
		cr_assert(program_count_lines(r.err) == 1 && r.out_len == 0, "%s", r.err);
		cr_assert(r.ms < 1000, "%s took %u ms", program_line(rows[i].args), r.ms);
		program_result_free(&r);
	}
	cr_assert(program_dir_count(dir) == 1, "%zu entries", program_dir_count(dir));
}
