/* SPDX-License-Identifier: MIT */
/* pcapng_write.h - writes captured frames, and what is known beside them, as a pcapng file */
#ifndef RAWSTACK_CAPTURE_PCAPNG_WRITE_H
#define RAWSTACK_CAPTURE_PCAPNG_WRITE_H

#include <stdio.h>

#include "../addr.h"
#include "../wire/frame.h"

/*
 * One section, little-endian on every machine, timestamps in nanoseconds (IETF draft
 * draft-ietf-opsawg-pcapng). In the order of the calls: section header, one interface description
 * for each tap, packets in the order of time, names, one statistics block for each interface.
 *
 * The first failure sticks: it is what every later call returns, so a caller may look once at the
 * end. Nothing is written after it.
 *
 * Limits: a text longer than PCAPNG_TEXT_MAX bytes is cut, not refused.
 */
enum { PCAPNG_TEXT_MAX = 1024, PCAPNG_INTERFACES_MAX = 64 };

/* All texts are UTF-8 and may be NULL: then the option is left out. */
struct pcapng_section {
	const char *hardware;	 /* "x86_64" */
	const char *os;		 /* "Linux 6.18.5" */
	const char *application; /* "dualwire 0.1.0" */
	const char *comment;
};

struct pcapng_interface {
	const char *name;	 /* "eth0" */
	const char *description; /* where that is: "server, netns 4026532008, ifindex 2" */
	const char *filter;	 /* what was captured, as text for people */
	const uint8_t *mac;	 /* six bytes, NULL: not known */
	uint32_t snaplen;	 /* 0: no limit */
	uint16_t linktype;	 /* PCAP_LINK_ETHERNET, … of pcap_link.h */
};

struct pcapng_packet {
	uint32_t interface; /* as pcapng_add_interface() numbered it */
	uint64_t ts_ns;	    /* CLOCK_REALTIME */
	const uint8_t *bytes;
	/*
	 * From the ring. A VLAN tag that is only in the metadata is put back into the bytes; the
	 * direction, the state of the checksum and segmentation offload become flags.
	 */
	struct frame_meta meta;
	uint64_t id;	     /* the same number on two interfaces: one frame seen twice; 0: none */
	const char *comment; /* NULL: none */
};

/* What a tap counted; see struct ring_stats. */
struct pcapng_statistics {
	uint32_t interface;
	uint64_t start_ns, end_ns; /* CLOCK_REALTIME */
	uint64_t received;	   /* frames that passed the filter, dropped ones included */
	uint64_t dropped;	   /* of these, by a full ring */
	uint64_t delivered;	   /* of these, read by the program */
	const char *comment;	   /* such as the verdict of the run */
};

struct pcapng_name {
	struct addr addr;
	const char *name;
};

struct pcapng_writer;

/*
 * Writes the section header to @out, which stays the caller's and is neither flushed nor closed
 * before pcapng_writer_end(). Returns 0, -ENOMEM or -EIO.
 */
int pcapng_writer_open(FILE *out, const struct pcapng_section *s, struct pcapng_writer **w);

/* Returns the interface's number (0, 1, …), -ENOSPC beyond PCAPNG_INTERFACES_MAX, or a failure. */
int pcapng_add_interface(struct pcapng_writer *w, const struct pcapng_interface *i);

/* Returns 0, -EINVAL (no such interface) or a failure. */
int pcapng_add_packet(struct pcapng_writer *w, const struct pcapng_packet *p);

/* Names for addresses, in one block. Returns 0 or a failure. */
int pcapng_add_names(struct pcapng_writer *w, const struct pcapng_name *names, size_t n);

/* Returns 0, -EINVAL (no such interface) or a failure. */
int pcapng_add_statistics(struct pcapng_writer *w, const struct pcapng_statistics *s);

/* Releases the writer after flushing its file. Returns 0 or the first failure. NULL is allowed. */
int pcapng_writer_end(struct pcapng_writer *w);

#endif
