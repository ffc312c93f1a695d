/* SPDX-License-Identifier: MIT */
/* client.c - somebody else's client as a probe */
#include "client.h"

#include "../../rawstack/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { AT_ONCE = 8, LOOK_MS = 50 };

/* One that runs. */
struct run {
	struct guest *guest; /* NULL: none */
	struct probe *probe;
	uint64_t deadline_ns;
};

static int set_environment(const struct probe *p)
{
	char from[ADDR_STRLEN], to[ADDR_STRLEN], port[8];

	addr_print(&p->from.addr, ADDR_FORM_INET, from);
	addr_print(&p->to.addr, ADDR_FORM_INET, to);
	snprintf(port, sizeof(port), "%u", p->to.port);
	return setenv("FROM", from, 1) < 0 || setenv("TO", to, 1) < 0 || setenv("PORT", port, 1) < 0
		       ? -errno
		       : 0;
}

static int start(const struct audit *a, struct probe *p, struct run *r)
{
	char shell[] = "/bin/sh", flag[] = "-c";
	char *argv[] = {shell, flag, (char *)a->cfg->client, NULL};
	struct guest_config cfg = {
		.argv = argv,
		.netns_fd = a->lab.host[LAB_CLIENT].netns_fd,
		.map_ids = a->moved && a->uid != 0,
		.uid = a->uid,
		.gid = a->gid,
	};
	int ret = set_environment(p);

	r->probe = p;
	r->deadline_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)a->cfg->wait_ms * NS_PER_MS;
	return ret < 0 ? ret : guest_start(&cfg, &r->guest);
}

/* Is it over? Then the probe has its result. */
static bool finish(struct run *r)
{
	const struct guest_state *s = guest_step(r->guest);

	if (s->main_ended)
		r->probe->result = WIFEXITED(s->main_status) && WEXITSTATUS(s->main_status) == 0
					   ? PROBE_ANSWERED
					   : PROBE_CLOSED;
	else if (clock_ns(CLOCK_MONOTONIC) >= r->deadline_ns || s->all_ended)
		r->probe->result = PROBE_SILENT;
	else
		return false;
	guest_free(r->guest);
	r->guest = NULL;
	return true;
}

static void wait_for_some(struct audit *a, const struct run *runs)
{
	struct pollfd fds[(AT_ONCE + 1) * GUEST_FDS];
	size_t n = guest_fds(a->guest, fds);

	for (int i = 0; i < AT_ONCE; i++)
		if (runs[i].guest)
			n += guest_fds(runs[i].guest, fds + n);
	poll(fds, n, LOOK_MS);
	guest_step(a->guest);
}

static bool is_repetition(const struct probe *list, size_t i)
{
	return i > 0 && list[i].family == AF_INET6 && addr_is_mapped(&list[i].to.addr);
}

int client_run(struct audit *a, struct probe *list, size_t n)
{
	struct run runs[AT_ONCE] = {0};
	size_t next = 0, running = 0;
	int ret = 0;

	while (ret == 0 && (next < n || running > 0)) {
		for (int i = 0; i < AT_ONCE && ret == 0; i++) {
			while (next < n && is_repetition(list, next))
				next++;
			if (runs[i].guest || next == n)
				continue;
			ret = start(a, &list[next++], &runs[i]);
			running += ret == 0;
		}
		wait_for_some(a, runs);
		for (int i = 0; i < AT_ONCE; i++)
			if (runs[i].guest && finish(&runs[i]))
				running--;
	}
	for (int i = 0; i < AT_ONCE; i++)
		guest_free(runs[i].guest);
	for (size_t i = 1; i < n; i++)
		if (is_repetition(list, i))
			list[i].result = list[i - 1].result;
	return ret;
}
