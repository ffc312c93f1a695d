/* SPDX-License-Identifier: MIT */
/* tcp_sent.c - what was sent and is not acknowledged: a record for each segment, while it is out */
#include "tcp_internal.h"

#include <assert.h>

/*
 * The scoreboard of RFC 2018, RFC 6675 and RFC 8985. A record knows when its octets were last sent
 * and what is known of them: in flight, SACKed, or lost, which means: to be sent again. An idle
 * connection has no records and no struct tcp_flight. Nor has one with a single segment out that
 * was sent once, TCP_F_ALONE: all that a record of it would say is in the connection, and most
 * short connections never need more. The record is made when a second one leaves, or the first must
 * leave again.
 *
 * Invariants: the records cover [snd_una, snd_nxt) without gap or overlap, in order of sequence in
 * @order; TCP_F_ALONE is never together with records, nor with TCP_F_RECOVERY. One that is in
 * flight is on @line, where the one sent last is the last; one that is lost is on @lost, in the
 * order in which they will leave; one that is SACKed is on neither. @sacked and
 * @lost_octets are the sums of octets in these states.
 *
 * Limit: records_max() of a connection, so that octets sent one by one cost no more than 32 KiB at
 * the usual size of the buffer. Who gets no record sends nothing, and who is alone finds one.
 */

static size_t order_off(void)
{
	return offsetof(struct tcp_sent, order);
}

static size_t line_off(void)
{
	return offsetof(struct tcp_sent, line);
}

static uint32_t records_max(const struct stack *s)
{
	return s->cfg.send_buffer / 512 + 64;
}

static bool is_in_flight(const struct tcp_sent *r)
{
	return !(r->flags & (TCP_SENT_SACKED | TCP_SENT_LOST));
}

static void line_up(struct stack *s, struct tcp_flight *f, uint32_t k)
{
	ilist_push(&f->line, &s->tcp->sents, line_off(), k);
}

/* Is there one that no TCP_F_ALONE will ask for? */
static bool record_left(const struct tcp *t)
{
	return t->sents.used + t->n_alone < t->sents.max;
}

static void alone_end(struct stack *s, struct tcp_conn *c)
{
	c->flags &= ~(uint32_t)TCP_F_ALONE;
	s->tcp->n_alone--;
}

static uint32_t record_new(struct stack *s, struct tcp_flight *f, uint32_t seq, uint32_t end)
{
	bool may = f->n < records_max(s) && record_left(s->tcp);
	uint32_t k = may ? slab_alloc(&s->tcp->sents) : 0;

	if (k == 0) {
		s->stats.tcp_no_memory++;
		return 0;
	}
	*sent_at(s, k) = (struct tcp_sent){
		.seq = seq, .end = end, .sent_us = (uint32_t)(s->tcp->now / 1000)};
	f->n++;
	return k;
}

static struct tcp_flight *flight_new(struct stack *s, struct tcp_conn *c)
{
	c->flight = slab_alloc(&s->tcp->flights);
	if (c->flight == 0) {
		s->stats.tcp_no_memory++;
		return NULL;
	}
	*flight_of(s, c) = (struct tcp_flight){.rack_end = c->snd_una, .fack = c->snd_una};
	return flight_of(s, c);
}

/* Behind all others. The record, or 0. */
static uint32_t record_add(struct stack *s, struct tcp_flight *f, uint32_t seq, uint32_t end)
{
	uint32_t k = record_new(s, f, seq, end);

	if (k == 0)
		return 0;
	ilist_push(&f->order, &s->tcp->sents, order_off(), k);
	line_up(s, f, k);
	return k;
}

struct tcp_flight *sent_flight(struct stack *s, struct tcp_conn *c)
{
	struct tcp_flight *f;
	uint32_t k;

	if (!(c->flags & TCP_F_ALONE))
		return flight_of(s, c);
	assert(seq_lt(c->snd_una, c->snd_nxt));
	f = flight_new(s, c);
	if (f == NULL)
		return NULL;
	s->tcp->n_alone--; /* the record kept back for it */
	k = record_add(s, f, c->snd_una, c->snd_nxt);
	if (k == 0) {
		s->tcp->n_alone++;
		slab_free(&s->tcp->flights, c->flight);
		c->flight = 0;
		return NULL;
	}
	sent_at(s, k)->sent_us = c->alone_us;
	c->flags &= ~(uint32_t)TCP_F_ALONE;
	return f;
}

bool sent_add(struct stack *s, struct tcp_conn *c, uint32_t seq, uint32_t end)
{
	struct tcp_flight *f;

	if (c->flight == 0 && seq == c->snd_una && record_left(s->tcp) &&
	    !(c->flags & (TCP_F_ALONE | TCP_F_RECOVERY | TCP_F_RTO_RECOVERY))) {
		c->flags |= TCP_F_ALONE;
		s->tcp->n_alone++;
		c->alone_us = (uint32_t)(s->tcp->now / 1000);
		return true;
	}
	f = sent_flight(s, c);
	if (f == NULL && !(c->flags & TCP_F_ALONE))
		f = flight_new(s, c);
	return f != NULL && record_add(s, f, seq, end) != 0;
}

