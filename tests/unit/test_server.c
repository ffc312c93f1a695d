/* SPDX-License-Identifier: MIT */
/* test_server.c - the server with real clients, in a namespace of its own */
#include "../../uring/client.h"
#include "../../uring/engine.h"
#include "../../uring/server.h"
#include "netfix.h"
#include "t_engine.h"

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

enum {
	RECORDS_MAX = 8192,
	CLIENT_MS = 5000,
	/* Small rings: their memory counts against a limit all processes of a user share. */
	CONNS = 256,
	BACKLOG = 64,
};

/* A server on a thread of its own, and everything it recorded. */
struct fixture {
	struct server_config cfg;
	struct listen_spec specs[4];
	uint16_t ports[4]; /* as port_of() told them; the records outlive the server */
	struct server *server;
	struct server_record records[RECORDS_MAX];
	size_t n; /* atomic */
	sem_t ready, go;
	pthread_t thread;
	int rc;	      /* of server_run */
	double cpu_s; /* used by the server's thread */
};

static struct fixture fx;

TestSuite(server, .init = netfix_enter, .timeout = 60);

static void observe(const struct server_record *rec, void *arg)
{
	size_t n = __atomic_load_n(&fx.n, __ATOMIC_RELAXED);

	(void)arg;
	cr_assert(n < RECORDS_MAX);
	fx.records[n] = *rec;
	__atomic_store_n(&fx.n, n + 1, __ATOMIC_RELEASE);
}

