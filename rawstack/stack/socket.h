/* SPDX-License-Identifier: MIT */
/* socket.h - sockets on the user-space stack: IP packets in, IP packets out, any clock */
#ifndef RAWSTACK_STACK_SOCKET_H
#define RAWSTACK_STACK_SOCKET_H

#include "../addr.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

/*
 * A host that exists only in this process: addresses of both families, sockets, and no system call.
 * Whoever owns it moves its IP packets (rawstack_host_input(), output) and tells it the time, real
 * or not; so a test can have an hour pass in a millisecond, and two hosts can be joined by a
 * function. One thread at a time.
 *
 * The calls are those of the manual's section 2 with the host in front: they return what their
 * namesakes return, -1 with errno set as Linux sets it. Descriptors are the host's own, from 0.
 * What a dual-stack socket may do with which address is as on Linux, with these exceptions: an IPv6
 * packet that carries a mapped address is dropped; a socket whose connect() to a mapped address
 * failed can be used for a native one; there is no loopback interface.
 *
 * Blocking: a call that has to wait calls wait() until it need not. Without wait() it fails with
 * EAGAIN, as if the socket did not block.
 */
struct rawstack_host;

enum {
	RAWSTACK_SOCKETS_MAX = 1024,
	RAWSTACK_ADDRS_MAX = 16,
};

struct rawstack_host_config {
	struct {
		const char *address; /* "198.51.100.2", "2001:db8:1::2" */
		int prefix_len;
	} addrs[RAWSTACK_ADDRS_MAX];
	int n_addrs;
	int mtu;	    /* 0: 1500 */
	uint8_t secret[32]; /* random where it matters */
	/*
	 * Where it is not all zero the host is a station on an Ethernet: what it is given and gives
	 * are frames, it asks for its neighbours and answers them. It takes its addresses without
	 * asking whether somebody has them.
	 */
	uint8_t mac[6];
	/*
	 * The index of its one interface, which link-local addresses come with, and have to, as
	 * sin6_scope_id. 0: they have none.
	 */
	uint32_t ifindex;

	/* One IP packet, or frame, of the host, borrowed for the call. */
	void (*output)(void *arg, const void *packet, size_t len);
	/* Nanoseconds of a clock that never goes back. */
	uint64_t (*clock)(void *arg);
	/*
	 * Lets time pass until a packet has been given to the host or @until is reached. Returns 0,
	 * or -errno: the call that waits fails with it. NULL: nothing ever blocks.
	 */
	int (*wait)(void *arg, uint64_t until);
	void *arg;
};

/* Returns NULL with errno set: EINVAL, ENOMEM. */
struct rawstack_host *rawstack_host_new(const struct rawstack_host_config *cfg);
void rawstack_host_free(struct rawstack_host *h);

/* One IP packet, or frame, for the host; not kept. */
void rawstack_host_input(struct rawstack_host *h, const void *packet, size_t len);

/* Does what is due and sends what is to be sent. To be called when rawstack_host_deadline() says.
 */
void rawstack_host_run(struct rawstack_host *h);
uint64_t rawstack_host_deadline(const struct rawstack_host *h); /* UINT64_MAX: nothing is due */

/* A counter of the stack by name ("tcp_retransmits"), UINT64_MAX for none of that name. */
uint64_t rawstack_host_counter(const struct rawstack_host *h, const char *name);

int rawstack_socket(struct rawstack_host *h, int domain, int type, int protocol);
int rawstack_bind(struct rawstack_host *h, int fd, const struct sockaddr *addr, socklen_t len);
int rawstack_listen(struct rawstack_host *h, int fd, int backlog);
int rawstack_accept(struct rawstack_host *h, int fd, struct sockaddr *addr, socklen_t *len,
		    int flags);
int rawstack_connect(struct rawstack_host *h, int fd, const struct sockaddr *addr, socklen_t len);
ssize_t rawstack_send(struct rawstack_host *h, int fd, const void *buf, size_t len, int flags);
ssize_t rawstack_recv(struct rawstack_host *h, int fd, void *buf, size_t len, int flags);
ssize_t rawstack_sendto(struct rawstack_host *h, int fd, const void *buf, size_t len, int flags,
			const struct sockaddr *addr, socklen_t addr_len);
ssize_t rawstack_recvfrom(struct rawstack_host *h, int fd, void *buf, size_t len, int flags,
			  struct sockaddr *addr, socklen_t *addr_len);

/*
 * Beside a datagram: IPV6_PKTINFO and IP_PKTINFO name the source when sending. Received are those
 * that were asked for, as Linux has it: the messages of IPv4 beside what came in IPv4, those of
 * IPv6 beside the other, IPV6_PKTINFO beside both. Other messages to be sent fail with EINVAL.
 */
ssize_t rawstack_sendmsg(struct rawstack_host *h, int fd, const struct msghdr *msg, int flags);
ssize_t rawstack_recvmsg(struct rawstack_host *h, int fd, struct msghdr *msg, int flags);
int rawstack_shutdown(struct rawstack_host *h, int fd, int how);
int rawstack_close(struct rawstack_host *h, int fd);
int rawstack_getsockname(struct rawstack_host *h, int fd, struct sockaddr *addr, socklen_t *len);
int rawstack_getpeername(struct rawstack_host *h, int fd, struct sockaddr *addr, socklen_t *len);

/*
 * SOL_SOCKET: REUSEADDR REUSEPORT BROADCAST KEEPALIVE LINGER RCVTIMEO SNDTIMEO, and to be read
 * ERROR TYPE DOMAIN PROTOCOL ACCEPTCONN; SOL_IPV6: V6ONLY RECVPKTINFO RECVHOPLIMIT RECVTCLASS
 * RECVORIGDSTADDR; SOL_IP: PKTINFO RECVTTL RECVTOS RECVORIGDSTADDR; SOL_TCP: NODELAY KEEPIDLE, and
 * to be read MAXSEG. Others fail with ENOPROTOOPT.
 */
int rawstack_setsockopt(struct rawstack_host *h, int fd, int level, int name, const void *value,
			socklen_t len);
int rawstack_getsockopt(struct rawstack_host *h, int fd, int level, int name, void *value,
			socklen_t *len);

int rawstack_poll(struct rawstack_host *h, struct pollfd *fds, nfds_t n, int timeout_ms);

/* O_NONBLOCK on or off. */
int rawstack_set_nonblock(struct rawstack_host *h, int fd, int on);

#endif
