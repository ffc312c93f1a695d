/* SPDX-License-Identifier: MIT */
/* tcp_timer.c - a wheel of milliseconds, and what TCP does when one is due */
#include "tcp_internal.h"

#include <errno.h>

/*
 * A connection hangs in the wheel once, at the earliest of its deadlines, and not at all when it
 * has none: an idle connection costs nothing. A deadline that moves away (each acknowledgement
 * moves the retransmission timer) leaves it where it is; when its turn comes it is hung up again.
 * So the common case, a timer that is set and never fires, costs no list operation at all.
 *
 * Invariants: a connection with a timer armed is in the wheel at its earliest deadline or before.
 * Deadlines are less than 2^31 ms away. A timer never fires early, and at most 1 ms late.
 */

static size_t slot_of(uint32_t ms)
{
	return ms % TCP_WHEEL_SLOTS;
}

void wheel_open(struct tcp *t)
{
	t->wheel.tick = t->now_ms;
}

static void wheel_add(struct tcp *t, uint32_t i, uint32_t due_ms)
{
	struct tcp_wheel *w = &t->wheel;
	struct tcp_conn *c = conn_at(t, i);
	size_t slot;

	if (seq_lt(due_ms, w->tick))
		due_ms = w->tick;
	slot = slot_of(due_ms);
	c->wheel_ms = due_ms;
	c->flags |= TCP_F_ON_WHEEL;
	ilist_push(&w->slot[slot], &t->conns, offsetof(struct tcp_conn, wheel), i);
	w->busy[slot / 64] |= (uint64_t)1 << slot % 64;
	w->armed++;
}

static void wheel_del(struct tcp *t, uint32_t i)
{
	struct tcp_wheel *w = &t->wheel;
	struct tcp_conn *c = conn_at(t, i);
	size_t slot = slot_of(c->wheel_ms);

	ilist_remove(&w->slot[slot], &t->conns, offsetof(struct tcp_conn, wheel), i);
	if (w->slot[slot].first == 0)
		w->busy[slot / 64] &= ~((uint64_t)1 << slot % 64);
	c->flags &= ~(uint32_t)TCP_F_ON_WHEEL;
	w->armed--;
}

/* The earliest deadline armed; some timer is. */
static uint32_t earliest(const struct tcp_conn *c)
{
	uint32_t due = 0;
	bool any = false;

	if (c->timers & TCP_T_RTX) {
		due = c->rtx_ms;
		any = true;
	}
	if ((c->timers & TCP_T_ACK) && (!any || seq_lt(c->ack_ms, due))) {
		due = c->ack_ms;
		any = true;
	}
	if ((c->timers & TCP_T_PROBE) && (!any || seq_lt(c->probe_ms, due))) {
		due = c->probe_ms;
		any = true;
	}
	if ((c->timers & TCP_T_LIFE) && (!any || seq_lt(c->life_ms, due)))
		due = c->life_ms;
	return due;
}

void timer_set(struct stack *s, uint32_t i, enum tcp_timer which, uint32_t delay_ms)
{
	struct tcp *t = s->tcp;
	struct tcp_conn *c = conn_at(t, i);
	uint32_t due = t->now_ms + delay_ms;

	c->timers |= which;
	if (which == TCP_T_RTX)
		c->rtx_ms = due;
	else if (which == TCP_T_ACK)
		c->ack_ms = due;
	else if (which == TCP_T_PROBE)
		c->probe_ms = due;
	else
		c->life_ms = due;
	if (!(c->flags & TCP_F_ON_WHEEL)) {
		wheel_add(t, i, due);
	} else if (seq_lt(due, c->wheel_ms)) {
		wheel_del(t, i);
		wheel_add(t, i, due);
	}
}

void timer_clear(struct tcp_conn *c, enum tcp_timer which)
{
	c->timers &= (uint8_t)~which;
}

void timer_forget(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	c->timers = 0;
	if (c->flags & TCP_F_ON_WHEEL)
		wheel_del(s->tcp, i);
}

/* RFC 6298 5.1 to 5.3, and the persist timer of RFC 9293 3.8.6.1 in the same place. */
void conn_rtx_arm(struct stack *s, uint32_t i, bool restart)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	bool outstanding = c->snd_max != c->snd_una;
	bool stuck = !outstanding && snd_total(c) != c->snd_nxt;

	if (!outstanding && !stuck) {
		timer_clear(c, TCP_T_RTX);
		c->flags &= ~(uint32_t)TCP_F_PROBING;
		return;
	}
	if (stuck)
		c->flags |= TCP_F_PROBING;
	else if (c->snd_wnd > 0)
		c->flags &= ~(uint32_t)TCP_F_PROBING;
	if (restart || !(c->timers & TCP_T_RTX))
		timer_set(s, i, TCP_T_RTX, c->rto_ms);
}

