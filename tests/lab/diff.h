/* SPDX-License-Identifier: MIT */
/* diff.h - the differential test: exchanges, the two hosts that take part, and their answers */
#ifndef TESTS_LAB_DIFF_H
#define TESTS_LAB_DIFF_H

#include "../../rawstack/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An exchange is a list of packets to one host, described without the host's sequence numbers, so
 * that the same exchange can be had with two hosts: the kernel in a namespace, over a veth, and the
 * stack in this process, in virtual time. What each packet is answered with, on the wire and at the
 * socket, is written down in words that leave out what may differ (initial sequence numbers, window
 * sizes, timestamps); the words must be equal.
 */
enum {
	DIFF_STEPS_MAX = 12,
	DIFF_PAYLOAD_MAX = 2800,
	DIFF_TEXT_MAX = 600,
	DIFF_PORTS = 8, /* kinds of listener, from DIFF_PORT_FIRST on, times DIFF_MODES */
	DIFF_MODES = 3,
	DIFF_PORT_FIRST = 7000,
	DIFF_OPT_MSS = 1 << 0,
	DIFF_OPT_WSCALE = 1 << 1,
	DIFF_OPT_SACK = 1 << 2,
	DIFF_OPT_TS = 1 << 3,
	DIFF_OPT_UNKNOWN = 1 << 4,
	DIFF_OPT_BROKEN = 1 << 5, /* an option of illegal length */
};

/* What a host's program does with a connection. */
enum diff_mode { DIFF_READ, DIFF_IDLE, DIFF_CLOSE };

/* DIFF_ACT is no packet: the host's program does something with its connections. */
enum diff_kind { DIFF_TCP, DIFF_ICMP_ERROR, DIFF_UDP, DIFF_ECHO, DIFF_OTHER_PROTO, DIFF_ACT };

enum diff_act { DIFF_SEND, DIFF_SHUTDOWN, DIFF_DROP, DIFF_ABORT, DIFF_TAKE, DIFF_ACTS };

enum diff_carriage {
	DIFF_WHOLE,
	DIFF_FRAGMENTS, /* two, in order */
	DIFF_FRAGMENTS_REVERSED,
	DIFF_FRAGMENTS_OVERLAP, /* the second begins 8 bytes too early, with other bytes */
	DIFF_FRAGMENT_TWICE,	/* the first comes twice */
	DIFF_FRAGMENT_ALONE,	/* only the first */
	DIFF_ATOMIC,		/* IPv6: a fragment header, but no fragment */
	DIFF_HOPOPTS,		/* IPv6: padding in an options header in front */
	DIFF_DSTOPTS,
	DIFF_ROUTING0, /* IPv6: a source route with segments left */
	DIFF_OPTION_DISCARD,
	DIFF_OPTION_REPORT,
	DIFF_HOPOPTS_LATE, /* IPv6: hop-by-hop options behind destination options */
	DIFF_IP_OPTIONS,   /* IPv4: no-operations */
	DIFF_SOURCE_ROUTE, /* IPv4 */
	DIFF_BAD_IP_CSUM,  /* IPv4 */
	DIFF_TRUNCATED,	   /* shorter than its header says */
	DIFF_PADDED,	   /* longer than its header says */
	DIFF_CARRIAGES
};

struct diff_step {
	enum diff_kind kind;
	enum diff_carriage carriage;
	enum diff_act act;
	uint8_t flags; /* TCP */
	int32_t seq;   /* relative to our initial sequence number */
	int32_t ack;   /* relative to the host's; 0 where no ACK flag */
	uint16_t window, len, urgent;
	uint8_t options; /* DIFF_OPT_* */
	int32_t ts_back; /* how much older than usual the timestamp is */
	bool bad_csum, no_csum;
	uint8_t icmp_type, icmp_code; /* DIFF_ICMP_ERROR, DIFF_OTHER_PROTO: the protocol */
	uint32_t icmp_info;
	bool other_source; /* from an address that has nothing to do with the exchange */
	bool to_group;	   /* to all nodes or all hosts */
};

