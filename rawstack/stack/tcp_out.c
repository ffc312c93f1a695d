/* SPDX-License-Identifier: MIT */
/* tcp_out.c - what leaves: cutting the queue into segments, acknowledgements, resets, challenges */
#include "tcp_internal.h"

#include "../wire/csum.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>

enum { TCP_TTL = 64 /* MUST-49 lets it be configured; no need has come up */ };

/*
 * The window to offer. Its right edge never moves back (SHLD-14), and moves on only by a segment or
 * half the buffer (MUST-39), so that a peer is never led into small segments.
 */
uint16_t conn_window(struct stack *s, struct tcp_conn *c)
{
	uint32_t space = rcv_space(s, c), offered = c->rcv_edge - c->rcv_nxt, field;

	if (space > offered &&
	    space - offered >= min_u32(s->cfg.recv_buffer / 2, tcp_mss(s, c->flags & TCP_F_V6)))
		offered = space;
	field = offered >> c->rcv_shift;
	/* Rounding up may give a little more than there is; rounding down would take back. */
	if (field << c->rcv_shift < c->rcv_edge - c->rcv_nxt)
		field++;
	field = min_u32(field, UINT16_MAX);
	if (seq_lt(c->rcv_edge, c->rcv_nxt + (field << c->rcv_shift)))
		c->rcv_edge = c->rcv_nxt + (field << c->rcv_shift);
	return (uint16_t)field;
}

/* In a SYN the window is not scaled (RFC 7323 2.2). */
static uint16_t syn_window(struct stack *s, struct tcp_conn *c)
{
	uint32_t window = min_u32(rcv_space(s, c), UINT16_MAX);

	c->rcv_edge = c->rcv_nxt + window;
	return (uint16_t)window;
}

static void put_syn_options(const struct stack *s, const struct tcp_conn *c, struct tcp_hdr *h)
{
	bool offering = c->state == TCP_S_SYN_SENT; /* else what both have offered */

	h->mss = tcp_mss(s, c->flags & TCP_F_V6);
	h->sack_permitted = offering ? !s->cfg.no_sack : (c->flags & TCP_F_SACK) != 0;
	h->timestamps = offering ? !s->cfg.no_timestamps : (c->flags & TCP_F_TS) != 0;
	if (offering ? !s->cfg.no_wscale : c->snd_shift != TCP_WSCALE_NONE)
		h->wscale = tcp_rcv_shift(s);
}

/* SACK blocks for as far as @len octets of data leave room. */
static void put_sacks(struct stack *s, const struct tcp_conn *c, uint32_t len, struct tcp_hdr *h)
{
	bool any = c->ooo_q != 0 || (c->flags & TCP_F_FIN_AHEAD) || s->tcp->dsack_of == c;
	uint32_t room = len < c->mss ? c->mss - len : 0;
	uint32_t max = min_u32(room < 4 ? 0 : (room - 4) / 8, h->timestamps ? 3 : 4);

	if (any && (c->flags & TCP_F_SACK) && max > 0)
		h->sacks = (uint8_t)rcv_sacks(s, c, h->sack, (int)max);
}

static void put_header(struct stack *s, struct tcp_conn *c, uint32_t seq, uint32_t len,
		       uint8_t flags, struct tcp_hdr *h)
{
	*h = (struct tcp_hdr){.sport = c->lport,
			      .dport = c->pport,
			      .seq = seq,
			      .ack = flags & TCP_ACK ? c->rcv_nxt : 0,
			      .flags = flags,
			      .wscale = TCP_WSCALE_NONE,
			      .timestamps = (c->flags & TCP_F_TS) != 0};
	if (flags & TCP_SYN) {
		put_syn_options(s, c, h);
		h->window = syn_window(s, c);
	} else {
		h->window = conn_window(s, c);
		put_sacks(s, c, len, h);
	}
	if (h->timestamps) {
		h->ts_val = s->tcp->now_ms + c->ts_off;
		h->ts_ecr = flags & TCP_ACK ? c->ts_recent : 0;
	}
}

