/* SPDX-License-Identifier: MIT */
/* lab_server.h - a server on a thread of its own, in a lab's namespace, and the log it writes */
#ifndef TOOLS_LAB_LAB_SERVER_H
#define TOOLS_LAB_LAB_SERVER_H

#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/witness/evidence.h"
#include "../../uring/server.h"

/* Limit: LAB_SERVER_RECORDS_MAX records; more are counted as an overflow, which no verdict
 * survives. */
enum { LAB_SERVER_RECORDS_MAX = 2048 };

struct lab_server;

/* Addresses that a case gives a stack of ours beside the lab's. */
enum { MORE_ADDRS_MAX = 8 };
struct more_addrs {
	struct {
		struct addr addr;
		uint8_t prefix_len; /* of its family */
	} list[MORE_ADDRS_MAX];
	size_t n;
};

/*
 * Starts an echo server on @host and waits until it listens. The bypass engine gets the host's
 * addresses, which its kernel must not have, and @more (NULL: none). Returns 0, or -errno with @err
 * filled and nothing left running.
 */
int lab_server_start(const struct lab_host *host, const struct more_addrs *more, const char *engine,
		     const struct listen_spec *listeners, size_t n, struct lab_server **out,
		     struct server_error *err);

/* As server_engine_text(). */
const char *lab_server_engine_text(const struct lab_server *s);

/* Waits until there are @count records with local port @port. Returns 0, or -ETIMEDOUT after
 * @timeout_ms. */
int lab_server_wait(struct lab_server *s, uint16_t port, size_t count, unsigned int timeout_ms);

/* Drains it and ends its thread; the log is complete then. */
void lab_server_stop(struct lab_server *s);

/* The log of a server that was stopped. Returns how many records; @overflow: there were more. */
size_t lab_server_log(const struct lab_server *s, const struct evidence_api **list, bool *overflow);

/* Stops it if need be. NULL is allowed. */
void lab_server_free(struct lab_server *s);

#endif
