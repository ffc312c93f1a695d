/* SPDX-License-Identifier: MIT */
/* svg.c - a ladder as a drawing inside an HTML page */
#include "svg.h"

#include "markup.h"

#include <stdbool.h>
#include <string.h>

/*
 * Two uprights, the client's and the server's. Between them the arrows, and below each arrow what
 * the wire says; outside, beside its upright, what each host's kernel and program say. Time goes
 * down. All numbers are user units of a drawing WIDTH wide, one unit a pixel at full size.
 *
 * SVG does not break lines, so notes are broken here, by characters: NOTE_CHARS fit the room beside
 * an upright, WIRE_CHARS that between them, in the page's 12 px text.
 */
enum {
	WIDTH = 1120,
	CLIENT_X = 300,
	SERVER_X = 820,
	HEAD = 56,
	LINE = 16,
	NOTE_CHARS = 40,
	WIRE_CHARS = 70,
	ARROW_ROOM = 40, /* label, arrow and time */
	RUNG_GAP = 14,
	NOTE_GAP = 3,
	SLOPE = 7, /* a frame arrives later than it leaves */
	BADGE = 7, /* radius of a step's number */
};

enum place { PLACE_CLIENT, PLACE_WIRE, PLACE_SERVER, PLACES };

static enum place place_of(enum ladder_voice v)
{
	if (v == LADDER_WIRE)
		return PLACE_WIRE;
	return v == LADDER_CLIENT_PROGRAM || v == LADDER_CLIENT_KERNEL ? PLACE_CLIENT
								       : PLACE_SERVER;
}

static size_t room_at(enum place p)
{
	return p == PLACE_WIRE ? WIRE_CHARS : NOTE_CHARS;
}

/* How many bytes of @text make a line, broken at a blank where there is one. */
static size_t chunk(const char *text, size_t room)
{
	size_t n = strlen(text);

	if (n <= room)
		return n;
	for (n = room; n > 0 && text[n] != ' ';)
		n--;
	return n ? n : room;
}

/* Who says it, in one word: which host it is the place tells. */
static const char *speaker(enum ladder_voice v)
{
	switch (v) {
	case LADDER_CLIENT_PROGRAM:
	case LADDER_SERVER_PROGRAM:
		return "program: ";
	case LADDER_CLIENT_KERNEL:
	case LADDER_SERVER_KERNEL:
		return "kernel: ";
	case LADDER_SERVER_STACK:
		return "stack: ";
	default:
		return "";
	}
}

static void note_text(const struct ladder_note *n, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", speaker(n->voice), n->text);
}

static int lines_of(const struct ladder_note *n)
{
	char text[LADDER_TEXT_MAX + 16];
	const char *rest = text;
	int lines = 0;

	note_text(n, text, sizeof(text));
	while (*rest) {
		rest += chunk(rest, room_at(place_of(n->voice)));
		rest += strspn(rest, " ");
		lines++;
	}
	return lines;
}

/* Height of a rung: of what is said at each place the most. */
static int height_of(const struct ladder_rung *r)
{
	int height[PLACES] = {0}, arrow = r->has_frame ? ARROW_ROOM : 0, most = arrow;

	for (size_t i = 0; i < r->n_notes; i++)
		height[place_of(r->notes[i].voice)] += lines_of(&r->notes[i]) * LINE + NOTE_GAP;
	height[PLACE_WIRE] += r->addresses_shown * LINE;
	for (int p = 0; p < PLACES; p++) {
		int h = height[p] + (p == PLACE_WIRE ? arrow : arrow / 2);

		if (h > most)
			most = h;
	}
	return most + RUNG_GAP + (r->omitted ? LINE : 0);
}

static void text_begin(FILE *out, int x, int y, const char *class, const char *anchor)
{
	fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"%s\" text-anchor=\"%s\">", x, y, class,
		anchor);
}

static void text_at(FILE *out, int x, int y, const char *class, const char *anchor,
		    const char *text)
{
	text_begin(out, x, y, class, anchor);
	markup_text(out, text);
	fprintf(out, "</text>\n");
}

/* @n bytes of a note, of which the first @bold say who speaks. */
static void note_line(FILE *out, const char *text, size_t n, size_t bold)
{
	char part[LADDER_TEXT_MAX + 16];

	if (bold) {
		fprintf(out, "<tspan class=\"who\">%.*s</tspan> ", (int)bold - 1, text);
		text += bold;
		n -= bold;
	}
	snprintf(part, sizeof(part), "%.*s", (int)n, text);
	markup_text(out, part);
	fprintf(out, "</text>\n");
}

/* The number of a step, in a disc. */
static void badge(FILE *out, int x, int y, unsigned int step)
{
	fprintf(out,
		"<circle cx=\"%d\" cy=\"%d\" r=\"%d\" class=\"step\"/>"
		"<text x=\"%d\" y=\"%d\" class=\"stepno\" text-anchor=\"middle\">%u</text>\n",
		x, y - 4, BADGE, x, y, step);
}

