/* SPDX-License-Identifier: MIT */
/* t_world.h - tests: two socket hosts joined by a wire, in virtual time, with the lab's addresses
 */
#ifndef TESTS_UNIT_T_WORLD_H
#define TESTS_UNIT_T_WORLD_H

#include "../../rawstack/stack/socket.h"

/*
 * Host 0 has 198.51.100.1 and 2001:db8:1::1, host 1 .2, .3, ::2 and ::3, as the lab's client and
 * server do. A call that blocks lets time pass for both. A packet takes one millisecond.
 */
enum { T_WORLD_MAX = 4096 };

struct t_world;

struct t_world *t_world_new(void);
void t_world_free(struct t_world *w);
struct rawstack_host *t_world_host(struct t_world *w, int i);
uint64_t t_world_now(const struct t_world *w);

/* Lets @ns pass. */
void t_world_run(struct t_world *w, uint64_t ns);

/* Packets that either host has sent, and of those the ones in IPv4. */
void t_world_sent(const struct t_world *w, unsigned int *packets, unsigned int *v4);

/* From now on packets to host @i are lost, or arrive again. */
void t_world_deaf(struct t_world *w, int i, bool deaf);

#endif
