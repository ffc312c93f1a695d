/* SPDX-License-Identifier: MIT */
/* test_engine.c - the engine interface, and what is said when io_uring is not there */
#include "../../uring/caps.h"
#include "../../uring/client.h"
#include "../../uring/engine.h"
#include "../../uring/server.h"
#include "netfix.h"
#include "t_engine.h"

#include <dirent.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

enum { EVENTS = 64, WAIT_MS = 5000 };

TestSuite(engine, .init = netfix_enter, .timeout = 30);
TestSuite(caps, .timeout = 30);

/* From here on @nr fails with @error in this process. */
static void forbid(long nr, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = 4, .filter = code};

	cr_assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	cr_assert(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0, "%s", strerror(errno));
}

/* The engine that was named is refused with cause and remedy; "auto" takes epoll and says why. */
static void expect_refusal(int error, const char *what, const char *remedy)
{
	struct listen_spec spec = {
		.proto = IPPROTO_TCP, .family = AF_INET6, .bind = netfix_ep("::", 0)};
	struct server_config cfg = {
		.engine = "uring", .workload = "echo", .listeners = &spec, .n_listeners = 1};
	struct server_error err;
	struct server *s = NULL;
	int rc = server_create(&cfg, &s, &err);

	cr_assert(rc == -error && s == NULL, "got %s", strerror(-rc));
	cr_assert(strstr(err.what, what), "%s", err.what);
	cr_assert(strstr(err.remedy, remedy), "%s", err.remedy);
	cfg.engine = "auto";
	cr_assert(server_create(&cfg, &s, &err) == 0, "%s", err.what);
	cr_assert(strncmp(server_engine_text(s), "epoll: ", 7) == 0, "%s", server_engine_text(s));
	cr_assert(strstr(server_engine_text(s), what), "%s", server_engine_text(s));
	server_destroy(s);
}

Test(caps, this_kernel_has_what_the_engine_needs_or_says_why_not)
{
	struct uring_caps caps;
	char what[160], remedy[200];

	uring_caps_probe(&caps);
	uring_caps_explain(&caps, what, sizeof(what), remedy, sizeof(remedy));
	cr_assert(caps.available, "%s (%s)", what, remedy);
	cr_assert(caps.setup && caps.defer_taskrun && caps.buf_ring && caps.multishot_accept &&
		  caps.recvmsg_multishot);
}

/* The end of a ring is told to who has used it, by an interruption some milliseconds later. */
Test(caps, who_asks_is_not_interrupted_afterwards)
{
	enum { TIMES = 25, PATIENCE_US = 25000 };
	struct timeval patience = {.tv_usec = PATIENCE_US};
	struct uring_caps caps;
	int sv[2];
	char c;

	cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == 0);
	cr_assert(setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	for (int i = 0; i < TIMES; i++) {
		cr_assert(uring_caps_probe(&caps) == 0);
		cr_assert(recv(sv[0], &c, 1, 0) == -1 && errno == EAGAIN, "time %d: %s", i,
			  strerror(errno));
	}
	close(sv[0]);
	close(sv[1]);
}

Test(caps, seccomp_with_eperm_is_named)
{
	forbid(SYS_io_uring_setup, EPERM);
	expect_refusal(EPERM, "seccomp", "--security-opt");
}

Test(caps, seccomp_with_enosys_is_named)
{
	forbid(SYS_io_uring_setup, ENOSYS);
	expect_refusal(ENOSYS, "this kernel has none", "sandbox");
}

Test(caps, a_forbidden_register_call_is_no_less_clear)
{
	forbid(SYS_io_uring_register, EPERM);
	expect_refusal(EPERM, "seccomp", "io_uring_register");
}

