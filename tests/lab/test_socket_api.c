/* SPDX-License-Identifier: MIT */
/* test_socket_api.c - the same socket calls to the kernel and to the stack: the same answers */
#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/netlink/netns.h"
#include "../unit/t_lab.h"
#include "../unit/t_world.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * A play is a list of calls on two hosts, written once against struct host. It is performed twice,
 * in a lab by the kernel and in a world by the stack, and what each call returned is written down.
 * The two transcripts must be equal line by line.
 */
struct host {
	bool kernel;
	int netns;		 /* the kernel's */
	struct rawstack_host *h; /* the stack's */
};

static struct {
	char *text;
	size_t len, cap;
} transcript;

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list ap;

	if (transcript.cap - transcript.len < 512) {
		transcript.cap = transcript.cap * 2 + 4096;
		transcript.text = realloc(transcript.text, transcript.cap);
		cr_assert(transcript.text);
	}
	va_start(ap, fmt);
	transcript.len += (size_t)vsnprintf(transcript.text + transcript.len, 512, fmt, ap);
	va_end(ap);
}

/* --- one call each, on either --- */

#define CALL(host, name, ...)                                                                      \
	((host)->kernel ? (name)(__VA_ARGS__) : rawstack_##name((host)->h, __VA_ARGS__))

static int x_socket(struct host *o, int family, int type)
{
	return o->kernel ? netns_socket(o->netns, family, type | SOCK_NONBLOCK, 0)
			 : rawstack_socket(o->h, family, type | SOCK_NONBLOCK, 0);
}

static int x_accept(struct host *o, int fd, struct sockaddr *sa, socklen_t *len)
{
	return o->kernel ? accept4(fd, sa, len, SOCK_NONBLOCK)
			 : rawstack_accept(o->h, fd, sa, len, SOCK_NONBLOCK);
}

/* Waits in whatever time the host has; what the other host does goes on meanwhile. */
static short x_poll(struct host *o, int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	if (CALL(o, poll, &p, 1, ms) <= 0)
		return 0;
	return p.revents;
}

static const char *err_name(int rc)
{
	return rc < 0 ? strerrorname_np(errno) : "ok";
}

static const char *sa_text(const struct sockaddr_storage *ss, socklen_t len)
{
	static char text[2][96];
	static int turn;
	char addr[INET6_ADDRSTRLEN] = "?", *out = text[turn ^= 1];
	const struct sockaddr_in *v4 = (const void *)ss;
	const struct sockaddr_in6 *v6 = (const void *)ss;

	if (ss->ss_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, addr, sizeof(addr));
	else if (ss->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, addr, sizeof(addr));
	snprintf(out, 96, "%d %s (%u)", ss->ss_family, addr, len);
	return out;
}

static socklen_t sa_of(struct sockaddr_storage *ss, int family, const char *address, uint16_t port)
{
	struct sockaddr_in *v4 = (void *)ss;
	struct sockaddr_in6 *v6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		v4->sin_port = htons(port);
		cr_assert(inet_pton(AF_INET, address, &v4->sin_addr) == 1, "%s", address);
		return sizeof(*v4);
	}
	v6->sin6_port = htons(port);
	cr_assert(inet_pton(AF_INET6, address, &v6->sin6_addr) == 1, "%s", address);
	return sizeof(*v6);
}

static int x_opt(struct host *o, int fd, int level, int name, int value)
{
	return CALL(o, setsockopt, fd, level, name, &value, sizeof(value));
}

static int x_get(struct host *o, int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return CALL(o, getsockopt, fd, level, name, &value, &len) < 0 ? -errno : value;
}

static void say_names(struct host *o, int fd, bool with_peer)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	int rc = CALL(o, getsockname, fd, (struct sockaddr *)&ss, &len);

	say(" local %s %s", err_name(rc), rc < 0 ? "" : sa_text(&ss, len));
	if (!with_peer)
		return;
	memset(&ss, 0, sizeof(ss));
	len = sizeof(ss);
	rc = CALL(o, getpeername, fd, (struct sockaddr *)&ss, &len);
	say(" peer %s %s", err_name(rc), rc < 0 ? "" : sa_text(&ss, len));
}

/*
 * The kernel takes what one thread on one CPU sends over a veth in order. So when a datagram has
 * gone there and another one back, all that came of what was sent before has arrived.
 */
