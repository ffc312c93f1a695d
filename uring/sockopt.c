/* SPDX-License-Identifier: MIT */
/* sockopt.c - socket options, one function each, and the two addresses of a socket */
#include "sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#ifndef SO_PEERNAME
#define SO_PEERNAME 28
#endif

int sockopt_set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

int sockopt_get_v6only(int fd)
{
	int value;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, &len))
		return -errno;
	return value != 0;
}

int sockopt_set_v6only(int fd, bool on)
{
	int rc = sockopt_set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, on);

	if (rc < 0)
		return rc;
	rc = sockopt_get_v6only(fd);
	if (rc < 0)
		return rc;
	return rc == (int)on ? 0 : -EPROTO;
}

uint64_t sockopt_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len))
		return 0;
	return cookie;
}

int sockopt_recv_pktinfo(int fd, int family)
{
	if (family == AF_INET6)
		return sockopt_set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	return sockopt_set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

static int endpoint_read(const struct sockaddr_storage *ss, socklen_t len, struct endpoint *ep)
{
	int rc = endpoint_from_sockaddr((const struct sockaddr *)ss, len, ep);

	return rc < 0 ? rc : 0;
}

int sockopt_local(int fd, struct endpoint *ep)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int rc;

	memset(ep, 0, sizeof(*ep));
	if (getsockname(fd, (struct sockaddr *)&ss, &len))
		return -errno;
	rc = endpoint_read(&ss, len, ep);
	if (rc == 0 && ep->port == 0)
		memset(ep, 0, sizeof(*ep));
	return rc;
}

int sockopt_peer(int fd, int family, struct endpoint *ep)
{
	struct sockaddr_storage ss;
	socklen_t len =
		family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

	memset(ep, 0, sizeof(*ep));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &ss, &len))
		return -errno;
	return endpoint_read(&ss, len, ep);
}