/* Off the list it is on, and out of the sums. */
static void leave(struct stack *s, struct tcp_flight *f, uint32_t k)
{
	struct tcp_sent *r = sent_at(s, k);

	if (r->flags & TCP_SENT_SACKED) {
		f->sacked -= r->end - r->seq;
		f->n_sacked--;
	} else if (r->flags & TCP_SENT_LOST) {
		f->lost_octets -= r->end - r->seq;
		ilist_remove(&f->lost, &s->tcp->sents, line_off(), k);
	} else {
		ilist_remove(&f->line, &s->tcp->sents, line_off(), k);
	}
	r->flags &= ~(uint32_t)(TCP_SENT_SACKED | TCP_SENT_LOST);
}

static void record_free(struct stack *s, struct tcp_flight *f, uint32_t k)
{
	leave(s, f, k);
	ilist_remove(&f->order, &s->tcp->sents, order_off(), k);
	if (f->cursor == k)
		f->cursor = 0;
	f->n--;
	slab_free(&s->tcp->sents, k);
}

void sent_take_back(struct stack *s, struct tcp_conn *c)
{
	struct tcp_flight *f = flight_of(s, c);

	if (c->flags & TCP_F_ALONE) {
		alone_end(s, c);
		return;
	}
	record_free(s, f, f->order.last);
	if (f->n == 0)
		sent_free(s, c);
}

void sent_free(struct stack *s, struct tcp_conn *c)
{
	struct tcp_flight *f = flight_of(s, c);

	if (c->flags & TCP_F_ALONE)
		alone_end(s, c);
	if (f == NULL)
		return;
	while (f->order.first != 0)
		record_free(s, f, f->order.first);
	slab_free(&s->tcp->flights, c->flight);
	c->flight = 0;
}

void sent_lost(struct stack *s, struct tcp_flight *f, uint32_t k)
{
	struct tcp_sent *r = sent_at(s, k);

	leave(s, f, k);
	r->flags |= TCP_SENT_LOST;
	f->lost_octets += r->end - r->seq;
	ilist_push(&f->lost, &s->tcp->sents, line_off(), k);
}

void sent_all_lost(struct stack *s, struct tcp_conn *c, uint32_t young_us, bool sacked_too)
{
	struct tcp_flight *f = sent_flight(s, c);
	uint32_t now = (uint32_t)(s->tcp->now / 1000);

	for (uint32_t k = f ? f->order.first : 0; k != 0; k = sent_at(s, k)->order.next) {
		const struct tcp_sent *r = sent_at(s, k);
		bool young = k != f->order.first && is_in_flight(r) && now - r->sent_us < young_us;

		if (!young && (sacked_too || !(r->flags & TCP_SENT_SACKED)))
			sent_lost(s, f, k);
	}
}

/* So that full segments leave again where small ones, or ones that are now too large, were lost. */
static void absorb(struct stack *s, const struct tcp_conn *c, struct tcp_flight *f, uint32_t k)
{
	struct tcp_sent *r = sent_at(s, k);
	uint32_t next, take;

	while (r->end - r->seq < c->mss && (next = r->order.next) != 0) {
		struct tcp_sent *n = sent_at(s, next);

		if (!(n->flags & TCP_SENT_LOST))
			return;
		take = min_u32(n->end - n->seq, c->mss - (r->end - r->seq));
		if (n->seq + take == c->snd_end)
			take = n->end - n->seq; /* FIN takes no room */
		r->end += take;
		f->lost_octets += take;
		if (n->seq + take == n->end) {
			record_free(s, f, next);
			continue;
		}
		n->seq += take;
		f->lost_octets -= take;
	}
}

/* Octets of one segment from @r on, FIN being none. */
static uint32_t fitting(const struct tcp_conn *c, const struct tcp_sent *r)
{
	uint32_t room = max_u32(min_u32(c->mss, c->snd_una + c->snd_wnd - r->seq), 1);

	return r->end == c->snd_end + 1 && r->end - r->seq == room + 1
		       ? room + 1
		       : min_u32(r->end - r->seq, room);
}

uint32_t sent_next_lost(struct stack *s, struct tcp_conn *c)
{
	struct tcp_flight *f = flight_of(s, c);
	struct tcp_sent *r;
	uint32_t k = f ? f->lost.first : 0, n, rest;

	if (k == 0 || seq_lt(c->snd_una + c->snd_wnd, sent_at(s, k)->seq))
		return 0;
	absorb(s, c, f, k);
	r = sent_at(s, k);
	if (c->snd_una + c->snd_wnd == r->seq && r->seq != c->snd_end)
		return 0; /* the peer has taken its window back */
	n = fitting(c, r);
	if (n == r->end - r->seq)
		return k;
	/* Cut in two; the rest comes behind it in both lists. */
	rest = record_new(s, f, r->seq + n, r->end);
	if (rest == 0)
		return 0;
	sent_at(s, rest)->flags = r->flags;
	sent_at(s, rest)->sent_us = r->sent_us;
	r->end = r->seq + n;
	ilist_insert(&f->order, &s->tcp->sents, order_off(), k, rest);
	ilist_insert(&f->lost, &s->tcp->sents, line_off(), k, rest);
	return k;
}

