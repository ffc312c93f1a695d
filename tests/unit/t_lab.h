/* SPDX-License-Identifier: MIT */
/* t_lab.h - a lab with sockets in it, for tests */
#ifndef TESTS_UNIT_T_LAB_H
#define TESTS_UNIT_T_LAB_H

#include "../../rawstack/netlink/lab.h"

/* All of these assert: a test cannot go on without them. Receives time out after a second. */

/* For .init: the right to make labs, as root or through a user namespace. */
void t_lab_rights(void);

void t_lab_make(struct lab *lab);

/* A socket of @family on host @side, on whose local port @port it is bound (0: not bound). */
int t_lab_socket(const struct lab *lab, enum lab_side side, int family, int type, uint16_t port);

/* The server's TCP listener on the wildcard address. @v6only: IPV6_V6ONLY of an AF_INET6 one. */
int t_lab_listen(const struct lab *lab, int family, bool v6only, uint16_t port);

/* connect(2) of @fd to @addr, written as @family has it. Returns 0 or -errno. */
int t_lab_connect(int fd, int family, const struct addr *addr, uint16_t port);

uint64_t t_lab_cookie(int fd); /* SO_COOKIE */
uint64_t t_lab_now_ms(void);   /* CLOCK_MONOTONIC */
int t_lab_count_fds(void);     /* open descriptors of this process */

#endif
