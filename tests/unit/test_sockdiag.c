/* SPDX-License-Identifier: MIT */
/* test_sockdiag.c - dumps, look-ups and destroy events of sockets in a lab */
#include "../../rawstack/netlink/sockdiag.h"
#include "../../rawstack/netlink/netns.h"
#include "t_lab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

enum {
	PORT = 7000,
	OTHER_PORT = 7001,
	PAYLOAD = 3000, /* more than two segments */
	ENTRIES_MAX = 64,
	DEADLINE_MS = 2000,
	CLOSES = 300,
	SOCKETS = 800,	 /* entries of over 64 KiB; below the usual RLIMIT_NOFILE */
	ESTABLISHED = 1, /* states, as in <netinet/tcp.h>, which clashes with <linux/tcp.h> */
	CLOSE = 7,
	LISTEN = 10,
};

TestSuite(sockdiag, .init = t_lab_rights, .timeout = 30);

/* How one connection is made, and what is expected to be seen of it. */
struct kind {
	const char *name;
	int server_family, client_family;
	bool v6only;
	int v6only_seen;
	int wire_family; /* also of the address the client connects to */
};

static const struct kind kinds[] = {
	{"mapped", AF_INET6, AF_INET, false, 0, AF_INET},
	{"mapped both ends", AF_INET6, AF_INET6, false, 0, AF_INET},
	{"native", AF_INET6, AF_INET6, false, 0, AF_INET6},
	{"native v6only", AF_INET6, AF_INET6, true, 1, AF_INET6},
	{"plain", AF_INET, AF_INET, false, -1, AF_INET},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* A connection of some kind in a lab of its own. */
struct scene {
	const struct kind *kind;
	struct lab lab;
	int listener, client, server;
	struct endpoint local, peer; /* as the server sees them */
	uint64_t cookie;	     /* of the server's socket */
	struct sockdiag *sd;
	struct sockdiag_events *events;
};

static struct endpoint name_of(int fd, bool peer)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint ep;
	int ret = peer ? getpeername(fd, (struct sockaddr *)&ss, &len)
		       : getsockname(fd, (struct sockaddr *)&ss, &len);

	cr_assert(ret == 0);
	cr_assert(endpoint_from_sockaddr((struct sockaddr *)&ss, len, &ep) >= 0);
	return ep;
}

static void scene_open(struct scene *s, const struct kind *k)
{
	const struct lab_host *server;
	int netns, ret;

	s->kind = k;
	t_lab_make(&s->lab);
	server = &s->lab.host[LAB_SERVER];
	netns = server->netns_fd;
	cr_assert(sockdiag_open(netns, &s->sd) == 0);
	cr_assert(sockdiag_events_open(netns, 0, &s->events) == 0);
	s->listener = t_lab_listen(&s->lab, k->server_family, k->v6only, PORT);
	s->client = t_lab_socket(&s->lab, LAB_CLIENT, k->client_family, SOCK_STREAM, 0);
	ret = t_lab_connect(s->client, k->client_family,
			    k->wire_family == AF_INET ? &server->v4[0] : &server->v6[0], PORT);
	cr_assert(ret == 0, "%s: connect: %s", k->name, strerror(-ret));
	s->server = accept(s->listener, NULL, NULL);
	cr_assert(s->server >= 0);
	s->local = name_of(s->server, false);
	s->peer = name_of(s->server, true);
	s->cookie = t_lab_cookie(s->server);
}

static void scene_close(struct scene *s)
{
	close(s->client);
	close(s->listener);
	sockdiag_events_close(s->events);
	sockdiag_close(s->sd);
	lab_destroy(&s->lab);
}

struct found {
	struct sockdiag_entry e[ENTRIES_MAX];
	int n;
};

static void collect(const struct sockdiag_entry *e, void *arg)
{
	struct found *f = arg;

	cr_assert(f->n < ENTRIES_MAX);
	f->e[f->n++] = *e;
}

