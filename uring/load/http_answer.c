/* SPDX-License-Identifier: MIT */
/* http_answer.c - where an HTTP/1 answer ends */
#include "http_answer.h"

#include <string.h>
#include <strings.h>

enum { STATUS_CONTINUE_END = 200, STATUS_NO_CONTENT = 204, STATUS_NOT_MODIFIED = 304 };
enum { STATUS_ERROR = 400, STATUS_DIGITS = 3, LENGTH_DIGITS_MAX = 15 };

/* Decimal digits at @p, at least one and at most @max, ending where digits do. False: malformed. */
static bool read_number(const char *p, size_t max, uint64_t *out)
{
	size_t n = strspn(p, "0123456789");

	if (n == 0 || n > max)
		return false;
	*out = 0;
	for (size_t i = 0; i < n; i++)
		*out = *out * 10 + (uint64_t)(p[i] - '0');
	return true;
}

/* The value of header @name in @line, NULL when it is another one. */
static const char *value_of(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	line += n + 1;
	return line + strspn(line, " \t");
}

static bool status_line(struct http_answer *a)
{
	uint64_t status;

	if (strncmp(a->line, "HTTP/1.", 7) != 0 || a->line[7] == '\0' || a->line[8] != ' ' ||
	    strspn(a->line + 9, "0123456789") != STATUS_DIGITS ||
	    !read_number(a->line + 9, STATUS_DIGITS, &status))
		return false;
	a->status = (unsigned int)status;
	/* HTTP/1.0 closes unless told otherwise. */
	a->close = a->line[7] == '0';
	return status < STATUS_ERROR;
}

static bool header_line(struct http_answer *a)
{
	const char *value = value_of(a->line, "Content-Length");

	if (value) {
		a->has_length = true;
		return read_number(value, LENGTH_DIGITS_MAX, &a->left);
	}
	value = value_of(a->line, "Connection");
	if (value)
		a->close = strcasecmp(value, "close") == 0 ||
			   (a->close && strcasecmp(value, "keep-alive") != 0);
	return value_of(a->line, "Transfer-Encoding") == NULL;
}

/* The empty line behind the headers. */
static enum http_answer_state head_end(struct http_answer *a)
{
	if (a->status < STATUS_CONTINUE_END) {
		*a = (struct http_answer){0};
		return HTTP_HEAD;
	}
	if (a->status == STATUS_NO_CONTENT || a->status == STATUS_NOT_MODIFIED ||
	    (a->has_length && a->left == 0))
		return HTTP_COMPLETE;
	if (!a->has_length)
		a->close = true;
	return HTTP_BODY;
}

static enum http_answer_state line_end(struct http_answer *a)
{
	bool first = a->lines++ == 0;

	if (a->line_len > 0 && a->line[a->line_len - 1] == '\r')
		a->line_len--;
	a->line[a->line_len] = '\0';
	if (a->line_len == 0)
		return first ? HTTP_WRONG : head_end(a);
	a->line_len = 0;
	return (first ? status_line(a) : header_line(a)) ? HTTP_HEAD : HTTP_WRONG;
}

/* Returns how many of the bytes belonged to the head. */
static size_t take_head(struct http_answer *a, const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len && a->state == HTTP_HEAD; i++) {
		if (p[i] == '\n')
			a->state = line_end(a);
		else if (a->line_len < HTTP_LINE_MAX - 1)
			a->line[a->line_len++] = p[i];
	}
	return i;
}

enum http_answer_state http_answer_take(struct http_answer *a, const void *data, size_t len)
{
	size_t head = take_head(a, data, len);

	len -= head;
	if (a->state == HTTP_BODY && a->has_length && len <= a->left) {
		a->left -= len;
		if (a->left == 0)
			a->state = HTTP_COMPLETE;
	} else if (len > 0 && (a->state != HTTP_BODY || a->has_length)) {
		a->state = HTTP_WRONG;
	}
	return a->state;
}

enum http_answer_state http_answer_end(struct http_answer *a)
{
	a->state = a->state == HTTP_BODY && !a->has_length ? HTTP_COMPLETE : HTTP_WRONG;
	return a->state;
}
