/* SPDX-License-Identifier: MIT */
/* table.h - judged connections as one table for people */
#ifndef TOOLS_LAB_TABLE_H
#define TOOLS_LAB_TABLE_H

#include "../../rawstack/witness/judge.h"

/* What a case's row says about its end. */
struct table_case {
	bool passed;
};

/*
 * Prints one row per connection: who, what the program saw, what the kernel keeps, what the wire
 * carried, the verdict. @cases has one entry per case of the evidence. Returns 0 or -ENOMEM.
 */
int table_print(const struct judge_report *rep, const struct table_case *cases, bool color);

#endif
