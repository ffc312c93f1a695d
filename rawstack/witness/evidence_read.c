/* SPDX-License-Identifier: MIT */
/* evidence_read.c - an evidence document from JSON, trusting nothing */
#include "evidence.h"
#include "evidence_names.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

/*
 * A reader stands on one object of one list. The first thing that is wrong is put into @why, and
 * every later call is then a no-op, so the code below reads as a list of fields.
 */
struct reader {
	const json_t *obj;
	const char *list; /* NULL: the document itself */
	size_t index;
	int rc;
	char *why;
	size_t why_len;
};

/* @key: the field that is wrong, NULL: the object as a whole. */
static void refuse(struct reader *rd, int rc, const char *key, const char *what)
{
	if (rd->rc < 0)
		return;
	rd->rc = rc;
	if (rd->list)
		snprintf(rd->why, rd->why_len, "%s[%zu]%s%s: %s", rd->list, rd->index,
			 key ? "." : "", key ? key : "", what);
	else
		snprintf(rd->why, rd->why_len, "%s: %s", key, what);
}

/* The value of @key, or NULL; a missing one is an error unless @optional. */
static const json_t *get(struct reader *rd, const char *key, bool optional)
{
	const json_t *v;

	if (rd->rc < 0)
		return NULL;
	v = json_object_get(rd->obj, key);
	if (!v && !optional)
		refuse(rd, -EINVAL, key, "missing");
	return v;
}

static uint64_t get_uint_or(struct reader *rd, const char *key, uint64_t max, bool optional)
{
	const json_t *v = get(rd, key, optional);

	if (!v)
		return 0;
	if (!json_is_integer(v))
		refuse(rd, -EINVAL, key, "not a whole number");
	else if (json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max)
		refuse(rd, -EINVAL, key, "out of range");
	else
		return (uint64_t)json_integer_value(v);
	return 0;
}

static uint64_t get_uint(struct reader *rd, const char *key, uint64_t max)
{
	return get_uint_or(rd, key, max, false);
}

static uint64_t get_opt(struct reader *rd, const char *key, uint64_t max)
{
	return get_uint_or(rd, key, max, true);
}

static bool get_bool(struct reader *rd, const char *key, bool optional)
{
	const json_t *v = get(rd, key, optional);

	if (v && !json_is_boolean(v))
		refuse(rd, -EINVAL, key, "not true or false");
	return json_is_true(v);
}

static const char *get_text(struct reader *rd, const char *key)
{
	const json_t *v = get(rd, key, false);

	if (v && !json_is_string(v))
		refuse(rd, -EINVAL, key, "not a text");
	return json_is_string(v) ? json_string_value(v) : "";
}

static void copy_text(struct reader *rd, const char *key, char *dst, size_t cap)
{
	const char *text = get_text(rd, key);

	if (strlen(text) >= cap)
		refuse(rd, -EINVAL, key, "too long");
	else
		memcpy(dst, text, strlen(text) + 1);
}

static uint32_t get_named(struct reader *rd, const char *key, const struct named_value *table)
{
	const char *text = get_text(rd, key);

	for (; table->name; table++)
		if (strcmp(text, table->name) == 0)
			return table->value;
	refuse(rd, -EINVAL, key, "unknown word");
	return 0;
}

/* The index of a word by a name function over 0..n-1. */
static unsigned get_enum(struct reader *rd, const char *key, const char *(*name)(unsigned),
			 unsigned n)
{
	const char *text = get_text(rd, key);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(text, name(i)) == 0)
			return i;
	refuse(rd, -EINVAL, key, "unknown word");
	return 0;
}

static const char *side_word(unsigned i)
{
	return evidence_side_name((enum evidence_side)i);
}

static const char *call_word(unsigned i)
{
	return evidence_call_name((enum evidence_call)i);
}

static const char *verdict_word(unsigned i)
{
	return verdict_name((enum verdict)i);
}

