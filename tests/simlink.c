/* SPDX-License-Identifier: MIT */
/* simlink.c - a simulated link in virtual time */
#include "simlink.h"

#include <assert.h>
#include <stdlib.h>

/*
 * Packets on their way are in a heap by time of arrival and, at the same time, by order of sending,
 * so that nothing is reordered that was not meant to be.
 */
enum { PACKET_MAX = 65536 };

struct flight {
	uint64_t when, order;
	int to;
	size_t len;
	uint8_t *bytes;
};

struct port {
	struct simlink *sim;
	int end;
};

struct simlink {
	struct simlink_config cfg;
	struct simlink_end ends[2];
	struct port ports[2];
	struct simlink_stats stats[2];
	uint64_t now, order, random;
	uint64_t free_at[2]; /* when the last bit of what was sent has left */
	struct flight *heap;
	size_t n, cap;
	void (*watch)(void *arg, int end, uint64_t now, const uint8_t *packet, size_t len);
	void *watch_arg;
	uint8_t reserved[PACKET_MAX];
};

struct simlink *simlink_new(const struct simlink_config *cfg)
{
	struct simlink *sim = calloc(1, sizeof(*sim));

	assert(sim);
	sim->cfg = *cfg;
	sim->random = cfg->seed;
	sim->now = 1000000000;
	for (int i = 0; i < 2; i++)
		sim->ports[i] = (struct port){sim, i};
	return sim;
}

void simlink_free(struct simlink *sim)
{
	for (size_t i = 0; i < sim->n; i++)
		free(sim->heap[i].bytes);
	free(sim->heap);
	free(sim);
}

