/* SPDX-License-Identifier: MIT */
/* report.h - judged connections as JSON and as words */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include <jansson.h>

#include "../rawstack/witness/judge.h"

enum { REPORT_TEXT = 256 };

/*
 * One connection: {"proto","result","api","kernel","wire","client","server","verdict","reasons"}.
 * "api" and "kernel" are the server's views where it has them, else the client's, and say whose in
 * "side"; a view that does not exist is null. A server whose "stack" is in user space has none of
 * the kernel's.
 */
json_t *report_connection_json(const struct judge_report *r, const struct judged *j);

/* "AF_INET", "AF_INET6". */
const char *report_family_name(int family);

/*
 * Sets @key, @key_port and, where there is one, @key_scope of @o to an endpoint as a socket of
 * @family shows it.
 */
void report_set_endpoint(json_t *o, const char *key, const struct endpoint *ep, int family);

/* Is @peer what an AF_INET6 socket shows of an IPv4 one? */
bool report_is_mapped(int family, const struct addr *peer);

/*
 * Cells of the table, each into @buf of REPORT_TEXT bytes; returns @buf. Lines within a cell are
 * separated by newlines.
 */
const char *report_api_text(const struct judged *j, char *buf);
const char *report_kernel_text(const struct judged *j, char *buf);
const char *report_wire_text(const struct judge_report *r, const struct judged *j, char *buf);
const char *report_verdict_text(const struct judged *j, char *buf);

/* The exit code that goes with a verdict. */
int report_exit_code(enum verdict v);

/* Escape sequences for a verdict and back, empty texts without colour. */
const char *report_color(enum verdict v, bool color);
const char *report_color_off(bool color);

#endif
