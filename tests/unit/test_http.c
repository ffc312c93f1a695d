/* SPDX-License-Identifier: MIT */
/* test_http.c - the reader of HTTP requests, and the http workload on every engine */
#include "../../uring/client.h"
#include "../../uring/http.h"
#include "../../uring/workers.h"
#include "netfix.h"
#include "t_engine.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

enum { CLIENT_MS = 5000 };

#define GET	   "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
#define GET_CLOSE  "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#define LONG_FIELD "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"

/* Feeds @text in pieces of @piece bytes. The result that ended it, @used in all. */
static enum http_result feed(struct http_reader *r, const char *text, size_t len, size_t piece,
			     size_t *used)
{
	enum http_result result = HTTP_MORE;

	*used = 0;
	while (*used < len && result == HTTP_MORE) {
		size_t n = len - *used < piece ? len - *used : piece, taken;

		result = http_read(r, (const uint8_t *)text + *used, n, &taken);
		cr_assert(taken <= n && (result != HTTP_MORE || taken == n));
		*used += taken;
	}
	return result;
}

static const struct {
	const char *text;
	enum http_result result;
	bool keep_alive, head;
} requests[] = {
	{GET, HTTP_REQUEST, true, false},
	{GET_CLOSE, HTTP_REQUEST, false, false},
	{"\r\n\n" GET, HTTP_REQUEST, true, false},
	{"GET / HTTP/1.1\nHost: x\n\n", HTTP_REQUEST, true, false},
	{"HEAD /a?b=c HTTP/1.1\r\nhOST:x\r\n\r\n", HTTP_REQUEST, true, true},
	{"GET / HTTP/1.0\r\n\r\n", HTTP_REQUEST, false, false},
	{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", HTTP_REQUEST, true, false},
	{"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade , CLOSE\r\n\r\n", HTTP_REQUEST, false,
	 false},
	{"GET / HTTP/1.1\r\nHost: x\r\nConnection: closed\r\n\r\n", HTTP_REQUEST, true, false},
	{"GET / HTTP/1.1\r\nHost: x\r\nX-Connection: close\r\n\r\n", HTTP_REQUEST, true, false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n\r\n\r\nx", HTTP_REQUEST, true,
	 false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:0\r\n\r\n", HTTP_REQUEST, true, false},
	{"GET / HTTP/1.1\r\nHost:\r\n\r\n", HTTP_REQUEST, true, false},
	{"GET / HTTP/1.1\r\n\r\n", HTTP_BAD, false, false}, /* no Host */
	{"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", HTTP_BAD, false, false},
	{"GET  / HTTP/1.1\r\n", HTTP_BAD, false, false},
	{"GET / \r\n", HTTP_BAD, false, false},
	{"GET /\r\n", HTTP_BAD, false, false},
	{"GET\r\n", HTTP_BAD, false, false},
	{" GET / HTTP/1.1\r\n", HTTP_BAD, false, false},
	{"GET /\x01 HTTP/1.1\r\n", HTTP_BAD, false, false},
	{"GET / http/1.1\r\n", HTTP_BAD, false, false},
	{"GET / HTTP/1.1 \r\n", HTTP_BAD, false, false},
	{"GET / HTTP/1.1\rX", HTTP_BAD, false, false},
	{"GET / HTTP/2.0\r\n", HTTP_BAD_VERSION, false, false},
	{"GET / HTTP/x.0\r\n", HTTP_BAD, false, false},
	{"\x16\x03\x01", HTTP_BAD, false, false}, /* TLS */
	{"GET / HTTP/1.1\r\nHost : x\r\n", HTTP_BAD, false, false},
	{"GET / HTTP/1.1\r\nA: b\r\n folded\r\n", HTTP_BAD, false, false},
	{"GET / HTTP/1.1\r\nno colon\r\n", HTTP_BAD, false, false},
	{"GET / HTTP/1.1\r\nA: b\rc", HTTP_BAD, false, false},
	{"GET / HTTP/1.1\r\nContent-Length: \r\n", HTTP_BAD, false, false},
	{"GET / HTTP/1.1\r\nContent-Length: 1 2\r\n", HTTP_BAD, false, false},
	{"GET / HTTP/1.1\r\nContent-Length: -1\r\n", HTTP_BAD, false, false},
	{"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n", HTTP_BAD, false, false},
	{"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n", HTTP_BAD, false, false},
	{"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", HTTP_UNSUPPORTED, false, false},
	{"GET / HTTP/1.1\r\nExpect: 100-continue\r\n", HTTP_EXPECTATION, false, false},
};

TestSuite(http, .timeout = 30);

Test(http, every_request_ends_the_same_however_it_is_cut)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		size_t len = strlen(requests[i].text), whole = 0;

		for (size_t piece = len; piece > 0; piece--) {
			struct http_reader r = {0};
			size_t used;
			enum http_result result = feed(&r, requests[i].text, len, piece, &used);

			cr_assert(result == requests[i].result, "row %zu, pieces of %zu: %d", i,
				  piece, result);
			if (piece == len)
				whole = used;
			cr_assert(used == whole, "row %zu, pieces of %zu: %zu bytes", i, piece,
				  used);
			if (result != HTTP_REQUEST)
				continue;
			cr_assert(r.keep_alive == requests[i].keep_alive, "row %zu", i);
			cr_assert(r.head == requests[i].head, "row %zu", i);
			cr_assert(used == len, "row %zu: %zu of %zu", i, used, len);
		}
	}
}

