/* SPDX-License-Identifier: MIT */
/* tcp.c - the table of connections: found by four-tuple, known to the user by handle */
#include "tcp_internal.h"

#include "../wire/ipv4.h"
#include "../wire/ipv6.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { NS_PER_MILLISECOND = 1000000, BUCKETS_MIN = 1024 };

void tcp_now(struct stack *s, uint64_t now)
{
	/* A clock that goes back would make timers due again; it stands still instead. */
	if (now > s->tcp->now) {
		s->tcp->now = now;
		s->tcp->now_ms = (uint32_t)(now / NS_PER_MILLISECOND);
	}
}

/* One chain per object on average, at the most. */
static uint32_t buckets_wanted(const struct stack_config *c)
{
	uint64_t objects = (uint64_t)c->max_conns + c->max_half_open + c->max_time_wait;
	uint32_t n = BUCKETS_MIN;

	while (n < objects)
		n *= 2;
	return n;
}

static void keys_derive(struct tcp *t, const struct stack_config *c)
{
	struct siphash_key isn = siphash_key_from(c->secret + SECRET_ISN);

	t->hash_key = siphash_key_from(c->secret + SECRET_HASH);
	t->isn_key = isn;
	t->cookie_key = (struct siphash_key){siphash(&isn, "cookie", 6), siphash(&isn, "key", 3)};
}

/* A record for every 512 octets of all buffers, and one for each connection. */
static uint32_t sents_max(const struct stack_config *c)
{
	uint64_t n = c->max_conns + c->max_buffers / 512;

	return n < UINT32_MAX / 2 ? (uint32_t)n : UINT32_MAX / 2;
}

int tcp_open(struct stack *s, uint64_t now)
{
	const struct stack_config *c = &s->cfg;
	struct tcp *t = calloc(1, sizeof(*t));
	uint32_t n = buckets_wanted(c);

	if (t == NULL)
		return -ENOMEM;
	t->buckets = calloc(n, sizeof(*t->buckets));
	if (t->buckets == NULL)
		goto err_buckets;
	t->mask = n - 1;
	if (slab_init(&t->conns, sizeof(struct tcp_conn), c->max_conns) < 0)
		goto err_conns;
	if (slab_init(&t->minis, sizeof(struct tcp_mini), c->max_half_open + c->max_time_wait) < 0)
		goto err_minis;
	if (slab_init(&t->flights, sizeof(struct tcp_flight), c->max_conns) < 0)
		goto err_flights;
	if (slab_init(&t->sents, sizeof(struct tcp_sent), sents_max(c)) < 0)
		goto err_sents;
	keys_derive(t, c);
	s->tcp = t;
	tcp_now(s, now);
	wheel_open(t);
	return 0;

err_sents:
	slab_fini(&t->flights);
err_flights:
	slab_fini(&t->minis);
err_minis:
	slab_fini(&t->conns);
err_conns:
	free(t->buckets);
err_buckets:
	free(t);
	return -ENOMEM;
}

void tcp_close_all(struct stack *s)
{
	slab_fini(&s->tcp->sents);
	slab_fini(&s->tcp->flights);
	slab_fini(&s->tcp->minis);
	slab_fini(&s->tcp->conns);
	free(s->tcp->buckets);
	free(s->tcp);
}

void tcp_stats(const struct stack *s, struct stack_stats *out)
{
	const struct tcp *t = s->tcp;

	out->conns = t->conns.used;
	out->half_open = t->n_half_open;
	out->time_wait = t->n_time_wait;
	out->memory += slab_bytes(&t->conns) + slab_bytes(&t->minis) + slab_bytes(&t->flights) +
		       slab_bytes(&t->sents) + ((uint64_t)t->mask + 1) * sizeof(*t->buckets) +
		       sizeof(*t);
}

uint32_t tcp_random(struct tcp *t)
{
	uint64_t word = ++t->random;

	return (uint32_t)siphash_words(&t->cookie_key, &word, 1);
}

struct tcp_tuple_hash tcp_hash(const struct tcp *t, const struct addr *peer, uint8_t own,
			       uint16_t pport, uint16_t lport)
{
	uint64_t words[3], hash;

	memcpy(words, peer->b, sizeof(peer->b));
	words[2] = (uint64_t)own << 32 | (uint32_t)pport << 16 | lport;
	hash = siphash_words(&t->hash_key, words, 3);
	return (struct tcp_tuple_hash){(uint32_t)hash, (uint32_t)(hash >> 32)};
}

/* Both kinds begin alike, so that a chain can be walked without asking which it is. */
struct hashed {
	uint32_t hash_next, hash;
	uint16_t pport, lport;
	struct addr peer;
	uint8_t own;
};
_Static_assert(offsetof(struct hashed, own) == offsetof(struct tcp_conn, own) &&
		       offsetof(struct hashed, own) == offsetof(struct tcp_mini, own),
	       "the same beginning");

