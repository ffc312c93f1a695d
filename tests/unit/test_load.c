/* SPDX-License-Identifier: MIT */
/* test_load.c - the parts of the raw load generator: templates, sources, neighbours, run, guard */
#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/frame.h"
#include "../../rawstack/wire/tcp.h"
#include "../../uring/load/guard.h"
#include "../../uring/load/neighbour.h"
#include "../../uring/load/run.h"
#include "../../uring/load/template.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>

static const uint8_t MAC_A[6] = {2, 0, 0, 0, 0, 0xaa}, MAC_B[6] = {2, 0, 0, 0, 0, 0xbb};

static struct addr address(const char *text)
{
	struct addr a;

	cr_assert(addr_parse(text, &a, NULL) == 0, "%s", text);
	return a;
}

static struct frame_spec spec_of(bool v6)
{
	struct frame_spec s = {.ipv6 = v6, .dport = 7000, .proto = IPPROTO_TCP};

	memcpy(s.dst_mac, MAC_B, 6);
	memcpy(s.src_mac, MAC_A, 6);
	s.src = address(v6 ? "2001:db8:1::ffff:fff0" : "198.51.100.16");
	s.dst = address(v6 ? "2001:db8:1::2" : "198.51.100.2");
	return s;
}

/* 0, the ends of every range, and values in between: where carries go wrong. */
static uint32_t interesting(unsigned int i)
{
	static const uint32_t values[] = {0,	      1,	  0xffff,     0x10000,
					  0xffff0000, 0xfffffffe, UINT32_MAX, 0x12345678};

	return values[i % 8];
}

static void compare_with_builder(const struct template_set *set, struct frame_spec s,
				 const struct template_fields *f, const char *payload, size_t len)
{
	static const uint8_t flags[] = {[SEGMENT_SYN] = TCP_SYN,
					[SEGMENT_ACK] = TCP_ACK,
					[SEGMENT_DATA] = TCP_ACK | TCP_PSH,
					[SEGMENT_FIN] = TCP_ACK | TCP_FIN,
					[SEGMENT_RST] = TCP_ACK | TCP_RST};
	uint8_t got[TEMPLATE_FRAME_MAX], want[TEMPLATE_FRAME_MAX];

	put_be32(s.src.b + 12, f->low);
	s.sport = f->sport;
	s.seq = f->seq;
	s.ack = f->ack;
	for (enum segment_kind k = SEGMENT_SYN; k < SEGMENT_KINDS; k++) {
		struct outbuf out = outbuf_of(want, sizeof(want));
		size_t n = template_write(&set->kind[k], f, got);

		s.tcp_flags = flags[k];
		s.mss = k != SEGMENT_SYN ? 0 : s.ipv6 ? 1440 : 1460;
		cr_assert(frame_build(&s, payload, k == SEGMENT_DATA ? len : 0, &out) == (int)n);
		cr_assert(memcmp(got, want, n) == 0, "kind %d low %x port %u seq %x ack %x", k,
			  f->low, f->sport, f->seq, f->ack);
	}
}

/* Byte for byte what the builder makes, in both families, for an even and an odd payload. */
Test(template, same_as_the_builder)
{
	static struct template_set set;
	char payload[1400];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (char)(i * 7);
	for (int v6 = 0; v6 < 2; v6++) {
		struct frame_spec s = spec_of(v6);

		for (size_t len = 0; len <= sizeof(payload); len = len * 3 + 1) {
			cr_assert(template_fill(&set, &s, payload, len) == 0);
			for (unsigned int i = 0; i < 8 * 8 * 8; i++) {
				struct template_fields f = {.low = interesting(i),
							    .sport = (uint16_t)interesting(i / 8),
							    .seq = interesting(i / 64),
							    .ack = interesting(i / 8 + i / 64)};

				compare_with_builder(&set, s, &f, payload, len);
			}
		}
	}
}

/* Every sum there is, so also those whose first fold carries once more. */
Test(template, sums_that_carry_twice)
{
	static struct template_set set;

	for (int v6 = 0; v6 < 2; v6++) {
		struct frame_spec s = spec_of(v6);
		struct template_fields f = {
			.low = 0xffff0000, .seq = UINT32_MAX, .ack = UINT32_MAX};

		cr_assert(template_fill(&set, &s, NULL, 0) == 0);
		for (uint32_t sport = 0; sport <= UINT16_MAX; sport++) {
			f.sport = (uint16_t)sport;
			compare_with_builder(&set, s, &f, NULL, 0);
		}
	}
}

