/* SPDX-License-Identifier: MIT */
/* traces.c - an address in somebody else's text */
#include "traces.h"

#include <ctype.h>
#include <stdio.h>

/*
 * A word is a run of the characters that addresses are made of: hexadecimal digits, ':' and '.'.
 * What may stand around an address within such a run is a full stop or colon of the sentence, and a
 * port: "198.51.100.1:80", "::ffff:198.51.100.1:80". So a word that is no address is tried again
 * without its last part.
 */
enum { WORD_MAX = 64 };

static bool is_word_char(char c)
{
	return isxdigit((unsigned char)c) || c == ':' || c == '.';
}

/* An address that ends within letters is part of a name: "fe80::1" in "fe80::1xyz". */
static bool ends_cleanly(const char *text, size_t len, size_t at)
{
	return at == len || (!isalnum((unsigned char)text[at]) && text[at] != '_');
}

static void count_form(struct trace_forms *f, const char *word, bool mapped_form, bool zone)
{
	if (zone)
		f->scoped++;
	else if (!mapped_form)
		f->plain++;
	else if (strchr(word, '.'))
		f->mapped_dotted++;
	else
		f->mapped_hex++;
}

/* Reads the longest address at the start of @word, which ends where it ends. */
static bool read_start(char *word, struct addr *found, enum addr_form *form)
{
	for (size_t n = strlen(word); n > 0; n--) {
		/* Only at a boundary: "1.2.3.4" is not in "1.2.3.45". */
		if (word[n] && word[n] != ':' && word[n] != '.' && word[n - 1] != ':' &&
		    word[n - 1] != '.')
			continue;
		word[n] = '\0';
		if (addr_parse(word, found, form) == 0)
			return true;
	}
	return false;
}

/* The first address in @text, without what stands before it ("client:") and after it (a port). */
static bool read_word(const char *text, char *word, const struct addr *a, enum addr_form *form)
{
	struct addr found;

	while (*text) {
		snprintf(word, WORD_MAX, "%s", text);
		if (read_start(word, &found, form))
			return addr_eq(&found, a);
		text += strcspn(text, ":");
		text += *text == ':';
	}
	return false;
}

static void count_word(struct trace_forms *f, const char *text, size_t len, size_t from, size_t to,
		       const struct addr *a)
{
	bool zone = to + 1 < len && text[to] == '%' && isalnum((unsigned char)text[to + 1]);
	char whole[WORD_MAX], word[WORD_MAX];
	enum addr_form form;

	if (to - from >= sizeof(whole) || !(zone || ends_cleanly(text, len, to)))
		return;
	memcpy(whole, text + from, to - from);
	whole[to - from] = '\0';
	if (read_word(whole, word, a, &form))
		count_form(f, word, addr_is_mapped(a) && form == ADDR_FORM_INET6, zone);
}

struct trace_forms traces_count(const char *text, size_t len, const struct addr *a)
{
	struct trace_forms f = {0};
	size_t i = 0;

	while (i < len) {
		size_t from = i;

		while (i < len && is_word_char(text[i]))
			i++;
		/* After a letter only a colon can begin something new. */
		if (i > from &&
		    (from == 0 || text[from] == ':' || !isalnum((unsigned char)text[from - 1])))
			count_word(&f, text, len, from, i, a);
		if (i == from)
			i++;
	}
	return f;
}
