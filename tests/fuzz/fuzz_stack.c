/* SPDX-License-Identifier: MIT */
/* fuzz_stack.c - libFuzzer target for the user-space stack: frames, time and calls in any order */
#include "stack_input.h"

#include "../../rawstack/stack/stack.h"
#include "../../rawstack/wire/csum.h"

#include <assert.h>
#include <stdlib.h>

/*
 * Everything the stack sends is read by the dissector and must be sound: lengths, checksums. Memory
 * is bounded. Whatever came, the host is taken down in the end, and the sanitizers look for what it
 * left.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

enum { FRAME_ROOM = 1514, CONNS_MAX = 8, MEMORY_MAX = 64 << 20, PORT = 80 };

static const uint8_t stack_mac[6] = {2, 0, 0, 0, 0, 2}, peer_mac[6] = {2, 0, 0, 0, 0, 1};

struct host {
	struct stack *s;
	uint64_t now;
	int listener, udp;
	stack_conn conns[CONNS_MAX];
	int n;
	struct stack_course course;
	uint8_t frame[FRAME_ROOM];
};

static struct addr address(const char *text)
{
	struct addr a;
	int rc = addr_parse(text, &a, NULL);

	assert(rc == 0);
	return a;
}

static uint8_t *reserve(void *arg, size_t len)
{
	struct host *h = arg;

	assert(len <= sizeof(h->frame));
	return h->frame;
}

static void commit(void *arg, size_t len)
{
	struct host *h = arg;
	struct frame_meta meta = {.caplen = (uint32_t)len, .wirelen = (uint32_t)len};
	struct frame_info info;

	frame_dissect(h->frame, &meta, &info);
	assert(!(info.problems & FRAME_BAD));
	assert(memcmp(h->frame + 6, stack_mac, 6) == 0);
	stack_follow(&h->course, h->frame, len);
}

static void open_host(struct host *h)
{
	struct stack_config cfg = {
		.link = {reserve, commit, h},
		.n_addrs = 2,
		.addrs = {{address("198.51.100.2"), 24}, {address("2001:db8:1::2"), 64}},
		.skip_dad = true,
		.max_conns = 64,
		.max_half_open = 8,
		.max_time_wait = 8,
		.recv_buffer = 8192,
		.send_buffer = 8192,
		.max_buffers = 1 << 20};
	struct stack_bind b = {.family = AF_INET6, .local = {.port = PORT}};
	struct addr peers[2] = {address("198.51.100.1"), address("2001:db8:1::1")};
	int rc;

	memcpy(cfg.mac, stack_mac, 6);
	h->now = 1000000000;
	rc = stack_create(&cfg, h->now, &h->s);
	assert(rc == 0);
	for (int i = 0; i < 2; i++)
		(void)stack_neighbour(h->s, &peers[i], peer_mac);
	h->listener = stack_tcp_bind(h->s, &b);
	h->udp = stack_udp_bind(h->s, &b);
	rc = stack_tcp_listen(h->s, h->listener, 4);
	assert(rc == 0 && h->udp >= 0);
}

/* --- putting a frame right --- */

static size_t l4_offset(const uint8_t *frame, size_t len)
{
	size_t hdr = 14 + (size_t)(frame[14] & 0xf) * 4;

	if (get_be16(frame + 12) == 0x86dd)
		return len >= 54 ? 54 : 0;
	return get_be16(frame + 12) == 0x0800 && hdr >= 34 && len >= hdr ? hdr : 0;
}

static void fix_l4(uint8_t *frame, size_t len, size_t l4)
{
	bool v6 = l4 == 54 && get_be16(frame + 12) == 0x86dd;
	uint8_t proto = v6 ? frame[20] : frame[23];
	size_t at = proto == 6 ? 16 : proto == 17 ? 6 : 2;
	struct addr src = v6 ? addr_from_v6(frame + 22) : addr_from_v4(frame + 26);
	struct addr dst = v6 ? addr_from_v6(frame + 38) : addr_from_v4(frame + 30);

	if (len < l4 + at + 2 || (proto != 6 && proto != 17 && proto != 1 && proto != 58))
		return;
	if (proto == 17)
		put_be16(frame + l4 + 4, (uint16_t)(len - l4));
	put_be16(frame + l4 + at, 0);
	put_be16(frame + l4 + at, csum_segment(&src, &dst, v6, proto, frame + l4, len - l4));
}

