/* SPDX-License-Identifier: MIT */
/* test_socket_msg.c - what travels beside datagrams on the stack's sockets; a host on an Ethernet
 */
#include "../../rawstack/wire/eth.h"
#include "t_world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

enum { PORT = 7000, ROOM = 512 };

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

TestSuite(socket_msg, .init = start, .fini = finish);

static socklen_t name_of(const char *address, uint16_t port, uint32_t scope,
			 struct sockaddr_storage *ss)
{
	struct endpoint ep = {.port = port, .scope = scope};

	cr_assert(addr_parse(address, &ep.addr, NULL) == 0);
	return (socklen_t)endpoint_to_sockaddr(&ep, AF_INET6, ss);
}

static int udp_socket(struct rawstack_host *h, const char *address)
{
	int fd = rawstack_socket(h, AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_storage ss;
	socklen_t len = name_of(address, PORT, 0, &ss);

	cr_assert(rawstack_bind(h, fd, (struct sockaddr *)&ss, len) == 0, "%s", strerror(errno));
	return fd;
}

static int set(struct rawstack_host *h, int fd, int level, int name, int value)
{
	return rawstack_setsockopt(h, fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static void send_to(int fd, const char *address)
{
	struct sockaddr_storage ss;
	socklen_t len = name_of(address, PORT, 0, &ss);

	cr_assert(rawstack_sendto(client, fd, "hello", 5, 0, (struct sockaddr *)&ss, len) == 5);
}

struct received {
	struct msghdr hdr;
	struct iovec iov[3];
	char bytes[16];
	_Alignas(struct cmsghdr) uint8_t control[ROOM];
	struct sockaddr_storage name;
};

static ssize_t receive(int fd, size_t room, int flags, struct received *r)
{
	*r = (struct received){.iov = {{r->bytes, 2}, {r->bytes + 2, 0}, {r->bytes + 2, 14}}};
	r->hdr = (struct msghdr){.msg_name = &r->name,
				 .msg_namelen = sizeof(r->name),
				 .msg_iov = r->iov,
				 .msg_iovlen = 3,
				 .msg_control = r->control,
				 .msg_controllen = room};
	return rawstack_recvmsg(server, fd, &r->hdr, flags);
}

/* The message of one kind, NULL: there is none. */
static const uint8_t *message(struct received *r, int level, int type, size_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&r->hdr); c; c = CMSG_NXTHDR(&r->hdr, c)) {
		if (c->cmsg_level != level || c->cmsg_type != type)
			continue;
		cr_assert(c->cmsg_len == CMSG_LEN(len), "%d/%d: %zu bytes", level, type,
			  (size_t)c->cmsg_len);
		return CMSG_DATA(c);
	}
	return NULL;
}

static bool is_address(const uint8_t *bytes, const char *text)
{
	struct addr a;

	cr_assert(addr_parse(text, &a, NULL) == 0);
	return bytes && memcmp(bytes, a.b, sizeof(a.b)) == 0;
}

/* Everything is asked for; what comes tells how the datagram travelled. */
Test(socket_msg, the_messages_are_those_of_the_family_on_the_wire)
{
	static const int wanted[][2] = {
		{IPPROTO_IPV6, IPV6_RECVPKTINFO}, {IPPROTO_IPV6, IPV6_RECVHOPLIMIT},
		{IPPROTO_IPV6, IPV6_RECVTCLASS},  {IPPROTO_IPV6, IPV6_RECVORIGDSTADDR},
		{IPPROTO_IP, IP_PKTINFO},	  {IPPROTO_IP, IP_RECVTTL},
		{IPPROTO_IP, IP_RECVTOS},	  {IPPROTO_IP, IP_RECVORIGDSTADDR},
	};
	int s = udp_socket(server, "::"), c = udp_socket(client, "::");
	struct received r;
	const uint8_t *at;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		socklen_t len = sizeof(int);
		int on = 7;

		cr_assert(rawstack_getsockopt(server, s, wanted[i][0], wanted[i][1], &on, &len) ==
				  0 &&
			  on == 0);
		cr_assert(set(server, s, wanted[i][0], wanted[i][1], 5) == 0);
		cr_assert(rawstack_getsockopt(server, s, wanted[i][0], wanted[i][1], &on, &len) ==
				  0 &&
			  on == 1);
	}
	send_to(c, "::ffff:198.51.100.3");
	cr_assert(receive(s, ROOM, 0, &r) == 5 && r.hdr.msg_flags == 0);
	cr_expect(memcmp(r.bytes, "hello", 5) == 0, "in pieces");
	at = message(&r, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo));
	cr_expect(is_address(at, "::ffff:198.51.100.3"));
	at = message(&r, IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo));
	cr_expect(at &&
		  memcmp(at + offsetof(struct in_pktinfo, ipi_addr), "\306\063\144\003", 4) == 0);
	at = message(&r, IPPROTO_IP, IP_TTL, sizeof(int));
	cr_expect(at && at[0] == 64);
	cr_expect(message(&r, IPPROTO_IP, IP_TOS, 1));
	cr_expect(message(&r, IPPROTO_IP, IP_ORIGDSTADDR, sizeof(struct sockaddr_in)));
	cr_expect(!message(&r, IPPROTO_IPV6, IPV6_HOPLIMIT, 4) &&
		  !message(&r, IPPROTO_IPV6, IPV6_TCLASS, 4));
	send_to(c, "2001:db8:1::2");
	cr_assert(receive(s, ROOM, MSG_PEEK, &r) == 5);
	cr_assert(receive(s, ROOM, 0, &r) == 5);
	at = message(&r, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo));
	cr_expect(is_address(at, "2001:db8:1::2"));
	at = message(&r, IPPROTO_IPV6, IPV6_HOPLIMIT, sizeof(int));
	cr_expect(at && at[0] == 64);
	cr_expect(message(&r, IPPROTO_IPV6, IPV6_TCLASS, sizeof(int)));
	cr_expect(message(&r, IPPROTO_IPV6, IPV6_ORIGDSTADDR, sizeof(struct sockaddr_in6)));
	cr_expect(!message(&r, IPPROTO_IP, IP_PKTINFO, 12) && !message(&r, IPPROTO_IP, IP_TTL, 4));
}

