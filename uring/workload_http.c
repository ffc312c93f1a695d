/* SPDX-License-Identifier: MIT */
/* workload_http.c - one short answer to every HTTP request: for wrk, ab, curl and browsers */
#include "http.h"
#include "workload.h"

#include <assert.h>
#include <errno.h>

/*
 * Requests are answered in order. Several that came in one piece are answered with one send, as
 * long as the connection goes on. The answers are constants, so the receive buffer goes back before
 * the send, unless it holds more requests than one send answers.
 *
 * A connection that ends with something still unread (a bad request, or more behind the last one)
 * lingers: FIN, then what comes is thrown away up to LINGER_MAX bytes, so that the kernel does not
 * send a RST that destroys the answer (RFC 9112 9.6).
 */

enum {
	ANSWERS_MAX = 16, /* in one send */
	LINGER_MAX = 1 << 20,
};

/* What comes after the send that is under way. */
enum phase { READING, CLOSING, LINGERING };

struct http_conn {
	struct http_reader reader;
	const uint8_t *rest; /* of the buffer that is lent */
	uint32_t rest_len;
	engine_buf buf;
	uint32_t lingered;
	uint8_t phase;
	uint8_t result; /* enum http_result that is to be answered next; HTTP_MORE: none */
};

#define ANSWER(status, connection, length, body)                                                   \
	"HTTP/1.1 " status "\r\nContent-Type: text/plain\r\nContent-Length: " length               \
	"\r\nConnection: " connection "\r\n\r\n" body
#define KEEP	 ANSWER("200 OK", "keep-alive", "3", "ok\n")
#define FOUR(s)	 s s s s
#define ERROR(s) ANSWER(s, "close", "0", "")

struct answer {
	const char *text;
	size_t len;
};
#define TEXT(s)                                                                                    \
	{                                                                                          \
		(s), sizeof(s) - 1                                                                 \
	}

static const struct answer keep_many = TEXT(FOUR(FOUR(KEEP)));
static const struct answer keep_head = TEXT(ANSWER("200 OK", "keep-alive", "3", ""));
static const struct answer close_get = TEXT(ANSWER("200 OK", "close", "3", "ok\n"));
static const struct answer close_head = TEXT(ANSWER("200 OK", "close", "3", ""));

static const struct answer errors[] = {
	[HTTP_BAD] = TEXT(ERROR("400 Bad Request")),
	[HTTP_TOO_LARGE] = TEXT(ERROR("431 Request Header Fields Too Large")),
	[HTTP_EXPECTATION] = TEXT(ERROR("417 Expectation Failed")),
	[HTTP_UNSUPPORTED] = TEXT(ERROR("501 Not Implemented")),
	[HTTP_BAD_VERSION] = TEXT(ERROR("505 HTTP Version Not Supported")),
};

_Static_assert((sizeof(FOUR(FOUR(KEEP))) - 1) % ANSWERS_MAX == 0, "as many answers as it says");

/* Reads requests up to the first that cannot be answered together with others. Returns how many
 * can; h->result is the other one. */
static size_t read_requests(struct http_conn *h)
{
	size_t n = 0;

	h->result = HTTP_MORE;
	while (h->rest_len > 0 && n < ANSWERS_MAX) {
		size_t used;
		enum http_result result = http_read(&h->reader, h->rest, h->rest_len, &used);

		h->rest += used;
		h->rest_len -= (uint32_t)used;
		if (result == HTTP_MORE)
			break;
		if (result != HTTP_REQUEST || h->reader.head || !h->reader.keep_alive) {
			h->result = (uint8_t)result;
			break;
		}
		n++;
	}
	return n;
}

/* The answer to the one request in h->result. */
static const struct answer *single_answer(struct http_conn *h)
{
	if (h->result != HTTP_REQUEST) {
		h->phase = LINGERING;
		return &errors[h->result];
	}
	if (h->reader.keep_alive)
		return &keep_head;
	h->phase = h->rest_len > 0 ? LINGERING : CLOSING;
	return h->reader.head ? &close_head : &close_get;
}

static void give_back(struct engine *e, struct http_conn *h)
{
	engine_release(e, h->buf);
	h->buf = ENGINE_NO_BUF;
}

static int answer(struct engine *e, engine_conn conn, struct http_conn *h, const char *text,
		  size_t len)
{
	int rc;

	if (h->rest_len == 0 || h->phase != READING)
		give_back(e, h);
	rc = engine_send(e, conn, text, len, ENGINE_NO_BUF);
	if (rc < 0)
		give_back(e, h);
	return rc;
}

/* Answers what is there, or asks for more. */
static int go_on(struct engine *e, engine_conn conn, struct http_conn *h)
{
	size_t n = h->result == HTTP_MORE ? read_requests(h) : 0;

	if (n > 0)
		return answer(e, conn, h, keep_many.text, keep_many.len / ANSWERS_MAX * n);
	if (h->result != HTTP_MORE) {
		const struct answer *a = single_answer(h);

		h->result = HTTP_MORE;
		return answer(e, conn, h, a->text, a->len);
	}
	give_back(e, h);
	return engine_receive(e, conn);
}

static int received(struct engine *e, const struct engine_event *ev, struct http_conn *h)
{
	if (ev->len == 0) {
		engine_close(e, ev->conn);
		return 0;
	}
	if (h->phase == LINGERING) {
		engine_release(e, ev->buf);
		h->lingered += (uint32_t)ev->len;
		return h->lingered > LINGER_MAX ? -EMSGSIZE : engine_receive(e, ev->conn);
	}
	h->rest = ev->data;
	h->rest_len = (uint32_t)ev->len;
	h->buf = ev->buf;
	return go_on(e, ev->conn, h);
}

static int sent(struct engine *e, const struct engine_event *ev, struct http_conn *h)
{
	if (ev->error) {
		give_back(e, h);
		return 0;
	}
	switch ((enum phase)h->phase) {
	case READING:
		return go_on(e, ev->conn, h);
	case CLOSING:
		engine_close(e, ev->conn);
		return 0;
	case LINGERING:
		engine_shutdown(e, ev->conn);
		return engine_receive(e, ev->conn);
	}
	return 0;
}

static int http_handle(struct engine *e, const struct engine_event *ev, void *state)
{
	struct http_conn *h = state;

	assert(h != NULL); /* streams only */
	switch (ev->type) {
	case ENGINE_ACCEPT:
		h->buf = ENGINE_NO_BUF;
		return engine_receive(e, ev->conn);
	case ENGINE_RECV:
		return received(e, ev, h);
	case ENGINE_SENT:
		return sent(e, ev, h);
	default:
		return 0;
	}
}

const struct workload workload_http = {
	.name = "http",
	.what = "answers HTTP requests",
	.handle = http_handle,
	.state_size = sizeof(struct http_conn),
	.streams_only = true,
};
