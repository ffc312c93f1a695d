/* SPDX-License-Identifier: MIT */
/* fuzz_http.c - arbitrary bytes against the reader of HTTP requests */
#include "../../uring/http.h"

#include <stdlib.h>
#include <string.h>

/*
 * Properties: never more is used than was given, and all of it unless a request ended; a head never
 * grows beyond its limit; and cut into pieces, the same bytes give the same requests at the same
 * places. The first byte of the input says how to cut.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct outcome {
	enum http_result result;
	size_t at; /* bytes used up to it */
	bool keep_alive, head;
};

/* Reads one request in pieces of @piece bytes. */
static struct outcome read_one(struct http_reader *r, const uint8_t *data, size_t size,
			       size_t piece)
{
	struct outcome o = {.result = HTTP_MORE};

	while (o.at < size && o.result == HTTP_MORE) {
		size_t n = size - o.at < piece ? size - o.at : piece, used = n + 1;
		/* A copy of its own size: reading beyond it is seen. */
		uint8_t *copy = malloc(n);

		REQUIRE(copy != NULL);
		memcpy(copy, data + o.at, n);
		o.result = http_read(r, copy, n, &used);
		free(copy);
		REQUIRE(used <= n && (o.result != HTTP_MORE || used == n));
		REQUIRE(r->head_bytes <= HTTP_HEAD_MAX + 1);
		o.at += used;
	}
	o.keep_alive = o.result == HTTP_REQUEST && r->keep_alive;
	o.head = o.result == HTTP_REQUEST && r->head;
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_reader whole = {0}, cut = {0};
	size_t piece;

	if (size == 0)
		return 0;
	piece = 1 + data[0] % 64;
	data++;
	size--;
	for (;;) {
		struct outcome a = read_one(&whole, data, size, size + 1);
		struct outcome b = read_one(&cut, data, size, piece);

		REQUIRE(a.result == b.result && a.at == b.at);
		REQUIRE(a.keep_alive == b.keep_alive && a.head == b.head);
		if (a.result != HTTP_REQUEST)
			return 0;
		data += a.at;
		size -= a.at;
	}
}
