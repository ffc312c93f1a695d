/* SPDX-License-Identifier: MIT */
/* test_reasm.c - reassembly: every verdict, every limit, and a naive oracle on random fragments */
#include "../../rawstack/stack/reasm.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static const struct siphash_key key = {1, 2};
static const uint64_t second = 1000000000;
static const uint8_t header[48] = {0x60, 1, 2, 3};

static struct reasm *fresh(const struct reasm_config *cfg)
{
	struct reasm *r;

	cr_assert(reasm_new(cfg ? cfg : &REASM_CONFIG_USUAL, &key, &r) == 0);
	return r;
}

static struct reasm_fragment fragment(bool v6, uint32_t id, uint16_t offset, bool more,
				      const void *data, size_t len)
{
	struct reasm_fragment f = {.v6 = v6,
				   .proto = IPPROTO_UDP,
				   .id = id,
				   .offset = offset,
				   .more = more,
				   .counted = v6 ? 0 : 20};

	addr_parse(v6 ? "2001:db8:1::1" : "198.51.100.1", &f.src, NULL);
	addr_parse(v6 ? "2001:db8:1::2" : "198.51.100.2", &f.dst, NULL);
	f.header = span_of(header, sizeof(header));
	f.data = span_of(data, len);
	return f;
}

static uint8_t *pattern(size_t len)
{
	uint8_t *p = malloc(len);

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 31 + (i >> 8));
	return p;
}

/* The datagram in pieces of 64 bytes, in the order that @order draws; both families. */
static void check_order(bool v6, unsigned int seed)
{
	enum { LEN = 1000, STEP = 64, PIECES = (LEN + STEP - 1) / STEP };
	uint8_t *data = pattern(LEN);
	struct reasm *r = fresh(NULL);
	struct reasm_datagram d;
	int order[PIECES];

	srand(seed);
	for (int i = 0; i < PIECES; i++) {
		int k = rand() % (i + 1);

		order[i] = order[k];
		order[k] = i;
	}
	for (int i = 0; i < PIECES; i++) {
		uint16_t off = (uint16_t)(order[i] * STEP);
		size_t len = off + STEP < LEN ? STEP : LEN - off;
		struct reasm_fragment f = fragment(v6, 7, off, off + len < LEN, data + off, len);
		enum reasm_verdict v = reasm_add(r, 1, &f, &d);

		cr_assert(v == (i == PIECES - 1 ? REASM_DONE : REASM_WAIT), "piece %d: %d", i, v);
	}
	cr_assert(span_len(&d.data) == LEN && memcmp(d.data.p, data, LEN) == 0);
	cr_assert(d.v6 == v6 && d.proto == IPPROTO_UDP && span_len(&d.header) == sizeof(header));
	cr_assert(reasm_bytes(r) == 0 && reasm_datagrams(r) == 0);
	reasm_free(r);
	free(data);
}

Test(reasm, any_order_gives_the_datagram_back)
{
	for (unsigned int seed = 0; seed < 200; seed++)
		check_order(seed & 1, seed);
}

Test(reasm, what_one_fragment_can_be_wrong_with)
{
	struct reasm *r = fresh(NULL);
	uint8_t *data = pattern(2000);
	struct reasm_datagram d;
	const struct {
		bool v6;
		uint8_t proto;
		uint16_t offset;
		bool more;
		size_t len;
		enum reasm_verdict want;
	} rows[] = {
		{true, 17, 0, true, 63, REASM_BAD_LENGTH},
		{false, 17, 8, true, 9, REASM_BAD_LENGTH},
		{true, 17, 65528, false, 8, REASM_TOO_LONG},
		{true, 17, 65528, false, 7, REASM_WAIT},
		{false, 17, 65512, false, 4, REASM_TOO_LONG}, /* with the header of 20 */
		{false, 17, 65504, false, 11, REASM_WAIT},
		{true, 17, 8, true, 0, REASM_EMPTY},
		{true, 17, 8, false, 0, REASM_EMPTY},
		{true, 6, 0, true, 16, REASM_TINY_FIRST}, /* RFC 7112 */
		{true, 6, 0, true, 24, REASM_WAIT},
		{false, 6, 0, true, 16, REASM_TINY_FIRST}, /* RFC 3128 */
		{false, 6, 0, true, 24, REASM_WAIT},
		{true, 60, 0, true, 16, REASM_TINY_FIRST}, /* ends in an options header */
	};

	data[0] = IPPROTO_TCP;
	data[1] = 1; /* 16 bytes of destination options, then TCP */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reasm_fragment f = fragment(rows[i].v6, (uint32_t)i, rows[i].offset,
						   rows[i].more, data, rows[i].len);

		f.proto = rows[i].proto;
		cr_assert(reasm_add(r, 1, &f, &d) == rows[i].want, "row %zu", i);
	}
	cr_assert(reasm_datagrams(r) == 4);
	reasm_free(r);
	free(data);
}

