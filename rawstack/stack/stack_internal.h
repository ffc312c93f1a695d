/* SPDX-License-Identifier: MIT */
/* stack_internal.h - what the modules of the stack share; for rawstack/stack and its tests only */
#ifndef RAWSTACK_STACK_STACK_INTERNAL_H
#define RAWSTACK_STACK_STACK_INTERNAL_H

#include "binding.h"
#include "reasm.h"
#include "slab.h"
#include "stack.h"

#include "../wire/icmp_msg.h"

/*
 * Who calls whom:
 *
 *	stack_input()  stack.c     Ethernet, EtherType
 *	  ip_input()   ip.c        headers, addresses, fragments; fills struct packet
 *	    tcp_input()  tcp_in.c
 *	    udp_input()  udp.c
 *	    icmp_input() icmp.c    which calls tcp_icmp_error(), udp_icmp_error(), nd
 *	out_begin(), out_end(), out_packet()  out.c   route, neighbour, Ethernet and IP header
 */

struct tcp;
struct icmp;
struct udp;
struct neigh;

/* One of our addresses. */
struct own_addr {
	struct addr addr;
	uint8_t prefix_len; /* over the sixteen-byte form: IPv4 length + 96 */
	bool v6;
	enum stack_addr_state state;
	uint8_t duplicate_mac[6];
};

/* One IP packet, read. Bytes are borrowed from the frame. Host order. */
struct packet {
	uint64_t now;
	struct addr src, dst; /* canonical: IPv4 as mapped. This is where an IPv4 packet's addresses
				 become ::ffff:a.b.c.d */
	bool v6;	      /* how it travels: the wire family */
	bool csum_trusted;    /* the ring vouches for the transport checksum */
	bool to_group;	      /* sent to multicast or broadcast, of link or IP */
	uint8_t own;	      /* index of our address it was sent to; OWN_NONE with to_group */
	uint8_t proto, ttl, tos;
	const uint8_t *ip; /* its IP header; of a reassembled datagram the first fragment's */
	size_t ip_len;	   /* header and payload, without padding */
	size_t hdr_len;	   /* bytes of @ip in front of the transport header */
	bool reassembled;  /* then @l4 is not behind @ip */
	const uint8_t *l4; /* transport header */
	size_t l4_len;
	const uint8_t *mac; /* the sender's, NULL on an l3 link */
};

enum { OWN_NONE = 0xff, STACK_DATAGRAM_MAX = 65535 };

/* Where a packet to some destination goes. */
struct route {
	uint8_t own; /* our address to send from */
	struct addr next_hop;
};

/* A packet being built. */
struct out {
	uint8_t *frame; /* all of it */
	uint8_t *l4;	/* where the transport header goes */
	size_t frame_len;
	size_t l4_len;
	const struct addr *src, *dst;
	bool v6;
	bool held; /* next_hop is not resolved: goes to the neighbour cache, not to the link */
	struct addr next_hop;
};

/* Chunks of data, for both directions of TCP and for UDP. */
enum { SEG_SIZE = 2048, SEG_HDR = 32, SEG_DATA = SEG_SIZE - SEG_HDR };

struct seg {
	uint32_t next;	/* index, 0: the last */
	uint32_t seq;	/* of data[off] */
	uint16_t off;	/* where the bytes not yet consumed begin */
	uint16_t len;	/* how many there are */
	uint32_t lent;	/* bytes of a loan that count against the window */
	uint64_t owner; /* stack_conn while lent */
	uint8_t pad[SEG_HDR - 24];
	uint8_t data[SEG_DATA];
};
_Static_assert(sizeof(struct seg) == SEG_SIZE, "a chunk is 2 KiB with its header");

struct stack {
	struct stack_config cfg; /* defaults filled in */
	struct own_addr own[STACK_ADDRS_MAX];
	int n_own;
	bool ipv6;	 /* MTU is large enough */
	size_t link_hdr; /* 14, or 0 on an l3 link */
	struct stack_stats stats;
	struct slab segs; /* struct seg */

	struct binding_table tcp_bindings, udp_bindings;
	uint16_t tcp_events, tcp_events_last; /* TCP bindings with an event, BINDING_NONE: none */
	uint16_t udp_events, udp_events_last;

	struct tcp *tcp;
	struct neigh *neigh; /* NULL on an l3 link */
	struct reasm *reasm;
	struct icmp *icmp;
	struct udp *udp;

	uint64_t ports_drawn;
	uint64_t frag_ids; /* identifications drawn for fragments */
	uint8_t *scratch;  /* a frame whose next hop is being resolved; mtu + link_hdr bytes */
	uint8_t *datagram; /* one being built; STACK_DATAGRAM_MAX bytes */
};

/* The one siphash key of each purpose, derived from cfg.secret by position. */
enum { SECRET_HASH = 0, SECRET_ISN = 16 };

/* Our address @a as an index, OWN_NONE when it is not ours or not usable (yet). */
uint8_t own_find(const struct stack *s, const struct addr *a);

/* Index of our first usable address of the wire family, OWN_NONE: there is none. */
uint8_t own_primary(const struct stack *s, bool v6);

/* 255.255.255.255 or the last address of one of our prefixes (RFC 1122 3.2.1.3); @a is mapped. */
bool own_broadcast(const struct stack *s, const struct addr *a);

/* Returns 0 or -ENETUNREACH. The wire family is that of @dst: IPv4 exactly when it is mapped. */
int route_find(const struct stack *s, const struct addr *dst, struct route *r);

/*
 * Begins an IP packet with @l4_len bytes of transport from our address @own to @dst: finds the
 * route, reserves the frame, writes Ethernet and IP headers. @dst is borrowed until out_end().
 * Returns 0; -ENETUNREACH, -ENOBUFS (no room), -EMSGSIZE (over the MTU); failures are counted.
 */
