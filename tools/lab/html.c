/* SPDX-License-Identifier: MIT */
/* html.c - a run of cases as one self-contained page */
#include "html.h"

#include "html_case.h"
#include "markup.h"
#include "page.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

/*
 * The matrix: TCP cases in which the same five clients, c1 to c5, try one listener. What became of
 * each is read from the case's checks, whose words are those of the case: "c3 connect ...", "l
 * accept a3, from".
 */
enum { CLIENTS = 5, CLIENTS_MIN = 3 };

static const char MATRIX[] = "tcp-listen-"; /* how these cases' names begin */

static const char *const CLIENT[CLIENTS] = {
	"IPv4 socket<br><span class=\"mono soft\">198.51.100.2</span>",
	"IPv6 socket<br><span class=\"mono soft\">2001:db8:1::2</span>",
	"IPv6 socket, mapped<br><span class=\"mono soft\">::ffff:198.51.100.2</span>",
	"the same with V6ONLY<br><span class=\"mono soft\">::ffff:198.51.100.2</span>",
	"IPv4 socket, given<br><span class=\"mono soft\">2001:db8:1::2</span>",
};

struct attempt {
	const char *result;    /* an error, NULL: none was seen */
	const char *from;      /* what accept said, NULL: nothing was accepted */
	const char *ethertype; /* of its frames, NULL: not asked */
	const char *mss;
};

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static struct attempt attempt_of(const struct case_result *r, int client)
{
	struct attempt a = {0};
	char connect[24], accept[24], type[24], mss[24];

	snprintf(connect, sizeof(connect), "c%d connect ", client);
	snprintf(accept, sizeof(accept), "l accept a%d, from", client);
	snprintf(type, sizeof(type), " of c%d: ethertype", client);
	snprintf(mss, sizeof(mss), " syn of c%d: mss", client);
	for (size_t i = 0; i < r->n_checks; i++) {
		const struct case_check *c = &r->checks[i];

		if (begins(c->what, connect))
			a.result = c->got;
		else if (begins(c->what, accept))
			a.from = c->got;
		else if (c->view == CHECK_WIRE && strstr(c->what, type))
			a.ethertype = c->got;
		else if (c->view == CHECK_WIRE && strstr(c->what, mss))
			a.mss = c->got;
	}
	return a;
}

static bool tried(const struct attempt *a)
{
	return a->result || a->from || a->ethertype;
}

/* Is the case one of the matrix, and does it try enough clients for a row? */
static bool is_row(const struct case_result *r)
{
	int n = 0;

	if (!begins(r->c->name, MATRIX) || !case_was_played(r))
		return false;
	for (int k = 1; k <= CLIENTS; k++) {
		struct attempt a = attempt_of(r, k);

		n += tried(&a);
	}
	return n >= CLIENTS_MIN;
}

