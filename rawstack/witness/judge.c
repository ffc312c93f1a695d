/* SPDX-License-Identifier: MIT */
/* judge.c - the gates: three views of one connection in, one verdict out */
#include "judge.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

enum { CLOCK_STEP_MAX_NS = 100000000 };

static const uint64_t CONTRADICTIONS =
	(1ULL << (REASON_API_KERNEL_ADDRESS_MISMATCH + 1)) - 1; /* all that stand before it */
static const uint64_t INFORMATION = 1ULL << REASON_SUPERFRAMES | 1ULL << REASON_WIRE_ONLY;

static void add(uint64_t *reasons, enum reason r, bool when)
{
	if (when)
		*reasons |= reason_bit(r);
}

/* Every canary must be among the frames of every tap, and each tap must have sent a first and a
 * last one. */
static bool canaries_seen(const struct evidence *ev)
{
	uint32_t sent[2] = {0, 0}, all = (1U << ev->n_taps) - 1;

	for (size_t i = 0; i < ev->n_canaries; i++) {
		uint32_t seen = 0;

		for (size_t k = 0; k < ev->n_frames; k++)
			if (ev->frames[k].canary && ev->frames[k].nonce == ev->canaries[i].nonce)
				seen |= 1U << ev->frames[k].tap;
		if (seen != all)
			return false;
		sent[ev->canaries[i].end] |= 1U << ev->canaries[i].tap;
	}
	return sent[0] == all && sent[1] == all;
}

static void judge_tap(const struct evidence *ev, uint32_t tap, uint64_t *reasons)
{
	const struct evidence_tap *t = &ev->taps[tap];
	uint64_t listed = t->unlisted;

	for (size_t i = 0; i < ev->n_frames; i++)
		listed += ev->frames[i].tap == tap;
	add(reasons, REASON_RING_DROPS, t->drops != 0);
	add(reasons, REASON_IDENTITY_FAILED,
	    t->consumed != t->packets - t->drops || listed != t->consumed);
	add(reasons, REASON_BLOCK_GAP, t->block_gaps != 0);
	add(reasons, REASON_IF_DOWN, t->went_down);
}

void judge_run_gates(const struct evidence *ev, const struct flow_table *ft, struct judge_run *run)
{
	*run = (struct judge_run){.n_taps = ev->n_taps, .no_programs = ev->n_api == 0};
	for (uint32_t i = 0; i < ev->n_taps; i++) {
		judge_tap(ev, i, &run->reasons);
		run->tap[ev->taps[i].side] = i;
		add(&run->reasons, REASON_UNPARSED, flow_table_unread(ft, i) != 0);
	}
	if (ev->n_taps == 1)
		run->tap[SIDE_CLIENT] = run->tap[SIDE_SERVER];
	add(&run->reasons, REASON_IDENTITY_FAILED, ev->n_taps == 0);
	add(&run->reasons, REASON_NO_CANARY, !canaries_seen(ev));
	add(&run->reasons, REASON_CLOCK_STEP,
	    ev->clock_step_ns > CLOCK_STEP_MAX_NS || ev->clock_step_ns < -CLOCK_STEP_MAX_NS);
	add(&run->reasons, REASON_KERNEL_EVENTS_LOST, ev->kernel_events_lost != 0);
	add(&run->reasons, REASON_TABLE_FULL, ev->overflow || flow_table_full(ft) != 0);
}

void judge_live_gates(const struct evidence *ev, const struct flow_table *ft, struct judge_run *run)
{
	const struct evidence_tap *t = &ev->taps[0];

	*run = (struct judge_run){.n_taps = 1, .no_programs = ev->n_api == 0};
	add(&run->reasons, REASON_RING_DROPS, t->drops != 0);
	add(&run->reasons, REASON_IDENTITY_FAILED, t->consumed < t->packets - t->drops);
	add(&run->reasons, REASON_BLOCK_GAP, t->block_gaps != 0);
	add(&run->reasons, REASON_KERNEL_EVENTS_LOST, ev->kernel_events_lost != 0);
	add(&run->reasons, REASON_TABLE_FULL, ev->overflow || flow_table_full(ft) != 0);
}

/* How a socket of @family whose peer is @peer says that it travels. */
static enum carriage claim(int family, const struct addr *peer)
{
	return family == AF_INET || addr_is_mapped(peer) ? CARRIAGE_V4 : CARRIAGE_V6;
}

/*
 * A UDP socket that serves everybody names no peer and claims nothing about one flow, unless the
 * kernel was asked for that flow.
 */
