/* SPDX-License-Identifier: MIT */
/* bufring.c - receive buffers the kernel picks from (io_uring provided-buffer ring) */
#include "bufring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_ALIGN = 4096 };

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
			      .group = group};
	memset(br, 0, count * sizeof(struct io_uring_buf));
	rc = register_group(b);
	if (rc < 0)
		goto err_mem;
	io_uring_buf_ring_init(b->br);
	for (uint32_t i = 0; i < count; i++)
		bufring_recycle(b, i);
	bufring_publish(b);
	return 0;

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
	free(b->br);
	memset(b, 0, sizeof(*b));
}

unsigned char *bufring_take(struct bufring *b, uint32_t id)
{
	assert(id < b->count && b->lent < b->count);
	b->lent++;
	return bufring_data(b, id);
}

void bufring_recycle(struct bufring *b, uint32_t id)
{
	assert(id < b->count && b->lent > 0);
	io_uring_buf_ring_add(b->br, bufring_data(b, id), b->size, (unsigned short)id,
			      io_uring_buf_ring_mask(b->count), (int)b->added);
	b->added++;
	b->lent--;
}

void bufring_publish(struct bufring *b)
{
	if (b->added == 0)
		return;
	io_uring_buf_ring_advance(b->br, (int)b->added);
	b->added = 0;
}