/* Search words of a cell, in lower case. */
static void print_words(const struct case_result *r, FILE *out)
{
	char text[512];

	snprintf(text, sizeof(text), "%s %s %s %s %s", r->c->name, r->c->title,
		 case_group_title(r->c->group), case_status_name(r->status),
		 r->judged ? verdict_name(r->verdict) : "");
	for (char *c = text; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	markup_text(out, text);
}

/* Which families the case's frames travelled in, as tags. */
static void print_families(const struct case_result *r, FILE *out)
{
	bool seen[CARRIAGE_NUM] = {false};
	const struct judge_report *rep = r->report;

	for (size_t i = 0; rep && i < rep->n; i++) {
		const struct flow *fl = rep->list[i].c.flow;

		if (rep->list[i].case_index != r->case_index || !fl)
			continue;
		for (uint32_t t = 0; t < rep->run.n_taps; t++)
			for (int w = 0; w < FLOW_WAYS; w++)
				for (int c = 0; c < CARRIAGE_NUM; c++)
					seen[c] |= fl->view[t][w].frames[c] > 0 ||
						   fl->view[t][w].sent_bad_checksum[c] > 0;
	}
	if (seen[CARRIAGE_V4])
		html_tag(out, "v4", "0x0800 IPv4");
	if (seen[CARRIAGE_V6])
		html_tag(out, "v6", "0x86dd IPv6");
	if (seen[CARRIAGE_TUN_6IN4] || seen[CARRIAGE_TUN_OTHER])
		html_tag(out, "", "tunnel");
	if (seen[CARRIAGE_MISMATCH])
		html_tag(out, "", "mismatch");
}

static void print_cell(const struct case_result *r, FILE *out)
{
	fprintf(out, "<button type=\"button\" class=\"cell %s\" data-case=\"",
		case_status_name(r->status));
	markup_text(out, r->c->name);
	fputs("\" data-words=\"", out);
	print_words(r, out);
	fputs("\"><span class=\"name\">", out);
	markup_text(out, r->c->name);
	fputs("</span><span class=\"title\">", out);
	markup_text(out, r->c->title);
	fputs("</span><span class=\"said\">", out);
	html_outcome(out, r);
	/* In the matrix each attempt says it. */
	if (!is_row(r))
		print_families(r, out);
	fputs("</span></button>", out);
}

static void print_attempt(const struct attempt *a, FILE *out)
{
	bool reached = a->from || (a->result && strcmp(a->result, "ok") == 0);

	if (!tried(a)) {
		fputs("<td class=\"no soft\">not tried</td>", out);
		return;
	}
	fprintf(out, "<td class=\"%s\">", reached ? "yes" : "no");
	markup_text(out, reached ? "connected" : a->result ? a->result : "not connected");
	if (a->from) {
		size_t n = strcspn(a->from, " ");
		char from[CHECK_TEXT];

		snprintf(from, sizeof(from), "%.*s", (int)n, a->from);
		fputs("<span class=\"mono\">accept: ", out);
		markup_text(out, from);
		fputs("</span>", out);
	}
	if (a->ethertype) {
		bool v6 = strcmp(a->ethertype, "0x86dd") == 0;

		fprintf(out, "<span class=\"mono %s\">", v6 ? "v6" : "v4");
		markup_text(out, a->ethertype);
		fputs(v6 ? " IPv6" : " IPv4", out);
		if (a->mss) {
			fputs(", MSS ", out);
			markup_text(out, a->mss);
		}
		fputs("</span>", out);
	}
	fputs("</td>", out);
}

/* Returns how many cases stand in the matrix. */
static size_t print_matrix(const struct lab_run *run, FILE *out)
{
	size_t rows = 0;

	for (size_t i = 0; i < run->n_results; i++)
		rows += is_row(&run->results[i]);
	if (rows == 0)
		return 0;
	fputs("<div class=\"scroll\"><table class=\"matrix\"><thead><tr><th class=\"row\">"
	      "Listener \\ client</th>",
	      out);
	for (int k = 0; k < CLIENTS; k++)
		fprintf(out, "<th>%s</th>", CLIENT[k]);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < run->n_results; i++) {
		if (!is_row(&run->results[i]))
			continue;
		fputs("<tr><th class=\"row\">", out);
		print_cell(&run->results[i], out);
		fputs("</th>", out);
		for (int k = 1; k <= CLIENTS; k++) {
			struct attempt a = attempt_of(&run->results[i], k);

			print_attempt(&a, out);
		}
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
	return rows;
}

/* All cases of the group that case @first is the first of. */
static void print_group(const struct lab_run *run, size_t first, FILE *out)
{
	const char *group = run->results[first].c->group;
	size_t rest = 0;

	fputs("<section class=\"group\"><h2><span class=\"letter\">", out);
	markup_text(out, group);
	fputs("</span>", out);
	markup_text(out, case_group_title(group));
	fputs("</h2>\n", out);
	if (strcmp(group, "A") == 0)
		print_matrix(run, out);
	for (size_t i = first; i < run->n_results; i++) {
		const struct case_result *r = &run->results[i];

		if (strcmp(r->c->group, group) != 0 || is_row(r))
			continue;
		if (rest++ == 0)
			fputs(strcmp(group, "A") == 0
				      ? "<h3>More about TCP</h3><div class=\"grid\">\n"
				      : "<div class=\"grid\">\n",
			      out);
		print_cell(r, out);
		fputc('\n', out);
	}
	fputs(rest ? "</div></section>\n" : "</section>\n", out);
}

/* By the groups' letters, whatever order the cases ran in. */
static void print_groups(const struct lab_run *run, FILE *out)
{
	const char *last = "";

	for (;;) {
		const char *next = NULL;
		size_t first = 0;

		for (size_t i = 0; i < run->n_results; i++) {
			const char *g = run->results[i].c->group;

			if (strcmp(g, last) <= 0 || (next && strcmp(g, next) >= 0))
				continue;
			next = g;
			first = i;
		}
		if (!next)
			return;
		print_group(run, first, out);
		last = next;
	}
}

static void fact(FILE *out, const char *name, const char *value)
{
	fputs("<li>", out);
	markup_text(out, name);
	fputs(" <b>", out);
	markup_text(out, value);
	fputs("</b></li>", out);
}

static void print_facts(const struct lab_run *run, FILE *out)
{
	char text[256];
	struct utsname u;
	struct tm tm;
	time_t now = time(NULL);
	size_t n[CASE_STATUSES] = {0};

	for (size_t i = 0; i < run->n_results; i++)
		n[run->results[i].status]++;
	fputs("<ul class=\"facts\">", out);
	snprintf(text, sizeof(text), "%zu of %zu as expected", n[CASE_PASSED],
		 n[CASE_PASSED] + n[CASE_FAILED]);
	fact(out, "Cases", text);
	if (n[CASE_SKIPPED]) {
		snprintf(text, sizeof(text), "%zu", n[CASE_SKIPPED]);
		fact(out, "Could not run here", text);
	}
	if (n[CASE_NOT_APPLICABLE]) {
		snprintf(text, sizeof(text), "%zu", n[CASE_NOT_APPLICABLE]);
		fact(out, "Do not apply to this server", text);
	}
	if (uname(&u) == 0) {
		snprintf(text, sizeof(text), "%s %s %s", u.sysname, u.release, u.machine);
		fact(out, "Kernel", text);
	}
	if (run->engine_text[0])
		fact(out, "Server", run->engine_text);
	snprintf(text, sizeof(text), "%.1f s", (double)run->total_ns / 1e9);
	fact(out, "Took", text);
	if (gmtime_r(&now, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm))
		fact(out, "Run", text);
	fact(out, "dualwire", DUALWIRE_VERSION);
	fputs("</ul>\n", out);
}

static void print_head(const struct lab_run *run, FILE *out)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
	      "<link rel=\"icon\" href=\"data:,\">\n<title>dualwire: how dual-stack traffic really "
	      "travels</title>\n<style>\n",
	      out);
	fputs(PAGE_CSS, out);
	fputs("</style>\n<noscript><style>dialog { display: block; position: static; margin: 2rem "
	      "auto; max-height: none; } .nav, .bar { display: none; }</style></noscript>\n"
	      "</head>\n<body>\n<header><h1>How dual-stack traffic really travels</h1>\n"
	      "<p>Every case ran on two throw-away hosts joined by a cable. Three views were kept "
	      "of each connection: what the program\u2019s calls returned, what socket the kernel "
	      "keeps, and what frames crossed the cable. Open a case to see all three, and the "
	      "frames as a ladder.</p>\n",
	      out);
	print_facts(run, out);
	fputs("<div class=\"legend\"><span><span class=\"tag confirmed\">confirmed</span> every "
	      "frame travelled as the socket says, and none was missed</span><span><span "
	      "class=\"tag contradicted\">contradicted</span> some frame travelled otherwise, or "
	      "two views exclude each other</span><span><span class=\"tag inconclusive\">"
	      "inconclusive</span> neither could be proved</span></div>\n</header>\n<main>\n"
	      "<div class=\"bar\"><label for=\"find\">Find</label><input id=\"find\" "
	      "type=\"search\" placeholder=\"mapped, refused, v6only \u2026\" "
	      "autocomplete=\"off\"><span id=\"count\" class=\"soft\" role=\"status\"></span><span "
	      "class=\"soft\">Enter opens a case, arrow keys go on, Esc closes</span></div>\n",
	      out);
}

