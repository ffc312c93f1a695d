/* SPDX-License-Identifier: MIT */
/* test_sabotage.c - real runs with something spoiled: none of them may come out as confirmed */
#include "t_bench.h"
#include "t_program.h"

#include "../../rawstack/netlink/lab_extra.h"
#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/wire/build.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/ipv4.h"
#include "../../rawstack/wire/ipv6.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

enum { FRAME_MAX = 512, MESSAGE_LEN = 40, LO_INDEX = 1 };

/* What an unspoiled run gives; every test starts from this. */
static void expect_control(const struct evidence *ev)
{
	bench_expect_identity(ev);
	bench_expect(ev, "not spoiled", VERDICT_CONFIRMED, REASON_NUM);
}

static struct bench *mapped_and_native(void)
{
	struct bench *b = bench_new();

	bench_watch(b, NULL);
	for (enum bench_way way = BENCH_MAPPED; way <= BENCH_NATIVE; way++) {
		bench_talk(b, IPPROTO_TCP, way, MESSAGE_LEN);
		bench_talk(b, IPPROTO_UDP, way, MESSAGE_LEN);
	}
	bench_conclude(b);
	expect_control(&b->ev);
	return b;
}

Test(sabotage, without_any_one_frame_nothing_is_confirmed)
{
	struct bench *b = mapped_and_native();
	struct evidence *ev = &b->ev;
	size_t n = ev->n_frames;

	cr_assert(n > 40, "%zu frames", n);
	for (size_t k = 0; k < n; k++) {
		struct evidence_frame gone = ev->frames[k];

		memmove(ev->frames + k, ev->frames + k + 1, (n - k - 1) * sizeof(gone));
		ev->n_frames = n - 1;
		bench_expect(ev, "one frame deleted", VERDICT_INCONCLUSIVE, REASON_IDENTITY_FAILED);
		/* Whoever edits the counts too is still short of a frame somewhere. */
		ev->taps[gone.tap].consumed--;
		ev->taps[gone.tap].packets--;
		bench_expect(ev, "one frame deleted and the counts edited", VERDICT_INCONCLUSIVE,
			     REASON_NUM);
		ev->taps[gone.tap].consumed++;
		ev->taps[gone.tap].packets++;
		memmove(ev->frames + k + 1, ev->frames + k, (n - k - 1) * sizeof(gone));
		ev->frames[k] = gone;
		ev->n_frames = n;
	}
	expect_control(ev);
	bench_free(b);
}

Test(sabotage, an_empty_run_confirms_nothing)
{
	struct bench *b = bench_new();
	struct bench_verdict v;

	bench_watch(b, NULL);
	bench_conclude(b);
	bench_expect_identity(&b->ev);
	v = bench_judge(&b->ev);
	cr_assert(v.verdict == VERDICT_INCONCLUSIVE && v.connections == 0, "%s", v.text);
	bench_free(b);
}

/* What a program could report wrongly. */
typedef void (*edit_fn)(struct evidence_api *a);

static void edit_family(struct evidence_api *a)
{
	a->family = a->family == AF_INET ? AF_INET6 : AF_INET;
}

static void edit_peer_address(struct evidence_api *a)
{
	a->peer.addr.b[15] ^= 0x40;
}

static void edit_local_address(struct evidence_api *a)
{
	a->local.addr.b[15] ^= 0x40;
}

static void edit_peer_port(struct evidence_api *a)
{
	a->peer.port ^= 1;
}

static void edit_cookie(struct evidence_api *a)
{
	a->cookie += UINT64_C(1) << 40;
}

static void edit_bytes(struct evidence_api *a)
{
	a->bytes_in++;
}

struct edit {
	const char *name;
	edit_fn edit;
	int proto; /* 0: both */
	enum verdict verdict;
	enum reason reason; /* REASON_NUM: whichever */
};

