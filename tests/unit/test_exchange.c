/* SPDX-License-Identifier: MIT */
/* test_exchange.c - the client's half of a conversation, fed with segments made by hand */
#include "../../rawstack/wire/tcp.h"
#include "../../uring/load/exchange.h"

#include <criterion/criterion.h>

/* Both wrap around, the sequence number and its sign, within a conversation. */
static const uint32_t ISN = 0xfffffff0, PEER = 0x7ffffff8;

enum { PAYLOAD = 64, EXPECT = 100 };

static const uint64_t second = 1000000000;

static const struct exchange_rules ACCEPT = {
	.count = 1, .close = LOAD_CLOSE_RST, .timeout_ns = 5000000000, .retransmit_ns = 1000000000};

static struct exchange_rules requests(uint32_t count, enum load_close how)
{
	struct exchange_rules r = ACCEPT;

	r.requests = true;
	r.endless = count == 0;
	r.count = count;
	r.payload = PAYLOAD;
	r.expect = EXPECT;
	r.close = how;
	return r;
}

static struct exchange_step feed(struct exchange *x, const struct exchange_rules *r, uint8_t flags,
				 uint32_t seq, uint32_t ack, uint32_t len, uint64_t now)
{
	struct exchange_segment seg = {
		.seq = seq, .ack = ack, .len = len, .flags = flags, .content_ok = true};

	return exchange_input(x, r, &seg, now);
}

static void expect(struct exchange_step s, enum segment_kind send, uint32_t seq, uint32_t ack)
{
	cr_assert(s.send == send && (send == SEGMENT_NONE || (s.seq == seq && s.ack == ack)),
		  "sent %d seq %u ack %u; wanted %d seq %u ack %u", s.send, s.seq, s.ack, send, seq,
		  ack);
}

static void expect_nothing_else(struct exchange_step s)
{
	cr_assert(!s.answered && !s.completed && s.error == -1 && s.dislike == -1 && !s.again);
}

static struct exchange opened(const struct exchange_rules *r)
{
	struct exchange x = {.isn = ISN, .used = true};
	struct exchange_step s = exchange_begin(&x, r, 100, 50);

	expect(s, SEGMENT_SYN, ISN, 0);
	expect_nothing_else(s);
	s = feed(&x, r, TCP_SYN | TCP_ACK, PEER, ISN + 1, 0, 200);
	expect(s, r->requests ? SEGMENT_DATA : SEGMENT_ACK, ISN + 1, PEER + 1);
	expect_nothing_else(s);
	return x;
}

Test(exchange, accept_closed_by_reset)
{
	struct exchange x = opened(&ACCEPT);
	struct exchange_step s = feed(&x, &ACCEPT, TCP_ACK | TCP_FIN, PEER + 1, ISN + 1, 0, 300);

	expect(s, SEGMENT_RST, ISN + 1, PEER + 2);
	cr_assert(s.completed && s.answered && s.since_ns == 50 && s.dislike == -1);
	cr_assert(x.state == EXCHANGE_FREE);
}

Test(exchange, accept_closed_in_order)
{
	struct exchange_rules r = ACCEPT;
	struct exchange_step s;
	struct exchange x;

	r.close = LOAD_CLOSE_FIN;
	x = opened(&r);
	s = feed(&x, &r, TCP_ACK | TCP_FIN, PEER + 1, ISN + 1, 0, 300);
	expect(s, SEGMENT_FIN, ISN + 1, PEER + 2);
	cr_assert(s.answered && !s.completed);
	s = feed(&x, &r, TCP_ACK, PEER + 2, ISN + 2, 0, 400);
	expect(s, SEGMENT_NONE, 0, 0);
	cr_assert(s.completed && !s.answered && s.error == -1 && s.dislike == -1);
}

