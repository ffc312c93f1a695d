/* SPDX-License-Identifier: MIT */
/* server.c - the dual-stack server: listeners, one engine, one workload, a record of everything */
#include "server.h"

#include "../rawstack/clock.h"
#include "engine.h"
#include "workload.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The server keeps one record per connection, in a table beside the engine's (same index), and one
 * per datagram being answered (same index as its buffer). The observer sees a copy of it when the
 * connection is accepted, and again when it is gone.
 *
 * Stopping: @stops is raised by server_stop(), anywhere; the rest happens on the server's thread
 * when the engine wakes it.
 */

enum {
	EVENTS_MAX = 256, /* taken from the engine at a time */
	DRAIN_DEFAULT_MS = 5000,
};

_Static_assert((int)SERVER_LISTENERS_MAX == (int)ENGINE_LISTENERS_MAX, "one limit");

struct server_conn {
	struct server_record rec;
	bool open;
};

struct server {
	struct engine *engine;
	char engine_text[400];
	const struct workload *workload;
	server_observer observe;
	void *observe_arg;
	struct listen_info listeners[SERVER_LISTENERS_MAX];
	size_t n_listeners;
	struct server_conn *conns;
	uint32_t max_conns, n_open;
	struct server_record dgrams[ENGINE_DGRAMS_MAX];
	uint32_t n_dgrams; /* being answered */
	uint32_t drain_ms;
	uint64_t drain_end_ms;
	bool draining, drained;
	unsigned int stops; /* calls of server_stop(); atomic */
	struct engine_event events[EVENTS_MAX];
};

static uint64_t now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

static void observe(struct server *s, const struct server_record *rec, enum server_event event)
{
	struct server_record copy = *rec;

	if (s->observe == NULL)
		return;
	copy.event = event;
	copy.real_ns = clock_ns(CLOCK_REALTIME);
	copy.mono_ns = clock_ns(CLOCK_MONOTONIC);
	s->observe(&copy, s->observe_arg);
}

static void record_fill(struct server_record *rec, const struct engine_event *ev, int proto)
{
	*rec = (struct server_record){
		.listener = ev->listener,
		.proto = proto,
		.family = ev->family,
		.peer = ev->peer,
		.local = ev->local,
		.cookie = ev->cookie,
	};
}

static struct server_conn *conn_of(struct server *s, engine_conn conn)
{
	uint32_t i = engine_conn_index(conn);

	assert(i < s->max_conns);
	return &s->conns[i];
}

static void close_record(struct server *s, struct server_conn *c, int error)
{
	c->open = false;
	c->rec.error = error;
	s->n_open--;
	observe(s, &c->rec, SERVER_CLOSED);
}

static void handle_stream(struct server *s, const struct engine_event *ev)
{
	struct server_conn *c = conn_of(s, ev->conn);

	switch (ev->type) {
	case ENGINE_ACCEPT:
		assert(!c->open);
		record_fill(&c->rec, ev, IPPROTO_TCP);
		c->open = true;
		s->n_open++;
		observe(s, &c->rec, SERVER_ACCEPTED);
		break;
	case ENGINE_RECV:
		c->rec.bytes_in += ev->len;
		break;
	case ENGINE_SENT:
		c->rec.bytes_out += ev->len;
		break;
	default:
		assert(ev->type == ENGINE_CLOSED && c->open);
		close_record(s, c, ev->error);
		return;
	}
	if (s->workload->handle(s->engine, ev) < 0)
		engine_close(s->engine, ev->conn);
}

/*
 * Every IPv4 datagram has an IPv4 destination, mapped on an AF_INET6 socket. A mapped source beside
 * a native destination came in a native IPv6 packet: forged. Answering would send IPv4 to somebody
 * who never wrote (draft-itojun-v6ops-v4mapped-harmful).
 */
static bool is_forged(const struct engine_event *ev)
{
	return ev->family == AF_INET6 && addr_is_mapped(&ev->peer.addr) &&
	       !addr_is_mapped(&ev->local.addr) && !addr_is_any(&ev->local.addr);
}

