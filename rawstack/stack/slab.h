/* SPDX-License-Identifier: MIT */
/* slab.h - objects of one size by index, in chunks that are never given back before the end */
#ifndef RAWSTACK_STACK_SLAB_H
#define RAWSTACK_STACK_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Indices are 32 bits where pointers are 64: half the links of a million connections. Index 0 is
 * never given out: it means none. Objects are in chunks of SLAB_CHUNK; a chunk is taken from the
 * heap when the slab grows, and objects stay where they are. The last freed is the next given.
 *
 * Limits: @max objects, fixed when the slab is made.
 */
enum { SLAB_CHUNK_SHIFT = 9, SLAB_CHUNK = 1 << SLAB_CHUNK_SHIFT };

struct slab {
	uint8_t **chunks;
	uint32_t size;	/* bytes of an object, rounded up to a multiple of 8 */
	uint32_t max;	/* objects there may be */
	uint32_t free;	/* head of the free list, 0: none */
	uint32_t fresh; /* the first index never given out */
	uint32_t used;
	uint32_t n_chunks;
};

/* Returns 0 or -ENOMEM (the table of chunks). */
int slab_init(struct slab *sl, uint32_t size, uint32_t max);
void slab_fini(struct slab *sl);

/* A new object, its bytes undefined, or 0 when the limit is reached or memory is out. */
uint32_t slab_alloc(struct slab *sl);
void slab_free(struct slab *sl, uint32_t index);

static inline void *slab_at(const struct slab *sl, uint32_t index)
{
	return sl->chunks[index >> SLAB_CHUNK_SHIFT] +
	       (size_t)(index & (SLAB_CHUNK - 1)) * sl->size;
}

/* True where @index was given out once: a handle from outside is looked at only then. */
static inline bool slab_known(const struct slab *sl, uint32_t index)
{
	return index > 0 && index < sl->fresh;
}

/* Bytes the slab occupies. */
uint64_t slab_bytes(const struct slab *sl);

#endif