static void *serve(void *arg)
{
	struct server_error err;
	struct timespec ts;
	int rc = server_create(&fx.cfg, &fx.server, &err);

	(void)arg;
	cr_assert(rc == 0, "server_create: %s (%s)", err.what, err.remedy);
	sem_post(&fx.ready);
	while (sem_wait(&fx.go))
		;
	fx.rc = server_run(fx.server);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	fx.cpu_s = (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
	server_destroy(fx.server);
	return NULL;
}

static void add_listener(int proto, int family, const char *bind, bool v6only)
{
	fx.specs[fx.cfg.n_listeners++] = (struct listen_spec){.proto = proto,
							      .family = family,
							      .bind = netfix_ep(bind, 0),
							      .v6only = v6only,
							      .backlog = BACKLOG};
}

/* Its listeners are open; it serves when @fx.go is posted. */
static void prepare(const char *workload)
{
	fx.cfg.engine = t_engine;
	fx.cfg.link = t_link;
	fx.cfg.direct = t_direct;
	if (fx.cfg.max_conns == 0)
		fx.cfg.max_conns = CONNS;
	fx.cfg.workload = workload;
	fx.cfg.listeners = fx.specs;
	fx.cfg.observe = observe;
	sem_init(&fx.ready, 0, 0);
	sem_init(&fx.go, 0, 0);
	cr_assert(pthread_create(&fx.thread, NULL, serve, NULL) == 0);
	while (sem_wait(&fx.ready))
		;
}

static void start(const char *workload)
{
	prepare(workload);
	sem_post(&fx.go);
}

/* Drains: afterwards every connection has its record. */
static void stop(void)
{
	server_stop(fx.server);
	pthread_join(fx.thread, NULL);
	cr_assert(fx.rc == 0, "server_run: %s", strerror(-fx.rc));
}

static uint16_t port_of(size_t listener)
{
	fx.ports[listener] = server_listener(fx.server, listener)->local.port;
	return fx.ports[listener];
}

/* Waits until @n records are there. */
static void await_records(size_t n)
{
	for (int ms = 0; __atomic_load_n(&fx.n, __ATOMIC_ACQUIRE) < n; ms++) {
		cr_assert(ms < CLIENT_MS, "%zu records of %zu", fx.n, n);
		poll(NULL, 0, 1);
	}
}

/* @source 0: any port. */
static int open_client_from(int proto, int family, uint16_t source)
{
	struct client_config cfg = {
		.netns_fd = -1,
		.proto = proto,
		.family = family,
		.v6only = family == AF_INET6 ? 0 : -1,
		.bind = source != 0,
		.source = {.addr = family == AF_INET ? ADDR_ANY4 : ADDR_ANY6, .port = source},
	};
	int fd = client_open(&cfg);

	cr_assert(fd >= 0, "client_open: %s", strerror(-fd));
	return fd;
}

static int open_client(int proto, int family)
{
	return open_client_from(proto, family, 0);
}

static int connect_from(uint16_t source, int proto, int family, const char *addr, uint16_t port,
			struct client_record *rec)
{
	struct endpoint peer = netfix_ep(addr, port);
	int fd = open_client_from(proto, family, source);
	int rc = client_connect(fd, &peer, CLIENT_MS, rec);

	cr_assert(rc == 0, "connect to %s: %s", addr, strerror(-rc));
	return fd;
}

static int connect_to(int proto, int family, const char *addr, uint16_t port,
		      struct client_record *rec)
{
	return connect_from(0, proto, family, addr, port, rec);
}

/* A direct descriptor cannot be asked for its own address, a socket taken by the drain can. Two
 * listeners may have the same peer all the same. */
static bool is_local(const struct server_record *rec, const struct endpoint *want)
{
	if (t_direct && rec->proto == IPPROTO_TCP && rec->local.port == 0)
		return addr_is_any(&rec->local.addr) && fx.ports[rec->listener] == want->port;
	return endpoint_eq(&rec->local, want);
}

/* The one record about @cl, seen from the other side. */
static const struct server_record *find(enum server_event event, const struct client_record *cl)
{
	const struct server_record *found = NULL;

	for (size_t i = 0; i < fx.n; i++) {
		const struct server_record *rec = &fx.records[i];

		if (rec->event != event || !endpoint_eq(&rec->peer, &cl->local) ||
		    !is_local(rec, &cl->peer))
			continue;
		cr_assert(found == NULL, "port %u recorded twice", cl->local.port);
		found = rec;
	}
	cr_assert(found != NULL, "port %u not recorded", cl->local.port);
	return found;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static const struct {
	int family; /* of the listener */
	const char *bind;
	bool v6only;
	int client_family;
	const char *to;
	int v6only_read_back;
} kinds[] = {
	{AF_INET, "0.0.0.0", false, AF_INET, "198.51.100.2", -1},
	{AF_INET, "0.0.0.0", false, AF_INET6, "::ffff:198.51.100.2", -1},
	{AF_INET6, "::", false, AF_INET, "198.51.100.2", 0},
	{AF_INET6, "::", false, AF_INET6, "::ffff:198.51.100.3", 0},
	{AF_INET6, "::", false, AF_INET6, "2001:db8:1::2", 0},
	{AF_INET6, "::", true, AF_INET6, "2001:db8:1::3", 1},
	{AF_INET6, "2001:db8:1::2", false, AF_INET6, "2001:db8:1::2", 1},
	{AF_INET6, "::ffff:198.51.100.2", false, AF_INET, "198.51.100.2", 0},
	{AF_INET6, "::ffff:0.0.0.0", false, AF_INET, "198.51.100.2", 0},
};

static void check_kind(size_t i, int proto)
{
	enum server_event event = proto == IPPROTO_UDP ? SERVER_DATAGRAM : SERVER_ACCEPTED;
	const struct server_record *rec;
	struct client_record cl;
	char reply[4];
	int fd, rc;

	memset(&fx, 0, sizeof(fx));
	add_listener(proto, kinds[i].family, kinds[i].bind, kinds[i].v6only);
	start("echo");
	cr_assert(server_listener(fx.server, 0)->v6only == kinds[i].v6only_read_back, "row %zu", i);
	cr_assert(server_listener(fx.server, 1) == NULL);
	fd = connect_to(proto, kinds[i].client_family, kinds[i].to, port_of(0), &cl);
	rc = client_exchange(fd, "ping", 4, reply, CLIENT_MS, &cl);
	cr_assert(rc == 4 && memcmp(reply, "ping", 4) == 0, "row %zu: %d", i, rc);
	if (proto == IPPROTO_TCP)
		cr_assert(client_finish(fd, CLIENT_MS) == 0, "row %zu", i);
	else
		close(fd);
	stop();
	rec = find(event, &cl);
	cr_assert(rec->family == kinds[i].family && rec->proto == proto, "row %zu", i);
	cr_assert(endpoint_eq(&rec->peer, &cl.local), "row %zu: peer", i);
	cr_assert(is_local(rec, &cl.peer), "row %zu: local", i);
	cr_assert(rec->cookie != 0 && rec->real_ns != 0 && rec->mono_ns != 0, "row %zu", i);
	cr_assert(!rec->forged_mapped, "row %zu", i);
	if (proto == IPPROTO_TCP)
		rec = find(SERVER_CLOSED, &cl);
	cr_assert(rec->bytes_in == 4 && rec->bytes_out == 4 && rec->error == 0, "row %zu: %s", i,
		  strerror(-rec->error));
}

ENGINE_TEST_ALL(server, every_kind_of_tcp_listener_records_the_addresses_the_client_has)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		check_kind(i, IPPROTO_TCP);
}

ENGINE_TEST_ALL(server, every_kind_of_udp_listener_records_the_addresses_the_client_has)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		check_kind(i, IPPROTO_UDP);
}

