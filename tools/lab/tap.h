/* SPDX-License-Identifier: MIT */
/* tap.h - results of cases as TAP, the Test Anything Protocol version 14 */
#ifndef TOOLS_LAB_TAP_H
#define TOOLS_LAB_TAP_H

#include "result.h"

/*
 * A test point for each case; one that failed has a YAML block with the checks that did. @server:
 * who served, for a comment; "" for none. Returns 0, or -ENOMEM and then the output is not
 * complete.
 */
int tap_print(const struct case_result *results, size_t n, const char *server, FILE *out);

#endif