static const struct edit EDITS[] = {
	{"family", edit_family, 0, VERDICT_CONTRADICTED, REASON_KERNEL_FAMILY_MISMATCH},
	{"peer address", edit_peer_address, IPPROTO_TCP, VERDICT_CONTRADICTED,
	 REASON_API_KERNEL_ADDRESS_MISMATCH},
	{"peer address", edit_peer_address, IPPROTO_UDP, VERDICT_NUM, REASON_NUM},
	{"local address", edit_local_address, IPPROTO_TCP, VERDICT_CONTRADICTED,
	 REASON_API_KERNEL_ADDRESS_MISMATCH},
	{"local address", edit_local_address, IPPROTO_UDP, VERDICT_NUM, REASON_NUM},
	{"peer port", edit_peer_port, IPPROTO_TCP, VERDICT_CONTRADICTED,
	 REASON_API_KERNEL_ADDRESS_MISMATCH},
	{"cookie", edit_cookie, IPPROTO_TCP, VERDICT_INCONCLUSIVE, REASON_COOKIE_MISMATCH},
	{"cookie", edit_cookie, IPPROTO_UDP, VERDICT_INCONCLUSIVE, REASON_NUM},
	{"bytes", edit_bytes, IPPROTO_UDP, VERDICT_INCONCLUSIVE, REASON_WIRE_LT_API},
};

static void expect_edit(const struct evidence *ev, const struct edit *e, size_t record)
{
	struct bench_verdict v = bench_judge(ev);

	cr_assert(v.verdict != VERDICT_CONFIRMED, "%s of record %zu: %s", e->name, record, v.text);
	if (e->verdict != VERDICT_NUM)
		cr_assert(v.verdict == e->verdict, "%s of record %zu: %s", e->name, record, v.text);
	if (e->reason != REASON_NUM)
		cr_assert(v.reasons & reason_bit(e->reason), "%s of record %zu: %s", e->name,
			  record, v.text);
}

Test(sabotage, a_program_that_reports_anything_else_is_not_confirmed)
{
	struct bench *b = mapped_and_native();
	struct evidence *ev = &b->ev;

	cr_assert(ev->n_api == 8, "%zu records", ev->n_api);
	for (size_t e = 0; e < sizeof(EDITS) / sizeof(EDITS[0]); e++) {
		for (size_t i = 0; i < ev->n_api; i++) {
			struct evidence_api was = ev->api[i];

			if (EDITS[e].proto && EDITS[e].proto != was.proto)
				continue;
			EDITS[e].edit(&ev->api[i]);
			expect_edit(ev, &EDITS[e], i);
			ev->api[i] = was;
		}
	}
	expect_control(ev);
	bench_free(b);
}

/* The cookies of all sockets of both hosts: listeners, UDP sockets, other connections. */
Test(sabotage, a_connection_with_the_cookie_of_any_other_socket_is_not_confirmed)
{
	static const struct edit swap = {
		.name = "another socket's cookie", .verdict = VERDICT_NUM, .reason = REASON_NUM};
	struct bench *b = mapped_and_native();
	struct evidence *ev = &b->ev;

	for (size_t i = 0; i < ev->n_api; i++) {
		struct evidence_api was = ev->api[i];

		for (size_t k = 0; k < ev->n_kernel; k++) {
			if (ev->kernel[k].entry.cookie == was.cookie)
				continue;
			ev->api[i].cookie = ev->kernel[k].entry.cookie;
			expect_edit(ev, &swap, i);
		}
		ev->api[i] = was;
	}
	expect_control(ev);
	bench_free(b);
}

/* The next frame of this connection in the client's direction, as @spec of its own carriage. */
static struct frame_spec spec_of(const struct bench *b, const struct bench_client *c)
{
	const struct lab_host *from = &b->lab.host[LAB_CLIENT], *to = &b->lab.host[LAB_SERVER];
	struct frame_spec spec = {
		.ipv6 = c->way == BENCH_NATIVE,
		.src = c->rec.local.addr,
		.dst = c->rec.peer.addr,
		.proto = (uint8_t)c->rec.proto,
		.sport = c->rec.local.port,
		.dport = c->rec.peer.port,
		.tcp_flags = TCP_ACK,
	};

	memcpy(spec.src_mac, from->mac, sizeof(spec.src_mac));
	memcpy(spec.dst_mac, to->mac, sizeof(spec.dst_mac));
	return spec;
}

