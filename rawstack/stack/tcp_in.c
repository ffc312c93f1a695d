/* SPDX-License-Identifier: MIT */
/* tcp_in.c - SEGMENT ARRIVES (RFC 9293 3.10.7), step by step */
#include "tcp_internal.h"

#include "../wire/csum.h"

#include <errno.h>
#include <netinet/in.h>

/* Octets of sequence space (SEG.LEN). */
static uint32_t seg_len(const struct tcp_in *in)
{
	return in->len + !!(in->h.flags & TCP_SYN) + !!(in->h.flags & TCP_FIN);
}

/* --- 3.10.7.1 CLOSED, 3.10.7.2 LISTEN: no connection has this four-tuple --- */

static void no_connection(struct stack *s, const struct tcp_in *in)
{
	const struct packet *p = in->p;
	struct endpoint src = {.addr = p->src, .port = in->h.sport};
	struct endpoint dst = {.addr = p->dst, .port = in->h.dport};
	int id = binding_find(&s->tcp_bindings, p->v6, &src, &dst, in->hash.table);

	if (id >= 0) {
		listen_input(s, id, in, 0);
		return;
	}
	s->stats.tcp_no_port++;
	tcp_send_rst(s, in); /* by the family the segment came in */
}

void tcp_input(struct stack *s, const struct packet *p)
{
	struct span sp = span_of(p->l4, p->l4_len);
	struct tcp_in in; /* not cleared: all is set below but the SACK blocks, which are counted */
	uint32_t i;

	in.p = p;
	in.h.ts_val = in.h.ts_ecr = 0;
	tcp_now(s, p->now);
	s->stats.tcp_in++;
	if (p->to_group || p->own == OWN_NONE) { /* MUST-57 */
		s->stats.tcp_bad++;
		return;
	}
	if (tcp_parse(&sp, &in.h) < 0 || /* MUST-7 */
	    (!p->csum_trusted && csum_segment(&p->src, &p->dst, p->v6, IPPROTO_TCP, p->l4,
					      p->l4_len) != 0)) { /* MUST-3 */
		s->stats.tcp_bad++;
		return;
	}
	in.data = sp.p;
	in.len = (uint32_t)span_len(&sp);
	in.hash = tcp_hash(s->tcp, &p->src, p->own, in.h.sport, in.h.dport);
	i = tcp_lookup(s->tcp, in.hash.table, &p->src, p->own, in.h.sport, in.h.dport);
	if (i == 0)
		no_connection(s, &in);
	else if (!(i & TCP_TAG))
		conn_input(s, i, &in);
	else if (mini_at(s->tcp, i & ~TCP_TAG)->kind == TCP_MINI_SYN)
		syn_input(s, i & ~TCP_TAG, &in);
	else
		wait_input(s, i & ~TCP_TAG, &in);
}

/* --- 3.10.7.3 SYN-SENT --- */

/* What the peer's SYN says about options; only what was offered counts (RFC 7323 1.3). */
static void syn_options(struct stack *s, struct tcp_conn *c, const struct tcp_in *in)
{
	bool v6 = c->flags & TCP_F_V6;

	if (in->h.timestamps && !s->cfg.no_timestamps) {
		c->flags |= TCP_F_TS;
		c->ts_recent = in->h.ts_val;
		c->ts_recent_ms = s->tcp->now_ms;
	}
	if (in->h.sack_permitted && !s->cfg.no_sack)
		c->flags |= TCP_F_SACK;
	c->snd_shift = TCP_WSCALE_NONE;
	if (in->h.wscale != TCP_WSCALE_NONE && !s->cfg.no_wscale) {
		c->snd_shift = (uint8_t)min_u32(in->h.wscale, TCP_WSCALE_MAX);
		c->rcv_shift = tcp_rcv_shift(s);
	}
	c->mss = tcp_mss_effective(s, v6, in->h.mss, c->flags & TCP_F_TS);
	c->cwnd = TCP_IW_SEGMENTS * (uint32_t)c->mss;
}

static void connected(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	c->state = c->flags & TCP_F_FIN_QUEUED ? TCP_S_FIN_WAIT_1 : TCP_S_ESTABLISHED;
	if (c->retries > 0) { /* RFC 6298 5.7, RFC 5681 3.1 */
		c->rto_ms = TCP_RTO_LOST_SYN_MS;
		c->cwnd = c->mss;
	}
	c->retries = 0;
	s->stats.tcp_connected++;
	conn_event(s, i, TCP_E_CONNECTED | TCP_E_WRITABLE);
}