Test(caps, every_cause_has_its_text)
{
	static const struct {
		int error, sysctl;
		bool setup, accept;
		const char *what, *remedy;
	} rows[] = {
		{-ENOSYS, -1, false, false, "this kernel has none", "6.1"},
		{-EPERM, -1, false, false, "seccomp", "--security-opt"},
		{-EPERM, 0, false, false, "seccomp", "--security-opt"},
		{-EPERM, 1, false, false, "io_uring_disabled=1", "io_uring_group"},
		{-EPERM, 2, false, false, "io_uring_disabled=2", "administrator"},
		{-ENOMEM, 0, true, false, "memory", "ulimit -l"},
		{-EINVAL, 0, true, false, "too old", "6.1"},
		{-EOPNOTSUPP, 0, true, false, "multishot accept", "6.1"},
		{-EOPNOTSUPP, 0, true, true, "multishot recvmsg", "6.1"},
		{-EMFILE, 0, false, false, "Too many open files", "ulimit -n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct uring_caps caps = {.error = rows[i].error,
					  .sysctl_disabled = rows[i].sysctl,
					  .setup = rows[i].setup,
					  .multishot_accept = rows[i].accept};
		char what[160], remedy[200];

		uring_caps_explain(&caps, what, sizeof(what), remedy, sizeof(remedy));
		cr_assert(strstr(what, rows[i].what), "row %zu: %s", i, what);
		cr_assert(strstr(remedy, rows[i].remedy), "row %zu: %s", i, remedy);
	}
}

/* Small unless told: ring memory counts against a limit all processes of a user share. */
static struct engine *open_engine(const struct engine_config *wanted)
{
	struct engine_config cfg = *wanted;
	struct engine_error err;
	struct engine *e;
	int rc;

	cfg.backlog = 64;
	cfg.link = t_link;
	cfg.direct = t_direct;
	if (cfg.max_conns == 0)
		cfg.max_conns = 256;
	rc = engine_open(t_engine, &cfg, &e, &err);

	cr_assert(rc == 0, "%s (%s)", err.what, err.remedy);
	return e;
}

static uint16_t listen_on(struct engine *e, int proto, const char *addr)
{
	struct listen_spec spec = {
		.proto = proto, .family = AF_INET6, .bind = netfix_ep(addr, 0), .backlog = 64};
	enum listen_step step;
	struct listen_info info;
	int rc = engine_listen(e, &spec, &info, &step);

	cr_assert(rc >= 0, "listen: %s", strerror(-rc));
	return info.local.port;
}

static int connect_to(uint16_t port)
{
	struct client_config cfg = {
		.netns_fd = -1, .proto = IPPROTO_TCP, .family = AF_INET, .v6only = -1};
	struct endpoint peer = netfix_ep("127.0.0.1", port);
	struct client_record rec;
	int fd = client_open(&cfg);

	cr_assert(fd >= 0 && client_connect(fd, &peer, WAIT_MS, &rec) == 0);
	return fd;
}

/* The next event, which must be of @type. */
static struct engine_event expect(struct engine *e, enum engine_event_type type)
{
	struct engine_event ev;
	int n = 0;

	for (int tries = 0; n == 0 && tries < 100; tries++)
		n = engine_poll(e, &ev, 1, WAIT_MS);
	cr_assert(n == 1, "no event: %d", n);
	cr_assert(ev.type == type, "event %d instead of %d", ev.type, type);
	return ev;
}

static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

/*
 * Nothing may happen for @ms but pauses of accepting, and the engine must sleep meanwhile: few
 * system calls. Returns how many pauses it told.
 */
static unsigned int expect_pauses(struct engine *e, int ms, unsigned int waits_max)
{
	unsigned int pauses = 0;
	struct engine_stats before, after;
	struct engine_event ev;
	struct timespec begin;

	engine_stats(e, &before);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		if (engine_poll(e, &ev, 1, ms) == 0)
			continue;
		cr_assert(ev.type == ENGINE_PAUSED && ev.listener == 0, "event %d", ev.type);
		cr_assert(ev.error == -EMFILE, "%s", strerror(-ev.error));
		pauses++;
	} while (elapsed_ms(&begin) < ms);
	engine_stats(e, &after);
	cr_assert(after.waits - before.waits <= waits_max, "%lu waits: spinning",
		  (unsigned long)(after.waits - before.waits));
	return pauses;
}

static void expect_quiet(struct engine *e, int ms, unsigned int waits_max)
{
	cr_assert(expect_pauses(e, ms, waits_max) == 0, "it could not accept");
}

static void *wake_it(void *arg)
{
	engine_wake(arg);
	return NULL;
}