static bool kernel_claims(const struct sockdiag_entry *k)
{
	return k && k->dst.port != 0;
}

static void compare_claim(const struct flow_view *v, enum carriage claimed, uint64_t *reasons)
{
	enum carriage other = claimed == CARRIAGE_V4 ? CARRIAGE_V6 : CARRIAGE_V4;

	add(reasons, REASON_CARRIAGE_OTHER,
	    v->frames[other] != 0 || v->sent_bad_checksum[other] != 0);
	add(reasons, REASON_ETHERTYPE_VERSION_MISMATCH, v->frames[CARRIAGE_MISMATCH] != 0);
	add(reasons, REASON_TUNNEL_6IN4, v->frames[CARRIAGE_TUN_6IN4] != 0);
	add(reasons, REASON_TUNNEL_OTHER, v->frames[CARRIAGE_TUN_OTHER] != 0);
}

static void compare_wire(const struct judge_run *run, const struct flow *fl, enum carriage claimed,
			 uint64_t *reasons)
{
	bool v4 = false, v6 = false;

	for (uint32_t t = 0; t < run->n_taps; t++) {
		for (int way = 0; way < FLOW_WAYS; way++) {
			compare_claim(&fl->view[t][way], claimed, reasons);
			v4 |= fl->view[t][way].frames[CARRIAGE_V4] != 0;
			v6 |= fl->view[t][way].frames[CARRIAGE_V6] != 0;
		}
	}
	add(reasons, REASON_MIXED_CARRIAGE, v4 && v6);
}

/* Program against kernel, on one side. */
static void compare_side(const struct connection_side *s, uint64_t *reasons)
{
	const struct evidence_api *a = s->api;
	const struct sockdiag_entry *k = s->kernel;

	if (!a || !k)
		return;
	add(reasons, REASON_KERNEL_FAMILY_MISMATCH, a->family != k->family);
	if (kernel_claims(k))
		add(reasons, REASON_API_KERNEL_ADDRESS_MISMATCH,
		    !endpoint_eq(&a->peer, &k->dst) || !endpoint_eq(&a->local, &k->src));
	else
		add(reasons, REASON_API_KERNEL_ADDRESS_MISMATCH, a->local.port != k->src.port);
	/* A socket without a peer serves everybody: a connection is never kept by one. */
	add(reasons, REASON_COOKIE_MISMATCH,
	    s->cookie_mismatch || a->proto != k->proto ||
		    (!kernel_claims(k) && a->call != CALL_RECVFROM));
}

/* What the views claim; a view that claims otherwise than another contradicts by the frames of
 * either. */
static enum carriage claims(const struct connection *c, bool *mixed)
{
	enum carriage all[2 * SIDE_NUM];
	int n = 0;

	*mixed = false;
	for (int s = SIDE_NUM - 1; s >= 0; s--) {
		const struct connection_side *side = &c->side[s];

		if (side->api)
			all[n++] = claim(side->api->family, &side->api->peer.addr);
		if (kernel_claims(side->kernel))
			all[n++] = claim(side->kernel->family, &side->kernel->dst.addr);
		else if (side->kernel && side->by_lookup)
			all[n++] = claim(side->kernel->family,
					 s == SIDE_SERVER ? &c->key.client : &c->key.server);
	}
	for (int i = 1; i < n; i++)
		*mixed |= all[i] != all[0];
	return n ? all[0] : CARRIAGE_NONE;
}

static void gate_frames(const struct flow *fl, uint32_t tap, uint64_t *reasons)
{
	uint32_t problems = 0, sound = 0, unknown = 0;

	for (int way = 0; way < FLOW_WAYS; way++) {
		problems |= fl->view[tap][way].problems;
		sound += flow_view_sound(&fl->view[tap][way]);
		unknown += fl->view[tap][way].frames[CARRIAGE_NONE];
	}
	add(reasons, REASON_NO_FRAMES, sound == 0);
	add(reasons, REASON_SNAPLEN_SHORT, (problems & FRAME_TRUNCATED) != 0);
	add(reasons, REASON_EXTHDR_LIMIT, (problems & FRAME_EXTHDR_LIMIT) != 0);
	add(reasons, REASON_UNPARSED,
	    (problems & (FRAME_UNPARSED | FRAME_MALFORMED)) != 0 || unknown != 0);
	add(reasons, REASON_SUPERFRAMES, (problems & FRAME_SUPERFRAME) != 0);
}

