/* SPDX-License-Identifier: MIT */
/* test_tracker.c - flows that are judged one by one as they end, in virtual time */
#include "../../rawstack/witness/tracker.h"
#include "t_evidence.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

enum { FLOWS = 8, JUDGED_MAX = 64 };

static const uint64_t T0 = 1000000000000, MS = 1000000, S = 1000000000;

/* Every frame comes in over one tap; what is judged is kept. */
struct rig {
	struct evidence ev;
	struct tracker *t;
	size_t n;
	struct flow_key key[JUDGED_MAX];
	struct judgement j[JUDGED_MAX];
};

static void on_judged(const struct judge_report *rep, const struct judged *j, void *arg)
{
	struct rig *r = arg;

	cr_assert(rep->ev == &r->ev && j->c.flow != NULL);
	r->key[r->n % JUDGED_MAX] = j->c.key;
	r->j[r->n++ % JUDGED_MAX] = j->j;
}

static void rig_open(struct rig *r, size_t max_flows, const struct judge_run *run)
{
	*r = (struct rig){.ev = {.n_ports = 1, .n_taps = 1}};
	r->ev.ports[0] = (struct port_range){T_PORT_FIRST, T_PORT_LAST};
	cr_assert_eq(tracker_create(max_flows, &r->ev, on_judged, r, &r->t), 0);
	tracker_set_run(r->t, run);
}

static const struct judge_run LIVE = {.n_taps = 1};
static const struct judge_run WIRE = {.n_taps = 1, .wire_only = true};

static struct t_conn conn_of(enum t_kind kind, uint8_t proto, uint16_t client_port)
{
	return (struct t_conn){.kind = kind,
			       .proto = proto,
			       .server_port = T_PORT_FIRST,
			       .client_port = client_port,
			       .client_isn = 100,
			       .server_isn = 900,
			       .cookie = 50};
}

static const struct flow *feed(struct rig *r, struct evidence_frame f, uint64_t ts_ns)
{
	f.tap = 0;
	f.ts_ns = ts_ns;
	return tracker_frame(r->t, &f);
}

/* The frames of a whole stream of one request: handshake, data, both ends. */
static size_t stream_frames(const struct t_conn *c, struct evidence_frame out[9])
{
	uint32_t a = c->client_isn, b = c->server_isn;

	out[0] = t_frame(c, 0, true, TCP_SYN, a, 0, 0);
	out[1] = t_frame(c, 0, false, TCP_SYN | TCP_ACK, b, a + 1, 0);
	out[2] = t_frame(c, 0, true, TCP_ACK, a + 1, b + 1, 0);
	out[3] = t_frame(c, 0, true, TCP_ACK | TCP_PSH, a + 1, b + 1, 10);
	out[4] = t_frame(c, 0, false, TCP_ACK | TCP_PSH, b + 1, a + 11, 20);
	out[5] = t_frame(c, 0, true, TCP_FIN | TCP_ACK, a + 11, b + 21, 0);
	out[6] = t_frame(c, 0, false, TCP_ACK, b + 21, a + 12, 0);
	out[7] = t_frame(c, 0, false, TCP_FIN | TCP_ACK, b + 21, a + 12, 0);
	out[8] = t_frame(c, 0, true, TCP_ACK, a + 12, b + 22, 0);
	return 9;
}

static void feed_stream(struct rig *r, const struct t_conn *c, uint64_t ts_ns)
{
	struct evidence_frame f[9];
	size_t n = stream_frames(c, f);

	for (size_t i = 0; i < n; i++)
		feed(r, f[i], ts_ns);
}

static struct sockdiag_entry socket_of(const struct t_conn *c, bool destroyed)
{
	return (struct sockdiag_entry){.family = t_family(c->kind),
				       .proto = IPPROTO_TCP,
				       .state = destroyed ? TCP_CLOSE : TCP_ESTABLISHED,
				       .destroyed = destroyed,
				       .src = t_server(c),
				       .dst = t_client(c),
				       .cookie = c->cookie};
}

