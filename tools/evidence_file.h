/* SPDX-License-Identifier: MIT */
/* evidence_file.h - evidence on disk: whole or not at all */
#ifndef TOOLS_EVIDENCE_FILE_H
#define TOOLS_EVIDENCE_FILE_H

#include "../rawstack/witness/evidence.h"

struct evidence_file;

/*
 * Prepares to write @path: a new file beside it that takes its name only when complete, so an older
 * one is never lost to a failure. Returns 0, or an exit code after a message for @cmd.
 */
int evidence_file_open(const char *cmd, const char *path, struct evidence_file **out);

/* Writes, renames, releases. Returns 0, or an exit code after a message. */
int evidence_file_save(const char *cmd, struct evidence_file *f, const struct evidence *ev);

/* Leaves nothing behind. NULL is allowed. */
void evidence_file_abandon(struct evidence_file *f);

#endif
