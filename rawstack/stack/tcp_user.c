/* SPDX-License-Identifier: MIT */
/* tcp_user.c - the user's calls (RFC 9293 3.9.1): bind, listen, accept, connect, send, close */
#include "tcp_internal.h"

#include <errno.h>

enum {
	PORT_FIRST = 32768, /* as Linux chooses them; RFC 6056 asks only that they vary */
	PORT_LAST = 60999,
	PORTS = PORT_LAST - PORT_FIRST + 1,
};

/* --- binding --- */

int stack_tcp_bind(struct stack *s, struct stack_bind *spec)
{
	return bind_open(s, false, spec);
}

int stack_tcp_listen(struct stack *s, int id, uint32_t backlog)
{
	struct binding *b = binding_at(&s->tcp_bindings, id);

	if (b == NULL)
		return -EINVAL;
	if (!b->listening && !binding_may_listen(&s->tcp_bindings, id))
		return -EADDRINUSE;
	b->listening = true;
	b->backlog = backlog;
	return 0;
}

static uint32_t dequeue(struct stack *s, struct binding *b)
{
	struct tcp *t = s->tcp;
	uint32_t i = b->queue.first;

	if (i == 0)
		return 0;
	ilist_remove(&b->queue, &t->conns, offsetof(struct tcp_conn, event), i);
	conn_at(t, i)->flags &= ~(uint32_t)TCP_F_WAITING;
	b->waiting--;
	return i;
}

void stack_tcp_unbind(struct stack *s, uint64_t now, int id)
{
	struct binding *b = binding_at(&s->tcp_bindings, id);
	uint32_t i;

	if (b == NULL)
		return;
	tcp_now(s, now);
	syn_forget_binding(s, id);
	while ((i = dequeue(s, b)) != 0)
		stack_abort(s, now, conn_handle(s->tcp, i));
	binding_event_cancel(s, false, id);
	binding_del(&s->tcp_bindings, id);
}

/* --- connections --- */

static void info_of(const struct stack *s, const struct tcp_conn *c, struct stack_conn_info *info)
{
	const struct binding *b =
		c->binding == BINDING_NONE
			? NULL
			: binding_at((struct binding_table *)&s->tcp_bindings, c->binding);

	*info = (struct stack_conn_info){
		.peer = {.addr = c->peer, .port = c->pport},
		.local = {.addr = s->own[c->own].addr, .port = c->lport}, /* MUST-45 */
		.family = c->flags & TCP_F_INET6 ? AF_INET6 : AF_INET,
		.wire_v6 = (c->flags & TCP_F_V6) != 0,
		.v6only = (c->flags & TCP_F_V6ONLY) != 0,
		.binding = b == NULL ? -1 : c->binding,
		.mss = c->mss,
		.srtt_us = c->srtt_us,
		.cwnd = c->cwnd,
		.retransmits = c->retries,
		.unread = c->held,
		.unsent = c->snd_end - c->snd_nxt,
		.unacked = c->snd_end - c->snd_una,
	};
	if (c->snd_nxt == c->snd_end + 1) /* FIN is out */
		info->unsent = 0;
	if (c->snd_una == c->snd_end + 1)
		info->unacked = 0;
}

int stack_accept(struct stack *s, int id, stack_conn *conn, struct stack_conn_info *info)
{
	struct binding *b = binding_at(&s->tcp_bindings, id);
	uint32_t i;

	if (b == NULL || !b->listening)
		return -EINVAL;
	i = dequeue(s, b);
	if (i == 0)
		return -EAGAIN;
	*conn = conn_handle(s->tcp, i);
	if (info != NULL)
		info_of(s, conn_at(s->tcp, i), info);
	conn_event(s, i, 0); /* what has happened to it while it waited */
	return 0;
}

uint32_t stack_accept_waiting(const struct stack *s, int id)
{
	bool known = id >= 0 && id < STACK_BINDINGS_MAX && s->tcp_bindings.b[id].used;

	return known ? s->tcp_bindings.b[id].waiting : 0;
}

