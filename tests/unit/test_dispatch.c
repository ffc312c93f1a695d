/* SPDX-License-Identifier: MIT */
/* test_dispatch.c - who gets what arrives: the rules on lists made by hand */
#include "../../rawstack/netlink/dispatch.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

enum { PORT = 80, DEVICE = 7 };

static struct addr addr(const char *text)
{
	struct addr a;

	cr_assert(addr_parse(text, &a, NULL) == 0, "%s", text);
	return a;
}

/* A listener; of AF_INET6 with V6ONLY when @v6only is 1. Cookies count from 100. */
static struct sockdiag_entry tcp(int family, const char *bound, int v6only)
{
	static uint64_t cookie = 100;

	return (struct sockdiag_entry){
		.family = family,
		.proto = IPPROTO_TCP,
		.state = TCP_LISTEN,
		.src = {.addr = addr(bound), .port = PORT},
		.dst = {.addr = family == AF_INET ? ADDR_ANY4 : ADDR_ANY6},
		.v6only = family == AF_INET ? -1 : v6only,
		.cookie = cookie++,
	};
}

static struct sockdiag_entry udp(int family, const char *bound, int v6only)
{
	struct sockdiag_entry e = tcp(family, bound, v6only);

	e.proto = IPPROTO_UDP;
	e.state = TCP_CLOSE;
	return e;
}

static struct dispatch_arrival arrival(const struct sockdiag_entry *e, const char *dst,
				       uint32_t device)
{
	return (struct dispatch_arrival){.proto = e->proto,
					 .dst = {.addr = addr(dst), .port = PORT, .scope = device}};
}

static struct dispatch_service service(const struct sockdiag_entry *list, size_t n, size_t i,
				       bool ipv6)
{
	struct dispatch_service s;

	dispatch_service_of(list, n, i, ipv6, &s);
	return s;
}

