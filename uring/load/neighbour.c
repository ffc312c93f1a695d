/* SPDX-License-Identifier: MIT */
/* neighbour.c - ARP and Neighbour Discovery seen as one: who has an address, and who says so */
#include "neighbour.h"

#include "../../rawstack/wire/arp.h"
#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/nd.h"

#include <errno.h>
#include <netinet/in.h>

enum { ETH_MIN_LEN = 60 }; /* without its checksum */

static const uint8_t BROADCAST[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t NO_MAC[6];

static int parse_arp(struct span *s, struct neighbour_msg *msg)
{
	struct arp_packet arp;

	if (arp_parse(s, &arp) < 0)
		return -EBADMSG;
	if (arp.op != ARP_REQUEST && arp.op != ARP_REPLY)
		return -ENOMSG;
	msg->op = arp.op == ARP_REQUEST ? NEIGHBOUR_ASKS : NEIGHBOUR_TELLS;
	memcpy(msg->sender_mac, arp.sender_mac, sizeof(msg->sender_mac));
	msg->sender = addr_is_any(&arp.sender) ? ADDR_ANY6 : arp.sender;
	msg->target = msg->op == NEIGHBOUR_ASKS ? arp.target : arp.sender;
	return 0;
}

static int parse_nd(struct span *s, struct neighbour_msg *msg)
{
	struct ipv6_hdr ip;
	struct nd_carrier carrier;
	struct nd_msg nd;
	const uint8_t *type;

	if (ipv6_parse(s, &ip) < 0 || ip.next != IPPROTO_ICMPV6)
		return -ENOMSG;
	if (span_len(s) < ip.payload_len)
		return -EBADMSG;
	span_trim(s, ip.payload_len);
	type = span_peek(s, 1);
	if (!type || (*type != ND_SOLICIT && *type != ND_ADVERT))
		return -ENOMSG;
	carrier = (struct nd_carrier){.src = ip.src, .dst = ip.dst, .hop_limit = ip.hop_limit};
	if (csum_segment(&ip.src, &ip.dst, true, IPPROTO_ICMPV6, s->p, span_len(s)) != 0 ||
	    nd_parse(*s, &carrier, &nd) < 0)
		return -EBADMSG;
	msg->op = nd.type == ND_SOLICIT ? NEIGHBOUR_ASKS : NEIGHBOUR_TELLS;
	msg->sender = ip.src;
	msg->target = nd.target;
	/* Without the option the Ethernet header's address, already there, has to do. */
	if (nd.has_lladdr)
		memcpy(msg->sender_mac, nd.lladdr, sizeof(msg->sender_mac));
	return 0;
}

int neighbour_parse(const uint8_t *frame, size_t len, struct neighbour_msg *msg)
{
	struct span s = span_of(frame, len);
	struct eth_hdr eth;

	memset(msg, 0, sizeof(*msg));
	if (eth_parse(&s, &eth) < 0)
		return -ENOMSG;
	memcpy(msg->dst_mac, eth.dst, sizeof(msg->dst_mac));
	memcpy(msg->sender_mac, eth.src, sizeof(msg->sender_mac));
	switch (eth.ethertype) {
	case ETHTYPE_ARP:
		return parse_arp(&s, msg);
	case ETHTYPE_IPV6:
		return parse_nd(&s, msg);
	default:
		return -ENOMSG;
	}
}

static void build_arp(const struct neighbour_msg *msg, struct outbuf *out)
{
	bool asks = msg->op == NEIGHBOUR_ASKS;
	struct arp_packet arp = {.op = asks ? ARP_REQUEST : ARP_REPLY};
	size_t padding = ETH_MIN_LEN - ETH_HDR_LEN - ARP_LEN;
	uint8_t *p;

	/* A probe's sender is 0.0.0.0. */
	arp.sender = asks ? msg->sender : msg->target;
	arp.target = asks ? msg->target : msg->sender;
	if (addr_is_any(&arp.sender))
		arp.sender = ADDR_ANY4;
	if (addr_is_any(&arp.target))
		arp.target = ADDR_ANY4;
	memcpy(arp.sender_mac, msg->sender_mac, sizeof(arp.sender_mac));
	if (!asks)
		memcpy(arp.target_mac, msg->dst_mac, sizeof(arp.target_mac));
	arp_build(&arp, out);
	p = outbuf_add(out, padding);
	if (p)
		memset(p, 0, padding);
}

static void build_nd(const struct neighbour_msg *msg, const struct addr *to, struct outbuf *out)
{
	bool asks = msg->op == NEIGHBOUR_ASKS;
	const struct addr *from = asks ? &msg->sender : &msg->target;
	struct nd_msg nd = {.type = asks ? ND_SOLICIT : ND_ADVERT,
			    .target = msg->target,
			    .has_lladdr = true,
			    .override = !asks,
			    /* A probe's answer goes to all nodes and is none (RFC 4861 7.2.4). */
			    .solicited = !asks && !addr_is_any(&msg->sender)};

	memcpy(nd.lladdr, msg->sender_mac, sizeof(nd.lladdr));
	ipv6_build(&(struct ipv6_hdr){.payload_len = ND_LEN + ND_OPTION_LEN,
				      .next = IPPROTO_ICMPV6,
				      .hop_limit = ND_HOP_LIMIT,
				      .src = *from,
				      .dst = *to},
		   out);
	if (nd_build(&nd, from, to, out) < 0)
		out->overflow = true;
}

/* Where an IPv6 message goes. */
static struct addr nd_destination(const struct neighbour_msg *msg, bool everybody)
{
	static const struct addr all_nodes = {.b = {0xff, 0x02, [15] = 1}};

	if (msg->op == NEIGHBOUR_ASKS)
		return everybody ? nd_solicited_node(&msg->target) : msg->target;
	return addr_is_any(&msg->sender) ? all_nodes : msg->sender;
}

int neighbour_build(const struct neighbour_msg *msg, uint8_t *out, size_t cap)
{
	bool v6 = !addr_is_mapped(&msg->target);
	bool everybody = memcmp(msg->dst_mac, NO_MAC, sizeof(NO_MAC)) == 0;
	struct eth_hdr eth = {.ethertype = v6 ? ETHTYPE_IPV6 : ETHTYPE_ARP};
	struct outbuf buf = outbuf_of(out, cap);
	struct addr to = nd_destination(msg, everybody);

	memcpy(eth.src, msg->sender_mac, sizeof(eth.src));
	memcpy(eth.dst, everybody ? BROADCAST : msg->dst_mac, sizeof(eth.dst));
	if (v6 && to.b[0] == 0xff)
		nd_group_mac(&to, eth.dst);
	eth_build(&eth, &buf);
	if (v6)
		build_nd(msg, &to, &buf);
	else
		build_arp(msg, &buf);
	return buf.overflow ? -ENOSPC : (int)buf.len;
}

bool neighbour_answer(const struct neighbour_msg *ask, const struct sources *ours,
		      const uint8_t *mac, struct neighbour_msg *answer)
{
	if (ask->op != NEIGHBOUR_ASKS || !sources_contain(ours, &ask->target))
		return false;
	*answer = (struct neighbour_msg){
		.op = NEIGHBOUR_TELLS, .sender = ask->sender, .target = ask->target};
	memcpy(answer->sender_mac, mac, sizeof(answer->sender_mac));
	memcpy(answer->dst_mac, ask->sender_mac, sizeof(answer->dst_mac));
	return true;
}
