/* SPDX-License-Identifier: MIT */
/* reasm.c - puts fragmented datagrams together again */
#include "reasm.h"

#include "../wire/ipv6.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

/*
 * A datagram is a list of its fragments by offset, none of which overlap, so it is complete when
 * the end is known and the lengths add up to it: the holes of RFC 815 need no list of their own.
 * A datagram that was found contradictory stays as an empty mark until its time is over.
 *
 * Invariants: have is the sum of the fragments' lengths; total is 0 until the last fragment came,
 * and then no fragment ends beyond it; bytes is the sum of cost() over everything kept.
 */
enum {
	DATAGRAM_MAX = 65535,
	BUCKETS = 256, /* a power of two */
	HEADER_KEPT = 128,
};

const struct reasm_config REASM_CONFIG_USUAL = {
	.bytes_max = 1 << 20,
	.datagrams_max = 512,
	.fragments_max = 128,
	.lifetime_ns = UINT64_C(60) * 1000000000,
};

struct piece {
	struct piece *next;
	uint16_t offset;
	uint16_t len;
	uint8_t data[];
};

struct entry {
	struct entry *next;	     /* in its bucket */
	struct entry *older, *newer; /* by age, which is by deadline */
	uint64_t deadline_ns;
	struct addr src, dst;
	uint32_t id;
	bool v6, dead;
	uint8_t key_proto; /* 0 for IPv6 */
	uint8_t proto;	   /* of the first fragment */
	uint8_t header_len;
	uint32_t total, have;
	uint32_t count;
	uint32_t bucket;
	struct piece *pieces;
	uint8_t header[HEADER_KEPT];
};

struct reasm {
	struct reasm_config cfg;
	struct siphash_key key;
	uint32_t bytes, datagrams;
	struct entry *oldest, *newest;
	struct entry *buckets[BUCKETS];
	uint8_t header[HEADER_KEPT];
	uint8_t data[DATAGRAM_MAX];
};

static size_t cost(size_t data_len)
{
	return sizeof(struct piece) + data_len;
}

int reasm_new(const struct reasm_config *cfg, const struct siphash_key *key, struct reasm **out)
{
	struct reasm *r;

	if (!cfg->bytes_max || !cfg->datagrams_max || !cfg->fragments_max || !cfg->lifetime_ns)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->cfg = *cfg;
	r->key = *key;
	*out = r;
	return 0;
}

static void drop_pieces(struct reasm *r, struct entry *e)
{
	struct piece *next;

	for (struct piece *p = e->pieces; p; p = next) {
		next = p->next;
		r->bytes -= (uint32_t)cost(p->len);
		free(p);
	}
	e->pieces = NULL;
	e->have = e->count = 0;
}

static void drop_entry(struct reasm *r, struct entry *e)
{
	struct entry **link = &r->buckets[e->bucket];

	drop_pieces(r, e);
	while (*link != e)
		link = &(*link)->next;
	*link = e->next;
	*(e->older ? &e->older->newer : &r->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &r->newest) = e->older;
	r->bytes -= (uint32_t)sizeof(*e);
	r->datagrams--;
	free(e);
}

/* The datagram is void: only its mark stays, to swallow what still comes of it. */
static enum reasm_verdict kill(struct reasm *r, struct entry *e, enum reasm_verdict why)
{
	drop_pieces(r, e);
	e->dead = true;
	e->header_len = 0;
	return why;
}

static uint32_t bucket_of(const struct reasm *r, const struct reasm_fragment *f)
{
	uint64_t words[5];

	memcpy(words, f->src.b, 16);
	memcpy(words + 2, f->dst.b, 16);
	words[4] = (uint64_t)f->id << 16 | (f->v6 ? 1 << 8 : f->proto);
	return (uint32_t)siphash_words(&r->key, words, 5) % BUCKETS;
}

static struct entry *find(const struct reasm *r, const struct reasm_fragment *f, uint32_t bucket)
{
	for (struct entry *e = r->buckets[bucket]; e; e = e->next)
		if (e->id == f->id && e->v6 == f->v6 && e->key_proto == (f->v6 ? 0 : f->proto) &&
		    addr_eq(&e->src, &f->src) && addr_eq(&e->dst, &f->dst))
			return e;
	return NULL;
}