static const char *carriage_word(unsigned i)
{
	return carriage_name((enum carriage)i);
}

static uint32_t get_words(struct reader *rd, const char *key, const struct named_value *table)
{
	const json_t *list = get(rd, key, true);
	uint32_t bits = 0;

	if (!list)
		return 0;
	if (!json_is_array(list)) {
		refuse(rd, -EINVAL, key, "not a list");
		return 0;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *word = json_string_value(json_array_get(list, i));
		const struct named_value *t = table;

		while (t->name && (!word || strcmp(word, t->name) != 0))
			t++;
		if (!t->name)
			refuse(rd, -EINVAL, key, "unknown word");
		bits |= t->value;
	}
	return bits;
}

static struct addr get_addr(struct reader *rd, const char *key)
{
	const char *text = get_text(rd, key);
	struct addr a = ADDR_ANY6;

	if (rd->rc == 0 && addr_parse(text, &a, NULL) < 0)
		refuse(rd, -EINVAL, key, "not an address");
	return a;
}

static struct endpoint get_endpoint(struct reader *rd, const char *key, const char *port_key)
{
	char scope_key[32];

	snprintf(scope_key, sizeof(scope_key), "%s_scope", key);
	return (struct endpoint){.addr = get_addr(rd, key),
				 .port = (uint16_t)get_uint(rd, port_key, UINT16_MAX),
				 .scope = (uint32_t)get_opt(rd, scope_key, UINT32_MAX)};
}

/* Hexadecimal of at most @digits digits, with or without 0x. */
static uint64_t get_hex(struct reader *rd, const char *key, size_t digits)
{
	const char *text = get_text(rd, key);
	size_t n;

	if (strncmp(text, "0x", 2) == 0)
		text += 2;
	n = strspn(text, "0123456789abcdefABCDEF");
	if (n == 0 || n > digits || text[n] != '\0')
		refuse(rd, -EINVAL, key, "not a hexadecimal number of that size");
	return rd->rc < 0 ? 0 : strtoull(text, NULL, 16);
}

static struct port_range range_from(struct reader *rd, const char *key, const json_t *v)
{
	const json_t *lo = json_array_get(v, 0), *hi = json_array_get(v, 1);
	json_int_t l = json_integer_value(lo), h = json_integer_value(hi);

	if (json_array_size(v) != 2 || !json_is_integer(lo) || !json_is_integer(hi) || l < 0 ||
	    h < l || h > UINT16_MAX)
		refuse(rd, -EINVAL, key, "not a port range [low, high]");
	return (struct port_range){.lo = (uint16_t)l, .hi = (uint16_t)h};
}

static int read_tap(struct reader *rd, struct evidence *ev)
{
	struct evidence_tap t = {.side = get_enum(rd, "side", side_word, SIDE_NUM)};

	copy_text(rd, "ifname", t.ifname, sizeof(t.ifname));
	t.ifindex = (uint32_t)get_uint(rd, "ifindex", UINT32_MAX);
	t.netns_inode = get_uint(rd, "netns", INT64_MAX);
	t.packets = get_uint(rd, "packets", INT64_MAX);
	t.drops = get_uint(rd, "drops", INT64_MAX);
	t.consumed = get_uint(rd, "consumed", INT64_MAX);
	t.unlisted = get_opt(rd, "unlisted", INT64_MAX);
	t.block_gaps = get_uint(rd, "block_gaps", INT64_MAX);
	t.went_down = get_bool(rd, "went_down", false);
	t.own_stack = get_bool(rd, "own_stack", true);
	for (size_t i = 0; i < ev->n_taps; i++)
		if (ev->taps[i].side == t.side)
			refuse(rd, -EINVAL, "side", "there is a tap of that side already");
	if (ev->n_taps == EVIDENCE_TAPS_MAX)
		refuse(rd, -EINVAL, "side", "too many taps");
	if (rd->rc == 0)
		ev->taps[ev->n_taps++] = t;
	return rd->rc;
}

