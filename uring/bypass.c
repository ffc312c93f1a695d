/* SPDX-License-Identifier: MIT */
/* bypass.c - the bypass engine: the user-space stack on a link of its own, its loop and its life */
#include "bypass_internal.h"
#include "stackstats.h"

#include "../rawstack/clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * A poll hands out what is at hand. Only when there is nothing any more, that is, when every event
 * of the last frames was answered, does it let the stack send: so an acknowledgement rides on the
 * answer and FIN on the last data. Then it takes the next frames; without any for BYPASS_SPIN_NS it
 * sleeps until there are. A busy engine makes no system call but the link's for sending.
 *
 * Nothing is accepted, received or sent by a descriptor: there is one for the link and one to be
 * woken by. Limits: those of the engine, and the stack's memory (docs/stack.md).
 */

static void bypass_wake(struct engine *e)
{
	struct bypass *b = bypass_of(e);
	uint64_t one = 1;
	int saved = errno; /* a signal handler must not change it */

	__atomic_store_n(&b->woken, true, __ATOMIC_RELEASE);
	if (write(b->wake_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

static int take_woken(struct bypass *b, struct engine_event *events, int max)
{
	uint64_t value;

	if (max == 0 || !__atomic_load_n(&b->woken, __ATOMIC_ACQUIRE))
		return 0;
	__atomic_store_n(&b->woken, false, __ATOMIC_RELEASE);
	(void)!read(b->wake_fd, &value, sizeof(value));
	events[0] = (struct engine_event){.type = ENGINE_WOKEN, .buf = ENGINE_NO_BUF};
	return 1;
}

/* A listener that drains is closed when nothing waits to be accepted. */
static int take_drained(struct bypass *b, struct engine_event *events, int max)
{
	if (!b->conns.draining || b->drained || max == 0)
		return 0;
	for (uint32_t i = 0; i < b->n_listeners; i++) {
		if (!b->listeners[i].done)
			return 0;
	}
	b->drained = true;
	events[0] = (struct engine_event){.type = ENGINE_DRAINED, .buf = ENGINE_NO_BUF};
	return 1;
}

static void listener_event(struct bypass *b, const struct stack_event *ev)
{
	int proto = ev->type == STACK_EV_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;

	for (uint32_t i = 0; i < b->n_listeners; i++) {
		if (b->listeners[i].id == ev->id && b->listeners[i].info.proto == proto)
			b->listeners[i].ready = true;
	}
}

/* The stack's events only set marks and lists: they are never more than we can note. */
static void take_stack_events(struct bypass *b)
{
	struct stack_event ev;

	while (stack_event(b->stack, &ev)) {
		b->stats.completions++;
		if (ev.type == STACK_EV_ACCEPT || ev.type == STACK_EV_DGRAM)
			listener_event(b, &ev);
		else
			bypass_stream_event(b, &ev);
	}
}

static int take_at_hand(struct bypass *b, struct engine_event *events, int max)
{
	int n = take_woken(b, events, max);

	take_stack_events(b);
	n += bypass_streams_turn(b, events + n, max - n);
	n += conns_take_closed(&b->conns, events + n, max - n);
	n += bypass_accept(b, events + n, max - n);
	n += bypass_dgrams_turn(b, events + n, max - n);
	return n + take_drained(b, events + n, max - n);
}

static void clock_read(struct bypass *b)
{
	b->now = clock_ns(CLOCK_MONOTONIC);
	b->conns.now_ms = b->now / NS_PER_MS;
}

/*
 * When the server itself was kept from running, what a timer waits for may stand in the ring: it
 * fires when the ring has been emptied, or when all that could have stood there was taken.
 */
static void run_timers(struct bypass *b, uint32_t taken)
{
	if (stack_deadline(b->stack) > b->now) {
		b->overdue_frames = 0;
		return;
	}
	b->overdue_frames += taken;
	if (taken == BYPASS_RX_BATCH && b->overdue_frames < b->link->slots)
		return;
	stack_timers(b->stack, b->now);
	b->overdue_frames = 0;
}

/* Some frames, and whatever time has brought. True when there were any. */
static bool take_frames(struct bypass *b)
{
	struct link_frame f;
	int n = 0;

	clock_read(b);
	while (n < BYPASS_RX_BATCH && link_rx(b->link, &f) > 0) {
		stack_input(b->stack, b->now, f.bytes, f.meta.caplen, &f.meta);
		n++;
	}
	run_timers(b, (uint32_t)n);
	if (n > 0)
		b->busy_ns = b->now;
	return n > 0;
}

static void send_out(struct bypass *b)
{
	int rc;

	stack_flush(b->stack, b->now);
	rc = link_flush(b->link);
	if (rc < 0 && b->fatal == 0)
		b->fatal = rc;
}

static bool expire(struct bypass *b)
{
	struct conn *c;
	int error;
	bool any = false;

	while ((c = conns_expire(&b->conns, &error)) != NULL) {
		bypass_stream_close(b, c, error);
		any = true;
	}
	return any;
}

/* Nanoseconds until something is due, at most up to @until; UINT64_MAX: never. */
static uint64_t wait_ns(const struct bypass *b, uint64_t until)
{
	int64_t idle_ms = wheel_timeout_ms(&b->conns.wheel, b->conns.now_ms);
	uint64_t due = stack_deadline(b->stack);

	if (until < due)
		due = until;
	if (idle_ms >= 0 && b->now + (uint64_t)idle_ms * NS_PER_MS < due)
		due = b->now + (uint64_t)idle_ms * NS_PER_MS;
	if (due == UINT64_MAX)
		return UINT64_MAX;
	return due > b->now ? due - b->now : 0;
}

/* Sleeps until a frame comes, somebody wakes us, or it is time. */
static void sleep_until(struct bypass *b, uint64_t until)
{
	struct pollfd fds[2] = {{.fd = b->link->fd, .events = POLLIN},
				{.fd = b->wake_fd, .events = POLLIN}};
	uint64_t ns = wait_ns(b, until);
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000),
			      .tv_nsec = (long)(ns % 1000000000)};

	b->stats.waits++;
	if (ppoll(fds, 2, ns == UINT64_MAX ? NULL : &ts, NULL) > 0 &&
	    (fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)))
		b->fatal = -ENETDOWN;
}