int out_begin(struct stack *s, uint64_t now, struct out *o, uint8_t own, const struct addr *dst,
	      uint8_t proto, uint8_t ttl, uint8_t tos, size_t l4_len);

/* Sends it (or hands it to the neighbour cache). Checksums are the caller's to have written. */
void out_end(struct stack *s, uint64_t now, struct out *o);

/*
 * A datagram at hand, its checksum in place, in fragments where it is longer than the MTU: for ICMP
 * and UDP. Returns 0; -ENETUNREACH, -ENOBUFS, -EMSGSIZE (over 65535 bytes).
 */
int out_datagram(struct stack *s, uint64_t now, uint8_t own, const struct addr *dst, uint8_t proto,
		 uint8_t ttl, uint8_t tos, const uint8_t *l4, size_t l4_len);

/*
 * The same for a datagram at hand: copies @l4, with its checksum computed and stored at
 * @csum_off; IPv4 datagrams over the MTU are an error too. For ICMP and UDP.
 */
int out_packet(struct stack *s, uint64_t now, uint8_t own, const struct addr *dst, uint8_t proto,
	       uint8_t ttl, uint8_t tos, const void *l4, size_t l4_len, size_t csum_off);

/* An Ethernet frame as it stands: for ARP and for frames the neighbour cache held. */
void out_frame(struct stack *s, const void *frame, size_t len);

/* One IP packet, from a frame or put together from fragments. */
void ip_input(struct stack *s, uint64_t now, const uint8_t *ip, size_t len, const uint8_t *mac,
	      bool to_group, bool csum_trusted);

/*
 * What is behind the IP header: of IPv6 the extension headers from type p->proto on, at p->l4, and
 * then the transport. Reassembly calls it again.
 */
void ip_deliver(struct stack *s, struct packet *p);

/* What an ICMP error of either family says about a packet we sent. Host order. */
enum icmp_verdict {
	ICMP_SOFT,    /* keep trying, remember the error (MUST-56) */
	ICMP_HARD,    /* protocol or port unreachable, 3/2-3/3, 1/4: aborts (SHLD-26) */
	ICMP_TOO_BIG, /* mtu is set */
};

struct icmp_error {
	enum icmp_verdict verdict;
	int error; /* -errno as Linux gives it: -ECONNREFUSED, -EHOSTUNREACH, -EPROTO ... */
	uint16_t mtu;
	bool v6;
	uint8_t own;	 /* the quoted source */
	struct addr dst; /* the quoted destination */
	uint16_t sport, dport;
	uint32_t seq; /* TCP; quoted in eight bytes always */
};

/* Neighbours (neighbours.c); all of them do nothing on an l3 link. */
int neighbours_open(struct stack *s, uint64_t now);
void neighbours_close(struct stack *s);
void neighbours_arp(struct stack *s, uint64_t now, const uint8_t *frame, struct span packet);
void neighbours_nd(struct stack *s, const struct packet *p);
void neighbours_timers(struct stack *s, uint64_t now);
uint64_t neighbours_deadline(const struct stack *s);
/* @dst has acknowledged something new: its station is alive (RFC 4861 7.3.1). */
void neighbours_stats(const struct stack *s, struct stack_stats *out); /* adds what there is */
void neighbours_confirm(struct stack *s, uint64_t now, const struct addr *dst);

/* Fragments (fragment.c) */
int fragment_open(struct stack *s);
void fragment_close(struct stack *s);
/* A fragment; the whole datagram is delivered with the last one. */
void fragment_input(struct stack *s, struct packet *p, const struct reasm_fragment *f);
void fragment_timers(struct stack *s, uint64_t now);
uint64_t fragment_deadline(const struct stack *s);

/* ICMP (icmp.c) */
int icmp_open(struct stack *s);
void icmp_close(struct stack *s);
void icmp_input(struct stack *s, const struct packet *p);
/* Tells the sender of @p what is wrong with it, where an error is allowed; see icmp_msg.h. */
void icmp_complain(struct stack *s, const struct packet *p, enum icmp_kind kind, uint32_t info);
/* A packet of ours could not be delivered on the link: as if a router had said so. */
void icmp_unreachable(struct stack *s, uint64_t now, const uint8_t *ip, size_t len);

/* UDP (udp.c) */
int udp_open(struct stack *s);
void udp_close_all(struct stack *s);
void udp_input(struct stack *s, const struct packet *p);
void udp_icmp_error(struct stack *s, const struct icmp_error *e);

/* TCP (tcp*.c) */
int tcp_open(struct stack *s, uint64_t now);
void tcp_close_all(struct stack *s);
void tcp_input(struct stack *s, const struct packet *p);
/* Believed only where seq is in [SND.UNA, SND.NXT) (RFC 5927 4). */
void tcp_icmp_error(struct stack *s, uint64_t now, const struct icmp_error *e);
void tcp_timers(struct stack *s, uint64_t now);
uint64_t tcp_deadline(const struct stack *s);
void tcp_flush(struct stack *s, uint64_t now);
bool tcp_event(struct stack *s, struct stack_event *ev);
void tcp_stats(const struct stack *s, struct stack_stats *out); /* adds what there is now */

/*
 * bind(2) for both protocols (bind.c): as binding_add(), after the address was found to be ours and
 * a port chosen where @spec has none. -EADDRNOTAVAIL; -EADDRINUSE also when no port is left.
 */
int bind_open(struct stack *s, bool udp, struct stack_bind *spec);

/* Puts an event about a binding on its list unless it is there: ACCEPT, or DGRAM with @udp. */
void binding_event(struct stack *s, bool udp, int id);
void binding_event_cancel(struct stack *s, bool udp, int id);

#endif