static void barrier(struct host *o)
{
	enum { BARRIER_PORT = 9 };
	struct sockaddr_storage ss;
	char c;

	for (int i = 0; i < 2; i++) {
		int rx = netns_socket(o[!i].netns, AF_INET, SOCK_DGRAM, 0);
		int tx = netns_socket(o[i].netns, AF_INET, SOCK_DGRAM, 0);
		struct pollfd p = {.fd = rx, .events = POLLIN};
		socklen_t len =
			sa_of(&ss, AF_INET, i ? "198.51.100.1" : "198.51.100.2", BARRIER_PORT);

		cr_assert(bind(rx, (struct sockaddr *)&ss, len) == 0);
		cr_assert(sendto(tx, "b", 1, 0, (struct sockaddr *)&ss, len) == 1);
		cr_assert(poll(&p, 1, 5000) == 1 && recv(rx, &c, 1, 0) == 1);
		close(rx);
		close(tx);
	}
}

/* Whether anything is there, after all that was on its way has come. */
static bool x_arrived(struct host *o, int i, int fd)
{
	if (o->kernel)
		barrier(o);
	return x_poll(&o[i], fd, POLLIN, o->kernel ? 0 : 100);
}

/* --- the plays --- */

enum { PORT = 7000, LONG_MS = 3000 };

struct server {
	int family;
	const char *address; /* NULL: nobody */
	int v6only;	     /* -1: not said */
};

static const struct server servers[] = {
	{AF_INET, "0.0.0.0", -1},
	{AF_INET, "198.51.100.2", -1},
	{AF_INET, "198.51.100.3", -1},
	{AF_INET6, "::", 0},
	{AF_INET6, "::", -1},
	{AF_INET6, "::", 1},
	{AF_INET6, "2001:db8:1::2", 0},
	{AF_INET6, "2001:db8:1::2", 1},
	{AF_INET6, "::ffff:198.51.100.2", 0},
	{AF_INET6, "::ffff:198.51.100.2", 1},
	{AF_INET6, "::ffff:0.0.0.0", 0},
	{AF_INET6, "::ffff:0.0.0.0", 1},
	{AF_INET6, "::ffff:198.51.100.99", 0},
	{AF_INET6, "2001:db8:1::99", 0},
	{AF_INET6, "::198.51.100.2", 0},
	{AF_INET, "198.51.100.99", -1},
	{0, NULL, 0},
};

struct client {
	int family;
	int v6only;
	const char *bind; /* NULL: not bound */
	int to_family;
	const char *to;
};

static const struct client clients[] = {
	{AF_INET, -1, NULL, AF_INET, "198.51.100.2"},
	{AF_INET6, -1, NULL, AF_INET6, "2001:db8:1::2"},
	{AF_INET6, -1, NULL, AF_INET6, "::ffff:198.51.100.2"},
	{AF_INET6, 1, NULL, AF_INET6, "::ffff:198.51.100.2"},
	{AF_INET6, 1, NULL, AF_INET6, "2001:db8:1::2"},
	{AF_INET, -1, NULL, AF_INET6, "2001:db8:1::2"},
	{AF_INET6, -1, NULL, AF_INET, "198.51.100.2"},
	{AF_INET6, -1, "::ffff:198.51.100.1", AF_INET6, "2001:db8:1::2"},
	{AF_INET6, -1, "::ffff:0.0.0.0", AF_INET6, "2001:db8:1::2"},
	{AF_INET6, -1, "::ffff:198.51.100.1", AF_INET6, "::ffff:198.51.100.2"},
	{AF_INET6, -1, "2001:db8:1::1", AF_INET6, "::ffff:198.51.100.2"},
	{AF_INET6, -1, "2001:db8:1::1", AF_INET6, "2001:db8:1::2"},
	{AF_INET6, -1, "::", AF_INET6, "::ffff:198.51.100.2"},
	{AF_INET6, -1, "::", AF_INET6, "2001:db8:1::2"},
	{AF_INET6, 1, "::", AF_INET6, "::ffff:198.51.100.2"},
	{AF_INET6, -1, NULL, AF_INET6, "::ffff:0:198.51.100.2"},
	{AF_INET6, -1, NULL, AF_INET6, "64:ff9b::198.51.100.2"},
	{AF_INET6, -1, NULL, AF_INET6, "::198.51.100.2"},
	{AF_INET, -1, NULL, AF_INET, "198.51.100.3"},
	{AF_INET6, -1, NULL, AF_INET6, "2001:db8:1::3"},
};