ENGINE_TEST_ALL(engine, wake_from_another_thread_and_before_the_wait)
{
	struct engine *e = open_engine(&(struct engine_config){0});
	struct engine_event ev;
	pthread_t thread;

	engine_wake(e);
	engine_wake(e);
	expect(e, ENGINE_WOKEN);
	cr_assert(engine_poll(e, &ev, 1, 0) == 0, "two wakes are one event");
	for (int i = 0; i < 50; i++) {
		pthread_create(&thread, NULL, wake_it, e);
		expect(e, ENGINE_WOKEN);
		pthread_join(thread, NULL);
	}
	engine_destroy(e);
}

static struct engine *signalled;

static void on_signal(int signo)
{
	(void)signo;
	engine_wake(signalled);
}

ENGINE_TEST_ALL(engine, wake_from_a_signal_handler)
{
	struct sigaction sa = {.sa_handler = on_signal};

	signalled = open_engine(&(struct engine_config){0});
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	expect(signalled, ENGINE_WOKEN);
	engine_destroy(signalled);
}

ENGINE_TEST_ALL(engine, poll_returns_in_time_when_nothing_happens)
{
	struct engine *e = open_engine(&(struct engine_config){0});
	struct engine_event ev;
	struct timespec begin;
	long ms;

	listen_on(e, IPPROTO_TCP, "::");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	cr_assert(engine_poll(e, &ev, 1, 50) == 0);
	ms = elapsed_ms(&begin);
	cr_assert(ms >= 49 && ms < 500, "%ld ms", ms);
	engine_destroy(e);
}

ENGINE_TEST(engine, one_event_at_a_time_loses_none)
{
	struct engine *e = open_engine(&(struct engine_config){0});
	uint16_t port = listen_on(e, IPPROTO_TCP, "::");
	struct engine_event ev;
	int fds[10];

	for (int i = 0; i < 10; i++)
		fds[i] = connect_to(port);
	for (int i = 0; i < 10; i++) {
		ev = expect(e, ENGINE_ACCEPT);
		engine_close(e, ev.conn);
		engine_close(e, ev.conn); /* again: ignored */
		ev = expect(e, ENGINE_CLOSED);
		cr_assert(ev.error == 0);
		cr_assert(engine_receive(e, ev.conn) == -ENOTCONN, "a handle that is gone");
		cr_assert(engine_send(e, ev.conn, "x", 1, 0) == -ENOTCONN);
		engine_close(e, ev.conn);
	}
	for (int i = 0; i < 10; i++)
		close(fds[i]);
	engine_destroy(e);
}

ENGINE_TEST(engine, a_handle_is_not_valid_for_the_next_connection_in_its_place)
{
	struct engine *e = open_engine(&(struct engine_config){.max_conns = 1});
	uint16_t port = listen_on(e, IPPROTO_TCP, "::");
	struct engine_event first, second;
	int a = connect_to(port), b = connect_to(port);

	first = expect(e, ENGINE_ACCEPT);
	engine_close(e, first.conn);
	expect(e, ENGINE_CLOSED);
	second = expect(e, ENGINE_ACCEPT);
	cr_assert(engine_conn_index(first.conn) == engine_conn_index(second.conn));
	cr_assert(engine_receive(e, first.conn) == -ENOTCONN);
	engine_close(e, first.conn);
	cr_assert(engine_receive(e, second.conn) == 0);
	cr_assert(engine_receive(e, second.conn) == -EALREADY);
	close(a);
	close(b);
	engine_destroy(e);
}

ENGINE_TEST(engine, close_with_a_receive_in_flight_sends_fin_at_once)
{
	struct engine *e = open_engine(&(struct engine_config){0});
	int fd = connect_to(listen_on(e, IPPROTO_TCP, "::"));
	struct engine_event ev = expect(e, ENGINE_ACCEPT);
	char c;

	cr_assert(engine_receive(e, ev.conn) == 0);
	cr_assert(engine_poll(e, &ev, 1, 10) == 0); /* the request is in the kernel */
	engine_close(e, UINT64_C(1) << 32 | engine_conn_index(0));
	ev = expect(e, ENGINE_CLOSED);
	cr_assert(ev.error == 0);
	cr_assert(recv(fd, &c, 1, MSG_DONTWAIT) == 0, "no FIN: %s", strerror(errno));
	close(fd);
	engine_destroy(e);
}

