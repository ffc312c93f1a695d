/* SPDX-License-Identifier: MIT */
/* sockets.c - the load generator that uses the kernel's sockets: its loop */
#include "sockets.h"

#include "../../rawstack/clock.h"
#include "../sockopt.h"
#include "http_answer.h"
#include "usage.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * connect(2) is a plain system call: it sends the SYN and comes back. What waits for the handshake
 * is the request behind it, send or receive, which the ring tries again when the socket is ready.
 * So an `accept` connection is one request and one completion.
 *
 * A connection's place in the table is its own until no request of it is in the ring: ops counts
 * them. A request that takes too long is ended by shutdown(2), which makes it complete.
 *
 * Invariant: run.in_flight is the number of places that are busy.
 */
enum {
	SQ_ENTRIES = 4096,
	CQ_ENTRIES_MAX = 65536,
	START_BATCH = 64, /* connections begun in a turn */
	SWEEP_MS = 50,	  /* in which the timers go round */
	FILES_SPARE = 32, /* descriptors that are not connections' */
	OP_SHIFT = 32,
};

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* Linux 6.3 */
#endif

enum op { OP_SEND, OP_RECV };

struct place {
	uint64_t since_ns; /* where the latency of what is awaited begins */
	uint64_t heard_ns; /* when the last progress was made */
	uint32_t left;	   /* requests not yet sent */
	uint32_t got;	   /* bytes of the answer */
	int fd;		   /* -1: none; kept for the next connection where that is possible */
	int error;	   /* -errno of the request that failed first, 0 */
	uint8_t ops;	   /* requests in the ring */
	bool busy;
	bool expired; /* it was shut down for taking too long */
	int length;   /* of the last receive: bytes, 0: the end of the stream */
	struct http_answer http;
	uint8_t *buffer;
};

struct sockets {
	struct sockets_config cfg;
	struct run run;
	struct io_uring ring;
	struct sockaddr_storage target;
	socklen_t target_len;
	struct place *places;
	uint8_t *buffers;
	uint32_t *free; /* stack of places that are not busy */
	uint32_t n_places, n_free;
	uint32_t buffer_size;
	uint32_t source; /* next to bind to */
	uint32_t sweep;
	uint64_t sweep_ns, tick_ns, now;
	struct usage usage;
	int last_error;
	const char *last_call;
};

static bool verifies(const struct sockets *s)
{
	return s->cfg.plan.workload == LOAD_ECHO && s->cfg.plan.expect == s->cfg.plan.payload;
}

/* A submission entry; room for two was made sure of. */
static struct io_uring_sqe *sqe_of(struct sockets *s)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

	assert(sqe);
	return sqe;
}

/* The last step of preparing one: from here on it is in the ring. */
static void sqe_done(struct sockets *s, struct place *p, struct io_uring_sqe *sqe, enum op op)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)op << OP_SHIFT | (uint64_t)(p - s->places));
	p->ops++;
}

/* Room for two entries. Returns 1, 0 when there is none now, or -errno. */
static int make_room(struct sockets *s)
{
	int rc;

	if (io_uring_sq_space_left(&s->ring) >= 2)
		return 1;
	rc = io_uring_submit(&s->ring);
	if (rc < 0 && rc != -EBUSY && rc != -EAGAIN)
		return rc;
	return io_uring_sq_space_left(&s->ring) >= 2;
}

static void prepare_recv(struct sockets *s, struct place *p)
{
	struct io_uring_sqe *sqe = sqe_of(s);

	io_uring_prep_recv(sqe, p->fd, p->buffer, s->buffer_size, 0);
	sqe_done(s, p, sqe, OP_RECV);
}

/* The request, and behind it the receipt of the answer. */
static void prepare_request(struct sockets *s, struct place *p)
{
	struct io_uring_sqe *sqe = sqe_of(s);

	io_uring_prep_send(sqe, p->fd, s->cfg.payload, s->cfg.plan.payload,
			   MSG_NOSIGNAL | MSG_WAITALL);
	sqe->flags |= IOSQE_IO_LINK;
	sqe_done(s, p, sqe, OP_SEND);
	p->left -= s->cfg.plan.requests != 0;
	p->got = 0;
	memset(&p->http, 0, offsetof(struct http_answer, line));
	prepare_recv(s, p);
}

static int call_failed(struct sockets *s, const char *call, int rc)
{
	s->last_call = call;
	s->last_error = rc;
	return rc;
}

