/* SPDX-License-Identifier: MIT */
/* pktinfo.h - to which address a datagram was sent, and from which one it is answered */
#ifndef URING_PKTINFO_H
#define URING_PKTINFO_H

#include "../rawstack/addr.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum { PKTINFO_SIZE = CMSG_SPACE(sizeof(struct in6_pktinfo)) };

/* Reads the destination from the control messages of @msg; @local keeps what they do not say. */
void pktinfo_read(struct msghdr *msg, struct endpoint *local);

/*
 * Makes @from the source address of @msg, by a message in @control (PKTINFO_SIZE bytes, aligned as
 * a struct cmsghdr). The wildcard and multicast leave the choice to the kernel.
 */
void pktinfo_write(struct msghdr *msg, unsigned char *control, int family,
		   const struct endpoint *from);

#endif
