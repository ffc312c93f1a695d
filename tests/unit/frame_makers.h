/* SPDX-License-Identifier: MIT */
/* frame_makers.h - the frames behind the vectors, one function each */
#ifndef TESTS_UNIT_FRAME_MAKERS_H
#define TESTS_UNIT_FRAME_MAKERS_H

#include "frame_packet.h"

/* Plain datagrams. */

static void tcp_syn(struct packet *p, const struct pair *a)
{
	push_tcp(p, a, TCP_SYN);
	push_ip(p, a, IPPROTO_TCP);
	push_eth(p, type_of(a));
}

static void udp_hello(struct packet *p, const struct pair *a)
{
	push(p, "hello", 5);
	push_udp(p, a);
	push_ip(p, a, IPPROTO_UDP);
	push_eth(p, type_of(a));
}

static void echo(struct packet *p, const struct pair *a)
{
	push(p, "ping", 4);
	push_echo(p, a);
	push_ip(p, a, a->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	push_eth(p, type_of(a));
}

static void v4_syn(struct packet *p)
{
	tcp_syn(p, &V4);
}

static void v6_syn(struct packet *p)
{
	tcp_syn(p, &V6);
}

static void literal_syn(struct packet *p)
{
	tcp_syn(p, &LITERAL);
}

static void v4_udp(struct packet *p)
{
	udp_hello(p, &V4);
}

static void v6_udp(struct packet *p)
{
	udp_hello(p, &V6);
}

static void v4_echo(struct packet *p)
{
	echo(p, &V4);
}

static void v6_echo(struct packet *p)
{
	echo(p, &V6);
}

static void v4_options(struct packet *p)
{
	static const uint8_t router_alert[8] = {0x94, 4, 0, 0, 1, 1, 1, 0};

	push_tcp(p, &V4, TCP_SYN);
	push_ipv4(p, &V4,
		  (struct ipv4_hdr){.proto = IPPROTO_TCP, .hdr_len = 28, .options = router_alert});
	push_eth(p, ETHTYPE_IPV4);
}

static void v4_padded(struct packet *p)
{
	struct packet unpadded = packet_empty();

	v4_udp(&unpadded);
	push(p, "padding padding", 15);
	push(p, packet_bytes(&unpadded), packet_len(&unpadded));
}

static void sctp(struct packet *p)
{
	push(p, "not a transport we read", 23);
	push_ip(p, &V4, IPPROTO_SCTP);
	push_eth(p, ETHTYPE_IPV4);
}

static void esp(struct packet *p)
{
	push(p, "\x9b\x58\x9c\x41 secret", 11);
	push_ip(p, &V6, IPPROTO_ESP);
	push_eth(p, ETHTYPE_IPV6);
}

static void no_next_header(struct packet *p)
{
	push_ip(p, &V6, IPPROTO_NONE);
	push_eth(p, ETHTYPE_IPV6);
}

static void arp(struct packet *p)
{
	push(p, "\0\1\x08\0\6\4\0\1", 8);
	push_eth(p, ETHTYPE_ARP);
}

static void llc(struct packet *p)
{
	push(p, "\x42\x42\x03", 3);
	push_eth(p, 3);
}

/* VLAN tags. */

static void tag_in_bytes(struct packet *p)
{
	push_tcp(p, &V4, TCP_SYN);
	push_ip(p, &V4, IPPROTO_TCP);
	push_tag(p, 0x6005, ETHTYPE_IPV4);
	push_eth(p, ETHTYPE_8021Q);
}

static void qinq_in_bytes(struct packet *p)
{
	push_tcp(p, &V6, TCP_SYN);
	push_ip(p, &V6, IPPROTO_TCP);
	push_tag(p, 6, ETHTYPE_IPV6);
	push_tag(p, 5, ETHTYPE_8021Q);
	push_eth(p, ETHTYPE_8021AD);
}

static void three_tags(struct packet *p)
{
	push_tcp(p, &V4, TCP_SYN);
	push_ip(p, &V4, IPPROTO_TCP);
	push_tag(p, 7, ETHTYPE_IPV4);
	push_tag(p, 6, ETHTYPE_8021Q);
	push_tag(p, 5, ETHTYPE_8021Q);
	push_eth(p, ETHTYPE_QINQ_OLD);
}

/* Fragments. */

static void v4_fragment(struct packet *p, uint16_t offset, bool more)
{
	push(p, "12345678", 8);
	push_udp(p, &V4);
	put_be16(packet_bytes(p) + 4, 3000);
	push_ipv4(p, &V4,
		  (struct ipv4_hdr){.proto = IPPROTO_UDP, .frag_offset = offset, .mf = more});
	push_eth(p, ETHTYPE_IPV4);
}

static void v4_first_fragment(struct packet *p)
{
	v4_fragment(p, 0, true);
}

static void v4_later_fragment(struct packet *p)
{
	v4_fragment(p, 1480, false);
}

static void v6_fragment(struct packet *p, uint16_t offset, bool more)
{
	push(p, "12345678", 8);
	push_udp(p, &V6);
	if (more)
		put_be16(packet_bytes(p) + 4, 3000);
	push_frag(p, IPPROTO_UDP, offset, more);
	push_ip(p, &V6, IPPROTO_FRAGMENT);
	push_eth(p, ETHTYPE_IPV6);
}

static void v6_first_fragment(struct packet *p)
{
	v6_fragment(p, 0, true);
}

static void v6_later_fragment(struct packet *p)
{
	v6_fragment(p, 1448, false);
}

static void v6_atomic_fragment(struct packet *p)
{
	v6_fragment(p, 0, false);
}

/* Extension headers. */

static void v6_dstopts(struct packet *p)
{
	push_tcp(p, &V6, TCP_SYN);
	push_ext(p, IPPROTO_TCP, 16);
	push_ip(p, &V6, IPPROTO_DSTOPTS);
	push_eth(p, ETHTYPE_IPV6);
}

static void v6_ah(struct packet *p)
{
	uint8_t ah[24] = {IPPROTO_TCP, 4};

	push_tcp(p, &V6, TCP_SYN);
	push(p, ah, sizeof(ah));
	push_ip(p, &V6, IPPROTO_AH);
	push_eth(p, ETHTYPE_IPV6);
}

static void v6_routing(struct packet *p)
{
	uint8_t routing[8] = {IPPROTO_TCP, 0, 4, 1};

	push_tcp(p, &V6, TCP_SYN);
	push(p, routing, sizeof(routing));
	push_ip(p, &V6, IPPROTO_ROUTING);
	push_eth(p, ETHTYPE_IPV6);
}

static void v6_exthdrs(struct packet *p, int n)
{
	push_tcp(p, &V6, TCP_SYN);
	push_ext(p, IPPROTO_TCP, 8);
	for (int i = 1; i < n; i++)
		push_ext(p, IPPROTO_DSTOPTS, 8);
	push_ip(p, &V6, IPPROTO_DSTOPTS);
	push_eth(p, ETHTYPE_IPV6);
}

static void v6_eight_exthdrs(struct packet *p)
{
	v6_exthdrs(p, 8);
}

static void v6_nine_exthdrs(struct packet *p)
{
	v6_exthdrs(p, 9);
}

static void v6_chain_past_payload(struct packet *p)
{
	v6_dstopts(p);
	packet_bytes(p)[14 + 40 + 1] = 31;
}

/* Tunnels. */

static void ip_in_ip(struct packet *p, const struct pair *outer, const struct pair *inner)
{
	push_tcp(p, inner, TCP_SYN);
	push_ip(p, inner, IPPROTO_TCP);
	push_ip(p, outer, inner->v6 ? IPPROTO_IPV6 : IPPROTO_IPIP);
	push_eth(p, type_of(outer));
}

static void six_in_four(struct packet *p)
{
	ip_in_ip(p, &OUTER4, &V6);
}

static void four_in_six(struct packet *p)
{
	ip_in_ip(p, &OUTER6, &V4);
}

static void four_in_four(struct packet *p)
{
	ip_in_ip(p, &OUTER4, &V4);
}

static void six_in_six(struct packet *p)
{
	ip_in_ip(p, &OUTER6, &V6);
}

static void six_in_six_in_four(struct packet *p)
{
	push_tcp(p, &V6, TCP_SYN);
	push_ip(p, &V6, IPPROTO_TCP);
	push_ip(p, &OUTER6, IPPROTO_IPV6);
	push_ip(p, &OUTER4, IPPROTO_IPV6);
	push_eth(p, ETHTYPE_IPV4);
}

static void four_as_six_in_four(struct packet *p)
{
	push_tcp(p, &V4, TCP_SYN);
	push_ip(p, &V4, IPPROTO_TCP);
	push_ip(p, &OUTER4, IPPROTO_IPV6);
	push_eth(p, ETHTYPE_IPV4);
}

static void six_in_four_fragment(struct packet *p, uint16_t offset, bool more)
{
	push(p, "hello", 5);
	push_udp(p, &V6);
	push_ip(p, &V6, IPPROTO_UDP);
	if (more) /* the inner datagram ends in a later fragment */
		put_be16(packet_bytes(p) + 4, 3000);
	push_ipv4(p, &OUTER4,
		  (struct ipv4_hdr){.proto = IPPROTO_IPV6, .frag_offset = offset, .mf = more});
	push_eth(p, ETHTYPE_IPV4);
}

static void six_in_four_first_fragment(struct packet *p)
{
	six_in_four_fragment(p, 0, true);
}

static void six_in_four_later_fragment(struct packet *p)
{
	six_in_four_fragment(p, 1480, false);
}

static void vxlan_in_six_in_four(struct packet *p)
{
	push_udp_ports(p, &V6, PORT_A, 4789);
	push_ip(p, &V6, IPPROTO_UDP);
	push_ip(p, &OUTER4, IPPROTO_IPV6);
	push_eth(p, ETHTYPE_IPV4);
}

static void gre(struct packet *p)
{
	push_tcp(p, &V4, TCP_SYN);
	push_ip(p, &V4, IPPROTO_TCP);
	push(p, "\0\0\x08\0", 4);
	push_ip(p, &OUTER4, IPPROTO_GRE);
	push_eth(p, ETHTYPE_IPV4);
}

static void vxlan(struct packet *p)
{
	tcp_syn(p, &V4);
	push(p, "\x08\0\0\0\0\0\x2a\0", 8);
	push_udp_ports(p, &OUTER4, PORT_A, 4789);
	push_ip(p, &OUTER4, IPPROTO_UDP);
	push_eth(p, ETHTYPE_IPV4);
}

static void geneve(struct packet *p)
{
	tcp_syn(p, &V6);
	push(p, "\0\0\x65\x58\0\0\x2a\0", 8);
	push_udp_ports(p, &OUTER6, 6081, PORT_B);
	push_ip(p, &OUTER6, IPPROTO_UDP);
	push_eth(p, ETHTYPE_IPV6);
}

/* Frames that lie. */

static void v6_as_ipv4(struct packet *p)
{
	v6_syn(p);
	put_be16(packet_bytes(p) + 12, ETHTYPE_IPV4);
}

static void v4_as_ipv6(struct packet *p)
{
	v4_syn(p);
	put_be16(packet_bytes(p) + 12, ETHTYPE_IPV6);
}

static void six_in_four_as_ipv6(struct packet *p)
{
	six_in_four(p);
	put_be16(packet_bytes(p) + 12, ETHTYPE_IPV6);
}

static void version_zero(struct packet *p)
{
	v4_syn(p);
	packet_bytes(p)[14] = 0x05;
}

static void set_v4_field(struct packet *p, size_t offset, uint16_t value)
{
	uint8_t *ip = packet_bytes(p) + 14;

	put_be16(ip + offset, value);
	put_be16(ip + 10, 0);
	put_be16(ip + 10, csum_of(ip, 20));
}

static void v4_ihl_four(struct packet *p)
{
	v4_syn(p);
	packet_bytes(p)[14] = 0x44;
}

static void v4_length_below_header(struct packet *p)
{
	v4_syn(p);
	set_v4_field(p, 2, 19);
}

static void v4_length_past_frame(struct packet *p)
{
	v4_syn(p);
	set_v4_field(p, 2, 61);
}

static void v4_length_cuts_tcp(struct packet *p)
{
	v4_syn(p);
	set_v4_field(p, 2, 59);
}

static void v4_length_zero(struct packet *p)
{
	v4_syn(p);
	set_v4_field(p, 2, 0);
}

static void v6_length_past_frame(struct packet *p)
{
	v6_syn(p);
	put_be16(packet_bytes(p) + 18, 41);
}

static void v6_length_zero(struct packet *p)
{
	v6_syn(p);
	put_be16(packet_bytes(p) + 18, 0);
}

static void v6_jumbo(struct packet *p)
{
	static const uint8_t jumbo[8] = {IPPROTO_TCP, 0, 0xc2, 4, 0, 1, 0, 0};

	push_tcp(p, &V6, TCP_ACK);
	push(p, jumbo, sizeof(jumbo));
	push_ip(p, &V6, IPPROTO_HOPOPTS);
	push_eth(p, ETHTYPE_IPV6);
	put_be16(packet_bytes(p) + 18, 0);
}

static void v6_jumbo_with_length(struct packet *p)
{
	v6_jumbo(p);
	put_be16(packet_bytes(p) + 18, 48);
}

static void v6_hopopts_without_length(struct packet *p)
{
	push_tcp(p, &V6, TCP_SYN);
	push_ext(p, IPPROTO_TCP, 8);
	push_ip(p, &V6, IPPROTO_HOPOPTS);
	push_eth(p, ETHTYPE_IPV6);
	put_be16(packet_bytes(p) + 18, 0);
}

static void udp_length(struct packet *p, uint16_t length)
{
	v4_udp(p);
	put_be16(packet_bytes(p) + 38, length);
	put_be16(packet_bytes(p) + 40, 0);
}

static void udp_length_seven(struct packet *p)
{
	udp_length(p, 7);
}

static void udp_length_past_ip(struct packet *p)
{
	udp_length(p, 14);
}

static void udp_length_below_ip(struct packet *p)
{
	udp_length(p, 10);
}

static void tcp_offset_four(struct packet *p)
{
	v4_syn(p);
	packet_bytes(p)[34 + 12] = 0x40;
}

static void tcp_offset_past_segment(struct packet *p)
{
	v4_syn(p);
	packet_bytes(p)[34 + 12] = 0xb0;
}

static void tcp_option_zero(struct packet *p)
{
	v4_syn(p);
	packet_bytes(p)[34 + 21] = 0;
}

/* Checksums. */

static void v4_bad_header_csum(struct packet *p)
{
	v4_syn(p);
	packet_bytes(p)[14 + 8]--;
}

static void flip_last(struct packet *p, void (*make)(struct packet *))
{
	make(p);
	p->b[PACKET_MAX - 1] ^= 0x40;
}

static void v4_bad_tcp_csum(struct packet *p)
{
	flip_last(p, v4_syn);
}

static void v6_bad_tcp_csum(struct packet *p)
{
	flip_last(p, v6_syn);
}

static void v4_bad_udp_csum(struct packet *p)
{
	flip_last(p, v4_udp);
}

static void v4_bad_icmp_csum(struct packet *p)
{
	flip_last(p, v4_echo);
}

static void v6_bad_icmp_csum(struct packet *p)
{
	flip_last(p, v6_echo);
}

static void v4_udp_no_csum(struct packet *p)
{
	v4_udp(p);
	put_be16(packet_bytes(p) + 40, 0);
}

static void v6_udp_no_csum(struct packet *p)
{
	v6_udp(p);
	put_be16(packet_bytes(p) + 60, 0);
}

/* The right checksum is 0, which has to be sent as 0xffff. */
static void v6_udp_sums_to_zero(struct packet *p)
{
	uint8_t word[2] = {0};

	push(p, word, sizeof(word));
	push_udp(p, &V6);
	memcpy(packet_bytes(p) + UDP_HDR_LEN, packet_bytes(p) + UDP_CSUM_OFFSET, sizeof(word));
	put_be16(packet_bytes(p) + UDP_CSUM_OFFSET, 0);
	push_ip(p, &V6, IPPROTO_UDP);
	push_eth(p, ETHTYPE_IPV6);
}

#endif