static const struct sockdiag_entry *by_cookie(const struct found *f, uint64_t cookie)
{
	for (int i = 0; i < f->n; i++)
		if (f->e[i].cookie == cookie)
			return &f->e[i];
	return NULL;
}

/* Reads events until the socket of @cookie has ended. */
static struct sockdiag_entry await_end(struct sockdiag_events *ev, uint64_t cookie)
{
	struct pollfd p = {.fd = sockdiag_events_fd(ev), .events = POLLIN};
	uint64_t end_ms = t_lab_now_ms() + DEADLINE_MS;
	struct found f = {.n = 0};

	while (!by_cookie(&f, cookie) && t_lab_now_ms() < end_ms) {
		poll(&p, 1, DEADLINE_MS);
		cr_assert(sockdiag_events_read(ev, collect, &f) >= 0);
	}
	cr_assert(by_cookie(&f, cookie), "no destroy event");
	return *by_cookie(&f, cookie);
}

static void check_entry(const struct scene *s, const struct sockdiag_entry *e)
{
	const char *name = s->kind->name;

	cr_assert(e->family == s->kind->server_family, "%s", name);
	cr_assert(e->proto == IPPROTO_TCP, "%s", name);
	cr_assert(e->cookie == s->cookie, "%s", name);
	cr_assert(endpoint_eq(&e->src, &s->local), "%s", name);
	cr_assert(endpoint_eq(&e->dst, &s->peer), "%s", name);
	cr_assert(addr_is_mapped(&e->src.addr) == (s->kind->wire_family == AF_INET), "%s", name);
	cr_assert(e->src.scope == 0 && e->dst.scope == 0, "%s", name);
	cr_assert(e->has_info, "%s", name);
}

Test(sockdiag, a_dump_of_the_sockets_own_family_shows_listener_and_connection)
{
	for (int i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];
		const struct sockdiag_entry *e;
		struct found f = {.n = 0};
		struct scene s;
		int ret;

		scene_open(&s, k);
		ret = sockdiag_dump(s.sd, IPPROTO_TCP, k->server_family, PORT, collect, &f);
		cr_assert(ret == 2 && f.n == 2, "%s: %d", k->name, ret);
		e = by_cookie(&f, t_lab_cookie(s.listener));
		cr_assert(e && e->state == LISTEN && e->src.port == PORT, "%s", k->name);
		cr_assert(addr_is_any(&e->src.addr) && e->dst.port == 0, "%s", k->name);
		cr_assert(e->v6only == k->v6only_seen, "%s: %d", k->name, e->v6only);
		cr_assert(!e->has_info && !e->destroyed, "%s", k->name);
		e = by_cookie(&f, s.cookie);
		cr_assert(e && e->state == ESTABLISHED && e->inode && !e->destroyed, "%s", k->name);
		cr_assert(e->v6only == -1, "%s", k->name);
		check_entry(&s, e);
		/* MTU 1500 less headers and time stamps. */
		cr_assert(e->advmss == (k->wire_family == AF_INET ? 1448 : 1428), "%s: %u", k->name,
			  e->advmss);
		close(s.server);
		scene_close(&s);
	}
}

Test(sockdiag, a_dump_of_the_other_family_or_port_shows_nothing)
{
	for (int i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];
		int other = k->server_family == AF_INET ? AF_INET6 : AF_INET;
		struct found f = {.n = 0};
		struct scene s;

		scene_open(&s, k);
		cr_assert(sockdiag_dump(s.sd, IPPROTO_TCP, other, 0, collect, &f) == 0, "%s",
			  k->name);
		cr_assert(sockdiag_dump(s.sd, IPPROTO_TCP, k->server_family, OTHER_PORT, collect,
					&f) == 0);
		cr_assert(sockdiag_dump(s.sd, IPPROTO_UDP, k->server_family, 0, collect, &f) == 0);
		cr_assert(sockdiag_dump(s.sd, IPPROTO_TCP, k->server_family, 0, collect, &f) == 2);
		close(s.server);
		scene_close(&s);
	}
}