static void build(const struct frame_spec *spec, struct outbuf *out)
{
	cr_assert(frame_build(spec, "forged\n", 7, out) > 0);
}

static void put_ipv4(const struct bench *b, uint8_t proto, uint16_t offset, const void *payload,
		     size_t len, struct outbuf *out)
{
	const struct ipv4_hdr h = {
		.tot_len = (uint16_t)(IPV4_HDR_LEN + len),
		.id = 0xd1a1,
		.frag_offset = offset,
		.ttl = 64,
		.proto = proto,
		.src = b->lab.host[LAB_CLIENT].v4[0],
		.dst = b->lab.host[LAB_SERVER].v4[0],
	};

	cr_assert(ipv4_build(&h, out) == IPV4_HDR_LEN);
	outbuf_put(out, payload, len);
}

static void put_ipv6(const struct bench *b, uint8_t next, const void *payload, size_t len,
		     struct outbuf *out)
{
	const struct ipv6_hdr h = {
		.payload_len = (uint16_t)len,
		.next = next,
		.hop_limit = 64,
		.src = b->lab.host[LAB_CLIENT].v6[0],
		.dst = b->lab.host[LAB_SERVER].v6[0],
	};

	cr_assert(ipv6_build(&h, out) == IPV6_HDR_LEN);
	outbuf_put(out, payload, len);
}

static void put_eth(const struct bench *b, uint16_t ethertype, struct outbuf *out)
{
	struct eth_hdr h = {.ethertype = ethertype};

	memcpy(h.src, b->lab.host[LAB_CLIENT].mac, sizeof(h.src));
	memcpy(h.dst, b->lab.host[LAB_SERVER].mac, sizeof(h.dst));
	cr_assert(eth_build(&h, out) == ETH_HDR_LEN);
}

/* A forged frame beside the connection @c. */
typedef void (*forge_fn)(const struct bench *b, const struct bench_client *c, struct outbuf *out);

static void forge_6in4(const struct bench *b, const struct bench_client *c, struct outbuf *out)
{
	struct frame_spec spec = spec_of(b, c);
	uint8_t bytes[FRAME_MAX];
	struct outbuf inner = outbuf_of(bytes, sizeof(bytes));

	build(&spec, &inner);
	put_eth(b, ETHTYPE_IPV4, out);
	put_ipv4(b, IPPROTO_IPV6, 0, bytes + ETH_HDR_LEN, inner.len - ETH_HDR_LEN, out);
}

static void forge_4in6(const struct bench *b, const struct bench_client *c, struct outbuf *out)
{
	struct frame_spec spec = spec_of(b, c);
	uint8_t bytes[FRAME_MAX];
	struct outbuf inner = outbuf_of(bytes, sizeof(bytes));

	build(&spec, &inner);
	put_eth(b, ETHTYPE_IPV6, out);
	put_ipv6(b, IPPROTO_IPIP, bytes + ETH_HDR_LEN, inner.len - ETH_HDR_LEN, out);
}

static void forge_literal_mapped(const struct bench *b, const struct bench_client *c,
				 struct outbuf *out)
{
	struct frame_spec spec = spec_of(b, c);

	spec.ipv6 = true;
	build(&spec, out);
}

static void forge_wrong_ethertype(const struct bench *b, const struct bench_client *c,
				  struct outbuf *out)
{
	struct frame_spec spec = spec_of(b, c);

	spec.ethertype = spec.ipv6 ? ETHTYPE_IPV4 : ETHTYPE_IPV6;
	build(&spec, out);
}

static void forge_later_fragment(const struct bench *b, const struct bench_client *c,
				 struct outbuf *out)
{
	(void)c;
	put_eth(b, ETHTYPE_IPV4, out);
	put_ipv4(b, IPPROTO_UDP, 1480, "forged\n", 7, out);
}

