/* SPDX-License-Identifier: MIT */
/* t_forwarder.c - a port forwarder on the user-space stack */
#include "t_forwarder.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/stack/link.h"
#include "../../rawstack/stack/stack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { INCOMING, OUTGOING, ENDS, BATCH = 64, SLEEP_MAX_MS = 1000 };

struct end {
	stack_conn conn;
	struct stack_buf buf; /* received here, not yet sent there */
	size_t at;
	bool has_buf, ready, ended;
};

struct pair {
	bool used;
	struct end end[ENDS];
};

struct forwarder {
	struct link *link;
	struct stack *stack;
	struct addr back4, back6;
	int ids[FORWARDER_PORTS];
	size_t n_ids;
	struct pair pairs[FORWARDER_PAIRS];
	int stop_fd;
	pthread_t thread;
	struct forwarder_result result;
};

static void release(struct forwarder *f, struct end *e)
{
	if (e->has_buf)
		stack_release(f->stack, &e->buf);
	e->has_buf = false;
}

static void end_pair(struct forwarder *f, struct pair *p, uint64_t now, bool orderly)
{
	for (int i = 0; i < ENDS; i++) {
		release(f, &p->end[i]);
		if (orderly)
			stack_close(f->stack, now, p->end[i].conn);
		else
			stack_abort(f->stack, now, p->end[i].conn);
	}
	f->result.failed += !orderly;
	p->used = false;
}

static void accept_one(struct forwarder *f, int id, uint64_t now)
{
	struct stack_conn_info info;
	struct endpoint to;
	struct pair *p = NULL;
	stack_conn in, out;

	if (stack_accept(f->stack, id, &in, &info) < 0)
		return;
	for (size_t i = 0; i < FORWARDER_PAIRS && !p; i++)
		p = f->pairs[i].used ? NULL : &f->pairs[i];
	to = (struct endpoint){.addr = info.wire_v6 ? f->back6 : f->back4, .port = info.local.port};
	if (!p || stack_connect(f->stack, now, AF_INET6, false, -1, &to, &out) < 0) {
		stack_abort(f->stack, now, in);
		f->result.failed++;
		return;
	}
	f->result.accepted++;
	*p = (struct pair){
		.used = true,
		.end = {[INCOMING] = {.conn = in, .ready = true}, [OUTGOING].conn = out}};
	for (int i = 0; i < ENDS; i++)
		stack_set_user(f->stack, p->end[i].conn,
			       (uint32_t)(p - f->pairs) * ENDS + (uint32_t)i);
}

/* From one end to the other, as much as goes now. Returns false on an error. */
static bool carry(struct forwarder *f, struct end *from, struct end *to)
{
	while (to->ready && from->ready && !from->ended) {
		ssize_t n;

		if (!from->has_buf) {
			int rc = stack_recv(f->stack, from->conn, &from->buf);

			if (rc < 0)
				return rc == -EAGAIN;
			from->ended = rc == 0;
			from->has_buf = rc > 0;
			from->at = 0;
			if (from->ended)
				stack_shutdown_send(f->stack, to->conn);
			continue;
		}
		n = stack_send(f->stack, to->conn, from->buf.data + from->at,
			       from->buf.len - from->at);
		if (n < 0)
			return n == -EAGAIN;
		f->result.bytes += (uint64_t)n;
		from->at += (size_t)n;
		if (from->at == from->buf.len)
			release(f, from);
	}
	return true;
}

static void take_events(struct forwarder *f, uint64_t now)
{
	struct stack_event ev;

	while (stack_event(f->stack, &ev)) {
		struct pair *p = &f->pairs[ev.user / ENDS];
		struct end *e = &p->end[ev.user % ENDS];

		if (ev.type == STACK_EV_ACCEPT) {
			while (stack_accept_waiting(f->stack, ev.id))
				accept_one(f, ev.id, now);
			continue;
		}
		if (!p->used || e->conn != ev.conn)
			continue;
		if (ev.type == STACK_EV_CONNECTED) {
			e->ready = true;
			f->result.connected++;
		}
		if (ev.type == STACK_EV_CLOSED && ev.error != 0)
			end_pair(f, p, now, false);
	}
}

