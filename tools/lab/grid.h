/* SPDX-License-Identifier: MIT */
/* grid.h - many cases for people: a line each, by group */
#ifndef TOOLS_LAB_GRID_H
#define TOOLS_LAB_GRID_H

#include "result.h"

/* Prints it. Returns 0 or -ENOMEM. */
int grid_print(const struct case_result *results, size_t n, bool color);

#endif
