/* SPDX-License-Identifier: MIT */
/* check_restart.c - does the server listen again while connections of its last run are there? */
#include "../../rawstack/netlink/netns.h"
#include "../../uring/sockopt.h"
#include "checks.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * On each TCP service and family two connections are held. The server is stopped: it closes them
 * first, so its ends go to FIN_WAIT2. Half of the clients close, and those ends are in TIME_WAIT.
 * Then it is started again.
 */
enum { SERVICES_TRIED = 8, HELD = 4, HOLD_MS = 30 };

static const char REUSEADDR[] = "set SO_REUSEADDR on the listening socket before bind, on each of "
				"them and for both families";

void restart_judge(const struct restart_seen *s, const struct listeners *before,
		   const struct listeners *after, struct audit_result *r)
{
	struct service list[SERVICES_MAX], again[SERVICES_MAX];
	size_t n = services_of(before, list, SERVICES_MAX);
	size_t k = s->started ? services_of(after, again, SERVICES_MAX) : 0;

	if (!s->started && s->port_blocked) {
		result_find(r, SEVERITY_BUG, "server", REUSEADDR,
			    "it does not start again while %u connections are alive and %u in "
			    "TIME_WAIT%s%s",
			    s->alive, s->time_wait, *s->said ? ": " : "", s->said);
		return;
	}
	for (size_t i = 0; i < n && s->started; i++) {
		struct service none = {0}, *found = &none;
		char where[SERVICE_TEXT];

		for (size_t j = 0; j < k; j++)
			if (again[j].proto == list[i].proto && again[j].port == list[i].port)
				found = &again[j];
		service_text(&list[i], where);
		if ((list[i].v4 && !found->v4) || (list[i].v6 && !found->v6))
			result_find(
				r, SEVERITY_BUG, where, REUSEADDR,
				"started again, it serves %s no more: %u connections were alive "
				"and %u in TIME_WAIT",
				found->v6   ? "IPv4"
				: found->v4 ? "IPv6"
					    : "this port",
				s->alive, s->time_wait);
	}
}

/* Held connections of all services; those to be closed first have odd numbers. */
static size_t connect_all(struct audit *a, struct probe *list)
{
	const struct lab_host *s = &a->lab.host[LAB_SERVER], *c = &a->lab.host[LAB_CLIENT];
	size_t n = 0, tried = 0;

	for (size_t i = 0; i < a->n_services && tried < SERVICES_TRIED; i++) {
		if (a->services[i].proto != IPPROTO_TCP)
			continue;
		tried++;
		for (int k = 0; k < HELD; k++) {
			bool v6 = k >= HELD / 2;
			const struct addr *to = v6 ? &s->v6[0] : &s->v4[0];

			if (!audit_listener(a, i, to))
				continue;
			list[n] = audit_new_probe(a, i);
			list[n].family = v6 ? AF_INET6 : AF_INET;
			list[n].to.addr = *to;
			list[n].from.addr = v6 ? c->v6[0] : c->v4[0];
			list[n].say_len = 0;
			list[n].expect = NULL;
			list[n].wait_ms = HOLD_MS;
			list[n].hold = true;
			n++;
		}
	}
	return audit_probe(a, list, n) < 0 ? 0 : n;
}

static void close_held(struct probe *list, size_t n, size_t from, size_t step)
{
	for (size_t i = from; i < n; i += step) {
		if (list[i].fd >= 0)
			close(list[i].fd);
		list[i].fd = -1;
	}
}

static void count_left(const struct sockdiag_entry *e, void *arg)
{
	struct restart_seen *s = arg;

	if (e->state == TCP_LISTEN || e->state == TCP_CLOSE)
		return;
	if (e->state == TCP_TIME_WAIT)
		s->time_wait++;
	else
		s->alive++;
}

/* What the kernel still has on the ports of the service. */
static void look_at_port(struct audit *a, const struct service *svc, struct restart_seen *s)
{
	struct endpoint any = {.addr = svc->v6 ? ADDR_ANY6 : ADDR_ANY4, .port = svc->port};
	int family = svc->v6 ? AF_INET6 : AF_INET;
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(&any, family, &ss);
	int fd = netns_socket(a->lab.host[LAB_SERVER].netns_fd, family, SOCK_STREAM | SOCK_CLOEXEC,
			      0);

	if (fd < 0)
		return;
	if (family == AF_INET6)
		sockopt_set_v6only(fd, !svc->v4);
	if (bind(fd, (struct sockaddr *)&ss, (socklen_t)len) < 0 && errno == EADDRINUSE)
		s->port_blocked = true;
	close(fd);
	sockdiag_dump(a->server_diag, IPPROTO_TCP, AF_INET, svc->port, count_left, s);
	sockdiag_dump(a->server_diag, IPPROTO_TCP, AF_INET6, svc->port, count_left, s);
}

/* The last line that it printed. */
static void last_words(const struct audit *a, char *buf, size_t size)
{
	size_t len, from;
	const char *out = guest_output(a->guest, &len);

	while (len > 0 && (out[len - 1] == '\n' || out[len - 1] == '\r'))
		len--;
	for (from = len; from > 0 && out[from - 1] != '\n';)
		from--;
	snprintf(buf, size, "%.*s", (int)(len - from), out + from);
}

static void start_again(struct audit *a, struct restart_seen *s, struct audit_result *r)
{
	struct listeners *after = calloc(1, sizeof(*after));
	struct audit_error err = {0};

	if (!after) {
		result_set(r, AUDIT_FAILED, "out of memory");
		return;
	}
	s->started = audit_start_server(a, &a->listeners, after, &err) == 0;
	if (!s->started)
		last_words(a, s->said, sizeof(s->said));
	restart_judge(s, &a->listeners, after, r);
	free(after);
	if (s->started)
		result_set(r, AUDIT_CLEAN,
			   "it listens again after %u ms, with %u connections alive and %u in "
			   "TIME_WAIT",
			   a->start_ms, s->alive, s->time_wait);
	else
		result_set(r, AUDIT_FAILED, "it did not start a second time%s%s",
			   *s->said ? ": " : "", s->said);
}

void check_restart_run(struct audit *a, struct audit_result *r)
{
	struct probe *list = calloc((size_t)SERVICES_TRIED * HELD, sizeof(*list));
	struct restart_seen s = {0};
	size_t n = list ? connect_all(a, list) : 0;

	if (n == 0) {
		result_set(r, AUDIT_NOT_ASKED, "it has no TCP port that can be reached");
		free(list);
		return;
	}
	if (!audit_stop_server(a))
		result_find(r, SEVERITY_NOTE, "server",
			    "end on SIGTERM: a service manager waits for that, too",
			    "it did not end within %u ms of SIGTERM and was killed",
			    a->cfg->grace_ms);
	close_held(list, n, 1, 2);
	for (size_t i = 0; i < a->n_services; i++)
		if (a->services[i].proto == IPPROTO_TCP)
			look_at_port(a, &a->services[i], &s);
	start_again(a, &s, r);
	close_held(list, n, 0, 1);
	free(list);
}
