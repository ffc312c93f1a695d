/* SPDX-License-Identifier: MIT */
/* stack.h - the user-space dual stack: frames in, frames out, and sockets' worth of calls above */
#ifndef RAWSTACK_STACK_STACK_H
#define RAWSTACK_STACK_STACK_H

#include "../addr.h"
#include "../wire/frame.h"

#include <sys/types.h>

/*
 * One struct stack is one host on one link: it owns a MAC address and addresses of both families.
 * It has no clock, does no I/O and keeps no globals: time comes in with every call (nanoseconds of
 * a clock that never goes back), frames come in by stack_input() and go out through struct
 * stack_link. So the same code runs on a ring, on a simulated link in virtual time and under a
 * fuzzer. It belongs to one thread.
 *
 * A round of whoever drives it:
 *
 *	stack_input() for each frame at hand
 *	stack_timers()
 *	stack_event() until there is none, answering with stack_send(), stack_close() ...
 *	stack_flush()		what the answers caused leaves, acknowledgements riding on data
 *	wait for a frame or for stack_deadline()
 *
 * Nothing but stack_flush(), replies to SYNs, refusals and timers sends, so an answer queued before
 * stack_flush() carries the acknowledgement of what it answers.
 *
 * Addresses are always the sixteen-byte form. A peer that was reached over IPv4 is mapped; how it
 * is shown (plain or ::ffff:) follows from the family of the socket, which is the caller's.
 */
struct stack;

enum {
	STACK_ADDRS_MAX = 16,
	STACK_BINDINGS_MAX = 256, /* listeners, bound sockets and UDP sockets together */
	STACK_MTU_MIN = 576,	  /* below 1280 there is no IPv6 (RFC 8200 5) */
	STACK_MTU_MAX = 65535,
	STACK_SECRET_LEN = 32,
};

/*
 * Where frames go. reserve() returns room for @len bytes, or NULL when there is none now (the frame
 * is counted and lost, as on any wire; TCP data stays queued); what was written there leaves with
 * commit(), for as many bytes or fewer. One frame is reserved at a time. An IP-only link (l3) gets
 * packets that start with the IP header.
 */
struct stack_link {
	uint8_t *(*reserve)(void *arg, size_t len);
	void (*commit)(void *arg, size_t len);
	void *arg;
};

struct stack_addr {
	struct addr addr;
	uint8_t prefix_len; /* of its family: 24, 64 */
};

/* 0 takes the default named beside a limit. */
struct stack_config {
	struct stack_link link;
	bool l3; /* the link carries IP packets: no Ethernet, no ARP, no neighbour discovery */
	uint8_t mac[6];
	uint16_t mtu;				  /* of IP, 0: 1500 */
	struct stack_addr addrs[STACK_ADDRS_MAX]; /* the first of a family is its primary */
	int n_addrs;
	struct addr gateway4, gateway6;	  /* the wildcard: none, only the links' prefixes */
	uint8_t secret[STACK_SECRET_LEN]; /* random; sequence numbers, cookies, hashes */
	bool skip_dad;			  /* addresses are used at once (tests, simulated links) */

	uint32_t max_conns;	/* 16384, at most 1 << 26 */
	uint32_t max_half_open; /* 4096; above it SYNs are answered by cookies */
	uint32_t max_time_wait; /* 65536; above it the oldest is forgotten */
	uint32_t recv_buffer;	/* bytes a connection may hold unread, 262144 */
	uint32_t send_buffer;	/* bytes a connection may hold unacknowledged, 262144 */
	uint64_t max_buffers;	/* bytes of all of them together, 256 MiB */

	uint32_t min_rto_ms;			/* 200, as Linux; RFC 6298 2.4 says 1000 */
	uint32_t delack_ms;			/* 40; below 500 (MUST-40) */
	uint32_t time_wait_ms;			/* 60000 */
	uint32_t fin_wait_2_ms;			/* 60000, for connections their user has closed */
	uint32_t user_timeout_ms;		/* 0: R2 of RFC 1122 4.2.3.5, 15 retransmissions */
	bool no_timestamps, no_sack, no_wscale; /* options not offered and not accepted */
	bool always_cookies;
};

