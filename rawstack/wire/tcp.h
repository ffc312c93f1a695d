/* SPDX-License-Identifier: MIT */
/* tcp.h - TCP headers and options (RFC 9293, 7323, 2018) */
#ifndef RAWSTACK_WIRE_TCP_H
#define RAWSTACK_WIRE_TCP_H

#include "span.h"

enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
};

enum {
	TCP_HDR_LEN = 20, /* without options */
	TCP_HDR_MAX = 60,
	TCP_CSUM_OFFSET = 16,
	TCP_SACKS_MAX = 4,
	TCP_WSCALE_NONE = 0xff,
};

/* Bytes [left, right) were received (RFC 2018 3). */
struct tcp_sack {
	uint32_t left, right;
};

/* Host order. */
struct tcp_hdr {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t hdr_len;  /* bytes, with options */
	uint8_t reserved; /* the four bits before the flags, the lowest of them AE (RFC 9768) */
	uint8_t flags;
	uint16_t window; /* not scaled */
	uint16_t csum;
	uint16_t urgent;

	uint16_t mss;	/* 0: no option */
	uint8_t wscale; /* shift as sent, TCP_WSCALE_NONE: no option */
	bool sack_permitted;
	bool timestamps; /* ts_val and ts_ecr were present */
	uint8_t sacks;	 /* blocks present, 0: no option */
	uint32_t ts_val, ts_ecr;
	struct tcp_sack sack[TCP_SACKS_MAX];
};

/*
 * Reads the header with its options and moves past it; options it does not know are skipped
 * (MUST-6). ts_val, ts_ecr and sack[] are set only where timestamps and sacks say so.
 * Returns 0; -ENODATA with @h->hdr_len the bytes it would have taken; -EBADMSG: data offset below
 * 5, or an option of illegal length (MUST-7), be it 0, 1, past the end or wrong for its kind. The
 * span moves only on success.
 */
int tcp_parse(struct span *s, struct tcp_hdr *h);

/*
 * Appends the header with its options, in the order Linux sends them; hdr_len is not looked at and
 * csum is stored as given: 0 for csum_segment() to be stored at TCP_CSUM_OFFSET.
 * Returns its length; -EINVAL (too many options, or reserved over four bits) or -ENOSPC.
 */
int tcp_build(const struct tcp_hdr *h, struct outbuf *out);

/* How many bytes tcp_build() would append, were there room. */
size_t tcp_build_len(const struct tcp_hdr *h);

#endif