/* Two taps on one link saw the same frames, or something was missed at one of them. */
static void gate_taps_agree(const struct judge_run *run, const struct flow *fl, uint64_t *reasons)
{
	if (run->n_taps < 2)
		return;
	for (int way = 0; way < FLOW_WAYS; way++) {
		const struct flow_view *a = &fl->view[0][way], *b = &fl->view[1][way];

		add(reasons, REASON_TAPS_DISAGREE,
		    memcmp(a->frames, b->frames, sizeof(a->frames)) != 0 || a->bytes != b->bytes ||
			    a->syn != b->syn || a->fin != b->fin || a->rst != b->rst);
	}
}

static bool still_open(const struct connection *c)
{
	for (int s = 0; s < SIDE_NUM; s++)
		if (c->side[s].kernel && !c->side[s].kernel->destroyed &&
		    c->side[s].kernel->state == TCP_ESTABLISHED)
			return true;
	return false;
}

static void gate_refused(const struct flow *fl, uint32_t tap, uint64_t *reasons)
{
	const struct flow_view *to = &fl->view[tap][FLOW_TO_SERVER];
	const struct flow_view *from = &fl->view[tap][FLOW_TO_CLIENT];

	add(reasons, REASON_STARTED_LATE, to->syn == 0);
	add(reasons, REASON_RESULT_MISMATCH, from->syn != 0 || from->rst == 0 || from->acked != 1);
}

static void gate_stream(const struct connection *c, uint32_t tap, uint64_t *reasons)
{
	const struct flow *fl = c->flow;

	add(reasons, REASON_STARTED_LATE, !flow_established(fl, tap));
	add(reasons, REASON_ENDED_EARLY, !flow_closed(fl, tap) && !still_open(c));
	for (int way = 0; way < FLOW_WAYS; way++)
		add(reasons, REASON_SEQ_HOLE, !flow_covered(fl, tap, (enum flow_way)way));
}

/*
 * The kernel's counters against the wire. Frames that were lost after the tap make the wire show
 * more, which is fine; the kernel having more than the wire means that a frame was missed.
 */
static void gate_counters(const struct connection *c, const struct judge_run *run,
			  enum evidence_side side, uint64_t *reasons)
{
	const struct sockdiag_entry *k = c->side[side].kernel;
	enum flow_way in = side == SIDE_SERVER ? FLOW_TO_SERVER : FLOW_TO_CLIENT;
	uint32_t tap = run->tap[side];
	const struct flow_view *v = &c->flow->view[tap][in];
	uint64_t seen = flow_payload(c->flow, tap, in), sent = flow_payload(c->flow, tap, !in);
	bool fin_sent = c->flow->view[tap][!in].fin_at != 0;
	bool orderly = v->fin_at && !v->rst && !c->flow->view[tap][!in].rst;

	if (!k || !k->has_info)
		return;
	add(reasons, REASON_WIRE_LT_SEGS, flow_view_sound(v) < k->segs_in);
	/* bytes_received counts a FIN as one byte, bytes_acked a FIN and an active opener's SYN. */
	add(reasons, REASON_BYTES_MISMATCH,
	    k->bytes_received > seen + (v->fin_at != 0) ||
		    k->bytes_acked > sent + fin_sent + (side == SIDE_CLIENT) ||
		    (orderly && k->destroyed && k->bytes_received < seen));
}

/*
 * Where no program is asked: nothing but SYNs went there and nothing but resets of them came back,
 * on each tap, and no kernel has a socket for it at the server. (An answer that was missed would be
 * in the counters of the client's socket.)
 */
static bool refused_on_wire(const struct judge_run *run, const struct connection *c)
{
	if (!run->no_programs || c->side[SIDE_SERVER].kernel)
		return false;
	for (uint32_t t = 0; t < run->n_taps; t++) {
		const struct flow_view *to = &c->flow->view[t][FLOW_TO_SERVER];
		const struct flow_view *from = &c->flow->view[t][FLOW_TO_CLIENT];

		if (!to->syn || flow_view_sound(to) != to->syn || from->syn || !from->rst ||
		    flow_view_sound(from) != from->rst || from->acked != 1)
			return false;
	}
	return true;
}

