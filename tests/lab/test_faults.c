/* SPDX-License-Identifier: MIT */
/* test_faults.c - what clients, limits and signals do to a server, on every engine */
#include "../../uring/client.h"
#include "../../uring/workers.h"
#include "../unit/netfix.h"
#include "../unit/t_engine.h"

#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/*
 * Elsewhere: descriptors used up, max_conns, the drain (test_server.c), buffers used up
 * (test_engine.c), io_uring forbidden (test_engine.c), requests that are none (test_http.c).
 */

enum { WAIT_MS = 5000, PEERS_MAX = 16384 };

TestSuite(faults, .init = netfix_enter, .timeout = 60);

/* A server, and who was accepted and how they ended. */
struct served {
	struct server_config cfg;
	struct listen_spec spec;
	struct workers *workers;
	struct endpoint at;
	pthread_mutex_t lock;
	uint16_t accepted[PEERS_MAX]; /* ports */
	int n_accepted, n_closed;
	int last_error; /* of the last one closed */
	uint64_t last_ns;
};

static void observe(const struct server_record *rec, void *arg)
{
	struct served *sv = arg;

	pthread_mutex_lock(&sv->lock);
	if (rec->event == SERVER_ACCEPTED) {
		cr_assert(sv->n_accepted < PEERS_MAX);
		sv->accepted[sv->n_accepted++] = rec->peer.port;
	} else {
		sv->n_closed++;
		sv->last_error = rec->error;
		sv->last_ns = rec->mono_ns;
	}
	pthread_mutex_unlock(&sv->lock);
}

static struct served *start(const char *workload, const struct server_config *wanted)
{
	struct served *sv = calloc(1, sizeof(*sv));
	struct server_error err;

	cr_assert(sv != NULL);
	sv->spec = (struct listen_spec){.proto = IPPROTO_TCP,
					.family = AF_INET6,
					.bind = netfix_ep("::", 0),
					.backlog = 256};
	sv->cfg = *wanted;
	sv->cfg.engine = t_engine;
	sv->cfg.direct = t_direct;
	sv->cfg.workload = workload;
	sv->cfg.listeners = &sv->spec;
	sv->cfg.n_listeners = 1;
	if (sv->cfg.max_conns == 0)
		sv->cfg.max_conns = 1024;
	sv->cfg.observe = observe;
	sv->cfg.observe_arg = sv;
	pthread_mutex_init(&sv->lock, NULL);
	cr_assert(workers_start(&sv->cfg, 1, &sv->workers, &err) == 0, "%s (%s)", err.what,
		  err.remedy);
	sv->at = netfix_ep("198.51.100.2", workers_listener(sv->workers, 0)->local.port);
	return sv;
}

static void stop(struct served *sv)
{
	workers_stop(sv->workers);
	cr_assert(workers_wait(sv->workers) == 0);
	cr_assert(sv->n_accepted == sv->n_closed, "%d accepted, %d closed", sv->n_accepted,
		  sv->n_closed);
	workers_free(sv->workers);
	free(sv);
}

static struct metrics metrics_of(struct served *sv)
{
	struct metrics m;

	cr_assert(workers_metrics(sv->workers, &m, WAIT_MS) == 0);
	return m;
}

static int closed_count(struct served *sv)
{
	int n;

	pthread_mutex_lock(&sv->lock);
	n = sv->n_closed;
	pthread_mutex_unlock(&sv->lock);
	return n;
}

static void await_closed(struct served *sv, int n)
{
	for (int ms = 0; closed_count(sv) < n; ms++) {
		cr_assert(ms < WAIT_MS, "%d of %d closed", closed_count(sv), n);
		poll(NULL, 0, 1);
	}
}

