/* SPDX-License-Identifier: MIT */
/* measure.c - server up, warm-up, measurement, server down; and what the counters say of it */
#include "measure.h"

#include "../../rawstack/clock.h"
#include "../lab/mib.h"
#include "processor.h"
#include "session.h"
#include "taskclock.h"
#include "watching.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static const double IDLE_MAX = 0.10, STOLEN_MAX = 0.02, FOREIGN_MAX = 0.30;

enum { ATTEMPTS_MAX = 2 };

/* Our servers name the path they took at the end of the line that says where they listen. */
static void note_engine(struct session *s, struct bench_sample *out)
{
	size_t len;
	const char *line = strstr(guest_output(s->server, &len), "listening on ");
	const char *end = line ? strchr(line, '\n') : NULL;
	const char *at = NULL;

	for (const char *p = line; p && p < end; p++)
		if (p[0] == ';')
			at = p + 2;
	if (at && at < end)
		snprintf(out->engine_text, sizeof(out->engine_text), "%.*s", (int)(end - at), at);
}

static uint64_t sum_of(const json_t *object, const char *but)
{
	const char *key;
	json_t *value;
	uint64_t sum = 0;

	json_object_foreach ((json_t *)object, key, value)
		if (!but || strcmp(key, but) != 0)
			sum += (uint64_t)json_integer_value(value);
	return sum;
}

static void read_latency(const json_t *lat, struct bench_sample *out)
{
	static const char *const keys[LAT_KINDS] = {"p50", "p90", "p99", "p999", "max"};

	out->has_latency = json_is_object(lat);
	for (int i = 0; out->has_latency && i < LAT_KINDS; i++)
		out->latency_us[i] = json_number_value(json_object_get(lat, keys[i]));
}

/* What "dualwire load -J" said. */
static int read_result(const struct session *s, struct guest *g, struct bench_sample *out)
{
	size_t len;
	const char *text = guest_output(g, &len);
	json_t *r = json_loadb(text, len, 0, NULL);
	const json_t *frames, *repeated;

	if (!json_is_object(r)) {
		json_decref(r);
		return session_fail(s, -EPROTO, "dualwire load", "gave no result", g);
	}
	out->connections = (uint64_t)json_integer_value(json_object_get(r, "completed"));
	out->answers = (uint64_t)json_integer_value(json_object_get(r, "requests"));
	out->conn_per_s = json_number_value(json_object_get(r, "conn_per_s"));
	out->answers_per_s = json_number_value(json_object_get(r, "req_per_s"));
	out->spoilers.errors = sum_of(json_object_get(r, "errors"), NULL);
	/* A web server closes behind its answer, upon which the client has reset: that FIN is late.
	 */
	out->spoilers.disliked = sum_of(json_object_get(r, "disliked"),
					s->cell->work == BENCH_HTTP ? "stale" : NULL);
	out->loading_s = json_number_value(json_object_get(r, "seconds"));
	frames = json_object_get(r, "frames");
	repeated = json_object_get(frames, "retransmits");
	out->spoilers.retransmits = (uint64_t)json_integer_value(repeated);
	out->spoilers.dropped = (uint64_t)json_integer_value(json_object_get(frames, "dropped"));
	if (json_is_object(frames) && out->connections > 0) {
		double n = (double)out->connections;

		out->frames_out = json_number_value(json_object_get(frames, "tx")) / n;
		out->frames_in = json_number_value(json_object_get(frames, "rx")) / n;
	}
	read_latency(json_object_get(r, "latency_us"), out);
	json_decref(r);
	return 0;
}

/* All that is read before and after. */
struct snapshot {
	struct processor_time server, client;
	struct mib mib;
	uint64_t ns;
	uint64_t task_ns; /* of the server, and of its processor's softirqd */
};

static int snapshot_take(struct session *s, struct snapshot *shot)
{
	int ret = processor_read(s->arena->server_cpu, &shot->server);

	if (ret == 0)
		ret = processor_read(s->arena->client_cpu, &shot->client);
	if (ret == 0)
		ret = mib_read(s->lab->host[LAB_SERVER].netns_fd, &shot->mib);
	shot->ns = clock_ns(CLOCK_MONOTONIC);
	shot->task_ns = taskclock_tree(guest_pid(s->server)) + taskclock_tree(s->arena->softirqd);
	return ret < 0 ? session_fail(s, ret, "counters cannot be read:", strerror(-ret), NULL) : 0;
}

static uint64_t mib_since(const struct snapshot *a, const struct snapshot *b, const char *name)
{
	int64_t before = 0, after = 0;

	if (mib_get(&a->mib, name, &before) < 0 || mib_get(&b->mib, name, &after) < 0)
		return 0;
	return (uint64_t)(after - before);
}

static void account_processors(const struct snapshot *a, const struct snapshot *b,
			       struct bench_sample *out)
{
	struct processor_time s = processor_since(&a->server, &b->server);
	struct processor_time c = processor_since(&a->client, &b->client);
	double all = (double)processor_total(&s), us = out->seconds * 1e6, idle;

	if (all == 0 || processor_total(&c) == 0)
		return;
	out->cpu_us[CPU_USER] = (double)s.user / all * us;
	out->cpu_us[CPU_SYS] = (double)s.sys / all * us;
	out->cpu_us[CPU_SOFTIRQ] = (double)s.softirq / all * us;
	out->client_cpu = 1 - (double)c.idle / (double)processor_total(&c);
	/* While the generator starts and ends there is nothing to do. */
	idle = ((double)s.idle / all * out->seconds - (out->seconds - out->loading_s)) /
	       out->loading_s;
	out->spoilers.idle = idle > IDLE_MAX;
	out->spoilers.stolen = (double)s.stolen / all > STOLEN_MAX;
}

