/* SPDX-License-Identifier: MIT */
/* test_audit.c - `dualwire audit` against servers with exactly one bug, with none, and with none to
 * speak of */
#include "t_program.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The servers are modes of tests/audit/server. Each is given a word of the test's own, by which
 * leftovers are found among all processes.
 */
enum { FOUND = 1, FAILED = 2, NOT_STARTED = 3, USAGE = 64 };
enum { GONE_WAIT_MS = 3000, SLOWEST_MS = 5000 };

TestSuite(audit, .timeout = 240);

static const char *server_path(void)
{
	static char path[512];
	const char *program = getenv("DUALWIRE");
	const char *slash;

	if (!program || !*program)
		program = "build/dualwire";
	slash = strrchr(program, '/');
	snprintf(path, sizeof(path), "%.*s/tests/audit/server", slash ? (int)(slash - program) : 1,
		 slash ? program : ".");
	cr_assert(access(path, X_OK) == 0, "%s is not built", path);
	return path;
}

/* Processes whose command line has @word among its arguments. */
static unsigned int count_processes(const char *word)
{
	DIR *proc = opendir("/proc");
	unsigned int n = 0;
	struct dirent *e;

	cr_assert(proc);
	while ((e = readdir(proc))) {
		char path[300], text[4096];
		ssize_t len;
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		fd = atoi(e->d_name) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		if (fd < 0)
			continue;
		len = read(fd, text, sizeof(text));
		close(fd);
		n += len > 0 && memmem(text, (size_t)len, word, strlen(word) + 1) &&
		     !memmem(text, (size_t)len, "audit\0", 6);
	}
	closedir(proc);
	return n;
}

static void expect_nothing_left(const char *word)
{
	uint64_t end = program_now_ms() + GONE_WAIT_MS;

	while (count_processes(word) && program_now_ms() < end)
		poll(NULL, 0, 5);
	cr_assert(count_processes(word) == 0, "a process of the server is left");
}

/* Reason enough to skip: what `dualwire lab` needs as well. */
static void need_namespaces(const struct program_result *r)
{
	if (r->exit_code == NOT_STARTED && strstr(r->err, "cannot make network namespaces"))
		program_skip("network namespaces cannot be made here");
}

/* What only processes of this test have on their command line: other runs of it may be going on. */
static const char *mark(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "of-test-%d", (int)getpid());
	return text;
}

static const char *port_text(int port)
{
	static char text[8];

	snprintf(text, sizeof(text), "%d", port);
	return text;
}

/* An audit with everything the checks can be told. */
static void audit_server(struct program_result *r, const char *bug, int port)
{
	const char *const args[] = {
		"audit",    "-J",      "--forbid", "198.51.100.9", "--forbid", "2001:db8:1::9",
		"--expect", "welcome", "--",	   server_path(),  bug,	       port_text(port),
		mark(),	    NULL};

	program_run(r, NULL, args);
	need_namespaces(r);
	expect_nothing_left(mark());
}

static json_t *parse(const struct program_result *r)
{
	json_error_t error;
	json_t *o = json_loads(r->out, JSON_REJECT_DUPLICATES, &error);

	cr_assert(o, "exit %d, %s: line %d: %s: %s", r->exit_code, r->err, error.line, error.text,
		  r->out);
	return o;
}

/* The names of the checks with a status, separated by spaces. */
static const char *checks_with(const json_t *o, const char *status)
{
	static char names[256];
	const json_t *c;
	size_t i, n = 0;

	names[0] = '\0';
	json_array_foreach (json_object_get(o, "checks"), i, c)
		if (strcmp(json_string_value(json_object_get(c, "status")), status) == 0)
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? " " : "",
					      json_string_value(json_object_get(c, "name")));
	return names;
}

static const char *first_evidence(const json_t *o, const char *check)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_object_get(o, "checks"), i, c)
		if (strcmp(json_string_value(json_object_get(c, "name")), check) == 0)
			return json_string_value(json_object_get(
				json_array_get(json_object_get(c, "findings"), 0), "evidence"));
	return NULL;
}