/* A connected client drops what comes from another address: only the right source gets through. */
ENGINE_TEST_ALL(server, datagrams_are_answered_from_the_address_that_was_asked)
{
	static const char *const addrs[] = {"198.51.100.2", "198.51.100.3", "2001:db8:1::2",
					    "2001:db8:1::3"};

	add_listener(IPPROTO_UDP, AF_INET6, "::", false);
	start("echo");
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		struct client_record cl;
		char reply[3];
		int fd = connect_to(IPPROTO_UDP, AF_INET6, addrs[i], port_of(0), &cl);

		cr_assert(client_exchange(fd, "abc", 3, reply, 1000, &cl) == 3, "%s", addrs[i]);
		close(fd);
	}
	stop();
}

ENGINE_TEST_ALL(server, large_empty_and_many_datagrams_come_back_whole)
{
	enum { LARGEST = 65507, ROUNDS = 500 };
	static uint8_t out[LARGEST], in[LARGEST];
	struct client_record cl;
	int fd;

	for (int i = 0; i < LARGEST; i++)
		out[i] = (uint8_t)(i * 7 + i / 255);
	add_listener(IPPROTO_UDP, AF_INET6, "::", false);
	start("echo");
	fd = connect_to(IPPROTO_UDP, AF_INET, "198.51.100.2", port_of(0), &cl);
	for (int i = 0; i < ROUNDS; i++) {
		size_t len = 1 + (size_t)i * 3;

		cr_assert(client_exchange(fd, out, len, in, CLIENT_MS, &cl) == (int)len);
		cr_assert(memcmp(in, out, len) == 0, "round %d", i);
	}
	/*
	 * In fragments, and therefore late: while a neighbour is being asked for, our own stack
	 * holds one frame for it (RFC 1122 2.3.2.2), and the rest of a first answer would be lost.
	 */
	cr_assert(client_exchange(fd, out, LARGEST, in, CLIENT_MS, &cl) == LARGEST);
	cr_assert(memcmp(in, out, LARGEST) == 0);
	cr_assert(client_exchange(fd, out, 0, in, CLIENT_MS, &cl) == 0);
	close(fd);
	stop();
	cr_assert(fx.n == ROUNDS + 2, "%zu records", fx.n);
}

ENGINE_TEST_ALL(server, discarded_datagrams_are_recorded_and_not_answered)
{
	struct client_record cl;
	char reply[3];
	int fd;

	add_listener(IPPROTO_UDP, AF_INET6, "::", false);
	start("discard");
	fd = connect_to(IPPROTO_UDP, AF_INET, "198.51.100.2", port_of(0), &cl);
	cr_assert(client_exchange(fd, "abc", 3, reply, 50, &cl) == -ETIMEDOUT);
	close(fd);
	stop();
	cr_assert(find(SERVER_DATAGRAM, &cl)->bytes_in == 3);
	cr_assert(find(SERVER_DATAGRAM, &cl)->bytes_out == 0);
}

