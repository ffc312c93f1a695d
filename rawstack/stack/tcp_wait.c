/* SPDX-License-Identifier: MIT */
/* tcp_wait.c - TIME-WAIT: 64 bytes for two maximum segment lifetimes, or until a new SYN */
#include "tcp_internal.h"

/*
 * All wait equally long, so they stand in one list in order of time. At the limit the oldest is
 * forgotten: the port is then free early, which a peer's old duplicates would have to hit.
 */
enum { REPLIES_MAX = 32 /* so that two that wait do not answer each other for ever */ };

static void list_wait(struct stack *s, uint32_t i)
{
	struct tcp_mini *m = mini_at(s->tcp, i);

	m->due_ms = s->tcp->now_ms + s->cfg.time_wait_ms;
	ilist_push(&s->tcp->time_wait, &s->tcp->minis, offsetof(struct tcp_mini, age), i);
}

static uint32_t wait_alloc(struct stack *s)
{
	struct tcp *t = s->tcp;

	if (t->n_time_wait >= s->cfg.max_time_wait) {
		s->stats.tcp_time_wait_evicted++;
		mini_free(s, t->time_wait.first);
	}
	return slab_alloc(&t->minis);
}

void wait_enter(struct stack *s, uint32_t conn)
{
	struct tcp *t = s->tcp;
	struct tcp_conn *c = conn_at(t, conn);
	uint32_t i = wait_alloc(s), hash = c->hash;
	struct tcp_mini *m;

	conn_unhash(s, conn);
	if (i != 0) {
		m = mini_at(t, i);
		*m = (struct tcp_mini){
			.pport = c->pport,
			.lport = c->lport,
			.peer = c->peer,
			.own = c->own,
			.kind = TCP_MINI_TIME_WAIT,
			.rcv_nxt = c->rcv_nxt,
			.snd_nxt = c->snd_max,
			.ts_recent = c->ts_recent,
			.flags = c->flags & (TCP_F_V6 | TCP_F_TS),
			.binding = BINDING_NONE,
			.mss = (uint16_t)min_u32(s->cfg.recv_buffer >> c->rcv_shift, UINT16_MAX),
		};
		mini_hash(s, i, hash);
		list_wait(s, i);
		t->n_time_wait++;
		s->stats.tcp_time_wait++;
	}
	conn_done(s, conn, 0);
}

static void wait_ack(struct stack *s, struct tcp_mini *m)
{
	struct tcp_hdr h = {.sport = m->lport,
			    .dport = m->pport,
			    .seq = m->snd_nxt,
			    .ack = m->rcv_nxt,
			    .flags = TCP_ACK,
			    .window = m->mss, /* here: the last window offered */
			    .wscale = TCP_WSCALE_NONE,
			    .timestamps = (m->flags & TCP_F_TS) != 0,
			    .ts_ecr = m->ts_recent};

	if (m->retries >= REPLIES_MAX) {
		s->stats.tcp_challenge_limited++;
		return;
	}
	m->retries++;
	h.ts_val = s->tcp->now_ms + mini_ts_off(s, m);
	s->stats.tcp_pure_acks++;
	tcp_send_bare(s, m->own, &m->peer, &h);
}

/* MAY-2, SHLD-4, RFC 6191 2: a SYN that can only be of a new connection. */
static bool is_newer(const struct tcp_mini *m, const struct tcp_in *in)
{
	if ((m->flags & TCP_F_TS) && in->h.timestamps && in->h.ts_val != m->ts_recent)
		return seq_lt(m->ts_recent, in->h.ts_val);
	return seq_lt(m->rcv_nxt, in->h.seq);
}

static bool reopen(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_mini *m = mini_at(s->tcp, i);
	struct endpoint src = {.addr = m->peer, .port = m->pport};
	struct endpoint dst = {.addr = s->own[m->own].addr, .port = m->lport};
	int id = binding_find(&s->tcp_bindings, in->p->v6, &src, &dst, in->hash.table);
	uint32_t above = m->snd_nxt + UINT16_MAX;

	if (id < 0 || !is_newer(m, in))
		return false;
	s->stats.tcp_time_wait_reopened++;
	mini_free(s, i);
	listen_input(s, id, in, above);
	return true;
}

void wait_input(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_mini *m = mini_at(s->tcp, i);
	uint32_t len = in->len + !!(in->h.flags & TCP_FIN);

	if (in->h.flags & TCP_RST) /* RFC 1337: it must not end the wait */
		return;
	if ((in->h.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && reopen(s, i, in))
		return;
	if (in->h.flags & TCP_SYN) {
		wait_ack(s, m);
		return;
	}
	/* The peer's FIN again: our acknowledgement was lost. */
	if ((in->h.flags & TCP_FIN) && in->h.seq + len == m->rcv_nxt) {
		ilist_remove(&s->tcp->time_wait, &s->tcp->minis, offsetof(struct tcp_mini, age), i);
		list_wait(s, i);
	}
	if (len > 0 || in->h.seq != m->rcv_nxt)
		wait_ack(s, m);
}

void wait_timers(struct stack *s)
{
	struct tcp *t = s->tcp;

	while (t->time_wait.first != 0 && seq_le(mini_at(t, t->time_wait.first)->due_ms, t->now_ms))
		mini_free(s, t->time_wait.first);
}
