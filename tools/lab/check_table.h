/* SPDX-License-Identifier: MIT */
/* check_table.h - what was expected of each case and what came, for people */
#ifndef TOOLS_LAB_CHECK_TABLE_H
#define TOOLS_LAB_CHECK_TABLE_H

#include "result.h"

/* Prints a table for each case that checked something, after an empty line. Returns 0 or -ENOMEM.
 */
int check_table_print(const struct case_result *results, size_t n, bool color);

#endif
