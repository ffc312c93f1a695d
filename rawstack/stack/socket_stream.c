/* SPDX-License-Identifier: MIT */
/* socket_stream.c - stream sockets: the states of inet_stream_ops(), over the stack's TCP */
#include "socket_internal.h"

#include <errno.h>

enum { BACKLOG_MAX = 4096 }; /* as net.core.somaxconn */

static int wildcard_bind(struct rawstack_host *h, struct sock *s)
{
	struct endpoint any = {.addr = s->family == AF_INET ? ADDR_ANY4 : ADDR_ANY6};

	return sock_bind_to(h, s, &any);
}

int stream_listen(struct rawstack_host *h, struct sock *s, int backlog)
{
	bool own = s->binding == SOCK_NO_BINDING;
	int rc = 0;

	if (s->state != SOCK_S_IDLE && s->state != SOCK_S_LISTENING)
		return -EINVAL;
	if (own)
		rc = wildcard_bind(h, s);
	if (rc < 0)
		return rc;
	if (backlog < 0 || backlog > BACKLOG_MAX)
		backlog = BACKLOG_MAX;
	rc = stack_tcp_listen(h->stack, s->binding, (uint32_t)backlog);
	if (rc == 0)
		s->state = SOCK_S_LISTENING;
	return rc;
}

static int adopt(struct rawstack_host *h, const struct sock *listener, stack_conn conn,
		 const struct stack_conn_info *info, int flags)
{
	int fd = sock_new(h, listener->family, SOCK_STREAM);
	struct sock *s;

	if (fd < 0 || sock_map_conn(h, conn, fd) < 0) {
		stack_abort(h->stack, sock_now(h), conn);
		return fd < 0 ? fd : -ENOMEM;
	}
	s = &h->socks[fd];
	s->state = SOCK_S_CONNECTED;
	s->established = true;
	s->conn = conn;
	s->nonblock = flags & SOCK_NONBLOCK;
	s->v6only = listener->v6only;
	s->reuse_addr = listener->reuse_addr;
	s->reuse_port = listener->reuse_port;
	s->nodelay = listener->nodelay;
	s->keepalive = listener->keepalive;
	s->keep_idle_s = listener->keep_idle_s;
	s->linger = listener->linger;
	s->linger_s = listener->linger_s;
	s->local = info->local;
	s->peer = info->peer;
	if (s->nodelay)
		(void)stack_set_nodelay(h->stack, conn, true);
	return fd;
}

