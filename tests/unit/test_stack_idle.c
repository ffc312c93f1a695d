/* SPDX-License-Identifier: MIT */
/* test_stack_idle.c - what a connection costs: a hundred thousand of them, or a million in the long
 * form, made of synthetic frames */
#include "../../rawstack/stack/tcp_internal.h"
#include "../../rawstack/clock.h"
#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/ipv4.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Every connection is of an IPv4 peer to a socket on ::, so its addresses are mapped. With
 * SOAK_SECONDS in the environment there are a million; what they cost is printed.
 */
enum {
	SHORT_CONNS = 100000,
	LONG_CONNS = 1000000,
	PORTS_EACH = 50000, /* connections from one source address */
	PAYLOAD = 64,
	CONN_BYTES_MAX = 512,
	HALF_OPEN_BYTES_MAX = 64,
	MIB = 1 << 20,
	MILLION_MIB_MAX = 700,
};

struct peer {
	uint8_t frame[200]; /* what the stack has sent last */
	size_t len;
	uint64_t sent;
};

static struct peer peer;

static uint8_t *reserve(void *arg, size_t len)
{
	struct peer *p = arg;

	cr_assert(len <= sizeof(p->frame));
	return p->frame;
}

static void commit(void *arg, size_t len)
{
	struct peer *p = arg;

	p->len = len;
	p->sent++;
}

static uint32_t conns_wanted(void)
{
	return getenv("SOAK_SECONDS") != NULL ? LONG_CONNS : SHORT_CONNS;
}

static struct stack *open_stack(uint32_t conns)
{
	struct stack_config cfg = {.link = {reserve, commit, &peer},
				   .l3 = true,
				   .n_addrs = 1,
				   .max_conns = conns,
				   .max_half_open = conns,
				   .secret = {7}};
	struct stack_bind bind = {.family = AF_INET6, .local = {.port = 80}};
	struct stack *s;
	int id;

	addr_parse("198.51.100.2", &cfg.addrs[0].addr, NULL);
	cfg.addrs[0].prefix_len = 24;
	cr_assert_eq(stack_create(&cfg, 1, &s), 0);
	id = stack_tcp_bind(s, &bind);
	cr_assert(id >= 0 && stack_tcp_listen(s, id, conns) == 0);
	return s;
}

/* Segment number @n's sender: a source address for so many ports. */
static void send_in(struct stack *s, uint64_t now, uint32_t n, uint8_t flags, uint32_t seq,
		    uint32_t ack, size_t len)
{
	uint8_t bytes[IPV4_HDR_LEN + TCP_HDR_LEN + TCP_TS_OPTION + PAYLOAD] = {0};
	const uint8_t to[4] = {198, 51, 100, 2};
	const uint8_t from[4] = {198, 51, 100, (uint8_t)(16 + n / PORTS_EACH % 200)};
	struct outbuf o = outbuf_of(bytes, sizeof(bytes));
	struct tcp_hdr h = {.sport = (uint16_t)(1024 + n % PORTS_EACH),
			    .dport = 80,
			    .seq = seq,
			    .ack = ack,
			    .flags = flags,
			    .window = 65535,
			    .wscale = TCP_WSCALE_NONE,
			    .mss = flags & TCP_SYN ? 1460 : 0};
	size_t hl = TCP_HDR_LEN + (flags & TCP_SYN ? 4 : 0);
	struct ipv4_hdr ip = {.tot_len = (uint16_t)(IPV4_HDR_LEN + hl + len),
			      .ttl = 64,
			      .proto = IPPROTO_TCP,
			      .src = addr_from_v4(from),
			      .dst = addr_from_v4(to)};
	struct frame_meta meta = {.flags = FRAME_META_CSUM_VALID};

	ipv4_build(&ip, &o);
	tcp_build(&h, &o);
	outbuf_add(&o, len);
	meta.caplen = meta.wirelen = (uint32_t)o.len;
	stack_input(s, now, bytes, o.len, &meta);
}

static uint32_t sent_seq(void)
{
	return get_be32(peer.frame + IPV4_HDR_LEN + 4);
}

static uint64_t resident_mib(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	cr_assert(f != NULL && fscanf(f, "%*u %lu", &pages) == 1);
	fclose(f);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) / MIB;
}

