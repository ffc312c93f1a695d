/* SPDX-License-Identifier: MIT */
/* test_client.c - the kernel-socket client against plain listening sockets */
#include "../../uring/client.h"
#include "../../uring/listener.h"
#include "../../uring/resolve.h"
#include "netfix.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>

TestSuite(client, .init = netfix_enter, .timeout = 20);

static int open_client(int proto, int family)
{
	struct client_config cfg = {.netns_fd = -1,
				    .proto = proto,
				    .family = family,
				    .v6only = family == AF_INET6 ? 0 : -1};
	int fd = client_open(&cfg);

	cr_assert(fd >= 0, "client_open: %s", strerror(-fd));
	return fd;
}

static int open_listener(int proto, const char *addr, struct listen_info *info)
{
	struct listen_spec spec = {
		.proto = proto, .family = AF_INET6, .bind = netfix_ep(addr, 0), .backlog = 1};
	enum listen_step step;
	int fd = listener_open(&spec, info, &step);

	cr_assert(fd >= 0, "listener_open: %s", strerror(-fd));
	return fd;
}

/* [server socket] accept one and echo until the end, in a thread */
static void *echo_one(void *arg)
{
	int lfd = *(int *)arg, fd = accept(lfd, NULL, NULL);
	char buf[4096];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		if (send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
			break;
	}
	close(fd);
	return NULL;
}