/* And what the dissector reads is what was asked for. */
Test(template, dissected)
{
	static struct template_set set;

	for (int v6 = 0; v6 < 2; v6++) {
		struct frame_spec s = spec_of(v6);
		struct template_fields f = {
			.low = 0xfffffff1, .sport = 4711, .seq = 0x80000001, .ack = 0xfffffffe};
		uint8_t frame[TEMPLATE_FRAME_MAX];
		struct frame_info info;
		struct frame_meta meta = {0};

		cr_assert(template_fill(&set, &s, "hello", 5) == 0);
		meta.caplen = meta.wirelen =
			(uint32_t)template_write(&set.kind[SEGMENT_DATA], &f, frame);
		frame_dissect(frame, &meta, &info);
		cr_assert(info.problems == 0, "problems %x", info.problems);
		cr_assert(info.sport == 4711 && info.dport == 7000 && info.seq == f.seq &&
			  info.ack == f.ack && info.payload_len == 5 &&
			  info.tcp_flags == (TCP_ACK | TCP_PSH));
		cr_assert(get_be32(info.src.b + 12) == f.low && addr_eq(&info.dst, &s.dst));
	}
}

Test(template, too_long)
{
	static struct template_set set;
	static char payload[TEMPLATE_PAYLOAD_MAX + 1];
	struct frame_spec s = spec_of(true);

	cr_assert(template_fill(&set, &s, payload, TEMPLATE_PAYLOAD_MAX) == 0);
	cr_assert(template_fill(&set, &s, payload, TEMPLATE_PAYLOAD_MAX + 1) == -EMSGSIZE);
}

Test(sources, places_and_back)
{
	static const char *const firsts[] = {"198.51.100.250", "2001:db8::ffff:0"};

	for (int v = 0; v < 2; v++) {
		struct sources s = {.first = address(firsts[v]),
				    .n_addrs = 20,
				    .port_lo = 1000,
				    .port_hi = 1002};
		bool seen[60] = {false};

		cr_assert(sources_check(&s) == 0 && sources_count(&s) == 60);
		for (uint32_t i = 0; i < 60; i++) {
			uint32_t n;
			uint16_t port;
			struct addr a;

			sources_place(&s, i, &n, &port);
			a = sources_addr(&s, n);
			cr_assert(n < 20 && port >= 1000 && port <= 1002);
			cr_assert(!seen[n * 3 + port - 1000]);
			seen[n * 3 + port - 1000] = true;
			cr_assert(sources_index(&s, &a, port) == i);
			cr_assert(sources_low(&s, n) == get_be32(a.b + 12));
			cr_assert(sources_index(&s, &a, 999) == -1);
			cr_assert(sources_index(&s, &a, 1003) == -1);
		}
	}
}

Test(sources, limits)
{
	struct sources s = {
		.first = address("198.51.100.255"), .n_addrs = 2, .port_lo = 1, .port_hi = 1};
	struct addr after = address("198.51.101.1"), before = address("198.51.100.254"),
		    v6 = address("::198.51.100.255");

	cr_assert(sources_check(&s) == 0);
	cr_assert(!sources_contain(&s, &after) && !sources_contain(&s, &before) &&
		  !sources_contain(&s, &v6));
	s.n_addrs = 0;
	cr_assert(sources_check(&s) == -ERANGE);
	s.n_addrs = SOURCES_ADDRS_MAX;
	s.port_hi = SOURCES_MAX / SOURCES_ADDRS_MAX;
	cr_assert(sources_check(&s) == 0);
	s.port_hi = SOURCES_MAX / SOURCES_ADDRS_MAX + 1;
	cr_assert(sources_check(&s) == -ERANGE);
	s.first = address("255.255.255.255");
	s.n_addrs = 2;
	cr_assert(sources_check(&s) == -ERANGE);
}

