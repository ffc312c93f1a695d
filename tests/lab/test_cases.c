/* SPDX-License-Identifier: MIT */
/* test_cases.c - the whole suite, a person's own cases, and every kind of check seen to fail */
#include "t_json.h"
#include "t_program.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CASES_MIN = 60, PATIENCE_MS = 90000, USAGE = 64, CONTRADICTED = 1 };

static char dir[256];

static void prepare(void)
{
	program_dir_make(dir, sizeof(dir));
}

static void clean_up(void)
{
	program_dir_remove(dir);
}

TestSuite(cases, .init = prepare, .fini = clean_up, .timeout = 120);

/* Each case passed, or says what it lacks here; none of the machine's own doing. */
static void expect_suite(const struct program_result *r)
{
	json_t *o = t_json_parse(r->out);
	const json_t *cases = json_object_get(o, "cases"), *c;
	size_t i, of_group[8] = {0};

	cr_assert(r->exit_code == 0 && r->err_len == 0, "exit %d: %s", r->exit_code, r->err);
	json_array_foreach (cases, i, c) {
		const char *group = t_json_text(c, "group"), *status = t_json_text(c, "status");
		bool skipped = strcmp(status, "skipped") == 0;

		cr_assert(skipped || strcmp(status, "passed") == 0, "%s: %s",
			  t_json_text(c, "name"), t_json_text(c, "why"));
		if (skipped)
			fprintf(stderr, "%s was skipped: %s\n", t_json_text(c, "name"),
				t_json_text(c, "why"));
		cr_assert(!skipped || *t_json_text(c, "why"), "%s: why?", t_json_text(c, "name"));
		cr_assert(skipped || json_array_size(json_object_get(c, "checks")) > 0,
			  "%s checks nothing", t_json_text(c, "name"));
		if (strlen(group) == 1 && group[0] >= 'A' && group[0] <= 'H')
			of_group[group[0] - 'A']++;
	}
	cr_assert(i >= CASES_MIN, "%zu cases", i);
	cr_assert(t_json_count(o, "failed") == 0);
	cr_assert(t_json_count(o, "passed") + t_json_count(o, "skipped") == (json_int_t)i);
	for (i = 0; i < 8; i++)
		cr_assert(of_group[i] >= 5, "%zu cases of group %c", of_group[i], (char)('A' + i));
	json_decref(o);
}

/* As we are, and beside it as an ordinary user: neither knows of the other. */
Test(cases, two_whole_suites_side_by_side)
{
	const char *const args[] = {"lab", "-J", NULL};
	struct program_result r[2];

	program_run_beside_ordinary(args, PATIENCE_MS, r);
	for (int i = 0; i < 2; i++) {
		expect_suite(&r[i]);
		program_result_free(&r[i]);
	}
}

/* Nothing of a run is left that the next one could stumble over. */
Test(cases, the_same_twice_in_a_row)
{
	const char *const args[] = {
		"lab",	 "-J", "names-dns-dual", "forged-nft-drops", "setting-disable-ipv6",
		"udp-*", NULL};
	struct program_result r;

	for (int i = 0; i < 2; i++) {
		json_t *o;

		program_run(&r, NULL, args);
		cr_assert(r.exit_code == 0 && r.err_len == 0, "%d: exit %d: %s", i, r.exit_code,
			  r.err);
		o = t_json_parse(r.out);
		cr_assert(t_json_count(o, "failed") == 0 && t_json_count(o, "passed") > 15);
		json_decref(o);
		program_result_free(&r);
	}
}

static void write_cases(const char *text)
{
	program_write_file(dir, "own.ini", text, strlen(text));
}

#define MAPPED                                                                                     \
	"step =\n"                                                                                 \
	"    l socket tcp6 server\n    l set IPV6_V6ONLY 0\n    l bind [::]:P\n    l listen\n"     \
	"    c socket tcp6\n    c connect m(S4):P\n    l accept a\n"

