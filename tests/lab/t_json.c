/* SPDX-License-Identifier: MIT */
/* t_json.c - the JSON that the program prints, as a test reads it */
#include "t_json.h"

#include <criterion/criterion.h>

json_t *t_json_parse(const char *text)
{
	json_error_t error;
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	cr_assert(o, "line %d: %s: %.200s", error.line, error.text, text);
	return o;
}

const char *t_json_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

json_int_t t_json_count(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(o, "summary"), key));
}