/* A question made by us is read by us, and so is the answer; the dissector finds no fault. */
Test(neighbour, ask_and_answer)
{
	static const char *const names[2][3] = {
		{"198.51.100.2", "198.51.100.16", "198.51.100.32"},
		{"2001:db8:1::2", "2001:db8:1::10", "2001:db8:1::20"}};

	for (int v = 0; v < 2; v++) {
		struct sources ours = {
			.first = address(names[v][1]), .n_addrs = 16, .port_lo = 1, .port_hi = 1};
		struct neighbour_msg ask = {.op = NEIGHBOUR_ASKS,
					    .sender = address(names[v][0]),
					    .target = sources_addr(&ours, 15)},
				     got, answer;
		uint8_t frame[NEIGHBOUR_FRAME_MAX];
		struct frame_meta meta = {0};
		struct frame_info info;
		int len;

		memcpy(ask.sender_mac, MAC_A, 6);
		len = neighbour_build(&ask, frame, sizeof(frame));
		cr_assert(len > 0 && frame[0] & 1, "a question goes to many");
		cr_assert(neighbour_parse(frame, (size_t)len, &got) == 0);
		cr_assert(got.op == NEIGHBOUR_ASKS && addr_eq(&got.sender, &ask.sender) &&
			  addr_eq(&got.target, &ask.target) && !memcmp(got.sender_mac, MAC_A, 6));
		cr_assert(neighbour_answer(&got, &ours, MAC_B, &answer));
		len = neighbour_build(&answer, frame, sizeof(frame));
		cr_assert(len > 0 && memcmp(frame, MAC_A, 6) == 0 &&
			  memcmp(frame + 6, MAC_B, 6) == 0);
		meta.caplen = meta.wirelen = (uint32_t)len;
		frame_dissect(frame, &meta, &info);
		cr_assert((info.problems & FRAME_BAD) == 0, "problems %x", info.problems);
		cr_assert(neighbour_parse(frame, (size_t)len, &got) == 0);
		cr_assert(got.op == NEIGHBOUR_TELLS && addr_eq(&got.target, &ask.target) &&
			  !memcmp(got.sender_mac, MAC_B, 6));
		/* Only questions, and only for our own addresses. */
		cr_assert(!neighbour_answer(&got, &ours, MAC_B, &answer));
		ask.target = address(names[v][2]);
		cr_assert(!neighbour_answer(&ask, &ours, MAC_B, &answer));
	}
}

/* Who has no address yet is answered to everybody (IPv6), or at its MAC (IPv4). */
Test(neighbour, probes)
{
	struct sources ours = {
		.first = address("2001:db8::1"), .n_addrs = 1, .port_lo = 1, .port_hi = 1};
	struct neighbour_msg ask = {.op = NEIGHBOUR_ASKS, .target = ours.first}, answer, got;
	uint8_t frame[NEIGHBOUR_FRAME_MAX];
	static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
	int len;

	memcpy(ask.sender_mac, MAC_A, 6);
	cr_assert(neighbour_answer(&ask, &ours, MAC_B, &answer));
	len = neighbour_build(&answer, frame, sizeof(frame));
	cr_assert(len > 0 && memcmp(frame, all_nodes, 6) == 0);
	cr_assert(neighbour_parse(frame, (size_t)len, &got) == 0);
	cr_assert(got.op == NEIGHBOUR_TELLS && addr_eq(&got.target, &ours.first));
}

/* Cut anywhere, or with any byte of the message spoiled, it is not taken for a message. */
Test(neighbour, damage)
{
	struct neighbour_msg ask = {.op = NEIGHBOUR_ASKS,
				    .sender = address("2001:db8::1"),
				    .target = address("2001:db8::2")},
			     got;
	uint8_t frame[NEIGHBOUR_FRAME_MAX];
	int len;

	memcpy(ask.sender_mac, MAC_A, 6);
	len = neighbour_build(&ask, frame, sizeof(frame));
	cr_assert(len == NEIGHBOUR_FRAME_MAX);
	for (int n = 0; n < len; n++)
		cr_assert(neighbour_parse(frame, (size_t)n, &got) < 0, "cut to %d", n);
	for (int i = ETH_HDR_LEN + 40; i < len; i++) {
		frame[i] ^= 0x10;
		cr_assert(neighbour_parse(frame, (size_t)len, &got) < 0, "byte %d", i);
		frame[i] ^= 0x10;
	}
	frame[ETH_HDR_LEN + 7] = 254;
	cr_assert(neighbour_parse(frame, (size_t)len, &got) == -EBADMSG, "hop limit");
	cr_assert(neighbour_build(&ask, frame, NEIGHBOUR_FRAME_MAX - 1) == -ENOSPC);
}

static struct run run;