static bool over_user_timeout(const struct stack *s, const struct tcp_conn *c)
{
	return s->cfg.user_timeout_ms != 0 && c->retries > 0 &&
	       s->tcp->now_ms - c->heard_ms >= s->cfg.user_timeout_ms;
}

/* R2 (MUST-20, MUST-23). */
static bool given_up(const struct stack *s, const struct tcp_conn *c)
{
	if (c->state == TCP_S_SYN_SENT || c->state == TCP_S_SYN_RECEIVED)
		return c->retries >= TCP_SYN_RETRIES;
	if (over_user_timeout(s, c))
		return true;
	return c->retries >= (c->flags & TCP_F_ORPHAN ? TCP_ORPHAN_RETRIES : TCP_RETRIES);
}

static void back_off(struct tcp_conn *c)
{
	c->rto_ms = min_u32(c->rto_ms * 2, TCP_RTO_MAX_MS); /* RFC 6298 5.5, MUST-19 */
}

/*
 * The peer's window is shut and we have something to say: one octet (MUST-36), at intervals that
 * double (SHLD-30), for as long as it answers (MUST-37). snd_nxt stays, so that an octet refused
 * is simply not sent yet.
 */
static void persist_fire(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (c->probes >= (c->flags & TCP_F_ORPHAN ? TCP_ORPHAN_RETRIES : TCP_RETRIES)) {
		conn_done(s, i, c->soft_error ? c->soft_error : ETIMEDOUT);
		return;
	}
	c->probes++; /* back to 0 with every acknowledgement */
	s->stats.tcp_probes++;
	if (c->snd_end != c->snd_una)
		conn_segment(s, i, c->snd_una, 1, TCP_ACK);
	else /* only FIN waits, which must fit: as keep-alive asks */
		conn_segment(s, i, c->snd_una - 1, 0, TCP_ACK);
	back_off(c);
	timer_set(s, i, TCP_T_RTX, c->rto_ms);
}

/* The window is open by less than a segment and will not open further: send what fits
 * (RFC 9293 3.8.6.2.1, override timeout). */
static void silly_window_fire(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t n = min_u32(min_u32(c->snd_end - c->snd_nxt, c->mss), c->snd_wnd);

	c->flags &= ~(uint32_t)TCP_F_PROBING;
	if (n > 0 && sent_add(s, c, c->snd_nxt, c->snd_nxt + n)) {
		conn_segment(s, i, c->snd_nxt, n, TCP_ACK | TCP_PSH);
		c->snd_nxt += n;
	}
	conn_rtx_arm(s, i, true);
}

/* RFC 6298 5.4 to 5.7. */
static void rtx_fire(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (c->snd_wnd == 0 && c->state >= TCP_S_ESTABLISHED &&
	    (c->snd_end != c->snd_una || c->snd_max == c->snd_una)) {
		persist_fire(s, i);
		return;
	}
	if (c->flags & TCP_F_PROBING) {
		silly_window_fire(s, i);
		return;
	}
	if (given_up(s, c)) {
		conn_done(s, i, c->soft_error ? c->soft_error : ETIMEDOUT);
		return;
	}
	s->stats.tcp_timeouts++;
	c->retries++;
	back_off(c);
	if (c->state == TCP_S_SYN_SENT || c->state == TCP_S_SYN_RECEIVED) {
		uint8_t flags = c->state == TCP_S_SYN_SENT ? TCP_SYN : TCP_SYN | TCP_ACK;

		s->stats.tcp_retransmits++;
		conn_segment(s, i, c->snd_una, 0, flags);
	} else {
		conn_rto_loss(s, c);
		conn_output(s, i);
	}
	timer_set(s, i, TCP_T_RTX, c->rto_ms);
}

/* MUST-24..28: a probe of an octet already acknowledged. */
static void keepalive_fire(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t silent = s->tcp->now_ms - c->heard_ms;

	if (silent < c->keepalive_ms) {
		c->probes = 0;
		timer_set(s, i, TCP_T_LIFE, c->keepalive_ms - silent);
		return;
	}
	if (c->probes >= TCP_KEEPALIVE_PROBES) {
		conn_send_rst(s, i);
		conn_done(s, i, ETIMEDOUT);
		return;
	}
	c->probes++;
	s->stats.tcp_probes++;
	conn_segment(s, i, c->snd_una - 1, 0, TCP_ACK);
	timer_set(s, i, TCP_T_LIFE, TCP_KEEPALIVE_INTERVAL_MS);
}