static struct hashed *hashed_at(const struct tcp *t, uint32_t tagged)
{
	const struct slab *sl = tagged & TCP_TAG ? &t->minis : &t->conns;

	return (struct hashed *)slab_at(sl, tagged & ~TCP_TAG);
}

uint32_t tcp_lookup(const struct tcp *t, uint32_t hash, const struct addr *peer, uint8_t own,
		    uint16_t pport, uint16_t lport)
{
	uint32_t i = t->buckets[hash & t->mask];

	while (i != 0) {
		const struct hashed *h = hashed_at(t, i);

		if (h->hash == hash && h->pport == pport && h->lport == lport && h->own == own &&
		    addr_eq(&h->peer, peer))
			return i;
		i = h->hash_next;
	}
	return 0;
}

static void table_add(struct tcp *t, uint32_t tagged, uint32_t hash)
{
	uint32_t *bucket = &t->buckets[hash & t->mask];

	hashed_at(t, tagged)->hash_next = *bucket;
	hashed_at(t, tagged)->hash = hash;
	*bucket = tagged;
}

static void table_del(struct tcp *t, uint32_t tagged)
{
	struct hashed *h = hashed_at(t, tagged);
	uint32_t *link = &t->buckets[h->hash & t->mask];

	while (*link != tagged) {
		assert(*link != 0);
		link = &hashed_at(t, *link)->hash_next;
	}
	*link = h->hash_next;
}

uint32_t conn_alloc(struct stack *s)
{
	uint32_t i = slab_alloc(&s->tcp->conns), gen;
	struct tcp_conn *c;

	if (i == 0) {
		s->stats.tcp_no_memory++;
		return 0;
	}
	c = conn_at(s->tcp, i);
	gen = c->gen + 1;
	memset(c, 0, sizeof(*c));
	c->gen = gen;
	c->binding = BINDING_NONE;
	c->heard_ms = s->tcp->now_ms;
	return i;
}

stack_conn conn_handle(const struct tcp *t, uint32_t i)
{
	return (stack_conn)conn_at(t, i)->gen << 32 | i;
}

/* A free one has an even generation: it was raised when it was freed, too. */
uint32_t conn_find(const struct tcp *t, stack_conn conn)
{
	uint32_t i = (uint32_t)conn;
	const struct tcp_conn *c;

	if (!slab_known(&t->conns, i))
		return 0;
	c = conn_at(t, i);
	return c->gen == conn >> 32 && (c->gen & 1) && !(c->flags & TCP_F_ORPHAN) ? i : 0;
}

void conn_hash(struct stack *s, uint32_t i, uint32_t hash)
{
	table_add(s->tcp, i, hash);
	conn_at(s->tcp, i)->flags |= TCP_F_HASHED;
}

void conn_unhash(struct stack *s, uint32_t i)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	if (!(c->flags & TCP_F_HASHED))
		return;
	table_del(s->tcp, i);
	c->flags &= ~(uint32_t)TCP_F_HASHED;
}

/* Takes it off every list that a connection without a future must not be on. */
static void conn_quiet(struct stack *s, uint32_t i)
{
	struct tcp *t = s->tcp;
	struct tcp_conn *c = conn_at(t, i);

	conn_unhash(s, i);
	timer_forget(s, i);
	if (c->flags & TCP_F_ON_OUT)
		ilist_remove(&t->out, &t->conns, offsetof(struct tcp_conn, out), i);
	seg_list_free(s, c->snd_q);
	c->snd_q = c->snd_q_last = 0;
	sent_free(s, c);
	c->flags &= ~(uint32_t)(TCP_F_ON_OUT | TCP_F_ACK_NOW);
}

void conn_free(struct stack *s, uint32_t i)
{
	struct tcp *t = s->tcp;
	struct tcp_conn *c = conn_at(t, i);

	assert(!(c->flags & TCP_F_WAITING));
	conn_quiet(s, i);
	rcv_free(s, c);
	if (c->flags & TCP_F_ON_EVENTS)
		ilist_remove(&t->events, &t->conns, offsetof(struct tcp_conn, event), i);
	c->gen++;
	s->stats.tcp_closed++;
	slab_free(&t->conns, i);
}

void conn_done(struct stack *s, uint32_t i, int error)
{
	struct tcp_conn *c = conn_at(s->tcp, i);

	c->state = TCP_S_CLOSED;
	c->error = (uint8_t)error;
	if (c->flags & TCP_F_ORPHAN) {
		conn_free(s, i);
		return;
	}
	conn_quiet(s, i);
	conn_event(s, i, TCP_E_CLOSED);
}

