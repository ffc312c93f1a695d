/* SPDX-License-Identifier: MIT */
/* test_stack_binding.c - bound sockets: every pair that may or may not stand side by side, and who
 * gets which packet, as measured on Linux */
#include "../../rawstack/stack/binding.h"

#include <criterion/criterion.h>
#include <errno.h>

/* The eight ways to bind, in the order of the tables below. */
enum { V4ANY, V4S, V4SB, DUAL, ONLY, MANY, MS, V6S, KINDS };

static struct stack_bind spec_of(int kind, bool reuse_addr, bool reuse_port)
{
	static const struct {
		const char *addr;
		int family;
		bool v6only;
	} kinds[KINDS] = {
		[V4ANY] = {"0.0.0.0", AF_INET, false},
		[V4S] = {"198.51.100.2", AF_INET, false},
		[V4SB] = {"198.51.100.3", AF_INET, false},
		[DUAL] = {"::", AF_INET6, false},
		[ONLY] = {"::", AF_INET6, true},
		[MANY] = {"::ffff:0.0.0.0", AF_INET6, false},
		[MS] = {"::ffff:198.51.100.2", AF_INET6, false},
		[V6S] = {"2001:db8:1::2", AF_INET6, false},
	};
	struct stack_bind spec = {.family = kinds[kind].family,
				  .v6only = kinds[kind].v6only,
				  .reuse_addr = reuse_addr,
				  .reuse_port = reuse_port};

	cr_assert_eq(addr_parse(kinds[kind].addr, &spec.local.addr, NULL), 0);
	spec.local.port = 80;
	return spec;
}

/* Rows and columns in the order of the kinds; '.' may stand side by side, 'U' -EADDRINUSE. */
static const char *const beside[KINDS] = {
	[V4ANY] = "UUUU.UU.", [V4S] = "UU.U.UU.",  [V4SB] = "U.UU.U..", [DUAL] = "UUUUUUUU",
	[ONLY] = "...UU..U",  [MANY] = "UUUU.UU.", [MS] = "UU.U.UU.",	[V6S] = "...UU..U",
};

Test(binding, every_pair)
{
	static struct binding_table t;

	for (int udp = 0; udp < 2; udp++) {
		for (int i = 0; i < KINDS * KINDS; i++) {
			struct stack_bind a = spec_of(i / KINDS, false, false);
			struct stack_bind b = spec_of(i % KINDS, false, false);
			bool in_use = beside[i / KINDS][i % KINDS] == 'U';

			binding_init(&t, udp);
			cr_assert_eq(binding_add(&t, &a), 0);
			cr_assert_eq(binding_add(&t, &b), in_use ? -EADDRINUSE : 1, "%d beside %d",
				     i / KINDS, i % KINDS);
		}
	}
}

Test(binding, every_pair_with_reuse_port)
{
	static struct binding_table t;

	for (int i = 0; i < KINDS * KINDS; i++) {
		struct stack_bind a = spec_of(i / KINDS, false, true);
		struct stack_bind b = spec_of(i % KINDS, false, true);

		binding_init(&t, false);
		cr_assert_eq(binding_add(&t, &a), 0);
		t.b[0].listening = true;
		cr_assert_eq(binding_add(&t, &b), 1);
		cr_assert(binding_may_listen(&t, 1));
	}
}

/* SO_REUSEADDR: bind succeeds while nobody listens, listen does not. UDP: all succeed. */
Test(binding, every_pair_with_reuse_addr)
{
	static struct binding_table t;

	for (int i = 0; i < KINDS * KINDS; i++) {
		struct stack_bind a = spec_of(i / KINDS, true, false);
		struct stack_bind b = spec_of(i % KINDS, true, false);
		bool in_use = beside[i / KINDS][i % KINDS] == 'U';

		binding_init(&t, false);
		cr_assert_eq(binding_add(&t, &a), 0);
		cr_assert_eq(binding_add(&t, &b), 1);
		cr_assert(binding_may_listen(&t, 0));
		t.b[0].listening = true;
		cr_assert_eq(binding_may_listen(&t, 1), !in_use);
		binding_del(&t, 1);
		cr_assert_eq(binding_add(&t, &b), in_use ? -EADDRINUSE : 1);
		b.reuse_addr = false;
		binding_init(&t, true);
		cr_assert_eq(binding_add(&t, &a), 0);
		cr_assert_eq(binding_add(&t, &b), in_use ? -EADDRINUSE : 1);
		b.reuse_addr = true;
		if (in_use)
			cr_assert_eq(binding_add(&t, &b), 1);
	}
}

