/* SPDX-License-Identifier: MIT */
/* frame.c - reads one captured frame, from the link header to the transport header */
#include "frame.h"

#include "csum.h"
#include "icmp.h"
#include "ipv4.h"
#include "ipv6.h"
#include "udp.h"

#include <errno.h>
#include <netinet/in.h>

/*
 * Three lengths bound what is read: the captured bytes (never read past), the frame's length on the
 * wire, and the lengths the IP headers state. A header that does not fit the latter makes the frame
 * malformed, for no capture could hold it; one that only misses captured bytes makes it truncated.
 */
struct reader {
	const uint8_t *base; /* the frame */
	struct span s;	     /* still to read; ends at caplen or limit, whichever is first */
	uint32_t limit;	     /* offset where the innermost length read so far ends */
	bool routed;	     /* the IPv6 destination read is not the final one */
	const struct frame_meta *meta;
	struct frame_info *info;
};

enum {
	PORT_VXLAN = 4789,
	PORT_GENEVE = 6081,
	SLL_8023 =
		0x0001, /* ETH_P_802_3 and ETH_P_802_2: what the kernel makes of a length field */
	SLL_8022 = 0x0004,
};

_Static_assert((int)FRAME_EXTHDR_MAX == (int)IPV6_EXTHDR_MAX, "one limit on extension headers");

static uint32_t position(const struct reader *r)
{
	return (uint32_t)(r->s.p - r->base);
}

/* Notes why reading ends here; @want is the length of the header that was not there. */
static void fail(struct reader *r, int err, size_t want)
{
	struct frame_info *info = r->info;
	uint64_t end = position(r) + (uint64_t)want;

	if (err == -E2BIG) {
		info->problems |= FRAME_EXTHDR_LIMIT;
	} else if (err == -ENODATA && end <= r->limit) {
		info->problems |= FRAME_TRUNCATED;
		info->need = (uint32_t)end;
	} else {
		info->problems |= FRAME_MALFORMED;
	}
}

/*
 * A datagram ends at @end, by its own header; what follows is padding. Only one that began in the
 * first fragment of another may end beyond it.
 */
static void narrow(struct reader *r, uint64_t end)
{
	if (end > r->limit || end < position(r)) {
		if (!r->info->fragment)
			r->info->problems |= FRAME_MALFORMED;
		return;
	}
	r->limit = (uint32_t)end;
	span_trim(&r->s, r->limit - position(r));
}

static void note_payload(struct reader *r)
{
	r->info->payload_off = position(r);
	r->info->payload_len = r->limit - position(r);
}

/*
 * The ring's protocol is skb->protocol: the type right behind the addresses in the bytes, wherever
 * the outermost tag is. With the tag in metadata that is the inner type, with it in the bytes (as
 * sent) it is the tag's own TPID.
 */
static bool protocol_agrees(uint16_t protocol, const struct eth_hdr *eth)
{
	uint16_t first = eth->tags ? eth->tag[0].tpid : eth->ethertype;

	if (!protocol || protocol == first)
		return true;
	return first < ETHTYPE_MIN && (protocol == SLL_8023 || protocol == SLL_8022);
}

/* Returns whether an IP datagram follows. */
static bool read_link(struct reader *r)
{
	const struct frame_meta *meta = r->meta;
	struct frame_info *info = r->info;
	struct eth_hdr eth;
	int err;

	if (meta->flags & FRAME_META_VLAN) {
		info->vlan_tags = 1;
		info->vlan_id = meta->vlan_tci & 0xfff;
		if (meta->flags & FRAME_META_VLAN_TPID && !eth_is_tag(meta->vlan_tpid))
			info->problems |= FRAME_MALFORMED;
	}
	err = link_parse(&r->s, (enum link_type)meta->link, &eth);
	if (err) {
		fail(r, err, eth.hdr_len);
		return false;
	}
	if (!info->vlan_tags && eth.tags)
		info->vlan_id = eth.tag[0].tci & 0xfff;
	info->vlan_tags += eth.tags;
	info->ethertype = eth.ethertype;
	if (!protocol_agrees(meta->protocol, &eth))
		info->problems |= FRAME_MALFORMED;
	if (eth_is_tag(eth.ethertype))
		info->problems |= FRAME_UNPARSED;
	return eth.ethertype == ETHTYPE_IPV4 || eth.ethertype == ETHTYPE_IPV6 ||
	       meta->link == LINK_RAW;
}

