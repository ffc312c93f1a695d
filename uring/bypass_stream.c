/* SPDX-License-Identifier: MIT */
/* bypass_stream.c - streams of the bypass engine: accept, receive, send, close */
#include "bypass_internal.h"

#include <errno.h>

/*
 * A receive buffer is the stack's own chunk of memory, lent: what a frame brought is copied once,
 * into it. What is sent is copied once more, into the stack's queue, so a send is over as soon as
 * the queue has taken all of it.
 */

static uint32_t index_of(const struct bypass *b, const struct conn *c)
{
	return (uint32_t)(c - b->conns.list);
}

static stack_conn stream_of(const struct bypass *b, const struct conn *c)
{
	return b->streams[index_of(b, c)];
}

void bypass_stream_close(struct bypass *b, struct conn *c, int error)
{
	if (c->state != CONN_OPEN)
		return;
	conns_end(&b->conns, c, error);
	stack_close(b->stack, b->now, stream_of(b, c));
	if (c->sending) /* its ENGINE_SENT comes first */
		conns_wait(&b->conns, c, WANT_SENT);
	else
		conns_finish(&b->conns, c);
}

/* As much as the stack's queue takes. */
static void send_more(struct bypass *b, struct conn *c)
{
	ssize_t n = stack_send(b->stack, stream_of(b, c), c->send_data, c->send_left);

	if (n == -EAGAIN)
		return;
	if (n < 0) {
		c->error = (int)n; /* for the ENGINE_SENT that comes next */
		conns_wait(&b->conns, c, WANT_SENT);
		return;
	}
	c->send_data += n;
	c->send_left -= (size_t)n;
	c->send_done += (size_t)n;
	if (c->send_left == 0)
		conns_wait(&b->conns, c, WANT_SENT);
}

void bypass_stream_event(struct bypass *b, const struct stack_event *ev)
{
	struct conn *c = &b->conns.list[ev->user];

	if (c->state != CONN_OPEN || b->streams[ev->user] != ev->conn)
		return;
	if (ev->type == STACK_EV_WRITABLE && c->sending && c->send_left > 0)
		send_more(b, c);
	if (ev->type == STACK_EV_CLOSED && ev->error != 0 && !(c->flags & CONN_READABLE)) {
		bypass_stream_close(b, c, ev->error);
		return;
	}
	if (ev->type != STACK_EV_READABLE && ev->type != STACK_EV_CLOSED)
		return;
	/* Whatever it is, receiving will tell: data first, then the end or the error. */
	c->flags |= CONN_READABLE;
	if (c->receiving)
		conns_wait(&b->conns, c, WANT_RECV);
}

/* --- accepting --- */

static bool may_accept(const struct bypass *b)
{
	return b->conns.n_open < b->conns.max;
}

static void admit(struct bypass *b, uint32_t listener, stack_conn stream,
		  const struct stack_conn_info *info, struct engine_event *ev)
{
	struct conn *c = conns_open(&b->conns, -1);

	b->streams[index_of(b, c)] = stream;
	stack_set_user(b->stack, stream, index_of(b, c));
	b->stats.accepted++;
	*ev = (struct engine_event){.type = ENGINE_ACCEPT,
				    .listener = listener,
				    .family = info->family,
				    .conn = conns_handle(&b->conns, c),
				    .buf = ENGINE_NO_BUF};
	if (b->cfg.no_addresses)
		return;
	ev->peer = info->peer;
	ev->local = info->local;
	ev->cookie = stream;
}

static int accept_some(struct bypass *b, uint32_t index, struct engine_event *events, int max)
{
	struct bypass_listener *l = &b->listeners[index];
	struct stack_conn_info info;
	stack_conn stream;
	int n = 0;

	while (n < max && l->ready && may_accept(b)) {
		if (stack_accept(b->stack, l->id, &stream, &info) == 0)
			admit(b, index, stream, &info, &events[n++]);
		else
			l->ready = false;
	}
	if (b->conns.draining && !l->ready && !l->done) {
		stack_tcp_unbind(b->stack, b->now, l->id);
		l->done = true;
	}
	return n;
}

