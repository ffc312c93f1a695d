/* SPDX-License-Identifier: MIT */
/* t_evidence.c - good evidence made in memory */
#include "t_evidence.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

static const uint64_t START_NS = UINT64_C(1700000000000000000);

int t_family(enum t_kind kind)
{
	return kind == T_PLAIN ? AF_INET : AF_INET6;
}

static struct endpoint host(enum t_kind kind, uint8_t last, uint16_t port)
{
	uint8_t v4[4] = {198, 51, 100, last};
	uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = last};

	return (struct endpoint){.addr = kind == T_NATIVE ? addr_from_v6(v6) : addr_from_v4(v4),
				 .port = port};
}

struct endpoint t_client(const struct t_conn *c)
{
	return host(c->kind, 1, c->client_port);
}

struct endpoint t_server(const struct t_conn *c)
{
	return host(c->kind, 2, c->server_port);
}

static uint32_t request(const struct t_conn *c)
{
	return c->request ? c->request : T_REQUEST;
}

static uint32_t reply(const struct t_conn *c)
{
	return c->reply ? c->reply : T_REPLY;
}

/* Time goes on with everything that is recorded. */
static uint64_t now_ns(const struct evidence *ev)
{
	return START_NS + (ev->n_frames + ev->n_api) * UINT64_C(1000);
}

struct evidence_frame t_frame(const struct t_conn *c, uint32_t tap, bool to_server,
			      uint8_t tcp_flags, uint32_t seq, uint32_t ack, uint32_t payload)
{
	struct endpoint server = t_server(c), client = t_client(c);
	const struct endpoint *src = to_server ? &client : &server;
	const struct endpoint *dst = to_server ? &server : &client;
	bool v6 = c->kind == T_NATIVE;
	struct evidence_frame f = {
		.ts_ns = START_NS,
		.tap = tap,
		.wirelen = 54 + payload,
		.outgoing = (tap == T_TAP_CLIENT) == to_server,
		.info = {.carriage = v6 ? CARRIAGE_V6 : CARRIAGE_V4,
			 .ethertype = v6 ? ETHTYPE_IPV6 : ETHTYPE_IPV4,
			 .version = v6 ? 6 : 4,
			 .src = src->addr,
			 .dst = dst->addr,
			 .proto = c->proto ? c->proto : IPPROTO_TCP,
			 .ttl = 64,
			 .has_ports = true,
			 .sport = src->port,
			 .dport = dst->port,
			 .payload_len = payload},
	};

	if (f.info.proto == IPPROTO_TCP) {
		f.info.tcp_flags = tcp_flags;
		f.info.seq = seq;
		f.info.ack = ack;
		f.info.mss = tcp_flags & TCP_SYN ? (v6 ? 1440 : 1460) : 0;
	}
	return f;
}

static void must(int rc)
{
	assert(rc == 0);
}

void t_add_frame(struct evidence *ev, const struct evidence_frame *f)
{
	struct evidence_frame seen = *f;

	seen.ts_ns = now_ns(ev);
	must(evidence_add_frame(ev, &seen));
	seen.tap = !seen.tap;
	seen.outgoing = !seen.outgoing;
	must(evidence_add_frame(ev, &seen));
}

static void add_canaries(struct evidence *ev, bool end)
{
	for (uint32_t tap = 0; tap < T_TAPS; tap++) {
		struct evidence_canary c = {
			.nonce = 0xc0ffee00 + end * 16U + tap, .tap = tap, .end = end};
		struct evidence_frame f = {.tap = tap,
					   .outgoing = true,
					   .wirelen = 60,
					   .canary = true,
					   .nonce = c.nonce,
					   .info = {.ethertype = ETHTYPE_LOCAL1}};

		must(evidence_add_canary(ev, &c));
		t_add_frame(ev, &f);
	}
}

void t_evidence_begin(struct evidence *ev)
{
	evidence_init(ev);
	ev->ports[0] = (struct port_range){T_PORT_FIRST, T_PORT_LAST};
	ev->n_ports = 1;
	ev->n_taps = T_TAPS;
	ev->taps[T_TAP_CLIENT] = (struct evidence_tap){
		.side = SIDE_CLIENT, .ifname = "va", .ifindex = 2, .netns_inode = 1001};
	ev->taps[T_TAP_SERVER] = (struct evidence_tap){
		.side = SIDE_SERVER, .ifname = "vb", .ifindex = 3, .netns_inode = 1002};
	add_canaries(ev, false);
}

void t_evidence_recount(struct evidence *ev)
{
	for (uint32_t tap = 0; tap < ev->n_taps; tap++) {
		uint64_t n = 0;

		for (size_t i = 0; i < ev->n_frames; i++)
			n += ev->frames[i].tap == tap;
		ev->taps[tap].packets = ev->taps[tap].consumed = n;
	}
}

