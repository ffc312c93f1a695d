/* SPDX-License-Identifier: MIT */
/* csum.c - the Internet checksum */
#include "csum.h"

#include "span.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/*
 * Words in memory order: RFC 1071 2(B), the sum does not care about byte order. The two halves of
 * each word go to accumulators that cannot overflow below 2^32 words, so no carry is tested.
 */
static uint64_t sum_bytes(const uint8_t *p, size_t n)
{
	uint64_t low = 0, high = 0, w64;
	uint32_t w32;
	uint16_t w16;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&w64, p, 8);
		low += w64 & 0xffffffff;
		high += w64 >> 32;
	}
	if (n & 4) {
		memcpy(&w32, p, 4);
		low += w32;
		p += 4;
	}
	if (n & 2) {
		memcpy(&w16, p, 2);
		low += w16;
		p += 2;
	}
	if (n & 1) {
		w16 = 0;
		memcpy(&w16, p, 1);
		low += w16;
	}
	return low + high;
}

void csum_add(struct csum *c, const void *data, size_t len)
{
	uint16_t piece = fold(sum_bytes((const uint8_t *)data, len));

	if (c->len & 1)
		piece = (uint16_t)(piece << 8 | piece >> 8);
	c->sum += piece;
	c->len += len;
}

void csum_add_pseudo(struct csum *c, const struct addr *src, const struct addr *dst, bool v6,
		     uint8_t proto, uint32_t len)
{
	size_t skip = v6 ? 0 : sizeof(src->b) - 4;
	uint8_t tail[8] = {0};

	/* The families order length and protocol differently; the sum is the same. */
	put_be32(tail, len);
	tail[7] = proto;
	csum_add(c, src->b + skip, sizeof(src->b) - skip);
	csum_add(c, dst->b + skip, sizeof(dst->b) - skip);
	csum_add(c, tail, sizeof(tail));
}

uint16_t csum_finish(const struct csum *c)
{
	return ntohs((uint16_t)~fold(c->sum));
}

uint16_t csum_segment(const struct addr *src, const struct addr *dst, bool v6, uint8_t proto,
		      const void *segment, size_t len)
{
	size_t skip = v6 ? 0 : sizeof(src->b) - 4;
	uint64_t sum = sum_bytes(segment, len);
	uint8_t tail[8] = {0};

	/* As csum_add_pseudo(), folded once for all pieces: this is done for every segment. */
	if (proto != IPPROTO_ICMP) {
		put_be32(tail, (uint32_t)len);
		tail[7] = proto;
		sum += sum_bytes(src->b + skip, sizeof(src->b) - skip) +
		       sum_bytes(dst->b + skip, sizeof(dst->b) - skip) + sum_bytes(tail, 8);
	}
	return ntohs((uint16_t)~fold(sum));
}
