/* SPDX-License-Identifier: MIT */
/* report.c - judged connections as JSON and as words */
#include "report.h"

#include "cli.h"

#include <netinet/in.h>

const char *report_family_name(int family)
{
	return family == AF_INET ? "AF_INET" : "AF_INET6";
}

/* The side whose record a report shows: the server's, where the server got as far as having one. */
static enum evidence_side shown_side(const struct connection *c, bool kernel)
{
	const struct connection_side *s = &c->side[SIDE_SERVER];

	return (kernel ? s->kernel != NULL : s->api != NULL) ? SIDE_SERVER : SIDE_CLIENT;
}

void report_set_endpoint(json_t *o, const char *key, const struct endpoint *ep, int family)
{
	char text[ADDR_STRLEN], name[32];

	json_object_set_new(o, key,
			    json_string(addr_print(&ep->addr, evidence_form(family), text)));
	snprintf(name, sizeof(name), "%s_port", key);
	json_object_set_new(o, name, json_integer(ep->port));
	if (!ep->scope)
		return;
	snprintf(name, sizeof(name), "%s_scope", key);
	json_object_set_new(o, name, json_integer(ep->scope));
}

bool report_is_mapped(int family, const struct addr *peer)
{
	return family == AF_INET6 && addr_is_mapped(peer);
}

static json_t *api_json(const struct evidence_api *a)
{
	json_t *o;

	if (!a)
		return json_null();
	o = json_object();
	json_object_set_new(o, "side", json_string(evidence_side_name(a->side)));
	json_object_set_new(o, "call", json_string(evidence_call_name(a->call)));
	json_object_set_new(o, "family", json_string(report_family_name(a->family)));
	report_set_endpoint(o, "peer", &a->peer, a->family);
	report_set_endpoint(o, "local", &a->local, a->family);
	json_object_set_new(o, "mapped", json_boolean(report_is_mapped(a->family, &a->peer.addr)));
	json_object_set_new(o, "errno",
			    a->error ? json_string(strerrorname_np(-a->error)) : json_null());
	json_object_set_new(o, "cookie", json_integer((json_int_t)a->cookie));
	return o;
}

static json_t *kernel_json(const struct sockdiag_entry *k, enum evidence_side side)
{
	json_t *o;

	if (!k)
		return json_null();
	o = json_object();
	json_object_set_new(o, "side", json_string(evidence_side_name(side)));
	json_object_set_new(o, "family", json_string(report_family_name(k->family)));
	report_set_endpoint(o, "src", &k->src, k->family);
	report_set_endpoint(o, "dst", &k->dst, k->family);
	json_object_set_new(o, "cookie", json_integer((json_int_t)k->cookie));
	return o;
}

/* Frames of one carriage in both directions on the tap that is shown, and those sent with a bad
 * checksum. */
static uint32_t frames_of(const struct flow *fl, uint32_t tap, enum carriage c)
{
	uint32_t n = 0;

	for (int way = 0; way < FLOW_WAYS; way++)
		n += fl->view[tap][way].frames[c] + fl->view[tap][way].sent_bad_checksum[c];
	return n;
}

struct wire_sum {
	uint32_t v4, v6, other;
	uint16_t mss;
	const char *ethertype; /* NULL: more than one, or none */
};

static struct wire_sum wire_sum(const struct judge_report *r, const struct connection *c)
{
	uint32_t tap = judge_shown_tap(&r->run, c);
	struct wire_sum s = {0};

	for (int k = 0; k < CARRIAGE_NUM; k++) {
		uint32_t n = frames_of(c->flow, tap, (enum carriage)k);

		if (k == CARRIAGE_V4)
			s.v4 = n;
		else if (k == CARRIAGE_V6)
			s.v6 = n;
		else
			s.other += n;
	}
	if (s.v4 && !s.v6 && !s.other)
		s.ethertype = "0x0800";
	else if (s.v6 && !s.v4 && !s.other)
		s.ethertype = "0x86dd";
	s.mss = c->flow->view[tap][FLOW_TO_SERVER].mss;
	return s;
}

static json_t *wire_json(const struct judge_report *r, const struct connection *c)
{
	struct wire_sum s;
	json_t *o;

	if (!c->flow)
		return json_null();
	s = wire_sum(r, c);
	o = json_object();
	json_object_set_new(o, "ethertype",
			    s.ethertype		      ? json_string(s.ethertype)
			    : s.v4 || s.v6 || s.other ? json_string("mixed")
						      : json_null());
	json_object_set_new(o, "frames",
			    json_pack("{s:i,s:i,s:i}", "ipv4", (int)s.v4, "ipv6", (int)s.v6,
				      "other", (int)s.other));
	json_object_set_new(o, "syn_mss", s.mss ? json_integer(s.mss) : json_null());
	return o;
}

