/* SPDX-License-Identifier: MIT */
/* neigh.c - the cache of neighbours and their reachability */
#include "neigh_internal.h"

#include "../wire/nd.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/*
 * States as in RFC 4861 7.3.2 with RFC 7048's UNREACHABLE. REACHABLE is left when somebody looks
 * and its time is over; only INCOMPLETE, DELAY, PROBE and UNREACHABLE have a timer. All timers are
 * found by a walk over the table (1024 entries), and next_ns says when the next walk is worthwhile.
 *
 * Invariants: an entry holds a frame only while INCOMPLETE; stats.incomplete counts these entries;
 * next_ns is never later than the first deadline.
 */
enum {
	ENTRIES_USUAL = 1024,
	INCOMPLETE_USUAL = 128,
};

uint64_t neigh_random(struct neigh *n, uint64_t below)
{
	const uint64_t word = n->drawn++;

	return siphash_words(&n->cfg.key, &word, 1) % below;
}

void neigh_due(struct neigh *n, uint64_t *deadline_ns, uint64_t when_ns)
{
	*deadline_ns = when_ns;
	if (when_ns < n->next_ns)
		n->next_ns = when_ns;
}

static bool config_valid(const struct neigh_config *cfg)
{
	if (!cfg->io.send || cfg->n_own < 0 || cfg->n_own > NEIGH_ADDRS_MAX || cfg->mac[0] & 1)
		return false;
	for (int i = 0; i < cfg->n_own; i++) {
		const struct neigh_own *o = &cfg->own[i];

		if (addr_is_any(&o->addr) || o->prefix_len > (addr_is_mapped(&o->addr) ? 32 : 128))
			return false;
	}
	return cfg->incomplete_max <= cfg->entries_max;
}

int neigh_new(const struct neigh_config *cfg, uint64_t now_ns, struct neigh **out)
{
	struct neigh *n = calloc(1, sizeof(*n));
	int err = -ENOMEM;

	if (!n)
		return err;
	n->cfg = *cfg;
	if (!n->cfg.entries_max)
		n->cfg.entries_max = ENTRIES_USUAL;
	if (!n->cfg.incomplete_max)
		n->cfg.incomplete_max = INCOMPLETE_USUAL < n->cfg.entries_max ? INCOMPLETE_USUAL
									      : n->cfg.entries_max;
	err = -EINVAL;
	if (!config_valid(&n->cfg))
		goto err_free;
	err = -ENOMEM;
	n->entries = calloc(n->cfg.entries_max, sizeof(*n->entries));
	if (!n->entries)
		goto err_free;
	n->next_ns = UINT64_MAX;
	rate_init(&n->evictions, NEIGH_EVICT_RATE, NEIGH_EVICT_RATE);
	neigh_own_start(n, now_ns);
	*out = n;
	return 0;

err_free:
	free(n);
	return err;
}

void neigh_free(struct neigh *n)
{
	if (!n)
		return;
	for (uint32_t i = 0; i < n->cfg.entries_max; i++)
		free(n->entries[i].held);
	free(n->entries);
	free(n);
}

static uint32_t *bucket_of(struct neigh *n, const struct addr *a)
{
	uint64_t words[2];

	memcpy(words, a->b, sizeof(words));
	return &n->buckets[siphash_words(&n->cfg.key, words, 2) % NEIGH_BUCKETS];
}

/*
 * Every frame that leaves asks, so where an address was found last is looked at first: a hint, good
 * only for an entry that holds the address now. Whoever chooses addresses that share a hint makes
 * us hash, no more.
 */
static struct neigh_entry *find(struct neigh *n, const struct addr *a)
{
	uint32_t *hint = &n->hints[a->b[15] % NEIGH_HINTS];
	struct neigh_entry *e = &n->entries[*hint];

