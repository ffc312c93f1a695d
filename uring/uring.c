/* SPDX-License-Identifier: MIT */
/* uring.c - the io_uring engine: its ring, its loop, its life */
#include "../rawstack/clock.h"
#include "uring_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * One ring per engine, made and used by one thread (SINGLE_ISSUER, DEFER_TASKRUN): completions run
 * only while this thread waits, so between two waits nothing changes behind its back. One system
 * call per turn submits what the last batch of events caused and waits for the next.
 *
 * Limits: SQ_ENTRIES requests per submission; at most two completions per connection plus one
 * backlog can be outstanding, and the completion queue has room for twice that, up to
 * CQ_ENTRIES_MAX. Memory is allocated in open and listen only.
 */

static uint64_t clock_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

struct io_uring_sqe *uring_sqe(struct uring *u)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (sqe == NULL && io_uring_submit(&u->ring) >= 0)
		sqe = io_uring_get_sqe(&u->ring);
	return sqe;
}

bool uring_cancel(struct uring *u, uint64_t tag)
{
	struct io_uring_sqe *sqe = uring_sqe(u);

	if (sqe == NULL)
		return false;
	io_uring_prep_cancel64(sqe, tag, 0);
	io_uring_sqe_set_data64(sqe, tag_make(OP_CANCEL, 0, 0));
	return true;
}

static void wake_arm(struct uring *u)
{
	struct io_uring_sqe *sqe;

	if (u->wake_armed)
		return;
	sqe = uring_sqe(u);
	if (sqe == NULL)
		return;
	io_uring_prep_read(sqe, u->wake_fd, &u->wake_value, sizeof(u->wake_value), 0);
	io_uring_sqe_set_data64(sqe, tag_make(OP_WAKE, 0, 0));
	u->wake_armed = true;
}