void mini_hash(struct stack *s, uint32_t i, uint32_t hash)
{
	table_add(s->tcp, i | TCP_TAG, hash);
}

void mini_free(struct stack *s, uint32_t i)
{
	struct tcp *t = s->tcp;
	struct tcp_mini *m = mini_at(t, i);
	struct ilist *list = m->kind == TCP_MINI_SYN	     ? &t->syns[m->retries]
			     : m->kind == TCP_MINI_TIME_WAIT ? &t->time_wait
							     : &t->fin_wait_2;

	table_del(t, i | TCP_TAG);
	ilist_remove(list, &t->minis, offsetof(struct tcp_mini, age), i);
	if (m->kind == TCP_MINI_SYN) {
		t->n_half_open--;
		s->tcp_bindings.b[m->binding].half_open--;
	} else {
		t->n_time_wait--;
	}
	slab_free(&t->minis, i);
}

void conn_want_out(struct stack *s, uint32_t i)
{
	struct tcp *t = s->tcp;
	struct tcp_conn *c = conn_at(t, i);

	if (c->flags & TCP_F_ON_OUT)
		return;
	c->flags |= TCP_F_ON_OUT;
	ilist_push(&t->out, &t->conns, offsetof(struct tcp_conn, out), i);
}

/* Nobody is told about a connection nobody has: accepting it looks at what is pending. */
void conn_event(struct stack *s, uint32_t i, uint8_t bits)
{
	struct tcp *t = s->tcp;
	struct tcp_conn *c = conn_at(t, i);

	if (c->flags & TCP_F_ORPHAN)
		return;
	c->events |= bits;
	if (c->events == 0 || (c->flags & (TCP_F_WAITING | TCP_F_ON_EVENTS)))
		return;
	c->flags |= TCP_F_ON_EVENTS;
	ilist_push(&t->events, &t->conns, offsetof(struct tcp_conn, event), i);
}

bool tcp_event(struct stack *s, struct stack_event *ev)
{
	static const enum stack_event_type types[] = {STACK_EV_CONNECTED, STACK_EV_READABLE,
						      STACK_EV_WRITABLE, STACK_EV_CLOSED};
	struct tcp *t = s->tcp;
	uint32_t i = t->events.first;
	struct tcp_conn *c;
	unsigned int bit;

	if (i == 0)
		return false;
	c = conn_at(t, i);
	bit = (unsigned int)__builtin_ctz(c->events);
	c->events &= (uint8_t)(c->events - 1);
	if (c->events == 0) {
		ilist_remove(&t->events, &t->conns, offsetof(struct tcp_conn, event), i);
		c->flags &= ~(uint32_t)TCP_F_ON_EVENTS;
	}
	*ev = (struct stack_event){
		.type = types[bit], .id = -1, .conn = conn_handle(t, i), .user = c->user};
	if (ev->type == STACK_EV_CLOSED)
		ev->error = -(int)c->error;
	return true;
}

/* SHLD-6: what the link takes, less the headers without options. */
uint16_t tcp_mss(const struct stack *s, bool v6)
{
	return (uint16_t)(s->cfg.mtu - (v6 ? IPV6_HDR_LEN : IPV4_HDR_LEN) - TCP_HDR_LEN);
}

/* Eff.snd.MSS (MUST-16); the default is of the wire family (MUST-15), and options count (RFC 6691).
 */
uint16_t tcp_mss_effective(const struct stack *s, bool v6, uint16_t peer_mss, bool ts)
{
	uint32_t mss = peer_mss ? peer_mss : v6 ? TCP_MSS_V6 : TCP_MSS_V4;

	mss = min_u32(max_u32(mss, TCP_MSS_MIN), tcp_mss(s, v6));
	return (uint16_t)(mss - (ts ? TCP_TS_OPTION : 0));
}

/* The smallest shift that lets the whole buffer be offered (RFC 7323 2.3). */
uint8_t tcp_rcv_shift(const struct stack *s)
{
	uint8_t shift = 0;

	while (s->cfg.recv_buffer >> shift > UINT16_MAX && shift < TCP_WSCALE_MAX)
		shift++;
	return shift;
}

void conn_start(struct stack *s, struct tcp_conn *c)
{
	c->cwnd = TCP_IW_SEGMENTS * (uint32_t)c->mss;
	c->ssthresh = TCP_CWND_MAX;
	if (c->rto_ms == 0)
		c->rto_ms = TCP_RTO_INIT_MS;
	c->heard_ms = c->sent_ms = s->tcp->now_ms;
	c->challenge_s = (uint16_t)(s->tcp->now_ms / 1000 - 1); /* the first one draws the limit */
}
