/* SPDX-License-Identifier: MIT */
/* evidence_write.c - an evidence document as JSON */
#include "evidence.h"
#include "evidence_names.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

static void put_int(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void put_text(json_t *o, const char *key, const char *v)
{
	json_object_set_new(o, key, json_string(v));
}

static void put_addr(json_t *o, const char *key, const struct addr *a, enum addr_form form)
{
	char text[ADDR_STRLEN];

	put_text(o, key, addr_print(a, form, text));
}

static void put_endpoint(json_t *o, const char *key, const char *port_key,
			 const struct endpoint *ep, enum addr_form form)
{
	put_addr(o, key, &ep->addr, form);
	put_int(o, port_key, ep->port);
	if (ep->scope) {
		char scope_key[32];

		snprintf(scope_key, sizeof(scope_key), "%s_scope", key);
		put_int(o, scope_key, ep->scope);
	}
}

static void put_words(json_t *o, const char *key, const struct named_value *table, uint32_t bits)
{
	json_t *list = json_array();

	for (; table->name; table++)
		if (bits & table->value)
			json_array_append_new(list, json_string(table->name));
	json_object_set_new(o, key, list);
}

static json_t *range_json(const struct port_range *r)
{
	return json_pack("[ii]", r->lo, r->hi);
}

static json_t *tap_json(const struct evidence_tap *t)
{
	json_t *o = json_object();

	put_text(o, "side", evidence_side_name(t->side));
	put_text(o, "ifname", t->ifname);
	put_int(o, "ifindex", t->ifindex);
	put_int(o, "netns", t->netns_inode);
	put_int(o, "packets", t->packets);
	put_int(o, "drops", t->drops);
	put_int(o, "consumed", t->consumed);
	put_int(o, "unlisted", t->unlisted);
	put_int(o, "block_gaps", t->block_gaps);
	json_object_set_new(o, "went_down", json_boolean(t->went_down));
	json_object_set_new(o, "own_stack", json_boolean(t->own_stack));
	return o;
}

static void put_nonce(json_t *o, const char *key, uint64_t nonce)
{
	char hex[20];

	snprintf(hex, sizeof(hex), "%016" PRIx64, nonce);
	put_text(o, key, hex);
}

static json_t *canary_json(const struct evidence_canary *c)
{
	json_t *o = json_object();

	put_nonce(o, "nonce", c->nonce);
	put_int(o, "tap", c->tap);
	put_text(o, "phase", c->end ? "end" : "start");
	return o;
}

static void put_transport(json_t *o, const struct frame_info *p)
{
	if (p->fragment) {
		put_int(o, "frag_offset", p->frag_offset);
		put_int(o, "frag_id", p->frag_id);
		json_object_set_new(o, "frag_more", json_boolean(p->more_fragments));
	}
	if (p->has_ports) {
		put_int(o, "sport", p->sport);
		put_int(o, "dport", p->dport);
	}
	if (p->proto == IPPROTO_TCP && p->has_ports) {
		put_words(o, "flags", EVIDENCE_TCP_FLAGS, p->tcp_flags);
		put_int(o, "seq", p->seq);
		put_int(o, "ack", p->ack);
		put_int(o, "window", p->window);
		if (p->mss)
			put_int(o, "mss", p->mss);
	}
	if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6) {
		put_int(o, "icmp_type", p->icmp_type);
		put_int(o, "icmp_code", p->icmp_code);
	}
	put_int(o, "payload", p->payload_len);
}

static json_t *frame_json(const struct evidence_frame *f)
{
	const struct frame_info *p = &f->info;
	enum addr_form form = p->carriage == CARRIAGE_V4 ? ADDR_FORM_INET : ADDR_FORM_INET6;
	json_t *o = json_object();
	char type[8];

	put_int(o, "tap", f->tap);
	put_int(o, "t", f->ts_ns);
	put_text(o, "dir", f->outgoing ? "out" : "in");
	snprintf(type, sizeof(type), "0x%04x", p->ethertype);
	put_text(o, "ethertype", type);
	put_int(o, "len", f->wirelen);
	if (f->canary) {
		put_nonce(o, "canary", f->nonce);
		return o;
	}
	put_text(o, "carriage", carriage_name(p->carriage));
	if (p->problems)
		put_words(o, "problems", EVIDENCE_PROBLEMS, p->problems);
	if (p->vlan_tags) {
		put_int(o, "vlan_tags", p->vlan_tags);
		put_int(o, "vlan", p->vlan_id);
	}
	if (!p->version)
		return o;
	put_int(o, "version", p->version);
	put_addr(o, "src", &p->src, form);
	put_addr(o, "dst", &p->dst, form);
	put_int(o, "proto", p->proto);
	put_int(o, "ttl", p->ttl);
	put_int(o, "tos", p->tos);
	if (p->df)
		json_object_set_new(o, "df", json_true());
	if (p->flow_label)
		put_int(o, "flow_label", p->flow_label);
	put_transport(o, p);
	return o;
}