static void gate_tcp(const struct judge_run *run, const struct connection *c, uint64_t *reasons)
{
	const struct evidence_api *client = c->side[SIDE_CLIENT].api;
	bool failed = client && client->error != 0;
	bool refused = failed || refused_on_wire(run, c);

	for (int s = 0; s < SIDE_NUM; s++) {
		uint32_t tap = run->tap[s];

		if (refused)
			gate_refused(c->flow, tap, reasons);
		else
			gate_stream(c, tap, reasons);
		gate_counters(c, run, (enum evidence_side)s, reasons);
	}
	add(reasons, REASON_RESULT_MISMATCH,
	    failed && (c->side[SIDE_SERVER].api || client->error != -ECONNREFUSED));
}

static void gate_udp(const struct judge_run *run, const struct connection *c, uint64_t *reasons)
{
	for (int s = 0; s < SIDE_NUM; s++) {
		enum flow_way in = s == SIDE_SERVER ? FLOW_TO_SERVER : FLOW_TO_CLIENT;
		const struct flow_view *v = &c->flow->view[run->tap[s]][in];
		uint32_t datagrams = flow_view_sound(v) - v->later_fragments;
		const struct connection_side *side = &c->side[s];

		if (!side->api)
			continue;
		if (side->api->call == CALL_RECVFROM)
			add(reasons, REASON_WIRE_LT_API, datagrams < side->api_records);
		add(reasons, REASON_WIRE_LT_API, v->bytes < side->bytes_in);
	}
}

static void gate_kernel(const struct connection *c, uint64_t *reasons)
{
	bool any = false;

	for (int s = 0; s < SIDE_NUM; s++) {
		const struct connection_side *side = &c->side[s];

		any |= side->kernel != NULL;
		/*
		 * Where a program of ours named its socket, the kernel must know that socket; of a
		 * stack of our own the kernel knows nothing, and is not missed.
		 */
		add(reasons, REASON_KERNEL_MISSING,
		    side->api && side->api->cookie && !side->kernel && !side->own_stack);
		add(reasons, REASON_COOKIE_MISMATCH, side->own_stack && side->kernel);
	}
	add(reasons, REASON_KERNEL_MISSING, !any);
}

static void gate_all(const struct judge_run *run, const struct connection *c, uint64_t *reasons)
{
	*reasons |= run->reasons;
	add(reasons, REASON_GENERATION_AMBIGUOUS, c->ambiguous);
	add(reasons, REASON_WIRE_ONLY, run->wire_only);
	if (!run->wire_only)
		gate_kernel(c, reasons);
	if (!c->flow) {
		add(reasons, REASON_NO_FRAMES, true);
		return;
	}
	add(reasons, REASON_NAT_SUSPECTED, c->flow_by_ports);
	add(reasons, REASON_FRAGMENTS_UNATTRIBUTED, c->flow->fragments_unattributed);
	for (uint32_t t = 0; t < run->n_taps; t++)
		gate_frames(c->flow, t, reasons);
	gate_taps_agree(run, c->flow, reasons);
	if (c->key.proto == IPPROTO_TCP)
		gate_tcp(run, c, reasons);
	else
		gate_udp(run, c, reasons);
}

void judge_connection(const struct judge_run *run, const struct connection *c,
		      struct judgement *out)
{
	bool mixed_claims;

	*out = (struct judgement){.verdict = VERDICT_INCONCLUSIVE};
	out->claimed = claims(c, &mixed_claims);
	if (run->wire_only)
		out->claimed = claim(AF_INET6, &c->key.server);
	for (int s = 0; s < SIDE_NUM; s++)
		compare_side(&c->side[s], &out->reasons);
	if (c->flow && out->claimed != CARRIAGE_NONE)
		compare_wire(run, c->flow, out->claimed, &out->reasons);
	add(&out->reasons, REASON_CARRIAGE_OTHER, mixed_claims && c->flow);
	if (out->reasons & CONTRADICTIONS) {
		out->verdict = VERDICT_CONTRADICTED;
		out->reasons &= CONTRADICTIONS;
		return;
	}
	add(&out->reasons, REASON_NO_CLAIM, out->claimed == CARRIAGE_NONE);
	gate_all(run, c, &out->reasons);
	if (!(out->reasons & ~INFORMATION))
		out->verdict = VERDICT_CONFIRMED;
}

static uint32_t seen_on(const struct flow *fl, uint32_t tap)
{
	uint32_t n = 0;

	for (int way = 0; way < FLOW_WAYS; way++) {
		n += flow_view_sound(&fl->view[tap][way]);
		for (int c = 0; c < CARRIAGE_NUM; c++)
			n += fl->view[tap][way].sent_bad_checksum[c];
	}
	return n;
}

