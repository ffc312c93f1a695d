/* SPDX-License-Identifier: MIT */
/* ladder.h - one judged connection as a ladder: what crossed the wire, and what was said of it */
#ifndef RAWSTACK_WITNESS_LADDER_H
#define RAWSTACK_WITNESS_LADDER_H

#include <stdio.h>

#include "flow_index.h"

/*
 * The rungs are frames in the order of time. Beside a rung stands what kernel and programs said at
 * that moment, and which of the textbook's six steps that is (the dual-stack server of UNIX Network
 * Programming vol. 1, 12.2):
 *
 *   1  the client connects; its SYN leaves
 *   2  it arrives, as a datagram of some family
 *   3  TCP finds the listener
 *   4  the addresses are mapped, or need not be
 *   5  the answer goes back in the same family
 *   6  accept returns the client's address
 *
 * UDP has the same steps with a socket for the listener; recvfrom tells of the fourth, and the
 * sixth is that the client gets its answer. A step that no view speaks of is not there: the ladder
 * shows what was observed and fills nothing in.
 *
 * A frame that two taps saw is one rung. Limits: of a long connection LADDER_HEAD first and
 * LADDER_TAIL last rungs are kept, the rung after the gap says how many are missing.
 */
enum {
	LADDER_HEAD = 40,
	LADDER_TAIL = 16,
	LADDER_NOTES_MAX = 8, /* of a rung; later ones are dropped */
	LADDER_TEXT_MAX = 192,
	LADDER_LABEL_MAX = 96,
	LADDER_TITLE_MAX = 160,
};

/* Who says it. */
enum ladder_voice {
	LADDER_CLIENT_PROGRAM,
	LADDER_CLIENT_KERNEL,
	LADDER_WIRE,
	LADDER_SERVER_KERNEL,
	LADDER_SERVER_STACK, /* in user space, where there is one instead */
	LADDER_SERVER_PROGRAM,
	LADDER_VOICES
};

struct ladder_note {
	enum ladder_voice voice;
	uint8_t step; /* 1 to 6, 0: none of them */
	bool fault;   /* it speaks of what is wrong with the frame */
	char text[LADDER_TEXT_MAX];
};

struct ladder_rung {
	bool has_frame; /* false: only notes, of something that sent nothing */
	enum flow_way way;
	uint64_t at_ns;		      /* since the first rung; when it left, where that was seen */
	uint64_t travel_ns;	      /* from leaving to arriving, where both were seen */
	bool left, arrived;	      /* where it was seen */
	bool against;		      /* travelled otherwise than the views claim */
	bool addresses_shown;	      /* the first rung with these addresses */
	uint64_t omitted;	      /* rungs left out before this one */
	uint32_t problems;	      /* enum frame_problem */
	char label[LADDER_LABEL_MAX]; /* "0x0800 IPv4  SYN seq 0 mss 1460" */
	char addresses[LADDER_LABEL_MAX]; /* "198.51.100.1:40000 > 198.51.100.2:7000" */
	struct ladder_note notes[LADDER_NOTES_MAX];
	size_t n_notes;
};

struct ladder {
	char title[LADDER_TITLE_MAX];				 /* the case, or the result */
	char client[LADDER_LABEL_MAX], server[LADDER_LABEL_MAX]; /* the two ends, as endpoints */
	bool both_ends; /* watched: a rung that only left was lost on its way */
	enum verdict verdict;
	uint64_t reasons; /* bits of enum reason */
	struct ladder_rung *rungs;
	size_t n_rungs;
};

/* What a ladder is made of. Nothing is kept. */
struct ladder_input {
	const struct judge_run *run;
	const struct judged *judged;
	const struct evidence_frame *const *frames; /* of this connection, in each tap's order */
	size_t n_frames;
	const struct sockdiag_entry *listener; /* of the server's port; NULL: not known */
	const char *title;		       /* NULL: none */
};

/* Pure. Returns 0 or -ENOMEM; release with ladder_free(). */
int ladder_make(const struct ladder_input *in, struct ladder *out);

/* The same from a report and its index: finds frames, listener and title of connection @j. */
int ladder_of(const struct flow_index *idx, const struct judged *j, struct ladder *out);
void ladder_free(struct ladder *l);

/* "client program", "wire", … */
const char *ladder_voice_name(enum ladder_voice v);

enum { LADDER_WIDTH_MIN = 60, LADDER_WIDTH_BESIDE = 120 };

/*
 * Writes it as text for a terminal of @width columns: notes beside the rungs from
 * LADDER_WIDTH_BESIDE columns on, below them otherwise. ASCII, no escape sequences.
 */
void ladder_print(const struct ladder *l, unsigned int width, FILE *out);

#endif