/* More destination options than the dissector follows, then a segment of the connection. */
static void forge_header_chain(const struct bench *b, const struct bench_client *c,
			       struct outbuf *out)
{
	static const uint8_t pad_n[IPV6_EXTHDR_MIN] = {IPPROTO_DSTOPTS, 0, 1, 4};
	enum { HEADERS = IPV6_EXTHDR_MAX + 1 };
	struct frame_spec spec = spec_of(b, c);
	uint8_t plain[FRAME_MAX], bytes[FRAME_MAX];
	struct outbuf segment = outbuf_of(plain, sizeof(plain));
	struct outbuf chain = outbuf_of(bytes, sizeof(bytes));

	build(&spec, &segment);
	for (int i = 0; i < HEADERS; i++)
		outbuf_put(&chain, pad_n, sizeof(pad_n));
	bytes[(HEADERS - 1) * sizeof(pad_n)] = IPPROTO_TCP;
	outbuf_put(&chain, plain + ETH_HDR_LEN + IPV6_HDR_LEN,
		   segment.len - ETH_HDR_LEN - IPV6_HDR_LEN);
	put_eth(b, ETHTYPE_IPV6, out);
	put_ipv6(b, IPPROTO_DSTOPTS, bytes, chain.len, out);
}

struct forgery {
	const char *name;
	int proto;
	enum bench_way way;
	forge_fn forge;
	enum verdict verdict;
	enum reason reason;
};

static const struct forgery FORGERIES[] = {
	{"6in4 with the tuple of a native connection", IPPROTO_TCP, BENCH_NATIVE, forge_6in4,
	 VERDICT_CONTRADICTED, REASON_TUNNEL_6IN4},
	{"4in6 with the tuple of a mapped connection", IPPROTO_TCP, BENCH_MAPPED, forge_4in6,
	 VERDICT_CONTRADICTED, REASON_TUNNEL_OTHER},
	{"literal ::ffff: addresses in an IPv6 header", IPPROTO_UDP, BENCH_MAPPED,
	 forge_literal_mapped, VERDICT_CONTRADICTED, REASON_CARRIAGE_OTHER},
	{"literal ::ffff: addresses in an IPv6 header", IPPROTO_TCP, BENCH_MAPPED,
	 forge_literal_mapped, VERDICT_CONTRADICTED, REASON_MIXED_CARRIAGE},
	{"0x0800 with version 6", IPPROTO_TCP, BENCH_NATIVE, forge_wrong_ethertype,
	 VERDICT_CONTRADICTED, REASON_ETHERTYPE_VERSION_MISMATCH},
	{"0x0800 with version 6", IPPROTO_UDP, BENCH_NATIVE, forge_wrong_ethertype,
	 VERDICT_CONTRADICTED, REASON_ETHERTYPE_VERSION_MISMATCH},
	{"0x86dd with version 4", IPPROTO_TCP, BENCH_MAPPED, forge_wrong_ethertype,
	 VERDICT_CONTRADICTED, REASON_ETHERTYPE_VERSION_MISMATCH},
	{"a later IPv4 fragment alone", IPPROTO_UDP, BENCH_MAPPED, forge_later_fragment,
	 VERDICT_INCONCLUSIVE, REASON_FRAGMENTS_UNATTRIBUTED},
	{"too many extension headers", IPPROTO_TCP, BENCH_NATIVE, forge_header_chain,
	 VERDICT_INCONCLUSIVE, REASON_UNPARSED},
};

/* One exchange with, if @f names one, a forged frame in its middle. */
static void run_forgery(const struct forgery *f, bool forged)
{
	struct bench *b = bench_new();
	struct bench_client c = bench_open(b, f->proto, f->way);
	uint8_t bytes[FRAME_MAX];
	struct outbuf out = outbuf_of(bytes, sizeof(bytes));

	bench_watch(b, NULL);
	bench_connect(b, &c);
	bench_exchange(&c, MESSAGE_LEN);
	if (forged) {
		f->forge(b, &c, &out);
		cr_assert(!out.overflow);
		bench_inject(b, bytes, out.len);
	}
	bench_exchange(&c, MESSAGE_LEN);
	bench_hang_up(b, &c);
	bench_conclude(b);
	bench_expect_identity(&b->ev);
	if (forged)
		bench_expect(&b->ev, f->name, f->verdict, f->reason);
	else
		expect_control(&b->ev);
	bench_free(b);
}

