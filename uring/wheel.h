/* SPDX-License-Identifier: MIT */
/* wheel.h - a timing wheel: many timers of similar length, time as an argument */
#ifndef URING_WHEEL_H
#define URING_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Hashed wheel (Varghese and Lauck, scheme 6): a timer hangs in the slot of its tick; one longer
 * than a turn is passed over until its turn comes. Adding and removing cost O(1), no memory is
 * allocated. A timer never fires early, and at most one tick late.
 */
enum { WHEEL_SLOTS = 256 };

struct wheel_node {
	struct wheel_node *next, *prev; /* NULL when in no wheel */
	uint64_t due_ms;
};

struct wheel {
	struct wheel_node slots[WHEEL_SLOTS]; /* list heads */
	uint64_t tick;			      /* the first tick not yet swept */
	uint32_t tick_ms;
	uint32_t armed; /* timers in the wheel */
};

/* @tick_ms > 0. The wheel points into itself: it must not be copied or moved afterwards. */
void wheel_init(struct wheel *w, uint32_t tick_ms, uint64_t now_ms);

/* @n must be in no wheel; fields of a zeroed node are fine. */
void wheel_add(struct wheel *w, struct wheel_node *n, uint64_t due_ms);

/* Nothing to do when @n is in no wheel. */
void wheel_del(struct wheel *w, struct wheel_node *n);

/* Removes and returns one timer that is due at @now_ms, NULL when there is none (any more). */
struct wheel_node *wheel_expire(struct wheel *w, uint64_t now_ms);

/*
 * Milliseconds until wheel_expire() should be called again: 0 or more, -1 when no timer is armed.
 * At most one turn of the wheel; waking up for a timer of a later turn is harmless.
 */
int64_t wheel_timeout_ms(const struct wheel *w, uint64_t now_ms);

#endif
