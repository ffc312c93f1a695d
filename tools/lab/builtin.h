/* SPDX-License-Identifier: MIT */
/* builtin.h - the case files that are part of the program; builtin.c is made by scripts/embed-cases
 */
#ifndef TOOLS_LAB_BUILTIN_H
#define TOOLS_LAB_BUILTIN_H

#include <stddef.h>

struct builtin_file {
	const char *name; /* "A-tcp.ini" */
	const char *text;
};

extern const struct builtin_file BUILTIN_FILES[];
extern const size_t BUILTIN_FILES_N;

#endif
