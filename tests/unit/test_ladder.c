/* SPDX-License-Identifier: MIT */
/* test_ladder.c - the ladder of a connection: its rungs, its six steps, its text */
#include "../../rawstack/witness/ladder.h"
#include "t_evidence.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

/* Evidence, judged, and the ladder of its connection to one port. */
struct bench {
	struct evidence ev;
	struct judge_report rep;
	struct flow_index idx;
	struct ladder l;
};

static const struct judged *connection(const struct judge_report *r, uint16_t port)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->list[i].c.key.server_port == port)
			return &r->list[i];
	cr_assert_fail("no connection to port %u", port);
	return NULL;
}

static void draw(struct bench *b, uint16_t port)
{
	cr_assert(judge(&b->ev, &b->rep) == 0 && flow_index_init(&b->idx, &b->rep) == 0);
	cr_assert(ladder_of(&b->idx, connection(&b->rep, port), &b->l) == 0);
}

static void bench_free(struct bench *b)
{
	ladder_free(&b->l);
	flow_index_free(&b->idx);
	judge_report_free(&b->rep);
	evidence_free(&b->ev);
}

static const struct ladder_note *find_note(const struct ladder *l, const char *text, size_t *rung)
{
	for (size_t i = 0; i < l->n_rungs; i++)
		for (size_t k = 0; k < l->rungs[i].n_notes; k++)
			if (strstr(l->rungs[i].notes[k].text, text)) {
				if (rung)
					*rung = i;
				return &l->rungs[i].notes[k];
			}
	return NULL;
}

/* The steps in the order in which they stand, "123456"; a step that is said twice counts once. */
static const char *steps(const struct ladder *l)
{
	static char buf[64];
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < l->n_rungs; i++)
		for (size_t k = 0; k < l->rungs[i].n_notes; k++) {
			char c = (char)('0' + l->rungs[i].notes[k].step);

			if (c == '0' || (n && buf[n - 1] == c))
				continue;
			cr_assert(n + 1 < sizeof(buf));
			buf[n++] = c;
			buf[n] = '\0';
		}
	return buf;
}

static void add_listener(struct evidence *ev, uint8_t proto, int family, uint16_t port, int v6only)
{
	struct evidence_kernel k = {
		.tap = T_TAP_SERVER,
		.entry = {.family = family,
			  .proto = proto,
			  .state = proto == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE,
			  .src = {.addr = family == AF_INET ? ADDR_ANY4 : ADDR_ANY6, .port = port},
			  .dst = {.addr = family == AF_INET ? ADDR_ANY4 : ADDR_ANY6},
			  .cookie = 900,
			  .v6only = v6only},
	};

	cr_assert(evidence_add_kernel(ev, &k) == 0);
}

/* The steps. */

Test(ladder, a_mapped_connection_takes_the_six_steps_of_the_textbook)
{
	static const char *const said[] = {
		"connects an AF_INET6 socket to [::ffff:198.51.100.2]:7000",
		"the SYN leaves as IPv4",
		"arrives as an IPv4 datagram, EtherType 0x0800",
		"TCP finds the AF_INET6 listener [::]:7000 (V6ONLY off)",
		("the addresses are mapped: it keeps an AF_INET6 socket, "
		 "[::ffff:198.51.100.2]:7000 > "),
		"the SYN/ACK goes back as IPv4",
		"accept returns [::ffff:198.51.100.1]:40000 on an AF_INET6 socket",
	};
	struct bench b;

	t_evidence_good(&b.ev);
	add_listener(&b.ev, IPPROTO_TCP, AF_INET6, T_PORT_MAPPED, 0);
	draw(&b, T_PORT_MAPPED);
	cr_assert(b.l.verdict == VERDICT_CONFIRMED && b.l.both_ends && b.l.n_rungs == 10);
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		cr_assert(find_note(&b.l, said[i], NULL), "not said: %s", said[i]);
	cr_assert_str_eq(steps(&b.l), "123456");
	bench_free(&b);
}

Test(ladder, sockets_with_nothing_to_map_say_so)
{
	static const struct {
		uint16_t port;
		const char *text;
	} rows[] = {
		{T_PORT_PLAIN, "nothing to map: it keeps an AF_INET socket, 198.51.100.2:7001 > "},
		{T_PORT_NATIVE,
		 "nothing to map: it keeps an AF_INET6 socket, [2001:db8:1::2]:7002 > "},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bench b;
		const struct ladder_note *n;

		t_evidence_good(&b.ev);
		draw(&b, rows[i].port);
		n = find_note(&b.l, rows[i].text, NULL);
		cr_assert(n && n->step == 4 && n->voice == LADDER_SERVER_KERNEL);
		bench_free(&b);
	}
}

