/* SPDX-License-Identifier: MIT */
/* t_bench.c - a whole run for tests: lab, echo server, clients, witness and judge, step by step */
#include "t_bench.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/netns.h"
#include "../../tools/lab/lab_server.h"
#include "../../tools/lab/records.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

uint64_t bench_now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

static void start_server(struct bench *b)
{
	const struct endpoint any = {.addr = ADDR_ANY6, .port = BENCH_PORT};
	const struct listen_spec listeners[] = {
		{.proto = IPPROTO_TCP, .family = AF_INET6, .bind = any, .backlog = 64},
		{.proto = IPPROTO_UDP, .family = AF_INET6, .bind = any},
	};
	struct server_error err;
	int rc = lab_server_start(&b->lab.host[LAB_SERVER], NULL, "auto", listeners, 2, &b->server,
				  &err);

	cr_assert(rc == 0, "server: %s: %s", err.what, strerror(-rc));
}

struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct lab_error err;

	cr_assert(b);
	cr_assert(lab_create(&b->lab, &err) == 0, "lab: %s: %s", err.step, err.detail);
	evidence_init(&b->ev);
	start_server(b);
	return b;
}

void bench_free(struct bench *b)
{
	lab_server_free(b->server);
	evidence_free(&b->ev);
	witness_close(b->witness);
	lab_destroy(&b->lab);
	free(b);
}

/*
 * A block with one frame in it is handed over after a millisecond, so a ring holds as many frames
 * as it has blocks for certain: more than an exchange has.
 */
static const struct ring_config RING = {.version = 3,
					.block_size = 32 << 10,
					.block_count = 64,
					.retire_ms = 1,
					.snaplen = FILTER_SNAPLEN};

struct witness_config bench_watch_config(const struct bench *b)
{
	const struct lab_host *c = &b->lab.host[LAB_CLIENT], *s = &b->lab.host[LAB_SERVER];

	return (struct witness_config){
		.posts = {{.side = SIDE_CLIENT, .netns_fd = c->netns_fd, .ifindex = c->ifindex},
			  {.side = SIDE_SERVER, .netns_fd = s->netns_fd, .ifindex = s->ifindex}},
		.n_posts = 2,
		.ports = {{BENCH_PORT, BENCH_PORT}},
		.n_ports = 1,
		.ring = RING,
		.keep = true,
	};
}

void bench_watch(struct bench *b, const struct witness_config *cfg)
{
	struct witness_config usual = bench_watch_config(b);
	const char *what;
	int rc = witness_open(cfg ? cfg : &usual, &b->witness, &what);

	cr_assert(rc == 0, "%s: %s", what, strerror(-rc));
	rc = witness_ready(b->witness, BENCH_WAIT_MS);
	cr_assert(rc == 0, "no canary: %s", strerror(-rc));
}

struct bench_client bench_open(const struct bench *b, int proto, enum bench_way way)
{
	const struct client_config cfg = {.netns_fd = b->lab.host[LAB_CLIENT].netns_fd,
					  .proto = proto,
					  .family = way == BENCH_IPV4 ? AF_INET : AF_INET6,
					  .v6only = way == BENCH_IPV4 ? -1 : 0};
	struct bench_client c = {.fd = client_open(&cfg), .way = way};

	cr_assert(c.fd >= 0, "client: %s", strerror(-c.fd));
	return c;
}

void bench_connect(const struct bench *b, struct bench_client *c)
{
	const struct lab_host *s = &b->lab.host[LAB_SERVER];
	const struct endpoint to = {.addr = c->way == BENCH_NATIVE ? s->v6[0] : s->v4[0],
				    .port = BENCH_PORT};
	int rc = client_connect(c->fd, &to, BENCH_WAIT_MS, &c->rec);

	cr_assert(rc == 0, "connect: %s", strerror(-rc));
}

void bench_exchange(struct bench_client *c, size_t len)
{
	uint8_t *sent = malloc(len + 1), *got = calloc(1, len + 1);
	int rc;

	cr_assert(sent && got);
	for (size_t i = 0; i < len; i++)
		sent[i] = (uint8_t)(i * 31 + (i >> 8));
	rc = client_exchange(c->fd, sent, len, got, BENCH_WAIT_MS, &c->rec);
	cr_assert(rc == (int)len, "exchange: %d of %zu", rc, len);
	cr_assert(memcmp(sent, got, len) == 0, "the echo differs from what was sent");
	free(sent);
	free(got);
}

void bench_hang_up(struct bench *b, struct bench_client *c)
{
	cr_assert(b->n_clients < BENCH_RECORDS_MAX);
	b->clients[b->n_clients++] = record_of_client(&c->rec);
	if (c->rec.proto == IPPROTO_TCP)
		cr_assert(client_finish(c->fd, BENCH_WAIT_MS) == 0, "no orderly end");
	else
		close(c->fd);
	c->fd = -1;
}

void bench_talk(struct bench *b, int proto, enum bench_way way, size_t len)
{
	struct bench_client c = bench_open(b, proto, way);

	bench_connect(b, &c);
	bench_exchange(&c, len);
	bench_hang_up(b, &c);
	cr_assert(witness_step(b->witness) >= 0);
}

