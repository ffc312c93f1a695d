/* SPDX-License-Identifier: MIT */
/* ring.h - a TPACKET receive ring with honest drop accounting */
#ifndef RAWSTACK_CAPTURE_RING_H
#define RAWSTACK_CAPTURE_RING_H

#include "../wire/frame.h"

/* Of a V2 slot, in front of the bytes: headers, alignment and link layer, which take up to 80. */
enum { RING_V2_OVERHEAD = 256 };

/*
 * V3 hands over blocks: fewest wake-ups, up to retire_ms of delay; for the verdict.
 * V2 hands over single frames at once; for live display.
 *
 * A V3 block counts as full when its timeout is over, however little is in it, so under steady
 * traffic a ring lasts a reader that pauses for no more than block_count x retire_ms.
 *
 * Identity, exact after a drain: consumed == packets - drops. packets includes drops, and the
 * kernel's counters are cleared by reading, so only the ring reads them and keeps 64-bit sums.
 */
struct ring_config {
	int version;	     /* 2 or 3 */
	uint32_t block_size; /* bytes, a power of two of at least one page */
	uint32_t block_count;
	uint32_t retire_ms; /* V3: a block is handed over after this long even if not full; at least
			       1 */
	uint32_t snaplen;   /* bytes of a frame that the filter keeps; V2 sizes its slots by it */
};

/* 16 KiB x 128, retire after 1 ms: cases and tests; survives a reader that pauses for 100 ms. */
extern const struct ring_config RING_CONFIG_SMALL;
/* 64 KiB x 1024: long runs at the highest rate; survives a pause of a second. */
extern const struct ring_config RING_CONFIG_LARGE;
/* V2, 4096 slots of 512 bytes: one wake-up per frame, about 10 us after it. */
extern const struct ring_config RING_CONFIG_LIVE;

struct ring_stats {
	uint64_t packets;    /* passed the filter, drops included */
	uint64_t drops;	     /* ring full */
	uint64_t consumed;   /* handed to the caller by ring_next() */
	uint64_t block_gaps; /* V3: sequence numbers of blocks that did not follow each other */
	uint64_t freezes;    /* V3: times the queue was frozen (information) */
};

/* A frame borrowed from the ring: valid until the next ring_next() or ring_close(), even when that
 * finds nothing. */
struct ring_frame {
	const uint8_t *bytes;
	struct frame_meta meta;
	uint64_t ts_ns; /* CLOCK_REALTIME, stamped by the kernel */
	uint32_t ifindex;
};

struct ring;

/*
 * Makes the ring on an unbound AF_PACKET socket (which stays the caller's) and maps it.
 * Returns 0, -EINVAL, -ENOMEM, or what the kernel said.
 */
int ring_open(int fd, const struct ring_config *cfg, struct ring **out);

/* Fetches the next frame if one is ready; never blocks. Returns 1, or 0 when there is none now. */
int ring_next(struct ring *r, struct ring_frame *out);

/* Reads the kernel's counters into the sums and copies them out. Returns 0 or -errno. */
int ring_stats(struct ring *r, struct ring_stats *out);

/* Releases the mapping. NULL is allowed. */
void ring_close(struct ring *r);

#endif
