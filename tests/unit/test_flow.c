/* SPDX-License-Identifier: MIT */
/* test_flow.c - frames into flows: generations, orientation, sequence coverage, fragments, limits
 */
#include "../../rawstack/witness/flow.h"
#include "t_evidence.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct port_range WATCHED[] = {{T_PORT_FIRST, T_PORT_LAST}};
static const struct t_conn CONN = {
	.kind = T_MAPPED, .server_port = T_PORT_FIRST, .client_port = T_CLIENT_PORT};

static struct flow_table *table(size_t max_flows)
{
	struct flow_table *ft = flow_table_create(max_flows, WATCHED, COUNT(WATCHED));

	cr_assert(ft);
	return ft;
}

static struct flow *input(struct flow_table *ft, uint32_t tap, bool to_server, uint8_t flags,
			  uint32_t seq, uint32_t ack, uint32_t len)
{
	struct evidence_frame f = t_frame(&CONN, tap, to_server, flags, seq, ack, len);

	return flow_table_input(ft, &f);
}

static struct flow_key key_of(const struct t_conn *c)
{
	return (struct flow_key){.server = t_server(c).addr,
				 .client = t_client(c).addr,
				 .server_port = c->server_port,
				 .client_port = c->client_port,
				 .proto = c->proto ? c->proto : IPPROTO_TCP};
}

/* Generations. */

/* A whole connection on one tap: handshake, a byte each way, orderly end. */
static struct flow *whole(struct flow_table *ft, uint32_t tap, uint32_t isn)
{
	uint32_t you = isn + 5000;
	struct flow *fl = input(ft, tap, true, TCP_SYN, isn, 0, 0);

	input(ft, tap, false, TCP_SYN | TCP_ACK, you, isn + 1, 0);
	input(ft, tap, true, TCP_ACK, isn + 1, you + 1, 1);
	input(ft, tap, false, TCP_ACK, you + 1, isn + 2, 1);
	input(ft, tap, true, TCP_ACK | TCP_FIN, isn + 2, you + 2, 0);
	input(ft, tap, false, TCP_ACK | TCP_FIN, you + 2, isn + 3, 0);
	input(ft, tap, true, TCP_ACK, isn + 3, you + 3, 0);
	return fl;
}

static void check_whole(const struct flow *fl, uint32_t tap, const char *what)
{
	cr_assert(flow_established(fl, tap) && flow_closed(fl, tap), "%s", what);
	for (int way = 0; way < FLOW_WAYS; way++) {
		cr_assert(flow_covered(fl, tap, (enum flow_way)way), "%s way %d", what, way);
		cr_assert(flow_payload(fl, tap, (enum flow_way)way) == 1, "%s way %d", what, way);
	}
	cr_assert(flow_view_sound(&fl->view[tap][FLOW_TO_SERVER]) == 4, "%s", what);
	cr_assert(flow_view_sound(&fl->view[tap][FLOW_TO_CLIENT]) == 3, "%s", what);
}

Test(flow, port_reuse_makes_three_generations_in_any_order_of_taps)
{
	static const uint32_t isn[3] = {1000, 0xfffffffe, 77};
	static const struct {
		const char *name;
		uint32_t order[6]; /* generation * 2 + tap */
	} rows[] = {
		{"one tap after the other", {0, 2, 4, 1, 3, 5}},
		{"the other tap first", {1, 3, 5, 0, 2, 4}},
		{"by connection", {0, 1, 2, 3, 4, 5}},
		{"one tap a connection behind", {0, 2, 1, 4, 3, 5}},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flow_table *ft = table(8);
		struct flow_key key = key_of(&CONN);
		struct flow *fl;

		for (size_t k = 0; k < 6; k++)
			whole(ft, rows[i].order[k] % 2, isn[rows[i].order[k] / 2]);
		cr_assert(flow_table_slots(ft) == 3, "%s: %zu", rows[i].name, flow_table_slots(ft));
		fl = flow_table_find(ft, &key);
		for (uint32_t gen = 3; gen-- > 0; fl = fl->older) {
			cr_assert(fl && fl->generation == gen, "%s", rows[i].name);
			cr_assert(fl->view[0][FLOW_TO_SERVER].isn == isn[gen], "%s", rows[i].name);
			check_whole(fl, 0, rows[i].name);
			check_whole(fl, 1, rows[i].name);
		}
		cr_assert(fl == NULL);
		flow_table_destroy(ft);
	}
}

