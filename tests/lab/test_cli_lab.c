/* SPDX-License-Identifier: MIT */
/* test_cli_lab.c - `dualwire lab` and `dualwire judge` as programs: output, evidence, leftovers */
#include "t_json.h"
#include "t_program.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/*
 * A TCP socket whose process was killed keeps its namespace until its end is acknowledged or given
 * up. Where the other host is gone already, that takes 8 retransmissions: 102 s with an RTO of
 * 200 ms, unless net.ipv4.tcp_orphan_retries says less.
 */
enum { FIRST = 11, LAB_MAX_MS = 1000, INCONCLUSIVE = 2 };
enum { PROCESS_WAIT_MS = 5000, NAMESPACE_WAIT_MS = 10000 };

/* The cases to see first, one connection or two each, with a record of every view. */
#define FIRST_CASES                                                                                \
	"tcp-ipv4-to-dual", "tcp-mapped-to-dual", "tcp-native-to-dual", "udp-ipv4-to-dual",        \
		"udp-mapped-to-dual", "udp-native-to-dual", "tcp-ipv4-to-v6only",                  \
		"tcp-native-to-ipv4", "tcp-mapped-to-ipv4", "tcp-reused-socket",                   \
		"udp-forged-mapped"

static char dir[256];

static void prepare(void)
{
	program_dir_make(dir, sizeof(dir));
}

static void clean_up(void)
{
	program_dir_remove(dir);
}

TestSuite(cli_lab, .init = prepare, .fini = clean_up);

/* One member of an object: its path from the connection on, and what it may be. */
struct member {
	const char *path; /* names, separated by dots */
	json_type type;	  /* JSON_TRUE: a boolean */
	bool may_be_null;
};

static const struct member CONNECTION[] = {
	{"proto", JSON_STRING, false},
	{"result", JSON_STRING, false},
	{"api", JSON_OBJECT, false},
	{"api.peer", JSON_STRING, false},
	{"api.peer_port", JSON_INTEGER, false},
	{"api.local", JSON_STRING, false},
	{"api.local_port", JSON_INTEGER, false},
	{"api.mapped", JSON_TRUE, false},
	{"kernel", JSON_OBJECT, false},
	{"kernel.family", JSON_STRING, false},
	{"kernel.src", JSON_STRING, false},
	{"kernel.dst", JSON_STRING, true},
	{"kernel.cookie", JSON_INTEGER, false},
	{"wire", JSON_OBJECT, false},
	{"wire.ethertype", JSON_STRING, false},
	{"wire.frames", JSON_OBJECT, false},
	{"wire.frames.ipv4", JSON_INTEGER, false},
	{"wire.frames.ipv6", JSON_INTEGER, false},
	{"wire.syn_mss", JSON_INTEGER, true},
	{"verdict", JSON_STRING, false},
	{"reasons", JSON_ARRAY, false},
};

static const json_t *member_at(const json_t *o, const char *path)
{
	while (o && *path) {
		size_t n = strcspn(path, ".");
		char name[32];

		cr_assert(n < sizeof(name));
		memcpy(name, path, n);
		name[n] = '\0';
		o = json_object_get(o, name);
		path += n + (path[n] == '.');
	}
	return o;
}

static bool is_a(const json_t *o, const struct member *m)
{
	if (!o)
		return false;
	if (json_is_null(o))
		return m->may_be_null;
	return m->type == JSON_TRUE ? json_is_boolean(o) : json_typeof(o) == m->type;
}

static const char *string_at(const json_t *o, const char *path)
{
	const char *text = json_string_value(member_at(o, path));

	cr_assert(text, "%s is no string", path);
	return text;
}

static json_int_t number_at(const json_t *o, const char *path)
{
	cr_assert(json_is_integer(member_at(o, path)), "%s is no number", path);
	return json_integer_value(member_at(o, path));
}

