/* SPDX-License-Identifier: MIT */
/* watch.h - judges the connections of a running server one by one as they end, in bounded memory */
#ifndef TOOLS_WATCH_H
#define TOOLS_WATCH_H

#include "../rawstack/witness/tracker.h"
#include "../rawstack/witness/witness.h"
#include "flow_notes.h"

/*
 * Wire and kernel views only: the server is somebody else's. What becomes of a flow is told in
 * tracker.h. Before each judgement the ring is read up to a point after the flow's end, and the
 * gates of the run are those of that moment.
 *
 * While a connection lives the kernel is asked for the server's socket, for the process that holds
 * it, and, with datagrams, for the socket that takes them: a UDP socket that serves everybody is
 * never reported as connected to anyone. Limits: WATCH_LOOKUPS_MAX flows wait for that at a time,
 * WATCH_LOOKUPS_STEP are asked for in one step; what is not asked for is missing (kernel_missing,
 * no_claim, no process).
 */
enum {
	WATCH_FLOWS = 16384, /* unless told otherwise */
	WATCH_LOOKUPS_MAX = 4096,
	WATCH_LOOKUPS_STEP = 256,
	WATCH_LISTENERS_MAX = 64,
};

struct watch_config {
	unsigned int ifindex;
	int netns_fd; /* -1: here */
	struct port_range ports[FILTER_RANGES_MAX];
	size_t n_ports;
	size_t max_flows;
	bool live;     /* frame by frame, for somebody who is looking */
	bool evidence; /* keep everything for watch_evidence() */
	struct flow_notes_config notes;
};

struct watch;

/* As witness_open() and witness_ready(). */
int watch_open(const struct watch_config *cfg, struct watch **out, const char **what);

enum { WATCH_FDS_MAX = WITNESS_FDS_MAX + 1 };

/* To poll(), see witness_fds(). */
size_t watch_fds(const struct watch *w, struct pollfd *fds);

/* Milliseconds that poll() may wait at most. */
int watch_patience_ms(const struct watch *w);

/* Reads what there is, judges what has ended. Returns 0 or -errno. */
int watch_step(struct watch *w);

/* Stops the witness and judges the rest. Returns 0 or what witness_stop() said. */
int watch_stop(struct watch *w);

const struct flow_totals *watch_totals(const struct watch *w);

/* The listeners and unconnected UDP sockets of the watched ports, as found at the beginning or when
 * a connection came to one that was not known. */
size_t watch_listeners(const struct watch *w, const struct sockdiag_entry **list);

/* The document: complete with @evidence, else what is known of the tap. */
const struct evidence *watch_evidence(const struct watch *w);

const struct tap_where *watch_where(const struct watch *w);

void watch_close(struct watch *w);

#endif
