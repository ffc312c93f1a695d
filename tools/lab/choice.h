/* SPDX-License-Identifier: MIT */
/* choice.h - which cases a person asked for: built-in ones and their own */
#ifndef TOOLS_LAB_CHOICE_H
#define TOOLS_LAB_CHOICE_H

#include "bypass_plan.h"

enum { CHOICE_FILES_MAX = 16 };

struct choice {
	struct case_list all; /* the built-in ones first */
	size_t n_builtin;
	const struct lab_case **cases; /* chosen, in the order of @all */
	size_t n;
};

/*
 * Reads the built-in cases and those of @files, then chooses what @patterns (as of a shell, ended
 * by NULL) name. Without any: the person's own where there are files, else all. Returns 0, or an
 * exit code after a message for `dualwire lab`. Release with choice_free().
 */
int choice_make(const char *const *files, size_t n_files, char **patterns, struct choice *ch);
void choice_free(struct choice *ch);

/*
 * The cases, a line each, by group; or as one JSON document on stdout: returns 0 or an exit code.
 * @plan, if not NULL: which of them it can play, and why not the others.
 */
void choice_list(const struct choice *ch, const struct bypass_plan *plan, FILE *out);
int choice_list_json(const struct choice *ch, const struct bypass_plan *plan);

#endif