int stack_conn_info(const struct stack *s, stack_conn conn, struct stack_conn_info *info)
{
	uint32_t i = conn_find(s->tcp, conn);

	if (i == 0)
		return -ENOTCONN;
	info_of(s, conn_at(s->tcp, i), info);
	return 0;
}

/* Which of our addresses and which family: the rules of connect(2) on a dual-stack socket. */
static int connect_check(struct stack *s, int family, bool v6only, const struct binding *b,
			 const struct endpoint *peer, uint8_t *own)
{
	bool v6 = !addr_is_mapped(&peer->addr);
	struct route r;

	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	if (v6 && family == AF_INET)
		return -EAFNOSUPPORT;
	if (!v6 && family == AF_INET6 && (v6only || (b != NULL && b->v6only)))
		return -ENETUNREACH;
	if (b != NULL && v6 && addr_is_mapped(&b->local.addr))
		return -EAFNOSUPPORT;
	if (peer->port == 0 || addr_is_any(&peer->addr) || own_find(s, &peer->addr) != OWN_NONE ||
	    (v6 ? peer->addr.b[0] == 0xff : peer->addr.b[12] >= 224)) /* MUST-46 */
		return -ENETUNREACH;
	if (route_find(s, &peer->addr, &r) < 0)
		return -ENETUNREACH;
	*own = r.own;
	if (b != NULL && !addr_is_any(&b->local.addr))
		*own = own_find(s, &b->local.addr);
	return *own == OWN_NONE ? -EADDRNOTAVAIL : 0;
}

static bool tuple_is_free(const struct stack *s, const struct endpoint *peer, uint8_t own,
			  uint16_t port)
{
	uint32_t hash = tcp_hash(s->tcp, &peer->addr, own, peer->port, port).table;

	return tcp_lookup(s->tcp, hash, &peer->addr, own, peer->port, port) == 0;
}

static uint16_t connect_port(struct stack *s, const struct endpoint *peer, uint8_t own)
{
	uint32_t start = tcp_random(s->tcp); /* RFC 6056 3.3.1 */

	for (uint32_t k = 0; k < PORTS; k++) {
		uint16_t port = (uint16_t)(PORT_FIRST + (start + k) % PORTS);

		if (!binding_port_used(&s->tcp_bindings, port) && tuple_is_free(s, peer, own, port))
			return port;
	}
	return 0;
}

static void conn_fill(struct stack *s, struct tcp_conn *c, int family, bool v6only,
		      const struct endpoint *peer)
{
	uint32_t iss;

	c->peer = peer->addr;
	c->pport = peer->port;
	c->state = TCP_S_SYN_SENT;
	if (family == AF_INET6)
		c->flags |= TCP_F_INET6;
	if (v6only)
		c->flags |= TCP_F_V6ONLY;
	if (!addr_is_mapped(&peer->addr))
		c->flags |= TCP_F_V6;
	iss = tcp_iss(s, &c->peer, c->own, c->pport, c->lport);
	c->snd_una = iss;
	c->snd_nxt = c->snd_max = c->snd_end = c->recover = iss + 1;
	c->snd_shift = TCP_WSCALE_NONE;
	c->mss = tcp_mss(s, c->flags & TCP_F_V6);
	conn_start(s, c);
}

int stack_connect(struct stack *s, uint64_t now, int family, bool v6only, int id,
		  const struct endpoint *peer, stack_conn *conn)
{
	struct binding *b = binding_at(&s->tcp_bindings, id);
	struct tcp_tuple_hash hash;
	struct tcp_conn *c;
	uint8_t own;
	uint16_t port;
	uint32_t i;
	int rc;

	tcp_now(s, now);
	if (id >= 0 && b == NULL)
		return -EINVAL;
	rc = connect_check(s, family, v6only, b, peer, &own);
	if (rc < 0)
		return rc;
	port = b != NULL ? b->local.port : connect_port(s, peer, own);
	if (port == 0 || !tuple_is_free(s, peer, own, port))
		return -EADDRNOTAVAIL;
	i = conn_alloc(s);
	if (i == 0)
		return -ENOBUFS;
	c = conn_at(s->tcp, i);
	c->own = own;
	c->lport = port;
	c->binding = b == NULL ? BINDING_NONE : (uint16_t)id;
	conn_fill(s, c, family, v6only, peer);
	hash = tcp_hash(s->tcp, &c->peer, own, c->pport, port);
	c->ts_off = hash.ts_off;
	conn_hash(s, i, hash.table);
	c->syn_us = (uint32_t)(s->tcp->now / 1000);
	conn_segment(s, i, c->snd_una, 0, TCP_SYN);
	timer_set(s, i, TCP_T_RTX, c->rto_ms);
	*conn = conn_handle(s->tcp, i);
	return 0;
}

