/* SPDX-License-Identifier: MIT */
/* watching.h - the witness beside a measurement: what it costs, and whether it missed anything */
#ifndef TOOLS_BENCH_WATCHING_H
#define TOOLS_BENCH_WATCHING_H

#include "session.h"

/*
 * Starts "dualwire witness" on the server's interface, on the generator's processor, and waits
 * until it sees frames. Returns 0, or -errno noted in the session.
 */
int watching_begin(struct session *s, struct guest **out);

/*
 * Ends it in order and reads its last words: @frames seen and @dropped. Returns 0, or -EPROTO when
 * it did not say. @g is the caller's to free.
 */
int watching_end(const struct session *s, struct guest *g, uint64_t *frames, uint64_t *dropped);

#endif
