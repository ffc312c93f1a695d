/* SPDX-License-Identifier: MIT */
/* test_confirmed.c - real runs with nothing spoiled: every connection comes out as confirmed */
#include "t_bench.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>

enum { MESSAGE_LEN = 40 };

static const char *const WAY_NAMES[BENCH_WAYS] = {"IPv4", "mapped", "native"};

static enum carriage carriage_of(enum bench_way way)
{
	return way == BENCH_NATIVE ? CARRIAGE_V6 : CARRIAGE_V4;
}

/* All of @n connections are confirmed, and every IP frame travelled as @way says. */
static void expect_confirmed(const struct evidence *ev, const char *what, size_t n,
			     enum bench_way way)
{
	struct bench_verdict v = bench_judge(ev);

	bench_expect_identity(ev);
	cr_assert(v.verdict == VERDICT_CONFIRMED && v.connections == n, "%s, %s: %s", what,
		  WAY_NAMES[way], v.text);
	for (size_t i = 0; i < ev->n_frames; i++)
		cr_assert(ev->frames[i].canary || ev->frames[i].info.carriage == carriage_of(way),
			  "%s, %s: frame %zu travelled as %s", what, WAY_NAMES[way], i,
			  carriage_name(ev->frames[i].info.carriage));
}

/* Did any frame on the wire have this? */
typedef bool (*frame_test)(const struct frame_info *info);

static bool has_options(const struct frame_info *info)
{
	return info->ip_options > 0;
}

static bool is_later_fragment(const struct frame_info *info)
{
	return info->frag_offset > 0;
}

static size_t count_frames(const struct evidence *ev, frame_test test)
{
	size_t n = 0;

	for (size_t i = 0; i < ev->n_frames; i++)
		n += !ev->frames[i].canary && test(&ev->frames[i].info);
	return n;
}

Test(confirmed, an_exchange_each_way_by_each_protocol)
{
	static const int protos[] = {IPPROTO_TCP, IPPROTO_UDP};

	for (int p = 0; p < 2; p++) {
		for (enum bench_way way = BENCH_IPV4; way < BENCH_WAYS; way++) {
			struct bench *b = bench_new();

			bench_watch(b, NULL);
			bench_talk(b, protos[p], way, MESSAGE_LEN);
			bench_conclude(b);
			expect_confirmed(&b->ev, p ? "UDP" : "TCP", 1, way);
			bench_free(b);
		}
	}
}

Test(confirmed, the_server_s_end_alone_suffices)
{
	struct bench *b = bench_new();
	struct witness_config cfg = bench_watch_config(b);

	cfg.posts[0] = cfg.posts[1];
	cfg.n_posts = 1;
	bench_watch(b, &cfg);
	bench_talk(b, IPPROTO_TCP, BENCH_MAPPED, MESSAGE_LEN);
	/* What the client says is not evidence where nobody asked its kernel. */
	b->n_clients = 0;
	bench_conclude(b);
	expect_confirmed(&b->ev, "one tap", 1, BENCH_MAPPED);
	bench_free(b);
}

struct variant {
	const char *name;
	int level, option;
	uint8_t value[24];
	socklen_t len;
	enum bench_way way;
};

static const struct variant VARIANTS[] = {
	{"IPv4 no-operation options", IPPROTO_IP, IP_OPTIONS, {1, 1, 1, 1}, 4, BENCH_IPV4},
	{"IPv4 record route", IPPROTO_IP, IP_OPTIONS, {7, 15, 4}, 16, BENCH_IPV4},
	{"IPv6 destination options", IPPROTO_IPV6, IPV6_DSTOPTS, {0, 0, 1, 4}, 8, BENCH_NATIVE},
	{"IPv6 hop-by-hop options", IPPROTO_IPV6, IPV6_HOPOPTS, {0, 0, 1, 4}, 8, BENCH_NATIVE},
	{"IPv6 destination options, two units",
	 IPPROTO_IPV6,
	 IPV6_DSTOPTS,
	 {0, 1, 0x1e, 12},
	 16,
	 BENCH_NATIVE},
};