Test(client, reports_a_refused_connection_with_the_local_address_it_tried_from)
{
	static const struct {
		int family;
		const char *peer;
	} rows[] = {
		{AF_INET, "198.51.100.2"},
		{AF_INET6, "::ffff:198.51.100.2"},
		{AF_INET6, "2001:db8:1::2"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct endpoint peer = netfix_ep(rows[i].peer, 7);
		int fd = open_client(IPPROTO_TCP, rows[i].family);
		struct client_record rec;
		int rc = client_connect(fd, &peer, 1000, &rec);

		cr_assert(rc == -ECONNREFUSED, "row %zu: %s", i, strerror(-rc));
		cr_assert(rec.error == rc && !rec.connected, "row %zu", i);
		cr_assert(endpoint_eq(&rec.peer, &peer), "row %zu: peer asked for is kept", i);
		cr_assert(rec.local.port != 0, "row %zu: local port lost", i);
		cr_assert(rec.family == rows[i].family && rec.proto == IPPROTO_TCP, "row %zu", i);
		cr_assert(rec.cookie != 0 && rec.mono_ns != 0 && rec.real_ns != 0, "row %zu", i);
		close(fd);
	}
}

Test(client, an_unrouted_address_is_an_error_at_once_with_no_local_address)
{
	static const struct endpoint none;
	struct endpoint peer = netfix_ep("2001:db8:dead::1", 7);
	int fd = open_client(IPPROTO_TCP, AF_INET6);
	struct client_record rec;

	cr_assert(client_connect(fd, &peer, 1000, &rec) == -ENETUNREACH);
	cr_assert(memcmp(&rec.local, &none, sizeof(none)) == 0);
	close(fd);
}

Test(client, a_native_address_cannot_be_asked_of_an_ipv4_socket)
{
	struct endpoint peer = netfix_ep("2001:db8:1::2", 7);
	int fd = open_client(IPPROTO_TCP, AF_INET);
	struct client_record rec;

	cr_assert(client_connect(fd, &peer, 1000, &rec) == -EAFNOSUPPORT);
	close(fd);
}

Test(client, v6only_forbids_a_mapped_peer)
{
	struct client_config cfg = {
		.netns_fd = -1, .proto = IPPROTO_TCP, .family = AF_INET6, .v6only = 1};
	struct endpoint peer = netfix_ep("::ffff:198.51.100.2", 7);
	struct client_record rec;
	int fd = client_open(&cfg);

	cr_assert(client_connect(fd, &peer, 1000, &rec) == -ENETUNREACH);
	close(fd);
}

Test(client, gives_up_in_time_when_the_backlog_is_full)
{
	enum { TRIES = 8, WAIT_MS = 150 };
	struct listen_info info;
	int lfd = open_listener(IPPROTO_TCP, "::", &info);
	struct endpoint peer = netfix_ep("198.51.100.2", info.local.port);
	int rc = 0;

	for (int i = 0; i < TRIES && rc == 0; i++) {
		int fd = open_client(IPPROTO_TCP, AF_INET);
		struct client_record rec;

		rc = client_connect(fd, &peer, WAIT_MS, &rec);
		cr_assert(rec.local.port != 0);
		/* left open: it fills the backlog; the process ends with the test */
	}
	cr_assert(rc == -ETIMEDOUT, "got %s", strerror(-rc));
	close(lfd);
}

Test(client, blocking_again_after_connect_and_exchanges_a_megabyte)
{
	enum { SIZE = 1 << 20 };
	static uint8_t out[SIZE], in[SIZE];
	struct listen_info info;
	struct client_record rec;
	pthread_t thread;
	int lfd = open_listener(IPPROTO_TCP, "::", &info);
	int fd = open_client(IPPROTO_TCP, AF_INET6);
	struct endpoint peer = netfix_ep("2001:db8:1::2", info.local.port);

	for (int i = 0; i < SIZE; i++)
		out[i] = (uint8_t)(i * 31 + i / 251);
	pthread_create(&thread, NULL, echo_one, &lfd);
	cr_assert(client_connect(fd, &peer, 1000, &rec) == 0);
	cr_assert(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	cr_assert(rec.connected && rec.local.port != 0 && endpoint_eq(&rec.peer, &peer));
	cr_assert(client_exchange(fd, out, SIZE, in, 10000, &rec) == SIZE);
	cr_assert(memcmp(in, out, SIZE) == 0);
	cr_assert(rec.bytes_in == SIZE && rec.bytes_out == SIZE);
	cr_assert(client_finish(fd, 1000) == 0);
	pthread_join(thread, NULL);
	close(lfd);
}

Test(client, exchange_times_out_when_nobody_answers_and_finish_too)
{
	struct listen_info info;
	struct client_record rec;
	char reply[4];
	int lfd = open_listener(IPPROTO_TCP, "::", &info);
	int fd = open_client(IPPROTO_TCP, AF_INET);
	struct endpoint peer = netfix_ep("127.0.0.1", info.local.port);

	cr_assert(client_connect(fd, &peer, 1000, &rec) == 0);
	cr_assert(client_exchange(fd, "ping", 4, reply, 50, &rec) == -ETIMEDOUT);
	cr_assert(rec.bytes_out == 4 && rec.bytes_in == 0);
	cr_assert(client_finish(fd, 50) == -ETIMEDOUT);
	cr_assert(fcntl(fd, F_GETFD) == -1 && errno == EBADF, "closed in any case");
	close(lfd);
}

Test(client, an_unanswered_datagram_port_is_refused)
{
	struct endpoint peer = netfix_ep("198.51.100.2", 7);
	int fd = open_client(IPPROTO_UDP, AF_INET6);
	struct client_record rec;
	char reply[4];
	int rc;

	cr_assert(client_connect(fd, &peer, 1000, &rec) == 0);
	rc = client_exchange(fd, "ping", 4, reply, 1000, &rec);
	cr_assert(rc == -ECONNREFUSED, "got %s", strerror(-rc));
	close(fd);
}

Test(client, binds_to_a_source_and_lives_in_the_namespace_it_is_given)
{
	struct client_config cfg = {.proto = IPPROTO_TCP,
				    .family = AF_INET6,
				    .bind = true,
				    .source = netfix_ep("198.51.100.3", 0)};
	struct listen_info info;
	struct client_record rec;
	int lfd = open_listener(IPPROTO_TCP, "::", &info), fd;
	struct endpoint peer = netfix_ep("198.51.100.2", info.local.port);

	cfg.netns_fd = netns_open_self();
	fd = client_open(&cfg);
	cr_assert(fd >= 0);
	cr_assert(client_connect(fd, &peer, 1000, &rec) == 0);
	cr_assert(addr_eq(&rec.local.addr, &cfg.source.addr));
	close(fd);
	close(cfg.netns_fd);
	cfg.netns_fd = netns_new(); /* nothing is up there */
	cfg.bind = false;
	cr_assert(cfg.netns_fd >= 0);
	fd = client_open(&cfg);
	cr_assert(client_connect(fd, &peer, 1000, &rec) == -ENETUNREACH);
	close(fd);
	close(cfg.netns_fd);
	close(lfd);
}

Test(resolve, literals_and_flags)
{
	static const struct {
		const char *host;
		int family;
		bool mapped, passive;
		int expect_family; /* of the first candidate; 0: an error */
		const char *expect;
	} rows[] = {
		{"198.51.100.2", AF_UNSPEC, false, false, AF_INET, "198.51.100.2"},
		{"198.51.100.2", AF_INET6, false, false, 0, NULL},
		{"198.51.100.2", AF_INET6, true, false, AF_INET6, "198.51.100.2"},
		{"::ffff:198.51.100.2", AF_UNSPEC, false, false, AF_INET6, "198.51.100.2"},
		{"::ffff:198.51.100.2", AF_INET, false, false, AF_INET, "198.51.100.2"},
		{"2001:db8::1", AF_UNSPEC, false, false, AF_INET6, "2001:db8::1"},
		{"2001:db8::1", AF_INET, false, false, 0, NULL},
		{NULL, AF_INET6, false, true, AF_INET6, "::"},
		{NULL, AF_INET, false, true, AF_INET, "0.0.0.0"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct resolve_query q = {.host = rows[i].host,
					  .port = "80",
					  .family = rows[i].family,
					  .mapped = rows[i].mapped,
					  .passive = rows[i].passive,
					  .numeric = true,
					  .socktype = SOCK_STREAM};
		struct resolve_result r;
		struct endpoint want;
		int rc = resolve(&q, &r);

		cr_assert((rc != 0) == (rows[i].expect_family == 0), "row %zu: %s", i,
			  rc ? gai_strerror(rc) : "resolved");
		if (rc != 0)
			continue;
		want = netfix_ep(rows[i].expect, 80);
		cr_assert(r.n == 1 && r.list[0].family == rows[i].expect_family, "row %zu", i);
		cr_assert(endpoint_eq(&r.list[0].ep, &want), "row %zu", i);
	}
}

Test(resolve, keeps_the_scope_of_a_link_local_address)
{
	struct resolve_query q = {.host = "fe80::1%1", .port = "80", .socktype = SOCK_STREAM};
	struct resolve_result r;

	cr_assert(resolve(&q, &r) == 0);
	cr_assert(r.n == 1 && r.list[0].ep.scope == 1);
}