	if (e->state != NEIGH_FREE && addr_eq(&e->addr, a))
		return e;
	for (uint32_t i = *bucket_of(n, a); i; i = e->next) {
		e = &n->entries[i - 1];
		if (addr_eq(&e->addr, a)) {
			*hint = i - 1;
			return e;
		}
	}
	return NULL;
}

static void set_state(struct neigh *n, struct neigh_entry *e, enum neigh_state state,
		      uint64_t deadline_ns)
{
	n->stats.incomplete -= e->state == NEIGH_INCOMPLETE;
	n->stats.incomplete += state == NEIGH_INCOMPLETE;
	n->stats.entries += (state != NEIGH_FREE) - (e->state != NEIGH_FREE);
	if (e->state != state)
		e->asked = 0;
	e->state = state;
	neigh_due(n, &e->deadline_ns, deadline_ns);
}

static void forget(struct neigh *n, struct neigh_entry *e)
{
	uint32_t *link = bucket_of(n, &e->addr);
	uint32_t id = (uint32_t)(e - n->entries) + 1;

	while (*link != id)
		link = &n->entries[*link - 1].next;
	*link = e->next;
	free(e->held);
	set_state(n, e, NEIGH_FREE, UINT64_MAX);
	*e = (struct neigh_entry){.deadline_ns = UINT64_MAX};
}

/* How readily an entry is given up for another; 0: not at all. */
static int expendable(const struct neigh_entry *e)
{
	switch (e->state) {
	case NEIGH_UNREACHABLE:
		return 3;
	case NEIGH_STALE:
		return 2;
	case NEIGH_INCOMPLETE:
		return 1;
	default:
		return 0;
	}
}

/* Gives up the most expendable entry that was not used for longest. Returns false for none. */
static bool evict(struct neigh *n, uint64_t now_ns, bool incomplete_only)
{
	struct neigh_entry *victim = NULL;

	if (!rate_take(&n->evictions, now_ns))
		return false;
	for (uint32_t i = 0; i < n->cfg.entries_max; i++) {
		struct neigh_entry *e = &n->entries[i];
		int rank = expendable(e);

		if (!rank || (incomplete_only && e->state != NEIGH_INCOMPLETE))
			continue;
		if (!victim || rank > expendable(victim) ||
		    (rank == expendable(victim) && e->used_ns < victim->used_ns))
			victim = e;
	}
	if (!victim)
		return false;
	forget(n, victim);
	n->stats.evicted++;
	return true;
}

static struct neigh_entry *add(struct neigh *n, uint64_t now_ns, const struct addr *a,
			       enum neigh_state state)
{
	struct neigh_entry *e = n->entries;
	bool full = n->stats.entries == n->cfg.entries_max;
	bool asking = state == NEIGH_INCOMPLETE && n->stats.incomplete == n->cfg.incomplete_max;
	uint32_t *bucket;

	if ((full || asking) && !evict(n, now_ns, asking)) {
		n->stats.refused++;
		return NULL;
	}
	while (e->state != NEIGH_FREE)
		e++;
	assert(e < n->entries + n->cfg.entries_max);
	*e = (struct neigh_entry){.addr = *a, .used_ns = now_ns, .deadline_ns = UINT64_MAX};
	bucket = bucket_of(n, a);
	e->next = *bucket;
	*bucket = (uint32_t)(e - n->entries) + 1;
	set_state(n, e, state, UINT64_MAX);
	return e;
}

/* Asks for @e: everybody, or the station it is thought to be. Nothing to ask from, nothing asked.
 */
static void solicit(struct neigh *n, struct neigh_entry *e, bool everybody)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const struct addr *source = neigh_own_source(n, &e->addr);
	struct neigh_msg m = {.verb = NEIGH_SOLICIT, .target = e->addr, .to = e->addr};

	if (e->asked < UINT8_MAX)
		e->asked++;
	if (!source)
		return;
	m.source = *source;
	memcpy(m.to_mac, everybody ? broadcast : e->mac, 6);
	if (everybody && !addr_is_mapped(&e->addr)) {
		m.to = nd_solicited_node(&e->addr);
		nd_group_mac(&m.to, m.to_mac);
	}
	neigh_emit(n, &m);
}