static int try_connect(const struct served *sv, struct client_record *rec)
{
	struct client_config cfg = {
		.netns_fd = -1, .proto = IPPROTO_TCP, .family = AF_INET, .v6only = -1};
	struct timeval patience = {.tv_sec = WAIT_MS / 1000};
	int fd = client_open(&cfg), rc;

	cr_assert(fd >= 0);
	cr_assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	rc = client_connect(fd, &sv->at, WAIT_MS, rec);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

static int connect_to(const struct served *sv)
{
	struct client_record rec;
	int fd = try_connect(sv, &rec);

	cr_assert(fd >= 0, "connect: %s", strerror(-fd));
	return fd;
}

static void close_by_reset(int fd)
{
	struct linger lin = {.l_onoff = 1};

	cr_assert(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lin, sizeof(lin)) == 0);
	close(fd);
}

/* An honest client is served. */
static void expect_service(const struct served *sv)
{
	int fd = connect_to(sv);
	char c;

	cr_assert(send(fd, "x", 1, 0) == 1 && recv(fd, &c, 1, 0) == 1 && c == 'x');
	cr_assert(client_finish(fd, WAIT_MS) == 0);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* Clients that have connected already, and what they do when the server runs. */
struct burst {
	struct server *server;
	int fds[200];
};

enum { BURST = 200, BURST_ROUNDS = 5 };

static void *burst_run(void *arg)
{
	struct burst *b = arg;
	char c;

	for (int round = 0; round < BURST_ROUNDS; round++) {
		for (int i = 0; i < BURST; i++)
			cr_assert(send(b->fds[i], &(char){(char)i}, 1, 0) == 1);
		for (int i = 0; i < BURST; i++)
			cr_assert(recv(b->fds[i], &c, 1, 0) == 1 && c == (char)i, "client %d", i);
	}
	for (int i = 0; i < BURST; i++)
		cr_assert(client_finish(b->fds[i], WAIT_MS) == 0);
	server_stop(b->server);
	return NULL;
}

/*
 * Queues of eight for two hundred clients who are all in the backlog: the multishot accept ends,
 * with a connection in its last completion; completions overflow; nobody is lost.
 */
Test(faults, a_completion_queue_that_overflows_loses_nobody)
{
	struct served sv = {.spec = {.proto = IPPROTO_TCP,
				     .family = AF_INET6,
				     .bind = netfix_ep("::", 0),
				     .backlog = 256}};
	struct server_config cfg = {.engine = "uring",
				    .workload = "echo",
				    .listeners = &sv.spec,
				    .n_listeners = 1,
				    .max_conns = 1024,
				    .queue_entries = 8};
	struct server_error err;
	static struct burst burst;
	pthread_t thread;
	struct metrics m;

	cr_assert(server_create(&cfg, &burst.server, &err) == 0, "%s", err.what);
	sv.at = netfix_ep("198.51.100.2", server_listener(burst.server, 0)->local.port);
	for (int i = 0; i < BURST; i++)
		burst.fds[i] = connect_to(&sv);
	cr_assert(pthread_create(&thread, NULL, burst_run, &burst) == 0);
	cr_assert(server_run(burst.server) == 0);
	pthread_join(thread, NULL);
	cr_assert(server_metrics(burst.server, &m, 0) == 0);
	cr_assert(m.engine.accepted == BURST && m.closed[METRICS_ORDERLY] == BURST);
	cr_assert(m.engine.accept_arms > 1, "accepting never ended: the queue was not full");
	server_destroy(burst.server);
}

ENGINE_TEST(faults, clients_reset_at_every_stage)
{
	enum { N = 50, BIG = 1 << 20 };
	struct served *sv = start("echo", &(struct server_config){0});
	static char big[BIG];
	struct metrics m;
	char c;

	for (int i = 0; i < N; i++) {
		int at_once = connect_to(sv), asked = connect_to(sv), answered = connect_to(sv);
		int pouring = connect_to(sv);

		close_by_reset(at_once);
		cr_assert(send(asked, "x", 1, 0) == 1);
		close_by_reset(asked);
		cr_assert(send(answered, "x", 1, 0) == 1 && recv(answered, &c, 1, 0) == 1);
		close_by_reset(answered);
		/* Until nothing fits any more: the server is in the middle of a send. */
		while (send(pouring, big, sizeof(big), MSG_DONTWAIT) > 0)
			;
		close_by_reset(pouring);
	}
	await_closed(sv, 4 * N);
	expect_service(sv);
	await_closed(sv, 4 * N + 1);
	m = metrics_of(sv);
	cr_assert(m.open == 0 && m.engine.accepted == 4 * N + 1);
	cr_assert(m.closed[METRICS_RESET] >= 3 * N, "%lu resets",
		  (unsigned long)m.closed[METRICS_RESET]);
	cr_assert(m.closed[METRICS_ERROR] == 0);
	stop(sv);
}

/* A SYN from @source, port @port, by a raw socket: nobody will answer the SYN-ACK. */
static void send_syn(int raw, const struct endpoint *to, uint32_t source, uint16_t port)
{
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} p = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP},
	       .tcp = {.doff = 5, .syn = 1, .window = htons(1024)}};
	struct sockaddr_in sin = {.sin_family = AF_INET};
	uint32_t sum = IPPROTO_TCP + sizeof(p.tcp);
	uint16_t words[6 + sizeof(p.tcp) / 2];

	p.ip.saddr = htonl(source);
	memcpy(&p.ip.daddr, addr_v4(&to->addr), 4);
	p.tcp.source = htons(port);
	p.tcp.dest = htons(to->port);
	p.tcp.seq = htonl(source * 31U + port);
	memcpy(words, &p.ip.saddr, 8);
	memcpy(words + 4, &p.tcp, sizeof(p.tcp));
	for (size_t i = 0; i < 4 + sizeof(p.tcp) / 2; i++)
		sum += ntohs(words[i]);
	sum = (sum & 0xffff) + (sum >> 16);
	p.tcp.check = htons((uint16_t) ~(sum + (sum >> 16)));
	memcpy(&sin.sin_addr, &p.ip.daddr, 4);
	cr_assert(sendto(raw, &p, sizeof(p), 0, (struct sockaddr *)&sin, sizeof(sin)) ==
			  (ssize_t)sizeof(p),
		  "SYN: %s", strerror(errno));
}

