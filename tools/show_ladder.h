/* SPDX-License-Identifier: MIT */
/* show_ladder.h - the ladders of judged connections on a terminal */
#ifndef TOOLS_SHOW_LADDER_H
#define TOOLS_SHOW_LADDER_H

#include "../rawstack/witness/judge.h"

/* Columns to write for: $COLUMNS, else those of the terminal on stdout, else 140. */
unsigned int show_ladder_width(void);

/* Prints a ladder for each connection to stdout, an empty line between two. Returns 0 or -ENOMEM.
 */
int show_ladders(const struct judge_report *r);

#endif
