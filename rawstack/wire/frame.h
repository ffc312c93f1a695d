/* SPDX-License-Identifier: MIT */
/* frame.h - what one captured frame says, from its bytes and from what the ring knew beside them */
#ifndef RAWSTACK_WIRE_FRAME_H
#define RAWSTACK_WIRE_FRAME_H

#include "../addr.h"
#include "link.h"
#include "tcp.h"

/*
 * How the datagram really travelled. The judge compares this, never an address, with what a socket
 * claimed.
 *
 * Where two apply, the first of MISMATCH, TUN_6IN4, TUN_OTHER wins. One IP header inside another is
 * read; then addresses, ports and everything below them in struct frame_info are the inner ones, so
 * that a mapped claim carried as 4in6 meets its frame and is contradicted. A third IP header is
 * FRAME_UNPARSED. GRE, VXLAN and Geneve are not looked into: GRE shows the outer addresses, the UDP
 * ones (either port 4789 or 6081) the outer addresses and ports.
 */
enum carriage {
	CARRIAGE_NONE,	    /* no IP datagram, or one that could not be read far enough to say */
	CARRIAGE_V4,	    /* EtherType 0x0800, version 4; without a link header version 4 */
	CARRIAGE_V6,	    /* EtherType 0x86dd, version 6; without a link header version 6 */
	CARRIAGE_TUN_6IN4,  /* IPv4 protocol 41 */
	CARRIAGE_TUN_OTHER, /* 4in4, 4in6, 6in6, GRE, VXLAN, Geneve */
	CARRIAGE_MISMATCH,  /* EtherType and version nibble disagree; read as the nibble says */
	CARRIAGE_NUM
};

/*
 * What is wrong with a frame, as bits: a frame with any bit of FRAME_BAD is no evidence for a
 * claim. What was read before the fault is still filled in, to find the flow it belongs to.
 */
enum frame_problem {
	/* Captured bytes end before a header that had to be read; the frame on the wire had it. */
	FRAME_TRUNCATED = 1 << 0,
	/* A field contradicts another, the frame's length or the ring's metadata, or is illegal. */
	FRAME_MALFORMED = 1 << 1,
	/* The stack would drop it. */
	FRAME_BAD_CHECKSUM = 1 << 2,
	/* More than FRAME_EXTHDR_MAX IPv6 extension headers. */
	FRAME_EXTHDR_LIMIT = 1 << 3,
	/* More than two in-band VLAN tags, a third IP header, or an encrypted payload (ESP). */
	FRAME_UNPARSED = 1 << 4,
	/*
	 * Information: segmentation offload, by the ring's flag or by a length over FRAME_WIRE_MAX.
	 * The MTU is not known here, so without the flag (before Linux 6.3) smaller ones pass
	 * unmarked.
	 */
	FRAME_SUPERFRAME = 1 << 5,
	/*
	 * Information: the transport checksum could not be checked: not finished, not all bytes
	 * captured, a fragment, a superframe, a malformed frame, or a destination that is not
	 * final.
	 */
	FRAME_CSUM_UNCHECKED = 1 << 6,
	/* Information: UDP over IPv4 without a checksum, which is legal (RFC 768). */
	FRAME_NO_CHECKSUM = 1 << 7,
};
enum {
	FRAME_BAD = FRAME_TRUNCATED | FRAME_MALFORMED | FRAME_BAD_CHECKSUM | FRAME_EXTHDR_LIMIT |
		    FRAME_UNPARSED
};
enum {
	FRAME_EXTHDR_MAX = 8,  /* IPv6 extension headers followed */
	FRAME_WIRE_MAX = 9018, /* 9000 bytes behind an Ethernet header and a VLAN tag */
};

/* What the ring says beside the bytes (TPACKET status bits, in our own numbering). */
enum frame_meta_flag {
	FRAME_META_CSUM_NOT_READY = 1 << 0, /* TP_STATUS_CSUMNOTREADY */
	FRAME_META_CSUM_VALID = 1 << 1,	    /* TP_STATUS_CSUM_VALID */
	FRAME_META_GSO_TCP = 1 << 2,	    /* TP_STATUS_GSO_TCP */
	FRAME_META_VLAN = 1 << 3, /* vlan_tci holds the outermost tag, stripped from the bytes */
	FRAME_META_VLAN_TPID = 1 << 4, /* vlan_tpid is valid too; otherwise assume 0x8100 */
	FRAME_META_OUTGOING = 1 << 5,  /* sent by this host on this interface (PACKET_OUTGOING) */
	/*
	 * Nobody says whether the checksum was finished, as in a capture file: one that is just the
	 * sum of the pseudo-header was left to the interface, and is unchecked instead of bad.
	 */
	FRAME_META_CSUM_UNKNOWN = 1 << 6,
};