/* Makes room for @bytes more beside @keep, oldest first. Returns false when it cannot be had. */
static bool make_room(struct reasm *r, size_t bytes, const struct entry *keep)
{
	while (r->bytes + bytes > r->cfg.bytes_max) {
		struct entry *victim = r->oldest;

		if (victim == keep)
			victim = keep ? keep->newer : NULL;
		if (!victim)
			return false;
		drop_entry(r, victim);
	}
	return true;
}

static struct entry *add_entry(struct reasm *r, uint64_t now_ns, const struct reasm_fragment *f,
			       uint32_t bucket)
{
	struct entry *e;

	if (r->datagrams == r->cfg.datagrams_max)
		drop_entry(r, r->oldest);
	if (!make_room(r, sizeof(*e), NULL))
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->src = f->src;
	e->dst = f->dst;
	e->id = f->id;
	e->v6 = f->v6;
	e->key_proto = f->v6 ? 0 : f->proto;
	e->deadline_ns = now_ns + r->cfg.lifetime_ns;
	e->bucket = bucket;
	e->next = r->buckets[bucket];
	r->buckets[bucket] = e;
	e->older = r->newest;
	*(r->newest ? &r->newest->newer : &r->oldest) = e;
	r->newest = e;
	r->bytes += (uint32_t)sizeof(*e);
	r->datagrams++;
	return e;
}

/* Bytes of transport header that a first fragment must hold; RFC 7112 asks for all of it. */
static size_t transport_min(bool v6, uint8_t proto)
{
	enum { TCP_MIN = 20, UDP_MIN = 8, ICMP_MIN = 8 };

	switch (proto) {
	case IPPROTO_TCP:
		return TCP_MIN;
	case IPPROTO_UDP:
		return UDP_MIN;
	case IPPROTO_ICMP:
		return v6 ? 1 : ICMP_MIN;
	case IPPROTO_ICMPV6:
		return v6 ? ICMP_MIN : 1;
	default:
		return 1;
	}
}

static bool holds_headers(const struct reasm_fragment *f)
{
	struct ipv6_chain chain = {.proto = f->proto};
	struct span s = f->data;

	if (f->v6 && ipv6_walk(&s, f->proto, &chain) == -ENODATA)
		return false;
	return chain.proto == IPPROTO_NONE || span_len(&s) >= transport_min(f->v6, chain.proto);
}

/* What can be said of a fragment by itself. */
static enum reasm_verdict judge_alone(const struct reasm_fragment *f)
{
	size_t len = span_len(&f->data);

	if (f->more && len % 8)
		return REASM_BAD_LENGTH;
	if (f->counted + f->offset + len > DATAGRAM_MAX)
		return REASM_TOO_LONG;
	if (!len)
		return REASM_EMPTY;
	if (!f->offset && !holds_headers(f))
		return REASM_TINY_FIRST;
	return REASM_WAIT;
}

static bool same_bytes(const struct piece *p, const struct reasm_fragment *f)
{
	return p->offset == f->offset && p->len == span_len(&f->data) &&
	       memcmp(p->data, f->data.p, p->len) == 0;
}

/*
 * Where the fragment belongs among those that are there: @at receives the link to hang it in.
 * Returns REASM_WAIT, REASM_DUPLICATE or REASM_OVERLAP.
 */
static enum reasm_verdict find_place(struct entry *e, const struct reasm_fragment *f,
				     struct piece ***at)
{
	uint32_t begin = f->offset, end = begin + (uint32_t)span_len(&f->data);
	struct piece **link = &e->pieces;

	for (; *link && (*link)->offset < end; link = &(*link)->next) {
		const struct piece *p = *link;

		if (p->offset + (uint32_t)p->len > begin)
			return same_bytes(p, f) ? REASM_DUPLICATE : REASM_OVERLAP;
	}
	*at = link;
	return REASM_WAIT;
}