/* splitmix64 */
uint64_t simlink_random(struct simlink *sim)
{
	uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static bool happens(struct simlink *sim, uint32_t ppm)
{
	return ppm && simlink_random(sim) % 1000000 < ppm;
}

static bool before(const struct flight *a, const struct flight *b)
{
	return a->when != b->when ? a->when < b->when : a->order < b->order;
}

static void swap(struct flight *a, struct flight *b)
{
	struct flight t = *a;

	*a = *b;
	*b = t;
}

static void heap_push(struct simlink *sim, const struct flight *f)
{
	size_t i = sim->n++;

	if (sim->n > sim->cap) {
		sim->cap = sim->cap ? sim->cap * 2 : 64;
		sim->heap = realloc(sim->heap, sim->cap * sizeof(*sim->heap));
		assert(sim->heap);
	}
	sim->heap[i] = *f;
	for (; i && before(&sim->heap[i], &sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&sim->heap[i], &sim->heap[(i - 1) / 2]);
}

static struct flight heap_pop(struct simlink *sim)
{
	struct flight first = sim->heap[0];
	size_t i = 0, child;

	sim->heap[0] = sim->heap[--sim->n];
	while ((child = 2 * i + 1) < sim->n) {
		if (child + 1 < sim->n && before(&sim->heap[child + 1], &sim->heap[child]))
			child++;
		if (!before(&sim->heap[child], &sim->heap[i]))
			break;
		swap(&sim->heap[i], &sim->heap[child]);
		i = child;
	}
	return first;
}

static void launch(struct simlink *sim, int from, const void *bytes, size_t len, uint64_t when)
{
	struct flight f = {.when = when, .order = sim->order++, .to = !from, .len = len};

	f.bytes = malloc(len ? len : 1);
	assert(f.bytes);
	memcpy(f.bytes, bytes, len);
	if (len && happens(sim, sim->cfg.corrupt_ppm)) {
		uint64_t bit = simlink_random(sim) % (len * 8);

		f.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		sim->stats[from].corrupted++;
	}
	heap_push(sim, &f);
}

/* When the last bit has left, or 0 when the queue has no room. */
static uint64_t departure(struct simlink *sim, int from, size_t len)
{
	uint64_t start = sim->free_at[from] > sim->now ? sim->free_at[from] : sim->now;
	uint64_t rate = sim->cfg.rate_bps;

	if (!rate)
		return sim->now;
	if (sim->cfg.queue_bytes &&
	    (start - sim->now) * rate / 8000000000 + len > sim->cfg.queue_bytes)
		return 0;
	return sim->free_at[from] = start + len * UINT64_C(8000000000) / rate;
}

void simlink_send(struct simlink *sim, int end, const void *packet, size_t len)
{
	const struct simlink_config *c = &sim->cfg;
	struct simlink_stats *st = &sim->stats[end];
	uint64_t when = departure(sim, end, len);
	int copies = 1;

	st->packets++;
	if (sim->watch)
		sim->watch(sim->watch_arg, end, sim->now, packet, len);
	if (!when) {
		st->overflowed++;
		return;
	}
	if (happens(sim, c->loss_ppm)) {
		st->lost++;
		return;
	}
	if (happens(sim, c->dup_ppm)) {
		st->duplicated++;
		copies = 2;
	}
	while (copies--) {
		uint64_t delay = c->delay_ns;

		if (c->jitter_ns)
			delay += simlink_random(sim) % c->jitter_ns;
		if (happens(sim, c->reorder_ppm)) {
			st->reordered++;
			delay += c->reorder_ns;
		}
		launch(sim, end, packet, len, when + delay);
	}
}

static uint8_t *port_reserve(void *arg, size_t len)
{
	struct port *p = arg;

	assert(len <= PACKET_MAX);
	return p->sim->reserved;
}

static void port_commit(void *arg, size_t len)
{
	struct port *p = arg;

	simlink_send(p->sim, p->end, p->sim->reserved, len);
}

struct stack_link simlink_port(struct simlink *sim, int end)
{
	return (struct stack_link){port_reserve, port_commit, &sim->ports[end]};
}

void simlink_attach(struct simlink *sim, int end, const struct simlink_end *who)
{
	sim->ends[end] = *who;
}

void simlink_change(struct simlink *sim, const struct simlink_config *cfg)
{
	sim->cfg = *cfg;
}

uint64_t simlink_now(const struct simlink *sim)
{
	return sim->now;
}

void simlink_watch(struct simlink *sim,
		   void (*watch)(void *arg, int end, uint64_t now, const uint8_t *packet,
				 size_t len),
		   void *arg)
{
	sim->watch = watch;
	sim->watch_arg = arg;
}

void simlink_stats(const struct simlink *sim, int end, struct simlink_stats *out)
{
	*out = sim->stats[end];
}

static void deliver(struct simlink *sim)
{
	struct flight f = heap_pop(sim);
	const struct simlink_end *e = &sim->ends[f.to];

	if (e->stack)
		stack_input(e->stack, sim->now, f.bytes, f.len, NULL);
	else if (e->input)
		e->input(e->arg, sim->now, f.bytes, f.len);
	free(f.bytes);
}

static uint64_t next_event(const struct simlink *sim)
{
	uint64_t next = sim->n ? sim->heap[0].when : UINT64_MAX;

	for (int i = 0; i < 2; i++) {
		uint64_t due = sim->ends[i].stack ? stack_deadline(sim->ends[i].stack) : UINT64_MAX;

		if (due < next)
			next = due;
	}
	return next;
}

static void flush(struct simlink *sim)
{
	for (int i = 0; i < 2; i++)
		if (sim->ends[i].stack)
			stack_flush(sim->ends[i].stack, sim->now);
}

bool simlink_run(struct simlink *sim, uint64_t until, bool (*app)(void *arg, uint64_t now),
		 void *arg)
{
	for (;;) {
		bool done = app && app(arg, sim->now);
		uint64_t next;

		flush(sim);
		if (done)
			return true;
		next = next_event(sim);
		if (next > until || next == UINT64_MAX) {
			sim->now = until > sim->now ? until : sim->now;
			return false;
		}
		if (next > sim->now)
			sim->now = next;
		while (sim->n && sim->heap[0].when <= sim->now)
			deliver(sim);
		for (int i = 0; i < 2; i++)
			if (sim->ends[i].stack)
				stack_timers(sim->ends[i].stack, sim->now);
	}
}
