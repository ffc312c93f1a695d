/* SPDX-License-Identifier: MIT */
/* witness_report.h - what `dualwire witness` prints about connections */
#ifndef TOOLS_WITNESS_REPORT_H
#define TOOLS_WITNESS_REPORT_H

#include "flow_notes.h"
#include "witness_options.h"

struct witness_printer {
	const struct witness_options *o;
	bool color, begin_lines, silent;
	unsigned int width; /* of ladders */
	unsigned long judged;
};

void witness_printer_init(struct witness_printer *p, const struct witness_options *o);

/* A flow_report_fn; @arg is the printer. */
void witness_print(const struct judge_report *rep, const struct judged *j,
		   const struct flow_about *about, bool verdict, void *arg);

/* The exit code for what was reported. */
int witness_exit_code(const struct flow_totals *t);

/* "3 confirmed, 0 contradicted, 1 inconclusive" */
void witness_totals_text(const struct flow_totals *t, char *text, size_t size);

#endif
