/* SPDX-License-Identifier: MIT */
/* grid.c - many cases for people: a line each, by group */
#include "grid.h"

#include "../report.h"
#include "../show_ladder.h"
#include "cases.h"
#include "verify.h"

#include <errno.h>
#include <libsmartcols.h>

enum { COL_CASE, COL_SHOWS, COL_PROGRAM, COL_KERNEL, COL_WIRE, COL_VERDICT, COLS, WIDE = 120 };

static const char *const HEADERS[COLS] = {
	[COL_CASE] = "CASE",	 [COL_SHOWS] = "WHAT IT SHOWS",	  [COL_PROGRAM] = "PROGRAM",
	[COL_KERNEL] = "KERNEL", [COL_WIRE] = "THE WIRE CARRIED", [COL_VERDICT] = "VERDICT",
};

static struct libscols_table *new_table(bool color)
{
	bool narrow = show_ladder_width() < WIDE;
	struct libscols_table *tb;

	scols_init_debug(0);
	tb = scols_new_table();
	for (int i = 0; tb && i < COLS; i++) {
		bool counts = i == COL_PROGRAM || i == COL_KERNEL;

		/* On a narrow terminal counts give way, then the title. */
		if (scols_table_new_column(tb, HEADERS[i], 0,
					   i == COL_SHOWS     ? SCOLS_FL_TRUNC
					   : counts && narrow ? SCOLS_FL_HIDDEN
							      : 0))
			continue;
		scols_unref_table(tb);
		return NULL;
	}
	if (tb && color)
		scols_table_enable_colors(tb, 1);
	return tb;
}

/* "5 ok", "1 of 5 wrong", "-": the checks of one view. */
static void count_checks(const struct case_result *r, unsigned int views, char *buf)
{
	unsigned int n = 0, bad = 0, left_out = 0;

	for (size_t i = 0; i < r->n_checks; i++) {
		if (!(views >> r->checks[i].view & 1))
			continue;
		left_out += r->checks[i].left_out;
		n += !r->checks[i].left_out;
		bad += !r->checks[i].ok;
	}
	if (n == 0)
		snprintf(buf, REPORT_TEXT, left_out ? "left out" : "-");
	else if (bad == 0)
		snprintf(buf, REPORT_TEXT, "%u ok", n);
	else
		snprintf(buf, REPORT_TEXT, "%u of %u WRONG", bad, n);
}

/* How many frames of which family; "nothing" is a result too. */
static void count_frames(const struct case_result *r, char *buf)
{
	const struct evidence *ev = r->report ? r->report->ev : NULL;
	unsigned int v4 = 0, v6 = 0, other = 0;
	size_t n = 0;

	for (size_t i = 0; ev && i < ev->n_frames; i++) {
		const struct frame_info *f = &ev->frames[i].info;

		if (!verify_is_frame_of(ev, r, &ev->frames[i]))
			continue;
		if (f->carriage == CARRIAGE_V4)
			v4++;
		else if (f->carriage == CARRIAGE_V6)
			v6++;
		else
			other++;
	}
	buf[0] = '\0';
	if (!case_was_played(r)) {
		snprintf(buf, REPORT_TEXT, "-");
		return;
	}
	if (v4)
		n += (size_t)snprintf(buf, REPORT_TEXT, "%u IPv4", v4);
	if (v6)
		n += (size_t)snprintf(buf + n, REPORT_TEXT - n, "%s%u IPv6", n ? ", " : "", v6);
	if (other)
		n += (size_t)snprintf(buf + n, REPORT_TEXT - n, "%s%u other", n ? ", " : "", other);
	if (!n)
		snprintf(buf, REPORT_TEXT, "nothing");
}

static void verdict_text(const struct case_result *r, char *buf)
{
	if (r->status == CASE_SKIPPED)
		snprintf(buf, REPORT_TEXT, "skipped");
	else if (r->status == CASE_NOT_APPLICABLE)
		snprintf(buf, REPORT_TEXT, "does not apply");
	else if (r->status == CASE_FAILED)
		snprintf(buf, REPORT_TEXT, "NOT EXPECTED");
	else
		snprintf(buf, REPORT_TEXT, "%s",
			 r->judged ? verdict_name(r->verdict) : "as expected");
}

static const char *row_color(const struct case_result *r, bool color)
{
	return report_color(r->status == CASE_PASSED   ? VERDICT_CONFIRMED
			    : r->status == CASE_FAILED ? VERDICT_CONTRADICTED
						       : VERDICT_INCONCLUSIVE,
			    color);
}

static int add_line(struct libscols_table *tb, char cell[COLS][REPORT_TEXT], const char *color)
{
	struct libscols_line *ln = scols_table_new_line(tb, NULL);
	int rc = ln ? 0 : -ENOMEM;

	for (size_t i = 0; i < COLS && rc == 0; i++)
		rc = scols_line_set_data(ln, i, cell[i]);
	if (rc == 0 && *color)
		rc = scols_cell_set_color(scols_line_get_cell(ln, COL_VERDICT), color);
	return rc;
}

static int add_group(struct libscols_table *tb, const char *group)
{
	char cell[COLS][REPORT_TEXT] = {0};
	int rc = scols_table_get_nlines(tb) ? add_line(tb, cell, "") : 0;

	snprintf(cell[COL_CASE], REPORT_TEXT, "%s", group);
	snprintf(cell[COL_SHOWS], REPORT_TEXT, "%s", case_group_title(group));
	return rc ? rc : add_line(tb, cell, "");
}

static int add_case(struct libscols_table *tb, const struct case_result *r, bool color)
{
	char cell[COLS][REPORT_TEXT];

	snprintf(cell[COL_CASE], REPORT_TEXT, "  %s", r->c->name);
	snprintf(cell[COL_SHOWS], REPORT_TEXT, "%s", r->c->title);
	count_checks(r, 1U << CHECK_API, cell[COL_PROGRAM]);
	count_checks(r, 1U << CHECK_KERNEL | 1U << CHECK_MIB, cell[COL_KERNEL]);
	count_frames(r, cell[COL_WIRE]);
	verdict_text(r, cell[COL_VERDICT]);
	return add_line(tb, cell, row_color(r, color));
}

static bool first_of_group(const struct case_result *results, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(results[k].c->group, results[i].c->group) == 0)
			return false;
	return true;
}

int grid_print(const struct case_result *results, size_t n, bool color)
{
	struct libscols_table *tb = new_table(color);
	int rc = tb ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && rc == 0; i++) {
		if (!first_of_group(results, i))
			continue;
		rc = add_group(tb, results[i].c->group);
		for (size_t k = i; k < n && rc == 0; k++)
			if (strcmp(results[k].c->group, results[i].c->group) == 0)
				rc = add_case(tb, &results[k], color);
	}
	if (rc == 0)
		rc = scols_print_table(tb);
	if (tb)
		scols_unref_table(tb);
	return rc;
}
