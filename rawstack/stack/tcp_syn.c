/* SPDX-License-Identifier: MIT */
/* tcp_syn.c - LISTEN and the passive SYN-RECEIVED: the SYN table, from the SYN to accept */
#include "tcp_internal.h"

#include <errno.h>

/*
 * A half-open connection is a struct tcp_mini: 64 bytes, no buffers, no timer of its own. All
 * entries that have been sent as many SYN-ACKs wait equally long, so they stand in one list for
 * each number, in order of time, and only the heads are looked at.
 *
 * When the table is full, SYNs are answered by cookies (tcp_cookie.c) and cost nothing at all.
 */

uint32_t tcp_iss(const struct stack *s, const struct addr *peer, uint8_t own, uint16_t pport,
		 uint16_t lport)
{
	uint64_t words[3];

	/* ISN = M + F(local, remote, secret), M a clock of four microseconds (MUST-8, SHLD-1,
	 * MUST-9). */
	memcpy(words, peer->b, sizeof(peer->b));
	words[2] = (uint64_t)own << 32 | (uint32_t)pport << 16 | lport;
	return (uint32_t)(s->tcp->now / 4000) + (uint32_t)siphash_words(&s->tcp->isn_key, words, 3);
}

/* Later than the SYN: the offset of the timestamps is not kept but computed. */
uint32_t mini_ts_off(const struct stack *s, const struct tcp_mini *m)
{
	return tcp_hash(s->tcp, &m->peer, m->own, m->pport, m->lport).ts_off;
}

/* The options of a SYN that we go along with. */
static uint16_t agreed(const struct stack *s, const struct tcp_in *in)
{
	return (uint16_t)((in->p->v6 ? TCP_F_V6 : 0) |
			  (in->h.timestamps && !s->cfg.no_timestamps ? TCP_F_TS : 0) |
			  (in->h.sack_permitted && !s->cfg.no_sack ? TCP_F_SACK : 0));
}

static uint8_t agreed_shift(const struct stack *s, uint8_t offered)
{
	if (offered == TCP_WSCALE_NONE || s->cfg.no_wscale)
		return TCP_WSCALE_NONE;
	return (uint8_t)min_u32(offered, TCP_WSCALE_MAX); /* RFC 7323 2.3 */
}

static void send_syn_ack(struct stack *s, const struct tcp_mini *m, uint32_t ts_val)
{
	struct tcp_hdr h = {.sport = m->lport,
			    .dport = m->pport,
			    .seq = m->snd_nxt - 1,
			    .ack = m->rcv_nxt,
			    .flags = TCP_SYN | TCP_ACK,
			    .window = (uint16_t)min_u32(s->cfg.recv_buffer, UINT16_MAX),
			    .mss = tcp_mss(s, m->flags & TCP_F_V6),
			    .wscale = m->snd_shift == TCP_WSCALE_NONE ? TCP_WSCALE_NONE
								      : tcp_rcv_shift(s),
			    .sack_permitted = (m->flags & TCP_F_SACK) != 0,
			    .timestamps = (m->flags & TCP_F_TS) != 0,
			    .ts_val = ts_val,
			    .ts_ecr = m->ts_recent};

	s->stats.tcp_synack_out++;
	tcp_send_bare(s, m->own, &m->peer, &h);
}

static void resend_syn_ack(struct stack *s, const struct tcp_mini *m)
{
	s->stats.tcp_retransmits++;
	send_syn_ack(s, m, s->tcp->now_ms + mini_ts_off(s, m));
}

static struct tcp_mini mini_of(const struct stack *s, int id, const struct tcp_in *in)
{
	return (struct tcp_mini){.pport = in->h.sport,
				 .lport = in->h.dport,
				 .peer = in->p->src,
				 .own = in->p->own,
				 .kind = TCP_MINI_SYN,
				 .snd_shift = agreed_shift(s, in->h.wscale),
				 .rcv_nxt = in->h.seq + 1,
				 .ts_recent = in->h.ts_val,
				 .flags = agreed(s, in),
				 .window = in->h.window,
				 .binding = (uint16_t)id,
				 .mss = in->h.mss};
}

static void syn_list(struct stack *s, uint32_t i)
{
	struct tcp_mini *m = mini_at(s->tcp, i);

	m->due_ms = s->tcp->now_ms + ((uint32_t)TCP_RTO_INIT_MS << m->retries);
	ilist_push(&s->tcp->syns[m->retries], &s->tcp->minis, offsetof(struct tcp_mini, age), i);
}

