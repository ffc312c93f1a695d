/* SPDX-License-Identifier: MIT */
/* stackstats.h - what an engine with a TCP of its own counts, beside what every engine does */
#ifndef URING_STACKSTATS_H
#define URING_STACKSTATS_H

#include "../rawstack/stack/stack.h"

/* Of the link below the stack: frames that never came to it, or did not leave. */
#define STACKSTATS_LINK(X)                                                                         \
	X(rx_frames, "frames taken from the link")                                                 \
	X(rx_drops, "frames lost while the receiving ring was full")                               \
	X(rx_superframes, "frames longer than a slot, fetched apart")                              \
	X(rx_truncated, "of those, not to be had whole")                                           \
	X(tx_frames, "frames handed to the kernel")                                                \
	X(tx_refused, "frames the kernel did not take")                                            \
	X(tx_no_room, "frames that found no slot to leave from")                                   \
	X(tx_syscalls, "system calls for sending")

/* What there is now. */
#define STACKSTATS_NOW(X)                                                                          \
	X(conns, "connections the stack has, those it still ends included")                        \
	X(half_open, "half-open connections")                                                      \
	X(time_wait, "connections in TIME-WAIT")                                                   \
	X(segments_held, "pieces of memory that hold data")                                        \
	X(memory, "bytes of all tables")                                                           \
	X(neighbours, "neighbours remembered")

/* Nothing but counters, all zero where an engine has no stack. */
struct stackstats {
	uint64_t engines; /* that have one */
#define STACKSTATS_FIELD(name, text)	  uint64_t name;
#define STACKSTATS_LINK_FIELD(name, text) uint64_t link_##name;
	STACK_STATS(STACKSTATS_FIELD)
	STACKSTATS_LINK(STACKSTATS_LINK_FIELD)
	STACKSTATS_NOW(STACKSTATS_FIELD)
#undef STACKSTATS_LINK_FIELD
#undef STACKSTATS_FIELD
};

struct stackstats_row {
	const char *name, *text;
	bool now; /* a gauge: may go down */
	uint64_t value;
};

/* The n-th of them, false past the last. Names begin with "link_" where they are the link's. */
bool stackstats_row(const struct stackstats *s, size_t n, struct stackstats_row *out);

#endif