ENGINE_TEST_ALL(server, a_thousand_short_connections_are_each_recorded_once)
{
	enum { N = 1000, SOURCES = 20000 /* of our choice: the kernel may choose one twice */ };
	static struct client_record cl[N];

	add_listener(IPPROTO_TCP, AF_INET6, "::", false);
	add_listener(IPPROTO_TCP, AF_INET, "0.0.0.0", false);
	start("accept");
	for (int i = 0; i < N; i++) {
		bool native = i % 3 == 0;
		int fd = connect_from(
			(uint16_t)(SOURCES + i), IPPROTO_TCP, native ? AF_INET6 : AF_INET,
			native ? "2001:db8:1::2" : "198.51.100.2", port_of(i % 3 == 2), &cl[i]);

		cr_assert(client_finish(fd, CLIENT_MS) == 0, "the server closes by FIN at once");
	}
	stop();
	cr_assert(fx.n == 2 * N, "%zu records", fx.n);
	for (int i = 0; i < N; i++) {
		const struct server_record *rec = find(SERVER_ACCEPTED, &cl[i]);

		cr_assert(rec->listener == (i % 3 == 2), "connection %d", i);
		cr_assert(addr_is_mapped(&rec->peer.addr) == (i % 3 != 0), "connection %d", i);
		cr_assert(find(SERVER_CLOSED, &cl[i])->error == 0, "connection %d", i);
	}
}

/* They all wait in the backlog and come in one burst: no address may be taken for another's. */
ENGINE_TEST_ALL(server, a_burst_of_connections_keeps_every_address_apart)
{
	enum { N = 200, SOURCES = 20000 /* one port may go to both addresses, if not chosen */ };
	static struct client_record cl[N];
	static int fds[N];
	char reply[1];

	add_listener(IPPROTO_TCP, AF_INET6, "::", false);
	start("echo");
	for (int i = 0; i < N; i++)
		fds[i] = connect_from((uint16_t)(SOURCES + i), IPPROTO_TCP, AF_INET,
				      i % 2 ? "198.51.100.2" : "198.51.100.3", port_of(0), &cl[i]);
	for (int i = 0; i < N; i++)
		cr_assert(client_exchange(fds[i], "x", 1, reply, CLIENT_MS, &cl[i]) == 1);
	for (int i = 0; i < N; i++)
		cr_assert(client_finish(fds[i], CLIENT_MS) == 0);
	stop();
	for (int i = 0; i < N; i++) {
		const struct server_record *rec = find(SERVER_ACCEPTED, &cl[i]);

		cr_assert(endpoint_eq(&rec->peer, &cl[i].local), "connection %d", i);
		cr_assert(is_local(rec, &cl[i].peer), "connection %d", i);
		rec = find(SERVER_CLOSED, &cl[i]);
		cr_assert(rec->bytes_in == 1 && rec->bytes_out == 1, "connection %d", i);
	}
}

ENGINE_TEST_ALL(server, a_megabyte_is_echoed_intact)
{
	enum { SIZE = 1 << 20 };
	static uint8_t out[SIZE], in[SIZE];
	struct client_record cl;
	int fd;

	for (int i = 0; i < SIZE; i++)
		out[i] = (uint8_t)(i * 31 + i / 251);
	add_listener(IPPROTO_TCP, AF_INET6, "::", false);
	start("echo");
	fd = connect_to(IPPROTO_TCP, AF_INET6, "::ffff:198.51.100.2", port_of(0), &cl);
	cr_assert(client_exchange(fd, out, SIZE, in, 20000, &cl) == SIZE);
	cr_assert(memcmp(in, out, SIZE) == 0);
	cr_assert(client_finish(fd, CLIENT_MS) == 0);
	stop();
	cr_assert(find(SERVER_CLOSED, &cl)->bytes_in == SIZE);
	cr_assert(find(SERVER_CLOSED, &cl)->bytes_out == SIZE);
}

static void close_by_reset(int fd)
{
	struct linger lin = {.l_onoff = 1};

	cr_assert(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lin, sizeof(lin)) == 0);
	close(fd);
}

/*
 * The RST arrives before the server looks: the listener is open, but the server runs only later.
 * getpeername() would have nothing to say.
 */
