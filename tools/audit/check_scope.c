/* SPDX-License-Identifier: MIT */
/* check_scope.c - are link-local clients served, and written so that one can connect back? */
#include "checks.h"
#include "log.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOG_WAIT_MS = 300, SHORT_WAIT_MS = 20, PAIR = 2 };

static void show(const struct scope_seen *s, struct audit_result *r)
{
	struct flow_key flow;

	if (!s->local)
		return;
	flow = probe_flow(s->local);
	result_show_flow(r, &flow);
}

void scope_judge(const char *where, const struct scope_seen *s, struct audit_result *r)
{
	if (s->native_served && !s->local_served) {
		result_find(r, SEVERITY_BUG, where,
			    "keep sin6_scope_id with the address wherever it is stored or sent to: "
			    "without it fe80:: addresses are of no use (RFC 4007)",
			    "other IPv6 clients are served, a link-local client is not: %s",
			    probe_result_name(s->local_result));
		show(s, r);
	}
	if (s->forms.plain && !s->forms.scoped)
		result_find(r, SEVERITY_RISK, where,
			    "write link-local addresses with their zone, as getnameinfo(3) does: "
			    "fe80::1%eth0",
			    "a link-local client is written as fe80::a:1, without its interface: "
			    "nobody can connect back to that (EINVAL)");
}

/* An ordinary and a link-local IPv6 client. */
static void plan(const struct audit *a, size_t service, struct probe out[PAIR])
{
	const struct lab_host *s = &a->lab.host[LAB_SERVER], *c = &a->lab.host[LAB_CLIENT];

	for (int local = 0; local < PAIR; local++) {
		out[local] = audit_new_probe(a, service);
		out[local].family = AF_INET6;
		out[local].to.addr = local ? s->link_local : s->v6[0];
		out[local].from.addr = local ? c->link_local : audit_client(true, 1);
		out[local].from.scope = out[local].to.scope = local ? c->ifindex : 0;
	}
}

/* Is the service there for both, or has it bound other addresses? */
static bool concerns(const struct audit *a, size_t service)
{
	const struct lab_host *s = &a->lab.host[LAB_SERVER];

	return audit_listener(a, service, &s->v6[0]) && audit_listener(a, service, &s->link_local);
}

static void judge_all(struct audit *a, const struct probe *list, const size_t *services, size_t n,
		      const struct log_mark *mark, struct audit_result *r)
{
	const struct addr *local = &a->lab.host[LAB_CLIENT].link_local;
	struct scope_seen log = {0};
	bool logged = log_find(a, mark, local, &log.forms, 1,
			       a->names_no_client ? SHORT_WAIT_MS : LOG_WAIT_MS);
	char where[SERVICE_TEXT];

	for (size_t i = 0; i < n; i++) {
		const struct probe *p = list + PAIR * i;
		struct scope_seen s = {
			.native_served = probe_served(&p[0]),
			.local_served = probe_served(&p[1]),
			.local_result = p[1].result,
			.local = &p[1],
		};

		scope_judge(service_text(&a->services[services[i]], where), &s, r);
	}
	scope_judge("log", &log, r);
	result_set(r, AUDIT_CLEAN, "link-local clients are served as others are%s",
		   logged ? ", and written with their zone" : "; none is named in its output");
}

void check_scope_run(struct audit *a, struct audit_result *r)
{
	struct probe *list = calloc(a->n_services * PAIR, sizeof(*list));
	struct log_mark mark = log_now(a);
	size_t services[SERVICES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < a->n_services && list; i++) {
		if (!concerns(a, i))
			continue;
		plan(a, i, list + PAIR * n);
		services[n++] = i;
	}
	if (list && n == 0)
		result_set(r, AUDIT_NOT_ASKED, "it listens on no link-local address");
	else if (!list || audit_probe(a, list, PAIR * n) < 0)
		result_set(r, AUDIT_FAILED, "the clients could not be run to their end");
	else
		judge_all(a, list, services, n, &mark, r);
	free(list);
}
