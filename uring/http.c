/* SPDX-License-Identifier: MIT */
/* http.c - reads HTTP/1 requests byte by byte, for a server with one answer to all of them */
#include "http.h"

#include <string.h>

/*
 * One function per state; each takes one byte and leaves r->state. Where a lenient reading could be
 * understood differently by another program on the way (two lengths, space before a colon, folded
 * lines), the request is refused: RFC 9112 11.2.
 */

enum state {
	START, /* before a request: empty lines are passed over, RFC 9112 2.2 */
	METHOD,
	TARGET,
	VERSION,
	LINE_END, /* a CR was read: only LF may follow */
	FIELD_START,
	FIELD_NAME,
	VALUE_START,
	VALUE,
	HEAD_END, /* the CR of the empty line was read */
	BODY,
};

enum field { FIELD_OTHER, FIELD_CONNECTION, FIELD_LENGTH, FIELD_HOST, FIELD_CODING, FIELD_EXPECT };

static const struct {
	const char *name;
	enum field field;
} fields[] = {
	{"connection", FIELD_CONNECTION},    {"content-length", FIELD_LENGTH}, {"host", FIELD_HOST},
	{"transfer-encoding", FIELD_CODING}, {"expect", FIELD_EXPECT},
};

enum { N_FIELDS = sizeof(fields) / sizeof(fields[0]) };

static const char version_text[] = "HTTP/1.";

