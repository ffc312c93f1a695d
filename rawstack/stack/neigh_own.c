/* SPDX-License-Identifier: MIT */
/* neigh_own.c - our own addresses: probed before use, announced, defended */
#include "neigh_internal.h"

#include "../wire/nd.h"

/*
 * An address is TENTATIVE while it is probed; nothing is answered for it. It becomes READY when
 * nobody objected in time, DUPLICATE for good when somebody did. Once READY it is announced, and
 * defended by another announcement at most every ten seconds (RFC 5227 2.4 (c): a server keeps its
 * address), so that a rival cannot make us flood the link.
 */

/* RFC 5227 1.1 and RFC 4862 5.1, 5.4; RFC 4861 7.2.6 for IPv6 announcements. */
struct dad_timing {
	uint8_t probes, announcements;
	uint32_t first_ms_max; /* random delay before the first probe */
	uint32_t gap_ms_min, gap_ms_max;
	uint32_t settle_ms; /* after the last probe */
	uint32_t announce_ms;
};

static const struct dad_timing timing_v4 = {.probes = 3,
					    .announcements = 2,
					    .first_ms_max = 1000,
					    .gap_ms_min = 1000,
					    .gap_ms_max = 2000,
					    .settle_ms = 2000,
					    .announce_ms = 2000};
static const struct dad_timing timing_v6 = {.probes = 1,
					    .announcements = 1,
					    .first_ms_max = 1000,
					    .gap_ms_min = 1000,
					    .gap_ms_max = 1000,
					    .settle_ms = 1000,
					    .announce_ms = 1000};

