/* SPDX-License-Identifier: MIT */
/* t_witness.h - `dualwire witness` run on a lab's host, and what it said */
#ifndef TESTS_LAB_T_WITNESS_H
#define TESTS_LAB_T_WITNESS_H

#include <jansson.h>

#include "t_program.h"

enum { WITNESS_WAIT_MS = 8000 };

/*
 * Starts the program in that namespace and returns when it is ready to see the first frame. @args
 * must say "--ready-fd", "3".
 */
void witness_program_start(int netns_fd, const char *const *args, struct program *p);

/* Calls @fn for each line of JSON in @text. Returns how many there were. */
size_t witness_lines(const char *text, void (*fn)(json_t *line, void *arg), void *arg);

/* A text of a line, or of an object in it (@inner NULL: of the line itself); "(none)". */
const char *witness_text(json_t *line, const char *key, const char *inner);

/* How many lines have that verdict, and how many that reason. */
size_t witness_count(const char *text, const char *verdict, const char *reason);

#endif
