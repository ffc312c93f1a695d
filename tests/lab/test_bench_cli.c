/* SPDX-License-Identifier: MIT */
/* test_bench_cli.c - "dualwire bench" as its users run it, for fractions of a second */
#include "t_program.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

enum { USAGE = 64, NOT_STARTED = 3 };

TestSuite(bench_cli, .timeout = 60);

static json_t *run_json(const char *const *args)
{
	struct program_result r;
	json_t *json;

	program_run(&r, NULL, args);
	cr_assert(r.exit_code == 0, "%s: exit %d, said %s", program_line(args), r.exit_code, r.err);
	json = json_loads(r.out, 0, NULL);
	cr_assert(json, "%s: no JSON: %s", program_line(args), r.out);
	program_result_free(&r);
	return json;
}

static double number(const json_t *row, const char *key, const char *inner)
{
	const json_t *value = json_object_get(row, key);

	return json_number_value(inner ? json_object_get(value, inner) : value);
}

Test(bench_cli, every_cell_is_measured_and_every_engine_compared)
{
	static const char *const args[] = {
		"bench",       "-J",	   "-q", "--engines",	"epoll,uring", "--families",
		"ipv4,mapped", "--rounds", "2",	 "--seconds",	"0.1",	       "--warmup",
		"0.05",	       "--kept",   "50", "--workloads", "accept,kept", NULL};
	json_t *out = run_json(args), *rows = json_object_get(out, "rows"), *row;
	json_t *ratios;
	size_t i;

	cr_assert(json_array_size(rows) == 8, "2 engines, 2 families, 2 workloads");
	json_array_foreach (rows, i, row) {
		bool kept =
			strcmp(json_string_value(json_object_get(row, "workload")), "kept") == 0;
		const char *key = kept ? "answers_per_s" : "conn_per_s";

		cr_assert(number(row, key, "median") > 0, "row %zu", i);
		cr_assert(number(row, key, "min") <= number(row, key, "max"));
		cr_assert(json_is_array(json_object_get(row, "spoiled")));
		key = kept ? "server_own_us_per_answer" : "server_own_us_per_conn";
		cr_assert(number(row, key, "median") > 0, "row %zu", i);
		key = kept ? "server_cpu_us_per_answer" : "server_cpu_us_per_conn";
		cr_assert(json_object_get(json_object_get(row, key), "all"));
	}
	/* uring / epoll and mapped / ipv4, for each of what they have in common; and together, for
	 * both workloads and for all. */
	ratios = json_object_get(out, "ratios");
	cr_assert(json_array_size(ratios) == 8 + 3);
	json_array_foreach (ratios, i, row) {
		const json_t *own = json_object_get(row, "own_time");

		cr_assert(number(row, "median", NULL) > 0 && number(own, "median", NULL) > 0);
		cr_assert(json_is_real(json_object_get(row, "low")) ==
			  (number(row, "n", NULL) >= 6));
		cr_assert(json_is_string(json_object_get(row, "verdict")));
	}
	cr_assert(
		json_string_value(json_object_get(json_object_get(out, "environment"), "kernel")));
	json_decref(out);
}

Test(bench_cli, a_rate_gives_latencies)
{
	static const char *const args[] = {
		"bench",  "-J",		 "-q",	 "--engines", "uring", "--families",
		"mapped", "--rate",	 "500",	 "--rounds",  "1",     "--seconds",
		"0.3",	  "--workloads", "echo", "--warmup",  "0.05",  NULL};
	json_t *out = run_json(args), *row = json_array_get(json_object_get(out, "rows"), 0);
	json_t *lat = json_object_get(row, "latency_us");

	cr_assert(number(lat, "p50", "median") > 0);
	cr_assert(number(lat, "p50", "median") <= number(lat, "max", "median"));
	json_decref(out);
}

/* Frames of ours and the kernel's client, who learns the length of an answer, both reach our stack.
 */
Test(bench_cli, our_stack_answers_http)
{
	static const char *const args[] = {"bench",  "-J",	   "-q",     "--engines",
					   "bypass", "--families", "mapped", "--rounds",
					   "1",	     "--seconds",  "0.1",    "--workloads",
					   "http",   "--warmup",   "0.05",   NULL};
	json_t *out = run_json(args), *row = json_array_get(json_object_get(out, "rows"), 0);

	cr_assert(number(row, "conn_per_s", "median") > 0);
	json_decref(out);
}

/* The bypass engine has the whole stack to itself; the others hold kernel sockets. */
Test(bench_cli, silent_connections_are_held_and_still_answer)
{
	static const char *const args[] = {
		"bench",	 "idle", "-J",	      "-q",  "--engines", "uring,bypass",
		"--connections", "500",	 "--seconds", "0.1", NULL};
	json_t *rows = run_json(args), *row;
	size_t i;

	cr_assert(json_array_size(rows) == 2);
	json_array_foreach (rows, i, row) {
		cr_assert(number(row, "connections", NULL) == 500);
		cr_assert(number(row, "answered", NULL) == 250);
		cr_assert(number(row, "errors", NULL) == 0);
		cr_assert(number(row, "new_conn_per_s_beside", NULL) > 0);
	}
	json_decref(rows);
}

static void expect_refusal(const char *const *args, int code, const char *text)
{
	struct program_result r;

	program_run(&r, NULL, args);
	cr_assert(r.exit_code == code && strstr(r.err, text) && program_count_lines(r.err) == 1,
		  "%s: exit %d, said '%s', wanted '%s'", program_line(args), r.exit_code, r.err,
		  text);
	program_result_free(&r);
}

Test(bench_cli, what_is_unknown_is_refused_and_what_is_known_listed)
{
	expect_refusal((const char *const[]){"bench", "--engines", "magic", NULL}, USAGE,
		       "there are uring, epoll");
	expect_refusal((const char *const[]){"bench", "--families", "ipv5", NULL}, USAGE,
		       "there is no family 'ipv5'; there are ipv4, mapped and native");
	expect_refusal((const char *const[]){"bench", "--workloads", "accept,ftp", NULL}, USAGE,
		       "there is no workload 'ftp'");
	expect_refusal((const char *const[]){"bench", "--loads", "smoke", NULL}, USAGE,
		       "a list of raw and sockets");
	expect_refusal((const char *const[]){"bench", "--peer", "nginx", NULL}, USAGE,
		       "say NAME=COMMAND");
	expect_refusal((const char *const[]){"bench", "--rounds", "0", NULL}, USAGE, "--rounds");
	expect_refusal((const char *const[]){"bench", "everything", NULL}, USAGE, "only 'idle'");
}

Test(bench_cli, a_peer_that_does_not_start_is_named_with_what_it_said)
{
	expect_refusal((const char *const[]){"bench", "-q", "--workloads", "accept", "--families",
					     "mapped", "--peer", "gone=echo no such thing; exit 9",
					     NULL},
		       NOT_STARTED, "gone did not start; it said: no such thing");
}