uint32_t judge_shown_tap(const struct judge_run *run, const struct connection *c)
{
	uint32_t tap = run->tap[SIDE_SERVER];

	for (uint32_t t = 0; c->flow && seen_on(c->flow, tap) == 0 && t < run->n_taps; t++)
		tap = t;
	return tap;
}

void judge_result(const struct connection *c, char buf[JUDGE_RESULT_MAX])
{
	const struct evidence_api *client = c->side[SIDE_CLIENT].api;
	const struct evidence_api *server = c->side[SIDE_SERVER].api;
	const struct flow *fl = c->flow;
	const char *text = "seen";

	if (client && client->error)
		text = client->error == -ECONNREFUSED ? "refused" : strerrorname_np(-client->error);
	else if (c->key.proto == IPPROTO_UDP)
		text = server || (client && client->bytes_in) ? "delivered" : "sent";
	else if (client || server || (fl && (flow_established(fl, 0) || flow_established(fl, 1))))
		text = "connected";
	else if (fl && (fl->view[0][FLOW_TO_CLIENT].rst || fl->view[1][FLOW_TO_CLIENT].rst))
		text = "refused";
	snprintf(buf, JUDGE_RESULT_MAX, "%s", text ? text : "failed");
}

static int case_of(const struct evidence *ev, uint16_t port)
{
	for (size_t i = 0; i < ev->n_cases; i++)
		if (port >= ev->cases[i].ports.lo && port <= ev->cases[i].ports.hi)
			return (int)i;
	return -1;
}

static uint64_t started_ns(const struct judged *j)
{
	uint64_t t = j->c.flow ? j->c.flow->first_ns : UINT64_MAX;

	for (int s = 0; s < SIDE_NUM; s++)
		if (j->c.side[s].api && j->c.side[s].api->ts_ns < t)
			t = j->c.side[s].api->ts_ns;
	return t;
}

static int by_case_and_time(const void *a, const void *b)
{
	const struct judged *x = a, *y = b;
	uint64_t tx = started_ns(x), ty = started_ns(y);

	if (x->case_index != y->case_index)
		return x->case_index < y->case_index ? -1 : 1;
	return (tx > ty) - (tx < ty);
}

/* The joined connections as a list to be judged. */
static int list_connections(struct judge_report *r)
{
	struct connection *c;
	int rc = join_views(r->ev, r->flows, r->run.tap, &c, &r->n);

	if (rc < 0)
		return rc;
	r->list = calloc(r->n + 1, sizeof(*r->list));
	for (size_t i = 0; r->list && i < r->n; i++)
		r->list[i].c = c[i];
	free(c);
	return r->list ? 0 : -ENOMEM;
}

int judge(const struct evidence *ev, struct judge_report *out)
{
	int rc = -ENOMEM;

	*out = (struct judge_report){.ev = ev};
	out->flows = flow_table_create(ev->n_frames + 1, ev->ports, ev->n_ports);
	if (!out->flows)
		goto err;
	for (size_t i = 0; i < ev->n_frames; i++)
		flow_table_input(out->flows, &ev->frames[i]);
	flow_table_settle(out->flows);
	judge_run_gates(ev, out->flows, &out->run);
	rc = list_connections(out);
	if (rc < 0)
		goto err;
	for (size_t i = 0; i < out->n; i++) {
		struct judged *j = &out->list[i];

		j->case_index = case_of(ev, j->c.key.server_port);
		judge_connection(&out->run, &j->c, &j->j);
		judge_result(&j->c, j->result);
	}
	qsort(out->list, out->n, sizeof(*out->list), by_case_and_time);
	return 0;
err:
	judge_report_free(out);
	return rc;
}

void judge_report_free(struct judge_report *r)
{
	flow_table_destroy(r->flows);
	free(r->list);
	*r = (struct judge_report){0};
}

static enum verdict worst_of(const struct judge_report *r, int case_index, bool all)
{
	enum verdict worst = VERDICT_CONFIRMED;
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		enum verdict v = r->list[i].j.verdict;

		if (!all && r->list[i].case_index != case_index)
			continue;
		n++;
		if (v == VERDICT_CONTRADICTED || worst == VERDICT_CONFIRMED)
			worst = v;
	}
	return n ? worst : VERDICT_INCONCLUSIVE;
}

enum verdict judge_overall(const struct judge_report *r)
{
	return worst_of(r, -1, true);
}

enum verdict judge_case(const struct judge_report *r, int case_index)
{
	return worst_of(r, case_index, false);
}