Test(run, closed_loop_keeps_so_many_in_flight)
{
	struct load_plan plan = {
		.in_flight = 3, .requests = 1, .duration_ns = 1000, .timeout_ns = 50};
	uint64_t since;

	run_begin(&run, &plan, 100);
	for (int i = 0; i < 3; i++)
		cr_assert(run_start(&run, 100, &since) && since == 100);
	cr_assert(!run_start(&run, 100, &since));
	run_answer(&run, 130, 100);
	run_complete(&run);
	cr_assert(run_start(&run, 130, &since) && since == 130);
	run_fail(&run, LOAD_ERR_RESET);
	cr_assert(run_advance(&run, 1099) == RUN_MEASURE);
	cr_assert(run_advance(&run, 1100) == RUN_DRAIN && run_stopping(&run));
	cr_assert(!run_start(&run, 1101, &since));
	run_complete(&run);
	run_complete(&run);
	cr_assert(run_advance(&run, 1120) == RUN_OVER);
	cr_assert(run.res.started == 4 && run.res.completed == 3 &&
		  run.res.errors[LOAD_ERR_RESET] == 1);
	cr_assert(run.res.window_ns == 1000 && run.res.window_completed == 1);
	cr_assert(run.res.latency.count == 1 && run.res.latency.max == 30);
}

/* Connections are due by the clock, whatever became of those before, and wait from then on. */
Test(run, open_loop_does_not_wait_for_answers)
{
	struct load_plan plan = {.in_flight = 1,
				 .requests = 1,
				 .rate = 1e6,
				 .duration_ns = 1000000,
				 .timeout_ns = 10000000};
	uint64_t since;

	run_begin(&run, &plan, 0);
	cr_assert(run_start(&run, 0, &since) && since == 0);
	cr_assert(!run_start(&run, 999, &since));
	cr_assert(run_wait_ns(&run, 400) == 600);
	/* Late by 2.5 connections. */
	cr_assert(run_start(&run, 3500, &since) && since == 1000);
	cr_assert(run_start(&run, 3500, &since) && since == 2000);
	cr_assert(run_start(&run, 3500, &since) && since == 3000);
	cr_assert(!run_start(&run, 3500, &since));
	run_answer(&run, 5000, 1000);
	cr_assert(run.res.latency.max == 4000);
	/* Waking up long after the end: of the 1000 that were due, all and no others start. */
	cr_assert(run_advance(&run, 5000000) == RUN_MEASURE);
	while (run_start(&run, 5000000, &since))
		continue;
	cr_assert(since == 1000000 && run.res.started == 1000);
	cr_assert(run_advance(&run, 5000000) == RUN_DRAIN);
}

Test(run, warmup_is_forgotten)
{
	struct load_plan plan = {.in_flight = 2,
				 .requests = 1,
				 .warmup_ns = 100,
				 .duration_ns = 50,
				 .timeout_ns = 10};
	uint64_t since;

	run_begin(&run, &plan, 0);
	run_start(&run, 0, &since);
	run_start(&run, 0, &since);
	run_answer(&run, 90, 0);
	run_complete(&run);
	run_dislike(&run, LOAD_STALE);
	cr_assert(run_advance(&run, 99) == RUN_WARMUP && run_wait_ns(&run, 60) == 40);
	cr_assert(run_advance(&run, 100) == RUN_MEASURE);
	cr_assert(run.res.started == 1 && run.res.completed == 0 && run.res.latency.count == 0 &&
		  run.res.disliked[LOAD_STALE] == 0);
	run_advance(&run, 150);
	cr_assert(run.phase == RUN_DRAIN && run.res.window_ns == 50);
	run_abandon(&run, 160);
	cr_assert(run.res.started == run.res.errors[LOAD_ERR_TIMEOUT]);
}

Test(run, count_is_kept)
{
	struct load_plan plan = {.in_flight = 100, .requests = 1, .count = 5, .timeout_ns = 10};
	uint64_t since;
	int started = 0;

	run_begin(&run, &plan, 0);
	while (run_start(&run, 0, &since))
		started++;
	cr_assert(started == 5 && run_advance(&run, 5) == RUN_MEASURE);
	for (int i = 0; i < 5; i++)
		run_complete(&run);
	cr_assert(run_advance(&run, 7) == RUN_OVER);
	cr_assert(run.res.completed == 5 && run.res.window_completed == 5 &&
		  run.res.window_ns == 7);
}