/* The chunk that holds @seq; from where the last segment was cut, if that is not behind it. */
static uint32_t queue_find(const struct stack *s, struct tcp_conn *c, uint32_t seq)
{
	uint32_t i = c->snd_cursor;

	if (i == 0 || seq_lt(seq, seg_at(s, i)->seq))
		i = c->snd_q;
	while (i != 0 && seq_le(seg_at(s, i)->seq + seg_at(s, i)->len, seq))
		i = seg_at(s, i)->next;
	c->snd_cursor = i;
	return i;
}

static void queue_copy(const struct stack *s, struct tcp_conn *c, uint32_t seq, uint8_t *to,
		       uint32_t len)
{
	uint32_t i = queue_find(s, c, seq);

	while (len > 0) {
		const struct seg *g = seg_at(s, i);
		uint32_t skip = seq - g->seq, n = min_u32(len, g->len - skip);

		assert(i != 0 && n > 0);
		memcpy(to, g->data + g->off + skip, n);
		to += n;
		seq += n;
		len -= n;
		i = g->next;
	}
}

/* Everything that sending an acknowledgement settles. */
static void acked_now(struct tcp_conn *c)
{
	c->flags &= ~(uint32_t)TCP_F_ACK_NOW;
	c->unacked = 0;
	c->last_ack = c->rcv_nxt;
	timer_clear(c, TCP_T_ACK);
}

int conn_segment(struct stack *s, uint32_t i, uint32_t seq, uint32_t len, uint8_t flags)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t end = seq + len + (flags & (TCP_SYN | TCP_FIN) ? 1 : 0);
	struct tcp_hdr h;
	struct outbuf ob;
	struct out o;
	size_t hl;
	int rc;

	put_header(s, c, seq, len, flags, &h);
	hl = tcp_build_len(&h);
	rc = out_begin(s, s->tcp->now, &o, c->own, &c->peer, IPPROTO_TCP, TCP_TTL, 0, hl + len);
	if (rc < 0)
		return rc;
	ob = outbuf_of(o.l4, hl);
	tcp_build(&h, &ob);
	if (len > 0)
		queue_copy(s, c, seq, o.l4 + hl, len);
	put_be16(o.l4 + TCP_CSUM_OFFSET,
		 csum_segment(o.src, o.dst, o.v6, IPPROTO_TCP, o.l4, hl + len));
	out_end(s, s->tcp->now, &o);
	s->stats.tcp_out++;
	if (flags & TCP_ACK)
		acked_now(c);
	if (end != seq)
		c->sent_ms = s->tcp->now_ms;
	if (seq_lt(c->snd_max, end))
		c->snd_max = end;
	return 0;
}

/*
 * The number of a segment without data. Where the peer has taken its window back, SND.NXT would be
 * outside of it and the segment dropped: at the window's edge it counts, as Linux has it. So has an
 * octet that probes a shut window not passed.
 */
static uint32_t own_seq(const struct tcp_conn *c)
{
	uint32_t edge = c->snd_una + c->snd_wnd;

	/* By less than it counts in is no taking back. */
	if (c->snd_shift != TCP_WSCALE_NONE)
		edge += (1U << c->snd_shift) - 1;
	return seq_lt(edge, c->snd_max) ? c->snd_una + c->snd_wnd : c->snd_max;
}

int conn_send_ack(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	int rc;

	rc = conn_segment(s, i, own_seq(c), 0, TCP_ACK);
	if (rc == 0)
		s->stats.tcp_pure_acks++;
	return rc;
}

void conn_send_rst(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	s->stats.tcp_rst_out++;
	conn_segment(s, i, own_seq(c), 0, TCP_RST | TCP_ACK);
}

/*
 * RFC 5961 7: challenge acknowledgements are limited, per connection and by a number that nobody
 * outside can know, so that counting them tells nothing about other connections (CVE-2016-5696).
 */
