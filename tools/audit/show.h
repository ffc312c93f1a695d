/* SPDX-License-Identifier: MIT */
/* show.h - an audit for people and for programs */
#ifndef TOOLS_AUDIT_SHOW_H
#define TOOLS_AUDIT_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "audit.h"

/* One line a check or finding, and one with its remedy. */
void show_text(const struct audit *a, bool color, FILE *out);

/*
 * The three views of all connections as a table on stdout, and each finding's connection as a
 * ladder. Nothing without keep_evidence. Returns 0 or -ENOMEM.
 */
int show_views(const struct audit *a, bool color);

/* The judged connection of @f, NULL: none was seen. */
const struct judged *show_connection(const struct audit *a, const struct finding *f);

/* Its ladder, @width columns wide. Returns 0 or -ENOMEM. */
int show_ladder(const struct audit *a, const struct judged *j, unsigned int width, FILE *out);

/* Test Anything Protocol, version 14: a test for each check. */
void show_tap(const struct audit *a, FILE *out);

/* All of it; NULL: out of memory. */
json_t *show_json(const struct audit *a);

#endif
