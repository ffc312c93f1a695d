/* SPDX-License-Identifier: MIT */
/* metrics_http.c - answers a Prometheus server, beside whatever else a thread waits for */
#include "metrics_http.h"

#include "../uring/http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * One request per connection, then it is closed. Whoever has not been answered after
 * METRICS_CLIENT_MS is closed as well; beyond METRICS_CLIENTS_MAX the rest waits in the backlog.
 */

struct client {
	int fd; /* -1: free */
	uint64_t end_ms;
	struct http_reader reader;
	char *answer; /* NULL: still reading */
	size_t len, sent;
};

struct metrics_http {
	int fd;
	metrics_body body;
	void *arg;
	struct client clients[METRICS_CLIENTS_MAX];
};

static void client_close(struct client *c)
{
	close(c->fd);
	free(c->answer);
	*c = (struct client){.fd = -1};
}

static char *answer_make(const char *status, const char *body, size_t body_len, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (f == NULL)
		return NULL;
	fprintf(f,
		"HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\n"
		"Content-Length: %zu\r\nConnection: close\r\n\r\n",
		status, body_len);
	fwrite(body, 1, body_len, f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void client_answer(struct metrics_http *m, struct client *c, enum http_result result)
{
	const char *status = result == HTTP_REQUEST ? "200 OK" : "400 Bad Request";
	size_t len = 0;
	char *body = NULL;

	if (result == HTTP_REQUEST) {
		body = m->body(m->arg, &len);
		if (body == NULL)
			status = "503 Service Unavailable";
	}
	c->answer = answer_make(status, body ? body : "", body ? len : 0, &c->len);
	free(body);
	if (c->answer == NULL)
		client_close(c);
}

static void client_read(struct metrics_http *m, struct client *c)
{
	enum http_result result;
	uint8_t data[1024];
	size_t used;
	ssize_t n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(c);
		return;
	}
	result = http_read(&c->reader, data, (size_t)n, &used);
	if (result != HTTP_MORE)
		client_answer(m, c, result);
}

static void client_write(struct client *c)
{
	ssize_t n = send(c->fd, c->answer + c->sent, c->len - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->sent += (size_t)n;
	if (n < 0 || c->sent == c->len)
		client_close(c);
}

static struct client *client_free(struct metrics_http *m)
{
	for (int i = 0; i < METRICS_CLIENTS_MAX; i++) {
		if (m->clients[i].fd < 0)
			return &m->clients[i];
	}
	return NULL;
}

int metrics_http_open(const struct listen_spec *spec, metrics_body body, void *arg,
		      struct metrics_http **out, struct listen_info *info, enum listen_step *step)
{
	struct metrics_http *m = calloc(1, sizeof(*m));

	*step = LISTEN_STEP_SOCKET;
	if (m == NULL)
		return -ENOMEM;
	m->fd = listener_open(spec, info, step);
	if (m->fd < 0 || fcntl(m->fd, F_SETFL, O_NONBLOCK)) {
		int rc = m->fd < 0 ? m->fd : -errno;

		free(m);
		return rc;
	}
	m->body = body;
	m->arg = arg;
	for (int i = 0; i < METRICS_CLIENTS_MAX; i++)
		m->clients[i].fd = -1;
	*out = m;
	return 0;
}

void metrics_http_close(struct metrics_http *m)
{
	if (m == NULL)
		return;
	for (int i = 0; i < METRICS_CLIENTS_MAX; i++) {
		if (m->clients[i].fd >= 0)
			client_close(&m->clients[i]);
	}
	close(m->fd);
	free(m);
}

int metrics_http_fds(const struct metrics_http *m, struct pollfd *fds)
{
	int n = 0;
	bool full = true;

	for (int i = 0; i < METRICS_CLIENTS_MAX; i++) {
		const struct client *c = &m->clients[i];

		full &= c->fd >= 0;
		if (c->fd >= 0)
			fds[n++] = (struct pollfd){.fd = c->fd,
						   .events = c->answer ? POLLOUT : POLLIN};
	}
	if (!full)
		fds[n++] = (struct pollfd){.fd = m->fd, .events = POLLIN};
	return n;
}

int metrics_http_timeout_ms(const struct metrics_http *m, uint64_t now_ms)
{
	int min = -1;

	for (int i = 0; i < METRICS_CLIENTS_MAX; i++) {
		const struct client *c = &m->clients[i];
		int left = c->end_ms > now_ms ? (int)(c->end_ms - now_ms) : 0;

		if (c->fd >= 0 && (min < 0 || left < min))
			min = left;
	}
	return min;
}

static void client_turn(struct metrics_http *m, struct client *c)
{
	if (c->answer == NULL)
		client_read(m, c);
	/* Nearly always there is room: no need to wait to be told. */
	if (c->fd >= 0 && c->answer != NULL)
		client_write(c);
}

void metrics_http_turn(struct metrics_http *m, const struct pollfd *fds, int n, uint64_t now_ms)
{
	for (int i = 0; i < METRICS_CLIENTS_MAX; i++) {
		struct client *c = &m->clients[i];

		for (int j = 0; j < n && c->fd >= 0; j++) {
			if (fds[j].fd == c->fd && fds[j].revents != 0)
				client_turn(m, c);
		}
		if (c->fd >= 0 && c->end_ms <= now_ms)
			client_close(c);
	}
	for (int j = 0; j < n; j++) {
		struct client *c = client_free(m);
		int fd;

		if (fds[j].fd != m->fd || fds[j].revents == 0 || c == NULL)
			continue;
		fd = accept4(m->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			*c = (struct client){.fd = fd, .end_ms = now_ms + METRICS_CLIENT_MS};
	}
}