/* Every counter, once: the name of the field, and what it counts. */
#define STACK_STATS(X)                                                                             \
	X(frames_in, "frames given to the stack")                                                  \
	X(frames_out, "frames sent")                                                               \
	X(bytes_in, "bytes in them")                                                               \
	X(bytes_out, "bytes in those")                                                             \
	X(out_no_room, "frames lost because the link had no room")                                 \
	X(out_no_route, "packets for which there is no route")                                     \
	X(drop_short, "frames or packets shorter than their headers say")                          \
	X(drop_ethertype, "frames that carry neither IP nor ARP")                                  \
	X(drop_vlan, "frames with a VLAN id other than 0")                                         \
	X(drop_other_mac, "frames for another station")                                            \
	X(drop_ip_header, "IP headers that are malformed")                                         \
	X(drop_ip_checksum, "IPv4 headers with a wrong checksum")                                  \
	X(drop_ip_options, "source routes (RFC 7126), routing headers (RFC 5095)")                 \
	X(drop_not_ours, "packets for an address we do not have")                                  \
	X(drop_source, "packets from an impossible source (MUST-63)")                              \
	X(drop_forged_mapped, "native IPv6 packets with a mapped address in them")                 \
	X(drop_protocol, "packets of a protocol we do not speak")                                  \
	X(drop_fragment, "fragments that could not be used")                                       \
	X(frag_in, "fragments received")                                                           \
	X(frag_done, "datagrams put together from fragments")                                      \
	X(frag_timeout, "datagrams whose fragments did not all come in time")                      \
	X(frag_overlap, "datagrams dropped for overlapping fragments")                             \
	X(frag_limit, "fragments dropped at the limit of memory")                                  \
	X(arp_in, "ARP packets")                                                                   \
	X(arp_bad, "ARP packets dropped")                                                          \
	X(nd_in, "neighbour discovery messages")                                                   \
	X(nd_bad, "neighbour discovery messages dropped")                                          \
	X(neigh_failed, "packets dropped for want of a neighbour's address")                       \
	X(neigh_unanswered, "neighbours that did not answer")                                      \
	X(neigh_conflicts, "messages of others that use an address of ours")                       \
	X(neigh_suspects, "claims that contradicted what is known of a neighbour")                 \
	X(neigh_evicted, "neighbours forgotten to make room")                                      \
	X(neigh_refused, "neighbours not taken up at a limit")                                     \
	X(icmp_in, "ICMP messages")                                                                \
	X(icmp_bad, "ICMP messages dropped: checksum, length, quote, or not about us")             \
	X(icmp_echo, "echo requests answered")                                                     \
	X(icmp_out, "ICMP errors sent")                                                            \
	X(icmp_limited, "ICMP errors and echo replies not sent, for the rate limit")               \
	X(udp_in, "datagrams delivered")                                                           \
	X(udp_out, "datagrams sent")                                                               \
	X(udp_bad, "datagrams with a wrong checksum or length")                                    \
	X(udp_no_port, "datagrams nobody waits for")                                               \
	X(udp_full, "datagrams lost at a full socket")                                             \
	X(tcp_in, "segments")                                                                      \
	X(tcp_out, "segments sent")                                                                \
	X(tcp_bad, "segments with a wrong checksum, header or option")                             \
	X(tcp_no_port, "segments nobody waits for")                                                \
	X(tcp_rst_out, "resets sent")                                                              \
	X(tcp_rst_in, "connections the peer reset")                                                \
	X(tcp_syn_in, "connection requests that found a listener")                                 \
	X(tcp_synack_out, "SYN-ACKs sent")                                                         \
	X(tcp_half_open_expired, "half-open connections given up")                                 \
	X(tcp_cookie_out, "SYN-ACKs that carried a cookie")                                        \
	X(tcp_cookie_ok, "connections made from a cookie")                                         \
	X(tcp_cookie_bad, "acknowledgements that were no valid cookie")                            \
	X(tcp_accept_full, "final acknowledgements dropped at a full accept queue")                \
	X(tcp_opened, "connections established, passive ones")                                     \
	X(tcp_connected, "connections established, active ones")                                   \
	X(tcp_closed, "connections gone")                                                          \
	X(tcp_time_wait, "connections that went to TIME-WAIT")                                     \
	X(tcp_time_wait_reopened, "of those, reopened by a new SYN")                               \
	X(tcp_time_wait_evicted, "of those, forgotten early at the limit")                         \
	X(tcp_no_memory, "connections or segments dropped at a limit of memory")                   \
	X(tcp_challenge, "challenge acknowledgements sent (RFC 5961)")                             \
	X(tcp_challenge_limited, "of those, not sent for the limit")                               \
	X(tcp_paws, "segments dropped as old (RFC 7323 5)")                                        \
	X(tcp_no_timestamp, "segments dropped for lack of a timestamp (RFC 7323 3.2)")             \
	X(tcp_out_of_window, "segments outside the window")                                        \
	X(tcp_bad_ack, "segments with an unacceptable acknowledgement")                            \
	X(tcp_out_of_order, "segments queued out of order")                                        \
	X(tcp_retransmits, "segments sent again")                                                  \
	X(tcp_fast_retransmits, "of those, without waiting for the timer")                         \
	X(tcp_timeouts, "retransmission timers that fired")                                        \
	X(tcp_loss_probes, "tail loss probes (RFC 8985)")                                          \
	X(tcp_undone, "reductions taken back, because nothing was lost")                           \
	X(tcp_probes, "zero-window probes")                                                        \
	X(tcp_delayed_acks, "acknowledgements sent by the timer")                                  \
	X(tcp_pure_acks, "segments sent that carry nothing but an acknowledgement")