/* RFC 9110 5.6.2 */
static bool is_token(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Text of a target or value: no control character, and obs-text is let through. */
static bool is_text(uint8_t c)
{
	return (c >= ' ' && c != 0x7f) || c == '\t';
}

/* A word that is too long for r->word is none of those that matter: it is kept as "". */
static void word_add(struct http_reader *r, uint8_t c)
{
	if (r->position < HTTP_WORD_MAX - 1)
		r->word[r->position] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	if (r->position < HTTP_WORD_MAX)
		r->position++;
}

static bool word_is(const struct http_reader *r, const char *text)
{
	return r->position == strlen(text) && memcmp(r->word, text, r->position) == 0;
}

static enum http_result read_start(struct http_reader *r, uint8_t c)
{
	if (c == '\r' || c == '\n')
		return HTTP_MORE;
	*r = (struct http_reader){.state = METHOD, .head_bytes = r->head_bytes};
	if (!is_token(c))
		return HTTP_BAD;
	word_add(r, c);
	return HTTP_MORE;
}

static enum http_result read_method(struct http_reader *r, uint8_t c)
{
	if (is_token(c)) {
		word_add(r, c);
		return HTTP_MORE;
	}
	r->head = word_is(r, "head");
	r->state = TARGET;
	r->position = 0;
	return c == ' ' ? HTTP_MORE : HTTP_BAD;
}

static enum http_result read_target(struct http_reader *r, uint8_t c)
{
	if (c == ' ' && r->position > 0) {
		r->state = VERSION;
		r->position = 0;
		return HTTP_MORE;
	}
	r->position = 1;
	return is_text(c) && c != ' ' && c != '\t' ? HTTP_MORE : HTTP_BAD;
}

static enum http_result read_version(struct http_reader *r, uint8_t c)
{
	const uint8_t minor_at = sizeof(version_text) - 1, major_at = minor_at - 2;

	if (r->position < minor_at) {
		if (r->position == major_at && c != '1' && c >= '0' && c <= '9')
			return HTTP_BAD_VERSION;
		return c == (uint8_t)version_text[r->position++] ? HTTP_MORE : HTTP_BAD;
	}
	if (r->position == minor_at) {
		r->position++;
		r->minor_0 = c == '0';
		return c >= '0' && c <= '9' ? HTTP_MORE : HTTP_BAD;
	}
	r->state = c == '\r' ? LINE_END : FIELD_START;
	return c == '\r' || c == '\n' ? HTTP_MORE : HTTP_BAD;
}

static enum http_result read_line_end(struct http_reader *r, uint8_t c)
{
	r->state = FIELD_START;
	return c == '\n' ? HTTP_MORE : HTTP_BAD;
}

static enum http_result request_end(struct http_reader *r)
{
	r->state = START;
	r->head_bytes = 0;
	return HTTP_REQUEST;
}

/* The empty line: what was read is judged as a whole. */
static enum http_result head_end(struct http_reader *r)
{
	/* RFC 9112 3.2: an HTTP/1.1 request has one Host. */
	if (r->hosts > 1 || (r->hosts == 0 && !r->minor_0))
		return HTTP_BAD;
	r->keep_alive = !r->said_close && (!r->minor_0 || r->said_keep);
	if (r->length == 0)
		return request_end(r);
	r->state = BODY;
	return HTTP_MORE;
}

static enum http_result read_field_start(struct http_reader *r, uint8_t c)
{
	if (c == '\n')
		return head_end(r);
	if (c == '\r') {
		r->state = HEAD_END;
		return HTTP_MORE;
	}
	r->state = FIELD_NAME;
	r->position = 0;
	if (!is_token(c)) /* also a folded line */
		return HTTP_BAD;
	word_add(r, c);
	return HTTP_MORE;
}

static enum http_result field_begin(struct http_reader *r)
{
	r->field = FIELD_OTHER;
	for (size_t i = 0; i < N_FIELDS; i++) {
		if (word_is(r, fields[i].name))
			r->field = (uint8_t)fields[i].field;
	}
	r->state = VALUE_START;
	r->position = 0;
	switch ((enum field)r->field) {
	case FIELD_LENGTH: /* a second one could be read differently by others */
		if (r->has_length)
			return HTTP_BAD;
		r->has_length = true;
		return HTTP_MORE;
	case FIELD_HOST:
		r->hosts += r->hosts < 2;
		return HTTP_MORE;
	case FIELD_CODING:
		return HTTP_UNSUPPORTED;
	case FIELD_EXPECT:
		return HTTP_EXPECTATION;
	case FIELD_CONNECTION:
	case FIELD_OTHER:
		break;
	}
	return HTTP_MORE;
}

static enum http_result read_field_name(struct http_reader *r, uint8_t c)
{
	if (is_token(c)) {
		word_add(r, c);
		return HTTP_MORE;
	}
	return c == ':' ? field_begin(r) : HTTP_BAD;
}

/* Content-Length: digits only, and then nothing but spaces. r->position: 0 before, 1 in, 2 behind
 * them. */
static enum http_result length_add(struct http_reader *r, uint8_t c)
{
	if (c == ' ' || c == '\t') {
		r->position = r->position == 0 ? 0 : 2;
		return HTTP_MORE;
	}
	if (c < '0' || c > '9' || r->position == 2 || r->length > (UINT64_MAX - 9) / 10)
		return HTTP_BAD;
	r->length = r->length * 10 + (c - '0');
	r->position = 1;
	return HTTP_MORE;
}

static void option_end(struct http_reader *r)
{
	r->said_close |= word_is(r, "close");
	r->said_keep |= word_is(r, "keep-alive");
	r->position = 0;
}

static enum http_result value_end(struct http_reader *r, uint8_t c)
{
	r->state = c == '\r' ? LINE_END : FIELD_START;
	if (r->field == FIELD_CONNECTION)
		option_end(r);
	return r->field == FIELD_LENGTH && r->position == 0 ? HTTP_BAD : HTTP_MORE;
}

static enum http_result read_value(struct http_reader *r, uint8_t c)
{
	r->state = VALUE;
	if (c == '\r' || c == '\n')
		return value_end(r, c);
	if (!is_text(c))
		return HTTP_BAD;
	if (r->field == FIELD_LENGTH)
		return length_add(r, c);
	if (r->field != FIELD_CONNECTION)
		return HTTP_MORE;
	if (c == ',' || c == ' ' || c == '\t')
		option_end(r);
	else
		word_add(r, c);
	return HTTP_MORE;
}

static enum http_result read_head_end(struct http_reader *r, uint8_t c)
{
	return c == '\n' ? head_end(r) : HTTP_BAD;
}

static enum http_result (*const readers[])(struct http_reader *r, uint8_t c) = {
	[START] = read_start,		[METHOD] = read_method,
	[TARGET] = read_target,		[VERSION] = read_version,
	[LINE_END] = read_line_end,	[FIELD_START] = read_field_start,
	[FIELD_NAME] = read_field_name, [VALUE_START] = read_value,
	[VALUE] = read_value,		[HEAD_END] = read_head_end,
};

/* Passes over what is there of a body. */
static enum http_result read_body(struct http_reader *r, size_t len, size_t *used)
{
	size_t n = r->length < len ? (size_t)r->length : len;

	*used += n;
	r->length -= n;
	return r->length == 0 ? request_end(r) : HTTP_MORE;
}

enum http_result http_read(struct http_reader *r, const uint8_t *data, size_t len, size_t *used)
{
	enum http_result result = HTTP_MORE;

	*used = 0;
	while (*used < len && result == HTTP_MORE) {
		if (r->state == BODY) {
			result = read_body(r, len - *used, used);
			continue;
		}
		if (++r->head_bytes > HTTP_HEAD_MAX)
			return HTTP_TOO_LARGE;
		result = readers[r->state](r, data[(*used)++]);
	}
	return result;
}
