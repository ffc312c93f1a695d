/* SPDX-License-Identifier: MIT */
/* bufring.h - receive buffers the kernel picks from (io_uring provided-buffer ring) */
#ifndef URING_BUFRING_H
#define URING_BUFRING_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUFRING_MAX = 32768 }; /* buffers in one ring, a kernel limit */

struct bufring {
	struct io_uring *ring;
	struct io_uring_buf_ring *br; /* shared with the kernel; only liburing touches it */
	unsigned char *mem;
	uint32_t count, size; /* buffers, and bytes in each */
	uint32_t lent;	      /* taken by the kernel for a completion and not yet recycled */
	uint32_t offered;     /* in the ring, for the kernel to take */
	uint32_t target;      /* how many shall be */
	uint16_t *spare;      /* stack of those that are neither lent nor offered */
	uint32_t n_spare;
	uint16_t group;
};

/*
 * The kernel takes buffers in the order in which they were offered. If all were, it would walk
 * through all of their memory, however little is in use at a time. So few are, and those that were
 * used last, still in the cache; when the kernel runs out, more are: see bufring_starved().
 */

/*
 * Registers @count (a power of two, at most BUFRING_MAX) buffers of @size bytes as group @group.
 * Their pages are touched only when used. Returns 0 or -errno.
 */
int bufring_open(struct bufring *b, struct io_uring *ring, uint16_t group, uint32_t count,
		 uint32_t size);

/* All zero or open; unregisters, so the ring must still exist. */
void bufring_close(struct bufring *b);

/* The buffer of a completion with IORING_CQE_F_BUFFER; it is lent until bufring_recycle(). */
unsigned char *bufring_take(struct bufring *b, uint32_t id);

/* Gives @id back; the kernel may see it after the next bufring_publish(). */
void bufring_recycle(struct bufring *b, uint32_t id);

/* Offers buffers to the kernel: one store for a whole batch. */
void bufring_publish(struct bufring *b);

/* The kernel found none, so more shall be offered from now on. */
void bufring_starved(struct bufring *b);

static inline unsigned char *bufring_data(const struct bufring *b, uint32_t id)
{
	return b->mem + (size_t)id * b->size;
}

static inline bool bufring_has_free(const struct bufring *b)
{
	return b->lent < b->count;
}

#endif