Test(socket_msg, what_does_not_fit_is_cut_and_said)
{
	int s = udp_socket(server, "::"), c = udp_socket(client, "::");
	struct received r;

	cr_assert(set(server, s, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) == 0);
	for (size_t room = 0; room <= CMSG_SPACE(sizeof(struct in6_pktinfo)); room++) {
		bool fits = room >= CMSG_LEN(sizeof(struct in6_pktinfo));

		send_to(c, "2001:db8:1::2");
		cr_assert(receive(s, room, 0, &r) == 5);
		cr_expect(!(r.hdr.msg_flags & MSG_CTRUNC) == fits, "%zu", room);
		cr_expect(r.hdr.msg_controllen <= room, "%zu", room);
	}
	send_to(c, "2001:db8:1::2");
	r.iov[0].iov_len = 2;
	r.hdr = (struct msghdr){.msg_iov = r.iov, .msg_iovlen = 1};
	cr_assert(rawstack_recvmsg(server, s, &r.hdr, 0) == 2);
	cr_expect(r.hdr.msg_flags == (MSG_TRUNC | MSG_CTRUNC) && r.hdr.msg_controllen == 0);
	/* An IPv4 socket has none of IPv6's options. */
	c = rawstack_socket(client, AF_INET, SOCK_DGRAM, 0);
	cr_expect_eq(set(client, c, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1), -ENOPROTOOPT);
	cr_expect_eq(set(client, c, IPPROTO_IP, IP_PKTINFO, 1), 0);
}

struct control {
	_Alignas(struct cmsghdr) uint8_t bytes[64];
	size_t len;
};

