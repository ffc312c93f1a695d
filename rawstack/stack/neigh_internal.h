/* SPDX-License-Identifier: MIT */
/* neigh_internal.h - for neigh*.c and their tests only: the machine's state and its messages */
#ifndef RAWSTACK_STACK_NEIGH_INTERNAL_H
#define RAWSTACK_STACK_NEIGH_INTERNAL_H

#include "neigh.h"
#include "rate.h"

#include "../clock.h"

/* The two things that are said on a link about its addresses, whatever the family. */
enum neigh_verb {
	NEIGH_SOLICIT,	 /* who has target? asks source; source any: I am about to use it */
	NEIGH_ADVERTISE, /* target is at lladdr */
};

struct neigh_msg {
	enum neigh_verb verb;
	struct addr target;
	struct addr source; /* who asks or answers; the wildcard of the family: nobody yet */
	bool has_lladdr;    /* the sender's or target's station is stated */
	uint8_t lladdr[6];
	bool solicited, override;
	bool has_nonce; /* ND only */
	uint8_t nonce[6];
	uint8_t from_mac[6]; /* received: of the frame */
	/* to be sent */
	struct addr to; /* the IPv6 destination; ARP does not have one */
	uint8_t to_mac[6];
};

enum neigh_state {
	NEIGH_FREE,
	NEIGH_INCOMPLETE,
	NEIGH_REACHABLE,
	NEIGH_STALE,
	NEIGH_DELAY,
	NEIGH_PROBE,
	NEIGH_UNREACHABLE, /* RFC 7048: still used, and asked for ever more rarely */
	NEIGH_PERMANENT,
};

/* RFC 4861 10, RFC 7048 4. */
static const uint64_t neigh_retrans_ns = UINT64_C(1000) * NS_PER_MS;
static const uint64_t neigh_reachable_ns = UINT64_C(30000) * NS_PER_MS;
static const uint64_t neigh_delay_ns = UINT64_C(5000) * NS_PER_MS;
static const uint64_t neigh_backoff_max_ns = UINT64_C(60000) * NS_PER_MS;
/* RFC 5227 1.1 */
static const uint64_t neigh_defend_ns = UINT64_C(10000) * NS_PER_MS;
enum {
	NEIGH_ASK_MAX = 3,	  /* MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT */
	NEIGH_BACKOFF_FACTOR = 3, /* BACKOFF_MULTIPLE */
	NEIGH_BACKOFF_ASKS = 5,	  /* then it is forgotten */
	NEIGH_BUCKETS = 256,
	NEIGH_HINTS = 256,
	NEIGH_EVICT_RATE = 100,
};

struct neigh_entry {
	struct addr addr;
	enum neigh_state state;
	uint32_t next; /* index + 1 in its bucket, 0: none */
	uint8_t mac[6];
	uint8_t claimed[6]; /* while suspect: who says to have it */
	bool suspect;
	uint8_t asked;	       /* solicitations in this state */
	uint64_t deadline_ns;  /* UINT64_MAX: none */
	uint64_t confirmed_ns; /* REACHABLE: since when */
	uint64_t used_ns;
	uint8_t *held; /* a frame waiting for the answer */
	size_t held_len;
};

struct neigh_own_entry {
	struct neigh_own cfg;
	enum neigh_own_state state;
	uint8_t left; /* probes or announcements still to be sent */
	uint64_t deadline_ns;
	uint64_t defended_ns; /* 0: never */
	uint8_t nonce[6];
	uint8_t rival[6];
};

struct neigh {
	struct neigh_config cfg;
	struct neigh_own_entry own[NEIGH_ADDRS_MAX];
	struct neigh_stats stats;
	struct rate evictions;
	uint64_t next_ns;		 /* not later than the first deadline */
	uint64_t drawn;			 /* random numbers used up */
	uint32_t buckets[NEIGH_BUCKETS]; /* index + 1 */
	uint32_t hints[NEIGH_HINTS]; /* by the address's last octet: index, may be out of date */
	struct neigh_entry *entries; /* entries_max of them */
};

/* neigh_wire.c: parse into, and send from, the one form. */
int neigh_read_arp(const struct neigh *n, const uint8_t eth_src[6], const uint8_t eth_dst[6],
		   struct span packet, struct neigh_msg *m);
int neigh_read_nd(const uint8_t eth_src[6], const struct addr *src, const struct addr *dst,
		  uint8_t hop_limit, struct span message, struct neigh_msg *m);
void neigh_emit(struct neigh *n, const struct neigh_msg *m);

/* Wildcard of the family that @a is of. */
static inline struct addr neigh_any_of(const struct addr *a)
{
	return addr_is_mapped(a) ? ADDR_ANY4 : ADDR_ANY6;
}

/* neigh_own.c */
void neigh_own_start(struct neigh *n, uint64_t now_ns);
void neigh_own_timers(struct neigh *n, uint64_t now_ns);
struct neigh_own_entry *neigh_own_find(struct neigh *n, const struct addr *a);
/* Looks for another station that uses an address of ours. Returns whether the message is that. */
bool neigh_own_conflict(struct neigh *n, uint64_t now_ns, const struct neigh_msg *m);
/* An address of ours, ready and of the same family, to ask for @target from; NULL: none. */
const struct addr *neigh_own_source(const struct neigh *n, const struct addr *target);
bool neigh_on_link(const struct neigh *n, const struct addr *a);

/* neigh.c: for the others */
uint64_t neigh_random(struct neigh *n, uint64_t below);
void neigh_due(struct neigh *n, uint64_t *deadline_ns, uint64_t when_ns);

#endif
