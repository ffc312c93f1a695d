/* SPDX-License-Identifier: MIT */
/* exchange.h - one TCP conversation of a load run: what to send upon what came */
#ifndef URING_LOAD_EXCHANGE_H
#define URING_LOAD_EXCHANGE_H

#include "../../rawstack/siphash.h"
#include "run.h"
#include "template.h"

/*
 * Not a TCP: the least a client must do so that a server sees a whole, correct connection. What has
 * been sent and acknowledged is read off the frames: acknowledgement - 1 - isn says how far a
 * connection has come. What is left is one struct exchange for each place in the range of sources,
 * made before the run; nothing is allocated for a connection.
 *
 * Pure: segments and time come in, one segment at most goes out.
 *
 * Limits: a request is one segment, and is sent when the answer to the one before is complete. Data
 * that arrives out of order is not kept: the server sends it again.
 */
enum exchange_state {
	EXCHANGE_FREE,
	EXCHANGE_SYN_SENT,
	EXCHANGE_HELD,	  /* established, and silent until exchange_speak() or exchange_let_go() */
	EXCHANGE_OPEN,	  /* an answer, or the server's close, is awaited */
	EXCHANGE_CLOSING, /* our FIN is sent; its acknowledgement or the server's FIN is missing */
};

struct exchange {
	uint64_t since_ns; /* where the latency of what is awaited begins */
	uint64_t heard_ns; /* when the last progress was made */
	uint64_t due_ns;   /* when the last segment is to be sent again */
	uint32_t rcv_nxt;  /* sequence number expected next */
	uint32_t sent;	   /* bytes of requests sent, modulo 2^32 */
	uint32_t got;	   /* bytes of the answer that is coming in */
	uint32_t left;	   /* requests not yet sent */
	uint32_t isn;	   /* our initial sequence number: of this use, or of the last one */
	uint8_t state;	   /* enum exchange_state */
	uint8_t tries;	   /* of the last segment */
	bool fin_seen;	   /* the server has closed */
	bool used;	   /* isn is valid */
};

struct exchange_rules {
	bool requests; /* else the server closes at once */
	bool endless;  /* requests go on until stopping */
	bool stopping; /* no further request */
	bool hold; /* an established connection is held, and again after an answer unless stopping
		    */
	uint32_t payload, expect;
	uint32_t count; /* requests on a connection, unless endless */
	enum load_close close;
	uint64_t timeout_ns;	/* without progress */
	uint64_t retransmit_ns; /* before the first; doubled for each further one */
};

/* A segment that came, its checksum found to be right. Host order. */
struct exchange_segment {
	uint32_t seq, ack;
	uint32_t len; /* payload bytes */
	uint8_t flags;
	bool content_ok; /* the payload is what is expected there */
};

/* What came of it. */
struct exchange_step {
	enum segment_kind send; /* SEGMENT_NONE: nothing */
	uint32_t seq, ack;	/* of it */
	bool again;		/* it is a retransmission */
	bool answered;		/* an answer is complete, its latency counts from @since_ns */
	uint64_t since_ns;
	bool completed; /* the connection has ended well; the place is free */
	int error;	/* enum load_error: it has ended otherwise; -1: it has not */
	int dislike;	/* enum load_dislike, -1: nothing to complain about */
};

/* Chooses the initial sequence number for the next use of place number @place, and stores it: a
 * keyed hash of the place, and further for each use of it, so that a server whose old connection is
 * in TIME-WAIT takes the new one (RFC 9293 MAY-2). */
void exchange_choose_isn(struct exchange *x, const struct exchange_rules *rules,
			 const struct siphash_key *key, uint32_t place);

/* Begins on a free place: sends the SYN. */
struct exchange_step exchange_begin(struct exchange *x, const struct exchange_rules *rules,
				    uint64_t now, uint64_t since);

/* A segment for this place came. */
struct exchange_step exchange_input(struct exchange *x, const struct exchange_rules *rules,
				    const struct exchange_segment *seg, uint64_t now);

/* Of a held connection: sends its first request, or ends it. */
struct exchange_step exchange_speak(struct exchange *x, const struct exchange_rules *rules,
				    uint64_t now);
struct exchange_step exchange_let_go(struct exchange *x, const struct exchange_rules *rules,
				     uint64_t now);

/* Called when due_ns has come: sends again, or gives up. */
struct exchange_step exchange_timer(struct exchange *x, const struct exchange_rules *rules,
				    uint64_t now);

#endif
