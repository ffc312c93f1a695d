/* SPDX-License-Identifier: MIT */
/* t_json.h - the JSON that the program prints, as a test reads it */
#ifndef TESTS_LAB_T_JSON_H
#define TESTS_LAB_T_JSON_H

#include <jansson.h>

/* @text, which must be one document without a key twice; the caller owns it. Asserts. */
json_t *t_json_parse(const char *text);

/* The text under @key of @o, "" when there is none; @o owns it. */
const char *t_json_text(const json_t *o, const char *key);

/* The number under @key of a run's summary, 0 when there is none. */
json_int_t t_json_count(const json_t *o, const char *key);

#endif
