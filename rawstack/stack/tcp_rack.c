/* SPDX-License-Identifier: MIT */
/* tcp_rack.c - what is lost, by the time it was sent: RACK and the tail loss probe (RFC 8985) */
#include "tcp_internal.h"

/*
 * A segment is lost when one that was sent later has arrived, and the time since is more than a
 * round trip and what reordering may take. That holds for segments sent again just as well, which
 * is why a lost retransmission needs no timeout. How much reordering may take begins at nothing
 * once three segments are SACKed (as with counted duplicates), at a quarter of the shortest round
 * trip once reordering was seen, and grows by as much in every round in which the peer tells that
 * something came twice; after sixteen recoveries without, it is back where it was.
 *
 * When the last segments are lost nothing later arrives. So after two round trips of silence one
 * segment leaves, and what comes back for it says the rest.
 *
 * Times are microseconds modulo 2^32, compared by difference; the timer is of milliseconds.
 */
enum {
	REO_PERSIST = 16, /* RFC 8985 6.2, step 4 */
	REO_MULT_MAX = 255,
	MIN_RTT_MS = 300 * 1000, /* a shortest round trip older than that is none */
	PROBE_SLACK_MS = 2,	 /* of timers, here and there */
	PROBE_DELACK_MS = 200,	 /* a peer with a single segment may wait so long */
	PROBE_NO_RTT_MS = 1000,
	PROBES_MAX = 3,	      /* before the retransmission timer has its turn */
	ECHO_SLACK_US = 2000, /* timestamps are of milliseconds */
};

static uint32_t now_us(const struct stack *s)
{
	return (uint32_t)(s->tcp->now / 1000);
}

static bool sent_after(uint32_t us, uint32_t end, uint32_t us2, uint32_t end2)
{
	return seq_lt(us2, us) || (us == us2 && seq_lt(end2, end));
}

void rack_min_rtt(const struct stack *s, struct tcp_conn *c, uint32_t rtt_us)
{
	if (c->min_rtt_us == 0 || rtt_us <= c->min_rtt_us ||
	    s->tcp->now_ms - c->min_rtt_ms > MIN_RTT_MS) {
		c->min_rtt_us = max_u32(rtt_us, 1);
		c->min_rtt_ms = s->tcp->now_ms;
	}
}

/* Of a segment sent twice: is it the first that has arrived? (step 2) */
static bool is_of_first(const struct stack *s, const struct tcp_conn *c, const struct tcp_in *in,
			uint32_t rtt_us)
{
	uint32_t echo_ms = s->tcp->now_ms + c->ts_off - in->h.ts_ecr;

	if ((c->flags & TCP_F_TS) && in->h.timestamps &&
	    (uint64_t)echo_ms * 1000 > (uint64_t)rtt_us + ECHO_SLACK_US)
		return true;
	return rtt_us < c->min_rtt_us;
}

/* Step 1. */
void rack_timed(const struct stack *s, struct tcp_conn *c, uint32_t rtt_us, struct tcp_news *news)
{
	rack_min_rtt(s, c, rtt_us);
	if (!news->timed) {
		news->timed = true;
		news->rtt_us = rtt_us;
	}
}

/* Steps 1 to 3. */
void rack_delivered(struct stack *s, struct tcp_conn *c, const struct tcp_sent *r,
		    const struct tcp_in *in, struct tcp_news *news)
{
	struct tcp_flight *f = flight_of(s, c);
	uint32_t rtt = now_us(s) - r->sent_us;
	bool again = r->flags & TCP_SENT_AGAIN;

	if (!again) {
		rack_timed(s, c, rtt, news);
		if (seq_lt(r->end, news->fack))
			c->flags |= TCP_F_REORDERED;
	}
	if (seq_lt(f->fack, r->end))
		f->fack = r->end;
	if (again && is_of_first(s, c, in, rtt))
		return;
	f->rack_rtt_us = rtt;
	if (!f->rack_any || sent_after(r->sent_us, r->end, f->rack_us, f->rack_end)) {
		f->rack_any = true;
		f->rack_us = r->sent_us;
		f->rack_end = r->end;
	}
}

/* Step 4: how long a segment may be overtaken. */
static uint32_t reo_wnd(const struct tcp_conn *c, const struct tcp_flight *f)
{
	uint32_t wnd = (uint32_t)(c->reo_mult + 1) * (c->min_rtt_us / 4);

	if (!(c->flags & TCP_F_REORDERED) &&
	    ((c->flags & (TCP_F_RECOVERY | TCP_F_RTO_RECOVERY)) || f->n_sacked >= TCP_DUPACKS))
		return 0;
	return c->srtt_us == 0 ? wnd : min_u32(wnd, c->srtt_us);
}

void rack_twice(struct tcp_conn *c, struct tcp_flight *f)
{
	if (f->in_round && seq_lt(c->snd_una, f->round))
		return;
	f->in_round = true;
	f->round = c->snd_nxt;
	if (c->reo_mult < REO_MULT_MAX)
		c->reo_mult++;
	c->reo_persist = REO_PERSIST;
}