static void fix(uint8_t *frame, size_t len)
{
	size_t l4;

	if (len < 34)
		return;
	l4 = l4_offset(frame, len);
	if (!l4)
		return;
	if (l4 == 54 && get_be16(frame + 12) == 0x86dd) {
		put_be16(frame + 18, (uint16_t)(len - 54));
	} else {
		put_be16(frame + 16, (uint16_t)(len - 14));
		put_be16(frame + 24, 0);
		put_be16(frame + 24, csum_of(frame + 14, l4 - 14));
	}
	fix_l4(frame, len, l4);
}

static void make_relative(const struct stack_course *c, uint8_t *frame, size_t len)
{
	uint8_t *tcp = stack_find_tcp(frame, len);

	if (!tcp)
		return;
	put_be32(tcp + 4, get_be32(tcp + 4) + c->peer_next);
	if (tcp[13] & 16)
		put_be32(tcp + 8, get_be32(tcp + 8) + c->stack_next);
}

/* --- what happens --- */

static void give_frame(struct host *h, enum stack_op op, const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	assert(exact);
	memcpy(exact, bytes, len);
	if (op == STACK_OP_RELATIVE)
		make_relative(&h->course, exact, len);
	if (op != STACK_OP_RAW)
		fix(exact, len);
	stack_input(h->s, h->now, exact, len, NULL);
	free(exact);
}

static void forget(struct host *h, int i)
{
	h->conns[i] = h->conns[--h->n];
}

static void connect_to(struct host *h, const char *text)
{
	struct endpoint peer = {.addr = address(text), .port = 5000};
	stack_conn conn;

	if (h->n < CONNS_MAX && stack_connect(h->s, h->now, AF_INET6, false, -1, &peer, &conn) == 0)
		h->conns[h->n++] = conn;
}

static void read_all(struct host *h)
{
	struct stack_dgram d;
	uint8_t buf[512];

	for (int i = 0; i < h->n; i++)
		while (stack_read(h->s, h->conns[i], buf, sizeof(buf), false) > 0)
			;
	while (stack_udp_recv(h->s, h->udp, &d) == 0) {
		(void)stack_udp_send(h->s, h->now, h->udp, &d.peer, &d.local.addr, d.data, d.len);
		stack_udp_release(h->s, &d);
	}
}

static void use(struct host *h, uint8_t what)
{
	static const uint8_t data[3000] = {1};
	stack_conn conn;

	switch (what % STACK_USER_NUM) {
	case STACK_USER_ACCEPT:
		while (h->n < CONNS_MAX && stack_accept(h->s, h->listener, &conn, NULL) == 0)
			h->conns[h->n++] = conn;
		return;
	case STACK_USER_READ:
		read_all(h);
		return;
	case STACK_USER_SEND:
		for (int i = 0; i < h->n; i++)
			(void)stack_send(h->s, h->conns[i], data, 1 + (size_t)what * 10);
		return;
	case STACK_USER_SHUTDOWN:
		for (int i = 0; i < h->n; i++)
			(void)stack_shutdown_send(h->s, h->conns[i]);
		return;
	case STACK_USER_CLOSE:
		if (h->n) {
			stack_close(h->s, h->now, h->conns[0]);
			forget(h, 0);
		}
		return;
	case STACK_USER_ABORT:
		if (h->n) {
			stack_abort(h->s, h->now, h->conns[0]);
			forget(h, 0);
		}
		return;
	case STACK_USER_CONNECT4:
		connect_to(h, "198.51.100.1");
		return;
	default:
		connect_to(h, "2001:db8:1::1");
	}
}

