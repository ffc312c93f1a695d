/* SPDX-License-Identifier: MIT */
/* client.c - the kernel-socket client: one fresh socket per candidate address, nothing hidden */
#include "client.h"

#include "../rawstack/clock.h"
#include "../rawstack/netlink/netns.h"
#include "sockopt.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DISCARD_SIZE = 4096 };

static uint64_t deadline_after(unsigned int timeout_ms)
{
	return clock_ns(CLOCK_MONOTONIC) / NS_PER_MS + timeout_ms;
}

/* Returns the events seen (> 0), or -ETIMEDOUT or another -errno. */
static int wait_for(int fd, short events, uint64_t deadline_ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		uint64_t now_ms = clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
		int rc = poll(&p, 1, now_ms < deadline_ms ? (int)(deadline_ms - now_ms) : 0);

		if (rc > 0)
			return p.revents;
		if (rc == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int bind_source(int fd, const struct client_config *cfg)
{
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(&cfg->source, cfg->family, &ss);

	if (len < 0)
		return len;
	return bind(fd, (struct sockaddr *)&ss, (socklen_t)len) ? -errno : 0;
}

int client_open(const struct client_config *cfg)
{
	int type = cfg->proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd, rc = 0;

	fd = netns_socket(cfg->netns_fd, cfg->family, type | SOCK_CLOEXEC, cfg->proto);
	if (fd < 0)
		return fd;
	if (cfg->family == AF_INET6 && cfg->v6only >= 0)
		rc = sockopt_set_v6only(fd, cfg->v6only != 0);
	if (rc == 0 && cfg->bind)
		rc = bind_source(fd, cfg);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* What the socket is, whatever becomes of it. */
static int describe(int fd, const struct endpoint *peer, struct client_record *rec)
{
	socklen_t len = sizeof(int);

	memset(rec, 0, sizeof(*rec));
	rec->peer = *peer;
	rec->cookie = sockopt_cookie(fd);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &rec->family, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &rec->proto, &len))
		return -errno;
	return 0;
}

static int set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) ? -errno : 0;
}

static int finish_connect(int fd, uint64_t deadline_ms)
{
	socklen_t len = sizeof(int);
	int error, rc = wait_for(fd, POLLOUT, deadline_ms);

	if (rc < 0)
		return rc;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	return -error;
}

static int start_connect(int fd, const struct endpoint *peer, unsigned int timeout_ms,
			 struct client_record *rec)
{
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(peer, rec->family, &ss);
	int rc = 0;

	if (len < 0)
		return len;
	if (connect(fd, (struct sockaddr *)&ss, (socklen_t)len))
		rc = -errno;
	/* Ask before the outcome: nothing promises that a refused socket keeps its address. */
	sockopt_local(fd, &rec->local);
	return rc == -EINPROGRESS ? finish_connect(fd, deadline_after(timeout_ms)) : rc;
}

int client_connect(int fd, const struct endpoint *peer, unsigned int timeout_ms,
		   struct client_record *rec)
{
	struct endpoint local;
	int rc = describe(fd, peer, rec);

	if (rc == 0)
		rc = set_nonblock(fd, true);
	if (rc == 0) {
		rc = start_connect(fd, peer, timeout_ms, rec);
		rec->real_ns = clock_ns(CLOCK_REALTIME);
		rec->mono_ns = clock_ns(CLOCK_MONOTONIC);
		if (sockopt_local(fd, &local) == 0 && local.port != 0)
			rec->local = local;
		set_nonblock(fd, false);
	}
	if (rc == 0) {
		rec->connected = true;
		sockopt_peer(fd, rec->family, &rec->peer);
	}
	rec->error = rc;
	return rc;
}

struct exchange {
	const uint8_t *out;
	size_t out_left;
	uint8_t *in;
	size_t in_len, in_done;
	bool end; /* of the stream */
};

/* Both move what is possible without waiting. Return 0 or -errno. */
static int exchange_send(int fd, struct exchange *x, struct client_record *rec)
{
	ssize_t n = send(fd, x->out, x->out_left, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	x->out += n;
	x->out_left -= (size_t)n;
	rec->bytes_out += (uint64_t)n;
	return 0;
}

static int exchange_receive(int fd, struct exchange *x, struct client_record *rec)
{
	ssize_t n = recv(fd, x->in + x->in_done, x->in_len - x->in_done, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	x->in_done += (size_t)n;
	rec->bytes_in += (uint64_t)n;
	x->end = n == 0 || rec->proto == IPPROTO_UDP;
	return 0;
}

int client_exchange(int fd, const void *data, size_t len, void *reply, unsigned int timeout_ms,
		    struct client_record *rec)
{
	struct exchange x = {.out = data, .out_left = len, .in = reply, .in_len = len};
	uint64_t deadline_ms = deadline_after(timeout_ms);
	bool send_empty = len == 0 && rec->proto == IPPROTO_UDP;
	int rc = 0;

	if (send_empty)
		rc = exchange_send(fd, &x, rec);
	while (rc >= 0 && !x.end && (x.in_done < len || send_empty)) {
		rc = wait_for(fd, (short)(POLLIN | (x.out_left > 0 ? POLLOUT : 0)), deadline_ms);
		if (rc < 0)
			break;
		if (x.out_left > 0 && (rc & (POLLOUT | POLLERR)))
			rc = exchange_send(fd, &x, rec);
		if (rc >= 0)
			rc = exchange_receive(fd, &x, rec);
	}
	return rc < 0 ? rc : (int)x.in_done;
}

static int read_to_end(int fd, uint64_t deadline_ms)
{
	uint8_t discard[DISCARD_SIZE];

	for (;;) {
		int rc = wait_for(fd, POLLIN, deadline_ms);
		ssize_t n;

		if (rc < 0)
			return rc;
		n = recv(fd, discard, sizeof(discard), MSG_DONTWAIT);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

int client_finish(int fd, unsigned int timeout_ms)
{
	int rc = shutdown(fd, SHUT_WR) ? -errno : 0;

	if (rc == 0)
		rc = read_to_end(fd, deadline_after(timeout_ms));
	close(fd);
	return rc;
}
