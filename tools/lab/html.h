/* SPDX-License-Identifier: MIT */
/* html.h - a run of cases as one self-contained page */
#ifndef TOOLS_LAB_HTML_H
#define TOOLS_LAB_HTML_H

#include "run.h"

/*
 * One page without a network access: a grid with a cell for each case, TCP's listeners against
 * clients as a matrix, and behind each cell its three views, its checks and its ladders. Returns 0
 * or -ENOMEM; after that the page is not complete.
 */
int html_print(const struct lab_run *run, FILE *out);

#endif