static void ask_again(struct neigh *n, uint64_t now_ns, struct neigh_entry *e)
{
	solicit(n, e, e->state != NEIGH_PROBE);
	neigh_due(n, &e->deadline_ns, now_ns + neigh_retrans_ns);
}

int neigh_resolve(struct neigh *n, uint64_t now_ns, const struct addr *next_hop, uint8_t mac[6])
{
	struct neigh_entry *e = find(n, next_hop);

	if (!e) {
		e = add(n, now_ns, next_hop, NEIGH_INCOMPLETE);
		if (!e)
			return -ENOBUFS;
		ask_again(n, now_ns, e);
	}
	e->used_ns = now_ns;
	if (e->state == NEIGH_INCOMPLETE)
		return -EINPROGRESS;
	if (e->state == NEIGH_REACHABLE && now_ns - e->confirmed_ns >= neigh_reachable_ns)
		set_state(n, e, NEIGH_STALE, UINT64_MAX);
	if (e->state == NEIGH_STALE)
		set_state(n, e, NEIGH_DELAY, now_ns + neigh_delay_ns);
	memcpy(mac, e->mac, 6);
	return 0;
}

int neigh_hold(struct neigh *n, const struct addr *next_hop, const uint8_t *frame, size_t len)
{
	struct neigh_entry *e = find(n, next_hop);
	uint8_t *copy;

	if (!e || e->state != NEIGH_INCOMPLETE)
		return -EINVAL;
	if (len < 6 || len > NEIGH_FRAME_MAX)
		return -EMSGSIZE;
	copy = malloc(len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, frame, len);
	free(e->held);
	e->held = copy;
	e->held_len = len;
	return 0;
}

static void send_held(struct neigh *n, struct neigh_entry *e)
{
	if (!e->held)
		return;
	memcpy(e->held, e->mac, 6);
	n->cfg.io.send(n->cfg.io.arg, e->held, e->held_len);
	free(e->held);
	e->held = NULL;
}

static void confirm(struct neigh *n, uint64_t now_ns, struct neigh_entry *e)
{
	e->confirmed_ns = now_ns;
	e->suspect = false;
	set_state(n, e, NEIGH_REACHABLE, UINT64_MAX);
}

void neigh_confirm(struct neigh *n, uint64_t now_ns, const struct addr *next_hop)
{
	struct neigh_entry *e = find(n, next_hop);

	/* While its owner is in doubt, what comes from above may come from either. */
	if (e && e->state >= NEIGH_REACHABLE && e->state <= NEIGH_UNREACHABLE && !e->suspect)
		confirm(n, now_ns, e);
}

int neigh_set_permanent(struct neigh *n, const struct addr *addr, const uint8_t mac[6])
{
	struct neigh_entry *e = find(n, addr);

	if (!e)
		e = add(n, 0, addr, NEIGH_PERMANENT);
	if (!e)
		return -ENOBUFS;
	memcpy(e->mac, mac, 6);
	set_state(n, e, NEIGH_PERMANENT, UINT64_MAX);
	send_held(n, e);
	return 0;
}

/*
 * A claim that contradicts what is known (RFC 4861 7.2.5 would believe it at once if it overrides):
 * the known station is asked first, and has one second.
 */
static void doubt(struct neigh *n, uint64_t now_ns, struct neigh_entry *e, const uint8_t mac[6])
{
	n->stats.suspects++;
	if (e->suspect)
		return;
	e->suspect = true;
	memcpy(e->claimed, mac, 6);
	set_state(n, e, NEIGH_PROBE, UINT64_MAX);
	ask_again(n, now_ns, e);
}

