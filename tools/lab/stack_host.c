/* SPDX-License-Identifier: MIT */
/* stack_host.c - a lab's host whose sockets are those of our own stack, on a link of its own */
#include "stack_host.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/stack/link.h"
#include "../../rawstack/stack/socket.h"
#include "cond.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

/*
 * The stack belongs to whoever holds the lock: the thread that sleeps until a frame comes or
 * something is due, or a caller. A caller takes the frames that have come before it makes its call,
 * as a kernel has taken them before a program asks: so "nothing has arrived" is a statement about
 * the moment of the call here, too.
 *
 * No call blocks inside the stack: waiting is done here, on the condition that frames have come.
 */
struct stack_host {
	struct link *link;
	struct rawstack_host *host;
	pthread_t thread;
	int wake_fd;

	pthread_mutex_t lock;
	pthread_cond_t came;
	uint64_t sleeps_until; /* of the thread: an earlier deadline has to wake it */
	bool stop;
};

enum { FAR_S = 3600 };

static uint64_t now_ns(void *arg)
{
	(void)arg;
	return clock_ns(CLOCK_MONOTONIC);
}

static void send_frame(void *arg, const void *frame, size_t len)
{
	struct stack_host *s = arg;
	uint8_t *room = link_reserve(s->link, len);

	if (!room)
		return; /* lost, as on any wire; the link has counted it */
	memcpy(room, frame, len);
	link_commit(s->link, len);
}

/* All frames that are there, and all that is due. */
static void pump(struct stack_host *s)
{
	struct link_frame f;

	while (link_rx(s->link, &f) > 0)
		rawstack_host_input(s->host, f.bytes, f.meta.caplen);
	rawstack_host_run(s->host);
	(void)link_flush(s->link);
}

static void sleep_until(struct stack_host *s, uint64_t until)
{
	struct pollfd fds[2] = {{.fd = s->link->fd, .events = POLLIN},
				{.fd = s->wake_fd, .events = POLLIN}};
	uint64_t now = now_ns(NULL), ns = until > now ? until - now : 0, count;
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000),
			      .tv_nsec = (long)(ns % 1000000000)};

	if (ts.tv_sec > FAR_S)
		ts.tv_sec = FAR_S;
	if (ppoll(fds, 2, &ts, NULL) > 0 && fds[1].revents)
		(void)!read(s->wake_fd, &count, sizeof(count));
}

