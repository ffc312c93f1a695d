/* SPDX-License-Identifier: MIT */
/* answer.c - one request by a kernel socket */
#include "answer.h"

#include "../../rawstack/clock.h"
#include "../../uring/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { ANSWER_MS = 3000, ANSWER_MAX = 1 << 20 };

static int ask(int fd, const struct endpoint *server)
{
	char request[160], host[ENDPOINT_STRLEN];
	int len;

	endpoint_print(server, ADDR_FORM_INET, host);
	len = snprintf(request, sizeof(request),
		       "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host);
	return send(fd, request, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -EPIPE;
}

static int count_to_end(int fd)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ANSWER_MS * NS_PER_MS;
	char buf[4096];
	int total = 0;

	while (total <= ANSWER_MAX) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		ssize_t n;

		if (now >= deadline || poll(&p, 1, (int)((deadline - now) / NS_PER_MS) + 1) == 0)
			return -ETIMEDOUT;
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == 0)
			return total > 0 ? total : -EPROTO;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		total += n > 0 ? (int)n : 0;
	}
	return -EPROTO;
}

int answer_length(int netns_fd, const struct endpoint *server)
{
	const struct client_config cfg = {
		.netns_fd = netns_fd,
		.proto = IPPROTO_TCP,
		.family = addr_is_mapped(&server->addr) ? AF_INET : AF_INET6,
		.v6only = -1,
	};
	struct client_record rec;
	int fd = client_open(&cfg);
	int ret;

	if (fd < 0)
		return fd;
	ret = client_connect(fd, server, ANSWER_MS, &rec);
	if (ret == 0)
		ret = ask(fd, server);
	if (ret == 0)
		ret = count_to_end(fd);
	close(fd);
	return ret;
}
