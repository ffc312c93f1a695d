/* SPDX-License-Identifier: MIT */
/* frame_packet.h - frames for tests, built from their end */
#ifndef TESTS_UNIT_FRAME_PACKET_H
#define TESTS_UNIT_FRAME_PACKET_H

#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/frame.h"
#include "../../rawstack/wire/icmp.h"
#include "../../rawstack/wire/ipv4.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/udp.h"

#include <assert.h>
#include <netinet/in.h>

enum {
	PACKET_MAX = 512,
	PORT_A = 40001,
	PORT_B = 7000,
};

/* A frame built from its end: each push goes in front of what is there. */
struct packet {
	uint8_t b[PACKET_MAX];
	size_t at;
};

static inline struct packet packet_empty(void)
{
	return (struct packet){.at = PACKET_MAX};
}

static inline uint8_t *packet_bytes(struct packet *p)
{
	return p->b + p->at;
}

static inline size_t packet_len(const struct packet *p)
{
	return PACKET_MAX - p->at;
}

static inline void push(struct packet *p, const void *bytes, size_t n)
{
	assert(n <= p->at);
	p->at -= n;
	memcpy(p->b + p->at, bytes, n);
}

struct pair {
	struct addr src, dst;
	bool v6;
};

static const struct pair V4 = {
	{{[10] = 0xff, 0xff, 198, 51, 100, 1}}, {{[10] = 0xff, 0xff, 198, 51, 100, 2}}, false};
static const struct pair V6 = {
	{{0x20, 1, 0xd, 0xb8, [15] = 1}}, {{0x20, 1, 0xd, 0xb8, [15] = 2}}, true};
/* The same sixteen bytes as V4, written out in an IPv6 header. */
static const struct pair LITERAL = {
	{{[10] = 0xff, 0xff, 198, 51, 100, 1}}, {{[10] = 0xff, 0xff, 198, 51, 100, 2}}, true};
static const struct pair OUTER4 = {
	{{[10] = 0xff, 0xff, 198, 51, 100, 101}}, {{[10] = 0xff, 0xff, 198, 51, 100, 102}}, false};
static const struct pair OUTER6 = {
	{{0x20, 1, 0xd, 0xb8, [15] = 0x65}}, {{0x20, 1, 0xd, 0xb8, [15] = 0x66}}, true};

static inline void store_csum(struct packet *p, const struct pair *a, uint8_t proto, size_t offset)
{
	uint8_t *segment = packet_bytes(p);

	put_be16(segment + offset,
		 csum_segment(&a->src, &a->dst, a->v6, proto, segment, packet_len(p)));
}

static inline void push_tcp(struct packet *p, const struct pair *a, uint8_t flags)
{
	struct tcp_hdr h = {.sport = PORT_A,
			    .dport = PORT_B,
			    .seq = 1000,
			    .ack = flags & TCP_ACK ? 2000 : 0,
			    .flags = flags,
			    .window = 64240,
			    .mss = a->v6 ? 1440 : 1460,
			    .wscale = 7,
			    .sack_permitted = true,
			    .timestamps = true,
			    .ts_val = 1};
	uint8_t hdr[TCP_HDR_MAX];
	struct outbuf out = outbuf_of(hdr, sizeof(hdr));

	tcp_build(&h, &out);
	push(p, hdr, out.len);
	store_csum(p, a, IPPROTO_TCP, TCP_CSUM_OFFSET);
}

static inline void push_udp_ports(struct packet *p, const struct pair *a, uint16_t sport,
				  uint16_t dport)
{
	uint8_t hdr[UDP_HDR_LEN];
	struct outbuf out = outbuf_of(hdr, sizeof(hdr));

	udp_build(&(struct udp_hdr){.sport = sport,
				    .dport = dport,
				    .len = (uint16_t)(UDP_HDR_LEN + packet_len(p))},
		  &out);
	push(p, hdr, out.len);
	store_csum(p, a, IPPROTO_UDP, UDP_CSUM_OFFSET);
}

static inline void push_udp(struct packet *p, const struct pair *a)
{
	push_udp_ports(p, a, PORT_A, PORT_B);
}

static inline void push_echo(struct packet *p, const struct pair *a)
{
	uint8_t hdr[ICMP_HDR_LEN];
	struct outbuf out = outbuf_of(hdr, sizeof(hdr));

	icmp_build(&(struct icmp_hdr){.type = a->v6 ? 128 : 8, .rest = 0x10001}, &out);
	push(p, hdr, out.len);
	store_csum(p, a, a->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, ICMP_CSUM_OFFSET);
}

static inline void push_ipv4(struct packet *p, const struct pair *a, struct ipv4_hdr h)
{
	uint8_t hdr[IPV4_HDR_LEN + IPV4_OPTIONS_MAX];
	struct outbuf out = outbuf_of(hdr, sizeof(hdr));

	h.hdr_len = h.hdr_len ? h.hdr_len : IPV4_HDR_LEN;
	h.tot_len = (uint16_t)(h.hdr_len + packet_len(p));
	h.id = 0x1234;
	h.ttl = 64;
	h.src = a->src;
	h.dst = a->dst;
	ipv4_build(&h, &out);
	push(p, hdr, out.len);
}

static inline void push_ip(struct packet *p, const struct pair *a, uint8_t proto)
{
	uint8_t hdr[IPV6_HDR_LEN];
	struct outbuf out = outbuf_of(hdr, sizeof(hdr));

	if (!a->v6) {
		push_ipv4(p, a, (struct ipv4_hdr){.proto = proto, .df = true});
		return;
	}
	ipv6_build(&(struct ipv6_hdr){.payload_len = (uint16_t)packet_len(p),
				      .next = proto,
				      .hop_limit = 64,
				      .flow_label = 0x12345,
				      .src = a->src,
				      .dst = a->dst},
		   &out);
	push(p, hdr, out.len);
}

/* An extension header of one PadN option; @len is a multiple of 8. */
static inline void push_ext(struct packet *p, uint8_t next, uint8_t len)
{
	uint8_t hdr[64] = {next, (uint8_t)(len / 8 - 1), 1, (uint8_t)(len - 4)};

	push(p, hdr, len);
}

static inline void push_frag(struct packet *p, uint8_t next, uint16_t offset, bool more)
{
	uint8_t hdr[8] = {next, 0, 0, 0, 0xca, 0xfe, 0xba, 0xbe};

	put_be16(hdr + 2, offset | more);
	push(p, hdr, sizeof(hdr));
}

static inline void push_eth(struct packet *p, uint16_t type)
{
	uint8_t hdr[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};

	put_be16(hdr + 12, type);
	push(p, hdr, sizeof(hdr));
}

/* What follows a TPID: the tag's control field and the next type. */
static inline void push_tag(struct packet *p, uint16_t tci, uint16_t type)
{
	uint8_t tag[4];

	put_be16(tag, tci);
	put_be16(tag + 2, type);
	push(p, tag, sizeof(tag));
}

static inline uint16_t type_of(const struct pair *a)
{
	return a->v6 ? ETHTYPE_IPV6 : ETHTYPE_IPV4;
}

#endif
