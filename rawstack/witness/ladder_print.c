/* SPDX-License-Identifier: MIT */
/* ladder_print.c - a ladder as text */
#include "ladder.h"

#include <string.h>

/*
 * A line is: time (TIME columns), a blank and a mark, the two ends' uprights with the arrow between
 * them (lane + 2), and beside it a note. On a narrow terminal the notes stand below, indented.
 */
enum { TIME = 8, LANE_MIN = 46, GAP = 2, INDENT = 4 };

struct layout {
	FILE *out;
	unsigned int lane; /* columns between the uprights */
	unsigned int left; /* where notes start */
	unsigned int width;
	bool beside;
};

static struct layout lay_out(const struct ladder *l, unsigned int width, FILE *out)
{
	struct layout y = {.out = out, .lane = LANE_MIN, .width = width};
	unsigned int ends = (unsigned int)(strlen(l->client) + strlen(l->server));

	if (y.width < LADDER_WIDTH_MIN)
		y.width = LADDER_WIDTH_MIN;
	for (size_t i = 0; i < l->n_rungs; i++) {
		const struct ladder_rung *r = &l->rungs[i];
		unsigned int need = (unsigned int)strlen(r->label) + 8;

		if (r->addresses_shown && strlen(r->addresses) + 4 > need)
			need = (unsigned int)strlen(r->addresses) + 4;
		if (need > y.lane)
			y.lane = need;
	}
	if (ends > y.lane)
		y.lane = ends;
	if (y.lane > y.width - TIME - 4)
		y.lane = y.width - TIME - 4;
	y.beside = y.width >= LADDER_WIDTH_BESIDE && y.width > y.lane + 70;
	y.left = y.beside ? TIME + 2 + y.lane + 2 + GAP : TIME + 2 + INDENT;
	return y;
}

/* The arrow with its label: "-- label ------>", "<------ label --"; lost: 'x' for the head. */
static void draw_arrow(const struct layout *y, const struct ladder *l, const struct ladder_rung *r,
		       char *lane)
{
	size_t n = strlen(r->label);
	bool lost = l->both_ends && r->left && !r->arrived;
	bool back = r->way == FLOW_TO_CLIENT;

	memset(lane, '-', y->lane);
	lane[y->lane] = '\0';
	if (n > y->lane - 6)
		n = y->lane - 6;
	lane[back ? y->lane - n - 4 : 2] = ' ';
	memcpy(lane + (back ? y->lane - n - 3 : 3), r->label, n);
	lane[back ? y->lane - 3 : n + 3] = ' ';
	lane[back ? 0 : y->lane - 1] = lost ? 'x' : back ? '<' : '>';
	if (l->both_ends && !r->left)
		lane[back ? y->lane - 1 : 0] = '?';
}

/*
 * The part of a rung's line @i that stands before the notes: the arrow, then perhaps the
 * addresses, then nothing between the uprights.
 */
static void print_lane(const struct layout *y, const struct ladder *l, const struct ladder_rung *r,
		       size_t i)
{
	char lane[2 * LADDER_LABEL_MAX] = "";

	if (i == 0 && r->has_frame) {
		draw_arrow(y, l, r, lane);
		fprintf(y->out, "%*.3f %c", TIME, (double)r->at_ns / 1e6, r->against ? '!' : ' ');
	} else {
		if (i == 1 && r->addresses_shown)
			snprintf(lane, sizeof(lane), "   %.*s", (int)y->lane - 3, r->addresses);
		fprintf(y->out, "%*s  ", TIME, "");
	}
	fprintf(y->out, "|%-*s|", (int)y->lane, lane);
}

/* How many bytes of @text fit in @room columns, broken at a blank where there is one. */
static size_t chunk(const char *text, size_t room)
{
	size_t n = strlen(text);

	if (n <= room)
		return n;
	for (n = room; n > 0 && text[n] != ' ';)
		n--;
	return n ? n : room;
}

/* The notes of a rung as lines that are written one by one. */
struct note_lines {
	const struct ladder_rung *r;
	size_t note, at; /* the note, and how much of its text is written */
	char text[LADDER_TEXT_MAX + 32];
};

static bool lines_left(const struct note_lines *ls)
{
	return ls->note < ls->r->n_notes;
}

static void print_note_line(const struct layout *y, struct note_lines *ls)
{
	const struct ladder_note *note = &ls->r->notes[ls->note];
	size_t room = y->width - y->left - 3, n;
	char step[4] = "";

	if (ls->at == 0) {
		snprintf(ls->text, sizeof(ls->text), "%s: %s", ladder_voice_name(note->voice),
			 note->text);
		if (note->step)
			snprintf(step, sizeof(step), "%u", note->step);
	}
	n = chunk(ls->text + ls->at, ls->at ? room - 2 : room);
	fprintf(y->out, "%-3s%s%.*s", step, ls->at ? "  " : "", (int)n, ls->text + ls->at);
	ls->at += n;
	ls->at += strspn(ls->text + ls->at, " ");
	if (ls->text[ls->at] == '\0') {
		ls->at = 0;
		ls->note++;
	}
}

static void print_rung(const struct layout *y, const struct ladder *l, const struct ladder_rung *r)
{
	size_t lanes = r->has_frame ? 1 + r->addresses_shown : 0;
	struct note_lines ls = {.r = r};

	if (r->omitted)
		fprintf(y->out, "%*s  ... %llu frames are not shown ...\n", TIME, "",
			(unsigned long long)r->omitted);
	for (size_t i = 0; i < lanes || (y->beside && lines_left(&ls)); i++) {
		print_lane(y, l, r, i);
		if (y->beside && lines_left(&ls)) {
			fprintf(y->out, "%*s", GAP, "");
			print_note_line(y, &ls);
		}
		fputc('\n', y->out);
	}
	while (lines_left(&ls)) {
		fprintf(y->out, "%*s", (int)y->left, "");
		print_note_line(y, &ls);
		fputc('\n', y->out);
	}
}

/* Who stands at which upright: on one line where both fit, else the server's on the next. */
static void print_ends(const struct layout *y, const struct ladder *l)
{
	int gap = (int)y->lane + 2 - (int)strlen(l->client) - (int)strlen(l->server);

	fprintf(y->out, "%*s  %s", TIME, "ms", l->client);
	if (gap >= 2)
		fprintf(y->out, "%*s%s\n", gap, "", l->server);
	else
		fprintf(y->out, "\n%*s\n", TIME + 2 + (int)y->lane + 2, l->server);
}

void ladder_print(const struct ladder *l, unsigned int width, FILE *out)
{
	struct layout y = lay_out(l, width, out);

	fprintf(out, "%s\n%s", l->title, verdict_name(l->verdict));
	for (int i = 0; i < REASON_NUM; i++)
		if (l->reasons & reason_bit((enum reason)i))
			fprintf(out, "\n%s: %s", reason_name((enum reason)i),
				reason_text((enum reason)i));
	fputs("\n\n", out);
	print_ends(&y, l);
	for (size_t i = 0; i < l->n_rungs; i++)
		print_rung(&y, l, &l->rungs[i]);
}