static struct control source6(const char *text)
{
	struct control c = {.len = CMSG_SPACE(sizeof(struct in6_pktinfo))};
	struct cmsghdr hdr = {.cmsg_level = IPPROTO_IPV6,
			      .cmsg_type = IPV6_PKTINFO,
			      .cmsg_len = CMSG_LEN(sizeof(struct in6_pktinfo))};
	struct addr a;

	cr_assert(addr_parse(text, &a, NULL) == 0);
	memcpy(c.bytes, &hdr, sizeof(hdr));
	memcpy(c.bytes + CMSG_LEN(0), a.b, sizeof(a.b));
	return c;
}

static int answer(int fd, const char *to, struct control *c)
{
	struct sockaddr_storage ss;
	struct iovec iov[2] = {{"an", 2}, {"swer", 4}};
	struct msghdr m = {.msg_name = &ss,
			   .msg_namelen = name_of(to, PORT, 0, &ss),
			   .msg_iov = iov,
			   .msg_iovlen = 2,
			   .msg_control = c->bytes,
			   .msg_controllen = c->len};
	ssize_t n = rawstack_sendmsg(server, fd, &m, 0);

	return n < 0 ? -errno : (int)n;
}

Test(socket_msg, a_source_is_taken_where_it_can_be)
{
	static const struct {
		const char *source, *to;
		int result;
		const char *from;
	} rows[] = {
		{"::ffff:198.51.100.3", "::ffff:198.51.100.1", 6, "::ffff:198.51.100.3"},
		{"2001:db8:1::3", "2001:db8:1::1", 6, "2001:db8:1::3"},
		{"2001:db8:1::2", "2001:db8:1::1", 6, "2001:db8:1::2"},
		{"2001:db8:1::2", "::ffff:198.51.100.1", -EINVAL, NULL},
		{"::ffff:198.51.100.3", "2001:db8:1::1", -EINVAL, NULL},
		{"2001:db8:1::99", "2001:db8:1::1", -ENETUNREACH, NULL},
	};
	int s = udp_socket(server, "::"), c = udp_socket(client, "::");
	struct sockaddr_storage ss;
	struct control control;
	char buf[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		socklen_t len = sizeof(ss);
		struct endpoint ep;

		control = source6(rows[i].source);
		cr_expect_eq(answer(s, rows[i].to, &control), rows[i].result, "%zu", i);
		if (!rows[i].from)
			continue;
		cr_assert(rawstack_recvfrom(client, c, buf, sizeof(buf), 0, (struct sockaddr *)&ss,
					    &len) == 6);
		cr_expect(memcmp(buf, "answer", 6) == 0);
		cr_assert(endpoint_from_sockaddr((struct sockaddr *)&ss, len, &ep) >= 0);
		cr_expect(is_address(ep.addr.b, rows[i].from), "%zu", i);
	}
	/* Lengths that lie. */
	control = source6("2001:db8:1::2");
	for (size_t len = 0; len < CMSG_LEN(sizeof(struct in6_pktinfo)); len++) {
		memcpy(control.bytes, &len, sizeof(len));
		cr_expect_eq(answer(s, "2001:db8:1::1", &control), -EINVAL, "%zu", len);
	}
	control = source6("2001:db8:1::2");
	control.len = CMSG_LEN(0);
	cr_expect_eq(answer(s, "2001:db8:1::1", &control), -EINVAL);
}

/* --- a host on an Ethernet --- */

enum { WIRE_MAX = 64, FRAME_MAX = 1514 };

/* Two stations and the frames on their way; the clock stands still. */
static struct station {
	struct rawstack_host *host;
	struct station *other;
	uint8_t frames[WIRE_MAX][FRAME_MAX];
	size_t len[WIRE_MAX], n, arp, v4, v6;
} stations[2];

static void on_frame(void *arg, const void *frame, size_t len)
{
	struct station *s = arg;
	uint16_t type = get_be16((const uint8_t *)frame + 12);

	cr_assert(s->n < WIRE_MAX && len <= FRAME_MAX && len >= ETH_HDR_LEN);
	s->arp += type == ETHTYPE_ARP;
	s->v4 += type == ETHTYPE_IPV4;
	s->v6 += type == ETHTYPE_IPV6;
	memcpy(s->frames[s->n], frame, len);
	s->len[s->n++] = len;
}

