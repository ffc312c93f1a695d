/* SPDX-License-Identifier: MIT */
/* words.h - one line of a case file, cut into words */
#ifndef TOOLS_LAB_WORDS_H
#define TOOLS_LAB_WORDS_H

#include "value.h"

/*
 * Words are separated by blanks; "double quotes" keep blanks inside one. Limits: WORDS_MAX words,
 * WORDS_TEXT characters in all.
 */
enum { WORDS_MAX = 48, WORDS_TEXT = 256, COMPLAINT = 240 };

struct words {
	char text[WORDS_TEXT];
	const char *w[WORDS_MAX];
	bool quoted[WORDS_MAX];
	size_t n, at;
	char complaint[COMPLAINT]; /* what is wrong, why, and what to do; "" while all is well */
};

/* Returns 0, or -EINVAL with the complaint filled. */
int words_cut(const char *line, struct words *ws);

/* The next word without taking it, NULL at the end. */
const char *words_peek(const struct words *ws);

/* Takes the next word; NULL at the end. */
const char *words_take(struct words *ws);

/* Takes the next word if it is @word. */
bool words_accept(struct words *ws, const char *word);

/* Notes the first complaint; returns -EINVAL. */
int words_complain(struct words *ws, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Each takes one word, of which messages speak as @what. Returns 0 or -EINVAL after a complaint. */
int words_number(struct words *ws, const char *what, int64_t lo, int64_t hi, int64_t *n);
int words_addr(struct words *ws, const char *what, struct case_addr *a);
int words_port(struct words *ws, struct case_port *p);
int words_value(struct words *ws, const char *what, struct case_value *v);

#endif