static uint32_t get_tap(struct reader *rd, const struct evidence *ev)
{
	uint64_t tap = get_uint(rd, "tap", UINT32_MAX);

	if (tap >= ev->n_taps)
		refuse(rd, -EINVAL, "tap", "there is no such tap");
	return (uint32_t)tap;
}

static int read_canary(struct reader *rd, struct evidence *ev)
{
	struct evidence_canary c = {.nonce = get_hex(rd, "nonce", 16), .tap = get_tap(rd, ev)};
	const char *phase = get_text(rd, "phase");

	c.end = strcmp(phase, "end") == 0;
	if (!c.end && strcmp(phase, "start") != 0)
		refuse(rd, -EINVAL, "phase", "neither start nor end");
	return rd->rc < 0 ? rd->rc : evidence_add_canary(ev, &c);
}

static void read_transport(struct reader *rd, struct frame_info *p)
{
	if (json_object_get(rd->obj, "frag_id")) {
		p->fragment = true;
		p->frag_id = (uint32_t)get_uint(rd, "frag_id", UINT32_MAX);
		p->frag_offset = (uint16_t)get_uint(rd, "frag_offset", UINT16_MAX);
		p->more_fragments = get_bool(rd, "frag_more", false);
	}
	if (json_object_get(rd->obj, "sport")) {
		p->has_ports = true;
		p->sport = (uint16_t)get_uint(rd, "sport", UINT16_MAX);
		p->dport = (uint16_t)get_uint(rd, "dport", UINT16_MAX);
	}
	p->tcp_flags = (uint8_t)get_words(rd, "flags", EVIDENCE_TCP_FLAGS);
	p->seq = (uint32_t)get_opt(rd, "seq", UINT32_MAX);
	p->ack = (uint32_t)get_opt(rd, "ack", UINT32_MAX);
	p->window = (uint16_t)get_opt(rd, "window", UINT16_MAX);
	p->mss = (uint16_t)get_opt(rd, "mss", UINT16_MAX);
	p->icmp_type = (uint8_t)get_opt(rd, "icmp_type", UINT8_MAX);
	p->icmp_code = (uint8_t)get_opt(rd, "icmp_code", UINT8_MAX);
	p->payload_len = (uint32_t)get_uint(rd, "payload", UINT32_MAX);
}

static void read_datagram(struct reader *rd, struct frame_info *p)
{
	p->version = (uint8_t)get_uint(rd, "version", 15);
	p->src = get_addr(rd, "src");
	p->dst = get_addr(rd, "dst");
	p->proto = (uint8_t)get_uint(rd, "proto", UINT8_MAX);
	p->ttl = (uint8_t)get_uint(rd, "ttl", UINT8_MAX);
	p->tos = (uint8_t)get_uint(rd, "tos", UINT8_MAX);
	p->df = get_bool(rd, "df", true);
	p->flow_label = (uint32_t)get_opt(rd, "flow_label", 0xfffff);
	read_transport(rd, p);
}

/* Carriage is stated beside what it follows from; an edit of one without the other is refused. */
static void check_carriage(struct reader *rd, const struct frame_info *p)
{
	if ((p->carriage == CARRIAGE_V4 && (p->ethertype != ETHTYPE_IPV4 || p->version != 4)) ||
	    (p->carriage == CARRIAGE_V6 && (p->ethertype != ETHTYPE_IPV6 || p->version != 6)))
		refuse(rd, -EINVAL, "carriage", "not what EtherType and version say");
}

