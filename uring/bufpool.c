/* SPDX-License-Identifier: MIT */
/* bufpool.c - receive buffers of one size, the one used last given out first */
#include "bufpool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int bufpool_open(struct bufpool *p, uint32_t count, size_t size)
{
	void *mem;

	assert(count > 0 && size > 0);
	*p = (struct bufpool){.count = count, .size = size};
	p->free = calloc(count, sizeof(*p->free));
	if (p->free == NULL)
		return -ENOMEM;
	mem = mmap(NULL, count * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		int rc = -errno;

		free(p->free);
		memset(p, 0, sizeof(*p));
		return rc;
	}
	p->mem = mem;
	while (p->n_free < count) {
		p->free[p->n_free] = count - 1 - p->n_free;
		p->n_free++;
	}
	return 0;
}

void bufpool_close(struct bufpool *p)
{
	if (p->mem == NULL)
		return;
	munmap(p->mem, p->count * p->size);
	free(p->free);
	memset(p, 0, sizeof(*p));
}

uint32_t bufpool_take(struct bufpool *p)
{
	assert(p->n_free > 0);
	return p->free[--p->n_free];
}

void bufpool_put(struct bufpool *p, uint32_t id)
{
	assert(id < p->count && p->n_free < p->count);
	p->free[p->n_free++] = id;
}