Test(binding, what_bind_refuses)
{
	static struct binding_table t;
	struct stack_bind spec = spec_of(MS, false, false);

	binding_init(&t, false);
	spec.v6only = true;
	cr_assert_eq(binding_add(&t, &spec), -EINVAL);
	spec = spec_of(MANY, false, false);
	spec.v6only = true;
	cr_assert_eq(binding_add(&t, &spec), -EINVAL);
	spec = spec_of(V6S, false, false);
	spec.family = AF_INET;
	cr_assert_eq(binding_add(&t, &spec), -EAFNOSUPPORT);
	spec.family = AF_UNIX;
	cr_assert_eq(binding_add(&t, &spec), -EAFNOSUPPORT);
	cr_assert_not(binding_port_used(&t, 80));
	spec = spec_of(V6S, false, false);
	cr_assert_eq(binding_add(&t, &spec), 0);
	cr_assert(t.b[0].v6only, "one native address implies it");
	cr_assert(binding_port_used(&t, 80));
	cr_assert_not(binding_port_used(&t, 80 + BINDING_HASH));
}

static int found(const struct binding_table *t, const char *dst, uint16_t port, uint32_t hash)
{
	struct endpoint from = {.port = 40000}, to = {.port = port};

	cr_assert_eq(addr_parse(dst, &to.addr, NULL), 0);
	from.addr = to.addr;
	from.addr.b[15] = 1;
	return binding_find(t, !addr_is_mapped(&to.addr), &from, &to, hash);
}

/* With all eight bound and listening, take away who got the packet until nobody is left. */
static void expect_order(const char *dst, const int *order, int n)
{
	static struct binding_table t;

	binding_init(&t, false);
	for (int kind = KINDS - 1; kind >= 0; kind--) {
		struct stack_bind spec = spec_of(kind, false, true);
		int id = binding_add(&t, &spec);

		cr_assert_geq(id, 0);
		t.b[id].listening = true;
	}
	for (int i = 0; i < n; i++) {
		int id = found(&t, dst, 80, 0);

		cr_assert_eq(id, KINDS - 1 - order[i], "step %d: %d", i, id);
		cr_assert_eq(found(&t, dst, 81, 0), -ENOENT);
		binding_del(&t, id);
	}
	cr_assert_eq(found(&t, dst, 80, 0), -ENOENT);
}

Test(binding, who_gets_ipv4)
{
	/* of the last two the first bound, here in descending order */
	static const int order[] = {V4S, MS, V4ANY, MANY, DUAL};

	expect_order("198.51.100.2", order, 5);
}

Test(binding, who_gets_ipv6)
{
	static const int order[] = {V6S, ONLY, DUAL};

	expect_order("2001:db8:1::2", order, 3);
}

Test(binding, only_listeners_get_anything)
{
	static struct binding_table t;
	struct stack_bind spec = spec_of(DUAL, false, false);

	binding_init(&t, false);
	cr_assert_eq(binding_add(&t, &spec), 0);
	cr_assert_eq(found(&t, "198.51.100.2", 80, 0), -ENOENT);
	t.b[0].listening = true;
	cr_assert_eq(found(&t, "198.51.100.2", 80, 0), 0);
	cr_assert_eq(found(&t, "2001:db8:1::2", 80, 0), 0);
}

Test(binding, equals_share_by_hash)
{
	static struct binding_table t;
	struct stack_bind spec = spec_of(DUAL, false, true);
	int hits[3] = {0};

	binding_init(&t, false);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(binding_add(&t, &spec), i);
		t.b[i].listening = true;
	}
	for (uint32_t hash = 0; hash < 30; hash++)
		hits[found(&t, "198.51.100.2", 80, hash)]++;
	for (int i = 0; i < 3; i++)
		cr_assert_eq(hits[i], 10);
}

Test(binding, a_connected_udp_socket_hears_its_peer_only)
{
	static struct binding_table t;
	struct stack_bind spec = spec_of(DUAL, true, false);
	struct endpoint peer = {.port = 40000}, to = spec_of(V4S, false, false).local;

	binding_init(&t, true);
	cr_assert_eq(binding_add(&t, &spec), 0);
	cr_assert_eq(binding_add(&t, &spec), 1);
	peer.addr = to.addr;
	peer.addr.b[15] = 1;
	cr_assert_eq(binding_find(&t, false, &peer, &to, 0), 1, "the last bound");
	t.b[0].connected = true;
	t.b[0].peer = peer;
	cr_assert_eq(binding_find(&t, false, &peer, &to, 0), 0);
	peer.port++;
	cr_assert_eq(binding_find(&t, false, &peer, &to, 0), 1);
	binding_del(&t, 1);
	cr_assert_eq(binding_find(&t, false, &peer, &to, 0), -ENOENT);
}