/* The index of the report that @r is in; made once for each scene. */
static int print_cases(const struct lab_run *run, FILE *out)
{
	struct flow_index *idx = calloc(run->n_scenes + 1, sizeof(*idx));
	size_t ready = 0;
	int rc = idx ? 0 : -ENOMEM;

	while (rc == 0 && ready < run->n_scenes) {
		rc = flow_index_init(&idx[ready], &run->scenes[ready]->report);
		ready += rc == 0;
	}
	for (size_t i = 0; i < run->n_results && rc == 0; i++) {
		const struct flow_index *mine = NULL;

		for (size_t k = 0; k < ready; k++)
			if (idx[k].report == run->results[i].report)
				mine = &idx[k];
		rc = html_case(&run->results[i], mine, out);
	}
	for (size_t k = 0; k < ready; k++)
		flow_index_free(&idx[k]);
	free(idx);
	return rc;
}

int html_print(const struct lab_run *run, FILE *out)
{
	int rc;

	print_head(run, out);
	print_groups(run, out);
	fputs("</main>\n", out);
	rc = print_cases(run, out);
	fputs("<footer><p>Made by <code>dualwire lab --report</code>. The page needs no network. "
	      "A verdict can be checked: <code>dualwire lab --evidence-dir DIR</code> keeps "
	      "what each rests on, and <code>dualwire judge</code> judges it again.</p>"
	      "</footer>\n<script>\n",
	      out);
	fputs(PAGE_JS, out);
	fputs("</script>\n</body></html>\n", out);
	return rc;
}
