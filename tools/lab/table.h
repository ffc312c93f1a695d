/* SPDX-License-Identifier: MIT */
/* table.h - judged connections as one table for people */
#ifndef TOOLS_LAB_TABLE_H
#define TOOLS_LAB_TABLE_H

#include "../../rawstack/witness/judge.h"

#include "result.h"

/*
 * Both print one row per connection: who, what the program saw, what the kernel keeps, what the
 * wire carried, the verdict. Return 0 or -ENOMEM.
 */

/* Of a report: @passed has one entry per case of the evidence, NULL: cases have no outcome. */
int table_print(const struct judge_report *rep, const bool *passed, bool color);

/* Of cases that were run. */
int table_print_results(const struct case_result *results, size_t n, bool color);

#endif
