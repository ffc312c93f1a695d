/* SPDX-License-Identifier: MIT */
/* ilist.h - doubly linked lists through objects of a slab, by index */
#ifndef RAWSTACK_STACK_ILIST_H
#define RAWSTACK_STACK_ILIST_H

#include "slab.h"

/* Index 0 is nothing. @off is where an object keeps its struct ilink for this list. */
struct ilink {
	uint32_t next, prev;
};

struct ilist {
	uint32_t first, last;
};

static inline struct ilink *ilist_link(const struct slab *sl, size_t off, uint32_t index)
{
	return (struct ilink *)((uint8_t *)slab_at(sl, index) + off);
}

/* At the end; @index must not be on this list. */
static inline void ilist_push(struct ilist *l, const struct slab *sl, size_t off, uint32_t index)
{
	*ilist_link(sl, off, index) = (struct ilink){.next = 0, .prev = l->last};
	if (l->last != 0)
		ilist_link(sl, off, l->last)->next = index;
	else
		l->first = index;
	l->last = index;
}

/* Behind @at, which is on this list; @index must not be. */
static inline void ilist_insert(struct ilist *l, const struct slab *sl, size_t off, uint32_t at,
				uint32_t index)
{
	struct ilink *a = ilist_link(sl, off, at);

	*ilist_link(sl, off, index) = (struct ilink){.next = a->next, .prev = at};
	if (a->next != 0)
		ilist_link(sl, off, a->next)->prev = index;
	else
		l->last = index;
	a->next = index;
}

/* @index must be on this list. */
static inline void ilist_remove(struct ilist *l, const struct slab *sl, size_t off, uint32_t index)
{
	struct ilink *k = ilist_link(sl, off, index);

	if (k->prev != 0)
		ilist_link(sl, off, k->prev)->next = k->next;
	else
		l->first = k->next;
	if (k->next != 0)
		ilist_link(sl, off, k->next)->prev = k->prev;
	else
		l->last = k->prev;
	*k = (struct ilink){0};
}

#endif
