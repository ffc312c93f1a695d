/* SPDX-License-Identifier: MIT */
/* test_stack_harm.c - streams through loss, repetition, disorder and damage: over a real wire with
 * the kernel at its other end, and in virtual time between two stacks */
#include "../simlink.h"
#include "t_harm.h"
#include "t_real.h"
#include "t_stream.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What is sent must arrive, once and in order: both directions are hashed at both ends. With
 * SOAK_SECONDS in the environment, streams are SOAK_BYTES long.
 */
enum {
	SOAK_BYTES = 100 << 20,
	LIVE_BYTES = 1 << 20,
	VIRTUAL_BYTES = 16 << 20,
	LOSS_PPM = 50000,
	DUP_PPM = 10000,
	REORDER_PPM = 30000,
	CORRUPT_PPM = 2000,
	SILENCE_MS = 30000, /* some retransmissions may be lost one after the other */
};

TestSuite(stack_harm, .timeout = 3600);

static const struct target {
	const char *addr;
	int family;
} targets[] = {{"198.51.100.2", AF_INET}, {"2001:db8:1::2", AF_INET6}};
enum { TARGETS = sizeof(targets) / sizeof(targets[0]) };

static uint64_t length(uint64_t usual)
{
	return getenv("SOAK_SECONDS") ? SOAK_BYTES : usual;
}

/* As often as was asked for, or the test would prove nothing. */
static void expect_share(uint64_t n, uint64_t of, uint32_t ppm, const char *what)
{
	double share = (double)n / (double)of * 1e6;

	cr_assert(share > ppm / 2.0 && share < ppm * 2.0, "%s: %.0f per million instead of %u",
		  what, share, ppm);
}

/* @kernel: between two kernels, for a figure to compare ours with. */
static void run_live(bool kernel, uint64_t bytes)
{
	const struct harm_config cfg = {.seed = 11,
					.loss_ppm = LOSS_PPM,
					.dup_ppm = DUP_PPM,
					.reorder_ppm = REORDER_PPM,
					.corrupt_ppm = CORRUPT_PPM,
					.kernel = kernel};
	struct harm_stats st;
	struct stream_result s;
	struct real r = {.kernel = kernel};
	struct program_result end;
	struct harm *harm;

	real_make(&r);
	harm = harm_new(&cfg, &r.lab);
	r.server_netns = harm_netns(harm);
	real_serve(&r, "echo", NULL);
	for (int i = 0; i < TARGETS; i++) {
		int fd = real_connect(&r, targets[i].family, targets[i].addr, REAL_PORT);

		stream_through(fd, bytes, (uint64_t)i + 1, SILENCE_MS, 1700000, &s);
		fprintf(stderr,
			"stack_harm: %s, %s: %.0f MiB each way in %.1f s, goodput %.2f MB/s each "
			"way; %s\n",
			kernel ? "kernel and kernel" : "kernel and stack", targets[i].addr,
			(double)bytes / (1 << 20), s.seconds, (double)bytes / 1e6 / s.seconds,
			s.received_sha);
		cr_assert_eq(s.received, bytes);
		cr_assert_str_eq(s.sent_sha, s.received_sha);
	}
	/* The server first: its link goes down with the cable. */
	real_serve_end(&r, &end);
	program_result_free(&end);
	harm_free(harm, &st);
	real_free(&r);
	expect_share(st.lost, st.frames, LOSS_PPM, "lost");
	expect_share(st.duplicated, st.frames, DUP_PPM, "duplicated");
	expect_share(st.reordered, st.frames, REORDER_PPM, "reordered");
	expect_share(st.corrupted, st.frames, CORRUPT_PPM, "corrupted");
}

Test(stack_harm, the_kernel_gets_back_what_it_sent_through_a_bad_cable)
{
	run_live(false, length(LIVE_BYTES));
}

Test(stack_harm, so_it_does_from_another_kernel)
{
	run_live(true, length(LIVE_BYTES));
}

/* --- virtual time --- */

enum { CLIENT, SERVER, ENDS, BLOCK = 65536 };

/* What a program at one end does: sends a stream, and reads the other's to its end. */
struct end {
	struct stack *stack;
	stack_conn conn; /* 0: not yet */
	int listener;
	uint64_t left, received, noise;
	uint8_t block[BLOCK];
	size_t at, len;
	struct digest sent, got;
	bool shut, ended;
};

static struct end ends[ENDS];

static struct addr address(bool v6, int end)
{
	struct addr a;

	cr_assert(addr_parse(v6	   ? end ? "2001:db8:1::2" : "2001:db8:1::1"
			     : end ? "198.51.100.2"
				   : "198.51.100.1",
			     &a, NULL) == 0);
	return a;
}

