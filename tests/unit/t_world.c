/* SPDX-License-Identifier: MIT */
/* t_world.c - two socket hosts joined by a wire, in virtual time */
#include "t_world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

static const uint64_t wire_delay_ns = 1000000;

struct flying {
	uint64_t when;
	int to;
	size_t len;
	uint8_t *bytes;
};

struct side {
	struct t_world *world;
	int i;
	bool deaf;
	struct rawstack_host *host;
};

struct t_world {
	uint64_t now;
	struct side side[2];
	struct flying queue[T_WORLD_MAX]; /* a ring, in order of arrival */
	unsigned int head, n;
	unsigned int packets, v4;
};

static void on_output(void *arg, const void *packet, size_t len)
{
	struct side *from = arg;
	struct t_world *w = from->world;
	struct flying *f = &w->queue[(w->head + w->n) % T_WORLD_MAX];

	cr_assert(w->n < T_WORLD_MAX, "packets without end");
	w->packets++;
	w->v4 += *(const uint8_t *)packet >> 4 == 4;
	*f = (struct flying){w->now + wire_delay_ns, !from->i, len, malloc(len)};
	memcpy(f->bytes, packet, len);
	w->n++;
}

static uint64_t on_clock(void *arg)
{
	return ((const struct side *)arg)->world->now;
}

static void deliver(struct t_world *w)
{
	struct flying f = w->queue[w->head];

	w->head = (w->head + 1) % T_WORLD_MAX;
	w->n--;
	w->now = f.when > w->now ? f.when : w->now;
	if (!w->side[f.to].deaf)
		rawstack_host_input(w->side[f.to].host, f.bytes, f.len);
	free(f.bytes);
}

/* One event, not after @until. Returns false, and the time is @until, when there is none. */
static bool step(struct t_world *w, uint64_t until)
{
	uint64_t next = w->n ? w->queue[w->head].when : UINT64_MAX;
	int due = -1;

	for (int i = 0; i < 2; i++) {
		uint64_t t = rawstack_host_deadline(w->side[i].host);

		if (t < next) {
			next = t;
			due = i;
		}
	}
	if (next > until || next == UINT64_MAX) {
		w->now = until == UINT64_MAX || until < w->now ? w->now : until;
		return false;
	}
	if (due < 0) {
		deliver(w);
	} else {
		w->now = next > w->now ? next : w->now;
		rawstack_host_run(w->side[due].host);
	}
	return true;
}

static int on_wait(void *arg, uint64_t until)
{
	struct t_world *w = ((struct side *)arg)->world;

	/* Nothing will ever happen: a call that would sleep for good. */
	return !step(w, until) && until == UINT64_MAX ? -EDEADLK : 0;
}

static struct rawstack_host *make_host(struct side *s)
{
	struct rawstack_host_config cfg = {
		/* The kernel prefers the IPv6 address that was added last, the stack the first. */
		.addrs = {{s->i ? "198.51.100.2" : "198.51.100.1", 24},
			  {s->i ? "2001:db8:1::3" : "2001:db8:1::1", 64},
			  {"198.51.100.3", 24},
			  {"2001:db8:1::2", 64}},
		.n_addrs = s->i ? 4 : 2,
		.output = on_output,
		.clock = on_clock,
		.wait = on_wait,
		.arg = s,
	};

	cfg.secret[0] = (uint8_t)(s->i + 1);
	return rawstack_host_new(&cfg);
}

struct t_world *t_world_new(void)
{
	struct t_world *w = calloc(1, sizeof(*w));

	cr_assert(w);
	w->now = 1000000000;
	for (int i = 0; i < 2; i++) {
		w->side[i] = (struct side){.world = w, .i = i};
		w->side[i].host = make_host(&w->side[i]);
		cr_assert(w->side[i].host, "no host: %s", strerror(errno));
	}
	return w;
}

void t_world_free(struct t_world *w)
{
	for (; w->n; w->n--, w->head = (w->head + 1) % T_WORLD_MAX)
		free(w->queue[w->head].bytes);
	for (int i = 0; i < 2; i++)
		rawstack_host_free(w->side[i].host);
	free(w);
}

struct rawstack_host *t_world_host(struct t_world *w, int i)
{
	return w->side[i].host;
}

uint64_t t_world_now(const struct t_world *w)
{
	return w->now;
}

void t_world_run(struct t_world *w, uint64_t ns)
{
	uint64_t until = w->now + ns;

	while (step(w, until))
		;
}

void t_world_sent(const struct t_world *w, unsigned int *packets, unsigned int *v4)
{
	*packets = w->packets;
	*v4 = w->v4;
}

void t_world_deaf(struct t_world *w, int i, bool deaf)
{
	w->side[i].deaf = deaf;
}
