/* SPDX-License-Identifier: MIT */
/* test_who_gets_it.c - the rules of dispatch.h against the kernel: sockets that share a port, and
 * real traffic to it */
#include "../../rawstack/netlink/dispatch.h"
#include "../../rawstack/netlink/netns.h"
#include "../unit/t_lab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	SOCKETS_MAX = 4,
	LIST_MAX = 32,
	NOBODY = -1,
	WAIT_MS = 2000,
	TRIES = 3, /* connections to each address: groups split them */
	PORT_FIRST = 7000,
};

TestSuite(who_gets_it, .init = t_lab_rights, .timeout = 60);

/* How a socket is bound. */
struct way {
	const char *name;
	int family;
	enum { ANY, FIRST, SECOND } address;
	bool native; /* of an AF_INET6 socket: not a mapped address */
	bool v6only;
	bool device;
};

static const struct way WAYS[] = {
	{"v4 any", AF_INET, ANY, false, false, false},
	{"v4 S4", AF_INET, FIRST, false, false, false},
	{"v4 S4b", AF_INET, SECOND, false, false, false},
	{":: dual", AF_INET6, ANY, true, false, false},
	{":: only", AF_INET6, ANY, true, true, false},
	{"m(any)", AF_INET6, ANY, false, false, false},
	{"m(S4)", AF_INET6, FIRST, false, false, false},
	{"v6 S6", AF_INET6, FIRST, true, false, false},
	{"v4 any%vb", AF_INET, ANY, false, false, true},
	{"v4 S4%vb", AF_INET, FIRST, false, false, true},
	{":: dual%vb", AF_INET6, ANY, true, false, true},
	{"m(S4)%vb", AF_INET6, FIRST, false, false, true},
	{"v6 S6%vb", AF_INET6, FIRST, true, false, true},
};
enum { N_WAYS = sizeof(WAYS) / sizeof(WAYS[0]) };

/* What lets two sockets share a port. */
enum leave { LEAVE_NONE, LEAVE_REUSEPORT, LEAVE_REUSEADDR };

struct world {
	struct lab lab;
	struct sockdiag *sd;
	enum leave leave;
	int proto;
	uint16_t port;
	const struct way *way[SOCKETS_MAX];
	int fd[SOCKETS_MAX];
	uint64_t cookie[SOCKETS_MAX];
	size_t n;
	/* What the kernel lists, and what is made of it. */
	struct sockdiag_entry list[LIST_MAX];
	size_t n_list;
	struct dispatch_service service[LIST_MAX][2]; /* of IPv4, of IPv6 */
};

static const char *text_of(const struct world *w)
{
	static char buf[160];
	size_t len = (size_t)snprintf(buf, sizeof(buf),
				      "%s, %s:", w->proto == IPPROTO_TCP ? "TCP" : "UDP",
				      w->leave == LEAVE_NONE	    ? "no option"
				      : w->leave == LEAVE_REUSEPORT ? "REUSEPORT"
								    : "REUSEADDR");

	for (size_t i = 0; i < w->n; i++)
		len += (size_t)snprintf(buf + len, sizeof(buf) - len, " [%s]", w->way[i]->name);
	return buf;
}

static struct addr address(const struct world *w, const struct way *way)
{
	const struct lab_host *h = &w->lab.host[LAB_SERVER];

	if (way->address == ANY)
		return way->native ? ADDR_ANY6 : ADDR_ANY4;
	return way->native ? h->v6[way->address - FIRST] : h->v4[way->address - FIRST];
}

static int type_of(const struct world *w)
{
	return w->proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
}

/* Adds a socket that waits. Returns whether the kernel let it. */
static bool add(struct world *w, const struct way *way)
{
	int fd = t_lab_socket(&w->lab, LAB_SERVER, way->family, type_of(w), 0);
	struct endpoint ep = {.addr = address(w, way), .port = w->port};
	struct sockaddr_storage ss;
	int one = 1, only = way->v6only, len = endpoint_to_sockaddr(&ep, way->family, &ss);
	bool ok;

	if (way->family == AF_INET6)
		cr_assert(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) == 0);
	if (w->leave != LEAVE_NONE)
		cr_assert(setsockopt(fd, SOL_SOCKET,
				     w->leave == LEAVE_REUSEPORT ? SO_REUSEPORT : SO_REUSEADDR,
				     &one, sizeof(one)) == 0);
	if (way->device) {
		int ifindex = (int)w->lab.host[LAB_SERVER].ifindex;

		cr_assert(setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, sizeof(ifindex)) ==
			  0);
	}
	cr_assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	ok = bind(fd, (struct sockaddr *)&ss, (socklen_t)len) == 0 &&
	     (w->proto == IPPROTO_UDP || listen(fd, 16) == 0);
	if (!ok) {
		cr_assert(errno == EADDRINUSE, "%s + %s: %m", text_of(w), way->name);
		close(fd);
		return false;
	}
	w->way[w->n] = way;
	w->cookie[w->n] = t_lab_cookie(fd);
	w->fd[w->n++] = fd;
	return true;
}

