/* SPDX-License-Identifier: MIT */
/* test_load_cli.c - dualwire load as its users run it: refusals, messages, the JSON contract */
#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/netlink/netns.h"
#include "t_program.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOT_STARTED = 3, USAGE = 64, ARGS_MAX = 24 };

static struct lab lab;
static char client_ns[64];

static void prepare(void)
{
	struct lab_error err;

	cr_assert(lab_create(&lab, &err) == 0, "%s: %s", err.step, err.detail);
	/* The program opens it by this name, as somebody would a name of ip netns. */
	snprintf(client_ns, sizeof(client_ns), "/proc/%d/fd/%d", (int)getpid(),
		 lab.host[LAB_CLIENT].netns_fd);
}

static void clean_up(void)
{
	lab_destroy(&lab);
}

TestSuite(load_cli, .init = prepare, .fini = clean_up);

/* "load --netns ..." and @words, separated by blanks. */
static void run_load(struct program_result *r, const char *words)
{
	const char *args[ARGS_MAX] = {"load", "--netns", client_ns};
	char text[512], *word, *save = NULL;
	int n = 3;

	snprintf(text, sizeof(text), "%s", words);
	for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		cr_assert(n < ARGS_MAX - 1);
		args[n++] = word;
	}
	program_run(r, NULL, args);
}

static void expect_refusal(const char *words, int exit_code, const char *text)
{
	struct program_result r;

	run_load(&r, words);
	cr_assert(r.exit_code == exit_code, "%s: exit %d: %s", words, r.exit_code, r.err);
	cr_assert(strstr(r.err, text), "%s: no '%s' in: %s", words, text, r.err);
	cr_assert(program_count_lines(r.err) == 1 && r.out_len == 0, "%s: %s%s", words, r.err,
		  r.out);
	program_result_free(&r);
}

