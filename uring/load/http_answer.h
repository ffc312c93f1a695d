/* SPDX-License-Identifier: MIT */
/* http_answer.h - where an HTTP/1 answer ends, found out as its bytes come in */
#ifndef URING_LOAD_HTTP_ANSWER_H
#define URING_LOAD_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a load generator needs of RFC 9112: the status, and the length of the body by Content-Length
 * or by the end of the connection. Header lines longer than HTTP_LINE_MAX are read past. A chunked
 * body is not understood and counts as a wrong answer.
 */
enum { HTTP_LINE_MAX = 128 };

enum http_answer_state {
	HTTP_HEAD,
	HTTP_BODY,
	HTTP_COMPLETE,
	HTTP_WRONG, /* not HTTP/1, a status over 399, chunked, or more than the answer */
};

/* All zero is the beginning of one. */
struct http_answer {
	enum http_answer_state state;
	unsigned int status;
	bool has_length;
	bool close; /* the server will close behind it */
	uint64_t left;
	uint32_t lines;
	size_t line_len;
	char line[HTTP_LINE_MAX];
};

/* Takes the next bytes. Returns the state then. */
enum http_answer_state http_answer_take(struct http_answer *a, const void *data, size_t len);

/* The connection has ended: that is the end of a body of unknown length. Returns the state then. */
enum http_answer_state http_answer_end(struct http_answer *a);

#endif
