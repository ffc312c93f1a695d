/* SPDX-License-Identifier: MIT */
/* epoll_tcp.c - streams of the epoll engine: receive, send, time out, close */
#include "epoll_internal.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Every call is tried first; epoll is asked only where it would have blocked. A connection that
 * never blocks is never registered. One that does is registered once, edge-triggered, and stays so
 * until it is closed: each edge sets CONN_READABLE, and reading less than was asked for clears it.
 *
 * The textbook form registers at once, level-triggered, and reads when told to.
 */

static uint64_t conn_tag(const struct epolled *ep, const struct conn *c)
{
	return epoll_tag(KIND_CONN, c->gen, engine_conn_index(conns_handle(&ep->conns, c)));
}

/* Makes @flags (CONN_IN, CONN_OUT) what epoll reports. Returns 0 or -errno. */
static int conn_register(struct epolled *ep, struct conn *c, uint8_t flags)
{
	uint8_t now = c->flags & (CONN_IN | CONN_OUT);
	int op = now == 0 ? EPOLL_CTL_ADD : flags == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
	uint32_t events = ep->textbook ? 0 : EPOLLET;
	int rc;

	if (now == flags)
		return 0;
	if (flags & CONN_IN)
		events |= EPOLLIN | EPOLLRDHUP;
	if (flags & CONN_OUT)
		events |= EPOLLOUT;
	rc = epoll_interest(ep, op, c->fd, events, conn_tag(ep, c));
	if (rc == 0)
		c->flags = (uint8_t)((c->flags & ~(CONN_IN | CONN_OUT)) | flags);
	return rc;
}

void epoll_conn_close(struct epolled *ep, struct conn *c, int error)
{
	if (c->state != CONN_OPEN)
		return;
	conns_end(&ep->conns, c, error);
	for (uint32_t i = 0; i < ep->n_listeners; i++)
		ep->listeners[i].backoff.until_ms = 0; /* a descriptor is free again */
	if (c->sending) {			       /* its ENGINE_SENT comes first */
		close(c->fd);
		c->fd = -1;
		conns_wait(&ep->conns, c, WANT_SENT);
		return;
	}
	conns_finish(&ep->conns, c);
}

void epoll_conn_register(struct epolled *ep, struct conn *c)
{
	int rc = conn_register(ep, c, CONN_IN);

	if (rc < 0)
		epoll_conn_close(ep, c, rc);
}

int epoll_receive(struct engine *e, engine_conn conn)
{
	struct epolled *ep = epolled_of(e);
	struct conn *c = conns_of_handle(&ep->conns, conn);

	if (c == NULL)
		return -ENOTCONN;
	if (c->receiving)
		return -EALREADY;
	c->receiving = true;
	if (ep->textbook)
		return conn_register(ep, c, (c->flags & CONN_OUT) | CONN_IN);
	if (!(c->flags & CONN_IN) || (c->flags & CONN_READABLE))
		conns_wait(&ep->conns, c, WANT_RECV);
	return 0;
}

/* Nothing there yet: epoll shall tell. */
static void recv_would_block(struct epolled *ep, struct conn *c)
{
	int rc;

	c->flags &= (uint8_t)~CONN_READABLE;
	rc = conn_register(ep, c, (c->flags & CONN_OUT) | CONN_IN);
	if (rc < 0)
		epoll_conn_close(ep, c, rc);
}

/* No buffer is free: it waits in line, behind the others. */
static void recv_starve(struct epolled *ep, struct conn *c)
{
	if (!(c->flags & CONN_STARVED))
		ep->stats.recv_starved++;
	c->flags |= CONN_STARVED;
	conns_wait(&ep->conns, c, WANT_RECV);
}

static bool recv_try(struct epolled *ep, struct conn *c, struct engine_event *ev)
{
	uint32_t id;
	ssize_t n;

	if (!bufpool_has_free(&ep->tcp_bufs)) {
		recv_starve(ep, c);
		return false;
	}
	c->flags &= (uint8_t)~CONN_STARVED;
	id = bufpool_take(&ep->tcp_bufs);
	n = recv(c->fd, bufpool_data(&ep->tcp_bufs, id), ep->tcp_bufs.size, 0);
	if (n <= 0)
		bufpool_put(&ep->tcp_bufs, id);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		recv_would_block(ep, c);
		return false;
	}
	if (n < 0) {
		epoll_conn_close(ep, c, -errno);
		return false;
	}
	c->receiving = false;
	if ((size_t)n < ep->tcp_bufs.size && !(c->flags & CONN_HUP))
		c->flags &= (uint8_t)~CONN_READABLE;
	conns_touch(&ep->conns, c);
	*ev = (struct engine_event){
		.type = ENGINE_RECV, .conn = conns_handle(&ep->conns, c), .buf = ENGINE_NO_BUF};
	if (n > 0) {
		ev->buf = STREAM_BUF_BASE + id;
		ev->data = bufpool_data(&ep->tcp_bufs, id);
		ev->len = (size_t)n;
	}
	return true;
}

