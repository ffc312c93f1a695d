/* SPDX-License-Identifier: MIT */
/* show.c - an audit as lines, as TAP, and as JSON */
#include "show.h"

#include "../../rawstack/witness/ladder.h"
#include "../lab/table.h"
#include "../report.h"
#include "../show_ladder.h"

#include <netinet/in.h>

static const char *const COLORS[SEVERITY_NUM] = {
	[SEVERITY_NOTE] = "\033[36m",
	[SEVERITY_RISK] = "\033[33m",
	[SEVERITY_BUG] = "\033[31m",
};

static void show_line(FILE *out, const char *check, const char *color, const char *word,
		      const char *text)
{
	fprintf(out, "%-14s %s%-5s%s %s\n", check, color, word, *color ? "\033[0m" : "", text);
}

static void show_findings(const struct audit_result *r, const char *name, bool color, FILE *out)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct finding *f = &r->list[i];
		char text[sizeof(f->where) + FINDING_TEXT];

		snprintf(text, sizeof(text), "%s: %s", f->where, f->evidence);
		show_line(out, name, color ? COLORS[f->severity] : "", severity_name(f->severity),
			  text);
		fprintf(out, "%-14s       remedy: %s\n", "", f->remedy);
	}
	if (r->unlisted)
		fprintf(out, "%-14s       and %zu more of the kind\n", "", r->unlisted);
}

static void show_check(const struct audit_result *r, const char *name, bool color, FILE *out)
{
	if (r->status == AUDIT_CLEAN)
		show_line(out, name, color ? "\033[32m" : "", "ok", r->summary);
	else if (r->status == AUDIT_FAILED)
		show_line(out, name, color ? "\033[35m" : "", "?", r->summary);
	else if (r->status == AUDIT_NOT_ASKED)
		show_line(out, name, "", "-", r->summary);
	show_findings(r, name, color, out);
}

static void count(const struct audit *a, unsigned int found[SEVERITY_NUM], unsigned int *failed)
{
	for (int c = 0; c < CHECK_NUM; c++) {
		const struct audit_result *r = &a->results[c];

		for (size_t i = 0; i < r->n; i++)
			found[r->list[i].severity]++;
		*failed += r->status == AUDIT_FAILED;
	}
}

static void show_speech(const struct audit *a, FILE *out)
{
	for (size_t i = 0; i < a->n_services && !a->cfg->attach; i++) {
		char where[SERVICE_TEXT];

		service_text(&a->services[i], where);
		if (a->speech[i].answers)
			fprintf(out, "%s answers to %s\n", where, a->speech[i].name);
		else
			fprintf(out, "%s answers to nothing that was tried\n", where);
		if (i == 7 && a->n_services > 9) {
			fprintf(out, "and so on, %zu services in all\n", a->n_services);
			break;
		}
	}
	if (a->n_unchecked)
		fprintf(out,
			"%zu more sockets were not checked: --port chooses which services are\n",
			a->n_unchecked);
}

void show_text(const struct audit *a, bool color, FILE *out)
{
	unsigned int found[SEVERITY_NUM] = {0}, failed = 0;

	show_speech(a, out);
	fputc('\n', out);
	for (int c = 0; c < CHECK_NUM; c++)
		show_check(&a->results[c], audit_check_name((enum audit_check)c), color, out);
	count(a, found, &failed);
	fprintf(out, "\n%u bug%s, %u risk%s, %u note%s", found[SEVERITY_BUG],
		found[SEVERITY_BUG] == 1 ? "" : "s", found[SEVERITY_RISK],
		found[SEVERITY_RISK] == 1 ? "" : "s", found[SEVERITY_NOTE],
		found[SEVERITY_NOTE] == 1 ? "" : "s");
	if (failed)
		fprintf(out, "; %u check%s could not be carried out", failed,
			failed == 1 ? "" : "s");
	fprintf(out, "; %.1f s\n", a->total_ms / 1e3);
}

static bool same_flow(const struct flow_key *a, const struct flow_key *b)
{
	return a->proto == b->proto && a->server_port == b->server_port &&
	       a->client_port == b->client_port && addr_eq(&a->server, &b->server) &&
	       addr_eq(&a->client, &b->client);
}

const struct judged *show_connection(const struct audit *a, const struct finding *f)
{
	for (size_t i = 0; i < a->report.n && f->has_flow; i++)
		if (same_flow(&a->report.list[i].c.key, &f->flow))
			return &a->report.list[i];
	return NULL;
}

int show_ladder(const struct audit *a, const struct judged *j, unsigned int width, FILE *out)
{
	struct flow_index idx;
	struct ladder l;
	int ret = flow_index_init(&idx, &a->report);

	if (ret < 0)
		return ret;
	ret = ladder_of(&idx, j, &l);
	if (ret == 0) {
		ladder_print(&l, width, out);
		ladder_free(&l);
	}
	flow_index_free(&idx);
	return ret;
}

