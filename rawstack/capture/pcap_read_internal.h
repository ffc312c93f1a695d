/* SPDX-License-Identifier: MIT */
/* pcap_read_internal.h - for pcap_read.c and pcapng_read.c only: the cursor over a file */
#ifndef RAWSTACK_CAPTURE_PCAP_READ_INTERNAL_H
#define RAWSTACK_CAPTURE_PCAP_READ_INTERNAL_H

#include "../wire/span.h"
#include "pcap_read.h"

struct pcap_reader {
	FILE *in; /* NULL: all bytes are there already */
	const uint8_t *bytes;
	uint8_t *buf; /* what bytes points at, when it is ours */
	size_t at, len, cap;
	uint64_t passed; /* bytes of the file before bytes[0] */
	bool big;	 /* the file is big-endian */
	bool pcapng;
	bool nanoseconds; /* pcap */
	int error;
	char why[PCAP_WHY_MAX];
	uint32_t first; /* interface of this section that the file calls 0 */
	uint32_t n_interfaces;
	struct pcap_interface interfaces[PCAP_INTERFACES_MAX];
};

/*
 * Makes @n more bytes available at r->bytes + r->at. Returns 1; 0 when not a single one is left;
 * -ENODATA (and the error is set) when fewer are; or another failure.
 */
int pcap_need(struct pcap_reader *r, size_t n);

/* Sets the error, with the place of the cursor. Returns @err. */
int pcap_fail(struct pcap_reader *r, int err, const char *what);

static inline uint16_t pcap_u16(const struct pcap_reader *r, const uint8_t *p)
{
	uint16_t v = get_be16(p);

	return r->big ? v : __builtin_bswap16(v);
}

static inline uint32_t pcap_u32(const struct pcap_reader *r, const uint8_t *p)
{
	uint32_t v = get_be32(p);

	return r->big ? v : __builtin_bswap32(v);
}

/* Describes one more interface of @linktype. NULL: too many. */
struct pcap_interface *pcap_add_interface(struct pcap_reader *r, uint16_t linktype);

/* Fills @out with a frame of interface @i, whose bytes are there. Returns 1, or 0: not readable. */
int pcap_hand_over(struct pcap_reader *r, uint32_t i, const uint8_t *bytes, uint32_t caplen,
		   uint32_t wirelen, struct ring_frame *out);

/* Reads blocks up to the next frame. Returns as pcap_reader_next(). */
int pcapng_next(struct pcap_reader *r, struct ring_frame *out);

#endif