static void syn_sent(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	bool ack = in->h.flags & TCP_ACK;

	/* First: the acknowledgement must be of our SYN. */
	if (ack && in->h.ack != c->snd_una + 1) {
		s->stats.tcp_bad_ack++;
		tcp_send_rst(s, in);
		return;
	}
	/* Second: a reset that acknowledges nothing is forged (RFC 5961 3.2). */
	if (in->h.flags & TCP_RST) {
		if (ack) {
			s->stats.tcp_rst_in++;
			conn_done(s, i, ECONNREFUSED);
		}
		return;
	}
	/* Fourth: SYN. */
	if (!(in->h.flags & TCP_SYN))
		return;
	c->rcv_nxt = in->h.seq + 1;
	c->last_ack = c->rcv_nxt;
	c->rcv_edge = c->rcv_nxt + min_u32(s->cfg.recv_buffer, UINT16_MAX);
	syn_options(s, c, in);
	c->snd_wnd = c->max_wnd = in->h.window; /* of a SYN: not scaled */
	c->snd_wl1 = in->h.seq;
	c->heard_ms = s->tcp->now_ms;
	if (!ack) { /* MUST-10: both have called at once */
		c->state = TCP_S_SYN_RECEIVED;
		conn_segment(s, i, c->snd_una, 0, TCP_SYN | TCP_ACK);
		timer_set(s, i, TCP_T_RTX, c->rto_ms);
		return;
	}
	if (c->retries == 0) { /* Karn (MUST-18) */
		conn_rtt_sample(s, c, (uint32_t)(s->tcp->now / 1000) - c->syn_us);
		rack_min_rtt(s, c, (uint32_t)(s->tcp->now / 1000) - c->syn_us);
	}
	c->snd_una = in->h.ack;
	c->snd_wl2 = in->h.ack;
	connected(s, i);
	conn_rtx_arm(s, i, true);
	c->flags |= TCP_F_ACK_NOW;
	conn_want_out(s, i);
	if (in->len > 0 || (in->h.flags & TCP_FIN)) {
		struct tcp_in rest = *in;

		rest.h.seq++;
		conn_text(s, i, &rest);
	}
}

/* --- 3.10.7.4 other states --- */

/* An acknowledgement for a segment that is not acceptable, unless it could be a storm of them. */
static void ack_unacceptable(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	if (in->h.flags & TCP_RST)
		return;
	if (seg_len(in) == 0 || (in->h.flags & TCP_SYN)) {
		conn_challenge(s, i);
		return;
	}
	rcv_old(s, conn_at(s->tcp, i), in->h.seq, in->h.seq + seg_len(in));
	conn_send_ack(s, i);
}

/*
 * An acknowledgement alone that was overtaken cannot harm, and an answer would be taken for a sign
 * of loss: two exceptions to RFC 7323 5.3 R1, both Linux's. One repeats what is known and is
 * younger than a retransmission would be, ...
 */
static bool is_late_ack(const struct tcp_conn *c, const struct tcp_in *in)
{
	uint32_t window = (uint32_t)in->h.window
			  << (c->snd_shift == TCP_WSCALE_NONE ? 0 : c->snd_shift);
	bool news = seq_lt(c->snd_wl1, in->h.seq) ||
		    (in->h.seq == c->snd_wl1 && (window > c->snd_wnd || window == 0));

	return (in->h.flags & TCP_ACK) && seg_len(in) == 0 && in->h.seq == c->rcv_nxt &&
	       in->h.ack == c->snd_una && !news &&
	       c->ts_recent - in->h.ts_val <= c->rto_ms + c->rto_ms / 5;
}

/* ... the other is from before what has come since. */
static bool is_old_ack(const struct tcp_conn *c, const struct tcp_in *in)
{
	return (in->h.flags & TCP_ACK) && seg_len(in) == 0 && seq_lt(in->h.seq, c->rcv_nxt);
}

/* RFC 7323 3.2 and 5.3: returns false when the segment is dropped for its timestamp. */
static bool timestamp_ok(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (!(c->flags & TCP_F_TS) || (in->h.flags & TCP_RST))
		return true;
	if (!in->h.timestamps) {
		s->stats.tcp_no_timestamp++;
		return false;
	}
	/* Older by one is what two processors of the peer's may make of one tick. */
	if (!seq_lt(in->h.ts_val + 1, c->ts_recent) ||
	    s->tcp->now_ms - c->ts_recent_ms > TCP_PAWS_IDLE_MS)
		return true;
	s->stats.tcp_paws++;
	if (!is_late_ack(c, in) && !is_old_ack(c, in))
		ack_unacceptable(s, i, in);
	return false;
}