/* Rule 1: one socket alone. */
Test(dispatch, a_socket_serves_the_families_of_its_address)
{
	const struct {
		struct sockdiag_entry e;
		enum dispatch_reason v4, v6;
	} rows[] = {
		{tcp(AF_INET, "0.0.0.0", 0), DISPATCH_TAKES_IT, DISPATCH_SOCKET_FAMILY},
		{tcp(AF_INET, "198.51.100.2", 0), DISPATCH_TAKES_IT, DISPATCH_SOCKET_FAMILY},
		{tcp(AF_INET6, "::", 0), DISPATCH_TAKES_IT, DISPATCH_TAKES_IT},
		{tcp(AF_INET6, "::", 1), DISPATCH_V6ONLY, DISPATCH_TAKES_IT},
		{tcp(AF_INET6, "::ffff:0.0.0.0", 0), DISPATCH_TAKES_IT, DISPATCH_ADDRESS},
		{tcp(AF_INET6, "::ffff:198.51.100.2", 0), DISPATCH_TAKES_IT, DISPATCH_ADDRESS},
		{tcp(AF_INET6, "2001:db8::2", 1), DISPATCH_ADDRESS, DISPATCH_TAKES_IT},
		{udp(AF_INET6, "::", 0), DISPATCH_TAKES_IT, DISPATCH_TAKES_IT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct dispatch_service s = service(&rows[i].e, 1, 0, v6);

			cr_assert(s.reason == (v6 ? rows[i].v6 : rows[i].v4), "row %zu v6 %d", i,
				  v6);
			cr_assert(s.share == (s.reason == DISPATCH_TAKES_IT ? DISPATCH_ALL
									    : DISPATCH_NOTHING));
			cr_assert(s.n_except == 0);
		}
}

Test(dispatch, only_what_waits_for_anybody_takes_part)
{
	struct sockdiag_entry e = tcp(AF_INET6, "::", 0), u = udp(AF_INET6, "::", 0);

	cr_assert(dispatch_waits(&e) && dispatch_waits(&u));
	e.state = TCP_ESTABLISHED;
	u.dst.port = 53; /* connected */
	cr_assert(!dispatch_waits(&e) && !dispatch_waits(&u));
	e.state = TCP_LISTEN;
	e.destroyed = true;
	u.dst.port = u.src.port = 0; /* not bound */
	cr_assert(!dispatch_waits(&e) && !dispatch_waits(&u));
}

Test(dispatch, protocol_port_and_device_must_be_the_same)
{
	struct sockdiag_entry e = tcp(AF_INET6, "::", 0);
	struct dispatch_arrival a = arrival(&e, "198.51.100.2", DEVICE);

	cr_assert(dispatch_takes(&e, &a));
	e.ifindex = DEVICE;
	cr_assert(dispatch_takes(&e, &a));
	e.ifindex = DEVICE + 1;
	cr_assert(!dispatch_takes(&e, &a));
	e.ifindex = 0;
	a.dst.port++;
	cr_assert(!dispatch_takes(&e, &a));
	a.dst.port--;
	a.proto = IPPROTO_UDP;
	cr_assert(!dispatch_takes(&e, &a));
}

/* Rule 2: the dual-stack server keeps all IPv4 addresses but one. */
Test(dispatch, the_very_address_goes_before_any)
{
	static const char *const closer[] = {"198.51.100.2", "::ffff:198.51.100.2"};

	for (size_t k = 0; k < 2; k++) {
		struct sockdiag_entry list[] = {tcp(AF_INET6, "::", 0),
						tcp(k ? AF_INET6 : AF_INET, closer[k], 0)};
		struct dispatch_service s = service(list, 2, 0, false);

		cr_assert(s.share == DISPATCH_ALL && s.n_except == 1 && s.except[0].who == 1);
		cr_assert(s.except[0].certain);
		s = service(list, 2, 1, false);
		cr_assert(s.share == DISPATCH_ALL && s.n_except == 0);
		s = service(list, 2, 0, true);
		cr_assert(s.share == DISPATCH_ALL && s.n_except == 0, "not of IPv6");
	}
}

Test(dispatch, a_native_address_is_an_exception_of_ipv6_only)
{
	struct sockdiag_entry list[] = {tcp(AF_INET6, "::", 0), tcp(AF_INET6, "2001:db8::2", 1)};

	cr_assert(service(list, 2, 0, false).n_except == 0);
	cr_assert(service(list, 2, 0, true).n_except == 1);
}

/* Rule 3: two servers on one port, and the dual-stack one silently loses all IPv4. */
Test(dispatch, an_ipv4_socket_goes_before_a_dual_stack_one_wherever_it_stands)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		struct sockdiag_entry list[2];
		struct dispatch_service s;

		list[swapped] = tcp(AF_INET6, "::", 0);
		list[!swapped] = tcp(AF_INET, "0.0.0.0", 0);
		s = service(list, 2, (size_t)swapped, false);
		cr_assert(s.share == DISPATCH_NOTHING && s.reason == DISPATCH_RIVAL &&
			  s.rival == (size_t)!swapped);
		cr_assert(service(list, 2, (size_t)swapped, true).share == DISPATCH_ALL);
		cr_assert(service(list, 2, (size_t)!swapped, false).share == DISPATCH_ALL);
	}
}

Test(dispatch, of_tcp_a_device_decides_nothing_of_udp_it_may)
{
	for (int u = 0; u < 2; u++) {
		struct sockdiag_entry list[] = {
			u ? udp(AF_INET, "0.0.0.0", 0) : tcp(AF_INET, "0.0.0.0", 0),
			u ? udp(AF_INET6, "::", 0) : tcp(AF_INET6, "::", 0),
		};
		struct dispatch_arrival a = arrival(&list[0], "198.51.100.2", DEVICE);
		size_t may[2];

		list[1].ifindex = DEVICE;
		cr_assert(dispatch_find(list, 2, &a, may, 2) == (u ? 2 : 1) && may[0] == 0);
		cr_assert(service(list, 2, 0, false).n_except == (size_t)u);
		if (u)
			cr_assert(!service(list, 2, 0, false).except[0].certain);
	}
}

/* Rules 4 and 5. */
Test(dispatch, equal_tcp_listeners_share_and_equal_udp_sockets_may)
{
	struct sockdiag_entry t[] = {tcp(AF_INET6, "::", 0), tcp(AF_INET6, "::", 0)};
	struct sockdiag_entry u[] = {udp(AF_INET6, "::", 0), udp(AF_INET6, "::", 0)};
	struct dispatch_service s = service(t, 2, 0, false);

	cr_assert(s.share == DISPATCH_PART && s.group == 2 && s.rival == 1 && s.n_except == 0);
	s = service(u, 2, 0, false);
	cr_assert(s.share == DISPATCH_UNKNOWN && s.group == 2);
}