static void handle_dgram(struct server *s, const struct engine_event *ev)
{
	struct server_record *rec = &s->dgrams[ev->buf];
	int rc;

	assert(ev->buf < ENGINE_DGRAMS_MAX);
	record_fill(rec, ev, IPPROTO_UDP);
	rec->bytes_in = ev->len;
	rec->forged_mapped = is_forged(ev);
	if (rec->forged_mapped) {
		engine_release(s->engine, ev->buf);
		observe(s, rec, SERVER_DATAGRAM);
		return;
	}
	rc = s->workload->handle(s->engine, ev);
	if (rc == WORKLOAD_REPLYING) {
		s->n_dgrams++;
		return;
	}
	rec->error = rc;
	observe(s, rec, SERVER_DATAGRAM);
}

static void handle_dgram_sent(struct server *s, const struct engine_event *ev)
{
	struct server_record *rec = &s->dgrams[ev->buf];

	s->n_dgrams--;
	rec->bytes_out = ev->len;
	rec->error = ev->error;
	observe(s, rec, SERVER_DATAGRAM);
	s->workload->handle(s->engine, ev);
}

static void handle(struct server *s, const struct engine_event *ev)
{
	switch (ev->type) {
	case ENGINE_ACCEPT:
	case ENGINE_RECV:
	case ENGINE_SENT:
	case ENGINE_CLOSED:
		handle_stream(s, ev);
		return;
	case ENGINE_DGRAM:
		handle_dgram(s, ev);
		return;
	case ENGINE_DGRAM_SENT:
		handle_dgram_sent(s, ev);
		return;
	case ENGINE_DRAINED:
		s->drained = true;
		return;
	case ENGINE_WOKEN: /* server_run() looks at the reason */
		return;
	}
}

static void drain_begin(struct server *s)
{
	s->draining = true;
	s->drain_end_ms = now_ms() + s->drain_ms;
	engine_drain(s->engine);
}

/* True when there is nothing left to wait for. */
static bool drain_over(const struct server *s)
{
	if (s->drained && s->n_open == 0 && s->n_dgrams == 0)
		return true;
	return now_ms() >= s->drain_end_ms;
}

static int drain_left_ms(const struct server *s)
{
	uint64_t now = now_ms();

	return now < s->drain_end_ms ? (int)(s->drain_end_ms - now) : 0;
}

/* Those still open when time is up, or when stopped at once. */
static void abandon(struct server *s)
{
	for (uint32_t i = 0; i < s->max_conns && s->n_open > 0; i++) {
		if (s->conns[i].open)
			close_record(s, &s->conns[i], -ECANCELED);
	}
}

int server_run(struct server *s)
{
	int n = 0;

	for (;;) {
		unsigned int stops = __atomic_load_n(&s->stops, __ATOMIC_ACQUIRE);

		if (stops > 1)
			break;
		if (stops == 1 && !s->draining)
			drain_begin(s);
		if (s->draining && drain_over(s))
			break;
		n = engine_poll(s->engine, s->events, EVENTS_MAX,
				s->draining ? drain_left_ms(s) : -1);
		if (n < 0)
			break;
		for (int i = 0; i < n; i++)
			handle(s, &s->events[i]);
	}
	abandon(s);
	return n < 0 ? n : 0;
}

void server_stop(struct server *s)
{
	__atomic_fetch_add(&s->stops, 1, __ATOMIC_RELEASE);
	engine_wake(s->engine);
}

const struct listen_info *server_listener(const struct server *s, size_t i)
{
	return i < s->n_listeners ? &s->listeners[i] : NULL;
}

const char *server_engine_text(const struct server *s)
{
	return s->engine_text;
}