/* Where the host has a stack of its own, that speaks, and says what its kernel has not. */
Test(ladder, a_stack_in_user_space_speaks_for_itself)
{
	static const struct {
		uint16_t port;
		const char *text;
		uint8_t step;
	} rows[] = {
		{T_PORT_MAPPED, "the addresses are mapped, in user space: the server's kernel", 4},
		{T_PORT_NATIVE, "nothing to map, in user space: the server's kernel keeps no", 4},
		{T_PORT_REFUSED, "TCP finds no listener", 3},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ladder_note *n;
		struct bench b;

		t_evidence_good(&b.ev);
		t_own_stack(&b.ev);
		draw(&b, rows[i].port);
		cr_expect(b.l.verdict == VERDICT_CONFIRMED, "%u", rows[i].port);
		n = find_note(&b.l, rows[i].text, NULL);
		cr_assert(n && n->step == rows[i].step && n->voice == LADDER_SERVER_STACK, "%s",
			  rows[i].text);
		for (size_t r = 0; r < b.l.n_rungs; r++)
			for (size_t k = 0; k < b.l.rungs[r].n_notes; k++)
				cr_expect(b.l.rungs[r].notes[k].voice != LADDER_SERVER_KERNEL);
		bench_free(&b);
	}
}

Test(ladder, a_view_that_is_missing_says_nothing)
{
	struct bench b;

	t_evidence_good(&b.ev);
	t_delete_api(&b.ev, (size_t)(t_find_api(&b.ev, T_PORT_MAPPED, SIDE_SERVER) - b.ev.api));
	draw(&b, T_PORT_MAPPED);
	/* Nobody reported a listener, and no program an accept. */
	cr_assert_str_eq(steps(&b.l), "1245");
	bench_free(&b);
}

Test(ladder, a_refusal_names_the_listener_that_did_not_take_it)
{
	struct bench b;
	const struct ladder_note *n;
	size_t rung;

	t_evidence_good(&b.ev);
	add_listener(&b.ev, IPPROTO_TCP, AF_INET6, T_PORT_REFUSED, 1);
	draw(&b, T_PORT_REFUSED);
	cr_assert(b.l.n_rungs == 2);
	n = find_note(&b.l,
		      "TCP finds no listener: on this port there is only the AF_INET6 one "
		      "[::]:7003 (V6ONLY on)",
		      &rung);
	cr_assert(n && n->step == 3 && rung == 0);
	cr_assert(find_note(&b.l, "connect fails: ECONNREFUSED", &rung) && rung == 1);
	cr_assert(find_note(&b.l, "the RST goes back as IPv4", NULL)->step == 0);
	bench_free(&b);
	t_evidence_good(&b.ev);
	draw(&b, T_PORT_REFUSED);
	cr_assert_str_eq(find_note(&b.l, "TCP finds no", NULL)->text, "TCP finds no listener");
	bench_free(&b);
}

/* The server's record is made after its answer was sent, and still stands before it. */
Test(ladder, a_datagram_s_steps_stand_in_the_order_of_cause_and_effect)
{
	struct bench b;
	size_t received, answered;

	t_evidence_good(&b.ev);
	add_listener(&b.ev, IPPROTO_UDP, AF_INET6, T_PORT_UDP_MAPPED, 0);
	draw(&b, T_PORT_UDP_MAPPED);
	cr_assert(find_note(&b.l,
			    "recvfrom on an AF_INET6 socket returns [::ffff:198.51.100.1]:40004: "
			    "mapped",
			    &received));
	cr_assert(find_note(&b.l, "the datagram goes back as IPv4", &answered));
	cr_assert(received < answered);
	cr_assert(find_note(&b.l, "UDP finds the AF_INET6 socket", NULL)->step == 3);
	cr_assert_str_eq(steps(&b.l), "123456");
	bench_free(&b);
}

Test(ladder, what_sent_nothing_has_one_rung_without_a_frame)
{
	struct bench b;
	struct t_conn c = {
		.kind = T_MAPPED, .server_port = T_PORT_FREE, .client_port = 41000, .cookie = 500};

	t_evidence_good(&b.ev);
	t_add_api(&b.ev, &c, SIDE_CLIENT, -ENETUNREACH);
	draw(&b, T_PORT_FREE);
	cr_assert(b.l.n_rungs == 1 && !b.l.rungs[0].has_frame);
	cr_assert(find_note(&b.l, "connect fails: ENETUNREACH", NULL));
	cr_assert_str_eq(steps(&b.l), "1");
	bench_free(&b);
}

