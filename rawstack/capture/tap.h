/* SPDX-License-Identifier: MIT */
/* tap.h - one witness post: a packet socket on one interface, from a proven start to a proven stop
 */
#ifndef RAWSTACK_CAPTURE_TAP_H
#define RAWSTACK_CAPTURE_TAP_H

#include "filter.h"
#include "ring.h"

/*
 * Opening order (each step was found to matter): socket of protocol 0 in the right namespace,
 * filter, filter lock, ring, on lo PACKET_IGNORE_OUTGOING, bind to (interface, ETH_P_ALL). Nothing
 * is delivered before the bind, so no frame of another interface and no drop during ring allocation
 * is ever counted.
 *
 * Stopping: bind to an unused EtherType is a real barrier (the kernel waits for a grace period,
 * about 15 ms); ring content survives it. Then drain until consumed == packets - drops.
 *
 * The canary is a frame of EtherType 0x88b5 with a nonce, sent from a socket of its own. A tap that
 * has seen its canary is known to be working; one sent after the last real frame proves that
 * nothing is still on its way.
 */
struct tap_config {
	int netns_fd;	      /* namespace of the interface, -1: the calling thread's */
	unsigned int ifindex; /* in that namespace */
	struct filter_spec filter;
	struct ring_config ring;
	bool lock_filter; /* nobody can change the filter afterwards, us included */
};

/* "dwir": first bytes of every canary; the nonce follows. */
enum { TAP_CANARY_MAGIC = 0x64776972 };

struct tap;

/* Opens in the order above. Needs CAP_NET_RAW in the namespace's owner, and nothing of it later.
 * Returns 0 or -errno, nothing left open: -ENODEV no such interface, -ENETDOWN it is down,
 * -EPROTONOSUPPORT its frames have no Ethernet header, -ENOMEM perhaps a smaller ring. */
int tap_open(const struct tap_config *cfg, struct tap **out);

/* To poll() for readable frames. */
int tap_fd(const struct tap *t);

/* As ring_next(). */
int tap_next(struct tap *t, struct ring_frame *out);

/*
 * Sends one canary carrying @nonce out of this tap's interface, to the broadcast address in a lab
 * (@dst_mac NULL: the interface's own address, so that no other host takes it). Returns 0 or
 * -errno.
 */
int tap_send_canary(struct tap *t, uint64_t nonce, const uint8_t *dst_mac);

/* True when @f is a canary; its nonce goes to @nonce. */
bool tap_is_canary(const struct ring_frame *f, uint64_t *nonce);

/* The barrier: after it returns 0 no further frame enters the ring. Idempotent. An interface that
 * has vanished counts as stopped, and as down. */
int tap_stop(struct tap *t);

/* Name, index, MAC and MTU of the interface, and the namespace's inode, as found when opening. */
struct tap_where {
	char ifname[16];
	unsigned int ifindex;
	uint8_t mac[6];
	unsigned int mtu;
	uint64_t netns_inode;
	bool loopback;
};
const struct tap_where *tap_where(const struct tap *t);

/* As ring_stats(). */
int tap_stats(struct tap *t, struct ring_stats *out);

/* Returns 1 when the interface went down or vanished since tap_open() (ENETDOWN was reported), else
 * 0. */
int tap_went_down(struct tap *t);

/* Closes everything. NULL is allowed. */
void tap_close(struct tap *t);

#endif
