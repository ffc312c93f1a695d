/* SPDX-License-Identifier: MIT */
/* check_acl.c - what --forbid names is not served, what --allow names is; in whatever form it comes
 */
#include "checks.h"
#include "client.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS_MAX = RULE_CLIENTS * AUDIT_RULES_MAX + 2, PROBES_MAX = 2 * CLIENTS_MAX, GROUP = 32 };

static const char UNMAP[] =
	"turn ::ffff:a.b.c.d into a.b.c.d (the last four bytes, for ::ffff:0:0/96) before any rule "
	"looks at it";
static const char IN_FORCE[] = "see whether this rule is in force for this address and port";

static bool was_granted(const struct probe *p)
{
	if (p->expect)
		return probe_served(p);
	return probe_served(p) && speech_granted(p->answer, p->answer_len);
}

/* The server says no in so many words. */
static bool was_denied(const struct probe *p)
{
	return p->result == PROBE_ANSWERED && !was_granted(p);
}

/* What the server's socket shows it of an IPv4 client. */
static bool is_shown_mapped(const struct acl_seen *s)
{
	return addr_is_mapped(&s->probe->from.addr) && s->listener &&
	       s->listener->family == AF_INET6;
}

/* "198.51.100.9, which [::]:80 shows as ::ffff:198.51.100.9" */
static void client_text(const struct acl_seen *s, char *buf, size_t size)
{
	char plain[ADDR_STRLEN], mapped[ADDR_STRLEN];

	addr_print(&s->probe->from.addr, ADDR_FORM_INET, plain);
	if (is_shown_mapped(s))
		snprintf(buf, size, "%s (shown to the server as %s)", plain,
			 addr_print(&s->probe->from.addr, ADDR_FORM_INET6, mapped));
	else
		snprintf(buf, size, "%s", plain);
}

static void judge_one(const char *where, const struct acl_seen *s, const bool baseline[2],
		      struct audit_result *r)
{
	bool granted = was_granted(s->probe);
	bool ipv6 = !addr_is_mapped(&s->probe->from.addr);
	bool wanted = s->rule ? !s->rule->forbid : baseline[ipv6];
	const char *remedy = is_shown_mapped(s) ? UNMAP : IN_FORCE;
	char client[2 * ADDR_STRLEN + 32], rule[RULE_TEXT];
	struct flow_key flow;

	if (granted == wanted)
		return;
	client_text(s, client, sizeof(client));
	if (s->rule)
		result_find(r, SEVERITY_BUG, where, remedy, "%s is %s by %s and is %s (%s)", client,
			    wanted ? "allowed" : "forbidden", rule_text(s->rule, rule),
			    granted ? "served" : "not served", probe_result_name(s->probe->result));
	else
		result_find(r, SEVERITY_RISK, where, IN_FORCE,
			    "%s is just outside the rules and is %s, unlike other such clients",
			    client, granted ? "served" : "not served");
	flow = probe_flow(s->probe);
	result_show_flow(r, &flow);
}

/* The same client, by both kinds of socket, is one finding. */
static bool said_before(const struct acl_seen *seen, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (addr_eq(&seen[k].probe->from.addr, &seen[i].probe->from.addr) &&
		    was_granted(seen[k].probe) == was_granted(seen[i].probe))
			return true;
	return false;
}

void acl_judge(const char *where, const struct acl_seen *seen, size_t n, const bool baseline[2],
	       struct audit_result *r)
{
	for (size_t i = 0; i < n; i++)
		if (!said_before(seen, i))
			judge_one(where, &seen[i], baseline, r);
}

static void add_client(const struct addr *a, struct addr *list, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		if (addr_eq(&list[i], a))
			return;
	list[(*n)++] = *a;
}

/* The edges of all rules, and a client of each family of whom mostly no rule speaks. */
static size_t list_clients(const struct audit *a, struct addr *out)
{
	const struct lab_host *c = &a->lab.host[LAB_CLIENT];
	struct addr edge[RULE_CLIENTS];
	size_t n = 0;

	add_client(&c->v4[0], out, &n);
	add_client(&c->v6[0], out, &n);
	for (size_t i = 0; i < a->cfg->n_rules; i++) {
		size_t k = rule_clients(&a->cfg->rules[i], edge);

		while (k > 0)
			add_client(&edge[--k], out, &n);
	}
	return n;
}

