/* SPDX-License-Identifier: MIT */
/* test_lab_bypass.c - the cases with the server's kernel replaced by our own stack */
#include "t_json.h"
#include "t_program.h"

#include <criterion/criterion.h>
#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PATIENCE_MS = 90000,
	CONTRADICTED = 1,
	INCONCLUSIVE = 2,
	USAGE = 64,
	PLAYED_MIN = 90, /* of all cases, as an ordinary user as well */
};

static char dir[256];

static void prepare(void)
{
	program_dir_make(dir, sizeof(dir));
}

static void clean_up(void)
{
	program_dir_remove(dir);
}

TestSuite(lab_bypass, .init = prepare, .fini = clean_up, .timeout = 120);

/* --- the whole suite --- */

/* What no change may take away from those that are played, and how each is judged. */
static const struct {
	const char *pattern;
	size_t n;
	const char *verdict; /* NULL: whatever it is expected to be */
} PLAYED[] = {
	{"tcp-*-to-*", 6, "confirmed"},
	{"tcp-listen-*", 9, NULL},
	{"udp-*-to-dual", 3, "confirmed"},
	{"udp-listen-*", 2, "confirmed"},
	{"bind-*", 10, NULL},
	{"gets-*", 11, NULL},
	{"forged-*", 10, NULL},
	{"tcp-reused-*", 7, NULL},
};

/* The kernel of that host has no socket, and the connection is judged all the same. */
static void expect_connections(const json_t *c)
{
	const json_t *list = json_object_get(c, "connections"), *each;
	size_t i;

	json_array_foreach (list, i, each) {
		const json_t *server = json_object_get(each, "server");
		const json_t *kernel = json_object_get(each, "kernel");

		cr_assert_str_eq(t_json_text(server, "stack"), "user space", "%s",
				 t_json_text(c, "name"));
		cr_assert(json_is_null(json_object_get(server, "kernel")), "%s",
			  t_json_text(c, "name"));
		cr_assert(json_is_null(kernel) ||
				  strcmp(t_json_text(kernel, "side"), "client") == 0,
			  "%s", t_json_text(c, "name"));
	}
}

/* Returns how many of its checks were left out; each says why. */
static size_t expect_checks(const json_t *c)
{
	const json_t *checks = json_object_get(c, "checks"), *check;
	size_t i, left_out = 0;

	json_array_foreach (checks, i, check) {
		if (!json_is_true(json_object_get(check, "left_out")))
			continue;
		left_out++;
		cr_assert_str_eq(t_json_text(check, "view"), "mib");
		cr_assert(strstr(t_json_text(check, "got"), "not asked"), "%s",
			  t_json_text(check, "got"));
	}
	cr_assert(left_out < i, "%s: nothing is checked", t_json_text(c, "name"));
	return left_out;
}

static void count_played(const json_t *c, size_t seen[])
{
	for (size_t i = 0; i < sizeof(PLAYED) / sizeof(PLAYED[0]); i++) {
		if (fnmatch(PLAYED[i].pattern, t_json_text(c, "name"), 0) != 0)
			continue;
		seen[i]++;
		if (PLAYED[i].verdict)
			cr_assert_str_eq(t_json_text(c, "verdict"), PLAYED[i].verdict, "%s",
					 t_json_text(c, "name"));
	}
}

static void expect_suite(const struct program_result *r)
{
	json_t *o = t_json_parse(r->out);
	const json_t *cases = json_object_get(o, "cases"), *c;
	size_t i, left_out = 0, seen[sizeof(PLAYED) / sizeof(PLAYED[0])] = {0};

	cr_assert(r->exit_code == 0 && r->err_len == 0, "exit %d: %s", r->exit_code, r->err);
	cr_assert(strncmp(t_json_text(o, "engine"), "bypass: ", 8) == 0, "%s",
		  t_json_text(o, "engine"));
	json_array_foreach (cases, i, c) {
		const char *status = t_json_text(c, "status");

		if (strcmp(status, "passed") != 0) {
			cr_assert(strcmp(status, "not-applicable") == 0 ||
					  strcmp(status, "skipped") == 0,
				  "%s: %s", t_json_text(c, "name"), t_json_text(c, "why"));
			cr_assert(*t_json_text(c, "why"), "%s: why?", t_json_text(c, "name"));
			continue;
		}
		left_out += expect_checks(c);
		expect_connections(c);
		count_played(c, seen);
	}
	cr_assert(t_json_count(o, "failed") == 0);
	cr_assert(t_json_count(o, "passed") >= PLAYED_MIN, "%lld cases were played",
		  t_json_count(o, "passed"));
	cr_assert(t_json_count(o, "passed") + t_json_count(o, "skipped") +
			  t_json_count(o, "not_applicable") ==
		  (json_int_t)i);
	cr_assert(left_out > 0 && t_json_count(o, "left_out") == (json_int_t)left_out);
	for (i = 0; i < sizeof(PLAYED) / sizeof(PLAYED[0]); i++)
		cr_assert(seen[i] >= PLAYED[i].n, "%zu cases of %s were played", seen[i],
			  PLAYED[i].pattern);
	json_decref(o);
}

