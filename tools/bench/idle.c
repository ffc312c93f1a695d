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

/*
 * The connections' sources lie above those of the other load: 198.51.100.80 and on, each with all
 * the ports but the privileged ones.
 */
enum {
	HOLD_FIRST = 80,
	HOLD_PORTS = 65535 - 1024 + 1,
	HOLD_SPARE_S = 2, /* longer than the other load takes */
	OPEN_S = 300,	  /* at most to open them all */
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

/* Waits until @g has said @word. */
static int await_word(const struct session *s, struct guest *g, const char *word)
{
	uint64_t limit = clock_ns(CLOCK_MONOTONIC) + (uint64_t)OPEN_S * 1000 * NS_PER_MS;
	size_t len;
	int ret;

	while (strstr(guest_output(g, &len), word) == NULL) {
		if (guest_step(g)->all_ended || guest_step(s->server)->all_ended)
			return session_fail(s, -ECHILD, "holding connections", "failed", g);
		if (clock_ns(CLOCK_MONOTONIC) > limit)
			return session_fail(s, -ETIMEDOUT, "opening connections", "takes too long",
					    g);
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

static int hold_and_measure(struct session *s, struct idle_result *out)
{
	int hold_s = (int)s->cfg->seconds + HOLD_SPARE_S;
	struct command cmd;
	struct guest *g;
	int ret;

	command_hold(&cmd, s->lab, out->asked_for, HOLD_FIRST, HOLD_PORTS, hold_s);
	ret = session_spawn(s->arena->client_cpu, s->lab->host[LAB_CLIENT].netns_fd, &cmd, &g);
	if (ret < 0)
		return session_fail(s, ret, "dualwire load", strerror(-ret), NULL);
	ret = await_word(s, g, "held ");
	out->after = memory_of(guest_pid(s->server));
	if (ret == 0)
		ret = rate(s, &out->rate_beside);
	if (ret == 0)
		ret = session_finish(s, "dualwire load", hold_s + OPEN_S, g);
	if (ret == 0)
		ret = read_result(s, g, out);
	guest_free(g);
	return ret;
}

int idle_measure(struct arena *a, const struct bench_plan *p, uint32_t subject,
		 uint64_t connections, const struct measure_config *cfg, struct idle_result *out,
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
		ret = hold_and_measure(&s, out);
	}
	session_end(&s);
	return ret;
}
