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

static uint64_t conn_tag(const struct uring *u, const struct conn *c, enum uring_op op)
{
	return tag_make(op, c->gen, engine_conn_index(conns_handle(&u->conns, c)));
}

static void conn_finish(struct uring *u, struct conn *c)
{
	/*
	 * Closes ride along with the next submission, which comes before ENGINE_CLOSED is
	 * delivered: a batch of them costs about a tenth less than as many system calls.
	 */
	sock_close(u, c->fd);
	c->fd = -1;
	conns_finish(&u->conns, c);
	accept_resume(u);
}

static void conn_cancel(struct uring *u, struct conn *c)
{
	bool ok = true;

	if (c->receiving)
		ok = uring_cancel(u, conn_tag(u, c, OP_RECV));
	if (ok && c->sending)
		ok = uring_cancel(u, conn_tag(u, c, OP_SEND));
	if (!ok)
		conns_wait(&u->conns, c, WANT_CANCEL);
}

void conn_close(struct uring *u, struct conn *c, int error)
{
	if (c->state != CONN_OPEN)
		return;
	conns_end(&u->conns, c, error);
	if (c->receiving || c->sending)
		conn_cancel(u, c);
	else
		conn_finish(u, c);
}

/* A closing connection has lost one of its requests. */
static void conn_settle(struct uring *u, struct conn *c)
{
	if (c->state != CONN_CLOSING || c->receiving || c->sending)
		return;
	conn_finish(u, c);
}

void conn_expire(struct uring *u)
{
	struct conn *c;
	int error;

	while ((c = conns_expire(&u->conns, &error)) != NULL)
		conn_close(u, c, error);
}

static void recv_arm(struct uring *u, struct conn *c)
{
	struct io_uring_sqe *sqe = uring_sqe(u);

	if (sqe == NULL) {
		conns_wait(&u->conns, c, WANT_RECV);
		return;
	}
	io_uring_prep_recv(sqe, -1, NULL, 0, 0);
	sock_use(sqe, c->fd);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP_TCP;
	/* Behind an answer there is rarely another request: do not try, wait. */
	if (c->flags & CONN_DRAINED)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	io_uring_sqe_set_data64(sqe, conn_tag(u, c, OP_RECV));
	c->receiving = true;
}

int uring_receive(struct engine *e, engine_conn conn)
{
	struct uring *u = uring_of(e);
	struct conn *c = conns_of_handle(&u->conns, conn);

	if (c == NULL)
		return -ENOTCONN;
	if (c->receiving || (c->want & WANT_RECV))
		return -EALREADY;
	recv_arm(u, c);
	return 0;
}

static bool recv_deliver(struct uring *u, struct conn *c, const struct io_uring_cqe *cqe,
			 struct engine_event *ev)
{
	*ev = (struct engine_event){
		.type = ENGINE_RECV, .conn = conns_handle(&u->conns, c), .buf = ENGINE_NO_BUF};
	if (cqe->res == 0)
		return true;
	ev->buf = STREAM_BUF_BASE + (cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	ev->data = bufring_data(&u->tcp_bufs, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	ev->len = (size_t)cqe->res;
	return true;
}

bool conn_recv_complete(struct uring *u, const struct io_uring_cqe *cqe, struct engine_event *ev)
{
	struct conn *c = conns_find(&u->conns, tag_index(cqe->user_data), tag_gen(cqe->user_data));
	bool has_buf = cqe->flags & IORING_CQE_F_BUFFER;
	uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	bool deliver;

	/* A buffer was taken exactly when F_BUFFER says so, whatever the result. */
	if (has_buf)
		bufring_take(&u->tcp_bufs, id);
	assert(c != NULL && c->receiving); /* it is not freed while the request is in flight */
	c->receiving = false;
	if (cqe->flags & IORING_CQE_F_SOCK_NONEMPTY)
		c->flags &= (uint8_t)~CONN_DRAINED;
	else
		c->flags |= CONN_DRAINED;
	deliver = c->state == CONN_OPEN && cqe->res >= 0 && (has_buf || cqe->res == 0);
	if (has_buf && (!deliver || cqe->res == 0))
		bufring_recycle(&u->tcp_bufs, id);
	if (deliver) {
		conns_touch(&u->conns, c);
		return recv_deliver(u, c, cqe, ev);
	}
	if (c->state == CONN_OPEN && cqe->res == -ENOBUFS) {
		u->stats.recv_starved++;
		bufring_starved(&u->tcp_bufs);
		conns_wait(&u->conns, c, WANT_RECV);
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
static int send_arm(struct uring *u, struct conn *c)
{
	struct io_uring_sqe *sqe = uring_sqe(u);

	if (sqe == NULL)
		return -EAGAIN;
	io_uring_prep_send(sqe, -1, c->send_data, c->send_left, MSG_NOSIGNAL | MSG_WAITALL);
	sock_use(sqe, c->fd);
	io_uring_sqe_set_data64(sqe, conn_tag(u, c, OP_SEND));
	c->sending = true;
	return 0;
}

int uring_send(struct engine *e, engine_conn conn, const void *data, size_t len, engine_buf buf)
{
	struct uring *u = uring_of(e);
	struct conn *c = conns_of_handle(&u->conns, conn);
	int rc = conn_send_begin(c, data, len, buf);

	return rc < 0 ? rc : send_arm(u, c);
}

bool conn_send_complete(struct uring *u, const struct io_uring_cqe *cqe, struct engine_event *ev)
{
	struct conn *c = conns_find(&u->conns, tag_index(cqe->user_data), tag_gen(cqe->user_data));
	int error = cqe->res < 0 ? cqe->res : 0;

	assert(c != NULL && c->sending);
	c->sending = false;
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
				    .conn = conns_handle(&u->conns, c),
				    .len = c->send_done,
				    .error = c->send_left > 0 && error == 0 ? -ECANCELED : error,
				    .buf = c->send_buf};
	if (c->state == CONN_OPEN) {
		conns_touch(&u->conns, c);
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
	struct conn *last = TAILQ_LAST(&u->conns.waiting, conn_list), *c;
	uint32_t budget = u->tcp_bufs.offered;

	while ((c = TAILQ_FIRST(&u->conns.waiting)) != NULL) {
		uint8_t want = c->want;

		if ((want & WANT_RECV) && budget == 0)
			return;
		conns_unwait(&u->conns, c);
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

void uring_shutdown(struct engine *e, engine_conn conn)
{
	struct uring *u = uring_of(e);
	struct conn *c = conns_of_handle(&u->conns, conn);

	if (c != NULL && !sock_shutdown(u, c, conn_tag(u, c, OP_SHUTDOWN)))
		conn_close(u, c, 0);
}

void conn_shutdown_complete(struct uring *u, const struct io_uring_cqe *cqe)
{
	struct conn *c = conns_find(&u->conns, tag_index(cqe->user_data), tag_gen(cqe->user_data));

	if (cqe->res >= 0)
		sock_shutdown_installed(cqe->res);
	else if (c != NULL)
		conn_close(u, c, 0); /* no descriptor to be had: the other end must not wait */
}

void uring_close(struct engine *e, engine_conn conn)
{
	struct uring *u = uring_of(e);
	struct conn *c = conns_of_handle(&u->conns, conn);

	if (c != NULL)
		conn_close(u, c, 0);
}