/* Two requests; the second answer comes in two pieces, the second of them with the FIN. */
Test(exchange, requests_then_fin)
{
	struct exchange_rules r = requests(2, LOAD_CLOSE_FIN);
	struct exchange x = opened(&r);
	struct exchange_step s;

	s = feed(&x, &r, TCP_ACK, PEER + 1, ISN + 1 + PAYLOAD, 0, 250);
	expect(s, SEGMENT_NONE, 0, 0);
	expect_nothing_else(s);
	s = feed(&x, &r, TCP_ACK | TCP_PSH, PEER + 1, ISN + 1 + PAYLOAD, EXPECT, 300);
	expect(s, SEGMENT_DATA, ISN + 1 + PAYLOAD, PEER + 1 + EXPECT);
	cr_assert(s.answered && s.since_ns == 50 && !s.completed);
	s = feed(&x, &r, TCP_ACK, PEER + 1 + EXPECT, ISN + 1 + 2 * PAYLOAD, 60, 400);
	expect(s, SEGMENT_ACK, ISN + 1 + 2 * PAYLOAD, PEER + 1 + EXPECT + 60);
	expect_nothing_else(s);
	s = feed(&x, &r, TCP_ACK | TCP_FIN, PEER + 1 + EXPECT + 60, ISN + 1 + 2 * PAYLOAD, 40, 500);
	expect(s, SEGMENT_FIN, ISN + 1 + 2 * PAYLOAD, PEER + 2 + 2 * EXPECT);
	cr_assert(s.answered && s.since_ns == 300 && !s.completed);
	s = feed(&x, &r, TCP_ACK, PEER + 2 + 2 * EXPECT, ISN + 2 + 2 * PAYLOAD, 0, 600);
	cr_assert(s.completed && s.send == SEGMENT_NONE);
}

/* We close first: the server's ACK and FIN may come apart or together. */
Test(exchange, server_closes_after_us)
{
	struct exchange_rules r = requests(1, LOAD_CLOSE_FIN);

	for (int together = 0; together < 2; together++) {
		struct exchange x = opened(&r);
		struct exchange_step s =
			feed(&x, &r, TCP_ACK, PEER + 1, ISN + 1 + PAYLOAD, EXPECT, 300);

		expect(s, SEGMENT_FIN, ISN + 1 + PAYLOAD, PEER + 1 + EXPECT);
		if (!together) {
			s = feed(&x, &r, TCP_ACK, PEER + 1 + EXPECT, ISN + 2 + PAYLOAD, 0, 400);
			expect(s, SEGMENT_NONE, 0, 0);
			expect_nothing_else(s);
		}
		s = feed(&x, &r, TCP_ACK | TCP_FIN, PEER + 1 + EXPECT, ISN + 2 + PAYLOAD, 0, 500);
		expect(s, SEGMENT_ACK, ISN + 2 + PAYLOAD, PEER + 2 + EXPECT);
		cr_assert(s.completed && s.error == -1 && s.dislike == -1);
	}
}

Test(exchange, endless_until_stopping)
{
	struct exchange_rules r = requests(0, LOAD_CLOSE_RST);
	struct exchange x = opened(&r);
	struct exchange_step s;
	uint32_t i;

	for (i = 0; i < 1000; i++) {
		s = feed(&x, &r, TCP_ACK, PEER + 1 + i * EXPECT, ISN + 1 + (i + 1) * PAYLOAD,
			 EXPECT, 300 + i);
		expect(s, SEGMENT_DATA, ISN + 1 + (i + 1) * PAYLOAD, PEER + 1 + (i + 1) * EXPECT);
		cr_assert(s.answered);
	}
	r.stopping = true;
	s = feed(&x, &r, TCP_ACK, PEER + 1 + i * EXPECT, ISN + 1 + (i + 1) * PAYLOAD, EXPECT, 9999);
	expect(s, SEGMENT_RST, ISN + 1 + (i + 1) * PAYLOAD, PEER + 1 + (i + 1) * EXPECT);
	cr_assert(s.completed && s.answered);
}

Test(exchange, refused)
{
	struct exchange x = {.isn = ISN, .used = true};
	struct exchange_step s;

	exchange_begin(&x, &ACCEPT, 100, 100);
	/* Not for us: it acknowledges something else. */
	s = feed(&x, &ACCEPT, TCP_RST | TCP_ACK, 0, ISN + 2, 0, 150);
	expect(s, SEGMENT_NONE, 0, 0);
	cr_assert(s.error == -1 && s.dislike == LOAD_STALE && x.state == EXCHANGE_SYN_SENT);
	s = feed(&x, &ACCEPT, TCP_RST | TCP_ACK, 0, ISN + 1, 0, 200);
	expect(s, SEGMENT_NONE, 0, 0);
	cr_assert(s.error == LOAD_ERR_REFUSED && x.state == EXCHANGE_FREE);
}

