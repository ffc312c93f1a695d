/* SPDX-License-Identifier: MIT */
/* test_socket.c - sockets on the stack in virtual time: what waits, for how long, and what ends it
 */
#include "t_world.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/time.h>

enum { PORT = 7000 };

static struct t_world *w;
static struct rawstack_host *client, *server;

static void start(void)
{
	w = t_world_new();
	client = t_world_host(w, 0);
	server = t_world_host(w, 1);
}

static void finish(void)
{
	t_world_free(w);
}

TestSuite(socket, .init = start, .fini = finish);

static socklen_t name_of(bool v6, const char *address, uint16_t port, struct sockaddr_storage *ss)
{
	struct endpoint ep = {.port = port};

	(void)v6;
	cr_assert(addr_parse(address, &ep.addr, NULL) == 0);
	return (socklen_t)endpoint_to_sockaddr(&ep, AF_INET6, ss);
}

static int listener(int backlog)
{
	struct sockaddr_storage ss;
	socklen_t len = name_of(true, "::", PORT, &ss);
	int fd = rawstack_socket(server, AF_INET6, SOCK_STREAM, 0);

	cr_assert(rawstack_bind(server, fd, (struct sockaddr *)&ss, len) == 0);
	cr_assert(rawstack_listen(server, fd, backlog) == 0);
	return fd;
}

static int dial(const char *address, int flags)
{
	struct sockaddr_storage ss;
	socklen_t len = name_of(true, address, PORT, &ss);
	int fd = rawstack_socket(client, AF_INET6, SOCK_STREAM | flags, 0);
	int rc = rawstack_connect(client, fd, (struct sockaddr *)&ss, len);

	cr_assert(rc == 0 || errno == EINPROGRESS, "%s: %s", address, strerror(errno));
	return fd;
}

static const char *const addresses[] = {"::ffff:198.51.100.2", "2001:db8:1::2"};

/* Blocking calls on both sides, in both families, and what a mapped connection is on the wire. */
Test(socket, a_conversation)
{
	int lfd = listener(8);

	for (int v6 = 0; v6 < 2; v6++) {
		unsigned int before, v4_before, packets, v4;
		int cfd, sfd;
		char buf[16];

		t_world_sent(w, &before, &v4_before);
		cfd = dial(addresses[v6], 0);
		sfd = rawstack_accept(server, lfd, NULL, NULL, 0);
		cr_assert(sfd >= 0);
		cr_assert(rawstack_send(client, cfd, "hello", 5, 0) == 5);
		cr_assert(rawstack_recv(server, sfd, buf, sizeof(buf), 0) == 5);
		cr_assert(rawstack_send(server, sfd, "world!", 6, 0) == 6);
		cr_assert(rawstack_recv(client, cfd, buf, sizeof(buf), MSG_PEEK) == 6);
		cr_assert(rawstack_recv(client, cfd, buf, 2, 0) == 2);
		cr_assert(rawstack_recv(client, cfd, buf, sizeof(buf), 0) == 4);
		cr_assert(memcmp(buf, "rld!", 4) == 0);
		cr_assert(rawstack_close(client, cfd) == 0);
		cr_assert(rawstack_recv(server, sfd, buf, sizeof(buf), 0) == 0);
		cr_assert(rawstack_close(server, sfd) == 0);
		t_world_run(w, 1000000000);
		t_world_sent(w, &packets, &v4);
		cr_assert(packets > before && v4 - v4_before == (v6 ? 0 : packets - before));
	}
	cr_assert(rawstack_close(server, lfd) == 0);
}