static void rig_close(struct rig *r)
{
	tracker_destroy(r->t);
}

Test(tracker, a_stream_is_judged_once_after_its_grace)
{
	struct t_conn c = conn_of(T_MAPPED, IPPROTO_TCP, 40000);
	struct rig r;

	rig_open(&r, FLOWS, &LIVE);
	feed_stream(&r, &c, T0);
	cr_expect(!tracker_is_due(r.t, T0 + (TRACKER_GRACE_MS - 1) * MS));
	tracker_judge_due(r.t, T0 + (TRACKER_GRACE_MS - 1) * MS);
	cr_expect_eq(r.n, 0);
	cr_expect(tracker_is_due(r.t, T0 + TRACKER_GRACE_MS * MS));
	tracker_judge_due(r.t, T0 + TRACKER_GRACE_MS * MS);
	cr_assert_eq(r.n, 1);
	cr_expect_eq(r.j[0].verdict, VERDICT_INCONCLUSIVE, "no view makes a claim");
	cr_expect(r.j[0].reasons & reason_bit(REASON_NO_CLAIM));
	tracker_judge_rest(r.t);
	cr_expect_eq(r.n, 1, "it was forgotten");
	rig_close(&r);
}

Test(tracker, the_kernels_last_word_makes_it_sooner_and_confirmed)
{
	struct t_conn c = conn_of(T_MAPPED, IPPROTO_TCP, 40000);
	struct sockdiag_entry e = socket_of(&c, true);
	struct rig r;

	for (int before = 0; before < 2; before++) {
		struct evidence_frame f[9];
		size_t n = stream_frames(&c, f);

		rig_open(&r, FLOWS, &LIVE);
		cr_expect(!tracker_socket(r.t, &e), "its frames are not here yet");
		for (size_t i = 0; i < n; i++) {
			feed(&r, f[i], T0);
			if (before && i == 4)
				cr_expect(tracker_socket(r.t, &e));
		}
		if (!before)
			cr_expect(tracker_socket(r.t, &e));
		cr_expect(!tracker_is_due(r.t, T0 + (TRACKER_GONE_MS - 1) * MS));
		tracker_judge_due(r.t, T0 + TRACKER_GONE_MS * MS);
		cr_assert_eq(r.n, 1, "%d", before);
		cr_expect_eq(r.j[0].verdict, VERDICT_CONFIRMED);
		cr_expect_eq(r.j[0].claimed, CARRIAGE_V4);
		rig_close(&r);
	}
}

Test(tracker, frames_after_the_end_put_the_judgement_off)
{
	struct t_conn c = conn_of(T_NATIVE, IPPROTO_TCP, 40000);
	struct evidence_frame f[9];
	uint64_t later = T0 + (TRACKER_GRACE_MS - 1) * MS;
	struct rig r;

	rig_open(&r, FLOWS, &LIVE);
	feed_stream(&r, &c, T0);
	stream_frames(&c, f);
	feed(&r, f[8], later);
	tracker_judge_due(r.t, T0 + TRACKER_GRACE_MS * MS);
	cr_expect_eq(r.n, 0);
	tracker_judge_due(r.t, later + TRACKER_GRACE_MS * MS);
	cr_expect_eq(r.n, 1);
	rig_close(&r);
}

Test(tracker, datagrams_end_by_silence)
{
	struct t_conn c = conn_of(T_MAPPED, IPPROTO_UDP, 40000);
	struct rig r;

	rig_open(&r, FLOWS, &LIVE);
	for (uint64_t i = 0; i < 3; i++) {
		feed(&r, t_frame(&c, 0, true, 0, 0, 0, 5), T0 + i * 2 * S);
		tracker_judge_due(r.t, T0 + i * 2 * S);
	}
	tracker_judge_due(r.t, T0 + 4 * S + (TRACKER_SILENCE_MS - 1) * MS);
	cr_expect_eq(r.n, 0);
	tracker_judge_due(r.t, T0 + 4 * S + TRACKER_SILENCE_MS * MS);
	cr_expect_eq(r.n, 1);
	rig_close(&r);
}