void conn_challenge(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint16_t second = (uint16_t)(s->tcp->now_ms / 1000);

	if (c->challenge_s != second) {
		c->challenge_s = second;
		c->challenges = 0;
		c->challenge_max = (uint8_t)(TCP_CHALLENGES + tcp_random(s->tcp) % TCP_CHALLENGES);
	}
	if (c->challenges >= c->challenge_max) {
		s->stats.tcp_challenge_limited++;
		return;
	}
	c->challenges++;
	s->stats.tcp_challenge++;
	conn_send_ack(s, i);
}

int tcp_send_bare(struct stack *s, uint8_t own, const struct addr *peer, const struct tcp_hdr *h)
{
	size_t hl = tcp_build_len(h);
	struct outbuf ob;
	struct out o;
	int rc = out_begin(s, s->tcp->now, &o, own, peer, IPPROTO_TCP, TCP_TTL, 0, hl);

	if (rc < 0)
		return rc;
	ob = outbuf_of(o.l4, hl);
	tcp_build(h, &ob);
	put_be16(o.l4 + TCP_CSUM_OFFSET, csum_segment(o.src, o.dst, o.v6, IPPROTO_TCP, o.l4, hl));
	out_end(s, s->tcp->now, &o);
	s->stats.tcp_out++;
	return 0;
}

void tcp_send_rst(struct stack *s, const struct tcp_in *in)
{
	struct tcp_hdr h = {.sport = in->h.dport,
			    .dport = in->h.sport,
			    .flags = TCP_RST,
			    .wscale = TCP_WSCALE_NONE};

	if (in->h.flags & TCP_RST)
		return;
	if (in->h.flags & TCP_ACK) {
		h.seq = in->h.ack;
	} else {
		h.flags |= TCP_ACK;
		h.ack = in->h.seq + in->len + !!(in->h.flags & TCP_SYN) + !!(in->h.flags & TCP_FIN);
	}
	s->stats.tcp_rst_out++;
	tcp_send_bare(s, in->p->own, &in->p->src, &h);
}

/* MUST-38, SHLD-7: may a segment of @n octets from snd_nxt, @left of them queued, leave now? */
static bool worth_sending(const struct tcp_conn *c, uint32_t n, uint32_t left)
{
	bool idle = c->snd_nxt == c->snd_una;

	if (n >= c->mss || seq_lt(c->snd_nxt, c->snd_max))
		return true;
	if (n == left && (idle || (c->flags & (TCP_F_NODELAY | TCP_F_FIN_QUEUED))))
		return true;
	return n > 0 && n >= c->max_wnd / 2;
}

int conn_resend(struct stack *s, uint32_t i, uint32_t k)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	struct tcp_flight *f = flight_of(s, c);
	const struct tcp_sent *r = sent_at(s, k);
	uint32_t n = r->end - r->seq, fin = r->end == c->snd_end + 1 ? 1 : 0;
	uint8_t flags = TCP_ACK;

	if (fin)
		flags |= TCP_FIN;
	if (n > fin && r->end == snd_total(c))
		flags |= TCP_PSH;
	if (conn_segment(s, i, r->seq, n - fin, flags) == -ENOBUFS)
		return -ENOBUFS;
	s->stats.tcp_retransmits++;
	if (!(c->flags & TCP_F_RTO_RECOVERY))
		s->stats.tcp_fast_retransmits++;
	if (c->flags & TCP_F_RECOVERY)
		f->prr_out += n;
	f->undo_n++;
	sent_again(s, f, k);
	return 0;
}

/* RFC 6675 5, RFC 6582 3.2: what is lost, while the pipe has room; the first at once. */
static bool output_lost(struct stack *s, uint32_t i, bool *sent)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t k;

	while ((k = sent_next_lost(s, c)) != 0) {
		const struct tcp_sent *r = sent_at(s, k);
		uint32_t pipe = conn_pipe(s, c);

		if (r->seq != c->snd_una && pipe > 0 && pipe + (r->end - r->seq) > c->cwnd)
			break;
		if (conn_resend(s, i, k) == -ENOBUFS)
			return false;
		*sent = true;
	}
	return true;
}

