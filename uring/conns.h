/* SPDX-License-Identifier: MIT */
/* conns.h - the table of stream connections that every engine over kernel sockets keeps */
#ifndef URING_CONNS_H
#define URING_CONNS_H

#include "engine.h"
#include "wheel.h"

#include <sys/queue.h>

/*
 * A fixed array, allocated once. A connection is on one list at a time: free, waiting (it wants
 * something the engine gives it at its next turn), or closed (its ENGINE_CLOSED is due). Idle
 * timeouts are timers of a wheel that are set again when they fire too early, so that traffic costs
 * no timer. Time comes in by @now_ms, which the engine sets.
 */

enum {
	CONNS_GEN_MASK = 0xffffff,
	CONNS_TICKS_PER_IDLE = 64, /* idle timeouts are this precise, and fit one turn */
	/* Receive buffers: a short request in one piece; any UDP payload whole. */
	STREAM_BUFFER_SIZE = 4096 + 64,	     /* not all beginnings in one set of the cache */
	STREAM_BUFFERS_MAX = 2048,	     /* more connections than this share them */
	STREAM_BUF_BASE = ENGINE_DGRAMS_MAX, /* engine_buf of the first stream buffer */
	DGRAM_PAYLOAD_MAX = 65536,
};

enum conn_state {
	CONN_FREE,
	CONN_OPEN,
	CONN_CLOSING, /* something must end before it can be closed or reported */
	CONN_CLOSED,  /* descriptor closed, ENGINE_CLOSED not yet delivered */
};

struct conn {
	struct wheel_node timer;  /* first: the wheel hands out this address */
	TAILQ_ENTRY(conn) link;	  /* of the one list it is on */
	uint64_t active_ms;	  /* when something last happened */
	const uint8_t *send_data; /* what is left to send */
	size_t send_left, send_done;
	engine_buf send_buf;
	int fd;
	int error;    /* why it is closing */
	uint32_t gen; /* 1..CONNS_GEN_MASK */
	uint8_t state;
	uint8_t want;		 /* the engine's bits: not 0 exactly while on the waiting list */
	bool receiving, sending; /* asked for and not yet answered by its event */
	uint8_t flags;		 /* the engine's own */
};
TAILQ_HEAD(conn_list, conn);

struct conns {
	struct conn *list;
	uint32_t max;
	uint32_t n_open; /* not CONN_FREE */
	struct conn_list free, waiting, closed;
	struct wheel wheel;
	uint64_t now_ms; /* CLOCK_MONOTONIC, read by the engine once per poll */
	uint32_t idle_timeout_ms;
	bool draining;
};

/* Takes @cfg without zeros. The table must not be moved afterwards. Returns 0 or -ENOMEM. */
int conns_init(struct conns *t, const struct engine_config *cfg, uint64_t now_ms);

/* Closes every descriptor still open, and frees the table. */
void conns_destroy(struct conns *t);

/* What engine_open() was asked for, with every 0 replaced by its default. */
void conns_config_defaults(struct engine_config *cfg);

/* How many receive buffers for streams @cfg asks for: a power of two. */
uint32_t conns_buffer_count(const struct engine_config *cfg);

/* Takes over @fd. NULL when the table is full. */
struct conn *conns_open(struct conns *t, int fd);

engine_conn conns_handle(const struct conns *t, const struct conn *c);

/* The connection at @index, open or closing and of that generation, else NULL. */
struct conn *conns_find(struct conns *t, uint32_t index, uint32_t gen);

/* The open connection a handle stands for, else NULL. */
struct conn *conns_of_handle(struct conns *t, engine_conn conn);

/*
 * Notes what engine_send() was given; the engine sets c->sending once it is under way. @c may be
 * NULL: -ENOTCONN. Else 0, -EALREADY (one is under way) or -EINVAL (nothing to send).
 */
int conn_send_begin(struct conn *c, const void *data, size_t len, engine_buf buf);

/* Something happened on it: its idle timeout begins anew. */
void conns_touch(struct conns *t, struct conn *c);

void conns_wait(struct conns *t, struct conn *c, uint8_t want);
void conns_unwait(struct conns *t, struct conn *c);

/* The end of an open connection begins: no more timeout, off the waiting list. */
void conns_end(struct conns *t, struct conn *c, int error);

/* Closes the descriptor, unless the engine has; ENGINE_CLOSED is due. */
void conns_finish(struct conns *t, struct conn *c);

/* shutdown(2) of the sending side. A handle that is gone is ignored. */
void conns_shutdown(struct conns *t, engine_conn conn);

/* Moves closed connections to @events. Returns their number. */
int conns_take_closed(struct conns *t, struct engine_event *events, int max);

/* One connection that has been silent for too long and why it is to be closed; NULL: none. */
struct conn *conns_expire(struct conns *t, int *error);

/* Applies the shorter timeout of a drain to every connection, from now on. */
void conns_hurry(struct conns *t);

#endif
