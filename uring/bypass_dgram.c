/* SPDX-License-Identifier: MIT */
/* bypass_dgram.c - datagrams of the bypass engine */
#include "bypass_internal.h"

#include <assert.h>
#include <errno.h>

static int free_dgram(const struct bypass *b)
{
	for (int i = 0; i < ENGINE_DGRAMS_MAX; i++) {
		if (!b->dgrams[i].lent)
			return i;
	}
	return -1;
}

/* One datagram of listener @index. */
static bool take_one(struct bypass *b, uint32_t index, struct engine_event *ev)
{
	struct bypass_listener *l = &b->listeners[index];
	int i = free_dgram(b), rc;
	struct bypass_dgram *g;

	if (i < 0) {
		b->stats.recv_starved++;
		return false;
	}
	g = &b->dgrams[i];
	rc = stack_udp_recv(b->stack, l->id, &g->d);
	if (rc < 0) {
		l->ready = rc != -EAGAIN; /* another is an ICMP error that was pending */
		return false;
	}
	g->lent = true;
	g->listener = index;
	b->n_dgrams++;
	*ev = (struct engine_event){.type = ENGINE_DGRAM,
				    .listener = index,
				    .family = l->info.family,
				    .peer = g->d.peer,
				    .local = g->d.local,
				    .cookie = l->info.cookie,
				    .data = g->d.data,
				    .len = g->d.len,
				    .buf = (engine_buf)i};
	return true;
}

static int deliver_answers(struct bypass *b, struct engine_event *events, int max)
{
	int n = 0;

	while (n < max && b->n_answers > 0) {
		struct bypass_dgram *g = &b->dgrams[b->answers[0]];

		events[n++] = (struct engine_event){.type = ENGINE_DGRAM_SENT,
						    .listener = g->listener,
						    .len = g->len,
						    .error = g->error,
						    .buf = b->answers[0]};
		g->answered = false;
		memmove(b->answers, b->answers + 1, --b->n_answers);
	}
	return n;
}

int bypass_dgrams_turn(struct bypass *b, struct engine_event *events, int max)
{
	int n = deliver_answers(b, events, max);

	for (uint32_t i = 0; i < b->n_listeners; i++) {
		struct bypass_listener *l = &b->listeners[i];

		if (l->info.proto != IPPROTO_UDP)
			continue;
		while (n < max && l->ready && b->n_dgrams < ENGINE_DGRAMS_MAX)
			n += take_one(b, i, &events[n]);
	}
	return n;
}

int bypass_send_dgram(struct engine *e, uint32_t listener, const struct endpoint *to,
		      const struct endpoint *from, const void *data, size_t len, engine_buf buf)
{
	struct bypass *b = bypass_of(e);
	struct bypass_dgram *g;
	const struct addr *own = from != NULL ? &from->addr : NULL;
	ssize_t rc;

	assert(buf < ENGINE_DGRAMS_MAX && listener < b->n_listeners);
	g = &b->dgrams[buf];
	if (g->answered)
		return -EALREADY;
	/* What was sent to a group or the wildcard is answered from an address of the stack's
	 * choice. */
	if (own != NULL &&
	    (addr_is_any(own) || own->b[0] == 0xff || (addr_v4(own) != NULL && own->b[12] >= 224)))
		own = NULL;
	rc = stack_udp_send(b->stack, b->now, b->listeners[listener].id, to, own, data, len);
	g->error = rc < 0 ? (int)rc : 0;
	g->len = rc < 0 ? 0 : (size_t)rc;
	g->answered = true;
	b->answers[b->n_answers++] = (uint8_t)buf;
	return 0;
}

void bypass_dgram_release(struct bypass *b, uint32_t index)
{
	struct bypass_dgram *g = &b->dgrams[index];

	assert(g->lent);
	stack_udp_release(b->stack, &g->d);
	g->lent = false;
	b->n_dgrams--;
}