struct frame_meta {
	uint32_t caplen;   /* bytes captured: the only length the dissector may read up to */
	uint32_t wirelen;  /* bytes the frame had */
	uint32_t flags;	   /* enum frame_meta_flag */
	uint16_t protocol; /* sll_protocol in host order, 0: unknown */
	uint16_t vlan_tci;
	uint16_t vlan_tpid;
	uint8_t link; /* enum link_type; a ring's frames are Ethernet, 0 */
};

/*
 * One frame, read. All integers in host order. Addresses are canonical: IPv4 as mapped, so a
 * literal ::ffff:a.b.c.d inside an IPv6 header compares equal to a.b.c.d; only @carriage tells them
 * apart. Of a tunnelled datagram everything from @version on is the inner one's; when that could
 * not be read its addresses are zero. A fragment of the outer datagram counts as a fragment; only
 * its first one has an inner datagram to read.
 */
struct frame_info {
	enum carriage carriage;
	uint32_t problems;  /* enum frame_problem */
	uint32_t need;	    /* captured bytes of headers that reading took, or would have taken */
	uint16_t ethertype; /* innermost, after VLAN tags; see link_parse() for other links */
	uint8_t vlan_tags;  /* in bytes and in metadata together */
	uint16_t vlan_id;   /* outermost */

	uint8_t version; /* the nibble, 0 when there was none */
	struct addr src, dst;
	/* After extension headers: 6, 17, 1, 58; of a later fragment, what its header names. */
	uint8_t proto;
	uint8_t ttl;	     /* TTL or hop limit */
	uint8_t tos;	     /* TOS or traffic class */
	bool df;	     /* IPv4 don't fragment */
	uint8_t ip_options;  /* bytes of IPv4 options, or number of IPv6 extension headers */
	uint32_t flow_label; /* IPv6 */

	bool fragment; /* part of a fragmented datagram (an atomic fragment, RFC 6946, is not) */
	bool more_fragments;
	uint16_t frag_offset; /* bytes */
	/* IPv4: always, matched with src, dst and proto; IPv6: with src and dst (RFC 8200 4.5). */
	uint32_t frag_id;

	/* False for a later fragment and for anything but TCP and UDP; may stand beside TRUNCATED.
	 */
	bool has_ports;
	uint16_t sport, dport;
	uint32_t seq, ack; /* TCP */
	uint8_t tcp_flags;
	uint16_t window;
	uint16_t mss;			 /* of a SYN, 0: none */
	uint8_t wscale;			 /* of a SYN, 0xff: none */
	bool sack_permitted, timestamps; /* offered on a SYN */
	uint8_t icmp_type, icmp_code;	 /* proto 1 and 58 */

	/*
	 * Transport payload by the IP length (of UDP: by its own), not by what was captured. For a
	 * later fragment or another protocol: what follows the IP headers.
	 */
	uint32_t payload_len;
	uint32_t payload_off; /* where it starts in the frame, 0: not reached */
};

/*
 * Reads one frame, Ethernet or what meta->link says. Pure: no state, no allocation, never reads
 * past meta->caplen. Always fills all of @info; what could not be read is zero (wscale: none) and
 * said in @problems. A wirelen below caplen is taken as caplen.
 */
void frame_dissect(const uint8_t *bytes, const struct frame_meta *meta, struct frame_info *info);

/* A short name such as "IPv4" or "6in4". */
const char *carriage_name(enum carriage c);

/*
 * One line for people, "IPv4 198.51.100.1:40001 > 198.51.100.2:7000 SYN seq 1 ...", without a
 * newline, cut to fit @cap and always ended by a NUL when @cap is not 0. Returns its length.
 */
size_t frame_print(const struct frame_info *info, char *buf, size_t cap);

#endif