static uint64_t memory_of(const struct stack *s)
{
	struct stack_stats st;

	stack_stats(s, &st);
	return st.memory;
}

Test(stack_idle, a_half_open_connection_costs_64_bytes, .timeout = 120)
{
	uint32_t conns = SHORT_CONNS;
	struct stack *s = open_stack(conns);
	uint64_t before = memory_of(s), cost;

	for (uint32_t n = 0; n < conns; n++)
		send_in(s, 1000000, n, TCP_SYN, 5000, 0, 0);
	cr_assert_eq(s->tcp->n_half_open, conns);
	cost = memory_of(s) - before;
	cr_assert_leq(cost, (uint64_t)conns * HALF_OPEN_BYTES_MAX + MIB, "%lu bytes each",
		      (unsigned long)(cost / conns));
	stack_destroy(s);
}

/* Handshakes; each is accepted at once. */
static void establish_all(struct stack *s, stack_conn *handles, uint32_t *iss, uint32_t conns)
{
	for (uint32_t n = 0; n < conns; n++) {
		struct stack_conn_info info;
		struct stack_event ev;

		send_in(s, 1000000, n, TCP_SYN, 5000, 0, 0);
		iss[n] = sent_seq();
		send_in(s, 1000000, n, TCP_ACK, 5001, iss[n] + 1, 0);
		cr_assert(stack_event(s, &ev) && ev.type == STACK_EV_ACCEPT);
		cr_assert_eq(stack_accept(s, ev.id, &handles[n], &info), 0);
		cr_assert(addr_is_mapped(&info.peer.addr) && info.family == AF_INET6);
	}
}

/* A request and its answer, acknowledged. */
static void talk(struct stack *s, stack_conn conn, uint32_t n, uint32_t iss)
{
	uint64_t sent = peer.sent;
	struct stack_buf buf;
	struct stack_event ev;

	send_in(s, 2000000, n, TCP_ACK | TCP_PSH, 5001, iss + 1, PAYLOAD);
	cr_assert(stack_event(s, &ev) && ev.type == STACK_EV_READABLE && ev.conn == conn);
	cr_assert_eq(stack_recv(s, conn, &buf), 1);
	cr_assert_eq(stack_send(s, conn, buf.data, buf.len), PAYLOAD);
	stack_release(s, &buf);
	stack_flush(s, 2000000);
	cr_assert_eq(peer.sent, sent + 1, "one frame answers and acknowledges");
	send_in(s, 2000000, n, TCP_ACK, 5001 + PAYLOAD, iss + 1 + PAYLOAD, 0);
}

Test(stack_idle, a_million_connections_fit, .timeout = 300)
{
	uint32_t conns = conns_wanted();
	uint64_t resident = resident_mib(), begin, open_ns, talk_ns, cost;
	struct stack *s = open_stack(conns);
	stack_conn *handles = calloc(conns, sizeof(*handles));
	uint32_t *iss = calloc(conns, sizeof(*iss));

	cr_assert(handles != NULL && iss != NULL);
	begin = clock_ns(CLOCK_MONOTONIC);
	establish_all(s, handles, iss, conns);
	open_ns = (clock_ns(CLOCK_MONOTONIC) - begin) / conns;
	cr_assert_eq(s->tcp->conns.used, conns);
	cr_assert_eq(s->tcp->n_half_open, 0);
	cr_assert_eq(s->tcp->wheel.armed, 0, "an idle connection has no timer");
	cr_assert_eq(s->segs.used, 0, "nor a buffer");
	begin = clock_ns(CLOCK_MONOTONIC);
	for (uint32_t n = 0; n < conns; n += 2)
		talk(s, handles[n], n, iss[n]);
	talk_ns = (clock_ns(CLOCK_MONOTONIC) - begin) / (conns / 2);
	cost = memory_of(s);
	resident = resident_mib() - resident;
	fprintf(stderr,
		"%u mapped connections, half of them spoken to: %lu bytes each of the stack, %lu "
		"MiB "
		"resident; %lu ns to open and accept, %lu ns for a request and its answer\n",
		conns, (unsigned long)(cost / conns), (unsigned long)resident,
		(unsigned long)open_ns, (unsigned long)talk_ns);
	cr_assert_leq(cost / conns, (uint64_t)CONN_BYTES_MAX);
	if (conns == LONG_CONNS)
		cr_assert_lt(resident, (uint64_t)MILLION_MIB_MAX);
	for (uint32_t n = 0; n < conns; n++)
		stack_abort(s, 3000000, handles[n]);
	cr_assert_eq(s->tcp->conns.used, 0);
	cr_assert_eq(s->segs.used, 0);
	free(iss);
	free(handles);
	stack_destroy(s);
}