void sent_again(struct stack *s, struct tcp_flight *f, uint32_t k)
{
	struct tcp_sent *r = sent_at(s, k);

	leave(s, f, k);
	r->flags |= TCP_SENT_AGAIN;
	r->sent_us = (uint32_t)(s->tcp->now / 1000);
	line_up(s, f, k);
}

/* The same as with a record; there is nothing that could be marked lost by it. */
static void alone_acked(struct stack *s, struct tcp_conn *c, uint32_t acked, struct tcp_news *news)
{
	uint32_t out = c->snd_nxt - (c->snd_una - acked);

	news->delivered += min_u32(acked, out);
	if (acked < out)
		return;
	rack_timed(s, c, (uint32_t)(s->tcp->now / 1000) - c->alone_us, news);
	alone_end(s, c);
}

void sent_acked(struct stack *s, struct tcp_conn *c, const struct tcp_in *in, uint32_t acked,
		struct tcp_news *news)
{
	struct tcp_flight *f = flight_of(s, c);
	uint32_t k;

	if (c->flags & TCP_F_ALONE) {
		alone_acked(s, c, acked, news);
		return;
	}
	while (f != NULL && (k = f->order.first) != 0) {
		struct tcp_sent *r = sent_at(s, k);
		uint32_t gone = min_u32(r->end - r->seq, c->snd_una - r->seq);

		if (!seq_lt(r->seq, c->snd_una))
			break;
		if (!(r->flags & TCP_SENT_SACKED))
			news->delivered += gone;
		if (seq_le(r->end, c->snd_una)) {
			if (!(r->flags & TCP_SENT_SACKED))
				rack_delivered(s, c, r, in, news);
			record_free(s, f, k);
			continue;
		}
		r->seq += gone;
		if (r->flags & TCP_SENT_SACKED)
			f->sacked -= gone;
		else if (r->flags & TCP_SENT_LOST)
			f->lost_octets -= gone;
	}
	if (f == NULL)
		return;
	if (f->n == 0) {
		sent_free(s, c);
		return;
	}
	/* SND.UNA where something was SACKed: the peer has taken its word back (RFC 2018 8) */
	for (k = f->order.first; k != 0; k = sent_at(s, k)->order.next) {
		if (!(sent_at(s, k)->flags & TCP_SENT_SACKED))
			break;
		sent_lost(s, f, k);
	}
}

/* Records that are whole within the block; a part of one is not worth remembering. */
static void mark_sacked(struct stack *s, struct tcp_conn *c, struct tcp_sack b,
			const struct tcp_in *in, struct tcp_news *news)
{
	struct tcp_flight *f = flight_of(s, c);
	uint32_t k = f->cursor;

	if (k == 0 || seq_lt(b.left, sent_at(s, k)->seq))
		k = f->order.first;
	for (; k != 0; k = sent_at(s, k)->order.next) {
		struct tcp_sent *r = sent_at(s, k);

		if (seq_lt(b.right, r->end))
			return;
		if (seq_lt(r->seq, b.left))
			continue;
		f->cursor = k;
		if (r->flags & TCP_SENT_SACKED)
			continue;
		rack_delivered(s, c, r, in, news);
		leave(s, f, k);
		r->flags |= TCP_SENT_SACKED;
		f->sacked += r->end - r->seq;
		f->n_sacked++;
		news->delivered += r->end - r->seq;
	}
}

/* RFC 2883 4: the first block may tell what came twice. */
static bool is_duplicate(const struct tcp_hdr *h)
{
	if (seq_le(h->sack[0].right, h->ack))
		return true;
	return h->sacks > 1 && seq_le(h->sack[1].left, h->sack[0].left) &&
	       seq_le(h->sack[0].right, h->sack[1].right);
}

void sent_sacked(struct stack *s, struct tcp_conn *c, const struct tcp_in *in,
		 struct tcp_news *news)
{
	const struct tcp_hdr *h = &in->h;

	for (int k = 0; k < h->sacks; k++) {
		struct tcp_sack b = h->sack[k];

		if (!seq_lt(b.left, b.right))
			continue;
		if (k == 0 && is_duplicate(h)) {
			if (b.right - b.left <= c->max_wnd)
				news->twice = b.right - b.left;
			continue;
		}
		/* Ours only: anything else is nonsense. */
		if (c->flight != 0 && seq_lt(c->snd_una, b.left) && seq_le(b.right, c->snd_nxt))
			mark_sacked(s, c, b, in, news);
	}
}