/* Binds as @s says; the descriptor, or -1 when something was refused (which was written down). */
static int play_server(struct host *o, const struct server *s, int type)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, rc;

	if (!s->address)
		return -1;
	fd = x_socket(o, s->family, type);
	cr_assert(fd >= 0, "socket: %s", strerror(errno));
	if (s->v6only >= 0)
		say("v6only %s ", err_name(x_opt(o, fd, IPPROTO_IPV6, IPV6_V6ONLY, s->v6only)));
	len = sa_of(&ss, s->family, s->address, PORT);
	rc = CALL(o, bind, fd, (struct sockaddr *)&ss, len);
	say("bind %s", err_name(rc));
	if (rc == 0 && type == SOCK_STREAM) {
		rc = CALL(o, listen, fd, 8);
		say(" listen %s", err_name(rc));
	}
	if (rc < 0) {
		CALL(o, close, fd);
		return -1;
	}
	say(" only %d", x_get(o, fd, IPPROTO_IPV6, IPV6_V6ONLY));
	say_names(o, fd, false);
	return fd;
}

static int play_client(struct host *o, const struct client *c, int type)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = x_socket(o, c->family, type), rc;

	cr_assert(fd >= 0);
	if (c->v6only >= 0)
		x_opt(o, fd, IPPROTO_IPV6, IPV6_V6ONLY, c->v6only);
	if (c->bind) {
		len = sa_of(&ss, c->family, c->bind, 0);
		rc = CALL(o, bind, fd, (struct sockaddr *)&ss, len);
		say(" cbind %s", err_name(rc));
	}
	return fd;
}

static void stream_talk(struct host *server, int lfd, struct host *client, int cfd)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	char buf[16] = {0};
	int fd;

	x_poll(server, lfd, POLLIN, LONG_MS);
	fd = x_accept(server, lfd, (struct sockaddr *)&ss, &len);
	say(" accept %s", err_name(fd));
	if (fd < 0)
		return;
	say(" %s", sa_text(&ss, len));
	say_names(server, fd, true);
	say(" domain %d only %d", x_get(server, fd, SOL_SOCKET, SO_DOMAIN),
	    x_get(server, fd, IPPROTO_IPV6, IPV6_V6ONLY));
	say(" recv %zd", CALL(server, recv, fd, buf, sizeof(buf), 0));
	say(" send %zd", CALL(client, send, cfd, "hello", 5, 0));
	x_poll(server, fd, POLLIN, LONG_MS);
	say(" recv %zd %s", CALL(server, recv, fd, buf, sizeof(buf), 0), buf);
	say(" shut %s", err_name(CALL(client, shutdown, cfd, SHUT_WR)));
	say(" send %s", err_name((int)CALL(client, send, cfd, "x", 1, MSG_NOSIGNAL)));
	x_poll(server, fd, POLLIN, LONG_MS);
	say(" eof %zd", CALL(server, recv, fd, buf, sizeof(buf), 0));
	say(" send %zd", CALL(server, send, fd, "bye", 3, MSG_NOSIGNAL));
	x_poll(client, cfd, POLLIN, LONG_MS);
	say(" recv %zd", CALL(client, recv, cfd, buf, sizeof(buf), 0));
	CALL(server, close, fd);
	x_poll(client, cfd, POLLIN, LONG_MS);
	say(" eof %zd", CALL(client, recv, cfd, buf, sizeof(buf), 0));
}