Test(sockdiag, a_lookup_in_the_wire_family_finds_the_accepted_socket)
{
	for (int i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];
		struct sockdiag_entry e;
		struct scene s;

		scene_open(&s, k);
		cr_assert(sockdiag_get(s.sd, IPPROTO_TCP, k->wire_family, &s.local, &s.peer, &e) ==
				  0,
			  "%s", k->name);
		cr_assert(e.state == ESTABLISHED, "%s", k->name);
		check_entry(&s, &e);
		close(s.server);
		scene_close(&s);
	}
}

Test(sockdiag, a_lookup_of_another_peer_finds_the_listener_and_of_another_port_nothing)
{
	for (int i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];
		struct endpoint local, peer;
		struct sockdiag_entry e;
		struct scene s;

		scene_open(&s, k);
		local = s.local;
		peer = s.peer;
		peer.port ^= 1;
		cr_assert(sockdiag_get(s.sd, IPPROTO_TCP, k->wire_family, &local, &peer, &e) == 0);
		cr_assert(e.state == LISTEN && e.cookie == t_lab_cookie(s.listener), "%s", k->name);
		local.port = OTHER_PORT;
		cr_assert(sockdiag_get(s.sd, IPPROTO_TCP, k->wire_family, &local, &peer, &e) ==
				  -ENOENT,
			  "%s", k->name);
		if (k->wire_family == AF_INET6)
			cr_assert(sockdiag_get(s.sd, IPPROTO_TCP, AF_INET, &local, &peer, &e) ==
				  -EAFNOSUPPORT);
		close(s.server);
		scene_close(&s);
	}
}

