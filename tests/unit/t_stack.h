/* SPDX-License-Identifier: MIT */
/* t_stack.h - tests: one stack whose output is kept, with packets made and read in few words */
#ifndef TESTS_UNIT_T_STACK_H
#define TESTS_UNIT_T_STACK_H

#include "../../rawstack/stack/stack.h"
#include "../../rawstack/wire/icmp.h"

/*
 * A host with 198.51.100.2, .3, 2001:db8:1::2 and ::3 on a link of IP packets; its only peer is .1
 * and ::1. Everything it sends is kept, up to T_STACK_KEPT packets.
 */
enum { T_STACK_KEPT = 256, T_STACK_MTU = 1500 };

struct t_packet {
	uint8_t bytes[T_STACK_MTU];
	size_t len;
};

struct t_stack {
	struct stack *s;
	uint64_t now;
	struct t_packet out[T_STACK_KEPT];
	int sent;
};

/* What all of them begin with: the configuration described above. */
struct stack_config t_stack_config(struct t_stack *t);
void t_stack_open(struct t_stack *t, const struct stack_config *cfg);
void t_stack_close(struct t_stack *t);

/* Counters now. */
struct stack_stats t_stack_stats(const struct t_stack *t);

/* The peer's and the stack's n-th address of a family (0: .2 or ::2). */
struct addr t_peer(bool v6);
struct addr t_own(bool v6, int n);

/* A packet from @src to @dst with @l4 behind its header; @proto as IPv6's next header field too. */
struct t_ip {
	bool v6;
	struct addr src, dst;
	uint8_t proto, ttl, tos;
	uint16_t id, frag; /* IPv4: flags and offset as on the wire */
};
size_t t_ip_build(const struct t_ip *ip, const void *l4, size_t len, uint8_t *out);
struct t_ip t_ip_usual(bool v6, uint8_t proto);

/* Gives it to the stack. */
void t_stack_ip(struct t_stack *t, const struct t_ip *ip, const void *l4, size_t len);

/* A UDP datagram of the peer from port 5000, its checksum right; @csum_off: 0 in its place. */
size_t t_udp_build(bool v6, const struct addr *src, const struct addr *dst, uint16_t sport,
		   uint16_t dport, const void *data, size_t len, uint8_t *out);
void t_stack_udp(struct t_stack *t, bool v6, const struct addr *dst, uint16_t dport,
		 const void *data, size_t len);

/* The last packet sent, read: header, transport. Asserts that checksums are right. */
struct t_seen {
	bool v6;
	struct addr src, dst;
	uint8_t proto, ttl, tos;
	const uint8_t *l4;
	size_t l4_len;
	struct icmp_hdr icmp;
	uint16_t sport, dport;
	bool fragment;
};
struct t_seen t_stack_read(const struct t_packet *p);
struct t_seen t_stack_last(const struct t_stack *t);

#endif