void t_evidence_end(struct evidence *ev)
{
	add_canaries(ev, true);
	t_evidence_recount(ev);
}

void t_add_api(struct evidence *ev, const struct t_conn *c, enum evidence_side side, int error)
{
	bool client = side == SIDE_CLIENT, udp = c->proto == IPPROTO_UDP;
	struct evidence_api a = {
		.side = side,
		.call = client ? CALL_CONNECT : (udp ? CALL_RECVFROM : CALL_ACCEPT),
		.proto = udp ? IPPROTO_UDP : IPPROTO_TCP,
		.family = t_family(c->kind),
		.error = error,
		.local = client ? t_client(c) : t_server(c),
		.peer = client ? t_server(c) : t_client(c),
		.cookie = client ? c->cookie : c->cookie + 1,
		.ts_ns = now_ns(ev),
	};

	if (!error) {
		a.bytes_in = client ? reply(c) : request(c);
		a.bytes_out = client ? request(c) : reply(c);
	}
	must(evidence_add_api(ev, &a));
}

static struct evidence_kernel kernel_of(const struct t_conn *c, enum evidence_side side)
{
	bool client = side == SIDE_CLIENT;

	return (struct evidence_kernel){
		.tap = client ? T_TAP_CLIENT : T_TAP_SERVER,
		.entry = {.family = t_family(c->kind),
			  .proto = c->proto ? c->proto : IPPROTO_TCP,
			  .state = TCP_CLOSE,
			  .destroyed = true,
			  .src = client ? t_client(c) : t_server(c),
			  .dst = client ? t_server(c) : t_client(c),
			  .cookie = client ? c->cookie : c->cookie + 1,
			  .v6only = -1},
	};
}

void t_add_kernel(struct evidence *ev, const struct t_conn *c, enum evidence_side side)
{
	bool client = side == SIDE_CLIENT;
	struct evidence_kernel k = kernel_of(c, side);
	struct sockdiag_entry *e = &k.entry;

	if (c->proto == IPPROTO_UDP) {
		/* The server's socket serves everybody. */
		if (!client) {
			e->src.addr = e->dst.addr = ADDR_ANY6;
			e->dst.port = 0;
		}
	} else {
		e->has_info = true;
		e->segs_in = client ? 4 : 6;
		e->segs_out = client ? 6 : 3;
		e->bytes_received = (client ? reply(c) : request(c)) + 1;
		e->bytes_acked = client ? request(c) + 2 : reply(c) + 1;
	}
	must(evidence_add_kernel(ev, &k));
}