static void remove_all(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		close(w->fd[i]);
	w->n = 0;
	w->port++;
}

static void keep(const struct sockdiag_entry *e, void *arg)
{
	struct world *w = arg;

	cr_assert(w->n_list < LIST_MAX);
	if (dispatch_waits(e))
		w->list[w->n_list++] = *e;
}

static void predict(struct world *w)
{
	w->n_list = 0;
	cr_assert(sockdiag_dump(w->sd, w->proto, AF_INET, w->port, keep, w) >= 0);
	cr_assert(sockdiag_dump(w->sd, w->proto, AF_INET6, w->port, keep, w) >= 0);
	cr_assert(w->n_list == w->n, "%s: %zu listed", text_of(w), w->n_list);
	for (size_t i = 0; i < w->n_list; i++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct dispatch_service *s = &w->service[i][v6];

			dispatch_service_of(w->list, w->n_list, i, v6, s);
			cr_assert(dispatch_ask(w->sd, w->list, w->n_list, i, s) == 1,
				  "%s: the kernel finds another for %zu", text_of(w), i);
			cr_assert(s->share != DISPATCH_UNKNOWN);
			cr_assert(s->share != DISPATCH_PART || s->group > 1);
		}
}

/* Who has something to read or accept; @client may report a refusal instead. */
static int taker(struct world *w, int client)
{
	struct pollfd fds[SOCKETS_MAX + 1];
	uint64_t deadline = t_lab_now_ms() + WAIT_MS;

	for (size_t i = 0; i < w->n; i++)
		fds[i] = (struct pollfd){.fd = w->fd[i], .events = POLLIN};
	fds[w->n] = (struct pollfd){.fd = client, .events = POLLERR};
	while (t_lab_now_ms() < deadline && poll(fds, w->n + 1, WAIT_MS) > 0) {
		for (size_t i = 0; i < w->n; i++)
			if (fds[i].revents & POLLIN)
				return (int)i;
		if (fds[w->n].revents & POLLERR)
			return NOBODY;
	}
	cr_assert_fail("%s: neither taken nor refused", text_of(w));
	return NOBODY;
}

