/* SPDX-License-Identifier: MIT */
/* flow.c - the flow table */
#include "flow.h"

#include "../siphash.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

/*
 * Slots are handed out in order and reused through a free list; the hash holds the newest
 * generation of each key, older ones hang behind it. Nothing is allocated after creation.
 *
 * Fragments: only the first one carries ports. A first fragment leaves (addresses, protocol, id) ->
 * flow in a small table, a later one looks there; one that comes before its first fragment waits in
 * the same table. FRAGMENTS_MAX datagrams per table; an entry that is displaced while waiting
 * counts as unattributed. IPv6 matches by addresses and id alone (RFC 8200 4.5): where extension
 * headers follow, the fragments of one datagram need not name the same protocol.
 */
enum { FRAGMENTS_MAX = 64, SEQ_WINDOW_MAX = 1 << 30, HUGE_PAGE = 2 << 20, CACHE_LINE = 64 };

/*
 * How long before a flow's first frame something unattributed may still have been of that flow:
 * hosts keep fragments for up to 60 seconds (RFC 8200 4.5).
 */
static const uint64_t STRAY_NS = 60000000000;

struct fragment_entry {
	bool in_use;
	uint32_t tap, id;
	uint64_t ts_ns; /* of the fragment that was here first */
	struct addr src, dst;
	uint8_t proto;
	struct flow *fl; /* NULL: first fragment not seen yet */
	enum flow_way way;
	uint32_t waiting[CARRIAGE_NUM], waiting_outgoing;
	uint64_t waiting_bytes;
};

struct flow_table {
	struct flow *slots;
	size_t max_flows, used;
	struct flow *free;
	struct flow **buckets;
	size_t bucket_mask;
	struct siphash_key secret; /* clients choose their addresses and ports */
	size_t in_use;
	struct port_range ports[FILTER_RANGES_MAX];
	size_t n_ports;
	struct fragment_entry fragments[FRAGMENTS_MAX];
	size_t fragment_next;
	struct lost_pair {
		struct addr a, b;
		uint64_t ts_ns;
	} lost_pairs[FRAGMENTS_MAX]; /* a ring, the latest ones */
	size_t n_lost_pairs;
	uint64_t lost_pairs_gone_ns; /* the latest that the ring has forgotten, 0: none */
	uint64_t full;
	uint64_t unread[EVIDENCE_TAPS_MAX];
	uint64_t unread_ns; /* when the last one was */
};

/*
 * Aligned as struct flow wants it, and not touched: a slot is filled when it is first handed out. A
 * large table on small pages costs a miss of the translation cache beside each miss of the data
 * cache, so huge ones are asked for.
 */
static struct flow *slots_allocate(size_t n)
{
	size_t size = n * sizeof(struct flow);
	size_t align = size < HUGE_PAGE ? _Alignof(struct flow) : HUGE_PAGE;
	void *slots = aligned_alloc(align, (size + align - 1) / align * align);

	if (slots && align == HUGE_PAGE)
		madvise(slots, size, MADV_HUGEPAGE); /* where it is refused nothing is lost */
	return slots;
}

struct flow_table *flow_table_create(size_t max_flows, const struct port_range *ports,
				     size_t n_ports)
{
	struct flow_table *ft = calloc(1, sizeof(*ft));
	size_t buckets = 64;
	uint8_t secret[16];

	if (!ft)
		return NULL;
	assert(n_ports <= FILTER_RANGES_MAX);
	while (buckets < 2 * max_flows) /* half of them empty: few flows share one */
		buckets *= 2;
	ft->slots = slots_allocate(max_flows ? max_flows : 1);
	ft->buckets = calloc(buckets, sizeof(struct flow *));
	if (!ft->slots || !ft->buckets) {
		flow_table_destroy(ft);
		return NULL;
	}
	/* So early in a boot that there is none yet nobody aims at us either. */
	if (getrandom(secret, sizeof(secret), GRND_NONBLOCK) != sizeof(secret))
		memset(secret, 0, sizeof(secret));
	ft->secret = siphash_key_from(secret);
	ft->max_flows = max_flows;
	ft->bucket_mask = buckets - 1;
	if (n_ports)
		memcpy(ft->ports, ports, n_ports * sizeof(*ports));
	ft->n_ports = n_ports;
	return ft;
}