ENGINE_TEST(server, a_connection_reset_before_it_is_handled_still_has_its_address)
{
	enum { N = 20 };
	struct client_record cl[N];
	struct server_error err;

	add_listener(IPPROTO_TCP, AF_INET6, "::", false);
	fx.cfg = (struct server_config){.engine = t_engine,
					.workload = "echo",
					.listeners = fx.specs,
					.n_listeners = 1,
					.max_conns = CONNS,
					.direct = t_direct,
					.observe = observe};
	cr_assert(server_create(&fx.cfg, &fx.server, &err) == 0, "%s", err.what);
	for (int i = 0; i < N; i++)
		close_by_reset(connect_to(IPPROTO_TCP, i % 2 ? AF_INET : AF_INET6,
					  i % 2 ? "198.51.100.2" : "2001:db8:1::2", port_of(0),
					  &cl[i]));
	server_stop(fx.server);
	cr_assert(server_run(fx.server) == 0);
	server_destroy(fx.server);
	for (int i = 0; i < N; i++) {
		cr_assert(endpoint_eq(&find(SERVER_ACCEPTED, &cl[i])->peer, &cl[i].local));
		cr_assert(find(SERVER_CLOSED, &cl[i])->error == -ECONNRESET, "%s",
			  strerror(-find(SERVER_CLOSED, &cl[i])->error));
	}
}

ENGINE_TEST_ALL(server, an_idle_connection_is_closed_in_time_and_a_busy_one_is_not)
{
	enum { IDLE_MS = 200 };
	struct client_record busy, idle;
	uint64_t begin = now_ms(), gone;
	int fd_busy, fd_idle;
	char c;

	add_listener(IPPROTO_TCP, AF_INET6, "::", false);
	fx.cfg.idle_timeout_ms = IDLE_MS;
	start("echo");
	fd_busy = connect_to(IPPROTO_TCP, AF_INET, "198.51.100.2", port_of(0), &busy);
	fd_idle = connect_to(IPPROTO_TCP, AF_INET, "198.51.100.2", port_of(0), &idle);
	for (int i = 0; i < 3 * IDLE_MS / 20; i++) {
		cr_assert(client_exchange(fd_busy, "x", 1, &c, CLIENT_MS, &busy) == 1, "turn %d",
			  i);
		poll(NULL, 0, 20);
	}
	cr_assert(recv(fd_idle, &c, 1, 0) == 0, "closed by FIN");
	cr_assert(client_finish(fd_busy, CLIENT_MS) == 0);
	close(fd_idle);
	stop();
	cr_assert(find(SERVER_CLOSED, &idle)->error == -ETIMEDOUT);
	gone = find(SERVER_CLOSED, &idle)->mono_ns / 1000000;
	cr_assert(gone >= begin + IDLE_MS && gone < begin + 3 * IDLE_MS, "after %d ms",
		  (int)(gone - begin));
	cr_assert(find(SERVER_CLOSED, &busy)->error == 0);
}

ENGINE_TEST(server, a_drain_answers_what_the_backlog_holds_and_ends_idle_connections)
{
	enum { N = 50 };
	struct client_record cl[N], idle;
	struct server_error err;
	int fds[N], fd_idle;
	uint64_t begin;
	char reply[N][4];

	add_listener(IPPROTO_TCP, AF_INET6, "::", false);
	fx.cfg = (struct server_config){.engine = t_engine,
					.workload = "echo",
					.listeners = fx.specs,
					.n_listeners = 1,
					.max_conns = CONNS,
					.direct = t_direct,
					.observe = observe};
	cr_assert(server_create(&fx.cfg, &fx.server, &err) == 0, "%s", err.what);
	for (int i = 0; i < N; i++) {
		fds[i] = connect_to(IPPROTO_TCP, AF_INET, "198.51.100.2", port_of(0), &cl[i]);
		cr_assert(send(fds[i], "ping", 4, 0) == 4);
	}
	fd_idle = connect_to(IPPROTO_TCP, AF_INET, "198.51.100.2", port_of(0), &idle);
	server_stop(fx.server); /* before the first accept: everything is in the backlog */
	begin = now_ms();
	cr_assert(server_run(fx.server) == 0);
	cr_assert(now_ms() - begin < 2000, "an idle connection held up the drain");
	server_destroy(fx.server);
	for (int i = 0; i < N; i++) {
		cr_assert(recv(fds[i], reply[i], 4, MSG_WAITALL) == 4, "connection %d", i);
		cr_assert(recv(fds[i], reply[i], 1, 0) == 0, "connection %d: FIN", i);
		cr_assert(find(SERVER_CLOSED, &cl[i])->error == 0);
		close(fds[i]);
	}
	cr_assert(find(SERVER_CLOSED, &idle)->error == 0);
	close(fd_idle);
}