/* Sends to @dst from one of the hosts and returns which socket got it. */
static int send_to(struct world *w, enum lab_side from, const struct addr *dst)
{
	int family = addr_is_mapped(dst) ? AF_INET : AF_INET6, who = NOBODY, rc;
	int client = t_lab_socket(&w->lab, from, family, type_of(w), 0);
	struct linger now = {.l_onoff = 1};
	char byte = 0;

	cr_assert(setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	rc = t_lab_connect(client, family, dst, w->port);
	cr_assert(rc == 0 || rc == -ECONNREFUSED, "%s: %s", text_of(w), strerror(-rc));
	if (rc == 0 && w->proto == IPPROTO_UDP)
		cr_assert(send(client, "x", 1, 0) == 1);
	if (rc == 0)
		who = taker(w, client);
	if (who != NOBODY && w->proto == IPPROTO_UDP)
		cr_assert(recv(w->fd[who], &byte, 1, 0) == 1 && byte == 'x');
	else if (who != NOBODY)
		close(accept(w->fd[who], NULL, NULL));
	close(client);
	return who;
}

static size_t listed(const struct world *w, int who)
{
	for (size_t i = 0; i < w->n_list; i++)
		if (w->list[i].cookie == w->cookie[who])
			return i;
	cr_assert_fail("%s: %d is not listed", text_of(w), who);
	return 0;
}

static bool is_exception(const struct dispatch_service *s, size_t i)
{
	for (size_t k = 0; k < s->n_except; k++)
		if (s->except[k].who == i)
			return true;
	return false;
}

/* What came of one connection against what was said of each socket. */
static void check(const struct world *w, const struct dispatch_arrival *a, int who,
		  const char *where)
{
	bool v6 = !addr_is_mapped(&a->dst.addr);
	size_t may[LIST_MAX], n = dispatch_find(w->list, w->n_list, a, may, LIST_MAX), at = 0;
	size_t got;

	if (who == NOBODY) {
		cr_assert(n == 0, "%s: nobody got %s, %zu would", text_of(w), where, n);
		return;
	}
	got = listed(w, who);
	while (at < n && may[at] != got)
		at++;
	cr_assert(at < n, "%s: [%s] got %s", text_of(w), w->way[who]->name, where);
	for (size_t i = 0; i < w->n_list; i++) {
		const struct dispatch_service *s = &w->service[i][v6];
		bool takes = dispatch_takes(&w->list[i], a);
		bool shared = s->share == DISPATCH_PART &&
			      dispatch_same_group(&w->list[i], &w->list[got]);

		if (i == got)
			cr_assert(s->share != DISPATCH_NOTHING,
				  "%s: [%s] got %s, was to get nothing", text_of(w),
				  w->way[who]->name, where);
		else if (takes && s->share != DISPATCH_NOTHING)
			cr_assert(shared || is_exception(s, got), "%s: [%s] got %s from socket %zu",
				  text_of(w), w->way[who]->name, where, i);
	}
}

/* Sends to every address from both hosts, and to the server's host's own. */
static void try_all(struct world *w)
{
	static const uint8_t lo4[4] = {127, 0, 0, 1}, lo6[16] = {[15] = 1};
	const struct lab_host *h = &w->lab.host[LAB_SERVER];
	const struct {
		const char *name;
		struct addr addr;
		uint32_t ifindex;
	} dst[] = {
		{"S4", h->v4[0], h->ifindex},  {"S4b", h->v4[1], h->ifindex},
		{"S6", h->v6[0], h->ifindex},  {"S6b", h->v6[1], h->ifindex},
		{"lo4", addr_from_v4(lo4), 1}, {"lo6", addr_from_v6(lo6), 1},
	};

	predict(w);
	for (int side = 0; side < 2; side++)
		for (size_t d = 0; d < sizeof(dst) / sizeof(dst[0]); d++) {
			struct dispatch_arrival a = {.proto = (uint8_t)w->proto,
						     .dst = {.addr = dst[d].addr,
							     .port = w->port,
							     .scope = dst[d].ifindex}};

			if (side == LAB_CLIENT && dst[d].ifindex == 1)
				continue;
			for (int k = 0; k < TRIES; k++)
				check(w, &a, send_to(w, (enum lab_side)side, &a.dst.addr),
				      dst[d].name);
		}
}

static void world_open(struct world *w, int proto, enum leave leave)
{
	*w = (struct world){.proto = proto, .leave = leave, .port = PORT_FIRST};
	t_lab_make(&w->lab);
	cr_assert(sockdiag_open(w->lab.host[LAB_SERVER].netns_fd, &w->sd) == 0);
}

static void world_close(struct world *w)
{
	sockdiag_close(w->sd);
	lab_destroy(&w->lab);
}

/* Every pair of ways, in both orders. Returns how many the kernel let share the port. */
static size_t all_pairs(int proto, enum leave leave)
{
	struct world w;
	size_t shared = 0;

	world_open(&w, proto, leave);
	for (size_t a = 0; a < N_WAYS; a++)
		for (size_t b = 0; b < N_WAYS; b++) {
			cr_assert(add(&w, &WAYS[a]));
			if (add(&w, &WAYS[b])) {
				shared++;
				try_all(&w);
			}
			remove_all(&w);
		}
	world_close(&w);
	return shared;
}

/* Sets of four, the same way several times among them. */
static void random_sets(int proto, enum leave leave, unsigned int seed, size_t sets)
{
	struct world w;

	world_open(&w, proto, leave);
	for (size_t i = 0; i < sets; i++) {
		for (int k = 0; k < SOCKETS_MAX; k++)
			add(&w, &WAYS[(size_t)rand_r(&seed) % N_WAYS]);
		try_all(&w);
		remove_all(&w);
	}
	world_close(&w);
}

Test(who_gets_it, alone_or_where_the_kernel_lets_two_share_a_port_without_an_option)
{
	for (int i = 0; i < 2; i++) {
		struct world w;

		world_open(&w, i ? IPPROTO_UDP : IPPROTO_TCP, LEAVE_NONE);
		for (size_t a = 0; a < N_WAYS; a++) {
			cr_assert(add(&w, &WAYS[a]));
			try_all(&w);
			remove_all(&w);
		}
		world_close(&w);
		cr_assert(all_pairs(i ? IPPROTO_UDP : IPPROTO_TCP, LEAVE_NONE) > 0);
	}
}

Test(who_gets_it, tcp_pairs_with_reuseport)
{
	cr_assert(all_pairs(IPPROTO_TCP, LEAVE_REUSEPORT) == (size_t)N_WAYS * N_WAYS);
}

Test(who_gets_it, udp_pairs_with_reuseport)
{
	cr_assert(all_pairs(IPPROTO_UDP, LEAVE_REUSEPORT) == (size_t)N_WAYS * N_WAYS);
}

Test(who_gets_it, udp_pairs_with_reuseaddr)
{
	cr_assert(all_pairs(IPPROTO_UDP, LEAVE_REUSEADDR) == (size_t)N_WAYS * N_WAYS);
}

Test(who_gets_it, four_at_a_time)
{
	random_sets(IPPROTO_TCP, LEAVE_REUSEPORT, 1, 200);
	random_sets(IPPROTO_UDP, LEAVE_REUSEPORT, 2, 200);
	random_sets(IPPROTO_UDP, LEAVE_REUSEADDR, 3, 200);
}