/* --- sending --- */

/* Copies into the queue, into the last chunk as far as it has room. Returns how many octets. */
static uint32_t queue_add(struct stack *s, struct tcp_conn *c, const uint8_t *data, uint32_t len)
{
	uint32_t done = 0;

	while (done < len) {
		uint32_t i = c->snd_q_last, n;
		struct seg *g = i ? seg_at(s, i) : NULL;

		if (g == NULL || g->off + g->len == SEG_DATA) {
			i = slab_alloc(&s->segs);
			if (i == 0) {
				s->stats.tcp_no_memory++;
				break;
			}
			g = seg_at(s, i);
			g->next = 0;
			g->seq = c->snd_end;
			g->off = g->len = 0;
			if (c->snd_q_last != 0)
				seg_at(s, c->snd_q_last)->next = i;
			else
				c->snd_q = i;
			c->snd_q_last = i;
		}
		n = min_u32(len - done, (uint32_t)(SEG_DATA - g->off - g->len));
		memcpy(g->data + g->off + g->len, data + done, n);
		g->len = (uint16_t)(g->len + n);
		c->snd_end += n;
		done += n;
	}
	return done;
}

static uint32_t room_in_queue(const struct stack *s, const struct tcp_conn *c)
{
	uint32_t queued =
		c->state < TCP_S_ESTABLISHED ? c->snd_end - c->snd_nxt : c->snd_end - c->snd_una;

	return queued < s->cfg.send_buffer ? s->cfg.send_buffer - queued : 0;
}

size_t stack_sendable(const struct stack *s, stack_conn conn)
{
	uint32_t i = conn_find(s->tcp, conn);
	const struct tcp_conn *c = i ? conn_at(s->tcp, i) : NULL;

	if (c == NULL || c->state == TCP_S_CLOSED || (c->flags & TCP_F_FIN_QUEUED))
		return 0;
	return room_in_queue(s, c);
}

ssize_t stack_send(struct stack *s, stack_conn conn, const void *data, size_t len)
{
	uint32_t i = conn_find(s->tcp, conn), n;
	struct tcp_conn *c;

	if (i == 0)
		return -ENOTCONN;
	c = conn_at(s->tcp, i);
	if (c->error != 0) {
		int error = c->error;

		c->error = 0;
		return -error;
	}
	if (c->state == TCP_S_CLOSED || (c->flags & TCP_F_FIN_QUEUED))
		return -EPIPE;
	n = room_in_queue(s, c);
	n = len < n ? (uint32_t)len : n;
	n = queue_add(s, c, data, n);
	if (n < len)
		c->flags |= TCP_F_WANT_SEND;
	if (n == 0 && len > 0)
		return -EAGAIN;
	conn_want_out(s, i);
	return (ssize_t)n;
}

/* --- ending --- */

static void queue_fin(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (c->flags & TCP_F_FIN_QUEUED)
		return;
	c->flags |= TCP_F_FIN_QUEUED;
	if (c->state == TCP_S_ESTABLISHED || c->state == TCP_S_SYN_RECEIVED)
		c->state = c->state == TCP_S_ESTABLISHED ? TCP_S_FIN_WAIT_1 : c->state;
	else if (c->state == TCP_S_CLOSE_WAIT)
		c->state = TCP_S_LAST_ACK;
	conn_want_out(s, i);
}

int stack_shutdown_send(struct stack *s, stack_conn conn)
{
	uint32_t i = conn_find(s->tcp, conn);

	if (i == 0 || conn_at(s->tcp, i)->state < TCP_S_ESTABLISHED)
		return -ENOTCONN;
	queue_fin(s, i);
	return 0;
}

