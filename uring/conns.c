/* SPDX-License-Identifier: MIT */
/* conns.c - the table of stream connections that every engine over kernel sockets keeps */
#include "conns.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void conns_config_defaults(struct engine_config *cfg)
{
	if (cfg->max_conns == 0)
		cfg->max_conns = ENGINE_CONNS_DEFAULT;
	if (cfg->max_conns > ENGINE_CONNS_MAX)
		cfg->max_conns = ENGINE_CONNS_MAX;
	if (cfg->backlog == 0)
		cfg->backlog = LISTENER_BACKLOG_DEFAULT;
	if (cfg->idle_timeout_ms == 0)
		cfg->idle_timeout_ms = ENGINE_IDLE_DEFAULT_MS;
}

static uint32_t pow2_ceil(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

uint32_t conns_buffer_count(const struct engine_config *cfg)
{
	uint32_t n = cfg->recv_buffers ? cfg->recv_buffers : cfg->max_conns;

	return n < STREAM_BUFFERS_MAX ? pow2_ceil(n) : STREAM_BUFFERS_MAX;
}

int conns_init(struct conns *t, const struct engine_config *cfg, uint64_t now_ms)
{
	uint32_t tick_ms = cfg->idle_timeout_ms / CONNS_TICKS_PER_IDLE;

	*t = (struct conns){
		.max = cfg->max_conns, .now_ms = now_ms, .idle_timeout_ms = cfg->idle_timeout_ms};
	t->list = calloc(t->max, sizeof(*t->list));
	if (t->list == NULL)
		return -ENOMEM;
	TAILQ_INIT(&t->free);
	TAILQ_INIT(&t->waiting);
	TAILQ_INIT(&t->closed);
	for (uint32_t i = 0; i < t->max; i++)
		TAILQ_INSERT_TAIL(&t->free, &t->list[i], link);
	wheel_init(&t->wheel, tick_ms ? tick_ms : 1, now_ms);
	return 0;
}

void conns_destroy(struct conns *t)
{
	for (uint32_t i = 0; i < t->max; i++) {
		if (t->list[i].state != CONN_FREE && t->list[i].fd >= 0)
			close(t->list[i].fd);
	}
	free(t->list);
}

static uint32_t conn_index(const struct conns *t, const struct conn *c)
{
	return (uint32_t)(c - t->list);
}

engine_conn conns_handle(const struct conns *t, const struct conn *c)
{
	return (uint64_t)c->gen << 32 | conn_index(t, c);
}

struct conn *conns_find(struct conns *t, uint32_t index, uint32_t gen)
{
	struct conn *c;

	if (index >= t->max)
		return NULL;
	c = &t->list[index];
	return c->gen == gen && (c->state == CONN_OPEN || c->state == CONN_CLOSING) ? c : NULL;
}

struct conn *conns_of_handle(struct conns *t, engine_conn conn)
{
	struct conn *c = conns_find(t, engine_conn_index(conn), (uint32_t)(conn >> 32));

	return c != NULL && c->state == CONN_OPEN ? c : NULL;
}

/* While draining a silent stream is done soon, but an answer may take its time. */
static bool conn_in_a_hurry(const struct conns *t, const struct conn *c)
{
	return t->draining && !c->sending;
}

static uint64_t conn_due_ms(const struct conns *t, const struct conn *c)
{
	if (conn_in_a_hurry(t, c) && t->idle_timeout_ms > ENGINE_DRAIN_IDLE_MS)
		return c->active_ms + ENGINE_DRAIN_IDLE_MS;
	return c->active_ms + t->idle_timeout_ms;
}

static void conn_set_timer(struct conns *t, struct conn *c)
{
	wheel_del(&t->wheel, &c->timer);
	wheel_add(&t->wheel, &c->timer, conn_due_ms(t, c));
}

int conn_send_begin(struct conn *c, const void *data, size_t len, engine_buf buf)
{
	if (c == NULL)
		return -ENOTCONN;
	if (c->sending)
		return -EALREADY;
	if (len == 0)
		return -EINVAL;
	c->send_data = data;
	c->send_left = len;
	c->send_done = 0;
	c->send_buf = buf;
	return 0;
}

void conns_touch(struct conns *t, struct conn *c)
{
	c->active_ms = t->now_ms;
	if (t->draining)
		conn_set_timer(t, c);
}

struct conn *conns_open(struct conns *t, int fd)
{
	struct conn *c = TAILQ_FIRST(&t->free);
	uint32_t gen;

	if (c == NULL)
		return NULL;
	TAILQ_REMOVE(&t->free, c, link);
	gen = c->gen == CONNS_GEN_MASK ? 1 : c->gen + 1;
	*c = (struct conn){.fd = fd, .gen = gen, .state = CONN_OPEN, .active_ms = t->now_ms};
	wheel_add(&t->wheel, &c->timer, conn_due_ms(t, c));
	t->n_open++;
	return c;
}

void conns_wait(struct conns *t, struct conn *c, uint8_t want)
{
	if (c->want == 0)
		TAILQ_INSERT_TAIL(&t->waiting, c, link);
	c->want |= want;
}

void conns_unwait(struct conns *t, struct conn *c)
{
	if (c->want == 0)
		return;
	TAILQ_REMOVE(&t->waiting, c, link);
	c->want = 0;
}

void conns_end(struct conns *t, struct conn *c, int error)
{
	c->state = CONN_CLOSING;
	c->error = error;
	wheel_del(&t->wheel, &c->timer);
	conns_unwait(t, c);
}

void conns_finish(struct conns *t, struct conn *c)
{
	conns_unwait(t, c);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = CONN_CLOSED;
	TAILQ_INSERT_TAIL(&t->closed, c, link);
}

void conns_shutdown(struct conns *t, engine_conn conn)
{
	struct conn *c = conns_of_handle(t, conn);

	if (c != NULL)
		shutdown(c->fd, SHUT_WR); /* fails only when the peer has gone: then it is done */
}

int conns_take_closed(struct conns *t, struct engine_event *events, int max)
{
	struct conn *c;
	int n = 0;

	while (n < max && (c = TAILQ_FIRST(&t->closed)) != NULL) {
		events[n++] = (struct engine_event){.type = ENGINE_CLOSED,
						    .conn = conns_handle(t, c),
						    .error = c->error,
						    .buf = ENGINE_NO_BUF};
		TAILQ_REMOVE(&t->closed, c, link);
		TAILQ_INSERT_HEAD(&t->free, c, link);
		c->state = CONN_FREE;
		t->n_open--;
	}
	return n;
}

struct conn *conns_expire(struct conns *t, int *error)
{
	struct wheel_node *node;

	while ((node = wheel_expire(&t->wheel, t->now_ms)) != NULL) {
		struct conn *c = (struct conn *)node;
		uint64_t due_ms = conn_due_ms(t, c);

		if (due_ms > t->now_ms) {
			wheel_add(&t->wheel, node, due_ms);
			continue;
		}
		*error = conn_in_a_hurry(t, c) ? 0 : -ETIMEDOUT;
		return c;
	}
	return NULL;
}

void conns_hurry(struct conns *t)
{
	t->draining = true;
	for (uint32_t i = 0; i < t->max; i++) {
		if (t->list[i].state == CONN_OPEN)
			conn_set_timer(t, &t->list[i]);
	}
}
