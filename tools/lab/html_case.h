/* SPDX-License-Identifier: MIT */
/* html_case.h - what opens behind a cell of the report: for html.c only */
#ifndef TOOLS_LAB_HTML_CASE_H
#define TOOLS_LAB_HTML_CASE_H

#include "../../rawstack/witness/flow_index.h"
#include "result.h"

/*
 * Writes the <dialog> of one case. @idx: of its report, NULL when it has none. Returns 0 or
 * -ENOMEM.
 */
int html_case(const struct case_result *r, const struct flow_index *idx, FILE *out);

/* <span class="tag CLASS">TEXT</span>, escaped. */
void html_tag(FILE *out, const char *class, const char *text);

/* The tags that say how a case ended: its status, and its verdict where one is asked for. */
void html_outcome(FILE *out, const struct case_result *r);

#endif