static void play_stream(struct host *o, const struct server *s, const struct client *c)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int lfd, cfd, rc;

	say("TCP %s only %d < %s only %d bound %s to %s: ", s->address ? s->address : "nobody",
	    s->v6only, c->family == AF_INET ? "v4" : "v6", c->v6only, c->bind ? c->bind : "-",
	    c->to);
	lfd = play_server(&o[1], s, SOCK_STREAM);
	cfd = play_client(&o[0], c, SOCK_STREAM);
	len = sa_of(&ss, c->to_family, c->to, PORT);
	rc = CALL(&o[0], connect, cfd, (struct sockaddr *)&ss, len);
	say(" connect %s", err_name(rc));
	if (rc < 0 && errno == EINPROGRESS) {
		x_poll(&o[0], cfd, POLLOUT, LONG_MS);
		rc = x_get(&o[0], cfd, SOL_SOCKET, SO_ERROR);
		say(" then %s", rc == 0 ? "ok" : strerrorname_np(rc));
		say_names(&o[0], cfd, true);
		if (rc == 0 && lfd >= 0)
			stream_talk(&o[1], lfd, &o[0], cfd);
	}
	CALL(&o[0], close, cfd);
	if (lfd >= 0)
		CALL(&o[1], close, lfd);
	say("\n");
}

/* Waits for what comes to either end of a datagram exchange, or a while for nothing. */
static void dgram_talk(struct host *o, int sfd, int cfd)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	char buf[16] = {0};
	ssize_t n;

	if (sfd >= 0 && x_arrived(o, 1, sfd)) {
		n = CALL(&o[1], recvfrom, sfd, buf, sizeof(buf), 0, (struct sockaddr *)&ss, &len);
		say(" got %zd from %s", n, sa_text(&ss, len));
		n = CALL(&o[1], sendto, sfd, "answer", 6, 0, (struct sockaddr *)&ss, len);
		say(" answer %zd", n);
	}
	if (!x_arrived(o, 0, cfd)) {
		say(" nothing");
		return;
	}
	memset(&ss, 0, sizeof(ss));
	len = sizeof(ss);
	n = CALL(&o[0], recvfrom, cfd, buf, sizeof(buf), 0, (struct sockaddr *)&ss, &len);
	say(" back %s", n < 0 ? strerrorname_np(errno) : sa_text(&ss, len));
}

static void play_dgram(struct host *o, const struct server *s, const struct client *c,
		       bool connected)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int sfd, cfd;
	ssize_t n;
	int rc = 0;

	say("UDP%s %s only %d < %s only %d bound %s to %s: ", connected ? "c" : "",
	    s->address ? s->address : "nobody", s->v6only, c->family == AF_INET ? "v4" : "v6",
	    c->v6only, c->bind ? c->bind : "-", c->to);
	sfd = play_server(&o[1], s, SOCK_DGRAM);
	cfd = play_client(&o[0], c, SOCK_DGRAM);
	len = sa_of(&ss, c->to_family, c->to, PORT);
	if (connected) {
		rc = CALL(&o[0], connect, cfd, (struct sockaddr *)&ss, len);
		say(" connect %s", err_name(rc));
		say_names(&o[0], cfd, true);
	}
	n = connected ? CALL(&o[0], send, cfd, "ask", 3, 0)
		      : CALL(&o[0], sendto, cfd, "ask", 3, 0, (struct sockaddr *)&ss, len);
	say(" send %s", err_name((int)n));
	if (n >= 0)
		dgram_talk(o, sfd, cfd);
	CALL(&o[0], close, cfd);
	if (sfd >= 0)
		CALL(&o[1], close, sfd);
	say("\n");
}

static int bound(struct host *o, const struct server *s, int type, int reuse)
{
	struct sockaddr_storage ss;
	int fd = x_socket(o, s->family, type);
	socklen_t len = sa_of(&ss, s->family, s->address, PORT);

	if (s->v6only >= 0)
		x_opt(o, fd, IPPROTO_IPV6, IPV6_V6ONLY, s->v6only);
	if (reuse)
		x_opt(o, fd, SOL_SOCKET, reuse, 1);
	say(" bind %s", err_name(CALL(o, bind, fd, (struct sockaddr *)&ss, len)));
	return fd;
}

/* Two sockets on one port: which may stand side by side. */
static void play_pair(struct host *o, const struct server *a, const struct server *b, int type,
		      int reuse)
{
	int first, second;

	say("%s %s/%d and %s/%d reuse %d:", type == SOCK_STREAM ? "TCP" : "UDP", a->address,
	    a->v6only, b->address, b->v6only, reuse);
	first = bound(o, a, type, reuse);
	second = bound(o, b, type, reuse);
	if (type == SOCK_STREAM) {
		say(" listen %s", err_name(CALL(o, listen, first, 8)));
		say(" listen %s", err_name(CALL(o, listen, second, 8)));
	}
	CALL(o, close, first);
	CALL(o, close, second);
	say("\n");
}