void t_add_tcp_frames(struct evidence *ev, const struct t_conn *c)
{
	uint32_t me = c->client_isn, you = c->server_isn, q = request(c), r = reply(c);
	const struct {
		bool to_server;
		uint8_t flags;
		uint32_t seq, ack, payload;
	} rows[] = {
		{true, TCP_SYN, me, 0, 0},
		{false, TCP_SYN | TCP_ACK, you, me + 1, 0},
		{true, TCP_ACK, me + 1, you + 1, 0},
		{true, TCP_ACK | TCP_PSH, me + 1, you + 1, q},
		{false, TCP_ACK, you + 1, me + 1 + q, 0},
		{false, TCP_ACK | TCP_PSH, you + 1, me + 1 + q, r},
		{true, TCP_ACK, me + 1 + q, you + 1 + r, 0},
		{true, TCP_ACK | TCP_FIN, me + 1 + q, you + 1 + r, 0},
		{false, TCP_ACK | TCP_FIN, you + 1 + r, me + 2 + q, 0},
		{true, TCP_ACK, me + 2 + q, you + 2 + r, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t sender = rows[i].to_server ? T_TAP_CLIENT : T_TAP_SERVER;
		struct evidence_frame f = t_frame(c, sender, rows[i].to_server, rows[i].flags,
						  rows[i].seq, rows[i].ack, rows[i].payload);

		t_add_frame(ev, &f);
	}
}

void t_add_tcp(struct evidence *ev, const struct t_conn *c)
{
	t_add_tcp_frames(ev, c);
	for (int s = 0; s < SIDE_NUM; s++) {
		t_add_api(ev, c, (enum evidence_side)s, 0);
		t_add_kernel(ev, c, (enum evidence_side)s);
	}
}

void t_add_refused(struct evidence *ev, const struct t_conn *c)
{
	struct evidence_frame syn = t_frame(c, T_TAP_CLIENT, true, TCP_SYN, c->client_isn, 0, 0);
	struct evidence_frame rst =
		t_frame(c, T_TAP_SERVER, false, TCP_RST | TCP_ACK, 0, c->client_isn + 1, 0);
	struct evidence_kernel k = kernel_of(c, SIDE_CLIENT);

	t_add_frame(ev, &syn);
	t_add_frame(ev, &rst);
	t_add_api(ev, c, SIDE_CLIENT, -ECONNREFUSED);
	k.entry.has_info = true;
	k.entry.segs_in = k.entry.segs_out = 1;
	must(evidence_add_kernel(ev, &k));
}

void t_add_udp(struct evidence *ev, const struct t_conn *c)
{
	struct t_conn u = *c;
	struct evidence_frame to, from;

	u.proto = IPPROTO_UDP;
	to = t_frame(&u, T_TAP_CLIENT, true, 0, 0, 0, request(c));
	from = t_frame(&u, T_TAP_SERVER, false, 0, 0, 0, reply(c));
	t_add_frame(ev, &to);
	t_add_frame(ev, &from);
	for (int s = 0; s < SIDE_NUM; s++) {
		t_add_api(ev, &u, (enum evidence_side)s, 0);
		t_add_kernel(ev, &u, (enum evidence_side)s);
	}
}

void t_evidence_good(struct evidence *ev)
{
	static const struct {
		enum t_kind kind;
		uint16_t port;
		void (*add)(struct evidence *, const struct t_conn *);
	} rows[T_CONNECTIONS] = {
		{T_MAPPED, T_PORT_MAPPED, t_add_tcp},	  {T_PLAIN, T_PORT_PLAIN, t_add_tcp},
		{T_NATIVE, T_PORT_NATIVE, t_add_tcp},	  {T_PLAIN, T_PORT_REFUSED, t_add_refused},
		{T_MAPPED, T_PORT_UDP_MAPPED, t_add_udp}, {T_NATIVE, T_PORT_UDP_NATIVE, t_add_udp},
	};

	t_evidence_begin(ev);
	for (uint32_t i = 0; i < T_CONNECTIONS; i++) {
		struct t_conn c = {
			.kind = rows[i].kind,
			.server_port = rows[i].port,
			.client_port = (uint16_t)(T_CLIENT_PORT + i),
			.client_isn = 1000 + i * 100000,
			.server_isn = 0xfffffff0 + i, /* wraps at once */
			.cookie = 100 + 2 * i,
		};

		rows[i].add(ev, &c);
	}
	t_evidence_end(ev);
}

bool t_frame_is_of(const struct evidence_frame *f, uint16_t server_port)
{
	return f->info.has_ports && (f->info.sport == server_port || f->info.dport == server_port);
}

static void take_out(void *list, size_t *n, size_t i, size_t item)
{
	char *at = (char *)list + i * item;

	assert(i < *n);
	memmove(at, at + item, (--*n - i) * item);
}

void t_delete_frame(struct evidence *ev, size_t i)
{
	take_out(ev->frames, &ev->n_frames, i, sizeof(ev->frames[0]));
}

void t_delete_api(struct evidence *ev, size_t i)
{
	take_out(ev->api, &ev->n_api, i, sizeof(ev->api[0]));
}

void t_delete_kernel(struct evidence *ev, size_t i)
{
	take_out(ev->kernel, &ev->n_kernel, i, sizeof(ev->kernel[0]));
}

size_t t_find_frame(const struct evidence *ev, uint16_t port, uint32_t tap, uint32_t nth)
{
	for (size_t i = 0; i < ev->n_frames; i++)
		if (ev->frames[i].tap == tap && t_frame_is_of(&ev->frames[i], port) && nth-- == 0)
			return i;
	abort(); /* no such frame */
}

uint16_t t_server_port(const struct evidence_api *a)
{
	return a->side == SIDE_SERVER ? a->local.port : a->peer.port;
}

struct evidence_api *t_find_api(struct evidence *ev, uint16_t port, enum evidence_side side)
{
	for (size_t i = 0; i < ev->n_api; i++)
		if (ev->api[i].side == side && t_server_port(&ev->api[i]) == port)
			return &ev->api[i];
	abort(); /* no such record */
}

struct sockdiag_entry *t_find_kernel(struct evidence *ev, uint16_t port, uint32_t tap)
{
	for (size_t i = 0; i < ev->n_kernel; i++) {
		struct sockdiag_entry *e = &ev->kernel[i].entry;

		if (ev->kernel[i].tap == tap &&
		    (tap == T_TAP_SERVER ? e->src.port : e->dst.port) == port)
			return e;
	}
	abort(); /* no such socket */
}

void t_own_stack(struct evidence *ev)
{
	ev->taps[T_TAP_SERVER].own_stack = true;
	for (size_t i = ev->n_kernel; i-- > 0;)
		if (ev->kernel[i].tap == T_TAP_SERVER)
			t_delete_kernel(ev, i);
	for (size_t i = 0; i < ev->n_api; i++)
		if (ev->api[i].side == SIDE_SERVER)
			ev->api[i].cookie = 0;
}
