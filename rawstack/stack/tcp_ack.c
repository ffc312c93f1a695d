/* SPDX-License-Identifier: MIT */
/* tcp_ack.c - what an acknowledgement does: window, round-trip time, congestion, recovery */
#include "tcp_internal.h"

enum {
	CONFIRM_MS = 5000, /* a neighbour is believed reachable for far longer (RFC 4861 6.3.2) */
	RTT_MAX_US = 600 * 1000 * 1000, /* an echoed timestamp older than that is nonsense */
};

static uint32_t flight(const struct tcp_conn *c)
{
	return c->snd_max - c->snd_una;
}

/* Octets of holes that count as lost and are not sent again yet (RFC 6675 4). */
static uint32_t lost_octets(const struct stack *s, const struct tcp_conn *c)
{
	const struct tcp_board *b = board_of(s, c);
	uint32_t from = seq_lt(c->rtx_next, c->snd_una) ? c->snd_una : c->rtx_next;
	uint32_t above, lost = 0;

	if (b == NULL || b->n == 0)
		return from == c->snd_una ? min_u32(c->mss, flight(c)) : 0;
	above = b->bytes;
	for (uint32_t k = 0; k < b->n; k++) {
		const struct tcp_sack *r = &b->range[k];

		if (seq_lt(from, r->left) && above >= (TCP_DUPACKS - 1) * (uint32_t)c->mss)
			lost += r->left - from;
		if (seq_lt(from, r->right))
			from = r->right;
		above -= r->right - r->left;
	}
	return lost;
}

uint32_t conn_pipe(const struct stack *s, const struct tcp_conn *c)
{
	uint32_t out = c->snd_nxt - c->snd_una, gone;

	if (c->flags & TCP_F_SACK)
		gone = board_below(s, c, c->snd_nxt);
	else /* each duplicate says that one segment has left the network (RFC 6582 3.2) */
		gone = (uint32_t)c->dupacks * c->mss;
	if (c->flags & TCP_F_RECOVERY)
		gone += lost_octets(s, c);
	return gone < out ? out - gone : 0;
}

/* RFC 6298 2.2 to 2.5. The lower bound is on the variance, as Linux has it. */
void conn_rtt_sample(struct stack *s, struct tcp_conn *c, uint32_t rtt_us)
{
	uint32_t margin;

	if (rtt_us == 0)
		rtt_us = 1;
	if (c->srtt_us == 0) {
		c->srtt_us = rtt_us;
		c->rttvar_us = rtt_us / 2;
	} else {
		uint32_t delta = rtt_us > c->srtt_us ? rtt_us - c->srtt_us : c->srtt_us - rtt_us;

		c->rttvar_us = c->rttvar_us - c->rttvar_us / 4 + delta / 4;
		c->srtt_us = c->srtt_us - c->srtt_us / 8 + rtt_us / 8;
	}
	margin = max_u32(4 * (c->rttvar_us / 1000), s->cfg.min_rto_ms);
	c->rto_ms = min_u32(c->srtt_us / 1000 + margin, TCP_RTO_MAX_MS);
}

/* Where the timer has backed off, and what we know of the path says less. */
static void rto_recover(struct stack *s, struct tcp_conn *c)
{
	if (c->srtt_us != 0)
		c->rto_ms = min_u32(c->srtt_us / 1000 +
					    max_u32(4 * (c->rttvar_us / 1000), s->cfg.min_rto_ms),
				    TCP_RTO_MAX_MS);
	else if (c->retries > 0)
		c->rto_ms = TCP_RTO_LOST_SYN_MS;
}

/* Karn's rule (MUST-18): of octets sent again only an echoed timestamp tells (RFC 7323 4.1). */
static void measure(struct stack *s, struct tcp_conn *c, const struct tcp_in *in)
{
	if (c->flags & TCP_F_RTT_TIMED) {
		if (seq_lt(in->h.ack, c->rtt_seq))
			return;
		c->flags &= ~(uint32_t)TCP_F_RTT_TIMED;
		conn_rtt_sample(s, c, (uint32_t)(s->tcp->now / 1000) - c->rtt_us);
	} else if ((c->flags & TCP_F_TS) && in->h.timestamps && in->h.ts_ecr != 0) {
		uint32_t ms = s->tcp->now_ms + c->ts_off - in->h.ts_ecr;

		if (ms <= RTT_MAX_US / 1000)
			conn_rtt_sample(s, c, max_u32(ms, 1) * 1000);
	}
}

