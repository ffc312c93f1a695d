/* SPDX-License-Identifier: MIT */
/* choice.c - which cases a person asked for: built-in ones and their own */
#include "choice.h"

#include "../cli.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <sys/stat.h>

static int no_memory(void)
{
	return cli_fail("lab", "out of memory");
}

static int read_file(const char *path, struct case_list *cases)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *in = standard ? stdin : fopen(path, "r");
	char err[CASE_ERROR];
	struct stat st;
	int rc;

	if (in && fstat(fileno(in), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(in);
		in = NULL;
		errno = EISDIR;
	}
	if (!in)
		return cli_usage_error("lab",
				       "cannot read '%.200s': %s; name a case file, see "
				       "dualwire-cases(5)",
				       path, strerrordesc_np(errno));
	rc = case_file_read(in, path, cases, err);
	if (!standard)
		fclose(in);
	if (rc == -ENOMEM)
		return no_memory();
	return rc < 0 ? cli_usage_error("lab", "%s", err) : 0;
}

static size_t mark(const struct choice *ch, const char *pattern, bool *chosen)
{
	size_t hits = 0;

	for (size_t i = 0; i < ch->all.n; i++) {
		const struct lab_case *c = &ch->all.list[i];

		if (strcmp(pattern, c->group) != 0 && fnmatch(pattern, c->name, 0) != 0)
			continue;
		chosen[i] = true;
		hits++;
	}
	return hits;
}

static int mark_all(const struct choice *ch, char **patterns, bool own, bool *chosen)
{
	for (size_t i = own ? ch->n_builtin : 0; !*patterns && i < ch->all.n; i++)
		chosen[i] = true;
	for (; *patterns; patterns++)
		if (mark(ch, *patterns, chosen) == 0)
			return cli_usage_error(
				"lab",
				"there is no case '%.100s'; 'dualwire lab --list' shows them",
				*patterns);
	return 0;
}

static int choose(struct choice *ch, char **patterns, bool own)
{
	bool *chosen = calloc(ch->all.n + 1, sizeof(*chosen));
	int rc;

	ch->cases = calloc(ch->all.n + 1, sizeof(const struct lab_case *));
	if (!chosen || !ch->cases) {
		free(chosen);
		return no_memory();
	}
	rc = mark_all(ch, patterns, own, chosen);
	for (size_t i = 0; rc == 0 && i < ch->all.n; i++)
		if (chosen[i])
			ch->cases[ch->n++] = &ch->all.list[i];
	free(chosen);
	return rc;
}

int choice_make(const char *const *files, size_t n_files, char **patterns, struct choice *ch)
{
	char err[CASE_ERROR] = "";
	int rc;

	*ch = (struct choice){.n = 0};
	rc = cases_builtin(&ch->all, err) < 0
		     ? cli_fail("lab", "the built-in cases cannot be read: %s", err)
		     : 0;
	ch->n_builtin = ch->all.n;
	for (size_t i = 0; i < n_files && rc == 0; i++)
		rc = read_file(files[i], &ch->all);
	if (rc == 0)
		rc = choose(ch, patterns, n_files > 0);
	if (rc)
		choice_free(ch);
	return rc;
}

void choice_free(struct choice *ch)
{
	free(ch->cases);
	case_list_free(&ch->all);
	*ch = (struct choice){.n = 0};
}

static bool first_of_group(const struct choice *ch, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(ch->cases[k]->group, ch->cases[i]->group) == 0)
			return false;
	return true;
}

static void list_case(const struct lab_case *c, const struct bypass_plan *plan, FILE *out)
{
	char why[PLAN_WHY];
	const struct lab_case *played = bypass_plan_case(plan, c, why);

	fprintf(out, "   %-28s %s%s\n", c->name, c->title,
		played && played->expected == VERDICT_CONTRADICTED
			? " (contradicted, and should be)"
			: "");
	if (!played)
		fprintf(out, "   %-28s - does not apply: %s\n", "", why);
	else if (played->differs)
		fprintf(out, "   %-28s + otherwise, on purpose: %s\n", "", played->differs);
}

static void count_playable(const struct choice *ch, const struct bypass_plan *plan, FILE *out)
{
	char why[PLAN_WHY];
	size_t n = 0;

	for (size_t i = 0; i < ch->n; i++)
		n += bypass_plan_case(plan, ch->cases[i], why) != NULL;
	fprintf(out, "\n%zu of %zu cases apply to engine bypass.\n", n, ch->n);
}

void choice_list(const struct choice *ch, const struct bypass_plan *plan, FILE *out)
{
	size_t shown = 0;

	for (size_t i = 0; i < ch->n; i++) {
		const char *group = ch->cases[i]->group;

		if (!first_of_group(ch, i))
			continue;
		fprintf(out, "%s%s  %s\n", shown++ ? "\n" : "", group, case_group_title(group));
		for (size_t k = i; k < ch->n; k++)
			if (strcmp(ch->cases[k]->group, group) == 0)
				list_case(ch->cases[k], plan, out);
	}
	if (plan)
		count_playable(ch, plan, out);
}

int choice_list_json(const struct choice *ch, const struct bypass_plan *plan)
{
	json_t *list = json_array();
	char why[PLAN_WHY];

	for (size_t i = 0; i < ch->n; i++) {
		const struct lab_case *c = ch->cases[i], *played = bypass_plan_case(plan, c, why);
		bool judged = (played ? played : c)->judged;
		enum verdict expected = (played ? played : c)->expected;

		json_array_append_new(
			list,
			json_pack("{s:s,s:s,s:s,s:s,s:s,s:s?,s:s,s:s,s:b,s:s?,s:s?}", "name",
				  c->name, "group", c->group, "title", c->title, "source",
				  c->source, "by_hand", c->by_hand, "expected",
				  judged ? verdict_name(expected) : NULL, "file", c->file, "text",
				  c->text, "applies", played != NULL, "why_not",
				  played ? NULL : why, "differs", played ? played->differs : NULL));
	}
	return cli_print_json(json_pack("{s:o}", "cases", list));
}
