/* SPDX-License-Identifier: MIT */
/* ladder_notes.c - what programs, kernels and the wire have to say beside the rungs */
#include "ladder_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>

enum { NO_RUNG = -1, ENDS_TEXT = 2 * ENDPOINT_STRLEN + 8 };

__attribute__((format(printf, 5, 6))) static void
note(struct ladder_work *w, int rung, enum ladder_voice voice, uint8_t step, const char *fmt, ...)
{
	struct ladder_rung *r;
	va_list args;

	if (rung == NO_RUNG)
		return;
	r = &w->l->rungs[rung];
	if (r->n_notes == LADDER_NOTES_MAX)
		return;
	r->notes[r->n_notes] = (struct ladder_note){.voice = voice, .step = step};
	va_start(args, fmt);
	vsnprintf(r->notes[r->n_notes].text, LADDER_TEXT_MAX, fmt, args);
	va_end(args);
	r->n_notes++;
}

static const char *family_name(int family)
{
	return family == AF_INET ? "AF_INET" : "AF_INET6";
}

/* "a > b", as a socket of @family shows them. */
static const char *ends(const struct endpoint *src, const struct endpoint *dst, int family,
			char buf[ENDS_TEXT])
{
	char a[ENDPOINT_STRLEN], b[ENDPOINT_STRLEN];

	snprintf(buf, ENDS_TEXT, "%s > %s", endpoint_print(src, evidence_form(family), a),
		 endpoint_print(dst, evidence_form(family), b));
	return buf;
}

static int first_rung(const struct ladder_work *w, enum flow_way way)
{
	for (size_t i = 0; i < w->l->n_rungs; i++)
		if (w->l->rungs[i].has_frame && w->l->rungs[i].way == way)
			return (int)i;
	return NO_RUNG;
}

/* The first rung to the client with @flags of @mask. */
static int answer_rung(const struct ladder_work *w, uint8_t mask, uint8_t flags)
{
	for (size_t i = 0; i < w->l->n_rungs; i++)
		if (w->info[i] && w->l->rungs[i].way == FLOW_TO_CLIENT &&
		    (w->info[i]->tcp_flags & mask) == flags)
			return (int)i;
	return NO_RUNG;
}

/* The last rung that was there at that time. */
static int rung_at(const struct ladder_work *w, uint64_t ts_ns)
{
	int at = 0;

	for (size_t i = 0; i < w->l->n_rungs; i++)
		if (w->start_ns + w->l->rungs[i].at_ns <= ts_ns)
			at = (int)i;
	return at;
}

/*
 * The last rung that was there when the server's program said something. It writes its record after
 * the call, and may be slow about it: what it answered comes later in any case.
 */
static int server_rung_at(const struct ladder_work *w, uint64_t ts_ns)
{
	int at = rung_at(w, ts_ns);

	for (int i = 1; i <= at; i++)
		if (w->info[i] && w->l->rungs[i].way == FLOW_TO_CLIENT && w->info[i]->payload_len)
			return i - 1;
	return at;
}

static const char *sort_of_frame(const struct frame_info *p, bool tcp)
{
	if (!tcp)
		return "datagram";
	if (p->tcp_flags & TCP_RST)
		return "RST";
	if (p->tcp_flags & TCP_SYN)
		return p->tcp_flags & TCP_ACK ? "SYN/ACK" : "SYN";
	return "segment";
}

static const char *an(enum carriage c)
{
	return c == CARRIAGE_V4 || c == CARRIAGE_V6 ? "an" : "a";
}

