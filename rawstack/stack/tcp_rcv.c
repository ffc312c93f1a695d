/* SPDX-License-Identifier: MIT */
/* tcp_rcv.c - received data: in order for the user, behind a gap for later */
#include "tcp_internal.h"

#include <assert.h>
#include <errno.h>

enum {
	WINDOW_AMPLE = 32768, /* nobody waits for more than this to be opened */
	OOO_SEGS_EXTRA = 32,  /* beside what a full window of full segments needs */
};

void seg_list_free(struct stack *s, uint32_t first)
{
	while (first != 0) {
		uint32_t next = seg_at(s, first)->next;

		slab_free(&s->segs, first);
		first = next;
	}
}

static uint32_t seg_new(struct stack *s, uint32_t seq)
{
	uint32_t i = slab_alloc(&s->segs);
	struct seg *g;

	if (i == 0) {
		s->stats.tcp_no_memory++;
		return 0;
	}
	g = seg_at(s, i);
	g->next = 0;
	g->seq = seq;
	g->off = g->len = 0;
	g->lent = 0;
	g->owner = 0;
	return i;
}

uint32_t rcv_space(const struct stack *s, const struct tcp_conn *c)
{
	return c->held < s->cfg.recv_buffer ? s->cfg.recv_buffer - c->held : 0;
}

/* Appends to the queue in order, into the last chunk as far as it has room. */
static uint32_t append(struct stack *s, struct tcp_conn *c, const uint8_t *data, uint32_t len)
{
	uint32_t done = 0;

	while (done < len) {
		uint32_t i = c->rcv_q_last, n;
		struct seg *g;

		if (i == 0 || seg_at(s, i)->off + seg_at(s, i)->len == SEG_DATA) {
			i = seg_new(s, c->rcv_nxt);
			if (i == 0)
				break;
			if (c->rcv_q_last != 0)
				seg_at(s, c->rcv_q_last)->next = i;
			else
				c->rcv_q = i;
			c->rcv_q_last = i;
		}
		g = seg_at(s, i);
		n = min_u32(len - done, (uint32_t)(SEG_DATA - g->off - g->len));
		memcpy(g->data + g->off + g->len, data + done, n);
		g->len = (uint16_t)(g->len + n);
		done += n;
		c->rcv_nxt += n;
		c->held += n;
	}
	return done;
}

/* RFC 2883 4: octets [left, right) came twice; what came twice before them is told with them. */
void rcv_duplicate(struct stack *s, const struct tcp_conn *c, uint32_t left, uint32_t right)
{
	struct tcp *t = s->tcp;

	if (!(c->flags & TCP_F_SACK))
		return;

	if (t->dsack_of == c && t->dsack_gen == c->gen) {
		if (seq_lt(t->dsack.right, left) || seq_lt(right, t->dsack.left))
			return; /* with a gap between: the first */
		left = seq_lt(t->dsack.left, left) ? t->dsack.left : left;
		right = seq_lt(right, t->dsack.right) ? t->dsack.right : right;
	}
	t->dsack_of = c;
	t->dsack_gen = c->gen;
	t->dsack = (struct tcp_sack){left, right};
}

void rcv_old(struct stack *s, const struct tcp_conn *c, uint32_t seq, uint32_t end)
{
	if (seq_lt(seq, end) && seq_lt(seq, c->rcv_nxt))
		rcv_duplicate(s, c, seq, seq_lt(c->rcv_nxt, end) ? c->rcv_nxt : end);
}

/* What waited behind the gap that has just been closed; nothing counts that lies behind a FIN. */
static void pull(struct stack *s, struct tcp_conn *c)
{
	while (c->ooo_q != 0) {
		uint32_t i = c->ooo_q;
		struct seg *g = seg_at(s, i);
		uint32_t skip = c->rcv_nxt - g->seq;

		if ((c->flags & TCP_F_FIN_AHEAD) && c->rcv_nxt == c->fin_seq) {
			seg_list_free(s, c->ooo_q);
			c->ooo_q = c->ooo_n = 0;
			return;
		}
		if (seq_lt(c->rcv_nxt, g->seq))
			return;
		if (skip > 0)
			rcv_duplicate(s, c, g->seq, g->seq + min_u32(skip, g->len));
		if (skip < g->len) {
			uint32_t n = g->len - skip;

			if (append(s, c, g->data + g->off + skip, n) < n)
				return;
		}
		c->ooo_q = g->next;
		c->ooo_n--;
		slab_free(&s->segs, i);
	}
}

static bool may_hold_more(const struct stack *s, const struct tcp_conn *c)
{
	return c->ooo_n < s->cfg.recv_buffer / 1024 + OOO_SEGS_EXTRA;
}

