/* SPDX-License-Identifier: MIT */
/* test_soak.c - servers for a longer while: churn, and many connections that do nothing */
#include "../../uring/client.h"
#include "../unit/netfix.h"
#include "../unit/t_engine.h"
#include "t_program.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/*
 * The server is a process of its own, so that its memory and descriptors can be looked at. How long
 * the churn goes on: $SOAK_SECONDS for all engines together, by default SHORT_S.
 */

enum { WAIT_MS = 10000, SHORT_S = 3, ENGINES = 4, PORT = 7000 };

TestSuite(soak, .init = netfix_enter, .timeout = 7200);

static double soak_seconds(void)
{
	const char *text = getenv("SOAK_SECONDS");
	int s = text ? atoi(text) : SHORT_S;

	return (double)(s > 0 ? s : SHORT_S) / ENGINES;
}

static void server_start(struct program *p, const char *workload)
{
	const char *const args[] = {"serve",	 "-q",	       "--engine",
				    t_engine,	 "--workload", workload,
				    "--backlog", "1024",       t_direct ? "--direct" : NULL,
				    NULL};
	struct pollfd ready;
	char line[512];

	program_start(p, NULL, args);
	p->deadline_ms = program_now_ms() + (uint64_t)(soak_seconds() * 2000) + 120000;
	ready = (struct pollfd){.fd = p->out_fd, .events = POLLIN};
	cr_assert(poll(&ready, 1, WAIT_MS) == 1 && read(p->out_fd, line, sizeof(line)) > 0,
		  "it does not start");
}

static void server_end(struct program *p)
{
	struct program_result r;

	program_signal(p, SIGTERM);
	program_finish(p, &r);
	cr_assert(r.exit_code == 0, "exit %d, signal %d: %s", r.exit_code, r.signo, r.err);
	program_result_free(&r);
}

static int descriptors(pid_t pid)
{
	char path[64];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	cr_assert(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 2; /* "." and ".." */
}

/* All connections have ended, so only what the server began with is left. */
static void await_descriptors(pid_t pid, int want)
{
	for (int ms = 0; descriptors(pid) != want; ms++) {
		cr_assert(ms < WAIT_MS, "%d descriptors left over", descriptors(pid) - want);
		poll(NULL, 0, 1);
	}
}

static int connect_from(const char *from, const char *to)
{
	struct client_config cfg = {
		.netns_fd = -1, .proto = IPPROTO_TCP, .family = AF_INET, .v6only = -1};
	struct timeval patience = {.tv_sec = WAIT_MS / 1000};
	struct endpoint peer = netfix_ep(to, PORT), local = netfix_ep(from, 0);
	struct sockaddr_storage ss;
	struct client_record rec;
	int fd = client_open(&cfg), len = endpoint_to_sockaddr(&local, AF_INET, &ss), on = 1;

	cr_assert(fd >= 0, "%s", strerror(-fd));
	cr_assert(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0);
	cr_assert(bind(fd, (struct sockaddr *)&ss, (socklen_t)len) == 0);
	cr_assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	cr_assert(client_connect(fd, &peer, WAIT_MS, &rec) == 0, "connect: %s",
		  strerror(-rec.error));
	return fd;
}

static void close_by_reset(int fd)
{
	struct linger lin = {.l_onoff = 1};

	cr_assert(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lin, sizeof(lin)) == 0);
	close(fd);
}

/* One connection of a churn; what it does depends on @i. */
static void churn_once(unsigned long i)
{
	static char big[20000];
	size_t len = i % 7 == 0 ? sizeof(big) : 1 + i % 100;
	char from[16];
	int fd;

	/* Many addresses: those that end in order leave a TIME_WAIT behind. */
	snprintf(from, sizeof(from), "127.0.1.%lu", 1 + i % 200);
	fd = connect_from(from, "127.0.0.1");
	if (i % 5 != 0)
		cr_assert(send(fd, big, len, MSG_NOSIGNAL) == (ssize_t)len);
	if (i % 5 > 1)
		cr_assert(recv(fd, big, len, MSG_WAITALL) == (ssize_t)len, "%s", strerror(errno));
	if (i % 3 == 0)
		cr_assert(client_finish(fd, WAIT_MS) == 0);
	else
		close_by_reset(fd);
}

/*
 * The first part lets the server touch what it will ever need; from then on its memory must not
 * grow, however long it takes.
 */