struct stack_stats {
#define STACK_STAT_FIELD(name, text) uint64_t name;
	STACK_STATS(STACK_STAT_FIELD)
#undef STACK_STAT_FIELD
	/* What there is now. */
	uint32_t conns, half_open, time_wait, segments_held, neighbours;
	uint64_t memory; /* bytes of all tables and slabs */
};

/*
 * Returns 0; -EINVAL (addresses, prefix lengths, MTU, limits); -ENOMEM. The configuration is
 * copied. Unless skip_dad, addresses are tentative until duplicate address detection is over
 * (stack_addr_state()).
 */
int stack_create(const struct stack_config *cfg, uint64_t now, struct stack **out);

/* Frees everything; peers are told nothing. NULL is allowed. */
void stack_destroy(struct stack *s);

/*
 * One frame (l3: one IP packet) and what the ring knew beside it; @meta may be NULL: @len bytes,
 * all there, checksums to be verified. With FRAME_META_CSUM_NOT_READY or _VALID the transport
 * checksum is not looked at. @frame is not kept.
 */
void stack_input(struct stack *s, uint64_t now, const uint8_t *frame, size_t len,
		 const struct frame_meta *meta);

/* A neighbour that is never asked for. 0, -ENOBUFS, -EOPNOTSUPP on an l3 link. */
int stack_neighbour(struct stack *s, const struct addr *a, const uint8_t mac[6]);

/* Does what is due. */
void stack_timers(struct stack *s, uint64_t now);

/* When stack_timers() shall be called next, UINT64_MAX: nothing is pending. May be early. */
uint64_t stack_deadline(const struct stack *s);

/* Sends what the calls since the last time have caused. */
void stack_flush(struct stack *s, uint64_t now);

void stack_stats(const struct stack *s, struct stack_stats *out);

/* The n-th counter's name and text, false past the last. @value may be NULL. */
bool stack_stat_name(const struct stack_stats *st, size_t n, const char **name, const char **text,
		     uint64_t *value);

enum stack_addr_state {
	STACK_ADDR_TENTATIVE, /* being probed; not answered for */
	STACK_ADDR_READY,
	STACK_ADDR_DUPLICATE, /* somebody else has it; not used */
};

/* Of the @i-th configured address. @mac, if not NULL, receives the station that has a duplicate. */
enum stack_addr_state stack_addr_state(const struct stack *s, int i, uint8_t mac[6]);

