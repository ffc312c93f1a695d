/* SPDX-License-Identifier: MIT */
/* play.h - carries out the steps of one case on the sockets of two hosts, and checks each */
#ifndef TOOLS_LAB_PLAY_H
#define TOOLS_LAB_PLAY_H

#include "../../rawstack/witness/witness.h"
#include "cases.h"
#include "result.h"
#include "socket_host.h"

/*
 * One thread plays both hosts: a socket keeps the namespace it was made in, and where the server's
 * host has a stack of its own, that has a thread for its frames (stack_host.h). No call blocks
 * longer than its step allows.
 *
 * What a program of the case learns about a connection becomes an API record of the evidence, as a
 * real program's log would: connects on the client's host, accepts on the server's, and datagrams.
 * An attempt that the kernel refused before any frame is not a connection and leaves no record.
 */
struct play_socket {
	int fd; /* -1: closed, or not yet made */
	const struct socket_host *on;
	enum lab_side side;
	int proto;
	uint16_t port;		  /* local, as last known: stays after the end */
	struct evidence_api rec;  /* of the connection it has now */
	bool has_rec, unfinished; /* a connect that was not answered in its time */
	bool half_done; /* a connect whose outcome was read but not taken, see play_socket.c */
	bool stream_open;
	struct endpoint sender; /* of the last datagram */
	int sender_family;	/* 0: none yet */
};

/* What a step came to: how the call ended, and what it gave. */
enum { OUTCOME_MAX = 24, OUTCOME_RESULT = 24 };
struct outcome {
	char result[OUTCOME_RESULT]; /* "ok", an errno's name, or another word */
	struct {
		const char *key;
		struct case_value value;
	} got[OUTCOME_MAX];
	size_t n;
};

/* What the server's kernel says where our own stack has the sockets. */
#define PLAY_NO_KERNEL_SOCKET "no socket of the kernel's"

struct resolver_files;

struct play {
	const struct lab_case *c;
	uint16_t base; /* the case's first port */
	const struct lab *lab;
	const struct socket_host *hosts; /* of each side */
	struct witness *witness;
	const struct resolver_files *files; /* what the resolver shall see, NULL: the host's own */
	struct case_result *res;
	struct play_socket socks[CASE_SOCKETS_MAX];
};

/* Runs all steps; afterwards every socket is closed. What went wrong is in p->res. */
void play_case(struct play *p);

/* The local port that a socket of the case had last, 0: none. */
uint16_t play_port(const struct play *p, int sock);

/* For the verbs, a group of which each file has. Return 0 or -errno. */
typedef int (*play_fn)(struct play *p, const struct step *st, struct outcome *out);

int play_socket(struct play *p, const struct step *st, struct outcome *out);
int play_bind(struct play *p, const struct step *st, struct outcome *out);
int play_listen(struct play *p, const struct step *st, struct outcome *out);
int play_connect(struct play *p, const struct step *st, struct outcome *out);
int play_await(struct play *p, const struct step *st, struct outcome *out);
int play_accept(struct play *p, const struct step *st, struct outcome *out);
int play_talk(struct play *p, const struct step *st, struct outcome *out);
int play_name(struct play *p, const struct step *st, struct outcome *out);
int play_diag(struct play *p, const struct step *st, struct outcome *out);
int play_quiet(struct play *p, const struct step *st, struct outcome *out);
int play_shutdown(struct play *p, const struct step *st, struct outcome *out);
int play_finish(struct play *p, const struct step *st, struct outcome *out);
int play_close(struct play *p, const struct step *st, struct outcome *out);
int play_set(struct play *p, const struct step *st, struct outcome *out);
int play_get(struct play *p, const struct step *st, struct outcome *out);
int play_send(struct play *p, const struct step *st, struct outcome *out);
int play_recv(struct play *p, const struct step *st, struct outcome *out);
int play_inject(struct play *p, const struct step *st, struct outcome *out);
int play_sysctl(struct play *p, const struct step *st, struct outcome *out);
int play_resolve(struct play *p, const struct step *st, struct outcome *out);
int play_nameinfo(struct play *p, const struct step *st, struct outcome *out);
int play_classify(struct play *p, const struct step *st, struct outcome *out);
int play_block(struct play *p, const struct step *st, struct outcome *out);
int play_pton(struct play *p, const struct step *st, struct outcome *out);
int play_ntop(struct play *p, const struct step *st, struct outcome *out);
int play_checksum(struct play *p, const struct step *st, struct outcome *out);

/* What they share. */
void outcome_add(struct outcome *out, const char *key, const struct case_value *v);
void outcome_word(struct outcome *out, const char *key, const char *word);

/* The sockaddr that a step's address stands for, with its length and family replaced where the step
 * says so. @ss has room for SOCKADDR_ROOM bytes. Returns the length. */
enum { SOCKADDR_ROOM = 256 };
int play_sockaddr(const struct play *p, const struct step *st, enum lab_side side, void *ss);

/* Waits for @events. Returns 0, -ETIMEDOUT or another -errno. */
int play_wait(const struct play_socket *s, short events, unsigned int ms);

/* Hands the record of the connection that the socket has to the evidence. */
void play_flush_record(struct play *p, struct play_socket *s);

/* Ends all that is still open, streams in order. */
void play_close_all(struct play *p);

/* Notes the socket's local port where it has one. */
void play_note_port(struct play_socket *s);

#endif