/* Ports are chosen when connecting, among those that are free towards the target. */
static int bind_source(struct sockets *s, int fd)
{
	const struct sources *src = &s->cfg.sources;
	struct endpoint from = {.addr = sources_addr(src, s->source)};
	struct sockaddr_storage ss;
	uint32_t range = (uint32_t)src->port_hi << 16 | src->port_lo;
	int len = endpoint_to_sockaddr(&from, s->cfg.family, &ss);
	int rc = sockopt_set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);

	s->source = s->source + 1 == src->n_addrs ? 0 : s->source + 1;
	if (rc == 0 && src->port_lo != 0)
		rc = sockopt_set_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, (int)range);
	if (rc < 0)
		return rc;
	return bind(fd, (struct sockaddr *)&ss, (socklen_t)len) < 0 ? -errno : 0;
}

/* A socket ready to connect. */
static int open_socket(struct sockets *s, struct place *p)
{
	int rc;

	if (p->fd >= 0)
		return 0;
	p->fd = socket(s->cfg.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (p->fd < 0)
		return call_failed(s, "socket", -errno);
	rc = s->cfg.bind ? bind_source(s, p->fd) : 0;
	if (rc < 0) {
		close(p->fd);
		p->fd = -1;
		return call_failed(s, "bind", rc);
	}
	return 0;
}

/* Ends the connection, by the means the plan wants. Failed ones are reset, whatever it wants. */
static void hang_up(struct place *p, bool reset)
{
	static const struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	struct linger now = {.l_onoff = 1};

	if (p->fd < 0)
		return;
	if (reset && connect(p->fd, &unspec, sizeof(unspec)) == 0)
		return;
	if (reset)
		setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(p->fd);
	p->fd = -1;
}

static void release(struct sockets *s, struct place *p)
{
	p->busy = false;
	s->free[s->n_free++] = (uint32_t)(p - s->places);
}

static void complete(struct sockets *s, struct place *p)
{
	hang_up(p, s->cfg.plan.close == LOAD_CLOSE_RST);
	release(s, p);
	run_complete(&s->run);
}

static void fail(struct sockets *s, struct place *p, enum load_error why)
{
	hang_up(p, true);
	/* A socket in trouble is not used again. */
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	release(s, p);
	run_fail(&s->run, why);
}

static enum load_error error_of(struct sockets *s, const struct place *p)
{
	if (p->expired)
		return LOAD_ERR_TIMEOUT;
	switch (-p->error) {
	case ECONNREFUSED:
		return LOAD_ERR_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return LOAD_ERR_RESET;
	case ETIMEDOUT:
		return LOAD_ERR_TIMEOUT;
	default:
		call_failed(s, "request", p->error);
		return LOAD_ERR_SOCKET;
	}
}

/* The answer is complete. @last: the server will close. */
static void answered(struct sockets *s, struct place *p, bool last)
{
	const struct load_plan *plan = &s->cfg.plan;

	run_answer(&s->run, s->now, p->since_ns);
	p->since_ns = s->now;
	if (last || run_stopping(&s->run) || (plan->requests != 0 && p->left == 0))
		complete(s, p);
	else
		prepare_request(s, p);
}

static void http_came(struct sockets *s, struct place *p)
{
	enum http_answer_state state =
		p->length > 0 ? http_answer_take(&p->http, p->buffer, (size_t)p->length)
			      : http_answer_end(&p->http);

	if (state == HTTP_COMPLETE)
		answered(s, p, p->http.close);
	else if (p->length == 0)
		fail(s, p, LOAD_ERR_EARLY);
	else if (state == HTTP_WRONG)
		fail(s, p, LOAD_ERR_ANSWER);
	else
		prepare_recv(s, p);
}

static void echo_came(struct sockets *s, struct place *p)
{
	uint32_t expect = s->cfg.plan.expect, len = (uint32_t)p->length;

	if (len == 0) {
		fail(s, p, LOAD_ERR_EARLY);
		return;
	}
	if (len > expect - p->got ||
	    (verifies(s) &&
	     memcmp(p->buffer, (const uint8_t *)s->cfg.payload + p->got, len) != 0)) {
		fail(s, p, LOAD_ERR_ANSWER);
		return;
	}
	p->got += len;
	if (p->got == expect)
		answered(s, p, false);
	else
		prepare_recv(s, p);
}

/* All requests of the connection have completed. */
static void came(struct sockets *s, struct place *p)
{
	if (p->error < 0 || p->expired) {
		fail(s, p, error_of(s, p));
		return;
	}
	p->heard_ns = s->now;
	if (s->cfg.plan.workload == LOAD_HTTP)
		http_came(s, p);
	else if (s->cfg.plan.workload == LOAD_ECHO)
		echo_came(s, p);
	else if (p->length == 0)
		answered(s, p, true);
	else
		fail(s, p, LOAD_ERR_ANSWER);
}

static void completion(struct sockets *s, const struct io_uring_cqe *cqe)
{
	struct place *p = &s->places[(uint32_t)cqe->user_data];
	enum op op = (enum op)(cqe->user_data >> OP_SHIFT);
	int res = cqe->res;

	p->ops--;
	if (op == OP_SEND && res >= 0 && res < (int)s->cfg.plan.payload)
		res = -EPIPE;
	/* A receive behind a failed send is cancelled: that is no error of its own. */
	if (res < 0 && (p->error == 0 || p->error == -ECANCELED))
		p->error = res;
	if (op == OP_RECV)
		p->length = res;
	if (p->ops == 0)
		came(s, p);
}

/* Returns the number of completions handled, or -errno. */
static int completions(struct sockets *s)
{
	struct io_uring_cqe *cqe;
	unsigned int head;
	int n = 0, rc = 1;

	/* Those for whose next request there is no room wait for the next turn. */
	io_uring_for_each_cqe(&s->ring, head, cqe)
	{
		rc = make_room(s);
		if (rc <= 0)
			break;
		completion(s, cqe);
		n++;
	}
	io_uring_cq_advance(&s->ring, (unsigned int)n);
	return rc < 0 ? rc : n;
}

/* Begins a connection on a free place. */
static void start(struct sockets *s, uint64_t since)
{
	struct place *p = &s->places[s->free[--s->n_free]];

	p->busy = true;
	p->expired = false;
	p->error = 0;
	p->since_ns = since;
	p->heard_ns = s->now;
	p->left = s->cfg.plan.requests;
	if (open_socket(s, p) < 0) {
		fail(s, p, LOAD_ERR_SOCKET);
		return;
	}
	if (connect(p->fd, (struct sockaddr *)&s->target, s->target_len) < 0 &&
	    errno != EINPROGRESS) {
		p->error = -errno;
		fail(s, p, error_of(s, p));
		return;
	}
	if (s->cfg.plan.workload == LOAD_ACCEPT)
		prepare_recv(s, p);
	else
		prepare_request(s, p);
}

/* Starts what is due. Returns 0, or -errno of the ring. */
static int start_due(struct sockets *s)
{
	uint64_t failures = s->run.res.errors[LOAD_ERR_SOCKET], since;
	int rc = 1;

	/* What fails at once (no ports left) is not tried again before the next turn. */
	for (int n = 0; n < START_BATCH && s->n_free > 0; n++) {
		if (s->run.res.errors[LOAD_ERR_SOCKET] != failures)
			break;
		rc = make_room(s);
		if (rc <= 0 || !run_start(&s->run, s->now, &since))
			break;
		start(s, since);
	}
	return rc < 0 ? rc : 0;
}

/* A slice of the table: what has made no progress for too long is shut down. */
static void sweep_timers(struct sockets *s)
{
	uint32_t slice = s->n_places / SWEEP_MS + 1;
	struct place *p;

	if (s->now < s->sweep_ns)
		return;
	s->sweep_ns = s->now + NS_PER_MS;
	for (uint32_t i = 0; i < slice; i++) {
		s->sweep = s->sweep + 1 >= s->n_places ? 0 : s->sweep + 1;
		p = &s->places[s->sweep];
		if (!p->busy || p->expired || s->now - p->heard_ns < s->cfg.plan.timeout_ns)
			continue;
		p->expired = true;
		shutdown(p->fd, SHUT_RDWR);
	}
}

/* Submits, and waits for something to happen: at most until the next slice of the sweep. */
static int wait(struct sockets *s)
{
	uint64_t ns = run_wait_ns(&s->run, s->now);
	struct __kernel_timespec ts = {.tv_nsec = (long long)(ns < NS_PER_MS ? ns : NS_PER_MS)};
	struct io_uring_cqe *cqe;
	int rc = io_uring_submit_and_wait_timeout(&s->ring, &cqe, 1, &ts, NULL);

	if (rc == -ETIME || rc == -EINTR || rc == -EBUSY || rc == -EAGAIN)
		rc = 0;
	s->now = clock_ns(CLOCK_MONOTONIC);
	return rc < 0 ? rc : 0;
}

static void advance(struct sockets *s)
{
	enum run_phase before = s->run.phase;
	enum run_phase phase = run_advance(&s->run, s->now);

	if (phase == before)
		return;
	if (phase == RUN_MEASURE)
		usage_begin(&s->usage);
	if (before == RUN_MEASURE)
		usage_end(&s->usage, &s->run.res.user_us, &s->run.res.sys_us);
}

static void tick(struct sockets *s)
{
	int stop;

	if (!s->cfg.tick || s->now < s->tick_ns)
		return;
	s->tick_ns = s->now + (uint64_t)SOCKETS_TICK_MS * NS_PER_MS;
	stop = s->cfg.tick(&s->run, s->cfg.arg);
	if (stop > 1)
		run_abandon(&s->run, s->now);
	else if (stop > 0)
		run_stop(&s->run, s->now);
}

int sockets_run(struct sockets *s)
{
	int rc = 0;

	s->now = clock_ns(CLOCK_MONOTONIC);
	run_begin(&s->run, &s->cfg.plan, s->now);
	usage_begin(&s->usage);
	while (rc >= 0 && s->run.phase != RUN_OVER) {
		rc = start_due(s);
		if (rc == 0)
			rc = wait(s);
		if (rc == 0)
			rc = completions(s);
		sweep_timers(s);
		advance(s);
		tick(s);
		rc = rc > 0 ? 0 : rc;
	}
	if (rc < 0)
		run_abandon(&s->run, s->now);
	return rc;
}

const struct load_result *sockets_result(const struct sockets *s)
{
	return &s->run.res;
}

int sockets_last_error(const struct sockets *s, const char **call)
{
	*call = s->last_call;
	return s->last_error;
}

static uint32_t places_wanted(const struct load_plan *plan)
{
	return plan->rate > 0 ? SOCKETS_OPEN_LOOP : plan->in_flight;
}

/* Raises the limit of open files to what is needed, as far as it may be raised. */
static int check_files(uint32_t wanted)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return -errno;
	if (lim.rlim_cur >= wanted + FILES_SPARE)
		return 0;
	if (lim.rlim_max < wanted + FILES_SPARE)
		return -EMFILE;
	lim.rlim_cur = lim.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &lim) < 0 ? -errno : 0;
}