void flow_table_destroy(struct flow_table *ft)
{
	if (!ft)
		return;
	free(ft->slots);
	free(ft->buckets);
	free(ft);
}

/* The same for both directions, so that nobody needs to know yet which end is the server. */
static uint64_t pair_hash(const struct flow_table *ft, uint8_t proto, const struct addr *a,
			  uint16_t a_port, const struct addr *b, uint16_t b_port)
{
	uint64_t wa[2], wb[2];
	bool swap;

	memcpy(wa, a->b, sizeof(wa));
	memcpy(wb, b->b, sizeof(wb));
	swap = wa[0] != wb[0] ? wa[0] > wb[0] : wa[1] != wb[1] ? wa[1] > wb[1] : a_port > b_port;
	uint64_t words[5] = {
		(uint64_t)proto << 32 | (uint32_t)(swap ? b_port : a_port) << 16 |
			(swap ? a_port : b_port),
		swap ? wb[0] : wa[0],
		swap ? wb[1] : wa[1],
		swap ? wa[0] : wb[0],
		swap ? wa[1] : wb[1],
	};
	return siphash_words_table(&ft->secret, words, 5);
}

static uint64_t key_hash(const struct flow_table *ft, const struct flow_key *k)
{
	return pair_hash(ft, k->proto, &k->server, k->server_port, &k->client, k->client_port);
}

static struct flow **bucket_of(const struct flow_table *ft, uint64_t hash)
{
	return &ft->buckets[hash & ft->bucket_mask];
}

uint64_t flow_table_hash(const struct flow_table *ft, const struct evidence_frame *f)
{
	const struct frame_info *p = &f->info;

	return pair_hash(ft, p->proto, &p->src, p->sport, &p->dst, p->dport);
}

void flow_table_fetch_bucket(const struct flow_table *ft, uint64_t hash)
{
	__builtin_prefetch(bucket_of(ft, hash));
}

const struct flow *flow_table_fetch_flow(const struct flow_table *ft, uint64_t hash)
{
	const struct flow *fl = *bucket_of(ft, hash);
	const uint8_t *line = (const uint8_t *)fl;

	/* Up to what a frame needs of the view of either direction on the first tap. */
	for (size_t at = 0; fl && at < offsetof(struct flow, view[0][FLOW_TO_CLIENT].syn);
	     at += CACHE_LINE)
		__builtin_prefetch(line + at, 1);
	return fl;
}

static bool key_eq(const struct flow_key *a, const struct flow_key *b)
{
	return a->proto == b->proto && a->server_port == b->server_port &&
	       a->client_port == b->client_port && addr_eq(&a->server, &b->server) &&
	       addr_eq(&a->client, &b->client);
}

static struct flow *find(const struct flow_table *ft, const struct flow_key *key, uint64_t hash)
{
	struct flow *fl = *bucket_of(ft, hash);

	while (fl && !key_eq(&fl->key, key))
		fl = fl->next;
	return fl;
}

struct flow *flow_table_find(const struct flow_table *ft, const struct flow_key *key)
{
	return find(ft, key, key_hash(ft, key));
}

/* Opens a generation in front of @older (the newest so far, or NULL). */
static struct flow *flow_open(struct flow_table *ft, const struct flow_key *key, struct flow *older,
			      uint64_t hash, uint64_t now_ns)
{
	struct flow **link = bucket_of(ft, hash);
	struct flow *fl = ft->free;

	if (fl)
		ft->free = fl->next;
	else if (ft->used < ft->max_flows)
		fl = &ft->slots[ft->used++];
	else {
		ft->full++;
		return NULL;
	}
	ft->in_use++;
	*fl = (struct flow){.key = *key, .first_ns = now_ns, .last_ns = now_ns, .in_use = true};
	if (older) {
		while (*link != older)
			link = &(*link)->next;
		fl->older = older;
		fl->generation = older->generation + 1;
		fl->next = older->next;
		older->next = NULL;
	} else {
		fl->next = *link;
	}
	*link = fl;
	return fl;
}

