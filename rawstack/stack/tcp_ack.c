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

uint32_t conn_pipe(const struct stack *s, const struct tcp_conn *c)
{
	const struct tcp_flight *f = flight_of(s, c);
	uint32_t out = c->snd_nxt - c->snd_una, gone = f ? f->sacked + f->lost_octets : 0;

	if (!(c->flags & TCP_F_SACK)) /* each duplicate: one segment has left (RFC 6582 3.2) */
		gone += (uint32_t)c->dupacks * c->mss;
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
static void measure(struct stack *s, struct tcp_conn *c, const struct tcp_in *in,
		    const struct tcp_news *news)
{
	if (news->timed) {
		conn_rtt_sample(s, c, news->rtt_us);
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

/* RFC 6298 5.5, RFC 5681 3.1, RFC 8985 6.3: all but what was sent a moment ago is lost. */
void conn_rto_loss(struct stack *s, struct tcp_conn *c)
{
	struct tcp_flight *f = flight_of(s, c);

	if (c->retries == 1)
		c->ssthresh = half_flight(c);
	c->cwnd = c->mss;
	c->recover = c->snd_max;
	c->flags |= TCP_F_RTO_RECOVERY;
	c->flags &= ~(uint32_t)(TCP_F_RECOVERY | TCP_F_PROBED | TCP_F_REO_TIMER);
	timer_clear(c, TCP_T_PROBE);
	c->dupacks = 0;
	if (f != NULL)
		f->undo_cwnd = 0;
	/* A second timeout: the peer may have dropped what it SACKed (RFC 2018 8). */
	sent_all_lost(s, c, rack_young_us(s, c), c->retries > 1);
}

/* RFC 5681 3.2, RFC 6582 3.2, RFC 6675 5. */
static void recovery_enter(struct tcp_conn *c, struct tcp_flight *f)
{
	f->undo_cwnd = c->cwnd;
	f->undo_ssthresh = c->ssthresh;
	f->undo_n = 0;
	f->prr_delivered = f->prr_out = 0;
	f->prr_flight = max_u32(flight(c), 1);
	c->recover = c->snd_max;
	c->ssthresh = half_flight(c);
	c->flags |= TCP_F_RECOVERY;
	c->flags &= ~(uint32_t)TCP_F_PROBED;
}

/* RFC 6937 3: the window shrinks with what arrives, and never stalls. */
static void reduce(struct stack *s, struct tcp_conn *c, const struct tcp_news *news, bool lost)
{
	struct tcp_flight *f = flight_of(s, c);
	uint32_t pipe = conn_pipe(s, c), n;

	f->prr_delivered += news->delivered;
	if (pipe > c->ssthresh) {
		uint64_t share = ((uint64_t)f->prr_delivered * c->ssthresh + f->prr_flight - 1) /
				 f->prr_flight;

		n = share > f->prr_out ? (uint32_t)share - f->prr_out : 0;
	} else {
		n = f->prr_delivered > f->prr_out ? f->prr_delivered - f->prr_out : 0;
		n = max_u32(n, news->delivered);
		if (!lost)
			n += c->mss;
		n = min_u32(n, c->ssthresh - pipe);
	}
	if (f->prr_out == 0)
		n = max_u32(n, c->mss); /* the first goes at once */
	c->cwnd = pipe + n;
}

void conn_losses(struct stack *s, uint32_t i, const struct tcp_news *news)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	bool counted = !(c->flags & TCP_F_SACK) && c->dupacks >= TCP_DUPACKS;
	struct tcp_flight *f = counted ? sent_flight(s, c) : flight_of(s, c);
	bool lost;

	if (f == NULL) /* of a segment alone, only duplicates that are counted tell */
		return;
	if (c->flags & TCP_F_SACK) {
		lost = rack_detect(s, i);
	} else { /* NewReno: the first, by three duplicates or a partial acknowledgement */
		const struct tcp_sent *first = sent_at(s, f->order.first);

		lost = (counted || (c->flags & TCP_F_RECOVERY)) &&
		       !(first->flags & (TCP_SENT_LOST | TCP_SENT_AGAIN)) &&
		       !(c->flags & TCP_F_RTO_RECOVERY);
		if (lost)
			sent_lost(s, f, f->order.first);
	}
	if (lost && !(c->flags & (TCP_F_RECOVERY | TCP_F_RTO_RECOVERY)))
		recovery_enter(c, f);
	if (c->flags & TCP_F_RECOVERY)
		reduce(s, c, news, lost);
	if (lost || f->lost_octets > 0 || (c->flags & TCP_F_RECOVERY))
		conn_want_out(s, i);
}

/*
 * All that was sent again since the window was reduced came twice (RFC 2883, RFC 3708): nothing was
 * lost, only late.
 */
static void arrived_twice(struct stack *s, struct tcp_conn *c, const struct tcp_news *news)
{
	struct tcp_flight *f = flight_of(s, c);
	uint32_t n = (news->twice + c->mss - 1) / c->mss;

	if (f == NULL || f->undo_n == 0 ||
	    (c->flags & (TCP_F_PROBED | TCP_F_RECOVERY)) == TCP_F_PROBED) /* of the probe */
		return;
	f->undo_n -= min_u32(f->undo_n, n);
	c->flags |= TCP_F_REORDERED;
	rack_twice(c, f);
	if (f->undo_n > 0 || f->undo_cwnd == 0 || f->lost_octets > 0)
		return;
	s->stats.tcp_undone++;
	c->cwnd = max_u32(c->cwnd, f->undo_cwnd);
	c->ssthresh = max_u32(c->ssthresh, f->undo_ssthresh);
	f->undo_cwnd = 0;
	c->flags &= ~(uint32_t)TCP_F_RECOVERY;
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

/* Recovery ends or goes on, or there is none and the window grows. */
static void congestion(struct tcp_conn *c, uint32_t acked, uint32_t was_out)
{
	bool over = seq_le(c->recover, c->snd_una);

	if (c->flags & TCP_F_RECOVERY) {
		if (over) {
			c->flags &= ~(uint32_t)TCP_F_RECOVERY;
			c->cwnd = c->ssthresh;
			c->dupacks = 0;
			rack_recovered(c);
		} else if (!(c->flags & TCP_F_SACK)) {
			uint32_t segments = acked / max_u32(c->mss, 1);

			c->dupacks -= (uint8_t)min_u32(c->dupacks, segments > 1 ? segments - 1 : 0);
		}
		return;
	}
	if (over)
		c->flags &= ~(uint32_t)TCP_F_RTO_RECOVERY;
	c->dupacks = 0;
	grow(c, acked, was_out);
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

static void ack_new(struct stack *s, uint32_t i, const struct tcp_in *in, struct tcp_news *news)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t acked = in->h.ack - c->snd_una, was_out = flight(c), seen;

	c->snd_una = in->h.ack;
	sent_acked(s, c, in, acked, news);
	if (seq_lt(c->snd_nxt, c->snd_una))
		c->snd_nxt = c->snd_una;
	measure(s, c, in, news);
	if (c->retries > 0 || (c->flags & TCP_F_PROBING))
		rto_recover(s, c);
	c->retries = 0;
	queue_trim(s, c);
	if (!(c->flags & TCP_F_SACK)) { /* what duplicates have said already (RFC 6937 3) */
		seen = (uint32_t)c->dupacks * c->mss;
		news->delivered = acked > seen ? acked - seen : min_u32(acked, c->mss);
	}
	congestion(c, acked, was_out);
	conn_rtx_arm(s, i, true);
	tell_writable(s, i);
	if (s->tcp->now_ms - c->confirm_ms >= CONFIRM_MS) {
		c->confirm_ms = s->tcp->now_ms;
		neighbours_confirm(s, s->tcp->now, &c->peer);
	}
	if (snd_total(c) != c->snd_nxt)
		conn_want_out(s, i);
}

/* RFC 5681 2. Limited transmit (RFC 3042) comes by itself: what has left is room in the pipe. */
static void duplicate(struct stack *s, uint32_t i, struct tcp_news *news)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (!(c->flags & TCP_F_SACK)) {
		if (c->dupacks < UINT8_MAX)
			c->dupacks++;
		news->delivered = c->mss;
	}
	conn_want_out(s, i);
}

/* What is to be done about what is out after @news. */
static void still_out(struct stack *s, uint32_t i, const struct tcp_news *news)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	conn_losses(s, i, news);
	if (news->delivered == 0)
		return;
	if (c->flight != 0)
		flight_of(s, c)->probes = 0;
	probe_arm(s, i);
}

void conn_ack(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	struct tcp_news news = {0};
	bool changed = false, repaired;

	c->probes = 0;
	c->soft_error = 0;
	if (seq_lt(in->h.ack, c->snd_una))
		return;
	changed = window_update(s, c, in);
	news.fack = c->flight != 0 ? flight_of(s, c)->fack : c->snd_una;
	if (in->h.sacks > 0 && (c->flags & TCP_F_SACK))
		sent_sacked(s, c, in, &news);
	if (news.twice > 0)
		arrived_twice(s, c, &news);
	repaired = (c->flags & TCP_F_PROBED) && probe_acked(c, in, &news);
	if (in->h.ack != c->snd_una) {
		ack_new(s, i, in, &news);
	} else if (flight(c) > 0 && c->snd_wnd > 0 && in->len == 0 && !(in->h.flags & TCP_FIN) &&
		   (!changed || news.delivered > 0)) {
		duplicate(s, i, &news);
		if (news.timed) /* by SACK */
			conn_rtt_sample(s, c, news.rtt_us);
	}
	if (repaired && !(c->flags & (TCP_F_RECOVERY | TCP_F_RTO_RECOVERY)))
		c->cwnd = c->ssthresh = half_flight(c);
	if (c->flight != 0 || (c->flags & TCP_F_ALONE))
		still_out(s, i, &news);
	if (changed && snd_total(c) != c->snd_nxt) {
		conn_rtx_arm(s, i, true);
		conn_want_out(s, i);
	}
}