/* How often each audit is repeated: one time, or as the long form of the tests wants it. */
static int runs(void)
{
	return getenv("SOAK_SECONDS") ? 20 : 1;
}

/* @check: the one that must find something, NULL: none may. */
static void expect_found(const char *bug, const char *check, const char *words, int port)
{
	for (int i = 0; i < runs(); i++) {
		struct program_result r;
		const char *evidence;
		json_t *o;

		audit_server(&r, bug, port);
		o = parse(&r);
		cr_assert_str_eq(checks_with(o, "found"), check ? check : "", "run %d of %s: %s", i,
				 bug, r.out);
		cr_assert_str_eq(checks_with(o, "failed"), "", "run %d of %s: %s", i, bug, r.out);
		cr_assert(r.exit_code == (check ? FOUND : 0), "exit %d", r.exit_code);
		cr_assert(r.ms < SLOWEST_MS, "it took %u ms", r.ms);
		evidence = check ? first_evidence(o, check) : "";
		cr_assert(evidence && strstr(evidence, words), "%s: %s", bug, evidence);
		json_decref(o);
		program_result_free(&r);
	}
}

Test(audit, a_server_without_a_bug_is_clean)
{
	expect_found("none", NULL, "", 17100);
}

Test(audit, listeners_finds_what_leaves_v6only_to_the_system)
{
	expect_found("listeners", "listeners", "bindv6only=1", 17110);
}

Test(audit, reach_finds_what_is_deaf_to_mapped_clients)
{
	expect_found("reach", "reach", "accepted and closed at once", 17120);
}

Test(audit, reach_finds_what_serves_one_family)
{
	expect_found("reach-v4", "reach", "IPv6 clients are refused", 17130);
}

Test(audit, acl_finds_what_compares_raw_addresses)
{
	expect_found("acl", "acl", "shown to the server as ::ffff:198.51.100.9) is forbidden",
		     17140);
}

Test(audit, identity_finds_mapped_names)
{
	expect_found("identity", "identity", "is written as ::ffff:198.51.100.11", 17150);
}

Test(audit, identity_finds_two_names_of_one_client)
{
	expect_found("identity-mixed", "identity", "one client under two names", 17160);
}

Test(audit, udp_source_finds_answers_from_another_address)
{
	expect_found("udp-source", "udp-source", "it answered from", 17170);
}

Test(audit, forged_mapped_finds_who_answers_it)
{
	expect_found("forged-mapped", "forged-mapped", "answered over IPv4", 17180);
}

Test(audit, scope_finds_a_missing_zone)
{
	expect_found("scope", "scope", "without its interface", 17190);
}

Test(audit, scope_finds_who_does_not_answer_link_local_clients)
{
	expect_found("scope-refused", "scope", "a link-local client is not", 17200);
}

Test(audit, restart_finds_what_cannot_listen_again)
{
	expect_found("restart", "restart", "does not start again", 17210);
}

/* Only the checks that count datagrams. */
static json_t *audit_datagrams(struct program_result *r, const char *bug, int port)
{
	const char *const args[] = {"audit", "-J",	    "--only", "udp-source,forged-mapped",
				    "--",    server_path(), bug,      port_text(port),
				    mark(),  NULL};

	program_run(r, NULL, args);
	need_namespaces(r);
	expect_nothing_left(mark());
	return parse(r);
}

/* The first run has spent its answers before the second check; a fresh server has new ones. */
Test(audit, a_server_that_gets_stuck_is_tried_afresh_and_that_is_said)
{
	struct program_result r;
	json_t *o = audit_datagrams(&r, "stuck", 17220);

	cr_assert_str_eq(checks_with(o, "clean"), "udp-source forged-mapped", "%s", r.out);
	cr_assert(strstr(r.out, "(tried 2 times, each with a fresh server)"), "%s", r.out);
	json_decref(o);
	program_result_free(&r);
}

