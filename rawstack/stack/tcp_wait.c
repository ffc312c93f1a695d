/* SPDX-License-Identifier: MIT */
/* tcp_wait.c - what is left of a connection that nobody uses: FIN-WAIT-2 and TIME-WAIT, 64 bytes */
#include "tcp_internal.h"

/*
 * TIME-WAIT lasts two maximum segment lifetimes or until a new SYN; FIN-WAIT-2 without a user, as
 * long as the peer may take to close. All of a kind wait equally long, so they stand in one list in
 * order of time. At the limit, which counts both, the oldest is forgotten, in TIME-WAIT first: the
 * port is then free early, which a peer's old duplicates would have to hit.
 */
enum { REPLIES_MAX = 32 /* so that two that wait do not answer each other for ever */ };

static struct ilist *list_of(struct stack *s, const struct tcp_mini *m)
{
	return m->kind == TCP_MINI_TIME_WAIT ? &s->tcp->time_wait : &s->tcp->fin_wait_2;
}

static void list_wait(struct stack *s, uint32_t i)
{
	struct tcp_mini *m = mini_at(s->tcp, i);
	bool time_wait = m->kind == TCP_MINI_TIME_WAIT;

	m->due_ms = s->tcp->now_ms + (time_wait ? s->cfg.time_wait_ms : s->cfg.fin_wait_2_ms);
	ilist_push(list_of(s, m), &s->tcp->minis, offsetof(struct tcp_mini, age), i);
	s->stats.tcp_time_wait += time_wait;
}

/* Begins anew, in the state that @kind is. */
static void wait_again(struct stack *s, uint32_t i, uint8_t kind)
{
	struct tcp_mini *m = mini_at(s->tcp, i);

	ilist_remove(list_of(s, m), &s->tcp->minis, offsetof(struct tcp_mini, age), i);
	s->stats.tcp_time_wait -= m->kind == TCP_MINI_TIME_WAIT;
	m->kind = kind;
	list_wait(s, i);
}

static uint32_t wait_alloc(struct stack *s)
{
	struct tcp *t = s->tcp;

	if (t->n_time_wait >= s->cfg.max_time_wait) {
		s->stats.tcp_time_wait_evicted++;
		mini_free(s, t->time_wait.first ? t->time_wait.first : t->fin_wait_2.first);
	}
	return slab_alloc(&t->minis);
}

void wait_enter(struct stack *s, uint32_t conn)
{
	struct tcp *t = s->tcp;
	struct tcp_conn *c = conn_at(t, conn);
	uint32_t i = wait_alloc(s), hash = c->hash;
	struct tcp_mini *m;

	if (c->unacked > 0 || (c->flags & TCP_F_ACK_NOW)) /* nobody will remember */
		conn_send_ack(s, conn);
	conn_unhash(s, conn);
	if (i != 0) {
		m = mini_at(t, i);
		*m = (struct tcp_mini){
			.pport = c->pport,
			.lport = c->lport,
			.peer = c->peer,
			.own = c->own,
			.kind = c->state == TCP_S_FIN_WAIT_2 ? TCP_MINI_FIN_WAIT_2
							     : TCP_MINI_TIME_WAIT,
			.snd_shift = c->rcv_shift, /* here: of our window */
			.rcv_nxt = c->rcv_nxt,
			.snd_nxt = c->snd_max,
			.ts_recent = c->ts_recent,
			.flags = (uint16_t)(c->flags & (TCP_F_V6 | TCP_F_TS)),
			.binding = BINDING_NONE,
			.mss = (uint16_t)min_u32((c->rcv_edge - c->rcv_nxt) >> c->rcv_shift,
						 UINT16_MAX),
		};
		mini_hash(s, i, hash);
		list_wait(s, i);
		t->n_time_wait++;
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

static bool is_old(const struct tcp_mini *m, const struct tcp_in *in)
{
	return (m->flags & TCP_F_TS) && in->h.timestamps && seq_lt(in->h.ts_val, m->ts_recent);
}

static void keep_timestamp(struct tcp_mini *m, const struct tcp_in *in)
{
	if ((m->flags & TCP_F_TS) && in->h.timestamps)
		m->ts_recent = in->h.ts_val;
}

/* The window as last offered: of SEG.LEN @len. */
static bool in_window(const struct tcp_mini *m, uint32_t seq, uint32_t len)
{
	uint32_t edge = m->rcv_nxt + ((uint32_t)m->mss << m->snd_shift);

	if (seq == m->rcv_nxt)
		return true;
	return (seq_lt(m->rcv_nxt, seq + len) && seq_lt(seq, edge)) || (seq == edge && len == 0);
}

static void refuse(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	tcp_send_rst(s, in);
	mini_free(s, i);
}

/*
 * Only the peer's FIN is of interest still. As Linux has it, but that old data are answered: what
 * acknowledged them may have been lost, and the peer would send them again until it gives up.
 */
static void fin_wait_2_input(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_mini *m = mini_at(s->tcp, i);
	bool fin = in->h.flags & TCP_FIN, rst = in->h.flags & TCP_RST;
	uint32_t len = in->len + fin + !!(in->h.flags & TCP_SYN), end = in->h.seq + len;

	if ((is_old(m, in) && !rst) || !in_window(m, in->h.seq, len)) {
		if (!rst)
			wait_ack(s, m);
		return;
	}
	if (rst) {
		s->stats.tcp_rst_in++;
		mini_free(s, i);
		return;
	}
	if ((in->h.flags & TCP_SYN) && !seq_lt(in->h.seq, m->rcv_nxt)) {
		refuse(s, i, in);
		return;
	}
	if (!(in->h.flags & TCP_ACK) || len == 0)
		return;
	if (!fin || end != m->rcv_nxt + 1) { /* RFC 2525 2.17: nobody will read it */
		refuse(s, i, in);
		return;
	}
	m->rcv_nxt = end;
	keep_timestamp(m, in);
	m->retries = 0;
	wait_ack(s, m);
	wait_again(s, i, TCP_MINI_TIME_WAIT);
}

static void time_wait_input(struct stack *s, uint32_t i, const struct tcp_in *in)
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
	if ((in->h.flags & TCP_FIN) && in->h.seq + len == m->rcv_nxt)
		wait_again(s, i, TCP_MINI_TIME_WAIT);
	if (len > 0 || in->h.seq != m->rcv_nxt || is_old(m, in))
		wait_ack(s, m);
	else
		keep_timestamp(m, in);
}

void wait_input(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	if (mini_at(s->tcp, i)->kind == TCP_MINI_FIN_WAIT_2)
		fin_wait_2_input(s, i, in);
	else
		time_wait_input(s, i, in);
}

static void forget_due(struct stack *s, const struct ilist *l)
{
	while (l->first != 0 && seq_le(mini_at(s->tcp, l->first)->due_ms, s->tcp->now_ms))
		mini_free(s, l->first);
}

void wait_timers(struct stack *s)
{
	forget_due(s, &s->tcp->time_wait);
	forget_due(s, &s->tcp->fin_wait_2);
}
