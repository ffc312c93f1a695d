/* SPDX-License-Identifier: MIT */
/* arp.h - ARP packets for IPv4 over Ethernet (RFC 826) */
#ifndef RAWSTACK_WIRE_ARP_H
#define RAWSTACK_WIRE_ARP_H

#include "../addr.h"
#include "span.h"

enum {
	ARP_LEN = 28,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
};

/* Host order; protocol addresses as mapped. */
struct arp_packet {
	uint16_t op;
	uint8_t sender_mac[6];
	struct addr sender;
	uint8_t target_mac[6];
	struct addr target;
};

/*
 * Reads a packet and moves past it; what follows is padding. Returns 0; -ENODATA; -EBADMSG when it
 * is not about IPv4 over Ethernet. The operation is not judged. The span moves only on success.
 */
int arp_parse(struct span *s, struct arp_packet *a);

/* Appends the packet. Returns ARP_LEN, -EINVAL (an address that is not mapped) or -ENOSPC. */
int arp_build(const struct arp_packet *a, struct outbuf *out);

#endif
