/* SPDX-License-Identifier: MIT */
/* reason.h - why a verdict is what it is */
#ifndef RAWSTACK_WITNESS_REASON_H
#define RAWSTACK_WITNESS_REASON_H

#include <stdint.h>

/* In groups: judge.c tells them apart by their place. */
enum reason {
	/* Contradictions. */
	REASON_CARRIAGE_OTHER,
	REASON_ETHERTYPE_VERSION_MISMATCH,
	REASON_TUNNEL_6IN4,
	REASON_TUNNEL_OTHER,
	REASON_MIXED_CARRIAGE,
	REASON_KERNEL_FAMILY_MISMATCH,
	REASON_API_KERNEL_ADDRESS_MISMATCH,
	/* Gates of the run: each makes every connection of it inconclusive. */
	REASON_RING_DROPS,
	REASON_IDENTITY_FAILED,
	REASON_BLOCK_GAP,
	REASON_IF_DOWN,
	REASON_NO_CANARY,
	REASON_CLOCK_STEP,
	REASON_KERNEL_EVENTS_LOST,
	REASON_UNPARSED,
	REASON_TABLE_FULL,
	REASON_CAPTURE_UNPROVEN,
	/* Gates of one connection. */
	REASON_NO_FRAMES,
	REASON_STARTED_LATE,
	REASON_ENDED_EARLY,
	REASON_SEQ_HOLE,
	REASON_TAPS_DISAGREE,
	REASON_WIRE_LT_SEGS,
	REASON_WIRE_LT_API,
	REASON_BYTES_MISMATCH,
	REASON_SNAPLEN_SHORT,
	REASON_EXTHDR_LIMIT,
	REASON_FRAGMENTS_UNATTRIBUTED,
	REASON_NAT_SUSPECTED,
	REASON_GENERATION_AMBIGUOUS,
	REASON_COOKIE_MISMATCH,
	REASON_KERNEL_MISSING,
	REASON_NO_CLAIM,
	REASON_RESULT_MISMATCH,
	/* Information: changes no verdict. */
	REASON_SUPERFRAMES,
	REASON_WIRE_ONLY,
	REASON_NUM
};

/* "carriage_other", the name in JSON and reports. */
const char *reason_name(enum reason r);

/* One sentence for people, no full stop. */
const char *reason_text(enum reason r);

static inline uint64_t reason_bit(enum reason r)
{
	return 1ULL << r;
}

#endif
