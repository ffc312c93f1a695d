/* SPDX-License-Identifier: MIT */
/* measure.c - server up, warm-up, measurement, server down; and what the counters say of it */
#include "measure.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/sockdiag.h"
#include "../audit/guest.h"
#include "../lab/mib.h"
#include "answer.h"
#include "commands.h"
#include "processor.h"

#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { START_MS = 10000, STOP_MS = 8000, FINISH_MS = 20000, TICK_MS = 100, LISTEN_POLL_MS = 5 };
static const double IDLE_MAX = 0.10, STOLEN_MAX = 0.02;

/* A measurement under way. */
struct work {
	struct arena *arena;
	const struct lab *lab;
	const struct bench_plan *plan;
	const struct bench_cell *cell;
	const struct measure_config *cfg;
	struct guest *server;
	int answer; /* bytes, see struct command_run */
	char *what;
};

static int fail(const struct work *w, int ret, const char *who, const char *why, struct guest *g)
{
	size_t len = 0;
	const char *said = g ? guest_output(g, &len) : "";

	while (len > 0 && said[len - 1] == '\n')
		len--;
	snprintf(w->what, MEASURE_WHAT, "%s %s%s%.*s", who, why, len ? "; it said: " : "",
		 (int)(len < MEASURE_WHAT / 2 ? len : MEASURE_WHAT / 2), said);
	return ret;
}

static const char *server_name(const struct work *w)
{
	return w->plan->subjects[w->cell->subject].name;
}

/* A guest inherits the processor of the thread that starts it. */
static int start_on(unsigned int cpu, int netns_fd, struct command *cmd, struct guest **out)
{
	const struct guest_config cfg = {.argv = cmd->argv, .netns_fd = netns_fd};
	cpu_set_t before, only;
	int ret;

	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	if (sched_getaffinity(0, sizeof(before), &before) < 0 ||
	    sched_setaffinity(0, sizeof(only), &only) < 0)
		return -errno;
	ret = guest_start(&cfg, out);
	if (sched_setaffinity(0, sizeof(before), &before) < 0 && ret == 0)
		ret = -errno;
	return ret;
}

/* Waits for output, an end or @ms; then lets the caller look. Returns 0 or -EINTR. */
static int wait_a_moment(const struct work *w, struct guest *g, int ms)
{
	struct pollfd fds[GUEST_FDS];

	poll(fds, (nfds_t)guest_fds(g, fds), ms);
	guest_step(g);
	if (w->server && g != w->server)
		guest_step(w->server);
	return w->cfg->tick && w->cfg->tick(w->cfg->arg) ? -EINTR : 0;
}

static void count_listener(const struct sockdiag_entry *e, void *arg)
{
	*(int *)arg += e->state == TCP_LISTEN;
}

/* An engine with a stack of its own has no socket that the kernel knows: it says so itself. */
static int is_listening(struct work *w, struct sockdiag *sd)
{
	int listeners = 0, ret;
	size_t len;

	if (!w->plan->subjects[w->cell->subject].command)
		return strstr(guest_output(w->server, &len), "listening on ") != NULL;
	ret = sockdiag_dump(sd, IPPROTO_TCP, AF_INET, BENCH_PORT, count_listener, &listeners);
	if (ret >= 0)
		ret = sockdiag_dump(sd, IPPROTO_TCP, AF_INET6, BENCH_PORT, count_listener,
				    &listeners);
	return ret < 0 ? ret : listeners > 0;
}

static int await_listener(struct work *w, struct sockdiag *sd)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + (uint64_t)START_MS * NS_PER_MS;
	int ret;

	for (;;) {
		const struct guest_state *st = guest_step(w->server);

		if (st->exec_error || st->all_ended)
			return fail(w, -ECHILD, server_name(w), "did not start", w->server);
		ret = is_listening(w, sd);
		if (ret != 0)
			return ret < 0 ? fail(w, ret, "sock_diag", strerror(-ret), NULL) : 0;
		if (clock_ns(CLOCK_MONOTONIC) > deadline)
			return fail(w, -ETIMEDOUT, server_name(w), "does not listen", w->server);
		ret = wait_a_moment(w, w->server, LISTEN_POLL_MS);
		if (ret < 0)
			return ret;
	}
}

