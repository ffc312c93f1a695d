/* SPDX-License-Identifier: MIT */
/* neighbour.c - ARP and Neighbour Discovery messages, read and built */
#include "neighbour.h"

#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/icmp.h"
#include "../../rawstack/wire/ipv6.h"

#include <errno.h>
#include <netinet/in.h>

/* RFC 826; RFC 4861 4.3, 4.4, 4.6.1. */
enum {
	ARP_LEN = 28,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	ND_SOLICIT = 135,
	ND_ADVERT = 136,
	ND_LEN = ICMP_HDR_LEN + 16, /* with the target */
	ND_OPTION_LEN = 8,
	ND_SOURCE_MAC = 1,
	ND_TARGET_MAC = 2,
	ND_HOP_LIMIT = 255,
	ETH_MIN_LEN = 60, /* without its checksum */
};
static const uint32_t nd_solicited = 0x40000000, nd_override = 0x20000000;

static const uint8_t ARP_ETHER_IPV4[6] = {0, 1, 0x08, 0x00, 6, 4};
static const uint8_t BROADCAST[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t NO_MAC[6];

static int arp_parse(struct span *s, struct neighbour_msg *msg)
{
	const uint8_t *p = span_take(s, ARP_LEN);

	if (!p || memcmp(p, ARP_ETHER_IPV4, sizeof(ARP_ETHER_IPV4)) != 0)
		return -EBADMSG;
	if (get_be16(p + 6) != ARP_REQUEST && get_be16(p + 6) != ARP_REPLY)
		return -ENOMSG;
	msg->op = get_be16(p + 6) == ARP_REQUEST ? NEIGHBOUR_ASKS : NEIGHBOUR_TELLS;
	memcpy(msg->sender_mac, p + 8, 6);
	msg->sender = addr_from_v4(p + 14);
	msg->target = msg->op == NEIGHBOUR_ASKS ? addr_from_v4(p + 24) : msg->sender;
	if (addr_is_any(&msg->sender))
		msg->sender = ADDR_ANY6;
	return 0;
}

/* The link-layer address in the options, if there is one. Malformed options are an error. */
static int nd_options_parse(struct span *s, uint8_t want, uint8_t *mac)
{
	const uint8_t *p;

	while (span_len(s) > 0) {
		p = span_peek(s, 2);
		if (!p || p[1] == 0 || !span_take(s, (size_t)p[1] * 8))
			return -EBADMSG;
		if (p[0] == want && p[1] == 1)
			memcpy(mac, p + 2, 6);
	}
	return 0;
}

static int nd_parse(struct span *s, struct neighbour_msg *msg)
{
	struct ipv6_hdr ip;
	struct icmp_hdr icmp;
	const uint8_t *segment;
	const uint8_t *target;

	if (ipv6_parse(s, &ip) < 0 || ip.next != IPPROTO_ICMPV6)
		return -ENOMSG;
	if (span_len(s) < ip.payload_len)
		return -EBADMSG;
	span_trim(s, ip.payload_len);
	segment = s->p;
	if (icmp_parse(s, &icmp) < 0 || (icmp.type != ND_SOLICIT && icmp.type != ND_ADVERT))
		return -ENOMSG;
	if (ip.hop_limit != ND_HOP_LIMIT || icmp.code != 0 || ip.payload_len < ND_LEN ||
	    csum_segment(&ip.src, &ip.dst, true, IPPROTO_ICMPV6, segment, ip.payload_len) != 0)
		return -EBADMSG;
	target = span_take(s, 16);
	msg->op = icmp.type == ND_SOLICIT ? NEIGHBOUR_ASKS : NEIGHBOUR_TELLS;
	msg->sender = ip.src;
	msg->target = addr_from_v6(target);
	return nd_options_parse(s, icmp.type == ND_SOLICIT ? ND_SOURCE_MAC : ND_TARGET_MAC,
				msg->sender_mac);
}

int neighbour_parse(const uint8_t *frame, size_t len, struct neighbour_msg *msg)
{
	struct span s = span_of(frame, len);
	struct eth_hdr eth;

	memset(msg, 0, sizeof(*msg));
	if (eth_parse(&s, &eth) < 0)
		return -ENOMSG;
	memcpy(msg->dst_mac, eth.dst, 6);
	memcpy(msg->sender_mac, eth.src, 6);
	switch (eth.ethertype) {
	case ETHTYPE_ARP:
		return arp_parse(&s, msg);
	case ETHTYPE_IPV6:
		return nd_parse(&s, msg);
	default:
		return -ENOMSG;
	}
}

/* Who an answer is told to; a question's is not known yet. */
static void arp_build(const struct neighbour_msg *msg, struct outbuf *out)
{
	bool asks = msg->op == NEIGHBOUR_ASKS;
	const struct addr *from = asks ? &msg->sender : &msg->target;
	const struct addr *to = asks ? &msg->target : &msg->sender;
	uint8_t *p;

	outbuf_put(out, ARP_ETHER_IPV4, sizeof(ARP_ETHER_IPV4));
	p = outbuf_add(out, ARP_LEN - sizeof(ARP_ETHER_IPV4));
	if (!p)
		return;
	put_be16(p, asks ? ARP_REQUEST : ARP_REPLY);
	memcpy(p + 2, msg->sender_mac, 6);
	memcpy(p + 8, from->b + 12, 4);
	memcpy(p + 12, asks ? NO_MAC : msg->dst_mac, 6);
	memcpy(p + 18, to->b + 12, 4);
	p = outbuf_add(out, ETH_MIN_LEN - ETH_HDR_LEN - ARP_LEN);
	if (p)
		memset(p, 0, ETH_MIN_LEN - ETH_HDR_LEN - ARP_LEN);
}

/* ff02::1:ffXX:XXXX (RFC 4291 2.7.1). */
static struct addr solicited_node(const struct addr *a)
{
	struct addr group = {.b = {0xff, 0x02, [11] = 0x01, [12] = 0xff}};

	memcpy(group.b + 13, a->b + 13, 3);
	return group;
}

static void nd_build(const struct neighbour_msg *msg, const struct addr *to, struct outbuf *out)
{
	bool asks = msg->op == NEIGHBOUR_ASKS;
	const struct addr *from = asks ? &msg->sender : &msg->target;
	/* An answer to a probe goes to all nodes and is not solicited (RFC 4861 7.2.4). */
	uint32_t flags = asks ? 0 : to->b[0] == 0xff ? nd_override : nd_solicited | nd_override;
	uint8_t option[ND_OPTION_LEN] = {asks ? ND_SOURCE_MAC : ND_TARGET_MAC, 1};
	size_t segment;

	ipv6_build(&(struct ipv6_hdr){.payload_len = ND_LEN + ND_OPTION_LEN,
				      .next = IPPROTO_ICMPV6,
				      .hop_limit = ND_HOP_LIMIT,
				      .src = *from,
				      .dst = *to},
		   out);
	segment = out->len;
	icmp_build(&(struct icmp_hdr){.type = asks ? ND_SOLICIT : ND_ADVERT, .rest = flags}, out);
	outbuf_put(out, msg->target.b, sizeof(msg->target.b));
	memcpy(option + 2, msg->sender_mac, 6);
	outbuf_put(out, option, sizeof(option));
	if (!out->overflow)
		put_be16(out->buf + segment + ICMP_CSUM_OFFSET,
			 csum_segment(from, to, true, IPPROTO_ICMPV6, out->buf + segment,
				      ND_LEN + ND_OPTION_LEN));
}

int neighbour_build(const struct neighbour_msg *msg, uint8_t *out, size_t cap)
{
	static const struct addr all_nodes = {.b = {0xff, 0x02, [15] = 1}};
	bool v6 = !addr_is_mapped(&msg->target);
	bool everybody = memcmp(msg->dst_mac, NO_MAC, 6) == 0;
	struct eth_hdr eth = {.ethertype = v6 ? ETHTYPE_IPV6 : ETHTYPE_ARP};
	struct outbuf buf = outbuf_of(out, cap);
	struct addr to = msg->sender;

	if (msg->op == NEIGHBOUR_ASKS)
		to = everybody ? solicited_node(&msg->target) : msg->target;
	else if (addr_is_any(&msg->sender))
		to = all_nodes;
	memcpy(eth.src, msg->sender_mac, 6);
	memcpy(eth.dst, everybody ? BROADCAST : msg->dst_mac, 6);
	if (v6 && to.b[0] == 0xff) {
		eth.dst[0] = eth.dst[1] = 0x33; /* RFC 2464 7 */
		memcpy(eth.dst + 2, to.b + 12, 4);
	}
	eth_build(&eth, &buf);
	if (v6)
		nd_build(msg, &to, &buf);
	else
		arp_build(msg, &buf);
	return buf.overflow ? -ENOSPC : (int)buf.len;
}

bool neighbour_answer(const struct neighbour_msg *ask, const struct sources *ours,
		      const uint8_t *mac, struct neighbour_msg *answer)
{
	if (ask->op != NEIGHBOUR_ASKS || !sources_contain(ours, &ask->target))
		return false;
	*answer = (struct neighbour_msg){
		.op = NEIGHBOUR_TELLS, .sender = ask->sender, .target = ask->target};
	memcpy(answer->sender_mac, mac, 6);
	memcpy(answer->dst_mac, ask->sender_mac, 6);
	return true;
}