/* Each IPv4 client by an IPv4 socket and by an IPv6 one. */
static size_t plan(const struct audit *a, size_t service, const struct addr *clients,
		   size_t n_clients, struct probe *out)
{
	const struct lab_host *s = &a->lab.host[LAB_SERVER];
	size_t n = 0;

	for (size_t i = 0; i < n_clients; i++) {
		bool v4 = addr_is_mapped(&clients[i]);
		const struct addr *to = v4 ? &s->v4[0] : &s->v6[0];

		if (!audit_listener(a, service, to))
			continue;
		for (int form = v4 ? 0 : 1; form < 2; form++) {
			out[n] = audit_new_probe(a, service);
			if (a->cfg->client)
				out[n].expect = NULL;
			out[n].family = form == 0 ? AF_INET : AF_INET6;
			out[n].to.addr = *to;
			out[n].from.addr = clients[i];
			n++;
		}
	}
	return n;
}

/* What the probes of one service say. Returns whether they say anything. */
static bool judge_service(struct audit *a, size_t service, const struct probe *list, size_t n,
			  struct acl_seen *seen, struct audit_result *r)
{
	bool baseline[2] = {true, true}, known[2] = {false, false}, telling = false;
	char where[SERVICE_TEXT];

	for (size_t i = 0; i < n; i++) {
		bool ipv6;

		seen[i] = (struct acl_seen){
			.probe = &list[i],
			.rule = rules_find(a->cfg->rules, a->cfg->n_rules, &list[i].from.addr),
			.listener = audit_listener(a, service, &list[i].to.addr),
		};
		telling |= was_granted(&list[i]) || was_denied(&list[i]);
		ipv6 = !addr_is_mapped(&list[i].from.addr);
		if (seen[i].rule || known[ipv6])
			continue;
		known[ipv6] = true;
		baseline[ipv6] = was_granted(&list[i]);
	}
	/* Where nobody is served and nothing is said a refusal proves nothing. */
	if (telling)
		acl_judge(service_text(&a->services[service], where), seen, n, baseline, r);
	return telling;
}

/* The clients of some services at once. */
struct acl_group {
	struct addr clients[CLIENTS_MAX];
	size_t n_clients;
	struct probe list[GROUP * PROBES_MAX];
	struct acl_seen seen[PROBES_MAX];
	size_t first[GROUP + 1];
};

/* Services [@from, @to). Returns how many could be judged, or -errno. */
static int check_group(struct audit *a, struct acl_group *g, size_t from, size_t to,
		       struct audit_result *r)
{
	int checked = 0, ret;

	g->first[0] = 0;
	for (size_t i = from; i < to; i++) {
		bool concerns = a->services[i].proto == IPPROTO_TCP || a->speech[i].answers;
		size_t k = i - from;

		g->first[k + 1] = g->first[k];
		if (concerns)
			g->first[k + 1] +=
				plan(a, i, g->clients, g->n_clients, g->list + g->first[k]);
	}
	ret = a->cfg->client ? client_run(a, g->list, g->first[to - from])
			     : audit_probe(a, g->list, g->first[to - from]);
	for (size_t i = from; i < to && ret == 0; i++) {
		size_t first = g->first[i - from];

		checked += judge_service(a, i, g->list + first, g->first[i - from + 1] - first,
					 g->seen, r);
	}
	return ret < 0 ? ret : checked;
}

/* Returns how many services could be judged, or -errno. */
static int check_all(struct audit *a, struct acl_group *g, struct audit_result *r)
{
	int checked = 0, ret = 0;

	g->n_clients = list_clients(a, g->clients);
	for (size_t i = 0; i < a->n_services && ret >= 0; i += GROUP) {
		ret = check_group(a, g, i, i + GROUP < a->n_services ? i + GROUP : a->n_services,
				  r);
		checked += ret;
	}
	return ret < 0 ? ret : checked;
}

void check_acl_run(struct audit *a, struct audit_result *r)
{
	struct acl_group *g;
	int checked;

	if (!a->cfg->n_rules) {
		result_set(r, a->cfg->chosen ? AUDIT_FAILED : AUDIT_NOT_ASKED,
			   "no rule was given: --forbid ADDRESS, --allow ADDRESS");
		return;
	}
	g = calloc(1, sizeof(*g));
	checked = g ? check_all(a, g, r) : -ENOMEM;
	if (checked < 0)
		result_set(r, AUDIT_FAILED, "the clients could not be run to their end");
	else if (checked == 0)
		result_set(
			r, AUDIT_FAILED,
			"not even an allowed client is served: --say, --http or --expect must say "
			"what being served looks like");
	else
		result_set(r, AUDIT_CLEAN,
			   "%zu clients at %d service%s are treated as the rules say", g->n_clients,
			   checked, checked == 1 ? "" : "s");
	free(g);
}