/* What the wire shows fits its own summary, and the verdict has its reasons. */
static void expect_connection(const char *name, const json_t *c)
{
	const char *ethertype, *verdict;
	json_int_t v4, v6;
	bool confirmed;

	for (size_t i = 0; i < sizeof(CONNECTION) / sizeof(CONNECTION[0]); i++)
		cr_assert(is_a(member_at(c, CONNECTION[i].path), &CONNECTION[i]),
			  "%s: %s is missing or of another type", name, CONNECTION[i].path);
	/* A UDP socket that serves everybody has no peer, and no other socket is without one. */
	cr_assert(json_is_string(member_at(c, "kernel.dst")) ||
			  strcmp(string_at(c, "proto"), "udp") == 0,
		  "%s: a stream without a peer", name);
	ethertype = string_at(c, "wire.ethertype");
	v4 = number_at(c, "wire.frames.ipv4");
	v6 = number_at(c, "wire.frames.ipv6");
	cr_assert(strcmp(ethertype, v6 ? "0x86dd" : "0x0800") == 0 && (v4 == 0) != (v6 == 0),
		  "%s: %s with %lld and %lld frames", name, ethertype, v4, v6);
	verdict = string_at(c, "verdict");
	confirmed = strcmp(verdict, "confirmed") == 0;
	cr_assert(confirmed || strcmp(verdict, "contradicted") == 0, "%s: %s", name, verdict);
	cr_assert((json_array_size(json_object_get(c, "reasons")) == 0) == confirmed,
		  "%s: reasons do not fit %s", name, verdict);
}

static void expect_case(const json_t *c)
{
	const json_t *connections = json_object_get(c, "connections");
	const char *name = string_at(c, "name");

	cr_assert(*string_at(c, "title"));
	cr_assert(json_is_true(json_object_get(c, "passed")), "%s: %s", name, string_at(c, "why"));
	cr_assert(strcmp(string_at(c, "verdict"), string_at(c, "expected")) == 0, "%s", name);
	cr_assert(json_array_size(connections) > 0, "%s: no connection", name);
	for (size_t i = 0; i < json_array_size(connections); i++)
		expect_connection(name, json_array_get(connections, i));
}

/* All that the document of a run with @n cases promises. */
static void expect_lab(const char *text, size_t n)
{
	json_t *o = t_json_parse(text);
	const json_t *cases = json_object_get(o, "cases");

	cr_assert(number_at(o, "summary.passed") == (json_int_t)n, "%s", text);
	cr_assert(number_at(o, "summary.failed") == 0 && number_at(o, "summary.skipped") == 0);
	cr_assert(json_array_size(cases) == n, "%zu cases", json_array_size(cases));
	for (size_t i = 0; i < n; i++)
		expect_case(json_array_get(cases, i));
	json_decref(o);
}

static void run_well(const struct program_how *how, const char *const *args,
		     struct program_result *r)
{
	program_run(r, how, args);
	cr_assert(r->exit_code == 0, "%s: exit %d, signal %d: %s", program_line(args), r->exit_code,
		  r->signo, r->err);
	cr_assert(r->err_len == 0, "%s: %s", program_line(args), r->err);
}

Test(cli_lab, first_cases_pass_and_the_json_keeps_its_contract)
{
	const char *const args[] = {"lab", "-J", FIRST_CASES, NULL};
	struct program_result r;

	run_well(NULL, args, &r);
	expect_lab(r.out, FIRST);
	program_result_free(&r);
}

/* The best of a few runs: others may be using the machine. */
Test(cli_lab, a_run_of_the_first_cases_takes_less_than_a_second)
{
	const char *const args[] = {"lab", "-q", FIRST_CASES, NULL};
	unsigned int best = UINT32_MAX;
	struct program_result r;

	for (int i = 0; i < 5 && best >= LAB_MAX_MS; i++) {
		run_well(NULL, args, &r);
		cr_assert(r.out_len == 0, "-q, but: %s", r.out);
		best = r.ms < best ? r.ms : best;
		program_result_free(&r);
	}
	cr_assert(best < LAB_MAX_MS, "%u ms", best);
}

Test(cli_lab, an_unprivileged_user_gets_the_same)
{
	const char *const args[] = {"lab", "-J", FIRST_CASES, NULL};
	const struct program_how how = {.rights = PROGRAM_UNPRIVILEGED};
	struct program_result r;

	if (!program_may_make_namespaces())
		program_skip("no user without rights here who may make user namespaces");
	program_run(&r, &how, args);
	cr_assert(r.exit_code == 0 && r.err_len == 0, "exit %d: %s", r.exit_code, r.err);
	expect_lab(r.out, FIRST);
	program_result_free(&r);
}