/* Sends PAYLOAD bytes to the server, then both close; the client first. Returns its segments. */
static uint32_t talk_and_close(struct scene *s)
{
	static char data[PAYLOAD];
	struct tcp_info info;
	socklen_t len = sizeof(info);
	ssize_t n, sum = 0;

	cr_assert(send(s->client, data, sizeof(data), 0) == PAYLOAD);
	cr_assert(shutdown(s->client, SHUT_WR) == 0);
	while ((n = recv(s->server, data, sizeof(data), 0)) > 0)
		sum += n;
	cr_assert(n == 0 && sum == PAYLOAD);
	cr_assert(close(s->server) == 0);
	cr_assert(recv(s->client, data, 1, 0) == 0, "the server's FIN");
	cr_assert(getsockopt(s->client, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	return info.tcpi_segs_out;
}

Test(sockdiag, the_destroy_event_has_the_same_identity_and_the_final_counters)
{
	for (int i = 0; i < KINDS; i++) {
		struct sockdiag_entry e;
		uint32_t client_segs;
		struct scene s;

		scene_open(&s, &kinds[i]);
		client_segs = talk_and_close(&s);
		e = await_end(s.events, s.cookie);
		cr_assert(e.destroyed && e.state == CLOSE, "%s", kinds[i].name);
		check_entry(&s, &e);
		cr_assert(e.segs_in == client_segs, "%s: %u of %u segments", kinds[i].name,
			  e.segs_in, client_segs);
		cr_assert(e.segs_in >= 5, "SYN, ACK, data, FIN, ACK of FIN");
		cr_assert(e.bytes_received == PAYLOAD + 1, "%s: payload and FIN", kinds[i].name);
		cr_assert(e.bytes_acked == 1, "%s: our FIN", kinds[i].name);
		cr_assert(sockdiag_events_lost(s.events) == 0);
		scene_close(&s);
	}
}

Test(sockdiag, connected_udp_sockets_are_dumped_looked_up_and_their_end_is_told)
{
	for (int i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];
		const struct sockdiag_entry *e;
		const struct lab_host *client;
		struct sockdiag_events *events;
		struct sockdiag_entry got;
		struct found f = {.n = 0};
		struct endpoint local, peer;
		struct sockdiag *sd;
		struct lab lab;
		uint64_t cookie;
		int fd;

		t_lab_make(&lab);
		client = &lab.host[LAB_CLIENT];
		cr_assert(sockdiag_open(lab.host[LAB_SERVER].netns_fd, &sd) == 0);
		cr_assert(sockdiag_events_open(lab.host[LAB_SERVER].netns_fd, 0, &events) == 0);
		fd = t_lab_socket(&lab, LAB_SERVER, k->server_family, SOCK_DGRAM, PORT);
		cookie = t_lab_cookie(fd);
		cr_assert(sockdiag_dump(sd, IPPROTO_UDP, k->server_family, PORT, collect, &f) == 1);
		cr_assert(f.e[0].cookie == cookie && f.e[0].state == CLOSE, "unconnected");
		cr_assert(f.e[0].v6only == (k->server_family == AF_INET6 ? 0 : -1));

		cr_assert(t_lab_connect(fd, k->server_family,
					k->wire_family == AF_INET ? &client->v4[0] : &client->v6[0],
					OTHER_PORT) == 0);
		local = name_of(fd, false);
		peer = name_of(fd, true);
		f.n = 0;
		cr_assert(sockdiag_dump(sd, IPPROTO_UDP, k->server_family, PORT, collect, &f) == 1);
		e = &f.e[0];
		cr_assert(e->cookie == cookie && e->state == ESTABLISHED, "%s", k->name);
		cr_assert(e->family == k->server_family && e->proto == IPPROTO_UDP, "%s", k->name);
		cr_assert(endpoint_eq(&e->src, &local) && endpoint_eq(&e->dst, &peer), "%s",
			  k->name);
		cr_assert(!e->has_info, "%s", k->name);
		cr_assert(sockdiag_get(sd, IPPROTO_UDP, k->wire_family, &local, &peer, &got) == 0,
			  "%s", k->name);
		cr_assert(got.cookie == cookie && endpoint_eq(&got.dst, &peer), "%s", k->name);

		close(fd);
		got = await_end(events, cookie);
		cr_assert(got.destroyed && got.proto == IPPROTO_UDP && !got.has_info, "%s",
			  k->name);
		cr_assert(got.family == k->server_family, "%s", k->name);
		sockdiag_events_close(events);
		sockdiag_close(sd);
		lab_destroy(&lab);
	}
}

Test(sockdiag, an_unconnected_dual_stack_udp_socket_is_found_for_plain_ipv4)
{
	struct sockdiag_entry e;
	struct endpoint local = {.port = PORT}, peer = {.port = OTHER_PORT};
	struct sockdiag *sd;
	struct lab lab;
	int fd;

	t_lab_make(&lab);
	local.addr = lab.host[LAB_SERVER].v4[0];
	peer.addr = lab.host[LAB_CLIENT].v4[0];
	cr_assert(sockdiag_open(lab.host[LAB_SERVER].netns_fd, &sd) == 0);
	fd = t_lab_socket(&lab, LAB_SERVER, AF_INET6, SOCK_DGRAM, PORT);
	cr_assert(sockdiag_get(sd, IPPROTO_UDP, AF_INET, &local, &peer, &e) == 0);
	cr_assert(e.cookie == t_lab_cookie(fd) && e.family == AF_INET6 && e.state == CLOSE);
	local.port = OTHER_PORT;
	peer.port = PORT;
	cr_assert(sockdiag_get(sd, IPPROTO_UDP, AF_INET, &local, &peer, &e) == -ENOENT,
		  "local and peer are not interchangeable");
	close(fd);
	sockdiag_close(sd);
	lab_destroy(&lab);
}

static void count_entry(const struct sockdiag_entry *e, void *arg)
{
	int *n = arg;

	cr_assert(e->cookie != 0);
	++*n;
}

Test(sockdiag, a_dump_of_many_receive_buffers_is_complete)
{
	static int fds[SOCKETS];
	struct sockdiag *sd;
	struct lab lab;
	int n = 0;

	t_lab_make(&lab);
	cr_assert(sockdiag_open(lab.host[LAB_SERVER].netns_fd, &sd) == 0);
	for (int i = 0; i < SOCKETS; i++)
		fds[i] = t_lab_socket(&lab, LAB_SERVER, AF_INET6, SOCK_DGRAM, (uint16_t)(PORT + i));
	cr_assert(sockdiag_dump(sd, IPPROTO_UDP, AF_INET6, 0, count_entry, &n) == SOCKETS);
	cr_assert(n == SOCKETS);
	for (int i = 0; i < SOCKETS; i++)
		close(fds[i]);
	sockdiag_close(sd);
	lab_destroy(&lab);
}

static int queue_size(int fd)
{
	int bytes = 0;
	socklen_t len = sizeof(bytes);

	cr_assert(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len) == 0);
	return bytes;
}

