/* SPDX-License-Identifier: MIT */
/* epoll_accept.c - listeners of streams: batches of accept4, their errors, and the drain */
#include "admit.h"
#include "epoll_internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A listener is registered edge-triggered: an edge makes it readable, and it stays so until
 * accept4(2) finds the backlog empty. So a pause for want of descriptors, or a full table, costs no
 * call to epoll. All that is there is accepted before any of it is handled or closed: a batch of
 * accepts, then a batch of closes, is what makes the baseline fast.
 *
 * The textbook form is level-triggered and accepts one connection per event.
 */

bool epoll_may_accept(const struct epolled *ep, const struct epoll_listener *l)
{
	return l->fd >= 0 && l->info.proto == IPPROTO_TCP && ep->conns.n_open < ep->conns.max &&
	       backoff_over(&l->backoff, ep->conns.now_ms);
}

/* True with @ev filled when there is something to tell. */
static bool accept_failed(struct epolled *ep, struct epoll_listener *l, int error,
			  struct engine_event *ev)
{
	switch (error) {
	case -EAGAIN:
		l->readable = false;
		return false;
	case -EINVAL: /* somebody has shut the listener down */
	case -EBADF:
	case -ENOTSOCK:
	case -EOPNOTSUPP:
		ep->fatal = error;
		l->readable = false;
		return false;
	}
	if (errno_is_shortage(error)) {
		backoff_pause(&l->backoff, ep->conns.now_ms);
		admit_later(epoll_listener_index(ep, l), error, &ep->stats, ev);
		return true;
	}
	/* The connection died in the backlog, or the network is in trouble: neither is ours. */
	ep->stats.accept_errors++;
	ep->stats.accept_pauses += backoff_error(&l->backoff, ep->conns.now_ms);
	return false;
}

/* One accept4(2). True with @ev filled when it makes an event. */
static bool accept_one(struct epolled *ep, struct epoll_listener *l, struct engine_event *ev)
{
	bool ask = ep->admit & ADMIT_PEER;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint peer;
	int fd;

	fd = accept4(l->fd, ask ? (struct sockaddr *)&ss : NULL, ask ? &len : NULL,
		     SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return accept_failed(ep, l, -errno, ev);
	backoff_reset(&l->backoff);
	if (ask && endpoint_from_sockaddr((struct sockaddr *)&ss, len, &peer) < 0)
		ask = false;
	if (!admit(&ep->conns, fd, &l->info, epoll_listener_index(ep, l), ep->admit,
		   ask ? &peer : NULL, &ep->stats, ev)) {
		close(fd);
		return false;
	}
	if (ep->textbook)
		epoll_conn_register(ep, conns_of_handle(&ep->conns, ev->conn));
	return true;
}

static int accept_some(struct epolled *ep, struct epoll_listener *l, struct engine_event *events,
		       int max)
{
	int n = 0;

	while (n < max && l->readable && epoll_may_accept(ep, l)) {
		n += accept_one(ep, l, &events[n]);
		if (ep->textbook && !ep->conns.draining)
			l->readable = false;
	}
	if (ep->conns.draining && !l->readable) {
		close(l->fd);
		l->fd = -1;
		l->done = true;
	}
	return n;
}

int epoll_accept(struct epolled *ep, struct engine_event *events, int max)
{
	int n = 0;

	for (uint32_t i = 0; i < ep->n_listeners; i++) {
		struct epoll_listener *l = &ep->listeners[i];

		if (l->info.proto != IPPROTO_TCP || l->fd < 0)
			continue;
		if (l->muted && epoll_may_accept(ep, l))
			epoll_listener_mute(ep, l, false);
		if (l->readable)
			n += accept_some(ep, l, events + n, max - n);
	}
	return n;
}

bool epoll_accept_due(const struct epolled *ep)
{
	for (uint32_t i = 0; i < ep->n_listeners; i++) {
		if (ep->listeners[i].readable && epoll_may_accept(ep, &ep->listeners[i]))
			return true;
	}
	return false;
}

int64_t epoll_accept_timeout_ms(const struct epolled *ep)
{
	int64_t min = -1;

	for (uint32_t i = 0; i < ep->n_listeners; i++) {
		const struct epoll_listener *l = &ep->listeners[i];
		int64_t left = backoff_left_ms(&l->backoff, ep->conns.now_ms);

		if (l->fd >= 0 && left >= 0 && (min < 0 || left < min))
			min = left;
	}
	return min;
}