/* Calls in states where they are refused, and what they change. */
static void play_states(struct host *o, int family)
{
	int fd = x_socket(o, family, SOCK_STREAM), other;
	const char *to = family == AF_INET ? "198.51.100.2" : "2001:db8:1::2";
	const char *any = family == AF_INET ? "0.0.0.0" : "::";
	struct sockaddr_storage ss;
	socklen_t len = sa_of(&ss, family, to, PORT);
	char c;

	say("states %d:", family);
	say(" recv %s", err_name((int)CALL(o, recv, fd, &c, 1, 0)));
	say(" send %s", err_name((int)CALL(o, send, fd, "x", 1, MSG_NOSIGNAL)));
	say(" shut %s", err_name(CALL(o, shutdown, fd, SHUT_RDWR)));
	say(" shut %s", err_name(CALL(o, shutdown, fd, 9)));
	say(" accept %s", err_name(x_accept(o, fd, NULL, NULL)));
	say_names(o, fd, true);
	say(" poll %x", x_poll(o, fd, POLLIN | POLLOUT, 0));
	say(" connect %s", err_name(CALL(o, connect, fd, (struct sockaddr *)&ss, len)));
	say(" poll %x", x_poll(o, fd, POLLOUT, LONG_MS));
	say(" connect %s", err_name(CALL(o, connect, fd, (struct sockaddr *)&ss, len)));
	say(" poll %x", x_poll(o, fd, POLLOUT, 0));
	say(" connect %s", err_name(CALL(o, connect, fd, (struct sockaddr *)&ss, len)));
	x_poll(o, fd, POLLOUT, LONG_MS);
	say(" error %d", x_get(o, fd, SOL_SOCKET, SO_ERROR));
	say(" connect %s", err_name(CALL(o, connect, fd, (struct sockaddr *)&ss, len)));
	CALL(o, close, fd);

	fd = x_socket(o, family, SOCK_STREAM);
	len = sa_of(&ss, family, any, 0);
	say(" bind %s", err_name(CALL(o, bind, fd, (struct sockaddr *)&ss, len)));
	say(" bind %s", err_name(CALL(o, bind, fd, (struct sockaddr *)&ss, len)));
	say(" only %s", err_name(x_opt(o, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)));
	say(" listen %s", err_name(CALL(o, listen, fd, 1)));
	say(" listen %s", err_name(CALL(o, listen, fd, 2)));
	say(" acceptconn %d", x_get(o, fd, SOL_SOCKET, SO_ACCEPTCONN));
	say(" connect %s", err_name(CALL(o, connect, fd, (struct sockaddr *)&ss, len)));
	say(" accept %s", err_name(x_accept(o, fd, NULL, NULL)));
	say(" recv %s", err_name((int)CALL(o, recv, fd, &c, 1, 0)));
	say(" send %s", err_name((int)CALL(o, send, fd, "x", 1, MSG_NOSIGNAL)));
	CALL(o, close, fd);

	fd = x_socket(o, family, SOCK_DGRAM);
	say(" dgram: listen %s", err_name(CALL(o, listen, fd, 1)));
	say(" accept %s", err_name(x_accept(o, fd, NULL, NULL)));
	say(" send %s", err_name((int)CALL(o, send, fd, "x", 1, 0)));
	say(" recv %s", err_name((int)CALL(o, recv, fd, &c, 1, 0)));
	say_names(o, fd, true);
	say(" nodelay %s", err_name(x_opt(o, fd, IPPROTO_TCP, TCP_NODELAY, 1)));
	CALL(o, close, fd);
	other = x_socket(o, family, SOCK_STREAM);
	say(" type %d domain %d protocol %d", x_get(o, other, SOL_SOCKET, SO_TYPE),
	    x_get(o, other, SOL_SOCKET, SO_DOMAIN), x_get(o, other, SOL_SOCKET, SO_PROTOCOL));
	say(" option %s %s", err_name(x_opt(o, other, SOL_SOCKET, 12345, 1)),
	    err_name(x_opt(o, other, IPPROTO_IPV6, IPV6_V6ONLY, 1)));
	say(" only %d", x_get(o, other, IPPROTO_IPV6, IPV6_V6ONLY));
	CALL(o, close, other);
	say(" closed %s\n", err_name(CALL(o, close, other)));
}