/* RFC 4987 3.6: nothing is kept; the SYN-ACK holds all that the final ACK must bring back. */
static void answer_by_cookie(struct stack *s, int id, const struct tcp_in *in)
{
	struct tcp_mini m = mini_of(s, id, in);
	uint32_t ts = s->tcp->now_ms + in->hash.ts_off;

	/* Without timestamps to hold them, window scale and SACK are not agreed to. */
	if (m.flags & TCP_F_TS) {
		ts = cookie_ts(ts, &in->h);
	} else {
		m.flags &= (uint16_t)~TCP_F_SACK;
		m.snd_shift = TCP_WSCALE_NONE;
	}
	m.snd_nxt = cookie_make(s, in, in->h.mss) + 1;
	s->tcp->cookies_sent = true;
	s->tcp->cookie_ms = s->tcp->now_ms;
	s->stats.tcp_cookie_out++;
	send_syn_ack(s, &m, ts);
}

/* 3.10.7.2, third: a SYN. */
static void listen_syn(struct stack *s, int id, const struct tcp_in *in, uint32_t above_iss)
{
	struct tcp *t = s->tcp;
	struct binding *b = &s->tcp_bindings.b[id];
	uint32_t iss, i = 0;
	struct tcp_mini *m;

	s->stats.tcp_syn_in++;
	if (b->waiting > b->backlog) { /* as Linux: no room for it to be accepted from */
		s->stats.tcp_accept_full++;
		return;
	}
	if (t->n_half_open < s->cfg.max_half_open && !s->cfg.always_cookies)
		i = slab_alloc(&t->minis);
	if (i == 0) {
		answer_by_cookie(s, id, in);
		return;
	}
	iss = tcp_iss(s, &in->p->src, in->p->own, in->h.sport, in->h.dport);
	if (above_iss != 0 && seq_le(iss, above_iss))
		iss = above_iss + 1;
	m = mini_at(t, i);
	*m = mini_of(s, id, in);
	m->snd_nxt = iss + 1;
	mini_hash(s, i, in->hash.table);
	syn_list(s, i);
	t->n_half_open++;
	b->half_open++;
	send_syn_ack(s, m, t->now_ms + in->hash.ts_off);
}

/* To the queue of those that wait to be accepted. */
static void enqueue(struct stack *s, int id, uint32_t i)
{
	struct tcp *t = s->tcp;
	struct binding *b = &s->tcp_bindings.b[id];

	conn_at(t, i)->flags |= TCP_F_WAITING;
	ilist_push(&b->queue, &t->conns, offsetof(struct tcp_conn, event), i);
	b->waiting++;
	s->stats.tcp_opened++;
	binding_event(s, false, id);
}

/* A round trip is known from the timestamp that came back. */
static void first_sample(struct stack *s, struct tcp_conn *c, const struct tcp_in *in, bool again)
{
	uint32_t ms = s->tcp->now_ms + c->ts_off - in->h.ts_ecr;

	if ((c->flags & TCP_F_TS) && in->h.timestamps && ms < TCP_RTO_MAX_MS)
		conn_rtt_sample(s, c, max_u32(ms, 1) * 1000);
	else if (again)
		c->rto_ms = TCP_RTO_LOST_SYN_MS; /* RFC 6298 5.7 */
}

/*
 * The handshake is complete: this is where a connection comes to be. @m may be of a cookie. The
 * addresses accept will show are those of the packet: of an IPv4 one, mapped since ip.c.
 * Returns its index or 0.
 */
