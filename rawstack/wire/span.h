/* SPDX-License-Identifier: MIT */
/* span.h - a bounds-checked cursor over received bytes, and one over bytes being built */
#ifndef RAWSTACK_WIRE_SPAN_H
#define RAWSTACK_WIRE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16(p + 2, (uint16_t)v);
}

/* Bytes still to be read: [p, end). Invariant: p <= end. */
struct span {
	const uint8_t *p;
	const uint8_t *end;
};

static inline struct span span_of(const void *p, size_t len)
{
	return (struct span){.p = (const uint8_t *)p, .end = (const uint8_t *)p + len};
}

static inline size_t span_len(const struct span *s)
{
	return (size_t)(s->end - s->p);
}

/* The next @n bytes, and moves past them; NULL (and no move) when fewer are left. */
static inline const uint8_t *span_take(struct span *s, size_t n)
{
	const uint8_t *p = s->p;

	if (span_len(s) < n)
		return NULL;
	s->p += n;
	return p;
}

/* The next @n bytes without moving; NULL when fewer are left. */
static inline const uint8_t *span_peek(const struct span *s, size_t n)
{
	return span_len(s) < n ? NULL : s->p;
}

/* Ends the span after @n more bytes, if it does not end before: what follows is padding. */
static inline void span_trim(struct span *s, size_t n)
{
	if (n < span_len(s))
		s->end = s->p + n;
}

/*
 * Bytes being built: buf[0..len), room for cap. A put that does not fit sets @overflow and writes
 * nothing, so a builder checks once at its end.
 */
struct outbuf {
	uint8_t *buf;
	size_t len;
	size_t cap;
	bool overflow;
};

static inline struct outbuf outbuf_of(void *buf, size_t cap)
{
	return (struct outbuf){.buf = (uint8_t *)buf, .cap = cap};
}

/* Room for @n more bytes, counted as written; NULL when they do not fit. */
static inline uint8_t *outbuf_add(struct outbuf *o, size_t n)
{
	uint8_t *p = o->buf + o->len;

	if (o->overflow || o->cap - o->len < n) {
		o->overflow = true;
		return NULL;
	}
	o->len += n;
	return p;
}

static inline void outbuf_put(struct outbuf *o, const void *data, size_t n)
{
	uint8_t *p = outbuf_add(o, n);

	if (p && n)
		memcpy(p, data, n);
}

#endif
