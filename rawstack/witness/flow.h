/* SPDX-License-Identifier: MIT */
/* flow.h - frames sorted into flows, and what each flow showed on each tap */
#ifndef RAWSTACK_WITNESS_FLOW_H
#define RAWSTACK_WITNESS_FLOW_H

#include "evidence.h"

/*
 * The key is made of canonical addresses; how the frames travelled is not part of it but counted
 * inside. So a frame of the wrong family with the flow's addresses lands on the flow and speaks
 * against it.
 *
 * One struct flow is one generation of a key: a SYN with a new initial sequence number opens the
 * next one, a SYN with the same number is a retransmission. Frames of one tap must be fed in that
 * tap's order; taps may be fed one after the other.
 */
enum { FLOW_GENERATIONS_MAX = 1024 }; /* of one key at a time */

enum flow_way { FLOW_TO_SERVER, FLOW_TO_CLIENT, FLOW_WAYS };

struct flow_key {
	struct addr server, client;
	uint16_t server_port, client_port;
	uint8_t proto;
};

/* Sequence space seen, as merged intervals [lo, hi) relative to the initial sequence number. */
enum { FLOW_INTERVALS_MAX = 4 };
struct seq_cover {
	uint32_t n;
	bool overflow; /* more holes than parts: nothing can be said */
	struct {
		uint64_t lo, hi;
	} part[FLOW_INTERVALS_MAX];
};

/*
 * What one tap saw in one direction. Where flows are many a frame costs what it misses in the
 * cache, so the order is by use: the first 64 bytes are looked at for a frame of either direction,
 * the next for one of this direction, and the rest when something is special.
 */
struct flow_view {
	bool isn_known;
	uint32_t isn;
	uint64_t next;	 /* highest relative number seen + 1 */
	uint64_t acked;	 /* highest relative number of the other direction this one acknowledged */
	uint64_t fin_at; /* relative number of the FIN, 0: none seen */
	uint32_t rst;
	uint32_t problems;	       /* all problem bits that occurred */
	uint32_t frames[CARRIAGE_NUM]; /* sound frames; MISMATCH counts unsound ones too */

	uint32_t outgoing; /* sent by the tap's host, with a good or bad checksum */
	uint32_t fragments, fin, data;
	uint64_t bytes;		/* UDP: payload of datagrams and of all their fragments */
	struct seq_cover cover; /* from 1 (the byte after the SYN); a FIN takes one number */

	uint32_t syn;
	uint16_t mss; /* of the SYN */
	uint32_t later_fragments;
	uint32_t bad; /* with a bit of FRAME_BAD: no evidence for a claim */
	/*
	 * Of the bad ones, those whose only fault is the checksum and that this tap's own host
	 * sent: a receiver drops them, but they do show in which IP version that host sends.
	 */
	uint32_t sent_bad_checksum[CARRIAGE_NUM];
};

struct flow {
	struct flow_key key;
	bool in_use;
	bool fragments_unattributed; /* some fragment of this pair of hosts found no first one */
	uint32_t generation;	     /* 0 for the first of its key */
	struct flow *next;	     /* hash chain of newest generations */
	uint64_t last_ns;
	_Alignas(64) struct flow_view view[EVIDENCE_TAPS_MAX][FLOW_WAYS];
	uint64_t first_ns;
	struct flow *older; /* the generation before this one */
};

struct flow_table;

/*
 * Room for @max_flows generations, allocated once. @ports says which end is the server (see
 * evidence_watches()). Returns NULL when there is no memory.
 */
struct flow_table *flow_table_create(size_t max_flows, const struct port_range *ports,
				     size_t n_ports);
void flow_table_destroy(struct flow_table *ft);

/* Enters one frame. Returns the flow it belongs to, or NULL (no flow of a watched port, or table
 * full). */
struct flow *flow_table_input(struct flow_table *ft, const struct evidence_frame *f);

/*
 * For a caller that holds several frames: each one's hash first, then what each will need is
 * fetched into the cache while others are worked on, and then all are entered. The fetched flow is
 * a guess, NULL at times, and only good for fetching more of what belongs to it.
 */
uint64_t flow_table_hash(const struct flow_table *ft, const struct evidence_frame *f);
void flow_table_fetch_bucket(const struct flow_table *ft, uint64_t hash);
const struct flow *flow_table_fetch_flow(const struct flow_table *ft, uint64_t hash);
struct flow *flow_table_input_hashed(struct flow_table *ft, const struct evidence_frame *f,
				     uint64_t hash);

/* After the last frame: marks the flows whose fragments could not be attributed. */
void flow_table_settle(struct flow_table *ft);

/* The same for one flow that is judged while others go on. */
void flow_table_settle_one(const struct flow_table *ft, struct flow *fl);

/* Was a frame that could not be read seen since this flow began, or shortly before? */
bool flow_table_unread_near(const struct flow_table *ft, const struct flow *fl);

/* The key of a datagram from @src to @dst, and which way it goes; false when neither port is
 * watched. */
bool flow_table_orient(const struct flow_table *ft, uint8_t proto, const struct endpoint *src,
		       const struct endpoint *dst, struct flow_key *key, enum flow_way *way);

/* Newest generation of a key, NULL when unknown. */
struct flow *flow_table_find(const struct flow_table *ft, const struct flow_key *key);

/* The @i-th flow in order of creation (slots of forgotten flows are reused); NULL: free slot. */
struct flow *flow_table_at(const struct flow_table *ft, size_t i);
size_t flow_table_slots(const struct flow_table *ft);
size_t flow_table_index(const struct flow_table *ft, const struct flow *fl);

/* How many more generations there is room for. */
size_t flow_table_room(const struct flow_table *ft);

/* Frees the slot of a flow that has been judged. */
void flow_table_forget(struct flow_table *ft, struct flow *fl);

/*
 * Times a frame was turned away because the table was full or its key had FLOW_GENERATIONS_MAX
 * generations, and frames that could not be read.
 */
uint64_t flow_table_full(const struct flow_table *ft);
uint64_t flow_table_unread(const struct flow_table *ft, uint32_t tap);

/* All frames of one carriage in a view, or all sound frames. */
static inline uint32_t flow_view_sound(const struct flow_view *v)
{
	uint32_t n = 0;

	for (int c = 0; c < CARRIAGE_NUM; c++)
		n += v->frames[c];
	return n;
}

/* TCP: both SYNs were seen on @tap. */
bool flow_established(const struct flow *fl, uint32_t tap);

/* TCP: an orderly end or a reset was seen on @tap. */
bool flow_closed(const struct flow *fl, uint32_t tap);

/* TCP: every number of that direction between SYN and end was seen, as far as anyone acknowledged.
 */
bool flow_covered(const struct flow *fl, uint32_t tap, enum flow_way way);

/* TCP: payload bytes of that direction that were seen (the FIN not counted). */
uint64_t flow_payload(const struct flow *fl, uint32_t tap, enum flow_way way);

#endif