static int server_start(struct work *w)
{
	int netns_fd = w->lab->host[LAB_SERVER].netns_fd;
	struct sockdiag *sd;
	struct command cmd;
	int ret;

	command_server(&cmd, w->lab, w->plan, w->cell, w->cfg);
	ret = sockdiag_open(netns_fd, &sd);
	if (ret < 0)
		return fail(w, ret, "sock_diag cannot be opened:", strerror(-ret), NULL);
	ret = start_on(w->arena->server_cpu, netns_fd, &cmd, &w->server);
	if (ret < 0)
		fail(w, ret, server_name(w), strerror(-ret), NULL);
	else
		ret = await_listener(w, sd);
	sockdiag_close(sd);
	return ret;
}

/* Our servers name the path they took at the end of the line that says where they listen. */
static void note_engine(struct work *w, struct bench_sample *out)
{
	size_t len;
	const char *line = strstr(guest_output(w->server, &len), "listening on ");
	const char *end = line ? strchr(line, '\n') : NULL;
	const char *at = NULL;

	for (const char *p = line; p && p < end; p++)
		if (p[0] == ';')
			at = p + 2;
	if (at && at < end)
		snprintf(out->engine_text, sizeof(out->engine_text), "%.*s", (int)(end - at), at);
}

/* Runs the generator to its end. @g is the caller's to free. */
static int load_run(struct work *w, double seconds, bool measured, struct guest **g)
{
	const char *name = w->plan->loads[w->cell->load].name;
	uint64_t limit = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9) +
			 (uint64_t)FINISH_MS * NS_PER_MS;
	const struct guest_state *st;
	struct command cmd;
	int ret;

	*g = NULL;
	command_load(&cmd, w->lab, w->plan, w->cell, w->cfg,
		     &(struct command_run){seconds, measured, w->answer});
	ret = start_on(w->arena->client_cpu, w->lab->host[LAB_CLIENT].netns_fd, &cmd, g);
	if (ret < 0)
		return fail(w, ret, name, strerror(-ret), NULL);
	while (st = guest_step(*g), !st->all_ended) {
		if (st->exec_error)
			return fail(w, st->exec_error, name, strerror(-st->exec_error), NULL);
		if (clock_ns(CLOCK_MONOTONIC) > limit)
			return fail(w, -ETIMEDOUT, name, "does not end", *g);
		ret = wait_a_moment(w, *g, TICK_MS);
		if (ret < 0)
			return ret;
	}
	/* Failed connections are in its result; anything else it cannot have measured. */
	if (!WIFEXITED(st->main_status) || WEXITSTATUS(st->main_status) > 2)
		return fail(w, -ECHILD, name, "failed", *g);
	return 0;
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
static int read_result(const struct work *w, struct guest *g, struct bench_sample *out)
{
	size_t len;
	const char *text = guest_output(g, &len);
	json_t *r = json_loadb(text, len, 0, NULL);
	const json_t *frames, *repeated;

	if (!json_is_object(r)) {
		json_decref(r);
		return fail(w, -EPROTO, "dualwire load", "gave no result", g);
	}
	out->connections = (uint64_t)json_integer_value(json_object_get(r, "completed"));
	out->answers = (uint64_t)json_integer_value(json_object_get(r, "requests"));
	out->conn_per_s = json_number_value(json_object_get(r, "conn_per_s"));
	out->answers_per_s = json_number_value(json_object_get(r, "req_per_s"));
	out->spoilers.errors = sum_of(json_object_get(r, "errors"), NULL);
	/* A web server closes behind its answer, upon which the client has reset: that FIN is late.
	 */
	out->spoilers.disliked = sum_of(json_object_get(r, "disliked"),
					w->cell->work == BENCH_HTTP ? "stale" : NULL);
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
};