/* Sends as much as the socket takes. What remains waits for epoll. */
static void send_try(struct epolled *ep, struct conn *c)
{
	int rc = 0;

	while (c->send_left > 0 && rc == 0) {
		ssize_t n = send(c->fd, c->send_data, c->send_left, MSG_NOSIGNAL);

		if (n < 0) {
			rc = -errno;
			continue;
		}
		c->send_data += n;
		c->send_left -= (size_t)n;
		c->send_done += (size_t)n;
	}
	if (rc == -EAGAIN || rc == -EINTR)
		rc = conn_register(ep, c, (c->flags & CONN_IN) | CONN_OUT);
	else if (rc == 0 && (c->flags & CONN_OUT) && ep->textbook)
		rc = conn_register(ep, c, c->flags & CONN_IN);
	if (rc < 0)
		c->error = rc; /* for the ENGINE_SENT that comes next */
	if (rc < 0 || c->send_left == 0)
		conns_wait(&ep->conns, c, WANT_SENT);
}

int epoll_send(struct engine *e, engine_conn conn, const void *data, size_t len, engine_buf buf)
{
	struct epolled *ep = epolled_of(e);
	struct conn *c = conns_of_handle(&ep->conns, conn);
	int rc = conn_send_begin(c, data, len, buf);

	if (rc < 0)
		return rc;
	c->sending = true;
	send_try(ep, c);
	return 0;
}

static void sent_deliver(struct epolled *ep, struct conn *c, struct engine_event *ev)
{
	int error = c->error;

	if (c->state == CONN_CLOSING)
		error = c->send_left > 0 ? -ECANCELED : 0;
	c->sending = false;
	*ev = (struct engine_event){.type = ENGINE_SENT,
				    .conn = conns_handle(&ep->conns, c),
				    .len = c->send_done,
				    .error = error,
				    .buf = c->send_buf};
	if (c->state == CONN_CLOSING) {
		conns_finish(&ep->conns, c);
		return;
	}
	conns_touch(&ep->conns, c);
	if (error < 0)
		epoll_conn_close(ep, c, error);
}

bool epoll_conn_ready(struct epolled *ep, struct conn *c, uint32_t events, struct engine_event *ev)
{
	bool in = events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
	bool out = events & (EPOLLOUT | EPOLLHUP | EPOLLERR);

	if (out && c->sending && c->send_left > 0 && !(c->want & WANT_SENT))
		send_try(ep, c);
	if (!in || c->state != CONN_OPEN)
		return false;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->flags |= CONN_HUP;
	c->flags |= CONN_READABLE;
	if (c->receiving && !(c->want & WANT_RECV))
		return recv_try(ep, c, ev);
	if (ep->textbook) /* it would be told again and again */
		conn_register(ep, c, c->flags & CONN_OUT);
	return false;
}

int epoll_conns_turn(struct epolled *ep, struct engine_event *events, int max)
{
	/* What goes to the tail has its turn next time: look at each one once. */
	struct conn *last = TAILQ_LAST(&ep->conns.waiting, conn_list), *c;
	int n = 0;

	while (n < max && (c = TAILQ_FIRST(&ep->conns.waiting)) != NULL) {
		uint8_t want = c->want;

		conns_unwait(&ep->conns, c);
		if (want & WANT_RECV) {
			if (want & WANT_SENT)
				conns_wait(&ep->conns, c, WANT_RECV);
			else
				n += recv_try(ep, c, &events[n]);
		}
		if (want & WANT_SENT)
			sent_deliver(ep, c, &events[n++]);
		if (c == last)
			break;
	}
	return n;
}

void epoll_close(struct engine *e, engine_conn conn)
{
	struct epolled *ep = epolled_of(e);
	struct conn *c = conns_of_handle(&ep->conns, conn);

	if (c != NULL)
		epoll_conn_close(ep, c, 0);
}