void flow_table_forget(struct flow_table *ft, struct flow *fl)
{
	struct flow **link = bucket_of(ft, key_hash(ft, &fl->key));
	struct flow *newest;

	while (*link && !key_eq(&(*link)->key, &fl->key))
		link = &(*link)->next;
	newest = *link;
	assert(newest);
	if (newest == fl) {
		*link = fl->older ? fl->older : fl->next;
		if (fl->older)
			fl->older->next = fl->next;
	} else {
		while (newest->older != fl)
			newest = newest->older;
		newest->older = fl->older;
	}
	for (size_t i = 0; i < FRAGMENTS_MAX; i++)
		if (ft->fragments[i].fl == fl)
			ft->fragments[i] = (struct fragment_entry){0};
	*fl = (struct flow){.next = ft->free};
	ft->free = fl;
	ft->in_use--;
}

static bool watched(const struct flow_table *ft, uint16_t port)
{
	for (size_t i = 0; i < ft->n_ports; i++)
		if (port >= ft->ports[i].lo && port <= ft->ports[i].hi)
			return true;
	return ft->n_ports == 0;
}

static struct flow_key key_from(const struct frame_info *p, enum flow_way way)
{
	if (way == FLOW_TO_SERVER)
		return (struct flow_key){.server = p->dst,
					 .client = p->src,
					 .server_port = p->dport,
					 .client_port = p->sport,
					 .proto = p->proto};
	return (struct flow_key){.server = p->src,
				 .client = p->dst,
				 .server_port = p->sport,
				 .client_port = p->dport,
				 .proto = p->proto};
}

/* Which end is the server. Returns false when neither port is watched. */
static bool orient(const struct flow_table *ft, const struct frame_info *p, uint64_t hash,
		   struct flow_key *key, enum flow_way *way)
{
	bool to = watched(ft, p->dport), from = watched(ft, p->sport);

	if (!to && !from)
		return false;
	*way = to ? FLOW_TO_SERVER : FLOW_TO_CLIENT;
	*key = key_from(p, *way);
	if (!to || !from || find(ft, key, hash))
		return true;
	/* Both ends may be a server: what is known of the flow decides, then the handshake, then
	 * the port. */
	struct flow_key other = key_from(p, FLOW_TO_CLIENT);
	bool syn = p->proto == IPPROTO_TCP && p->tcp_flags & TCP_SYN;
	bool reply = syn ? (p->tcp_flags & TCP_ACK) != 0 : p->sport < p->dport;

	if (find(ft, &other, hash) || reply) {
		*way = FLOW_TO_CLIENT;
		*key = other;
	}
	return true;
}

static bool seen_on(const struct flow *fl, uint32_t tap)
{
	return flow_view_sound(&fl->view[tap][FLOW_TO_SERVER]) +
		       flow_view_sound(&fl->view[tap][FLOW_TO_CLIENT]) >
	       0;
}

/* The generation that a client's SYN belongs to, opened if need be. */
static struct flow *generation_for_syn(struct flow_table *ft, struct flow *newest, uint64_t hash,
				       uint32_t isn, uint64_t now_ns)
{
	uint32_t n = 0;

	for (struct flow *fl = newest; fl; fl = fl->older, n++)
		for (uint32_t t = 0; t < EVIDENCE_TAPS_MAX; t++) {
			const struct flow_view *v = &fl->view[t][FLOW_TO_SERVER];

			if (v->isn_known && v->isn == isn)
				return fl;
		}
	if (n >= FLOW_GENERATIONS_MAX) {
		ft->full++;
		return NULL;
	}
	return flow_open(ft, &newest->key, newest, hash, now_ns);
}

/* The generation a frame belongs to, opened if need be. */
static struct flow *generation_for(struct flow_table *ft, const struct flow_key *key, uint64_t hash,
				   enum flow_way way, const struct evidence_frame *f)
{
	const struct frame_info *p = &f->info;
	struct flow *newest = find(ft, key, hash), *fl;

	if (!newest)
		return flow_open(ft, key, NULL, hash, f->ts_ns);
	if (p->proto != IPPROTO_TCP)
		return newest;
	if (p->tcp_flags & TCP_SYN && !(p->tcp_flags & TCP_ACK) && way == FLOW_TO_SERVER &&
	    !(p->problems & FRAME_BAD))
		return generation_for_syn(ft, newest, hash, p->seq, f->ts_ns);
	for (fl = newest; fl && !seen_on(fl, f->tap);)
		fl = fl->older;
	return fl ? fl : newest;
}

static void cover_remove(struct seq_cover *c, uint32_t i)
{
	c->n--;
	memmove(&c->part[i], &c->part[i + 1], (c->n - i) * sizeof(c->part[0]));
}

