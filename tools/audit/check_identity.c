/* SPDX-License-Identifier: MIT */
/* check_identity.c - is one client written in one form? */
#include "checks.h"
#include "log.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 2, LOG_WAIT_MS = 400 };

static const char UNMAP[] =
	"where an address enters the program (after accept and recvfrom), turn ::ffff:a.b.c.d into "
	"a.b.c.d: then limits, bans, allow lists and logs all see one client";

void identity_judge(const struct identity_seen *seen, size_t n, struct audit_result *r)
{
	char plain[ADDR_STRLEN], mapped[ADDR_STRLEN];

	for (size_t i = 0; i < n; i++) {
		const struct trace_forms *f = &seen[i].forms;

		if (!traces_mapped(f))
			continue;
		addr_print(&seen[i].client, ADDR_FORM_INET, plain);
		addr_print(&seen[i].client, ADDR_FORM_INET6, mapped);
		if (f->plain)
			result_find(
				r, SEVERITY_BUG, "log", UNMAP,
				"one client under two names: %s is written as %s %u times and as "
				"%s %u times",
				plain, plain, f->plain, mapped, traces_mapped(f));
		else if (f->mapped_dotted && f->mapped_hex)
			result_find(
				r, SEVERITY_BUG, "log", UNMAP,
				"one client under two names: %s is written as %s %u times and in "
				"hexadecimal groups %u times",
				plain, mapped, f->mapped_dotted, f->mapped_hex);
		else
			result_find(
				r, SEVERITY_RISK, "log", UNMAP,
				"the IPv4 client %s is written as %s%s: what compares addresses "
				"as text (bans, limits, geo look-ups) does not know it",
				plain, mapped, f->mapped_hex ? " in hexadecimal groups" : "");
	}
}

/* The IPv4 client by both kinds of socket, the IPv6 one by its own. */
static size_t plan(const struct audit *a, size_t service, struct probe *out)
{
	const struct lab_host *s = &a->lab.host[LAB_SERVER];
	size_t n = 0;

	for (int kind = 0; kind < 3; kind++) {
		const struct addr *to = kind == 2 ? &s->v6[0] : &s->v4[0];

		if (!audit_listener(a, service, to))
			continue;
		out[n] = audit_new_probe(a, service);
		out[n].family = kind == 0 ? AF_INET : AF_INET6;
		out[n].to.addr = *to;
		out[n].from.addr = audit_client(kind == 2, 0);
		n++;
	}
	return n;
}

static void judge_log(struct audit *a, const struct log_mark *mark, struct audit_result *r)
{
	struct identity_seen seen[CLIENTS];
	struct addr clients[CLIENTS] = {audit_client(false, 0), audit_client(true, 0)};
	struct trace_forms forms[CLIENTS];

	if (!log_find(a, mark, clients, forms, CLIENTS, LOG_WAIT_MS)) {
		a->names_no_client = true;
		result_set(r, a->cfg->chosen || a->cfg->log ? AUDIT_FAILED : AUDIT_NOT_ASKED,
			   a->cfg->log ? "neither its output nor its log names a client"
				       : "its output names no client: --log FILE names its log");
		return;
	}
	for (int i = 0; i < CLIENTS; i++)
		seen[i] = (struct identity_seen){.client = clients[i], .forms = forms[i]};
	identity_judge(seen, CLIENTS, r);
	if (traces_all(&forms[0]))
		result_set(r, AUDIT_CLEAN,
			   "198.51.100.11 is written %u times as an IPv4 address, %u times as "
			   "::ffff:198.51.100.11",
			   forms[0].plain, traces_mapped(&forms[0]));
	else
		result_set(r, AUDIT_CLEAN, "IPv6 clients are named, no IPv4 client is");
}

void check_identity_run(struct audit *a, struct audit_result *r)
{
	struct probe *list = calloc(a->n_services * 3, sizeof(*list));
	struct log_mark mark = log_now(a);
	size_t n = 0;

	for (size_t i = 0; i < a->n_services && list; i++)
		n += plan(a, i, list + n);
	if (list && n == 0)
		result_set(r, AUDIT_NOT_ASKED, "no other host can reach it");
	else if (!list || audit_probe(a, list, n) < 0)
		result_set(r, AUDIT_FAILED, "the clients could not be run to their end");
	else
		judge_log(a, &mark, r);
	free(list);
}
