/* SPDX-License-Identifier: MIT */
/* replay.h - judges the connections of a capture file, on the wire view alone */
#ifndef TOOLS_REPLAY_H
#define TOOLS_REPLAY_H

#include "flow_notes.h"

/*
 * Each interface of a file is judged by itself, in bounded memory, as it would have been live; time
 * is that of the frames. There is no kernel view and no program's, so the addresses make the claim
 * (judge.h, wire_only).
 *
 * "confirmed" needs proof that nothing was missed, also here. A file has it when it was written by
 * `dualwire witness -w`, or says as much: its first and last frame are canaries, and its statistics
 * say that everything which passed the filter was delivered and is in the file. That is at the
 * file's end, so a pcapng file is read twice; one that comes through a pipe has no proof. Neither
 * has pcap.
 */
struct replay_config {
	struct port_range ports[FILTER_RANGES_MAX];
	size_t n_ports;
	size_t max_flows;
	struct flow_notes_config notes;
	void (*progress)(uint64_t frames); /* now and then; NULL: not wanted */
};

struct replay_result {
	struct flow_totals totals;
	uint64_t skipped;	       /* frames of links that cannot be read */
	uint32_t interfaces, unproven; /* with frames; of these, without proof */
	char why[PCAP_WHY_MAX];	       /* about an error */
};

/*
 * Reads all of @in. Returns 0; -ENODATA: the file was cut off, what was there has been judged;
 * -EBADMSG or another error, with @why. What came before an error was judged too.
 */
int replay_file(FILE *in, const struct replay_config *cfg, struct replay_result *out);

#endif
