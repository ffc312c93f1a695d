/* SPDX-License-Identifier: MIT */
/* link.h - where the stack's frames come from and go to: one interface, whatever is behind it */
#ifndef RAWSTACK_STACK_LINK_H
#define RAWSTACK_STACK_LINK_H

#include "../wire/frame.h"

/*
 * A link is one thread's. Frames are received one at a time and lent; frames to be sent are built
 * in the link's own memory, where reserve() says, and leave with flush() or when the link finds it
 * convenient. The three functions of struct stack_link in stack.h are the first three for sending.
 */
struct link_frame {
	const uint8_t *bytes;
	struct frame_meta meta;
};

struct link_stats {
	uint64_t rx_frames;
	uint64_t rx_drops;	 /* came while the ring was full */
	uint64_t rx_superframes; /* longer than a slot: offloads of the other end; fetched apart */
	uint64_t rx_truncated;	 /* of those, not to be had whole */
	uint64_t tx_frames;
	uint64_t tx_refused;  /* that the kernel did not take */
	uint64_t tx_no_room;  /* that found no slot */
	uint64_t tx_syscalls; /* for sending */
};

struct link;

struct link_ops {
	const char *name; /* "ring", "xdp" */
	/* The next frame, lent until the next call. Returns 1, or 0 when there is none now. */
	int (*rx)(struct link *l, struct link_frame *out);
	/* Room for @len bytes, or NULL. One frame is reserved at a time; commit() may be for less.
	 */
	uint8_t *(*reserve)(struct link *l, size_t len);
	void (*commit)(struct link *l, size_t len);
	/* Hands over what was committed. Returns 0 or -errno (-ENETDOWN: the interface is gone). */
	int (*flush)(struct link *l);
	int (*stats)(struct link *l, struct link_stats *out);
	void (*close)(struct link *l);
};

/* What every link begins with. */
struct link {
	const struct link_ops *ops;
	int fd; /* to poll() for frames */
	unsigned int ifindex;
	uint32_t mtu;
	uint8_t mac[6]; /* the station we are */
	bool any_mac;	/* the interface takes frames for whatever station: a veth or a tap */
	uint32_t slots; /* received frames that may wait; fewer than asked for where memory is short
			 */
};

static inline int link_rx(struct link *l, struct link_frame *out)
{
	return l->ops->rx(l, out);
}

static inline int link_flush(struct link *l)
{
	return l->ops->flush(l);
}

static inline int link_stats(struct link *l, struct link_stats *out)
{
	return l->ops->stats(l, out);
}

/* NULL is allowed. */
static inline void link_close(struct link *l)
{
	if (l)
		l->ops->close(l);
}

/* As struct stack_link wants them; @arg is the link. */
static inline uint8_t *link_reserve(void *arg, size_t len)
{
	struct link *l = arg;

	return l->ops->reserve(l, len);
}

static inline void link_commit(void *arg, size_t len)
{
	struct link *l = arg;

	l->ops->commit(l, len);
}

struct link_config {
	int netns_fd;	      /* namespace of the interface, -1: the calling thread's */
	unsigned int ifindex; /* in that namespace */
	uint32_t rx_slots;    /* 0: 4096 */
	uint32_t tx_slots;    /* 0: 1024 */
	bool tx_sendmmsg;     /* instead of a ring to send from */
	bool own_mac;	      /* rings, where the interface is any_mac: be a station of our own */
	bool keep_queueing;   /* send through the queueing discipline: then a tap on the same
				 interface sees what we send */
};

/*
 * What must be true of an interface before a stack may use it, over netlink: it is there, it is up,
 * it carries Ethernet, and the kernel has no address on it (it would answer, and reset our
 * connections). Fills index, MTU, MAC and any_mac of @l. Returns 0; -ENODEV, -ENETDOWN,
 * -EPROTONOSUPPORT, -EADDRINUSE (an address; @kernel_addr, if not NULL, receives it), or another
 * -errno.
 */
int link_check(int netns_fd, unsigned int ifindex, struct link *l, struct addr *kernel_addr);

/*
 * Makes the interface's MAC one of our own, always the same, locally administered (IEEE 802 8.2.2).
 * A ring gets copies: the kernel's IP layer sees each frame as well, looks for a route and, for
 * IPv6, for whom to complain to. What is for another station it drops at once.
 */
void link_own_mac(uint8_t mac[6]);

/*
 * AF_PACKET rings (link_ring.c) and AF_XDP in copy mode (link_xdp.c). Both need CAP_NET_RAW in the
 * interface's namespace, the latter CAP_BPF and CAP_NET_ADMIN besides. Return 0; what link_check()
 * returns; -EPERM; -ENOMEM (not even a small ring); -EOPNOTSUPP.
 */
int link_ring_open(const struct link_config *cfg, struct link **out);
int link_xdp_open(const struct link_config *cfg, struct link **out);

#endif