/* Where one address was never heard to answer, the check has not been carried out. */
Test(audit, an_address_that_did_not_answer_is_not_called_clean)
{
	struct program_result r;
	json_t *o = audit_datagrams(&r, "tired", 17230);

	cr_assert_str_eq(checks_with(o, "failed"), "udp-source forged-mapped", "%s", r.out);
	cr_assert(strstr(r.out, "1 of 4 datagrams were not answered"), "%s", r.out);
	cr_assert(strstr(r.out, "(tried 3 times, each with a fresh server)"), "%s", r.out);
	cr_assert(r.exit_code == FAILED, "exit %d", r.exit_code);
	json_decref(o);
	program_result_free(&r);
}

/* Text output of an audit with nothing told. */
static void audit_text(struct program_result *r, const char *bug, int port)
{
	const char *const args[] = {"audit", "--wait",	      "1000", "--", server_path(),
				    bug,     port_text(port), mark(), NULL};

	program_run(r, NULL, args);
	need_namespaces(r);
	expect_nothing_left(mark());
}

static void expect_end(const char *bug, int port, int exit_code, const char *out, const char *err)
{
	struct program_result r;

	audit_text(&r, bug, port);
	cr_assert(r.exit_code == exit_code, "exit %d: %s%s", r.exit_code, r.out, r.err);
	cr_assert(strstr(r.out, out), "%s is not in: %s", out, r.out);
	cr_assert(strstr(r.err, err), "%s is not in: %s", err, r.err);
	program_result_free(&r);
}

Test(audit, a_command_that_exits_at_once_is_shown_with_its_output)
{
	expect_end("exits", 17220, NOT_STARTED, "", "ended with exit code 7 and did not listen");
	expect_end("exits", 17220, NOT_STARTED, "", "this is all I have to say");
}

Test(audit, a_command_that_never_listens_ends_with_its_deadline)
{
	expect_end("never", 17230, NOT_STARTED, "", "did not listen on any port within 1000 ms");
}

Test(audit, a_command_that_forks_away_is_audited_and_ended)
{
	expect_end("forks", 17240, 0, "0 bugs, 0 risks", "");
}

Test(audit, a_command_that_listens_late_is_waited_for)
{
	expect_end("late", 17250, 0, "0 bugs, 0 risks", "");
}

Test(audit, hundreds_of_ports_are_checked_up_to_the_limit)
{
	expect_end("many", 17300, 0, "45 more sockets were not checked", "");
}

Test(audit, megabytes_of_output_do_not_stop_it)
{
	expect_end("talks", 17260, 0, "0 bugs, 0 risks", "");
}

Test(audit, what_ignores_sigterm_is_killed_and_noted)
{
	expect_end("ignores-term", 17270, 0, "did not end within 1000 ms of SIGTERM", "");
}

Test(audit, a_crash_is_a_finding)
{
	expect_end("crashes", 17280, FOUND, "ended by signal 11 (SIGSEGV)", "");
}

Test(audit, a_command_that_does_not_exist_is_named)
{
	const char *const args[] = {"audit", "--", "/nowhere/at-all", NULL};
	struct program_result r;

	program_run(&r, NULL, args);
	need_namespaces(&r);
	cr_assert(r.exit_code == NOT_STARTED && program_count_lines(r.err) == 1);
	cr_assert(strstr(r.err, "cannot run '/nowhere/at-all': No such file"), "%s", r.err);
	program_result_free(&r);
}

/* Whatever ends the audit, it takes the server with it. */
Test(audit, nothing_is_left_when_the_audit_is_killed)
{
	const char *const args[] = {"audit", "--wait", "15000", "--", server_path(),
				    "never", "17290",  mark(),	NULL};
	uint64_t end = program_now_ms() + GONE_WAIT_MS;
	struct program_result r;
	struct program p;

	program_start(&p, NULL, args);
	while (count_processes(mark()) == 0 && program_now_ms() < end &&
	       poll(&(struct pollfd){.fd = p.pid_fd, .events = POLLIN}, 1, 2) == 0)
		;
	if (count_processes(mark()) == 0) {
		program_finish(&p, &r);
		need_namespaces(&r);
		cr_assert(false, "the server did not come up: %s", r.err);
	}
	program_signal(&p, SIGKILL);
	program_finish(&p, &r);
	expect_nothing_left(mark());
	program_result_free(&r);
}