/* Events. Each is reported once, and again only after what it reports was looked at. */
enum stack_event_type {
	STACK_EV_ACCEPT,    /* id: stack_accept() has something */
	STACK_EV_CONNECTED, /* conn: stack_connect() succeeded */
	STACK_EV_READABLE,  /* conn: stack_recv() has data, or the end of the stream */
	STACK_EV_WRITABLE,  /* conn: stack_send() takes more, after it had taken less than asked */
	STACK_EV_CLOSED,    /* conn: over, error says how (0: both ends closed); the handle is good
			       until stack_close() */
	STACK_EV_DGRAM,	    /* id: stack_udp_recv() has something, or an error is pending */
};

typedef uint64_t stack_conn; /* generation << 32 | index; 0 is none */

struct stack_event {
	enum stack_event_type type;
	int id;	   /* ACCEPT, DGRAM: the binding */
	int error; /* CLOSED: 0 or -errno */
	stack_conn conn;
	uint32_t user; /* what stack_set_user() said, else 0 */
};

/* Takes the oldest event. Returns false when there is none. */
bool stack_event(struct stack *s, struct stack_event *ev);

/*
 * Binding. An address and port of one protocol, as bind(2) makes it: what may stand beside what,
 * and who gets which packet, is as Linux has it (one table for TCP and UDP):
 * IPv4 goes to an AF_INET socket on the address, an AF_INET6 one on the mapped address, an AF_INET
 * one on any, then AF_INET6 ones on ::ffff:0.0.0.0 or on :: without V6ONLY, the first bound first;
 * IPv6 goes to the address, then to ::. Several equal ones (reuse_port) share by hash.
 */
struct stack_bind {
	int family;	       /* AF_INET or AF_INET6 */
	struct endpoint local; /* port 0: one is chosen */
	bool v6only;	       /* AF_INET6; a native address other than :: implies it */
	bool reuse_addr, reuse_port;
};

/*
 * Returns an id >= 0 or -errno as bind(2): -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL (V6ONLY beside a
 * mapped address), -EAFNOSUPPORT, -ENOSPC. @spec->local.port is filled in where it was 0.
 */
int stack_tcp_bind(struct stack *s, struct stack_bind *spec);

/* -EADDRINUSE where another that conflicts listens already; -EINVAL unknown id. @backlog >= 0 as
 * listen(2): that many + 1 may wait to be accepted. Again: changes the backlog. */
int stack_tcp_listen(struct stack *s, int id, uint32_t backlog);

/* Gives a binding up. What a listener holds that was not accepted is reset. */
void stack_tcp_unbind(struct stack *s, uint64_t now, int id);

/* Connections. */
struct stack_conn_info {
	struct endpoint peer, local;
	int family;   /* of the socket */
	bool wire_v6; /* how it travels */
	bool v6only;  /* as inherited from the listener */
	int binding;  /* the listener, or what was bound before connecting; -1: none any more */
	uint16_t mss; /* bytes of data a segment may have now */
	uint32_t srtt_us, cwnd, retransmits;
	uint32_t unread, unsent, unacked; /* bytes */
};

/* The next connection of a listener. Returns 0, -EAGAIN or -EINVAL. @info may be NULL. */
int stack_accept(struct stack *s, int id, stack_conn *conn, struct stack_conn_info *info);

/* How many wait for stack_accept(). */
uint32_t stack_accept_waiting(const struct stack *s, int id);

/*
 * Active open; STACK_EV_CONNECTED or STACK_EV_CLOSED follows. @family is the socket's; @id is a
 * binding of stack_tcp_bind() or -1. Errors at once as connect(2): -ENETUNREACH (V6ONLY and a
 * mapped peer, no route), -EAFNOSUPPORT (bound to the other family), -EADDRNOTAVAIL (no port
 * left), -EADDRINUSE, -ENOBUFS, -EINVAL.
 */
int stack_connect(struct stack *s, uint64_t now, int family, bool v6only, int id,
		  const struct endpoint *peer, stack_conn *conn);

/* -ENOTCONN: the handle is gone. */
int stack_conn_info(const struct stack *s, stack_conn conn, struct stack_conn_info *info);

/* Data received, lent until stack_release(); it counts against the window until then. */
struct stack_buf {
	const uint8_t *data;
	size_t len;
	uint32_t ref; /* the stack's own */
	stack_conn conn;
};

/*
 * Takes the oldest data received. Returns 1 with @buf set; 0 at the end of the stream; -EAGAIN;
 * -ENOTCONN; or once the connection's error (-ECONNRESET, -ETIMEDOUT ...), after its data.
 */
