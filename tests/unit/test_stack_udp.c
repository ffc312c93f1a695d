/* SPDX-License-Identifier: MIT */
/* test_stack_udp.c - UDP on the stack: the kernel's dual-stack rules as measured */
#include "t_stack.h"

#include "../../rawstack/wire/icmp_msg.h"
#include "../../rawstack/wire/udp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

static struct t_stack t;

static void start(void)
{
	t_stack_open(&t, NULL);
}

static void finish(void)
{
	t_stack_close(&t);
}

TestSuite(stack_udp, .init = start, .fini = finish);

static struct stack_bind spec_of(int family, const char *address, bool v6only, uint16_t port)
{
	struct stack_bind b = {.family = family, .v6only = v6only, .local = {.port = port}};

	cr_assert(addr_parse(address, &b.local.addr, NULL) == 0);
	return b;
}

static int bound(int family, const char *address, bool v6only)
{
	struct stack_bind b = spec_of(family, address, v6only, 7000);
	int id = stack_udp_bind(t.s, &b);

	cr_assert(id >= 0, "%s: %d", address, id);
	return id;
}

static struct endpoint to(const char *address, uint16_t port)
{
	struct endpoint ep = {.port = port};

	cr_assert(addr_parse(address, &ep.addr, NULL) == 0);
	return ep;
}

static const char *const peer4 = "198.51.100.1", *const peer6 = "2001:db8:1::1";

struct bind_row {
	int family;
	const char *address;
	bool v6only;
	int result;  /* of bind */
	bool v4, v6; /* what it then gets */
};

/* reference: the eight servers of the truth table, and binds that fail. */
static const struct bind_row binds[] = {
	{AF_INET, "0.0.0.0", false, 0, true, false},
	{AF_INET, "198.51.100.2", false, 0, true, false},
	{AF_INET6, "::", false, 0, true, true},
	{AF_INET6, "::", true, 0, false, true},
	{AF_INET6, "2001:db8:1::2", false, 0, false, true},
	{AF_INET6, "::ffff:198.51.100.2", false, 0, true, false},
	{AF_INET6, "::ffff:198.51.100.2", true, -EINVAL, false, false},
	{AF_INET6, "::ffff:0.0.0.0", false, 0, true, false},
	{AF_INET6, "::ffff:0.0.0.0", true, -EINVAL, false, false},
	{AF_INET6, "::ffff:198.51.100.99", false, -EADDRNOTAVAIL, false, false},
	{AF_INET6, "2001:db8:1::99", false, -EADDRNOTAVAIL, false, false},
	{AF_INET6, "::198.51.100.2", false, -EADDRNOTAVAIL, false, false},
	{AF_INET, "198.51.100.99", false, -EADDRNOTAVAIL, false, false},
	{AF_INET, "2001:db8:1::2", false, -EAFNOSUPPORT, false, false},
};

static void check_bind(const struct bind_row *r)
{
	struct stack_bind b = spec_of(r->family, r->address, r->v6only, 7000);
	int id = stack_udp_bind(t.s, &b);
	struct stack_dgram d;

	cr_assert((id < 0 ? id : 0) == r->result, "%s: %d", r->address, id);
	for (int v6 = 0; v6 < 2 && id >= 0; v6++) {
		struct addr dst = t_own(v6, 0), src = t_peer(v6);
		bool gets = v6 ? r->v6 : r->v4;

		t.sent = 0;
		t.now += 100000000;
		t_stack_udp(&t, v6, &dst, 7000, "abc", 3);
		cr_assert(t.sent == !gets, "%s, IPv%d: refused %d", r->address, v6 ? 6 : 4, t.sent);
		cr_assert(stack_udp_recv(t.s, id, &d) == (gets ? 0 : -EAGAIN));
		if (!gets) {
			cr_assert(t_stack_last(&t).v6 == v6, "refused in the right family");
			continue;
		}
		cr_assert(d.wire_v6 == v6 && d.len == 3 && memcmp(d.data, "abc", 3) == 0);
		cr_assert(addr_eq(&d.peer.addr, &src) && d.peer.port == 5000);
		cr_assert(addr_eq(&d.local.addr, &dst) && d.local.port == 7000);
		stack_udp_release(t.s, &d);
	}
	if (id >= 0)
		stack_udp_close(t.s, id);
}

Test(stack_udp, every_server_of_the_truth_table)
{
	for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++)
		check_bind(&binds[i]);
}

