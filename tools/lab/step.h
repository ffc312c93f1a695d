/* SPDX-License-Identifier: MIT */
/* step.h - one step of a case: a call on a socket or something else that is done, and what must
 * come of it */
#ifndef TOOLS_LAB_STEP_H
#define TOOLS_LAB_STEP_H

#include "../../rawstack/netlink/lab.h"
#include "names.h"
#include "words.h"

/*
 *     c connect m(S4):P within 60 -> ECONNREFUSED
 *
 * A step is [SOCKET] VERB ARGUMENT... [-> WANT...]. Without "->" the call must succeed; behind it
 * stands how it must end (ok, or an errno) and what it must have given.
 */
enum step_verb {
	VERB_SOCKET,
	VERB_SET,
	VERB_GET,
	VERB_BIND,
	VERB_LISTEN,
	VERB_CONNECT,
	VERB_AWAIT,
	VERB_ACCEPT,
	VERB_SEND,
	VERB_RECV,
	VERB_TALK,
	VERB_NAME,
	VERB_PEER,
	VERB_DIAG,
	VERB_QUIET,
	VERB_SHUTDOWN,
	VERB_FINISH,
	VERB_CLOSE,
	VERB_WAIT,
	VERB_INJECT,
	VERB_SYSCTL,
	VERB_RESOLVE,
	VERB_NAMEINFO,
	VERB_CLASSIFY,
	VERB_BLOCK,
	VERB_PTON,
	VERB_NTOP,
	VERB_CHECKSUM,
	VERBS
};

enum {
	STEP_TEXT = 200,
	STEP_WANTS_MAX = 12,
	STEP_ITEMS_MAX = 4,
	STEP_WAIT_MAX_MS = 2000,
	STEP_PAYLOAD_MAX = 4000,
	CASE_SOCKETS_MAX = 24,
	SOCKET_NAME = 16,
};

/* One thing that must have come. Several of one key: all of them, in that order. */
struct step_want {
	char key[24]; /* "result", "value", "from", the name of a control message, ... */
	bool absent;  /* nothing of this key */
	struct case_value value;
};

struct step_item {
	const struct message_item *item;
	struct case_value value;
};

enum step_target { TARGET_NONE, TARGET_ADDR, TARGET_SENDER, TARGET_NOBODY };

/* A hand-made frame: what the stack would not send. */
struct step_frame {
	bool ipv6, syn;
	int mtu; /* a "packet too big" that says so, about a datagram the other way; 0: none */
	uint8_t proto;
	struct case_addr src, dst;
	uint8_t ttl, tos;
	uint16_t ethertype; /* 0: what belongs to the version */
	int exthdr;	    /* IPv6 extension header before the transport, -1: none */
	int bad_checksum;
};

enum step_flag {
	STEP_NOWAIT = 1 << 0,  /* connect: do not wait for the outcome */
	STEP_RESULT = 1 << 1,  /* "->" was written */
	STEP_PAYLOAD = 1 << 2, /* how much, or what, was written */
};

struct step {
	enum step_verb verb;
	int line;
	char text[STEP_TEXT]; /* without the wants */
	int sock, other;      /* indices of names, -1: none; other: what accept gives */
	enum lab_side side;
	const struct socket_type *type;
	const struct socket_option *option;
	int level; /* of the option */
	struct case_value value;
	enum step_target target;
	struct case_addr addr, pair[3]; /* pair: of checksum */
	int family;			/* instead of the address's, -1: its own */
	int length;			/* of the sockaddr or the option's value, -1: its own */
	unsigned int ms;
	unsigned int flags; /* enum step_flag */
	int msg_flags;
	int how; /* of shutdown */
	struct step_item items[STEP_ITEMS_MAX];
	size_t n_items;
	struct step_frame frame;
	bool v6[2];	       /* checksum */
	char word[VALUE_TEXT]; /* payload text, name, path */
	size_t size;	       /* of the payload */
	struct step_want wants[STEP_WANTS_MAX];
	size_t n_wants;
};

/* The sockets of a case, by name, in order of their first step. */
struct socket_names {
	char name[CASE_SOCKETS_MAX][SOCKET_NAME];
	size_t n;
};

/*
 * Reads one step. Sockets must have come into being in an earlier one (socket, or accept). Returns
 * 0, or -EINVAL with @ws->complaint.
 */
int step_parse(const char *line, struct words *ws, struct socket_names *names, struct step *st);

/* The index of a socket's name, -1: there is none. */
int socket_name_find(const struct socket_names *names, const char *name);

/* "socket", and how it is written: for the manual and for messages. NULL behind the last one. */
const char *step_verb_name(enum step_verb v);
const char *step_verb_usage(enum step_verb v);

#endif
