/* SPDX-License-Identifier: MIT */
/* t_bench.h - a whole run for tests: lab, echo server, clients, witness and judge, step by step */
#ifndef TESTS_LAB_T_BENCH_H
#define TESTS_LAB_T_BENCH_H

#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/witness/judge.h"
#include "../../rawstack/witness/witness.h"
#include "../../uring/client.h"

/*
 * The usual order: bench_new, bench_watch, bench_talk..., bench_conclude, bench_free. Tests that
 * spoil something call the parts in another order. All of them assert: a test cannot go on without
 * them. The server echoes on BENCH_PORT, TCP and UDP, each on one dual-stack socket.
 *
 * The right to make namespaces comes from main() in tests/unit/t_main.c.
 *
 * Limits: BENCH_RECORDS_MAX API records; every wait ends after BENCH_WAIT_MS.
 */
enum { BENCH_PORT = 7000, BENCH_RECORDS_MAX = 2048, BENCH_WAIT_MS = 5000, BENCH_TEXT_MAX = 1024 };

/* How the client is told to reach the server. */
enum bench_way {
	BENCH_IPV4,   /* an AF_INET socket */
	BENCH_MAPPED, /* an AF_INET6 socket and ::ffff:198.51.100.2 */
	BENCH_NATIVE, /* an AF_INET6 socket and 2001:db8:1::2 */
	BENCH_WAYS
};

struct bench {
	struct lab lab;
	struct witness *witness; /* NULL: not watching */
	struct evidence ev;	 /* from bench_conclude() on */
	struct lab_server *server;
	struct evidence_api clients[BENCH_RECORDS_MAX];
	size_t n_clients;
};

/* A client's socket and what its calls returned. */
struct bench_client {
	int fd;
	enum bench_way way;
	struct client_record rec;
};

/* Lab and server are up; nothing is watched yet. */
struct bench *bench_new(void);
void bench_free(struct bench *b);

/* Both ends of the link, V3 rings of 64 blocks, BENCH_PORT; frames and sockets are kept. */
struct witness_config bench_watch_config(const struct bench *b);

/* Starts the witness (@cfg NULL: as above); returns when it has seen its canaries. */
void bench_watch(struct bench *b, const struct witness_config *cfg);

struct bench_client bench_open(const struct bench *b, int proto, enum bench_way way);
void bench_connect(const struct bench *b, struct bench_client *c);

/* Sends @len bytes and wants the same ones back. */
void bench_exchange(struct bench_client *c, size_t len);

/* Ends it (a stream in order) and keeps the record. */
void bench_hang_up(struct bench *b, struct bench_client *c);

/* All four, and lets the witness read. */
void bench_talk(struct bench *b, int proto, enum bench_way way, size_t len);

/* Puts a frame on the wire as the client's host, below its IP layer. */
void bench_inject(const struct bench *b, const void *frame, size_t len);

/* The server stops and the records of both sides are in the evidence of the witness. */
void bench_collect(struct bench *b);

/*
 * Asks for the sockets that are left, collects, waits for the kernel's last word on every socket of
 * a watched side, stops the witness. The document is then in b->ev.
 */
void bench_conclude(struct bench *b);

/* Waits until the server has @n records. */
void bench_await_records(struct bench *b, size_t n);

/* A verdict and the reasons of all connections and of the run. */
struct bench_verdict {
	enum verdict verdict;
	size_t connections;
	uint64_t reasons;
	char text[BENCH_TEXT_MAX]; /* for messages: "inconclusive: ring_drops seq_hole" */
};

/* Judges @ev, as it is now. */
struct bench_verdict bench_judge(const struct evidence *ev);

/* Asserts that the document says @want and, @reason other than REASON_NUM, gives this one. */
void bench_expect(const struct evidence *ev, const char *what, enum verdict want,
		  enum reason reason);

/* consumed == packets - drops on every tap, and so many are listed. */
void bench_expect_identity(const struct evidence *ev);

uint64_t bench_now_ms(void); /* CLOCK_MONOTONIC */

#endif