/* RFC 5722: void, with all that still comes, until its time is over. */
Test(reasm, an_overlap_voids_the_datagram)
{
	uint8_t *data = pattern(200);

	for (int v6 = 0; v6 < 2; v6++) {
		struct reasm *r = fresh(NULL);
		struct reasm_datagram d;
		struct reasm_fragment a = fragment(v6, 1, 0, true, data, 64);
		struct reasm_fragment b = fragment(v6, 1, 56, true, data + 56, 64);
		struct reasm_fragment c = fragment(v6, 1, 64, false, data + 64, 64);

		cr_assert(reasm_add(r, 1, &a, &d) == REASM_WAIT);
		cr_assert(reasm_add(r, 1, &a, &d) == REASM_DUPLICATE);
		cr_assert(reasm_add(r, 1, &b, &d) == REASM_OVERLAP);
		cr_assert(reasm_add(r, 1, &c, &d) == REASM_VOID);
		cr_assert(reasm_add(r, 1, &a, &d) == REASM_VOID);
		cr_assert(reasm_datagrams(r) == 1);
		cr_assert(reasm_expire(r, 61 * second, &d) && span_len(&d.header) == 0,
			  "nobody is told about a void datagram");
		cr_assert(reasm_add(r, 61 * second, &a, &d) == REASM_WAIT, "forgotten");
		reasm_free(r);
	}
	free(data);
}

Test(reasm, the_same_place_with_other_bytes_is_an_overlap)
{
	struct reasm *r = fresh(NULL);
	struct reasm_datagram d;
	uint8_t one[64] = {1}, two[64] = {2};
	struct reasm_fragment a = fragment(true, 1, 0, true, one, 64);
	struct reasm_fragment b = fragment(true, 1, 0, true, two, 64);

	cr_assert(reasm_add(r, 1, &a, &d) == REASM_WAIT);
	cr_assert(reasm_add(r, 1, &b, &d) == REASM_OVERLAP);
	reasm_free(r);
}

Test(reasm, two_ends_or_data_behind_the_end_void_the_datagram)
{
	uint8_t *data = pattern(400);
	struct reasm_datagram d;
	const struct {
		uint16_t offset;
		bool more;
		size_t len;
	} second_one[] = {
		{192, false, 64}, /* another end, further on */
		{64, false, 64},  /* another end, before */
		{192, true, 64},  /* data behind the end */
		{192, true, 8},
	};

	for (size_t i = 0; i < 4; i++) {
		struct reasm *r = fresh(NULL);
		struct reasm_fragment end = fragment(true, 1, 128, false, data, 64);
		struct reasm_fragment f = fragment(true, 1, second_one[i].offset,
						   second_one[i].more, data, second_one[i].len);

		cr_assert(reasm_add(r, 1, &end, &d) == REASM_WAIT);
		cr_assert(reasm_add(r, 1, &f, &d) == REASM_OVERLAP, "case %zu", i);
		reasm_free(r);
	}
	free(data);
}