static void happen(struct host *h, enum stack_op op, const uint8_t *bytes, size_t len)
{
	struct stack_event ev;

	if (op == STACK_OP_TIME && len >= 2) {
		h->now += (uint64_t)get_be16(bytes) * 1000000;
		stack_timers(h->s, h->now);
	} else if (op == STACK_OP_USER && len >= 1) {
		use(h, bytes[0]);
	} else if (op <= STACK_OP_RELATIVE) {
		give_frame(h, op, bytes, len);
	}
	while (stack_event(h->s, &ev))
		;
	stack_flush(h->s, h->now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct host h;
	struct span s = span_of(data, size);
	struct stack_stats st;

	if (size > STACK_INPUT_MAX)
		return 0;
	h = (struct host){0};
	open_host(&h);
	for (int i = 0; i < STACK_RECORDS_MAX && span_len(&s) >= STACK_RECORD_HDR; i++) {
		const uint8_t *hdr = span_take(&s, STACK_RECORD_HDR);
		size_t len = get_be16(hdr + 1);

		if (len > span_len(&s))
			len = span_len(&s);
		happen(&h, hdr[0] % STACK_OP_NUM, span_take(&s, len), len);
	}
	stack_stats(h.s, &st);
	assert(st.memory < MEMORY_MAX);
	stack_destroy(h.s);
	return 0;
}

/* --- a mutator that keeps the records whole --- */

struct record {
	size_t at, len; /* of the bytes behind its header */
};

static int split(const uint8_t *data, size_t size, struct record *r)
{
	size_t at = 0;
	int n = 0;

	while (n < STACK_RECORDS_MAX && size - at >= STACK_RECORD_HDR) {
		size_t len = get_be16(data + at + 1);

		at += STACK_RECORD_HDR;
		if (len > size - at)
			len = size - at;
		r[n++] = (struct record){at, len};
		at += len;
	}
	return n;
}

/* One record's bytes are mutated in a copy and put back with their new length. */
static size_t mutate_record(uint8_t *data, size_t size, size_t max, const struct record *r)
{
	uint8_t copy[2048];
	size_t rest = size - r->at - r->len, room = max - (size - r->len), len;

	if (r->len > sizeof(copy))
		return size;
	memcpy(copy, data + r->at, r->len);
	len = LLVMFuzzerMutate(copy, r->len, room < sizeof(copy) ? room : sizeof(copy));
	memmove(data + r->at + len, data + r->at + r->len, rest);
	memcpy(data + r->at, copy, len);
	put_be16(data + r->at - 2, (uint16_t)len);
	return size - r->len + len;
}

static size_t repeat_record(uint8_t *data, size_t size, size_t max, const struct record *r)
{
	size_t whole = STACK_RECORD_HDR + r->len, begin = r->at - STACK_RECORD_HDR;

	if (size + whole > max)
		return size;
	memmove(data + begin + whole, data + begin, size - begin);
	return size + whole;
}

static size_t drop_record(uint8_t *data, size_t size, const struct record *r)
{
	size_t whole = STACK_RECORD_HDR + r->len, begin = r->at - STACK_RECORD_HDR;

	memmove(data + begin, data + begin + whole, size - begin - whole);
	return size - whole;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct record r[STACK_RECORDS_MAX];
	int n = split(data, size, r);
	const struct record *one = &r[n ? seed / 16 % (unsigned int)n : 0];

	if (n == 0)
		return LLVMFuzzerMutate(data, size, max);
	switch (seed % 16) {
	case 0:
		return repeat_record(data, size, max, one);
	case 1:
		return n > 1 ? drop_record(data, size, one) : size;
	case 2:
		data[one->at - STACK_RECORD_HDR] = (uint8_t)(seed >> 8) % STACK_OP_NUM;
		return size;
	case 3:
		return LLVMFuzzerMutate(data, size, max);
	default:
		return mutate_record(data, size, max, one);
	}
}