static int read_frame(struct reader *rd, struct evidence *ev)
{
	struct evidence_frame f = {.tap = get_tap(rd, ev), .ts_ns = get_uint(rd, "t", INT64_MAX)};
	const char *dir = get_text(rd, "dir");

	f.outgoing = strcmp(dir, "out") == 0;
	if (!f.outgoing && strcmp(dir, "in") != 0)
		refuse(rd, -EINVAL, "dir", "neither in nor out");
	f.info.ethertype = (uint16_t)get_hex(rd, "ethertype", 4);
	f.wirelen = (uint32_t)get_uint(rd, "len", UINT32_MAX);
	f.canary = json_object_get(rd->obj, "canary") != NULL;
	if (f.canary) {
		f.nonce = get_hex(rd, "canary", 16);
	} else {
		f.info.carriage = get_enum(rd, "carriage", carriage_word, CARRIAGE_NUM);
		f.info.problems = get_words(rd, "problems", EVIDENCE_PROBLEMS);
		f.info.vlan_tags = (uint8_t)get_opt(rd, "vlan_tags", UINT8_MAX);
		f.info.vlan_id = (uint16_t)get_opt(rd, "vlan", 4095);
		if (json_object_get(rd->obj, "version"))
			read_datagram(rd, &f.info);
		check_carriage(rd, &f.info);
	}
	return rd->rc < 0 ? rd->rc : evidence_add_frame(ev, &f);
}

static int read_api(struct reader *rd, struct evidence *ev)
{
	struct evidence_api a = {
		.side = get_enum(rd, "side", side_word, SIDE_NUM),
		.call = get_enum(rd, "call", call_word, CALL_NUM),
		.proto = (uint8_t)get_named(rd, "proto", EVIDENCE_PROTOS),
		.family = (int)get_named(rd, "family", EVIDENCE_FAMILIES),
		.error = -(int)get_uint(rd, "errno", 4095),
		.local = get_endpoint(rd, "local", "local_port"),
		.peer = get_endpoint(rd, "peer", "peer_port"),
		.cookie = get_uint(rd, "cookie", INT64_MAX),
		.ts_ns = get_uint(rd, "t", INT64_MAX),
		.bytes_in = get_uint(rd, "bytes_in", INT64_MAX),
		.bytes_out = get_uint(rd, "bytes_out", INT64_MAX),
	};

	return rd->rc < 0 ? rd->rc : evidence_add_api(ev, &a);
}

static int read_kernel(struct reader *rd, struct evidence *ev)
{
	struct evidence_kernel k = {.tap = get_tap(rd, ev)};
	struct sockdiag_entry *e = &k.entry;

	e->proto = (uint8_t)get_named(rd, "proto", EVIDENCE_PROTOS);
	e->family = (int)get_named(rd, "family", EVIDENCE_FAMILIES);
	e->state = (uint8_t)get_uint(rd, "state", UINT8_MAX);
	e->destroyed = get_bool(rd, "destroyed", false);
	e->src = get_endpoint(rd, "src", "src_port");
	e->dst = get_endpoint(rd, "dst", "dst_port");
	e->cookie = get_uint(rd, "cookie", INT64_MAX);
	e->inode = (uint32_t)get_opt(rd, "inode", UINT32_MAX);
	e->v6only = json_object_get(rd->obj, "v6only") ? (int)get_uint(rd, "v6only", 1) : -1;
	e->has_info = json_object_get(rd->obj, "segs_in") != NULL;
	if (e->has_info) {
		e->segs_in = (uint32_t)get_uint(rd, "segs_in", UINT32_MAX);
		e->segs_out = (uint32_t)get_uint(rd, "segs_out", UINT32_MAX);
		e->bytes_received = get_uint(rd, "bytes_received", INT64_MAX);
		e->bytes_acked = get_uint(rd, "bytes_acked", INT64_MAX);
	}
	k.asked = json_object_get(rd->obj, "asked_local") != NULL;
	if (k.asked) {
		k.asked_local = get_endpoint(rd, "asked_local", "asked_local_port");
		k.asked_peer = get_endpoint(rd, "asked_peer", "asked_peer_port");
	}
	return rd->rc < 0 ? rd->rc : evidence_add_kernel(ev, &k);
}

