/* SPDX-License-Identifier: MIT */
/* lab_files.h - what a run of cases leaves on disk: JUnit, a report, evidence by case */
#ifndef TOOLS_LAB_FILES_H
#define TOOLS_LAB_FILES_H

#include "lab/run.h"

/* What is asked for; NULL: not that. */
struct lab_files {
	const char *junit, *report; /* files */
	const char *dir;	    /* a directory, made if need be */
};

struct lab_outputs;

/*
 * Prepares to write, so that a place that cannot be written to is found before the work. Returns 0,
 * or an exit code after a message.
 */
int lab_files_open(const struct lab_files *f, struct lab_outputs **out);

/* Writes all of it and releases @o. Returns 0, or an exit code after a message. */
int lab_files_write(struct lab_outputs *o, const struct lab_run *run);

/* Releases it without writing. NULL is allowed. */
void lab_files_abandon(struct lab_outputs *o);

#endif