ENGINE_TEST(engine, data_stays_valid_after_close_until_it_is_released)
{
	struct engine *e = open_engine(&(struct engine_config){.recv_buffers = 1});
	uint16_t port = listen_on(e, IPPROTO_TCP, "::");
	struct engine_event ev, data;
	int fd = connect_to(port), other;

	cr_assert(send(fd, "first", 5, 0) == 5);
	ev = expect(e, ENGINE_ACCEPT);
	cr_assert(engine_receive(e, ev.conn) == 0);
	data = expect(e, ENGINE_RECV);
	engine_close(e, data.conn);
	expect(e, ENGINE_CLOSED);
	other = connect_to(port);
	cr_assert(send(other, "other", 5, 0) == 5);
	ev = expect(e, ENGINE_ACCEPT);
	cr_assert(engine_receive(e, ev.conn) == 0);
	expect_quiet(e, 50, 5); /* the only buffer is lent */
	cr_assert(data.len == 5 && memcmp(data.data, "first", 5) == 0);
	engine_release(e, data.buf);
	ev = expect(e, ENGINE_RECV);
	cr_assert(ev.len == 5 && memcmp(ev.data, "other", 5) == 0);
	close(fd);
	close(other);
	engine_destroy(e);
}

/*
 * One client always has the next byte ready. Another one connects, and later speaks: both must be
 * told of, however few events are taken at a time.
 */
ENGINE_TEST(engine, a_client_that_never_stops_does_not_keep_out_others)
{
	enum { SOON = 60 };

	for (int max = 1; max <= 4; max *= 2) {
		struct engine *e = open_engine(&(struct engine_config){0});
		uint16_t port = listen_on(e, IPPROTO_TCP, "::");
		int busy = connect_to(port), other = -1, left = SOON;
		engine_conn accepted[2] = {0};
		bool spoken = false;

		for (int i = 0; i < 4 * SOON; i++)
			cr_assert(send(busy, "x", 1, 0) == 1);
		while (!spoken && left-- > 0) {
			struct engine_event evs[4];
			int n = engine_poll(e, evs, max, WAIT_MS);

			for (int i = 0; i < n; i++) {
				if (evs[i].type == ENGINE_ACCEPT) {
					accepted[other >= 0] = evs[i].conn;
				} else if (evs[i].type == ENGINE_RECV) {
					spoken = evs[i].conn == accepted[1];
					engine_release(e, evs[i].buf);
					cr_assert(send(busy, "x", 1, 0) == 1);
				}
				engine_receive(e, evs[i].conn);
			}
			if (other < 0 && left < SOON - 10)
				other = connect_to(port);
			else if (other >= 0 && accepted[1] != 0)
				cr_assert(send(other, "y", 1, 0) == 1);
		}
		cr_assert(spoken, "%d at a time: the other is %s", max,
			  accepted[1] ? "not heard" : "not accepted");
		close(busy);
		close(other);
		engine_destroy(e);
	}
}

/* Two buffers for many connections: the starved ones get their turn, and nobody another's data. */
ENGINE_TEST(engine, few_buffers_serve_many_connections_in_turn)
{
	enum { N = 40 };
	struct engine *e = open_engine(&(struct engine_config){.recv_buffers = 2});
	uint16_t port = listen_on(e, IPPROTO_TCP, "::");
	static struct engine_event evs[EVENTS];
	struct engine_stats stats;
	int fds[N], accepted = 0, asked = 0, echoed = 0;
	engine_conn conns[N];
	uint8_t c;

	for (int i = 0; i < N; i++) {
		c = (uint8_t)i;
		fds[i] = connect_to(port);
		cr_assert(send(fds[i], &c, 1, 0) == 1);
	}
	while (echoed < N) {
		int n = engine_poll(e, evs, EVENTS, WAIT_MS);

		cr_assert(n >= 0);
		for (int i = 0; i < n; i++) {
			if (evs[i].type == ENGINE_ACCEPT) {
				conns[accepted++] = evs[i].conn;
			} else if (evs[i].type == ENGINE_RECV) {
				cr_assert(evs[i].len == 1);
				cr_assert(engine_send(e, evs[i].conn, evs[i].data, 1, evs[i].buf) ==
					  0);
			} else if (evs[i].type == ENGINE_SENT) {
				engine_release(e, evs[i].buf);
				echoed++;
			}
		}
		/* All at once, so that more than two have data at a time. */
		for (; accepted == N && asked < N; asked++)
			cr_assert(engine_receive(e, conns[asked]) == 0);
	}
	for (int i = 0; i < N; i++) {
		cr_assert(recv(fds[i], &c, 1, 0) == 1 && c == i, "client %d got %d", i, c);
		close(fds[i]);
	}
	engine_stats(e, &stats);
	cr_assert(stats.recv_starved > 0, "the test did not starve anybody");
	cr_assert(stats.waits < 20 * N, "%lu waits: spinning", (unsigned long)stats.waits);
	engine_destroy(e);
}