Test(audit, the_command_keeps_the_callers_user_id)
{
	const struct program_how how = {.rights = PROGRAM_UNPRIVILEGED};
	const char *const args[] = {"audit",   "--wait", "2000",	  "--",
				    "/bin/sh", "-c",	 "id -u; exit 1", NULL};
	struct program_result r;
	char wanted[32];

	if (!program_may_make_namespaces())
		program_skip("ordinary users may not make user namespaces here");
	program_run(&r, &how, args);
	snprintf(wanted, sizeof(wanted), "\n%u\n", geteuid() == 0 ? 65534 : geteuid());
	cr_assert(r.exit_code == NOT_STARTED, "exit %d: %s", r.exit_code, r.err);
	cr_assert(strstr(r.err, wanted), "%s is not in: %s", wanted, r.err);
	program_result_free(&r);
}

/* A wrong option, and what the one line says of it. */
struct mistake {
	const char *args[6], *says;
};

Test(audit, each_mistake_gets_one_line)
{
	static const struct mistake list[] = {
		{{"audit"}, "no server: give its command after '--'"},
		{{"audit", "--only", "nothing", "--", "true"}, "there is no check 'nothing'"},
		{{"audit", "--forbid", "198.51.100.9/33", "--", "true"}, "is no address or prefix"},
		{{"audit", "--forbid", "198.51.100.9/24", "--", "true"}, "bits set beyond"},
		{{"audit", "--forbid", "127.0.0.1", "--", "true"}, "no client on another host"},
		{{"audit", "--say", "a\\q", "--", "true"}, "write bytes as"},
		{{"audit", "--http", "index.html", "--", "true"}, "a path begins with '/'"},
		{{"audit", "--wait", "soon", "--", "true"}, "is no number of milliseconds"},
		{{"audit", "--port", "0", "--", "true"}, "is no port"},
		{{"audit", "--attach", "x"}, "is no process id"},
		{{"audit", "--attach", "1", "--", "true"}, "give one of them"},
		{{"audit", "-J", "--tap", "--", "true"}, "give one of them"},
		{{"audit", "--expect", "", "--", "true"}, "is in every answer"},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct program_result r;

		program_run(&r, NULL, list[i].args);
		cr_assert(r.exit_code == USAGE && r.out_len == 0, "%s: exit %d",
			  program_line(list[i].args), r.exit_code);
		cr_assert(program_count_lines(r.err) == 1 && strstr(r.err, list[i].says), "%s: %s",
			  program_line(list[i].args), r.err);
		program_result_free(&r);
	}
}

Test(audit, tap_has_a_test_for_each_check)
{
	const char *const args[] = {"audit", "--tap", "--", server_path(), "acl", "17295", NULL};
	struct program_result r;

	program_run(&r, NULL, args);
	need_namespaces(&r);
	cr_assert(strncmp(r.out, "TAP version 14\n1..8\nok 1 - listeners\n", 37) == 0, "%s", r.out);
	cr_assert(strstr(r.out, "ok 3 - acl # SKIP no rule was given"), "%s", r.out);
	cr_assert(r.exit_code == 0, "exit %d", r.exit_code);
	program_result_free(&r);
}

static int listen_on_loopback(void)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 4) == 0);
	return fd;
}

/* The running server is this test itself. */
Test(audit, attach_reads_a_running_server_and_leaves_it_alone)
{
	char pid[16];
	const char *const args[] = {"audit", "-J", "--attach", pid, NULL};
	struct pollfd p = {.fd = listen_on_loopback(), .events = POLLIN};
	struct program_result r;
	json_t *o;

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	program_run(&r, NULL, args);
	o = parse(&r);
	cr_assert(json_array_size(json_object_get(o, "listeners")) == 1, "%s", r.out);
	cr_assert(strstr(checks_with(o, "not-asked"), "reach"), "%s", r.out);
	/* Others than root may be kept from copying its descriptor (Yama). */
	if (geteuid() == 0)
		cr_assert(r.exit_code == FOUND &&
				  strstr(first_evidence(o, "restart"), "SO_REUSEADDR is not set"),
			  "%s", r.out);
	else
		cr_assert(r.exit_code == FOUND || r.exit_code == 0, "exit %d", r.exit_code);
	cr_assert(poll(&p, 1, 0) == 0, "somebody connected");
	close(p.fd);
	json_decref(o);
	program_result_free(&r);
}

