/* SPDX-License-Identifier: MIT */
/* template.h - frames of one conversation, ready but for four fields and two checksums */
#ifndef URING_LOAD_TEMPLATE_H
#define URING_LOAD_TEMPLATE_H

#include "../../rawstack/wire/build.h"

/*
 * All connections of a run differ only in the source's last four bytes and port, and in sequence
 * numbers. A template is the whole frame with those fields zero, and the sums over it; writing one
 * is a copy, four stores, and a sum of seven words (RFC 1624 from zero). The families differ in the
 * offsets alone.
 */
enum segment_kind {
	SEGMENT_NONE,
	SEGMENT_SYN,  /* with an MSS option */
	SEGMENT_ACK,  /* without data */
	SEGMENT_DATA, /* the payload, PSH */
	SEGMENT_FIN,  /* FIN and ACK, without data */
	SEGMENT_RST,  /* RST and ACK */
	SEGMENT_KINDS
};

enum {
	TEMPLATE_MSS_V4 = 1460,
	TEMPLATE_MSS_V6 = 1440,
	TEMPLATE_PAYLOAD_MAX = 1400, /* one frame, whatever the family */
	TEMPLATE_FRAME_MAX = 1514,
};

struct template
{
	uint8_t bytes[TEMPLATE_FRAME_MAX];
	uint16_t len;
	uint16_t low_off; /* last four bytes of the source address */
	uint16_t tcp_off;
	uint16_t ip_csum_off;	  /* 0: this family has none */
	uint32_t ip_sum, tcp_sum; /* one's complement sums of the template, folded */
};

struct template_set {
	struct template kind[SEGMENT_KINDS]; /* SEGMENT_NONE is empty */
};

/*
 * Fills the set. Of @spec MACs, family, addresses and dport are used; the source's last four bytes
 * are not. @payload of SEGMENT_DATA may be empty. Returns 0; -EMSGSIZE payload over
 * TEMPLATE_PAYLOAD_MAX; or what frame_build() says.
 */
int template_fill(struct template_set *set, const struct frame_spec *spec, const void *payload,
		  size_t payload_len);

/* What differs, host order. */
struct template_fields {
	uint32_t low; /* last four bytes of the source address */
	uint16_t sport;
	uint32_t seq, ack;
};

/* Writes the frame to @out, which has room for TEMPLATE_FRAME_MAX bytes. Returns its length. */
size_t template_write(const struct template *t, const struct template_fields *f, uint8_t *out);

#endif