/* Writes a note from @y on and returns where the next one begins. */
static int draw_note(FILE *out, const struct ladder_note *n, int y)
{
	static const struct {
		int badge, text;
		const char *anchor;
	} at[PLACES] = {
		[PLACE_CLIENT] = {CLIENT_X - 16, CLIENT_X - 28, "end"},
		[PLACE_WIRE] = {CLIENT_X + 24, CLIENT_X + 36, "start"},
		[PLACE_SERVER] = {SERVER_X + 16, SERVER_X + 28, "start"},
	};
	enum place p = place_of(n->voice);
	char text[LADDER_TEXT_MAX + 16];
	const char *rest = text;

	note_text(n, text, sizeof(text));
	if (n->step)
		badge(out, at[p].badge, y, n->step);
	while (*rest) {
		size_t len = chunk(rest, room_at(p));

		text_begin(out, at[p].text, y,
			   n->fault	     ? "wire bad"
			   : p == PLACE_WIRE ? "wire"
					     : "note",
			   at[p].anchor);
		note_line(out, rest, len, rest == text ? strlen(speaker(n->voice)) : 0);
		rest += len;
		rest += strspn(rest, " ");
		y += LINE;
	}
	return y + NOTE_GAP;
}

static const char *arrow_class(const struct ladder_rung *r)
{
	if (r->against)
		return "arrow against";
	if (strncmp(r->label, "0x0800", 6) == 0)
		return "arrow v4";
	return strncmp(r->label, "0x86dd", 6) == 0 ? "arrow v6" : "arrow";
}

/* The arrow with what it carries above and its time below; a lost one ends half-way in a cross. */
static void draw_arrow(FILE *out, const struct ladder *l, const struct ladder_rung *r, int y)
{
	bool back = r->way == FLOW_TO_CLIENT, lost = l->both_ends && r->left && !r->arrived;
	int from = back ? SERVER_X : CLIENT_X, to = back ? CLIENT_X : SERVER_X;
	int end = lost ? (from + to) / 2 : to, sign = back ? -1 : 1;
	char time[48];

	fprintf(out, "<g class=\"%s\"><path d=\"M%d %d L%d %d\"/>", arrow_class(r), from, y,
		end - sign * (lost ? 0 : 6), y + SLOPE);
	if (lost)
		fprintf(out, "<path class=\"cross\" d=\"M%d %d l12 12 m0 -12 l-12 12\"/>", end - 6,
			y + SLOPE - 6);
	else
		fprintf(out, "<path class=\"head\" d=\"M%d %d l%d -5 l0 10 z\"/>", end, y + SLOPE,
			-11 * sign);
	fprintf(out, "</g>\n");
	text_at(out, (CLIENT_X + SERVER_X) / 2, y - 5, r->against ? "label bad" : "label", "middle",
		r->label);
	snprintf(time, sizeof(time), "%.3f ms", (double)r->at_ns / 1e6);
	text_at(out, back ? SERVER_X - 8 : CLIENT_X + 8, y + (back ? 14 : 16), "time",
		back ? "end" : "start", time);
}

/* Returns where the next rung begins. */
static int draw_rung(FILE *out, const struct ladder *l, const struct ladder_rung *r, int top)
{
	int y[PLACES], base = top + (r->omitted ? LINE : 0);

	if (r->omitted) {
		char text[64];

		snprintf(text, sizeof(text), "%llu frames are not shown",
			 (unsigned long long)r->omitted);
		text_at(out, (CLIENT_X + SERVER_X) / 2, top + 4, "time", "middle", text);
	}
	y[PLACE_CLIENT] = y[PLACE_SERVER] = base + (r->has_frame ? ARROW_ROOM / 2 : 0) + 4;
	y[PLACE_WIRE] = base + (r->has_frame ? ARROW_ROOM : 0) + 12;
	if (r->has_frame)
		draw_arrow(out, l, r, base + ARROW_ROOM / 2);
	if (r->addresses_shown) {
		text_at(out, CLIENT_X + 36, y[PLACE_WIRE], "mono", "start", r->addresses);
		y[PLACE_WIRE] += LINE;
	}
	for (size_t i = 0; i < r->n_notes; i++) {
		enum place p = place_of(r->notes[i].voice);

		y[p] = draw_note(out, &r->notes[i], y[p]);
	}
	return top + height_of(r);
}

static void draw_ends(FILE *out, const struct ladder *l, int height)
{
	text_at(out, CLIENT_X, 18, "host", "middle", "client");
	text_at(out, SERVER_X, 18, "host", "middle", "server");
	text_at(out, CLIENT_X, 36, "mono", "middle", l->client);
	text_at(out, SERVER_X, 36, "mono", "middle", l->server);
	for (int i = 0; i < 2; i++)
		fprintf(out, "<path class=\"upright\" d=\"M%d 44 V%d\"/>\n",
			i ? SERVER_X : CLIENT_X, height - 4);
}

void svg_ladder(const struct ladder *l, FILE *out)
{
	int height = HEAD, y = HEAD;

	for (size_t i = 0; i < l->n_rungs; i++)
		height += height_of(&l->rungs[i]);
	fprintf(out,
		"<svg class=\"ladder\" viewBox=\"0 0 %d %d\" role=\"img\" "
		"aria-label=\"Ladder of %zu frames: ",
		WIDTH, height, l->n_rungs);
	markup_text(out, l->title);
	fprintf(out, "\">\n");
	draw_ends(out, l, height);
	for (size_t i = 0; i < l->n_rungs; i++)
		y = draw_rung(out, l, &l->rungs[i], y);
	fprintf(out, "</svg>\n");
}