Test(load_cli, what_makes_no_sense_is_refused_in_one_line)
{
	static const struct {
		const char *words, *text;
	} cases[] = {
		{"", "an address and a port"},
		{"127.0.0.1", "an address and a port"},
		{"127.0.0.1 7000 7001", "an address and a port"},
		{"localhost 7000", "'localhost' is not"},
		{"127.0.0.1 0", "port '0'"},
		{"--workload ftp 127.0.0.1 7000", "there are accept, echo and http"},
		{"--close slam 127.0.0.1 7000", "neither rst nor fin"},
		{"--rate fast 127.0.0.1 7000", "--rate 'fast'"},
		{"--rate nan 127.0.0.1 7000", "--rate 'nan'"},
		{"--duration -1 127.0.0.1 7000", "--duration '-1'"},
		{"--in-flight 0 127.0.0.1 7000", "--in-flight '0'"},
		{"--in-flight 99999999 127.0.0.1 7000", "to 1048576"},
		{"--payload 64 127.0.0.1 7000", "--workload echo or http"},
		{"--requests 2 127.0.0.1 7000", "--workload echo or http"},
		{"--payload 1401 --workload echo 127.0.0.1 7000", "1 to 1400"},
		{"--path x --workload http 127.0.0.1 7000", "--path 'x'"},
		{"--ports 5 127.0.0.1 7000", "--ports '5'"},
		{"--ports 9-8 127.0.0.1 7000", "--ports '9-8'"},
		{"--ports 0-8 127.0.0.1 7000", "--ports '0-8'"},
		{"--source nowhere 127.0.0.1 7000", "--source 'nowhere'"},
		{"--source ::1 127.0.0.1 7000", "different families"},
		{"--sources 4 127.0.0.1 7000", "--source ADDR"},
		{"--mapped ::1 7000", "needs an IPv4 address"},
		{"-i va 127.0.0.1 7000", "are for --raw"},
		{"--raw 198.51.100.2 7000", "needs an interface"},
		{"--raw -i va 198.51.100.2 7000", "--source ADDR"},
		{"--raw -i va --source 198.51.100.9 --mapped 198.51.100.2 7000", "for sockets"},
		{"--raw -i va --source 198.51.100.9 --workload http 198.51.100.2 7000",
		 "--expect-bytes"},
		{"--raw -i va --source 198.51.100.9 --sources 300 198.51.100.2 7000", "16777216"},
		{"--hold 1 127.0.0.1 7000", "--hold is for --raw"},
		{"--raw -i va --source 198.51.100.9 --ports 1-9 --workload echo --count 10 --hold "
		 "1 "
		 "198.51.100.2 7000",
		 "as many as there are source addresses and ports"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_refusal(cases[i].words, USAGE, cases[i].text);
}

/* Owning the network does not make these addresses one host's. */
Test(load_cli, raw_frames_do_not_go_everywhere)
{
	static const struct {
		const char *words, *text;
	} cases[] = {
		{"--source 198.51.100.16 198.51.100.255 7000", "broadcast"},
		{"--source 198.51.100.16 255.255.255.255 7000", "broadcast"},
		{"--source 198.51.100.16 224.0.0.1 7000", "multicast"},
		{"--source 2001:db8:1::9 ff02::1 7000", "multicast"},
		{"--source 198.51.100.1 198.51.100.2 7000", "address of this host"},
		{"--source 2001:db8:1::1 2001:db8:1::2 7000", "address of this host"},
		{"--source 198.51.100.16 198.51.100.1 7000", "this host itself"},
		{"--source 224.0.0.16 198.51.100.2 7000", "not one host's"},
		{"--source 198.51.100.2 198.51.100.2 7000", "among the sources"},
	};
	char words[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(words, sizeof(words), "--raw -i va %s", cases[i].words);
		expect_refusal(words, USAGE, cases[i].text);
		snprintf(words, sizeof(words), "--raw -i va --i-own-this-network %s",
			 cases[i].words);
		expect_refusal(words, USAGE, cases[i].text);
	}
	expect_refusal("--raw -i lo --source 198.51.100.16 198.51.100.2 7000", USAGE, "not a veth");
	expect_refusal("--raw -i vz --source 198.51.100.16 198.51.100.2 7000", NOT_STARTED,
		       "no interface 'vz'");
	expect_refusal("--raw -i va --source 198.51.100.16 198.51.100.99 7000", NOT_STARTED,
		       "nobody answers");
}

Test(load_cli, a_namespace_that_is_none)
{
	struct program_result r;
	const char *args[] = {"load", "--netns", "/dev/null", "127.0.0.1", "7000", NULL};

	program_run(&r, NULL, args);
	cr_assert(r.exit_code == NOT_STARTED && strstr(r.err, "'/dev/null'"), "%s", r.err);
	program_result_free(&r);
	args[2] = "/nowhere";
	program_run(&r, NULL, args);
	cr_assert(r.exit_code == NOT_STARTED && strstr(r.err, "'/nowhere'"), "%s", r.err);
	program_result_free(&r);
}

/* Starts "dualwire serve" in the server's namespace; it is there when it has said so. */
static void server_start(struct program *p, const char *workload)
{
	const char *args[] = {"serve", "--workload", workload, "-q", NULL};
	char line[256];
	size_t n = 0;
	int back;

	cr_assert(netns_enter(lab.host[LAB_SERVER].netns_fd, &back) == 0);
	program_start(p, NULL, args);
	netns_leave(back);
	while (n < sizeof(line) - 1 && (n == 0 || line[n - 1] != '\n'))
		if (read(p->out_fd, line + n, 1) == 1)
			n++;
	line[n] = '\0';
	cr_assert(strstr(line, "listening"), "%s", line);
}

static void server_stop(struct program *p)
{
	struct program_result r;

	program_signal(p, SIGTERM);
	program_finish(p, &r);
	cr_assert(r.exit_code == 0, "server: %s", r.err);
	program_result_free(&r);
}

static json_int_t number(const json_t *json, const char *key)
{
	const json_t *value = json_object_get(json, key);

	cr_assert(json_is_integer(value), "no number '%s'", key);
	return json_integer_value(value);
}

static json_int_t total(const json_t *json, const char *key)
{
	const char *name;
	json_t *value;
	json_int_t sum = 0;

	cr_assert(json_is_object(json_object_get(json, key)), "no '%s'", key);
	json_object_foreach (json_object_get(json, key), name, value)
		sum += json_integer_value(value);
	return sum;
}

static void expect_text(const json_t *json, const char *key, const char *want)
{
	const char *got = json_string_value(json_object_get(json, key));

	cr_assert(got && strcmp(got, want) == 0, "%s is %s, not %s", key, got ? got : "none", want);
}

/* Runs it, wants exit code 0, and returns the parsed result. */
static json_t *load_json(const char *words)
{
	struct program_result r;
	json_error_t err;
	json_t *json;

	run_load(&r, words);
	cr_assert(r.exit_code == 0, "%s: exit %d: %s%s", words, r.exit_code, r.err, r.out);
	json = json_loads(r.out, 0, &err);
	cr_assert(json, "%s: %s in %s", words, err.text, r.out);
	program_result_free(&r);
	return json;
}

static void expect_latency(const json_t *json, json_int_t count)
{
	static const char *const keys[] = {"p50", "p90", "p99", "p999", "max"};
	const json_t *latency = json_object_get(json, "latency_us");
	double before = 0;

	cr_assert(number(latency, "count") == count);
	for (size_t i = 0; i < 5; i++) {
		double value = json_number_value(json_object_get(latency, keys[i]));

		cr_assert(value > 0 && value >= before, "%s: %f after %f", keys[i], value, before);
		before = value;
	}
}

/* Every field of docs/load.md, and that they add up. */
Test(load_cli, json_keeps_its_contract)
{
	static const struct {
		const char *words, *generator, *family, *close;
		bool raw;
	} cases[] = {
		{"198.51.100.2 7000", "sockets", "ipv4", "rst", false},
		{"--close fin --mapped 198.51.100.2 7000", "sockets", "mapped", "fin", false},
		{"--source 2001:db8:1::1 --ports 30000-31000 2001:db8:1::2 7000", "sockets",
		 "native", "rst", false},
		{"--raw -i va --source 198.51.100.16 --sources 4 198.51.100.2 7000", "raw", "ipv4",
		 "rst", true},
		{"--raw -i va --source 2001:db8:1::16 --close fin 2001:db8:1::2 7000", "raw",
		 "native", "fin", true},
	};
	struct program server;
	char words[256];

	server_start(&server, "accept");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *json;

		snprintf(words, sizeof(words), "-J --count 100 --in-flight 8 %s", cases[i].words);
		json = load_json(words);
		expect_text(json, "generator", cases[i].generator);
		expect_text(json, "workload", "accept");
		expect_text(json, "family", cases[i].family);
		expect_text(json, "close", cases[i].close);
		cr_assert(number(json, "started") == 100 && number(json, "completed") == 100 &&
			  number(json, "requests") == 100 && total(json, "errors") == 0);
		cr_assert(json_number_value(json_object_get(json, "seconds")) > 0 &&
			  json_number_value(json_object_get(json, "conn_per_s")) > 0 &&
			  json_number_value(json_object_get(json, "req_per_s")) > 0);
		total(json, "disliked");
		expect_latency(json, 100);
		cr_assert(json_is_real(json_object_get(json_object_get(json, "cpu"), "user_s")) &&
			  json_is_real(json_object_get(json_object_get(json, "cpu"), "sys_s")));
		if (cases[i].raw)
			cr_assert(number(json_object_get(json, "frames"), "tx") >= 300 &&
				  number(json_object_get(json, "frames"), "rx") >= 200);
		else
			cr_assert(json_is_null(json_object_get(json, "frames")));
		json_decref(json);
	}
	server_stop(&server);
}

/* Warm-up does not count; the histogram holds as many as the result says; readiness is told. */
Test(load_cli, files_and_warmup)
{
	struct program server;
	char dir[128], words[512], *text, *line;
	struct program_result r;
	unsigned long long n, sum = 0;
	size_t len;
	json_t *json;

	program_dir_make(dir, sizeof(dir));
	server_start(&server, "echo");
	snprintf(words, sizeof(words),
		 "-J --workload echo --requests 3 --rate 200 --warmup 0.3 --duration 0.3 "
		 "--histogram %s/h --cpu 0 198.51.100.2 7000",
		 dir);
	json = load_json(words);
	/* 60 are due while measuring; of those before, which are as many, what was late counts. */
	cr_assert(number(json, "started") >= 60 && number(json, "started") <= 120, "%lld",
		  number(json, "started"));
	cr_assert(number(json, "completed") == number(json, "started"));
	text = program_read_file(dir, "h", &len);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (sscanf(line, "%*f %*f %llu", &n) == 1)
			sum += n;
	cr_assert((json_int_t)sum == number(json_object_get(json, "latency_us"), "count"));
	free(text);
	json_decref(json);

	run_load(&r, "--count 10 --ready-fd 1 --workload echo 198.51.100.2 7000");
	cr_assert(r.exit_code == 0 && strncmp(r.out, "ready\n", 6) == 0, "%s%s", r.out, r.err);
	cr_assert(r.err_len == 0 && strstr(r.out, "10 completed"), "%s", r.out);
	program_result_free(&r);
	run_load(&r, "--count 10 --ready-fd 77 --workload echo 198.51.100.2 7000");
	cr_assert(r.exit_code == NOT_STARTED && strstr(r.err, "--ready-fd 77"), "%s", r.err);
	program_result_free(&r);
	run_load(&r, "--count 10 --histogram /nowhere/h --workload echo 198.51.100.2 7000");
	cr_assert(r.exit_code == NOT_STARTED && strstr(r.err, "/nowhere/h"), "%s", r.err);
	program_result_free(&r);
	server_stop(&server);
	program_dir_remove(dir);
}

/* Connections that fail are an exit code and a line for people; Ctrl-C is an end in order. */
Test(load_cli, failures_and_interruption)
{
	const char *args[] = {"load",	    "--netns", client_ns,    "--workload", "echo",
			      "-J",	    "--rate",  "50",	     "--requests", "0",
			      "--duration", "60",      "--ready-fd", "3",	   "198.51.100.2",
			      "7000",	    NULL};
	struct program_how how = {0};
	int ready[2];
	char word;
	struct program server, p;
	struct program_result r;
	json_t *json;

	run_load(&r, "--count 5 198.51.100.2 7000");
	cr_assert(r.exit_code == 1 && strstr(r.out, "5 refused"), "%d %s%s", r.exit_code, r.out,
		  r.err);
	program_result_free(&r);
	run_load(&r, "--count 5 --raw -i va --source 198.51.100.16 198.51.100.2 7000");
	cr_assert(r.exit_code == 1 && strstr(r.out, "5 refused"), "%d %s%s", r.exit_code, r.out,
		  r.err);
	program_result_free(&r);

	server_start(&server, "echo");
	cr_assert(pipe2(ready, O_CLOEXEC) == 0);
	how.pass_fd = ready[1];
	program_start(&p, &how, args);
	close(ready[1]);
	/* The signal is blocked and pending until the run looks for it. */
	cr_assert(read(ready[0], &word, 1) == 1, "it begins");
	close(ready[0]);
	program_signal(&p, SIGINT);
	program_finish(&p, &r);
	cr_assert(r.exit_code == 0, "%d %s", r.exit_code, r.err);
	json = json_loads(r.out, 0, NULL);
	cr_assert(json && number(json, "started") > 0 &&
		  number(json, "started") == number(json, "completed"));
	json_decref(json);
	program_result_free(&r);
	server_stop(&server);
}

/* An http answer of unknown length is not for raw frames, of a known one it is. */
Test(load_cli, http)
{
	struct program_result r;
	struct program server;
	json_t *json;
	json_int_t bytes = 0;

	run_load(&r, "--help");
	cr_assert(r.exit_code == 0 && strstr(r.out, "http"));
	program_result_free(&r);
	server_start(&server, "http");
	json = load_json("-J --workload http --count 50 198.51.100.2 7000");
	cr_assert(number(json, "requests") == 50);
	json_decref(json);
	json = load_json("-J --workload http --count 10 --requests 5 --path /x 2001:db8:1::2 7000");
	cr_assert(number(json, "requests") == 50 && number(json, "completed") == 10);
	json_decref(json);
	(void)bytes;
	server_stop(&server);
}