Test(sockdiag, events_that_did_not_fit_are_counted_and_later_ones_still_come)
{
	int plain = netns_socket(-1, AF_NETLINK, SOCK_RAW, 0);
	struct sockdiag_events *small, *large;
	int in_small = 0, in_large = 0;
	struct pollfd p;
	uint64_t end_ms;
	struct lab lab;
	uint64_t cookie;
	int netns, fd;

	t_lab_make(&lab);
	netns = lab.host[LAB_SERVER].netns_fd;
	cr_assert(sockdiag_events_open(netns, 4096, &small) == 0);
	cr_assert(sockdiag_events_open(netns, 0, &large) == 0);
	cr_assert(queue_size(sockdiag_events_fd(small)) < queue_size(plain));
	cr_assert(queue_size(sockdiag_events_fd(large)) > queue_size(plain), "not even rmem_max");
	close(plain);
	for (int i = 0; i < CLOSES; i++)
		close(t_lab_socket(&lab, LAB_SERVER, AF_INET6, SOCK_DGRAM, 0));

	p = (struct pollfd){.fd = sockdiag_events_fd(large), .events = POLLIN};
	end_ms = t_lab_now_ms() + DEADLINE_MS;
	while (in_large < CLOSES && t_lab_now_ms() < end_ms) {
		poll(&p, 1, DEADLINE_MS);
		cr_assert(sockdiag_events_read(large, count_entry, &in_large) >= 0);
	}
	cr_assert(in_large == CLOSES && sockdiag_events_lost(large) == 0, "%d events", in_large);
	cr_assert(sockdiag_events_read(small, count_entry, &in_small) == in_small);
	cr_assert(in_small < CLOSES, "nothing was lost");
	cr_assert(sockdiag_events_lost(small) == 1, "%d events, lost %d", in_small,
		  (int)sockdiag_events_lost(small));
	cr_assert(sockdiag_events_read(small, count_entry, &in_small) == 0, "it is drained");

	fd = t_lab_socket(&lab, LAB_SERVER, AF_INET6, SOCK_DGRAM, 0);
	cookie = t_lab_cookie(fd);
	close(fd);
	await_end(small, cookie);
	sockdiag_events_close(small);
	sockdiag_events_close(large);
	lab_destroy(&lab);
}

Test(sockdiag, opening_where_there_is_no_namespace_fails_and_leaves_nothing_open)
{
	int fd = dup(0);
	int fds = t_lab_count_fds();
	struct sockdiag_events *ev = NULL;
	struct sockdiag *sd = NULL;

	cr_assert(sockdiag_open(fd, &sd) < 0 && !sd);
	cr_assert(sockdiag_events_open(fd, 0, &ev) < 0 && !ev);
	cr_assert(t_lab_count_fds() == fds);
	sockdiag_close(NULL);
	sockdiag_events_close(NULL);
}
