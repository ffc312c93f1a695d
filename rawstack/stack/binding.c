/* SPDX-License-Identifier: MIT */
/* binding.c - bound sockets of one protocol: what conflicts, and who gets a packet */
#include "binding.h"

#include <assert.h>
#include <errno.h>

static uint16_t *head_of(struct binding_table *t, uint16_t port)
{
	return &t->head[port % BINDING_HASH];
}

static uint16_t first_of(const struct binding_table *t, uint16_t port)
{
	return t->head[port % BINDING_HASH];
}

void binding_init(struct binding_table *t, bool udp)
{
	*t = (struct binding_table){.udp = udp};
	for (int i = 0; i < BINDING_HASH; i++)
		t->head[i] = BINDING_NONE;
}

bool binding_serves(const struct binding *b, bool v6)
{
	bool mapped = addr_is_mapped(&b->local.addr);

	if (v6)
		return !mapped;
	return mapped || (addr_is_any(&b->local.addr) && !b->v6only);
}

/* Both would get packets of one wire family to one address. */
static bool overlap(const struct binding *a, const struct binding *b)
{
	if (a->local.port != b->local.port)
		return false;
	if (!addr_is_any(&a->local.addr) && !addr_is_any(&b->local.addr) &&
	    !addr_eq(&a->local.addr, &b->local.addr))
		return false;
	return (binding_serves(a, false) && binding_serves(b, false)) ||
	       (binding_serves(a, true) && binding_serves(b, true));
}

/* The words of bind(2) on Linux for two sockets that overlap. */
static bool may_share(const struct binding_table *t, const struct binding *a,
		      const struct binding *b)
{
	if (a->reuse_port && b->reuse_port)
		return true;
	return a->reuse_addr && b->reuse_addr && (t->udp || (!a->listening && !b->listening));
}

int binding_check(const struct stack_bind *spec)
{
	bool mapped = addr_is_mapped(&spec->local.addr);

	if (spec->family != AF_INET && spec->family != AF_INET6)
		return -EAFNOSUPPORT;
	if (spec->family == AF_INET)
		return mapped ? 0 : -EAFNOSUPPORT;
	return mapped && spec->v6only ? -EINVAL : 0;
}

static int free_index(const struct binding_table *t)
{
	for (int i = 0; i < STACK_BINDINGS_MAX; i++) {
		if (!t->b[i].used)
			return i;
	}
	return -ENOSPC;
}

int binding_add(struct binding_table *t, const struct stack_bind *spec)
{
	const struct addr *a = &spec->local.addr;
	struct binding b = {.used = true,
			    .listening = t->udp,
			    .v6only = spec->v6only || (!addr_is_mapped(a) && !addr_is_any(a)),
			    .reuse_addr = spec->reuse_addr,
			    .reuse_port = spec->reuse_port,
			    .family = spec->family,
			    .local = spec->local,
			    .next = BINDING_NONE,
			    .event_next = BINDING_NONE};
	int rc = binding_check(spec), id;
	uint16_t *link;

	if (rc < 0)
		return rc;
	id = free_index(t);
	if (id < 0)
		return id;
	for (link = head_of(t, b.local.port); *link != BINDING_NONE; link = &t->b[*link].next) {
		if (overlap(&b, &t->b[*link]) && !may_share(t, &b, &t->b[*link]))
			return -EADDRINUSE;
	}
	*link = (uint16_t)id;
	t->b[id] = b;
	return id;
}

void binding_del(struct binding_table *t, int id)
{
	struct binding *b = binding_at(t, id);
	uint16_t *link;

	assert(b != NULL);
	for (link = head_of(t, b->local.port); *link != id; link = &t->b[*link].next)
		assert(*link != BINDING_NONE);
	*link = b->next;
	b->used = b->listening = false;
}

struct binding *binding_at(struct binding_table *t, int id)
{
	return id >= 0 && id < STACK_BINDINGS_MAX && t->b[id].used ? &t->b[id] : NULL;
}

bool binding_may_listen(const struct binding_table *t, int id)
{
	const struct binding *b = &t->b[id];

	for (uint16_t i = first_of(t, b->local.port); i != BINDING_NONE; i = t->b[i].next) {
		const struct binding *other = &t->b[i];

		if (other != b && other->listening && overlap(b, other) &&
		    !(b->reuse_port && other->reuse_port))
			return false;
	}
	return true;
}

/* How well @b fits, 0: not at all. The order is the kernel's, as measured; see binding.h. */
static int score(const struct binding *b, bool v6, const struct endpoint *src,
		 const struct endpoint *dst)
{
	bool any = addr_is_any(&b->local.addr);
	int points;

	if (!b->listening || b->local.port != dst->port || !binding_serves(b, v6))
		return 0;
	if (!any && !addr_eq(&b->local.addr, &dst->addr))
		return 0;
	points = 1 + (any ? 0 : 2) + (b->family == AF_INET ? 1 : 0);
	if (!b->connected)
		return points;
	return endpoint_eq(&b->peer, src) ? points + 4 : 0;
}

/* Sockets that asked to share and are bound alike, so that nothing but the hash decides. */
static bool is_twin(const struct binding *a, const struct binding *b)
{
	return a->reuse_port && b->reuse_port && a->family == b->family && a->v6only == b->v6only &&
	       addr_eq(&a->local.addr, &b->local.addr);
}

/* The one of the twins of @best that @hash falls on. */
static int share(const struct binding_table *t, int best, int points, bool v6,
		 const struct endpoint *src, const struct endpoint *dst, uint32_t hash)
{
	int twins[STACK_BINDINGS_MAX], n = 0;

	for (uint16_t i = first_of(t, dst->port); i != BINDING_NONE; i = t->b[i].next) {
		if (score(&t->b[i], v6, src, dst) == points && is_twin(&t->b[best], &t->b[i]))
			twins[n++] = i;
	}
	return n == 0 ? best : twins[hash % (uint32_t)n];
}

int binding_find(const struct binding_table *t, bool v6, const struct endpoint *src,
		 const struct endpoint *dst, uint32_t hash)
{
	int best = -ENOENT, best_points = 0;

	for (uint16_t i = first_of(t, dst->port); i != BINDING_NONE; i = t->b[i].next) {
		const struct binding *b = &t->b[i];
		int points = score(b, v6, src, dst);

		/* UDP with SO_REUSEADDR alone: the last bound. */
		if (points > best_points ||
		    (points > 0 && points == best_points && t->udp && !b->reuse_port)) {
			best = i;
			best_points = points;
		}
	}
	if (best < 0 || !t->b[best].reuse_port)
		return best;
	return share(t, best, best_points, v6, src, dst, hash);
}

bool binding_port_used(const struct binding_table *t, uint16_t port)
{
	for (uint16_t i = first_of(t, port); i != BINDING_NONE; i = t->b[i].next) {
		if (t->b[i].local.port == port)
			return true;
	}
	return false;
}
