/* SPDX-License-Identifier: MIT */
/* finding.h - what one check came to */
#ifndef TOOLS_AUDIT_FINDING_H
#define TOOLS_AUDIT_FINDING_H

#include "../../rawstack/witness/flow.h"

/* A note is worth knowing and no fault; the others make the audit's exit code 1. */
enum finding_severity { SEVERITY_NOTE, SEVERITY_RISK, SEVERITY_BUG, SEVERITY_NUM };

enum audit_status {
	AUDIT_NOT_ASKED, /* there was nothing to check, or not enough was given: @summary */
	AUDIT_CLEAN,
	AUDIT_FOUND,  /* some finding is more than a note */
	AUDIT_FAILED, /* could not be carried out: @summary */
	AUDIT_STATUS_NUM
};

enum { FINDING_TEXT = 320, FINDINGS_MAX = 12 };

struct finding {
	enum finding_severity severity;
	char where[32]; /* "TCP 80" */
	char evidence[FINDING_TEXT];
	char remedy[FINDING_TEXT];
	bool has_flow; /* @flow is the connection that shows it */
	struct flow_key flow;
};

/* Limit: FINDINGS_MAX are kept, more are counted. */
struct audit_result {
	enum audit_status status;
	char summary[FINDING_TEXT];
	struct finding list[FINDINGS_MAX];
	size_t n, unlisted;
	bool try_again; /* AUDIT_FAILED because the server lost something: a fresh one may not */
	unsigned int ms;
};

/* Adds a finding. The status becomes FOUND for more than a note. */
void result_find(struct audit_result *r, enum finding_severity severity, const char *where,
		 const char *remedy, const char *evidence, ...)
	__attribute__((format(printf, 5, 6)));

/* Names the connection that shows what was found last. */
void result_show_flow(struct audit_result *r, const struct flow_key *flow);

/* Sets status and summary; after a finding the status stays FOUND. */
void result_set(struct audit_result *r, enum audit_status status, const char *summary, ...)
	__attribute__((format(printf, 3, 4)));

/* "bug", "risk", "note". */
const char *severity_name(enum finding_severity s);

/* "clean", "found", "not-asked", "failed". */
const char *audit_status_name(enum audit_status s);

/* Exit code of an audit with these results: 1 anything found, else 2 anything failed, else 0. */
int results_exit_code(const struct audit_result *list, size_t n);

#endif
