/* SPDX-License-Identifier: MIT */
/* case_evidence.h - of a scene's evidence and frames, what belongs to one case */
#ifndef TOOLS_LAB_CASE_EVIDENCE_H
#define TOOLS_LAB_CASE_EVIDENCE_H

#include "raw_frames.h"
#include "result.h"

/*
 * A document with the canaries and what belongs to the case: records and sockets with one of its
 * ports, frames with one, and frames without ports that were seen while it ran. Frames that are
 * left out count as unlisted, so it is judged as the whole document was, and a frame that is
 * deleted from it is missed. Of a case with hosts of its own that is everything. Returns 0 or
 * -ENOMEM; release with evidence_free().
 */
int case_evidence(const struct case_result *r, struct evidence *out);

/*
 * The case's frames as a pcapng file, canaries left out, each connection's verdict as a comment on
 * its first frames. @raw is of the case's scene. Returns 0 or -errno.
 */
int case_capture(const struct case_result *r, const struct raw_frames *raw, FILE *out);

#endif