Test(audit, everything_is_kept_and_can_be_judged_again)
{
	char dir[256], page[320], evidence[320];
	const char *const args[] = {
		"audit", "-v",		"--report",	page,	    "--evidence-dir",
		dir,	 "--forbid",	"198.51.100.9", "--expect", "welcome",
		"--",	 server_path(), "acl",		"17500",    NULL};
	const char *const judge[] = {"judge", "-J", evidence, NULL};
	struct program_result r, again;
	size_t len;
	char *text;
	json_t *o;

	program_dir_make(dir, sizeof(dir));
	snprintf(page, sizeof(page), "%s/page.html", dir);
	snprintf(evidence, sizeof(evidence), "%s/evidence.json", dir);
	program_run(&r, NULL, args);
	need_namespaces(&r);
	cr_assert(r.exit_code == FOUND, "exit %d: %s", r.exit_code, r.err);
	/* A ladder of the forbidden connection, and the table of all. */
	cr_assert(strstr(r.out, "THE WIRE CARRIED") && strstr(r.out, "confirmed"), "%s", r.out);
	cr_assert(strstr(r.out, "it keeps an AF_INET6 socket"), "%s", r.out);

	text = program_read_file(dir, "audit.json", &len);
	o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	cr_assert_str_eq(checks_with(o, "found"), "acl");
	json_decref(o);
	free(text);
	text = program_read_file(dir, "page.html", &len);
	cr_assert(strstr(text, "::ffff:198.51.100.9) is forbidden") &&
		  strstr(text, "SYN MSS 1460"));
	free(text);
	text = program_read_file(dir, "server.log", &len);
	cr_assert(strstr(text, "client 198.51.100.9\n"), "%s", text);
	free(text);
	text = program_read_file(dir, "capture.pcapng", &len);
	cr_assert(len > 1000 && memcmp(text, "\x0a\x0d\x0d\x0a", 4) == 0, "no pcapng");
	free(text);

	program_run(&again, NULL, judge);
	o = json_loads(again.out, JSON_REJECT_DUPLICATES, NULL);
	cr_assert(o && json_array_size(json_object_get(o, "connections")) > 20, "%s", again.out);
	json_decref(o);
	program_result_free(&again);
	program_result_free(&r);
	program_dir_remove(dir);
}

Test(audit, a_page_cannot_be_written_into_by_the_server)
{
	char dir[256], page[320], word[] = "<script>alert(1)</script>";
	const char *const args[] = {"audit",
				    "--report",
				    page,
				    "--",
				    "/bin/sh",
				    "-c",
				    "echo \"$0\"; exec \"$1\" none 17510",
				    word,
				    server_path(),
				    NULL};
	struct program_result r;
	size_t len;
	char *text;

	program_dir_make(dir, sizeof(dir));
	snprintf(page, sizeof(page), "%s/page.html", dir);
	program_run(&r, NULL, args);
	need_namespaces(&r);
	cr_assert(r.exit_code == 0, "exit %d: %s%s", r.exit_code, r.out, r.err);
	text = program_read_file(dir, "page.html", &len);
	cr_assert(strstr(text, "&lt;script&gt;") && !strstr(text, "<script>"));
	free(text);
	program_result_free(&r);
	program_dir_remove(dir);
}

Test(audit, a_place_that_cannot_be_written_to_is_found_before_the_work)
{
	const char *const list[][6] = {
		{"audit", "--report", "/nowhere/page.html", "--", "true"},
		{"audit", "--evidence-dir", "/nowhere/dir", "--", "true"},
	};

	for (size_t i = 0; i < 2; i++) {
		struct program_result r;

		program_run(&r, NULL, list[i]);
		cr_assert(r.exit_code == NOT_STARTED && program_count_lines(r.err) == 1, "%s",
			  r.err);
		cr_assert(strstr(r.err, "cannot write '/nowhere/"), "%s", r.err);
		program_result_free(&r);
	}
}