/* Links one chunk in before @next. */
static bool insert(struct stack *s, struct tcp_conn *c, uint32_t *link, uint32_t seq,
		   const uint8_t *data, uint32_t len)
{
	uint32_t i = may_hold_more(s, c) ? seg_new(s, seq) : 0;
	struct seg *g;

	if (i == 0)
		return false;
	g = seg_at(s, i);
	memcpy(g->data, data, len);
	g->len = (uint16_t)len;
	g->owner = ++s->tcp->arrivals;
	g->next = *link;
	*link = i;
	c->ooo_n++;
	return true;
}

/*
 * SHLD-31: kept in order of sequence, without overlap; of octets that came before the first copy is
 * kept.
 */
static void keep(struct stack *s, struct tcp_conn *c, uint32_t seq, const uint8_t *data,
		 uint32_t len)
{
	uint32_t *link = &c->ooo_q, end = seq + len;

	c->ooo_recent = seq;
	while (seq_lt(seq, end)) {
		struct seg *g = *link ? seg_at(s, *link) : NULL;
		uint32_t n;

		if (g != NULL && seq_le(g->seq + g->len, seq)) {
			link = &g->next;
			continue;
		}
		if (g != NULL && seq_le(g->seq, seq)) { /* has this already */
			n = min_u32(g->seq + g->len - seq, end - seq);
			rcv_duplicate(s, c, seq, seq + n);
			g->owner = ++s->tcp->arrivals;
			data += n;
			seq += n;
			continue;
		}
		n = min_u32(end - seq, SEG_DATA);
		if (g != NULL)
			n = min_u32(n, g->seq - seq);
		if (!insert(s, c, link, seq, data, n))
			return;
		link = &seg_at(s, *link)->next;
		data += n;
		seq += n;
	}
}

bool rcv_data(struct stack *s, uint32_t i, uint32_t seq, const uint8_t *data, uint32_t len)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t before = c->rcv_nxt;

	if (c->flags & TCP_F_NO_RECV) {
		if (seq != c->rcv_nxt)
			return false;
		c->rcv_nxt += len;
		return true;
	}
	if (seq != c->rcv_nxt) {
		s->stats.tcp_out_of_order++;
		keep(s, c, seq, data, len);
		return false;
	}
	append(s, c, data, len);
	pull(s, c);
	if (c->rcv_nxt == before)
		return false;
	conn_event(s, i, TCP_E_READABLE);
	return true;
}

void rcv_free(struct stack *s, struct tcp_conn *c)
{
	seg_list_free(s, c->rcv_q);
	seg_list_free(s, c->ooo_q);
	c->rcv_q = c->rcv_q_last = c->ooo_q = 0;
	c->ooo_n = 0;
}

/* Octets that came without a gap, and when the latest of them did. */
struct run {
	struct tcp_sack sack;
	uint64_t latest;
};

/* The run that begins with *i, which is moved behind it; the peer's FIN may be its last octet. */
static struct run run(const struct stack *s, const struct tcp_conn *c, uint32_t *i)
{
	const struct seg *g = seg_at(s, *i);
	struct run r = {{g->seq, g->seq}, 0};

	for (; *i != 0; *i = g->next) {
		g = seg_at(s, *i);
		if (g->seq != r.sack.right)
			break;
		r.sack.right += g->len;
		if (r.latest < g->owner)
			r.latest = g->owner;
	}
	if ((c->flags & TCP_F_FIN_AHEAD) && c->fin_seq == r.sack.right) {
		r.sack.right++;
		if (c->ooo_recent == c->fin_seq)
			r.latest = UINT64_MAX;
	}
	return r;
}

/* Into the @max latest, the latest first. Returns how many there are now. */
static int place(struct run *best, int n, int max, struct run r)
{
	int at = n < max ? n : max;

	while (at > 0 && best[at - 1].latest < r.latest) {
		if (at < max)
			best[at] = best[at - 1];
		at--;
	}
	if (at < max)
		best[at] = r;
	return n < max ? n + 1 : n;
}

/* Takes what came twice, of which is told once (RFC 2883 4, 1). */
static int take_duplicate(struct stack *s, const struct tcp_conn *c, struct tcp_sack *sack)
{
	struct tcp *t = s->tcp;

	if (t->dsack_of != c || t->dsack_gen != c->gen)
		return 0;
	*sack = t->dsack;
	t->dsack_of = NULL;
	return 1;
}

/* RFC 2018 4, RFC 2883 4: what came twice, the block with the latest segment, the next latest. */
int rcv_sacks(struct stack *s, const struct tcp_conn *c, struct tcp_sack *sack, int max)
{
	struct run best[TCP_SACKS_MAX];
	int n = 0, first = take_duplicate(s, c, sack);
	bool fin = c->flags & TCP_F_FIN_AHEAD;

	for (uint32_t i = c->ooo_q; i != 0;) {
		struct run r = run(s, c, &i);

		fin &= !(seq_le(r.sack.left, c->fin_seq) && seq_lt(c->fin_seq, r.sack.right));
		n = place(best, n, max - first, r);
	}
	if (fin) /* by itself */
		n = place(best, n, max - first,
			  (struct run){{c->fin_seq, c->fin_seq + 1},
				       c->ooo_recent == c->fin_seq ? UINT64_MAX : 0});
	for (int i = 0; i < n; i++)
		sack[first + i] = best[i].sack;
	return first + n;
}

