/* SPDX-License-Identifier: MIT */
/* result.c - what became of a case: every single check, view by view */
#include "result.h"

#include <stdlib.h>

const char *check_view_name(enum check_view v)
{
	static const char *const names[CHECK_VIEWS] = {
		[CHECK_API] = "api", [CHECK_KERNEL] = "kernel",	  [CHECK_WIRE] = "wire",
		[CHECK_MIB] = "mib", [CHECK_VERDICT] = "verdict",
	};

	return names[v];
}

const char *case_status_name(enum case_status s)
{
	static const char *const names[CASE_STATUSES] = {
		[CASE_PASSED] = "passed",
		[CASE_FAILED] = "failed",
		[CASE_SKIPPED] = "skipped",
		[CASE_NOT_APPLICABLE] = "not-applicable",
	};

	return names[s];
}

static struct case_check *new_check(struct case_result *r)
{
	size_t cap = r->cap_checks ? 2 * r->cap_checks : 16;
	struct case_check *list;

	if (r->n_checks < r->cap_checks)
		return &r->checks[r->n_checks++];
	list = reallocarray(r->checks, cap, sizeof(*list));
	if (!list)
		return NULL;
	r->checks = list;
	r->cap_checks = cap;
	return &r->checks[r->n_checks++];
}

static struct case_check *add_check(struct case_result *r, enum check_view view, const char *what,
				    const char *want, const char *got)
{
	struct case_check *c = new_check(r);

	if (!c) {
		r->lost = true;
		case_result_end(r, CASE_FAILED, "out of memory");
		return NULL;
	}
	*c = (struct case_check){.view = view, .ok = true};
	snprintf(c->what, sizeof(c->what), "%s", what);
	snprintf(c->want, sizeof(c->want), "%s", want);
	snprintf(c->got, sizeof(c->got), "%s", got);
	return c;
}

void case_result_leave_out(struct case_result *r, enum check_view view, const char *what,
			   const char *want, const char *why)
{
	struct case_check *c = add_check(r, view, what, want, why);

	if (c)
		c->left_out = true;
}

bool case_was_played(const struct case_result *r)
{
	return r->status == CASE_PASSED || r->status == CASE_FAILED;
}

void case_result_check(struct case_result *r, enum check_view view, bool ok, const char *what,
		       const char *want, const char *got)
{
	struct case_check *c = add_check(r, view, what, want, got);
	char why[CASE_WHY];

	if (!c || ok)
		return;
	c->ok = false;
	snprintf(why, sizeof(why), "%s: %.80s: %.48s, not %.48s", check_view_name(view), what, got,
		 want);
	case_result_end(r, CASE_FAILED, why);
}

void case_result_end(struct case_result *r, enum case_status status, const char *why)
{
	if (r->status != CASE_PASSED)
		return;
	r->status = status;
	snprintf(r->why, sizeof(r->why), "%s", why);
}

void case_result_free(struct case_result *r)
{
	free(r->checks);
	*r = (struct case_result){0};
}