static bool is_reset_before_fin(const struct tcp_conn *c, const struct tcp_in *in)
{
	return (c->flags & TCP_F_FIN_RCVD) && in->h.seq + 1 == c->rcv_nxt;
}

/*
 * First: the sequence number. What comes again and ends at RCV.NXT, and a segment at a shut window,
 * are looked at for their acknowledgements.
 */
static bool sequence_ok(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	const struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t len = seg_len(in), seq = in->h.seq;

	if (len == 0 || c->rcv_edge == c->rcv_nxt) {
		if (seq_le(c->rcv_nxt, seq) && seq_le(seq, c->rcv_edge))
			return true;
	} else if (seq_lt(seq, c->rcv_edge) && seq_le(c->rcv_nxt, seq + len)) {
		return true;
	}
	if ((in->h.flags & TCP_RST) && is_reset_before_fin(c, in))
		return true;
	s->stats.tcp_out_of_window++;
	ack_unacceptable(s, i, in);
	return false;
}

/*
 * Second: RST. Only the exact number ends a connection (RFC 5961 3.2). Exact is also what a peer
 * believes who knows more than it has been told: one behind what was received out of order, and
 * one that has closed and resets from before its FIN, as macOS did.
 */
static void reset(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (in->h.seq != c->rcv_nxt && !is_reset_before_fin(c, in) &&
	    !((c->flags & TCP_F_SACK) && in->h.seq == rcv_highest(s, c))) {
		conn_challenge(s, i);
		return;
	}
	s->stats.tcp_rst_in++;
	if (c->state == TCP_S_SYN_RECEIVED)
		conn_done(s, i, ECONNREFUSED);
	else if (c->state == TCP_S_CLOSE_WAIT)
		conn_done(s, i, EPIPE); /* as Linux */
	else
		conn_done(s, i, ECONNRESET);
}

/* Fifth: which acknowledgements are believed (RFC 5961 5). */
static bool ack_ok(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (c->state == TCP_S_SYN_RECEIVED) {
		if (in->h.ack == c->snd_una + 1)
			return true;
		s->stats.tcp_bad_ack++;
		tcp_send_rst(s, in);
		return false;
	}
	if (seq_le(in->h.ack, c->snd_max)) {
		if (!seq_lt(in->h.ack, c->snd_una)) {
			c->acked += min_u32(in->h.ack - c->snd_una, UINT32_MAX - c->acked);
			return true;
		}
		/* Below SND.UNA by a window, and by no more than was ever sent: nobody has
		 * acknowledged what was not. */
		if (c->snd_una - in->h.ack <= min_u32(c->max_wnd, c->acked))
			return true;
	}
	s->stats.tcp_bad_ack++;
	conn_challenge(s, i);
	return false;
}

/* Our FIN is acknowledged: what that means here. Returns false when the connection has left. */
static bool fin_acked(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (!(c->flags & TCP_F_FIN_QUEUED) || c->snd_una != snd_total(c))
		return true;
	switch (c->state) {
	case TCP_S_FIN_WAIT_1:
		c->state = TCP_S_FIN_WAIT_2;
		return true;
	case TCP_S_CLOSING:
		c->state = TCP_S_TIME_WAIT;
		wait_enter(s, i);
		return false;
	case TCP_S_LAST_ACK:
		conn_done(s, i, 0);
		return false;
	default:
		return true;
	}
}

/* Eighth: FIN, all data before it being here. */
static void fin(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	c->rcv_nxt++;
	rcv_fin(s, c);
	if (seq_lt(c->rcv_edge, c->rcv_nxt))
		c->rcv_edge = c->rcv_nxt;
	c->flags |= TCP_F_FIN_RCVD | TCP_F_ACK_NOW;
	c->flags &= ~(uint32_t)TCP_F_FIN_AHEAD;
	conn_event(s, i, TCP_E_READABLE);
	switch (c->state) {
	case TCP_S_ESTABLISHED:
		c->state = TCP_S_CLOSE_WAIT;
		break;
	case TCP_S_FIN_WAIT_1:
		c->state = TCP_S_CLOSING;
		break;
	case TCP_S_FIN_WAIT_2:
		conn_send_ack(s, i);
		c->state = TCP_S_TIME_WAIT;
		wait_enter(s, i);
		return;
	default:
		break;
	}
	conn_want_out(s, i);
}

