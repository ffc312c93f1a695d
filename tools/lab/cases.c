/* SPDX-License-Identifier: MIT */
/* cases.c - what can be asked of a case, and how it is shown to people */
#include "cases.h"

bool case_has_setting(const struct lab_case *c, enum setting_kind kind)
{
	for (size_t i = 0; i < c->n_settings; i++)
		if (c->settings[i].kind == kind)
			return true;
	return false;
}

bool case_asks_resolver(const struct lab_case *c)
{
	for (size_t i = 0; i < c->n_steps; i++)
		if (c->steps[i].verb == VERB_RESOLVE || c->steps[i].verb == VERB_NAMEINFO)
			return true;
	return false;
}

const char *case_group_title(const char *group)
{
	static const struct {
		const char *group, *title;
	} titles[] = {
		{"A", "TCP: who reaches whom, and in which family"},
		{"B", "UDP: datagrams, their sources, and what travels beside them"},
		{"C", "Ports: who may bind beside whom, and who gets the connection"},
		{"D", "Options: which of them reach the header of a mapped connection"},
		{"E", "Names: what the resolver returns, and asks"},
		{"F", "Addresses: macros, text, checksums"},
		{"G", "Forged and foreign frames"},
		{"H", "Settings of the host"},
	};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		if (strcmp(titles[i].group, group) == 0)
			return titles[i].title;
	return "Cases of your own";
}

static void show_block(FILE *out, const char *title, const char *text)
{
	if (!*text)
		return;
	fprintf(out, "\n%s\n", title);
	while (*text) {
		size_t n = strcspn(text, "\n");

		fprintf(out, "  %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

void case_show(const struct lab_case *c, FILE *out)
{
	fprintf(out, "%s: %s\n", c->name, c->title);
	fprintf(out, "group %s, %s\n", c->group, case_group_title(c->group));
	show_block(out, "The rule is written in", c->source);
	show_block(out, "The same by hand", c->by_hand);
	fprintf(out, "\nThe case, %s line %d\n\n%s", c->file, c->line, c->text);
}
