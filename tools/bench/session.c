/* SPDX-License-Identifier: MIT */
/* session.c - a server started, a generator run, and why either failed */
#include "session.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/sockdiag.h"
#include "answer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { START_MS = 10000, STOP_MS = 8000, FINISH_MS = 20000, TICK_MS = 100, LISTEN_POLL_MS = 5 };

int session_fail(const struct session *s, int ret, const char *who, const char *why,
		 struct guest *g)
{
	size_t len = 0;
	const char *said = g ? guest_output(g, &len) : "";

	while (len > 0 && said[len - 1] == '\n')
		len--;
	snprintf(s->what, MEASURE_WHAT, "%s %s%s%.*s", who, why, len ? "; it said: " : "",
		 (int)(len < MEASURE_WHAT / 2 ? len : MEASURE_WHAT / 2), said);
	return ret;
}

const char *session_server_name(const struct session *s)
{
	return s->plan->subjects[s->cell->subject].name;
}

/* A guest inherits the processor of the thread that starts it. */
int session_spawn(unsigned int cpu, int netns_fd, struct command *cmd, struct guest **out)
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
int session_wait(const struct session *s, struct guest *g, int ms)
{
	struct pollfd fds[GUEST_FDS];

	poll(fds, (nfds_t)guest_fds(g, fds), ms);
	guest_step(g);
	if (s->server && g != s->server)
		guest_step(s->server);
	if (s->watcher && g != s->watcher)
		guest_step(s->watcher);
	return s->cfg->tick && s->cfg->tick(s->cfg->arg) ? -EINTR : 0;
}

static void count_listener(const struct sockdiag_entry *e, void *arg)
{
	*(int *)arg += e->state == TCP_LISTEN;
}

/* An engine with a stack of its own has no socket that the kernel knows: it says so itself. */
static int is_listening(struct session *s, struct sockdiag *sd)
{
	int listeners = 0, ret;
	size_t len;

	if (!s->plan->subjects[s->cell->subject].command)
		return strstr(guest_output(s->server, &len), "listening on ") != NULL;
	ret = sockdiag_dump(sd, IPPROTO_TCP, AF_INET, BENCH_PORT, count_listener, &listeners);
	if (ret >= 0)
		ret = sockdiag_dump(sd, IPPROTO_TCP, AF_INET6, BENCH_PORT, count_listener,
				    &listeners);
	return ret < 0 ? ret : listeners > 0;
}

static int await_listener(struct session *s, struct sockdiag *sd)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + (uint64_t)START_MS * NS_PER_MS;
	int ret;

	for (;;) {
		const struct guest_state *st = guest_step(s->server);

		if (st->exec_error || st->all_ended)
			return session_fail(s, -ECHILD, session_server_name(s), "did not start",
					    s->server);
		ret = is_listening(s, sd);
		if (ret != 0)
			return ret < 0 ? session_fail(s, ret, "sock_diag", strerror(-ret), NULL)
				       : 0;
		if (clock_ns(CLOCK_MONOTONIC) > deadline)
			return session_fail(s, -ETIMEDOUT, session_server_name(s),
					    "does not listen", s->server);
		ret = session_wait(s, s->server, LISTEN_POLL_MS);
		if (ret < 0)
			return ret;
	}
}

static int server_start(struct session *s)
{
	int netns_fd = s->lab->host[LAB_SERVER].netns_fd;
	struct sockdiag *sd;
	struct command cmd;
	int ret;

	command_server(&cmd, s->lab, s->plan, s->cell, s->cfg);
	ret = sockdiag_open(netns_fd, &sd);
	if (ret < 0)
		return session_fail(s, ret, "sock_diag cannot be opened:", strerror(-ret), NULL);
	ret = session_spawn(s->arena->server_cpu, netns_fd, &cmd, &s->server);
	if (ret < 0)
		session_fail(s, ret, session_server_name(s), strerror(-ret), NULL);
	else
		ret = await_listener(s, sd);
	sockdiag_close(sd);
	return ret;
}

int session_begin(struct session *s)
{
	enum arena_kind kind = command_server_is_bare(&s->plan->subjects[s->cell->subject])
				       ? ARENA_BARE
				       : ARENA_KERNEL;
	struct arena_error err;
	int ret = arena_need(s->arena, kind, &err);

	s->what[0] = '\0';
	if (ret < 0) {
		snprintf(s->what, MEASURE_WHAT, "%s", err.what);
		return ret;
	}
	s->lab = &s->arena->lab[kind];
	return server_start(s);
}

void session_end(struct session *s)
{
	if (s->server)
		guest_stop(s->server, STOP_MS);
	guest_free(s->server);
	s->server = NULL;
}

int session_finish(const struct session *s, const char *name, double seconds, struct guest *g)
{
	uint64_t limit = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9) +
			 (uint64_t)FINISH_MS * NS_PER_MS;
	const struct guest_state *st;
	int ret;

	while (st = guest_step(g), !st->all_ended) {
		if (st->exec_error)
			return session_fail(s, st->exec_error, name, strerror(-st->exec_error),
					    NULL);
		if (clock_ns(CLOCK_MONOTONIC) > limit)
			return session_fail(s, -ETIMEDOUT, name, "does not end", g);
		ret = session_wait(s, g, TICK_MS);
		if (ret < 0)
			return ret;
	}
	/* Failed connections are in its result; anything else it cannot have measured. */
	if (!WIFEXITED(st->main_status) || WEXITSTATUS(st->main_status) > 2)
		return session_fail(s, -ECHILD, name, "failed", g);
	return 0;
}

int session_load(struct session *s, double seconds, bool measured, struct guest **g)
{
	const char *name = s->plan->loads[s->cell->load].name;
	struct command cmd;
	int ret;

	*g = NULL;
	command_load(&cmd, s->lab, s->plan, s->cell, s->cfg,
		     &(struct command_run){seconds, measured, s->answer});
	ret = session_spawn(s->arena->client_cpu, s->lab->host[LAB_CLIENT].netns_fd, &cmd, g);
	if (ret < 0)
		return session_fail(s, ret, name, strerror(-ret), NULL);
	return session_finish(s, name, seconds, *g);
}

int session_learn_answer(struct session *s)
{
	struct endpoint target = command_target(s->lab, s->cell->family);

	if (s->cell->work != BENCH_HTTP || !s->plan->loads[s->cell->load].raw)
		return 0;
	s->answer = answer_length(s->lab->host[LAB_CLIENT].netns_fd, &target);
	return s->answer < 0 ? session_fail(s, s->answer, session_server_name(s),
					    "does not answer a GET", s->server)
			     : 0;
}