Test(exchange, reset_counts_only_where_expected)
{
	struct exchange x = opened(&ACCEPT);
	struct exchange_step s = feed(&x, &ACCEPT, TCP_RST, PEER + 5, 0, 0, 300);

	cr_assert(s.error == -1 && s.dislike == LOAD_BAD_SEQ && s.send == SEGMENT_NONE);
	s = feed(&x, &ACCEPT, TCP_RST, PEER + 1, 0, 0, 400);
	cr_assert(s.error == LOAD_ERR_RESET && s.send == SEGMENT_NONE && x.state == EXCHANGE_FREE);
}

/* An old connection of the same place is ended, and the SYN tried again at once. */
Test(exchange, challenge_to_the_syn)
{
	struct exchange x = {.isn = ISN, .used = true};
	struct exchange_step s;

	exchange_begin(&x, &ACCEPT, 100, 100);
	s = feed(&x, &ACCEPT, TCP_ACK, 777, 888, 0, 200);
	expect(s, SEGMENT_RST, 888, 777);
	cr_assert(s.dislike == LOAD_STALE && s.error == -1 && x.due_ns == 200);
	s = exchange_timer(&x, &ACCEPT, 200);
	expect(s, SEGMENT_SYN, ISN, 0);
	cr_assert(s.again);
}

Test(exchange, wrong_acknowledgement)
{
	struct exchange x = {.isn = ISN, .used = true};
	struct exchange_step s;

	exchange_begin(&x, &ACCEPT, 100, 100);
	s = feed(&x, &ACCEPT, TCP_SYN | TCP_ACK, PEER, ISN + 2, 0, 200);
	expect(s, SEGMENT_RST, ISN + 2, PEER + 1);
	cr_assert(s.dislike == LOAD_STALE && x.state == EXCHANGE_SYN_SENT);
	x = opened(&ACCEPT);
	for (int off = -1; off <= 1; off += 2) {
		s = feed(&x, &ACCEPT, TCP_ACK | TCP_FIN, PEER + 1, ISN + 1 + (uint32_t)off, 0, 300);
		cr_assert(s.dislike == LOAD_BAD_ACK && !s.completed && s.send == SEGMENT_NONE);
	}
}

Test(exchange, flags_that_make_no_sense)
{
	struct exchange x = {.isn = ISN, .used = true};
	struct exchange_step s;

	exchange_begin(&x, &ACCEPT, 100, 100);
	s = feed(&x, &ACCEPT, TCP_SYN, PEER, 0, 0, 200);
	cr_assert(s.dislike == LOAD_BAD_FLAGS && s.send == SEGMENT_NONE);
	s = feed(&x, &ACCEPT, TCP_SYN | TCP_ACK | TCP_FIN, PEER, ISN + 1, 0, 200);
	cr_assert(s.dislike == LOAD_BAD_FLAGS && s.send == SEGMENT_NONE);
	x = opened(&ACCEPT);
	s = feed(&x, &ACCEPT, TCP_FIN, PEER + 1, ISN + 1, 0, 300);
	cr_assert(s.dislike == LOAD_BAD_FLAGS && s.send == SEGMENT_NONE && !s.completed);
}

/* What comes twice is acknowledged again; what comes too early too, and is not kept. */
Test(exchange, repeated_and_out_of_order)
{
	struct exchange_rules r = requests(1, LOAD_CLOSE_RST);
	struct exchange x = opened(&r);
	struct exchange_step s;

	s = feed(&x, &r, TCP_SYN | TCP_ACK, PEER, ISN + 1, 0, 210);
	expect(s, SEGMENT_DATA, ISN + 1, PEER + 1);
	cr_assert(s.dislike == LOAD_REPEATED && s.again);
	s = feed(&x, &r, TCP_ACK, PEER + 1 + 50, ISN + 1 + PAYLOAD, 50, 300);
	expect(s, SEGMENT_ACK, ISN + 1 + PAYLOAD, PEER + 1);
	cr_assert(s.dislike == LOAD_BAD_SEQ && !s.answered);
	s = feed(&x, &r, TCP_ACK, PEER + 1, ISN + 1 + PAYLOAD, 50, 310);
	expect(s, SEGMENT_ACK, ISN + 1 + PAYLOAD, PEER + 51);
	s = feed(&x, &r, TCP_ACK, PEER + 1, ISN + 1 + PAYLOAD, 50, 320);
	expect(s, SEGMENT_ACK, ISN + 1 + PAYLOAD, PEER + 51);
	cr_assert(s.dislike == LOAD_REPEATED && !s.answered);
	s = feed(&x, &r, TCP_ACK, PEER + 51, ISN + 1 + PAYLOAD, 50, 330);
	cr_assert(s.completed && s.answered && s.send == SEGMENT_RST);
	/* The place is free: whatever comes now belongs to nobody. */
	s = feed(&x, &r, TCP_ACK, PEER + 101, ISN + 1 + PAYLOAD, 10, 340);
	expect(s, SEGMENT_RST, ISN + 1 + PAYLOAD, PEER + 111);
	cr_assert(s.dislike == LOAD_STALE && s.error == -1);
	s = feed(&x, &r, TCP_RST, PEER + 101, ISN + 1 + PAYLOAD, 0, 350);
	expect(s, SEGMENT_NONE, 0, 0);
}