static uint64_t still(void *arg)
{
	(void)arg;
	return 1000000000;
}

static void carry(void)
{
	for (bool any = true; any;) {
		any = false;
		for (int i = 0; i < 2; i++) {
			struct station *s = &stations[i];

			for (size_t k = 0; k < s->n; k++)
				rawstack_host_input(s->other->host, s->frames[k], s->len[k]);
			any |= s->n > 0;
			s->n = 0;
		}
	}
}

static void make_stations(void)
{
	for (int i = 0; i < 2; i++) {
		struct rawstack_host_config cfg = {
			.addrs = {{i ? "198.51.100.2" : "198.51.100.1", 24},
				  {i ? "fe80::2" : "fe80::1", 64}},
			.n_addrs = 2,
			.mac = {2, 0, 0, 0, 0, (uint8_t)(i + 1)},
			.ifindex = 9,
			.output = on_frame,
			.clock = still,
			.arg = &stations[i],
		};

		stations[i] = (struct station){.other = &stations[!i]};
		stations[i].host = rawstack_host_new(&cfg);
		cr_assert(stations[i].host, "%s", strerror(errno));
	}
}

static int try_connect(const char *address, uint32_t scope)
{
	int fd = rawstack_socket(stations[0].host, AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_storage ss;
	socklen_t len = name_of(address, PORT, scope, &ss);

	rawstack_connect(stations[0].host, fd, (struct sockaddr *)&ss, len);
	carry();
	return rawstack_connect(stations[0].host, fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

Test(socket_msg, a_station_finds_its_neighbour_and_link_local_addresses_have_a_scope)
{
	struct rawstack_host *h;
	struct sockaddr_in6 sin6;
	socklen_t len = sizeof(sin6);
	int l, a;

	make_stations();
	h = stations[1].host;
	l = rawstack_socket(h, AF_INET6, SOCK_STREAM, 0);
	sin6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	cr_assert(rawstack_bind(h, l, (struct sockaddr *)&sin6, len) == 0);
	cr_assert(rawstack_listen(h, l, 4) == 0);
	cr_expect_eq(try_connect("::ffff:198.51.100.2", 0), 0);
	cr_expect(stations[0].arp == 1 && stations[1].arp == 1 && stations[0].v6 == 0);
	cr_expect_eq(try_connect("fe80::2", 0), -EINVAL);
	cr_expect_eq(try_connect("fe80::2", 8), -ENETUNREACH);
	cr_expect_eq(try_connect("fe80::2", 9), 0);
	cr_expect(stations[0].v6 > 2);
	cr_assert(rawstack_accept(h, l, NULL, NULL, 0) >= 0);
	a = rawstack_accept(h, l, (struct sockaddr *)&sin6, &len, 0);
	cr_assert(a >= 0);
	cr_expect_eq(sin6.sin6_scope_id, 9);
	len = sizeof(sin6);
	cr_assert(rawstack_getsockname(h, a, (struct sockaddr *)&sin6, &len) == 0);
	cr_expect_eq(sin6.sin6_scope_id, 9);
	rawstack_host_free(stations[0].host);
	rawstack_host_free(stations[1].host);
}

/* What is not for it, or no frame of its own, is nobody's. */
Test(socket_msg, a_station_ignores_what_is_for_others)
{
	uint8_t frame[60] = {2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 0, 1, 0x08, 0};

	make_stations();
	rawstack_host_input(stations[1].host, frame, sizeof(frame));
	cr_expect_eq(rawstack_host_counter(stations[1].host, "drop_other_mac"), 1);
	frame[5] = 2;
	frame[13] = 0x99;
	rawstack_host_input(stations[1].host, frame, sizeof(frame));
	cr_expect_eq(rawstack_host_counter(stations[1].host, "drop_ethertype"), 1);
	cr_expect_eq(stations[1].n, 0);
	rawstack_host_free(stations[0].host);
	rawstack_host_free(stations[1].host);
}
