/* SPDX-License-Identifier: MIT */
/* test_cli.c - the program's manners: exit codes, one line of explanation, help, closed pipes */
#include "t_program.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOT_STARTED = 3, USAGE = 64, HELP_COLUMNS = 110 };

#define ARGS(...)                                                                                  \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

static char dir[256];

/* A directory with files that are no evidence, each in its own way. */
static void prepare(void)
{
	static const struct {
		const char *name, *text;
	} files[] = {
		{"empty", ""},
		{"garbage", "what is this?\n"},
		{"binary", "\x7f\x45\x4c\x46\x02\x01\x01\xff\xfe\n"},
		{"list", "[1, 2, 3]\n"},
		{"object", "{}\n"},
		{"other", "{\"frames\": \"many\"}\n"},
		{"open", "{\"frames\": [\n"},
	};
	char sub[300];

	program_dir_make(dir, sizeof(dir));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		program_write_file(dir, files[i].name, files[i].text, strlen(files[i].text));
	snprintf(sub, sizeof(sub), "%s/folder", dir);
	cr_assert(mkdir(sub, 0755) == 0);
}

static void clean_up(void)
{
	program_dir_remove(dir);
}

TestSuite(cli, .init = prepare, .fini = clean_up);

/* It ended with @exit_code, said @text in exactly one line, and nothing on standard output. */
static void expect_refusal(const struct program_result *r, const char *const *args, int exit_code,
			   const char *text)
{
	const char *line = program_line(args);

	cr_assert(r->exit_code == exit_code, "%s: exit %d (signal %d), not %d: %s", line,
		  r->exit_code, r->signo, exit_code, r->err);
	cr_assert(strstr(r->err, text), "%s: no '%s' in: %s", line, text, r->err);
	cr_assert(program_count_lines(r->err) == 1 && r->err[r->err_len - 1] == '\n',
		  "%s: not one line: %s", line, r->err);
	cr_assert(r->out_len == 0, "%s: output: %s", line, r->out);
}

struct refusal {
	const char *args[10];
	int exit_code;
	const char *text; /* in the message */
};

