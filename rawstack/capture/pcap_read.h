/* SPDX-License-Identifier: MIT */
/* pcap_read.h - reads capture files, pcap and pcapng, frame by frame */
#ifndef RAWSTACK_CAPTURE_PCAP_READ_H
#define RAWSTACK_CAPTURE_PCAP_READ_H

#include <stdio.h>

#include "ring.h"

/*
 * One reader for both formats, either byte order, micro- and nanoseconds (and every resolution that
 * pcapng can state), any snap length, and the links of link.h. Nothing in a file is trusted: a
 * length is believed only up to a limit and as far as bytes really follow.
 *
 * Memory: one buffer of PCAP_BUFFER bytes. It grows only while it is full of bytes that belong to
 * one block, up to PCAP_BLOCK_MAX.
 *
 * Limits: PCAP_INTERFACES_MAX interfaces over all sections of a file, frames of PCAP_FRAME_MAX
 * captured bytes.
 */
enum {
	PCAP_BUFFER = 1 << 20,
	PCAP_BLOCK_MAX = 16 << 20,
	PCAP_FRAME_MAX = 256 << 10, /* as libpcap's MAXIMUM_SNAPLEN */
	PCAP_INTERFACES_MAX = 512,
	PCAP_NAME_MAX = 64,
	PCAP_WHY_MAX = 128,
};

/* What a file says of one of its interfaces. A pcap file has one. */
struct pcap_interface {
	uint16_t linktype; /* enum pcap_linktype, or one we cannot read */
	bool readable;	   /* its frames can be dissected; others are skipped and counted */
	uint8_t link;	   /* enum link_type */
	uint32_t snaplen;
	char name[PCAP_NAME_MAX];	 /* cut to fit; empty: not given */
	char description[PCAP_NAME_MAX]; /* the same */
	uint64_t frames, skipped;	 /* handed over so far, not readable so far */

	/* From statistics blocks; each may be missing. */
	bool has_received, has_dropped, has_delivered;
	uint64_t received, dropped, delivered;

	/* Of timestamps: units of 10^-exponent or 2^-exponent seconds, after @offset_s seconds. */
	uint8_t exponent;
	bool binary;
	int64_t offset_s;
};

struct pcap_reader;

/* Each reads the beginning. @in and @bytes stay the caller's and outlive the reader. Returns 0,
 * -EBADMSG (no capture file), -ENOMEM or what reading said; then @why tells more in one line. */
int pcap_reader_open(FILE *in, struct pcap_reader **out, char why[PCAP_WHY_MAX]);
int pcap_reader_open_bytes(const void *bytes, size_t len, struct pcap_reader **out,
			   char why[PCAP_WHY_MAX]);

/*
 * The next frame, borrowed until the next call; its ifindex is the interface's number. Returns 1; 0
 * at the end; -ENODATA when the file ends in the middle of something; -EBADMSG when it makes no
 * sense from here on; or what reading said. Errors repeat; pcap_reader_why() tells more.
 */
int pcap_reader_next(struct pcap_reader *r, struct ring_frame *out);

bool pcap_reader_is_pcapng(const struct pcap_reader *r);

/* One line about the last error, with the place in the file. */
const char *pcap_reader_why(const struct pcap_reader *r);

/* The @i-th interface; NULL: not described (yet). */
const struct pcap_interface *pcap_reader_interface(const struct pcap_reader *r, uint32_t i);

/* Releases it. NULL is allowed. */
void pcap_reader_close(struct pcap_reader *r);

#endif