json_t *report_connection_json(const struct judge_report *r, const struct judged *j)
{
	enum evidence_side a = shown_side(&j->c, false), k = shown_side(&j->c, true);
	const struct connection_side *client = &j->c.side[SIDE_CLIENT];
	const struct connection_side *server = &j->c.side[SIDE_SERVER];
	json_t *o = json_object(), *reasons = json_array();

	json_object_set_new(o, "proto", json_string(j->c.key.proto == IPPROTO_TCP ? "tcp" : "udp"));
	json_object_set_new(o, "result", json_string(j->result));
	json_object_set_new(o, "api", api_json(j->c.side[a].api));
	json_object_set_new(o, "kernel", kernel_json(j->c.side[k].kernel, k));
	json_object_set_new(o, "wire", wire_json(r, &j->c));
	json_object_set_new(o, "client",
			    json_pack("{s:o,s:o}", "api", api_json(client->api), "kernel",
				      kernel_json(client->kernel, SIDE_CLIENT)));
	json_object_set_new(o, "server",
			    json_pack("{s:o,s:o,s:s}", "api", api_json(server->api), "kernel",
				      kernel_json(server->kernel, SIDE_SERVER), "stack",
				      server->own_stack ? "user space" : "kernel"));
	json_object_set_new(o, "verdict", json_string(verdict_name(j->j.verdict)));
	for (int i = 0; i < REASON_NUM; i++)
		if (j->j.reasons & reason_bit((enum reason)i))
			json_array_append_new(reasons, json_string(reason_name((enum reason)i)));
	json_object_set_new(o, "reasons", reasons);
	return o;
}

const char *report_api_text(const struct judged *j, char *buf)
{
	const struct evidence_api *a = j->c.side[shown_side(&j->c, false)].api;
	char peer[ADDR_STRLEN], local[ADDR_STRLEN];
	enum addr_form form;

	if (!a) {
		snprintf(buf, REPORT_TEXT, "-");
		return buf;
	}
	form = evidence_form(a->family);
	addr_print(&a->peer.addr, form, peer);
	addr_print(&a->local.addr, form, local);
	if (a->call == CALL_CONNECT)
		snprintf(buf, REPORT_TEXT, "connect: %s\nto %s",
			 a->error ? strerrorname_np(-a->error) : "ok", peer);
	else
		snprintf(buf, REPORT_TEXT, "%s: %s\nlocal %s", evidence_call_name(a->call), peer,
			 local);
	return buf;
}

const char *report_kernel_text(const struct judged *j, char *buf)
{
	enum evidence_side side = shown_side(&j->c, true);
	const struct sockdiag_entry *k = j->c.side[side].kernel;
	const char *whose = side == SIDE_CLIENT ? " (client's)" : "";
	bool own_stack = j->c.side[SIDE_SERVER].own_stack;
	char src[ADDR_STRLEN], dst[ADDR_STRLEN];

	if (!k) {
		snprintf(buf, REPORT_TEXT, own_stack ? "(user-space stack)" : "-");
		return buf;
	}
	addr_print(&k->src.addr, evidence_form(k->family), src);
	addr_print(&k->dst.addr, evidence_form(k->family), dst);
	if (k->dst.port)
		snprintf(buf, REPORT_TEXT, "%s%s\n%s > %s", report_family_name(k->family), whose,
			 src, dst);
	else
		snprintf(buf, REPORT_TEXT, "%s%s\n%s, any peer", report_family_name(k->family),
			 whose, src);
	if (own_stack)
		snprintf(buf + strlen(buf), REPORT_TEXT - strlen(buf),
			 "\nserver: none, a user-space stack");
	return buf;
}

const char *report_wire_text(const struct judge_report *r, const struct judged *j, char *buf)
{
	const struct flow *fl = j->c.flow;
	struct wire_sum s;
	uint32_t tap;
	char mss[24] = "";
	const char *end = "";

	if (!fl) {
		snprintf(buf, REPORT_TEXT, "nothing seen");
		return buf;
	}
	tap = judge_shown_tap(&r->run, &j->c);
	s = wire_sum(r, &j->c);
	if (fl->view[tap][FLOW_TO_CLIENT].rst && !flow_established(fl, tap))
		end = ", RST";
	else if (fl->view[tap][FLOW_TO_SERVER].bad)
		end = ", bad checksum";
	if (s.mss)
		snprintf(mss, sizeof(mss), "SYN MSS %u", s.mss);
	if (s.ethertype)
		snprintf(buf, REPORT_TEXT, "%s %s, %u frame%s\n%s%s", s.ethertype,
			 s.v4 ? "IPv4" : "IPv6", s.v4 + s.v6, s.v4 + s.v6 == 1 ? "" : "s", mss,
			 end);
	else
		snprintf(buf, REPORT_TEXT, "mixed: %u IPv4, %u IPv6, %u other\n%s%s", s.v4, s.v6,
			 s.other, mss, end);
	return buf;
}

const char *report_verdict_text(const struct judged *j, char *buf)
{
	size_t n = (size_t)snprintf(buf, REPORT_TEXT, "%s", verdict_name(j->j.verdict));

	for (int i = 0; i < REASON_NUM && n < REPORT_TEXT; i++)
		if (j->j.reasons & reason_bit((enum reason)i))
			n += (size_t)snprintf(buf + n, REPORT_TEXT - n, "\n%s",
					      reason_name((enum reason)i));
	return buf;
}

int report_exit_code(enum verdict v)
{
	static const int codes[VERDICT_NUM] = {
		[VERDICT_CONFIRMED] = EXIT_CONFIRMED,
		[VERDICT_CONTRADICTED] = EXIT_CONTRADICTED,
		[VERDICT_INCONCLUSIVE] = EXIT_INCONCLUSIVE,
	};

	return codes[v];
}

const char *report_color(enum verdict v, bool color)
{
	static const char *const codes[VERDICT_NUM] = {
		[VERDICT_CONFIRMED] = "\033[32m",
		[VERDICT_CONTRADICTED] = "\033[31m",
		[VERDICT_INCONCLUSIVE] = "\033[33m",
	};

	return color ? codes[v] : "";
}

const char *report_color_off(bool color)
{
	return color ? "\033[0m" : "";
}
