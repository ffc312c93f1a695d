/* SPDX-License-Identifier: MIT */
/* run.h - one load run: what it is told, when the next connection is due, what is counted */
#ifndef URING_LOAD_RUN_H
#define URING_LOAD_RUN_H

#include "histogram.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Shared by the generators, which know how a connection is made; this knows how many and when.
 * Pure: time comes in as an argument, nanoseconds of any monotonic clock.
 *
 * Closed loop (rate 0): a connection starts as soon as fewer than in_flight are under way.
 * Open loop: connection k is due at begin + k / rate whatever the server does, and its latency
 * counts from then: a generator that waits for a server that stalls would not see the stall.
 *
 * Phases: WARMUP (counted, then forgotten), MEASURE, DRAIN (nothing starts, what is under way is
 * finished and still counted, but not in the rates), OVER.
 *
 * Invariant, in every phase: started == completed + errors + in flight. Connections under way when
 * the warm-up ends count as started.
 */
enum load_workload {
	LOAD_ACCEPT, /* connect; the server closes */
	LOAD_ECHO,   /* requests of payload bytes, which come back */
	LOAD_HTTP,   /* GET requests */
	LOAD_WORKLOADS
};

enum load_close { LOAD_CLOSE_RST, LOAD_CLOSE_FIN };

/* Why a connection failed; each failed connection counts once. */
enum load_error {
	LOAD_ERR_TIMEOUT, /* no progress in the time allowed */
	LOAD_ERR_REFUSED, /* RST in answer to the SYN */
	LOAD_ERR_RESET,	  /* RST later on */
	LOAD_ERR_EARLY,	  /* the server closed before its answer was complete */
	LOAD_ERR_ANSWER,  /* the answer was not the one expected */
	LOAD_ERR_SOCKET,  /* a system call of ours failed: no ports left, no memory */
	LOAD_ERRORS
};

/* What came in frames that it should not have; the connection may still have ended well. */
enum load_dislike {
	LOAD_BAD_CHECKSUM,
	LOAD_BAD_FRAME,	 /* cut short, malformed, or not readable */
	LOAD_BAD_FLAGS,	 /* flags that make no sense at that point */
	LOAD_BAD_ACK,	 /* acknowledges what was never sent */
	LOAD_BAD_SEQ,	 /* beyond what is expected next: lost or out of order */
	LOAD_REPEATED,	 /* sent again: of ours or of theirs, something was lost or slow */
	LOAD_STALE,	 /* belongs to no connection under way */
	LOAD_WRONG_HOST, /* from or to an address that has no part in this run */
	LOAD_DISLIKES
};

struct load_plan {
	enum load_workload workload;
	enum load_close close;
	uint32_t payload;     /* bytes of a request */
	uint32_t expect;      /* bytes of an answer */
	uint32_t requests;    /* on each connection; 0: until the run ends */
	uint32_t in_flight;   /* closed loop: connections at a time */
	double rate;	      /* connections per second, 0: closed loop */
	uint64_t count;	      /* connections to measure, 0: no limit */
	uint64_t warmup_ns;   /* not measured */
	uint64_t duration_ns; /* measured; 0: until @count */
	uint64_t timeout_ns;  /* without progress, of one connection */
	/*
	 * Raw frames, with count and requests: all of @count are opened and then held in silence
	 * for so long; half of them are asked once, and all are let go. A few are asked while the
	 * others are opened, which sets the pace. 0: no.
	 */
	uint64_t hold_ns;
};

struct load_frames {
	uint64_t tx, rx;
	uint64_t retransmits; /* of tx */
	uint64_t dropped;     /* not in rx: our ring was full */
};

/* All of the measured phase and of what was under way at its end. */
struct load_result {
	uint64_t started, completed;
	uint64_t requests; /* answered in full */
	uint64_t errors[LOAD_ERRORS];
	uint64_t disliked[LOAD_DISLIKES];
	struct load_frames frames;
	/* Of the measured phase alone: for rates. */
	uint64_t window_ns, window_completed, window_requests;
	uint64_t user_us, sys_us;  /* of the generator's thread */
	uint64_t held, opening_ns; /* connections held, and the time it took to open them */
	uint64_t pilots;	   /* of requests: answered before that */
	struct histogram latency;  /* nanoseconds */
};

enum run_phase { RUN_WARMUP, RUN_MEASURE, RUN_DRAIN, RUN_OVER };

struct run {
	struct load_plan plan;
	struct load_result res;
	enum run_phase phase;
	uint64_t begin_ns;   /* of the schedule */
	uint64_t measure_ns; /* when measuring began */
	uint64_t drain_ns;   /* when draining began */
	uint64_t scheduled;  /* connections of the open loop that were due and begun */
	uint64_t in_flight;
};

/* Names for reports; keys of the JSON form. */
const char *load_workload_name(enum load_workload w);
const char *load_error_name(enum load_error e);
const char *load_dislike_name(enum load_dislike d);

/* A struct run is large (its histogram): not for the stack of a deep call. */
void run_begin(struct run *r, const struct load_plan *plan, uint64_t now);

/* Moves on to the next phase when it is time. Call it at least every few milliseconds. */
enum run_phase run_advance(struct run *r, uint64_t now);

/* Nothing more starts from now on. */
void run_stop(struct run *r, uint64_t now);

/* Gives up what is still under way, as timed out: the run is over. */
void run_abandon(struct run *r, uint64_t now);

/* May a connection start at @now? Then it counts as started, and @since is where its latency
 * begins. */
bool run_start(struct run *r, uint64_t now, uint64_t *since);

/* An answer (for LOAD_ACCEPT: the server's close) has come in full. */
void run_answer(struct run *r, uint64_t now, uint64_t since);

/* A connection has ended, well or not. */
void run_complete(struct run *r);
void run_fail(struct run *r, enum load_error why);

static inline void run_dislike(struct run *r, enum load_dislike what)
{
	r->res.disliked[what]++;
}

/* Whether kept connections should end after the answer they wait for. */
static inline bool run_stopping(const struct run *r)
{
	return r->phase >= RUN_DRAIN;
}

/* Nanoseconds until a connection is due or a phase ends; 0: now. At most a second. */
uint64_t run_wait_ns(const struct run *r, uint64_t now);

#endif