/* Cases that expect something else than what happens: each must fail, by one check of its view. */
static const struct {
	const char *name, *lines;
	const char *view, *got;
} DIFFERENT[] = {
	{"result", MAPPED "    c connect m(S4):P -> ok\n", "api", "EISCONN"},
	{"no-error", MAPPED "    c peer -> ENOTCONN\n", "api", "ok"},
	{"address", MAPPED "    c name -> C4\n", "api", "::ffff:198.51.100.1"},
	{"port", MAPPED "    c peer -> m(S4):P+1\n", "api", "::ffff:198.51.100.2 port 7"},
	{"accepted",
	 "step =\n    l socket tcp6 server\n    l bind [::]:P\n    l listen\n"
	 "    c socket tcp6\n    c connect S6:P\n    l accept a -> m(C4)\n",
	 "api", "2001:db8:1::1"},
	{"option", MAPPED "    a get SO_DOMAIN -> AF_INET\n", "api", "10"},
	{"text", MAPPED "    c send \"yes\"\n    a recv -> text \"no\"\n", "api", "yes"},
	{"not-quiet", MAPPED "    c send \"yes\"\n    a quiet within 100\n", "api", "readable"},
	{"message",
	 "step =\n    s socket udp6 server\n    s set IPV6_RECVPKTINFO 1\n"
	 "    s bind [::]:P\n    c socket udp6\n    c connect S6:P\n    c send 5\n"
	 "    s recv -> without IPV6_PKTINFO\n",
	 "api", "2001:db8:1::2"},
	{"no-message",
	 "step =\n    s socket udp6 server\n    s bind [::]:P\n    c socket udp6\n"
	 "    c connect S6:P\n    c send 5\n    s recv -> with IPV6_PKTINFO S6\n",
	 "api", "nothing"},
	{"diag-family", MAPPED "    a diag -> AF_INET\n", "kernel", "AF_INET6"},
	{"diag-state", MAPPED "    a diag -> state LISTEN\n", "kernel", "ESTABLISHED"},
	{"diag-v6only", MAPPED "    l diag -> v6only 1\n", "kernel", "0"},
	{"kernel", MAPPED "expect = kernel server c: family AF_INET\n", "kernel", "AF_INET6"},
	{"kernel-none", MAPPED "    x socket udp6\nexpect = kernel client x: family AF_INET6\n",
	 "kernel", "none"},
	{"served",
	 "server = tcp [::]:P\nstep =\n    c socket tcp4\n    c connect S4:P\n    c talk\n"
	 "    c finish\nexpect = served c: from C4\n",
	 "api", "::ffff:198.51.100.1"},
	{"served-nobody",
	 "server = tcp [::]:P\nstep =\n    c socket tcp4\n    c connect S4:P\n"
	 "    c talk\n    c finish\nexpect = served c: nobody\n",
	 "api", "somebody"},
	{"ethertype", MAPPED "expect = wire tcp of c: ethertype 0x86dd\n", "wire", "0x0800"},
	{"version", MAPPED "expect = wire tcp of c: version 6\n", "wire", "4"},
	{"mss", MAPPED "expect = wire syn of c: mss 1440\n", "wire", "1460"},
	{"ttl", MAPPED "expect = wire syn of c: ttl 63\n", "wire", "64"},
	{"tos", MAPPED "expect = wire syn of c: tos 4\n", "wire", "0"},
	{"df", MAPPED "expect = wire syn of c: df 0\n", "wire", "1"},
	{"flowlabel", MAPPED "expect = wire syn of c: flowlabel >0\n", "wire", "0"},
	{"checksum", MAPPED "expect = wire syn of c: checksum bad\n", "wire", "good"},
	{"source", MAPPED "expect = wire syn of c: src m(C4)\n", "wire", "198.51.100.1"},
	{"icmp",
	 "step =\n    c socket udp4\n    c connect S4:P\n    c send 5\n"
	 "    c recv -> ECONNREFUSED\nexpect = wire icmp: type 3 code 1\n",
	 "wire", "3"},
	{"count", MAPPED "expect = wire 2 syn\n", "wire", "1"},
	{"none", MAPPED "expect = wire none\n", "wire", ""},
	{"some", MAPPED "expect = wire rst\n", "wire", "0"},
	{"elsewhere", MAPPED "expect = wire syn to P+1\n", "wire", "0"},
	{"counter", MAPPED "expect = mib server TcpPassiveOpens 2\n", "mib", "1"},
	{"no-counter", MAPPED "expect = mib server TcpNothing 2\n", "mib", "no such counter"},
	{"verdict", MAPPED "verdict = contradicted\n", "verdict", "confirmed"},
	{"verdict-of", MAPPED "expect = verdict c: contradicted\n", "verdict", "confirmed"},
	{"resolve",
	 "verdict = none\nhosts = 198.51.100.2 a.lab\nstep = resolve a.lab inet6 V4MAPPED -> S6\n",
	 "api", "::ffff:198.51.100.2"},
	{"resolve-more",
	 "verdict = none\nhosts = 198.51.100.2 a.lab\n"
	 "step = resolve a.lab inet6 V4MAPPED -> m(S4) S6\n",
	 "api", "::ffff:198.51.100.2"},
	{"classify", "verdict = none\nstep = classify m(lo4) -> LOOPBACK\n", "api", "V4MAPPED"},
	{"pton", "verdict = none\nstep = pton inet6 ::1%lo -> lo6\n", "api", "invalid"},
	{"ntop", "verdict = none\nstep = ntop siit(S4) -> ::ffff:0:198.51.100.2\n", "api",
	 "::ffff:0:c633:6402"},
	{"block", "verdict = none\nstep = block fc00::1 -> fd00::/8\n", "api", "fc00::/7"},
	{"sum", "verdict = none\nstep = checksum ipv4 C4 S4 like ipv6 m(C4) m(S4) -> different\n",
	 "api", "same"},
};
enum { DIFFERENT_N = sizeof(DIFFERENT) / sizeof(DIFFERENT[0]) };

