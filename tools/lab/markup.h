/* SPDX-License-Identifier: MIT */
/* markup.h - text made safe for XML and HTML */
#ifndef TOOLS_LAB_MARKUP_H
#define TOOLS_LAB_MARKUP_H

#include <stdio.h>

/*
 * Writes @text so that it is text wherever it stands in XML or HTML, between tags or in a quoted
 * attribute: markup characters as entities, and what neither format allows (control characters but
 * tab and newline, bytes that are not UTF-8, U+FFFE and U+FFFF) as U+FFFD.
 */
void markup_text(FILE *out, const char *text);

#endif