struct diff_exchange {
	bool v6;
	uint8_t listener; /* index of its kind */
	enum diff_mode mode;
	uint8_t source; /* which of our two addresses */
	uint16_t sport;
	uint32_t iss;
	int n;
	struct diff_step step[DIFF_STEPS_MAX];
};

struct diff_host;

/* The kernel in a lab of its own, or the stack. Both assert on failure. */
struct diff_host *diff_kernel_open(void);
struct diff_host *diff_stack_open(void);
void diff_host_close(struct diff_host *h);

/* An exchange step by step: begin, its steps, end. Each step's answers are written as words. */
void diff_begin(struct diff_host *h, const struct diff_exchange *x);
void diff_step(struct diff_host *h, const struct diff_exchange *x, const struct diff_step *st,
	       char text[DIFF_TEXT_MAX]);
void diff_end(struct diff_host *h, const struct diff_exchange *x);
/* How far our side has been acknowledged, and what the host has sent, relative. */
int32_t diff_acked(const struct diff_host *h);
int32_t diff_sent(const struct diff_host *h);

/* --- what the hosts share (diff_packet.c) --- */

struct addr diff_our_addr(bool v6, uint8_t which);
struct addr diff_host_addr(bool v6);
uint16_t diff_port(const struct diff_exchange *x);

/* The IP packets of a step, up to four; @host_iss is the host's initial sequence number. */
struct diff_packets {
	int n;
	size_t len[4];
	uint8_t bytes[4][4096];
};
void diff_build(const struct diff_exchange *x, const struct diff_step *st, uint32_t host_iss,
		struct diff_packets *out);

/* What has been seen of the host in an exchange, to put its answers in words. */
struct diff_view {
	bool has_iss;
	uint32_t iss;
	int32_t acked, sent;
	uint32_t ts_sent; /* the timestamp of the last step */
};

/*
 * Appends an answer's words: nothing when it has nothing to do with the exchange. @packet begins
 * with its IP header.
 */
void diff_describe(const struct diff_exchange *x, struct diff_view *v, const uint8_t *packet,
		   size_t len, char *text);
/*
 * Leaves out an acknowledgement that carries nothing but something new, beyond @acked: when it
 * leaves, and on what, is the host's choice (RFC 1122 4.2.3.2). One that repeats an old number
 * stays: it says that a segment was not taken.
 */
void diff_tidy(char *text, int32_t acked);
__attribute__((format(printf, 2, 3))) void diff_say(char *text, const char *fmt, ...);

/* The step in one line, for people. */
void diff_print_step(const struct diff_exchange *x, const struct diff_step *st, char *buf,
		     size_t cap);

/* --- the generator (diff_generate.c) --- */

/* The exchange of a number: the same number, the same exchange. Steps follow the usual course of a
 * connection more or less closely. */
void diff_generate(uint64_t number, struct diff_exchange *x);

/* Step @i lacks the timestamp that was agreed upon. */
bool diff_lacks_timestamp(const struct diff_exchange *x, int i);
/* It has data where a FIN was, or a FIN where there were data. */
bool diff_contradicts(const struct diff_exchange *x, int i);
/* Its first fragment ends inside the TCP header; over IPv6 both drop it (RFC 7112). */
bool diff_splits_header(const struct diff_step *st);
/* An IPv4 fragment that ends inside the TCP header. */
bool diff_is_tiny(const struct diff_exchange *x, const struct diff_step *st);

/* --- the list of differences (diff_excuse.c) --- */

enum { DIFF_EXCUSES_MAX = 64 };

/*
 * Which excuse there is for answers that differ at step @i, -1: none. @before: what the stack had
 * acknowledged and sent before it, and whether the kernel ever had acknowledged less.
 */
struct diff_before {
	int32_t acked, sent;
	bool kernel_lags;
};
int diff_excuse(const struct diff_exchange *x, int i, const char *kernel, const char *stack,
		const struct diff_before *before);
/* NULL: past the last. */
const char *diff_excuse_name(int e);

#endif