Test(socket, a_non_blocking_connect_and_its_answers)
{
	int lfd = listener(8), fd = dial(addresses[0], SOCK_NONBLOCK), error = -1;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	struct sockaddr_storage ss;
	socklen_t len = name_of(false, addresses[0], PORT, &ss), size = sizeof(error);
	char c;

	cr_assert(rawstack_connect(client, fd, (struct sockaddr *)&ss, len) < 0 &&
		  errno == EALREADY);
	cr_assert(rawstack_recv(client, fd, &c, 1, 0) < 0 && errno == EAGAIN);
	cr_assert(rawstack_poll(client, &p, 1, 0) == 0);
	cr_assert(rawstack_poll(client, &p, 1, 1000) == 1 && p.revents == POLLOUT);
	cr_assert(rawstack_getsockopt(client, fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
	cr_assert(error == 0);
	cr_assert(rawstack_connect(client, fd, (struct sockaddr *)&ss, len) == 0, "once more");
	cr_assert(rawstack_connect(client, fd, (struct sockaddr *)&ss, len) < 0 &&
		  errno == EISCONN);
	rawstack_close(client, fd);
	rawstack_close(server, lfd);
}

/* Where Linux goes wrong: refused by IPv4, the same socket then speaks IPv6 by IPv4. */
Test(socket, a_refused_socket_can_change_family)
{
	int lfd = listener(8), fd = rawstack_socket(client, AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_storage ss;
	socklen_t len = name_of(false, addresses[0], PORT + 1, &ss);
	unsigned int before, after, packets;

	cr_assert(rawstack_connect(client, fd, (struct sockaddr *)&ss, len) < 0);
	cr_assert(errno == ECONNREFUSED);
	t_world_sent(w, &packets, &before);
	len = name_of(true, addresses[1], PORT, &ss);
	cr_assert(rawstack_connect(client, fd, (struct sockaddr *)&ss, len) == 0, "%s",
		  strerror(errno));
	t_world_sent(w, &packets, &after);
	cr_assert(after == before, "a native connection has sent IPv4");
	rawstack_close(client, fd);
	rawstack_close(server, lfd);
}

Test(socket, nobody_there_takes_over_three_minutes)
{
	int fd = rawstack_socket(client, AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_storage ss;
	socklen_t len = name_of(false, addresses[0], PORT, &ss);
	uint64_t before = t_world_now(w), took;

	t_world_deaf(w, 1, true);
	cr_assert(rawstack_connect(client, fd, (struct sockaddr *)&ss, len) < 0);
	took = (t_world_now(w) - before) / 1000000000;
	cr_assert(errno == ETIMEDOUT && took >= 180 && took < 400, "%s after %lu s",
		  strerror(errno), (unsigned long)took);
	rawstack_close(client, fd);
}

Test(socket, timeouts_are_kept)
{
	int lfd = listener(8), cfd = dial(addresses[1], 0);
	int sfd = rawstack_accept(server, lfd, NULL, NULL, 0);
	struct timeval tv = {.tv_sec = 2, .tv_usec = 500000}, got;
	socklen_t len = sizeof(got);
	uint64_t before;
	char c;

	cr_assert(rawstack_setsockopt(server, sfd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	cr_assert(rawstack_getsockopt(server, sfd, SOL_SOCKET, SO_RCVTIMEO, &got, &len) == 0);
	cr_assert(got.tv_sec == 2 && got.tv_usec == 500000);
	before = t_world_now(w);
	cr_assert(rawstack_recv(server, sfd, &c, 1, 0) < 0 && errno == EAGAIN);
	cr_assert(t_world_now(w) - before == UINT64_C(2500000000));
	struct pollfd p = {.fd = sfd, .events = POLLIN};
	before = t_world_now(w);
	cr_assert(rawstack_poll(server, &p, 1, 700) == 0);
	cr_assert(t_world_now(w) - before == UINT64_C(700000000));
	cr_assert(rawstack_recv(server, sfd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	rawstack_close(client, cfd);
	rawstack_close(server, sfd);
	rawstack_close(server, lfd);
}

Test(socket, a_call_that_would_sleep_for_good_says_so)
{
	int lfd = listener(8);

	cr_assert(rawstack_accept(server, lfd, NULL, NULL, 0) < 0 && errno == EDEADLK);
	rawstack_close(server, lfd);
}

/* MAY-1, RFC 2525 2.17, and SO_LINGER with no time to linger. */
Test(socket, a_reset_is_told_once)
{
	for (int linger = 0; linger < 2; linger++) {
		int lfd = listener(8), cfd = dial(addresses[linger], 0);
		int sfd = rawstack_accept(server, lfd, NULL, NULL, 0);
		struct linger l = {.l_onoff = linger};
		struct pollfd p = {.fd = cfd, .events = POLLIN | POLLOUT};
		char c;

		cr_assert(rawstack_setsockopt(server, sfd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) ==
			  0);
		cr_assert(linger || rawstack_send(client, cfd, "unread", 6, 0) == 6);
		t_world_run(w, 100000000);
		rawstack_close(server, sfd);
		t_world_run(w, 100000000);
		cr_assert(rawstack_poll(client, &p, 1, 0) == 1);
		cr_assert(p.revents & POLLERR && p.revents & POLLHUP, "%x", p.revents);
		cr_assert(rawstack_recv(client, cfd, &c, 1, 0) < 0 && errno == ECONNRESET);
		cr_assert(rawstack_recv(client, cfd, &c, 1, 0) == 0, "then the end");
		cr_assert(rawstack_send(client, cfd, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
		rawstack_close(client, cfd);
		rawstack_close(server, lfd);
	}
}

/* A megabyte with a reader that sleeps, so that the window closes and opens again. */
Test(socket, a_slow_reader_gets_everything)
{
	enum { TOTAL = 1 << 20 };
	int lfd = listener(8), cfd = dial(addresses[0], SOCK_NONBLOCK), sfd;
	uint8_t *out = malloc(TOTAL), *in = malloc(TOTAL);
	size_t sent = 0, got = 0;

	sfd = rawstack_accept(server, lfd, NULL, NULL, 0);
	for (size_t i = 0; i < TOTAL; i++)
		out[i] = (uint8_t)(i * 31 + (i >> 9));
	t_world_run(w, 10000000);
	while (got < TOTAL) {
		ssize_t n = rawstack_send(client, cfd, out + sent, TOTAL - sent, 0);

		sent += n > 0 ? (size_t)n : 0;
		t_world_run(w, 1000000000);
		n = rawstack_recv(server, sfd, in + got, 100000, MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
		cr_assert(t_world_now(w) < UINT64_C(600000000000), "%zu sent, %zu got", sent, got);
	}
	cr_assert(memcmp(in, out, TOTAL) == 0);
	free(in);
	free(out);
	rawstack_close(client, cfd);
	rawstack_close(server, sfd);
	rawstack_close(server, lfd);
}

Test(socket, waiting_for_all_of_it)
{
	int lfd = listener(8), cfd = dial(addresses[1], 0);
	int sfd = rawstack_accept(server, lfd, NULL, NULL, 0);
	char buf[8];

	rawstack_send(client, cfd, "abc", 3, 0);
	t_world_run(w, 1000000000);
	rawstack_send(client, cfd, "defgh", 5, 0);
	cr_assert(rawstack_recv(server, sfd, buf, 8, MSG_WAITALL) == 8);
	cr_assert(memcmp(buf, "abcdefgh", 8) == 0);
	rawstack_send(client, cfd, "xy", 2, 0);
	rawstack_shutdown(client, cfd, SHUT_WR);
	cr_assert(rawstack_recv(server, sfd, buf, 8, MSG_WAITALL) == 2,
		  "what there was before the end");
	rawstack_close(client, cfd);
	rawstack_close(server, sfd);
	rawstack_close(server, lfd);
}

Test(socket, descriptors_run_out_and_come_back)
{
	int fds[RAWSTACK_SOCKETS_MAX];

	for (int i = 0; i < RAWSTACK_SOCKETS_MAX; i++)
		cr_assert((fds[i] = rawstack_socket(client, AF_INET6, SOCK_DGRAM, 0)) >= 0);
	cr_assert(rawstack_socket(client, AF_INET, SOCK_STREAM, 0) < 0 && errno == EMFILE);
	cr_assert(rawstack_close(client, fds[500]) == 0);
	cr_assert(rawstack_close(client, fds[500]) < 0 && errno == EBADF);
	cr_assert(rawstack_socket(client, AF_INET, SOCK_STREAM, 0) == fds[500]);
	cr_assert(rawstack_socket(client, AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EAFNOSUPPORT);
	cr_assert(rawstack_socket(client, AF_INET, SOCK_RAW, 0) < 0 && errno == ESOCKTNOSUPPORT);
	cr_assert(rawstack_socket(client, AF_INET, SOCK_STREAM, IPPROTO_UDP) < 0 &&
		  errno == EPROTONOSUPPORT);
}

Test(socket, senseless_hosts_are_refused)
{
	struct rawstack_host_config cfg = {.n_addrs = 0};

	cr_assert(rawstack_host_new(&cfg) == NULL && errno == EINVAL);
}