ENGINE_TEST(soak, churn_leaves_memory_flat_and_no_descriptor)
{
	enum { WARM = 1500, SLACK_KB = 256 };
	struct program p;
	unsigned long n = 0;
	uint64_t end;
	long before, after;
	int fds;

	server_start(&p, "echo");
	fds = descriptors(p.pid);
	while (n < WARM)
		churn_once(n++);
	await_descriptors(p.pid, fds);
	before = program_memory_kb(p.pid);
	end = program_now_ms() + (uint64_t)(soak_seconds() * 1000);
	while (program_now_ms() < end)
		churn_once(n++);
	await_descriptors(p.pid, fds);
	after = program_memory_kb(p.pid);
	fprintf(stderr, "soak: %s%s: %lu connections, memory %ld kB, then %ld kB\n", t_engine,
		t_direct ? ", direct" : "", n, before, after);
	cr_assert(after <= before + SLACK_KB, "%ld kB grew to %ld kB in %lu connections", before,
		  after, n);
	server_end(&p);
}

/* How many descriptors this process may have, after it has raised what it may. */
static int descriptor_limit(void)
{
	struct rlimit lim;

	cr_assert(getrlimit(RLIMIT_NOFILE, &lim) == 0);
	lim.rlim_cur = lim.rlim_max;
	cr_assert(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	return lim.rlim_max > INT32_MAX ? INT32_MAX : (int)lim.rlim_max;
}

/* Nanoseconds that this process has run on a processor. */
static unsigned long long cpu_ns(pid_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "re");
	cr_assert(f != NULL && fscanf(f, "%llu", &ns) == 1, "%s: %s", path, strerror(errno));
	fclose(f);
	return ns;
}

/* Microseconds of the server's processor time for one of @n short connections; the least of some
 * attempts, since other work on the machine only adds to it. The worker is the second thread. */
static double cost_of_short(pid_t pid, int n)
{
	enum { ATTEMPTS = 5 };
	double least = 1e9;

	for (int k = 0; k < ATTEMPTS; k++) {
		unsigned long long begin = cpu_ns(pid);

		for (int i = 0; i < n; i++) {
			int fd = connect_from("127.0.0.2", "127.0.0.1");
			char c;

			cr_assert(send(fd, "x", 1, 0) == 1 && recv(fd, &c, 1, 0) == 1);
			close_by_reset(fd);
		}
		if ((double)(cpu_ns(pid) - begin) / n / 1e3 < least)
			least = (double)(cpu_ns(pid) - begin) / n / 1e3;
	}
	return least;
}

/* The only thread beside the first: each has a schedstat of its own. */
static pid_t worker_of(pid_t pid)
{
	char path[64];
	struct dirent *d;
	pid_t worker = pid;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	cr_assert(dir != NULL);
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] != '.' && atoi(d->d_name) != pid)
			worker = atoi(d->d_name);
	}
	closedir(dir);
	cr_assert(worker != pid, "no worker thread");
	return worker;
}

/*
 * Each of them has been served once, so its buffer was in use once: an idle connection must have
 * given it back. And they must not make the server work more for others.
 */
ENGINE_TEST(soak, fifteen_thousand_idle_connections_cost_little_and_slow_nobody_down)
{
	enum { WANTED = 15000, SHORT_WANTED = 3000, RESERVE = 100, SHORT = 300, BYTES_MAX = 1024 };
	int wanted = getenv("SOAK_SECONDS") ? WANTED : SHORT_WANTED;
	int limit = descriptor_limit(), n = limit - RESERVE < wanted ? limit - RESERVE : wanted;
	int *fds = calloc((size_t)n, sizeof(*fds));
	double alone, beside;
	struct program p;
	pid_t worker;
	long each;

	cr_assert(fds != NULL);
	if (n < wanted)
		fprintf(stderr, "soak: only %d connections: the limit of open files is %d\n", n,
			limit);
	server_start(&p, "echo");
	worker = worker_of(p.pid);
	alone = cost_of_short(worker, SHORT);
	for (int i = 0; i < n; i++) {
		char c;

		fds[i] = connect_from("127.0.0.1", "127.0.0.1");
		cr_assert(send(fds[i], "x", 1, 0) == 1 && recv(fds[i], &c, 1, 0) == 1, "idle %d",
			  i);
	}
	/* All of its memory, over the connections that it is made for. */
	each = program_memory_kb(p.pid) * 1024 / WANTED;
	beside = cost_of_short(worker, SHORT);
	fprintf(stderr,
		"soak: %s%s: %d idle connections, %ld bytes each; a short one costs %.1f us beside "
		"them, %.1f us alone\n",
		t_engine, t_direct ? ", direct" : "", n, each, beside, alone);
#ifndef __SANITIZE_ADDRESS__ /* its shadow is memory too */
	cr_assert(each < BYTES_MAX, "%ld bytes for each", each);
#endif
	cr_assert(beside < 2 * alone, "%.1f us instead of %.1f us", beside, alone);
	for (int i = 0; i < n; i++)
		close_by_reset(fds[i]);
	server_end(&p);
	free(fds);
}
