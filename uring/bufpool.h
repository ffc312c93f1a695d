/* SPDX-License-Identifier: MIT */
/* bufpool.h - receive buffers of one size, the one used last given out first */
#ifndef URING_BUFPOOL_H
#define URING_BUFPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Last in, first out: the memory in use is as large as the greatest number lent at a time. */
struct bufpool {
	unsigned char *mem;
	uint32_t *free; /* stack of ids */
	uint32_t count, n_free;
	size_t size; /* bytes in each */
};

/* Pages are touched only when used. Returns 0 or -errno. */
int bufpool_open(struct bufpool *p, uint32_t count, size_t size);

/* All zero or open. */
void bufpool_close(struct bufpool *p);

/* A buffer; bufpool_has_free() must be true. */
uint32_t bufpool_take(struct bufpool *p);

void bufpool_put(struct bufpool *p, uint32_t id);

static inline unsigned char *bufpool_data(const struct bufpool *p, uint32_t id)
{
	return p->mem + id * p->size;
}

static inline bool bufpool_has_free(const struct bufpool *p)
{
	return p->n_free > 0;
}

#endif