/* What serves everybody claims nothing, until the kernel was asked who takes this flow. */
Test(tracker, a_looked_up_socket_makes_the_claim)
{
	static const struct {
		enum t_kind kind;
		enum carriage carriage;
		bool asked;
		enum verdict verdict;
	} rows[] = {
		{T_MAPPED, CARRIAGE_V4, true, VERDICT_CONFIRMED},
		{T_NATIVE, CARRIAGE_V6, true, VERDICT_CONFIRMED},
		{T_MAPPED, CARRIAGE_V6, true, VERDICT_CONTRADICTED},
		{T_NATIVE, CARRIAGE_TUN_6IN4, true, VERDICT_CONTRADICTED},
		{T_MAPPED, CARRIAGE_V4, false, VERDICT_INCONCLUSIVE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct t_conn c = conn_of(rows[i].kind, IPPROTO_UDP, 40000);
		struct evidence_frame f = t_frame(&c, 0, true, 0, 0, 0, 5);
		struct sockdiag_entry e = {.family = AF_INET6,
					   .proto = IPPROTO_UDP,
					   .state = TCP_CLOSE,
					   .src = {.port = T_PORT_FIRST},
					   .cookie = 9};
		const struct flow *fl;
		struct rig r;

		rig_open(&r, FLOWS, &LIVE);
		f.info.carriage = rows[i].carriage;
		fl = feed(&r, f, T0);
		cr_assert(fl != NULL);
		cr_expect(tracker_server(r.t, fl) == NULL);
		if (rows[i].asked) {
			tracker_looked_up(r.t, fl, &e);
			cr_expect(tracker_server(r.t, fl)->cookie == 9);
		}
		tracker_judge_rest(r.t);
		cr_assert_eq(r.n, 1);
		cr_expect_eq(r.j[0].verdict, rows[i].verdict, "row %zu: %s", i,
			     verdict_name(r.j[0].verdict));
		rig_close(&r);
	}
}

Test(tracker, what_lasts_stays_and_what_was_never_answered_goes)
{
	struct t_conn lasting = conn_of(T_MAPPED, IPPROTO_TCP, 40000);
	struct t_conn unanswered = conn_of(T_MAPPED, IPPROTO_TCP, 40001);
	struct evidence_frame f[9];
	struct rig r;

	rig_open(&r, FLOWS, &LIVE);
	stream_frames(&lasting, f);
	for (int i = 0; i < 4; i++)
		feed(&r, f[i], T0);
	feed(&r, t_frame(&unanswered, 0, true, TCP_SYN, 7, 0, 0), T0);
	tracker_judge_due(r.t, T0 + (TRACKER_UNANSWERED_MS - 1) * MS);
	cr_expect_eq(r.n, 0);
	for (uint64_t h = 1; h < 5; h++)
		tracker_judge_due(r.t, T0 + h * 3600 * S);
	cr_assert_eq(r.n, 1);
	cr_expect_eq(r.key[0].client_port, 40001);
	tracker_judge_rest(r.t);
	cr_assert_eq(r.n, 2);
	cr_expect(r.j[1].reasons & reason_bit(REASON_ENDED_EARLY));
	rig_close(&r);
}

/* The place of a flow is taken in this order: ended and gone, ended, datagrams, streams. */
Test(tracker, a_full_table_gives_up_the_least_and_says_so)
{
	struct t_conn stream = conn_of(T_NATIVE, IPPROTO_TCP, 1);
	struct t_conn datagram = conn_of(T_NATIVE, IPPROTO_UDP, 2);
	struct t_conn ended = conn_of(T_NATIVE, IPPROTO_TCP, 3);
	struct t_conn gone = conn_of(T_NATIVE, IPPROTO_TCP, 4);
	struct sockdiag_entry e = socket_of(&gone, true);
	static const uint16_t order[] = {4, 3, 2, 1};
	struct rig r;

	rig_open(&r, 4, &LIVE);
	feed(&r, t_frame(&stream, 0, true, TCP_SYN, 7, 0, 0), T0);
	feed(&r, t_frame(&datagram, 0, true, 0, 0, 0, 1), T0);
	feed_stream(&r, &ended, T0);
	feed_stream(&r, &gone, T0);
	tracker_socket(r.t, &e);
	cr_expect_eq(r.n, 0, "four fit");
	for (uint16_t i = 0; i < 5; i++) {
		struct t_conn c = conn_of(T_NATIVE, IPPROTO_TCP, (uint16_t)(100 + i));

		feed(&r, t_frame(&c, 0, true, TCP_SYN, 7, 0, 0), T0 + 1);
	}
	cr_assert_eq(r.n, 4);
	for (int i = 0; i < 4; i++) {
		cr_expect_eq(r.key[i].client_port, order[i], "%d: %u", i, r.key[i].client_port);
		cr_expect_eq(r.j[i].verdict, VERDICT_INCONCLUSIVE);
		cr_expect(r.j[i].reasons & reason_bit(REASON_TABLE_FULL));
	}
	tracker_judge_rest(r.t);
	cr_expect_eq(r.n, 9);
	for (int i = 4; i < 9; i++)
		cr_expect(!(r.j[i].reasons & reason_bit(REASON_TABLE_FULL)), "%d", i);
	rig_close(&r);
}

Test(tracker, each_of_many_flows_is_judged_exactly_once)
{
	enum { MANY = 20000 };
	static uint8_t seen[65536];
	struct rig r;
	size_t done = 0;

	rig_open(&r, 16, &LIVE);
	for (uint16_t i = 1; i <= MANY; i++) {
		struct t_conn c = conn_of(i % 2 ? T_MAPPED : T_NATIVE, IPPROTO_TCP, i);

		if (i % 3)
			feed_stream(&r, &c, T0 + i * MS);
		else
			feed(&r, t_frame(&c, 0, true, TCP_SYN, 7, 0, 0), T0 + i * MS);
		tracker_judge_due(r.t, T0 + i * MS);
		for (; done < r.n; done++)
			cr_assert(seen[r.key[done % JUDGED_MAX].client_port]++ == 0);
	}
	tracker_judge_rest(r.t);
	for (; done < r.n; done++)
		cr_assert(seen[r.key[done % JUDGED_MAX].client_port]++ == 0);
	cr_expect_eq(done, MANY);
	rig_close(&r);
}

/* A frame that may have been anybody's concerns those who were there, or came soon after. */
Test(tracker, an_unreadable_frame_concerns_its_own_time)
{
	static const struct {
		uint64_t begins_s;
		bool concerned;
	} rows[] = {{0, true}, {59, true}, {62, false}};

	for (size_t i = 0; i < 3; i++) {
		struct t_conn c = conn_of(T_MAPPED, IPPROTO_TCP, 40000);
		struct evidence_frame bad = {.info = {.problems = FRAME_UNPARSED}};
		struct sockdiag_entry e = socket_of(&c, true);
		uint64_t begins = T0 + rows[i].begins_s * S;
		struct rig r;

		rig_open(&r, FLOWS, &LIVE);
		feed(&r, bad, T0);
		feed_stream(&r, &c, begins);
		tracker_socket(r.t, &e);
		tracker_judge_due(r.t, begins + S);
		cr_assert_eq(r.n, 1);
		cr_expect_eq((r.j[0].reasons & reason_bit(REASON_UNPARSED)) != 0, rows[i].concerned,
			     "%zu", i);
		rig_close(&r);
	}
}

Test(tracker, a_stray_fragment_concerns_its_hosts_and_its_time)
{
	static const struct {
		uint64_t begins_s;
		bool other_host, concerned;
	} rows[] = {{0, false, true}, {59, false, true}, {62, false, false}, {0, true, false}};

	for (size_t i = 0; i < 4; i++) {
		struct t_conn c = conn_of(T_MAPPED, IPPROTO_TCP, 40000);
		struct evidence_frame f = t_frame(&c, 0, true, 0, 0, 0, 8);
		struct sockdiag_entry e = socket_of(&c, true);
		uint64_t begins = T0 + rows[i].begins_s * S;
		struct rig r;

		f.info.has_ports = false;
		f.info.fragment = true;
		f.info.frag_offset = 8;
		f.info.proto = IPPROTO_UDP;
		f.info.src.b[15] += rows[i].other_host;
		rig_open(&r, FLOWS, &LIVE);
		cr_expect(feed(&r, f, T0) == NULL);
		feed_stream(&r, &c, begins);
		tracker_socket(r.t, &e);
		tracker_judge_due(r.t, begins + S);
		cr_assert_eq(r.n, 1);
		cr_expect_eq((r.j[0].reasons & reason_bit(REASON_FRAGMENTS_UNATTRIBUTED)) != 0,
			     rows[i].concerned, "%zu", i);
		rig_close(&r);
	}
}

/* Without kernel and programs the addresses make the claim. */
Test(tracker, wire_only_confirms_what_its_addresses_say)
{
	for (int kind = 0; kind < T_KINDS; kind++) {
		struct t_conn c = conn_of((enum t_kind)kind, IPPROTO_TCP, 40000);
		struct rig r;

		rig_open(&r, FLOWS, &WIRE);
		feed_stream(&r, &c, T0);
		tracker_judge_rest(r.t);
		cr_assert_eq(r.n, 1);
		cr_expect_eq(r.j[0].verdict, VERDICT_CONFIRMED);
		cr_expect_eq(r.j[0].claimed, kind == T_NATIVE ? CARRIAGE_V6 : CARRIAGE_V4);
		cr_expect_eq(r.j[0].reasons, reason_bit(REASON_WIRE_ONLY));
		rig_close(&r);
	}
}

Test(tracker, wire_only_needs_proof_too)
{
	struct t_conn c = conn_of(T_MAPPED, IPPROTO_TCP, 40000);
	struct judge_run run = {
		.n_taps = 1, .wire_only = true, .reasons = reason_bit(REASON_CAPTURE_UNPROVEN)};
	struct rig r;

	rig_open(&r, FLOWS, &run);
	feed_stream(&r, &c, T0);
	tracker_judge_rest(r.t);
	cr_expect_eq(r.j[0].verdict, VERDICT_INCONCLUSIVE);
	cr_expect_eq(r.j[0].reasons,
		     reason_bit(REASON_CAPTURE_UNPROVEN) | reason_bit(REASON_WIRE_ONLY));
	rig_close(&r);
}

/* Every frame of a stream changed, and every one left out but those that only acknowledge. */
Test(tracker, wire_only_sees_each_frame_that_matters)
{
	static const enum carriage others[] = {CARRIAGE_V6, CARRIAGE_TUN_6IN4, CARRIAGE_TUN_OTHER,
					       CARRIAGE_MISMATCH, CARRIAGE_NONE};
	struct t_conn c = conn_of(T_MAPPED, IPPROTO_TCP, 40000);

	for (size_t i = 0; i < 9; i++) {
		for (size_t k = 0; k <= 5; k++) {
			struct evidence_frame f[9];
			size_t n = stream_frames(&c, f);
			bool only_ack = i == 2 || i == 6;
			struct rig r;

			rig_open(&r, FLOWS, &WIRE);
			for (size_t m = 0; m < n; m++) {
				if (m == i && k < 5)
					f[m].info.carriage = others[k];
				if (m != i || k < 5)
					feed(&r, f[m], T0);
			}
			tracker_judge_rest(r.t);
			cr_assert_geq(r.n, 1);
			for (size_t m = 0; m < r.n; m++) {
				if (k < 4)
					cr_expect_eq(r.j[m].verdict, VERDICT_CONTRADICTED,
						     "%zu %zu", i, k);
				else if (k == 4 || !only_ack)
					cr_expect_eq(r.j[m].verdict, VERDICT_INCONCLUSIVE,
						     "%zu %zu", i, k);
			}
			rig_close(&r);
		}
	}
}
