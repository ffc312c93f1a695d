/* SPDX-License-Identifier: MIT */
/* t_lab.c - a lab with sockets in it, for tests */
#include "t_lab.h"

#include "../../rawstack/netlink/netns.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

void t_lab_rights(void)
{
	int ret = netns_become_capable();

	cr_assert(ret >= 0, "cannot make namespaces here: %s", strerror(-ret));
}

void t_lab_make(struct lab *lab)
{
	struct lab_error err;
	int ret = lab_create(lab, &err);

	cr_assert(ret == 0, "%s: %s", err.step, err.detail);
}

int t_lab_socket(const struct lab *lab, enum lab_side side, int family, int type, uint16_t port)
{
	int fd = netns_socket(lab->host[side].netns_fd, family, type | SOCK_CLOEXEC, 0);
	struct endpoint any = {.addr = family == AF_INET ? ADDR_ANY4 : ADDR_ANY6, .port = port};
	struct timeval second = {.tv_sec = 1};
	struct sockaddr_storage ss;
	int len;

	cr_assert(fd >= 0, "socket: %s", strerror(-fd));
	cr_assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) == 0);
	if (port) {
		len = endpoint_to_sockaddr(&any, family, &ss);
		cr_assert(len > 0);
		cr_assert(bind(fd, (struct sockaddr *)&ss, (socklen_t)len) == 0, "bind: %m");
	}
	return fd;
}

int t_lab_listen(const struct lab *lab, int family, bool v6only, uint16_t port)
{
	struct endpoint any = {.addr = family == AF_INET ? ADDR_ANY4 : ADDR_ANY6, .port = port};
	int fd = t_lab_socket(lab, LAB_SERVER, family, SOCK_STREAM, 0);
	int only = v6only;
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(&any, family, &ss);

	if (family == AF_INET6)
		cr_assert(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) == 0);
	cr_assert(bind(fd, (struct sockaddr *)&ss, (socklen_t)len) == 0, "bind: %m");
	cr_assert(listen(fd, 16) == 0, "listen: %m");
	return fd;
}

int t_lab_connect(int fd, int family, const struct addr *addr, uint16_t port)
{
	struct endpoint to = {.addr = *addr, .port = port};
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(&to, family, &ss);

	cr_assert(len > 0);
	return connect(fd, (struct sockaddr *)&ss, (socklen_t)len) < 0 ? -errno : 0;
}

uint64_t t_lab_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	cr_assert(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0);
	return cookie;
}

uint64_t t_lab_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int t_lab_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = -3; /* ".", ".." and the directory's own */

	cr_assert(dir, "/proc/self/fd: %m");
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
