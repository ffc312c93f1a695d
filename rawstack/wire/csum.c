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

/* The carry out of 64 bits comes in again below. */
static inline uint64_t add(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/*
 * Words in memory order: RFC 1071 2(B), the sum does not care about byte order. Four sums that do
 * not wait for each other's carries in what is long.
 */
static inline uint64_t sum_bytes(const uint8_t *p, size_t n)
{
	uint64_t sum = 0, sum1 = 0, sum2 = 0, sum3 = 0;
	uint16_t w16;

	if (n >= 32) {
		for (; n >= 32; p += 32, n -= 32) {
			sum = add(sum, load64(p));
			sum1 = add(sum1, load64(p + 8));
			sum2 = add(sum2, load64(p + 16));
			sum3 = add(sum3, load64(p + 24));
		}
		sum = add(add(sum, sum1), add(sum2, sum3));
	}
	for (; n >= 8; p += 8, n -= 8)
		sum = add(sum, load64(p));
	if (n & 4) {
		sum = add(sum, load32(p));
		p += 4;
	}
	if (n & 2) {
		memcpy(&w16, p, 2);
		sum = add(sum, w16);
		p += 2;
	}
	if (n & 1) {
		w16 = 0;
		memcpy(&w16, p, 1);
		sum = add(sum, w16);
	}
	return sum;
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

uint16_t csum_of(const void *data, size_t len)
{
	return ntohs((uint16_t)~fold(sum_bytes((const uint8_t *)data, len)));
}

/* The address as it is in the family's header. */
static inline uint64_t sum_addr(const struct addr *a, bool v6)
{
	return v6 ? add(load64(a->b), load64(a->b + 8)) : load32(a->b + sizeof(a->b) - 4);
}

uint16_t csum_segment(const struct addr *src, const struct addr *dst, bool v6, uint8_t proto,
		      const void *segment, size_t len)
{
	uint64_t sum = sum_bytes(segment, len);

	/* As csum_add_pseudo(), folded once for all pieces: this is done for every segment. */
	if (proto != IPPROTO_ICMP) {
		sum = add(sum, sum_addr(src, v6));
		sum = add(sum, sum_addr(dst, v6));
		sum = add(sum, (uint64_t)htonl((uint32_t)len) + htons(proto));
	}
	return ntohs((uint16_t)~fold(sum));
}