/* The rungs. */

Test(ladder, numbers_count_from_the_handshake_across_the_wrap)
{
	static const char *const labels[] = {
		"0x86dd IPv6  SYN  seq 0 mss 1440",    "0x86dd IPv6  SYN ACK  seq 0 ack 1 mss 1440",
		"0x86dd IPv6  ACK  seq 1 ack 1",       "0x86dd IPv6  PSH ACK  seq 1 ack 1 len 37",
		"0x86dd IPv6  ACK  seq 1 ack 38",      "0x86dd IPv6  PSH ACK  seq 1 ack 38 len 41",
		"0x86dd IPv6  ACK  seq 38 ack 42",     "0x86dd IPv6  FIN ACK  seq 38 ack 42",
		"0x86dd IPv6  FIN ACK  seq 42 ack 39", "0x86dd IPv6  ACK  seq 39 ack 43",
	};
	struct bench b;

	t_evidence_good(&b.ev);
	draw(&b, T_PORT_NATIVE);
	cr_assert(b.l.n_rungs == sizeof(labels) / sizeof(labels[0]));
	for (size_t i = 0; i < b.l.n_rungs; i++)
		cr_assert_str_eq(b.l.rungs[i].label, labels[i]);
	cr_assert_str_eq(b.l.rungs[0].addresses, "[2001:db8:1::1]:40002 > [2001:db8:1::2]:7002");
	cr_assert(b.l.rungs[0].addresses_shown && !b.l.rungs[1].addresses_shown);
	bench_free(&b);
}

Test(ladder, a_frame_that_two_taps_saw_is_one_rung)
{
	struct bench b;
	size_t i;

	t_evidence_good(&b.ev);
	i = t_find_frame(&b.ev, T_PORT_PLAIN, T_TAP_SERVER, 0);
	b.ev.frames[i].ts_ns += 400;
	draw(&b, T_PORT_PLAIN);
	cr_assert(b.l.n_rungs == 10 && b.l.rungs[0].travel_ns == 400);
	for (size_t k = 0; k < b.l.n_rungs; k++)
		cr_assert(b.l.rungs[k].left && b.l.rungs[k].arrived);
	bench_free(&b);
}

/* The first SYN is lost; the one that arrives is its retransmission, not the first, late. */
Test(ladder, a_lost_frame_stays_lost_when_it_is_sent_again)
{
	struct t_conn c = {.kind = T_MAPPED,
			   .server_port = T_PORT_FREE,
			   .client_port = 41000,
			   .client_isn = 5,
			   .cookie = 500};
	struct evidence_frame syn = t_frame(&c, T_TAP_CLIENT, true, TCP_SYN, 5, 0, 0);
	struct bench b;
	size_t rung;

	t_evidence_begin(&b.ev);
	t_add_frame(&b.ev, &syn);
	t_delete_frame(&b.ev, t_find_frame(&b.ev, T_PORT_FREE, T_TAP_SERVER, 0));
	t_add_tcp(&b.ev, &c);
	t_evidence_end(&b.ev);
	draw(&b, T_PORT_FREE);
	cr_assert(b.l.n_rungs == 11);
	cr_assert(b.l.rungs[0].left && !b.l.rungs[0].arrived && b.l.rungs[1].arrived);
	cr_assert(find_note(&b.l, "left, and did not arrive", &rung) && rung == 0);
	/* It arrives with the second one. */
	cr_assert(find_note(&b.l, "arrives as an IPv4 datagram", &rung) && rung == 1);
	bench_free(&b);
}

/* Two of the same, both under way at a time: each arrives once. */
Test(ladder, equal_frames_under_way_together_both_arrive)
{
	struct t_conn c = {.kind = T_MAPPED,
			   .proto = IPPROTO_UDP,
			   .server_port = T_PORT_FREE,
			   .client_port = 41000,
			   .cookie = 500};
	struct evidence_frame f = t_frame(&c, T_TAP_CLIENT, true, 0, 0, 0, 10);
	struct bench b;

	t_evidence_begin(&b.ev);
	for (int i = 0; i < 4; i++) {
		struct evidence_frame seen = f;

		seen.ts_ns += (uint64_t)i * 1000;
		seen.tap = i < 2 ? T_TAP_CLIENT : T_TAP_SERVER;
		seen.outgoing = i < 2;
		cr_assert(evidence_add_frame(&b.ev, &seen) == 0);
	}
	t_evidence_end(&b.ev);
	draw(&b, T_PORT_FREE);
	cr_assert(b.l.n_rungs == 2);
	for (size_t i = 0; i < 2; i++)
		cr_assert(b.l.rungs[i].left && b.l.rungs[i].arrived);
	bench_free(&b);
}