Test(exchange, answers_that_are_not_expected)
{
	struct exchange_rules r = requests(2, LOAD_CLOSE_RST);
	struct exchange_segment wrong = {.seq = PEER + 1,
					 .ack = ISN + 1 + PAYLOAD,
					 .len = 10,
					 .flags = TCP_ACK,
					 .content_ok = false};
	struct exchange x = opened(&r);
	struct exchange_step s;

	s = feed(&x, &r, TCP_ACK, PEER + 1, ISN + 1 + PAYLOAD, EXPECT + 1, 300);
	cr_assert(s.error == LOAD_ERR_ANSWER && s.send == SEGMENT_RST && !s.answered);
	x = opened(&r);
	s = exchange_input(&x, &r, &wrong, 300);
	cr_assert(s.error == LOAD_ERR_ANSWER && s.send == SEGMENT_RST);
	x = opened(&r);
	s = feed(&x, &r, TCP_ACK | TCP_FIN, PEER + 1, ISN + 1 + PAYLOAD, 10, 300);
	cr_assert(s.error == LOAD_ERR_EARLY && s.send == SEGMENT_RST && !s.answered);
	/* A whole answer, but the server does not wait for the second request. */
	x = opened(&r);
	s = feed(&x, &r, TCP_ACK | TCP_FIN, PEER + 1, ISN + 1 + PAYLOAD, EXPECT, 300);
	cr_assert(s.error == LOAD_ERR_EARLY && s.answered && s.send == SEGMENT_RST);
	/* Nobody asked for data. */
	x = opened(&ACCEPT);
	s = feed(&x, &ACCEPT, TCP_ACK, PEER + 1, ISN + 1, 1, 300);
	cr_assert(s.error == LOAD_ERR_ANSWER && s.send == SEGMENT_RST);
}

/* What is lost is sent again, at doubling distances, until there was no progress for too long. */
Test(exchange, sends_again_and_gives_up)
{
	struct exchange_rules r = requests(1, LOAD_CLOSE_FIN);
	struct exchange x = {.isn = ISN, .used = true};
	struct exchange_step s;
	uint64_t start = 100;

	exchange_begin(&x, &r, start, start);
	cr_assert(x.due_ns == start + second);
	s = exchange_timer(&x, &r, start + second);
	expect(s, SEGMENT_SYN, ISN, 0);
	cr_assert(s.again && x.due_ns == start + 3 * second);
	exchange_timer(&x, &r, start + 3 * second);
	cr_assert(x.due_ns == start + 5 * second, "capped by the timeout");
	s = exchange_timer(&x, &r, start + 5 * second);
	cr_assert(s.error == LOAD_ERR_TIMEOUT && s.send == SEGMENT_NONE);
	cr_assert(x.state == EXCHANGE_FREE);

	x = opened(&r);
	s = exchange_timer(&x, &r, x.due_ns);
	expect(s, SEGMENT_DATA, ISN + 1, PEER + 1);
	s = exchange_timer(&x, &r, 200 + 5 * second);
	expect(s, SEGMENT_RST, ISN + 1 + PAYLOAD, PEER + 1);
	cr_assert(s.error == LOAD_ERR_TIMEOUT);

	x = opened(&r);
	feed(&x, &r, TCP_ACK, PEER + 1, ISN + 1 + PAYLOAD, EXPECT, 300);
	s = exchange_timer(&x, &r, x.due_ns);
	expect(s, SEGMENT_FIN, ISN + 1 + PAYLOAD, PEER + 1 + EXPECT);
}