/* RFC 9293 3.8.6.3, RFC 5681 4.2: what is in order may wait for company, nothing else. */
static void acknowledge(struct stack *s, uint32_t i, bool moved, bool had_gap)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (!moved) {
		conn_send_ack(s, i); /* one for each: the peer counts them */
		return;
	}
	if (c->unacked < UINT8_MAX)
		c->unacked++;
	if (c->unacked >= 2 || had_gap || s->tcp->dsack_of == c) { /* SHLD-19 */
		c->flags |= TCP_F_ACK_NOW;
		conn_want_out(s, i);
	} else if (!(c->timers & TCP_T_ACK)) {
		timer_set(s, i, TCP_T_ACK, s->cfg.delack_ms); /* SHLD-18 */
	}
}

/* FIN is at @seq, what comes before it may be missing. Of two the first counts, unless the other's
 * segment is the next one. */
static void fin_ahead(struct stack *s, struct tcp_conn *c, uint32_t seq, bool next)
{
	if (seq_lt(seq, c->rcv_nxt))
		return;
	if ((c->flags & TCP_F_FIN_AHEAD) && seq == c->fin_seq)
		rcv_duplicate(s, c, seq, seq + 1);
	if (!(c->flags & TCP_F_FIN_AHEAD) || next || seq_lt(seq, c->fin_seq))
		c->fin_seq = seq;
	c->flags |= TCP_F_FIN_AHEAD;
	c->ooo_recent = seq;
}

/* Seventh: the text, cut to what is new and inside the window; then FIN. */
void conn_text(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t seq = in->h.seq, len = in->len, gen = c->gen;
	const uint8_t *data = in->data;
	bool has_fin = in->h.flags & TCP_FIN, had_gap = c->ooo_q != 0, moved = true;

	if (len == 0 && !has_fin)
		return;
	if (seq_le(seq + len + has_fin, c->rcv_nxt)) { /* what answered it was lost */
		rcv_old(s, c, seq, seq + len + has_fin);
		conn_send_ack(s, i);
		return;
	}
	if (c->flags & TCP_F_FIN_RCVD)
		return;
	if (seq_lt(seq, c->rcv_nxt)) {
		uint32_t old = min_u32(c->rcv_nxt - seq, len);

		rcv_old(s, c, seq, seq + len);
		data += old;
		seq += old;
		len -= old;
	}
	if (seq_lt(c->rcv_edge, seq + len)) {
		len = seq_lt(seq, c->rcv_edge) ? c->rcv_edge - seq : 0;
		has_fin = false;
		moved = len > 0;
	}
	/* RFC 2525 2.17: nobody will read it, or what a FIN behind a gap waits for. */
	if (seq_lt(c->rcv_nxt, seq + len) && (c->flags & TCP_F_ORPHAN)) {
		tcp_send_rst(s, in);
		conn_done(s, i, ECONNRESET);
		return;
	}
	if (has_fin)
		fin_ahead(s, c, seq + len, seq == c->rcv_nxt);
	if (len > 0)
		moved = rcv_data(s, i, seq, data, len);
	if (seq_lt(c->fin_seq, c->rcv_nxt)) /* data where it was: it was none */
		c->flags &= ~(uint32_t)TCP_F_FIN_AHEAD;
	if (in->len > 0 || !moved)
		acknowledge(s, i, moved, had_gap);
	else if (c->rcv_nxt != c->fin_seq)
		conn_send_ack(s, i); /* FIN behind a gap */
	if (c->gen == gen && (c->flags & TCP_F_FIN_AHEAD) && c->rcv_nxt == c->fin_seq)
		fin(s, i);
}

/* RFC 7323 4.3: the timestamp to echo is that of the segment that Last.ACK.sent is in. */
static void timestamp_keep(struct stack *s, struct tcp_conn *c, const struct tcp_in *in)
{
	if (!(c->flags & TCP_F_TS) || !in->h.timestamps || seq_lt(c->last_ack, in->h.seq))
		return;
	if (seq_lt(in->h.ts_val, c->ts_recent) &&
	    s->tcp->now_ms - c->ts_recent_ms <= TCP_PAWS_IDLE_MS)
		return; /* older, but let through */
	c->ts_recent = in->h.ts_val;
	c->ts_recent_ms = s->tcp->now_ms;
}