/* RFC 5681 3.1, with octets counted (RFC 3465) and only what was used growing. */
static void grow(struct tcp_conn *c, uint32_t acked, uint32_t was_out)
{
	if (c->cwnd < c->ssthresh) {
		if (was_out >= c->cwnd / 2)
			c->cwnd += min_u32(acked, 2 * (uint32_t)c->mss);
	} else if (was_out + c->mss >= c->cwnd) {
		uint64_t step = (uint64_t)c->mss * min_u32(acked, c->mss) / c->cwnd;

		c->cwnd += step ? (uint32_t)step : 1;
	}
	c->cwnd = min_u32(c->cwnd, TCP_CWND_MAX);
}

static uint32_t half_flight(const struct tcp_conn *c)
{
	return max_u32(flight(c) / 2, 2 * (uint32_t)c->mss);
}

/* RFC 6298 5.5 and RFC 5681 3.1: everything not SACKed counts as lost. */
void conn_rto_loss(struct stack *s, struct tcp_conn *c)
{
	const struct tcp_board *b = board_of(s, c);

	if (c->retries == 1)
		c->ssthresh = half_flight(c);
	c->cwnd = c->mss;
	c->recover = c->snd_max;
	c->flags |= TCP_F_RTO_RECOVERY;
	c->flags &= ~(uint32_t)TCP_F_RECOVERY;
	c->snd_nxt = c->snd_una;
	c->dupacks = 0;
	/* A second timeout: the peer may have dropped what it SACKed (RFC 2018 8). */
	if (b != NULL && c->retries > 1)
		board_free(s, c);
}

/* RFC 5681 3.2, RFC 6582 3.2, RFC 6675 5. */
static void recovery_enter(struct tcp_conn *c)
{
	c->recover = c->snd_max;
	c->ssthresh = half_flight(c);
	c->cwnd = c->ssthresh;
	c->rtx_next = c->snd_una;
	c->flags |= TCP_F_RECOVERY;
}

static bool enough_duplicates(const struct stack *s, const struct tcp_conn *c)
{
	const struct tcp_board *b = board_of(s, c);

	return c->dupacks >= TCP_DUPACKS ||
	       (b != NULL && b->bytes >= TCP_DUPACKS * (uint32_t)c->mss);
}

/* Limited transmit (RFC 3042) comes by itself: what duplicates say has left is room in the pipe. */
static void duplicate(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (c->dupacks < UINT8_MAX)
		c->dupacks++;
	if (!(c->flags & (TCP_F_RECOVERY | TCP_F_RTO_RECOVERY)) && enough_duplicates(s, c))
		recovery_enter(c);
	conn_want_out(s, i);
}

/* What is acknowledged leaves the queue. */
static void queue_trim(struct stack *s, struct tcp_conn *c)
{
	while (c->snd_q != 0) {
		uint32_t i = c->snd_q;
		struct seg *g = seg_at(s, i);
		uint32_t gone = c->snd_una - g->seq;

		if (!seq_lt(g->seq, c->snd_una))
			return;
		if (gone < g->len) {
			g->off = (uint16_t)(g->off + gone);
			g->len = (uint16_t)(g->len - gone);
			g->seq += gone;
			return;
		}
		c->snd_q = g->next;
		if (c->snd_q == 0)
			c->snd_q_last = 0;
		if (c->snd_cursor == i)
			c->snd_cursor = 0;
		slab_free(&s->segs, i);
	}
}