/* The outer header comes first, and a mismatch is noted before it is read. */
static void set_native(struct frame_info *info, enum carriage c)
{
	if (info->carriage == CARRIAGE_NONE)
		info->carriage = c;
}

static void set_tunnel(struct frame_info *info, enum carriage c)
{
	if (info->carriage == CARRIAGE_V4 || info->carriage == CARRIAGE_V6)
		info->carriage = c;
}

static bool read_ipv4(struct reader *r)
{
	struct frame_info *info = r->info;
	uint32_t start = position(r);
	struct ipv4_hdr ip;
	int err;

	err = ipv4_parse(&r->s, &ip);
	if (err) {
		fail(r, err, ip.hdr_len);
		return false;
	}
	set_native(info, CARRIAGE_V4);
	info->src = ip.src;
	info->dst = ip.dst;
	info->proto = ip.proto;
	info->ttl = ip.ttl;
	info->tos = ip.tos;
	info->df = ip.df;
	info->ip_options = ip.hdr_len - IPV4_HDR_LEN;
	info->flow_label = 0;
	info->more_fragments |= ip.mf;
	info->frag_offset = ip.frag_offset;
	info->frag_id = ip.id;
	if (!ip.csum_ok)
		info->problems |= FRAME_BAD_CHECKSUM;
	if (ip.tot_len)
		narrow(r, start + (uint64_t)ip.tot_len);
	else if (!(r->meta->flags & FRAME_META_GSO_TCP) && r->meta->wirelen <= UINT16_MAX)
		info->problems |= FRAME_MALFORMED;
	info->fragment |= ip.mf || ip.frag_offset;
	return true;
}

/* The end of a datagram whose header states a payload length of 0. */
static void end_without_length(struct reader *r, uint32_t start, uint8_t next,
			       const struct ipv6_chain *chain)
{
	if (chain->jumbo_len)
		narrow(r, start + (uint64_t)IPV6_HDR_LEN + chain->jumbo_len);
	else if (next == IPPROTO_NONE)
		narrow(r, start + (uint64_t)IPV6_HDR_LEN);
	else if (!(r->meta->flags & FRAME_META_GSO_TCP))
		r->info->problems |= FRAME_MALFORMED;
}

static bool read_ipv6(struct reader *r)
{
	struct frame_info *info = r->info;
	uint32_t start = position(r);
	struct ipv6_chain chain;
	struct ipv6_hdr ip;
	int err;

	err = ipv6_parse(&r->s, &ip);
	if (err) {
		fail(r, err, IPV6_HDR_LEN);
		return false;
	}
	set_native(info, CARRIAGE_V6);
	info->src = ip.src;
	info->dst = ip.dst;
	info->ttl = ip.hop_limit;
	info->tos = ip.traffic_class;
	info->df = false;
	info->flow_label = ip.flow_label;
	if (ip.payload_len)
		narrow(r, start + (uint64_t)IPV6_HDR_LEN + ip.payload_len);

	err = ipv6_walk(&r->s, ip.next, &chain);
	info->proto = chain.proto;
	info->ip_options = chain.count;
	info->frag_offset = chain.frag_offset;
	if (chain.fragment) {
		info->fragment = true;
		info->more_fragments |= chain.more_fragments;
		info->frag_id = chain.frag_id;
	} else if (!info->fragment) {
		info->frag_id = 0;
	}
	r->routed = chain.routed;
	if (err) {
		fail(r, err, chain.want);
		return false;
	}
	if (!ip.payload_len)
		end_without_length(r, start, ip.next, &chain);
	if (chain.jumbo_len && (ip.payload_len || chain.fragment))
		info->problems |= FRAME_MALFORMED;
	return true;
}