int stack_recv(struct stack *s, stack_conn conn, struct stack_buf *buf);

/* Gives it back, even after the connection is gone. */
void stack_release(struct stack *s, struct stack_buf *buf);

/* Copies up to @len bytes; with @peek they stay. Returns their number, else as stack_recv(). */
ssize_t stack_read(struct stack *s, stack_conn conn, void *data, size_t len, bool peek);

/*
 * Queues up to @len bytes (copied), which leave with stack_flush(). Returns how many were taken, or
 * -EAGAIN (none), -EPIPE (shut down), -ENOTCONN, or once the connection's error.
 */
ssize_t stack_send(struct stack *s, stack_conn conn, const void *data, size_t len);

/* Bytes that stack_send() would take now. */
size_t stack_sendable(const struct stack *s, stack_conn conn);

/* FIN behind what is queued; receiving goes on. 0, -ENOTCONN. */
int stack_shutdown_send(struct stack *s, stack_conn conn);

/* Data that comes from now on is thrown away, as Linux does it: acknowledged. 0, -ENOTCONN. */
int stack_shutdown_recv(struct stack *s, stack_conn conn);

/*
 * Gives the handle back. With data unread, or data coming in later, the peer is reset (RFC 2525
 * 2.17); else what is queued is sent, then FIN. A handle that is gone is ignored.
 */
void stack_close(struct stack *s, uint64_t now, stack_conn conn);

/*
 * Gives the handle back and resets the peer; where both FINs are out (RFC 9293 3.10.5), only for
 * data unread.
 */
void stack_abort(struct stack *s, uint64_t now, stack_conn conn);

/* A number of the user's own, which events about the connection then bear. 0, -ENOTCONN. */
int stack_set_user(struct stack *s, stack_conn conn, uint32_t user);

/* Nagle's algorithm is on unless @on (SHLD-7, MUST-17). 0, -ENOTCONN. */
int stack_set_nodelay(struct stack *s, stack_conn conn, bool on);

/* Probes after @idle_ms of silence, 9 of them 75 s apart (MUST-24..28); 0: off, the default. */
int stack_set_keepalive(struct stack *s, uint64_t now, stack_conn conn, uint32_t idle_ms);

/* UDP. A socket's binding is its id. */
int stack_udp_bind(struct stack *s, struct stack_bind *spec);

/*
 * Fixes or (NULL) unfixes the peer: only it is heard, and its ICMP errors are reported. As
 * connect(2): -EAFNOSUPPORT, -ENETUNREACH.
 */
int stack_udp_connect(struct stack *s, int id, const struct endpoint *peer);

/*
 * @to NULL: the connected peer. @from: the address to send from, NULL: as bound or as routed.
 * Returns @len; -EMSGSIZE, -EDESTADDRREQ, -ENETUNREACH, -EAFNOSUPPORT, -EINVAL, or once a pending
 * ICMP error (-ECONNREFUSED).
 */
ssize_t stack_udp_send(struct stack *s, uint64_t now, int id, const struct endpoint *to,
		       const struct addr *from, const void *data, size_t len);

/* A datagram, lent until stack_udp_release(). */
struct stack_dgram {
	struct endpoint peer, local; /* local: where it was sent to */
	bool wire_v6;
	uint8_t ttl, tos;
	const uint8_t *data;
	size_t len;
	void *ref; /* the stack's own */
};

/* Returns 0, -EAGAIN, -EINVAL, or once a pending ICMP error. */
int stack_udp_recv(struct stack *s, int id, struct stack_dgram *out);

/* The same without taking it, and without an error: 0, -EAGAIN, -EINVAL. Nothing to release. */
int stack_udp_peek(const struct stack *s, int id, struct stack_dgram *out);

/* The pending error, left where it is: 0 or -errno. */
int stack_udp_error(const struct stack *s, int id);

/* Where it is bound now; a connected socket has its source address. 0 or -EINVAL. */
int stack_udp_local(const struct stack *s, int id, struct endpoint *local);
void stack_udp_release(struct stack *s, struct stack_dgram *d);
void stack_udp_close(struct stack *s, int id);

#endif