static uint32_t establish(struct stack *s, const struct tcp_mini *m, const struct tcp_in *in)
{
	const struct binding *b = &s->tcp_bindings.b[m->binding];
	uint32_t i = conn_alloc(s);
	struct tcp_conn *c;

	if (i == 0)
		return 0;
	c = conn_at(s->tcp, i);
	c->peer = m->peer;
	c->pport = m->pport;
	c->lport = m->lport;
	c->own = m->own;
	c->state = TCP_S_ESTABLISHED;
	c->binding = m->binding;
	c->flags = m->flags & (TCP_F_V6 | TCP_F_TS | TCP_F_SACK);
	if (b->family == AF_INET6)
		c->flags |= TCP_F_INET6;
	if (b->v6only)
		c->flags |= TCP_F_V6ONLY;
	c->snd_shift = m->snd_shift;
	c->rcv_shift = m->snd_shift == TCP_WSCALE_NONE ? 0 : tcp_rcv_shift(s);
	c->rcv_nxt = c->last_ack = m->rcv_nxt;
	c->rcv_edge = c->rcv_nxt + min_u32(s->cfg.recv_buffer, UINT16_MAX);
	c->snd_una = c->snd_nxt = c->snd_max = c->snd_end = c->recover = m->snd_nxt;
	c->snd_wl1 = in->h.seq - 1;	     /* so that this segment's window counts */
	c->snd_wnd = c->max_wnd = m->window; /* of a SYN: not scaled */
	c->ts_recent = m->ts_recent;
	c->ts_recent_ms = s->tcp->now_ms;
	c->ts_off = in->hash.ts_off;
	c->mss = tcp_mss_effective(s, c->flags & TCP_F_V6, m->mss, c->flags & TCP_F_TS);
	first_sample(s, c, in, m->retries > 0);
	conn_start(s, c);
	if (m->retries > 0)
		c->cwnd = c->mss; /* RFC 5681 3.1 */
	return i;
}

/* An ACK for a SYN-ACK that nobody remembers: a cookie, or something old. */
static void listen_ack(struct stack *s, int id, const struct tcp_in *in)
{
	struct binding *b = &s->tcp_bindings.b[id];
	struct tcp_mini m = mini_of(s, id, in);
	struct tcp_cookie cookie;
	uint32_t i;

	if ((in->h.flags & TCP_SYN) || !cookie_check(s, in, &cookie)) {
		tcp_send_rst(s, in);
		return;
	}
	if (b->waiting > b->backlog) {
		s->stats.tcp_accept_full++;
		return;
	}
	m.rcv_nxt = in->h.seq;
	m.snd_nxt = in->h.ack;
	m.mss = cookie.mss;
	m.snd_shift = cookie.snd_shift;
	m.flags &= (uint16_t)~TCP_F_SACK;
	m.flags |= cookie.sack ? TCP_F_SACK : 0;
	i = establish(s, &m, in);
	if (i == 0)
		return;
	s->stats.tcp_cookie_ok++;
	conn_hash(s, i, in->hash.table);
	enqueue(s, id, i);
	conn_input(s, i, in);
}

void listen_input(struct stack *s, int id, const struct tcp_in *in, uint32_t above_iss)
{
	/* First: RST. Second: ACK. Third: SYN. Fourth: anything else is dropped. */
	if (in->h.flags & TCP_RST)
		return;
	if (in->h.flags & TCP_ACK)
		listen_ack(s, id, in);
	else if ((in->h.flags & (TCP_SYN | TCP_FIN)) == TCP_SYN)
		listen_syn(s, id, in, above_iss);
}

/* --- SYN-RECEIVED --- */

/* At most one between two SYN-ACKs. */
static void mini_ack(struct stack *s, struct tcp_mini *m)
{
	struct tcp_hdr h = {.sport = m->lport,
			    .dport = m->pport,
			    .seq = m->snd_nxt,
			    .ack = m->rcv_nxt,
			    .flags = TCP_ACK,
			    .window = (uint16_t)min_u32(s->cfg.recv_buffer, UINT16_MAX),
			    .wscale = TCP_WSCALE_NONE,
			    .timestamps = (m->flags & TCP_F_TS) != 0,
			    .ts_ecr = m->ts_recent};

	if (m->flags & TCP_F_ACK_NOW) {
		s->stats.tcp_challenge_limited++;
		return;
	}
	m->flags |= TCP_F_ACK_NOW;
	h.ts_val = s->tcp->now_ms + mini_ts_off(s, m);
	s->stats.tcp_challenge++;
	tcp_send_bare(s, m->own, &m->peer, &h);
}

