/* SPDX-License-Identifier: MIT */
/* epoll.c - the epoll engine: the baseline, its loop and its life */
#include "../rawstack/clock.h"
#include "admit.h"
#include "epoll_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * What io_uring is compared with, and what takes its place where it is forbidden. Two forms, one
 * code: "epoll" does what we know to be fast (batches of accepts, reading and sending before asking
 * epoll, one registration per connection, edge-triggered), "epoll-textbook" what most programs do.
 *
 * A poll hands out what is at hand (closed connections, finished sends, sockets known to be
 * readable) without a system call for readiness; at least every other one asks epoll. That one
 * keeps half of its events for what epoll tells, and half of these for listeners: clients that
 * always have something to say must not keep out the others.
 *
 * Limits: EPOLL_EVENTS_MAX events in one epoll_wait(2). Memory is allocated in open and listen.
 */

static uint64_t clock_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

int epoll_interest(struct epolled *ep, int op, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event ev = {.events = events, .data.u64 = tag};

	return epoll_ctl(ep->epoll_fd, op, fd, &ev) ? -errno : 0;
}

static void epolled_wake(struct engine *e)
{
	uint64_t one = 1;
	int saved = errno; /* a signal handler must not change it */

	/* It can only fail when 2^64-2 wakes are pending: then it is being woken already. */
	if (write(epolled_of(e)->wake_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

static bool wake_take(struct epolled *ep, struct engine_event *ev)
{
	uint64_t value;

	*ev = (struct engine_event){.type = ENGINE_WOKEN, .buf = ENGINE_NO_BUF};
	return read(ep->wake_fd, &value, sizeof(value)) == sizeof(value);
}

int epoll_listener_update(struct epolled *ep, struct epoll_listener *l)
{
	uint32_t events = (l->muted ? 0 : EPOLLIN) | (l->send_wait ? EPOLLOUT : 0) |
			  (ep->textbook ? 0 : EPOLLET);

	return epoll_interest(ep, EPOLL_CTL_MOD, l->fd, events,
			      epoll_tag(KIND_LISTENER, 0, epoll_listener_index(ep, l)));
}

void epoll_listener_mute(struct epolled *ep, struct epoll_listener *l, bool mute)
{
	if (l->muted == mute)
		return;
	l->muted = mute;
	if (epoll_listener_update(ep, l) < 0)
		l->muted = !mute; /* tried again at the next event or turn */
}

static void listener_event(struct epolled *ep, uint32_t index, uint32_t events)
{
	struct epoll_listener *l = &ep->listeners[index];

	if (l->send_wait && (events & (EPOLLOUT | EPOLLERR))) {
		l->send_wait = false;
		epoll_listener_update(ep, l);
	}
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	if (!ep->textbook || epoll_may_accept(ep, l) || epoll_may_receive(ep, l))
		l->readable = true;
	else
		epoll_listener_mute(ep, l, true);
}

static bool dispatch(struct epolled *ep, const struct epoll_event *ready, struct engine_event *ev)
{
	uint64_t tag = ready->data.u64;
	struct conn *c;

	switch ((enum epoll_kind)(tag >> 56)) {
	case KIND_WAKE:
		return wake_take(ep, ev);
	case KIND_LISTENER:
		listener_event(ep, (uint32_t)tag, ready->events);
		return false;
	case KIND_CONN:
		break;
	}
	/* An event may be older than the end of its connection. */
	c = conns_find(&ep->conns, (uint32_t)tag, (uint32_t)(tag >> 32) & CONNS_GEN_MASK);
	return c != NULL && epoll_conn_ready(ep, c, ready->events, ev);
}

static int64_t min_timeout(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

/* -1: no limit. */
static int64_t wait_ms(const struct epolled *ep, int n_events, int timeout_ms)
{
	int64_t ms = timeout_ms;

	if (n_events > 0 || epoll_accept_due(ep) || epoll_dgrams_due(ep) ||
	    !TAILQ_EMPTY(&ep->conns.closed))
		return 0;
	/* Nobody waits for a buffer while there are any: so it is the rest of a long list. */
	if (!TAILQ_EMPTY(&ep->conns.waiting) && bufpool_has_free(&ep->tcp_bufs))
		return 0;
	ms = min_timeout(ms, wheel_timeout_ms(&ep->conns.wheel, ep->conns.now_ms));
	return min_timeout(ms, epoll_accept_timeout_ms(ep));
}

/* Asks the kernel. Returns the number of events written, or -errno. */
static int wait_and_dispatch(struct epolled *ep, struct engine_event *events, int max, int64_t ms)
{
	int n_ready, n = 0;

	n_ready =
		epoll_wait(ep->epoll_fd, ep->ready, max < EPOLL_EVENTS_MAX ? max : EPOLL_EVENTS_MAX,
			   ms > INT32_MAX ? INT32_MAX : (int)ms);
	ep->stats.waits++;
	ep->conns.now_ms = clock_ms();
	if (n_ready < 0)
		return errno == EINTR ? 0 : -errno;
	ep->stats.completions += (uint64_t)n_ready;
	for (int i = 0; i < n_ready; i++)
		n += dispatch(ep, &ep->ready[i], &events[n]);
	return n;
}

/* ENGINE_DRAINED, once. */
static int take_drained(struct epolled *ep, struct engine_event *events, int max)
{
	if (!ep->conns.draining || ep->drained || max == 0)
		return 0;
	for (uint32_t i = 0; i < ep->n_listeners; i++) {
		if (!ep->listeners[i].done)
			return 0;
	}
	ep->drained = true;
	events[0] = (struct engine_event){.type = ENGINE_DRAINED, .buf = ENGINE_NO_BUF};
	return 1;
}

/* What needs no word from epoll. */
static int take_at_hand(struct epolled *ep, struct engine_event *events, int max)
{
	int n = conns_take_closed(&ep->conns, events, max);

	n += epoll_conns_turn(ep, events + n, max - n);
	n += epoll_dgrams_turn(ep, events + n, max - n);
	n += epoll_accept(ep, events + n, max - n);
	return n + take_drained(ep, events + n, max - n);
}

static void expire(struct epolled *ep)
{
	struct conn *c;
	int error;

	while ((c = conns_expire(&ep->conns, &error)) != NULL)
		epoll_conn_close(ep, c, error);
}

static int epolled_poll(struct engine *e, struct engine_event *events, int max, int timeout_ms)
{
	struct epolled *ep = epolled_of(e);
	int n, rc, room;

	assert(max > 0);
	n = take_at_hand(ep, events, ep->skipped ? max / 2 : max);
	if (n > 0 && !ep->skipped) {
		ep->skipped = true;
		return n;
	}
	ep->skipped = false;
	room = (max - n + 1) / (epoll_accept_due(ep) ? 2 : 1);
	if (room > max - n)
		room = max - n;
	rc = wait_and_dispatch(ep, events + n, room, wait_ms(ep, n, timeout_ms));
	if (rc < 0)
		return rc;
	n += rc;
	expire(ep);
	if (n < max) {
		n += conns_take_closed(&ep->conns, events + n, max - n);
		n += epoll_dgrams_turn(ep, events + n, max - n);
		n += epoll_accept(ep, events + n, max - n);
	}
	return n == 0 && ep->fatal < 0 ? ep->fatal : n;
}

static void epolled_release(struct engine *e, engine_buf buf)
{
	struct epolled *ep = epolled_of(e);

	if (buf >= STREAM_BUF_BASE)
		bufpool_put(&ep->tcp_bufs, buf - STREAM_BUF_BASE);
	else
		bufpool_put(&ep->udp_bufs, buf);
}

static void epolled_drain(struct engine *e)
{
	struct epolled *ep = epolled_of(e);

	if (ep->conns.draining)
		return;
	conns_hurry(&ep->conns);
	for (uint32_t i = 0; i < ep->n_listeners; i++) {
		struct epoll_listener *l = &ep->listeners[i];

		l->readable = true;			/* look once more, whatever epoll said */
		l->done = l->info.proto == IPPROTO_UDP; /* replies still leave by this socket */
	}
}

static void epolled_stats(const struct engine *e, struct engine_stats *out)
{
	*out = ((const struct epolled *)e)->stats;
}

static void epolled_shutdown(struct engine *e, engine_conn conn)
{
	conns_shutdown(&epolled_of(e)->conns, conn);
}

static const char *epolled_text(const struct engine *e)
{
	if (((const struct epolled *)e)->textbook)
		return "epoll, textbook form: level-triggered, one accept per event";
	return "epoll: batches of accept4, receive first, edge-triggered";
}

static int listener_register(struct epolled *ep, struct epoll_listener *l)
{
	uint32_t events = EPOLLIN | (ep->textbook ? 0 : EPOLLET);

	if (fcntl(l->fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return epoll_interest(ep, EPOLL_CTL_ADD, l->fd, events,
			      epoll_tag(KIND_LISTENER, 0, ep->n_listeners));
}

static int buffers_open(struct epolled *ep, int proto)
{
	if (proto == IPPROTO_UDP)
		return epoll_dgram_open(ep);
	if (ep->tcp_bufs.mem != NULL)
		return 0;
	return bufpool_open(&ep->tcp_bufs, conns_buffer_count(&ep->cfg), STREAM_BUFFER_SIZE);
}

static int epolled_listen(struct engine *e, const struct listen_spec *spec,
			  struct listen_info *info, enum listen_step *step)
{
	struct epolled *ep = epolled_of(e);
	struct epoll_listener *l = &ep->listeners[ep->n_listeners];
	int rc, fd;

	*step = LISTEN_STEP_CHECK;
	if (ep->n_listeners == ENGINE_LISTENERS_MAX)
		return -ENOSPC;
	fd = listener_open(spec, info, step);
	if (fd < 0)
		return fd;
	*l = (struct epoll_listener){.info = *info, .fd = fd};
	rc = buffers_open(ep, spec->proto);
	if (rc == 0)
		rc = listener_register(ep, l);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return (int)ep->n_listeners++;
}

static int open_form(const struct engine_config *cfg, bool textbook, struct engine **out)
{
	struct epolled *ep;
	int rc;

	ep = calloc(1, sizeof(*ep));
	if (ep == NULL)
		return -ENOMEM;
	ep->engine.ops = textbook ? &epoll_textbook_engine_ops : &epoll_engine_ops;
	ep->textbook = textbook;
	ep->cfg = *cfg;
	conns_config_defaults(&ep->cfg);
	ep->admit = admit_bits(cfg);
	rc = conns_init(&ep->conns, &ep->cfg, clock_ms());
	if (rc < 0)
		goto err_conns;
	ep->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (ep->epoll_fd < 0) {
		rc = -errno;
		goto err_epoll;
	}
	ep->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ep->wake_fd < 0) {
		rc = -errno;
		goto err_wake;
	}
	rc = epoll_interest(ep, EPOLL_CTL_ADD, ep->wake_fd, EPOLLIN, epoll_tag(KIND_WAKE, 0, 0));
	if (rc < 0)
		goto err_interest;
	*out = &ep->engine;
	return 0;

err_interest:
	close(ep->wake_fd);
err_wake:
	close(ep->epoll_fd);
err_epoll:
	conns_destroy(&ep->conns);
err_conns:
	free(ep);
	return rc;
}

static int epoll_open(const struct engine_config *cfg, struct engine **out,
		      struct engine_error *err)
{
	(void)err;
	return open_form(cfg, false, out);
}

static int textbook_open(const struct engine_config *cfg, struct engine **out,
			 struct engine_error *err)
{
	(void)err;
	return open_form(cfg, true, out);
}

static void epolled_destroy(struct engine *e)
{
	struct epolled *ep = epolled_of(e);

	conns_destroy(&ep->conns);
	for (uint32_t i = 0; i < ep->n_listeners; i++) {
		if (ep->listeners[i].fd >= 0)
			close(ep->listeners[i].fd);
	}
	bufpool_close(&ep->tcp_bufs);
	bufpool_close(&ep->udp_bufs);
	close(ep->wake_fd);
	close(ep->epoll_fd);
	free(ep->dgrams);
	free(ep);
}

#define EPOLL_OPS(ops_name, open_function)                                                         \
	{                                                                                          \
		.name = (ops_name), .open = (open_function), .listen = epolled_listen,             \
		.poll = epolled_poll, .receive = epoll_receive, .send = epoll_send,                \
		.send_dgram = epoll_send_dgram, .release = epolled_release, .close = epoll_close,  \
		.shutdown = epolled_shutdown, .wake = epolled_wake, .drain = epolled_drain,        \
		.stats = epolled_stats, .text = epolled_text, .destroy = epolled_destroy           \
	}

const struct engine_ops epoll_engine_ops = EPOLL_OPS("epoll", epoll_open);
const struct engine_ops epoll_textbook_engine_ops = EPOLL_OPS("epoll-textbook", textbook_open);