/* The station of an entry that had none. */
static void complete(struct neigh *n, uint64_t now_ns, struct neigh_entry *e,
		     const struct neigh_msg *m)
{
	memcpy(e->mac, m->lladdr, 6);
	if (m->verb == NEIGH_ADVERTISE && m->solicited)
		confirm(n, now_ns, e);
	else
		set_state(n, e, NEIGH_STALE, UINT64_MAX);
	send_held(n, e);
}

/* RFC 4861 7.2.5, with the same rules for ARP replies and announcements. */
static void advertised(struct neigh *n, uint64_t now_ns, const struct neigh_msg *m)
{
	struct neigh_entry *e = find(n, &m->target);
	bool same;

	if (!e || e->state == NEIGH_PERMANENT)
		return;
	if (e->state == NEIGH_INCOMPLETE) {
		if (m->has_lladdr)
			complete(n, now_ns, e, m);
		return;
	}
	same = !m->has_lladdr || memcmp(e->mac, m->lladdr, 6) == 0;
	if (same && m->solicited && memcmp(m->from_mac, e->mac, 6) == 0) {
		confirm(n, now_ns, e);
	} else if (!same && e->state == NEIGH_UNREACHABLE) {
		complete(n, now_ns, e, m);
	} else if (!same && m->override) {
		doubt(n, now_ns, e, m->lladdr);
	} else if (!same && e->state == NEIGH_REACHABLE) {
		set_state(n, e, NEIGH_STALE, UINT64_MAX);
	}
}

/* Who asks is about to send: RFC 826, RFC 4861 7.2.3. */
static void learn(struct neigh *n, uint64_t now_ns, const struct neigh_msg *m)
{
	struct neigh_entry *e;

	if (!m->has_lladdr || addr_is_any(&m->source) || !neigh_on_link(n, &m->source))
		return;
	e = find(n, &m->source);
	if (!e)
		e = add(n, now_ns, &m->source, NEIGH_STALE);
	if (!e || e->state == NEIGH_PERMANENT)
		return;
	if (e->state == NEIGH_INCOMPLETE || e->state == NEIGH_UNREACHABLE)
		complete(n, now_ns, e, m);
	else if (e->state == NEIGH_STALE && !e->confirmed_ns)
		memcpy(e->mac, m->lladdr, 6);
	else if (memcmp(e->mac, m->lladdr, 6) != 0)
		doubt(n, now_ns, e, m->lladdr);
}

static void answer(struct neigh *n, const struct neigh_msg *m)
{
	struct neigh_msg reply = {.verb = NEIGH_ADVERTISE,
				  .target = m->target,
				  .source = m->target,
				  .to = m->source,
				  .solicited = true,
				  .override = true};

	memcpy(reply.to_mac, m->has_lladdr ? m->lladdr : m->from_mac, 6);
	if (addr_eq(&m->source, &ADDR_ANY6)) {
		/* It has no address to be answered at: everybody hears it (RFC 4861 7.2.4). */
		reply.to = (struct addr){{0xff, 0x02, [15] = 1}};
		reply.solicited = false;
		nd_group_mac(&reply.to, reply.to_mac);
	}
	neigh_emit(n, &reply);
}

static int take(struct neigh *n, uint64_t now_ns, const struct neigh_msg *m)
{
	const struct neigh_own_entry *o;

	if (neigh_own_conflict(n, now_ns, m))
		return 0;
	if (m->verb == NEIGH_ADVERTISE) {
		advertised(n, now_ns, m);
		return 0;
	}
	o = neigh_own_find(n, &m->target);
	if (!o || o->state != NEIGH_OWN_READY)
		return 0;
	learn(n, now_ns, m);
	answer(n, m);
	return 0;
}

static int reject(struct neigh *n)
{
	n->stats.bad++;
	return -EBADMSG;
}