static void expect_difference(const json_t *c, size_t i)
{
	const json_t *checks = json_object_get(c, "checks"), *check;
	size_t k, bad = 0;

	cr_assert_str_eq(t_json_text(c, "name"), DIFFERENT[i].name);
	json_array_foreach (checks, k, check) {
		if (json_is_true(json_object_get(check, "ok")))
			continue;
		/* A state that is wrong shows in more than one way at times: the first is it. */
		if (bad++ > 0)
			continue;
		cr_expect_str_eq(t_json_text(check, "view"), DIFFERENT[i].view, "%s: by %s",
				 DIFFERENT[i].name, t_json_text(check, "view"));
		cr_expect(strstr(t_json_text(check, "got"), DIFFERENT[i].got), "%s: got %s, not %s",
			  DIFFERENT[i].name, t_json_text(check, "got"), DIFFERENT[i].got);
	}
	cr_expect(bad == 1, "%s: %zu checks failed", DIFFERENT[i].name, bad);
	cr_expect_str_eq(t_json_text(c, "status"), "failed");
	cr_expect(strstr(t_json_text(c, "why"), DIFFERENT[i].view), "%s", t_json_text(c, "why"));
}

Test(cases, every_kind_of_check_fails_when_it_should)
{
	const char *const args[] = {"lab", "-J", "--cases", "own.ini", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;
	char text[16384] = "";
	const json_t *cases;
	json_t *o;

	for (size_t i = 0; i < DIFFERENT_N; i++) {
		size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n, "[%s]\ntitle = t\n%s\n", DIFFERENT[i].name,
			 DIFFERENT[i].lines);
	}
	write_cases(text);
	program_run(&r, &how, args);
	cr_assert(r.exit_code == CONTRADICTED && r.err_len == 0, "exit %d: %s", r.exit_code, r.err);
	o = t_json_parse(r.out);
	cases = json_object_get(o, "cases");
	cr_assert_eq(json_array_size(cases), (size_t)DIFFERENT_N);
	for (size_t i = 0; i < DIFFERENT_N; i++)
		expect_difference(json_array_get(cases, i), i);
	json_decref(o);
	program_result_free(&r);
}