/* Sequence numbers of two uses of a place are farther apart than what one use sends. */
Test(exchange, isn_moves_on)
{
	struct exchange_rules r = requests(100000, LOAD_CLOSE_FIN);
	struct siphash_key key = {1, 2}, other = {1, 3};
	uint32_t bytes = r.count * r.payload, last;
	struct exchange x = {0}, other_key = {0}, other_place = {0};

	exchange_choose_isn(&x, &r, &key, 5);
	exchange_choose_isn(&other_key, &r, &other, 5);
	exchange_choose_isn(&other_place, &r, &key, 6);
	cr_assert(x.isn != other_key.isn && x.isn != other_place.isn);
	for (int use = 1; use < 100; use++) {
		last = x.isn;
		exchange_begin(&x, &r, 100, 50);
		x.state = EXCHANGE_FREE;
		exchange_choose_isn(&x, &r, &key, 5);
		cr_assert(x.isn - last > bytes && x.isn - last < UINT32_MAX / 2);
	}
}

Test(exchange, held_in_silence_then_asked_or_let_go)
{
	struct exchange_rules r = requests(1, LOAD_CLOSE_RST);
	struct exchange_step s;
	struct exchange x = {.isn = ISN, .used = true}, y;

	r.hold = true;
	exchange_begin(&x, &r, 100, 50);
	s = feed(&x, &r, TCP_SYN | TCP_ACK, PEER, ISN + 1, 0, 200);
	expect(s, SEGMENT_ACK, ISN + 1, PEER + 1);
	expect_nothing_else(s);
	cr_assert(x.state == EXCHANGE_HELD && x.due_ns == UINT64_MAX, "no timer runs");
	/* The acknowledgement was lost: the SYN-ACK comes again. */
	s = feed(&x, &r, TCP_SYN | TCP_ACK, PEER, ISN + 1, 0, 300);
	expect(s, SEGMENT_ACK, ISN + 1, PEER + 1);

	/* Asked meanwhile, it is held again. */
	s = exchange_speak(&x, &r, 50 * second);
	expect(s, SEGMENT_DATA, ISN + 1, PEER + 1);
	s = feed(&x, &r, TCP_ACK, PEER + 1, ISN + 1 + PAYLOAD, EXPECT, 51 * second);
	expect(s, SEGMENT_ACK, ISN + 1 + PAYLOAD, PEER + 1 + EXPECT);
	cr_assert(s.answered && s.since_ns == 50 * second && !s.completed);
	cr_assert(x.state == EXCHANGE_HELD && x.due_ns == UINT64_MAX);
	y = x;
	r.stopping = true;

	s = exchange_speak(&x, &r, 60 * second);
	expect(s, SEGMENT_DATA, ISN + 1 + PAYLOAD, PEER + 1 + EXPECT);
	s = feed(&x, &r, TCP_ACK, PEER + 1 + EXPECT, ISN + 1 + 2 * PAYLOAD, EXPECT, 61 * second);
	cr_assert(s.answered && s.since_ns == 60 * second && s.completed);

	s = exchange_let_go(&y, &r, 60 * second);
	expect(s, SEGMENT_RST, ISN + 1 + PAYLOAD, PEER + 1 + EXPECT);
	cr_assert(s.completed && !s.answered && y.state == EXCHANGE_FREE);
}

Test(exchange, a_server_that_does_not_wait_while_held)
{
	struct exchange_rules r = requests(1, LOAD_CLOSE_RST);
	struct exchange_step s;
	struct exchange x = {.isn = ISN, .used = true}, y;

	r.hold = true;
	exchange_begin(&x, &r, 100, 50);
	feed(&x, &r, TCP_SYN | TCP_ACK, PEER, ISN + 1, 0, 200);
	y = x;
	s = feed(&x, &r, TCP_ACK | TCP_FIN, PEER + 1, ISN + 1, 0, 300);
	cr_assert(s.error == LOAD_ERR_EARLY && x.state == EXCHANGE_FREE);
	s = feed(&y, &r, TCP_ACK, PEER + 1, ISN + 1, 5, 300);
	cr_assert(s.error == LOAD_ERR_ANSWER && y.state == EXCHANGE_FREE);
}