Test(sabotage, a_forged_frame_beside_a_connection_is_not_overlooked)
{
	for (size_t i = 0; i < sizeof(FORGERIES) / sizeof(FORGERIES[0]); i++) {
		run_forgery(&FORGERIES[i], true);
		run_forgery(&FORGERIES[i], false);
	}
}

/* Two blocks of one page, and nobody reads. */
Test(sabotage, a_ring_that_dropped_frames_confirms_nothing_and_counts_them)
{
	for (int version = 2; version <= 3; version++) {
		struct bench *b = bench_new();
		struct witness_config cfg = bench_watch_config(b);
		struct bench_client c = bench_open(b, IPPROTO_UDP, BENCH_MAPPED);

		cfg.ring = (struct ring_config){.version = version,
						.block_size = 4096,
						.block_count = 2,
						.retire_ms = 1,
						.snaplen = FILTER_SNAPLEN};
		bench_watch(b, &cfg);
		bench_connect(b, &c);
		for (int i = 0; i < 200; i++)
			bench_exchange(&c, MESSAGE_LEN);
		bench_hang_up(b, &c);
		bench_conclude(b);
		cr_assert(b->ev.taps[0].drops > 0 && b->ev.taps[1].drops > 0, "no drops");
		bench_expect_identity(&b->ev);
		bench_expect(&b->ev, "dropped frames", VERDICT_INCONCLUSIVE, REASON_RING_DROPS);
		bench_free(b);
	}
}

Test(sabotage, a_connection_whose_beginning_was_missed_is_not_confirmed)
{
	struct bench *b = bench_new();
	struct bench_client c = bench_open(b, IPPROTO_TCP, BENCH_MAPPED);

	bench_connect(b, &c);
	bench_watch(b, NULL);
	bench_exchange(&c, MESSAGE_LEN);
	bench_hang_up(b, &c);
	bench_conclude(b);
	bench_expect_identity(&b->ev);
	bench_expect(&b->ev, "late start", VERDICT_INCONCLUSIVE, REASON_STARTED_LATE);
	bench_free(b);
}

Test(sabotage, a_connection_whose_end_was_missed_is_not_confirmed)
{
	struct bench *b = bench_new();
	struct bench_client c = bench_open(b, IPPROTO_TCP, BENCH_MAPPED);
	struct evidence *ev;

	bench_watch(b, NULL);
	bench_connect(b, &c);
	bench_exchange(&c, MESSAGE_LEN);
	cr_assert(witness_stop(b->witness) == 0);
	bench_hang_up(b, &c);
	bench_collect(b);
	ev = witness_evidence(b->witness);
	bench_expect_identity(ev);
	bench_expect(ev, "early end", VERDICT_INCONCLUSIVE, REASON_ENDED_EARLY);
	bench_free(b);
}

/*
 * Destination options push the transport header behind what is captured. V2 cuts at its slot, which
 * the kernel reports nowhere but in the length; V3 at the filter's snap length.
 */
Test(sabotage, headers_behind_the_captured_bytes_are_not_taken_for_granted)
{
	static const struct {
		const char *name;
		struct ring_config ring;
		uint8_t units; /* of eight bytes of options */
		enum verdict verdict;
		enum reason reason;
	} rows[] = {
		{"V2, cut by the slot",
		 {2, 4096, 64, 0, 0},
		 13,
		 VERDICT_INCONCLUSIVE,
		 REASON_SNAPLEN_SHORT},
		{"V2, few options", {2, 4096, 64, 0, 192}, 11, VERDICT_CONFIRMED, REASON_NUM},
		{"V2, ports cut off too",
		 {2, 4096, 64, 0, 0},
		 17,
		 VERDICT_INCONCLUSIVE,
		 REASON_UNPARSED},
		{"V3, cut by the filter",
		 {3, 65536, 8, 1, 192},
		 16,
		 VERDICT_INCONCLUSIVE,
		 REASON_SNAPLEN_SHORT},
		{"V3, ports cut off too",
		 {3, 65536, 8, 1, 192},
		 25,
		 VERDICT_INCONCLUSIVE,
		 REASON_UNPARSED},
		{"V3, few options", {3, 65536, 8, 1, 192}, 5, VERDICT_CONFIRMED, REASON_NUM},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bench *b = bench_new();
		struct witness_config cfg = bench_watch_config(b);
		struct bench_client c = bench_open(b, IPPROTO_TCP, BENCH_NATIVE);
		uint8_t options[256] = {0};

		/* Header extension length, and one option that a host skips if unknown. */
		options[1] = (uint8_t)(rows[i].units - 1);
		options[2] = 0x1e; /* RFC 4727: for experiments */
		options[3] = (uint8_t)(rows[i].units * 8 - 4);
		cr_assert(setsockopt(c.fd, IPPROTO_IPV6, IPV6_DSTOPTS, options,
				     (socklen_t)(rows[i].units * 8)) == 0);
		cfg.ring = rows[i].ring;
		bench_watch(b, &cfg);
		bench_connect(b, &c);
		bench_exchange(&c, MESSAGE_LEN);
		bench_hang_up(b, &c);
		bench_conclude(b);
		bench_expect_identity(&b->ev);
		bench_expect(&b->ev, rows[i].name, rows[i].verdict, rows[i].reason);
		bench_free(b);
	}
}

