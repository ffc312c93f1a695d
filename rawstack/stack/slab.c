/* SPDX-License-Identifier: MIT */
/* slab.c - objects of one size by index */
#include "slab.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int slab_init(struct slab *sl, uint32_t size, uint32_t max)
{
	size_t chunks = ((size_t)max + 1 + SLAB_CHUNK - 1) / SLAB_CHUNK;

	*sl = (struct slab){.size = (size + 7) / 8 * 8, .max = max, .fresh = 1};
	sl->chunks = calloc(chunks, sizeof(*sl->chunks));
	return sl->chunks == NULL ? -ENOMEM : 0;
}

void slab_fini(struct slab *sl)
{
	for (uint32_t i = 0; i < sl->n_chunks; i++)
		free(sl->chunks[i]);
	free(sl->chunks);
	*sl = (struct slab){0};
}

/* Zeroed, so that a generation inside a fresh object is 0. */
static bool grow(struct slab *sl)
{
	uint8_t *chunk = calloc(SLAB_CHUNK, sl->size);

	if (chunk == NULL)
		return false;
	sl->chunks[sl->n_chunks++] = chunk;
	return true;
}

uint32_t slab_alloc(struct slab *sl)
{
	uint32_t index = sl->free;

	if (index != 0) {
		memcpy(&sl->free, slab_at(sl, index), sizeof(sl->free));
		sl->used++;
		return index;
	}
	if (sl->used >= sl->max)
		return 0;
	index = sl->fresh;
	if (index >> SLAB_CHUNK_SHIFT == sl->n_chunks && !grow(sl))
		return 0;
	sl->fresh++;
	sl->used++;
	return index;
}

void slab_free(struct slab *sl, uint32_t index)
{
	assert(slab_known(sl, index) && sl->used > 0);
	memcpy(slab_at(sl, index), &sl->free, sizeof(sl->free));
	sl->free = index;
	sl->used--;
}

uint64_t slab_bytes(const struct slab *sl)
{
	return (uint64_t)sl->n_chunks * SLAB_CHUNK * sl->size;
}