static const struct refusal REFUSALS[] = {
	/* Commands and options that do not exist. */
	{ARGS("frob"), USAGE, "'frob'"},
	{ARGS("--frob"), USAGE, "'--frob'"},
	{ARGS(""), USAGE, "''"},
	{ARGS("lab", "--frob"), USAGE, "'--frob'"},
	{ARGS("lab", "-Z"), USAGE, "'-Z'"},
	{ARGS("judge", "-Z", "x"), USAGE, "'-Z'"},
	{ARGS("addr", "--frob", "::1"), USAGE, "'--frob'"},
	{ARGS("witness", "-Z"), USAGE, "'-Z'"},
	{ARGS("serve", "--frob"), USAGE, "'--frob'"},
	{ARGS("connect", "-Z", "::1", "80"), USAGE, "'-Z'"},
	{ARGS("lab", "--list=3"), USAGE, "takes no value"},
	{ARGS("addr", "--json=x", "::1"), USAGE, "takes no value"},
	{ARGS("sockets", "-Z"), USAGE, "'-Z'"},
	{ARGS("doctor", "-Z"), USAGE, "'-Z'"},
	{ARGS("doctor", "help"), USAGE, "'help'"},
	{ARGS("sockets", "80"), USAGE, "-p 80"},
	{ARGS("sockets", "--all=x"), USAGE, "takes no value"},
	/* Options without their value. */
	{ARGS("sockets", "-p"), USAGE, "'-p' needs a value"},
	{ARGS("lab", "-e"), USAGE, "'-e' needs a value"},
	{ARGS("lab", "--engine"), USAGE, "'--engine' needs a value"},
	{ARGS("witness", "-p", "80", "-i"), USAGE, "'-i' needs a value"},
	{ARGS("witness", "-i", "lo", "-p"), USAGE, "'-p' needs a value"},
	{ARGS("serve", "-p"), USAGE, "'-p' needs a value"},
	{ARGS("connect", "::1", "80", "-m"), USAGE, "'-m' needs a value"},
	/* Addresses. */
	{ARGS("addr"), USAGE, "no address"},
	{ARGS("addr", ""), USAGE, "''"},
	{ARGS("addr", "1.2.3"), USAGE, "'1.2.3'"},
	{ARGS("addr", "1.2.3.256"), USAGE, "'1.2.3.256'"},
	{ARGS("addr", "01.2.3.4"), USAGE, "'01.2.3.4'"},
	{ARGS("addr", "1.2.3.4.5"), USAGE, "'1.2.3.4.5'"},
	{ARGS("addr", "::g"), USAGE, "'::g'"},
	{ARGS("addr", "1::2::3"), USAGE, "'1::2::3'"},
	{ARGS("addr", "1:2:3:4:5:6:7"), USAGE, "'1:2:3:4:5:6:7'"},
	{ARGS("addr", "::ffff:1.2.3"), USAGE, "'::ffff:1.2.3'"},
	{ARGS("addr", "198.51.100.0/24"), USAGE, "prefix length"},
	{ARGS("addr", "fe80::1%lo"), USAGE, "zone"},
	{ARGS("addr", "[::1]:80"), USAGE, "port"},
	{ARGS("addr", "::1", "nonsense"), USAGE, "'nonsense'"},
	{ARGS("addr", "line\nbreak"), USAGE, "line?break"},
	{ARGS("serve", "-b", "1.2.3.4.5"), USAGE, "'1.2.3.4.5'"},
	{ARGS("serve", "-b", "localhost"), USAGE, "'localhost'"},
	{ARGS("serve", "-4", "-b", "::1"), USAGE, "'::1'"},
	{ARGS("connect", "-n", "localhost", "80"), NOT_STARTED, "'localhost'"},
	{ARGS("connect", "-n", "-4", "::1", "80"), NOT_STARTED, "'::1'"},
	/* Ports. */
	{ARGS("witness", "-i", "lo"), USAGE, "which port"},
	{ARGS("witness", "-i", "lo", "-p", "0"), USAGE, "'0'"},
	{ARGS("witness", "-i", "lo", "-p", "70000"), USAGE, "'70000'"},
	{ARGS("witness", "-i", "lo", "-p", "abc"), USAGE, "'abc'"},
	{ARGS("witness", "-i", "lo", "-p", ""), USAGE, "''"},
	{ARGS("witness", "-i", "lo", "-p", "-1"), USAGE, "'-1'"},
	{ARGS("witness", "-i", "lo", "-p", "80x"), USAGE, "'80x'"},
	{ARGS("witness", "-i", "lo", "-p", "90-80"), USAGE, "'90-80'"},
	{ARGS("witness", "-i", "lo", "-p", "80-"), USAGE, "'80-'"},
	{ARGS("serve", "-p", "0"), USAGE, "'0'"},
	{ARGS("serve", "-p", "70000"), USAGE, "'70000'"},
	{ARGS("serve", "-p", "abc"), USAGE, "'abc'"},
	{ARGS("serve", "7000"), USAGE, "'7000'"},
	{ARGS("connect", "::1"), USAGE, "port"},
	{ARGS("connect", "::1", "0"), USAGE, "'0'"},
	{ARGS("connect", "::1", "70000"), USAGE, "'70000'"},
	{ARGS("connect", "::1", "abc"), USAGE, "'abc'"},
	{ARGS("sockets", "-p", "0"), USAGE, "'0'"},
	{ARGS("sockets", "-p", "ssh"), USAGE, "'ssh'"},
	/* Other values. */
	{ARGS("sockets", "--netns", "missing"), NOT_STARTED, "'missing'"},
	{ARGS("sockets", "--netns", "garbage"), NOT_STARTED, "'garbage' is no network namespace"},
	{ARGS("sockets", "--netns", "folder"), NOT_STARTED, "'folder' is no network namespace"},
	{ARGS("sockets", "--netns", "999999999"), NOT_STARTED, "no process 999999999"},
	{ARGS("sockets", "--netns", ""), NOT_STARTED, "''"},
	{ARGS("witness", "-p", "80"), USAGE, "which interface"},
	{ARGS("witness"), USAGE, "what to watch"},
	{ARGS("witness", "-i", "lo", "-r", "x"), USAGE, "leave out -i"},
	{ARGS("witness", "-r", "x", "-c", "1"), USAGE, "leave out -c"},
	{ARGS("witness", "-r", "x", "--pid", "1"), USAGE, "leave out --pid"},
	{ARGS("witness", "-r", "x", "-w", "x"), USAGE, "same file"},
	{ARGS("witness", "-r", "missing"), NOT_STARTED, "'missing'"},
	{ARGS("witness", "-r", "garbage"), NOT_STARTED, "neither pcap nor pcapng"},
	{ARGS("witness", "-r", "folder"), NOT_STARTED, "'folder'"},
	{ARGS("witness", "-i", "lo", "--listener", "80"), USAGE, "'80' is no listener"},
	{ARGS("witness", "-i", "lo", "--listener", "[::]:0"), USAGE, "'[::]:0'"},
	{ARGS("witness", "-i", "lo", "--listener", "[::]:1"), NOT_STARTED, "nobody listens"},
	{ARGS("witness", "-i", "lo", "--pid", "x"), USAGE, "'x'"},
	{ARGS("witness", "-i", "lo", "--pid", "4000000"), NOT_STARTED, "no process 4000000"},
	{ARGS("witness", "-i", "lo", "-p", "80", "--netns", "missing"), NOT_STARTED, "'missing'"},
	{ARGS("witness", "-i", "lo", "-p", "80", "--max-flows", "0"), USAGE, "'0'"},
	{ARGS("witness", "-i", "lo", "-p", "80", "-J", "--ladder"), USAGE, "--ladder"},
	{ARGS("witness", "-i", "lo", "-p", "80", "-w", "-"), USAGE, "-q"},
	{ARGS("witness", "-i", "lo", "-p", "80", "-w", "missing/x"), NOT_STARTED, "'missing/x'"},
	{ARGS("witness", "-i", "nosuch0", "-p", "80"), NOT_STARTED, "'nosuch0'"},
	{ARGS("witness", "-i", "", "-p", "80"), NOT_STARTED, "''"},
	{ARGS("witness", "-i", "lo", "-p", "80", "-c", "0"), USAGE, "'0'"},
	{ARGS("witness", "-i", "lo", "-p", "80", "-t", "soon"), USAGE, "'soon'"},
	{ARGS("witness", "-i", "lo", "-p", "80", "--ready-fd", "x"), USAGE, "'x'"},
	{ARGS("witness", "-i", "lo", "-p", "80", "extra"), USAGE, "'extra'"},
	{ARGS("serve", "--workload", "frob"), USAGE, "choose echo, discard, accept or http"},
	{ARGS("serve", "--engine", "frob"), USAGE, "epoll, epoll-textbook"},
	{ARGS("serve", "--udp", "--workload", "http"), USAGE, "needs TCP"},
	{ARGS("serve", "--workers", "0"), USAGE, "'0'"},
	{ARGS("serve", "--report-peers", "maybe"), USAGE, "say on or off"},
	{ARGS("serve", "--mac", "mine"), USAGE, "say own or interface"},
	{ARGS("serve", "--mac", "own", "--engine", "epoll"), USAGE, "options of --engine bypass"},
	{ARGS("serve", "--direct", "--engine", "epoll"), USAGE, "option of --engine uring"},
	{ARGS("serve", "--direct", "--udp"), USAGE, "drop one of them"},
	{ARGS("serve", "--metrics", "9100"), USAGE, "127.0.0.1:9100"},
	{ARGS("serve", "--max-conns", "0"), USAGE, "'0'"},
	{ARGS("serve", "-4", "-6"), USAGE, "-4 and -6"},
	{ARGS("serve", "-4", "--v6only"), USAGE, "--v6only"},
	{ARGS("connect", "-4", "--mapped", "::1", "80"), USAGE, "--mapped"},
	{ARGS("connect", "-w", "never", "::1", "80"), USAGE, "'never'"},
	{ARGS("lab", "no-such-case"), USAGE, "'no-such-case'"},
	{ARGS("lab", "tcp-*", "no-such-*"), USAGE, "'no-such-*'"},
	/* Files. */
	{ARGS("judge"), USAGE, "which file"},
	{ARGS("judge", "empty", "garbage"), USAGE, "one file"},
	{ARGS("judge", "missing"), NOT_STARTED, "No such file"},
	{ARGS("judge", "folder"), NOT_STARTED, "Is a directory"},
	{ARGS("judge", "empty"), NOT_STARTED, "'empty' is not usable evidence"},
	{ARGS("judge", "garbage"), NOT_STARTED, "'garbage' is not usable evidence"},
	{ARGS("judge", "binary"), NOT_STARTED, "'binary' is not usable evidence"},
	{ARGS("judge", "list"), NOT_STARTED, "'list' is not usable evidence"},
	{ARGS("judge", "object"), NOT_STARTED, "'object' is not usable evidence"},
	{ARGS("judge", "other"), NOT_STARTED, "'other' is not usable evidence"},
	{ARGS("judge", "open"), NOT_STARTED, "'open' is not usable evidence"},
	{ARGS("judge", "-"), NOT_STARTED, "'-' is not usable evidence"},
	{ARGS("lab", "-e", "missing/run.json"), NOT_STARTED, "'missing/run.json'"},
	{ARGS("lab", "-e", "folder"), NOT_STARTED, "Is a directory"},
	{ARGS("lab", "-e", "garbage/run.json"), NOT_STARTED, "Not a directory"},
	{ARGS("lab", "-e", ""), NOT_STARTED, "''"},
	{ARGS("witness", "-i", "lo", "-p", "80", "-e", "missing/w.json"), NOT_STARTED,
	 "'missing/w.json'"},
};

