/* SPDX-License-Identifier: MIT */
/* words.c - one line of a case file, cut into words */
#include "words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Ends the word at @p with a NUL; returns what follows it, NULL when a quote is not closed. */
static char *cut_one(char *p, struct words *ws)
{
	char end = *p == '"' ? '"' : ' ';

	p += end == '"';
	ws->quoted[ws->n] = end == '"';
	ws->w[ws->n++] = p;
	while (*p && *p != end && !(end == ' ' && *p == '\t'))
		p++;
	if (!*p)
		return end == '"' ? NULL : p;
	*p = '\0';
	return p + 1;
}

int words_cut(const char *line, struct words *ws)
{
	char *p = ws->text;

	*ws = (struct words){0};
	if (strlen(line) >= sizeof(ws->text))
		return words_complain(ws, "the line is too long; use at most %d characters",
				      WORDS_TEXT - 1);
	memcpy(ws->text, line, strlen(line) + 1);
	for (p += strspn(p, " \t"); *p; p += strspn(p, " \t")) {
		if (ws->n == WORDS_MAX)
			return words_complain(ws, "too many words; a line holds at most %d",
					      WORDS_MAX);
		p = cut_one(p, ws);
		if (!p)
			return words_complain(ws, "a quote is not closed; add a \"");
	}
	return 0;
}

const char *words_peek(const struct words *ws)
{
	return ws->at < ws->n ? ws->w[ws->at] : NULL;
}

const char *words_take(struct words *ws)
{
	return ws->at < ws->n ? ws->w[ws->at++] : NULL;
}

bool words_accept(struct words *ws, const char *word)
{
	const char *next = words_peek(ws);

	if (!next || strcmp(next, word) != 0)
		return false;
	ws->at++;
	return true;
}

int words_complain(struct words *ws, const char *fmt, ...)
{
	va_list ap;

	if (ws->complaint[0])
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(ws->complaint, sizeof(ws->complaint), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int words_number(struct words *ws, const char *what, int64_t lo, int64_t hi, int64_t *n)
{
	const char *w = words_take(ws);

	if (w && case_number_parse(w, n) == 0 && *n >= lo && *n <= hi)
		return 0;
	return words_complain(ws, "'%.40s' is no %s; write a number from %lld to %lld", w ? w : "",
			      what, (long long)lo, (long long)hi);
}

int words_addr(struct words *ws, const char *what, struct case_addr *a)
{
	const char *w = words_take(ws), *why = "the line ends";

	if (w && case_addr_parse(w, a, &why) == 0)
		return 0;
	return words_complain(ws, "'%.60s' is no %s: %s", w ? w : "", what, why);
}

int words_port(struct words *ws, struct case_port *p)
{
	const char *w = words_take(ws);

	if (w && case_port_parse(w, p) == 0)
		return 0;
	return words_complain(ws, "'%.40s' is no port; write P, P+1 to P+%d, a number or *",
			      w ? w : "", CASE_PORTS - 1);
}

int words_value(struct words *ws, const char *what, struct case_value *v)
{
	const char *w = words_take(ws);

	if (w && case_value_parse(w, v) == 0)
		return 0;
	return words_complain(ws, "there is no %s, or it is too long; at most %d characters", what,
			      VALUE_TEXT - 1);
}