static const struct addr all_nodes = {{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static const struct dad_timing *timing_of(const struct neigh_own_entry *o)
{
	return addr_is_mapped(&o->cfg.addr) ? &timing_v4 : &timing_v6;
}

void neigh_own_start(struct neigh *n, uint64_t now_ns)
{
	for (int i = 0; i < n->cfg.n_own; i++) {
		struct neigh_own_entry *o = &n->own[i];
		uint64_t bits = neigh_random(n, UINT64_MAX);

		*o = (struct neigh_own_entry){.cfg = n->cfg.own[i], .deadline_ns = UINT64_MAX};
		memcpy(o->nonce, &bits, sizeof(o->nonce));
		if (n->cfg.skip_dad) {
			o->state = NEIGH_OWN_READY;
			continue;
		}
		o->left = timing_of(o)->probes;
		neigh_due(n, &o->deadline_ns,
			  now_ns + neigh_random(n, timing_of(o)->first_ms_max) * NS_PER_MS);
	}
}

struct neigh_own_entry *neigh_own_find(struct neigh *n, const struct addr *a)
{
	for (int i = 0; i < n->cfg.n_own; i++)
		if (addr_eq(&n->own[i].cfg.addr, a))
			return &n->own[i];
	return NULL;
}

static bool covers(const struct neigh_own *own, const struct addr *a)
{
	unsigned int bits = own->prefix_len + (addr_is_mapped(&own->addr) ? 96U : 0U);
	unsigned int bytes = bits / 8, rest = bits % 8;

	if (addr_is_mapped(&own->addr) != addr_is_mapped(a))
		return false;
	if (memcmp(own->addr.b, a->b, bytes) != 0)
		return false;
	return !rest || (own->addr.b[bytes] ^ a->b[bytes]) >> (8 - rest) == 0;
}

bool neigh_on_link(const struct neigh *n, const struct addr *a)
{
	bool link_local = a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;

	if (link_local)
		return true;
	for (int i = 0; i < n->cfg.n_own; i++)
		if (covers(&n->own[i].cfg, a))
			return true;
	return false;
}

const struct addr *neigh_own_source(const struct neigh *n, const struct addr *target)
{
	const struct addr *any = NULL;

	for (int i = 0; i < n->cfg.n_own; i++) {
		const struct neigh_own_entry *o = &n->own[i];

		if (o->state != NEIGH_OWN_READY ||
		    addr_is_mapped(&o->cfg.addr) != addr_is_mapped(target))
			continue;
		if (covers(&o->cfg, target))
			return &o->cfg.addr;
		if (!any)
			any = &o->cfg.addr;
	}
	return any;
}

static void to_everybody(struct neigh_msg *m, const struct addr *group)
{
	if (addr_is_mapped(&m->target)) {
		memcpy(m->to_mac, broadcast, 6);
		return;
	}
	m->to = *group;
	nd_group_mac(group, m->to_mac);
}

static void probe(struct neigh *n, const struct neigh_own_entry *o)
{
	struct neigh_msg m = {.verb = NEIGH_SOLICIT, .target = o->cfg.addr};
	struct addr group = nd_solicited_node(&o->cfg.addr);

	m.source = neigh_any_of(&m.target);
	m.has_nonce = !addr_is_mapped(&m.target);
	memcpy(m.nonce, o->nonce, sizeof(m.nonce));
	to_everybody(&m, &group);
	neigh_emit(n, &m);
}

static void announce(struct neigh *n, const struct neigh_own_entry *o)
{
	struct neigh_msg m = {.verb = NEIGH_ADVERTISE,
			      .target = o->cfg.addr,
			      .source = o->cfg.addr,
			      .override = true};

	to_everybody(&m, &all_nodes);
	neigh_emit(n, &m);
}

static void step(struct neigh *n, uint64_t now_ns, struct neigh_own_entry *o)
{
	const struct dad_timing *t = timing_of(o);
	uint32_t gap = t->gap_ms_min;

	if (o->state == NEIGH_OWN_TENTATIVE && o->left) {
		probe(n, o);
		o->left--;
		if (t->gap_ms_max > gap)
			gap += (uint32_t)neigh_random(n, t->gap_ms_max - gap);
		neigh_due(n, &o->deadline_ns,
			  now_ns + (o->left ? gap : t->settle_ms) * (uint64_t)NS_PER_MS);
		return;
	}
	if (o->state == NEIGH_OWN_TENTATIVE) {
		o->state = NEIGH_OWN_READY;
		o->left = t->announcements;
	}
	if (o->left) {
		announce(n, o);
		o->left--;
	}
	if (o->left)
		neigh_due(n, &o->deadline_ns, now_ns + t->announce_ms * (uint64_t)NS_PER_MS);
	else
		o->deadline_ns = UINT64_MAX;
}

void neigh_own_timers(struct neigh *n, uint64_t now_ns)
{
	for (int i = 0; i < n->cfg.n_own; i++) {
		struct neigh_own_entry *o = &n->own[i];

		if (o->deadline_ns <= now_ns)
			step(n, now_ns, o);
		if (o->deadline_ns < n->next_ns)
			n->next_ns = o->deadline_ns;
	}
}

static void defend(struct neigh *n, uint64_t now_ns, struct neigh_own_entry *o)
{
	if (o->defended_ns && now_ns - o->defended_ns < neigh_defend_ns)
		return;
	o->defended_ns = now_ns ? now_ns : 1;
	announce(n, o);
}

bool neigh_own_conflict(struct neigh *n, uint64_t now_ns, const struct neigh_msg *m)
{
	const struct addr *claimed = &m->target;
	struct neigh_own_entry *o;

	/* Who asks claims the address it asks from, or, asking from none, the one it asks for. */
	if (m->verb == NEIGH_SOLICIT && !addr_is_any(&m->source))
		claimed = &m->source;
	o = neigh_own_find(n, claimed);
	if (!o || o->state == NEIGH_OWN_DUPLICATE)
		return false;
	if (memcmp(m->has_lladdr ? m->lladdr : m->from_mac, n->cfg.mac, 6) == 0)
		return true; /* our own, come back */
	if (m->has_nonce && memcmp(m->nonce, o->nonce, sizeof(o->nonce)) == 0)
		return true; /* likewise, RFC 7527 4.2 */
	if (o->state == NEIGH_OWN_TENTATIVE) {
		o->state = NEIGH_OWN_DUPLICATE;
		o->deadline_ns = UINT64_MAX;
		memcpy(o->rival, m->has_lladdr ? m->lladdr : m->from_mac, 6);
		n->stats.conflicts++;
		return true;
	}
	/* One who only probes is told by an answer like any other. */
	if (m->verb == NEIGH_SOLICIT && addr_is_any(&m->source))
		return false;
	n->stats.conflicts++;
	defend(n, now_ns, o);
	return true;
}

enum neigh_own_state neigh_own_state(const struct neigh *n, int i, uint8_t mac[6])
{
	const struct neigh_own_entry *o = &n->own[i];

	if (mac && o->state == NEIGH_OWN_DUPLICATE)
		memcpy(mac, o->rival, 6);
	return o->state;
}
