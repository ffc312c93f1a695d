/* SPDX-License-Identifier: MIT */
/* table.c - judged connections as one table for people */
#include "table.h"

#include "../report.h"

#include <errno.h>
#include <libsmartcols.h>
#include <netinet/in.h>

enum {
	COL_CLIENT,
	COL_SERVER,
	COL_API,
	COL_KERNEL,
	COL_WIRE,
	COL_VERDICT,
	COLS,
	TABLE_WIDTH = 140
};

static const char *const HEADERS[COLS] = {
	[COL_CLIENT] = "CLIENT",	 [COL_SERVER] = "SERVER",
	[COL_API] = "THE PROGRAM SAW",	 [COL_KERNEL] = "THE KERNEL KEEPS",
	[COL_WIRE] = "THE WIRE CARRIED", [COL_VERDICT] = "VERDICT",
};

static struct libscols_table *new_table(void)
{
	struct libscols_table *tb;

	scols_init_debug(0);
	tb = scols_new_table();
	if (!tb)
		return NULL;
	for (int i = 0; i < COLS; i++) {
		struct libscols_column *cl =
			scols_table_new_column(tb, HEADERS[i], 0, SCOLS_FL_WRAP);

		if (!cl)
			goto err;
		scols_column_set_safechars(cl, "\n");
		scols_column_set_wrapfunc(cl, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
	}
	/* The width is the table's own: a narrow terminal folds lines, it does not lose cells. */
	scols_table_set_termforce(tb, SCOLS_TERMFORCE_ALWAYS);
	scols_table_set_termwidth(tb, TABLE_WIDTH);
	return tb;
err:
	scols_unref_table(tb);
	return NULL;
}

/* Who connected, and to which address as its own socket has it. */
static void client_text(const struct judged *j, const struct evidence_case *c, char *buf)
{
	const struct evidence_api *a = j->c.side[SIDE_CLIENT].api;
	char peer[ADDR_STRLEN];

	if (a)
		snprintf(buf, REPORT_TEXT, "%s\nto %s", c ? c->client : "client",
			 addr_print(&a->peer.addr, evidence_form(a->family), peer));
	else
		snprintf(buf, REPORT_TEXT, "%s\nfrom %s", c ? c->client : "client",
			 addr_print(&j->c.key.client, ADDR_FORM_INET6, peer));
}

static void server_text(const struct judged *j, const struct evidence_case *c, char *buf)
{
	const char *comma = c ? strstr(c->server, ", ") : NULL;

	if (comma)
		snprintf(buf, REPORT_TEXT, "%.*s\n%s", (int)(comma - c->server), c->server,
			 comma + 2);
	else
		snprintf(buf, REPORT_TEXT, "%s\nport %u",
			 c && c->server[0]		 ? c->server
			 : j->c.key.proto == IPPROTO_TCP ? "TCP"
							 : "UDP",
			 j->c.key.server_port);
}

static void verdict_text(const struct judged *j, const struct table_case *tc, char *buf)
{
	size_t n;

	report_verdict_text(j, buf);
	n = strlen(buf);
	if (tc)
		snprintf(buf + n, REPORT_TEXT - n, "\n%s",
			 tc->passed ? "as expected" : "NOT EXPECTED");
}

static int add_row(struct libscols_table *tb, const struct judge_report *rep,
		   const struct judged *j, const struct table_case *cases, bool color)
{
	const struct evidence_case *c = j->case_index < 0 ? NULL : &rep->ev->cases[j->case_index];
	const struct table_case *tc = cases && c ? &cases[j->case_index] : NULL;
	struct libscols_line *ln = scols_table_new_line(tb, NULL);
	char cell[COLS][REPORT_TEXT];
	int rc = 0;

	if (!ln)
		return -ENOMEM;
	client_text(j, c, cell[COL_CLIENT]);
	server_text(j, c, cell[COL_SERVER]);
	report_api_text(j, cell[COL_API]);
	report_kernel_text(j, cell[COL_KERNEL]);
	report_wire_text(rep, j, cell[COL_WIRE]);
	verdict_text(j, tc, cell[COL_VERDICT]);
	for (size_t i = 0; i < COLS && rc == 0; i++)
		rc = scols_line_set_data(ln, i, cell[i]);
	if (rc == 0 && color)
		rc = scols_cell_set_color(scols_line_get_cell(ln, COL_VERDICT),
					  report_color(tc && tc->passed ? VERDICT_CONFIRMED
						       : tc		? VERDICT_CONTRADICTED
									: j->j.verdict,
						       true));
	return rc;
}

int table_print(const struct judge_report *rep, const struct table_case *cases, bool color)
{
	struct libscols_table *tb = new_table();
	int rc = tb ? 0 : -ENOMEM;

	if (tb && color)
		scols_table_enable_colors(tb, 1);
	for (size_t i = 0; i < rep->n && rc == 0; i++)
		rc = add_row(tb, rep, &rep->list[i], cases, color);
	if (rc == 0)
		rc = scols_print_table(tb);
	if (tb)
		scols_unref_table(tb);
	return rc;
}