static void cover_add(struct seq_cover *c, uint64_t lo, uint64_t hi)
{
	uint32_t i = 0;

	while (i < c->n && c->part[i].hi < lo)
		i++;
	if (i == c->n || c->part[i].lo > hi) {
		if (c->n == FLOW_INTERVALS_MAX) {
			c->overflow = true;
			return;
		}
		memmove(&c->part[i + 1], &c->part[i], (c->n - i) * sizeof(c->part[0]));
		c->n++;
		c->part[i].lo = lo;
		c->part[i].hi = hi;
		return;
	}
	if (lo < c->part[i].lo)
		c->part[i].lo = lo;
	if (hi > c->part[i].hi)
		c->part[i].hi = hi;
	while (i + 1 < c->n && c->part[i + 1].lo <= c->part[i].hi) {
		if (c->part[i + 1].hi > c->part[i].hi)
			c->part[i].hi = c->part[i + 1].hi;
		cover_remove(c, i + 1);
	}
}

/* A 32-bit number as a 64-bit distance from @isn, the one nearest to @near. False: not in this
 * connection. */
static bool seq_relative(uint32_t seq, uint32_t isn, uint64_t near, uint64_t *rel)
{
	int32_t delta = (int32_t)(seq - (isn + (uint32_t)near));

	if (delta > SEQ_WINDOW_MAX || delta < -SEQ_WINDOW_MAX ||
	    (delta < 0 && near < (uint64_t) - (int64_t)delta))
		return false;
	*rel = near + (uint64_t)(int64_t)delta;
	return true;
}

static void track_seq(struct flow_view *v, const struct flow_view *other,
		      const struct frame_info *p)
{
	uint64_t rel, end, ack;

	if (p->tcp_flags & TCP_SYN) {
		v->syn++;
		v->mss = p->mss;
		if (!v->isn_known) {
			v->isn_known = true;
			v->isn = p->seq;
			v->next = 1;
		}
		return;
	}
	if (p->tcp_flags & TCP_ACK && other->isn_known &&
	    seq_relative(p->ack, other->isn, other->next, &ack) && ack > v->acked)
		v->acked = ack;
	if (!v->isn_known || p->tcp_flags & TCP_RST || !seq_relative(p->seq, v->isn, v->next, &rel))
		return;
	end = rel + p->payload_len;
	if (p->tcp_flags & TCP_FIN)
		v->fin_at = end++;
	if (end > rel)
		cover_add(&v->cover, rel, end);
	if (end > v->next)
		v->next = end;
}

static void count_tcp(struct flow *fl, uint32_t tap, enum flow_way way, const struct frame_info *p)
{
	struct flow_view *v = &fl->view[tap][way];

	v->rst += (p->tcp_flags & TCP_RST) != 0;
	v->fin += (p->tcp_flags & TCP_FIN) != 0;
	v->data += p->payload_len > 0;
	track_seq(v, &fl->view[tap][!way], p);
}

static void count_bad(struct flow_view *v, const struct evidence_frame *f)
{
	const struct frame_info *p = &f->info;

	v->bad++;
	if (!f->outgoing || (p->problems & FRAME_BAD) != FRAME_BAD_CHECKSUM)
		return;
	v->sent_bad_checksum[p->carriage]++;
	v->outgoing++;
	if (p->proto == IPPROTO_TCP && p->tcp_flags & TCP_SYN)
		v->mss = p->mss;
}

static void count_frame(struct flow *fl, enum flow_way way, const struct evidence_frame *f)
{
	const struct frame_info *p = &f->info;
	struct flow_view *v = &fl->view[f->tap][way];

	fl->last_ns = f->ts_ns;
	v->problems |= p->problems;
	if (p->problems & FRAME_BAD && p->carriage != CARRIAGE_MISMATCH) {
		count_bad(v, f);
		return;
	}
	v->frames[p->carriage]++;
	v->outgoing += f->outgoing;
	v->fragments += p->fragment;
	if (p->proto == IPPROTO_TCP)
		count_tcp(fl, f->tap, way, p);
	else
		v->bytes += p->payload_len;
}

static struct fragment_entry *fragment_find(struct flow_table *ft, const struct evidence_frame *f)
{
	const struct frame_info *p = &f->info;

