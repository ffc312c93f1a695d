/* SPDX-License-Identifier: MIT */
/* rawio.h - frames in and out of one interface, in batches */
#ifndef URING_LOAD_RAWIO_H
#define URING_LOAD_RAWIO_H

#include "../../rawstack/capture/ring.h"

/*
 * Two packet sockets: one receives through a TPACKET_V2 ring (a frame is seen as soon as it is
 * there), past a filter and without the frames we send; the other sends, past the queueing
 * discipline, and receives nothing.
 *
 * Frames are sent from a TPACKET_V2 ring with a virtio header that names the whole frame as header:
 * the kernel then copies it into the packet. Without that it would send references to the ring's
 * pages, and give the slot back when a veth has queued the packet, not when the other end has read
 * it: a slot used again would change a frame that is still under way.
 *
 * Limits: RAWIO_BATCH frames wait for a flush; frames up to RAWIO_FRAME_MAX bytes.
 */
enum { RAWIO_BATCH = 64, RAWIO_FRAME_MAX = 1514 };

struct rawio_where {
	char ifname[16];
	uint8_t mac[6];
	unsigned int mtu;
};

/* What is received: ARP, ICMPv6, and TCP segments from (or else to) @port. */
struct rawio_filter {
	bool from;
	uint16_t port;
};

struct rawio;

/*
 * Opens both sockets in @netns_fd (-1: here) on @ifindex. Returns 0 or -errno: -ENODEV no such
 * interface, -ENETDOWN it is down, -EPROTONOSUPPORT no Ethernet, -EPERM without CAP_NET_RAW.
 */
int rawio_open(int netns_fd, unsigned int ifindex, const struct rawio_filter *filter,
	       struct rawio **out);
void rawio_close(struct rawio *io); /* NULL is allowed */

const struct rawio_where *rawio_where(const struct rawio *io);

/* As ring_next(). */
int rawio_next(struct rawio *io, struct ring_frame *f);

/* Room for a frame of RAWIO_FRAME_MAX bytes; NULL: flush first. rawio_commit() queues it. */
uint8_t *rawio_room(struct rawio *io);
void rawio_commit(struct rawio *io, size_t len);

/* Sends what is queued; what the other end has no room for waits for the next flush. Returns 0 or
 * -errno (-ENETDOWN, -ENXIO ...). */
int rawio_flush(struct rawio *io);

/* Waits until a frame comes or @timeout_ns are over. Returns 0 or -errno (-EINTR). */
int rawio_wait(struct rawio *io, uint64_t timeout_ns);

/* Frames that came when the ring was full, since the beginning. */
uint64_t rawio_dropped(struct rawio *io);

#endif
