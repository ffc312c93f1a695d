/* SPDX-License-Identifier: MIT */
/* stack_core.c - what a connection costs in the stack's core: stack_core [CONNECTIONS] */
#include "../../rawstack/clock.h"
#include "../../rawstack/stack/stack.h"
#include "../../rawstack/wire/build.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/ipv4.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/tcp.h"

#include <assert.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * No kernel, no ring: whole Ethernet frames with checksums to verify, five in and two out for a
 * connection (SYN, ACK, 64 bytes, their ACK, RST), a batch of connections at a time as a ring hands
 * them over. Only the stack's part is measured: building the frames is not. Instructions where the
 * machine counts them; `valgrind --tool=callgrind --toggle-collect=feed` does everywhere.
 */
enum { BATCH = 64, PORTS_EACH = 20000, SOURCES = 8, PAYLOAD = 64, FRAME = 160, TURNS = 200000 };

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};

struct batch {
	uint8_t in[BATCH][FRAME];
	size_t in_len[BATCH];
	uint8_t out[BATCH + 1][FRAME];
	int n_out;
	uint32_t iss[BATCH];
	stack_conn conn[BATCH];
};

struct cost {
	uint64_t ns, instructions;
	int counter; /* perf descriptor, below 0: none */
};

static uint8_t *reserve(void *arg, size_t len)
{
	struct batch *b = arg;

	assert(len <= FRAME && b->n_out <= BATCH);
	return b->out[b->n_out];
}

static void commit(void *arg, size_t len)
{
	struct batch *b = arg;

	(void)len;
	b->n_out++;
}

static struct addr host(bool v6, uint8_t n)
{
	const uint8_t v4[4] = {198, 51, 100, n};
	struct addr a = {{0x20, 0x01, 0x0d, 0xb8, [15] = n}};

	return v6 ? a : addr_from_v4(v4);
}

static struct stack *open_stack(struct batch *b, bool v6)
{
	struct stack_config cfg = {.link = {reserve, commit, b},
				   .skip_dad = true,
				   .n_addrs = 1,
				   .addrs = {{host(v6, 1), v6 ? 64 : 24}},
				   .secret = {7}};
	struct stack_bind bind = {.family = AF_INET6, .local = {.port = 80}};
	struct stack *s;
	int id, rc;

	memcpy(cfg.mac, our_mac, 6);
	rc = stack_create(&cfg, 1, &s);
	assert(rc == 0);
	for (int i = 0; i < SOURCES; i++) {
		struct addr a = host(v6, (uint8_t)(16 + i));

		rc = stack_neighbour(s, &a, peer_mac);
		assert(rc == 0);
	}
	id = stack_tcp_bind(s, &bind);
	assert(id >= 0);
	rc = stack_tcp_listen(s, id, 4096);
	assert(rc == 0);
	b->n_out = 0;
	return s;
}

/* The same segment of each connection of the batch that begins with number @first. */
static void build(struct batch *b, bool v6, uint32_t first, uint8_t flags, uint32_t seq,
		  uint32_t acked, size_t len)
{
	static const uint8_t payload[PAYLOAD];

	for (uint32_t k = 0; k < BATCH; k++) {
		uint32_t n = first + k;
		struct frame_spec f = {.ipv6 = v6,
				       .src = host(v6, (uint8_t)(16 + n / PORTS_EACH % SOURCES)),
				       .dst = host(v6, 1),
				       .proto = IPPROTO_TCP,
				       .sport = (uint16_t)(1024 + n % PORTS_EACH),
				       .dport = 80,
				       .seq = seq,
				       .ack = flags & TCP_ACK ? b->iss[k] + acked : 0,
				       .tcp_flags = flags,
				       .mss = flags & TCP_SYN ? 1440 : 0};
		struct outbuf o = outbuf_of(b->in[k], FRAME);
		int rc;

		memcpy(f.dst_mac, our_mac, 6);
		memcpy(f.src_mac, peer_mac, 6);
		rc = frame_build(&f, payload, len, &o);
		assert(rc > 0);
		b->in_len[k] = o.len;
	}
}

static void begin(struct cost *c)
{
	if (c->counter >= 0)
		ioctl(c->counter, PERF_EVENT_IOC_ENABLE, 0);
	c->ns -= clock_ns(CLOCK_MONOTONIC);
}