/* One IP header as @version says, with what belongs to it. Returns whether it was read whole. */
static bool read_ip(struct reader *r, int version)
{
	r->info->version = (uint8_t)version;
	switch (version) {
	case 4:
		return read_ipv4(r);
	case 6:
		return read_ipv6(r);
	default:
		r->info->problems |= FRAME_MALFORMED;
		return false;
	}
}

/* The version nibble of the IP header that comes next, or -ENODATA when no byte of it is there. */
static int peek_version(struct reader *r)
{
	const uint8_t *p = span_peek(&r->s, 1);

	if (!p) {
		fail(r, -ENODATA, 1);
		return -ENODATA;
	}
	return p[0] >> 4;
}

static bool is_ip(uint8_t proto)
{
	return proto == IPPROTO_IPIP || proto == IPPROTO_IPV6;
}

/* The datagram inside the one just read. Returns whether a transport header follows. */
static bool read_inner(struct reader *r)
{
	struct frame_info *info = r->info;
	uint8_t outer = info->version;
	int inner = info->proto == IPPROTO_IPV6 ? 6 : 4;
	int version;

	set_tunnel(info, outer == 4 && inner == 6 ? CARRIAGE_TUN_6IN4 : CARRIAGE_TUN_OTHER);
	if (info->frag_offset) {
		note_payload(r);
		return false;
	}
	info->src = info->dst = ADDR_ANY6;
	version = peek_version(r);
	if (version < 0)
		return false;
	if (version != inner) {
		info->version = (uint8_t)version;
		info->problems |= FRAME_MALFORMED;
		return false;
	}
	if (!read_ip(r, version))
		return false;
	if (!is_ip(info->proto))
		return true;
	info->problems |= FRAME_UNPARSED;
	return false;
}

/* Whether the transport checksum has to be looked at; notes when it has to but cannot be. */
static bool checksum_due(struct reader *r)
{
	struct frame_info *info = r->info;
	const uint32_t undecided = FRAME_MALFORMED | FRAME_SUPERFRAME;

	if (r->meta->flags & FRAME_META_CSUM_NOT_READY || info->fragment || r->routed ||
	    info->problems & undecided) {
		info->problems |= FRAME_CSUM_UNCHECKED;
		return false;
	}
	return !(r->meta->flags & FRAME_META_CSUM_VALID);
}

/* Is @stored what the stack leaves to an interface that will sum up the rest? */
static bool is_unfinished(const struct frame_info *info, uint16_t stored, uint32_t len)
{
	struct csum pseudo = {0};

	csum_add_pseudo(&pseudo, &info->src, &info->dst, info->version == 6, info->proto, len);
	return (stored ^ csum_finish(&pseudo)) == UINT16_MAX;
}

/*
 * Checks the segment that starts at @start and ends at the reader's limit; @stored is the checksum
 * in it.
 */
static void check_segment(struct reader *r, uint32_t start, uint16_t stored)
{
	struct frame_info *info = r->info;
	uint32_t len = r->limit - start;
	bool unknown = r->limit > r->meta->caplen;

	if (!unknown) {
		if (csum_segment(&info->src, &info->dst, info->version == 6, info->proto,
				 r->base + start, len) == 0)
			return;
		unknown = r->meta->flags & FRAME_META_CSUM_UNKNOWN &&
			  is_unfinished(info, stored, len);
	}
	info->problems |= unknown ? FRAME_CSUM_UNCHECKED : FRAME_BAD_CHECKSUM;
}

/* Both ports, as soon as four bytes are there: they tell which flow a broken segment hurts. */
static bool read_ports(struct reader *r, size_t hdr_len)
{
	const uint8_t *p = span_peek(&r->s, 4);

	if (!p) {
		fail(r, -ENODATA, hdr_len);
		return false;
	}
	r->info->has_ports = true;
	r->info->sport = get_be16(p);
	r->info->dport = get_be16(p + 2);
	return true;
}