/*
 * The rest of a processor's time is that of others. Softirqs that run while it has nothing else to
 * do are nobody's and count as others' too, so this is only right where it has little idle time.
 */
static void account_tasks(const struct session *s, const struct snapshot *a,
			  const struct snapshot *b, struct bench_sample *out)
{
	struct processor_time t = processor_since(&a->server, &b->server);
	double all = (double)processor_total(&t), own, rest;

	if (a->task_ns == 0 || b->task_ns < a->task_ns || all == 0)
		return;
	out->task_us = (double)(b->task_ns - a->task_ns) / 1e3;
	own = (double)(b->task_ns - a->task_ns) / (double)(b->ns - a->ns);
	rest = 1 - own - (double)(t.idle + t.stolen) / all;
	if (rest <= 0 || s->arena->one_cpu || s->plan->loads[s->cell->load].rate > 0)
		return;
	out->foreign = rest;
	out->spoilers.foreign = rest > FOREIGN_MAX;
}

static void account_kernel(const struct session *s, const struct snapshot *a,
			   const struct snapshot *b, struct bench_sample *out)
{
	uint64_t opened = mib_since(a, b, "TcpPassiveOpens");
	struct bench_spoilers *sp = &out->spoilers;

	sp->listen_overflows = mib_since(a, b, "TcpExtListenOverflows");
	sp->listen_drops = mib_since(a, b, "TcpExtListenDrops");
	sp->syn_retransmits = mib_since(a, b, "TcpExtTCPSynRetrans");
	sp->cookies = mib_since(a, b, "TcpExtSyncookiesSent");
	if (s->plan->loads[s->cell->load].command) {
		/* Whatever it says of itself: the server's kernel counted. */
		out->connections = opened;
		out->conn_per_s = (double)opened / out->seconds;
	} else if (!command_server_is_bare(&s->plan->subjects[s->cell->subject])) {
		uint64_t known = out->connections + sp->errors;

		sp->unaccounted = opened > known ? opened - known : 0;
		if (opened < out->connections)
			sp->unaccounted = out->connections - opened;
	}
}

/* The run that counts, between two readings of all counters. */
static int measure_run(struct session *s, struct bench_sample *out)
{
	struct snapshot before, after = {0};
	struct guest *g = NULL;
	int ret = snapshot_take(s, &before);

	if (ret < 0)
		return ret;
	ret = session_load(s, s->cfg->seconds, true, &g);
	if (ret == 0)
		ret = snapshot_take(s, &after);
	if (ret == 0 && !s->plan->loads[s->cell->load].command)
		ret = read_result(s, g, out);
	guest_free(g);
	if (ret < 0)
		return ret;
	if (guest_step(s->server)->all_ended)
		return session_fail(s, -ECHILD, session_server_name(s),
				    "ended while it was measured", s->server);
	out->seconds = (double)(after.ns - before.ns) / 1e9;
	if (out->loading_s <= 0 || out->loading_s > out->seconds)
		out->loading_s = out->seconds;
	account_processors(&before, &after, out);
	account_tasks(s, &before, &after, out);
	account_kernel(s, &before, &after, out);
	return 0;
}

static int measure_watched(struct session *s, struct bench_sample *out)
{
	int ret = watching_begin(s, &s->watcher);

	if (ret == 0)
		ret = measure_run(s, out);
	if (ret == 0)
		ret = watching_end(s, s->watcher, &out->watched, &out->spoilers.watch_drops);
	guest_free(s->watcher);
	s->watcher = NULL;
	return ret;
}

static int measure(struct session *s, struct bench_sample *out)
{
	struct guest *g = NULL;
	int ret = session_learn_answer(s);

	if (ret < 0)
		return ret;
	note_engine(s, out);
	if (s->cfg->warmup_s > 0)
		ret = session_load(s, s->cfg->warmup_s, false, &g);
	guest_free(g);
	if (ret < 0)
		return ret;
	return s->plan->loads[s->cell->load].watched ? measure_watched(s, out)
						     : measure_run(s, out);
}

static int measure_once(struct arena *a, const struct bench_plan *p, const struct bench_cell *c,
			const struct measure_config *cfg, struct bench_sample *out,
			char what[MEASURE_WHAT])
{
	struct session s = {.arena = a, .plan = p, .cell = c, .cfg = cfg, .what = what};
	int ret;

	*out = (struct bench_sample){0};
	ret = session_begin(&s);
	if (ret == 0)
		ret = measure(&s, out);
	session_end(&s);
	return ret;
}

int measure_cell(struct arena *a, const struct bench_plan *p, const struct bench_cell *c,
		 const struct measure_config *cfg, struct bench_sample *out,
		 char what[MEASURE_WHAT])
{
	struct bench_sample s;
	uint32_t n = 1;
	int ret = measure_once(a, p, c, cfg, out, what);

	while (ret == 0 && out->foreign > FOREIGN_MAX && n < ATTEMPTS_MAX) {
		ret = measure_once(a, p, c, cfg, &s, what);
		n++;
		if (ret == 0 && s.foreign < out->foreign)
			*out = s;
	}
	out->attempts = n;
	return ret;
}
