/* SPDX-License-Identifier: MIT */
/* check_table.c - what was expected of each case and what came, for people */
#include "check_table.h"

#include "../report.h"
#include "cases.h"

#include <errno.h>
#include <libsmartcols.h>

enum { COL_VIEW, COL_WHAT, COL_CAME, COL_ENDING, COLS };

static struct libscols_table *new_table(bool color)
{
	static const char *const headers[COLS] = {"ASKED", "WHAT", "CAME", ""};
	struct libscols_table *tb;

	scols_init_debug(0);
	tb = scols_new_table();
	for (int i = 0; tb && i < COLS; i++) {
		if (scols_table_new_column(tb, headers[i], 0, 0))
			continue;
		scols_unref_table(tb);
		return NULL;
	}
	if (tb && color)
		scols_table_enable_colors(tb, 1);
	return tb;
}

static const char *asked(enum check_view v)
{
	static const char *const names[CHECK_VIEWS] = {
		[CHECK_API] = "program",  [CHECK_KERNEL] = "kernel", [CHECK_WIRE] = "wire",
		[CHECK_MIB] = "counters", [CHECK_VERDICT] = "judge",
	};

	return names[v];
}

static int add_check(struct libscols_table *tb, const struct case_check *c, bool color)
{
	struct libscols_line *ln = scols_table_new_line(tb, NULL);
	char ending[CHECK_TEXT + 24] = "";
	int rc = ln ? 0 : -ENOMEM;

	if (c->left_out)
		snprintf(ending, sizeof(ending), "left out, wanted %s", c->want);
	if (!c->ok)
		snprintf(ending, sizeof(ending), "EXPECTED %s", c->want);
	if (rc == 0)
		rc = scols_line_set_data(ln, COL_VIEW, asked(c->view));
	if (rc == 0)
		rc = scols_line_set_data(ln, COL_WHAT, c->what);
	if (rc == 0)
		rc = scols_line_set_data(ln, COL_CAME, c->got);
	if (rc == 0)
		rc = scols_line_set_data(ln, COL_ENDING, ending);
	if (rc == 0 && color && !c->ok)
		rc = scols_cell_set_color(scols_line_get_cell(ln, COL_ENDING),
					  report_color(VERDICT_CONTRADICTED, true));
	return rc;
}

int check_table_print(const struct case_result *results, size_t n, bool color)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		struct libscols_table *tb;

		if (results[i].n_checks == 0)
			continue;
		tb = new_table(color);
		if (!tb)
			return -ENOMEM;
		for (size_t k = 0; k < results[i].n_checks && rc == 0; k++)
			rc = add_check(tb, &results[i].checks[k], color);
		if (rc == 0) {
			printf("\n");
			if (n > 1)
				printf("%s\n", results[i].c->name);
			rc = scols_print_table(tb);
		}
		scols_unref_table(tb);
	}
	return rc;
}
