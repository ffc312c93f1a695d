/* SPDX-License-Identifier: MIT */
/* t_capture.h - capture files for tests, built byte by byte in either order */
#ifndef TESTS_UNIT_T_CAPTURE_H
#define TESTS_UNIT_T_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Written down from the drafts, not from our writer or reader. A file that does not fit ends the
 * test program.
 */
enum { CAPTURE_MAX = 1 << 16 };

struct capture {
	uint8_t b[CAPTURE_MAX];
	size_t len;
	bool big;
	size_t block; /* where the block begins that is being built */
};

void capture_u16(struct capture *c, uint16_t v);
void capture_u32(struct capture *c, uint32_t v);
void capture_bytes(struct capture *c, const void *bytes, size_t len);

/* pcap: the file header, and a packet. */
void capture_pcap(struct capture *c, bool nanoseconds, uint32_t snaplen, uint32_t linktype);
void capture_packet(struct capture *c, uint32_t s, uint32_t fraction, const void *bytes,
		    uint32_t caplen, uint32_t wirelen);

/* pcapng: a block is begun, filled and ended. */
void capture_begin(struct capture *c, uint32_t type);
void capture_option(struct capture *c, uint16_t code, const void *value, uint16_t len);
void capture_end(struct capture *c); /* pads, and writes both lengths */

/* Whole blocks. */
void capture_section(struct capture *c);
void capture_interface(struct capture *c, uint16_t linktype, uint32_t snaplen);
void capture_enhanced(struct capture *c, uint32_t interface, uint64_t units, const void *bytes,
		      uint32_t caplen, uint32_t wirelen);

#endif