/* Where nothing ends by itself, the run still does. */
Test(run, drain_has_an_end)
{
	struct load_plan plan = {
		.in_flight = 1, .requests = 0, .duration_ns = 10, .timeout_ns = 10};
	uint64_t since;

	run_begin(&run, &plan, 0);
	run_start(&run, 0, &since);
	cr_assert(run_advance(&run, 10) == RUN_DRAIN);
	cr_assert(run_advance(&run, 40) == RUN_DRAIN);
	cr_assert(run_advance(&run, 41) == RUN_OVER);
	cr_assert(run.res.errors[LOAD_ERR_TIMEOUT] == 1 && run.in_flight == 0);
}

static enum guard_verdict decide(const struct guard_facts *facts, const char *source, uint32_t n,
				 const char *target, bool own)
{
	struct sources s = {.first = address(source), .n_addrs = n, .port_lo = 1, .port_hi = 1};
	struct addr t = address(target);

	return guard_decide(facts, &s, &t, own);
}

Test(guard, addresses)
{
	struct guard_facts f = {.veth = true, .n_own = 1, .n_broadcast = 1};
	static const char *const bad[] = {"224.0.0.1", "255.255.255.255", "0.0.0.0",
					  "127.0.0.1", "240.0.0.1",	  "198.51.100.255"};
	static const char *const bad6[] = {"ff02::1", "::", "::1"};

	f.own[0] = address("198.51.100.1");
	f.broadcast[0] = address("198.51.100.255");
	/* Saying that one owns the network does not help. */
	for (int own = 0; own < 2; own++) {
		cr_assert(decide(&f, "198.51.100.16", 16, "198.51.100.2", own) == GUARD_OK);
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			cr_assert(decide(&f, "198.51.100.16", 1, bad[i], own) == GUARD_TARGET_CLASS,
				  "%s", bad[i]);
			cr_assert(decide(&f, bad[i], 1, "198.51.100.2", own) == GUARD_SOURCE_CLASS,
				  "%s", bad[i]);
		}
		for (size_t i = 0; i < sizeof(bad6) / sizeof(bad6[0]); i++) {
			cr_assert(decide(&f, "2001:db8::2", 1, bad6[i], own) == GUARD_TARGET_CLASS);
			cr_assert(decide(&f, bad6[i], 1, "2001:db8::1", own) == GUARD_SOURCE_CLASS);
		}
		/* In the middle, and at the end of a range. */
		cr_assert(decide(&f, "198.51.100.16", 255, "198.51.101.2", own) ==
			  GUARD_SOURCE_CLASS);
		cr_assert(decide(&f, "223.255.255.0", 257, "198.51.100.2", own) ==
			  GUARD_SOURCE_CLASS);
		cr_assert(decide(&f, "198.51.100.0", 5, "198.51.100.2", own) ==
			  GUARD_SOURCE_TARGET);
		cr_assert(decide(&f, "198.51.100.0", 2, "198.51.100.2", own) == GUARD_SOURCE_OWN);
		cr_assert(decide(&f, "198.51.100.16", 1, "198.51.100.1", own) == GUARD_TARGET_OWN);
	}
}

Test(guard, interfaces)
{
	struct guard_facts lab = {.veth = true}, first = lab, bridge = {0}, out = lab;

	first.first_netns = true;
	out.leads_out = true;
	cr_assert(decide(&lab, "198.51.100.16", 1, "198.51.100.2", false) == GUARD_OK);
	cr_assert(decide(&first, "198.51.100.16", 1, "198.51.100.2", false) == GUARD_FIRST_NETNS);
	cr_assert(decide(&bridge, "198.51.100.16", 1, "198.51.100.2", false) == GUARD_NOT_VETH);
	cr_assert(decide(&out, "198.51.100.16", 1, "198.51.100.2", false) == GUARD_LEADS_OUT);
	cr_assert(decide(&first, "198.51.100.16", 1, "198.51.100.2", true) == GUARD_OK);
	cr_assert(decide(&bridge, "198.51.100.16", 1, "198.51.100.2", true) == GUARD_OK);
	cr_assert(decide(&out, "198.51.100.16", 1, "198.51.100.2", true) == GUARD_OK);
	for (enum guard_verdict v = GUARD_TARGET_CLASS; v < GUARD_VERDICTS; v++)
		cr_assert(guard_text(v) && strlen(guard_text(v)) > 20);
}