/* As we are, and beside it as an ordinary user: neither knows of the other. */
Test(lab_bypass, every_case_that_applies_passes_and_the_others_say_why_not)
{
	const char *const args[] = {"lab", "-J", "--engine", "bypass", NULL};
	struct program_result r[2];

	program_run_beside_ordinary(args, PATIENCE_MS, r);
	for (int i = 0; i < 2; i++) {
		expect_suite(&r[i]);
		program_result_free(&r[i]);
	}
}

/* --- what differs on purpose --- */

Test(lab_bypass, what_differs_on_purpose_says_why)
{
	const char *const args[] = {"lab", "-J", "--engine", "bypass", "udp-forged-mapped", NULL};
	const char *const kernel[] = {"lab", "-J", "udp-forged-mapped", NULL};
	struct program_result r;
	const json_t *c;
	json_t *o;

	program_run(&r, NULL, args);
	cr_assert(r.exit_code == 0, "exit %d: %s%s", r.exit_code, r.out, r.err);
	o = t_json_parse(r.out);
	c = json_array_get(json_object_get(o, "cases"), 0);
	cr_expect(strstr(t_json_text(c, "differs"), "the stack drops"), "%s",
		  t_json_text(c, "differs"));
	/* The datagram came, and nobody took it: there is nothing to contradict. */
	cr_expect_str_eq(t_json_text(c, "verdict"), "inconclusive");
	json_decref(o);
	program_result_free(&r);
	program_run(&r, NULL, kernel);
	o = t_json_parse(r.out);
	c = json_array_get(json_object_get(o, "cases"), 0);
	cr_expect_str_eq(t_json_text(c, "verdict"), "contradicted");
	cr_expect(json_is_null(json_object_get(c, "differs")));
	json_decref(o);
	program_result_free(&r);
}

static void write_cases(const char *text)
{
	program_write_file(dir, "own.ini", text, strlen(text));
}