Test(cli, what_cannot_be_done_is_refused_in_one_line)
{
	struct program_how how = {.dir = dir};
	struct program_result r;

	for (size_t i = 0; i < sizeof(REFUSALS) / sizeof(REFUSALS[0]); i++) {
		program_run(&r, &how, REFUSALS[i].args);
		expect_refusal(&r, REFUSALS[i].args, REFUSALS[i].exit_code, REFUSALS[i].text);
		program_result_free(&r);
	}
	/* The seven files and the folder, and nothing that a refused command had begun. */
	cr_assert(program_dir_count(dir) == 8, "%zu entries", program_dir_count(dir));
}

Test(cli, without_a_command_the_help_goes_to_stderr)
{
	const char *const none[] = {NULL};
	struct program_result r;

	program_run(&r, NULL, none);
	cr_assert(r.exit_code == USAGE && r.out_len == 0 && strncmp(r.err, "usage:", 6) == 0,
		  "exit %d: %s", r.exit_code, r.err);
	program_result_free(&r);
}

/* Of an evidence file that was being copied, any first part may arrive. */
Test(cli, truncated_evidence_is_refused_wherever_it_ends)
{
	const char *const lab[] = {"lab", "-q", "-e", "run.json", "udp-mapped-to-dual", NULL};
	const char *const judge[] = {"judge", "cut.json", NULL};
	const struct program_how how = {.dir = dir};
	struct program_result r;
	size_t len;
	char *text;

	program_run(&r, &how, lab);
	cr_assert(r.exit_code == 0, "%s", r.err);
	program_result_free(&r);
	text = program_read_file(dir, "run.json", &len);
	/* The last byte is a newline, without which it is whole. */
	for (size_t k = 0; k < 40; k++) {
		program_write_file(dir, "cut.json", text, k * (len - 2) / 39);
		program_run(&r, &how, judge);
		expect_refusal(&r, judge, NOT_STARTED, "'cut.json' is not usable evidence");
		program_result_free(&r);
	}
	free(text);
}

