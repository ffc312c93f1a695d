/* SPDX-License-Identifier: MIT */
/* http.h - reads HTTP/1 requests byte by byte, for a server with one answer to all of them */
#ifndef URING_HTTP_H
#define URING_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * RFC 9112 as far as it is needed to find where a request ends and whether the connection goes on:
 * methods and targets are checked for form only, bodies are passed over by Content-Length. The
 * reader keeps no copy of the head, so a request may come in pieces of any size, and it may be
 * followed by others in the same piece.
 */

enum {
	HTTP_HEAD_MAX = 8192, /* request line and fields of one request, in bytes */
	HTTP_WORD_MAX = 20,   /* the longest field name or option that matters, and a NUL */
};

enum http_result {
	HTTP_MORE,	  /* all was read, and the request goes on */
	HTTP_REQUEST,	  /* a request is complete; keep_alive and head are valid */
	HTTP_BAD,	  /* not HTTP: answer 400 and close */
	HTTP_TOO_LARGE,	  /* more than HTTP_HEAD_MAX: 431 */
	HTTP_EXPECTATION, /* "Expect": 417, RFC 9110 10.1.1 */
	HTTP_UNSUPPORTED, /* a transfer coding: 501, RFC 9112 6.1 */
	HTTP_BAD_VERSION, /* not HTTP/1: 505 */
};

/* Zero is a reader before its first byte. Read by the caller: keep_alive, head. */
struct http_reader {
	uint64_t length;	  /* Content-Length, then what is left of the body */
	uint32_t head_bytes;	  /* read of this head so far */
	uint8_t state;		  /* of http.c */
	uint8_t position;	  /* within the version, or length of word */
	uint8_t field;		  /* which field's value is being read */
	uint8_t hosts;		  /* Host fields seen, up to 2 */
	char word[HTTP_WORD_MAX]; /* method, field name or option being read, in small letters */
	bool keep_alive;	  /* the connection goes on after the answer */
	bool head;		  /* HEAD: the answer has no body */
	bool minor_0;		  /* HTTP/1.0 */
	bool has_length;
	bool said_close, said_keep; /* options of Connection */
};

/*
 * Reads from @data until a request ends or @len bytes are used; @used tells how many were. After
 * HTTP_REQUEST the reader is ready for the next request; after an error it must not be used again.
 */
enum http_result http_read(struct http_reader *r, const uint8_t *data, size_t len, size_t *used);

#endif
