/* SPDX-License-Identifier: MIT */
/* bypass_internal.h - state of the bypass engine; for bypass*.c only */
#ifndef URING_BYPASS_INTERNAL_H
#define URING_BYPASS_INTERNAL_H

#include "../rawstack/stack/link.h"
#include "../rawstack/stack/stack.h"
#include "conns.h"

#include <netinet/in.h>

enum {
	BYPASS_RX_BATCH = 64,	/* frames taken before their events are handed out */
	BYPASS_RX_SLOTS = 4096, /* frames that may wait; half of it where memory is short ... */
	BYPASS_SPIN_NS = 20000, /* without a frame for so long we sleep: a spinning server takes
				   the processor from whoever shall answer it */
	BYPASS_CLOSING_EXTRA = 1024, /* connections the stack still ends, beside as many as open */
};

/* Why a connection is on the waiting list. */
enum { WANT_RECV = 1, WANT_SENT = 2 };

/* conn.flags */
enum { CONN_READABLE = 1 };

struct bypass_listener {
	struct listen_info info;
	int id;	    /* of the stack */
	bool ready; /* there may be something to take */
	bool done;  /* drained */
};

/* A datagram handed out, by the number of its buffer. */
struct bypass_dgram {
	struct stack_dgram d;
	uint32_t listener;
	bool lent;
	bool answered; /* ENGINE_DGRAM_SENT is due */
	int error;     /* of the answer */
	size_t len;
};

struct bypass {
	struct engine engine; /* first: the public handle is this address */
	struct engine_config cfg;
	struct engine_stats stats;
	struct conns conns;  /* conn.fd is -1 always */
	stack_conn *streams; /* the stack's connection, by index into conns */
	struct link *link;
	struct stack *stack;
	uint32_t overdue_frames; /* taken since a timer was due */
	uint64_t now, busy_ns;	 /* CLOCK_MONOTONIC; when the last frame came */
	struct bypass_listener listeners[ENGINE_LISTENERS_MAX];
	uint32_t n_listeners;
	struct bypass_dgram dgrams[ENGINE_DGRAMS_MAX];
	uint32_t n_dgrams; /* lent */
	uint8_t answers[ENGINE_DGRAMS_MAX];
	uint32_t n_answers;
	int wake_fd;
	bool woken; /* atomic */
	bool drained;
	int fatal; /* -errno: the interface is gone */
	char text[400];
};

static inline struct bypass *bypass_of(struct engine *e)
{
	return (struct bypass *)e;
}

/* bypass_open.c */

/* Link and stack. Returns 0, or -errno with @err filled and nothing left open. */
int bypass_open_stack(struct bypass *b, struct engine_error *err);
void bypass_close_stack(struct bypass *b);

/* bypass_stream.c */
int bypass_accept(struct bypass *b, struct engine_event *events, int max);
int bypass_streams_turn(struct bypass *b, struct engine_event *events, int max);
void bypass_stream_event(struct bypass *b, const struct stack_event *ev);
void bypass_stream_close(struct bypass *b, struct conn *c, int error);
int bypass_receive(struct engine *e, engine_conn conn);
int bypass_send(struct engine *e, engine_conn conn, const void *data, size_t len, engine_buf buf);
void bypass_close(struct engine *e, engine_conn conn);
void bypass_shutdown(struct engine *e, engine_conn conn);

/* bypass_dgram.c */
int bypass_dgrams_turn(struct bypass *b, struct engine_event *events, int max);
int bypass_send_dgram(struct engine *e, uint32_t listener, const struct endpoint *to,
		      const struct endpoint *from, const void *data, size_t len, engine_buf buf);
void bypass_dgram_release(struct bypass *b, uint32_t index);

#endif