static int bypass_poll(struct engine *e, struct engine_event *events, int max, int timeout_ms)
{
	struct bypass *b = bypass_of(e);
	uint64_t until = UINT64_MAX;
	bool came, expired;
	int n;

	assert(max > 0);
	if (timeout_ms >= 0)
		until = clock_ns(CLOCK_MONOTONIC) + (uint64_t)timeout_ms * NS_PER_MS;
	for (;;) {
		n = take_at_hand(b, events, max);
		if (n > 0)
			return n;
		send_out(b);
		if (b->fatal < 0)
			return b->fatal;
		came = take_frames(b);
		expired = expire(b);
		if (came || expired)
			continue;
		if (b->now >= until)
			return 0;
		if (b->now - b->busy_ns < BYPASS_SPIN_NS)
			continue;
		sleep_until(b, until);
	}
}

/* --- listeners --- */

static int spec_check(const struct listen_spec *spec)
{
	if (spec->inherited_fd != 0)
		return -EOPNOTSUPP;
	if (spec->family == AF_INET && !addr_is_mapped(&spec->bind.addr))
		return -EAFNOSUPPORT;
	return 0;
}

static int open_binding(struct bypass *b, const struct listen_spec *spec, struct stack_bind *bind,
			enum listen_step *step)
{
	int backlog = spec->backlog > 0 ? spec->backlog : LISTENER_BACKLOG_DEFAULT;
	int id, rc;

	*step = LISTEN_STEP_BIND;
	if (spec->proto == IPPROTO_UDP)
		return stack_udp_bind(b->stack, bind);
	id = stack_tcp_bind(b->stack, bind);
	if (id < 0)
		return id;
	*step = LISTEN_STEP_LISTEN;
	rc = stack_tcp_listen(b->stack, id, (uint32_t)backlog);
	if (rc < 0) {
		stack_tcp_unbind(b->stack, b->now, id);
		return rc;
	}
	return id;
}

static int bypass_listen(struct engine *e, const struct listen_spec *spec, struct listen_info *info,
			 enum listen_step *step)
{
	struct bypass *b = bypass_of(e);
	const struct addr *a = &spec->bind.addr;
	struct stack_bind bind = {.family = spec->family,
				  .local = spec->bind,
				  .v6only = spec->v6only,
				  .reuse_port = spec->reuseport};
	int id;

	*step = LISTEN_STEP_CHECK;
	if (b->n_listeners == ENGINE_LISTENERS_MAX)
		return -ENOSPC;
	id = spec_check(spec);
	if (id == 0)
		id = open_binding(b, spec, &bind, step);
	if (id < 0)
		return id;
	*info = (struct listen_info){
		.proto = spec->proto,
		.family = spec->family,
		.local = bind.local,
		.v6only = spec->family == AF_INET
				  ? -1
				  : spec->v6only || (!addr_is_any(a) && !addr_is_mapped(a)),
		.cookie = b->n_listeners + 1,
	};
	b->listeners[b->n_listeners] = (struct bypass_listener){.info = *info, .id = id};
	return (int)b->n_listeners++;
}