static bool powerless_is_possible(void)
{
	const char *const version[] = {"--version", NULL};
	const struct program_how how = {.rights = PROGRAM_POWERLESS};
	struct program_result r;
	bool possible;

	program_run(&r, &how, version);
	possible = r.exit_code == 0;
	program_result_free(&r);
	return possible;
}

Test(cli, without_rights_it_says_which_one_is_missing)
{
	static const struct refusal rows[] = {
		{ARGS("witness", "-i", "lo", "-p", "7000"), NOT_STARTED, "CAP_NET_RAW"},
		{ARGS("serve", "-p", "80"), NOT_STARTED, "above 1023"},
		{ARGS("serve", "-4", "--udp", "-p", "1023"), NOT_STARTED, "above 1023"},
	};
	const struct program_how how = {.rights = PROGRAM_POWERLESS};
	struct program_result r;

	if (!powerless_is_possible())
		program_skip("this kernel allows no user namespace without rights");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		program_run(&r, &how, rows[i].args);
		expect_refusal(&r, rows[i].args, rows[i].exit_code, rows[i].text);
		program_result_free(&r);
	}
}

Test(cli, an_unprivileged_user_may_not_watch_the_machine_s_interfaces)
{
	const char *const args[] = {"witness", "-i", "lo", "-p", "7000", NULL};
	const struct program_how how = {.rights = PROGRAM_UNPRIVILEGED};
	struct program_result r;

	program_run(&r, &how, args);
	expect_refusal(&r, args, NOT_STARTED, "CAP_NET_RAW");
	program_result_free(&r);
}