int bypass_accept(struct bypass *b, struct engine_event *events, int max)
{
	int n = 0;

	for (uint32_t i = 0; i < b->n_listeners; i++) {
		if (b->listeners[i].info.proto == IPPROTO_TCP && b->listeners[i].ready)
			n += accept_some(b, i, events + n, max - n);
	}
	return n;
}

/* --- receiving and sending --- */

int bypass_receive(struct engine *e, engine_conn conn)
{
	struct bypass *b = bypass_of(e);
	struct conn *c = conns_of_handle(&b->conns, conn);

	if (c == NULL)
		return -ENOTCONN;
	if (c->receiving)
		return -EALREADY;
	c->receiving = true;
	if (c->flags & CONN_READABLE)
		conns_wait(&b->conns, c, WANT_RECV);
	return 0;
}

static bool recv_deliver(struct bypass *b, struct conn *c, struct engine_event *ev)
{
	struct stack_buf buf;
	int rc = stack_recv(b->stack, stream_of(b, c), &buf);

	if (rc == -EAGAIN) {
		c->flags &= (uint8_t)~CONN_READABLE;
		return false;
	}
	if (rc < 0) {
		bypass_stream_close(b, c, rc);
		return false;
	}
	c->receiving = false;
	conns_touch(&b->conns, c);
	*ev = (struct engine_event){
		.type = ENGINE_RECV, .conn = conns_handle(&b->conns, c), .buf = ENGINE_NO_BUF};
	if (rc > 0) {
		ev->data = buf.data;
		ev->len = buf.len;
		ev->buf = STREAM_BUF_BASE + buf.ref;
	}
	return true;
}

int bypass_send(struct engine *e, engine_conn conn, const void *data, size_t len, engine_buf buf)
{
	struct bypass *b = bypass_of(e);
	struct conn *c = conns_of_handle(&b->conns, conn);
	int rc = conn_send_begin(c, data, len, buf);

	if (rc < 0)
		return rc;
	c->sending = true;
	send_more(b, c);
	return 0;
}

static void sent_deliver(struct bypass *b, struct conn *c, struct engine_event *ev)
{
	int error = c->error;

	if (c->state == CONN_CLOSING)
		error = c->send_left > 0 ? -ECANCELED : 0;
	*ev = (struct engine_event){.type = ENGINE_SENT,
				    .conn = conns_handle(&b->conns, c),
				    .len = c->send_done,
				    .error = c->send_left > 0 ? error : 0,
				    .buf = c->send_buf};
	c->sending = false;
	if (c->state == CONN_CLOSING) {
		conns_finish(&b->conns, c);
		return;
	}
	conns_touch(&b->conns, c);
	if (error < 0)
		bypass_stream_close(b, c, error);
}

/* One thing a waiting connection wants. True with @ev filled when it makes an event. */
static bool turn(struct bypass *b, struct conn *c, struct engine_event *ev)
{
	uint8_t want = c->want;

	conns_unwait(&b->conns, c);
	if (want & WANT_SENT) {
		if (want & WANT_RECV)
			conns_wait(&b->conns, c, WANT_RECV);
		sent_deliver(b, c, ev);
		return true;
	}
	return c->receiving && recv_deliver(b, c, ev);
}

int bypass_streams_turn(struct bypass *b, struct engine_event *events, int max)
{
	struct conn *c;
	int n = 0;

	while (n < max && (c = TAILQ_FIRST(&b->conns.waiting)) != NULL)
		n += turn(b, c, &events[n]);
	return n;
}

void bypass_close(struct engine *e, engine_conn conn)
{
	struct bypass *b = bypass_of(e);
	struct conn *c = conns_of_handle(&b->conns, conn);

	if (c != NULL)
		bypass_stream_close(b, c, 0);
}

void bypass_shutdown(struct engine *e, engine_conn conn)
{
	struct bypass *b = bypass_of(e);
	struct conn *c = conns_of_handle(&b->conns, conn);

	if (c != NULL)
		stack_shutdown_send(b->stack, stream_of(b, c));
}