/* Addresses of the wrong length or family. */
static void play_addresses(struct host *o, int family, int type)
{
	static const socklen_t lens[] = {0, 1, 2, 8, 15, 16, 23, 24, 27, 28, 128, 129};
	struct sockaddr_storage ss[2];

	say("addresses %d %d:", family, type);
	for (int f = 0; f < 2; f++) {
		int given = f ? AF_INET6 : AF_INET;

		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			int fd = x_socket(o, family, type);

			sa_of(&ss[0], given, f ? "2001:db8:1::1" : "198.51.100.1", 0);
			say(" %d/%u bind %s", given, lens[i],
			    err_name(CALL(o, bind, fd, (struct sockaddr *)&ss[0], lens[i])));
			CALL(o, close, fd);
			fd = x_socket(o, family, type);
			sa_of(&ss[0], given, f ? "2001:db8:1::2" : "198.51.100.2", PORT);
			say(" connect %s",
			    err_name(CALL(o, connect, fd, (struct sockaddr *)&ss[0], lens[i])));
			CALL(o, close, fd);
		}
	}
	say("\n");
}

static void perform(struct host *o)
{
	enum {
		SERVERS = sizeof(servers) / sizeof(servers[0]),
		CLIENTS = sizeof(clients) / sizeof(clients[0])
	};

	for (int i = 0; i < SERVERS * CLIENTS; i++)
		play_stream(o, &servers[i / CLIENTS], &clients[i % CLIENTS]);
	for (int i = 0; i < SERVERS * CLIENTS; i++) {
		play_dgram(o, &servers[i / CLIENTS], &clients[i % CLIENTS], false);
		play_dgram(o, &servers[i / CLIENTS], &clients[i % CLIENTS], true);
	}
	for (int i = 0; i < (SERVERS - 1) * (SERVERS - 1); i++) {
		static const int reuse[] = {0, SO_REUSEADDR, SO_REUSEPORT};

		for (int k = 0; k < 6; k++)
			play_pair(&o[1], &servers[i / (SERVERS - 1)], &servers[i % (SERVERS - 1)],
				  k & 1 ? SOCK_DGRAM : SOCK_STREAM, reuse[k / 2]);
	}
	for (int f = 0; f < 2; f++) {
		play_states(&o[0], f ? AF_INET6 : AF_INET);
		play_addresses(&o[0], f ? AF_INET6 : AF_INET, SOCK_STREAM);
		play_addresses(&o[0], f ? AF_INET6 : AF_INET, SOCK_DGRAM);
	}
}

static char *take_transcript(void)
{
	char *text = transcript.text;

	transcript.text = NULL;
	transcript.len = transcript.cap = 0;
	return text;
}

static void compare(char *kernel, char *stack)
{
	char *k_at, *s_at, *k = strtok_r(kernel, "\n", &k_at), *s = strtok_r(stack, "\n", &s_at);
	int lines = 0, differ = 0;

	for (; k && s; k = strtok_r(NULL, "\n", &k_at), s = strtok_r(NULL, "\n", &s_at)) {
		lines++;
		if (strcmp(k, s) == 0)
			continue;
		if (++differ <= 12)
			fprintf(stderr, "kernel: %s\nstack:  %s\n", k, s);
	}
	cr_assert(!k && !s && lines > 1000, "%d lines", lines);
	cr_assert(differ == 0, "%d of %d lines differ", differ, lines);
}

static void pin_to_one_cpu(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	cr_assert(cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) == 0, "%s", strerror(errno));
}

Test(socket_api, the_stack_answers_as_the_kernel_does, .timeout = 120)
{
	struct t_world *w = t_world_new();
	struct host world[2] = {{.h = t_world_host(w, 0)}, {.h = t_world_host(w, 1)}};
	struct host real[2] = {{.kernel = true}, {.kernel = true}};
	char *kernel, *stack;
	struct lab lab;

	t_lab_make(&lab);
	for (int i = 0; i < 2; i++)
		real[i].netns = lab.host[i].netns_fd;
	pin_to_one_cpu();
	perform(real);
	kernel = take_transcript();
	perform(world);
	stack = take_transcript();
	compare(kernel, stack);
	free(kernel);
	free(stack);
	t_world_free(w);
	lab_destroy(&lab);
}
