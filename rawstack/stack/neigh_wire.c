/* SPDX-License-Identifier: MIT */
/* neigh_wire.c - ARP packets and neighbour discovery messages, to and from their common form */
#include "neigh_internal.h"

#include "../wire/arp.h"
#include "../wire/eth.h"
#include "../wire/ipv6.h"
#include "../wire/nd.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>

static bool is_group(const uint8_t mac[6])
{
	return mac[0] & 1;
}

static bool usable_mac(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !is_group(mac) && memcmp(mac, zero, 6) != 0;
}

int neigh_read_arp(const struct neigh *n, const uint8_t eth_src[6], const uint8_t eth_dst[6],
		   struct span packet, struct neigh_msg *m)
{
	struct arp_packet arp;

	if (arp_parse(&packet, &arp) != 0 || !usable_mac(arp.sender_mac))
		return -EBADMSG;
	if (arp.op != ARP_REQUEST && arp.op != ARP_REPLY)
		return -EBADMSG;
	*m = (struct neigh_msg){.has_lladdr = true};
	memcpy(m->from_mac, eth_src, 6);
	memcpy(m->lladdr, arp.sender_mac, 6);
	m->source = arp.sender;
	/* An announcement is a request that asks for its own sender (RFC 5227 2.3). */
	if (arp.op == ARP_REQUEST && !addr_eq(&arp.sender, &arp.target)) {
		m->verb = NEIGH_SOLICIT;
		m->target = arp.target;
		return 0;
	}
	m->verb = NEIGH_ADVERTISE;
	m->target = arp.sender;
	m->override = true;
	m->solicited = arp.op == ARP_REPLY && !is_group(eth_dst) &&
		       memcmp(arp.target_mac, n->cfg.mac, 6) == 0;
	return 0;
}

int neigh_read_nd(const uint8_t eth_src[6], const struct addr *src, const struct addr *dst,
		  uint8_t hop_limit, struct span message, struct neigh_msg *m)
{
	const struct nd_carrier ip = {.src = *src, .dst = *dst, .hop_limit = hop_limit};
	struct nd_msg nd;

	if (nd_parse(message, &ip, &nd) != 0)
		return -EBADMSG;
	/* Recognised, and deliberately of no effect: nothing on the link configures this host. */
	if (nd.type != ND_SOLICIT && nd.type != ND_ADVERT)
		return -ENOMSG;
	if (addr_is_mapped(&nd.target) || (nd.has_lladdr && !usable_mac(nd.lladdr)))
		return -EBADMSG;
	*m = (struct neigh_msg){
		.verb = nd.type == ND_SOLICIT ? NEIGH_SOLICIT : NEIGH_ADVERTISE,
		.target = nd.target,
		.source = *src,
		.has_lladdr = nd.has_lladdr,
		.solicited = nd.solicited,
		.override = nd.override,
		.has_nonce = nd.has_nonce,
	};
	memcpy(m->from_mac, eth_src, 6);
	memcpy(m->lladdr, nd.lladdr, 6);
	memcpy(m->nonce, nd.nonce, 6);
	return 0;
}

static void put_ethernet(const struct neigh *n, const struct neigh_msg *m, uint16_t ethertype,
			 struct outbuf *out)
{
	struct eth_hdr eth = {.ethertype = ethertype};

	memcpy(eth.dst, m->to_mac, 6);
	memcpy(eth.src, n->cfg.mac, 6);
	eth_build(&eth, out);
}

/* An answer names the asker, an announcement (RFC 5227 2.3) is a request for oneself. */
static void put_arp(const struct neigh *n, const struct neigh_msg *m, struct outbuf *out)
{
	bool reply = m->verb == NEIGH_ADVERTISE && m->solicited;
	struct arp_packet arp = {.op = reply ? ARP_REPLY : ARP_REQUEST};

	memcpy(arp.sender_mac, n->cfg.mac, 6);
	arp.sender = m->verb == NEIGH_SOLICIT ? m->source : m->target;
	arp.target = reply ? m->to : m->target;
	if (reply)
		memcpy(arp.target_mac, m->to_mac, 6);
	put_ethernet(n, m, ETHTYPE_ARP, out);
	arp_build(&arp, out);
}

static void put_nd(const struct neigh *n, const struct neigh_msg *m, struct outbuf *out)
{
	bool probe = m->verb == NEIGH_SOLICIT && addr_is_any(&m->source);
	struct nd_msg nd = {
		.type = m->verb == NEIGH_SOLICIT ? ND_SOLICIT : ND_ADVERT,
		.target = m->target,
		.solicited = m->solicited,
		.override = m->override,
		.has_lladdr = !probe,
		.has_nonce = m->has_nonce,
	};
	size_t len =
		ND_LEN + (nd.has_lladdr ? ND_OPTION_LEN : 0) + (nd.has_nonce ? ND_OPTION_LEN : 0);

	memcpy(nd.lladdr, n->cfg.mac, 6);
	memcpy(nd.nonce, m->nonce, 6);
	put_ethernet(n, m, ETHTYPE_IPV6, out);
	ipv6_build(&(struct ipv6_hdr){.payload_len = (uint16_t)len,
				      .next = IPPROTO_ICMPV6,
				      .hop_limit = ND_HOP_LIMIT,
				      .src = m->source,
				      .dst = m->to},
		   out);
	nd_build(&nd, &m->source, &m->to, out);
}

void neigh_emit(struct neigh *n, const struct neigh_msg *m)
{
	uint8_t frame[ETH_HDR_LEN + IPV6_HDR_LEN + ND_LEN + 2 * ND_OPTION_LEN];
	struct outbuf out = outbuf_of(frame, sizeof(frame));

	if (addr_is_mapped(&m->target))
		put_arp(n, m, &out);
	else
		put_nd(n, m, &out);
	assert(!out.overflow);
	n->cfg.io.send(n->cfg.io.arg, frame, out.len);
}