static int snapshot_take(struct work *w, struct snapshot *s)
{
	int ret = processor_read(w->arena->server_cpu, &s->server);

	if (ret == 0)
		ret = processor_read(w->arena->client_cpu, &s->client);
	if (ret == 0)
		ret = mib_read(w->lab->host[LAB_SERVER].netns_fd, &s->mib);
	s->ns = clock_ns(CLOCK_MONOTONIC);
	return ret < 0 ? fail(w, ret, "counters cannot be read:", strerror(-ret), NULL) : 0;
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
	double all = (double)processor_total(&s);

	if (all == 0 || processor_total(&c) == 0)
		return;
	out->cpu_s[CPU_USER] = (double)s.user / all;
	out->cpu_s[CPU_SYS] = (double)s.sys / all;
	out->cpu_s[CPU_SOFTIRQ] = (double)s.softirq / all;
	out->client_cpu = 1 - (double)c.idle / (double)processor_total(&c);
	if ((double)s.idle / all > IDLE_MAX)
		out->spoilers.idle = (uint64_t)(100 * (double)s.idle / all + 0.5);
	if ((double)s.stolen / all > STOLEN_MAX)
		out->spoilers.stolen = (uint64_t)(100 * (double)s.stolen / all + 0.5);
}

static void account_kernel(const struct work *w, const struct snapshot *a, const struct snapshot *b,
			   struct bench_sample *out)
{
	const struct bench_load *load = &w->plan->loads[w->cell->load];
	uint64_t opened = mib_since(a, b, "TcpPassiveOpens");
	struct bench_spoilers *s = &out->spoilers;

	s->listen_overflows = mib_since(a, b, "TcpExtListenOverflows");
	s->listen_drops = mib_since(a, b, "TcpExtListenDrops");
	s->syn_retransmits = mib_since(a, b, "TcpExtTCPSynRetrans");
	s->cookies = mib_since(a, b, "TcpExtSyncookiesSent");
	if (load->command) {
		/* Whatever it says of itself: the server's kernel counted. */
		out->connections = opened;
		out->conn_per_s = (double)opened / out->seconds;
	} else if (!command_server_is_bare(&w->plan->subjects[w->cell->subject])) {
		uint64_t known = out->connections + s->errors;

		s->unaccounted = opened > known ? opened - known : 0;
		if (opened < out->connections)
			s->unaccounted = out->connections - opened;
	}
}

static int learn_answer(struct work *w)
{
	struct endpoint target = command_target(w->lab, w->cell->family);

	if (w->cell->work != BENCH_HTTP || !w->plan->loads[w->cell->load].raw)
		return 0;
	w->answer = answer_length(w->lab->host[LAB_CLIENT].netns_fd, &target);
	return w->answer < 0
		       ? fail(w, w->answer, server_name(w), "does not answer a GET", w->server)
		       : 0;
}

static int measure(struct work *w, struct bench_sample *out)
{
	struct guest *g = NULL;
	struct snapshot before, after;
	int ret = learn_answer(w);

	if (ret < 0)
		return ret;
	note_engine(w, out);
	if (w->cfg->warmup_s > 0)
		ret = load_run(w, w->cfg->warmup_s, false, &g);
	guest_free(g);
	if (ret < 0 || (ret = snapshot_take(w, &before)) < 0)
		return ret;
	ret = load_run(w, w->cfg->seconds, true, &g);
	if (ret == 0)
		ret = snapshot_take(w, &after);
	if (ret == 0 && !w->plan->loads[w->cell->load].command)
		ret = read_result(w, g, out);
	guest_free(g);
	if (ret < 0)
		return ret;
	if (guest_step(w->server)->all_ended)
		return fail(w, -ECHILD, server_name(w), "ended while it was measured", w->server);
	out->seconds = (double)(after.ns - before.ns) / 1e9;
	account_processors(&before, &after, out);
	account_kernel(w, &before, &after, out);
	return 0;
}

int measure_cell(struct arena *a, const struct bench_plan *p, const struct bench_cell *c,
		 const struct measure_config *cfg, struct bench_sample *out,
		 char what[MEASURE_WHAT])
{
	enum arena_kind kind =
		command_server_is_bare(&p->subjects[c->subject]) ? ARENA_BARE : ARENA_KERNEL;
	struct work w = {
		.arena = a, .lab = &a->lab[kind], .plan = p, .cell = c, .cfg = cfg, .what = what};
	struct arena_error err;
	int ret = arena_need(a, kind, &err);

	*out = (struct bench_sample){0};
	what[0] = '\0';
	if (ret < 0) {
		snprintf(what, MEASURE_WHAT, "%s", err.what);
		return ret;
	}
	ret = server_start(&w);
	if (ret == 0)
		ret = measure(&w, out);
	if (w.server)
		guest_stop(w.server, STOP_MS);
	guest_free(w.server);
	return ret;
}
