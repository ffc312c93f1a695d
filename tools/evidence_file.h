/* SPDX-License-Identifier: MIT */
/* evidence_file.h - evidence on disk: whole or not at all */
#ifndef TOOLS_EVIDENCE_FILE_H
#define TOOLS_EVIDENCE_FILE_H

#include "../rawstack/witness/evidence.h"

struct evidence_file;

/*
 * Prepares to write @path: a file without a name, which takes that name only when complete. So an
 * older one is never lost to a failure, and a killed program leaves nothing. A pipe or device is
 * written to directly. Returns 0, or an exit code after a message for @cmd.
 */
int evidence_file_open(const char *cmd, const char *path, struct evidence_file **out);

/* Writes, gives the name, releases @f. Returns 0, or an exit code after a message. */
int evidence_file_save(const char *cmd, struct evidence_file *f, const struct evidence *ev);

/* The same with what @write writes for @arg; it returns 0 or -errno. */
int evidence_file_fill(const char *cmd, struct evidence_file *f,
		       int (*write)(FILE *out, const void *arg), const void *arg);

/* Leaves nothing behind. NULL is allowed. */
void evidence_file_abandon(struct evidence_file *f);

#endif