static void make_end(struct simlink *sim, int i, uint64_t bytes)
{
	struct end *e = &ends[i];
	struct stack_config cfg = {.link = simlink_port(sim, i),
				   .l3 = true,
				   .addrs = {{address(false, i), 24}, {address(true, i), 64}},
				   .n_addrs = 2,
				   .secret = {(uint8_t)(i + 1)},
				   .skip_dad = true};
	struct simlink_end who;

	*e = (struct end){.left = bytes, .noise = (uint64_t)i + 77};
	cr_assert(stack_create(&cfg, 0, &e->stack) == 0);
	who = (struct simlink_end){.stack = e->stack};
	simlink_attach(sim, i, &who);
	digest_start(&e->sent);
	digest_start(&e->got);
}

static void send_some(struct end *e)
{
	while (!e->shut) {
		ssize_t n;

		if (e->at == e->len) {
			e->at = 0;
			e->len = e->left < BLOCK ? (size_t)e->left : BLOCK;
			e->left -= e->len;
			stream_noise(&e->noise, e->block, BLOCK);
			digest_add(&e->sent, e->block, e->len);
		}
		if (e->len == 0) {
			cr_assert(stack_shutdown_send(e->stack, e->conn) == 0);
			e->shut = true;
			return;
		}
		n = stack_send(e->stack, e->conn, e->block + e->at, e->len - e->at);
		if (n == -EAGAIN)
			return;
		cr_assert(n > 0, "%s", strerror((int)-n));
		e->at += (size_t)n;
	}
}

static void receive_some(struct end *e)
{
	struct stack_buf buf;
	int rc = 1;

	while (!e->ended && (rc = stack_recv(e->stack, e->conn, &buf)) > 0) {
		digest_add(&e->got, buf.data, buf.len);
		e->received += buf.len;
		stack_release(e->stack, &buf);
	}
	cr_assert(rc >= 0 || rc == -EAGAIN, "after %llu: %s", (unsigned long long)e->received,
		  strerror(-rc));
	e->ended |= rc == 0;
}

/* Returns whether all has arrived. */
static bool act(void *arg, uint64_t now)
{
	bool *connected = arg;
	struct stack_event ev;

	(void)now;
	for (int i = 0; i < ENDS; i++) {
		struct end *e = &ends[i];

		while (stack_event(e->stack, &ev)) {
			if (ev.type == STACK_EV_ACCEPT)
				cr_assert(stack_accept(e->stack, ev.id, &e->conn, NULL) == 0);
			*connected |= ev.type == STACK_EV_CONNECTED;
		}
		if (!e->conn || !*connected)
			continue;
		receive_some(e);
		send_some(e);
	}
	return ends[CLIENT].ended && ends[SERVER].ended;
}

static void connect_ends(struct simlink *sim, bool v6)
{
	struct endpoint to = {.addr = address(v6, SERVER), .port = REAL_PORT};
	struct stack_bind bind = {.family = AF_INET6, .local.port = REAL_PORT};
	int id = stack_tcp_bind(ends[SERVER].stack, &bind);

	cr_assert(id >= 0 && stack_tcp_listen(ends[SERVER].stack, id, 1) == 0);
	cr_assert(stack_connect(ends[CLIENT].stack, simlink_now(sim), AF_INET6, false, -1, &to,
				&ends[CLIENT].conn) == 0);
}

static void expect_equal(int from, int to, uint64_t bytes)
{
	char sent[65], got[65];

	digest_end(&ends[from].sent, sent);
	digest_end(&ends[to].got, got);
	cr_assert_eq(ends[to].received, bytes);
	cr_assert_str_eq(sent, got);
}

/* In the end nothing is left of the connection, at either end. */
static void close_ends(struct simlink *sim)
{
	for (int i = 0; i < ENDS; i++)
		stack_close(ends[i].stack, simlink_now(sim), ends[i].conn);
	simlink_run(sim, simlink_now(sim) + 1200 * UINT64_C(1000000000), NULL, NULL);
	for (int i = 0; i < ENDS; i++) {
		struct stack_stats st;

		stack_stats(ends[i].stack, &st);
		cr_assert(st.conns == 0 && st.time_wait == 0 && st.segments_held == 0,
			  "%u connections, %u waiting, %u segments", st.conns, st.time_wait,
			  st.segments_held);
		stack_destroy(ends[i].stack);
	}
}

/* What one run has come to, of both ends together. */
struct outcome {
	double seconds;
	uint64_t packets, lost, retransmits, timeouts, probes;
};

