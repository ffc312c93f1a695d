/* SPDX-License-Identifier: MIT */
/* watch.h - judges the connections of a running server one by one as they end, in bounded memory */
#ifndef TOOLS_WATCH_H
#define TOOLS_WATCH_H

#include "../rawstack/witness/judge.h"
#include "../rawstack/witness/witness.h"

/*
 * Wire and kernel views only: the server is somebody else's. A flow is judged once when it has
 * ended (or has been silent, or the watch ends) and is then forgotten. Before each judgement the
 * ring is read up to a point after the flow's end, and the gates of the run are those of that
 * moment.
 *
 * Limits: WATCH_FLOWS_MAX flows at a time; more make the verdicts inconclusive (table_full).
 */
enum { WATCH_FLOWS_MAX = 16384, WATCH_UDP_SILENCE_MS = 3000, WATCH_GRACE_MS = 500 };

/* Called for each flow when it is first seen (@verdict false), and when it has been judged. */
typedef void (*watch_fn)(const struct judge_report *rep, const struct judged *j, bool verdict,
			 void *arg);

struct watch_config {
	unsigned int ifindex;
	struct port_range ports[FILTER_RANGES_MAX];
	size_t n_ports;
	bool live;     /* frame by frame, for somebody who is looking */
	bool evidence; /* keep everything for watch_evidence() */
	watch_fn report;
	void *arg;
};

struct watch;

/* As witness_open() and witness_ready(). */
int watch_open(const struct watch_config *cfg, struct watch **out, const char **what);

/* To poll(), see witness_fds(). */
size_t watch_fds(const struct watch *w, struct pollfd *fds);

/* Reads what there is, judges what has ended. Returns 0 or -errno. */
int watch_step(struct watch *w);

/* Stops the witness and judges the rest. Returns 0 or what witness_stop() said. */
int watch_stop(struct watch *w);

struct watch_totals {
	uint64_t verdicts[VERDICT_NUM];
	uint64_t frames, drops;
};
void watch_totals(const struct watch *w, struct watch_totals *out);

/* Everything that was kept; NULL unless asked for. */
const struct evidence *watch_evidence(const struct watch *w);

void watch_close(struct watch *w);

#endif