/* Addresses that a case gives the server's host are the stack's, in whichever way it serves. */
Test(lab_bypass, further_addresses_are_the_stack_s)
{
	static const char own[] =
		"[engine]\ntitle = t\naddress = server 198.51.100.77/24\nserver = tcp [::]:P\n"
		"address = server 2001:db8:1::77/64\nstep =\n"
		"    c socket tcp6\n    c connect m(198.51.100.77):P\n    c talk\n"
		"    d socket tcp6\n    d connect [2001:db8:1::77]:P\n    d talk\n"
		"expect = served c: local m(198.51.100.77)\n"
		"expect = kernel server c: family AF_INET6\n"
		"[sockets]\ntitle = t\naddress = server 198.51.100.77/24\nstep =\n"
		"    s socket tcp6 server\n    s bind m(198.51.100.77):P\n    s listen\n"
		"    c socket tcp4\n    c connect 198.51.100.77:P\n    s accept a -> m(C4)\n";
	const char *const args[] = {"lab", "--engine", "bypass", "--cases", "own.ini", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;

	write_cases(own);
	program_run(&r, &how, args);
	cr_assert(r.exit_code == 0 && r.err_len == 0, "exit %d: %s%s", r.exit_code, r.out, r.err);
	program_result_free(&r);
}

/* --- sabotage --- */

#define LISTENING                                                                                  \
	"    l socket tcp6 server\n    l set IPV6_V6ONLY 0\n    l bind [::]:P\n    l listen\n"     \
	"    c socket tcp6\n    c bind m(C4):P+1\n    c connect m(S4):P\n    l accept a\n"
#define RECEIVING                                                                                  \
	"    s socket udp6 server\n    s set IPV6_V6ONLY 0\n    s bind [::]:P\n"                   \
	"    c socket udp6\n    c bind m(C4):P+1\n    c connect m(S4):P\n    c send 5\n"           \
	"    s recv -> from m(C4)\n"

/*
 * On the server's host somebody sends what a faulty stack would: none may end as expected. @verdict
 * of the case, and what must be said of it.
 */
static const struct {
	const char *name, *steps, *verdict, *says;
} FAULTY[] = {
	{"answers-in-ipv6-tcp", LISTENING "    inject server ipv6 syn from m(S4):P to m(C4):P+1\n",
	 "contradicted", "carriage_other"},
	{"answers-in-ipv6-udp",
	 RECEIVING "    inject server ipv6 udp from m(S4):P to m(C4):P+1 \"x\"\n", "contradicted",
	 "carriage_other"},
	{"ethertype-of-ipv6",
	 RECEIVING "    inject server ipv4 udp from S4:P to C4:P+1 ethertype 0x86dd \"x\"\n",
	 "contradicted", "ethertype_version_mismatch"},
};

Test(lab_bypass, a_stack_that_answers_in_the_wrong_family_is_contradicted)
{
	const char *const args[] = {"lab", "-J", "--engine", "bypass", "--cases", "own.ini", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;
	const json_t *cases;
	char text[4096] = "";
	json_t *o;

	for (size_t i = 0; i < sizeof(FAULTY) / sizeof(FAULTY[0]); i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "[%s]\ntitle = t\nstep =\n%s", FAULTY[i].name, FAULTY[i].steps);
	write_cases(text);
	program_run(&r, &how, args);
	cr_assert(r.exit_code == CONTRADICTED && r.err_len == 0, "exit %d: %s", r.exit_code, r.err);
	o = t_json_parse(r.out);
	cases = json_object_get(o, "cases");
	for (size_t i = 0; i < sizeof(FAULTY) / sizeof(FAULTY[0]); i++) {
		const json_t *c = json_array_get(cases, i);
		char *whole = json_dumps(c, JSON_COMPACT);

		cr_expect_str_eq(t_json_text(c, "status"), "failed", "%s", FAULTY[i].name);
		cr_expect_str_eq(t_json_text(c, "verdict"), FAULTY[i].verdict, "%s",
				 FAULTY[i].name);
		cr_expect(whole && strstr(whole, FAULTY[i].says), "%s: %s", FAULTY[i].name, whole);
		free(whole);
	}
	json_decref(o);
	program_result_free(&r);
}

static void save_json(const json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	cr_assert(text);
	program_write_file(dir, "edited.json", text, strlen(text));
	free(text);
}

/* Judges it again, and looks for @reason where there is one. Returns the exit code. */
static int judge_edited(const json_t *evidence, const char *reason)
{
	const char *const args[] = {"judge", "-J", "edited.json", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;
	int rc;

	save_json(evidence);
	program_run(&r, &how, args);
	cr_assert(r.err_len == 0, "%s", r.err);
	cr_expect(!reason || strstr(r.out, reason), "%s", r.out);
	rc = r.exit_code;
	program_result_free(&r);
	return rc;
}

/* A socket of the client's kernel, turned into the one that the server's would have. */
static json_t *seen_from_the_server(const json_t *k)
{
	json_t *o = json_deep_copy(k);

	cr_assert(o && json_object_set_new(o, "tap", json_integer(1)) == 0);
	json_object_set(o, "src", json_object_get(k, "dst"));
	json_object_set(o, "src_port", json_object_get(k, "dst_port"));
	json_object_set(o, "dst", json_object_get(k, "src"));
	json_object_set(o, "dst_port", json_object_get(k, "src_port"));
	return o;
}

/* The server's kernel is not asked, but the wire, the programs and the client's kernel are. */
Test(lab_bypass, evidence_without_any_one_frame_or_view_proves_nothing)
{
	const char *const lab[] = {"lab", "-q",	      "--engine",	    "bypass",
				   "-e",  "run.json", "tcp-mapped-to-dual", "udp-native-to-dual",
				   NULL};
	const struct program_how how = {.dir = dir};
	json_t *evidence, *frames, *kernel;
	struct program_result r;
	size_t len;
	char *text;

	program_run(&r, &how, lab);
	cr_assert(r.exit_code == 0, "exit %d: %s", r.exit_code, r.err);
	program_result_free(&r);
	text = program_read_file(dir, "run.json", &len);
	evidence = t_json_parse(text);
	cr_assert(judge_edited(evidence, NULL) == 0);
	frames = json_object_get(evidence, "frames");
	cr_assert(json_array_size(frames) > 20);
	for (size_t k = 0; k < json_array_size(frames); k++) {
		json_t *gone = json_incref(json_array_get(frames, k));

		cr_assert(json_array_remove(frames, k) == 0);
		cr_expect(judge_edited(evidence, NULL) == INCONCLUSIVE, "without frame %zu", k);
		cr_assert(json_array_insert_new(frames, k, gone) == 0);
	}
	kernel = json_object_get(evidence, "kernel");
	cr_assert(json_array_append_new(kernel, seen_from_the_server(json_array_get(kernel, 0))) ==
		  0);
	cr_expect(judge_edited(evidence, "\"cookie_mismatch\"") == INCONCLUSIVE,
		  "with a socket of the server's kernel");
	/* And without the client's kernel nobody's kernel is left. */
	json_array_clear(kernel);
	cr_expect(judge_edited(evidence, "\"kernel_missing\"") == INCONCLUSIVE,
		  "without any kernel");
	json_decref(evidence);
	free(text);
}

/* --- what it says --- */

Test(lab_bypass, what_does_not_apply_is_said_everywhere)
{
	const char *const rows[][10] = {
		{"lab", "--engine", "bypass", "--tap", "tcp-listen-dual", "setting-syncookies",
		 "--junit", "out.xml", NULL},
		{"lab", "--engine", "bypass", "tcp-listen-dual", "setting-syncookies", "--report",
		 "out.html", NULL},
		{"lab", "--engine", "bypass", "--list", "tcp-listen-dual", "setting-syncookies",
		 NULL},
		{"lab", "--engine", "bypass", "--list", "-J", "tcp-listen-dual",
		 "setting-syncookies", NULL},
	};
	const struct program_how how = {.dir = dir};
	const char *const files[] = {"out.xml", "out.html"};
	struct program_result r;
	size_t len;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		program_run(&r, &how, rows[i]);
		cr_assert(r.exit_code == 0 && r.err_len == 0, "%s: exit %d: %s",
			  program_line(rows[i]), r.exit_code, r.err);
		cr_expect(strstr(r.out, "it sets net.ipv4.tcp_syncookies of the server's kernel"),
			  "%s: %s", program_line(rows[i]), r.out);
		cr_expect(i != 0 || strstr(r.out, "# server: bypass"), "%s", r.out);
		cr_expect(i != 0 || strstr(r.out, "# SKIP does not apply"), "%s", r.out);
		program_result_free(&r);
	}
	for (size_t i = 0; i < 2; i++) {
		char *text = program_read_file(dir, files[i], &len);

		cr_expect(strstr(text, "bypass: sockets of the user-space stack"), "%s", files[i]);
		cr_expect(strstr(text, "net.ipv4.tcp_syncookies of the server"), "%s", files[i]);
		free(text);
	}
}

Test(lab_bypass, a_case_that_does_not_apply_proves_nothing)
{
	const char *const args[] = {"lab", "--engine", "bypass", "setting-syncookies", NULL};
	struct program_result r;

	program_run(&r, NULL, args);
	cr_assert(r.exit_code == INCONCLUSIVE && r.err_len == 0, "exit %d: %s", r.exit_code, r.err);
	cr_expect(strstr(r.out, "0 of 0 cases ended as expected, 1 do not apply to engine bypass"),
		  "%s", r.out);
	program_result_free(&r);
}

/* Why each does not apply, case by case: a person's own are told, too. */
static const struct {
	const char *name, *lines, *why;
} REFUSED[] = {
	{"both", "server = tcp [::]:P\nstep = s socket udp6 server\n", "two stacks on one link"},
	{"option", "step =\n    s socket tcp6 server\n    s set SO_MARK 1\n", "no SO_MARK"},
	{"raw", "step = s socket raw6 server\n", "no raw6 sockets"},
	{"mptcp", "step = s socket mptcp6 server\n", "no mptcp6 sockets"},
	{"loopback", "address = server 198.51.100.9/32 lo\nstep = c socket tcp6\n", "loopback"},
	{"mapped", "address = server m(198.51.100.9)/128\nstep = c socket tcp6\n", "::ffff:"},
	{"route", "route = server 192.0.2.0/24 link\nstep = c socket tcp6\n", "routes in"},
	{"sysctl", "step = sysctl server net.ipv4.ip_default_ttl 9\n", "net.ipv4.ip_default_ttl"},
	{"nothing", "step = c socket tcp6\n", "nothing in it reaches the server"},
	{"flag", "step =\n    s socket udp6 server\n    s recv MSG_ERRQUEUE -> EAGAIN\n",
	 "MSG_ERRQUEUE"},
	{"talk",
	 "step =\n    s socket tcp6 server\n    s connect C6:P -> ECONNREFUSED\n    s talk\n",
	 "'talk'"},
	{"said", "bypass why = it is so\nstep =\n    c socket udp6\n    c send 1 to S6:P\n",
	 "it is so"},
};

Test(lab_bypass, each_reason_not_to_apply_is_told)
{
	const char *const args[] = {"lab", "--engine", "bypass",  "--list",
				    "-J",  "--cases",  "own.ini", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;
	char text[8192] = "";
	json_t *o;

	for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%s]\ntitle = t\n%s",
			 REFUSED[i].name, REFUSED[i].lines);
	write_cases(text);
	program_run(&r, &how, args);
	cr_assert(r.exit_code == 0 && r.err_len == 0, "exit %d: %s", r.exit_code, r.err);
	o = t_json_parse(r.out);
	for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
		const json_t *c = json_array_get(json_object_get(o, "cases"), i);

		cr_expect(json_is_false(json_object_get(c, "applies")), "%s", REFUSED[i].name);
		cr_expect(strstr(t_json_text(c, "why_not"), REFUSED[i].why), "%s: %s",
			  REFUSED[i].name, t_json_text(c, "why_not"));
	}
	json_decref(o);
	program_result_free(&r);
}