Test(stack_udp, an_answer_leaves_from_where_it_was_asked)
{
	int id = bound(AF_INET6, "::", false);

	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1;
		struct addr dst = t_own(v6, i / 2);
		struct stack_dgram d;
		struct t_seen seen;

		t_stack_udp(&t, v6, &dst, 7000, "abc", 3);
		cr_assert(stack_udp_recv(t.s, id, &d) == 0);
		cr_assert(stack_udp_send(t.s, t.now, id, &d.peer, &d.local.addr, d.data, d.len) ==
			  3);
		stack_udp_release(t.s, &d);
		seen = t_stack_last(&t);
		cr_assert(seen.v6 == v6 && addr_eq(&seen.src, &dst) && seen.proto == IPPROTO_UDP);
		cr_assert(seen.sport == 7000 && seen.dport == 5000 && seen.l4_len == 11);
	}
}

struct send_row {
	int family;
	const char *address;
	bool v6only;
	const char *to;
	int result; /* 0: sent */
};

static const struct send_row sends[] = {
	{AF_INET, "0.0.0.0", false, "198.51.100.1", 0},
	{AF_INET, "0.0.0.0", false, "2001:db8:1::1", -EAFNOSUPPORT},
	{AF_INET6, "::", false, "198.51.100.1", 0},
	{AF_INET6, "::", false, "2001:db8:1::1", 0},
	{AF_INET6, "::", true, "198.51.100.1", -ENETUNREACH},
	{AF_INET6, "::", true, "2001:db8:1::1", 0},
	{AF_INET6, "::ffff:198.51.100.2", false, "2001:db8:1::1", -EAFNOSUPPORT},
	{AF_INET6, "::ffff:198.51.100.3", false, "198.51.100.1", 0},
	{AF_INET6, "::ffff:0.0.0.0", false, "2001:db8:1::1", -EAFNOSUPPORT},
	{AF_INET6, "2001:db8:1::3", false, "198.51.100.1", -ENETUNREACH},
	{AF_INET6, "2001:db8:1::3", false, "2001:db8:1::1", 0},
};

Test(stack_udp, who_may_speak_to_whom)
{
	for (size_t i = 0; i < sizeof(sends) / sizeof(sends[0]); i++) {
		const struct send_row *r = &sends[i];
		int id = bound(r->family, r->address, r->v6only);
		struct endpoint peer = to(r->to, 53);
		ssize_t n = stack_udp_send(t.s, t.now, id, &peer, NULL, "q", 1);

		cr_assert(n == (r->result ? r->result : 1), "row %zu: %zd", i, n);
		cr_assert(stack_udp_connect(t.s, id, &peer) == r->result, "row %zu: connect", i);
		if (n == 1) {
			struct t_seen seen = t_stack_last(&t);
			struct addr want = spec_of(r->family, r->address, false, 0).local.addr;

			cr_assert(seen.v6 == !addr_is_mapped(&peer.addr));
			cr_assert(addr_is_any(&want) || addr_eq(&seen.src, &want), "row %zu", i);
		}
		stack_udp_close(t.s, id);
	}
}

Test(stack_udp, a_connected_socket_across_families)
{
	int id = bound(AF_INET6, "::", false);
	struct endpoint four = to(peer4, 53), six = to(peer6, 53);

	cr_assert(stack_udp_send(t.s, t.now, id, NULL, NULL, "q", 1) == -EDESTADDRREQ);
	cr_assert(stack_udp_connect(t.s, id, &four) == 0);
	cr_assert(stack_udp_connect(t.s, id, &six) == -EAFNOSUPPORT, "the old peer is kept");
	cr_assert(stack_udp_send(t.s, t.now, id, NULL, NULL, "q", 1) == 1);
	cr_assert(!t_stack_last(&t).v6);
	cr_assert(stack_udp_send(t.s, t.now, id, &six, NULL, "q", 1) == -EAFNOSUPPORT);
	cr_assert(stack_udp_connect(t.s, id, NULL) == 0);
	cr_assert(stack_udp_connect(t.s, id, &six) == 0, "after unfixing it works");
	cr_assert(stack_udp_send(t.s, t.now, id, &four, NULL, "q", 1) == 1, "native, then mapped");
	cr_assert(!t_stack_last(&t).v6);
}

Test(stack_udp, a_source_must_be_ours_and_of_the_family)
{
	int id = bound(AF_INET6, "::", false);
	struct endpoint four = to(peer4, 53), six = to(peer6, 53);
	struct addr native = t_own(true, 1), mapped = t_own(false, 1), foreign = t_peer(false);

	cr_assert(stack_udp_send(t.s, t.now, id, &four, &native, "q", 1) == -EINVAL);
	cr_assert(stack_udp_send(t.s, t.now, id, &six, &mapped, "q", 1) == -EINVAL);
	cr_assert(stack_udp_send(t.s, t.now, id, &four, &foreign, "q", 1) == -ENETUNREACH);
	cr_assert(t.sent == 0);
}