ENGINE_TEST_ALL(server, after_a_drain_has_begun_nobody_new_is_accepted)
{
	struct client_record cl;
	struct endpoint peer;
	int fd, rc;
	char c;

	add_listener(IPPROTO_TCP, AF_INET6, "::", false);
	fx.cfg.drain_ms = 60000;
	start("echo");
	peer = netfix_ep("198.51.100.2", port_of(0));
	fd = connect_to(IPPROTO_TCP, AF_INET, "198.51.100.2", port_of(0), &cl);
	cr_assert(client_exchange(fd, "x", 1, &c, CLIENT_MS, &cl) == 1);
	server_stop(fx.server);
	cr_assert(client_exchange(fd, "y", 1, &c, CLIENT_MS, &cl) == 1, "the busy one goes on");
	for (int tries = 0;; tries++) {
		int other = open_client(IPPROTO_TCP, AF_INET);

		rc = client_connect(other, &peer, CLIENT_MS, &cl);
		close(other);
		if (rc == -ECONNREFUSED)
			break;
		cr_assert(tries < 1000, "still accepting");
	}
	cr_assert(client_finish(fd, CLIENT_MS) == 0);
	pthread_join(fx.thread, NULL);
	cr_assert(fx.rc == 0);
}

ENGINE_TEST_ALL(server, a_second_stop_ends_at_once_and_still_records_the_end)
{
	struct client_record cl;
	uint64_t begin;
	char c;
	int fd;

	add_listener(IPPROTO_TCP, AF_INET6, "::", false);
	start("echo");
	fd = connect_to(IPPROTO_TCP, AF_INET, "198.51.100.2", port_of(0), &cl);
	await_records(1);
	begin = now_ms();
	server_stop(fx.server);
	server_stop(fx.server);
	pthread_join(fx.thread, NULL);
	cr_assert(now_ms() - begin < 1000, "took %d ms", (int)(now_ms() - begin));
	cr_assert(find(SERVER_CLOSED, &cl)->error == -ECANCELED);
	cr_assert(recv(fd, &c, 1, 0) == 0);
	close(fd);
}

static int highest_fd(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;
	int max = 0;

	while ((d = readdir(dir)) != NULL) {
		if (atoi(d->d_name) > max)
			max = atoi(d->d_name);
	}
	closedir(dir);
	return max;
}

/*
 * No descriptor is free while the clients connect: nobody is accepted, nobody is lost, and the
 * server hardly uses the processor. When descriptors are free again all are answered.
 */