static void life_fire(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (c->keepalive_ms != 0)
		keepalive_fire(s, i);
}

/* Is it @which, and its time? The connection may be gone after each. */
static bool due(const struct stack *s, uint32_t i, uint32_t gen, enum tcp_timer which)
{
	const struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t ms = which == TCP_T_RTX     ? c->rtx_ms
		      : which == TCP_T_ACK   ? c->ack_ms
		      : which == TCP_T_PROBE ? c->probe_ms
					     : c->life_ms;

	return c->gen == gen && (c->timers & which) && seq_le(ms, s->tcp->now_ms);
}

static void fire(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t gen = c->gen;

	if (due(s, i, gen, TCP_T_ACK)) {
		s->stats.tcp_delayed_acks++;
		timer_clear(c, TCP_T_ACK);
		conn_send_ack(s, i);
	}
	if (due(s, i, gen, TCP_T_RTX)) {
		timer_clear(c, TCP_T_RTX);
		rtx_fire(s, i);
	}
	if (due(s, i, gen, TCP_T_PROBE)) {
		timer_clear(c, TCP_T_PROBE);
		probe_fire(s, i);
	}
	if (due(s, i, gen, TCP_T_LIFE)) {
		timer_clear(c, TCP_T_LIFE);
		life_fire(s, i);
	}
	if (c->gen == gen && c->timers != 0 && !(c->flags & TCP_F_ON_WHEEL))
		wheel_add(s->tcp, i, earliest(c));
}

/* Everything in one slot whose turn it is; the rest stays for a later turn of the wheel. */
static void sweep_slot(struct stack *s, uint32_t tick)
{
	struct tcp *t = s->tcp;
	uint32_t i = t->wheel.slot[slot_of(tick)].first;

	while (i != 0) {
		struct tcp_conn *c = conn_at(t, i);
		uint32_t next = c->wheel.next;

		if (seq_le(c->wheel_ms, tick)) {
			wheel_del(t, i);
			fire(s, i);
			/* Firing may have taken others out, so it begins anew. */
			next = t->wheel.slot[slot_of(tick)].first;
		}
		i = next;
	}
}

/* The next millisecond from @from on whose slot is not empty, within @n of them. */
static uint32_t next_busy(const struct tcp_wheel *w, uint32_t from, uint32_t n)
{
	uint32_t done = 0;

	while (done < n) {
		size_t slot = slot_of(from + done);
		uint64_t word = w->busy[slot / 64] >> slot % 64;

		if (word != 0)
			return min_u32(done + (uint32_t)__builtin_ctzll(word), n);
		done += 64 - slot % 64;
	}
	return n;
}

static void wheel_run(struct stack *s)
{
	struct tcp_wheel *w = &s->tcp->wheel;
	uint32_t now = s->tcp->now_ms;

	while (seq_le(w->tick, now)) {
		uint32_t left = min_u32(now - w->tick + 1, TCP_WHEEL_SLOTS);
		uint32_t skip = next_busy(w, w->tick, left);

		w->tick += skip;
		if (skip == left) {
			if (left == TCP_WHEEL_SLOTS) /* nothing in a whole turn */
				w->tick = now + 1;
			continue;
		}
		w->tick++; /* what is armed while firing goes to a later slot */
		sweep_slot(s, w->tick - 1);
	}
}

void tcp_timers(struct stack *s, uint64_t now)
{
	tcp_now(s, now);
	wheel_run(s);
	syn_timers(s);
	wait_timers(s);
}

uint64_t tcp_deadline(const struct stack *s)
{
	const struct tcp *t = s->tcp;
	uint64_t wait = syn_deadline_ms(s);

	if (t->out.first != 0) /* the link had no room: again, as soon as it may have */
		return t->now;
	if (t->wheel.armed > 0) {
		uint32_t ahead = next_busy(&t->wheel, t->wheel.tick, TCP_WHEEL_SLOTS);
		uint64_t ms = (uint64_t)(t->wheel.tick - t->now_ms) + ahead;

		if ((int32_t)(t->wheel.tick - t->now_ms) < 0)
			ms = 0;
		if (ms < wait)
			wait = ms;
	}
	if (wait == UINT64_MAX)
		return UINT64_MAX;
	return (t->now / 1000000 + wait) * 1000000;
}
