/* SPDX-License-Identifier: MIT */
/* simlink.h - tests: two stacks, or a stack and a script, on a simulated link in virtual time */
#ifndef TESTS_SIMLINK_H
#define TESTS_SIMLINK_H

#include "../rawstack/stack/stack.h"

/*
 * Both directions have the same properties and independent luck, all of it drawn from one seed: a
 * run can be repeated exactly. Time jumps from one event to the next, so that hours of it cost what
 * the packets in them cost.
 *
 * A packet passes, in this order: the queue (lost when it is full), the rate, loss, corruption (one
 * bit), duplication, delay. One that is reordered is delayed by reorder_ns more.
 */
struct simlink_config {
	uint64_t seed;
	uint32_t loss_ppm, dup_ppm, reorder_ppm, corrupt_ppm; /* per million packets */
	uint64_t delay_ns, jitter_ns;			      /* jitter reorders too */
	uint64_t reorder_ns;
	uint64_t rate_bps;    /* 0: no limit */
	uint32_t queue_bytes; /* 0: no limit */
};

struct simlink_stats {
	uint64_t packets, lost, duplicated, reordered, corrupted, overflowed;
};

/* Who is at an end: a stack, or a script that gets each packet. */
struct simlink_end {
	struct stack *stack;
	void (*input)(void *arg, uint64_t now, const uint8_t *packet, size_t len);
	void *arg;
};

struct simlink;

struct simlink *simlink_new(const struct simlink_config *cfg);
void simlink_free(struct simlink *sim);

/* What the stack at @end (0 or 1) has to send through. */
struct stack_link simlink_port(struct simlink *sim, int end);
void simlink_attach(struct simlink *sim, int end, const struct simlink_end *who);

/* A script's packet. */
void simlink_send(struct simlink *sim, int end, const void *packet, size_t len);

/* Changes the link's properties from now on. */
void simlink_change(struct simlink *sim, const struct simlink_config *cfg);

uint64_t simlink_now(const struct simlink *sim);

/*
 * Lets time pass until @until, or until @app returns true. @app is called after every event, when
 * both stacks have had their timers; what it causes is flushed. Returns whether @app ended it.
 */
bool simlink_run(struct simlink *sim, uint64_t until, bool (*app)(void *arg, uint64_t now),
		 void *arg);

/* Sees every packet as it is sent by @end, before any harm is done to it; NULL: nobody. */
void simlink_watch(struct simlink *sim,
		   void (*watch)(void *arg, int end, uint64_t now, const uint8_t *packet,
				 size_t len),
		   void *arg);

void simlink_stats(const struct simlink *sim, int end, struct simlink_stats *out);

/* The next number of the link's generator, for tests that want to share it. */
uint64_t simlink_random(struct simlink *sim);

#endif
