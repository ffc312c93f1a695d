/* SPDX-License-Identifier: MIT */
/* filter.h - generates the classic BPF program that decides in the kernel what a tap sees */
#ifndef RAWSTACK_CAPTURE_FILTER_H
#define RAWSTACK_CAPTURE_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The rule: reject only what is certainly irrelevant, accept whenever the port cannot be seen
 * (later fragments, IPv6 extension headers, tunnels, VLAN tags in the bytes, frames too short to
 * tell, an EtherType that disagrees with the version nibble). User space decides those. ICMP and
 * ICMPv6 errors are accepted whatever they quote: one of them may be the answer to a watched
 * datagram. IPsec is the exception to the rule: ESP is rejected, and so is AH over IPv4.
 */

/* Ports lo..hi, both included, host order. A frame matches when either of its ports is in any
 * range. */
struct port_range {
	uint16_t lo, hi;
};

enum {
	FILTER_RANGES_MAX = 16,
	FILTER_INSNS_MAX = 160, /* enough for FILTER_RANGES_MAX ranges */
	FILTER_SNAPLEN = 192,	/* VLAN + IPv6 + extension headers + 60 bytes of TCP, and 6in4 */
};

struct filter_spec {
	const struct port_range *ranges; /* none: every TCP and UDP frame */
	size_t n_ranges;
	uint32_t snaplen;      /* 0: FILTER_SNAPLEN */
	bool accept_canary;    /* EtherType 0x88b5 that starts with @canary_magic */
	uint32_t canary_magic; /* first four payload bytes, host order */
};

/* Writes the program. Returns its number of instructions, -EINVAL (a range with lo > hi, or more
 * than FILTER_RANGES_MAX of them) or -ENOSPC (@cap is too small). */
int filter_generate(const struct filter_spec *spec, struct sock_filter *out, size_t cap);

#endif
