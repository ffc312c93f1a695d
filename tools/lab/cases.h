/* SPDX-License-Identifier: MIT */
/* cases.h - the built-in cases, as data: a listener, what the client does, and what each view must
 * show */
#ifndef TOOLS_LAB_CASES_H
#define TOOLS_LAB_CASES_H

#include "../../rawstack/witness/evidence.h"

enum {
	CASE_PORTS = 4,	       /* server ports a case has to itself */
	CASE_PORT_BASE = 7000, /* case i: base + CASE_PORTS * i */
	CASE_STEPS_MAX = 2,
	CASE_CLIENT_PORT_BASE = 40000, /* source port: base + CASE_STEPS_MAX * i + step */
};

/* An address of the lab's hosts, as a socket of some family would be given it. */
enum lab_address {
	LAB_NOWHERE,
	LAB_V4,	    /* 198.51.100.x */
	LAB_MAPPED, /* ::ffff:198.51.100.x */
	LAB_NATIVE, /* 2001:db8:1::x */
};

enum step_kind {
	STEP_NONE,
	STEP_CONNECT, /* a fresh socket: connect, exchange a message, finish */
	STEP_REUSE,   /* the socket of the step before, connected once more */
	STEP_FORGE, /* a hand-made frame: native IPv6 UDP with the client's mapped address as source
		     */
};

struct lab_step {
	enum step_kind kind;
	int family;		 /* of the client's socket */
	enum lab_address to;	 /* the server's address it is given */
	uint16_t port;		 /* offset into the case's ports */
	unsigned int timeout_ms; /* 0: as long as the lab waits at most */

	/* What must come of it. */
	const char *result;	/* "connected", "refused", "delivered" or an errno name */
	enum lab_address shown; /* how accept or recvfrom showed the client; NOWHERE: the server saw
				   nobody */
	enum carriage carriage; /* of every frame */
	uint16_t syn_mss;	/* 0: no SYN */
	enum verdict verdict;
};

struct lab_case {
	const char *name, *title;
	const char *group;   /* one letter, a section of the truth table: A TCP, B UDP, C binding, D
				options, E names, F addresses, G forged frames, H settings */
	const char *source;  /* where the rule is written: RFC, manual page, truth table row */
	const char *by_hand; /* how to see the same without this program, "" where nobody could */
	const char *client, *server; /* for people */
	int proto;
	int listen_family;
	uint16_t listen_ports; /* so many, from the case's first port on */
	bool v6only;

	struct lab_step steps[CASE_STEPS_MAX];
};

/* The built-in cases. */
const struct lab_case *lab_cases(size_t *n);

/* First server port of case @i. */
uint16_t lab_case_port(size_t i);

/* The verdict the whole case must end with: the worst of its steps, as judge_case() computes it. */
enum verdict lab_case_expected(const struct lab_case *c);

#endif