/* How many octets of data to send from snd_nxt. */
static uint32_t next_octets(const struct tcp_conn *c)
{
	uint32_t edge = c->snd_una + c->snd_wnd;

	if (!seq_lt(c->snd_nxt, edge))
		return 0;
	return min_u32(min_u32(c->snd_end - c->snd_nxt, c->mss), edge - c->snd_nxt);
}

/* One segment of what is not sent. 1: sent, 0: not now. */
static int output_next(struct stack *s, uint32_t i, bool probe)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t n, pipe, left, end;
	uint8_t flags = TCP_ACK;

	if (c->snd_nxt == snd_total(c))
		return 0;
	n = c->snd_nxt == c->snd_end ? 0 : next_octets(c);
	left = c->snd_end - c->snd_nxt;
	if (n == left) {
		flags |= TCP_PSH; /* MUST-61 */
		if (c->flags & TCP_F_FIN_QUEUED)
			flags |= TCP_FIN;
	}
	/* FIN is in sequence space and waits for the window to take it; once sent it goes again. */
	if (seq_le(c->snd_max, c->snd_end) && c->snd_end - c->snd_una >= c->snd_wnd)
		flags &= (uint8_t)~TCP_FIN;
	if (n == 0 && !(flags & TCP_FIN))
		return 0;
	if (n == 0)
		flags &= (uint8_t)~TCP_PSH;
	pipe = conn_pipe(s, c);
	if (!probe && n > 0 && pipe > 0 && pipe + n > c->cwnd)
		return 0;
	if (!probe && !worth_sending(c, n, left))
		return 0;
	end = c->snd_nxt + n + (flags & TCP_FIN ? 1 : 0);
	if (!sent_add(s, c, c->snd_nxt, end))
		return 0;
	if (conn_segment(s, i, c->snd_nxt, n, flags) == -ENOBUFS) {
		sent_take_back(s, c);
		return -ENOBUFS;
	}
	/* Any other failure is a frame lost on the way: the timer takes care of it. */
	if (c->flags & TCP_F_RECOVERY)
		flight_of(s, c)->prr_out += n;
	c->snd_nxt = end;
	if (seq_lt(c->snd_max, c->snd_nxt))
		c->snd_max = c->snd_nxt;
	return 1;
}

void conn_output_one(struct stack *s, uint32_t i)
{
	output_next(s, i, true);
}

/* RFC 5681 4.1: after silence the network's state is unknown. */
static void restart_after_idle(const struct stack *s, struct tcp_conn *c)
{
	if (c->snd_max == c->snd_una && s->tcp->now_ms - c->sent_ms > c->rto_ms)
		c->cwnd = min_u32(c->cwnd, TCP_IW_SEGMENTS * (uint32_t)c->mss);
}

bool conn_output(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	bool sent = false;
	int rc = 0;

	if (c->state >= TCP_S_ESTABLISHED) {
		restart_after_idle(s, c);
		if (c->flight != 0 && !output_lost(s, i, &sent))
			return false;
		while ((rc = output_next(s, i, false)) > 0)
			sent = true;
		conn_rtx_arm(s, i, false);
		if (sent)
			probe_arm(s, i);
	}
	if (rc == 0 && (c->flags & TCP_F_ACK_NOW))
		rc = conn_send_ack(s, i);
	return rc != -ENOBUFS;
}

void tcp_flush(struct stack *s, uint64_t now)
{
	struct tcp *t = s->tcp;
	uint32_t i;

	tcp_now(s, now);
	while ((i = t->out.first) != 0) {
		ilist_remove(&t->out, &t->conns, offsetof(struct tcp_conn, out), i);
		conn_at(t, i)->flags &= ~(uint32_t)TCP_F_ON_OUT;
		if (!conn_output(s, i)) {
			conn_want_out(s, i); /* the link is full: as soon as it is not */
			return;
		}
	}
}