Test(dispatch, what_makes_a_group)
{
	struct sockdiag_entry a = tcp(AF_INET6, "::", 0), b = a;

	cr_assert(dispatch_same_group(&a, &b));
	b.uid = 1000;
	cr_assert(!dispatch_same_group(&a, &b), "two users");
	b = a;
	b.v6only = 1;
	cr_assert(!dispatch_same_group(&a, &b), "V6ONLY");
	b = a;
	b.ifindex = DEVICE;
	cr_assert(!dispatch_same_group(&a, &b), "device");
	b = a;
	b.src.addr = ADDR_ANY4;
	cr_assert(!dispatch_same_group(&a, &b), "address");
}

Test(dispatch, the_order_of_a_list_is_left_to_the_kernel)
{
	struct sockdiag_entry list[] = {tcp(AF_INET6, "::", 0), tcp(AF_INET6, "::ffff:0.0.0.0", 0)};
	struct dispatch_service s = service(list, 2, 0, false), t = s;
	uint64_t first[] = {list[0].cookie, list[0].cookie}, second[] = {list[1].cookie};

	cr_assert(s.share == DISPATCH_UNKNOWN && s.rival == 1 && s.group == 1);
	cr_assert(dispatch_settle(list, 2, 0, first, 2, &s) && s.share == DISPATCH_ALL);
	cr_assert(dispatch_settle(list, 2, 0, second, 1, &t));
	cr_assert(t.share == DISPATCH_NOTHING && t.reason == DISPATCH_RIVAL && t.rival == 1);
}

Test(dispatch, several_winners_are_a_group_and_one_is_a_list)
{
	struct sockdiag_entry u[] = {udp(AF_INET6, "::", 0), udp(AF_INET6, "::", 0)};
	uint64_t both[] = {u[0].cookie, u[1].cookie}, last[] = {u[1].cookie, u[1].cookie};
	struct dispatch_service s = service(u, 2, 0, true);

	cr_assert(dispatch_settle(u, 2, 0, both, 2, &s) && s.share == DISPATCH_PART);
	s = service(u, 2, 0, true);
	cr_assert(dispatch_settle(u, 2, 0, last, 2, &s) && s.share == DISPATCH_NOTHING);
	s = service(u, 2, 1, true);
	cr_assert(dispatch_settle(u, 2, 1, last, 2, &s) && s.share == DISPATCH_ALL);
}

Test(dispatch, an_answer_against_the_rules_is_noticed)
{
	struct sockdiag_entry list[] = {tcp(AF_INET6, "::", 0), tcp(AF_INET, "0.0.0.0", 0)};
	struct dispatch_service s = service(list, 2, 0, false);
	uint64_t loser[] = {list[0].cookie}, stranger[] = {1}, winner[] = {list[1].cookie};

	cr_assert(!dispatch_settle(list, 2, 0, loser, 1, &s));
	cr_assert(!dispatch_settle(list, 2, 0, stranger, 1, &s));
	cr_assert(!dispatch_settle(list, 2, 0, NULL, 0, &s), "nobody");
	cr_assert(dispatch_settle(list, 2, 0, winner, 1, &s));
}

Test(dispatch, more_exceptions_than_fit_are_noticed)
{
	struct sockdiag_entry list[DISPATCH_EXCEPT_MAX + 2];
	struct dispatch_service s;
	size_t n = DISPATCH_EXCEPT_MAX + 2;

	list[0] = tcp(AF_INET6, "::", 0);
	for (size_t i = 1; i < n; i++) {
		list[i] = tcp(AF_INET, "198.51.100.0", 0);
		list[i].src.addr.b[15] = (uint8_t)i;
	}
	s = service(list, n - 1, 0, false);
	cr_assert(s.n_except == DISPATCH_EXCEPT_MAX && !s.except_overflow);
	s = service(list, n, 0, false);
	cr_assert(s.n_except == DISPATCH_EXCEPT_MAX && s.except_overflow);
}

/* The sample of a wildcard socket is an address that nobody has bound. */
Test(dispatch, the_sample_meets_nobody_else)
{
	struct sockdiag_entry list[] = {tcp(AF_INET6, "::", 0), tcp(AF_INET, "198.51.100.0", 0),
					tcp(AF_INET, "198.51.100.1", 0)};
	struct dispatch_service s = service(list, 3, 0, false);

	cr_assert(addr_is_mapped(&s.sample.dst.addr) && s.share == DISPATCH_ALL);
	for (size_t i = 1; i < 3; i++)
		cr_assert(!addr_eq(&s.sample.dst.addr, &list[i].src.addr));
}
