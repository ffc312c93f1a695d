/* SPDX-License-Identifier: MIT */
/* load_report.c - progress and result of a load run */
#include "cli.h"
#include "load.h"

#include "../rawstack/clock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const double us_per_s = 1e6, ns_per_us = 1e3, ns_per_s = 1e9;

/* The percentiles that are reported, in millionths. */
static const struct {
	const char *key, *name;
	uint32_t ppm;
} PERCENTILES[] = {
	{"p50", "50 %", 500000},    {"p90", "90 %", 900000}, {"p99", "99 %", 990000},
	{"p999", "99.9 %", 999000}, {"max", "max", 1000000},
};
enum { N_PERCENTILES = sizeof(PERCENTILES) / sizeof(PERCENTILES[0]) };

const char *load_family_name(const struct load_options *o)
{
	return !addr_is_mapped(&o->target.addr) ? "native" : o->mapped ? "mapped" : "ipv4";
}

void load_progress_init(struct load_progress *p, const struct load_options *o)
{
	*p = (struct load_progress){.options = o, .terminal = !o->quiet && isatty(STDERR_FILENO)};
}

static const char *phase_name(enum run_phase phase)
{
	static const char *const names[] = {"warming up", "measuring", "finishing", "done"};

	return names[phase];
}

static void progress_show(struct load_progress *p, const struct run *run, uint64_t now)
{
	const struct load_result *r = &run->res;
	uint64_t errors = 0;
	double seconds = (double)(now - p->last_ns) / ns_per_s;

	for (int e = 0; e < LOAD_ERRORS; e++)
		errors += r->errors[e];
	if (run->phase == p->last_phase && p->last_ns)
		fprintf(stderr,
			"\r\033[K%s: %.0f connections/s, %.0f answers/s, %llu in flight, "
			"%llu failed",
			phase_name(run->phase),
			(double)(r->completed - p->last_completed) / seconds,
			(double)(r->requests - p->last_requests) / seconds,
			(unsigned long long)run->in_flight, (unsigned long long)errors);
	p->shown = true;
	p->last_ns = now;
	p->last_completed = r->completed;
	p->last_requests = r->requests;
	p->last_phase = run->phase;
}

int load_progress_tick(const struct run *run, void *progress)
{
	struct load_progress *p = progress;
	static const struct timespec at_once;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	if (p->signals < 2 && sigtimedwait(&signals, NULL, &at_once) > 0)
		p->signals++;
	if (p->terminal && now - p->last_ns >= (uint64_t)500 * NS_PER_MS)
		progress_show(p, run, now);
	return p->signals;
}

void load_progress_end(struct load_progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
}

static double per_second(uint64_t n, uint64_t ns)
{
	return ns ? (double)n * ns_per_s / (double)ns : 0;
}

static json_t *latency_json(const struct histogram *h)
{
	json_t *json;

	if (h->count == 0)
		return json_null();
	json = json_object();
	for (int i = 0; i < N_PERCENTILES; i++)
		json_object_set_new(
			json, PERCENTILES[i].key,
			json_real((double)histogram_percentile(h, PERCENTILES[i].ppm) / ns_per_us));
	json_object_set_new(json, "count", json_integer((json_int_t)h->count));
	return json;
}

static json_t *frames_json(const struct load_options *o, const struct load_frames *f)
{
	if (o->generator != LOAD_RAW)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I}", "tx", (json_int_t)f->tx, "rx", (json_int_t)f->rx,
			 "retransmits", (json_int_t)f->retransmits, "dropped",
			 (json_int_t)f->dropped);
}

static json_t *held_json(const struct load_result *r)
{
	if (r->held == 0)
		return json_null();
	return json_pack("{s:I, s:f, s:I}", "connections", (json_int_t)r->held, "opening_s",
			 (double)r->opening_ns / ns_per_s, "pilots", (json_int_t)r->pilots);
}