static void uring_wake(struct engine *e)
{
	uint64_t one = 1;
	int saved = errno; /* a signal handler must not change it */

	/* It can only fail when 2^64-2 wakes are pending: then the engine is being woken already.
	 */
	if (write(uring_of(e)->wake_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

/* Everything that waits for something and may have got it by now. */
static void arm_all(struct uring *u)
{
	bufring_publish(&u->tcp_bufs);
	bufring_publish(&u->udp_bufs);
	conn_retry_waiting(u);
	wake_arm(u);
	for (uint32_t i = 0; i < u->n_listeners; i++) {
		if (u->listeners[i].info.proto == IPPROTO_UDP)
			dgram_arm(u, &u->listeners[i]);
		else
			accept_arm(u, &u->listeners[i]);
	}
}

static int64_t min_timeout(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

/* -1: no limit. */
static int64_t wait_ms(const struct uring *u, int n_events, int timeout_ms)
{
	int64_t ms = timeout_ms;

	if (n_events > 0 || io_uring_cq_ready(&u->ring) > 0)
		return 0;
	ms = min_timeout(ms, wheel_timeout_ms(&u->conns.wheel, u->conns.now_ms));
	return min_timeout(ms, accept_timeout_ms(u));
}

/* Submits and waits. Returns 0 whatever there is to see, or -errno when the ring is unusable. */
static int submit_and_wait(struct uring *u, int64_t ms)
{
	struct __kernel_timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	struct io_uring_cqe *cqe;
	int rc;

	rc = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, ms < 0 ? NULL : &ts, NULL);
	u->stats.waits++;
	u->conns.now_ms = clock_ms();
	switch (rc) {
	case -ETIME:
	case -EINTR:
	case -EAGAIN: /* the kernel is short of memory: what was not submitted is next time */
	case -ENOMEM:
		return 0;
	case -EBUSY: /* completions first */
	case -EBADR:
		u->stats.overflows++;
		return 0;
	default:
		return rc < 0 ? rc : 0;
	}
}

static bool dispatch(struct uring *u, const struct io_uring_cqe *cqe, struct engine_event *ev)
{
	switch (tag_op(cqe->user_data)) {
	case OP_ACCEPT:
		return accept_complete(u, tag_index(cqe->user_data), cqe, ev);
	case OP_RECV:
		return conn_recv_complete(u, cqe, ev);
	case OP_SEND:
		return conn_send_complete(u, cqe, ev);
	case OP_DGRAM_RECV:
		return dgram_recv_complete(u, cqe, ev);
	case OP_DGRAM_SEND:
		return dgram_send_complete(u, cqe, ev);
	case OP_WAKE:
		u->wake_armed = false;
		*ev = (struct engine_event){.type = ENGINE_WOKEN, .buf = ENGINE_NO_BUF};
		return cqe->res == sizeof(u->wake_value);
	case OP_SHUTDOWN:
		conn_shutdown_complete(u, cqe);
		break;
	case OP_ASK:	/* failed: the answer stays zero */
	case OP_CANCEL: /* the cancelled request tells itself */
	case OP_CLOSE:	/* fails only for a descriptor that is not ours */
		break;
	}
	return false;
}

/* One completion makes at most one event: none is lost when @events is full. */
static int reap(struct uring *u, struct engine_event *events, int max)
{
	struct io_uring_cqe *cqe;
	unsigned int head, seen = 0;
	int n = 0;

	io_uring_for_each_cqe(&u->ring, head, cqe)
	{
		struct io_uring_cqe copy = {
			.user_data = cqe->user_data, .res = cqe->res, .flags = cqe->flags};

		if (n == max || seen == POLL_BATCH_MAX)
			break;
		n += dispatch(u, &copy, &events[n]);
		seen++;
	}
	io_uring_cq_advance(&u->ring, seen);
	u->stats.completions += seen;
	if (__atomic_load_n(u->ring.sq.kflags, __ATOMIC_ACQUIRE) & IORING_SQ_CQ_OVERFLOW)
		u->stats.overflows++;
	return n;
}

/* ENGINE_DRAINED, once. */
static int take_drained(struct uring *u, struct engine_event *events, int max)
{
	if (!u->conns.draining || u->drained || max == 0)
		return 0;
	for (uint32_t i = 0; i < u->n_listeners; i++) {
		if (!u->listeners[i].done)
			return 0;
	}
	u->drained = true;
	events[0] = (struct engine_event){.type = ENGINE_DRAINED, .buf = ENGINE_NO_BUF};
	return 1;
}

static int uring_poll(struct engine *e, struct engine_event *events, int max, int timeout_ms)
{
	struct uring *u = uring_of(e);
	int n, rc, reaped;

	assert(max > 0);
	n = conns_take_closed(&u->conns, events, max);
	if (u->conns.draining)
		n += accept_drain(u, events + n, max - n);
	n += take_drained(u, events + n, max - n);
	arm_all(u);
	rc = submit_and_wait(u, wait_ms(u, n, timeout_ms));
	if (rc < 0)
		return rc;
	reaped = reap(u, events + n, max - n);
	sock_answers(u, events + n, reaped);
	n += reaped;
	conn_expire(u);
	/* What was closed meanwhile is told by the next poll, after its close was submitted. */
	return n == 0 && u->fatal < 0 ? u->fatal : n;
}

static void uring_release(struct engine *e, engine_buf buf)
{
	struct uring *u = uring_of(e);

	if (buf >= STREAM_BUF_BASE)
		bufring_recycle(&u->tcp_bufs, buf - STREAM_BUF_BASE);
	else
		bufring_recycle(&u->udp_bufs, buf);
}

static void uring_drain(struct engine *e)
{
	struct uring *u = uring_of(e);

	if (u->conns.draining)
		return;
	conns_hurry(&u->conns);
}

static void uring_stats(const struct engine *e, struct engine_stats *out)
{
	*out = ((const struct uring *)e)->stats;
}

static const char *uring_text(const struct engine *e)
{
	return ((const struct uring *)e)->text;
}

static int tcp_open(struct uring *u, const struct listen_spec *spec)
{
	u->burst += (uint32_t)(spec->backlog > 0 ? spec->backlog : LISTENER_BACKLOG_DEFAULT);
	if (u->tcp_bufs.br != NULL)
		return 0;
	return bufring_open(&u->tcp_bufs, &u->ring, GROUP_TCP, conns_buffer_count(&u->cfg),
			    STREAM_BUFFER_SIZE);
}

static int uring_listen(struct engine *e, const struct listen_spec *spec, struct listen_info *info,
			enum listen_step *step)
{
	struct uring *u = uring_of(e);
	struct uring_listener *l = &u->listeners[u->n_listeners];
	int rc, fd;

	*step = LISTEN_STEP_CHECK;
	if (u->n_listeners == ENGINE_LISTENERS_MAX)
		return -ENOSPC;
	fd = listener_open(spec, info, step);
	if (fd < 0)
		return fd;
	*l = (struct uring_listener){.info = *info, .fd = fd};
	rc = spec->proto == IPPROTO_UDP ? dgram_open(u, l) : tcp_open(u, spec);
	if (rc < 0) {
		listener_close(l);
		return rc;
	}
	return (int)u->n_listeners++;
}

/* Entries of the completion queue: it must never overflow, see above. */
static uint32_t cq_entries(const struct engine_config *cfg)
{
	uint32_t want = 2 * (cfg->backlog + 2 * cfg->max_conns);

	if (cfg->queue_entries != 0)
		return cfg->queue_entries;
	if (want < 2 * SQ_ENTRIES)
		return 2 * SQ_ENTRIES;
	return want < CQ_ENTRIES_MAX ? want : CQ_ENTRIES_MAX; /* the kernel rounds it up */
}

/* Halves the completion queue twice before giving up on memory. */
static int ring_open(struct uring *u)
{
	uint32_t cq = cq_entries(&u->cfg);
	uint32_t sq = u->cfg.queue_entries ? u->cfg.queue_entries : SQ_ENTRIES;
	int rc = -ENOMEM;

	for (int attempt = 0; attempt < 3 && rc == -ENOMEM; attempt++, cq /= 2) {
		struct io_uring_params params = {
			.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
				 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
			.cq_entries = cq,
		};

		rc = io_uring_queue_init_params(sq, &u->ring, &params);
	}
	if (rc < 0)
		return rc;
	io_uring_register_ring_fd(&u->ring); /* saves a look-up per call where it is possible */
	io_uring_ring_dontfork(&u->ring);
	return 0;
}

static int direct_check(struct uring *u, struct engine_error *err)
{
	int rc = uring_caps_check_direct(&u->caps, err->what, sizeof(err->what), err->remedy,
					 sizeof(err->remedy));

	return rc < 0 ? rc : sock_table_size(&u->cfg, err);
}

static void text_make(struct uring *u)
{
	char direct[48] = "";

	if (u->cfg.direct)
		snprintf(direct, sizeof(direct), ", direct descriptors for %u connections",
			 u->cfg.max_conns);
	snprintf(u->text, sizeof(u->text), "io_uring: %s accept%s, buffer ring, %s",
		 u->cfg.no_multishot ? "singleshot" : "multishot", direct,
		 u->cfg.no_addresses ? "no addresses" : "SO_PEERNAME");
}

static int uring_open(const struct engine_config *cfg, struct engine **out,
		      struct engine_error *err)
{
	struct uring *u;
	int rc;

	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return -ENOMEM;
	u->engine.ops = &uring_engine_ops;
	u->cfg = *cfg;
	conns_config_defaults(&u->cfg);
	rc = uring_caps_probe(&u->caps);
	if (rc < 0)
		goto err_caps;
	rc = u->cfg.direct ? direct_check(u, err) : 0;
	if (rc < 0)
		goto err_caps;
	rc = conns_init(&u->conns, &u->cfg, clock_ms());
	if (rc < 0)
		goto err_conns;
	u->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (u->wake_fd < 0) {
		rc = -errno;
		goto err_wake;
	}
	rc = ring_open(u);
	if (rc < 0)
		goto err_ring;
	rc = u->cfg.direct ? sock_table_open(u) : 0;
	if (rc < 0)
		goto err_table;
	u->no_multishot_accept = u->cfg.no_multishot;
	text_make(u);
	*out = &u->engine;
	return 0;

err_table:
	io_uring_queue_exit(&u->ring);
err_ring:
	close(u->wake_fd);
err_wake:
	conns_destroy(&u->conns);
err_conns:
err_caps:
	free(u);
	return rc;
}

static void cancel_everything(struct uring *u)
{
	struct io_uring_sync_cancel_reg reg = {
		.fd = -1,
		.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
		.timeout = {.tv_sec = DESTROY_WAIT_S},
	};

	io_uring_submit_and_get_events(&u->ring);
	io_uring_register_sync_cancel(&u->ring, &reg);
}

static void uring_destroy(struct engine *e)
{
	struct uring *u = uring_of(e);

	/* Requests in flight hold their sockets and our memory: end them first. */
	cancel_everything(u);
	bufring_close(&u->tcp_bufs);
	bufring_close(&u->udp_bufs);
	sock_table_close(u);
	io_uring_queue_exit(&u->ring);
	conns_destroy(&u->conns);
	for (uint32_t i = 0; i < u->n_listeners; i++) {
		if (u->listeners[i].fd >= 0)
			listener_close(&u->listeners[i]);
	}
	close(u->wake_fd);
	free(u->dgrams);
	free(u->names);
	free(u);
}

const struct engine_ops uring_engine_ops = {
	.name = "uring",
	.open = uring_open,
	.listen = uring_listen,
	.poll = uring_poll,
	.receive = uring_receive,
	.send = uring_send,
	.send_dgram = uring_send_dgram,
	.release = uring_release,
	.close = uring_close,
	.shutdown = uring_shutdown,
	.wake = uring_wake,
	.drain = uring_drain,
	.stats = uring_stats,
	.text = uring_text,
	.destroy = uring_destroy,
};
