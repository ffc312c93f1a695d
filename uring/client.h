/* SPDX-License-Identifier: MIT */
/* client.h - the kernel-socket client: one fresh socket per candidate address, nothing hidden */
#ifndef URING_CLIENT_H
#define URING_CLIENT_H

#include "../rawstack/addr.h"

struct client_config {
	int netns_fd; /* namespace the socket lives in, -1: here */
	int proto;    /* IPPROTO_TCP or IPPROTO_UDP */
	int family;   /* AF_INET or AF_INET6 */
	int v6only;   /* 0 or 1 is set explicitly on AF_INET6; -1 leaves the system's default */
	bool bind;    /* bind to @source first */
	struct endpoint source;
};

/* What the socket calls said about one connection. */
struct client_record {
	int proto;
	int family;
	int error;	       /* of connect: 0 or -errno */
	struct endpoint local; /* getsockname; all zero when the kernel had none */
	struct endpoint
		peer; /* getpeername, or the address that was asked for when not connected */
	bool connected;
	uint64_t cookie;
	uint64_t real_ns, mono_ns; /* when connect returned */
	uint64_t bytes_out, bytes_in;
};

/* Returns a blocking, close-on-exec socket, or -errno. */
int client_open(const struct client_config *cfg);

/*
 * Connects within @timeout_ms and fills @rec either way (proto, family, cookie, addresses, error,
 * times). Returns 0 or -errno (-ETIMEDOUT when the time is up). UDP connects only set the peer.
 */
int client_connect(int fd, const struct endpoint *peer, unsigned int timeout_ms,
		   struct client_record *rec);

/*
 * Sends @len bytes and reads until as many came back (stream) or one datagram did; adds to
 * rec->bytes_*.
 * @reply holds @len bytes. Returns the bytes read, 0 at end of stream, or -errno (-ETIMEDOUT,
 * -ECONNREFUSED …).
 */
int client_exchange(int fd, const void *data, size_t len, void *reply, unsigned int timeout_ms,
		    struct client_record *rec);

/*
 * Ends a stream in order: shuts down the sending side, reads to the end within @timeout_ms, closes.
 * Closes in any case. Returns 0 or -errno.
 */
int client_finish(int fd, unsigned int timeout_ms);

#endif
