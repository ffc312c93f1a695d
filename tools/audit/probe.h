/* SPDX-License-Identifier: MIT */
/* probe.h - many small clients at once: connect, say something, and see what comes back */
#ifndef TOOLS_AUDIT_PROBE_H
#define TOOLS_AUDIT_PROBE_H

#include "../../rawstack/witness/flow.h"
#include "../guest.h"

/*
 * Probes run side by side, PROBES_AT_ONCE at a time, each with a deadline of its own that begins
 * when it starts; the lab loses nothing, so what has not come by then does not come. UDP probes are
 * not connected: an answer is taken from wherever it comes.
 */
enum { PROBES_AT_ONCE = 384, PROBE_ANSWER_MAX = 2048, PROBE_TEXT = 96 };

enum probe_result {
	PROBE_ANSWERED, /* with @expect: the answer had it */
	PROBE_OTHER,	/* answered, but never what was expected */
	PROBE_OPEN,	/* TCP: connected, and nothing came */
	PROBE_CLOSED,	/* TCP: connected and closed without a word */
	PROBE_REFUSED,	/* RST, or ICMP port unreachable */
	PROBE_SILENT,	/* nothing at all */
	PROBE_FAILED,	/* could not be sent: @error */
	PROBE_RESULTS
};

struct probe {
	uint8_t proto;	      /* IPPROTO_TCP or IPPROTO_UDP */
	int family;	      /* of the client's socket: AF_INET6 with an IPv4 @to is mapped */
	struct endpoint from; /* address and port 0; scope for a link-local one */
	struct endpoint to;
	const void *say; /* borrowed; may be empty */
	size_t say_len;
	const char *expect;   /* text of the answer that counts, NULL: any */
	unsigned int wait_ms; /* for connecting, and again for the answer */
	bool hold;	      /* leave a connection open: @fd is then the caller's */

	enum probe_result result;
	int error; /* -errno of what ended it, 0: none */
	struct endpoint local, answered_from;
	bool connected;
	uint64_t cookie; /* SO_COOKIE of its socket */
	uint64_t ts_ns;	 /* CLOCK_REALTIME of its start */
	int fd;		 /* -1 unless held */
	char answer[PROBE_ANSWER_MAX + 1];
	size_t answer_len;

	enum { PROBE_IDLE, PROBE_CONNECTING, PROBE_WAITING, PROBE_DONE } step;
	uint64_t deadline_ms;
};

/*
 * Runs @list from the namespace @netns_fd. @guest, if not NULL, has its output read meanwhile. Each
 * probe ends with a result. Returns 0, or -errno when poll(2) itself failed.
 */
int probes_run(int netns_fd, struct guest *guest, struct probe *list, size_t n);

/* Did the server serve it: answered as expected, or, where nothing is said, accepted and kept? */
bool probe_served(const struct probe *p);

/* Its connection, as the witness names it. */
struct flow_key probe_flow(const struct probe *p);

/* "answered", "refused", ... */
const char *probe_result_name(enum probe_result r);

/* "198.51.100.1 by an IPv6 socket to ::ffff:198.51.100.2" in @buf of PROBE_TEXT bytes. */
const char *probe_text(const struct probe *p, char *buf);

#endif
