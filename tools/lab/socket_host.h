/* SPDX-License-Identifier: MIT */
/* socket_host.h - one host's sockets, whoever has them: the kernel, or a stack of our own */
#ifndef TOOLS_LAB_SOCKET_HOST_H
#define TOOLS_LAB_SOCKET_HOST_H

#include "../../rawstack/addr.h"

#include <sys/socket.h>
#include <sys/types.h>

/*
 * The calls that a case's steps make. Each is its namesake of section 2 on a socket of that host,
 * but returns -errno. wait() waits for one of @events, at most @ms: 0, -ETIMEDOUT or -errno.
 */
struct stack_host;
struct socket_host;

struct socket_calls {
	int (*socket)(const struct socket_host *h, int domain, int type, int protocol);
	int (*bind)(const struct socket_host *h, int fd, const struct sockaddr *sa, socklen_t len);
	int (*listen)(const struct socket_host *h, int fd, int backlog);
	int (*accept)(const struct socket_host *h, int fd, struct sockaddr *sa, socklen_t *len);
	int (*connect)(const struct socket_host *h, int fd, const struct sockaddr *sa,
		       socklen_t len);
	ssize_t (*sendmsg)(const struct socket_host *h, int fd, const struct msghdr *m, int flags);
	ssize_t (*recvmsg)(const struct socket_host *h, int fd, struct msghdr *m, int flags);
	int (*shutdown)(const struct socket_host *h, int fd, int how);
	int (*close)(const struct socket_host *h, int fd);
	int (*getsockname)(const struct socket_host *h, int fd, struct sockaddr *sa,
			   socklen_t *len);
	int (*getpeername)(const struct socket_host *h, int fd, struct sockaddr *sa,
			   socklen_t *len);
	int (*setsockopt)(const struct socket_host *h, int fd, int level, int name,
			  const void *value, socklen_t len);
	int (*getsockopt)(const struct socket_host *h, int fd, int level, int name, void *value,
			  socklen_t *len);
	int (*set_blocking)(const struct socket_host *h, int fd, bool on);
	int (*wait)(const struct socket_host *h, int fd, short events, unsigned int ms);
};

struct socket_host {
	const struct socket_calls *calls;
	int netns_fd;		  /* of the kernel's sockets */
	struct stack_host *stack; /* NULL: the kernel's */
};

/* The sockets that the kernel has in @netns_fd. */
struct socket_host socket_host_kernel(int netns_fd);

/* What is asked of a socket in one word. As in sockopt.h; the stack's sockets have no cookie. */
int socket_host_local(const struct socket_host *h, int fd, struct endpoint *ep);
int socket_host_peer(const struct socket_host *h, int fd, struct endpoint *ep);
uint64_t socket_host_cookie(const struct socket_host *h, int fd);
int socket_host_family(const struct socket_host *h, int fd); /* 0: not known */

#endif