ENGINE_TEST_FD(server, without_descriptors_it_pauses_and_loses_nobody)
{
	enum { N = 30, PAUSE_MS = 500, LIMIT = 128 };
	static struct client_record cl[N];
	static char reply[N];
	int fds[N], hog[LIMIT], n_hog = 0;
	struct rlimit lim;

	add_listener(IPPROTO_TCP, AF_INET6, "::", false);
	prepare("echo");
	for (int i = 0; i < N; i++)
		fds[i] = open_client(IPPROTO_TCP, AF_INET);
	/* The kernel reads the limit when the request is prepared: lower it before. */
	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = LIMIT;
	cr_assert(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	while ((hog[n_hog] = dup(fds[0])) >= 0)
		n_hog++;
	sem_post(&fx.go);
	for (int i = 0; i < N; i++) {
		struct endpoint peer = netfix_ep("198.51.100.2", port_of(0));

		cr_assert(client_connect(fds[i], &peer, CLIENT_MS, &cl[i]) == 0);
		cr_assert(send(fds[i], "x", 1, 0) == 1);
	}
	poll(NULL, 0, PAUSE_MS);
	cr_assert(__atomic_load_n(&fx.n, __ATOMIC_ACQUIRE) == 0, "descriptors were not short");
	while (n_hog > 0)
		close(hog[--n_hog]);
	for (int i = 0; i < N; i++)
		cr_assert(recv(fds[i], &reply[i], 1, 0) == 1 && reply[i] == 'x', "client %d", i);
	for (int i = 0; i < N; i++)
		cr_assert(client_finish(fds[i], CLIENT_MS) == 0);
	stop();
	for (int i = 0; i < N; i++)
		find(SERVER_ACCEPTED, &cl[i]);
	cr_assert(fx.cpu_s < 0.1, "%.3f s of processor time: spinning", fx.cpu_s);
}

ENGINE_TEST_ALL(server, at_max_conns_the_rest_waits_in_the_backlog_and_is_served_later)
{
	enum { MAX = 4, N = 40 };
	static struct client_record cl[N];
	size_t open = 0, most = 0;
	int fds[N];
	char c;

	add_listener(IPPROTO_TCP, AF_INET6, "::", false);
	fx.cfg.max_conns = MAX;
	start("echo");
	for (int i = 0; i < N; i++) {
		fds[i] = connect_to(IPPROTO_TCP, AF_INET, "198.51.100.2", port_of(0), &cl[i]);
		cr_assert(send(fds[i], "x", 1, 0) == 1);
	}
	for (int i = 0; i < N; i++) {
		cr_assert(recv(fds[i], &c, 1, 0) == 1, "client %d", i);
		cr_assert(client_finish(fds[i], CLIENT_MS) == 0);
	}
	stop();
	cr_assert(fx.n == 2 * N, "%zu records", fx.n);
	for (size_t i = 0; i < fx.n; i++) {
		open = fx.records[i].event == SERVER_ACCEPTED ? open + 1 : open - 1;
		most = open > most ? open : most;
	}
	cr_assert(most == MAX, "%zu at a time", most);
}

ENGINE_TEST(server, a_native_datagram_with_a_mapped_source_is_recorded_as_forged_and_not_answered)
{
	/* An AF_INET6 raw socket may write its own header, mapped source included. */
	static const char *const forged = "::ffff:198.51.100.3";
	struct endpoint src = netfix_ep(forged, 4242), dst = netfix_ep("2001:db8:1::2", 0);
	uint8_t packet[40 + 8 + 1] = {0x60, [5] = 9, [6] = IPPROTO_UDP, [7] = 64};
	struct sockaddr_in6 to = {.sin6_family = AF_INET6};
	struct client_record cl, forger;
	uint32_t sum = 9 + IPPROTO_UDP;
	char reply[1];
	int raw, fd, victim;

	add_listener(IPPROTO_UDP, AF_INET6, "::", false);
	start("echo");
	dst.port = port_of(0);
	forger = (struct client_record){.local = src, .peer = dst};
	memcpy(packet + 8, src.addr.b, 16);
	memcpy(packet + 24, dst.addr.b, 16);
	memcpy(packet + 40,
	       (uint8_t[]){4242 >> 8, 4242 & 255, (uint8_t)(dst.port >> 8), (uint8_t)dst.port, 0, 9,
			   0, 0, 'x'},
	       9);
	for (size_t i = 8; i < sizeof(packet); i++)
		sum += i % 2 ? packet[i] : (uint32_t)packet[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	packet[46] = (uint8_t)(sum >> 8);
	packet[47] = (uint8_t)sum;
	victim = socket(AF_INET, SOCK_DGRAM, 0);
	src.port = 4242;
	{
		struct sockaddr_storage ss;
		int len = endpoint_to_sockaddr(&src, AF_INET, &ss);

		cr_assert(bind(victim, (struct sockaddr *)&ss, (socklen_t)len) == 0);
	}
	raw = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
	memcpy(&to.sin6_addr, dst.addr.b, 16);
	cr_assert(raw >= 0);
	cr_assert(sendto(raw, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) ==
			  (ssize_t)sizeof(packet),
		  "sendto: %s", strerror(errno));
	/* An honest datagram behind it shows when the forged one has been dealt with. */
	fd = connect_to(IPPROTO_UDP, AF_INET, "198.51.100.2", port_of(0), &cl);
	cr_assert(client_exchange(fd, "y", 1, reply, CLIENT_MS, &cl) == 1);
	cr_assert(recv(victim, reply, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN, "answered");
	stop();
	cr_assert(find(SERVER_DATAGRAM, &forger)->forged_mapped);
	cr_assert(find(SERVER_DATAGRAM, &forger)->bytes_in == 1);
	cr_assert(find(SERVER_DATAGRAM, &forger)->bytes_out == 0);
	cr_assert(!find(SERVER_DATAGRAM, &cl)->forged_mapped);
}

Test(server, what_cannot_start_says_what_why_and_what_to_do)
{
	static const struct {
		const char *engine, *workload;
		int family;
		const char *bind;
		bool v6only;
		int proto;
		int error;
		const char *what, *remedy;
	} rows[] = {
		{"uring", "dance", AF_INET6, "::", false, IPPROTO_TCP, -ENOENT, "\"dance\"",
		 "echo"},
		{"steam", "echo", AF_INET6, "::", false, IPPROTO_TCP, -ENOENT, "\"steam\"",
		 "uring"},
		{"uring", "echo", AF_INET, "::", false, IPPROTO_TCP, -EAFNOSUPPORT, "IPv4 socket",
		 "IPv6 socket"},
		{"uring", "echo", AF_INET6, "::ffff:198.51.100.2", true, IPPROTO_TCP, -EINVAL,
		 "IPV6_V6ONLY=1", "drop V6ONLY"},
		{"uring", "echo", AF_INET6, "2001:db8::dead", false, IPPROTO_UDP, -EADDRNOTAVAIL,
		 "UDP [2001:db8::dead]", "ip addr"},
		{"uring", "echo", AF_INET6, "fe80::1", false, IPPROTO_TCP, -EINVAL, "[fe80::1]",
		 "%eth0"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct listen_spec spec = {.proto = rows[i].proto,
					   .family = rows[i].family,
					   .bind = netfix_ep(rows[i].bind, 0),
					   .v6only = rows[i].v6only,
					   .backlog = BACKLOG};
		struct server_config cfg = {.engine = rows[i].engine,
					    .workload = rows[i].workload,
					    .listeners = &spec,
					    .n_listeners = 1,
					    .max_conns = CONNS};
		int before = highest_fd();
		struct server_error err;
		struct server *s = NULL;
		int rc = server_create(&cfg, &s, &err);

		cr_assert(rc == rows[i].error, "row %zu: %s", i, strerror(-rc));
		cr_assert(s == NULL && highest_fd() == before, "row %zu: left open", i);
		cr_assert(strstr(err.what, rows[i].what), "row %zu: %s", i, err.what);
		cr_assert(strstr(err.remedy, rows[i].remedy), "row %zu: %s", i, err.remedy);
		cr_assert(server_create(&cfg, &s, NULL) == rc, "row %zu: without err", i);
	}
}

Test(server, a_port_in_use_is_named_with_the_remedy)
{
	static const int protos[] = {IPPROTO_TCP, IPPROTO_UDP};

	for (size_t i = 0; i < 2; i++) {
		struct listen_spec spec = {.proto = protos[i],
					   .family = AF_INET6,
					   .bind = netfix_ep("::", 0),
					   .backlog = BACKLOG};
		struct server_config cfg = {.engine = "auto",
					    .workload = "echo",
					    .listeners = &spec,
					    .n_listeners = 1,
					    .max_conns = CONNS};
		struct server *first, *second;
		struct server_error err;
		char port[16];

		cr_assert(server_create(&cfg, &first, &err) == 0, "%s", err.what);
		spec.bind = netfix_ep("0.0.0.0", server_listener(first, 0)->local.port);
		spec.family = AF_INET; /* the dual-stack wildcard has the IPv4 port as well */
		cr_assert(server_create(&cfg, &second, &err) == -EADDRINUSE);
		snprintf(port, sizeof(port), "0.0.0.0:%u", spec.bind.port);
		cr_assert(strstr(err.what, port), "%s", err.what);
		cr_assert(strstr(err.remedy, "ss -lntup"), "%s", err.remedy);
		server_destroy(first);
	}
}

ENGINE_TEST(server, no_kernel_worker_thread_ever_exists)
{
	struct client_record cl;
	struct dirent *d;
	int tasks = 0, fd;
	char reply[4];
	DIR *dir;

	add_listener(IPPROTO_TCP, AF_INET6, "::", false);
	add_listener(IPPROTO_UDP, AF_INET6, "::", false);
	start("echo");
	fd = connect_to(IPPROTO_TCP, AF_INET, "198.51.100.2", port_of(0), &cl);
	cr_assert(client_exchange(fd, "ping", 4, reply, CLIENT_MS, &cl) == 4);
	dir = opendir("/proc/self/task");
	while ((d = readdir(dir)) != NULL)
		tasks += d->d_name[0] != '.';
	closedir(dir);
	cr_assert(tasks <= 3, "%d tasks: main, Criterion's, the server's", tasks);
	close(fd);
	stop();
}
