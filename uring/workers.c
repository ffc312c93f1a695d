/* SPDX-License-Identifier: MIT */
/* workers.c - one server per thread: listeners that share a port, each with a queue of its own */
#include "workers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * An engine belongs to its thread from open to destroy. So a worker makes its server, tells that it
 * listens, runs it, tells that it has ended, and waits to be released before it takes it down:
 * until then others may still stop it or ask for its metrics.
 */

struct worker {
	struct workers *all;
	struct server_config cfg;
	struct server_error err;
	struct server *server; /* valid between @listening and @release */
	pthread_t thread;
	sem_t listening, ended, release;
	int created, rc; /* of server_create and server_run */
	int cpu;	 /* to be pinned to; -1: any */
};

struct workers {
	struct worker *list;
	struct listen_spec *specs;
	unsigned int n; /* threads that exist */
	int ended_fd;
	bool waited; /* all have ended */
};

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		assert(errno == EINTR);
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* Not allowed any more since it was listed: then it runs where it may. */
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	uint64_t one = 1;

	pin(w->cpu);
	w->created = server_create(&w->cfg, &w->server, &w->err);
	sem_post(&w->listening);
	if (w->created < 0)
		return NULL;
	w->rc = server_run(w->server);
	if (write(w->all->ended_fd, &one, sizeof(one)) != sizeof(one))
		assert(!"an eventfd takes 2^64-2 of these");
	sem_post(&w->ended);
	wait_for(&w->release);
	server_destroy(w->server);
	return NULL;
}

/* The @i-th processor this thread may use, again from the first past the last. */
static int cpu_at(unsigned int i)
{
	cpu_set_t set;
	int count, cpu = -1;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -1;
	count = CPU_COUNT(&set);
	for (int left = (int)(i % (unsigned int)count); left >= 0; left--) {
		do
			cpu++;
		while (!CPU_ISSET(cpu, &set));
	}
	return cpu;
}

/* Starts the next worker and waits until it listens or has failed. */
static int worker_start(struct workers *all, const struct server_config *cfg, unsigned int n)
{
	struct worker *w = &all->list[all->n];
	int rc;

	*w = (struct worker){.all = all, .cfg = *cfg, .cpu = n > 1 ? cpu_at(all->n) : -1};
	w->cfg.listeners = all->specs;
	sem_init(&w->listening, 0, 0);
	sem_init(&w->ended, 0, 0);
	sem_init(&w->release, 0, 0);
	rc = pthread_create(&w->thread, NULL, worker_run, w);
	if (rc != 0) {
		snprintf(w->err.what, sizeof(w->err.what), "cannot start a thread");
		return -rc;
	}
	wait_for(&w->listening);
	if (w->created < 0) {
		pthread_join(w->thread, NULL);
		return w->created;
	}
	all->n++;
	return 0;
}

static int start_all(struct workers *all, const struct server_config *cfg, unsigned int n,
		     struct server_error *err)
{
	for (size_t i = 0; i < cfg->n_listeners; i++) {
		all->specs[i] = cfg->listeners[i];
		all->specs[i].reuseport |= n > 1;
	}
	while (all->n < n) {
		int rc = worker_start(all, cfg, n);

		if (rc < 0) {
			*err = all->list[all->n].err;
			return rc;
		}
		/* The others take the ports that the first one got. */
		for (size_t i = 0; i < cfg->n_listeners; i++)
			all->specs[i].bind.port = workers_listener(all, i)->local.port;
	}
	return 0;
}

int workers_start(const struct server_config *cfg, unsigned int n, struct workers **out,
		  struct server_error *err)
{
	struct workers *all;
	int rc = -ENOMEM;

	assert(n > 0 && n <= WORKERS_MAX);
	*err = (struct server_error){.what = "not enough memory"};
	all = calloc(1, sizeof(*all));
	if (all == NULL)
		return -ENOMEM;
	all->list = calloc(n, sizeof(*all->list));
	if (all->list == NULL)
		goto err_list;
	all->specs = calloc(cfg->n_listeners + 1, sizeof(*all->specs));
	if (all->specs == NULL)
		goto err_specs;
	all->ended_fd = eventfd(0, EFD_CLOEXEC);
	if (all->ended_fd < 0) {
		rc = -errno;
		snprintf(err->what, sizeof(err->what), "cannot start: %s", strerror(errno));
		goto err_eventfd;
	}
	rc = start_all(all, cfg, n, err);
	if (rc < 0) {
		workers_free(all);
		return rc;
	}
	*out = all;
	return 0;

err_eventfd:
	free(all->specs);
err_specs:
	free(all->list);
err_list:
	free(all);
	return rc;
}

const struct listen_info *workers_listener(const struct workers *w, size_t i)
{
	return server_listener(w->list[0].server, i);
}

const char *workers_engine_text(const struct workers *w)
{
	return server_engine_text(w->list[0].server);
}

int workers_ended_fd(const struct workers *w)
{
	return w->ended_fd;
}

void workers_stop(struct workers *w)
{
	for (unsigned int i = 0; i < w->n; i++)
		server_stop(w->list[i].server);
}

int workers_metrics(struct workers *w, struct metrics *out, unsigned int timeout_ms)
{
	int first = 0;

	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < w->n; i++) {
		struct metrics m;
		int rc = server_metrics(w->list[i].server, &m, timeout_ms);

		metrics_add(out, &m);
		if (first == 0)
			first = rc;
	}
	return first;
}

int workers_wait(struct workers *w)
{
	int first = 0;

	for (unsigned int i = 0; i < w->n; i++) {
		if (!w->waited)
			wait_for(&w->list[i].ended);
		if (first == 0)
			first = w->list[i].rc;
	}
	w->waited = true;
	return first;
}

void workers_free(struct workers *w)
{
	if (w == NULL)
		return;
	if (!w->waited) {
		workers_stop(w);
		workers_stop(w);
		workers_wait(w);
	}
	for (unsigned int i = 0; i < w->n; i++) {
		struct worker *one = &w->list[i];

		sem_post(&one->release);
		pthread_join(one->thread, NULL);
		sem_destroy(&one->listening);
		sem_destroy(&one->ended);
		sem_destroy(&one->release);
	}
	close(w->ended_fd);
	free(w->specs);
	free(w->list);
	free(w);
}
