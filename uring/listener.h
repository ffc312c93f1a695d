/* SPDX-License-Identifier: MIT */
/* listener.h - what a listening socket shall be, what the kernel made of it, and how it is opened
 */
#ifndef URING_LISTENER_H
#define URING_LISTENER_H

#include "../rawstack/addr.h"

enum { LISTENER_BACKLOG_DEFAULT = 4096 };

/* One listening socket to be. */
struct listen_spec {
	int proto;	      /* IPPROTO_TCP or IPPROTO_UDP */
	int family;	      /* AF_INET or AF_INET6: of the socket */
	struct endpoint bind; /* IPv4 (mapped) only on AF_INET; port 0: the kernel chooses */
	bool v6only;	      /* AF_INET6 only; always set explicitly and read back */
	bool reuseport;
	int backlog;	  /* 0: LISTENER_BACKLOG_DEFAULT */
	int inherited_fd; /* not 0: this socket is taken over as it is, see listener_describe() */
};

/* What the kernel made of it. */
struct listen_info {
	int proto, family;
	struct endpoint local;
	int v6only; /* as read back after bind; -1 on AF_INET */
	uint64_t cookie;
};

/* The step at which opening a listener failed. */
enum listen_step {
	LISTEN_STEP_CHECK, /* family and address contradict each other; nothing was opened */
	LISTEN_STEP_SOCKET,
	LISTEN_STEP_OPTIONS,
	LISTEN_STEP_BIND,
	LISTEN_STEP_LISTEN,
};

/*
 * Describes a socket that somebody else has opened and bound, such as systemd: fills in all of
 * @spec that engines and messages need, and sets spec->inherited_fd. Nothing about the socket is
 * changed. Returns 0; -ENOTSOCK; -EPROTONOSUPPORT for anything but TCP listening or UDP bound, over
 * IPv4 or IPv6; or another -errno.
 */
int listener_describe(int fd, struct listen_spec *spec);

/*
 * Opens a blocking, close-on-exec socket for @spec: TCP listening, UDP bound and asking for the
 * destination address of every datagram. IPV6_V6ONLY is set on every AF_INET6 socket and read back:
 * -EPROTO when the kernel kept another value. A native address other than the wildcard makes the
 * kernel set it to 1 whatever was asked; that is not an error, @info tells. An inherited socket is
 * used as it is.
 * Returns the descriptor or -errno with @step set.
 */
int listener_open(const struct listen_spec *spec, struct listen_info *info, enum listen_step *step);

/*
 * Puts the failure of listener_open() into words: @what names the step and the address, @remedy
 * what to do ("" when there is no good advice).
 */
void listener_explain(const struct listen_spec *spec, enum listen_step step, int error, char *what,
		      size_t what_size, char *remedy, size_t remedy_size);

#endif
