/* SPDX-License-Identifier: MIT */
/* idle.c - many connections that are only there: their memory, and what is left for others */
#include "idle.h"

#include "../../rawstack/clock.h"
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	HOLD_SPARE_S = 2,   /* longer than the other load takes */
	OPEN_S = 300,	    /* at most to open a few ... */
	OPEN_PER_S = 10000, /* ... and each so many take a second more */
	TICK_MS = 50,
};

/* Resident memory of a process that is no file's, in bytes; 0: it is gone. */
static uint64_t memory_of(pid_t pid)
{
	char path[64], line[128];
	uint64_t kb = 0, sum = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %" SCNu64, &kb) == 1 ||
		    sscanf(line, "RssShmem: %" SCNu64, &kb) == 1)
			sum += kb * 1024;
	fclose(f);
	return sum;
}

static int rate(struct session *s, double *out)
{
	struct guest *g;
	const char *text;
	size_t len;
	json_t *r;
	int ret = session_load(s, s->cfg->seconds, true, &g);

	if (ret == 0) {
		text = guest_output(g, &len);
		r = json_loadb(text, len, 0, NULL);
		*out = json_number_value(json_object_get(r, "conn_per_s"));
		json_decref(r);
	}
	guest_free(g);
	return ret;
}

/* Time to open @connections and to let go of them, at most. */
static uint64_t open_s(uint64_t connections)
{
	return OPEN_S + connections / OPEN_PER_S;
}

/* Waits until @g has said that all are held. */
static int await_held(const struct session *s, struct guest *g, uint64_t connections,
		      const struct idle_progress *progress)
{
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	uint64_t limit = begin + open_s(connections) * 1000 * NS_PER_MS;
	size_t len;
	int ret;

	while (strstr(guest_output(g, &len), "held ") == NULL) {
		if (guest_step(g)->all_ended || guest_step(s->server)->all_ended)
			return session_fail(s, -ECHILD, "holding connections", "failed", g);
		if (clock_ns(CLOCK_MONOTONIC) > limit)
			return session_fail(s, -ETIMEDOUT, "opening connections", "takes too long",
					    g);
		if (progress->opening)
			progress->opening(progress->arg, clock_ns(CLOCK_MONOTONIC) - begin,
					  memory_of(guest_pid(s->server)));
		ret = session_wait(s, g, TICK_MS);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int read_result(const struct session *s, struct guest *g, struct idle_result *out)
{
	size_t len;
	const char *text = strchr(guest_output(g, &len), '{');
	json_t *r = text ? json_loads(text, 0, NULL) : NULL;
	json_t *errors = json_object_get(r, "errors"), *held = json_object_get(r, "held");

	if (!r)
		return session_fail(s, -EPROTO, "dualwire load", "gave no result", g);
	out->held = (uint64_t)json_integer_value(json_object_get(held, "connections"));
	out->opening_s = json_number_value(json_object_get(held, "opening_s"));
	out->answered = (uint64_t)json_integer_value(json_object_get(r, "requests")) -
			(uint64_t)json_integer_value(json_object_get(held, "pilots"));
	out->sent_again = (uint64_t)json_integer_value(
		json_object_get(json_object_get(r, "frames"), "retransmits"));
	for (void *i = json_object_iter(errors); i; i = json_object_iter_next(errors, i))
		out->errors += (uint64_t)json_integer_value(json_object_iter_value(i));
	json_decref(r);
	return 0;
}

static int hold_and_measure(struct session *s, const struct idle_progress *progress,
			    struct idle_result *out)
{
	int hold_s = (int)s->cfg->seconds + HOLD_SPARE_S;
	struct command cmd;
	struct guest *g;
	int ret;

	command_hold(&cmd, s->lab, out->asked_for, IDLE_FIRST, IDLE_PORTS, hold_s);
	ret = session_spawn(s->arena->client_cpu, s->lab->host[LAB_CLIENT].netns_fd, &cmd, &g);
	if (ret < 0)
		return session_fail(s, ret, "dualwire load", strerror(-ret), NULL);
	ret = await_held(s, g, out->asked_for, progress);
	out->after = memory_of(guest_pid(s->server));
	if (ret == 0)
		ret = rate(s, &out->rate_beside);
	if (ret == 0)
		ret = session_finish(s, "dualwire load", hold_s + (double)open_s(out->asked_for),
				     g);
	if (ret == 0)
		ret = read_result(s, g, out);
	guest_free(g);
	return ret;
}

int idle_measure(struct arena *a, const struct bench_plan *p, uint32_t subject,
		 uint64_t connections, const struct measure_config *cfg,
		 const struct idle_progress *progress, struct idle_result *out,
		 char what[MEASURE_WHAT])
{
	const struct bench_cell cell = {
		.subject = subject, .family = BENCH_MAPPED, .work = BENCH_ECHO};
	struct measure_config own = *cfg;
	struct session s = {.arena = a, .plan = p, .cell = &cell, .cfg = &own, .what = what};
	int ret;

	*out = (struct idle_result){.asked_for = connections};
	own.max_conns = connections + (uint64_t)4 * cfg->in_flight;
	ret = session_begin(&s);
	if (ret == 0)
		ret = rate(&s, &out->rate_alone);
	if (ret == 0) {
		out->before = memory_of(guest_pid(s.server));
		ret = hold_and_measure(&s, progress, out);
	}
	session_end(&s);
	return ret;
}