void rack_recovered(struct tcp_conn *c)
{
	if (c->reo_persist > 0 && --c->reo_persist == 0)
		c->reo_mult = 0;
}

bool rack_detect(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	struct tcp_flight *f = flight_of(s, c);
	uint32_t wait = 0, wnd, now = now_us(s), next;
	bool lost = false;

	if (f == NULL || !f->rack_any)
		return false;
	wnd = f->rack_rtt_us + reo_wnd(c, f);
	for (uint32_t k = f->line.first; k != 0; k = next) {
		const struct tcp_sent *r = sent_at(s, k);
		uint32_t age = now - r->sent_us;

		next = r->line.next;
		if (seq_lt(f->rack_us, r->sent_us))
			break;
		if (!sent_after(f->rack_us, f->rack_end, r->sent_us, r->end))
			continue;
		if (age >= wnd) {
			sent_lost(s, f, k);
			lost = true;
		} else {
			wait = max_u32(wait, wnd - age);
		}
	}
	if (wait > 0) {
		c->flags |= TCP_F_REO_TIMER;
		timer_set(s, i, TCP_T_PROBE, wait / 1000 + 1);
	} else if (c->flags & TCP_F_REO_TIMER) {
		c->flags &= ~(uint32_t)TCP_F_REO_TIMER;
		timer_clear(c, TCP_T_PROBE);
	}
	return lost;
}

uint32_t rack_young_us(const struct stack *s, const struct tcp_conn *c)
{
	const struct tcp_flight *f = flight_of(s, c);

	if (f == NULL)
		return 0;
	return (f->rack_any ? f->rack_rtt_us : c->srtt_us) + reo_wnd(c, f);
}

/* --- the probe --- */

void probe_arm(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	const struct tcp_flight *f = flight_of(s, c);
	uint32_t ms = PROBE_NO_RTT_MS;

	if (c->flags & TCP_F_REO_TIMER)
		return;
	timer_clear(c, TCP_T_PROBE);
	if (!(c->flags & TCP_F_SACK) || (f == NULL && !(c->flags & TCP_F_ALONE)) ||
	    c->snd_wnd == 0 || (c->flags & (TCP_F_RTO_RECOVERY | TCP_F_PROBING)) ||
	    (f != NULL && f->probes >= PROBES_MAX))
		return;
	if (c->srtt_us != 0) {
		ms = 2 * c->srtt_us / 1000 + PROBE_SLACK_MS;
		if ((f == NULL || f->n - f->n_sacked == 1) && !(c->flags & TCP_F_RECOVERY))
			ms += PROBE_DELACK_MS;
	}
	ms <<= f != NULL ? f->probes : 0;
	if (seq_lt(s->tcp->now_ms + ms, c->rtx_ms))
		timer_set(s, i, TCP_T_PROBE, ms);
}

/* RFC 8985 7.3: a new segment if there is one, else the last again; in recovery what is awaited. */
static void probe_send(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	struct tcp_flight *f = sent_flight(s, c);
	uint32_t before = c->snd_nxt;

	if (f == NULL)
		return;
	s->stats.tcp_loss_probes++;
	if (c->flags & TCP_F_RECOVERY) {
		conn_resend(s, i, f->order.first);
	} else {
		c->flags |= TCP_F_PROBED;
		c->flags &= ~(uint32_t)TCP_F_PROBED_AGAIN;
		if (f->probes == 0)
			conn_output_one(s, i);
		if (c->snd_nxt == before) {
			c->flags |= TCP_F_PROBED_AGAIN;
			conn_resend(s, i, f->order.last);
		}
		c->probe_end = c->snd_nxt;
	}
	if (f->probes++ == 0)
		timer_set(s, i, TCP_T_RTX, c->rto_ms);
	probe_arm(s, i);
}

void probe_fire(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (!(c->flags & TCP_F_REO_TIMER)) {
		probe_send(s, i);
		return;
	}
	c->flags &= ~(uint32_t)TCP_F_REO_TIMER;
	conn_losses(s, i, &(struct tcp_news){0});
	conn_output(s, i);
}

/* RFC 8985 7.4.2: did the probe repair a loss that nobody has seen? */
bool probe_acked(struct tcp_conn *c, const struct tcp_in *in, const struct tcp_news *news)
{
	bool repaired;

	if (seq_lt(in->h.ack, c->probe_end))
		return false;
	repaired = (c->flags & TCP_F_PROBED_AGAIN) && news->twice == 0 &&
		   seq_lt(c->probe_end, in->h.ack);
	if (!(c->flags & TCP_F_PROBED_AGAIN) || news->twice > 0 || repaired ||
	    (in->h.ack == c->snd_una && in->len == 0))
		c->flags &= ~(uint32_t)TCP_F_PROBED;
	return repaired;
}
