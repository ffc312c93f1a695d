/* SPDX-License-Identifier: MIT */
/* backoff.h - when a listener that failed may try again */
#ifndef URING_BACKOFF_H
#define URING_BACKOFF_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Without descriptors or memory a connection stays in the backlog. Trying again at once would spin:
 * the listener waits until a connection has closed, or for a time that doubles. Passing errors (a
 * client that has gone again) cost no wait, unless nothing else comes.
 */
enum {
	BACKOFF_MIN_MS = 10,
	BACKOFF_MAX_MS = 200,
	BACKOFF_ERRORS_MAX = 64, /* passing errors in a row before the timer takes over */
};

struct backoff {
	uint64_t until_ms; /* no attempt before; 0: at once */
	uint32_t ms;
	uint32_t errors; /* passing errors in a row */
};

static inline bool backoff_over(const struct backoff *b, uint64_t now_ms)
{
	return b->until_ms <= now_ms;
}

static inline void backoff_pause(struct backoff *b, uint64_t now_ms)
{
	b->ms = b->ms == 0 ? BACKOFF_MIN_MS : b->ms * 2;
	if (b->ms > BACKOFF_MAX_MS)
		b->ms = BACKOFF_MAX_MS;
	b->until_ms = now_ms + b->ms;
}

/* A passing error. Returns true when that began a pause. */
static inline bool backoff_error(struct backoff *b, uint64_t now_ms)
{
	if (++b->errors <= BACKOFF_ERRORS_MAX)
		return false;
	backoff_pause(b, now_ms);
	return true;
}

/* It has worked. */
static inline void backoff_reset(struct backoff *b)
{
	*b = (struct backoff){0};
}

/* Milliseconds until the next attempt, -1: no pause. */
static inline int64_t backoff_left_ms(const struct backoff *b, uint64_t now_ms)
{
	return b->until_ms > now_ms ? (int64_t)(b->until_ms - now_ms) : -1;
}

/* -errno of a want that passes when something is closed. */
static inline bool errno_is_shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

#endif