/* In SYN-RECEIVED after a simultaneous open the peer's SYN,ACK repeats its SYN: only the
 * acknowledgement is new. */
static bool is_crossed_syn_ack(const struct tcp_conn *c, const struct tcp_in *in)
{
	return c->state == TCP_S_SYN_RECEIVED &&
	       (in->h.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == (TCP_SYN | TCP_ACK) &&
	       in->h.seq + 1 == c->rcv_nxt;
}

/* Fifth step in SYN-RECEIVED: the handshake is over. */
static void syn_received_acked(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	c->snd_wl1 = in->h.seq - 1; /* so that this segment's window counts */
	connected(s, i);
}

static void conn_synchronised(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	/* As Linux: without ACK a segment says nothing, whatever its number (RFC 9293 has the
	 * number before). */
	if (!(in->h.flags & (TCP_ACK | TCP_RST | TCP_SYN)))
		return;
	if (!timestamp_ok(s, i, in) || !sequence_ok(s, i, in))
		return;
	if (in->h.flags & TCP_RST) {
		reset(s, i, in);
		return;
	}
	/* Fourth: SYN in a synchronised state (RFC 5961 4.2). */
	if (in->h.flags & TCP_SYN) {
		conn_challenge(s, i);
		return;
	}
	if (!(in->h.flags & TCP_ACK) || !ack_ok(s, i, in))
		return;
	timestamp_keep(s, c, in);
	c->heard_ms = s->tcp->now_ms;
	if (c->state == TCP_S_SYN_RECEIVED)
		syn_received_acked(s, i, in);
	conn_ack(s, i, in);
	if (!fin_acked(s, i))
		return;
	/* Sixth: URG changes nothing, the octets are read in band (RFC 6093). */
	conn_text(s, i, in);
	/* What is gone by now is TCP_S_CLOSED. */
	if (c->state == TCP_S_FIN_WAIT_2 && (c->flags & TCP_F_ORPHAN))
		wait_enter(s, i);
}

void conn_input(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	const struct tcp_conn *c = conn_at(s->tcp, i);
	struct tcp_in crossed;

	if (c->state == TCP_S_SYN_SENT) {
		syn_sent(s, i, in);
		return;
	}
	if (is_crossed_syn_ack(c, in)) {
		crossed = *in;
		crossed.h.flags &= (uint8_t)~TCP_SYN;
		crossed.h.seq++;
		in = &crossed;
	}
	conn_synchronised(s, i, in);
}

/* RFC 1122 4.2.3.9, RFC 5927 4, 6: errors that cannot be about what is in flight are forged. */
void tcp_icmp_error(struct stack *s, uint64_t now, const struct icmp_error *e)
{
	uint32_t hash = tcp_hash(s->tcp, &e->dst, e->own, e->dport, e->sport).table;
	uint32_t i = tcp_lookup(s->tcp, hash, &e->dst, e->own, e->dport, e->sport);
	struct tcp_conn *c;

	tcp_now(s, now);
	if (i == 0 || (i & TCP_TAG))
		return;
	c = conn_at(s->tcp, i);
	if (!seq_le(c->snd_una, e->seq) || !seq_lt(e->seq, c->snd_max)) {
		s->stats.icmp_bad++;
		return;
	}
	if (e->verdict == ICMP_TOO_BIG) {
		uint16_t hdr = (uint16_t)(s->cfg.mtu - tcp_mss(s, e->v6));
		uint16_t mtu = (uint16_t)max_u32(e->mtu, e->v6 ? 1280 : STACK_MTU_MIN);
		uint16_t mss = (uint16_t)(mtu - hdr - (c->flags & TCP_F_TS ? TCP_TS_OPTION : 0));

		if (mss >= c->mss || c->state < TCP_S_ESTABLISHED)
			return;
		c->mss = mss;
		/* RFC 1191 6.5: again, smaller; not a sign of congestion */
		sent_all_lost(s, c, 0, false);
		conn_want_out(s, i);
		return;
	}
	c->soft_error = (uint8_t)-e->error; /* MUST-56; in SYN-SENT a hard one aborts (SHLD-26) */
	if (e->verdict == ICMP_HARD && c->state <= TCP_S_SYN_RECEIVED)
		conn_done(s, i, -e->error);
}
