/* SPDX-License-Identifier: MIT */
/* markup.c - text made safe for XML and HTML */
#include "markup.h"

#include <stdint.h>

/*
 * The length of the UTF-8 sequence at @p, which ends with a NUL: no continuation byte, so nothing
 * is read past it. 0: none, or one for a code point that XML does not have (RFC 3629 3 and 4, XML
 * 1.0 2.2).
 */
static unsigned int sequence(const uint8_t *p)
{
	unsigned int n = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	for (unsigned int i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		       (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe)))
		return 0;
	if (n == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)))
		return 0;
	return n;
}

static const char *entity(uint8_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void markup_text(FILE *out, const char *text)
{
	const uint8_t *p = (const uint8_t *)text;

	while (*p) {
		unsigned int n = *p < 0x80 ? 1 : sequence(p);
		const char *e = entity(*p);

		if (n == 0 || (*p < ' ' && *p != '\t' && *p != '\n') || *p == 0x7f) {
			fputs("\xef\xbf\xbd", out);
			n = 1;
		} else if (e) {
			fputs(e, out);
		} else {
			fwrite(p, 1, n, out);
		}
		p += n;
	}
}