int stream_accept(struct rawstack_host *h, struct sock *s, int flags)
{
	uint64_t deadline = sock_deadline(h, s, 0, s->recv_timeout_ns);
	struct stack_conn_info info;
	stack_conn conn;
	int rc;

	if (s->state != SOCK_S_LISTENING)
		return -EINVAL;
	sock_pump(h);
	while ((rc = stack_accept(h->stack, s->binding, &conn, &info)) == -EAGAIN) {
		rc = sock_wait(h, deadline);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	rc = adopt(h, s, conn, &info, flags);
	sock_pump(h); /* what happened to it while it waited is reported now */
	return rc;
}

/* The connection is given back; the socket can be used again (and goes wrong for no family). */
static void let_go(struct rawstack_host *h, struct sock *s)
{
	if (s->conn) {
		stack_close(h->stack, sock_now(h), s->conn);
		(void)sock_map_conn(h, s->conn, -1);
	}
	s->conn = 0;
	s->established = s->over = s->shut_read = s->shut_write = false;
	s->state = SOCK_S_IDLE;
	if (!s->asked_for) {
		s->local.addr = s->family == AF_INET ? ADDR_ANY4 : ADDR_ANY6;
		s->local.port = 0;
	}
}

static int start(struct rawstack_host *h, int fd, const struct endpoint *peer)
{
	struct sock *s = &h->socks[fd];
	struct stack_conn_info info;
	int rc;

	rc = stack_connect(h->stack, sock_now(h), s->family, s->v6only, s->binding, peer, &s->conn);
	if (rc < 0)
		return rc;
	rc = sock_map_conn(h, s->conn, fd);
	if (rc < 0) {
		stack_abort(h->stack, sock_now(h), s->conn);
		s->conn = 0;
		return rc;
	}
	s->state = SOCK_S_CONNECTING;
	s->peer = *peer;
	if (stack_conn_info(h->stack, s->conn, &info) == 0)
		s->local = info.local;
	if (s->nodelay)
		(void)stack_set_nodelay(h->stack, s->conn, true);
	return 0;
}

/* How it ended: 0, or the error, after which the socket is as before connect(). */
static int finish(struct rawstack_host *h, struct sock *s)
{
	int rc;

	if (s->established) {
		s->state = SOCK_S_CONNECTED;
		return 0;
	}
	rc = sock_take_error(s);
	let_go(h, s);
	return rc ? rc : -ECONNABORTED;
}

int stream_connect(struct rawstack_host *h, int fd, const struct endpoint *peer)
{
	struct sock *s = &h->socks[fd];
	uint64_t deadline = sock_deadline(h, s, 0, s->send_timeout_ns);
	bool again = s->state == SOCK_S_CONNECTING;
	int rc;

	sock_pump(h);
	if (s->state == SOCK_S_CONNECTED || s->state == SOCK_S_LISTENING)
		return -EISCONN;
	if (s->state == SOCK_S_IDLE) {
		rc = start(h, fd, peer);
		if (rc < 0)
			return rc;
	}
	while (!s->established && !s->over) {
		rc = sock_wait(h, deadline);
		if (rc == -EAGAIN)
			return again ? -EALREADY : -EINPROGRESS;
		if (rc < 0)
			return rc;
	}
	return finish(h, s);
}

int stream_disconnect(struct rawstack_host *h, struct sock *s)
{
	if (s->state == SOCK_S_LISTENING) {
		stack_tcp_unbind(h->stack, sock_now(h), s->binding);
		s->binding = SOCK_NO_BINDING;
		s->asked_for = false;
	} else if (s->conn && !s->over) {
		stack_abort(h->stack, sock_now(h), s->conn);
	}
	let_go(h, s);
	s->error = 0;
	sock_pump(h);
	return 0;
}

ssize_t stream_send(struct rawstack_host *h, struct sock *s, const void *buf, size_t len, int flags)
{
	uint64_t deadline = sock_deadline(h, s, flags, s->send_timeout_ns);
	size_t done = 0;
	ssize_t n;
	int rc;

	sock_pump(h);
	do {
		rc = sock_take_error(s);
		if (rc < 0)
			return done ? (ssize_t)done : rc;
		if (s->shut_write || s->over || (!s->established && s->state != SOCK_S_CONNECTING))
			return done ? (ssize_t)done : -EPIPE;
		n = s->established
			    ? stack_send(h->stack, s->conn, (const uint8_t *)buf + done, len - done)
			    : -EAGAIN;
		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (n != -EAGAIN)
			return done ? (ssize_t)done : n;
		rc = sock_wait(h, deadline);
		if (rc < 0)
			return done ? (ssize_t)done : rc;
	} while (done < len);
	sock_pump(h);
	return (ssize_t)done;
}

/* What there is now: as stack_read(), and the words of recv(2) where there is no connection. */
static ssize_t read_now(struct rawstack_host *h, struct sock *s, uint8_t *buf, size_t len,
			bool peek)
{
	ssize_t n;

	if (s->shut_read)
		return 0;
	if (!s->conn || s->state == SOCK_S_LISTENING)
		return -ENOTCONN;
	if (!s->established)
		return s->over ? 0 : -EAGAIN;
	n = stack_read(h->stack, s->conn, buf, len, peek);
	if (n == -EAGAIN && s->over)
		return 0;
	/* An error that we have heard of already, or told already, is not told twice. */
	if (n < 0 && n != -EAGAIN)
		return s->over && !s->error ? 0 : n;
	return n;
}

ssize_t stream_recv(struct rawstack_host *h, struct sock *s, void *buf, size_t len, int flags)
{
	uint64_t deadline = sock_deadline(h, s, flags, s->recv_timeout_ns);
	size_t done = 0, least = flags & MSG_WAITALL ? len : len > 0;
	ssize_t n;
	int rc;

	sock_pump(h);
	do {
		n = read_now(h, s, (uint8_t *)buf + done, len - done, flags & MSG_PEEK);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (done && (n != -EAGAIN || done >= least))
			break;
		rc = n == -EAGAIN || n == 0 ? sock_take_error(s) : 0;
		if (rc < 0)
			return rc;
		if (n != -EAGAIN) {
			s->error = 0;
			return n;
		}
		rc = sock_wait(h, deadline);
		if (rc < 0)
			return done ? (ssize_t)done : rc;
	} while (done < least && !(flags & MSG_PEEK && done));
	sock_pump(h); /* the window may have opened */
	return (ssize_t)done;
}

int stream_shutdown(struct rawstack_host *h, struct sock *s, int how)
{
	sock_pump(h);
	if (s->state == SOCK_S_LISTENING) {
		if (how != SHUT_WR)
			return stream_disconnect(h, s);
		return 0;
	}
	/* Marked even where it fails, as inet_shutdown() does it. */
	s->shut_read |= how != SHUT_WR;
	s->shut_write |= how != SHUT_RD;
	if (!s->conn || s->over)
		return -ENOTCONN;
	if (how != SHUT_WR)
		(void)stack_shutdown_recv(h->stack, s->conn);
	if (how != SHUT_RD)
		(void)stack_shutdown_send(h->stack, s->conn);
	sock_pump(h);
	return 0;
}

void stream_close(struct rawstack_host *h, struct sock *s)
{
	if (s->conn) {
		if (s->linger && s->linger_s == 0)
			stack_abort(h->stack, sock_now(h), s->conn);
		else
			stack_close(h->stack, sock_now(h), s->conn);
		(void)sock_map_conn(h, s->conn, -1);
	}
	if (s->binding != SOCK_NO_BINDING)
		stack_tcp_unbind(h->stack, sock_now(h), s->binding);
}

short stream_events(struct rawstack_host *h, struct sock *s)
{
	struct stack_conn_info info = {0};
	short events = 0;
	uint8_t byte;
	ssize_t n;

	if (s->state == SOCK_S_LISTENING)
		return stack_accept_waiting(h->stack, s->binding) ? POLLIN | POLLRDNORM : 0;
	if (!s->conn) /* as Linux says of a fresh socket */
		return (short)(POLLOUT | POLLWRNORM | POLLHUP | (s->error ? POLLERR : 0) |
			       (s->shut_read ? POLLIN | POLLRDNORM | POLLRDHUP : 0));
	if (s->error)
		events |= POLLERR;
	if (s->over)
		return (short)(events | POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLHUP |
			       POLLRDHUP);
	if (!s->established)
		return events;
	(void)stack_conn_info(h->stack, s->conn, &info);
	n = s->shut_read ? 0 : info.unread ? 1 : stack_read(h->stack, s->conn, &byte, 1, true);
	if (n >= 0)
		events |= POLLIN | POLLRDNORM;
	if (n == 0)
		events |= POLLRDHUP;
	if (n == 0 && s->shut_write)
		events |= POLLHUP;
	if (s->shut_write || stack_sendable(h->stack, s->conn) > 0)
		events |= POLLOUT | POLLWRNORM;
	return events;
}