int stack_shutdown_recv(struct stack *s, stack_conn conn)
{
	uint32_t i = conn_find(s->tcp, conn);

	if (i == 0 || conn_at(s->tcp, i)->state < TCP_S_ESTABLISHED)
		return -ENOTCONN;
	conn_at(s->tcp, i)->flags |= TCP_F_NO_RECV;
	conn_event(s, i, TCP_E_READABLE);
	return 0;
}

/* The handle is gone for its user; the connection may go on without. */
static uint32_t orphan(struct stack *s, stack_conn conn)
{
	uint32_t i = conn_find(s->tcp, conn);
	struct tcp_conn *c;

	if (i == 0)
		return 0;
	c = conn_at(s->tcp, i);
	if (c->flags & TCP_F_ON_EVENTS)
		ilist_remove(&s->tcp->events, &s->tcp->conns, offsetof(struct tcp_conn, event), i);
	c->flags &= ~(uint32_t)TCP_F_ON_EVENTS;
	c->flags |= TCP_F_ORPHAN;
	c->events = 0;
	return i;
}

void stack_close(struct stack *s, uint64_t now, stack_conn conn)
{
	uint32_t i = orphan(s, conn);
	struct tcp_conn *c;

	if (i == 0)
		return;
	tcp_now(s, now);
	c = conn_at(s->tcp, i);
	if (c->state <= TCP_S_SYN_SENT) {
		conn_free(s, i);
		return;
	}
	if (c->rcv_q != 0 && c->state != TCP_S_CLOSED) { /* SHLD-3, MAY-1 */
		conn_send_rst(s, i);
		conn_free(s, i);
		return;
	}
	queue_fin(s, i);
	if (c->state == TCP_S_FIN_WAIT_2)
		wait_enter(s, i);
}

/*
 * RFC 9293 3.10.5: in CLOSING and LAST-ACK nothing is left to be reset, unless data are lost that
 * the peer believes to be read (SHLD-3). By the RFC they begin when FIN leaves; here, when it is
 * queued.
 */
static bool abort_resets(const struct tcp_conn *c)
{
	switch (c->state) {
	case TCP_S_SYN_RECEIVED:
	case TCP_S_ESTABLISHED:
	case TCP_S_FIN_WAIT_1:
	case TCP_S_FIN_WAIT_2:
	case TCP_S_CLOSE_WAIT:
		return true;
	case TCP_S_CLOSING:
	case TCP_S_LAST_ACK:
		return c->rcv_q != 0 || c->snd_max != snd_total(c);
	default:
		return false;
	}
}

void stack_abort(struct stack *s, uint64_t now, stack_conn conn)
{
	uint32_t i = orphan(s, conn);

	if (i == 0)
		return;
	tcp_now(s, now);
	if (abort_resets(conn_at(s->tcp, i)))
		conn_send_rst(s, i);
	conn_free(s, i);
}

/* --- options --- */

int stack_set_user(struct stack *s, stack_conn conn, uint32_t user)
{
	uint32_t i = conn_find(s->tcp, conn);

	if (i == 0)
		return -ENOTCONN;
	conn_at(s->tcp, i)->user = user;
	return 0;
}

int stack_set_nodelay(struct stack *s, stack_conn conn, bool on)
{
	uint32_t i = conn_find(s->tcp, conn);

	if (i == 0)
		return -ENOTCONN;
	if (on)
		conn_at(s->tcp, i)->flags |= TCP_F_NODELAY;
	else
		conn_at(s->tcp, i)->flags &= ~(uint32_t)TCP_F_NODELAY;
	conn_want_out(s, i);
	return 0;
}

int stack_set_keepalive(struct stack *s, uint64_t now, stack_conn conn, uint32_t idle_ms)
{
	uint32_t i = conn_find(s->tcp, conn);
	struct tcp_conn *c;

	if (i == 0)
		return -ENOTCONN;
	tcp_now(s, now);
	c = conn_at(s->tcp, i);
	c->keepalive_ms = idle_ms;
	if (idle_ms == 0)
		timer_clear(c, TCP_T_LIFE);
	else
		timer_set(s, i, TCP_T_LIFE, idle_ms);
	return 0;
}
