/* SPDX-License-Identifier: MIT */
/* finding.c - what one check came to */
#include "finding.h"

#include <stdarg.h>
#include <stdio.h>

void result_find(struct audit_result *r, enum finding_severity severity, const char *where,
		 const char *remedy, const char *evidence, ...)
{
	struct finding *f = &r->list[r->n];
	va_list ap;

	if (severity != SEVERITY_NOTE)
		r->status = AUDIT_FOUND;
	if (r->n == FINDINGS_MAX) {
		r->unlisted++;
		return;
	}
	r->n++;
	f->severity = severity;
	snprintf(f->where, sizeof(f->where), "%s", where);
	snprintf(f->remedy, sizeof(f->remedy), "%s", remedy);
	va_start(ap, evidence);
	vsnprintf(f->evidence, sizeof(f->evidence), evidence, ap);
	va_end(ap);
}

void result_show_flow(struct audit_result *r, const struct flow_key *flow)
{
	if (!r->n || r->unlisted)
		return;
	r->list[r->n - 1].has_flow = true;
	r->list[r->n - 1].flow = *flow;
}

void result_set(struct audit_result *r, enum audit_status status, const char *summary, ...)
{
	va_list ap;

	if (r->status != AUDIT_FOUND)
		r->status = status;
	va_start(ap, summary);
	vsnprintf(r->summary, sizeof(r->summary), summary, ap);
	va_end(ap);
}

const char *severity_name(enum finding_severity s)
{
	static const char *const names[SEVERITY_NUM] = {
		[SEVERITY_NOTE] = "note",
		[SEVERITY_RISK] = "risk",
		[SEVERITY_BUG] = "bug",
	};

	return names[s];
}

const char *audit_status_name(enum audit_status s)
{
	static const char *const names[AUDIT_STATUS_NUM] = {
		[AUDIT_NOT_ASKED] = "not-asked",
		[AUDIT_CLEAN] = "clean",
		[AUDIT_FOUND] = "found",
		[AUDIT_FAILED] = "failed",
	};

	return names[s];
}

int results_exit_code(const struct audit_result *list, size_t n)
{
	int code = 0;

	for (size_t i = 0; i < n; i++) {
		if (list[i].status == AUDIT_FOUND)
			return 1;
		if (list[i].status == AUDIT_FAILED)
			code = 2;
	}
	return code;
}