/*
 * Two hundred forged requests for each honest one, for two seconds of its time: the table is full
 * after the first moments, and everybody honest is served by cookie. Nothing grows.
 */
Test(stack_idle, a_flood_of_requests_shuts_nobody_out, .timeout = 120)
{
	enum { HONEST = 2000, FORGED_EACH = 200, HALF_OPEN = 4096 };
	struct stack *s = open_stack(SHORT_CONNS);
	uint32_t forged = PORTS_EACH, served = 0;
	uint64_t memory = 0;

	s->cfg.max_half_open = HALF_OPEN;
	for (uint32_t n = 0; n < HONEST; n++) {
		uint64_t now = 1000000000 + n * (uint64_t)1000000;
		struct stack_event ev;
		stack_conn conn;
		uint32_t iss;

		for (int k = 0; k < FORGED_EACH; k++, forged++)
			send_in(s, now, forged % (200 * PORTS_EACH), TCP_SYN, forged, 0, 0);
		stack_timers(s, now);
		send_in(s, now, n, TCP_SYN, 5000, 0, 0);
		iss = sent_seq();
		send_in(s, now, n, TCP_ACK, 5001, iss + 1, 0);
		cr_assert(stack_event(s, &ev) && ev.type == STACK_EV_ACCEPT, "number %u", n);
		cr_assert_eq(stack_accept(s, ev.id, &conn, NULL), 0);
		talk(s, conn, n, iss);
		stack_abort(s, now, conn);
		served++;
		if (n == HONEST / 2)
			memory = memory_of(s);
		cr_assert_leq(s->tcp->n_half_open, (uint32_t)HALF_OPEN);
	}
	cr_assert_eq(served, (uint32_t)HONEST);
	cr_assert_gt(s->stats.tcp_cookie_ok, (uint64_t)HONEST / 2);
	cr_assert_eq(s->stats.tcp_cookie_bad, 0);
	cr_assert_eq(memory_of(s), memory);
	stack_destroy(s);
}

/* What a short connection costs when everything is in the cache: opened, spoken to, reset. */
Test(stack_idle, a_connection_from_syn_to_reset, .timeout = 120)
{
	enum { TURNS = 200000, AT_A_TIME = 256 };
	struct stack *s = open_stack(SHORT_CONNS);
	uint64_t begin = clock_ns(CLOCK_MONOTONIC), all, frames;

	for (uint32_t k = 0; k < TURNS; k++) {
		uint32_t n = k % AT_A_TIME, iss;
		struct stack_event ev;
		stack_conn conn;

		send_in(s, 1000000 + k, n, TCP_SYN, 5000, 0, 0);
		iss = sent_seq();
		send_in(s, 1000000 + k, n, TCP_ACK, 5001, iss + 1, 0);
		cr_assert(stack_event(s, &ev) && stack_accept(s, ev.id, &conn, NULL) == 0);
		talk(s, conn, n, iss);
		send_in(s, 2000000, n, TCP_RST, 5001 + PAYLOAD, 0, 0);
		cr_assert(stack_event(s, &ev) && ev.type == STACK_EV_CLOSED);
		stack_close(s, 2000000, conn);
	}
	all = clock_ns(CLOCK_MONOTONIC) - begin;
	frames = peer.sent;
	begin = clock_ns(CLOCK_MONOTONIC);
	for (uint32_t k = 0; k < TURNS; k++) /* what making the frames costs, not answering them */
		send_in(s, 2000000, k % AT_A_TIME, TCP_RST, 1, 0, PAYLOAD);
	fprintf(stderr,
		"%lu ns for each of %d connections of 5 frames in, 2 out; a frame to nobody %lu "
		"ns\n",
		(unsigned long)(all / TURNS), TURNS,
		(unsigned long)((clock_ns(CLOCK_MONOTONIC) - begin) / TURNS));
	cr_assert_eq(frames, 2 * (uint64_t)TURNS);
	cr_assert_eq(s->tcp->conns.used, 0);
	stack_destroy(s);
}