int show_views(const struct audit *a, bool color)
{
	int ret = a->report.n ? table_print(&a->report, NULL, color) : 0;

	for (int c = 0; c < CHECK_NUM; c++) {
		const struct audit_result *r = &a->results[c];

		for (size_t i = 0; i < r->n && ret == 0; i++) {
			const struct judged *j = show_connection(a, &r->list[i]);

			if (!j)
				continue;
			printf("\n%s: %s: %s\n", audit_check_name((enum audit_check)c),
			       r->list[i].where, r->list[i].evidence);
			ret = show_ladder(a, j, show_ladder_width(), stdout);
		}
	}
	return ret;
}

/* TAP has no place for a line break or a '#' in a description. */
static void put_tap_text(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc(*text == '#' || (unsigned char)*text < ' ' ? '.' : *text, out);
}

void show_tap(const struct audit *a, FILE *out)
{
	fprintf(out, "TAP version 14\n1..%d\n", CHECK_NUM);
	for (int c = 0; c < CHECK_NUM; c++) {
		const struct audit_result *r = &a->results[c];
		bool ok = r->status == AUDIT_CLEAN || r->status == AUDIT_NOT_ASKED;

		fprintf(out, "%sok %d - %s", ok ? "" : "not ", c + 1,
			audit_check_name((enum audit_check)c));
		if (r->status != AUDIT_CLEAN) {
			fputs(r->status == AUDIT_NOT_ASKED ? " # SKIP " : ": ", out);
			put_tap_text(out,
				     r->status == AUDIT_FOUND ? r->list[0].evidence : r->summary);
		}
		fputc('\n', out);
		for (size_t i = 0; i < r->n; i++) {
			const struct finding *f = &r->list[i];

			fprintf(out, "# %s, %s: ", severity_name(f->severity), f->where);
			put_tap_text(out, f->evidence);
			fputs("\n# remedy: ", out);
			put_tap_text(out, f->remedy);
			fputc('\n', out);
		}
	}
}

static json_t *finding_json(const struct audit *a, const struct finding *f)
{
	const struct judged *j = show_connection(a, f);

	return json_pack("{s:s,s:s,s:s,s:s,s:o}", "severity", severity_name(f->severity), "where",
			 f->where, "evidence", f->evidence, "remedy", f->remedy, "connection",
			 j ? report_connection_json(&a->report, j) : json_null());
}

static json_t *check_json(const struct audit *a, enum audit_check c)
{
	const struct audit_result *r = &a->results[c];
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(list, finding_json(a, &r->list[i]));
	return json_pack("{s:s,s:s,s:s,s:i,s:o,s:I}", "name", audit_check_name(c), "status",
			 audit_status_name(r->status), "summary", r->summary, "ms", (int)r->ms,
			 "findings", list, "more_findings", (json_int_t)r->unlisted);
}

static json_t *listener_json(const struct sockdiag_entry *e)
{
	enum addr_form form = e->family == AF_INET ? ADDR_FORM_INET : ADDR_FORM_INET6;
	char addr[ADDR_STRLEN];

	return json_pack("{s:s,s:s,s:s,s:i,s:o}", "proto", e->proto == IPPROTO_TCP ? "tcp" : "udp",
			 "family", e->family == AF_INET ? "AF_INET" : "AF_INET6", "address",
			 addr_print(&e->src.addr, form, addr), "port", (int)e->src.port, "v6only",
			 e->v6only < 0 ? json_null() : json_boolean(e->v6only));
}

static json_t *service_json(const struct audit *a, size_t i)
{
	const struct service *s = &a->services[i];

	return json_pack("{s:s,s:i,s:b,s:b,s:s?}", "proto", s->proto == IPPROTO_TCP ? "tcp" : "udp",
			 "port", (int)s->port, "ipv4", s->v4, "ipv6", s->v6, "answers_to",
			 a->speech[i].answers ? a->speech[i].name : NULL);
}

json_t *show_json(const struct audit *a)
{
	json_t *checks = json_array(), *listeners = json_array(), *services = json_array();
	json_t *command = json_array();
	unsigned int found[SEVERITY_NUM] = {0}, failed = 0;

	for (char *const *arg = a->cfg->argv; arg && *arg; arg++)
		json_array_append_new(command, json_string(*arg));
	for (size_t i = 0; i < a->listeners.n; i++)
		json_array_append_new(listeners, listener_json(&a->listeners.list[i]));
	for (size_t i = 0; i < a->n_services; i++)
		json_array_append_new(services, service_json(a, i));
	for (int c = 0; c < CHECK_NUM; c++)
		json_array_append_new(checks, check_json(a, (enum audit_check)c));
	count(a, found, &failed);
	return json_pack("{s:{s:i,s:i,s:i,s:i},s:o,s:i,s:o,s:o,s:I,s:o}", "summary", "bugs",
			 (int)found[SEVERITY_BUG], "risks", (int)found[SEVERITY_RISK], "notes",
			 (int)found[SEVERITY_NOTE], "failed", (int)failed, "command", command,
			 "total_ms", (int)a->total_ms, "listeners", listeners, "services", services,
			 "unchecked", (json_int_t)a->n_unchecked, "checks", checks);
}
