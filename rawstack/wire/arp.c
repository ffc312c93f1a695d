/* SPDX-License-Identifier: MIT */
/* arp.c - ARP packets */
#include "arp.h"

#include "eth.h"

#include <errno.h>

enum {
	HARDWARE_ETHERNET = 1,
	MAC_LEN = 6,
	IPV4_LEN = 4,
};

int arp_parse(struct span *s, struct arp_packet *a)
{
	const uint8_t *p = span_peek(s, ARP_LEN);

	if (!p)
		return -ENODATA;
	if (get_be16(p) != HARDWARE_ETHERNET || get_be16(p + 2) != ETHTYPE_IPV4 ||
	    p[4] != MAC_LEN || p[5] != IPV4_LEN)
		return -EBADMSG;
	span_take(s, ARP_LEN);
	a->op = get_be16(p + 6);
	memcpy(a->sender_mac, p + 8, MAC_LEN);
	a->sender = addr_from_v4(p + 14);
	memcpy(a->target_mac, p + 18, MAC_LEN);
	a->target = addr_from_v4(p + 24);
	return 0;
}

int arp_build(const struct arp_packet *a, struct outbuf *out)
{
	uint8_t *p;

	if (!addr_is_mapped(&a->sender) || !addr_is_mapped(&a->target))
		return -EINVAL;
	p = outbuf_add(out, ARP_LEN);
	if (!p)
		return -ENOSPC;
	put_be16(p, HARDWARE_ETHERNET);
	put_be16(p + 2, ETHTYPE_IPV4);
	p[4] = MAC_LEN;
	p[5] = IPV4_LEN;
	put_be16(p + 6, a->op);
	memcpy(p + 8, a->sender_mac, MAC_LEN);
	memcpy(p + 14, addr_v4(&a->sender), IPV4_LEN);
	memcpy(p + 18, a->target_mac, MAC_LEN);
	memcpy(p + 24, addr_v4(&a->target), IPV4_LEN);
	return ARP_LEN;
}
