/* SPDX-License-Identifier: MIT */
/* responder.h - a server that costs nothing: answers segments without keeping connections */
#ifndef URING_LOAD_RESPONDER_H
#define URING_LOAD_RESPONDER_H

#include "sources.h"

/*
 * The other half of a raw load run, to find out what the generator itself can do. What it says
 * follows from the segment that came alone: SYN-ACK to a SYN, FIN to the acknowledgement of that,
 * data back in its own words (with no FIN then), ACK to a FIN. It serves LOAD_ACCEPT and LOAD_ECHO
 * and verifies nothing but checksums.
 */
struct responder_config {
	int netns_fd; /* -1: here */
	unsigned int ifindex;
	struct sources addrs; /* it answers for; ports are not looked at */
	uint16_t port;
	bool echo; /* else it closes what is established */
	/* Called every RESPONDER_TICK_MS; other than 0 ends it. */
	int (*tick)(void *arg);
	void *arg;
};

enum { RESPONDER_TICK_MS = 100 };

struct responder_stats {
	uint64_t rx, tx, syn, bad;
};

struct responder;

/* Returns 0 or -errno as rawio_open(), -ERANGE for the addresses. */
int responder_open(const struct responder_config *cfg, struct responder **out);

/* Serves until tick() says otherwise. Returns 0 or -errno of the interface. */
int responder_run(struct responder *r);

const struct responder_stats *responder_stats(const struct responder *r);

void responder_close(struct responder *r); /* NULL is allowed */

#endif