static void read_tcp(struct reader *r)
{
	struct frame_info *info = r->info;
	uint32_t start = position(r);
	struct tcp_hdr tcp;
	int err;

	if (!read_ports(r, TCP_HDR_LEN))
		return;
	err = tcp_parse(&r->s, &tcp);
	if (err) {
		fail(r, err, tcp.hdr_len);
		return;
	}
	info->seq = tcp.seq;
	info->ack = tcp.ack;
	info->tcp_flags = tcp.flags;
	info->window = tcp.window;
	if (tcp.flags & TCP_SYN) {
		info->mss = tcp.mss;
		info->wscale = tcp.wscale;
		info->sack_permitted = tcp.sack_permitted;
		info->timestamps = tcp.timestamps;
	}
	note_payload(r);
	if (checksum_due(r))
		check_segment(r, start, tcp.csum);
}

static bool is_tunnel_port(uint16_t port)
{
	return port == PORT_VXLAN || port == PORT_GENEVE;
}

static void read_udp(struct reader *r)
{
	struct frame_info *info = r->info;
	uint32_t start = position(r);
	struct udp_hdr udp;
	int err;

	if (!read_ports(r, UDP_HDR_LEN))
		return;
	if (is_tunnel_port(info->sport) || is_tunnel_port(info->dport))
		set_tunnel(info, CARRIAGE_TUN_OTHER);
	err = udp_parse(&r->s, &udp);
	if (err) {
		fail(r, err, UDP_HDR_LEN);
		return;
	}
	narrow(r, start + (uint64_t)udp.len);
	note_payload(r);
	if (!udp.csum && info->version == 4) {
		info->problems |= FRAME_NO_CHECKSUM;
		return;
	}
	if (!checksum_due(r))
		return;
	if (udp.csum)
		check_segment(r, start, udp.csum);
	else
		info->problems |= FRAME_BAD_CHECKSUM;
}

static void read_icmp(struct reader *r)
{
	struct frame_info *info = r->info;
	uint32_t start = position(r);
	struct icmp_hdr icmp;
	int err;

	err = icmp_parse(&r->s, &icmp);
	if (err) {
		fail(r, err, ICMP_HDR_LEN);
		return;
	}
	info->icmp_type = icmp.type;
	info->icmp_code = icmp.code;
	note_payload(r);
	if (checksum_due(r))
		check_segment(r, start, icmp.csum);
}

static void read_transport(struct reader *r)
{
	struct frame_info *info = r->info;
	bool icmp = info->proto == (info->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (info->proto == IPPROTO_GRE)
		set_tunnel(info, CARRIAGE_TUN_OTHER);
	if (info->proto == IPPROTO_ESP)
		info->problems |= FRAME_UNPARSED;
	if (info->frag_offset) {
		note_payload(r);
		return;
	}
	if (info->proto == IPPROTO_TCP)
		read_tcp(r);
	else if (info->proto == IPPROTO_UDP)
		read_udp(r);
	else if (icmp)
		read_icmp(r);
	else
		note_payload(r);
}

static void read_datagram(struct reader *r)
{
	struct frame_info *info = r->info;
	int version = peek_version(r);

	if (version < 0)
		return;
	if (info->ethertype && version != (info->ethertype == ETHTYPE_IPV4 ? 4 : 6))
		info->carriage = CARRIAGE_MISMATCH;
	if (!read_ip(r, version))
		return;
	if (!is_ip(info->proto) || read_inner(r))
		read_transport(r);
}

void frame_dissect(const uint8_t *bytes, const struct frame_meta *meta, struct frame_info *info)
{
	struct reader r = {
		.base = bytes,
		.s = span_of(bytes, meta->caplen),
		.limit = meta->wirelen > meta->caplen ? meta->wirelen : meta->caplen,
		.meta = meta,
		.info = info,
	};

	memset(info, 0, sizeof(*info));
	info->wscale = TCP_WSCALE_NONE;
	if (meta->flags & FRAME_META_GSO_TCP || r.limit > FRAME_WIRE_MAX)
		info->problems |= FRAME_SUPERFRAME;
	if (read_link(&r))
		read_datagram(&r);
	if (info->need < position(&r))
		info->need = position(&r);
}