Test(http, no_part_of_a_request_is_a_request)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		size_t len = strlen(requests[i].text), used;

		for (size_t n = 0; requests[i].result == HTTP_REQUEST && n < len; n++) {
			struct http_reader r = {0};

			cr_assert(feed(&r, requests[i].text, n, len, &used) == HTTP_MORE,
				  "row %zu, %zu bytes", i, n);
		}
	}
}

Test(http, the_head_is_bounded_and_the_body_is_not)
{
	struct http_reader r = {0};
	static char body[3 * HTTP_HEAD_MAX];
	size_t used, sum = 0;
	enum http_result result;

	result = feed(&r, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 24576\r\n\r\n", 53, 53,
		      &used);
	cr_assert(result == HTTP_MORE && used == 53);
	cr_assert(feed(&r, body, sizeof(body), 1000, &used) == HTTP_REQUEST);
	r = (struct http_reader){0};
	feed(&r, "GET / HTTP/1.1\r\n", 16, 16, &used);
	for (result = HTTP_MORE, sum = used; result == HTTP_MORE; sum += used)
		result = feed(&r, LONG_FIELD, strlen(LONG_FIELD), 100, &used);
	cr_assert(result == HTTP_TOO_LARGE && sum == HTTP_HEAD_MAX, "%d after %zu", result, sum);
	r = (struct http_reader){0};
	for (result = HTTP_MORE, sum = 0; result == HTTP_MORE; sum += used)
		result = feed(&r, "\r\n", 2, 2, &used);
	cr_assert(result == HTTP_TOO_LARGE && sum == HTTP_HEAD_MAX, "empty lines without end");
}

TestSuite(http_server, .init = netfix_enter, .timeout = 30);

struct served {
	struct workers *workers;
	struct endpoint at;
};

static void start(struct served *sv)
{
	struct listen_spec spec = {.proto = IPPROTO_TCP,
				   .family = AF_INET6,
				   .bind = netfix_ep("::", 0),
				   .backlog = 64};
	struct server_config cfg = {.engine = t_engine,
				    .link = t_link,
				    .direct = t_direct,
				    .workload = "http",
				    .listeners = &spec,
				    .n_listeners = 1,
				    .max_conns = 256};
	struct server_error err;

	cr_assert(workers_start(&cfg, 1, &sv->workers, &err) == 0, "%s (%s)", err.what, err.remedy);
	sv->at = netfix_ep("198.51.100.2", workers_listener(sv->workers, 0)->local.port);
}

static void stop(struct served *sv)
{
	workers_stop(sv->workers);
	cr_assert(workers_wait(sv->workers) == 0);
	workers_free(sv->workers);
}

static int client(const struct served *sv)
{
	struct client_config cfg = {
		.netns_fd = -1, .proto = IPPROTO_TCP, .family = AF_INET, .v6only = -1};
	struct timeval patience = {.tv_sec = CLIENT_MS / 1000};
	struct client_record rec;
	int fd = client_open(&cfg);

	cr_assert(fd >= 0 && client_connect(fd, &sv->at, CLIENT_MS, &rec) == 0);
	cr_assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	return fd;
}

static void say(int fd, const char *text, size_t len)
{
	cr_assert(send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len, "send: %s", strerror(errno));
}

