/* SPDX-License-Identifier: MIT */
/* bufring.c - receive buffers the kernel picks from (io_uring provided-buffer ring) */
#include "bufring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	PAGE_ALIGN = 4096,
	OFFERED_MIN = 256, /* as many as there are events in a batch */
};

static int register_group(struct bufring *b)
{
	struct io_uring_buf_reg reg = {
		.ring_addr = (uint64_t)(uintptr_t)b->br,
		.ring_entries = b->count,
		.bgid = b->group,
	};

	return io_uring_register_buf_ring(b->ring, &reg, 0);
}

int bufring_open(struct bufring *b, struct io_uring *ring, uint16_t group, uint32_t count,
		 uint32_t size)
{
	void *br, *mem;
	int rc;

	assert(count > 0 && count <= BUFRING_MAX && (count & (count - 1)) == 0);
	rc = posix_memalign(&br, PAGE_ALIGN, count * sizeof(struct io_uring_buf));
	if (rc)
		return -rc;
	/* Fresh anonymous pages cost nothing until the kernel writes to them. */
	mem = mmap(NULL, (size_t)count * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	if (mem == MAP_FAILED) {
		rc = -errno;
		goto err_br;
	}
	*b = (struct bufring){.ring = ring,
			      .br = br,
			      .mem = mem,
			      .count = count,
			      .size = size,
			      .lent = count,
			      .target = count < OFFERED_MIN ? count : OFFERED_MIN,
			      .group = group};
	b->spare = calloc(count, sizeof(*b->spare));
	if (b->spare == NULL) {
		rc = -ENOMEM;
		goto err_mem;
	}
	memset(br, 0, count * sizeof(struct io_uring_buf));
	rc = register_group(b);
	if (rc < 0)
		goto err_spare;
	io_uring_buf_ring_init(b->br);
	for (uint32_t i = count; i-- > 0;)
		bufring_recycle(b, i);
	bufring_publish(b);
	return 0;

err_spare:
	free(b->spare);
err_mem:
	munmap(mem, (size_t)count * size);
err_br:
	free(br);
	memset(b, 0, sizeof(*b));
	return rc;
}

void bufring_close(struct bufring *b)
{
	if (b->br == NULL)
		return;
	io_uring_unregister_buf_ring(b->ring, b->group);
	munmap(b->mem, (size_t)b->count * b->size);
	free(b->spare);
	free(b->br);
	memset(b, 0, sizeof(*b));
}

unsigned char *bufring_take(struct bufring *b, uint32_t id)
{
	assert(id < b->count && b->offered > 0);
	b->lent++;
	b->offered--;
	return bufring_data(b, id);
}

void bufring_recycle(struct bufring *b, uint32_t id)
{
	assert(id < b->count && b->lent > 0);
	b->spare[b->n_spare++] = (uint16_t)id;
	b->lent--;
}

void bufring_publish(struct bufring *b)
{
	uint32_t n = 0;

	while (b->offered < b->target && b->n_spare > 0) {
		uint16_t id = b->spare[--b->n_spare];

		io_uring_buf_ring_add(b->br, bufring_data(b, id), b->size, id,
				      io_uring_buf_ring_mask(b->count), (int)n);
		b->offered++;
		n++;
	}
	if (n > 0)
		io_uring_buf_ring_advance(b->br, (int)n);
}

void bufring_starved(struct bufring *b)
{
	b->target = b->target * 2 < b->count ? b->target * 2 : b->count;
}