Test(sabotage, a_filter_for_another_port_confirms_nothing)
{
	struct bench *b = bench_new();
	struct witness_config cfg = bench_watch_config(b);

	cfg.ports[0] = (struct port_range){BENCH_PORT + 1, BENCH_PORT + 1};
	bench_watch(b, &cfg);
	bench_talk(b, IPPROTO_TCP, BENCH_MAPPED, MESSAGE_LEN);
	bench_talk(b, IPPROTO_UDP, BENCH_NATIVE, MESSAGE_LEN);
	bench_conclude(b);
	bench_expect_identity(&b->ev);
	bench_expect(&b->ev, "wrong port", VERDICT_INCONCLUSIVE, REASON_NO_FRAMES);
	bench_free(b);
}

Test(sabotage, a_watch_on_another_device_confirms_nothing)
{
	struct bench *b = bench_new();
	struct witness_config cfg = bench_watch_config(b);

	cfg.posts[0] = cfg.posts[1];
	cfg.posts[0].ifindex = LO_INDEX;
	cfg.n_posts = 1;
	bench_watch(b, &cfg);
	bench_talk(b, IPPROTO_TCP, BENCH_MAPPED, MESSAGE_LEN);
	bench_talk(b, IPPROTO_UDP, BENCH_NATIVE, MESSAGE_LEN);
	bench_conclude(b);
	bench_expect_identity(&b->ev);
	bench_expect(&b->ev, "lo", VERDICT_INCONCLUSIVE, REASON_NO_FRAMES);
	bench_free(b);
}