Test(reasm, what_tells_datagrams_apart)
{
	struct reasm *r = fresh(NULL);
	uint8_t *data = pattern(128);
	struct reasm_datagram d;
	struct reasm_fragment f = fragment(false, 1, 0, true, data, 64);
	uint32_t n = 0;

	cr_assert(reasm_add(r, 1, &f, &d) == REASM_WAIT && reasm_datagrams(r) == ++n);
	f.id = 2;
	cr_assert(reasm_add(r, 1, &f, &d) == REASM_WAIT && reasm_datagrams(r) == ++n);
	f.proto = IPPROTO_TCP;
	cr_assert(reasm_add(r, 1, &f, &d) == REASM_WAIT && reasm_datagrams(r) == ++n);
	f.src.b[15]++;
	cr_assert(reasm_add(r, 1, &f, &d) == REASM_WAIT && reasm_datagrams(r) == ++n);
	f.dst.b[15]++;
	cr_assert(reasm_add(r, 1, &f, &d) == REASM_WAIT && reasm_datagrams(r) == ++n);
	f = fragment(true, 1, 0, true, data, 64);
	cr_assert(reasm_add(r, 1, &f, &d) == REASM_WAIT && reasm_datagrams(r) == ++n);
	/* Of IPv6 the protocol is the first fragment's business alone (RFC 8200 4.5). */
	f = fragment(true, 1, 64, false, data + 64, 64);
	f.proto = IPPROTO_TCP;
	cr_assert(reasm_add(r, 1, &f, &d) == REASM_DONE && d.proto == IPPROTO_UDP);
	reasm_free(r);
	free(data);
}

Test(reasm, time_is_over_after_a_minute_and_whom_to_tell)
{
	struct reasm *r = fresh(NULL);
	uint8_t *data = pattern(128);
	struct reasm_datagram d;
	struct reasm_fragment first = fragment(true, 1, 0, true, data, 64);
	struct reasm_fragment last = fragment(true, 2, 64, false, data + 64, 64);

	cr_assert(reasm_next_ns(r) == UINT64_MAX);
	reasm_add(r, 5 * second, &first, &d);
	reasm_add(r, 6 * second, &last, &d);
	cr_assert(reasm_next_ns(r) == 65 * second);
	cr_assert_not(reasm_expire(r, 65 * second - 1, &d));
	cr_assert(reasm_expire(r, 65 * second, &d));
	cr_assert(span_len(&d.header) == sizeof(header) && memcmp(d.header.p, header, 48) == 0);
	cr_assert(span_len(&d.data) == 64 && memcmp(d.data.p, data, 64) == 0);
	cr_assert_not(reasm_expire(r, 65 * second, &d));
	cr_assert(reasm_expire(r, 66 * second, &d) && span_len(&d.header) == 0,
		  "no first fragment, no ICMP error");
	cr_assert(reasm_bytes(r) == 0);
	reasm_free(r);
	free(data);
}

Test(reasm, stays_within_every_limit)
{
	struct reasm_config cfg = {
		.bytes_max = 20000, .datagrams_max = 8, .fragments_max = 4, .lifetime_ns = second};
	struct reasm *r = fresh(&cfg);
	uint8_t *data = pattern(4096);
	struct reasm_datagram d;
	struct reasm_fragment f;

	for (uint32_t id = 0; id < 5000; id++) {
		f = fragment(id & 1, id, (uint16_t)(8 * (id % 7)), true, data, 8 * (2 + id % 500));
		f.proto = 253;
		reasm_add(r, id, &f, &d);
		cr_assert(reasm_bytes(r) <= cfg.bytes_max && reasm_datagrams(r) <= 8);
	}
	/* The newest survive. */
	f = fragment(true, 9001, 0, true, data, 64);
	cr_assert(reasm_add(r, 5000, &f, &d) == REASM_WAIT);
	for (uint32_t id = 0; id < 7; id++) {
		f = fragment(true, id, 8, true, data, 8);
		reasm_add(r, 5000, &f, &d);
	}
	f = fragment(true, 9001, 64, false, data, 64);
	cr_assert(reasm_add(r, 5001, &f, &d) == REASM_DONE);
	for (uint16_t i = 0; i < 5; i++) {
		f = fragment(true, 9002, (uint16_t)(64 + 16 * i), true, data, 8);
		cr_assert(reasm_add(r, 5002, &f, &d) == (i < 4 ? REASM_WAIT : REASM_LIMIT));
	}
	reasm_free(r);
	cfg.lifetime_ns = 0;
	cr_assert(reasm_new(&cfg, &key, &r) == -EINVAL);
	free(data);
}

