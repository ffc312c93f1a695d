/* SPDX-License-Identifier: MIT */
/* neigh.h - who on the link has which address: ARP and neighbour discovery as one state machine */
#ifndef RAWSTACK_STACK_NEIGH_H
#define RAWSTACK_STACK_NEIGH_H

#include "../addr.h"
#include "../siphash.h"
#include "../wire/span.h"

/*
 * ARP (RFC 826, 5227) and neighbour discovery (RFC 4861, 4862, 7048) ask and answer the same two
 * things, "who has T, tell S" and "T is at M". Frames of both are turned into these (neigh_wire.c)
 * and one machine takes them from there: it probes our own addresses before they are used, defends
 * them afterwards, and keeps a bounded cache of neighbours with their reachability.
 *
 * Where this is stricter than the RFCs, so that nobody can steal an address by saying so: a claim
 * that contradicts what is known is checked with the station that is known. Only when that does not
 * answer for one second is the claim believed. A neighbour is never learned from a broadcast or
 * group address, nor for an address outside our prefixes, and never from an answer that was not
 * asked for.
 *
 * Limits (RFC 6583): entries_max neighbours, of which incomplete_max are being looked for, each
 * holding one frame; where room must be made, at most 100 are given up a second, and never one that
 * is in use for one that is not.
 */
enum {
	NEIGH_ADDRS_MAX = 16,
	NEIGH_FRAME_MAX = 9018, /* longest frame that is held */
};

struct neigh_own {
	struct addr addr;
	uint8_t prefix_len; /* of its family */
};

/* What neigh sends or gives back: whole Ethernet frames, borrowed for the call. */
struct neigh_io {
	void (*send)(void *arg, const uint8_t *frame, size_t len);
	/* A held frame whose addressee was not found; may be NULL. */
	void (*failed)(void *arg, uint64_t now_ns, const uint8_t *frame, size_t len);
	void *arg;
};

struct neigh_config {
	struct neigh_io io;
	uint8_t mac[6];
	struct neigh_own own[NEIGH_ADDRS_MAX];
	int n_own;
	bool skip_dad;		 /* own addresses are ready at once and not announced */
	uint32_t entries_max;	 /* 0: 1024 */
	uint32_t incomplete_max; /* 0: 128 */
	struct siphash_key key;	 /* random: delays, and where a neighbour hangs in the table */
};

struct neigh_stats {
	uint64_t bad;	    /* messages that broke a rule, or that were not for us to answer */
	uint64_t conflicts; /* others that used an address of ours */
	uint64_t suspects;  /* claims that contradicted what was known */
	uint64_t evicted;   /* neighbours given up for others */
	uint64_t refused;   /* neighbours not taken up at a limit */
	uint64_t failed;    /* neighbours that did not answer */
	uint32_t entries, incomplete; /* now */
};

enum neigh_own_state {
	NEIGH_OWN_TENTATIVE,
	NEIGH_OWN_READY,
	NEIGH_OWN_DUPLICATE,
};

struct neigh;

/* Returns 0; -EINVAL (addresses, limits); -ENOMEM. */
int neigh_new(const struct neigh_config *cfg, uint64_t now_ns, struct neigh **out);

/* NULL is allowed. */
void neigh_free(struct neigh *n);

/*
 * An ARP packet, or an ICMPv6 message of neighbour discovery whose checksum is right, as it came:
 * @eth_src and @eth_dst of its frame. Returns 0, or -EBADMSG: counted as bad and ignored.
 */
int neigh_input_arp(struct neigh *n, uint64_t now_ns, const uint8_t eth_src[6],
		    const uint8_t eth_dst[6], struct span packet);
int neigh_input_nd(struct neigh *n, uint64_t now_ns, const uint8_t eth_src[6],
		   const struct addr *src, const struct addr *dst, uint8_t hop_limit,
		   struct span message);

/*
 * The station of a neighbour on the link. Returns 0 with @mac; -EINPROGRESS: asked for, hold the
 * frame; -ENOBUFS: too many are asked for already.
 */
int neigh_resolve(struct neigh *n, uint64_t now_ns, const struct addr *next_hop, uint8_t mac[6]);

/*
 * Keeps a copy of a frame, whose destination is still to be filled in, until @next_hop has
 * answered; it takes the place of one held before (RFC 1122 2.3.2.2). Returns 0, -EINVAL (nobody
 * is asked for that address), -EMSGSIZE or -ENOMEM.
 */
int neigh_hold(struct neigh *n, const struct addr *next_hop, const uint8_t *frame, size_t len);

/* Something from above proves that @next_hop hears us (RFC 4861 7.3.1): its acknowledgement. */
void neigh_confirm(struct neigh *n, uint64_t now_ns, const struct addr *next_hop);

/* An entry that is never asked for nor changed. Returns 0 or -ENOBUFS. */
int neigh_set_permanent(struct neigh *n, const struct addr *addr, const uint8_t mac[6]);

/* Does what is due; when it has to be called next, UINT64_MAX: nothing is pending. */
void neigh_timers(struct neigh *n, uint64_t now_ns);
uint64_t neigh_deadline(const struct neigh *n);

/* Of the @i-th own address. @mac, if not NULL, receives the station that has a duplicate. */
enum neigh_own_state neigh_own_state(const struct neigh *n, int i, uint8_t mac[6]);

void neigh_stats(const struct neigh *n, struct neigh_stats *out);

#endif
