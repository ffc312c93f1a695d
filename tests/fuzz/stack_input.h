/* SPDX-License-Identifier: MIT */
/* stack_input.h - layout of the stack fuzzer's inputs: records of what happens to a host, in order
 */
#ifndef TESTS_FUZZ_STACK_INPUT_H
#define TESTS_FUZZ_STACK_INPUT_H

#include "../../rawstack/wire/span.h"

/* A record is an operation, a length in two bytes, big-endian, and as many bytes. */
enum stack_op {
	STACK_OP_RAW,	   /* a frame as it stands */
	STACK_OP_SOUND,	   /* a frame; lengths and checksums are put right first */
	STACK_OP_RELATIVE, /* the same, and TCP numbers count from where the connection is */
	STACK_OP_TIME,	   /* two bytes: milliseconds go by */
	STACK_OP_USER,	   /* one byte: what the program does, enum stack_user */
	STACK_OP_NUM
};
enum stack_user {
	STACK_USER_ACCEPT,
	STACK_USER_READ,
	STACK_USER_SEND,
	STACK_USER_SHUTDOWN,
	STACK_USER_CLOSE,
	STACK_USER_ABORT,
	STACK_USER_CONNECT4,
	STACK_USER_CONNECT6,
	STACK_USER_NUM
};
enum {
	STACK_RECORD_HDR = 3,
	STACK_RECORDS_MAX = 64,
	STACK_INPUT_MAX = 16384,
};

/* Where the connection is, read off what the stack sends: both ends' next numbers. */
struct stack_course {
	uint32_t peer_next, stack_next;
};

/* The TCP header in an unfragmented frame without IPv6 extension headers, NULL for none. */
static inline uint8_t *stack_find_tcp(uint8_t *frame, size_t len)
{
	size_t at = 0;

	if (len < 14 + 20)
		return NULL;
	if (get_be16(frame + 12) == 0x0800 && frame[23] == 6)
		at = 14 + (size_t)(frame[14] & 0xf) * 4;
	else if (get_be16(frame + 12) == 0x86dd && frame[20] == 6)
		at = 14 + 40;
	return at && len >= at + 20 ? frame + at : NULL;
}

static inline void stack_follow(struct stack_course *c, uint8_t *frame, size_t len)
{
	uint8_t *tcp = stack_find_tcp(frame, len);
	size_t hdr;

	if (!tcp || tcp[13] & 4)
		return;
	hdr = (size_t)(tcp - frame) + (size_t)(tcp[12] >> 4) * 4;
	c->stack_next = get_be32(tcp + 4) + (tcp[13] & 2 ? 1 : 0) + (tcp[13] & 1) +
			(uint32_t)(len > hdr ? len - hdr : 0);
	if (tcp[13] & 16)
		c->peer_next = get_be32(tcp + 8);
}

#endif