Test(flow, only_a_sound_client_syn_with_a_new_number_opens_a_generation)
{
	static const struct {
		const char *name;
		bool to_server;
		uint8_t flags;
		uint32_t seq;
		uint32_t problems;
		uint32_t generation;
	} rows[] = {
		{"retransmitted SYN", true, TCP_SYN, 1000, 0, 0},
		{"new number", true, TCP_SYN, 1001, 0, 1},
		{"new number, SYN/ACK", false, TCP_SYN | TCP_ACK, 1001, 0, 0},
		{"SYN towards the client", false, TCP_SYN, 1001, 0, 0},
		{"SYN with a bad checksum", true, TCP_SYN, 1001, FRAME_BAD_CHECKSUM, 0},
		{"data", true, TCP_ACK, 1001, 0, 0},
		{"reset", true, TCP_RST, 1001, 0, 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flow_table *ft = table(4);
		struct evidence_frame f =
			t_frame(&CONN, 0, rows[i].to_server, rows[i].flags, rows[i].seq, 0, 0);
		struct flow *fl;

		whole(ft, 0, 1000);
		f.info.problems = rows[i].problems;
		fl = flow_table_input(ft, &f);
		cr_assert(fl && fl->generation == rows[i].generation, "%s", rows[i].name);
		flow_table_destroy(ft);
	}
}

Test(flow, retransmitted_syn_is_counted_in_its_own_generation_even_when_it_is_late)
{
	struct flow_table *ft = table(4);
	struct flow *first = whole(ft, 0, 1000), *second = whole(ft, 0, 2000);

	cr_assert(input(ft, 0, true, TCP_SYN, 1000, 0, 0) == first);
	cr_assert(first->view[0][FLOW_TO_SERVER].syn == 2);
	cr_assert(second->view[0][FLOW_TO_SERVER].syn == 1);
	flow_table_destroy(ft);
}

Test(flow, generations_of_one_key_are_bounded)
{
	struct flow_table *ft = table(2 * FLOW_GENERATIONS_MAX);

	for (uint32_t i = 0; i < FLOW_GENERATIONS_MAX; i++)
		cr_assert(input(ft, 0, true, TCP_SYN, 2 * i, 0, 0), "%u", i);
	cr_assert(flow_table_full(ft) == 0);
	cr_assert_null(input(ft, 0, true, TCP_SYN, 1, 0, 0));
	cr_assert(flow_table_full(ft) == 1);
	cr_assert(input(ft, 0, true, TCP_SYN, 0, 0, 0)->generation == 0, "a known one still fits");
	flow_table_destroy(ft);
}

/* Orientation. */

static struct flow *input_ports(struct flow_table *ft, uint8_t proto, uint16_t sport,
				uint16_t dport, uint8_t flags)
{
	struct evidence_frame f = t_frame(&CONN, 0, true, flags, 1, 0, 0);

	f.info.proto = proto;
	f.info.sport = sport;
	f.info.dport = dport;
	return flow_table_input(ft, &f);
}

Test(flow, the_server_is_the_end_with_the_watched_port_and_else_what_the_handshake_says)
{
	static const struct {
		const char *name;
		uint8_t proto;
		uint16_t sport, dport;
		uint8_t flags;
		uint16_t server; /* 0: no flow */
	} rows[] = {
		{"to the watched port", IPPROTO_TCP, 40000, 7000, TCP_ACK, 7000},
		{"from the watched port", IPPROTO_TCP, 7000, 40000, TCP_ACK, 7000},
		{"SYN from the watched port", IPPROTO_TCP, 7000, 40000, TCP_SYN, 7000},
		{"neither watched", IPPROTO_TCP, 6999, 7100, TCP_SYN, 0},
		{"first of the range", IPPROTO_UDP, 40000, 7000, 0, 7000},
		{"last of the range", IPPROTO_UDP, 40000, 7099, 0, 7099},
		{"both, SYN", IPPROTO_TCP, 7001, 7002, TCP_SYN, 7002},
		{"both, SYN/ACK", IPPROTO_TCP, 7001, 7002, TCP_SYN | TCP_ACK, 7001},
		{"both, middle of a connection: the lower port", IPPROTO_TCP, 7001, 7002, TCP_ACK,
		 7001},
		{"both, the other way", IPPROTO_TCP, 7002, 7001, TCP_ACK, 7001},
		{"both, UDP: the lower port", IPPROTO_UDP, 7002, 7001, 0, 7001},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flow_table *ft = table(4);
		struct flow *fl =
			input_ports(ft, rows[i].proto, rows[i].sport, rows[i].dport, rows[i].flags);
		struct endpoint src = t_client(&CONN), dst = t_server(&CONN);
		struct flow_key key;
		enum flow_way way;

		cr_assert((fl ? fl->key.server_port : 0) == rows[i].server, "%s", rows[i].name);
		src.port = rows[i].sport;
		dst.port = rows[i].dport;
		cr_assert(flow_table_orient(ft, rows[i].proto, &src, &dst, &key, &way) == !!fl,
			  "%s", rows[i].name);
		cr_assert(!fl || flow_table_find(ft, &key) == fl, "%s", rows[i].name);
		cr_assert(!fl || (way == FLOW_TO_SERVER) == (rows[i].dport == rows[i].server), "%s",
			  rows[i].name);
		flow_table_destroy(ft);
	}
}

Test(flow, with_both_ports_watched_a_known_flow_decides_the_way)
{
	struct flow_table *ft = table(4);
	struct flow *fl = input_ports(ft, IPPROTO_TCP, 7001, 7002, TCP_SYN);

	cr_assert(input_ports(ft, IPPROTO_TCP, 7001, 7002, TCP_ACK) == fl);
	cr_assert(fl->view[0][FLOW_TO_SERVER].frames[CARRIAGE_V4] == 2);
	flow_table_destroy(ft);
}

Test(flow, without_ranges_every_port_is_watched)
{
	struct flow_table *ft = flow_table_create(4, NULL, 0);

	cr_assert(input_ports(ft, IPPROTO_TCP, 40000, 5, TCP_SYN)->key.server_port == 5);
	flow_table_destroy(ft);
}

Test(flow, carriage_is_not_part_of_the_key)
{
	struct flow_table *ft = table(4);
	struct evidence_frame f = t_frame(&CONN, 0, true, TCP_SYN, 1, 0, 0);
	struct flow *fl = flow_table_input(ft, &f);

	for (int c = 0; c < CARRIAGE_NUM; c++) {
		f.info.carriage = (enum carriage)c;
		cr_assert(flow_table_input(ft, &f) == fl, "%s", carriage_name(f.info.carriage));
	}
	for (int c = 0; c < CARRIAGE_NUM; c++)
		cr_assert(fl->view[0][FLOW_TO_SERVER].frames[c] == 1U + (c == CARRIAGE_V4));
	flow_table_destroy(ft);
}

/* Sequence coverage. */

struct segment {
	uint32_t at; /* relative to the initial sequence number */
	uint32_t len;
	uint8_t flags;
};

Test(flow, sequence_numbers_are_covered_when_all_were_seen_in_whatever_order)
{
	static const struct {
		const char *name;
		bool covered;
		uint64_t payload;
		struct segment s[8];
		uint32_t acked; /* by the other end, relative; 0: nothing */
	} rows[] = {
		{"nothing sent", true, 0, {{0}}, 1},
		{"in order", true, 300, {{1, 100, 0}, {101, 200, 0}}, 301},
		{"out of order", true, 300, {{101, 200, 0}, {1, 100, 0}}, 301},
		{"retransmitted", true, 100, {{1, 100, 0}, {1, 100, 0}}, 101},
		{"overlapping", true, 150, {{1, 100, 0}, {51, 100, 0}}, 151},
		{"one inside another", true, 100, {{1, 100, 0}, {20, 10, 0}}, 101},
		{"one fills two holes",
		 true,
		 60,
		 {{11, 10, 0}, {31, 10, 0}, {51, 10, 0}, {1, 55, 0}},
		 61},
		{"keep-alive before the first byte", true, 1, {{0, 0, 0}, {1, 1, 0}}, 2},
		{"hole", false, 200, {{1, 100, 0}, {201, 100, 0}}, 301},
		{"hole at the start", false, 100, {{101, 100, 0}}, 201},
		{"acknowledged but not seen", false, 100, {{1, 100, 0}}, 102},
		{"not acknowledged yet", true, 100, {{1, 100, 0}}, 50},
		{"FIN alone", true, 0, {{1, 0, TCP_FIN}}, 2},
		{"FIN with data", true, 100, {{1, 100, TCP_FIN}}, 102},
		{"FIN before the data", true, 100, {{101, 0, TCP_FIN}, {1, 100, 0}}, 102},
		{"FIN behind a hole", false, 100, {{1, 100, 0}, {102, 0, TCP_FIN}}, 103},
		{"data behind the FIN", false, 101, {{1, 100, TCP_FIN}, {102, 1, 0}}, 103},
		{"RST takes no number", true, 100, {{1, 100, 0}, {500, 0, TCP_RST}}, 101},
		{"from another window", true, 100, {{1, 100, 0}, {0x60000000, 9, 0}}, 101},
		{"four islands join",
		 true,
		 80,
		 {{11, 10, 0}, {31, 10, 0}, {51, 10, 0}, {71, 10, 0}, {1, 75, 0}},
		 81},
		{"more islands than parts: nothing is said, even if all of it comes later",
		 false,
		 100,
		 {{11, 10, 0}, {31, 10, 0}, {51, 10, 0}, {71, 10, 0}, {91, 10, 0}, {1, 100, 0}},
		 101},
	};
	static const uint32_t isns[] = {1000, 0xffffff00, 0xffffffff, 0x7fffffff, 0xffffffcc};

	for (size_t i = 0; i < COUNT(rows) * COUNT(isns); i++) {
		const struct segment *s = rows[i / COUNT(isns)].s;
		const char *name = rows[i / COUNT(isns)].name;
		uint32_t isn = isns[i % COUNT(isns)], you = 5;
		struct flow_table *ft = table(2);
		struct flow *fl = input(ft, 0, true, TCP_SYN, isn, 0, 0);

		input(ft, 0, false, TCP_SYN | TCP_ACK, you, isn + 1, 0);
		for (size_t k = 0; k < 8 && (s[k].at || s[k].flags || s[k].len || k == 0); k++)
			input(ft, 0, true, TCP_ACK | s[k].flags, isn + s[k].at, you + 1, s[k].len);
		input(ft, 0, false, TCP_ACK, you + 1, isn + rows[i / COUNT(isns)].acked, 0);
		cr_assert(flow_covered(fl, 0, FLOW_TO_SERVER) == rows[i / COUNT(isns)].covered,
			  "%s, from 0x%x", name, isn);
		cr_assert(flow_payload(fl, 0, FLOW_TO_SERVER) == rows[i / COUNT(isns)].payload,
			  "%s, from 0x%x: %ju", name, isn,
			  (uintmax_t)flow_payload(fl, 0, FLOW_TO_SERVER));
		cr_assert(flow_covered(fl, 0, FLOW_TO_CLIENT), "%s", name);
		flow_table_destroy(ft);
	}
}

Test(flow, a_stream_longer_than_the_sequence_space_is_followed)
{
	const uint32_t len = 1U << 29;
	struct flow_table *ft = table(2);
	struct flow *fl = input(ft, 0, true, TCP_SYN, 0xffffff00, 0, 0);
	uint32_t seq = 0xffffff01;

	input(ft, 0, false, TCP_SYN | TCP_ACK, 5, 0xffffff01, 0);
	for (int i = 0; i < 20; i++, seq += len)
		input(ft, 0, true, TCP_ACK, seq, 6, len);
	input(ft, 0, false, TCP_ACK, 6, seq, 0);
	cr_assert(flow_payload(fl, 0, FLOW_TO_SERVER) == 20 * (uint64_t)len);
	cr_assert(fl->view[0][FLOW_TO_CLIENT].acked == 20 * (uint64_t)len + 1);
	cr_assert(flow_covered(fl, 0, FLOW_TO_SERVER));
	flow_table_destroy(ft);
}

Test(flow, a_connection_is_closed_by_two_acknowledged_fins_or_by_a_reset)
{
	struct flow_table *ft = table(2);
	struct flow *fl = input(ft, 0, true, TCP_SYN, 10, 0, 0);

	cr_assert(!flow_established(fl, 0));
	input(ft, 0, false, TCP_SYN | TCP_ACK, 20, 11, 0);
	cr_assert(flow_established(fl, 0) && !flow_established(fl, 1));
	input(ft, 0, true, TCP_ACK | TCP_FIN, 11, 21, 0);
	input(ft, 0, false, TCP_ACK | TCP_FIN, 21, 12, 0);
	cr_assert(!flow_closed(fl, 0), "the last FIN is not acknowledged");
	input(ft, 0, true, TCP_ACK, 12, 22, 0);
	cr_assert(flow_closed(fl, 0) && !flow_closed(fl, 1));

	fl = input(ft, 0, true, TCP_SYN, 1000, 0, 0);
	cr_assert(!flow_closed(fl, 0));
	input(ft, 0, false, TCP_RST | TCP_ACK, 0, 1001, 0);
	cr_assert(flow_closed(fl, 0));
	flow_table_destroy(ft);
}

/* Fragments. */

static const struct t_conn UDP = {.kind = T_MAPPED,
				  .proto = IPPROTO_UDP,
				  .server_port = T_PORT_FIRST,
				  .client_port = T_CLIENT_PORT};

static struct evidence_frame fragment(const struct t_conn *c, uint32_t id, uint16_t offset,
				      uint32_t len)
{
	struct evidence_frame f = t_frame(c, 0, true, 0, 0, 0, len);

	f.info.fragment = true;
	f.info.frag_id = id;
	f.info.frag_offset = offset;
	if (offset) {
		f.info.has_ports = false;
		f.info.sport = f.info.dport = 0;
	}
	return f;
}

Test(flow, fragments_find_their_flow_in_either_order)
{
	for (int first = 0; first < 2; first++) {
		struct flow_table *ft = table(2);
		struct evidence_frame a = fragment(&UDP, 9, 0, 1000),
				      b = fragment(&UDP, 9, 1008, 400);
		struct flow *fa, *fb;
		const struct flow_view *v;

		fa = first ? flow_table_input(ft, &a) : NULL;
		fb = flow_table_input(ft, &b);
		cr_assert(first ? fb == fa : fb == NULL);
		fa = first ? fa : flow_table_input(ft, &a);
		v = &fa->view[0][FLOW_TO_SERVER];
		flow_table_settle(ft);
		cr_assert(v->frames[CARRIAGE_V4] == 2 && v->later_fragments == 1, "%d", first);
		cr_assert(v->bytes == 1400 && v->fragments == 1 && v->outgoing == 2, "%d", first);
		cr_assert(!fa->fragments_unattributed, "%d", first);
		flow_table_destroy(ft);
	}
}

Test(flow, a_later_fragment_is_attributed_only_when_all_of_its_identity_matches)
{
	static const struct {
		const char *name;
		int what;
		enum t_kind kind;
		bool lost;
	} rows[] = {
		{"same", 0, T_MAPPED, false},
		{"other id", 1, T_MAPPED, true},
		{"other protocol", 2, T_MAPPED, true},
		{"other tap", 3, T_MAPPED, true},
		{"other direction", 4, T_MAPPED, true},
		{"IPv6: the protocol may differ", 2, T_NATIVE, false},
		{"IPv6: other id", 1, T_NATIVE, true},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flow_table *ft = table(2);
		struct t_conn c = UDP;
		struct evidence_frame a, b;
		struct flow *fl;

		c.kind = rows[i].kind;
		a = fragment(&c, 9, 0, 1000);
		b = fragment(&c, 9, 1008, 400);
		b.info.frag_id += rows[i].what == 1;
		b.info.proto = rows[i].what == 2 ? IPPROTO_DSTOPTS : b.info.proto;
		b.tap += rows[i].what == 3;
		if (rows[i].what == 4) {
			b.info.src = a.info.dst;
			b.info.dst = a.info.src;
		}
		fl = flow_table_input(ft, &a);
		flow_table_input(ft, &b);
		flow_table_settle(ft);
		cr_assert(fl->fragments_unattributed == rows[i].lost, "%s", rows[i].name);
		cr_assert(fl->view[0][FLOW_TO_SERVER].later_fragments == !rows[i].lost, "%s",
			  rows[i].name);
		flow_table_destroy(ft);
	}
}

Test(flow, a_lost_first_fragment_hurts_every_flow_of_its_addresses_and_no_other)
{
	struct flow_table *ft = table(4);
	struct t_conn native = UDP;
	struct evidence_frame lost = fragment(&UDP, 9, 8, 400), other;
	struct flow *tcp = input(ft, 0, true, TCP_SYN, 1, 0, 0), *fl;

	native.kind = T_NATIVE;
	other = t_frame(&native, 0, true, 0, 0, 0, 1);
	fl = flow_table_input(ft, &other);
	cr_assert_null(flow_table_input(ft, &lost));
	flow_table_settle(ft);
	cr_assert(tcp->fragments_unattributed);
	cr_assert(!fl->fragments_unattributed);
	flow_table_destroy(ft);
}

Test(flow, fragments_that_are_displaced_while_they_wait_are_not_forgotten)
{
	struct flow_table *ft = table(4);
	struct t_conn native = UDP;
	struct evidence_frame f = t_frame(&UDP, 0, true, 0, 0, 0, 1);
	struct flow *fl = flow_table_input(ft, &f), *later;

	native.kind = T_NATIVE;
	for (uint32_t id = 0; id < 200; id++) {
		f = fragment(&UDP, id, 8, 100);
		flow_table_input(ft, &f);
	}
	f = t_frame(&native, 0, true, 0, 0, 0, 1);
	later = flow_table_input(ft, &f);
	flow_table_settle(ft);
	cr_assert(fl->fragments_unattributed);
	cr_assert(later->fragments_unattributed, "more pairs were lost than could be noted");
	flow_table_destroy(ft);
}

/* What is no evidence. */

Test(flow, a_bad_frame_is_no_evidence_but_a_sent_one_with_a_bad_checksum_shows_how_it_was_sent)
{
	static const struct {
		uint32_t problems;
		bool outgoing;
		uint32_t frames, bad, sent;
	} rows[] = {
		{0, true, 1, 0, 0},
		{FRAME_SUPERFRAME | FRAME_CSUM_UNCHECKED, false, 1, 0, 0},
		{FRAME_BAD_CHECKSUM, false, 0, 1, 0},
		{FRAME_BAD_CHECKSUM, true, 0, 1, 1},
		{FRAME_BAD_CHECKSUM | FRAME_CSUM_UNCHECKED, true, 0, 1, 1},
		{FRAME_BAD_CHECKSUM | FRAME_MALFORMED, true, 0, 1, 0},
		{FRAME_TRUNCATED, true, 0, 1, 0},
		{FRAME_MALFORMED, true, 0, 1, 0},
		{FRAME_EXTHDR_LIMIT, true, 0, 1, 0},
		{FRAME_UNPARSED, true, 0, 1, 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flow_table *ft = table(2);
		struct evidence_frame f =
			t_frame(&CONN, rows[i].outgoing ? 0 : 1, true, TCP_SYN, 1, 0, 0);
		const struct flow_view *v;

		f.info.problems = rows[i].problems;
		v = &flow_table_input(ft, &f)->view[f.tap][FLOW_TO_SERVER];
		cr_assert(v->frames[CARRIAGE_V4] == rows[i].frames, "row %zu", i);
		cr_assert(v->syn == rows[i].frames && v->isn_known == (v->syn == 1), "row %zu", i);
		cr_assert(v->bad == rows[i].bad, "row %zu", i);
		cr_assert(v->sent_bad_checksum[CARRIAGE_V4] == rows[i].sent, "row %zu", i);
		cr_assert(v->outgoing == (rows[i].outgoing && (rows[i].sent || rows[i].frames)),
			  "row %zu", i);
		cr_assert(v->problems == rows[i].problems, "row %zu", i);
		flow_table_destroy(ft);
	}
}

Test(flow, a_frame_whose_version_and_ethertype_disagree_counts_even_if_it_is_unsound)
{
	struct flow_table *ft = table(2);
	struct evidence_frame f = t_frame(&CONN, 0, true, TCP_SYN, 1, 0, 0);
	struct flow *fl;

	f.info.carriage = CARRIAGE_MISMATCH;
	f.info.problems = FRAME_MALFORMED;
	fl = flow_table_input(ft, &f);
	cr_assert(fl->view[0][FLOW_TO_SERVER].frames[CARRIAGE_MISMATCH] == 1);
	flow_table_destroy(ft);
}

Test(flow, frames_without_ports_are_unread_when_they_are_bad_and_else_nobody_s)
{
	struct flow_table *ft = table(2);
	struct evidence_frame f = t_frame(&CONN, 1, true, 0, 0, 0, 0);

	f.info.has_ports = false;
	cr_assert_null(flow_table_input(ft, &f), "ICMP, say");
	cr_assert(flow_table_unread(ft, 1) == 0);
	f.info.problems = FRAME_EXTHDR_LIMIT;
	cr_assert_null(flow_table_input(ft, &f));
	cr_assert(flow_table_unread(ft, 1) == 1 && flow_table_unread(ft, 0) == 0);
	f.canary = true;
	cr_assert_null(flow_table_input(ft, &f));
	cr_assert(flow_table_unread(ft, 1) == 1);
	flow_table_destroy(ft);
}

/* The table. */

Test(flow, a_full_table_says_so_and_keeps_what_it_has)
{
	struct flow_table *ft = table(2);
	struct flow *a = input_ports(ft, IPPROTO_TCP, 1, 7000, TCP_SYN);
	struct flow *b = input_ports(ft, IPPROTO_TCP, 2, 7000, TCP_SYN);

	cr_assert(a && b);
	cr_assert_null(input_ports(ft, IPPROTO_TCP, 3, 7000, TCP_SYN));
	cr_assert_null(input_ports(ft, IPPROTO_TCP, 3, 7000, TCP_ACK));
	cr_assert(flow_table_full(ft) == 2);
	cr_assert(input_ports(ft, IPPROTO_TCP, 1, 7000, TCP_ACK) == a);
	flow_table_forget(ft, b);
	cr_assert(input_ports(ft, IPPROTO_TCP, 3, 7000, TCP_SYN) == b, "its slot is used again");
	cr_assert(b->key.client_port == 3 && flow_table_slots(ft) == 2);
	flow_table_destroy(ft);
}

Test(flow, a_fragment_of_a_forgotten_flow_does_not_come_back_to_its_slot)
{
	struct flow_table *ft = table(1);
	struct t_conn other = UDP;
	struct evidence_frame a = fragment(&UDP, 9, 0, 100), b = fragment(&UDP, 9, 104, 100), c;
	struct flow *fl = flow_table_input(ft, &a);

	flow_table_forget(ft, fl);
	other.client_port++;
	c = t_frame(&other, 0, true, 0, 0, 0, 1);
	fl = flow_table_input(ft, &c);
	cr_assert_null(flow_table_input(ft, &b));
	cr_assert(fl->view[0][FLOW_TO_SERVER].later_fragments == 0);
	flow_table_destroy(ft);
}

/* The same table, written without a thought for speed. */
enum { MODEL_KEYS = 40, MODEL_FLOWS = 60 };

struct model_flow {
	uint16_t client_port;
	bool isn_known;
	uint32_t isn, generation, frames, frames_on[T_TAPS];
	const struct flow *fl;
};

struct model {
	struct model_flow flows[MODEL_FLOWS]; /* oldest first */
	size_t n;
	uint64_t full;
};

static struct model_flow *model_open(struct model *m, uint16_t port,
				     const struct model_flow *newest)
{
	if (m->n == MODEL_FLOWS) {
		m->full++;
		return NULL;
	}
	m->flows[m->n] = (struct model_flow){.client_port = port,
					     .generation = newest ? newest->generation + 1 : 0};
	return &m->flows[m->n++];
}

static struct model_flow *model_input(struct model *m, uint16_t port, uint32_t tap, bool syn,
				      uint32_t isn)
{
	struct model_flow *newest = NULL, *same_isn = NULL, *seen = NULL, *mf;

	for (size_t i = 0; i < m->n; i++) {
		mf = &m->flows[i];
		if (mf->client_port != port)
			continue;
		newest = mf;
		if (mf->isn_known && mf->isn == isn)
			same_isn = mf;
		if (mf->frames_on[tap])
			seen = mf;
	}
	if (!newest)
		mf = model_open(m, port, NULL);
	else if (syn)
		mf = same_isn ? same_isn : model_open(m, port, newest);
	else
		mf = seen ? seen : newest;
	if (!mf)
		return NULL;
	if (syn && !mf->isn_known) {
		mf->isn_known = true;
		mf->isn = isn;
	}
	mf->frames++;
	mf->frames_on[tap]++;
	return mf;
}

static uint32_t frames_of(const struct flow *fl)
{
	return flow_view_sound(&fl->view[0][FLOW_TO_SERVER]) +
	       flow_view_sound(&fl->view[1][FLOW_TO_SERVER]);
}

static void model_compare(const struct model *m, struct flow_table *ft, int step)
{
	size_t in_use = 0;

	for (size_t i = 0; i < flow_table_slots(ft); i++) {
		const struct flow *fl = flow_table_at(ft, i);

		in_use += fl != NULL;
		cr_assert(!fl || flow_table_index(ft, fl) == i);
	}
	cr_assert(in_use == m->n, "step %d: %zu of %zu", step, in_use, m->n);
	cr_assert(flow_table_full(ft) == m->full, "step %d", step);
	for (size_t i = 0; i < m->n; i++) {
		const struct model_flow *mf = &m->flows[i];
		struct flow_key key = key_of(&CONN);
		const struct flow *fl;

		key.client_port = mf->client_port;
		fl = flow_table_find(ft, &key);
		while (fl && fl != mf->fl)
			fl = fl->older;
		cr_assert(fl, "step %d: flow %zu is not in its chain", step, i);
		cr_assert(fl->generation == mf->generation && frames_of(fl) == mf->frames,
			  "step %d: flow %zu", step, i);
	}
}

Test(flow, a_random_mix_of_frames_and_forgetting_agrees_with_a_naive_table)
{
	struct flow_table *ft = table(MODEL_FLOWS);
	struct model m = {.n = 0};
	unsigned int seed = 1;

	for (int step = 0; step < 20000; step++) {
		uint16_t port = (uint16_t)(T_CLIENT_PORT + rand_r(&seed) % MODEL_KEYS);
		uint32_t tap = (uint32_t)rand_r(&seed) % T_TAPS, isn = (uint32_t)rand_r(&seed) % 6;
		int what = rand_r(&seed) % 10;
		struct model_flow *mf;

		if (what == 0 && m.n) {
			size_t i = (size_t)rand_r(&seed) % m.n;

			flow_table_forget(ft,
					  flow_table_at(ft, flow_table_index(ft, m.flows[i].fl)));
			m.n--;
			memmove(&m.flows[i], &m.flows[i + 1], (m.n - i) * sizeof(m.flows[0]));
		} else {
			struct t_conn c = CONN;
			struct evidence_frame f;
			const struct flow *fl;

			c.client_port = port;
			f = t_frame(&c, tap, true, what < 5 ? TCP_SYN : TCP_ACK, isn, 0, 0);
			mf = model_input(&m, port, tap, what < 5, isn);
			fl = flow_table_input(ft, &f);
			cr_assert(!fl == !mf, "step %d", step);
			cr_assert(!mf || !mf->fl || mf->fl == fl, "step %d", step);
			if (mf)
				mf->fl = fl;
		}
		model_compare(&m, ft, step);
	}
	cr_assert(m.full > 0, "the table was never full");
	flow_table_destroy(ft);
}