static void *run(void *arg)
{
	struct stack_host *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		uint64_t until;

		pump(s);
		pthread_cond_broadcast(&s->came);
		until = s->sleeps_until = rawstack_host_deadline(s->host);
		pthread_mutex_unlock(&s->lock);
		sleep_until(s, until);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void wake(const struct stack_host *s)
{
	uint64_t one = 1;

	(void)!write(s->wake_fd, &one, sizeof(one));
}

static void enter(struct stack_host *s)
{
	pthread_mutex_lock(&s->lock);
	pump(s);
}

/* Returns what the call returned, which set errno if it is negative. */
static ssize_t leave(struct stack_host *s, ssize_t rc)
{
	if (rc < 0)
		rc = -errno;
	(void)link_flush(s->link);
	if (rawstack_host_deadline(s->host) < s->sleeps_until)
		wake(s);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* --- the calls --- */

static int call_socket(const struct socket_host *h, int domain, int type, int protocol)
{
	enter(h->stack);
	return (int)leave(h->stack, rawstack_socket(h->stack->host, domain, type, protocol));
}

static int call_bind(const struct socket_host *h, int fd, const struct sockaddr *sa, socklen_t len)
{
	enter(h->stack);
	return (int)leave(h->stack, rawstack_bind(h->stack->host, fd, sa, len));
}

static int call_listen(const struct socket_host *h, int fd, int backlog)
{
	enter(h->stack);
	return (int)leave(h->stack, rawstack_listen(h->stack->host, fd, backlog));
}

static int call_accept(const struct socket_host *h, int fd, struct sockaddr *sa, socklen_t *len)
{
	enter(h->stack);
	return (int)leave(h->stack, rawstack_accept(h->stack->host, fd, sa, len, 0));
}

static int call_connect(const struct socket_host *h, int fd, const struct sockaddr *sa,
			socklen_t len)
{
	enter(h->stack);
	return (int)leave(h->stack, rawstack_connect(h->stack->host, fd, sa, len));
}

static ssize_t call_sendmsg(const struct socket_host *h, int fd, const struct msghdr *m, int flags)
{
	enter(h->stack);
	return leave(h->stack, rawstack_sendmsg(h->stack->host, fd, m, flags));
}

static ssize_t call_recvmsg(const struct socket_host *h, int fd, struct msghdr *m, int flags)
{
	enter(h->stack);
	return leave(h->stack, rawstack_recvmsg(h->stack->host, fd, m, flags));
}

static int call_shutdown(const struct socket_host *h, int fd, int how)
{
	enter(h->stack);
	return (int)leave(h->stack, rawstack_shutdown(h->stack->host, fd, how));
}

static int call_close(const struct socket_host *h, int fd)
{
	enter(h->stack);
	return (int)leave(h->stack, rawstack_close(h->stack->host, fd));
}

static int call_getsockname(const struct socket_host *h, int fd, struct sockaddr *sa,
			    socklen_t *len)
{
	enter(h->stack);
	return (int)leave(h->stack, rawstack_getsockname(h->stack->host, fd, sa, len));
}

static int call_getpeername(const struct socket_host *h, int fd, struct sockaddr *sa,
			    socklen_t *len)
{
	enter(h->stack);
	return (int)leave(h->stack, rawstack_getpeername(h->stack->host, fd, sa, len));
}

static int call_setsockopt(const struct socket_host *h, int fd, int level, int name,
			   const void *value, socklen_t len)
{
	enter(h->stack);
	return (int)leave(h->stack,
			  rawstack_setsockopt(h->stack->host, fd, level, name, value, len));
}

static int call_getsockopt(const struct socket_host *h, int fd, int level, int name, void *value,
			   socklen_t *len)
{
	enter(h->stack);
	return (int)leave(h->stack,
			  rawstack_getsockopt(h->stack->host, fd, level, name, value, len));
}

/* No call blocks inside this stack: what has to wait waits in call_wait() first. */
static int call_set_blocking(const struct socket_host *h, int fd, bool on)
{
	(void)on;
	enter(h->stack);
	return (int)leave(h->stack, rawstack_set_nonblock(h->stack->host, fd, 1));
}

static int call_wait(const struct socket_host *h, int fd, short events, unsigned int ms)
{
	uint64_t end = now_ns(NULL) + (uint64_t)ms * NS_PER_MS;
	struct timespec ts = {.tv_sec = (time_t)(end / 1000000000U),
			      .tv_nsec = (long)(end % 1000000000U)};
	struct pollfd pfd = {.fd = fd, .events = events};
	int rc;

	enter(h->stack);
	while ((rc = rawstack_poll(h->stack->host, &pfd, 1, 0)) == 0 && now_ns(NULL) < end) {
		(void)pthread_cond_timedwait(&h->stack->came, &h->stack->lock, &ts);
		pump(h->stack);
	}
	rc = (int)leave(h->stack, rc);
	return rc < 0 ? rc : rc == 0 ? -ETIMEDOUT : 0;
}

static const struct socket_calls STACK_CALLS = {
	.socket = call_socket,
	.bind = call_bind,
	.listen = call_listen,
	.accept = call_accept,
	.connect = call_connect,
	.sendmsg = call_sendmsg,
	.recvmsg = call_recvmsg,
	.shutdown = call_shutdown,
	.close = call_close,
	.getsockname = call_getsockname,
	.getpeername = call_getpeername,
	.setsockopt = call_setsockopt,
	.getsockopt = call_getsockopt,
	.set_blocking = call_set_blocking,
	.wait = call_wait,
};

struct socket_host stack_host_sockets(struct stack_host *s)
{
	return (struct socket_host){.calls = &STACK_CALLS, .netns_fd = -1, .stack = s};
}

/* --- its life --- */

struct config {
	struct rawstack_host_config c;
	char text[RAWSTACK_ADDRS_MAX][ADDR_STRLEN];
};

static void add_address(struct config *cfg, const struct addr *a, int prefix_len)
{
	int n = cfg->c.n_addrs++;

	assert(n < RAWSTACK_ADDRS_MAX);
	addr_print(a, ADDR_FORM_INET, cfg->text[n]);
	cfg->c.addrs[n].address = cfg->text[n];
	cfg->c.addrs[n].prefix_len = prefix_len;
}

static int make_host(struct stack_host *s, const struct lab_host *lh, const struct more_addrs *more)
{
	struct config cfg = {.c = {.output = send_frame, .clock = now_ns, .arg = s}};

	_Static_assert(2 * LAB_ADDRS_MAX + MORE_ADDRS_MAX <= RAWSTACK_ADDRS_MAX, "they fit");
	memcpy(cfg.c.mac, s->link->mac, sizeof(cfg.c.mac));
	cfg.c.ifindex = lh->ifindex;
	/* Linux prefers the IPv6 address that was added last, the stack the first it has. */
	for (int i = 0; i < lh->n_addrs; i++) {
		add_address(&cfg, &lh->v4[i], 24);
		add_address(&cfg, &lh->v6[lh->n_addrs - 1 - i], 64);
	}
	for (size_t i = 0; i < more->n; i++)
		add_address(&cfg, &more->list[i].addr, more->list[i].prefix_len);
	if (getrandom(cfg.c.secret, sizeof(cfg.c.secret), 0) != sizeof(cfg.c.secret))
		return -EIO;
	s->host = rawstack_host_new(&cfg.c);
	return s->host ? 0 : -errno;
}

static struct stack_host *allocate(void)
{
	struct stack_host *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	cond_init_monotonic(&s->came);
	return s;
}

static void release(struct stack_host *s)
{
	pthread_cond_destroy(&s->came);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int stack_host_open(const struct lab_host *lh, const struct more_addrs *more,
		    struct stack_host **out, char *why, size_t why_len)
{
	const struct link_config lc = {
		.netns_fd = lh->netns_fd, .ifindex = lh->ifindex, .keep_queueing = true};
	struct stack_host *s = allocate();
	const char *what = "start";
	int rc = -ENOMEM;

	if (!s)
		goto err;
	what = "open a link on the server's end of the cable";
	rc = link_ring_open(&lc, &s->link);
	if (rc < 0)
		goto err_link;
	what = "make its stack";
	rc = make_host(s, lh, more);
	if (rc < 0)
		goto err_host;
	what = "start its thread";
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = s->wake_fd < 0 ? -errno : -pthread_create(&s->thread, NULL, run, s);
	if (rc < 0)
		goto err_thread;
	*out = s;
	return 0;

err_thread:
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	rawstack_host_free(s->host);
err_host:
	link_close(s->link);
err_link:
	release(s);
err:
	snprintf(why, why_len, "the server's host cannot %s: %s", what, strerrordesc_np(-rc));
	return rc;
}

void stack_host_close(struct stack_host *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_mutex_unlock(&s->lock);
	wake(s);
	pthread_join(s->thread, NULL);
	close(s->wake_fd);
	rawstack_host_free(s->host);
	link_close(s->link);
	release(s);
}