/* The kernel may give two sockets one port, where they go to two addresses: each keeps its own. */
Test(cases, sockets_that_share_a_port_are_told_apart)
{
	static const char own[] =
		"[shared]\ntitle = t\nserver = tcp [::]:P\nserver = udp [::]:P\nstep =\n"
		"    c socket tcp6\n    c bind m(C4):P+1\n    c connect m(S4):P\n    c talk\n"
		"    d socket tcp6\n    d bind C6:P+1\n    d connect S6:P\n    d talk\n"
		"expect = wire tcp of c: ethertype 0x0800\n"
		"expect = wire tcp of d: ethertype 0x86dd\n"
		"expect = served c: from m(C4)\nexpect = served d: from C6\n"
		"expect = kernel client c: local m(C4)\nexpect = kernel client d: local C6\n"
		"expect = verdict c: confirmed\nexpect = verdict d: confirmed\n";
	const char *const args[] = {"lab", "--cases", "own.ini", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;

	write_cases(own);
	program_run(&r, &how, args);
	cr_assert(r.exit_code == 0 && r.err_len == 0, "exit %d: %s%s", r.exit_code, r.out, r.err);
	program_result_free(&r);
}

/* A step that had to work and did not ends the case: what follows would only be noise. */
Test(cases, a_step_that_does_not_work_ends_the_case)
{
	const char *const args[] = {"lab", "--cases", "own.ini", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;

	write_cases("[broken]\ntitle = t\nverdict = none\nstep =\n    l socket tcp6 server\n"
		    "    l bind m(198.51.100.77):P\n    l listen\n    l accept a\n");
	program_run(&r, &how, args);
	cr_assert(r.exit_code != 0);
	cr_expect(strstr(r.out, "NOT EXPECTED  broken: api: l bind m(198.51.100.77):P: "
				"EADDRNOTAVAIL, not ok"),
		  "%s", r.out);
	cr_expect(!strstr(r.out, "accept"), "%s", r.out);
	program_result_free(&r);
}

/* Own cases stand beside the built-in ones, and run alone when no name is given. */
Test(cases, own_cases_can_be_listed_shown_and_run)
{
	static const char own[] = "[mine]\ntitle = my own\nstep =\n    l socket tcp6 server\n"
				  "    l bind [::]:P\n    l listen\n    c socket tcp6\n"
				  "    c connect S6:P\n    l accept a -> C6\n";
	const char *const rows[][6] = {
		{"lab", "-J", "--cases", "own.ini", NULL},
		{"lab", "-J", "--cases", "own.ini", "m*ne", NULL},
		{"lab", "--list", "--cases", "own.ini", NULL},
		{"lab", "--show", "--cases", "own.ini", NULL},
	};
	const struct program_how how = {.dir = dir};
	struct program_result r;

	write_cases(own);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		program_run(&r, &how, rows[i]);
		cr_assert(r.exit_code == 0 && r.err_len == 0, "%s: exit %d: %s",
			  program_line(rows[i]), r.exit_code, r.err);
		cr_expect(strstr(r.out, "mine") && strstr(r.out, "my own"), "%s", r.out);
		cr_expect(!strstr(r.out, "tcp-mapped-to-dual"), "%s", r.out);
		if (i == 3)
			cr_expect(strstr(r.out, own), "%s", r.out);
		program_result_free(&r);
	}
}

Test(cases, a_shown_case_says_where_the_rule_is_and_how_by_hand)
{
	const char *const args[] = {"lab", "--show", "tcp-reused-socket", NULL};
	struct program_result r;

	program_run(&r, NULL, args);
	cr_assert(r.exit_code == 0 && r.err_len == 0, "exit %d: %s", r.exit_code, r.err);
	cr_expect(strstr(r.out, "The rule is written in\n  truth table A5"), "%s", r.out);
	cr_expect(strstr(r.out, "The same by hand\n  in Python"), "%s", r.out);
	cr_expect(strstr(r.out, "c connect S6:P+1 within 60 -> ETIMEDOUT"), "%s", r.out);
	program_result_free(&r);
}

Test(cases, wrong_use_is_one_line_and_64)
{
	static const struct {
		const char *args[6];
		const char *says;
	} rows[] = {
		{{"lab", "--cases", "none.ini", NULL}, "cannot read 'none.ini'"},
		{{"lab", "--cases", ".", NULL}, "cannot read '.': Is a directory"},
		{{"lab", "--cases", "own.ini", NULL}, "own.ini:3: 'c jump' is no step"},
		{{"lab", "--show", NULL}, "which case?"},
		{{"lab", "--show", "nothing-*", NULL}, "there is no case 'nothing-*'"},
		{{"lab", "--cases", NULL}, "option '--cases' needs a value"},
	};
	const struct program_how how = {.dir = dir};
	struct program_result r;

	write_cases("[x]\ntitle = t\nstep = c jump\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		program_run(&r, &how, rows[i].args);
		cr_expect(r.exit_code == USAGE, "%s: exit %d", program_line(rows[i].args),
			  r.exit_code);
		cr_expect(strstr(r.err, rows[i].says) && program_count_lines(r.err) == 1, "%s",
			  r.err);
		program_result_free(&r);
	}
}

Test(cases, what_needs_root_is_skipped_for_others_with_the_reason)
{
	const char *const args[] = {"lab", "--cases", "-", NULL};
	struct program_how how = {.rights = PROGRAM_UNPRIVILEGED};
	char path[300];
	struct program_result r;

	if (!program_may_make_namespaces())
		program_skip("no user without rights here who may make user namespaces");
	write_cases("[rootly]\ntitle = t\nneeds = root\nverdict = none\nstep = wait 1\n"
		    "[other]\ntitle = t\nverdict = none\nstep = wait 1\n");
	snprintf(path, sizeof(path), "%s/own.ini", dir);
	cr_assert(chmod(dir, 0755) == 0 && chmod(path, 0644) == 0);
	how.input = path;
	program_run(&r, &how, args);
	cr_assert(r.exit_code == 0, "exit %d: %s", r.exit_code, r.err);
	cr_expect(strstr(r.out, "1 of 1 cases ended as expected, 1 could not run here"), "%s",
		  r.out);
	cr_expect(strstr(r.out, "skipped  rootly: it needs root"), "%s", r.out);
	program_result_free(&r);
}

/* A setting that this kernel does not have is the case's failure, and no other case's. */
Test(cases, hosts_that_cannot_be_made_fail_their_own_case_only)
{
	const char *const args[] = {"lab", "--cases", "own.ini", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;

	write_cases("[bad]\ntitle = t\nsysctl = server net.ipv4.no_such_thing 1\nstep = wait 1\n"
		    "[good]\ntitle = t\nverdict = none\nstep = wait 1\n");
	program_run(&r, &how, args);
	cr_assert(r.exit_code != 0 && r.err_len == 0, "exit %d: %s", r.exit_code, r.err);
	cr_expect(strstr(r.out, "1 of 2 cases ended as expected"), "%s", r.out);
	cr_expect(strstr(r.out, "NOT EXPECTED  bad: cannot write a setting of the namespace: No "
				"such file or directory: net.ipv4.no_such_thing"),
		  "%s", r.out);
	program_result_free(&r);
}

/* Evidence of several pairs of hosts: a file each, and each can be judged again. */
Test(cases, hosts_of_their_own_leave_evidence_of_their_own)
{
	const char *const lab[] = {
		"lab", "-q", "-e", "run.json", "tcp-mapped-to-dual", "setting-reflect-tos", NULL};
	const char *const first[] = {"judge", "-q", "run.json", NULL};
	const char *const second[] = {"judge", "-q", "run.json.setting-reflect-tos", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;

	program_run(&r, &how, lab);
	cr_assert(r.exit_code == 0 && r.err_len == 0, "exit %d: %s", r.exit_code, r.err);
	program_result_free(&r);
	cr_assert_eq(program_dir_count(dir), 2);
	program_run(&r, &how, first);
	cr_expect_eq(r.exit_code, 0, "%s", r.err);
	program_result_free(&r);
	program_run(&r, &how, second);
	cr_expect_eq(r.exit_code, 0, "%s", r.err);
	program_result_free(&r);
}