void rcv_fin(struct stack *s, struct tcp_conn *c)
{
	if (s->tcp->dsack_of == c)
		s->tcp->dsack_of = NULL;
	seg_list_free(s, c->ooo_q);
	c->ooo_q = c->ooo_n = 0;
}

uint32_t rcv_highest(const struct stack *s, const struct tcp_conn *c)
{
	uint32_t right = c->rcv_nxt;

	for (uint32_t i = c->ooo_q; i != 0; i = seg_at(s, i)->next)
		right = seg_at(s, i)->seq + seg_at(s, i)->len;
	if ((c->flags & TCP_F_FIN_AHEAD) && seq_le(right, c->fin_seq))
		right = c->fin_seq + 1;
	return right;
}

/* An update is worth a frame when the peer may be waiting for it, and for a quarter at least. */
void rcv_opened(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);
	uint32_t offered = c->rcv_edge - c->rcv_nxt;
	uint32_t most = min_u32(s->cfg.recv_buffer, (uint32_t)UINT16_MAX << c->rcv_shift);

	if (c->state < TCP_S_ESTABLISHED || (c->flags & TCP_F_FIN_RCVD))
		return;
	if (offered >= min_u32(most / 4, WINDOW_AMPLE) || rcv_space(s, c) < offered + most / 4)
		return;
	c->flags |= TCP_F_ACK_NOW;
	conn_want_out(s, i);
}

/* --- for the user --- */

static int recv_nothing(struct tcp_conn *c)
{
	int error = c->error;

	if (c->flags & TCP_F_FIN_RCVD) /* the end was in order, whatever has come since */
		return 0;
	if (error != 0) {
		c->error = 0; /* once, as SO_ERROR */
		return -error;
	}
	if ((c->flags & TCP_F_NO_RECV) || c->state == TCP_S_CLOSED)
		return 0;
	return c->state < TCP_S_ESTABLISHED ? -ENOTCONN : -EAGAIN;
}

int stack_recv(struct stack *s, stack_conn conn, struct stack_buf *buf)
{
	uint32_t i = conn_find(s->tcp, conn);
	struct tcp_conn *c;
	struct seg *g;

	if (i == 0)
		return -ENOTCONN;
	c = conn_at(s->tcp, i);
	if (c->rcv_q == 0)
		return recv_nothing(c);
	*buf = (struct stack_buf){.ref = c->rcv_q, .conn = conn};
	g = seg_at(s, c->rcv_q);
	c->rcv_q = g->next;
	if (c->rcv_q == 0)
		c->rcv_q_last = 0;
	else
		conn_event(s, i, TCP_E_READABLE);
	g->lent = g->len;
	g->owner = conn;
	buf->data = g->data + g->off;
	buf->len = g->len;
	if (c->rcv_q == 0 && (c->flags & TCP_F_FIN_RCVD))
		conn_event(s, i, TCP_E_READABLE);
	return 1;
}

void stack_release(struct stack *s, struct stack_buf *buf)
{
	struct seg *g = seg_at(s, buf->ref);
	uint32_t i = conn_find(s->tcp, g->owner);

	assert(g->lent > 0);
	if (i != 0) {
		conn_at(s->tcp, i)->held -= g->lent;
		rcv_opened(s, i);
	}
	g->lent = 0;
	slab_free(&s->segs, buf->ref);
	*buf = (struct stack_buf){0};
}

ssize_t stack_read(struct stack *s, stack_conn conn, void *data, size_t len, bool peek)
{
	uint32_t i = conn_find(s->tcp, conn);
	struct tcp_conn *c;
	size_t done = 0;

	if (i == 0)
		return -ENOTCONN;
	c = conn_at(s->tcp, i);
	if (c->rcv_q == 0)
		return recv_nothing(c);
	for (uint32_t k = c->rcv_q; k != 0 && done < len;) {
		struct seg *g = seg_at(s, k);
		size_t n = g->len < len - done ? g->len : len - done;
		uint32_t next = g->next;

		memcpy((uint8_t *)data + done, g->data + g->off, n);
		done += n;
		if (!peek) {
			g->off = (uint16_t)(g->off + n);
			g->len = (uint16_t)(g->len - n);
			g->seq += (uint32_t)n;
			c->held -= (uint32_t)n;
			if (g->len == 0) {
				c->rcv_q = next;
				slab_free(&s->segs, k);
			}
		}
		k = next;
	}
	if (c->rcv_q == 0)
		c->rcv_q_last = 0;
	if (!peek)
		rcv_opened(s, i);
	if (c->rcv_q != 0 || (c->flags & TCP_F_FIN_RCVD))
		conn_event(s, i, TCP_E_READABLE);
	return (ssize_t)done;
}
