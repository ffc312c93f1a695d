/* SPDX-License-Identifier: MIT */
/* witness.h - watches one link from one or two posts and writes down evidence */
#ifndef RAWSTACK_WITNESS_WITNESS_H
#define RAWSTACK_WITNESS_WITNESS_H

#include <poll.h>

#include "../capture/tap.h"
#include "evidence.h"

/*
 * Per post: a tap on the interface, and sock_diag in the interface's namespace. Nothing is
 * concluded here.
 *
 * Start: taps open, then a canary is sent from each post and must arrive at all of them: only then
 * is the witness ready, and what happens from then on is seen from its first frame. Stop: canaries
 * again, then the barrier of tap.h, then the rings are drained until consumed == packets - drops.
 *
 * Limit: frames_max frames are kept; more are counted, and the verdicts of the run are then
 * inconclusive.
 */
struct witness_post {
	enum evidence_side side;
	int netns_fd; /* -1: the calling thread's */
	unsigned int ifindex;
	bool own_stack; /* as in struct evidence_tap */
};

/*
 * Called for each frame as it is read, canaries included: @f is what was read of it, @raw the bytes
 * and what the ring said beside them. Both are valid during the call.
 */
typedef void (*witness_frame_fn)(const struct evidence_frame *f, const struct ring_frame *raw,
				 void *arg);

/* Called for each socket the kernel reports as destroyed, in the namespace of tap @tap. */
typedef void (*witness_kernel_fn)(uint32_t tap, const struct sockdiag_entry *e, void *arg);

struct witness_config {
	struct witness_post posts[EVIDENCE_TAPS_MAX];
	size_t n_posts;
	struct port_range ports[FILTER_RANGES_MAX];
	size_t n_ports;
	struct ring_config ring;
	bool keep; /* write frames and sockets into the document; off: only the callbacks get them
		    */
	size_t frames_max; /* 0: EVIDENCE_RECORDS_MAX */
	witness_frame_fn on_frame;
	witness_kernel_fn on_kernel;
	void *arg;
};

struct witness;

/* Opens everything, sends nothing yet. Returns 0 or -errno with @what naming the step (static
 * text). */
int witness_open(const struct witness_config *cfg, struct witness **out, const char **what);

/*
 * Sends the first canaries and waits until each post has seen them. Returns 0, or -ETIMEDOUT after
 * @timeout_ms: something between the posts swallows frames.
 */
int witness_ready(struct witness *w, unsigned int timeout_ms);

enum { WITNESS_FDS_MAX = 2 * EVIDENCE_TAPS_MAX };

/* Descriptors to poll for reading before witness_step() has work. Returns how many were filled in.
 */
size_t witness_fds(const struct witness *w, struct pollfd *fds);

/* Reads all that has arrived, never blocks. Returns the number of frames read, or -errno. */
int witness_step(struct witness *w);

/*
 * Reads until everything that had been captured when it was called is read: the rings are in order,
 * so what came before is then complete. Returns 0, or -ETIMEDOUT after @timeout_ms.
 */
int witness_catch_up(struct witness *w, unsigned int timeout_ms);

/*
 * Asks the kernel for all TCP and UDP sockets at every post and takes those with a watched port on
 * either end. Returns 0 or -errno.
 */
int witness_dump_sockets(struct witness *w);

/*
 * Asks the kernel at post @tap who takes what comes from @peer to @local. With keep, the answer
 * goes into the document where its own addresses do not name the peer. Returns 0, -ENOENT (nobody)
 * or -errno.
 */
int witness_lookup(struct witness *w, uint32_t tap, int proto, const struct endpoint *local,
		   const struct endpoint *peer, struct sockdiag_entry *out);

/* Calls @fn for each listener and unconnected UDP socket of a watched port at post @tap. */
int witness_listeners(struct witness *w, uint32_t tap, sockdiag_fn fn, void *arg);

/* Ends it as described above. Returns 0 or -errno; the document is complete either way. */
int witness_stop(struct witness *w);

/* The document; valid until witness_close(). Taps' counters are those of the last step. */
struct evidence *witness_evidence(struct witness *w);

const struct tap_where *witness_where(const struct witness *w, uint32_t tap);

void witness_close(struct witness *w);

#endif