/* All buffers lent: datagrams wait in the socket, and the engine in the kernel, not in a loop. */
ENGINE_TEST(engine, without_datagram_buffers_it_waits_and_goes_on_when_one_is_released)
{
	struct engine *e = open_engine(&(struct engine_config){0});
	uint16_t port = listen_on(e, IPPROTO_UDP, "::");
	static struct engine_event evs[ENGINE_DGRAMS_MAX + 10];
	struct client_record rec;
	struct client_config cfg = {
		.netns_fd = -1, .proto = IPPROTO_UDP, .family = AF_INET, .v6only = -1};
	struct endpoint peer = netfix_ep("127.0.0.1", port);
	int fd = client_open(&cfg), got = 0;

	cr_assert(client_connect(fd, &peer, WAIT_MS, &rec) == 0);
	for (int i = 0; i < ENGINE_DGRAMS_MAX + 1; i++)
		cr_assert(send(fd, &(uint8_t){(uint8_t)i}, 1, 0) == 1);
	while (got < ENGINE_DGRAMS_MAX) {
		int n = engine_poll(e, evs + got, ENGINE_DGRAMS_MAX + 10 - got, WAIT_MS);

		cr_assert(n >= 0);
		got += n;
	}
	cr_assert(got == ENGINE_DGRAMS_MAX, "%d datagrams", got);
	expect_quiet(e, 100, 5);
	for (int i = 0; i < got; i++) {
		cr_assert(evs[i].type == ENGINE_DGRAM && evs[i].len == 1);
		cr_assert(*(const uint8_t *)evs[i].data == (uint8_t)i, "datagram %d", i);
	}
	engine_release(e, evs[7].buf);
	evs[7] = expect(e, ENGINE_DGRAM);
	cr_assert(*(const uint8_t *)evs[7].data == (uint8_t)ENGINE_DGRAMS_MAX);
	close(fd);
	engine_destroy(e);
}

ENGINE_TEST_FD(engine, accept_pauses_are_few_while_descriptors_are_short)
{
	struct engine *e = open_engine(&(struct engine_config){0});
	uint16_t port = listen_on(e, IPPROTO_TCP, "::");
	int fd = connect_to(port), hog[256], n_hog = 0;
	struct engine_stats stats;
	unsigned int told;

	/* Every descriptor below the limit is taken. */
	cr_assert(setrlimit(RLIMIT_NOFILE, &(struct rlimit){128, 128}) == 0);
	while (n_hog < 256 && (hog[n_hog] = dup(0)) >= 0)
		n_hog++;
	told = expect_pauses(e, 400, 20);
	engine_stats(e, &stats);
	cr_assert(told == stats.accept_pauses, "%u of %lu told", told,
		  (unsigned long)stats.accept_pauses);
	cr_assert(stats.accept_pauses >= 3 && stats.accept_pauses <= 8, "%lu pauses",
		  (unsigned long)stats.accept_pauses);
	while (n_hog > 0)
		close(hog[--n_hog]);
	expect(e, ENGINE_ACCEPT);
	close(fd);
	engine_destroy(e);
}

