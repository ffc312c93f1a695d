/* SPDX-License-Identifier: MIT */
/* lab_server.c - a server on a thread of its own, in a lab's namespace, and the log it writes */
#include "lab_server.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/netns.h"
#include "../../uring/engine.h"
#include "cond.h"
#include "records.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* Under the lock: everything the two threads share. */
struct lab_server {
	int netns_fd;
	struct server_config cfg;
	pthread_t thread;
	bool running;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct server *server; /* NULL until it listens */
	bool answered;	       /* it listens, or rc says why not */
	int rc;
	struct server_error err;
	struct evidence_api log[LAB_SERVER_RECORDS_MAX];
	size_t n_log;
	bool overflow;
	char engine_text[400];
	struct engine_link link; /* of the bypass engine */
	char ifname[16];
};

/* The last word on an accepted socket completes its record. */
static void complete_record(struct lab_server *s, const struct server_record *rec)
{
	for (size_t i = s->n_log; i-- > 0;) {
		if (s->log[i].cookie != rec->cookie)
			continue;
		s->log[i].bytes_in = rec->bytes_in;
		s->log[i].bytes_out = rec->bytes_out;
		return;
	}
}

static void observe(const struct server_record *rec, void *arg)
{
	struct lab_server *s = arg;

	pthread_mutex_lock(&s->lock);
	if (rec->event == SERVER_CLOSED)
		complete_record(s, rec);
	else if (s->n_log == LAB_SERVER_RECORDS_MAX)
		s->overflow = true;
	else
		s->log[s->n_log++] = record_of_server(rec);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void answer(struct lab_server *s, struct server *server, int rc)
{
	pthread_mutex_lock(&s->lock);
	s->answered = true;
	s->rc = rc;
	s->server = server;
	if (server)
		snprintf(s->engine_text, sizeof(s->engine_text), "%s", server_engine_text(server));
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void *serve(void *arg)
{
	struct lab_server *s = arg;
	struct server *server = NULL;
	int back, rc;

	rc = netns_enter(s->netns_fd, &back);
	if (rc < 0) {
		answer(s, NULL, rc);
		return NULL;
	}
	rc = server_create(&s->cfg, &server, &s->err);
	answer(s, server, rc);
	if (rc == 0) {
		server_run(server);
		server_destroy(server);
	}
	netns_leave(back);
	return NULL;
}

static struct lab_server *allocate(void)
{
	struct lab_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	cond_init_monotonic(&s->changed);
	return s;
}

static int await_answer(struct lab_server *s)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	while (!s->answered)
		pthread_cond_wait(&s->changed, &s->lock);
	rc = s->rc;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* The host's end of the cable, with its addresses; a tap there is to see what is sent. */
static void fill_link(struct lab_server *s, const struct lab_host *host,
		      const struct more_addrs *more)
{
	struct engine_link *l = &s->link;

	memcpy(s->ifname, host->ifname, sizeof(s->ifname));
	*l = (struct engine_link){.netns_fd = host->netns_fd,
				  .ifname = s->ifname,
				  .skip_dad = true,
				  .keep_queueing = true};
	for (int i = 0; i < host->n_addrs; i++) {
		l->addrs[l->n_addrs++] = (struct engine_link_addr){host->v4[i], 24};
		l->addrs[l->n_addrs++] = (struct engine_link_addr){host->v6[i], 64};
	}
	for (size_t i = 0; more && i < more->n; i++)
		l->addrs[l->n_addrs++] =
			(struct engine_link_addr){more->list[i].addr, more->list[i].prefix_len};
}

int lab_server_start(const struct lab_host *host, const struct more_addrs *more, const char *engine,
		     const struct listen_spec *listeners, size_t n, struct lab_server **out,
		     struct server_error *err)
{
	struct lab_server *s = allocate();
	int rc;

	*err = (struct server_error){0};
	if (!s)
		return -ENOMEM;
	s->netns_fd = host->netns_fd;
	if (host->bare)
		fill_link(s, host, more);
	s->cfg = (struct server_config){
		.engine = engine,
		.workload = "echo",
		.listeners = listeners,
		.n_listeners = n,
		.max_conns = LAB_SERVER_RECORDS_MAX,
		.link = host->bare ? &s->link : NULL,
		.observe = observe,
		.observe_arg = s,
	};
	rc = -pthread_create(&s->thread, NULL, serve, s);
	if (rc < 0)
		goto err;
	rc = await_answer(s);
	if (rc < 0) {
		pthread_join(s->thread, NULL);
		*err = s->err;
		goto err;
	}
	s->running = true;
	*out = s;
	return 0;
err:
	lab_server_free(s);
	return rc;
}

const char *lab_server_engine_text(const struct lab_server *s)
{
	return s->engine_text;
}

static size_t count_records(const struct lab_server *s, uint16_t port)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_log; i++)
		n += s->log[i].local.port == port;
	return n;
}

int lab_server_wait(struct lab_server *s, uint16_t port, size_t count, unsigned int timeout_ms)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)timeout_ms * NS_PER_MS;
	struct timespec ts = {.tv_sec = (time_t)(end / 1000000000U),
			      .tv_nsec = (long)(end % 1000000000U)};
	bool enough;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	while (!(enough = count_records(s, port) >= count) && rc == 0)
		rc = pthread_cond_timedwait(&s->changed, &s->lock, &ts);
	pthread_mutex_unlock(&s->lock);
	return enough ? 0 : -ETIMEDOUT;
}

void lab_server_stop(struct lab_server *s)
{
	if (!s->running)
		return;
	server_stop(s->server);
	pthread_join(s->thread, NULL);
	s->running = false;
}

size_t lab_server_log(const struct lab_server *s, const struct evidence_api **list, bool *overflow)
{
	*list = s->log;
	*overflow = s->overflow;
	return s->n_log;
}

void lab_server_free(struct lab_server *s)
{
	if (!s)
		return;
	lab_server_stop(s);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