Test(confirmed, options_between_the_headers_hide_nothing)
{
	static const int protos[] = {IPPROTO_TCP, IPPROTO_UDP};

	for (size_t i = 0; i < 2 * sizeof(VARIANTS) / sizeof(VARIANTS[0]); i++) {
		const struct variant *v = &VARIANTS[i / 2];
		struct bench *b = bench_new();
		struct bench_client c = bench_open(b, protos[i % 2], v->way);

		cr_assert(setsockopt(c.fd, v->level, v->option, v->value, v->len) == 0, "%s: %s",
			  v->name, strerror(errno));
		bench_watch(b, NULL);
		bench_connect(b, &c);
		bench_exchange(&c, MESSAGE_LEN);
		bench_hang_up(b, &c);
		bench_conclude(b);
		cr_assert(count_frames(&b->ev, has_options) > 0, "%s: none on the wire", v->name);
		expect_confirmed(&b->ev, v->name, 1, v->way);
		bench_free(b);
	}
}

Test(confirmed, a_datagram_in_fragments_each_way)
{
	for (enum bench_way way = BENCH_IPV4; way < BENCH_WAYS; way++) {
		struct bench *b = bench_new();

		bench_watch(b, NULL);
		bench_talk(b, IPPROTO_UDP, way, 2 * LAB_MTU);
		bench_conclude(b);
		/* Two of three fragments, there and back, at both ends of the link. */
		cr_assert(count_frames(&b->ev, is_later_fragment) == 8, "%zu later fragments",
			  count_frames(&b->ev, is_later_fragment));
		expect_confirmed(&b->ev, "fragments", 1, way);
		bench_free(b);
	}
}

Test(confirmed, a_mebibyte_each_way)
{
	enum { MEBIBYTE = 1 << 20 };

	for (enum bench_way way = BENCH_MAPPED; way < BENCH_WAYS; way++) {
		struct bench *b = bench_new();
		struct witness_config cfg = bench_watch_config(b);

		/* Nobody reads during the transfer: a slot each for more frames than it can take.
		 */
		cfg.ring = (struct ring_config){
			.version = 2, .block_size = MEBIBYTE, .block_count = 8, .snaplen = 192};
		bench_watch(b, &cfg);
		bench_talk(b, IPPROTO_TCP, way, MEBIBYTE);
		bench_conclude(b);
		expect_confirmed(&b->ev, "1 MiB", 1, way);
		bench_free(b);
	}
}

Test(confirmed, every_one_of_two_hundred_connections)
{
	enum { CONNECTIONS = 200 };
	struct bench *b = bench_new();
	struct bench_verdict v;
	struct judge_report rep;

	bench_watch(b, NULL);
	for (int i = 0; i < CONNECTIONS; i++)
		bench_talk(b, IPPROTO_TCP, (enum bench_way)(i % BENCH_WAYS), MESSAGE_LEN);
	bench_conclude(b);
	bench_expect_identity(&b->ev);
	v = bench_judge(&b->ev);
	cr_assert(v.verdict == VERDICT_CONFIRMED && v.connections == CONNECTIONS, "%s", v.text);
	cr_assert(judge(&b->ev, &rep) == 0);
	for (size_t i = 0; i < rep.n; i++) {
		const struct connection *c = &rep.list[i].c;

		cr_assert(rep.list[i].j.verdict == VERDICT_CONFIRMED);
		cr_assert(c->side[SIDE_SERVER].api && c->side[SIDE_CLIENT].api &&
				  c->side[SIDE_SERVER].kernel && c->side[SIDE_CLIENT].kernel,
			  "connection %zu: a view is missing", i);
	}
	judge_report_free(&rep);
	bench_free(b);
}