static int read_case(struct reader *rd, struct evidence *ev)
{
	struct evidence_case c = {.expected = get_enum(rd, "expected", verdict_word, VERDICT_NUM)};

	copy_text(rd, "name", c.name, sizeof(c.name));
	copy_text(rd, "title", c.title, sizeof(c.title));
	copy_text(rd, "client", c.client, sizeof(c.client));
	copy_text(rd, "server", c.server, sizeof(c.server));
	c.ports = range_from(rd, "ports", get(rd, "ports", false));
	return rd->rc < 0 ? rd->rc : evidence_add_case(ev, &c);
}

static void read_ports(struct reader *rd, struct evidence *ev)
{
	const json_t *list = get(rd, "ports", false);

	if (list && !json_is_array(list))
		refuse(rd, -EINVAL, "ports", "not a list");
	if (json_array_size(list) > FILTER_RANGES_MAX)
		refuse(rd, -EINVAL, "ports", "too many ranges");
	for (size_t i = 0; i < json_array_size(list) && rd->rc == 0; i++)
		ev->ports[ev->n_ports++] = range_from(rd, "ports", json_array_get(list, i));
}

static void read_list(struct reader *doc, struct evidence *ev, const char *name,
		      int (*one)(struct reader *, struct evidence *))
{
	const json_t *list = get(doc, name, false);

	if (list && !json_is_array(list))
		refuse(doc, -EINVAL, name, "not a list");
	for (size_t i = 0; i < json_array_size(list) && doc->rc == 0; i++) {
		struct reader rd = *doc;

		rd.obj = json_array_get(list, i);
		rd.list = name;
		rd.index = i;
		if (!json_is_object(rd.obj))
			refuse(&rd, -EINVAL, NULL, "not an object");
		if (rd.rc == 0) {
			int rc = one(&rd, ev);

			if (rc < 0)
				refuse(&rd, rc == -ENOSPC ? -EFBIG : rc, NULL,
				       rc == -ENOSPC ? "too many" : "out of memory");
		}
		doc->rc = rd.rc;
	}
}

static void read_document(struct reader *rd, struct evidence *ev)
{
	const json_t *step;

	if (!json_is_object(rd->obj) || strcmp(get_text(rd, "format"), EVIDENCE_FORMAT) != 0) {
		rd->rc = 0;
		refuse(rd, -EINVAL, "format", "not an evidence document of dualwire");
		return;
	}
	if (get_uint(rd, "version", INT64_MAX) != EVIDENCE_FORMAT_VERSION)
		refuse(rd, -EINVAL, "version", "made by another version of dualwire");
	step = get(rd, "clock_step_ns", false);
	if (step && !json_is_integer(step))
		refuse(rd, -EINVAL, "clock_step_ns", "not a whole number");
	ev->clock_step_ns = json_integer_value(step);
	ev->kernel_events_lost = get_uint(rd, "kernel_events_lost", INT64_MAX);
	ev->overflow = get_bool(rd, "overflow", false);
	read_ports(rd, ev);
	read_list(rd, ev, "taps", read_tap);
	read_list(rd, ev, "cases", read_case);
	read_list(rd, ev, "canaries", read_canary);
	read_list(rd, ev, "api", read_api);
	read_list(rd, ev, "kernel", read_kernel);
	read_list(rd, ev, "frames", read_frame);
}

int evidence_read(FILE *in, struct evidence *ev, char *why, size_t why_len)
{
	struct reader rd = {.why = why, .why_len = why_len};
	json_error_t err;
	json_t *doc = json_loadf(in, JSON_REJECT_DUPLICATES, &err);

	evidence_init(ev);
	if (!doc) {
		bool memory = json_error_code(&err) == json_error_out_of_memory;

		snprintf(why, why_len, "%s: line %d: %s", memory ? "cannot be read" : "not JSON",
			 err.line, err.text);
		return memory ? -ENOMEM : -EINVAL;
	}
	rd.obj = doc;
	read_document(&rd, ev);
	json_decref(doc);
	if (rd.rc < 0)
		evidence_free(ev);
	return rd.rc;
}