Test(cli, a_port_in_use_is_named)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char port[8];
	const char *const args[] = {"serve", "-4", "-b", "127.0.0.1", "-p", port, NULL};
	struct program_result r;

	cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	cr_assert(listen(fd, 1) == 0 && getsockname(fd, (struct sockaddr *)&sin, &len) == 0);
	snprintf(port, sizeof(port), "%u", ntohs(sin.sin_port));
	program_run(&r, NULL, args);
	expect_refusal(&r, args, NOT_STARTED, "in use");
	cr_assert(strstr(r.err, port), "%s", r.err);
	program_result_free(&r);
	close(fd);
}

static const char *const COMMANDS[] = {"lab",	  "witness", "serve", "connect",
				       "sockets", "addr",    "judge", "doctor"};

static size_t longest_line(const char *text)
{
	size_t longest = 0;

	while (*text) {
		size_t n = strcspn(text, "\n");

		longest = n > longest ? n : longest;
		text += n + (text[n] != '\0');
	}
	return longest;
}

Test(cli, help_tells_usage_and_examples_in_lines_that_fit)
{
	struct program_result r;

	for (size_t i = 0; i < 2 * sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++) {
		const char *const args[] = {COMMANDS[i / 2], i % 2 ? "-h" : "--help", NULL};
		const char *examples;
		char example[64];

		program_run(&r, NULL, args);
		snprintf(example, sizeof(example), "dualwire %s ", COMMANDS[i / 2]);
		cr_assert(r.exit_code == 0 && r.err_len == 0, "%s: exit %d: %s", program_line(args),
			  r.exit_code, r.err);
		cr_assert(strncasecmp(r.out, "usage:", 6) == 0, "%s: %s", args[0], r.out);
		examples = strstr(r.out, "\nExamples:\n");
		cr_assert(examples && strstr(examples, example), "%s: no example", args[0]);
		cr_assert(strstr(r.out, "Exit "), "%s: no exit codes", args[0]);
		cr_assert(longest_line(r.out) <= HELP_COLUMNS, "%s: %zu columns", args[0],
			  longest_line(r.out));
		program_result_free(&r);
	}
}

Test(cli, the_program_s_own_help_names_every_command)
{
	const char *const args[] = {"--help", NULL};
	struct program_result r;

	program_run(&r, NULL, args);
	cr_assert(r.exit_code == 0 && r.err_len == 0 && longest_line(r.out) <= HELP_COLUMNS);
	for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++) {
		char line[32];

		snprintf(line, sizeof(line), "\n  %s ", COMMANDS[i]);
		cr_assert(strstr(r.out, line), "%s: not in the help", COMMANDS[i]);
	}
	program_result_free(&r);
}