static int open_ring(struct sockets *s)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
		.cq_entries = s->n_places * 2 < SQ_ENTRIES ? SQ_ENTRIES : s->n_places * 2,
	};
	int rc;

	if (params.cq_entries > CQ_ENTRIES_MAX)
		params.cq_entries = CQ_ENTRIES_MAX;
	rc = io_uring_queue_init_params(SQ_ENTRIES, &s->ring, &params);
	if (rc < 0)
		return rc;
	io_uring_register_ring_fd(&s->ring); /* saves a look-up per call where it is possible */
	return 0;
}

static int open_table(struct sockets *s)
{
	uint32_t want = s->cfg.plan.workload == LOAD_ACCEPT ? 1 : s->cfg.plan.expect;

	s->buffer_size =
		s->cfg.plan.workload == LOAD_HTTP || want > SOCKETS_BUFFER ? SOCKETS_BUFFER : want;
	s->places = calloc(s->n_places, sizeof(*s->places));
	s->free = calloc(s->n_places, sizeof(*s->free));
	s->buffers = calloc(s->n_places, s->buffer_size);
	if (!s->places || !s->free || !s->buffers)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_places; i++) {
		s->places[i].fd = -1;
		s->places[i].buffer = s->buffers + (size_t)i * s->buffer_size;
		s->free[s->n_free++] = s->n_places - 1 - i;
	}
	return 0;
}

