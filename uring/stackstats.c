/* SPDX-License-Identifier: MIT */
/* stackstats.c - the counters of an engine's own stack, by name */
#include "stackstats.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *name, *text;
	size_t offset;
	bool now;
} rows[] = {
#define ROW(field, text) {#field, text, offsetof(struct stackstats, field), false},
#define LINK_ROW(field, text)                                                                      \
	{"link_" #field, text, offsetof(struct stackstats, link_##field), false},
#define NOW_ROW(field, text) {#field, text, offsetof(struct stackstats, field), true},
	STACK_STATS(ROW) STACKSTATS_LINK(LINK_ROW) STACKSTATS_NOW(NOW_ROW)
#undef NOW_ROW
#undef LINK_ROW
#undef ROW
};

bool stackstats_row(const struct stackstats *s, size_t n, struct stackstats_row *out)
{
	if (n >= sizeof(rows) / sizeof(rows[0]))
		return false;
	*out = (struct stackstats_row){rows[n].name, rows[n].text, rows[n].now, 0};
	memcpy(&out->value, (const uint8_t *)s + rows[n].offset, sizeof(out->value));
	return true;
}