/* Recovery ends, or goes on with the next hole, or there is none and the window grows. */
static void congestion(struct stack *s, struct tcp_conn *c, uint32_t acked, uint32_t was_out)
{
	bool over = seq_le(c->recover, c->snd_una);

	if (c->flags & TCP_F_RECOVERY) {
		if (over) {
			c->flags &= ~(uint32_t)TCP_F_RECOVERY;
			c->cwnd = c->ssthresh;
			c->dupacks = 0;
			return;
		}
		/* A partial acknowledgement: without SACK what follows it is lost, too. */
		if (!(c->flags & TCP_F_SACK)) {
			uint32_t segments = acked / max_u32(c->mss, 1);

			c->rtx_next = c->snd_una;
			c->dupacks -= (uint8_t)min_u32(c->dupacks, segments > 1 ? segments - 1 : 0);
		}
		return;
	}
	if (over)
		c->flags &= ~(uint32_t)TCP_F_RTO_RECOVERY;
	c->dupacks = 0;
	grow(c, acked, was_out);
	(void)s;
}

/* RFC 9293 3.10.7.4: by the latest segment only. Returns true when the window has changed. */
static bool window_update(struct stack *s, struct tcp_conn *c, const struct tcp_in *in)
{
	uint32_t before = c->snd_wnd;

	if (seq_lt(in->h.seq, c->snd_wl1) ||
	    (in->h.seq == c->snd_wl1 && seq_lt(in->h.ack, c->snd_wl2)))
		return false;
	c->snd_wnd = (uint32_t)in->h.window << (c->snd_shift == TCP_WSCALE_NONE ? 0 : c->snd_shift);
	c->snd_wl1 = in->h.seq;
	c->snd_wl2 = in->h.ack;
	c->max_wnd = max_u32(c->max_wnd, c->snd_wnd);
	if (before == 0 && c->snd_wnd > 0)
		rto_recover(s, c); /* the persist timer had backed off */
	return c->snd_wnd != before;
}

/* Enough room again for somebody who was told there is none. */
static void tell_writable(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (!(c->flags & TCP_F_WANT_SEND) || c->snd_end - c->snd_una > s->cfg.send_buffer / 2)
		return;
	c->flags &= ~(uint32_t)TCP_F_WANT_SEND;
	conn_event(s, i, TCP_E_WRITABLE);
}

static void ack_new(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t acked = in->h.ack - c->snd_una, was_out = flight(c);

	measure(s, c, in);
	if (c->retries > 0 || (c->flags & TCP_F_PROBING))
		rto_recover(s, c);
	c->retries = 0;
	c->snd_una = in->h.ack;
	if (seq_lt(c->snd_nxt, c->snd_una))
		c->snd_nxt = c->snd_una;
	queue_trim(s, c);
	board_acked(s, c);
	congestion(s, c, acked, was_out);
	conn_rtx_arm(s, i, true);
	tell_writable(s, i);
	if (s->tcp->now_ms - c->confirm_ms >= CONFIRM_MS) {
		c->confirm_ms = s->tcp->now_ms;
		neighbours_confirm(s, s->tcp->now, &c->peer);
	}
	if (snd_total(c) != c->snd_nxt || (c->flags & TCP_F_RECOVERY))
		conn_want_out(s, i);
}

void conn_ack(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	bool changed = false, news = false;

	c->probes = 0;
	c->soft_error = 0;
	if (seq_lt(in->h.ack, c->snd_una))
		return;
	changed = window_update(s, c, in);
	if (in->h.sacks > 0 && (c->flags & TCP_F_SACK)) {
		uint32_t before = c->board ? board_of(s, c)->bytes : 0;

		board_add(s, c, &in->h);
		news = c->board != 0 && board_of(s, c)->bytes != before;
	}
	if (in->h.ack != c->snd_una) {
		ack_new(s, i, in);
	} else if (flight(c) > 0 && c->snd_wnd > 0 && in->len == 0 && !(in->h.flags & TCP_FIN) &&
		   (!changed || news)) { /* RFC 5681 2: a duplicate */
		duplicate(s, i);
	}
	if (changed && snd_total(c) != c->snd_nxt) {
		conn_rtx_arm(s, i, true);
		conn_want_out(s, i);
	}
}