	for (size_t i = 0; i < FRAGMENTS_MAX; i++) {
		struct fragment_entry *e = &ft->fragments[i];

		if (e->in_use && e->tap == f->tap && e->id == p->frag_id &&
		    (p->version == 6 || e->proto == p->proto) && addr_eq(&e->src, &p->src) &&
		    addr_eq(&e->dst, &p->dst))
			return e;
	}
	return NULL;
}

static void note_lost_pair(struct flow_table *ft, const struct fragment_entry *e)
{
	struct lost_pair *p = &ft->lost_pairs[ft->n_lost_pairs++ % FRAGMENTS_MAX];

	if (ft->n_lost_pairs > FRAGMENTS_MAX && p->ts_ns >= ft->lost_pairs_gone_ns)
		ft->lost_pairs_gone_ns = p->ts_ns ? p->ts_ns : 1;
	*p = (struct lost_pair){e->src, e->dst, e->ts_ns};
}

static struct fragment_entry *fragment_add(struct flow_table *ft, const struct evidence_frame *f)
{
	struct fragment_entry *e = &ft->fragments[ft->fragment_next++ % FRAGMENTS_MAX];

	if (e->in_use && !e->fl)
		note_lost_pair(ft, e);
	*e = (struct fragment_entry){.in_use = true,
				     .tap = f->tap,
				     .id = f->info.frag_id,
				     .ts_ns = f->ts_ns,
				     .src = f->info.src,
				     .dst = f->info.dst,
				     .proto = f->info.proto};
	return e;
}

static void fragment_settle(struct fragment_entry *e, struct flow *fl, enum flow_way way)
{
	struct flow_view *v = &fl->view[e->tap][way];

	e->fl = fl;
	e->way = way;
	for (int c = 0; c < CARRIAGE_NUM; c++) {
		v->frames[c] += e->waiting[c];
		v->later_fragments += e->waiting[c];
		e->waiting[c] = 0;
	}
	v->outgoing += e->waiting_outgoing;
	e->waiting_outgoing = 0;
	v->bytes += e->waiting_bytes;
	e->waiting_bytes = 0;
}

static struct flow *later_fragment(struct flow_table *ft, const struct evidence_frame *f)
{
	struct fragment_entry *e = fragment_find(ft, f);
	struct flow_view *v;

	if (!e)
		e = fragment_add(ft, f);
	if (!e->fl) {
		e->waiting[f->info.carriage]++;
		e->waiting_outgoing += f->outgoing;
		e->waiting_bytes += f->info.payload_len;
		return NULL;
	}
	v = &e->fl->view[f->tap][e->way];
	v->frames[f->info.carriage]++;
	v->outgoing += f->outgoing;
	v->bytes += f->info.payload_len;
	v->later_fragments++;
	e->fl->last_ns = f->ts_ns;
	return e->fl;
}

struct flow *flow_table_input(struct flow_table *ft, const struct evidence_frame *f)
{
	return flow_table_input_hashed(ft, f, flow_table_hash(ft, f));
}

struct flow *flow_table_input_hashed(struct flow_table *ft, const struct evidence_frame *f,
				     uint64_t hash)
{
	const struct frame_info *p = &f->info;
	struct fragment_entry *e;
	struct flow_key key;
	enum flow_way way;
	struct flow *fl;

	assert(f->tap < EVIDENCE_TAPS_MAX && (unsigned)p->carriage < CARRIAGE_NUM);
	if (f->canary)
		return NULL;
	if (!p->has_ports) {
		if (p->problems & FRAME_BAD) {
			ft->unread[f->tap]++;
			ft->unread_ns = f->ts_ns;
		} else if (p->fragment && p->frag_offset)
			return later_fragment(ft, f);
		return NULL;
	}
	if (!orient(ft, p, hash, &key, &way))
		return NULL;
	fl = generation_for(ft, &key, hash, way, f);
	if (!fl)
		return NULL;
	count_frame(fl, way, f);
	if (p->fragment) {
		e = fragment_find(ft, f);
		fragment_settle(e ? e : fragment_add(ft, f), fl, way);
	}
	return fl;
}

/* May something seen at @ts_ns between @a and @b have been of this flow? */
static bool may_be_of(const struct flow *fl, const struct addr *a, const struct addr *b,
		      uint64_t ts_ns)
{
	if (ts_ns + STRAY_NS < fl->first_ns)
		return false;
	return (addr_eq(a, &fl->key.server) && addr_eq(b, &fl->key.client)) ||
	       (addr_eq(b, &fl->key.server) && addr_eq(a, &fl->key.client));
}

