/* SPDX-License-Identifier: MIT */
/* check_udp_source.c - does a UDP answer come from the address that was asked? */
#include "checks.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum { TARGETS = 2 * LAB_ADDRS_MAX };

void udp_source_judge(const char *where, const struct probe *list, size_t n, struct audit_result *r)
{
	char asked[ADDR_STRLEN], from[ADDR_STRLEN];
	struct flow_key flow;

	for (size_t i = 0; i < n; i++) {
		const struct probe *p = &list[i];

		if (p->result != PROBE_ANSWERED && p->result != PROBE_OTHER)
			continue;
		if (endpoint_eq(&p->answered_from, &p->to))
			continue;
		result_find(
			r, SEVERITY_BUG, where,
			"take the destination from IPV6_PKTINFO (or IP_PKTINFO) and answer from "
			"it, or bind a socket to each address",
			"asked %s, it answered from %s port %u: a connected client never sees it",
			addr_print(&p->to.addr, ADDR_FORM_INET, asked),
			addr_print(&p->answered_from.addr, ADDR_FORM_INET, from),
			p->answered_from.port);
		flow = probe_flow(p);
		result_show_flow(r, &flow);
	}
}

static size_t plan(const struct audit *a, size_t service, struct probe *out)
{
	const struct lab_host *s = &a->lab.host[LAB_SERVER], *c = &a->lab.host[LAB_CLIENT];
	size_t n = 0;

	for (int i = 0; i < s->n_addrs; i++) {
		for (int v6 = 0; v6 < 2; v6++) {
			const struct addr *to = v6 ? &s->v6[i] : &s->v4[i];
			struct probe *p = &out[n];

			if (!audit_listener(a, service, to))
				continue;
			*p = audit_new_probe(a, service);
			p->family = v6 ? AF_INET6 : AF_INET;
			p->to.addr = *to;
			p->from.addr = v6 ? c->v6[0] : c->v4[0];
			p->wait_ms = a->cfg->answer_ms;
			n++;
		}
	}
	return n;
}

static bool is_answered(const struct probe *p)
{
	return p->result == PROBE_ANSWERED || p->result == PROBE_OTHER;
}

/*
 * Those of a service that were not answered, though others of their family were: they might have
 * been answered from anywhere. A family that is never answered is a matter of reach.
 */
static unsigned int lost(const struct probe *list, size_t n)
{
	unsigned int count[2] = {0}, answered[2] = {0}, sum = 0;

	for (size_t i = 0; i < n; i++) {
		count[list[i].family == AF_INET6]++;
		answered[list[i].family == AF_INET6] += is_answered(&list[i]);
	}
	for (int v6 = 0; v6 < 2; v6++)
		sum += answered[v6] ? count[v6] - answered[v6] : 0;
	return sum;
}

void check_udp_source_run(struct audit *a, struct audit_result *r)
{
	unsigned int asked = 0, answered = 0, services = 0, unclear = 0;
	struct probe *list = calloc(a->n_services * TARGETS, sizeof(*list));
	size_t first[SERVICES_MAX + 1] = {0};
	int ret = list ? 0 : -1;

	for (size_t i = 0; i < a->n_services && ret == 0; i++) {
		bool udp = a->services[i].proto == IPPROTO_UDP && a->speech[i].answers;

		services += a->services[i].proto == IPPROTO_UDP;
		first[i + 1] = first[i] + (udp ? plan(a, i, list + first[i]) : 0);
	}
	if (ret == 0)
		ret = audit_probe(a, list, first[a->n_services]);
	for (size_t i = 0; i < a->n_services && ret == 0; i++) {
		size_t n = first[i + 1] - first[i];
		char where[SERVICE_TEXT];

		udp_source_judge(service_text(&a->services[i], where), list + first[i], n, r);
		for (size_t k = first[i]; k < first[i + 1]; k++)
			answered += is_answered(&list[k]);
		unclear += lost(list + first[i], n);
		asked += (unsigned int)n;
	}
	free(list);
	if (ret < 0)
		result_set(r, AUDIT_FAILED, "the clients could not be run to their end");
	else if (!services)
		result_set(r, AUDIT_NOT_ASKED, "it has no UDP port");
	else if (!asked)
		result_set(r, a->cfg->chosen ? AUDIT_FAILED : AUDIT_NOT_ASKED,
			   "no UDP answer: --send TEXT says what it answers to");
	else if (!answered) {
		result_set(r, AUDIT_FAILED, "no UDP answer: --send TEXT says what it answers to");
		r->try_again = true;
	} else if (unclear && !r->n) {
		result_set(r, AUDIT_FAILED,
			   "%u of %u datagrams were not answered, so it is not known from where "
			   "they would be",
			   unclear, asked);
		r->try_again = true;
	} else
		result_set(r, AUDIT_CLEAN, "%u of %u answers came from the address that was asked",
			   answered - (unsigned int)r->n - (unsigned int)r->unlisted, answered);
}
