/* SPDX-License-Identifier: MIT */
/* server.h - the dual-stack server: listeners, one engine, one workload, and a record of every
 * connection */
#ifndef URING_SERVER_H
#define URING_SERVER_H

#include "../rawstack/addr.h"
#include "listener.h"
#include "metrics.h"

enum { SERVER_LISTENERS_MAX = 64 };

enum server_event {
	SERVER_ACCEPTED, /* a connection was accepted */
	SERVER_CLOSED,	 /* and is gone; bytes and error are final */
	SERVER_DATAGRAM, /* a datagram was received (bytes_in) and answered (bytes_out) or not */
};

/* One line of the server's log. Addresses are what accept / recvfrom / getsockname returned. */
struct server_record {
	enum server_event event;
	uint32_t listener; /* index of the listen_spec */
	int proto;
	int family; /* of the socket that returned the addresses: AF_INET6 shows IPv4 as mapped */
	struct endpoint peer, local;
	uint64_t cookie; /* SO_COOKIE of the accepted socket, of the UDP socket itself for datagrams
			  */
	uint64_t real_ns; /* CLOCK_REALTIME */
	uint64_t mono_ns; /* CLOCK_MONOTONIC */
	uint64_t bytes_in, bytes_out;
	int error;	    /* CLOSED: 0 orderly, else -errno; DATAGRAM: of the reply */
	bool forged_mapped; /* DATAGRAM: mapped peer on a native destination: no IPv4 datagram; not
			       answered */
};

typedef void (*server_observer)(const struct server_record *rec, void *arg);

/*
 * Accepting waits for descriptors or memory; connections stay in the backlog meanwhile. While a
 * shortage lasts, and under churn, there can be very many: see ration.h.
 */
struct server_pause {
	uint32_t listener;
	int error; /* -EMFILE, -ENFILE, -ENOBUFS or -ENOMEM */
	uint64_t mono_ns;
};

typedef void (*server_pause_observer)(const struct server_pause *pause, void *arg);

struct engine_link;

struct server_config {
	const char *engine;   /* a name of engine.h, or "auto" */
	const char *workload; /* a name of workload.h */
	const struct listen_spec *listeners;
	size_t n_listeners;
	/* 0: 16384. Accepting pauses when it is reached; the rest waits in the backlog. Below twice
	 * the backlog connections are accepted one at a time, so that no burst can exceed it. */
	uint32_t max_conns;
	uint32_t idle_timeout_ms; /* 0: 30000 */
	uint32_t drain_ms; /* 0: 5000; how long busy connections may go on after server_stop() */
	/* Ask each stream for its addresses: a system call or more. Without, records and metrics
	 * do not tell them. */
	bool no_addresses;
	bool no_multishot;		/* as in engine.h */
	bool direct;			/* as in engine.h */
	uint32_t queue_entries;		/* as in engine.h */
	const struct engine_link *link; /* of the bypass engine, see engine.h; else NULL */
	server_observer observe;	/* called on the server's thread; may be NULL */
	void *observe_arg;
	server_pause_observer paused; /* as observe; may be NULL */
	void *paused_arg;
};

/* Why it could not start: which step, and what to do about it. */
struct server_error {
	char what[160];	  /* "listen on [::]:80" */
	char remedy[200]; /* "run as root or choose a port above 1023"; may be empty */
};

struct server;

/*
 * Opens engine and listeners in the calling thread, in its network namespace; server_run() must be
 * called by the same thread. Returns 0, or -errno with @err filled and nothing left open. @err may
 * be NULL.
 */
int server_create(const struct server_config *cfg, struct server **out, struct server_error *err);

/* Listener @i as bound, NULL past the last. */
const struct listen_info *server_listener(const struct server *s, size_t i);

/* One line about the engine that was really taken ("io_uring: multishot accept, buffer ring,
 * SO_PEERNAME"), and after "auto" why a better one was not. */
const char *server_engine_text(const struct server *s);

/* Serves until stopped. Returns 0 after a drain, or -errno. */
int server_run(struct server *s);

/*
 * From any thread or signal handler: first call drains (accepts what the backlog holds, finishes
 * busy connections, closes idle ones), the second ends at once.
 */
void server_stop(struct server *s);

/*
 * From any thread: what it has counted so far. It is asked, and answers between two batches of
 * events, so counters are consistent. Returns 0, or -ETIMEDOUT after @timeout_ms when it does not
 * get to it; while it does not run, what it last knew.
 */
int server_metrics(struct server *s, struct metrics *out, unsigned int timeout_ms);

/* After server_run() has returned, on the same thread. NULL is allowed. */
void server_destroy(struct server *s);

#endif