Test(cli_lab, each_of_the_first_cases_passes_alone)
{
	static const char *const names[] = {FIRST_CASES};
	struct program_result r;

	cr_assert(sizeof(names) / sizeof(names[0]) == FIRST);
	for (size_t i = 0; i < FIRST; i++) {
		const char *const args[] = {"lab", "-J", names[i], NULL};

		run_well(NULL, args, &r);
		expect_lab(r.out, 1);
		program_result_free(&r);
	}
}

Test(cli_lab, patterns_choose_each_case_once)
{
	static const struct {
		const char *args[6];
		size_t n;
	} rows[] = {
		{{"lab", "-J", "udp-*-to-dual", NULL}, 3},
		{{"lab", "-J", "tcp-*-to-*", NULL}, 6},
		{{"lab", "-J", "*-to-*", "udp-*-to-dual", NULL}, 9},
		{{"lab", "-J", "*-native-to-*", NULL}, 3},
		{{"lab", "-J", "udp-ipv4-to-dual", "tcp-ipv4-to-dual", NULL}, 2},
		{{"lab", "-J", "?cp-ipv[4]-to-dual", NULL}, 1},
	};
	struct program_result r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		run_well(NULL, rows[i].args, &r);
		expect_lab(r.out, rows[i].n);
		program_result_free(&r);
	}
}

Test(cli_lab, verbose_says_its_timings_on_stderr_only)
{
	const char *const args[] = {"lab", "-v", "tcp-mapped-to-dual", NULL};
	struct program_result r;

	program_run(&r, NULL, args);
	cr_assert(r.exit_code == 0 && program_count_lines(r.err) == 1, "%s", r.err);
	cr_assert(strstr(r.err, " ms") && strstr(r.out, "confirmed"), "%s%s", r.err, r.out);
	cr_assert(!strchr(r.out, '\033'), "colours, but no terminal");
	program_result_free(&r);
}

Test(cli_lab, saved_evidence_gives_the_same_verdicts)
{
	const char *const lab[] = {"lab", "-J", "-e", "run.json", FIRST_CASES, NULL};
	const char *const judge[] = {"judge", "-J", "run.json", NULL};
	const char *const quiet[] = {"judge", "-q", "-", NULL};
	char path[300];
	struct program_how how = {.dir = dir};
	struct program_result first, second, third;
	json_t *a, *b;

	run_well(&how, lab, &first);
	cr_assert(program_dir_count(dir) == 1, "%zu files", program_dir_count(dir));
	run_well(&how, judge, &second);
	a = t_json_parse(first.out);
	b = t_json_parse(second.out);
	for (size_t i = 0; i < FIRST; i++) {
		const json_t *x = json_array_get(json_object_get(a, "cases"), i);
		const json_t *y = json_array_get(json_object_get(b, "cases"), i);

		cr_assert(json_equal(json_object_get(x, "connections"),
				     json_object_get(y, "connections")),
			  "%s: judged otherwise", string_at(x, "name"));
		cr_assert(json_is_true(json_object_get(y, "passed")));
	}
	snprintf(path, sizeof(path), "%s/run.json", dir);
	how.input = path;
	run_well(&how, quiet, &third);
	cr_assert(third.out_len == 0);
	json_decref(a);
	json_decref(b);
	program_result_free(&first);
	program_result_free(&second);
	program_result_free(&third);
}

static void save_json(const json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	cr_assert(text);
	program_write_file(dir, "edited.json", text, strlen(text));
	free(text);
}

