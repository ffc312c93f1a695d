/* SPDX-License-Identifier: MIT */
/* show_ladder.c - the ladders of judged connections on a terminal */
#include "show_ladder.h"

#include "../rawstack/witness/ladder.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH = 140, WIDTH_MAX = 1000 };

unsigned int show_ladder_width(void)
{
	const char *columns = getenv("COLUMNS");
	unsigned long n = columns ? strtoul(columns, NULL, 10) : 0;
	struct winsize ws;

	if (n == 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0)
		n = ws.ws_col;
	return n == 0 || n > WIDTH_MAX ? WIDTH : (unsigned int)n;
}

int show_ladders(const struct judge_report *r)
{
	unsigned int width = show_ladder_width();
	struct flow_index idx;
	int rc = flow_index_init(&idx, r);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < r->n && rc == 0; i++) {
		struct ladder l;

		rc = ladder_of(&idx, &r->list[i], &l);
		if (rc < 0)
			break;
		if (i)
			putchar('\n');
		ladder_print(&l, width, stdout);
		ladder_free(&l);
	}
	flow_index_free(&idx);
	return rc;
}
