/* SPDX-License-Identifier: MIT */
/* page.h - style and script of the report; page.c is made from page.css and page.js by
 * scripts/embed-text */
#ifndef TOOLS_LAB_PAGE_H
#define TOOLS_LAB_PAGE_H

extern const char PAGE_CSS[];
extern const char PAGE_JS[];

#endif
