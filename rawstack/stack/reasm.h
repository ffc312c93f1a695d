/* SPDX-License-Identifier: MIT */
/* reasm.h - puts fragmented datagrams of both families together again, within limits */
#ifndef RAWSTACK_STACK_REASM_H
#define RAWSTACK_STACK_REASM_H

#include "../addr.h"
#include "../siphash.h"
#include "../wire/span.h"

/*
 * One rule for both families where their standards differ in strictness: the stricter one. Two
 * fragments that overlap without being the same bytes at the same place make the whole datagram
 * void, and whatever else of it still arrives (RFC 5722, RFC 8200 4.5); a first fragment must hold
 * the whole chain of headers (RFC 7112, RFC 3128). An atomic fragment (RFC 6946) is no fragment and
 * does not come here.
 *
 * Limits: bytes and datagrams in total, fragments of one datagram, time. Where one is reached the
 * oldest datagram makes room: a flood of first fragments then costs honest senders only those
 * datagrams that take longer than the flood needs to fill the table.
 */
struct reasm_config {
	uint32_t bytes_max;	/* of all that is kept, bookkeeping included */
	uint32_t datagrams_max; /* being put together at a time */
	uint32_t fragments_max; /* of one datagram */
	uint64_t lifetime_ns; /* since the first fragment came: 60 s (RFC 1122 3.3.2, RFC 8200 4.5)
			       */
};
extern const struct reasm_config REASM_CONFIG_USUAL;

/* One fragment. Host order; what the spans point at is only borrowed for the call. */
struct reasm_fragment {
	bool v6;
	struct addr src, dst;
	uint8_t proto; /* behind the fragment header; tells IPv4 datagrams apart, not IPv6 ones */
	uint32_t id;
	uint16_t offset; /* bytes, a multiple of 8 */
	bool more;
	uint16_t counted;   /* bytes beside the data that its length field counts */
	struct span header; /* all before the data: kept of the first fragment for an ICMP error */
	struct span data;
};

/* A whole datagram, or what is left of one; borrowed until the next call. */
struct reasm_datagram {
	bool v6;
	struct addr src, dst;
	uint8_t proto;	    /* as the first fragment says */
	struct span header; /* of the first fragment; empty if that never came */
	struct span data;   /* when expired: of the first fragment */
};

enum reasm_verdict {
	REASM_WAIT,	  /* kept */
	REASM_DONE,	  /* that was the last one missing */
	REASM_DUPLICATE,  /* had it already */
	REASM_OVERLAP,	  /* contradicts another one: the datagram is void from now on */
	REASM_VOID,	  /* of a datagram that is void */
	REASM_EMPTY,	  /* without data */
	REASM_BAD_LENGTH, /* not the last one, yet no multiple of 8 (RFC 8200 4.5) */
	REASM_TOO_LONG,	  /* the datagram would be longer than 65535 bytes */
	REASM_TINY_FIRST, /* the first fragment ends inside the headers */
	REASM_LIMIT,	  /* too many fragments: the datagram is void; or no memory */
	REASM_NUM
};

struct reasm;

/* Returns 0, -EINVAL (a limit of 0) or -ENOMEM. The key keeps an adversary from aiming at one
 * bucket. */
int reasm_new(const struct reasm_config *cfg, const struct siphash_key *key, struct reasm **out);

/* Takes one fragment at @now_ns. @out is filled with REASM_DONE only. */
enum reasm_verdict reasm_add(struct reasm *r, uint64_t now_ns, const struct reasm_fragment *f,
			     struct reasm_datagram *out);

/*
 * Gives up one datagram whose time is over. Returns false when there is none (any more). @out says
 * whom an ICMP error is due to: nobody unless the first fragment is there and the datagram is not
 * void, that is, unless @out->header has bytes.
 */
bool reasm_expire(struct reasm *r, uint64_t now_ns, struct reasm_datagram *out);

/* When reasm_expire() has something to do; UINT64_MAX: never. */
uint64_t reasm_next_ns(const struct reasm *r);

/* What is kept now. */
uint32_t reasm_bytes(const struct reasm *r);
uint32_t reasm_datagrams(const struct reasm *r);

/* NULL is allowed. */
void reasm_free(struct reasm *r);

#endif
