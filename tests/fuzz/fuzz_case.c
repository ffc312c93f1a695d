/* SPDX-License-Identifier: MIT */
/* fuzz_case.c - arbitrary text against the reader of case files */
#include "../../tools/lab/cases.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Properties: a file that is refused leaves the list as it was and says where in one line; of one
 * that is read every index and count is in bounds, and what is kept of each case as its text is
 * read again to the same case. What is written for our own stack is a whole case as well.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static const char BEFORE[] = "[zz-before]\ntitle = it stays\nstep = wait 1\n";

static int read_bytes(const char *bytes, size_t len, struct case_list *cases, char err[CASE_ERROR])
{
	FILE *in = fmemopen((char *)bytes, len, "r");
	int rc;

	REQUIRE(in);
	rc = case_file_read(in, "fuzz.ini", cases, err);
	fclose(in);
	return rc;
}

static void check_step(const struct lab_case *c, const struct step *st)
{
	REQUIRE(st->verb < VERBS && st->line >= 1);
	REQUIRE(st->sock < (int)c->sockets.n && st->other < (int)c->sockets.n);
	REQUIRE(st->n_wants <= STEP_WANTS_MAX && st->n_items <= STEP_ITEMS_MAX);
	REQUIRE(st->size <= STEP_PAYLOAD_MAX && st->ms <= STEP_WAIT_MAX_MS);
	REQUIRE(strlen(st->text) < sizeof(st->text) && strlen(st->word) < sizeof(st->word));
	REQUIRE(!st->word[0] || st->verb != VERB_SEND || st->size == strlen(st->word));
	REQUIRE(st->verb != VERB_SOCKET || st->type);
	REQUIRE((st->verb != VERB_SET && st->verb != VERB_GET) || st->option);
}

static void check_case(const struct lab_case *c)
{
	REQUIRE(c->name[0] && c->title && c->group && c->source && c->by_hand && c->text &&
		c->file);
	REQUIRE(strlen(c->name) < EVIDENCE_NAME_MAX && c->n_steps > 0);
	REQUIRE(c->sockets.n <= CASE_SOCKETS_MAX && c->n_listeners <= CASE_LISTENERS_MAX);
	REQUIRE(c->n_steps <= CASE_STEPS_MAX && c->n_expects <= CASE_STEPS_MAX);
	REQUIRE(c->n_settings <= CASE_SETTINGS_MAX);
	for (size_t i = 0; i < c->n_steps; i++)
		check_step(c, &c->steps[i]);
	for (size_t i = 0; i < c->n_expects; i++) {
		const struct expect *e = &c->expects[i];

		REQUIRE(e->sock < (int)c->sockets.n && e->n_fields <= EXPECT_FIELDS_MAX);
		REQUIRE(e->n_wants <= STEP_WANTS_MAX && e->frames < FRAMES_KINDS);
	}
}

/* The text that --show prints is the case. */
static void check_text(const struct lab_case *c)
{
	struct case_list again = {0};
	const struct lab_case *d;
	char err[CASE_ERROR];

	REQUIRE(read_bytes(c->text, strlen(c->text), &again, err) == 0);
	REQUIRE(again.n == 1);
	d = &again.list[0];
	REQUIRE(strcmp(c->name, d->name) == 0 && strcmp(c->title, d->title) == 0);
	REQUIRE(c->n_steps == d->n_steps && c->n_expects == d->n_expects);
	REQUIRE(c->n_settings == d->n_settings && c->own_lab == d->own_lab);
	for (size_t i = 0; i < c->n_steps; i++)
		REQUIRE(strcmp(c->steps[i].text, d->steps[i].text) == 0);
	case_list_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct case_list cases = {0};
	char err[CASE_ERROR] = "";
	int rc;

	if (size == 0)
		return 0;
	REQUIRE(read_bytes(BEFORE, sizeof(BEFORE) - 1, &cases, err) == 0 && cases.n == 1);
	rc = read_bytes((const char *)data, size, &cases, err);
	REQUIRE(rc == 0 || rc == -EINVAL);
	REQUIRE((rc == 0) == (err[0] == '\0'));
	REQUIRE(rc == 0 || (cases.n == 1 && strncmp(err, "fuzz.ini:", 9) == 0));
	REQUIRE(strcmp(cases.list[0].title, "it stays") == 0);
	for (size_t i = 1; i < cases.n; i++) {
		check_case(&cases.list[i]);
		check_text(&cases.list[i]);
		if (!cases.list[i].bypass)
			continue;
		check_case(cases.list[i].bypass);
		REQUIRE(cases.list[i].bypass->differs && !cases.list[i].bypass->bypass);
	}
	case_list_free(&cases);
	return 0;
}
