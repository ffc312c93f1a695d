/* SPDX-License-Identifier: MIT */
/* pcap_link.h - link types of capture files, and blocks and options of pcapng */
#ifndef RAWSTACK_CAPTURE_PCAP_LINK_H
#define RAWSTACK_CAPTURE_PCAP_LINK_H

/* The link-layer header type registry of draft-ietf-opsawg-pcaplinktype. */
enum pcap_linktype {
	PCAP_LINK_NULL = 0, /* BSD loopback: address family in the writer's byte order */
	PCAP_LINK_ETHERNET = 1,
	PCAP_LINK_RAW_BSD = 12, /* raw IP, as some systems number it in files */
	PCAP_LINK_RAW_OPENBSD = 14,
	PCAP_LINK_RAW = 101,  /* an IPv4 or IPv6 header, told by its version nibble */
	PCAP_LINK_LOOP = 108, /* OpenBSD loopback: address family, big-endian */
	PCAP_LINK_LINUX_SLL = 113,
	PCAP_LINK_IPV4 = 228,
	PCAP_LINK_IPV6 = 229,
	PCAP_LINK_LINUX_SLL2 = 276,
};

/* draft-ietf-opsawg-pcapng, section 11.1. */
enum pcapng_block {
	PCAPNG_INTERFACE = 1,
	PCAPNG_PACKET_OBSOLETE = 2,
	PCAPNG_PACKET_SIMPLE = 3,
	PCAPNG_NAMES = 4,
	PCAPNG_STATISTICS = 5,
	PCAPNG_PACKET = 6,
	PCAPNG_SECTION = 0x0a0d0d0a,
};

enum { PCAPNG_BYTE_ORDER = 0x1a2b3c4d };

/* Options, by the block they stand in (section 4). */
enum pcapng_option {
	PCAPNG_OPT_END = 0,
	PCAPNG_OPT_COMMENT = 1,
	PCAPNG_SHB_HARDWARE = 2,
	PCAPNG_SHB_OS = 3,
	PCAPNG_SHB_APPLICATION = 4,
	PCAPNG_IF_NAME = 2,
	PCAPNG_IF_DESCRIPTION = 3,
	PCAPNG_IF_MAC = 6,
	PCAPNG_IF_TSRESOL = 9,
	PCAPNG_IF_FILTER = 11,
	PCAPNG_IF_TSOFFSET = 14,
	PCAPNG_EPB_FLAGS = 2,
	PCAPNG_EPB_PACKETID = 5,
	PCAPNG_ISB_START = 2,
	PCAPNG_ISB_END = 3,
	PCAPNG_ISB_RECEIVED = 4,
	PCAPNG_ISB_OS_DROPPED = 7,
	PCAPNG_ISB_DELIVERED = 8,
};

/* Bits of PCAPNG_EPB_FLAGS. */
enum pcapng_flag {
	PCAPNG_FLAG_INBOUND = 1,
	PCAPNG_FLAG_OUTBOUND = 2,
	PCAPNG_FLAG_DIRECTION = 3,
	PCAPNG_FLAG_CSUM_NOT_READY = 1 << 9,
	PCAPNG_FLAG_CSUM_VALID = 1 << 10,
	PCAPNG_FLAG_GSO = 1 << 11,
};

/* Record types of PCAPNG_NAMES. */
enum { PCAPNG_NAME_END = 0, PCAPNG_NAME_IPV4 = 1, PCAPNG_NAME_IPV6 = 2 };

#endif
