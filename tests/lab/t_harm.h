/* SPDX-License-Identifier: MIT */
/* t_harm.h - a cable that does harm: a relay between two labs that loses, repeats, delays and
 * breaks frames */
#ifndef TESTS_LAB_T_HARM_H
#define TESTS_LAB_T_HARM_H

#include "../../rawstack/netlink/lab.h"

/*
 *    client ── va  vb ── relay ── va  vb ── stack
 *        \_ near lab _/              \_ far lab _/
 *
 * Kernel and stack know nothing of it: the MAC addresses are those of one lab. Chances are per
 * million frames, each direction has luck of its own, and all of it comes from one seed. A frame
 * that is reordered is overtaken by up to four others, or waits two milliseconds.
 */
struct harm_config {
	uint64_t seed;
	uint32_t loss_ppm, dup_ppm, reorder_ppm, corrupt_ppm;
	bool kernel; /* the server's host has its addresses: for a kernel's server, to compare */
};

struct harm_stats {
	uint64_t frames, lost, duplicated, reordered, corrupted;
};

struct harm;

/* @near has a bare server. Asserts. Relays until it is freed, in a thread of its own. */
struct harm *harm_new(const struct harm_config *cfg, const struct lab *near);

/* Where the stack belongs. */
int harm_netns(const struct harm *h);

/* Of both directions together; ends the relay. */
void harm_free(struct harm *h, struct harm_stats *out);

#endif
