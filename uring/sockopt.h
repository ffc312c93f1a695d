/* SPDX-License-Identifier: MIT */
/* sockopt.h - socket options, one function each, and the two addresses of a socket */
#ifndef URING_SOCKOPT_H
#define URING_SOCKOPT_H

#include "../rawstack/addr.h"

/* All return 0 (or the value asked for) or -errno. */

int sockopt_set_int(int fd, int level, int name, int value);

/* Sets IPV6_V6ONLY of an unbound AF_INET6 socket and reads it back; -EPROTO if it did not stick. */
int sockopt_set_v6only(int fd, bool on);

/* IPV6_V6ONLY as the kernel has it now: 0 or 1. */
int sockopt_get_v6only(int fd);

/* SO_COOKIE, the name sock_diag has for the socket; 0 where the kernel does not know it. */
uint64_t sockopt_cookie(int fd);

/* Asks for the destination address of every datagram (IPV6_PKTINFO or IP_PKTINFO messages). */
int sockopt_recv_pktinfo(int fd, int family);

/* sockopt_local: getsockname. A socket without a port has no address yet: @ep is all zero then. */
int sockopt_local(int fd, struct endpoint *ep);

/*
 * SO_PEERNAME, which unlike getpeername(2) still answers when the peer has already sent RST.
 * @family of the socket: the kernel refuses a buffer larger than that family's address.
 */
int sockopt_peer(int fd, int family, struct endpoint *ep);

#endif
