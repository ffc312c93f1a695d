/* SPDX-License-Identifier: MIT */
/* metrics_http.h - answers a Prometheus server, beside whatever else a thread waits for */
#ifndef TOOLS_METRICS_HTTP_H
#define TOOLS_METRICS_HTTP_H

#include "../uring/listener.h"

#include <poll.h>
#include <stdint.h>

/* It waits in its owner's poll(2), so it costs nothing until somebody asks. */
enum {
	METRICS_CLIENTS_MAX = 8,
	METRICS_FDS_MAX = METRICS_CLIENTS_MAX + 1,
	METRICS_CLIENT_MS = 5000
};

struct metrics_http;

/* Writes the answer's body. Returns it, to be freed, with @len set; NULL: there is none now. */
typedef char *(*metrics_body)(void *arg, size_t *len);

/* Listens as @spec says. Returns 0, or -errno with @step as listener_open() sets it. */
int metrics_http_open(const struct listen_spec *spec, metrics_body body, void *arg,
		      struct metrics_http **out, struct listen_info *info, enum listen_step *step);

/* NULL is allowed. */
void metrics_http_close(struct metrics_http *m);

/* What it waits for: at most METRICS_FDS_MAX entries. Returns their number. */
int metrics_http_fds(const struct metrics_http *m, struct pollfd *fds);

/* Milliseconds until it must be called though nothing happened, -1: never. */
int metrics_http_timeout_ms(const struct metrics_http *m, uint64_t now_ms);

/* Does what @fds, as metrics_http_fds() wrote them, turned out to allow; never blocks. */
void metrics_http_turn(struct metrics_http *m, const struct pollfd *fds, int n, uint64_t now_ms);

#endif
