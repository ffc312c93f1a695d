/* SPDX-License-Identifier: MIT */
/* epoll_udp.c - datagrams of the epoll engine: received and answered in batches */
#include "epoll_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/*
 * Up to DGRAM_BATCH datagrams come with one recvmmsg(2), each with its peer and its destination.
 * Replies are queued and leave with one sendmmsg(2) at the next poll.
 */

int epoll_dgram_open(struct epolled *ep)
{
	int rc;

	if (ep->dgrams != NULL)
		return 0;
	ep->dgrams = calloc(ENGINE_DGRAMS_MAX, sizeof(*ep->dgrams));
	if (ep->dgrams == NULL)
		return -ENOMEM;
	rc = bufpool_open(&ep->udp_bufs, ENGINE_DGRAMS_MAX, DGRAM_PAYLOAD_MAX);
	if (rc < 0) {
		free(ep->dgrams);
		ep->dgrams = NULL;
	}
	return rc;
}

bool epoll_may_receive(const struct epolled *ep, const struct epoll_listener *l)
{
	return l->fd >= 0 && l->info.proto == IPPROTO_UDP && !l->done &&
	       backoff_over(&l->backoff, ep->conns.now_ms) && bufpool_has_free(&ep->udp_bufs);
}

static struct msghdr dgram_shape(struct epolled *ep, uint32_t id)
{
	struct epoll_dgram *d = &ep->dgrams[id];

	d->iov.iov_base = bufpool_data(&ep->udp_bufs, id);
	d->iov.iov_len = ep->udp_bufs.size;
	return (struct msghdr){.msg_name = &d->name,
			       .msg_namelen = sizeof(d->name),
			       .msg_iov = &d->iov,
			       .msg_iovlen = 1,
			       .msg_control = d->control,
			       .msg_controllen = sizeof(d->control)};
}

static bool dgram_parse(struct epolled *ep, struct epoll_listener *l, uint32_t id,
			struct mmsghdr *m, struct engine_event *ev)
{
	struct epoll_dgram *d = &ep->dgrams[id];

	if (m->msg_hdr.msg_flags & MSG_TRUNC)
		return false;
	*ev = (struct engine_event){.type = ENGINE_DGRAM,
				    .listener = epoll_listener_index(ep, l),
				    .family = l->info.family,
				    .cookie = l->info.cookie,
				    .local = l->info.local,
				    .data = bufpool_data(&ep->udp_bufs, id),
				    .len = m->msg_len,
				    .buf = id};
	pktinfo_read(&m->msg_hdr, &ev->local);
	return endpoint_from_sockaddr((struct sockaddr *)&d->name, m->msg_hdr.msg_namelen,
				      &ev->peer) >= 0;
}

static void receive_failed(struct epolled *ep, struct epoll_listener *l, int error)
{
	if (error == -EAGAIN)
		l->readable = false;
	else if (error == -EBADF || error == -ENOTSOCK || error == -EINVAL)
		ep->fatal = error;
	else
		backoff_error(&l->backoff, ep->conns.now_ms);
}

static int receive_batch(struct epolled *ep, struct epoll_listener *l, struct engine_event *events,
			 int max)
{
	struct mmsghdr msgs[DGRAM_BATCH];
	uint32_t ids[DGRAM_BATCH];
	int want = 0, got, n = 0;

	while (want < max && want < DGRAM_BATCH && bufpool_has_free(&ep->udp_bufs)) {
		ids[want] = bufpool_take(&ep->udp_bufs);
		msgs[want] = (struct mmsghdr){.msg_hdr = dgram_shape(ep, ids[want])};
		want++;
	}
	got = recvmmsg(l->fd, msgs, (unsigned int)want, MSG_DONTWAIT, NULL);
	if (got < 0)
		receive_failed(ep, l, -errno);
	else
		backoff_reset(&l->backoff);
	for (int i = 0; i < want; i++) {
		if (i < got && dgram_parse(ep, l, ids[i], &msgs[i], &events[n]))
			n++;
		else
			bufpool_put(&ep->udp_bufs, ids[i]);
	}
	if (ep->textbook)
		l->readable = false; /* level-triggered: it is told again */
	return n;
}