/* The queue of every post's events is made small; then more sockets end than it can tell of. */
Test(sabotage, lost_socket_events_confirm_nothing)
{
	enum { SOCKETS = 64, QUEUE_BYTES = 4096 };
	const int bytes = QUEUE_BYTES;
	struct bench *b = bench_new();
	struct pollfd watched[WITNESS_FDS_MAX];
	bool overrun = false;
	int fds[SOCKETS];
	size_t n;

	bench_watch(b, NULL);
	n = witness_fds(b->witness, watched);
	for (size_t i = 0; i < n; i++) {
		setsockopt(watched[i].fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
		watched[i].events = 0;
	}
	bench_talk(b, IPPROTO_TCP, BENCH_MAPPED, MESSAGE_LEN);
	for (int i = 0; i < SOCKETS; i++) {
		fds[i] = netns_socket(b->lab.host[LAB_SERVER].netns_fd, AF_INET, SOCK_DGRAM, 0);
		cr_assert(fds[i] >= 0);
	}
	for (int i = 0; i < SOCKETS; i++)
		close(fds[i]);
	/* The kernel reports from a work queue; ENOBUFS is then pending on the socket. */
	cr_assert(poll(watched, n, BENCH_WAIT_MS) > 0, "the queue holds %d events", SOCKETS);
	for (size_t i = 0; i < n; i++)
		overrun |= (watched[i].revents & POLLERR) != 0;
	cr_assert(overrun);
	bench_conclude(b);
	bench_expect_identity(&b->ev);
	cr_assert(b->ev.kernel_events_lost > 0);
	bench_expect(&b->ev, "lost events", VERDICT_INCONCLUSIVE, REASON_KERNEL_EVENTS_LOST);
	bench_free(b);
}

enum { REUSED_PORT = 40321, REUSES = 3 };

/* A client whose port is chosen, and may have been somebody's a moment ago. */
static struct bench_client open_reused(const struct bench *b)
{
	struct bench_client c = bench_open(b, IPPROTO_TCP, BENCH_MAPPED);
	const struct endpoint any = {.addr = ADDR_ANY6, .port = REUSED_PORT};
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(&any, AF_INET6, &ss), on = 1;

	cr_assert(setsockopt(c.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
	cr_assert(len > 0 && bind(c.fd, (struct sockaddr *)&ss, (socklen_t)len) == 0, "bind: %m");
	return c;
}

/* Until the last one's TIME_WAIT is old enough to be taken over. */
static void connect_reused(struct bench *b, struct bench_client *c)
{
	const struct endpoint to = {.addr = b->lab.host[LAB_SERVER].v4[0], .port = BENCH_PORT};
	uint64_t end = bench_now_ms() + BENCH_WAIT_MS;
	int rc;

	while ((rc = client_connect(c->fd, &to, BENCH_WAIT_MS, &c->rec)) == -EADDRNOTAVAIL &&
	       bench_now_ms() < end) {
		close(c->fd);
		*c = open_reused(b);
	}
	cr_assert(rc == 0, "connect: %s", strerror(-rc));
}

/* Three orderly connections with the same two addresses and ports, one after the other. */
static struct bench *reused_thrice(void)
{
	struct bench *b = bench_new();
	struct lab_error err;

	cr_assert(lab_sysctl(&b->lab, LAB_CLIENT, "net.ipv4.tcp_tw_reuse", "1", &err) == 0);
	if (lab_sysctl(&b->lab, LAB_CLIENT, "net.ipv4.tcp_tw_reuse_delay", "1", &err) < 0) {
		bench_free(b);
		program_skip("this kernel keeps a port in TIME_WAIT for a second (before 6.15)");
	}
	bench_watch(b, NULL);
	for (int i = 0; i < REUSES; i++) {
		struct bench_client c = open_reused(b);

		connect_reused(b, &c);
		bench_exchange(&c, MESSAGE_LEN + (size_t)i);
		bench_hang_up(b, &c);
		bench_await_records(b, (size_t)i + 1);
		cr_assert(witness_step(b->witness) >= 0);
	}
	bench_conclude(b);
	return b;
}

/* Which of them lost what cannot be told any more, or is told by what else was seen. */
Test(sabotage, a_port_used_three_times_is_confirmed_whole_or_not_at_all)
{
	struct bench *b = reused_thrice();
	struct evidence *ev = &b->ev;
	struct bench_verdict v = bench_judge(ev);

	expect_control(ev);
	cr_assert_eq(v.connections, REUSES);
	for (size_t i = 0; i < ev->n_api; i++) {
		struct evidence_api kept = ev->api[i];

		ev->api[i] = ev->api[--ev->n_api];
		bench_expect(ev, "a record less", VERDICT_INCONCLUSIVE,
			     REASON_GENERATION_AMBIGUOUS);
		ev->api[ev->n_api++] = ev->api[i];
		ev->api[i] = kept;
	}
	expect_control(ev);
	for (size_t i = 0; i + 1 < ev->n_api; i++)
		for (size_t k = i + 1; k < ev->n_api; k++) {
			uint64_t cookie = ev->api[i].cookie;

			ev->api[i].cookie = ev->api[k].cookie;
			ev->api[k].cookie = cookie;
			v = bench_judge(ev);
			cr_assert(v.verdict != VERDICT_CONFIRMED, "cookies %zu, %zu: %s", i, k,
				  v.text);
			ev->api[k].cookie = ev->api[i].cookie;
			ev->api[i].cookie = cookie;
		}
	expect_control(ev);
	bench_free(b);
}
