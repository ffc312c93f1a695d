/* SPDX-License-Identifier: MIT */
/* server.c - the dual-stack server: listeners, one engine, one workload, a record of everything */
#include "server.h"

#include "../rawstack/clock.h"
#include "engine.h"
#include "workload.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Where somebody observes, the server keeps one record per connection, in a table beside the
 * engine's (same index), and one per datagram being answered (same index as its buffer). The
 * observer sees a copy of it when the connection is accepted, and again when it is gone.
 *
 * Metrics belong to the server's thread. Who wants them raises @asked and wakes it; it copies them
 * to @answer under the lock.
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

/* Metrics handed to another thread. */
struct report {
	pthread_mutex_t lock;
	pthread_cond_t ready;
	struct metrics answer;
	uint64_t answered; /* how often */
	bool running;	   /* server_run() is at work */
};

struct server {
	struct engine *engine;
	char engine_text[400];
	const struct workload *workload;
	server_observer observe;
	void *observe_arg;
	server_pause_observer paused;
	void *paused_arg;
	struct listen_info listeners[SERVER_LISTENERS_MAX];
	size_t n_listeners;
	struct server_conn *conns; /* NULL: nobody observes */
	unsigned char *states;	   /* the workload's, state_size bytes each */
	struct metrics metrics;
	struct report report;
	unsigned int asked; /* for metrics; atomic */
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

static void tell_pause(struct server *s, const struct engine_event *ev)
{
	struct server_pause pause = {
		.listener = ev->listener, .error = ev->error, .mono_ns = clock_ns(CLOCK_MONOTONIC)};

	if (s->paused != NULL)
		s->paused(&pause, s->paused_arg);
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

static void *state_of(struct server *s, engine_conn conn)
{
	uint32_t i = engine_conn_index(conn);

	assert(i < s->max_conns);
	return s->states ? s->states + i * s->workload->state_size : NULL;
}

static void conn_opened(struct server *s, const struct engine_event *ev)
{
	s->n_open++;
	s->metrics.accepted[metrics_kind_of(ev->family, &ev->peer.addr)]++;
	if (s->states != NULL)
		memset(state_of(s, ev->conn), 0, s->workload->state_size);
}

static void conn_closed(struct server *s, int error)
{
	assert(s->n_open > 0);
	s->n_open--;
	s->metrics.closed[metrics_cause_of(error)]++;
}

static void close_record(struct server *s, struct server_conn *c, int error)
{
	c->open = false;
	c->rec.error = error;
	observe(s, &c->rec, SERVER_CLOSED);
}

/* The record of a stream follows its events. */
static void record_stream(struct server *s, const struct engine_event *ev)
{
	struct server_conn *c = &s->conns[engine_conn_index(ev->conn)];

	switch (ev->type) {
	case ENGINE_ACCEPT:
		assert(!c->open);
		record_fill(&c->rec, ev, IPPROTO_TCP);
		c->open = true;
		observe(s, &c->rec, SERVER_ACCEPTED);
		return;
	case ENGINE_RECV:
		c->rec.bytes_in += ev->len;
		return;
	case ENGINE_SENT:
		c->rec.bytes_out += ev->len;
		return;
	default:
		assert(ev->type == ENGINE_CLOSED && c->open);
		close_record(s, c, ev->error);
	}
}

static void handle_stream(struct server *s, const struct engine_event *ev)
{
	if (s->conns != NULL)
		record_stream(s, ev);
	switch (ev->type) {
	case ENGINE_ACCEPT:
		conn_opened(s, ev);
		break;
	case ENGINE_RECV:
		s->metrics.bytes_in += ev->len;
		break;
	case ENGINE_SENT:
		s->metrics.bytes_out += ev->len;
		break;
	default:
		conn_closed(s, ev->error);
		return;
	}
	if (s->workload->handle(s->engine, ev, state_of(s, ev->conn)) < 0)
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
	s->metrics.datagrams[metrics_kind_of(ev->family, &ev->peer.addr)]++;
	s->metrics.bytes_in += ev->len;
	s->metrics.forged += rec->forged_mapped;
	if (rec->forged_mapped) {
		engine_release(s->engine, ev->buf);
		observe(s, rec, SERVER_DATAGRAM);
		return;
	}
	rc = s->workload->handle(s->engine, ev, NULL);
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
	s->metrics.bytes_out += ev->len;
	rec->bytes_out = ev->len;
	rec->error = ev->error;
	observe(s, rec, SERVER_DATAGRAM);
	s->workload->handle(s->engine, ev, NULL);
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
	case ENGINE_PAUSED:
		tell_pause(s, ev);
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
	for (uint32_t i = 0; s->conns != NULL && i < s->max_conns; i++) {
		if (s->conns[i].open)
			close_record(s, &s->conns[i], -ECANCELED);
	}
	while (s->n_open > 0)
		conn_closed(s, -ECANCELED);
}

static void report_publish(struct server *s, bool running)
{
	s->metrics.open = s->n_open;
	engine_stats(s->engine, &s->metrics.engine);
	engine_stackstats(s->engine, &s->metrics.stack);
	pthread_mutex_lock(&s->report.lock);
	s->report.answer = s->metrics;
	s->report.answered++;
	s->report.running = running;
	pthread_cond_broadcast(&s->report.ready);
	pthread_mutex_unlock(&s->report.lock);
}

/* Whoever asks raises the flag before waking: nobody is overlooked. */
static void report_if_asked(struct server *s)
{
	if (__atomic_load_n(&s->asked, __ATOMIC_RELAXED) == 0)
		return;
	__atomic_store_n(&s->asked, 0, __ATOMIC_RELEASE);
	report_publish(s, true);
}

int server_metrics(struct server *s, struct metrics *out, unsigned int timeout_ms)
{
	struct timespec deadline;
	uint64_t answered;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += timeout_ms / 1000;
	deadline.tv_nsec += (long)(timeout_ms % 1000) * NS_PER_MS;
	deadline.tv_sec += deadline.tv_nsec / 1000000000;
	deadline.tv_nsec %= 1000000000;
	pthread_mutex_lock(&s->report.lock);
	answered = s->report.answered;
	if (s->report.running) {
		__atomic_store_n(&s->asked, 1, __ATOMIC_RELEASE);
		engine_wake(s->engine);
	}
	while (rc == 0 && s->report.running && s->report.answered == answered)
		rc = pthread_cond_timedwait(&s->report.ready, &s->report.lock, &deadline);
	*out = s->report.answer;
	pthread_mutex_unlock(&s->report.lock);
	return -rc;
}

int server_run(struct server *s)
{
	int n = 0;

	report_publish(s, true);
	for (;;) {
		unsigned int stops = __atomic_load_n(&s->stops, __ATOMIC_ACQUIRE);

		report_if_asked(s);
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
	report_publish(s, false);
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

/* A workload that exists, and means something on every listener. */
static int workload_check(const struct server_config *cfg, struct server_error *err)
{
	const struct workload *w = workload_find(cfg->workload);
	char names[80];

	if (w == NULL) {
		snprintf(err->what, sizeof(err->what), "there is no workload called \"%s\"",
			 cfg->workload);
		snprintf(err->remedy, sizeof(err->remedy), "choose %s",
			 workload_names(names, sizeof(names)));
		return -ENOENT;
	}
	for (size_t i = 0; i < cfg->n_listeners && w->streams_only; i++) {
		if (cfg->listeners[i].proto == IPPROTO_TCP)
			continue;
		snprintf(err->what, sizeof(err->what), "the workload \"%s\" needs TCP", w->name);
		snprintf(err->remedy, sizeof(err->remedy), "choose another, or drop --udp");
		return -EPROTOTYPE;
	}
	return 0;
}

static int config_check(const struct server_config *cfg, struct server_error *err)
{
	int rc = workload_check(cfg, err);

	if (rc < 0)
		return rc;
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
				     .idle_timeout_ms = cfg->idle_timeout_ms,
				     .queue_entries = cfg->queue_entries,
				     .no_multishot = cfg->no_multishot,
				     .direct = cfg->direct,
				     .link = cfg->link,
				     .no_addresses = cfg->no_addresses,
				     .peer_only = cfg->observe == NULL};
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

/* What grows with the number of connections. */
static int tables_open(struct server *s)
{
	if (s->observe != NULL) {
		s->conns = calloc(s->max_conns, sizeof(*s->conns));
		if (s->conns == NULL)
			return -ENOMEM;
	}
	if (s->workload->state_size == 0)
		return 0;
	s->states = calloc(s->max_conns, s->workload->state_size);
	if (s->states == NULL) {
		free(s->conns);
		return -ENOMEM;
	}
	return 0;
}

static void tables_close(struct server *s)
{
	free(s->states);
	free(s->conns);
}

static int report_open(struct report *r)
{
	pthread_condattr_t attr;
	int rc = pthread_condattr_init(&attr);

	if (rc != 0)
		return -rc;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	rc = pthread_cond_init(&r->ready, &attr);
	pthread_condattr_destroy(&attr);
	if (rc == 0)
		pthread_mutex_init(&r->lock, NULL);
	return -rc;
}

static void report_close(struct report *r)
{
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->ready);
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
	s->paused = cfg->paused;
	s->paused_arg = cfg->paused_arg;
	s->drain_ms = cfg->drain_ms ? cfg->drain_ms : DRAIN_DEFAULT_MS;
	s->max_conns = cfg->max_conns ? cfg->max_conns : ENGINE_CONNS_DEFAULT;
	rc = tables_open(s);
	if (rc < 0)
		goto err_tables;
	rc = report_open(&s->report);
	if (rc < 0)
		goto err_report;
	rc = open_engine(s, cfg, err);
	if (rc < 0)
		goto err_engine;
	rc = open_listeners(s, cfg, err);
	if (rc < 0)
		goto err_listeners;
	memset(err, 0, sizeof(*err));
	report_publish(s, false); /* who asks before it runs sees the engine's counters, too */
	*out = s;
	return 0;

err_listeners:
	engine_destroy(s->engine);
err_engine:
	report_close(&s->report);
err_report:
	tables_close(s);
err_tables:
	free(s);
	return rc;
}

void server_destroy(struct server *s)
{
	if (s == NULL)
		return;
	engine_destroy(s->engine);
	report_close(&s->report);
	tables_close(s);
	free(s);
}