static void free_table(struct sockets *s)
{
	for (uint32_t i = 0; s->places && i < s->n_places; i++)
		if (s->places[i].fd >= 0)
			close(s->places[i].fd);
	free(s->buffers);
	free(s->free);
	free(s->places);
}

int sockets_open(const struct sockets_config *cfg, struct sockets **out, const char **what)
{
	struct sockets *s = calloc(1, sizeof(*s));
	int rc;

	*what = "the table of connections";
	if (!s)
		return -ENOMEM;
	s->cfg = *cfg;
	s->n_places = places_wanted(&cfg->plan);
	rc = endpoint_to_sockaddr(&cfg->target, cfg->family, &s->target);
	if (rc < 0)
		goto err_free;
	s->target_len = (socklen_t)rc;
	rc = check_files(s->n_places);
	if (rc < 0)
		goto err_free;
	rc = open_table(s);
	if (rc < 0)
		goto err_table;
	*what = "io_uring";
	rc = open_ring(s);
	if (rc < 0)
		goto err_table;
	*out = s;
	return 0;

err_table:
	free_table(s);
err_free:
	free(s);
	return rc;
}

void sockets_close(struct sockets *s)
{
	if (!s)
		return;
	/* The ring first: requests in it may still write to the buffers. */
	io_uring_queue_exit(&s->ring);
	free_table(s);
	free(s);
}
