/* SPDX-License-Identifier: MIT */
/* test_http_answer.c - where an HTTP answer ends, however its bytes are cut */
#include "../../uring/load/http_answer.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct {
	const char *text;
	enum http_answer_state state, after_end;
	bool close;
} CASES[] = {
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HTTP_COMPLETE, HTTP_COMPLETE, false},
	{"HTTP/1.1 200 OK\ncontent-length:5\n\nhello", HTTP_COMPLETE, HTTP_COMPLETE, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP_COMPLETE, HTTP_COMPLETE, false},
	{"HTTP/1.1 200\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", HTTP_COMPLETE,
	 HTTP_COMPLETE, true},
	{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", HTTP_COMPLETE, HTTP_COMPLETE, true},
	{"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx", HTTP_COMPLETE,
	 HTTP_COMPLETE, false},
	{"HTTP/1.1 204 No Content\r\n\r\n", HTTP_COMPLETE, HTTP_COMPLETE, false},
	{"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", HTTP_COMPLETE, HTTP_COMPLETE,
	 false},
	{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
	 HTTP_COMPLETE, HTTP_COMPLETE, false},
	/* Up to the end of the connection. */
	{"HTTP/1.1 200 OK\r\n\r\nwhatever", HTTP_BODY, HTTP_COMPLETE, true},
	{"HTTP/1.1 200 OK\r\n\r\n", HTTP_BODY, HTTP_COMPLETE, true},
	/* The connection ends too early. */
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", HTTP_BODY, HTTP_WRONG, false},
	{"HTTP/1.1 200 OK\r\nContent-Le", HTTP_HEAD, HTTP_WRONG, false},
	{"", HTTP_HEAD, HTTP_WRONG, false},
	/* Wrong. */
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!", HTTP_WRONG, HTTP_WRONG, false},
	{"HTTP/1.1 204 No Content\r\n\r\nx", HTTP_WRONG, HTTP_WRONG, false},
	{"HTTP/1.1 404 Not Found\r\n", HTTP_WRONG, HTTP_WRONG, false},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", HTTP_WRONG, HTTP_WRONG, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: many\r\n", HTTP_WRONG, HTTP_WRONG, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n", HTTP_WRONG, HTTP_WRONG,
	 false},
	{"HTTP/1.1 2x\r\nContent-Length: 5\r\n\r\n", HTTP_WRONG, HTTP_WRONG, false},
	{"HTTP/1.1 2000 OK\r\n", HTTP_WRONG, HTTP_WRONG, false},
	{"HTTP/1.1\r\n", HTTP_WRONG, HTTP_WRONG, false},
	{"HTTP/1.\r\n", HTTP_WRONG, HTTP_WRONG, false},
	{"HTTP/2 200\r\n", HTTP_WRONG, HTTP_WRONG, false},
	{"SSH-2.0-OpenSSH\r\n", HTTP_WRONG, HTTP_WRONG, false},
	{"\r\n", HTTP_WRONG, HTTP_WRONG, false},
};
enum { N_CASES = sizeof(CASES) / sizeof(CASES[0]) };

/* In one piece, byte by byte, and cut in two at every place. */
Test(http_answer, however_it_is_cut)
{
	for (size_t i = 0; i < N_CASES; i++) {
		const char *text = CASES[i].text;
		size_t len = strlen(text);

		for (size_t cut = 0; cut <= len; cut++) {
			struct http_answer a = {0}, bytes = {0};

			http_answer_take(&a, text, cut);
			http_answer_take(&a, text + cut, len - cut);
			for (size_t b = 0; b < len; b++)
				http_answer_take(&bytes, text + b, 1);
			cr_assert(a.state == CASES[i].state && bytes.state == CASES[i].state,
				  "case %zu cut at %zu: %d and %d", i, cut, a.state, bytes.state);
			if (a.state == HTTP_COMPLETE || a.state == HTTP_BODY)
				cr_assert(a.close == CASES[i].close, "case %zu: close", i);
		}
	}
}

Test(http_answer, the_end_of_the_connection)
{
	for (size_t i = 0; i < N_CASES; i++) {
		struct http_answer a = {0};

		if (http_answer_take(&a, CASES[i].text, strlen(CASES[i].text)) != HTTP_COMPLETE)
			http_answer_end(&a);
		cr_assert(a.state == CASES[i].after_end, "case %zu: %d", i, a.state);
	}
}

/* A line longer than the buffer is passed over, and does not hide the next one. */
Test(http_answer, long_lines)
{
	struct http_answer a = {0};
	char line[3 * HTTP_LINE_MAX];

	memset(line, 'x', sizeof(line));
	http_answer_take(&a, "HTTP/1.1 200 OK\r\n", 17);
	for (int i = 0; i < 10; i++)
		http_answer_take(&a, line, sizeof(line));
	cr_assert(http_answer_take(&a, "\r\nContent-Length: 2\r\n\r\n", 23) == HTTP_BODY);
	cr_assert(http_answer_take(&a, "ab", 2) == HTTP_COMPLETE);
}
