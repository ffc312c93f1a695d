/* SPDX-License-Identifier: MIT */
/* raw_frames.c - the bytes of the frames of a scene */
#include "raw_frames.h"

#include <stdlib.h>
#include <string.h>

static bool room_for_frame(struct raw_frames *r)
{
	size_t cap = r->cap ? 2 * r->cap : 256;
	struct raw_frame *list;

	if (r->n < r->cap)
		return true;
	list = realloc(r->list, cap * sizeof(*list));
	if (!list)
		return false;
	r->list = list;
	r->cap = cap;
	return true;
}

static bool room_for_bytes(struct raw_frames *r, size_t n)
{
	size_t size = r->size ? r->size : 1 << 16;
	uint8_t *bytes;

	while (size - r->len < n)
		size *= 2;
	if (size == r->size)
		return true;
	bytes = realloc(r->bytes, size);
	if (!bytes)
		return false;
	r->bytes = bytes;
	r->size = size;
	return true;
}

void raw_frames_take(const struct evidence_frame *f, const struct ring_frame *raw, void *arg)
{
	struct raw_frames *r = arg;

	(void)f;
	if (r->failed || !room_for_frame(r) || !room_for_bytes(r, raw->meta.caplen)) {
		r->failed = true;
		return;
	}
	memcpy(r->bytes + r->len, raw->bytes, raw->meta.caplen);
	r->list[r->n++] = (struct raw_frame){.meta = raw->meta, .at = r->len};
	r->len += raw->meta.caplen;
}

void raw_frames_free(struct raw_frames *r)
{
	free(r->list);
	free(r->bytes);
	*r = (struct raw_frames){0};
}
