/* SPDX-License-Identifier: MIT */
/* forge.h - native IPv6 datagrams from a ::ffff: address, and who gets the answer */
#ifndef TOOLS_AUDIT_FORGE_H
#define TOOLS_AUDIT_FORGE_H

#include "audit.h"

/*
 * A forged datagram and the sockets that an answer to it would reach: the client whose address it
 * claims, or for a loopback address the server's own host.
 */
struct forged {
	struct addr source; /* IPv4: in the frame it is written ::ffff:a.b.c.d */
	struct addr to;	    /* the server's, native */
	uint16_t port;
	uint16_t sport; /* receives the client's */
	int fd;		/* waits for the answer, an AF_INET socket; -1: not sent */
	bool answered;
};

/* Opens the socket and puts the frame on the wire. Returns 0 or -errno. */
int forge_send(struct audit *a, struct forged *f, const void *say, size_t len);

/* Whether an answer has come by now; closes the socket. */
void forge_finish(struct forged *f);

#endif