static json_t *result_json(const struct load_options *o, const struct load_result *r)
{
	json_t *errors = json_object(), *disliked = json_object();

	for (int e = 0; e < LOAD_ERRORS; e++)
		json_object_set_new(errors, load_error_name((enum load_error)e),
				    json_integer((json_int_t)r->errors[e]));
	for (int d = 0; d < LOAD_DISLIKES; d++)
		json_object_set_new(disliked, load_dislike_name((enum load_dislike)d),
				    json_integer((json_int_t)r->disliked[d]));
	return json_pack("{s:s, s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:f, s:f, s:o, s:o, s:o, s:o, "
			 "s:o, s:{s:f, s:f}}",
			 "generator", o->generator == LOAD_RAW ? "raw" : "sockets", "workload",
			 load_workload_name(o->plan.workload), "family", load_family_name(o),
			 "close", o->plan.close == LOAD_CLOSE_FIN ? "fin" : "rst", "seconds",
			 (double)r->window_ns / ns_per_s, "started", (json_int_t)r->started,
			 "completed", (json_int_t)r->completed, "requests", (json_int_t)r->requests,
			 "conn_per_s", per_second(r->window_completed, r->window_ns), "req_per_s",
			 per_second(r->window_requests, r->window_ns), "errors", errors, "disliked",
			 disliked, "latency_us", latency_json(&r->latency), "frames",
			 frames_json(o, &r->frames), "held", held_json(r), "cpu", "user_s",
			 (double)r->user_us / us_per_s, "sys_s", (double)r->sys_us / us_per_s);
}

/* " 3 timeout, 1 reset" for what is not 0. */
static void counts_print(const char *title, const uint64_t *counts, int n,
			 const char *(*name)(int index))
{
	bool any = false;

	for (int i = 0; i < n; i++) {
		if (counts[i] == 0)
			continue;
		printf("%s%llu %s", any ? ", " : title, (unsigned long long)counts[i], name(i));
		any = true;
	}
	if (any)
		putchar('\n');
}

static const char *error_words(int e)
{
	static const char *const words[] = {"timed out",
					    "refused",
					    "reset",
					    "closed before the answer was complete",
					    "with another answer than expected",
					    "not made for lack of ports, files or memory"};

	return words[e];
}

static const char *dislike_words(int d)
{
	static const char *const words[] = {
		"bad checksums",   "unreadable",      "wrong flags",	  "wrong acknowledgements",
		"out of sequence", "sent repeatedly", "of no connection", "of other hosts"};

	return words[d];
}

static void result_print(const struct load_options *o, const struct load_result *r)
{
	char to[ENDPOINT_STRLEN];

	endpoint_print(&o->target, o->mapped ? ADDR_FORM_INET6 : ADDR_FORM_INET, to);
	printf("%s to %s, %s, %s, close by %s\n", load_workload_name(o->plan.workload), to,
	       load_family_name(o), o->generator == LOAD_RAW ? "raw frames" : "sockets",
	       o->plan.close == LOAD_CLOSE_FIN ? "FIN" : "RST");
	printf("connections  %llu started, %llu completed, %.0f per second in %.2f s\n",
	       (unsigned long long)r->started, (unsigned long long)r->completed,
	       per_second(r->window_completed, r->window_ns), (double)r->window_ns / ns_per_s);
	if (o->plan.workload != LOAD_ACCEPT)
		printf("answers      %llu, %.0f per second\n", (unsigned long long)r->requests,
		       per_second(r->window_requests, r->window_ns));
	if (r->latency.count) {
		printf("latency     ");
		for (int i = 0; i < N_PERCENTILES; i++)
			printf("%s %s %.0f", i ? "," : "", PERCENTILES[i].name,
			       (double)histogram_percentile(&r->latency, PERCENTILES[i].ppm) /
				       ns_per_us);
		printf(" us%s\n", o->plan.rate > 0 ? ", from when each was due" : "");
	}
	counts_print("failed       ", r->errors, LOAD_ERRORS, error_words);
	counts_print("frames       ", r->disliked, LOAD_DISLIKES, dislike_words);
	if (r->frames.retransmits || r->frames.dropped)
		printf("lost         %llu frames sent again, %llu dropped by our own ring\n",
		       (unsigned long long)r->frames.retransmits,
		       (unsigned long long)r->frames.dropped);
	printf("processor    %.2f s user, %.2f s system\n", (double)r->user_us / us_per_s,
	       (double)r->sys_us / us_per_s);
}

int load_report(const struct load_options *o, const struct load_result *r)
{
	if (o->json)
		return cli_print_json(result_json(o, r));
	result_print(o, r);
	return 0;
}