Test(ladder, only_a_socket_that_could_take_it_is_the_listener)
{
	struct bench b;
	struct sockdiag_entry *e;
	uint8_t other[4] = {198, 51, 100, 9};

	t_evidence_good(&b.ev);
	for (int i = 0; i < 5; i++) {
		add_listener(&b.ev, IPPROTO_TCP, AF_INET, T_PORT_REFUSED, -1);
		e = &b.ev.kernel[b.ev.n_kernel - 1].entry;
		if (i == 0)
			e->src.addr = addr_from_v4(other);
		else if (i == 1)
			e->destroyed = true;
		else if (i == 2)
			b.ev.kernel[b.ev.n_kernel - 1].tap = T_TAP_CLIENT;
		else if (i == 3)
			e->proto = IPPROTO_UDP;
		else
			e->src.port++;
	}
	draw(&b, T_PORT_REFUSED);
	cr_assert_str_eq(find_note(&b.l, "TCP finds no", NULL)->text, "TCP finds no listener");
	bench_free(&b);
	/* Of two that could, the one on the very address. */
	t_evidence_good(&b.ev);
	for (int i = 0; i < 2; i++)
		add_listener(&b.ev, IPPROTO_TCP, AF_INET, T_PORT_PLAIN, -1);
	other[3] = 2;
	b.ev.kernel[b.ev.n_kernel - 1].entry.src.addr = addr_from_v4(other);
	draw(&b, T_PORT_PLAIN);
	cr_assert(find_note(&b.l, "TCP finds the AF_INET listener 198.51.100.2:7001", NULL));
	bench_free(&b);
}

Test(ladder, a_frame_against_the_claim_is_marked)
{
	struct bench b;
	size_t i;

	t_evidence_good(&b.ev);
	for (uint32_t tap = 0; tap < T_TAPS; tap++) {
		i = t_find_frame(&b.ev, T_PORT_MAPPED, tap, 3);
		b.ev.frames[i].info.carriage = CARRIAGE_V6;
		b.ev.frames[i].info.ethertype = ETHTYPE_IPV6;
		b.ev.frames[i].info.version = 6;
	}
	draw(&b, T_PORT_MAPPED);
	cr_assert(b.l.verdict == VERDICT_CONTRADICTED && b.l.n_rungs == 10);
	for (size_t k = 0; k < b.l.n_rungs; k++)
		cr_assert(b.l.rungs[k].against == (k == 3));
	cr_assert(find_note(&b.l, "contradicts: the socket says IPv4, this is IPv6", &i) && i == 3);
	/* The same sixteen bytes, written as an IPv6 header has them. */
	cr_assert(b.l.rungs[3].addresses_shown);
	cr_assert_str_eq(b.l.rungs[3].addresses,
			 "[::ffff:198.51.100.1]:40000 > [::ffff:198.51.100.2]:7000");
	bench_free(&b);
}

Test(ladder, a_long_connection_keeps_its_beginning_and_its_end)
{
	enum { FRAMES = 300 };
	struct t_conn c = {
		.kind = T_NATIVE, .server_port = T_PORT_FREE, .client_port = 41000, .cookie = 500};
	struct bench b;

	t_evidence_begin(&b.ev);
	for (uint32_t i = 0; i < FRAMES; i++) {
		struct evidence_frame f = t_frame(&c, T_TAP_CLIENT, true, TCP_ACK, 1 + i, 1, 1);

		t_add_frame(&b.ev, &f);
	}
	t_evidence_end(&b.ev);
	draw(&b, T_PORT_FREE);
	cr_assert(b.l.n_rungs == LADDER_HEAD + LADDER_TAIL);
	for (size_t i = 0; i < b.l.n_rungs; i++)
		cr_assert(b.l.rungs[i].omitted ==
			  (i == LADDER_HEAD ? FRAMES - LADDER_HEAD - LADDER_TAIL : 0));
	cr_assert_str_eq(b.l.rungs[b.l.n_rungs - 1].label, "0x86dd IPv6  ACK  seq 300 ack 1 len 1");
	bench_free(&b);
}

