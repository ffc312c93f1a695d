/* SPDX-License-Identifier: MIT */
/* uring_tcp.c - streams of the io_uring engine: receive, send, time out, close */
#include "uring_internal.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

/*
 * A connection is closed only when none of its requests is in the kernel: a receive in flight keeps
 * a reference to the socket, and close(2) would then send no FIN. conn_close() therefore cancels
 * first, and the last completion closes. ENGINE_CLOSED is delivered by the next poll, after every
 * other event of the connection.
 *
 * Receive is singleshot with a buffer the kernel picks when data is there, so an idle connection
 * costs no buffer. With no free buffer it fails at once (-ENOBUFS): the connection then waits in
 * line until one is recycled. The same line holds what found no submission entry.
 */

static uint32_t conn_index(const struct uring *u, const struct uring_conn *c)
{
	return (uint32_t)(c - u->conns);
}

engine_conn conn_handle(const struct uring *u, const struct uring_conn *c)
{
	return (uint64_t)c->gen << 32 | conn_index(u, c);
}

static uint64_t conn_tag(const struct uring *u, const struct uring_conn *c, enum uring_op op)
{
	return tag_make(op, c->gen, conn_index(u, c));
}

/* The open or closing connection of that generation, else NULL. */
static struct uring_conn *conn_find(struct uring *u, uint32_t index, uint32_t gen)
{
	struct uring_conn *c;

	if (index >= u->cfg.max_conns)
		return NULL;
	c = &u->conns[index];
	return c->gen == gen && (c->state == CONN_OPEN || c->state == CONN_CLOSING) ? c : NULL;
}

static struct uring_conn *conn_of_handle(struct uring *u, engine_conn conn)
{
	struct uring_conn *c = conn_find(u, engine_conn_index(conn), (uint32_t)(conn >> 32));

	return c != NULL && c->state == CONN_OPEN ? c : NULL;
}

/* While draining a silent stream is done soon, but an answer may take its time. */
static bool conn_in_a_hurry(const struct uring *u, const struct uring_conn *c)
{
	return u->draining && !c->send_armed;
}

static uint64_t conn_due_ms(const struct uring *u, const struct uring_conn *c)
{
	if (conn_in_a_hurry(u, c) && u->cfg.idle_timeout_ms > ENGINE_DRAIN_IDLE_MS)
		return c->active_ms + ENGINE_DRAIN_IDLE_MS;
	return c->active_ms + u->cfg.idle_timeout_ms;
}

/* The timer is not moved at every event: when it fires too early it is set again. */
static void conn_touch(struct uring *u, struct uring_conn *c)
{
	c->active_ms = u->now_ms;
	if (!u->draining)
		return;
	wheel_del(&u->wheel, &c->timer);
	wheel_add(&u->wheel, &c->timer, conn_due_ms(u, c));
}

struct uring_conn *conn_open(struct uring *u, int fd)
{
	struct uring_conn *c = TAILQ_FIRST(&u->free);

	if (c == NULL)
		return NULL;
	TAILQ_REMOVE(&u->free, c, link);
	*c = (struct uring_conn){.fd = fd, .gen = gen_next(c->gen), .state = CONN_OPEN};
	c->active_ms = u->now_ms;
	wheel_add(&u->wheel, &c->timer, conn_due_ms(u, c));
	u->n_open++;
	return c;
}

static void conn_wait(struct uring *u, struct uring_conn *c, uint8_t want)
{
	if (c->want == 0)
		TAILQ_INSERT_TAIL(&u->waiting, c, link);
	c->want |= want;
}

static void conn_finish(struct uring *u, struct uring_conn *c)
{
	close(c->fd);
	c->fd = -1;
	c->state = CONN_CLOSED;
	TAILQ_INSERT_TAIL(&u->closed, c, link);
	accept_resume(u);
}

static void conn_cancel(struct uring *u, struct uring_conn *c)
{
	bool ok = true;

	if (c->recv_armed)
		ok = uring_cancel(u, conn_tag(u, c, OP_RECV));
	if (ok && c->send_armed)
		ok = uring_cancel(u, conn_tag(u, c, OP_SEND));
	if (!ok)
		conn_wait(u, c, WANT_CANCEL);
}