static json_t *api_json(const struct evidence_api *a)
{
	json_t *o = json_object();

	put_text(o, "side", evidence_side_name(a->side));
	put_text(o, "call", evidence_call_name(a->call));
	put_text(o, "proto", named_value_name(EVIDENCE_PROTOS, a->proto));
	put_text(o, "family", named_value_name(EVIDENCE_FAMILIES, (uint32_t)a->family));
	put_int(o, "errno", (uint64_t)-a->error);
	put_endpoint(o, "local", "local_port", &a->local, evidence_form(a->family));
	put_endpoint(o, "peer", "peer_port", &a->peer, evidence_form(a->family));
	put_int(o, "cookie", a->cookie);
	put_int(o, "t", a->ts_ns);
	put_int(o, "bytes_in", a->bytes_in);
	put_int(o, "bytes_out", a->bytes_out);
	return o;
}

static json_t *kernel_json(const struct evidence_kernel *k)
{
	const struct sockdiag_entry *e = &k->entry;
	json_t *o = json_object();

	put_int(o, "tap", k->tap);
	put_text(o, "proto", named_value_name(EVIDENCE_PROTOS, e->proto));
	put_text(o, "family", named_value_name(EVIDENCE_FAMILIES, (uint32_t)e->family));
	put_int(o, "state", e->state);
	json_object_set_new(o, "destroyed", json_boolean(e->destroyed));
	put_endpoint(o, "src", "src_port", &e->src, evidence_form(e->family));
	put_endpoint(o, "dst", "dst_port", &e->dst, evidence_form(e->family));
	put_int(o, "cookie", e->cookie);
	put_int(o, "inode", e->inode);
	if (e->v6only >= 0)
		put_int(o, "v6only", (uint64_t)e->v6only);
	if (e->has_info) {
		put_int(o, "segs_in", e->segs_in);
		put_int(o, "segs_out", e->segs_out);
		put_int(o, "bytes_received", e->bytes_received);
		put_int(o, "bytes_acked", e->bytes_acked);
	}
	if (k->asked) {
		put_endpoint(o, "asked_local", "asked_local_port", &k->asked_local,
			     evidence_form(e->family));
		put_endpoint(o, "asked_peer", "asked_peer_port", &k->asked_peer,
			     evidence_form(e->family));
	}
	return o;
}

static json_t *case_json(const struct evidence_case *c)
{
	json_t *o = json_object();

	put_text(o, "name", c->name);
	put_text(o, "title", c->title);
	put_text(o, "client", c->client);
	put_text(o, "server", c->server);
	put_text(o, "expected", verdict_name(c->expected));
	json_object_set_new(o, "ports", range_json(&c->ports));
	return o;
}

static json_t *document_json(const struct evidence *ev)
{
	json_t *ports = json_array(), *taps = json_array(), *canaries = json_array();
	json_t *frames = json_array(), *api = json_array(), *kernel = json_array();
	json_t *cases = json_array();

	for (size_t i = 0; i < ev->n_ports; i++)
		json_array_append_new(ports, range_json(&ev->ports[i]));
	for (size_t i = 0; i < ev->n_taps; i++)
		json_array_append_new(taps, tap_json(&ev->taps[i]));
	for (size_t i = 0; i < ev->n_canaries; i++)
		json_array_append_new(canaries, canary_json(&ev->canaries[i]));
	for (size_t i = 0; i < ev->n_frames; i++)
		json_array_append_new(frames, frame_json(&ev->frames[i]));
	for (size_t i = 0; i < ev->n_api; i++)
		json_array_append_new(api, api_json(&ev->api[i]));
	for (size_t i = 0; i < ev->n_kernel; i++)
		json_array_append_new(kernel, kernel_json(&ev->kernel[i]));
	for (size_t i = 0; i < ev->n_cases; i++)
		json_array_append_new(cases, case_json(&ev->cases[i]));
	return json_pack("{s:s, s:i, s:I, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "format",
			 EVIDENCE_FORMAT, "version", EVIDENCE_FORMAT_VERSION, "clock_step_ns",
			 (json_int_t)ev->clock_step_ns, "kernel_events_lost",
			 (json_int_t)ev->kernel_events_lost, "overflow", ev->overflow, "ports",
			 ports, "cases", cases, "taps", taps, "canaries", canaries, "api", api,
			 "kernel", kernel, "frames", frames);
}

int evidence_write(const struct evidence *ev, FILE *out)
{
	json_t *doc = document_json(ev);
	int rc = 0;

	if (!doc)
		return -ENOMEM;
	if (json_dumpf(doc, out, JSON_INDENT(1)) < 0 || fputc('\n', out) == EOF || fflush(out) != 0)
		rc = -EIO;
	json_decref(doc);
	return rc;
}
