/* SPDX-License-Identifier: MIT */
/* sockdiag.h - what sockets the kernel keeps: dumps, exact look-ups, and events when one is
 * destroyed */
#ifndef RAWSTACK_NETLINK_SOCKDIAG_H
#define RAWSTACK_NETLINK_SOCKDIAG_H

#include "../addr.h"

/* One socket as the kernel describes it. Host order; IPv4 as mapped, so look at @family for what it
 * is. */
struct sockdiag_entry {
	int family;    /* AF_INET or AF_INET6: the socket's own */
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t state; /* TCP_ESTABLISHED … as in <netinet/tcp.h>; UDP: ESTABLISHED (connected) or
			  CLOSE */
	bool destroyed; /* from an event: the last word on this socket */
	struct endpoint src, dst;
	uint32_t ifindex;
	uint64_t cookie; /* equal to SO_COOKIE of the socket, before and after its end */
	uint32_t inode, uid;
	int v6only; /* 1, 0, or -1 where the kernel does not say (all but LISTEN and CLOSE) */

	bool has_info; /* the TCP counters below are valid */
	uint32_t segs_in, segs_out;
	uint64_t bytes_received; /* payload, +1 when a FIN was received */
	uint64_t bytes_acked; /* payload, +1 for an active opener's SYN, +1 for an acknowledged FIN
			       */
	uint32_t snd_mss, advmss;
	uint32_t rtt_us;
};

typedef void (*sockdiag_fn)(const struct sockdiag_entry *e, void *arg);

struct sockdiag;

/* Opens a query socket in @netns_fd (-1: here). No capability needed. Returns 0 or -errno. */
int sockdiag_open(int netns_fd, struct sockdiag **out);

/*
 * Calls @fn for each socket of @proto and @family (AF_INET or AF_INET6; each needs a dump of its
 * own: an AF_INET6 socket with mapped addresses is only in the AF_INET6 one) whose local port is
 * @port (0: any). Returns how many there were, or -errno. A dump is not atomic: key by cookie.
 */
int sockdiag_dump(struct sockdiag *sd, int proto, int family, uint16_t port, sockdiag_fn fn,
		  void *arg);

/*
 * The socket that the kernel's own look-up of an incoming datagram of @family finds for these
 * addresses: the connected one, else the listener or unconnected UDP socket that would take it
 * (compare dst or cookie with what was expected). AF_INET with plain addresses finds a mapped
 * AF_INET6 socket: the demultiplexing proof. Returns 0, -ENOENT, -EAFNOSUPPORT (a native address
 * with AF_INET) or other -errno.
 */
int sockdiag_get(struct sockdiag *sd, int proto, int family, const struct endpoint *local,
		 const struct endpoint *peer, struct sockdiag_entry *out);

void sockdiag_close(struct sockdiag *sd);

struct sockdiag_events;

/*
 * Subscribes to the end of every TCP and UDP socket of both families in @netns_fd (-1: here).
 * @rcvbuf: bytes of queue asked for, 0: as large as allowed. Returns 0 or -errno.
 */
int sockdiag_events_open(int netns_fd, int rcvbuf, struct sockdiag_events **out);

/* To poll(). */
int sockdiag_events_fd(const struct sockdiag_events *ev);

/*
 * Delivers all events that are queued, without blocking. Returns how many, or -errno. Events that
 * the kernel had to drop (ENOBUFS) are counted, see sockdiag_events_lost(), and reading goes on.
 */
int sockdiag_events_read(struct sockdiag_events *ev, sockdiag_fn fn, void *arg);

/* How often the kernel reported lost events: anything but 0 means the kernel view has holes. */
uint64_t sockdiag_events_lost(const struct sockdiag_events *ev);

void sockdiag_events_close(struct sockdiag_events *ev);

#endif