/* Step 1: who connects to what, with which socket. */
static void note_start(struct ladder_work *w, bool tcp)
{
	const struct connection_side *s = &w->in->judged->c.side[SIDE_CLIENT];
	int first = first_rung(w, FLOW_TO_SERVER);
	char peer[ENDPOINT_STRLEN], text[ENDS_TEXT];
	const struct evidence_api *a = s->api;

	if (a)
		note(w, first == NO_RUNG ? 0 : first, LADDER_CLIENT_PROGRAM, 1,
		     "%s an %s socket to %s", tcp ? "connects" : "sends from",
		     family_name(a->family),
		     endpoint_print(&a->peer, evidence_form(a->family), peer));
	if (first != NO_RUNG && w->l->rungs[first].left)
		note(w, first, LADDER_WIRE, 1, "the %s leaves as %s",
		     sort_of_frame(w->info[first], tcp), carriage_name(w->info[first]->carriage));
	if (s->kernel && s->kernel->dst.port)
		note(w, first == NO_RUNG ? 0 : first, LADDER_CLIENT_KERNEL, 0,
		     "keeps an %s socket, %s", family_name(s->kernel->family),
		     ends(&s->kernel->src, &s->kernel->dst, s->kernel->family, text));
}

/* Step 2. */
static void note_arrival(struct ladder_work *w)
{
	for (size_t i = 0; i < w->l->n_rungs; i++) {
		const struct ladder_rung *r = &w->l->rungs[i];
		const struct frame_info *p = w->info[i];

		if (!r->has_frame || r->way != FLOW_TO_SERVER || !r->arrived)
			continue;
		note(w, (int)i, LADDER_WIRE, 2, "arrives as %s %s datagram, EtherType 0x%04x",
		     an(p->carriage), carriage_name(p->carriage), p->ethertype);
		return;
	}
}

static const char *v6only_text(const struct sockdiag_entry *e)
{
	if (e->family != AF_INET6 || e->v6only < 0)
		return "";
	return e->v6only ? " (V6ONLY on)" : " (V6ONLY off)";
}

/* Steps 3 and 5 of what was taken, or the refusal. */
static void note_answer(struct ladder_work *w, bool tcp)
{
	const struct connection *c = &w->in->judged->c;
	const struct sockdiag_entry *e = w->in->listener;
	int first = first_rung(w, FLOW_TO_SERVER), back = first_rung(w, FLOW_TO_CLIENT);
	int syn_ack = answer_rung(w, TCP_SYN | TCP_ACK, TCP_SYN | TCP_ACK);
	int reset = answer_rung(w, TCP_RST, TCP_RST);
	bool taken = c->side[SIDE_SERVER].api || syn_ack != NO_RUNG;
	char text[ENDPOINT_STRLEN];

	if (e)
		endpoint_print(&e->src, evidence_form(e->family), text);
	if (taken && e)
		note(w, first, LADDER_SERVER_KERNEL, 3, "%s finds the %s %s %s%s",
		     tcp ? "TCP" : "UDP", family_name(e->family), tcp ? "listener" : "socket", text,
		     v6only_text(e));
	else if (tcp && !taken && reset != NO_RUNG && e)
		note(w, first, LADDER_SERVER_KERNEL, 3,
		     "TCP finds no listener: on this port there is only the %s one %s%s",
		     family_name(e->family), text, v6only_text(e));
	else if (tcp && !taken && reset != NO_RUNG)
		note(w, first,
		     c->side[SIDE_SERVER].own_stack ? LADDER_SERVER_STACK : LADDER_SERVER_KERNEL, 3,
		     "TCP finds no listener");
	if (back != NO_RUNG)
		note(w, back, LADDER_WIRE, tcp && !taken ? 0 : 5, "the %s goes back as %s",
		     sort_of_frame(w->info[back], tcp), carriage_name(w->info[back]->carriage));
}

/* Step 4: what the kernel, or who does its work, made of the addresses. */
static void note_mapping(struct ladder_work *w, bool tcp)
{
	const struct connection_side *s = &w->in->judged->c.side[SIDE_SERVER];
	const struct sockdiag_entry *k = s->kernel;
	char text[ENDS_TEXT], peer[ENDPOINT_STRLEN];
	int first = first_rung(w, FLOW_TO_SERVER);

	if (tcp && k && k->dst.port) {
		bool mapped = k->family == AF_INET6 && addr_is_mapped(&k->dst.addr);

		note(w, first, LADDER_SERVER_KERNEL, 4, "%s: it keeps an %s socket, %s",
		     mapped ? "the addresses are mapped" : "nothing to map", family_name(k->family),
		     ends(&k->src, &k->dst, k->family, text));
	} else if (tcp && s->own_stack && s->api) {
		bool mapped = s->api->family == AF_INET6 && addr_is_mapped(&s->api->peer.addr);

		note(w, first, LADDER_SERVER_STACK, 4,
		     "%s, in user space: the server's kernel keeps no socket",
		     mapped ? "the addresses are mapped" : "nothing to map");
	} else if (!tcp && s->api) {
		bool mapped = s->api->family == AF_INET6 && addr_is_mapped(&s->api->peer.addr);

		note(w, server_rung_at(w, s->api->ts_ns), LADDER_SERVER_PROGRAM, 4,
		     "recvfrom on an %s socket returns %s%s", family_name(s->api->family),
		     endpoint_print(&s->api->peer, evidence_form(s->api->family), peer),
		     mapped ? ": mapped" : ": nothing to map");
	}
}