/* The index. */

Test(ladder, every_frame_is_found_under_its_flow_and_in_order)
{
	struct evidence ev;
	struct judge_report rep;
	struct flow_index idx;
	struct t_conn again = {.kind = T_MAPPED,
			       .server_port = T_PORT_MAPPED,
			       .client_port = T_CLIENT_PORT,
			       .client_isn = 77,
			       .cookie = 700};
	size_t total = 0;

	t_evidence_good(&ev);
	t_add_tcp_frames(&ev, &again); /* a second generation of the same key */
	cr_assert(judge(&ev, &rep) == 0 && flow_index_init(&idx, &rep) == 0);
	cr_assert(flow_table_slots(rep.flows) == T_CONNECTIONS + 1);
	for (size_t s = 0; s < flow_table_slots(rep.flows); s++) {
		const struct flow *fl = flow_table_at(rep.flows, s);
		size_t n, expected = 0;
		const struct evidence_frame *const *f = flow_index_frames(&idx, fl, &n);

		for (uint32_t tap = 0; tap < T_TAPS; tap++)
			for (int way = 0; way < FLOW_WAYS; way++)
				expected += flow_view_sound(&fl->view[tap][way]);
		cr_assert(n == expected && n > 0);
		cr_assert(f[0]->ts_ns == fl->first_ns);
		for (size_t i = 0; i < n; i++) {
			cr_assert(t_frame_is_of(f[i], fl->key.server_port));
			cr_assert(i == 0 || f[i] > f[i - 1]);
		}
		total += n;
	}
	cr_assert(total == ev.n_frames - 8, "all but eight sights of four canaries");
	flow_index_free(&idx);
	judge_report_free(&rep);
	evidence_free(&ev);
}

/* The text. */

static char *print(const struct ladder *l, unsigned int width)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_assert(f);
	ladder_print(l, width, f);
	fclose(f);
	return text;
}

/* All words of the notes, in order, with what a line break adds taken out. */
static void squeeze(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (*from != ' ' && *from != '\n')
			*to++ = *from;
	*to = '\0';
}

static void expect_words(const struct ladder *l, const char *text)
{
	char *all = strdup(text);

	squeeze(all);
	for (size_t i = 0; i < l->n_rungs; i++)
		for (size_t k = 0; k < l->rungs[i].n_notes; k++) {
			char note[LADDER_TEXT_MAX];

			strcpy(note, l->rungs[i].notes[k].text);
			squeeze(note);
			cr_assert(strstr(all, note), "lost: %s in\n%s", note, text);
		}
	free(all);
}

Test(ladder, text_fits_every_width_and_loses_no_word)
{
	struct bench b;

	t_evidence_good(&b.ev);
	add_listener(&b.ev, IPPROTO_TCP, AF_INET6, T_PORT_MAPPED, 0);
	draw(&b, T_PORT_MAPPED);
	for (unsigned int width = 1; width < 220; width++) {
		unsigned int limit = width < LADDER_WIDTH_MIN ? LADDER_WIDTH_MIN : width;
		char *text = print(&b.l, width), *save = NULL;

		/* Below the rungs nothing stands between the words of a note. */
		if (width < LADDER_WIDTH_BESIDE)
			expect_words(&b.l, text);
		for (char *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			cr_assert(strlen(line) <= limit, "width %u: %s", width, line);
			for (const char *c = line; *c; c++)
				cr_assert(*c >= ' ' && *c <= '~', "width %u: %s", width, line);
		}
		free(text);
	}
	bench_free(&b);
}

Test(ladder, text_shows_arrows_both_ways_and_the_notes_beside)
{
	struct bench b;
	char *text;

	t_evidence_good(&b.ev);
	draw(&b, T_PORT_MAPPED);
	text = print(&b.l, 140);
	cr_assert(strstr(text, "|-- 0x0800 IPv4  SYN  seq 0 mss 1460 ---"), "%s", text);
	cr_assert(strstr(text, "|<--"), "%s", text);
	cr_assert(strstr(text, "--- 0x0800 IPv4  SYN ACK  seq 0 ack 1 mss 1460 --|  5  wire: the "
			       "SYN/ACK goes back as IPv4\n"),
		  "%s", text);
	cr_assert(strstr(text, "->|  1  client program: connects"), "%s", text);
	free(text);
	text = print(&b.l, 90);
	cr_assert(strstr(text, "->|\n"), "%s", text);
	free(text);
	bench_free(&b);
}