void conn_close(struct uring *u, struct uring_conn *c, int error)
{
	if (c->state != CONN_OPEN)
		return;
	c->state = CONN_CLOSING;
	c->error = error;
	wheel_del(&u->wheel, &c->timer);
	if (c->want) {
		TAILQ_REMOVE(&u->waiting, c, link);
		c->want = 0;
	}
	if (c->recv_armed || c->send_armed)
		conn_cancel(u, c);
	else
		conn_finish(u, c);
}

/* A closing connection has lost one of its requests. */
static void conn_settle(struct uring *u, struct uring_conn *c)
{
	if (c->state != CONN_CLOSING || c->recv_armed || c->send_armed)
		return;
	if (c->want) {
		TAILQ_REMOVE(&u->waiting, c, link);
		c->want = 0;
	}
	conn_finish(u, c);
}

int conn_take_closed(struct uring *u, struct engine_event *events, int max)
{
	struct uring_conn *c;
	int n = 0;

	while (n < max && (c = TAILQ_FIRST(&u->closed)) != NULL) {
		events[n++] = (struct engine_event){.type = ENGINE_CLOSED,
						    .conn = conn_handle(u, c),
						    .error = c->error,
						    .buf = ENGINE_NO_BUF};
		TAILQ_REMOVE(&u->closed, c, link);
		TAILQ_INSERT_HEAD(&u->free, c, link);
		c->state = CONN_FREE;
		u->n_open--;
	}
	return n;
}

void conn_expire(struct uring *u)
{
	struct wheel_node *node;

	while ((node = wheel_expire(&u->wheel, u->now_ms)) != NULL) {
		struct uring_conn *c = (struct uring_conn *)node;
		uint64_t due_ms = conn_due_ms(u, c);

		if (due_ms > u->now_ms)
			wheel_add(&u->wheel, node, due_ms);
		else
			conn_close(u, c, conn_in_a_hurry(u, c) ? 0 : -ETIMEDOUT);
	}
}

void conn_hurry(struct uring *u)
{
	for (uint32_t i = 0; i < u->cfg.max_conns; i++) {
		struct uring_conn *c = &u->conns[i];

		if (c->state != CONN_OPEN)
			continue;
		wheel_del(&u->wheel, &c->timer);
		wheel_add(&u->wheel, &c->timer, conn_due_ms(u, c));
	}
}