void flow_table_settle_one(const struct flow_table *ft, struct flow *fl)
{
	size_t n = ft->n_lost_pairs < FRAGMENTS_MAX ? ft->n_lost_pairs : FRAGMENTS_MAX;
	bool stray = ft->lost_pairs_gone_ns && ft->lost_pairs_gone_ns + STRAY_NS >= fl->first_ns;

	for (size_t i = 0; i < n; i++)
		stray |= may_be_of(fl, &ft->lost_pairs[i].a, &ft->lost_pairs[i].b,
				   ft->lost_pairs[i].ts_ns);
	for (size_t i = 0; i < FRAGMENTS_MAX; i++) {
		const struct fragment_entry *e = &ft->fragments[i];

		if (e->in_use && !e->fl)
			stray |= may_be_of(fl, &e->src, &e->dst, e->ts_ns);
	}
	fl->fragments_unattributed |= stray;
}

void flow_table_settle(struct flow_table *ft)
{
	for (size_t i = 0; i < ft->used; i++)
		if (ft->slots[i].in_use)
			flow_table_settle_one(ft, &ft->slots[i]);
}

bool flow_table_unread_near(const struct flow_table *ft, const struct flow *fl)
{
	return ft->unread_ns && ft->unread_ns + STRAY_NS >= fl->first_ns;
}

struct flow *flow_table_at(const struct flow_table *ft, size_t i)
{
	return i < ft->used && ft->slots[i].in_use ? &ft->slots[i] : NULL;
}

size_t flow_table_room(const struct flow_table *ft)
{
	return ft->max_flows - ft->in_use;
}

size_t flow_table_slots(const struct flow_table *ft)
{
	return ft->used;
}

size_t flow_table_index(const struct flow_table *ft, const struct flow *fl)
{
	return (size_t)(fl - ft->slots);
}

bool flow_table_orient(const struct flow_table *ft, uint8_t proto, const struct endpoint *src,
		       const struct endpoint *dst, struct flow_key *key, enum flow_way *way)
{
	struct frame_info p = {.src = src->addr,
			       .dst = dst->addr,
			       .sport = src->port,
			       .dport = dst->port,
			       .proto = proto};

	return orient(ft, &p, pair_hash(ft, proto, &src->addr, src->port, &dst->addr, dst->port),
		      key, way);
}

uint64_t flow_table_full(const struct flow_table *ft)
{
	return ft->full;
}

uint64_t flow_table_unread(const struct flow_table *ft, uint32_t tap)
{
	assert(tap < EVIDENCE_TAPS_MAX);
	return ft->unread[tap];
}

bool flow_established(const struct flow *fl, uint32_t tap)
{
	return fl->view[tap][FLOW_TO_SERVER].isn_known && fl->view[tap][FLOW_TO_CLIENT].isn_known;
}

bool flow_closed(const struct flow *fl, uint32_t tap)
{
	const struct flow_view *to = &fl->view[tap][FLOW_TO_SERVER];
	const struct flow_view *from = &fl->view[tap][FLOW_TO_CLIENT];

	if (to->rst || from->rst)
		return true;
	return to->fin_at && from->fin_at && from->acked > to->fin_at && to->acked > from->fin_at;
}

bool flow_covered(const struct flow *fl, uint32_t tap, enum flow_way way)
{
	const struct flow_view *v = &fl->view[tap][way];
	uint64_t acked = fl->view[tap][!way].acked;
	uint64_t end = v->cover.n ? v->cover.part[0].hi : 1;

	if (!v->isn_known)
		return acked == 0; /* a refused SYN has nothing to cover */
	if (v->cover.overflow || v->cover.n > 1)
		return false;
	if (v->cover.n == 1 && v->cover.part[0].lo > 1)
		return false;
	if (v->fin_at && v->fin_at + 1 != end)
		return false;
	return acked <= end && v->next == end;
}

uint64_t flow_payload(const struct flow *fl, uint32_t tap, enum flow_way way)
{
	const struct flow_view *v = &fl->view[tap][way];
	uint64_t sum = 0;

	for (uint32_t i = 0; i < v->cover.n; i++)
		sum += v->cover.part[i].hi - v->cover.part[i].lo;
	return sum - (v->fin_at != 0 && sum > 0);
}
