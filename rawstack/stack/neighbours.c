/* SPDX-License-Identifier: MIT */
/* neighbours.c - the neighbour machine inside the stack: its frames, and what it says of addresses
 */
#include "stack_internal.h"

#include "neigh.h"
#include "../wire/eth.h"

#include <assert.h>
#include <errno.h>

static void on_send(void *arg, const uint8_t *frame, size_t len)
{
	out_frame(arg, frame, len);
}

static void on_failed(void *arg, uint64_t now, const uint8_t *frame, size_t len)
{
	struct stack *s = arg;

	s->stats.neigh_failed++;
	icmp_unreachable(s, now, frame + ETH_HDR_LEN, len - ETH_HDR_LEN);
}

/* The machine decides about our addresses; the stack asks its own table for each packet. */
static void copy_states(struct stack *s)
{
	static const enum stack_addr_state states[] = {
		[NEIGH_OWN_TENTATIVE] = STACK_ADDR_TENTATIVE,
		[NEIGH_OWN_READY] = STACK_ADDR_READY,
		[NEIGH_OWN_DUPLICATE] = STACK_ADDR_DUPLICATE,
	};

	for (int i = 0; i < s->n_own; i++)
		s->own[i].state = states[neigh_own_state(s->neigh, i, s->own[i].duplicate_mac)];
}

int neighbours_open(struct stack *s, uint64_t now)
{
	struct neigh_config cfg = {
		.io = {on_send, on_failed, s},
		.n_own = s->n_own,
		.skip_dad = s->cfg.skip_dad,
		.key = siphash_key_from(s->cfg.secret + SECRET_HASH),
	};
	int rc;

	_Static_assert((int)NEIGH_ADDRS_MAX >= (int)STACK_ADDRS_MAX, "every address of ours fits");
	if (s->cfg.l3)
		return 0;
	memcpy(cfg.mac, s->cfg.mac, sizeof(cfg.mac));
	for (int i = 0; i < s->n_own; i++)
		cfg.own[i] = (struct neigh_own){s->cfg.addrs[i].addr, s->cfg.addrs[i].prefix_len};
	rc = neigh_new(&cfg, now, &s->neigh);
	if (rc == 0)
		copy_states(s);
	return rc;
}

void neighbours_close(struct stack *s)
{
	neigh_free(s->neigh);
}

void neighbours_arp(struct stack *s, uint64_t now, const uint8_t *frame, struct span packet)
{
	s->stats.arp_in++;
	if (neigh_input_arp(s->neigh, now, frame + 6, frame, packet) != 0)
		s->stats.arp_bad++;
	copy_states(s);
}

void neighbours_nd(struct stack *s, const struct packet *p)
{
	int rc = -EBADMSG;

	s->stats.nd_in++;
	/* RFC 6980 5: never in fragments. */
	if (s->neigh != NULL && !p->reassembled && p->mac != NULL)
		rc = neigh_input_nd(s->neigh, p->now, p->mac, &p->src, &p->dst, p->ttl,
				    span_of(p->l4, p->l4_len));
	if (rc != 0)
		s->stats.nd_bad++;
	else
		copy_states(s);
}

void neighbours_timers(struct stack *s, uint64_t now)
{
	if (s->neigh == NULL || neigh_deadline(s->neigh) > now)
		return;
	neigh_timers(s->neigh, now);
	copy_states(s);
}

uint64_t neighbours_deadline(const struct stack *s)
{
	return s->neigh == NULL ? UINT64_MAX : neigh_deadline(s->neigh);
}

void neighbours_confirm(struct stack *s, uint64_t now, const struct addr *dst)
{
	struct route r;

	if (s->neigh != NULL && route_find(s, dst, &r) == 0)
		neigh_confirm(s->neigh, now, &r.next_hop);
}

void neighbours_stats(const struct stack *s, struct stack_stats *out)
{
	struct neigh_stats st;

	if (s->neigh == NULL)
		return;
	neigh_stats(s->neigh, &st);
	out->neigh_unanswered = st.failed;
	out->neigh_conflicts = st.conflicts;
	out->neigh_suspects = st.suspects;
	out->neigh_evicted = st.evicted;
	out->neigh_refused = st.refused;
	out->neighbours = st.entries;
}

int stack_neighbour(struct stack *s, const struct addr *a, const uint8_t mac[6])
{
	return s->neigh == NULL ? -EOPNOTSUPP : neigh_set_permanent(s->neigh, a, mac);
}