static void bypass_drain(struct engine *e)
{
	struct bypass *b = bypass_of(e);

	if (b->conns.draining)
		return;
	clock_read(b);
	conns_hurry(&b->conns);
	for (uint32_t i = 0; i < b->n_listeners; i++) {
		b->listeners[i].ready = true; /* look once more */
		b->listeners[i].done = b->listeners[i].info.proto == IPPROTO_UDP;
	}
}

/* --- the rest of the interface --- */

static void bypass_release(struct engine *e, engine_buf buf)
{
	struct bypass *b = bypass_of(e);
	struct stack_buf s = {.ref = buf - STREAM_BUF_BASE};

	if (buf < STREAM_BUF_BASE)
		bypass_dgram_release(b, buf);
	else
		stack_release(b->stack, &s);
}

static void bypass_stats(const struct engine *e, struct engine_stats *out)
{
	const struct bypass *b = (const struct bypass *)e;
	struct link_stats link;

	*out = b->stats;
	if (link_stats(b->link, &link) == 0) {
		out->waits += link.tx_syscalls;
		out->overflows = link.rx_drops + link.tx_no_room;
	}
}

static void bypass_stackstats(const struct engine *e, struct stackstats *out)
{
	const struct bypass *b = (const struct bypass *)e;
	struct stack_stats stack;
	struct link_stats link = {0};

	stack_stats(b->stack, &stack);
	(void)link_stats(b->link, &link); /* what it could not be told stays what it was */
	out->engines = 1;
#define COPY(field, text)      out->field = stack.field;
#define COPY_LINK(field, text) out->link_##field = link.field;
	STACK_STATS(COPY)
	STACKSTATS_LINK(COPY_LINK)
	STACKSTATS_NOW(COPY)
#undef COPY_LINK
#undef COPY
}

static const char *bypass_text(const struct engine *e)
{
	return ((const struct bypass *)e)->text;
}

static int bypass_open(const struct engine_config *cfg, struct engine **out,
		       struct engine_error *err)
{
	struct bypass *b = calloc(1, sizeof(*b));
	int rc = -ENOMEM;

	snprintf(err->what, sizeof(err->what), "not enough memory");
	if (b == NULL)
		return rc;
	b->engine.ops = &bypass_engine_ops;
	b->cfg = *cfg;
	conns_config_defaults(&b->cfg);
	clock_read(b);
	b->streams = calloc(b->cfg.max_conns, sizeof(*b->streams));
	if (b->streams == NULL)
		goto err_streams;
	rc = conns_init(&b->conns, &b->cfg, b->now / NS_PER_MS);
	if (rc < 0)
		goto err_conns;
	b->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->wake_fd < 0) {
		rc = -errno;
		snprintf(err->what, sizeof(err->what), "no descriptor: %s", strerror(-rc));
		goto err_wake;
	}
	rc = bypass_open_stack(b, err);
	if (rc < 0)
		goto err_stack;
	memset(err, 0, sizeof(*err));
	b->cfg.link = NULL; /* the caller's */
	*out = &b->engine;
	return 0;

err_stack:
	close(b->wake_fd);
err_wake:
	conns_destroy(&b->conns);
err_conns:
	free(b->streams);
err_streams:
	free(b);
	return rc;
}

/* Streams still open are closed as the kernel does it when a process ends: once, unheard. */
static void bypass_destroy(struct engine *e)
{
	struct bypass *b = bypass_of(e);

	for (uint32_t i = 0; i < b->conns.max; i++) {
		if (b->conns.list[i].state == CONN_OPEN)
			stack_close(b->stack, b->now, b->streams[i]);
	}
	stack_flush(b->stack, b->now);
	link_flush(b->link);
	bypass_close_stack(b);
	close(b->wake_fd);
	conns_destroy(&b->conns);
	free(b->streams);
	free(b);
}

const struct engine_ops bypass_engine_ops = {
	.name = "bypass",
	.open = bypass_open,
	.listen = bypass_listen,
	.poll = bypass_poll,
	.receive = bypass_receive,
	.send = bypass_send,
	.send_dgram = bypass_send_dgram,
	.release = bypass_release,
	.close = bypass_close,
	.shutdown = bypass_shutdown,
	.wake = bypass_wake,
	.drain = bypass_drain,
	.stats = bypass_stats,
	.stackstats = bypass_stackstats,
	.text = bypass_text,
	.destroy = bypass_destroy,
};