/* Step 6, and how it ended for the client. */
static void note_results(struct ladder_work *w, bool tcp)
{
	const struct connection *c = &w->in->judged->c;
	const struct evidence_api *client = c->side[SIDE_CLIENT].api;
	const struct evidence_api *server = c->side[SIDE_SERVER].api;
	char peer[ENDPOINT_STRLEN];

	if (tcp && client)
		note(w, rung_at(w, client->ts_ns), LADDER_CLIENT_PROGRAM, 0, "connect %s%s",
		     client->error ? "fails: " : "returns: ",
		     client->error ? strerrorname_np(-client->error) : "connected");
	if (tcp && server)
		note(w, server_rung_at(w, server->ts_ns), LADDER_SERVER_PROGRAM, 6,
		     "accept returns %s on an %s socket",
		     endpoint_print(&server->peer, evidence_form(server->family), peer),
		     family_name(server->family));
	if (!tcp && client && client->error)
		note(w, (int)w->l->n_rungs - 1, LADDER_CLIENT_PROGRAM, 0, "fails: %s",
		     strerrorname_np(-client->error));
	if (!tcp && client && c->side[SIDE_CLIENT].bytes_in)
		note(w, (int)w->l->n_rungs - 1, LADDER_CLIENT_PROGRAM, 6,
		     "gets an answer of %llu bytes",
		     (unsigned long long)c->side[SIDE_CLIENT].bytes_in);
}

/* What is wrong with a frame, and what became of it. */
static void note_faults(struct ladder_work *w)
{
	enum carriage claimed = w->in->judged->j.claimed;

	for (size_t i = 0; i < w->l->n_rungs; i++) {
		struct ladder_rung *r = &w->l->rungs[i];
		size_t before = r->n_notes;

		if (!r->has_frame)
			continue;
		if (r->against)
			note(w, (int)i, LADDER_WIRE, 0,
			     "contradicts: the socket says %s, this is %s", carriage_name(claimed),
			     carriage_name(w->info[i]->carriage));
		if (r->problems & FRAME_BAD_CHECKSUM)
			note(w, (int)i, LADDER_WIRE, 0, "bad checksum: a receiver drops it");
		if (w->l->both_ends && r->left && !r->arrived)
			note(w, (int)i, LADDER_WIRE, 0, "left, and did not arrive");
		while (before < r->n_notes)
			r->notes[before++].fault = true;
	}
}

static void note_counters(struct ladder_work *w)
{
	for (int s = 0; s < SIDE_NUM; s++) {
		const struct sockdiag_entry *k = w->in->judged->c.side[s].kernel;

		if (k && k->has_info && k->destroyed)
			note(w, (int)w->l->n_rungs - 1,
			     s == SIDE_CLIENT ? LADDER_CLIENT_KERNEL : LADDER_SERVER_KERNEL, 0,
			     "counted %u segments in and %u out at the socket's end", k->segs_in,
			     k->segs_out);
	}
}

void ladder_annotate(struct ladder_work *w)
{
	bool tcp = w->in->judged->c.key.proto == IPPROTO_TCP;

	note_start(w, tcp);
	note_arrival(w);
	note_answer(w, tcp);
	note_mapping(w, tcp);
	note_faults(w);
	note_results(w, tcp);
	note_counters(w);
}