static void reply_done(struct epolled *ep, uint32_t id, int error, struct engine_event *ev)
{
	struct epoll_dgram *d = &ep->dgrams[id];

	d->busy = false;
	*ev = (struct engine_event){.type = ENGINE_DGRAM_SENT,
				    .listener = d->listener,
				    .len = error ? 0 : d->iov.iov_len,
				    .error = error,
				    .buf = id};
}

static void replies_drop(struct epolled *ep, int n)
{
	ep->n_replies -= (uint32_t)n;
	memmove(ep->replies, ep->replies + n, ep->n_replies);
}

/* The first replies of the queue that leave by the same socket. */
static int replies_run(const struct epolled *ep, struct mmsghdr *msgs, int max)
{
	uint32_t listener = ep->dgrams[ep->replies[0]].listener;
	int n = 0;

	while (n < max && n < DGRAM_BATCH && (uint32_t)n < ep->n_replies &&
	       ep->dgrams[ep->replies[n]].listener == listener) {
		msgs[n] = (struct mmsghdr){.msg_hdr = ep->dgrams[ep->replies[n]].reply};
		n++;
	}
	return n;
}

static int send_batch(struct epolled *ep, struct engine_event *events, int max)
{
	struct epoll_listener *l = &ep->listeners[ep->dgrams[ep->replies[0]].listener];
	struct mmsghdr msgs[DGRAM_BATCH];
	int want = replies_run(ep, msgs, max);
	int sent = sendmmsg(l->fd, msgs, (unsigned int)want, MSG_NOSIGNAL | MSG_DONTWAIT);
	int error = sent < 0 ? -errno : 0;

	if (error == -EAGAIN) {
		l->send_wait = true;
		epoll_listener_update(ep, l);
		return 0;
	}
	if (error < 0)
		sent = 1; /* the first one is what failed */
	for (int i = 0; i < sent; i++)
		reply_done(ep, ep->replies[i], error, &events[i]);
	replies_drop(ep, sent);
	return sent;
}

static bool may_send(const struct epolled *ep)
{
	return ep->n_replies > 0 && !ep->listeners[ep->dgrams[ep->replies[0]].listener].send_wait;
}

int epoll_dgrams_turn(struct epolled *ep, struct engine_event *events, int max)
{
	int n = 0;

	if (ep->dgrams == NULL)
		return 0;
	while (n < max && may_send(ep))
		n += send_batch(ep, events + n, max - n);
	for (uint32_t i = 0; i < ep->n_listeners && n < max; i++) {
		struct epoll_listener *l = &ep->listeners[i];

		if (!epoll_may_receive(ep, l))
			continue;
		if (l->muted)
			epoll_listener_mute(ep, l, false);
		if (l->readable)
			n += receive_batch(ep, l, events + n, max - n);
	}
	return n;
}

bool epoll_dgrams_due(const struct epolled *ep)
{
	for (uint32_t i = 0; i < ep->n_listeners; i++) {
		if (ep->listeners[i].readable && epoll_may_receive(ep, &ep->listeners[i]))
			return true;
	}
	return ep->dgrams != NULL && may_send(ep);
}

int epoll_send_dgram(struct engine *e, uint32_t listener, const struct endpoint *to,
		     const struct endpoint *from, const void *data, size_t len, engine_buf buf)
{
	struct epolled *ep = epolled_of(e);
	struct epoll_listener *l = &ep->listeners[listener];
	struct epoll_dgram *d;
	int namelen;

	assert(listener < ep->n_listeners && l->info.proto == IPPROTO_UDP);
	assert(buf < ENGINE_DGRAMS_MAX);
	d = &ep->dgrams[buf];
	if (l->fd < 0)
		return -ENOTCONN;
	if (d->busy)
		return -EALREADY;
	namelen = endpoint_to_sockaddr(to, l->info.family, &d->name);
	if (namelen < 0)
		return namelen;
	/* sendmsg only reads it; struct iovec has no const. */
	memcpy(&d->iov.iov_base, &data, sizeof(data));
	d->iov.iov_len = len;
	d->reply = (struct msghdr){.msg_name = &d->name,
				   .msg_namelen = (socklen_t)namelen,
				   .msg_iov = &d->iov,
				   .msg_iovlen = 1};
	pktinfo_write(&d->reply, d->control, l->info.family, from);
	d->busy = true;
	d->listener = listener;
	ep->replies[ep->n_replies++] = (uint8_t)buf;
	return 0;
}