/* Whether the end that this fragment states or respects fits what is known of it. */
static bool end_agrees(const struct entry *e, const struct reasm_fragment *f,
		       const struct piece *behind)
{
	uint32_t end = f->offset + (uint32_t)span_len(&f->data);

	if (!f->more)
		return (!e->total || e->total == end) && !behind;
	return !e->total || end < e->total;
}

static void keep_first(struct entry *e, const struct reasm_fragment *f)
{
	size_t len = span_len(&f->header);

	if (f->offset)
		return;
	e->proto = f->proto;
	e->header_len = (uint8_t)(len > HEADER_KEPT ? HEADER_KEPT : len);
	memcpy(e->header, f->header.p, e->header_len);
}

static enum reasm_verdict insert(struct reasm *r, struct entry *e, const struct reasm_fragment *f)
{
	size_t len = span_len(&f->data);
	enum reasm_verdict v;
	struct piece **at = NULL, *p;

	v = find_place(e, f, &at);
	if (v == REASM_OVERLAP)
		return kill(r, e, v);
	if (v == REASM_DUPLICATE)
		return v;
	if (!end_agrees(e, f, *at))
		return kill(r, e, REASM_OVERLAP);
	if (e->count == r->cfg.fragments_max || !make_room(r, cost(len), e))
		return kill(r, e, REASM_LIMIT);
	p = malloc(cost(len));
	if (!p)
		return kill(r, e, REASM_LIMIT);
	p->offset = f->offset;
	p->len = (uint16_t)len;
	memcpy(p->data, f->data.p, len);
	p->next = *at;
	*at = p;
	r->bytes += (uint32_t)cost(len);
	e->have += (uint32_t)len;
	e->count++;
	if (!f->more)
		e->total = f->offset + (uint32_t)len;
	keep_first(e, f);
	return e->total && e->have == e->total ? REASM_DONE : REASM_WAIT;
}

/* Copies out what @e holds in one piece from its start: all of it, or the first fragment. */
static void fill(struct reasm *r, const struct entry *e, struct reasm_datagram *out)
{
	size_t len = 0;

	for (const struct piece *p = e->pieces; p && p->offset == len; p = p->next) {
		memcpy(r->data + len, p->data, p->len);
		len += p->len;
		if (!e->total || e->have != e->total)
			break;
	}
	memcpy(r->header, e->header, e->header_len);
	*out = (struct reasm_datagram){
		.v6 = e->v6,
		.src = e->src,
		.dst = e->dst,
		.proto = e->proto,
		.header = span_of(r->header, e->header_len),
		.data = span_of(r->data, len),
	};
}

enum reasm_verdict reasm_add(struct reasm *r, uint64_t now_ns, const struct reasm_fragment *f,
			     struct reasm_datagram *out)
{
	enum reasm_verdict v = judge_alone(f);
	uint32_t bucket;
	struct entry *e;

	if (v != REASM_WAIT)
		return v;
	bucket = bucket_of(r, f);
	e = find(r, f, bucket);
	if (e && e->deadline_ns <= now_ns) {
		drop_entry(r, e);
		e = NULL;
	}
	if (!e)
		e = add_entry(r, now_ns, f, bucket);
	if (!e)
		return REASM_LIMIT;
	if (e->dead)
		return REASM_VOID;
	v = insert(r, e, f);
	if (v == REASM_DONE) {
		fill(r, e, out);
		drop_entry(r, e);
	}
	return v;
}

bool reasm_expire(struct reasm *r, uint64_t now_ns, struct reasm_datagram *out)
{
	struct entry *e = r->oldest;

	if (!e || e->deadline_ns > now_ns)
		return false;
	fill(r, e, out);
	drop_entry(r, e);
	return true;
}

uint64_t reasm_next_ns(const struct reasm *r)
{
	return r->oldest ? r->oldest->deadline_ns : UINT64_MAX;
}

uint32_t reasm_bytes(const struct reasm *r)
{
	return r->bytes;
}

uint32_t reasm_datagrams(const struct reasm *r)
{
	return r->datagrams;
}

void reasm_free(struct reasm *r)
{
	struct entry *newer;

	if (!r)
		return;
	for (struct entry *e = r->oldest; e; e = newer) {
		newer = e->newer;
		drop_pieces(r, e);
		free(e);
	}
	free(r);
}