Test(stack_udp, only_the_peer_is_heard_once_connected)
{
	int id = bound(AF_INET6, "::", false);
	struct endpoint other = to(peer4, 53), peer = to(peer4, 5000);
	struct addr dst = t_own(false, 0);
	struct stack_dgram d;

	cr_assert(stack_udp_connect(t.s, id, &other) == 0);
	t_stack_udp(&t, false, &dst, 7000, "abc", 3);
	cr_assert(stack_udp_recv(t.s, id, &d) == -EAGAIN && t.sent == 1, "refused");
	cr_assert(stack_udp_connect(t.s, id, NULL) == 0 && stack_udp_connect(t.s, id, &peer) == 0);
	t_stack_udp(&t, false, &dst, 7000, "abc", 3);
	cr_assert(stack_udp_recv(t.s, id, &d) == 0);
	stack_udp_release(t.s, &d);
}

/* An error about what we sent last, as the peer would send it. */
static void refuse(bool v6, int kind, uint16_t quoted_port)
{
	struct t_ip ip = t_ip_usual(v6, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	struct icmp_report e = {.kind = (enum icmp_kind)kind};
	uint8_t msg[1300], quoted[T_STACK_MTU];
	struct outbuf o = outbuf_of(msg, sizeof(msg));
	const struct t_packet *p = &t.out[t.sent - 1];

	memcpy(quoted, p->bytes, p->len);
	if (quoted_port)
		put_be16(quoted + (v6 ? 40 : 20) + 2, quoted_port);
	e.quoted = span_of(quoted, p->len);
	cr_assert(icmp_error_build(&e, v6, &ip.src, &ip.dst, &o) > 0);
	t_stack_ip(&t, &ip, msg, o.len);
}

Test(stack_udp, icmp_errors_reach_the_connected_socket_they_are_about)
{
	for (int v6 = 0; v6 < 2; v6++) {
		int id = bound(AF_INET6, "::", false);
		struct endpoint peer = to(v6 ? peer6 : peer4, 53);
		struct stack_dgram d;
		struct stack_event ev;

		stack_udp_send(t.s, t.now, id, &peer, NULL, "q", 1);
		refuse(v6, ICMP_KIND_PORT_UNREACHABLE, 0);
		cr_assert(stack_udp_recv(t.s, id, &d) == -EAGAIN, "not connected, not told");
		cr_assert(stack_udp_connect(t.s, id, &peer) == 0);
		stack_udp_send(t.s, t.now, id, NULL, NULL, "q", 1);
		refuse(v6, ICMP_KIND_PORT_UNREACHABLE, 54);
		refuse(v6, ICMP_KIND_HOST_UNREACHABLE, 0);
		cr_assert(stack_udp_recv(t.s, id, &d) == -EAGAIN,
			  "another's, or a passing trouble");
		while (stack_event(t.s, &ev))
			;
		refuse(v6, ICMP_KIND_PORT_UNREACHABLE, 0);
		cr_assert(stack_event(t.s, &ev) && ev.type == STACK_EV_DGRAM && ev.id == id);
		cr_assert(stack_udp_recv(t.s, id, &d) == -ECONNREFUSED);
		cr_assert(stack_udp_recv(t.s, id, &d) == -EAGAIN, "once");
		stack_udp_close(t.s, id);
	}
}

Test(stack_udp, checksums)
{
	int id = bound(AF_INET6, "::", false);
	struct stack_dgram d;

	for (int v6 = 0; v6 < 2; v6++) {
		struct t_ip ip = t_ip_usual(v6, IPPROTO_UDP);
		uint8_t l4[64];
		size_t n = t_udp_build(v6, &ip.src, &ip.dst, 5000, 7000, "abc", 3, l4);

		l4[UDP_CSUM_OFFSET] ^= 1;
		t_stack_ip(&t, &ip, l4, n);
		cr_assert(stack_udp_recv(t.s, id, &d) == -EAGAIN, "a wrong one");
		put_be16(l4 + UDP_CSUM_OFFSET, 0);
		t_stack_ip(&t, &ip, l4, n);
		cr_assert(stack_udp_recv(t.s, id, &d) == (v6 ? -EAGAIN : 0), "none");
		if (!v6)
			stack_udp_release(t.s, &d);
		put_be16(l4 + 4, (uint16_t)(n + 1));
		t_stack_ip(&t, &ip, l4, n);
		cr_assert(stack_udp_recv(t.s, id, &d) == -EAGAIN, "longer than its packet");
	}
	cr_assert(t_stack_stats(&t).udp_bad == 5 && t.sent == 0);
}

/* A sum of zero is sent as ones: zero would say that there is none. */
Test(stack_udp, a_checksum_of_zero_is_sent_as_ones)
{
	int id = bound(AF_INET6, "::", false), ones = 0;
	struct endpoint peer = to(peer6, 53);
	uint8_t data[2];

	for (uint32_t i = 0; i < 65536; i++) {
		t.sent = 0;
		put_be16(data, (uint16_t)i);
		cr_assert(stack_udp_send(t.s, t.now, id, &peer, NULL, data, 2) == 2);
		cr_assert(get_be16(t.out[0].bytes + 46) != 0);
		ones += get_be16(t.out[0].bytes + 46) == 0xffff;
	}
	cr_assert(ones == 1 || ones == 2, "%d", ones);
}

Test(stack_udp, a_full_socket_loses_what_comes_then)
{
	int id = bound(AF_INET6, "::", false), got = 0;
	struct addr dst = t_own(false, 0);
	static uint8_t data[1000];
	struct stack_dgram d;

	for (int i = 0; i < 1000; i++)
		t_stack_udp(&t, false, &dst, 7000, data, sizeof(data));
	cr_assert(t_stack_stats(&t).udp_full > 0);
	while (stack_udp_recv(t.s, id, &d) == 0) {
		stack_udp_release(t.s, &d);
		got++;
	}
	cr_assert(got > 200 && got < 262, "%d kept", got);
	t_stack_udp(&t, false, &dst, 7000, data, sizeof(data));
	cr_assert(stack_udp_recv(t.s, id, &d) == 0, "room again");
	stack_udp_release(t.s, &d);
}

Test(stack_udp, a_group_reaches_every_socket_on_any)
{
	int a = bound(AF_INET6, "::", true), n = 0;
	struct stack_bind b = spec_of(AF_INET, "0.0.0.0", false, 7000);
	struct addr dst;
	struct stack_dgram d;
	int c = stack_udp_bind(t.s, &b);

	cr_assert(c >= 0);
	addr_parse("198.51.100.255", &dst, NULL);
	t_stack_udp(&t, false, &dst, 7000, "abc", 3);
	cr_assert(stack_udp_recv(t.s, a, &d) == -EAGAIN, "IPv6 only");
	cr_assert(stack_udp_recv(t.s, c, &d) == 0 && addr_eq(&d.local.addr, &dst));
	stack_udp_release(t.s, &d);
	addr_parse("ff02::1", &dst, NULL);
	t_stack_udp(&t, true, &dst, 7000, "abc", 3);
	while (stack_udp_recv(t.s, a, &d) == 0) {
		stack_udp_release(t.s, &d);
		n++;
	}
	cr_assert(n == 1);
}

Test(stack_udp, ports_are_chosen_apart_and_unpredictably)
{
	uint16_t ports[100];
	int rising = 0;

	for (int i = 0; i < 100; i++) {
		struct stack_bind b = spec_of(AF_INET6, "::", false, 0);

		cr_assert(stack_udp_bind(t.s, &b) >= 0);
		ports[i] = b.local.port;
		cr_assert(ports[i] >= 32768 && ports[i] <= 60999);
		for (int k = 0; k < i; k++)
			cr_assert(ports[k] != ports[i]);
		rising += i && ports[i] > ports[i - 1];
	}
	cr_assert(rising > 25 && rising < 75);
}

Test(stack_udp, long_datagrams_leave_in_fragments_and_too_long_ones_do_not)
{
	int id = bound(AF_INET6, "::", false);
	struct endpoint peer = to(peer6, 53);
	uint8_t *data = calloc(1, 70000);

	cr_assert(stack_udp_send(t.s, t.now, id, &peer, NULL, data, 4000) == 4000);
	cr_assert(t.sent == 3);
	cr_assert(stack_udp_send(t.s, t.now, id, &peer, NULL, data, 65507) == 65507);
	cr_assert(stack_udp_send(t.s, t.now, id, &peer, NULL, data, 65508) == -EMSGSIZE);
	cr_assert(get_be32(t.out[0].bytes + 44) != get_be32(t.out[3].bytes + 44));
	free(data);
}