static void end(struct cost *c)
{
	c->ns += clock_ns(CLOCK_MONOTONIC);
	if (c->counter >= 0)
		ioctl(c->counter, PERF_EVENT_IOC_DISABLE, 0);
}

/* What a server does about an event: takes the connection, echoes, closes. */
static void serve(struct stack *s, uint64_t now, struct batch *b, const struct stack_event *ev)
{
	static uint32_t accepted;
	struct stack_conn_info info;
	struct stack_buf buf;
	stack_conn conn;

	switch (ev->type) {
	case STACK_EV_ACCEPT:
		while (stack_accept(s, ev->id, &conn, &info) == 0)
			b->conn[accepted++ % BATCH] = conn;
		break;
	case STACK_EV_READABLE:
		if (stack_recv(s, ev->conn, &buf) == 1) {
			stack_send(s, ev->conn, buf.data, buf.len);
			stack_release(s, &buf);
		}
		break;
	case STACK_EV_CLOSED:
		stack_close(s, now, ev->conn);
		break;
	default:
		break;
	}
}

__attribute__((noinline)) static void feed(struct stack *s, uint64_t now, struct batch *b,
					   struct cost *c)
{
	struct stack_event ev;

	b->n_out = 0;
	begin(c);
	for (uint32_t k = 0; k < BATCH; k++) {
		struct frame_meta meta = {.caplen = (uint32_t)b->in_len[k],
					  .wirelen = (uint32_t)b->in_len[k]};

		stack_input(s, now, b->in[k], b->in_len[k], &meta);
	}
	while (stack_event(s, &ev))
		serve(s, now, b, &ev);
	stack_flush(s, now);
	end(c);
}

static void run_batch(struct stack *s, struct batch *b, bool v6, uint32_t first, struct cost *c)
{
	const size_t seq_at = ETH_HDR_LEN + (v6 ? IPV6_HDR_LEN : IPV4_HDR_LEN) + 4;
	uint64_t now = 1000000 + (uint64_t)first * 1000;

	build(b, v6, first, TCP_SYN, 5000, 0, 0);
	feed(s, now, b, c);
	assert(b->n_out == BATCH);
	for (int k = 0; k < BATCH; k++)
		b->iss[k] = get_be32(b->out[k] + seq_at);
	build(b, v6, first, TCP_ACK, 5001, 1, 0);
	feed(s, now, b, c);
	build(b, v6, first, TCP_ACK | TCP_PSH, 5001, 1, PAYLOAD);
	feed(s, now, b, c);
	assert(b->n_out == BATCH);
	build(b, v6, first, TCP_ACK, 5001 + PAYLOAD, 1 + PAYLOAD, 0);
	feed(s, now, b, c);
	build(b, v6, first, TCP_RST, 5001 + PAYLOAD, 0, 0);
	feed(s, now, b, c);
	assert(b->n_out == 0);
	stack_timers(s, now);
}

static int open_counter(void)
{
	struct perf_event_attr a = {.type = PERF_TYPE_HARDWARE,
				    .size = sizeof(a),
				    .config = PERF_COUNT_HW_INSTRUCTIONS,
				    .disabled = 1,
				    .exclude_kernel = 1};

	return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
}

static void measure(const char *name, bool v6, uint32_t turns)
{
	static struct batch b;
	struct cost c = {.counter = open_counter()};
	struct stack *s = open_stack(&b, v6);
	struct stack_stats st;

	for (uint32_t n = 0; n < turns; n += BATCH)
		run_batch(s, &b, v6, n, &c);
	stack_stats(s, &st);
	assert(st.conns == 0 && st.half_open == 0 && st.frames_in == 5 * st.tcp_opened);
	printf("%s: %.0f ns", name, (double)c.ns / (double)st.tcp_opened);
	if (c.counter >= 0) {
		if (read(c.counter, &c.instructions, sizeof(c.instructions)) > 0)
			printf(", %.0f instructions",
			       (double)c.instructions / (double)st.tcp_opened);
		close(c.counter);
	}
	printf(" for each of %lu connections of 5 frames in, 2 out\n",
	       (unsigned long)st.tcp_opened);
	stack_destroy(s);
}

int main(int argc, char **argv)
{
	uint32_t turns = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : TURNS;

	measure("mapped", false, turns);
	measure("ipv6", true, turns);
	return 0;
}
