/* SPDX-License-Identifier: MIT */
/* check_reach.c - every address of the server by every kind of client */
#include "checks.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum { TARGETS_MAX = 3 * LAB_ADDRS_MAX + 1 };

static const char ONE_FAMILY[] =
	"listen on [::] with IPV6_V6ONLY set to 0, or on 0.0.0.0 and on [::] with IPV6_V6ONLY set "
	"to 1; or publish addresses of the one family only";
static const char TREATED_ALIKE[] =
	"look how the server treats a client's address of this family, ::ffff:a.b.c.d first of all";

/* IPv4, the same mapped, native: for each address; and link-local. Returns how many. */
static size_t plan(const struct audit *a, size_t service, struct probe *out)
{
	const struct lab_host *s = &a->lab.host[LAB_SERVER], *c = &a->lab.host[LAB_CLIENT];
	size_t n = 0;

	for (int i = 0; i < s->n_addrs; i++) {
		for (int kind = 0; kind < 3; kind++) {
			struct probe *p = &out[n++];

			*p = audit_new_probe(a, service);
			p->family = kind == 0 ? AF_INET : AF_INET6;
			p->to.addr = kind == 2 ? s->v6[i] : s->v4[i];
			p->from.addr = kind == 2 ? c->v6[0] : c->v4[0];
		}
	}
	out[n] = audit_new_probe(a, service);
	out[n].family = AF_INET6;
	out[n].to.addr = s->link_local;
	out[n].from.addr = c->link_local;
	out[n].to.scope = out[n].from.scope = c->ifindex;
	return n + 1;
}

static bool is_local(const struct probe *p)
{
	return p->to.scope != 0;
}

/* Taken by the kernel for the server at least: what the server then makes of it is another matter.
 */
static bool was_taken(const struct probe *p)
{
	return p->connected || p->result == PROBE_ANSWERED || p->result == PROBE_OTHER ||
	       (p->proto == IPPROTO_UDP && p->result == PROBE_SILENT);
}

/* How one family fares over all addresses. */
struct family_sum {
	unsigned int taken, served;
	const struct probe *not_served;
};

/* Where some client got an answer, being accepted is not enough. */
static bool was_served(const struct probe *p, bool some_answer)
{
	return p->result == PROBE_ANSWERED || (p->result == PROBE_OPEN && !some_answer);
}

static struct family_sum sum_up(const struct probe *list, size_t n, bool ipv6, bool some_answer)
{
	struct family_sum s = {0};

	for (size_t i = 0; i < n; i++) {
		const struct probe *p = &list[i];

		if (addr_is_mapped(&p->to.addr) == ipv6 || is_local(p))
			continue;
		s.taken += was_taken(p);
		s.served += was_served(p, some_answer);
		if (was_taken(p) && !was_served(p, some_answer))
			s.not_served = p;
	}
	return s;
}

/* All clients of one family are served; of the other one some get nothing. */
static void judge_families(const char *where, const struct family_sum *good,
			   const struct family_sum *bad, struct audit_result *r)
{
	struct flow_key flow;
	char text[PROBE_TEXT];

	if (!good->served || good->not_served || !bad->not_served)
		return;
	result_find(r, SEVERITY_BUG, where, TREATED_ALIKE, "%s clients are served, but %s: %s",
		    addr_is_mapped(&bad->not_served->to.addr) ? "IPv6" : "IPv4",
		    probe_text(bad->not_served, text), probe_result_name(bad->not_served->result));
	flow = probe_flow(bad->not_served);
	result_show_flow(r, &flow);
}

static void judge_mapped(const char *where, const struct probe *list, size_t n,
			 struct audit_result *r)
{
	char text[PROBE_TEXT];

	for (size_t i = 0; i + 1 < n; i++) {
		const struct probe *v4 = &list[i], *mapped = &list[i + 1];

		if (v4->family != AF_INET || !addr_eq(&v4->to.addr, &mapped->to.addr) ||
		    v4->result == mapped->result)
			continue;
		result_find(r, SEVERITY_RISK, where,
			    "both clients send the same IPv4 packets; try again to see whether the "
			    "server is at its limit of clients",
			    "%s: %s, but %s from an IPv4 socket", probe_text(mapped, text),
			    probe_result_name(mapped->result), probe_result_name(v4->result));
		return;
	}
}

void reach_judge(const char *where, const struct probe *list, size_t n, struct audit_result *r)
{
	bool some_answer = false;
	struct family_sum v4, v6;

	for (size_t i = 0; i < n; i++)
		some_answer |= list[i].result == PROBE_ANSWERED;
	v4 = sum_up(list, n, false, some_answer);
	v6 = sum_up(list, n, true, some_answer);
	if (!v4.taken && !v6.taken) {
		result_find(r, SEVERITY_NOTE, where, "nothing, if only this host shall reach it",
			    "no other host can reach it: it listens on no address of the lab");
		return;
	}
	if (!v4.taken || !v6.taken)
		result_find(r, SEVERITY_RISK, where, ONE_FAMILY,
			    "%s clients are served, %s clients are refused at every address",
			    v4.taken ? "IPv4" : "IPv6", v4.taken ? "IPv6" : "IPv4");
	judge_families(where, &v4, &v6, r);
	judge_families(where, &v6, &v4, r);
	judge_mapped(where, list, n, r);
}

static void count(const struct probe *list, size_t n, unsigned int sums[PROBE_RESULTS])
{
	for (size_t i = 0; i < n; i++)
		sums[list[i].result]++;
}

static void summarise(const struct audit *a, const unsigned int *sums, struct audit_result *r)
{
	char text[FINDING_TEXT] = "";
	unsigned int all = 0;
	size_t len = 0;

	for (int k = 0; k < PROBE_RESULTS; k++) {
		all += sums[k];
		if (sums[k])
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u %s",
						len ? ", " : "", sums[k],
						probe_result_name((enum probe_result)k));
	}
	result_set(r, AUDIT_CLEAN, "%u clients to %zu service%s: %s", all, a->n_services,
		   a->n_services == 1 ? "" : "s", text);
}

void check_reach_run(struct audit *a, struct audit_result *r)
{
	struct probe *list = calloc(a->n_services * TARGETS_MAX, sizeof(*list));
	unsigned int sums[PROBE_RESULTS] = {0};
	size_t n = 0, per_service = 0;
	int ret = list ? 0 : -1;

	for (size_t i = 0; i < a->n_services && ret == 0; i++) {
		per_service = plan(a, i, list + n);
		n += per_service;
	}
	if (ret == 0)
		ret = audit_probe(a, list, n);
	if (ret < 0) {
		result_set(r, AUDIT_FAILED, "the clients could not be run to their end");
		free(list);
		return;
	}
	for (size_t i = 0; i < a->n_services; i++) {
		char where[SERVICE_TEXT];

		service_text(&a->services[i], where);
		reach_judge(where, list + i * per_service, per_service, r);
	}
	count(list, n, sums);
	summarise(a, sums, r);
	free(list);
}