static void carry_all(struct forwarder *f, uint64_t now)
{
	for (size_t i = 0; i < FORWARDER_PAIRS; i++) {
		struct pair *p = &f->pairs[i];
		struct end *in = &p->end[INCOMING], *out = &p->end[OUTGOING];

		if (!p->used)
			continue;
		if (!carry(f, in, out) || !carry(f, out, in))
			end_pair(f, p, now, false);
		else if (in->ended && out->ended)
			end_pair(f, p, now, true);
	}
}

static void *run(void *arg)
{
	struct forwarder *f = arg;
	struct pollfd fds[] = {{.fd = f->link->fd, .events = POLLIN},
			       {.fd = f->stop_fd, .events = POLLIN}};

	while (fds[1].revents == 0) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC), due;
		struct link_frame frame;
		int n = 0, ms = SLEEP_MAX_MS;

		for (; n < BATCH && link_rx(f->link, &frame) > 0; n++)
			stack_input(f->stack, now, frame.bytes, frame.meta.caplen, &frame.meta);
		stack_timers(f->stack, now);
		take_events(f, now);
		carry_all(f, now);
		stack_flush(f->stack, now);
		link_flush(f->link);
		due = stack_deadline(f->stack);
		if (due < now + (uint64_t)SLEEP_MAX_MS * NS_PER_MS)
			ms = due > now ? (int)((due - now) / NS_PER_MS) + 1 : 0;
		poll(fds, 2, n == BATCH ? 0 : ms);
	}
	return NULL;
}

static void make_stack(struct forwarder *f, const struct lab_host *host)
{
	struct stack_config cfg = {.link = {link_reserve, link_commit, f->link},
				   .mtu = (uint16_t)f->link->mtu,
				   .addrs = {{host->v4[0], 24}, {host->v6[0], 64}},
				   .n_addrs = 2,
				   .secret = "the forwarder of the tests",
				   .skip_dad = true};

	memcpy(cfg.mac, f->link->mac, sizeof(cfg.mac));
	cr_assert(stack_create(&cfg, clock_ns(CLOCK_MONOTONIC), &f->stack) == 0);
}

struct forwarder *forwarder_start(const struct lab *lab, const uint16_t *ports, size_t n)
{
	const struct lab_host *host = &lab->host[LAB_SERVER];
	struct link_config cfg = {.netns_fd = host->netns_fd, .ifindex = host->ifindex};
	struct forwarder *f = calloc(1, sizeof(*f));
	int rc;

	cr_assert(f && n <= FORWARDER_PORTS);
	rc = link_ring_open(&cfg, &f->link);
	cr_assert(rc == 0, "%s", strerror(-rc));
	f->back4 = lab->host[LAB_CLIENT].v4[0];
	f->back6 = lab->host[LAB_CLIENT].v6[0];
	make_stack(f, host);
	for (; f->n_ids < n; f->n_ids++) {
		struct stack_bind bind = {.family = AF_INET6, .local.port = ports[f->n_ids]};
		int id = stack_tcp_bind(f->stack, &bind);

		cr_assert(id >= 0 && stack_tcp_listen(f->stack, id, 16) == 0);
		f->ids[f->n_ids] = id;
	}
	f->stop_fd = eventfd(0, EFD_CLOEXEC);
	cr_assert(f->stop_fd >= 0 && pthread_create(&f->thread, NULL, run, f) == 0);
	return f;
}

void forwarder_stop(struct forwarder *f, struct forwarder_result *out)
{
	uint64_t one = 1;

	cr_assert(write(f->stop_fd, &one, sizeof(one)) == sizeof(one));
	pthread_join(f->thread, NULL);
	*out = f->result;
	stack_destroy(f->stack);
	link_close(f->link);
	close(f->stop_fd);
	free(f);
}
