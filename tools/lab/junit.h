/* SPDX-License-Identifier: MIT */
/* junit.h - results of cases as JUnit XML, which CI systems read */
#ifndef TOOLS_LAB_JUNIT_H
#define TOOLS_LAB_JUNIT_H

#include "result.h"

/*
 * One test suite for each group of cases, in the order in which the groups first appear; every
 * check of a case is in its system-out. @server: who served, for a property; "" for none.
 */
void junit_print(const struct case_result *results, size_t n, const char *server, FILE *out);

#endif
