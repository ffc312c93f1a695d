/* SPDX-License-Identifier: MIT */
/* wheel.c - a timing wheel: many timers of similar length, time as an argument */
#include "wheel.h"

#include <assert.h>
#include <stddef.h>

void wheel_init(struct wheel *w, uint32_t tick_ms, uint64_t now_ms)
{
	assert(tick_ms > 0);
	for (int i = 0; i < WHEEL_SLOTS; i++)
		w->slots[i].next = w->slots[i].prev = &w->slots[i];
	w->tick = now_ms / tick_ms;
	w->tick_ms = tick_ms;
	w->armed = 0;
}

/* The tick in which a timer is looked at: the first one that begins at or after its time. */
static uint64_t due_tick(const struct wheel *w, uint64_t due_ms)
{
	uint64_t tick = due_ms / w->tick_ms + (due_ms % w->tick_ms != 0);

	return tick < w->tick ? w->tick : tick;
}

void wheel_add(struct wheel *w, struct wheel_node *n, uint64_t due_ms)
{
	struct wheel_node *head = &w->slots[due_tick(w, due_ms) % WHEEL_SLOTS];

	assert(n->next == NULL);
	n->due_ms = due_ms;
	n->next = head;
	n->prev = head->prev;
	head->prev->next = n;
	head->prev = n;
	w->armed++;
}

void wheel_del(struct wheel *w, struct wheel_node *n)
{
	if (n->next == NULL)
		return;
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->next = n->prev = NULL;
	w->armed--;
}

static struct wheel_node *slot_due(struct wheel_node *head, uint64_t now_ms)
{
	for (struct wheel_node *n = head->next; n != head; n = n->next) {
		if (n->due_ms <= now_ms)
			return n;
	}
	return NULL;
}

struct wheel_node *wheel_expire(struct wheel *w, uint64_t now_ms)
{
	uint64_t now_tick = now_ms / w->tick_ms;

	/* After a long sleep every slot is visited once, not once per tick missed. */
	if (w->armed == 0 && w->tick < now_tick)
		w->tick = now_tick;
	else if (now_tick >= WHEEL_SLOTS && w->tick < now_tick - (WHEEL_SLOTS - 1))
		w->tick = now_tick - (WHEEL_SLOTS - 1);

	/* The current tick stays unswept: timers may still be added to it. */
	for (;; w->tick++) {
		struct wheel_node *n = slot_due(&w->slots[w->tick % WHEEL_SLOTS], now_ms);

		if (n != NULL) {
			wheel_del(w, n);
			return n;
		}
		if (w->tick >= now_tick)
			return NULL;
	}
}

/* Whether a slot holds a timer for this @tick and not only ones of later turns. */
static bool slot_has(const struct wheel *w, uint64_t tick)
{
	const struct wheel_node *head = &w->slots[tick % WHEEL_SLOTS];

	for (const struct wheel_node *n = head->next; n != head; n = n->next) {
		if (due_tick(w, n->due_ms) == tick)
			return true;
	}
	return false;
}

int64_t wheel_timeout_ms(const struct wheel *w, uint64_t now_ms)
{
	uint64_t tick = w->tick, at;

	if (w->armed == 0)
		return -1;
	while (tick < w->tick + WHEEL_SLOTS && !slot_has(w, tick))
		tick++;
	at = tick * w->tick_ms;
	return at > now_ms ? (int64_t)(at - now_ms) : 0;
}
