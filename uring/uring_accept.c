/* SPDX-License-Identifier: MIT */
/* uring_accept.c - listeners of streams: multishot accept, its errors, and the drain */
#include "uring_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * One multishot accept per listener, with ordinary descriptors and without an address: all
 * completions of a multishot accept would share one address buffer. The addresses are asked of
 * each new socket instead; SO_PEERNAME answers even when the peer has sent RST.
 *
 * A multishot accept may deliver the whole backlog in one go. So that no connection is taken that
 * has no place, it is armed only while that many places are free; nearer to the limit accepts are
 * singleshot, each with a place reserved, and at the limit there are none: the backlog waits.
 *
 * Without descriptors or memory the kernel leaves the connection in the backlog. The accept is then
 * armed again when a connection has closed, or by a timer, never at once: that would spin. Into a
 * full table of direct descriptors it loses the connection: see uring_sock.c for why none is full.
 */

static uint32_t room(const struct uring *u)
{
	uint32_t taken = u->conns.n_open + u->accepts_single;

	return taken < u->cfg.max_conns ? u->cfg.max_conns - taken : 0;
}

static uint32_t listener_index(const struct uring *u, const struct uring_listener *l)
{
	return (uint32_t)(l - u->listeners);
}

static uint64_t listener_tag(const struct uring *u, const struct uring_listener *l)
{
	return tag_make(l->info.proto == IPPROTO_UDP ? OP_DGRAM_RECV : OP_ACCEPT, l->gen,
			listener_index(u, l));
}

void listener_close(struct uring_listener *l)
{
	close(l->fd);
	l->fd = -1;
}

void accept_arm(struct uring *u, struct uring_listener *l)
{
	bool multishot = !u->no_multishot_accept && room(u) >= u->burst;
	int flags = u->cfg.direct ? 0 : SOCK_CLOEXEC; /* a slot is not inherited, and refuses it */
	struct io_uring_sqe *sqe;

	if (l->fd < 0 || l->armed || u->conns.draining ||
	    !backoff_over(&l->backoff, u->conns.now_ms) || room(u) == 0)
		return;
	sqe = uring_sqe(u);
	if (sqe == NULL)
		return;
	if (multishot)
		io_uring_prep_multishot_accept(sqe, l->fd, NULL, NULL, flags);
	else
		io_uring_prep_accept(sqe, l->fd, NULL, NULL, flags);
	if (u->cfg.direct)
		sqe->file_index = IORING_FILE_INDEX_ALLOC;
	l->gen = gen_next(l->gen);
	io_uring_sqe_set_data64(sqe, listener_tag(u, l));
	l->armed = true;
	l->multishot = multishot;
	l->cancelling = false;
	u->accepts_single += !multishot;
	u->stats.accept_arms++;
}

void accept_stop(struct uring *u, struct uring_listener *l)
{
	if (l->armed && !l->cancelling)
		l->cancelling = uring_cancel(u, listener_tag(u, l));
}

static void accept_pause(struct uring *u, struct uring_listener *l, int error,
			 struct engine_event *ev)
{
	backoff_pause(&l->backoff, u->conns.now_ms);
	admit_later(listener_index(u, l), error, &u->stats, ev);
}

void accept_resume(struct uring *u)
{
	for (uint32_t i = 0; i < u->n_listeners; i++)
		u->listeners[i].backoff.until_ms = 0;
}

int64_t accept_timeout_ms(const struct uring *u)
{
	int64_t min = -1;

	for (uint32_t i = 0; i < u->n_listeners; i++) {
		const struct uring_listener *l = &u->listeners[i];
		int64_t left = backoff_left_ms(&l->backoff, u->conns.now_ms);

		if (l->fd >= 0 && left >= 0 && (min < 0 || left < min))
			min = left;
	}
	return min;
}

/* True with @ev filled when there is something to tell. */
static bool accept_failed(struct uring *u, struct uring_listener *l, int error,
			  struct engine_event *ev)
{
	switch (error) {
	case -ECANCELED:
		return false;
	case -EINVAL:
		if (!l->ever && l->multishot && !u->no_multishot_accept) {
			u->no_multishot_accept = true;
			return false;
		}
		u->fatal = error; /* somebody has shut the listener down */
		return false;
	case -EBADF:
	case -ENOTSOCK:
	case -EOPNOTSUPP:
		u->fatal = error;
		return false;
	}
	if (errno_is_shortage(error)) {
		accept_pause(u, l, error, ev);
		return true;
	}
	/* The connection died in the backlog, or the network is in trouble: neither is ours. */
	u->stats.accept_errors++;
	u->stats.accept_pauses += backoff_error(&l->backoff, u->conns.now_ms);
	return false;
}

static bool accept_admit(struct uring *u, struct uring_listener *l, int sock, bool slot,
			 struct engine_event *ev)
{
	unsigned int bits = admit_bits(&u->cfg);

	l->ever = true;
	backoff_reset(&l->backoff);
	if (!admit(&u->conns, sock, &l->info, listener_index(u, l), slot ? 0 : bits, NULL,
		   &u->stats, ev)) {
		sock_close(u, sock);
		return false;
	}
	sock_ask(u, ev, sock, bits);
	return true;
}

bool accept_complete(struct uring *u, uint32_t index, const struct io_uring_cqe *cqe,
		     struct engine_event *ev)
{
	struct uring_listener *l = &u->listeners[index];
	bool tell;

	assert(index < u->n_listeners && l->armed && tag_gen(cqe->user_data) == l->gen);
	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		l->armed = false;
		u->accepts_single -= !l->multishot;
	}
	if (cqe->res >= 0)
		tell = accept_admit(u, l,
				    u->cfg.direct ? sock_of_slot((uint32_t)cqe->res) : cqe->res,
				    u->cfg.direct, ev);
	else
		tell = accept_failed(u, l, cqe->res, ev);
	if (l->armed && l->multishot && room(u) < u->burst)
		accept_stop(u, l);
	return tell;
}

/* True when @l has no more to give. */
static bool drain_one(struct uring *u, struct uring_listener *l, struct engine_event *ev, int *n)
{
	int fd;

	fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		*n += accept_admit(u, l, fd, false, ev);
		return false;
	}
	if (errno == EAGAIN)
		return true;
	if (errno_is_shortage(-errno)) {
		accept_pause(u, l, -errno, ev);
		(*n)++;
		return false;
	}
	u->stats.accept_errors++;
	return errno == EBADF || errno == EINVAL || errno == ENOTSOCK;
}

int accept_drain(struct uring *u, struct engine_event *events, int max)
{
	int n = 0;

	for (uint32_t i = 0; i < u->n_listeners; i++) {
		struct uring_listener *l = &u->listeners[i];
		bool empty = false;

		if (l->done)
			continue;
		accept_stop(u, l);
		if (l->armed)
			continue;
		if (l->info.proto == IPPROTO_UDP) {
			l->done = true; /* replies still leave by this socket */
			continue;
		}
		fcntl(l->fd, F_SETFL, O_NONBLOCK);
		while (!empty && n < max && room(u) > 0 &&
		       backoff_over(&l->backoff, u->conns.now_ms))
			empty = drain_one(u, l, &events[n], &n);
		if (empty) {
			listener_close(l);
			l->done = true;
		}
	}
	return n;
}