static void recv_arm(struct uring *u, struct uring_conn *c)
{
	struct io_uring_sqe *sqe = uring_sqe(u);

	if (sqe == NULL) {
		conn_wait(u, c, WANT_RECV);
		return;
	}
	io_uring_prep_recv(sqe, c->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP_TCP;
	io_uring_sqe_set_data64(sqe, conn_tag(u, c, OP_RECV));
	c->recv_armed = true;
}

int uring_receive(struct engine *e, engine_conn conn)
{
	struct uring *u = uring_of(e);
	struct uring_conn *c = conn_of_handle(u, conn);

	if (c == NULL)
		return -ENOTCONN;
	if (c->recv_armed || (c->want & WANT_RECV))
		return -EALREADY;
	recv_arm(u, c);
	return 0;
}

static bool recv_deliver(struct uring *u, struct uring_conn *c, const struct io_uring_cqe *cqe,
			 struct engine_event *ev)
{
	*ev = (struct engine_event){
		.type = ENGINE_RECV, .conn = conn_handle(u, c), .buf = ENGINE_NO_BUF};
	if (cqe->res == 0)
		return true;
	ev->buf = TCP_BUF_BASE + (cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	ev->data = bufring_data(&u->tcp_bufs, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	ev->len = (size_t)cqe->res;
	return true;
}

bool conn_recv_complete(struct uring *u, const struct io_uring_cqe *cqe, struct engine_event *ev)
{
	struct uring_conn *c = conn_find(u, tag_index(cqe->user_data), tag_gen(cqe->user_data));
	bool has_buf = cqe->flags & IORING_CQE_F_BUFFER;
	uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	bool deliver;

	/* A buffer was taken exactly when F_BUFFER says so, whatever the result. */
	if (has_buf)
		bufring_take(&u->tcp_bufs, id);
	assert(c != NULL && c->recv_armed); /* it is not freed while the request is in flight */
	c->recv_armed = false;
	deliver = c->state == CONN_OPEN && cqe->res >= 0 && (has_buf || cqe->res == 0);
	if (has_buf && (!deliver || cqe->res == 0))
		bufring_recycle(&u->tcp_bufs, id);
	if (deliver) {
		conn_touch(u, c);
		return recv_deliver(u, c, cqe, ev);
	}
	if (c->state == CONN_OPEN && cqe->res == -ENOBUFS) {
		u->stats.recv_starved++;
		conn_wait(u, c, WANT_RECV);
	} else if (c->state == CONN_OPEN && (cqe->res == -EINTR || cqe->res == -EAGAIN)) {
		recv_arm(u, c);
	} else if (c->state == CONN_OPEN) {
		conn_close(u, c, cqe->res < 0 ? cqe->res : -EIO);
	} else {
		conn_settle(u, c);
	}
	return false;
}

/* The kernel retries short sends of a stream itself (MSG_WAITALL); what still falls short is
 * resubmitted. */
static int send_arm(struct uring *u, struct uring_conn *c)
{
	struct io_uring_sqe *sqe = uring_sqe(u);

	if (sqe == NULL)
		return -EAGAIN;
	io_uring_prep_send(sqe, c->fd, c->send_data, c->send_left, MSG_NOSIGNAL | MSG_WAITALL);
	io_uring_sqe_set_data64(sqe, conn_tag(u, c, OP_SEND));
	c->send_armed = true;
	return 0;
}

int uring_send(struct engine *e, engine_conn conn, const void *data, size_t len, engine_buf buf)
{
	struct uring *u = uring_of(e);
	struct uring_conn *c = conn_of_handle(u, conn);

	if (c == NULL)
		return -ENOTCONN;
	if (c->send_armed)
		return -EALREADY;
	if (len == 0)
		return -EINVAL;
	c->send_data = data;
	c->send_left = len;
	c->send_done = 0;
	c->send_buf = buf;
	return send_arm(u, c);
}

bool conn_send_complete(struct uring *u, const struct io_uring_cqe *cqe, struct engine_event *ev)
{
	struct uring_conn *c = conn_find(u, tag_index(cqe->user_data), tag_gen(cqe->user_data));
	int error = cqe->res < 0 ? cqe->res : 0;

	assert(c != NULL && c->send_armed);
	c->send_armed = false;
	if (cqe->res > 0) {
		c->send_data += cqe->res;
		c->send_left -= (size_t)cqe->res;
		c->send_done += (size_t)cqe->res;
	}
	if (c->send_left > 0 && c->state == CONN_OPEN &&
	    (cqe->res >= 0 || error == -EINTR || error == -EAGAIN)) {
		error = send_arm(u, c);
		if (error == 0)
			return false;
	}
	*ev = (struct engine_event){.type = ENGINE_SENT,
				    .conn = conn_handle(u, c),
				    .len = c->send_done,
				    .error = c->send_left > 0 && error == 0 ? -ECANCELED : error,
				    .buf = c->send_buf};
	if (c->state == CONN_OPEN) {
		conn_touch(u, c);
		if (error < 0)
			conn_close(u, c, error);
	} else {
		conn_settle(u, c);
	}
	return true;
}

void conn_retry_waiting(struct uring *u)
{
	/* What fails again goes to the tail: look at each one once. */
	struct uring_conn *last = TAILQ_LAST(&u->waiting, conn_list), *c;
	uint32_t budget = u->tcp_bufs.count - u->tcp_bufs.lent;

	while ((c = TAILQ_FIRST(&u->waiting)) != NULL) {
		uint8_t want = c->want;

		if ((want & WANT_RECV) && budget == 0)
			return;
		TAILQ_REMOVE(&u->waiting, c, link);
		c->want = 0;
		if (want & WANT_CANCEL)
			conn_cancel(u, c);
		if (want & WANT_RECV) {
			budget--;
			recv_arm(u, c);
		}
		if (c == last)
			return;
	}
}

void uring_close(struct engine *e, engine_conn conn)
{
	struct uring *u = uring_of(e);
	struct uring_conn *c = conn_of_handle(u, conn);

	if (c != NULL)
		conn_close(u, c, 0);
}