/* Steps one to four. Returns true when the acknowledgement is to be looked at. */
static bool syn_segment_ok(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_mini *m = mini_at(s->tcp, i);
	uint32_t seq = in->h.seq;
	/* SEG.LEN counts SYN and FIN (RFC 9293 3.4). */
	uint32_t len = in->len + !!(in->h.flags & TCP_SYN) + !!(in->h.flags & TCP_FIN);
	uint32_t edge = m->rcv_nxt + min_u32(s->cfg.recv_buffer, UINT16_MAX);
	bool rst = in->h.flags & TCP_RST;

	if (!rst && (m->flags & TCP_F_TS) && !in->h.timestamps) { /* RFC 7323 3.2 */
		s->stats.tcp_no_timestamp++;
		return false;
	}
	if (!rst && (m->flags & TCP_F_TS) && seq_lt(in->h.ts_val, m->ts_recent)) {
		s->stats.tcp_paws++;
		mini_ack(s, m);
		return false;
	}
	if (len == 0 ? !seq_le(m->rcv_nxt, seq) || !seq_le(seq, edge)
		     : !seq_lt(seq, edge) || !seq_lt(m->rcv_nxt, seq + len)) {
		s->stats.tcp_out_of_window++;
		if (!rst)
			mini_ack(s, m);
		return false;
	}
	if (rst) {
		if (seq == m->rcv_nxt) { /* MUST-11: back to LISTEN, and nobody is told */
			s->stats.tcp_rst_in++;
			mini_free(s, i);
		} else {
			mini_ack(s, m);
		}
		return false;
	}
	if (in->h.flags & TCP_SYN) {
		mini_ack(s, m);
		return false;
	}
	return in->h.flags & TCP_ACK;
}

void syn_input(struct stack *s, uint32_t i, const struct tcp_in *in)
{
	struct tcp_mini *m = mini_at(s->tcp, i), copy;
	struct binding *b = &s->tcp_bindings.b[m->binding];
	uint32_t conn;

	if ((in->h.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN &&
	    in->h.seq + 1 == m->rcv_nxt) { /* our SYN-ACK was lost */
		resend_syn_ack(s, m);
		return;
	}
	if (!syn_segment_ok(s, i, in))
		return;
	if (in->h.ack != m->snd_nxt) {
		s->stats.tcp_bad_ack++;
		tcp_send_rst(s, in);
		return;
	}
	/* RFC 4987, Linux: a full queue drops the final ACK; the SYN-ACK will be sent again. */
	if (b->waiting > b->backlog) {
		s->stats.tcp_accept_full++;
		return;
	}
	conn = establish(s, m, in);
	if (conn == 0)
		return;
	copy = *m;
	mini_free(s, i);
	conn_hash(s, conn, in->hash.table);
	enqueue(s, copy.binding, conn);
	conn_input(s, conn, in);
}

void syn_timers(struct stack *s)
{
	struct tcp *t = s->tcp;
	uint32_t i;

	for (int k = TCP_SYNACK_RETRIES; k >= 0; k--) {
		while ((i = t->syns[k].first) != 0) {
			struct tcp_mini *m = mini_at(t, i);

			if (seq_lt(t->now_ms, m->due_ms))
				break;
			if (k == TCP_SYNACK_RETRIES) {
				s->stats.tcp_half_open_expired++;
				mini_free(s, i);
				continue;
			}
			ilist_remove(&t->syns[k], &t->minis, offsetof(struct tcp_mini, age), i);
			m->retries++;
			m->flags &= (uint16_t)~TCP_F_ACK_NOW;
			syn_list(s, i);
			resend_syn_ack(s, m);
		}
	}
}

static uint64_t head_ms(const struct tcp *t, const struct ilist *l)
{
	int32_t left;

	if (l->first == 0)
		return UINT64_MAX;
	left = (int32_t)(mini_at(t, l->first)->due_ms - t->now_ms);
	return left < 0 ? 0 : (uint64_t)left;
}

uint64_t syn_deadline_ms(const struct stack *s)
{
	uint64_t best = head_ms(s->tcp, &s->tcp->time_wait);
	uint64_t half = head_ms(s->tcp, &s->tcp->fin_wait_2);

	if (half < best)
		best = half;

	for (int k = 0; k <= TCP_SYNACK_RETRIES; k++) {
		uint64_t ms = head_ms(s->tcp, &s->tcp->syns[k]);

		if (ms < best)
			best = ms;
	}
	return best;
}

void syn_forget_binding(struct stack *s, int id)
{
	struct tcp *t = s->tcp;

	for (int k = 0; k <= TCP_SYNACK_RETRIES; k++) {
		for (uint32_t i = t->syns[k].first, next; i != 0; i = next) {
			next = mini_at(t, i)->age.next;
			if (mini_at(t, i)->binding == id)
				mini_free(s, i);
		}
	}
}
