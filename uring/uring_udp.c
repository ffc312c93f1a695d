/* SPDX-License-Identifier: MIT */
/* uring_udp.c - datagrams of the io_uring engine: who sent it, to which address, and the reply */
#include "uring_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/*
 * Multishot recvmsg puts peer, control messages and payload of each datagram into a buffer of its
 * own.
 */

enum {
	DGRAM_NAME_SIZE = 32, /* struct sockaddr_in6, rounded up to align what follows it */
	DGRAM_CONTROL_SIZE = PKTINFO_SIZE,
	DGRAM_BUFFER_SIZE = sizeof(struct io_uring_recvmsg_out) + DGRAM_NAME_SIZE +
			    DGRAM_CONTROL_SIZE + DGRAM_PAYLOAD_MAX,
};

int dgram_open(struct uring *u, struct uring_listener *l)
{
	l->msg = (struct msghdr){.msg_namelen = DGRAM_NAME_SIZE,
				 .msg_controllen = DGRAM_CONTROL_SIZE};
	if (u->dgrams != NULL)
		return 0;
	u->dgrams = calloc(ENGINE_DGRAMS_MAX, sizeof(*u->dgrams));
	if (u->dgrams == NULL)
		return -ENOMEM;
	return bufring_open(&u->udp_bufs, &u->ring, GROUP_UDP, ENGINE_DGRAMS_MAX,
			    DGRAM_BUFFER_SIZE);
}

void dgram_arm(struct uring *u, struct uring_listener *l)
{
	struct io_uring_sqe *sqe;

	if (l->fd < 0 || l->armed || u->conns.draining ||
	    !backoff_over(&l->backoff, u->conns.now_ms) || !bufring_has_free(&u->udp_bufs))
		return;
	sqe = uring_sqe(u);
	if (sqe == NULL)
		return;
	io_uring_prep_recvmsg_multishot(sqe, l->fd, &l->msg, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP_UDP;
	l->gen = gen_next(l->gen);
	io_uring_sqe_set_data64(sqe, tag_make(OP_DGRAM_RECV, l->gen, (uint32_t)(l - u->listeners)));
	l->armed = true;
	l->cancelling = false;
}

static void read_destination(struct io_uring_recvmsg_out *out, const struct msghdr *shape,
			     struct endpoint *local)
{
	struct msghdr msg = {.msg_control = (unsigned char *)io_uring_recvmsg_name(out) +
					    shape->msg_namelen,
			     .msg_controllen = out->controllen};

	pktinfo_read(&msg, local);
}

static bool dgram_parse(struct uring *u, struct uring_listener *l, uint32_t id, int size,
			struct engine_event *ev)
{
	struct io_uring_recvmsg_out *out =
		io_uring_recvmsg_validate(bufring_data(&u->udp_bufs, id), size, &l->msg);

	if (out == NULL || (out->flags & MSG_TRUNC))
		return false;
	*ev = (struct engine_event){.type = ENGINE_DGRAM,
				    .listener = (uint32_t)(l - u->listeners),
				    .family = l->info.family,
				    .cookie = l->info.cookie,
				    .local = l->info.local,
				    .data = io_uring_recvmsg_payload(out, &l->msg),
				    .len = out->payloadlen,
				    .buf = id};
	read_destination(out, &l->msg, &ev->local);
	return endpoint_from_sockaddr(io_uring_recvmsg_name(out), out->namelen, &ev->peer) >= 0;
}

bool dgram_recv_complete(struct uring *u, const struct io_uring_cqe *cqe, struct engine_event *ev)
{
	uint32_t index = tag_index(cqe->user_data), id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	struct uring_listener *l = &u->listeners[index];

	assert(index < u->n_listeners && l->armed && tag_gen(cqe->user_data) == l->gen);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		l->armed = false;
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		bufring_take(&u->udp_bufs, id);
		if (cqe->res >= 0 && dgram_parse(u, l, id, cqe->res, ev)) {
			backoff_reset(&l->backoff);
			return true;
		}
		bufring_recycle(&u->udp_bufs, id);
		return false;
	}
	if (cqe->res == -EBADF || cqe->res == -ENOTSOCK || cqe->res == -EINVAL)
		u->fatal = cqe->res;
	else if (cqe->res == -ENOBUFS)
		u->stats.recv_starved++; /* dgram_arm() waits for a free buffer */
	else if (cqe->res < 0 && cqe->res != -ECANCELED)
		backoff_error(&l->backoff, u->conns.now_ms);
	return false;
}

int uring_send_dgram(struct engine *e, uint32_t listener, const struct endpoint *to,
		     const struct endpoint *from, const void *data, size_t len, engine_buf buf)
{
	struct uring *u = uring_of(e);
	struct uring_listener *l = &u->listeners[listener];
	struct io_uring_sqe *sqe;
	struct uring_dgram *d;
	int namelen;

	assert(listener < u->n_listeners && l->info.proto == IPPROTO_UDP);
	assert(buf < ENGINE_DGRAMS_MAX);
	d = &u->dgrams[buf];
	if (l->fd < 0)
		return -ENOTCONN;
	if (d->busy)
		return -EALREADY;
	namelen = endpoint_to_sockaddr(to, l->info.family, &d->to);
	if (namelen < 0)
		return namelen;
	sqe = uring_sqe(u);
	if (sqe == NULL)
		return -EAGAIN;
	/* sendmsg only reads it; struct iovec has no const. */
	memcpy(&d->iov.iov_base, &data, sizeof(data));
	d->iov.iov_len = len;
	d->msg = (struct msghdr){.msg_name = &d->to,
				 .msg_namelen = (socklen_t)namelen,
				 .msg_iov = &d->iov,
				 .msg_iovlen = 1};
	pktinfo_write(&d->msg, d->control, l->info.family, from);
	d->busy = true;
	d->listener = listener;
	d->gen = gen_next(d->gen);
	io_uring_prep_sendmsg(sqe, l->fd, &d->msg, MSG_NOSIGNAL);
	io_uring_sqe_set_data64(sqe, tag_make(OP_DGRAM_SEND, d->gen, buf));
	return 0;
}

bool dgram_send_complete(struct uring *u, const struct io_uring_cqe *cqe, struct engine_event *ev)
{
	uint32_t id = tag_index(cqe->user_data);
	struct uring_dgram *d = &u->dgrams[id];

	assert(id < ENGINE_DGRAMS_MAX && d->busy && tag_gen(cqe->user_data) == d->gen);
	d->busy = false;
	*ev = (struct engine_event){.type = ENGINE_DGRAM_SENT,
				    .listener = d->listener,
				    .len = cqe->res > 0 ? (size_t)cqe->res : 0,
				    .error = cqe->res < 0 ? cqe->res : 0,
				    .buf = id};
	return true;
}
