/* SPDX-License-Identifier: MIT */
/* evidence.h - everything a verdict rests on, in one document that can be saved, edited and judged
 * again */
#ifndef RAWSTACK_WITNESS_EVIDENCE_H
#define RAWSTACK_WITNESS_EVIDENCE_H

#include <stdio.h>

#include "../capture/filter.h"
#include "../netlink/sockdiag.h"
#include "../wire/frame.h"

/*
 * An evidence document holds what was observed and nothing that was concluded: frames as the
 * dissector read them, what socket calls returned, what sock_diag said, and the taps' own
 * accounting. judge() needs nothing else, so a reviewer can remove one frame from the saved file
 * and see a "confirmed" disappear.
 *
 * Limits: EVIDENCE_TAPS_MAX taps, EVIDENCE_CANARIES_MAX canaries, EVIDENCE_CASES_MAX cases,
 * EVIDENCE_RECORDS_MAX entries in each other list. An add beyond a limit fails with -ENOSPC and
 * sets @overflow, which no "confirmed" survives.
 */
enum {
	EVIDENCE_TAPS_MAX = 2,
	EVIDENCE_CANARIES_MAX = 64,
	EVIDENCE_CASES_MAX = 1024,
	EVIDENCE_RECORDS_MAX = 1 << 20,
	EVIDENCE_NAME_MAX = 48,
	EVIDENCE_TITLE_MAX = 96,
};

enum evidence_side { SIDE_CLIENT, SIDE_SERVER, SIDE_NUM };

/* One witness post and its bookkeeping when it was stopped. */
struct evidence_tap {
	enum evidence_side side; /* whose end of the link; with a single tap, the server's */
	char ifname[16];
	uint32_t ifindex;
	uint64_t netns_inode;
	uint64_t packets, drops, consumed, block_gaps; /* struct ring_stats */
	uint64_t unlisted; /* of the consumed, not kept in @frames: a long run that forgets what it
			      judged */
	bool went_down;
	/*
	 * The host's connections are those of a stack in user space: its programs' sockets are not
	 * the kernel's, which has none and is not asked for any.
	 */
	bool own_stack;
};

/* A canary that was sent: it must be among the frames of every tap of the link. */
struct evidence_canary {
	uint64_t nonce;
	uint32_t tap; /* sent from there */
	bool end;     /* sent after the last real frame, not before the first */
};

/* One frame as one tap saw it. The same frame on two taps is two observations, never a sum. */
struct evidence_frame {
	uint64_t ts_ns; /* CLOCK_REALTIME */
	uint32_t tap;
	uint32_t wirelen;
	bool outgoing; /* sent by the tap's own host */
	bool canary;
	uint64_t nonce; /* of a canary */
	struct frame_info info;
};

enum evidence_call { CALL_ACCEPT, CALL_CONNECT, CALL_RECVFROM, CALL_NUM };

/* What a program got from its socket calls. */
struct evidence_api {
	enum evidence_side side;
	enum evidence_call call;
	uint8_t proto;
	int family; /* of the socket: AF_INET6 shows IPv4 peers as ::ffff:a.b.c.d */
	int error;  /* 0 or -errno */
	struct endpoint local, peer;
	uint64_t cookie; /* 0: not known */
	uint64_t ts_ns;	 /* CLOCK_REALTIME */
	uint64_t bytes_in, bytes_out;
};

/* What the kernel said about a socket in the namespace of tap @tap. */
struct evidence_kernel {
	uint32_t tap;
	/*
	 * It was asked who takes what comes from @asked_peer to @asked_local: its own look-up found
	 * this socket, whose own addresses may be wildcards.
	 */
	bool asked;
	struct endpoint asked_local, asked_peer;
	struct sockdiag_entry entry;
};

enum verdict { VERDICT_CONFIRMED, VERDICT_CONTRADICTED, VERDICT_INCONCLUSIVE, VERDICT_NUM };

/* A case of the lab: the connections whose server port lies in @ports are its own. */
struct evidence_case {
	char name[EVIDENCE_NAME_MAX];
	char title[EVIDENCE_TITLE_MAX];
	char client[EVIDENCE_NAME_MAX]; /* how the client is described to people */
	char server[EVIDENCE_NAME_MAX];
	enum verdict expected;
	struct port_range ports;
};

struct evidence {
	struct port_range ports[FILTER_RANGES_MAX]; /* what was watched: the server's ports */
	size_t n_ports;
	struct evidence_tap taps[EVIDENCE_TAPS_MAX];
	size_t n_taps;
	int64_t clock_step_ns; /* how far CLOCK_REALTIME moved against CLOCK_MONOTONIC during the
				  run */
	uint64_t kernel_events_lost;
	bool overflow; /* a list was full */

	struct evidence_canary *canaries;
	size_t n_canaries, cap_canaries;
	struct evidence_frame *frames;
	size_t n_frames, cap_frames;
	struct evidence_api *api;
	size_t n_api, cap_api;
	struct evidence_kernel *kernel;
	size_t n_kernel, cap_kernel;
	struct evidence_case *cases;
	size_t n_cases, cap_cases;
};

/* An empty document; release with evidence_free(). */
void evidence_init(struct evidence *ev);
void evidence_free(struct evidence *ev);

/* Each appends a copy. Returns 0, -ENOMEM, or -ENOSPC at the limit. */
int evidence_add_canary(struct evidence *ev, const struct evidence_canary *c);
int evidence_add_frame(struct evidence *ev, const struct evidence_frame *f);
int evidence_add_api(struct evidence *ev, const struct evidence_api *a);
int evidence_add_kernel(struct evidence *ev, const struct evidence_kernel *k);
int evidence_add_case(struct evidence *ev, const struct evidence_case *c);

/* Is @port in one of the watched ranges? With no ranges every port is. */
bool evidence_watches(const struct evidence *ev, uint16_t port);

/* Names used in the saved form and in reports: "confirmed", "client", "accept", … */
const char *verdict_name(enum verdict v);
const char *evidence_side_name(enum evidence_side s);
const char *evidence_call_name(enum evidence_call c);

/* How a socket of @family writes an address. */
static inline enum addr_form evidence_form(int family)
{
	return family == AF_INET ? ADDR_FORM_INET : ADDR_FORM_INET6;
}

/* Writes the document as JSON. Returns 0, -ENOMEM or -EIO. */
int evidence_write(const struct evidence *ev, FILE *out);

/*
 * Reads what evidence_write() wrote, or an edited version of it, into an empty document. Nothing is
 * trusted: wrong types, unknown names, numbers out of range and truncated files are refused, with
 * one line in @why
 * ("frames[3].src: not an address"). Returns 0, -EINVAL, -ENOMEM or -EFBIG; on failure @ev is empty
 * again.
 */
int evidence_read(FILE *in, struct evidence *ev, char *why, size_t why_len);

#endif