Test(cli_lab, evidence_without_any_one_frame_passes_no_more)
{
	const char *const lab[] = {"lab", "-q", "-e", "run.json", FIRST_CASES, NULL};
	const char *const judge[] = {"judge", "-q", "edited.json", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;
	json_t *evidence, *frames;
	size_t n, len;
	char *text;

	run_well(&how, lab, &r);
	program_result_free(&r);
	text = program_read_file(dir, "run.json", &len);
	evidence = t_json_parse(text);
	frames = json_object_get(evidence, "frames");
	n = json_array_size(frames);
	cr_assert(n > 100, "%zu frames", n);
	save_json(evidence);
	run_well(&how, judge, &r);
	program_result_free(&r);
	for (size_t k = 0; k < n; k++) {
		json_t *gone = json_incref(json_array_get(frames, k));

		cr_assert(json_array_remove(frames, k) == 0);
		save_json(evidence);
		program_run(&r, &how, judge);
		cr_assert(r.exit_code == INCONCLUSIVE && r.err_len == 0,
			  "without frame %zu: exit %d: %s", k, r.exit_code, r.err);
		program_result_free(&r);
		cr_assert(json_array_insert_new(frames, k, gone) == 0);
	}
	json_decref(evidence);
	free(text);
}

/* An older file is replaced by the whole new one or not at all. */
Test(cli_lab, evidence_replaces_an_older_file)
{
	const char *const lab[] = {"lab", "-q", "-e", "run.json", "udp-mapped-to-dual", NULL};
	const char *const judge[] = {"judge", "-q", "run.json", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;

	program_write_file(dir, "run.json", "old\n", 4);
	run_well(&how, lab, &r);
	program_result_free(&r);
	cr_assert(program_dir_count(dir) == 1, "%zu files", program_dir_count(dir));
	run_well(&how, judge, &r);
	program_result_free(&r);
}

/* As a child subreaper we are the parent of whatever the program would leave behind. */
static bool no_process_is_left(void)
{
	uint64_t end = program_now_ms() + PROCESS_WAIT_MS;
	pid_t pid;

	do {
		pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return true;
		poll(NULL, 0, 1);
	} while (program_now_ms() < end);
	return false;
}

/* It may have come to its end before the signal came. */
static void expect_whole_file_or_none(unsigned int us)
{
	const char *const judge[] = {"judge", "-q", "run.json", NULL};
	const struct program_how how = {.dir = dir};
	size_t n = program_dir_count(dir);
	struct program_result r;

	/* A case with hosts of its own has a file of its own. */
	cr_assert(n <= 2, "after %u us: %zu files", us, n);
	if (n == 0)
		return;
	program_run(&r, &how, judge);
	cr_assert(r.exit_code == 0, "after %u us: half a file: %s", us, r.err);
	program_result_free(&r);
}

/* Ends a running lab of the cases @lab asks for with @signo after @us microseconds. */
static void end_lab(const struct yard *yard, const char *const *lab, int signo, unsigned int us)
{
	const struct program_how how = {.dir = dir, .yard = yard};
	struct timespec moment = {.tv_nsec = (long)us * 1000};
	struct program_result r;
	struct pollfd ended;
	struct program p;

	program_start(&p, &how, lab);
	ended = (struct pollfd){.fd = p.pid_fd, .events = POLLIN};
	/* Not to wait for anything: the moment is what is varied. */
	if (ppoll(&ended, 1, &moment, NULL) == 0)
		program_signal(&p, signo);
	program_finish(&p, &r);
	cr_assert(r.signo == signo || r.exit_code == 0, "after %u us: exit %d: %s", us, r.exit_code,
		  r.err);
	cr_assert(r.err_len == 0, "after %u us: %s", us, r.err);
	cr_assert(no_process_is_left(), "after %u us: a process is left", us);
	expect_whole_file_or_none(us);
	program_result_free(&r);
	clean_up();
	prepare();
}

static void end_labs(int signo)
{
	const char *const first[] = {"lab", "-e", "run.json", FIRST_CASES, NULL};
	/* With programs of others as children, and a child for each question to the resolver. */
	const char *const others[] = {"lab", "-e", "run.json", "forged-nft-drops", "names-dns-dual",
				      NULL};
	struct yard yard;
	int rc = yard_make(&yard);

	if (rc < 0)
		program_skip(
			"cannot count namespaces: no user namespace, or no right to limit them");
	cr_assert(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	for (unsigned int us = 0; us <= 240000; us += us < 60000 ? 3000 : 15000)
		end_lab(&yard, first, signo, us);
	for (unsigned int us = 0; us <= 500000; us += 35000)
		end_lab(&yard, others, signo, us);
	cr_assert(yard_is_empty(&yard, NAMESPACE_WAIT_MS), "a network namespace is left");
	yard_free(&yard);
}

Test(cli_lab, killed_at_any_moment_it_leaves_nothing)
{
	end_labs(SIGKILL);
}

Test(cli_lab, interrupted_at_any_moment_it_leaves_nothing)
{
	end_labs(SIGINT);
}