int neigh_input_arp(struct neigh *n, uint64_t now_ns, const uint8_t eth_src[6],
		    const uint8_t eth_dst[6], struct span packet)
{
	struct neigh_msg m;

	if (eth_src[0] & 1 || neigh_read_arp(n, eth_src, eth_dst, packet, &m) != 0)
		return reject(n);
	return take(n, now_ns, &m);
}

int neigh_input_nd(struct neigh *n, uint64_t now_ns, const uint8_t eth_src[6],
		   const struct addr *src, const struct addr *dst, uint8_t hop_limit,
		   struct span message)
{
	struct neigh_msg m;
	int err;

	err = eth_src[0] & 1 ? -EBADMSG : neigh_read_nd(eth_src, src, dst, hop_limit, message, &m);
	if (err == -ENOMSG)
		return 0;
	return err ? reject(n) : take(n, now_ns, &m);
}

static void lost(struct neigh *n, uint64_t now_ns, struct neigh_entry *e)
{
	struct neigh_entry gone = *e;

	e->held = NULL;
	n->stats.failed++;
	forget(n, e);
	if (gone.held && n->cfg.io.failed)
		n->cfg.io.failed(n->cfg.io.arg, now_ns, gone.held, gone.held_len);
	free(gone.held);
}

/* RFC 7048 4: asked for ever more rarely, and then forgotten. */
static void back_off(struct neigh *n, uint64_t now_ns, struct neigh_entry *e)
{
	uint64_t wait = neigh_retrans_ns;

	if (e->asked == NEIGH_BACKOFF_ASKS) {
		lost(n, now_ns, e);
		return;
	}
	solicit(n, e, true);
	for (int i = 0; i < e->asked; i++)
		wait *= NEIGH_BACKOFF_FACTOR;
	neigh_due(n, &e->deadline_ns,
		  now_ns + (wait < neigh_backoff_max_ns ? wait : neigh_backoff_max_ns));
}

/* The known station kept silent: the other one is believed, and asked in turn. */
static void believe(struct neigh *n, uint64_t now_ns, struct neigh_entry *e)
{
	memcpy(e->mac, e->claimed, 6);
	e->suspect = false;
	e->asked = 0;
	ask_again(n, now_ns, e);
}

static void expire(struct neigh *n, uint64_t now_ns, struct neigh_entry *e)
{
	switch (e->state) {
	case NEIGH_INCOMPLETE:
		if (e->asked >= NEIGH_ASK_MAX)
			lost(n, now_ns, e);
		else
			ask_again(n, now_ns, e);
		return;
	case NEIGH_DELAY:
		set_state(n, e, NEIGH_PROBE, UINT64_MAX);
		ask_again(n, now_ns, e);
		return;
	case NEIGH_PROBE:
		if (e->suspect) {
			believe(n, now_ns, e);
		} else if (e->asked < NEIGH_ASK_MAX) {
			ask_again(n, now_ns, e);
		} else {
			set_state(n, e, NEIGH_UNREACHABLE, UINT64_MAX);
			back_off(n, now_ns, e);
		}
		return;
	case NEIGH_UNREACHABLE:
		back_off(n, now_ns, e);
		return;
	default:
		e->deadline_ns = UINT64_MAX;
	}
}

void neigh_timers(struct neigh *n, uint64_t now_ns)
{
	if (now_ns < n->next_ns)
		return;
	n->next_ns = UINT64_MAX;
	neigh_own_timers(n, now_ns);
	for (uint32_t i = 0; i < n->cfg.entries_max; i++) {
		struct neigh_entry *e = &n->entries[i];

		if (e->state == NEIGH_FREE)
			continue;
		if (e->deadline_ns <= now_ns)
			expire(n, now_ns, e);
		if (e->state != NEIGH_FREE && e->deadline_ns < n->next_ns)
			n->next_ns = e->deadline_ns;
	}
}

uint64_t neigh_deadline(const struct neigh *n)
{
	return n->next_ns;
}

void neigh_stats(const struct neigh *n, struct neigh_stats *out)
{
	*out = n->stats;
}