/* Reads up to the end of the stream or @max bytes. */
static size_t hear(int fd, char *out, size_t max)
{
	size_t n = 0;

	while (n < max) {
		ssize_t got = recv(fd, out + n, max - n, 0);

		cr_assert(got >= 0, "after %zu bytes: %s", n, strerror(errno));
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return n;
}

static void expect_answer(int fd, const char *status, const char *connection, bool body)
{
	char want[256], got[256];
	size_t len = (size_t)snprintf(want, sizeof(want),
				      "HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
				      "Content-Length: %s\r\nConnection: %s\r\n\r\n%s",
				      status, status[0] == '2' ? "3" : "0", connection,
				      body ? "ok\n" : "");

	cr_assert(hear(fd, got, len) == len, "short answer");
	cr_assert(memcmp(got, want, len) == 0, "%.*s instead of %s", (int)len, got, want);
}

static void expect_end(int fd)
{
	char c;

	cr_assert(recv(fd, &c, 1, 0) == 0, "no FIN: %s", strerror(errno));
}

ENGINE_TEST_ALL(http_server, a_connection_goes_on_or_ends_as_asked)
{
	struct served sv;
	int fd;

	start(&sv);
	fd = client(&sv);
	for (int i = 0; i < 3; i++) {
		say(fd, GET, strlen(GET));
		expect_answer(fd, "200 OK", "keep-alive", true);
	}
	say(fd, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 28);
	expect_answer(fd, "200 OK", "keep-alive", false);
	say(fd, GET_CLOSE, strlen(GET_CLOSE));
	expect_answer(fd, "200 OK", "close", true);
	expect_end(fd);
	close(fd);
	stop(&sv);
}

ENGINE_TEST_ALL(http_server, a_request_may_be_cut_anywhere)
{
	struct served sv;
	int fd, on = 1;

	start(&sv);
	fd = client(&sv);
	cr_assert(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
	for (size_t cut = 1; cut < strlen(GET); cut++) {
		say(fd, GET, cut);
		poll(NULL, 0, 1); /* so that it is likely to be read alone */
		say(fd, &GET[cut], strlen(GET) - cut);
		expect_answer(fd, "200 OK", "keep-alive", true);
	}
	close(fd);
	stop(&sv);
}

/* More than one receive buffer and one send hold; the last one ends it. */
ENGINE_TEST_ALL(http_server, pipelined_requests_are_answered_in_order_and_in_number)
{
	enum { N = 1000 };
	static char text[N * sizeof(GET)];
	struct served sv;
	size_t len = 0;
	int fd;

	start(&sv);
	fd = client(&sv);
	for (int i = 0; i < N; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
					i == 10 ? "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" : GET);
	say(fd, text, len);
	say(fd, GET_CLOSE, strlen(GET_CLOSE));
	for (int i = 0; i < N; i++)
		expect_answer(fd, "200 OK", "keep-alive", i != 10);
	expect_answer(fd, "200 OK", "close", true);
	expect_end(fd);
	close(fd);
	stop(&sv);
}

/* The answer must arrive though the client goes on sending: no RST may overtake it. */
ENGINE_TEST_ALL(http_server, what_is_no_request_gets_its_answer_and_the_end)
{
	static const struct {
		const char *text, *status;
	} rows[] = {
		{"\x16\x03\x01\x02", "400 Bad Request"},
		{"GET / HTTP/3.0\r\n\r\n", "505 HTTP Version Not Supported"},
		{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		 "501 Not Implemented"},
		{"PUT / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", "417 Expectation Failed"},
	};
	static char junk[100000];
	struct served sv;
	int fd;

	start(&sv);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fd = client(&sv);
		say(fd, rows[i].text, strlen(rows[i].text));
		say(fd, junk, sizeof(junk));
		expect_answer(fd, rows[i].status, "close", false);
		expect_end(fd);
		close(fd);
	}
	fd = client(&sv);
	say(fd, "GET / HTTP/1.1\r\n", 16);
	for (size_t i = 0; i < HTTP_HEAD_MAX; i += strlen(LONG_FIELD))
		say(fd, LONG_FIELD, strlen(LONG_FIELD));
	expect_answer(fd, "431 Request Header Fields Too Large", "close", false);
	expect_end(fd);
	close(fd);
	stop(&sv);
}

Test(http_server, datagrams_have_no_requests)
{
	struct listen_spec spec = {
		.proto = IPPROTO_UDP, .family = AF_INET6, .bind = netfix_ep("::", 0)};
	struct server_config cfg = {
		.engine = "auto", .workload = "http", .listeners = &spec, .n_listeners = 1};
	struct server_error err;
	struct server *s;

	cr_assert(server_create(&cfg, &s, &err) == -EPROTOTYPE);
	cr_assert(strstr(err.what, "needs TCP"), "%s", err.what);
}
