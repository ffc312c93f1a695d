/* SPDX-License-Identifier: MIT */
/* t_evidence.h - good evidence made in memory, for tests that then damage it */
#ifndef TESTS_UNIT_T_EVIDENCE_H
#define TESTS_UNIT_T_EVIDENCE_H

#include "../../rawstack/witness/evidence.h"

enum { T_TAP_CLIENT, T_TAP_SERVER, T_TAPS };

/* Watched: T_PORT_FIRST .. T_PORT_LAST. */
enum { T_PORT_FIRST = 7000, T_PORT_LAST = 7099 };

enum t_kind {
	T_PLAIN,  /* AF_INET sockets */
	T_MAPPED, /* AF_INET6 sockets with ::ffff:a.b.c.d */
	T_NATIVE, /* AF_INET6 sockets, IPv6 */
	T_KINDS
};

/* One exchange. Zero lengths mean T_REQUEST and T_REPLY. */
struct t_conn {
	enum t_kind kind;
	uint8_t proto; /* 0: TCP */
	uint16_t server_port, client_port;
	uint32_t client_isn, server_isn;
	uint64_t cookie; /* the client socket's; the server socket has the next one */
	uint32_t request, reply;
};
enum { T_REQUEST = 37, T_REPLY = 41 };

int t_family(enum t_kind kind);
struct endpoint t_server(const struct t_conn *c);
struct endpoint t_client(const struct t_conn *c);

/* The frame of @c that goes to the server or the client, as @tap sees it. */
struct evidence_frame t_frame(const struct t_conn *c, uint32_t tap, bool to_server,
			      uint8_t tcp_flags, uint32_t seq, uint32_t ack, uint32_t payload);

/* A document of two taps with its first canaries. */
void t_evidence_begin(struct evidence *ev);

/* Its last canaries, and the taps' counters as they should be. */
void t_evidence_end(struct evidence *ev);

/* Sets packets and consumed of both taps to the frames that are listed. */
void t_evidence_recount(struct evidence *ev);

/* Appends @f as the sender's tap and as the receiver's tap sees it, in neighbouring places. */
void t_add_frame(struct evidence *ev, const struct evidence_frame *f);

/* Each appends a whole exchange: frames on both taps, records of both programs, both sockets. */
void t_add_tcp(struct evidence *ev, const struct t_conn *c);
void t_add_refused(struct evidence *ev, const struct t_conn *c);
void t_add_udp(struct evidence *ev, const struct t_conn *c);

/* Single parts of them. */
void t_add_tcp_frames(struct evidence *ev, const struct t_conn *c);
void t_add_api(struct evidence *ev, const struct t_conn *c, enum evidence_side side, int error);
void t_add_kernel(struct evidence *ev, const struct t_conn *c, enum evidence_side side);

/* The connections of t_evidence_good(), by server port. */
enum {
	T_PORT_MAPPED = T_PORT_FIRST,
	T_PORT_PLAIN,
	T_PORT_NATIVE,
	T_PORT_REFUSED,
	T_PORT_UDP_MAPPED,
	T_PORT_UDP_NATIVE,
	T_PORT_FREE, /* the first that no connection uses */
};
enum { T_CLIENT_PORT = 40000, T_CONNECTIONS = 6 };

/* Is it a frame of the connection with that server port? */
bool t_frame_is_of(const struct evidence_frame *f, uint16_t server_port);

uint16_t t_server_port(const struct evidence_api *a);

/*
 * By server port: index of the @nth frame that @tap saw, the first record of a side, the first
 * socket of a tap's host. They abort when there is none.
 */
size_t t_find_frame(const struct evidence *ev, uint16_t port, uint32_t tap, uint32_t nth);
struct evidence_api *t_find_api(struct evidence *ev, uint16_t port, enum evidence_side side);
struct sockdiag_entry *t_find_kernel(struct evidence *ev, uint16_t port, uint32_t tap);

/* Take one out of its list; the counters of the taps stay. */
void t_delete_frame(struct evidence *ev, size_t i);
void t_delete_api(struct evidence *ev, size_t i);
void t_delete_kernel(struct evidence *ev, size_t i);

/* As if the server's host had a stack in user space: its kernel has no socket, and no cookie names
 * one. */
void t_own_stack(struct evidence *ev);

/* Begin, one connection of each sort, end. Everything in it is to be confirmed. */
void t_evidence_good(struct evidence *ev);

#endif
