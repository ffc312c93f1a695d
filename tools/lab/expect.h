/* SPDX-License-Identifier: MIT */
/* expect.h - what a case expects at its end: frames, sockets, counters, verdicts */
#ifndef TOOLS_LAB_EXPECT_H
#define TOOLS_LAB_EXPECT_H

#include "../../rawstack/witness/evidence.h"
#include "step.h"

/*
 *     wire [none|N] KIND [of SOCKET] [from client|server] [to PORT] [src ADDRESS] [dst ADDRESS]:
 * [FIELD VALUE]... served SOCKET: [from ADDRESS] [local ADDRESS] [family AF_X]      what our server
 * was shown kernel client|server SOCKET: [family AF_X] [local ADDRESS] [peer ADDRESS] mib
 * client|server COUNTER DELTA verdict SOCKET: VERDICT [REASON...]
 */
enum expect_kind { EXPECT_WIRE, EXPECT_SERVED, EXPECT_KERNEL, EXPECT_MIB, EXPECT_VERDICT };

enum frame_kind {
	FRAMES_ANY,
	FRAMES_TCP,
	FRAMES_UDP,
	FRAMES_ICMP, /* of either version */
	FRAMES_SYN,
	FRAMES_SYNACK,
	FRAMES_RST,
	FRAMES_FIN,
	FRAMES_DATA,
	FRAMES_KINDS
};

enum frame_field {
	FIELD_ETHERTYPE,
	FIELD_VERSION,
	FIELD_TTL,
	FIELD_TOS,
	FIELD_DF,
	FIELD_FLOWLABEL,
	FIELD_MSS,
	FIELD_OPTIONS,
	FIELD_FRAGMENT,
	FIELD_LENGTH,
	FIELD_CHECKSUM, /* good, bad or none */
	FIELD_ICMP_TYPE,
	FIELD_ICMP_CODE,
	FIELD_SRC,
	FIELD_DST,
	FRAME_FIELDS
};

enum { EXPECT_FIELDS_MAX = 8, COUNTER_NAME = 40 };

struct expect_field {
	enum frame_field field;
	struct case_value value;
};

struct expect {
	enum expect_kind kind;
	int line;
	char text[STEP_TEXT];
	enum lab_side side; /* of kernel, mib */
	int sock;	    /* -1: none named */

	/* Of frames: which, how many, and what every one of them must show. */
	enum frame_kind frames;
	int count; /* -1: at least one */
	int from;  /* enum lab_side, -1: either */
	bool has_to;
	struct case_port to;
	bool has_src, has_dst;
	struct case_addr src, dst;
	struct expect_field fields[EXPECT_FIELDS_MAX];
	size_t n_fields;

	/* Of served, kernel and verdict. */
	struct step_want wants[STEP_WANTS_MAX];
	size_t n_wants;

	char counter[COUNTER_NAME];
	struct case_value delta;
};

/* Reads one line. @names: the sockets of all steps. Returns 0, or -EINVAL with @ws->complaint. */
int expect_parse(const char *line, struct words *ws, const struct socket_names *names,
		 struct expect *e);

/* "ethertype", "df", ... */
const char *frame_field_name(enum frame_field f);
const char *frame_kind_name(enum frame_kind k);

#endif
