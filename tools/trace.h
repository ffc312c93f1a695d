/* SPDX-License-Identifier: MIT */
/* trace.h - a capture file in which frames have their verdicts beside them */
#ifndef TOOLS_TRACE_H
#define TOOLS_TRACE_H

#include "../rawstack/capture/pcap_read.h"
#include "../rawstack/capture/tap.h"
#include "../rawstack/witness/judge.h"

/*
 * Every frame goes into a pcapng file, in the order of time. The verdict on a connection becomes a
 * comment on its handshake (of datagrams: on the first each way), and frames that speak against the
 * claim get a comment of their own. So a frame waits until its flow is judged, and all that follow
 * wait with it.
 *
 * Limits: TRACE_HOLD_BYTES and TRACE_HOLD_MS. What has waited for so long is written without; the
 * verdict then stands on the last frames of the connection instead.
 *
 * A failure to write is reported once, at once, and again at the end; what is watched is judged all
 * the same.
 */
enum { TRACE_HOLD_BYTES = 32 << 20, TRACE_HOLD_MS = 10000, TRACE_NAMES_MAX = 64 };

struct trace;

/*
 * Opens @path ("-": standard output) and writes the beginning. @slots is how many flows of one
 * interface there may be at a time. Returns 0, or an exit code after a message for @cmd.
 */
int trace_open(const char *cmd, const char *path, size_t slots, struct trace **out);

/* Describes the next interface, as a tap stands there or as a file had it. @filter: NULL or text.
 */
void trace_add_tap(struct trace *t, const struct tap_where *where, uint32_t snaplen,
		   const char *filter);
void trace_add_copy(struct trace *t, const struct pcap_interface *ifc);

/* A frame of interface @interface and, where it has a flow, that flow's slot; SIZE_MAX: none. */
void trace_frame(struct trace *t, uint32_t interface, const struct evidence_frame *f,
		 const struct ring_frame *raw, size_t slot);

/* The flow in that slot was judged. */
void trace_judged(struct trace *t, uint32_t interface, size_t slot, const struct judged *j);

/* Writes what has waited long enough at @now_ns. */
void trace_step(struct trace *t, uint64_t now_ns);

/* What a tap counted, to be written at the end. */
void trace_counters(struct trace *t, uint32_t interface, const struct evidence_tap *counters,
		    const char *comment);

/*
 * Writes the rest and closes the file. Returns 0, or -errno of the first failure after saying so
 * for @cmd. NULL is allowed.
 */
int trace_close(struct trace *t);

#endif
