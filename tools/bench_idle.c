/* SPDX-License-Identifier: MIT */
/* bench_idle.c - "dualwire bench idle": the table of what silent connections cost */
#include "bench.h"
#include "bench/idle.h"
#include "cli.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { CONNECTIONS_KERNEL = 15000, CONNECTIONS_BYPASS = 1000000 };
static const double MIB = 1024 * 1024;

static uint64_t number_for(const struct bench_options *o, const char *engine)
{
	if (o->connections)
		return o->connections;
	return strcmp(engine, "bypass") == 0 ? CONNECTIONS_BYPASS : CONNECTIONS_KERNEL;
}

static double bytes_each(const struct idle_result *r)
{
	return r->held && r->after > r->before ? (double)(r->after - r->before) / (double)r->held
					       : 0;
}

static json_t *row_json(const char *engine, const struct idle_result *r)
{
	return json_pack("{s:s, s:I, s:f, s:I, s:I, s:I, s:f, s:I, s:I, s:f, s:f}", "engine",
			 engine, "connections", (json_int_t)r->held, "opening_s", r->opening_s,
			 "sent_again", (json_int_t)r->sent_again, "memory_before",
			 (json_int_t)r->before, "memory_after", (json_int_t)r->after, "bytes_each",
			 bytes_each(r), "answered", (json_int_t)r->answered, "errors",
			 (json_int_t)r->errors, "new_conn_per_s_without", r->rate_alone,
			 "new_conn_per_s_beside", r->rate_beside);
}

static void row_print(const char *engine, const struct idle_result *r)
{
	printf("%-15s %9llu held, opened in %.2f s (%.0f per second), %llu segments sent again\n"
	       "%15s memory of the server %.1f MiB, without them %.1f MiB: %.0f bytes each\n"
	       "%15s %llu were then asked and answered, %llu failed\n"
	       "%15s new connections beside them %.0f per second, without them %.0f\n",
	       engine, (unsigned long long)r->held, r->opening_s,
	       r->opening_s > 0 ? (double)r->held / r->opening_s : 0,
	       (unsigned long long)r->sent_again, "", (double)r->after / MIB,
	       (double)r->before / MIB, bytes_each(r), "", (unsigned long long)r->answered,
	       (unsigned long long)r->errors, "", r->rate_beside, r->rate_alone);
}

/* Every connection was held, every second one answered, none failed. */
static bool is_whole(const struct idle_result *r)
{
	return r->held == r->asked_for && r->errors == 0 && r->answered * 2 >= r->held - 1;
}

struct opening {
	const char *engine;
	uint64_t connections, last_s;
};

/* Once a second: opening ten million takes minutes. */
static void show_opening(void *arg, uint64_t ns, uint64_t server_bytes)
{
	struct opening *o = arg;
	uint64_t s = ns / 1000000000;

	if (s == o->last_s)
		return;
	o->last_s = s;
	fprintf(stderr, "\r\033[K%s: opening %llu connections, %llu s; the server has %.0f MiB",
		o->engine, (unsigned long long)o->connections, (unsigned long long)s,
		(double)server_bytes / MIB);
}

int bench_idle(const struct bench_options *o, struct arena *a)
{
	json_t *rows = json_array();
	bool whole = true;
	int rc = 0;

	for (uint32_t i = 0; i < o->plan.n_subjects && rc == 0; i++) {
		const char *engine = o->plan.subjects[i].name;
		struct idle_result r;
		char what[MEASURE_WHAT];
		int ret;

		struct opening opening = {engine, number_for(o, engine), 0};
		struct idle_progress progress = {
			!o->quiet && isatty(STDERR_FILENO) ? show_opening : NULL, &opening};

		if (!o->quiet && isatty(STDERR_FILENO))
			fprintf(stderr, "\r\033[K%s: opening and holding %llu connections", engine,
				(unsigned long long)number_for(o, engine));
		ret = idle_measure(a, &o->plan, i, number_for(o, engine), &o->measure, &progress,
				   &r, what);
		if (!o->quiet && isatty(STDERR_FILENO))
			fputs("\r\033[K", stderr);
		if (ret < 0)
			rc = cli_fail("bench", "%s: %s", engine,
				      ret == -EINTR ? "stopped by a signal" : what);
		else if (o->json)
			json_array_append_new(rows, row_json(engine, &r));
		else
			row_print(engine, &r);
		whole &= ret == 0 && is_whole(&r);
	}
	if (rc == 0 && o->json)
		rc = cli_print_json(json_incref(rows));
	json_decref(rows);
	if (rc == 0 && !whole)
		rc = EXIT_CONTRADICTED;
	return rc;
}