static int config_check(const struct server_config *cfg, struct server_error *err)
{
	if (workload_find(cfg->workload) == NULL) {
		snprintf(err->what, sizeof(err->what), "there is no workload called \"%s\"",
			 cfg->workload);
		snprintf(err->remedy, sizeof(err->remedy), "choose echo, discard or accept");
		return -ENOENT;
	}
	if (cfg->n_listeners == 0 || cfg->n_listeners > SERVER_LISTENERS_MAX) {
		snprintf(err->what, sizeof(err->what), "%zu listeners", cfg->n_listeners);
		snprintf(err->remedy, sizeof(err->remedy), "give 1 to %d", SERVER_LISTENERS_MAX);
		return -EINVAL;
	}
	if (cfg->max_conns > ENGINE_CONNS_MAX) {
		snprintf(err->what, sizeof(err->what), "%u connections", cfg->max_conns);
		snprintf(err->remedy, sizeof(err->remedy), "give at most %d", ENGINE_CONNS_MAX);
		return -EINVAL;
	}
	return 0;
}

static int open_engine(struct server *s, const struct server_config *cfg, struct server_error *err)
{
	struct engine_config ecfg = {.max_conns = s->max_conns,
				     .idle_timeout_ms = cfg->idle_timeout_ms};
	struct engine_error eerr = {0};
	int rc;

	for (size_t i = 0; i < cfg->n_listeners; i++)
		ecfg.backlog +=
			(uint32_t)(cfg->listeners[i].backlog > 0 ? cfg->listeners[i].backlog
								 : LISTENER_BACKLOG_DEFAULT);
	rc = engine_open(cfg->engine, &ecfg, &s->engine, &eerr);
	if (rc < 0) {
		snprintf(err->what, sizeof(err->what), "%s", eerr.what);
		snprintf(err->remedy, sizeof(err->remedy), "%s", eerr.remedy);
		return rc;
	}
	snprintf(s->engine_text, sizeof(s->engine_text), "%s%s%s", engine_text(s->engine),
		 eerr.what[0] ? "; " : "", eerr.what);
	return 0;
}

static int open_listeners(struct server *s, const struct server_config *cfg,
			  struct server_error *err)
{
	for (size_t i = 0; i < cfg->n_listeners; i++) {
		const struct listen_spec *spec = &cfg->listeners[i];
		enum listen_step step;
		int rc = engine_listen(s->engine, spec, &s->listeners[i], &step);

		if (rc < 0) {
			listener_explain(spec, step, rc, err->what, sizeof(err->what), err->remedy,
					 sizeof(err->remedy));
			return rc;
		}
		s->n_listeners++;
	}
	return 0;
}

static void error_no_memory(struct server_error *err)
{
	snprintf(err->what, sizeof(err->what), "not enough memory");
	snprintf(err->remedy, sizeof(err->remedy), "lower the number of connections");
}

int server_create(const struct server_config *cfg, struct server **out, struct server_error *err)
{
	struct server_error unused;
	struct server *s;
	int rc;

	if (err == NULL)
		err = &unused;
	memset(err, 0, sizeof(*err));
	rc = config_check(cfg, err);
	if (rc < 0)
		return rc;
	error_no_memory(err);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->workload = workload_find(cfg->workload);
	s->observe = cfg->observe;
	s->observe_arg = cfg->observe_arg;
	s->drain_ms = cfg->drain_ms ? cfg->drain_ms : DRAIN_DEFAULT_MS;
	s->max_conns = cfg->max_conns ? cfg->max_conns : ENGINE_CONNS_DEFAULT;
	s->conns = calloc(s->max_conns, sizeof(*s->conns));
	if (s->conns == NULL) {
		rc = -ENOMEM;
		goto err_conns;
	}
	rc = open_engine(s, cfg, err);
	if (rc < 0)
		goto err_engine;
	rc = open_listeners(s, cfg, err);
	if (rc < 0)
		goto err_listeners;
	memset(err, 0, sizeof(*err));
	*out = s;
	return 0;

err_listeners:
	engine_destroy(s->engine);
err_engine:
	free(s->conns);
err_conns:
	free(s);
	return rc;
}

void server_destroy(struct server *s)
{
	if (s == NULL)
		return;
	engine_destroy(s->engine);
	free(s->conns);
	free(s);
}
