/* SPDX-License-Identifier: MIT */
/* log.h - what a server wrote about its clients: its output, and its log file */
#ifndef TOOLS_AUDIT_LOG_H
#define TOOLS_AUDIT_LOG_H

#include "audit.h"
#include "traces.h"

/* Where both ended at some moment: what is written later is read from there. */
struct log_mark {
	uint64_t output, file;
};

struct log_mark log_now(const struct audit *a);

/*
 * Counts each of @clients in all that was written since @mark. Waits until every one of them has
 * been found, at most @wait_ms, and then a little for what may follow. Returns whether any was
 * found.
 */
bool log_find(struct audit *a, const struct log_mark *mark, const struct addr *clients,
	      struct trace_forms *forms, size_t n, unsigned int wait_ms);

#endif
