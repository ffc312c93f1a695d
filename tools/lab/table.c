/* SPDX-License-Identifier: MIT */
/* table.c - judged connections as one table for people */
#include "table.h"

#include "../report.h"
#include "cases.h"

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

/* How a client's own socket names its peer, where the case does not say who it is. */
static const char *client_kind(const struct evidence_api *a)
{
	if (!a)
		return "client";
	if (a->family == AF_INET)
		return "IPv4 socket";
	return addr_is_mapped(&a->peer.addr) ? "IPv6 socket, mapped" : "IPv6 socket, native";
}

/* Who connected, and to which address as its own socket has it. */
static void client_text(const struct judged *j, const struct evidence_case *c, char *buf)
{
	const struct evidence_api *a = j->c.side[SIDE_CLIENT].api;
	const char *who = c && c->client[0] ? c->client : client_kind(a);
	char peer[ADDR_STRLEN];

	if (a)
		snprintf(buf, REPORT_TEXT, "%s\nto %s", who,
			 addr_print(&a->peer.addr, evidence_form(a->family), peer));
	else
		snprintf(buf, REPORT_TEXT, "%s\nfrom %s", who,
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

/* How a row's case ended. */
enum ending { ENDING_NONE, ENDING_PASSED, ENDING_FAILED };

static void verdict_text(const struct judged *j, enum ending ending, char *buf)
{
	size_t n;

	report_verdict_text(j, buf);
	n = strlen(buf);
	if (ending != ENDING_NONE)
		snprintf(buf + n, REPORT_TEXT - n, "\n%s",
			 ending == ENDING_PASSED ? "as expected" : "NOT EXPECTED");
}

static int set_line(struct libscols_table *tb, char cell[COLS][REPORT_TEXT], const char *color)
{
	struct libscols_line *ln = scols_table_new_line(tb, NULL);
	int rc = ln ? 0 : -ENOMEM;

	for (size_t i = 0; i < COLS && rc == 0; i++)
		rc = scols_line_set_data(ln, i, cell[i]);
	if (rc == 0 && *color)
		rc = scols_cell_set_color(scols_line_get_cell(ln, COL_VERDICT), color);
	return rc;
}

static int add_row(struct libscols_table *tb, const struct judge_report *rep,
		   const struct judged *j, enum ending ending, bool color)
{
	const struct evidence_case *c = j->case_index < 0 ? NULL : &rep->ev->cases[j->case_index];
	char cell[COLS][REPORT_TEXT];
	enum verdict shown = ending == ENDING_PASSED   ? VERDICT_CONFIRMED
			     : ending == ENDING_FAILED ? VERDICT_CONTRADICTED
						       : j->j.verdict;

	client_text(j, c, cell[COL_CLIENT]);
	server_text(j, c, cell[COL_SERVER]);
	report_api_text(j, cell[COL_API]);
	report_kernel_text(j, cell[COL_KERNEL]);
	report_wire_text(rep, j, cell[COL_WIRE]);
	verdict_text(j, ending, cell[COL_VERDICT]);
	return set_line(tb, cell, report_color(shown, color));
}

static struct libscols_table *start(bool color)
{
	struct libscols_table *tb = new_table();

	if (tb && color)
		scols_table_enable_colors(tb, 1);
	return tb;
}

static int finish(struct libscols_table *tb, int rc)
{
	if (rc == 0)
		rc = scols_print_table(tb);
	if (tb)
		scols_unref_table(tb);
	return rc;
}

int table_print(const struct judge_report *rep, const bool *passed, bool color)
{
	struct libscols_table *tb = start(color);
	int rc = tb ? 0 : -ENOMEM;

	for (size_t i = 0; i < rep->n && rc == 0; i++) {
		const struct judged *j = &rep->list[i];
		bool known = passed && j->case_index >= 0;

		rc = add_row(tb, rep, j,
			     !known		     ? ENDING_NONE
			     : passed[j->case_index] ? ENDING_PASSED
						     : ENDING_FAILED,
			     color);
	}
	return finish(tb, rc);
}

int table_print_results(const struct case_result *results, size_t n, bool color)
{
	struct libscols_table *tb = start(color);
	int rc = tb ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && rc == 0; i++) {
		const struct case_result *r = &results[i];

		for (size_t k = 0; r->report && k < r->report->n && rc == 0; k++) {
			if (r->report->list[k].case_index != r->case_index)
				continue;
			rc = add_row(tb, r->report, &r->report->list[k],
				     r->status == CASE_PASSED ? ENDING_PASSED : ENDING_FAILED,
				     color);
		}
	}
	return finish(tb, rc);
}