static void run_link(bool v6, const struct simlink_config *cfg, uint64_t bytes, struct outcome *o)
{
	struct simlink *sim = simlink_new(cfg);
	bool connected = false;

	*o = (struct outcome){0};
	for (int i = 0; i < ENDS; i++)
		make_end(sim, i, bytes);
	connect_ends(sim, v6);
	cr_assert(simlink_run(sim, UINT64_C(36000000000000), act, &connected),
		  "seed %llu: it did not end", (unsigned long long)cfg->seed);
	o->seconds = (double)simlink_now(sim) / 1e9;
	for (int i = 0; i < ENDS; i++) {
		struct simlink_stats st;
		struct stack_stats tcp;

		simlink_stats(sim, i, &st);
		stack_stats(ends[i].stack, &tcp);
		o->packets += st.packets;
		o->lost += st.lost;
		o->retransmits += tcp.tcp_retransmits;
		o->timeouts += tcp.tcp_timeouts;
		o->probes += tcp.tcp_loss_probes;
	}
	expect_equal(CLIENT, SERVER, bytes);
	expect_equal(SERVER, CLIENT, bytes);
	close_ends(sim);
	simlink_free(sim);
}

static void run_virtual(bool v6, uint64_t seed, uint64_t bytes)
{
	const uint64_t ms = 1000000;
	const struct simlink_config cfg = {.seed = seed,
					   .loss_ppm = LOSS_PPM,
					   .dup_ppm = DUP_PPM,
					   .reorder_ppm = REORDER_PPM,
					   .corrupt_ppm = CORRUPT_PPM,
					   .delay_ns = ms / 2,
					   .reorder_ns = 2 * ms,
					   .rate_bps = 1000000000};
	struct outcome o;

	run_link(v6, &cfg, bytes, &o);
	fprintf(stderr,
		"stack_harm: virtual, %s, seed %llu: %.0f MiB each way in %.1f s of virtual time, "
		"goodput %.2f MB/s each way; retransmitted %llu, probes %llu, timeouts %llu\n",
		v6 ? "IPv6" : "IPv4", (unsigned long long)seed, (double)bytes / (1 << 20),
		o.seconds, (double)bytes / 1e6 / o.seconds, (unsigned long long)o.retransmits,
		(unsigned long long)o.probes, (unsigned long long)o.timeouts);
	expect_share(o.lost, o.packets, LOSS_PPM, "lost");
}

/* Whatever the luck: what is sent again is little more than what was lost, and next to nothing
 * waits for the timer. */
Test(stack_harm, many_kinds_of_luck)
{
	enum { SEEDS = 40, BYTES = 1 << 20 };
	const uint64_t ms = 1000000;
	struct outcome o, sum = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		const struct simlink_config cfg = {.seed = seed,
						   .loss_ppm = 10000 * (uint32_t)(seed % 7),
						   .dup_ppm = 10000,
						   .reorder_ppm = 20000,
						   .delay_ns = ms * (1 + seed % 5 * 4),
						   .reorder_ns = 2 * ms,
						   .rate_bps = 100000000};

		run_link(seed % 2, &cfg, BYTES, &o);
		cr_expect(o.retransmits <= o.lost + o.lost / 2 + o.packets / 50,
			  "seed %llu: lost %llu, sent again %llu", (unsigned long long)seed,
			  (unsigned long long)o.lost, (unsigned long long)o.retransmits);
		sum.lost += o.lost;
		sum.retransmits += o.retransmits;
		sum.timeouts += o.timeouts;
		sum.probes += o.probes;
	}
	fprintf(stderr,
		"stack_harm: %d seeds: lost %llu, sent again %llu, probes %llu, timeouts %llu\n",
		SEEDS, (unsigned long long)sum.lost, (unsigned long long)sum.retransmits,
		(unsigned long long)sum.probes, (unsigned long long)sum.timeouts);
	cr_expect(sum.timeouts * 100 <= sum.lost, "%llu timeouts for %llu lost",
		  (unsigned long long)sum.timeouts, (unsigned long long)sum.lost);
}

/* Disorder of less than a quarter of a round trip, and nothing lost. */
Test(stack_harm, mild_disorder_is_no_loss)
{
	enum { SEEDS = 20, BYTES = 1 << 20 };
	const uint64_t ms = 1000000;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		const struct simlink_config cfg = {.seed = seed,
						   .reorder_ppm = 30000,
						   .delay_ns = 10 * ms,
						   .reorder_ns = 2 * ms,
						   .rate_bps = 100000000};
		struct outcome o;

		run_link(seed % 2, &cfg, BYTES, &o);
		/* Until it was seen once, three later ones count as loss. */
		cr_expect(o.retransmits * 100 <= o.packets, "seed %llu: %llu of %llu sent again",
			  (unsigned long long)seed, (unsigned long long)o.retransmits,
			  (unsigned long long)o.packets);
		cr_expect(o.timeouts == 0 && o.probes <= 2);
	}
}

Test(stack_harm, two_stacks_understand_each_other_through_a_bad_link)
{
	enum { SEEDS = 2 };

	for (int seed = 1; seed <= SEEDS; seed++) {
		run_virtual(false, (uint64_t)seed, length(VIRTUAL_BYTES));
		run_virtual(true, (uint64_t)seed, length(VIRTUAL_BYTES));
	}
}
