/* SPDX-License-Identifier: MIT */
/* socket_host.c - the kernel's sockets of one host */
#include "socket_host.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/netns.h"
#include "../../uring/sockopt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static int result(int rc)
{
	return rc < 0 ? -errno : rc;
}

static int kernel_socket(const struct socket_host *h, int domain, int type, int protocol)
{
	return netns_socket(h->netns_fd, domain, type | SOCK_CLOEXEC, protocol);
}

static int kernel_bind(const struct socket_host *h, int fd, const struct sockaddr *sa,
		       socklen_t len)
{
	(void)h;
	return result(bind(fd, sa, len));
}

static int kernel_listen(const struct socket_host *h, int fd, int backlog)
{
	(void)h;
	return result(listen(fd, backlog));
}

static int kernel_accept(const struct socket_host *h, int fd, struct sockaddr *sa, socklen_t *len)
{
	(void)h;
	return result(accept4(fd, sa, len, SOCK_CLOEXEC));
}

static int kernel_connect(const struct socket_host *h, int fd, const struct sockaddr *sa,
			  socklen_t len)
{
	(void)h;
	return result(connect(fd, sa, len));
}

static ssize_t kernel_sendmsg(const struct socket_host *h, int fd, const struct msghdr *m,
			      int flags)
{
	ssize_t n = sendmsg(fd, m, flags);

	(void)h;
	return n < 0 ? -errno : n;
}

static ssize_t kernel_recvmsg(const struct socket_host *h, int fd, struct msghdr *m, int flags)
{
	ssize_t n = recvmsg(fd, m, flags);

	(void)h;
	return n < 0 ? -errno : n;
}

static int kernel_shutdown(const struct socket_host *h, int fd, int how)
{
	(void)h;
	return result(shutdown(fd, how));
}

static int kernel_close(const struct socket_host *h, int fd)
{
	(void)h;
	return result(close(fd));
}

static int kernel_getsockname(const struct socket_host *h, int fd, struct sockaddr *sa,
			      socklen_t *len)
{
	(void)h;
	return result(getsockname(fd, sa, len));
}

static int kernel_getpeername(const struct socket_host *h, int fd, struct sockaddr *sa,
			      socklen_t *len)
{
	(void)h;
	return result(getpeername(fd, sa, len));
}

static int kernel_setsockopt(const struct socket_host *h, int fd, int level, int name,
			     const void *value, socklen_t len)
{
	(void)h;
	return result(setsockopt(fd, level, name, value, len));
}

static int kernel_getsockopt(const struct socket_host *h, int fd, int level, int name, void *value,
			     socklen_t *len)
{
	(void)h;
	return result(getsockopt(fd, level, name, value, len));
}

static int kernel_set_blocking(const struct socket_host *h, int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	(void)h;
	if (flags < 0)
		return -errno;
	return result(fcntl(fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK));
}

static int kernel_wait(const struct socket_host *h, int fd, short events, unsigned int ms)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) / NS_PER_MS + ms;
	struct pollfd pfd = {.fd = fd, .events = events};

	(void)h;
	for (;;) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
		int rc = poll(&pfd, 1, now < end ? (int)(end - now) : 0);

		if (rc > 0)
			return 0;
		if (rc == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static const struct socket_calls KERNEL_CALLS = {
	.socket = kernel_socket,
	.bind = kernel_bind,
	.listen = kernel_listen,
	.accept = kernel_accept,
	.connect = kernel_connect,
	.sendmsg = kernel_sendmsg,
	.recvmsg = kernel_recvmsg,
	.shutdown = kernel_shutdown,
	.close = kernel_close,
	.getsockname = kernel_getsockname,
	.getpeername = kernel_getpeername,
	.setsockopt = kernel_setsockopt,
	.getsockopt = kernel_getsockopt,
	.set_blocking = kernel_set_blocking,
	.wait = kernel_wait,
};

struct socket_host socket_host_kernel(int netns_fd)
{
	return (struct socket_host){.calls = &KERNEL_CALLS, .netns_fd = netns_fd};
}

int socket_host_local(const struct socket_host *h, int fd, struct endpoint *ep)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int rc = h->calls->getsockname(h, fd, (struct sockaddr *)&ss, &len);

	*ep = (struct endpoint){.port = 0};
	if (rc < 0)
		return rc;
	rc = endpoint_from_sockaddr((struct sockaddr *)&ss, len, ep);
	if (rc >= 0 && ep->port == 0)
		*ep = (struct endpoint){.port = 0};
	return rc < 0 ? rc : 0;
}

int socket_host_peer(const struct socket_host *h, int fd, struct endpoint *ep)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int rc;

	if (!h->stack) /* which answers even when the peer has reset the connection */
		return sockopt_peer(fd, socket_host_family(h, fd), ep);
	rc = h->calls->getpeername(h, fd, (struct sockaddr *)&ss, &len);
	if (rc == 0)
		rc = endpoint_from_sockaddr((struct sockaddr *)&ss, len, ep);
	return rc < 0 ? rc : 0;
}

uint64_t socket_host_cookie(const struct socket_host *h, int fd)
{
	return h->stack ? 0 : sockopt_cookie(fd);
}

int socket_host_family(const struct socket_host *h, int fd)
{
	int family = 0;
	socklen_t len = sizeof(family);

	return h->calls->getsockopt(h, fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0 ? 0 : family;
}