/* The data and the end come together, while the engine waits for neither: both must be told. */
ENGINE_TEST(engine, the_end_of_a_stream_right_behind_its_data_is_not_missed)
{
	struct engine *e = open_engine(&(struct engine_config){0});
	int fd = connect_to(listen_on(e, IPPROTO_TCP, "::"));
	struct engine_event ev = expect(e, ENGINE_ACCEPT);
	engine_conn conn = ev.conn;

	cr_assert(engine_receive(e, conn) == 0);
	cr_assert(engine_poll(e, &ev, 1, 10) == 0); /* it waits now */
	cr_assert(send(fd, "last", 4, 0) == 4 && shutdown(fd, SHUT_WR) == 0);
	ev = expect(e, ENGINE_RECV);
	cr_assert(ev.len == 4);
	engine_release(e, ev.buf);
	cr_assert(engine_receive(e, conn) == 0);
	ev = expect(e, ENGINE_RECV);
	cr_assert(ev.len == 0, "%zu bytes instead of the end", ev.len);
	close(fd);
	engine_destroy(e);
}

ENGINE_TEST(engine, a_drain_takes_the_whole_backlog_one_event_at_a_time)
{
	enum { N = 10 };
	struct engine *e = open_engine(&(struct engine_config){0});
	uint16_t port = listen_on(e, IPPROTO_TCP, "::");
	struct engine_event ev;
	int fds[N], accepted = 0;

	for (int i = 0; i < N; i++)
		fds[i] = connect_to(port);
	engine_drain(e);
	do {
		cr_assert(engine_poll(e, &ev, 1, WAIT_MS) >= 0);
		accepted += ev.type == ENGINE_ACCEPT;
	} while (ev.type != ENGINE_DRAINED);
	cr_assert(accepted == N, "%d accepted", accepted);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	engine_destroy(e);
}

/* What was lent for a send comes back, and before the end. */
ENGINE_TEST(engine, a_send_that_is_stuck_ends_before_its_connection)
{
	enum { BIG = 16 << 20 };
	struct engine *e = open_engine(&(struct engine_config){0});
	int fd = connect_to(listen_on(e, IPPROTO_TCP, "::"));
	struct engine_event ev = expect(e, ENGINE_ACCEPT);
	char *big = calloc(1, BIG);

	cr_assert(big != NULL && engine_send(e, ev.conn, big, BIG, 7) == 0);
	cr_assert(engine_poll(e, &(struct engine_event){0}, 1, 50) == 0, "it is not stuck");
	cr_assert(engine_send(e, ev.conn, big, 1, 8) == -EALREADY);
	engine_close(e, ev.conn);
	ev = expect(e, ENGINE_SENT);
	cr_assert(ev.buf == 7 && ev.error < 0 && ev.len < BIG);
	ev = expect(e, ENGINE_CLOSED);
	cr_assert(ev.error == 0);
	close(fd);
	free(big);
	engine_destroy(e);
}

/* More connections hold their data than buffers are in circulation at first. */
/* Data of one may come before the next is accepted, or after it. */
static void take_events(struct engine *e, int *accepted, int *got)
{
	static struct engine_event evs[512];
	int n = engine_poll(e, evs, 512, WAIT_MS);

	cr_assert(n > 0, "%d accepted, %d have their data, then nothing", *accepted, *got);
	for (int i = 0; i < n; i++) {
		if (evs[i].type == ENGINE_ACCEPT) {
			++*accepted;
			cr_assert(engine_receive(e, evs[i].conn) == 0);
		} else {
			cr_assert(evs[i].type == ENGINE_RECV && evs[i].len == 1);
			++*got;
		}
	}
}

ENGINE_TEST(engine, as_many_buffers_as_there_are_can_be_lent)
{
	enum { N = 400 };
	struct engine *e = open_engine(&(struct engine_config){.max_conns = 512});
	uint16_t port = listen_on(e, IPPROTO_TCP, "::");
	static int fds[N];
	int accepted = 0, got = 0;

	for (int i = 0; i < N; i++) {
		fds[i] = connect_to(port);
		cr_assert(send(fds[i], "x", 1, 0) == 1);
		while (accepted <= i)
			take_events(e, &accepted, &got);
	}
	while (got < N)
		take_events(e, &accepted, &got);
	cr_assert(accepted == N);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	engine_destroy(e);
}