ENGINE_TEST(faults, a_flood_of_half_open_connections_does_not_keep_out_an_honest_client)
{
	enum { FLOOD = 3000 };
	struct served *sv = start("echo", &(struct server_config){0});
	int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	struct metrics m;

	cr_assert(raw >= 0, "raw socket: %s", strerror(errno));
	for (int i = 0; i < FLOOD; i++) {
		/* 198.51.100.16 and up: addresses that nobody has. */
		send_syn(raw, &sv->at, 0xc6336410U + (uint32_t)i % 200, (uint16_t)(2000 + i));
		if (i % 500 == 0)
			expect_service(sv);
	}
	expect_service(sv);
	m = metrics_of(sv);
	cr_assert(m.engine.accepted == FLOOD / 500 + 1, "%lu accepted",
		  (unsigned long)m.engine.accepted);
	close(raw);
	stop(sv);
}

/* Late by one tick of the wheel at most; what a busy machine adds is allowed for. */
static void expect_timeout(struct served *sv, uint64_t silent_since_ns, unsigned int idle_ms)
{
	enum { BUSY_MS = 250 };
	uint64_t took_ms;

	await_closed(sv, 1);
	took_ms = (sv->last_ns - silent_since_ns) / 1000000;
	cr_assert(sv->last_error == -ETIMEDOUT, "%s", strerror(-sv->last_error));
	cr_assert(took_ms + 1 >= idle_ms, "too early: after %d ms", (int)took_ms);
	cr_assert(took_ms <= idle_ms + idle_ms / 64 + BUSY_MS, "after %d ms", (int)took_ms);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

ENGINE_TEST(faults, who_never_speaks_is_closed_in_time)
{
	enum { IDLE_MS = 320 };
	struct served *sv = start("http", &(struct server_config){.idle_timeout_ms = IDLE_MS});
	uint64_t begin = now_ns();
	int fd = connect_to(sv);
	char c;

	expect_timeout(sv, begin, IDLE_MS);
	cr_assert(recv(fd, &c, 1, 0) == 0, "FIN");
	close(fd);
	stop(sv);
}

ENGINE_TEST(faults, a_slow_sender_is_waited_for_while_it_sends)
{
	enum { IDLE_MS = 320 };
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	struct served *sv = start("http", &(struct server_config){.idle_timeout_ms = IDLE_MS});
	int fd = connect_to(sv);
	char answer[512];
	uint64_t last;

	for (size_t i = 0; i + 1 < sizeof(request); i++) {
		cr_assert(send(fd, request + i, 1, MSG_NOSIGNAL) == 1, "byte %zu", i);
		poll(NULL, 0, IDLE_MS / 16);
	}
	cr_assert(recv(fd, answer, sizeof(answer), 0) > 0, "not answered");
	cr_assert(send(fd, "G", 1, MSG_NOSIGNAL) == 1);
	last = now_ns();
	expect_timeout(sv, last, IDLE_MS);
	close(fd);
	stop(sv);
}

/* It asks and does not read: the send that got stuck ends with the idle timeout. */
ENGINE_TEST(faults, a_reader_that_has_stopped_is_given_up)
{
	enum { IDLE_MS = 320, BIG = 1 << 16 };
	struct served *sv = start("echo", &(struct server_config){.idle_timeout_ms = IDLE_MS});
	static char big[BIG];
	int fd = connect_to(sv);
	uint64_t last = now_ns();

	/* It is full when it stays full: buffers grow for a while. */
	for (int full = 0; full < 3;) {
		if (send(fd, big, sizeof(big), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
			full = 0;
			last = now_ns();
		} else {
			full++;
			poll(NULL, 0, IDLE_MS / 32);
		}
	}
	await_closed(sv, 1);
	cr_assert(sv->last_error == -ETIMEDOUT, "%s", strerror(-sv->last_error));
	cr_assert(sv->last_ns + 50000000U > last + IDLE_MS * UINT64_C(1000000), "too early");
	cr_assert(sv->last_ns < last + 3 * IDLE_MS * UINT64_C(1000000), "too late");
	expect_service(sv);
	close_by_reset(fd);
	stop(sv);
}

ENGINE_TEST(faults, silent_clients_cost_no_processor_time)
{
	enum { N = 200, MS = 500 };
	struct served *sv = start("echo", &(struct server_config){0});
	static int fds[N];
	uint64_t before;

	for (int i = 0; i < N; i++)
		fds[i] = connect_to(sv);
	metrics_of(sv); /* all of them are accepted or in the backlog, and it is awake */
	before = cpu_ns();
	poll(NULL, 0, MS);
	cr_assert(cpu_ns() - before < MS * UINT64_C(1000000) / 10, "%d ms of processor time",
		  (int)((cpu_ns() - before) / 1000000));
	for (int i = 0; i < N; i++)
		close(fds[i]);
	stop(sv);
}

ENGINE_TEST(faults, bytes_at_random_harm_nobody)
{
	enum { N = 300 };
	struct served *sv = start("http", &(struct server_config){0});
	unsigned int seed = 20;

	for (int i = 0; i < N; i++) {
		char junk[600];
		size_t len = 1 + (size_t)rand_r(&seed) % sizeof(junk);
		int fd = connect_to(sv);

		for (size_t k = 0; k < len; k++)
			junk[k] = (char)rand_r(&seed);
		cr_assert(send(fd, junk, len, MSG_NOSIGNAL) == (ssize_t)len);
		if (i % 3 == 0)
			close_by_reset(fd);
		else if (i % 3 == 1)
			cr_assert(client_finish(fd, WAIT_MS) == 0);
		else
			close(fd);
	}
	await_closed(sv, N);
	cr_assert(metrics_of(sv).open == 0);
	stop(sv);
}

/* Clients that come and go until nobody answers any more. */
struct crowd {
	struct served *sv;
	pthread_t thread;
	unsigned int served; /* answered in full; atomic */
	unsigned int lost;   /* accepted, but not answered */
	uint16_t lost_port;
};

static bool was_accepted(struct served *sv, uint16_t port)
{
	bool found = false;

	pthread_mutex_lock(&sv->lock);
	for (int i = 0; i < sv->n_accepted && !found; i++)
		found = sv->accepted[i] == port;
	pthread_mutex_unlock(&sv->lock);
	return found;
}

static void *crowd_run(void *arg)
{
	struct crowd *c = arg;
	struct client_record rec;
	int fd;

	while ((fd = try_connect(c->sv, &rec)) >= 0) {
		char reply;
		bool ok = send(fd, "x", 1, MSG_NOSIGNAL) == 1 && recv(fd, &reply, 1, 0) == 1;

		close(fd);
		if (ok) {
			__atomic_fetch_add(&c->served, 1, __ATOMIC_RELAXED);
		} else if (was_accepted(c->sv, rec.local.port)) {
			/* The kernel resets who is still in the backlog of a listener that closes;
			 * who was accepted must be answered. */
			c->lost++;
			c->lost_port = rec.local.port;
		}
	}
	cr_assert(fd == -ECONNREFUSED || fd == -ECONNRESET, "%s", strerror(-fd));
	return NULL;
}

ENGINE_TEST(faults, a_stop_under_load_answers_everybody_who_was_accepted)
{
	enum { CROWD = 8, ENOUGH = 100 };
	struct served *sv = start("echo", &(struct server_config){0});
	static struct crowd crowd[CROWD];

	for (int i = 0; i < CROWD; i++) {
		crowd[i] = (struct crowd){.sv = sv};
		cr_assert(pthread_create(&crowd[i].thread, NULL, crowd_run, &crowd[i]) == 0);
	}
	for (int i = 0; i < CROWD; i++) {
		while (__atomic_load_n(&crowd[i].served, __ATOMIC_RELAXED) < ENOUGH)
			poll(NULL, 0, 1);
	}
	workers_stop(sv->workers);
	cr_assert(workers_wait(sv->workers) == 0);
	for (int i = 0; i < CROWD; i++) {
		pthread_join(crowd[i].thread, NULL);
		cr_assert(crowd[i].lost == 0, "%u were accepted and not answered, port %u",
			  crowd[i].lost, crowd[i].lost_port);
	}
	stop(sv);
}

ENGINE_TEST(faults, workers_share_a_port_and_their_counters_add_up)
{
	enum { N = 200, WORKERS = 3 };
	struct served *sv = start("echo", &(struct server_config){0});
	struct workers *w;
	struct server_error err;
	struct metrics m;
	int before = sv->n_accepted;

	cr_assert(workers_start(&sv->cfg, WORKERS, &w, &err) == 0, "%s", err.what);
	sv->at.port = workers_listener(w, 0)->local.port;
	for (int i = 0; i < N; i++)
		expect_service(sv);
	workers_stop(w);
	cr_assert(workers_wait(w) == 0);
	cr_assert(workers_metrics(w, &m, 0) == 0);
	cr_assert(m.engine.accepted == N && m.open == 0 && sv->n_accepted - before == N);
	cr_assert(m.closed[METRICS_ORDERLY] == N && m.accepted[METRICS_MAPPED] == N);
	cr_assert(m.bytes_in == N && m.bytes_out == N);
	workers_free(w);
	stop(sv);
}

Test(faults, singleshot_accept_serves_as_well)
{
	struct served *sv = start("echo", &(struct server_config){.no_multishot = true});

	cr_assert(strstr(workers_engine_text(sv->workers), "singleshot"));
	for (int i = 0; i < 50; i++)
		expect_service(sv);
	cr_assert(metrics_of(sv).engine.accept_arms >= 50);
	stop(sv);
}