static const char *const TALKATIVE[][4] = {
	{"lab", NULL},
	{"lab", "-J", NULL},
	{"lab", "--list", NULL},
	{"addr", "::1", NULL},
	{"addr", "-J", "::1", NULL},
	{"lab", "--help", NULL},
	{"addr", "--help", NULL},
	{"--help", NULL},
};

/* SIGPIPE ends it as it ends every filter; where that is ignored it must go on or say why not. */
Test(cli, a_reader_that_has_gone_is_no_crash)
{
	struct program_result r;

	for (size_t i = 0; i < 2 * sizeof(TALKATIVE) / sizeof(TALKATIVE[0]); i++) {
		const struct program_how how = {.closed_reader = true, .ignore_sigpipe = i % 2};
		const char *const *args = TALKATIVE[i / 2];

		program_run(&r, &how, args);
		if (i % 2)
			cr_assert(r.exit_code == 0 || r.exit_code == NOT_STARTED,
				  "%s: exit %d, signal %d", program_line(args), r.exit_code,
				  r.signo);
		else
			cr_assert(r.signo == SIGPIPE, "%s: exit %d, signal %d", program_line(args),
				  r.exit_code, r.signo);
		cr_assert(program_count_lines(r.err) <= 1, "%s: %s", program_line(args), r.err);
		program_result_free(&r);
	}
}

Test(cli, a_full_disk_is_noticed_where_a_program_reads_the_output)
{
	static const char *const rows[][4] = {
		{"lab", "-J", NULL},
		{"addr", "-J", "::1", NULL},
		{"addr", "::1", NULL},
	};
	const struct program_how how = {.output = "/dev/full"};
	struct program_result r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		program_run(&r, &how, rows[i]);
		expect_refusal(&r, rows[i], NOT_STARTED, "No space left");
		program_result_free(&r);
	}
}

static void expect_string(const json_t *o, const char *name, const char *want)
{
	const char *text = json_string_value(json_object_get(o, name));

	cr_assert(text && (!want || strcmp(text, want) == 0), "%s is %s, not %s", name,
		  text ? text : "no string", want);
}

Test(cli, addr_in_json_keeps_its_contract)
{
	const char *const args[] = {"addr",	    "-J",      "::FFFF:c633:6401",
				    "198.51.100.1", "ff02::1", NULL};
	static const char *const canonical[] = {"::ffff:198.51.100.1", "198.51.100.1", "ff02::1"};
	static const char *const family[] = {"mapped", "ipv4", "ipv6"};
	struct program_result r;
	json_error_t error;
	json_t *list;

	program_run(&r, NULL, args);
	cr_assert(r.exit_code == 0 && r.err_len == 0, "exit %d: %s", r.exit_code, r.err);
	list = json_loads(r.out, JSON_REJECT_DUPLICATES, &error);
	cr_assert(list && json_array_size(list) == 3, "line %d: %s", error.line, error.text);
	for (size_t i = 0; i < 3; i++) {
		const json_t *o = json_array_get(list, i), *blocks = json_object_get(o, "blocks");
		const json_t *macros = json_object_get(o, "macros");
		const char *name;
		json_t *value;

		expect_string(o, "address", args[2 + i]);
		expect_string(o, "canonical", canonical[i]);
		expect_string(o, "family", family[i]);
		cr_assert(json_object_size(macros) == 12, "%zu macros", json_object_size(macros));
		json_object_foreach ((json_t *)macros, name, value)
			cr_assert(json_is_boolean(value) && strncmp(name, "IN6_IS_ADDR_", 12) == 0,
				  "%s", name);
		cr_assert(json_array_size(blocks) > 0, "%s: no block", args[2 + i]);
		for (size_t k = 0; k < json_array_size(blocks); k++) {
			expect_string(json_array_get(blocks, k), "prefix", NULL);
			expect_string(json_array_get(blocks, k), "name", NULL);
			expect_string(json_array_get(blocks, k), "rfc", NULL);
		}
	}
	json_decref(list);
	program_result_free(&r);
}