Test(caps, direct_descriptors_are_refused_where_they_delay_others)
{
	struct uring_caps caps = {.available = true};
	char what[160], remedy[200];
	int rc;

	rc = uring_caps_check_direct(&caps, what, sizeof(what), remedy, sizeof(remedy));
	cr_assert(rc == -EOPNOTSUPP && strstr(what, "delay the end of others"), "%s", what);
	cr_assert(strstr(remedy, "6.15") && strstr(remedy, "--direct"), "%s", remedy);
	caps.direct_descriptors = true;
	cr_assert(uring_caps_check_direct(&caps, what, sizeof(what), remedy, sizeof(remedy)) == 0);
}

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* More connections than the table has places come and go: a place not given back would be missed,
 * and into a full table the kernel loses what it accepts. */
Test(engine, direct_descriptors_are_none_and_their_places_come_back)
{
	enum { N = 200, HELD = 8 };
	struct engine_event ev;
	struct engine_stats stats;
	int held[HELD], before, fd;
	struct engine *e;
	uint16_t port;

	t_engine_direct();
	e = open_engine(&(struct engine_config){.max_conns = 16});
	port = listen_on(e, IPPROTO_TCP, "::");
	cr_assert(strstr(engine_text(e), "direct descriptors for 16 connections"), "%s",
		  engine_text(e));
	before = open_descriptors();
	for (int i = 0; i < HELD; i++) {
		held[i] = connect_to(port);
		ev = expect(e, ENGINE_ACCEPT);
		cr_assert(ev.peer.port != 0 && addr_is_mapped(&ev.peer.addr) && ev.cookie != 0);
		cr_assert(ev.local.port == 0, "it cannot be had");
	}
	cr_assert(open_descriptors() == before + HELD, "descriptors of the server's end");
	for (int i = 0; i < N; i++) {
		fd = connect_to(port);
		ev = expect(e, ENGINE_ACCEPT);
		engine_close(e, ev.conn);
		expect(e, ENGINE_CLOSED);
		close(fd);
	}
	engine_stats(e, &stats);
	cr_assert(stats.accepted == N + HELD && stats.accept_pauses == 0);
	for (int i = 0; i < HELD; i++)
		close(held[i]);
	engine_destroy(e);
}

/* Destroying closes at once, as with ordinary descriptors, not when the ring's remains are gone. */
ENGINE_TEST(engine, destroying_it_ends_every_connection)
{
	struct engine *e = open_engine(&(struct engine_config){0});
	int fd = connect_to(listen_on(e, IPPROTO_TCP, "::"));
	char c;

	expect(e, ENGINE_ACCEPT);
	engine_destroy(e);
	cr_assert(recv(fd, &c, 1, MSG_DONTWAIT) == 0, "no FIN: %s", strerror(errno));
	close(fd);
}

/* The table of files is bounded by the limit, less the backlogs; without any room it says so. */
Test(engine, direct_descriptors_are_as_many_as_the_limit_of_files_allows)
{
	struct engine_config cfg = {.max_conns = 1000, .backlog = 64, .direct = true};
	struct engine_error err;
	struct engine *e;

	t_engine_direct();
	cr_assert(setrlimit(RLIMIT_NOFILE, &(struct rlimit){100, 100}) == 0);
	cr_assert(engine_open("uring", &cfg, &e, &err) == 0, "%s", err.what);
	cr_assert(strstr(engine_text(e), "for 36 connections"), "%s", engine_text(e));
	engine_destroy(e);
	cfg.backlog = 100;
	cr_assert(engine_open("uring", &cfg, &e, &err) == -EMFILE);
	cr_assert(strstr(err.what, "more than 100 files"), "%s", err.what);
	cr_assert(strstr(err.remedy, "ulimit -n"), "%s", err.remedy);
	/* "auto" takes the next, and says what was wrong with the first. */
	cr_assert(engine_open("auto", &cfg, &e, &err) == 0, "%s", err.what);
	cr_assert(strstr(err.what, "more than 100 files"), "%s", err.what);
	engine_destroy(e);
}

Test(engine, names_are_known)
{
	struct engine_error err;
	struct engine *e;

	cr_assert(strcmp(engine_name(0), "uring") == 0);
	cr_assert(engine_open("carrier-pigeon", &(struct engine_config){0}, &e, &err) == -ENOENT);
	cr_assert(strstr(err.what, "carrier-pigeon"), "%s", err.what);
	for (size_t i = 0; engine_name(i) != NULL; i++)
		cr_assert(strstr(err.remedy, engine_name(i)), "%s", err.remedy);
}