/*
 * The oracle: a datagram is an array with one owner per byte, and the rules are applied by looking
 * at every byte.
 */
enum { ORACLE_MAX = 160, ORACLE_IDS = 3 };
struct oracle {
	bool dead;
	int owner[ORACLE_MAX]; /* offset of the fragment + 1 that holds the byte, 0: hole */
	int len[ORACLE_MAX];   /* of the fragment at this offset */
	uint8_t byte[ORACLE_MAX];
	int total;
};

static enum reasm_verdict oracle_add(struct oracle *o, int off, int len, bool more,
				     const uint8_t *data)
{
	bool any = false, same = o->len[off] == len && o->owner[off] == off + 1;
	int top = 0;

	if (o->dead)
		return REASM_VOID;
	for (int i = 0; i < len; i++) {
		any |= o->owner[off + i] != 0;
		same &= o->byte[off + i] == data[i];
	}
	if (any && same)
		return REASM_DUPLICATE;
	for (int i = 0; i < ORACLE_MAX; i++)
		top = o->owner[i] ? i + 1 : top;
	o->dead = any || (o->total && (!more || off + len >= o->total)) || (!more && top > off);
	if (o->dead)
		return REASM_OVERLAP;
	for (int i = 0; i < len; i++) {
		o->owner[off + i] = off + 1;
		o->byte[off + i] = data[i];
	}
	o->len[off] = len;
	if (!more)
		o->total = off + len;
	for (int i = 0; i < o->total; i++)
		if (!o->owner[i])
			return REASM_WAIT;
	return o->total ? REASM_DONE : REASM_WAIT;
}

Test(reasm, agrees_with_a_naive_oracle_on_random_fragments)
{
	static struct oracle oracles[ORACLE_IDS];
	struct reasm *r = fresh(NULL);
	uint64_t now = 1;
	int seen[REASM_NUM] = {0};

	srand(11);
	for (int step = 0; step < 300000; step++) {
		uint32_t id = (uint32_t)(rand() % ORACLE_IDS);
		int off = rand() % 6 * 8, len = rand() % 40 ? 8 : (1 + rand() % 4) * 8;
		bool more = rand() % 40 ? off != 40 : rand() & 1;
		uint8_t data[32];
		struct reasm_datagram d;
		enum reasm_verdict got, want;
		struct reasm_fragment f;

		for (int i = 0; i < len; i++)
			data[i] = (uint8_t)(off + i + (rand() % 2000 == 0));
		f = fragment(id & 1, id, (uint16_t)off, more, data, (size_t)len);
		got = reasm_add(r, now, &f, &d);
		want = oracle_add(&oracles[id], off, len, more, data);
		cr_assert(got == want, "step %d: %d, oracle says %d", step, got, want);
		seen[got]++;
		if (got == REASM_DONE) {
			cr_assert((int)span_len(&d.data) == oracles[id].total);
			cr_assert(memcmp(d.data.p, oracles[id].byte, span_len(&d.data)) == 0);
			oracles[id] = (struct oracle){0};
		}
		/* Now and then a minute passes, and everything is forgotten. */
		if (rand() % 25 == 0) {
			now += 61 * second;
			while (reasm_expire(r, now, &d))
				;
			memset(oracles, 0, sizeof(oracles));
		}
	}
	cr_assert(seen[REASM_DONE] > 5000 && seen[REASM_DUPLICATE] > 5000 &&
			  seen[REASM_OVERLAP] > 5000 && seen[REASM_VOID] > 5000,
		  "done %d duplicate %d overlap %d void %d", seen[REASM_DONE],
		  seen[REASM_DUPLICATE], seen[REASM_OVERLAP], seen[REASM_VOID]);
	reasm_free(r);
}