void bench_inject(const struct bench *b, const void *frame, size_t len)
{
	const struct lab_host *h = &b->lab.host[LAB_CLIENT];
	const struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)h->ifindex};
	int fd = netns_socket(h->netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0, "packet socket: %s", strerror(-fd));
	cr_assert(sendto(fd, frame, len, 0, (const struct sockaddr *)&to, sizeof(to)) ==
			  (ssize_t)len,
		  "inject: %s", strerror(errno));
	close(fd);
}

void bench_await_records(struct bench *b, size_t n)
{
	cr_assert(lab_server_wait(b->server, BENCH_PORT, n, BENCH_WAIT_MS) == 0,
		  "the server has not seen %zu clients", n);
}

void bench_collect(struct bench *b)
{
	struct evidence *ev = witness_evidence(b->witness);
	const struct evidence_api *log;
	bool overflow;
	size_t n;

	lab_server_stop(b->server);
	n = lab_server_log(b->server, &log, &overflow);
	cr_assert(!overflow);
	for (size_t i = 0; i < n; i++)
		cr_assert(evidence_add_api(ev, &log[i]) == 0);
	for (size_t i = 0; i < b->n_clients; i++)
		cr_assert(evidence_add_api(ev, &b->clients[i]) == 0);
}

/* Nothing more is to be expected of the kernel about this record's socket. */
static bool settled(const struct evidence *ev, const struct evidence_api *a)
{
	bool watched = false;

	for (size_t i = 0; i < ev->n_taps; i++)
		watched |= ev->taps[i].side == a->side;
	if (!watched || !a->cookie || !evidence_watches(ev, BENCH_PORT))
		return true;
	for (size_t i = 0; i < ev->n_kernel; i++)
		if (ev->kernel[i].entry.destroyed && ev->kernel[i].entry.cookie == a->cookie)
			return true;
	return ev->kernel_events_lost != 0;
}

/* The kernel reports the end of a socket from a work queue, some time after close(2). */
static void settle(struct bench *b)
{
	const struct evidence *ev = witness_evidence(b->witness);
	uint64_t end = bench_now_ms() + BENCH_WAIT_MS;
	struct pollfd fds[WITNESS_FDS_MAX];
	size_t i = 0;

	while (i < ev->n_api && bench_now_ms() < end) {
		if (settled(ev, &ev->api[i])) {
			i++;
			continue;
		}
		poll(fds, witness_fds(b->witness, fds), 1);
		cr_assert(witness_step(b->witness) >= 0);
	}
	cr_assert(i == ev->n_api, "the kernel never reported the end of a socket");
}

void bench_conclude(struct bench *b)
{
	struct evidence *ev = witness_evidence(b->witness);

	cr_assert(witness_step(b->witness) >= 0);
	cr_assert(witness_dump_sockets(b->witness) == 0);
	bench_collect(b);
	settle(b);
	/* What is missing then is a gate that fails, and the test's own business. */
	witness_stop(b->witness);
	b->ev = *ev;
	evidence_init(ev);
}

struct bench_verdict bench_judge(const struct evidence *ev)
{
	struct bench_verdict v;
	struct judge_report rep;
	size_t n;

	cr_assert(judge(ev, &rep) == 0);
	v.verdict = judge_overall(&rep);
	v.connections = rep.n;
	v.reasons = rep.run.reasons;
	for (size_t i = 0; i < rep.n; i++)
		v.reasons |= rep.list[i].j.reasons;
	judge_report_free(&rep);
	n = (size_t)snprintf(v.text, sizeof(v.text),
			     "%s (%zu connections):", verdict_name(v.verdict), v.connections);
	for (int i = 0; i < REASON_NUM && n < sizeof(v.text); i++)
		if (v.reasons & reason_bit((enum reason)i))
			n += (size_t)snprintf(v.text + n, sizeof(v.text) - n, " %s",
					      reason_name((enum reason)i));
	return v;
}

void bench_expect(const struct evidence *ev, const char *what, enum verdict want,
		  enum reason reason)
{
	struct bench_verdict v = bench_judge(ev);

	cr_assert(v.verdict == want, "%s: %s", what, v.text);
	if (reason != REASON_NUM)
		cr_assert(v.reasons & reason_bit(reason), "%s: no %s: %s", what,
			  reason_name(reason), v.text);
}

void bench_expect_identity(const struct evidence *ev)
{
	for (size_t t = 0; t < ev->n_taps; t++) {
		const struct evidence_tap *tap = &ev->taps[t];
		uint64_t listed = 0;

		for (size_t i = 0; i < ev->n_frames; i++)
			listed += ev->frames[i].tap == t;
		cr_assert(tap->consumed == tap->packets - tap->drops,
			  "tap %zu: %lu consumed, %lu packets, %lu drops", t, tap->consumed,
			  tap->packets, tap->drops);
		cr_assert(listed == tap->consumed, "tap %zu: %lu listed of %lu", t, listed,
			  tap->consumed);
	}
}
