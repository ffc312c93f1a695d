/* SPDX-License-Identifier: MIT */
/* t_damage.c - every way to spoil good evidence, and what is to be said of it then */
#include "t_damage.h"

#include "t_evidence.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

static void delete_on_both(struct evidence *ev, uint16_t port, uint32_t nth)
{
	for (uint32_t tap = 0; tap < T_TAPS; tap++)
		t_delete_frame(ev, t_find_frame(ev, port, tap, nth));
	t_evidence_recount(ev);
}

/* Changes how the @nth frame travelled, as both taps saw it. */
static void carry_as(struct evidence *ev, uint16_t port, uint32_t nth, enum carriage c)
{
	for (uint32_t tap = 0; tap < T_TAPS; tap++) {
		struct frame_info *p = &ev->frames[t_find_frame(ev, port, tap, nth)].info;

		p->carriage = c;
		p->ethertype = c == CARRIAGE_V6 ? ETHTYPE_IPV6 : ETHTYPE_IPV4;
		p->version = c == CARRIAGE_V4 ? 4 : 6;
		p->problems = c == CARRIAGE_MISMATCH ? FRAME_MALFORMED : 0;
	}
}

static void add_frame_and_count(struct evidence *ev, const struct evidence_frame *f)
{
	t_add_frame(ev, f);
	t_evidence_recount(ev);
}

static void frame_of_other_version(struct evidence *ev)
{
	/* 0x86dd with literal ::ffff: addresses */
	carry_as(ev, T_PORT_MAPPED, 3, CARRIAGE_V6);
}

static void native_frame_as_ipv4(struct evidence *ev)
{
	carry_as(ev, T_PORT_NATIVE, 3, CARRIAGE_V4);
}

static void all_frames_of_other_version(struct evidence *ev)
{
	for (size_t i = 0; i < ev->n_frames; i++)
		if (t_frame_is_of(&ev->frames[i], T_PORT_MAPPED))
			ev->frames[i].info.carriage = CARRIAGE_V6;
}

static void one_tap_saw_the_other_version(struct evidence *ev)
{
	ev->frames[t_find_frame(ev, T_PORT_MAPPED, T_TAP_SERVER, 3)].info.carriage = CARRIAGE_V6;
}

static void ethertype_ipv4_with_version_6(struct evidence *ev)
{
	carry_as(ev, T_PORT_MAPPED, 3, CARRIAGE_MISMATCH);
}

static void inject(struct evidence *ev, uint16_t port, enum carriage carriage)
{
	struct evidence_frame f = ev->frames[t_find_frame(ev, port, T_TAP_CLIENT, 0)];

	f.info.carriage = carriage;
	add_frame_and_count(ev, &f);
}

static void injected_6in4_with_the_inner_tuple(struct evidence *ev)
{
	inject(ev, T_PORT_NATIVE, CARRIAGE_TUN_6IN4);
}

static void injected_4in6_with_the_inner_tuple(struct evidence *ev)
{
	inject(ev, T_PORT_MAPPED, CARRIAGE_TUN_OTHER);
}

static void injected_udp_6in4(struct evidence *ev)
{
	inject(ev, T_PORT_UDP_NATIVE, CARRIAGE_TUN_6IN4);
}

static void carriage_unknown(struct evidence *ev)
{
	carry_as(ev, T_PORT_MAPPED, 3, CARRIAGE_NONE);
}

static void api_family_flipped(struct evidence *ev)
{
	t_find_api(ev, T_PORT_MAPPED, SIDE_SERVER)->family = AF_INET;
}

static void kernel_family_flipped(struct evidence *ev)
{
	t_find_kernel(ev, T_PORT_MAPPED, T_TAP_SERVER)->family = AF_INET;
}

/* The record of a port of its own, so that the row's connection is the false one. */
static void false_api_peer(struct evidence *ev)
{
	struct t_conn c = {
		.kind = T_MAPPED, .server_port = T_PORT_FREE, .client_port = 41000, .cookie = 900};

	t_add_api(ev, &c, SIDE_SERVER, 0);
	t_add_kernel(ev, &c, SIDE_SERVER);
	ev->api[ev->n_api - 1].peer.addr.b[15] = 77;
}

static void api_shows_a_native_peer(struct evidence *ev)
{
	struct t_conn native = {
		.kind = T_NATIVE, .server_port = T_PORT_MAPPED, .client_port = 40000};

	t_find_kernel(ev, T_PORT_MAPPED, T_TAP_SERVER)->dst = t_client(&native);
}

static void ring_drops(struct evidence *ev)
{
	ev->taps[T_TAP_CLIENT].drops = 1;
	ev->taps[T_TAP_CLIENT].packets++;
}

static void contradicted_and_ring_drops(struct evidence *ev)
{
	frame_of_other_version(ev);
	ring_drops(ev);
}

static void contradicted_and_incomplete(struct evidence *ev)
{
	frame_of_other_version(ev);
	delete_on_both(ev, T_PORT_MAPPED, 0);
	ev->n_canaries = 0;
	ev->kernel_events_lost = 1;
}

static void consumed_one_more(struct evidence *ev)
{
	ev->taps[T_TAP_SERVER].consumed++;
}

static void consumed_one_less(struct evidence *ev)
{
	ev->taps[T_TAP_SERVER].consumed--;
}

static void one_packet_more(struct evidence *ev)
{
	ev->taps[T_TAP_SERVER].packets++;
}

static void a_frame_is_not_listed(struct evidence *ev)
{
	ev->taps[T_TAP_SERVER].consumed++;
	ev->taps[T_TAP_SERVER].packets++;
}

static void no_taps(struct evidence *ev)
{
	ev->n_taps = 0;
}

static void block_gap(struct evidence *ev)
{
	ev->taps[T_TAP_SERVER].block_gaps = 1;
}

static void went_down(struct evidence *ev)
{
	ev->taps[T_TAP_CLIENT].went_down = true;
}

static void no_canaries(struct evidence *ev)
{
	ev->n_canaries = 0;
}

static void no_start_canary_of_the_server(struct evidence *ev)
{
	ev->n_canaries--;
	memmove(&ev->canaries[1], &ev->canaries[2], (ev->n_canaries - 1) * sizeof(ev->canaries[0]));
}

static void no_end_canary_of_the_server(struct evidence *ev)
{
	ev->n_canaries--;
}

/* Another tap, but not this one, saw it: say, this one captured on the wrong device. */
static void canary_seen_on_one_tap(struct evidence *ev)
{
	for (size_t i = 0; i < ev->n_frames; i++)
		if (ev->frames[i].canary && ev->frames[i].tap == T_TAP_SERVER) {
			t_delete_frame(ev, i);
			break;
		}
	t_evidence_recount(ev);
}

static void clock_forward(struct evidence *ev)
{
	ev->clock_step_ns = 100000001;
}

static void clock_back(struct evidence *ev)
{
	ev->clock_step_ns = -100000001;
}

static void clock_slewed(struct evidence *ev)
{
	ev->clock_step_ns = -99999999;
}

static void kernel_events_lost(struct evidence *ev)
{
	ev->kernel_events_lost = 1;
}

static void add_unread(struct evidence *ev, uint32_t problem, bool ports)
{
	struct evidence_frame f = ev->frames[t_find_frame(ev, T_PORT_MAPPED, T_TAP_CLIENT, 3)];

	f.info.problems = problem;
	f.info.has_ports = ports;
	add_frame_and_count(ev, &f);
}

static void exthdr_limit_before_the_ports(struct evidence *ev)
{
	add_unread(ev, FRAME_EXTHDR_LIMIT, false);
}

static void exthdr_limit(struct evidence *ev)
{
	add_unread(ev, FRAME_EXTHDR_LIMIT, true);
}

static void truncated(struct evidence *ev)
{
	add_unread(ev, FRAME_TRUNCATED, true);
}

static void malformed(struct evidence *ev)
{
	add_unread(ev, FRAME_MALFORMED, true);
}

static void overflow(struct evidence *ev)
{
	ev->overflow = true;
}

static void too_many_generations(struct evidence *ev)
{
	struct t_conn c = {.kind = T_PLAIN, .server_port = T_PORT_FREE, .client_port = 1};

	for (uint32_t i = 0; i <= FLOW_GENERATIONS_MAX; i++) {
		struct evidence_frame f = t_frame(&c, T_TAP_CLIENT, true, TCP_SYN, i, 0, 0);

		t_add_frame(ev, &f);
	}
	t_evidence_recount(ev);
}

static void no_frames(struct evidence *ev)
{
	for (int i = 0; i < 10; i++)
		delete_on_both(ev, T_PORT_MAPPED, 0);
}

static void no_frames_of_udp(struct evidence *ev)
{
	delete_on_both(ev, T_PORT_UDP_MAPPED, 0);
	delete_on_both(ev, T_PORT_UDP_MAPPED, 0);
}

static void one_tap_saw_no_frames(struct evidence *ev)
{
	for (int i = 0; i < 10; i++)
		t_delete_frame(ev, t_find_frame(ev, T_PORT_MAPPED, T_TAP_CLIENT, 0));
	t_evidence_recount(ev);
}

static void started_after_the_syn(struct evidence *ev)
{
	delete_on_both(ev, T_PORT_MAPPED, 0);
}

static void started_after_the_handshake(struct evidence *ev)
{
	for (int i = 0; i < 3; i++)
		delete_on_both(ev, T_PORT_MAPPED, 0);
}

static void stopped_before_the_fins(struct evidence *ev)
{
	for (int i = 0; i < 3; i++)
		delete_on_both(ev, T_PORT_MAPPED, 7);
}

static void stopped_before_the_last_ack(struct evidence *ev)
{
	delete_on_both(ev, T_PORT_MAPPED, 9);
}

static void still_open(struct evidence *ev)
{
	stopped_before_the_fins(ev);
	for (uint32_t tap = 0; tap < T_TAPS; tap++) {
		struct sockdiag_entry *e = t_find_kernel(ev, T_PORT_MAPPED, tap);

		e->destroyed = false;
		e->state = TCP_ESTABLISHED;
		e->segs_in -= tap == T_TAP_CLIENT ? 1 : 2;
		e->bytes_received--;
		e->bytes_acked--;
	}
}

static void data_missing(struct evidence *ev)
{
	delete_on_both(ev, T_PORT_MAPPED, 3);
}

static void one_tap_saw_less(struct evidence *ev)
{
	t_delete_frame(ev, t_find_frame(ev, T_PORT_MAPPED, T_TAP_CLIENT, 2));
	t_evidence_recount(ev);
}

static void one_tap_saw_an_ack_twice(struct evidence *ev)
{
	struct evidence_frame f = ev->frames[t_find_frame(ev, T_PORT_MAPPED, T_TAP_CLIENT, 2)];

	evidence_add_frame(ev, &f);
	t_evidence_recount(ev);
}

static void an_ack_missing_on_both_taps(struct evidence *ev)
{
	delete_on_both(ev, T_PORT_MAPPED, 2);
}

static void kernel_counted_a_segment_more(struct evidence *ev)
{
	t_find_kernel(ev, T_PORT_MAPPED, T_TAP_SERVER)->segs_in++;
}

static void api_got_a_datagram_more(struct evidence *ev)
{
	struct evidence_api a = *t_find_api(ev, T_PORT_UDP_MAPPED, SIDE_SERVER);

	a.bytes_in = 0;
	evidence_add_api(ev, &a);
}

static void api_got_a_byte_more(struct evidence *ev)
{
	t_find_api(ev, T_PORT_UDP_NATIVE, SIDE_CLIENT)->bytes_in++;
}

static void server_received_a_byte_more(struct evidence *ev)
{
	t_find_kernel(ev, T_PORT_MAPPED, T_TAP_SERVER)->bytes_received++;
}

static void server_received_less(struct evidence *ev)
{
	t_find_kernel(ev, T_PORT_MAPPED, T_TAP_SERVER)->bytes_received = T_REQUEST - 1;
}

static void client_was_acknowledged_a_byte_more(struct evidence *ev)
{
	t_find_kernel(ev, T_PORT_MAPPED, T_TAP_CLIENT)->bytes_acked++;
}

static void server_was_acknowledged_a_byte_more(struct evidence *ev)
{
	t_find_kernel(ev, T_PORT_MAPPED, T_TAP_SERVER)->bytes_acked++;
}

static void one_tap_saw_a_shorter_datagram(struct evidence *ev)
{
	ev->frames[t_find_frame(ev, T_PORT_UDP_MAPPED, T_TAP_SERVER, 1)].info.payload_len--;
}

static void event_before_the_last_dump(struct evidence *ev)
{
	struct evidence_kernel dump = {.tap = T_TAP_SERVER};

	dump.entry = *t_find_kernel(ev, T_PORT_MAPPED, T_TAP_SERVER);
	dump.entry.destroyed = dump.entry.has_info = false;
	evidence_add_kernel(ev, &dump);
	kernel_counted_a_segment_more(ev);
}

/* A datagram in two fragments; without the first when @whole is false. */
static void add_fragments(struct evidence *ev, bool whole)
{
	for (uint32_t i = whole ? 0 : 1; i < 2; i++) {
		struct evidence_frame f =
			ev->frames[t_find_frame(ev, T_PORT_UDP_MAPPED, T_TAP_CLIENT, 0)];

		f.info.fragment = true;
		f.info.frag_id = 7;
		f.info.frag_offset = i ? 1008 : 0;
		f.info.has_ports = i == 0;
		f.info.payload_len = i ? 92 : 1000;
		t_add_frame(ev, &f);
	}
	t_find_api(ev, T_PORT_UDP_MAPPED, SIDE_SERVER)->bytes_in += 1092;
	t_evidence_recount(ev);
}

static void fragmented(struct evidence *ev)
{
	add_fragments(ev, true);
}

static void first_fragment_missing(struct evidence *ev)
{
	add_fragments(ev, false);
}

static void last_fragment_missing(struct evidence *ev)
{
	add_fragments(ev, true);
	ev->n_frames -= T_TAPS;
	t_evidence_recount(ev);
}

/* The wire shows another server address than client and kernel do; the server is not ours. */
static void address_translated(struct evidence *ev)
{
	struct t_conn c = {
		.kind = T_PLAIN, .server_port = T_PORT_FREE, .client_port = 41000, .cookie = 900};

	t_add_tcp_frames(ev, &c);
	t_add_api(ev, &c, SIDE_CLIENT, 0);
	t_add_kernel(ev, &c, SIDE_CLIENT);
	ev->api[ev->n_api - 1].peer.addr.b[15] = 99;
	ev->kernel[ev->n_kernel - 1].entry.dst.addr.b[15] = 99;
	t_evidence_recount(ev);
}

static void frames_of_another_host(struct evidence *ev)
{
	address_translated(ev);
	ev->api[ev->n_api - 1].ts_ns =
		1; /* before the frames, which are a connection of their own */
	for (size_t i = 0; i < ev->n_frames; i++)
		if (t_frame_is_of(&ev->frames[i], T_PORT_FREE))
			ev->frames[i].outgoing = false;
}

/* Those frames are another socket's of the same host, on the same ports. */
static void frames_of_another_socket(struct evidence *ev)
{
	struct t_conn mine = {
		.kind = T_NATIVE, .server_port = T_PORT_FREE, .client_port = 41000, .cookie = 900};
	struct t_conn other = mine;

	other.kind = T_PLAIN;
	other.cookie = 950;
	t_add_api(ev, &mine, SIDE_CLIENT, -ETIMEDOUT);
	t_add_kernel(ev, &mine, SIDE_CLIENT);
	t_add_tcp_frames(ev, &other);
	t_add_kernel(ev, &other, SIDE_CLIENT);
	/* The list is by time; the row looks at the first connection of the port. */
	ev->api[ev->n_api - 1].ts_ns = 1;
	t_evidence_recount(ev);
}

static void add_reused_port(struct evidence *ev, int generations)
{
	for (int i = 0; i < generations; i++) {
		struct t_conn c = {.kind = T_MAPPED,
				   .server_port = T_PORT_FREE,
				   .client_port = 41000,
				   .client_isn = 5000U * (unsigned)i,
				   .server_isn = 77 + 5000U * (unsigned)i,
				   .cookie = 900 + 2 * (unsigned)i,
				   .request = 10 + 10 * (unsigned)i};

		t_add_tcp(ev, &c);
	}
	t_evidence_recount(ev);
}

static void port_reused(struct evidence *ev)
{
	add_reused_port(ev, 3);
}

static void delete_record_of(struct evidence *ev, enum evidence_side side, int nth)
{
	for (size_t i = 0; i < ev->n_api; i++)
		if (ev->api[i].side == side && t_server_port(&ev->api[i]) == T_PORT_FREE &&
		    nth-- == 0) {
			t_delete_api(ev, i);
			return;
		}
}

static void port_reused_and_the_first_accept_missing(struct evidence *ev)
{
	add_reused_port(ev, 3);
	delete_record_of(ev, SIDE_SERVER, 0);
}

static void port_reused_and_the_last_accept_missing(struct evidence *ev)
{
	add_reused_port(ev, 3);
	delete_record_of(ev, SIDE_SERVER, 2);
}

static void port_reused_and_a_connect_missing(struct evidence *ev)
{
	add_reused_port(ev, 3);
	delete_record_of(ev, SIDE_CLIENT, 1);
}

static void one_accept_too_many(struct evidence *ev)
{
	struct evidence_api a;

	add_reused_port(ev, 1);
	a = *t_find_api(ev, T_PORT_FREE, SIDE_SERVER);
	evidence_add_api(ev, &a);
}

static void port_reused_and_recorded_backwards(struct evidence *ev)
{
	add_reused_port(ev, 3);
	for (size_t i = 0; i < ev->n_api / 2; i++) {
		struct evidence_api a = ev->api[i];

		ev->api[i] = ev->api[ev->n_api - 1 - i];
		ev->api[ev->n_api - 1 - i] = a;
	}
}

static void port_reused_without_any_record(struct evidence *ev)
{
	add_reused_port(ev, 3);
	for (int s = 0; s < SIDE_NUM; s++)
		for (int i = 0; i < 3; i++)
			delete_record_of(ev, (enum evidence_side)s, 0);
}

static void refused_then_connected(struct evidence *ev)
{
	struct t_conn c = {.kind = T_MAPPED,
			   .server_port = T_PORT_FREE,
			   .client_port = 41000,
			   .client_isn = 1,
			   .cookie = 900};

	t_add_refused(ev, &c);
	c.client_isn = 5000;
	c.server_isn = 6000;
	c.cookie = 902;
	t_add_tcp(ev, &c);
	t_evidence_recount(ev);
}

static void wrong_cookie(struct evidence *ev)
{
	t_find_api(ev, T_PORT_MAPPED, SIDE_SERVER)->cookie = 12345;
}

static void cookie_of_another_socket(struct evidence *ev)
{
	t_find_api(ev, T_PORT_MAPPED, SIDE_SERVER)->cookie =
		t_find_api(ev, T_PORT_NATIVE, SIDE_SERVER)->cookie;
}

static void kernel_record_missing(struct evidence *ev)
{
	for (size_t i = 0; i < ev->n_kernel; i++)
		if (&ev->kernel[i].entry == t_find_kernel(ev, T_PORT_MAPPED, T_TAP_SERVER)) {
			t_delete_kernel(ev, i);
			return;
		}
}

static void frames_only(struct evidence *ev)
{
	struct t_conn c = {.kind = T_PLAIN, .server_port = T_PORT_FREE, .client_port = 41000};

	t_add_tcp_frames(ev, &c);
	t_evidence_recount(ev);
}

static void foreign_programs(struct evidence *ev)
{
	struct t_conn c = {
		.kind = T_MAPPED, .server_port = T_PORT_FREE, .client_port = 41000, .cookie = 900};

	t_add_tcp_frames(ev, &c);
	t_add_kernel(ev, &c, SIDE_SERVER);
	t_evidence_recount(ev);
}

static void refused_with_another_error(struct evidence *ev)
{
	t_find_api(ev, T_PORT_REFUSED, SIDE_CLIENT)->error = -ETIMEDOUT;
}

static void reset_of_something_else(struct evidence *ev)
{
	for (uint32_t tap = 0; tap < T_TAPS; tap++)
		ev->frames[t_find_frame(ev, T_PORT_REFUSED, tap, 1)].info.ack += 5;
}

static void refused_but_accepted(struct evidence *ev)
{
	t_find_api(ev, T_PORT_MAPPED, SIDE_CLIENT)->error = -ECONNREFUSED;
}

static void superframe(struct evidence *ev)
{
	for (uint32_t tap = 0; tap < T_TAPS; tap++)
		ev->frames[t_find_frame(ev, T_PORT_MAPPED, tap, 3)].info.problems =
			FRAME_SUPERFRAME | FRAME_CSUM_UNCHECKED;
}

static void retransmission(struct evidence *ev)
{
	add_frame_and_count(ev, &ev->frames[t_find_frame(ev, T_PORT_MAPPED, T_TAP_CLIENT, 3)]);
}

/* One socket, connected with IPv4 and then for native IPv6: it still sends IPv4, badly. */
static void reused_socket(struct evidence *ev)
{
	struct t_conn first = {.kind = T_MAPPED,
			       .server_port = T_PORT_FREE + 1,
			       .client_port = 41000,
			       .cookie = 900};
	struct t_conn second = first, sent;
	struct evidence_frame f;

	t_add_tcp(ev, &first);
	second.kind = T_NATIVE;
	second.server_port = T_PORT_FREE;
	t_add_api(ev, &second, SIDE_CLIENT, -ETIMEDOUT);
	t_add_kernel(ev, &second, SIDE_CLIENT);
	ev->kernel[ev->n_kernel - 1].entry.segs_in = 0;
	sent = second;
	sent.kind = T_PLAIN;
	f = t_frame(&sent, T_TAP_CLIENT, true, TCP_SYN, 4711, 0, 0);
	f.info.problems = FRAME_BAD_CHECKSUM;
	add_frame_and_count(ev, &f);
}

/* A native IPv6 datagram whose source is written ::ffff:a.b.c.d, handed to the program as IPv4. */
static void forged_datagram(struct evidence *ev)
{
	struct t_conn c = {.kind = T_NATIVE,
			   .proto = IPPROTO_UDP,
			   .server_port = T_PORT_FREE,
			   .client_port = 41000,
			   .cookie = 900};
	struct t_conn forged = c;
	struct evidence_frame f = t_frame(&c, T_TAP_CLIENT, true, 0, 0, 0, T_REQUEST);

	forged.kind = T_MAPPED;
	f.info.src = t_client(&forged).addr;
	add_frame_and_count(ev, &f);
	t_add_api(ev, &c, SIDE_SERVER, 0);
	ev->api[ev->n_api - 1].peer = t_client(&forged);
	t_add_kernel(ev, &c, SIDE_SERVER);
}

/* Columns of the table: a function and its name, verdicts, and "no reason at all". */
#define D(function) #function, function
#define OK	    VERDICT_CONFIRMED
#define NO	    VERDICT_CONTRADICTED
#define UNSURE	    VERDICT_INCONCLUSIVE
#define NONE	    REASON_NUM

const struct t_damage T_DAMAGES[] = {
	{D(frame_of_other_version), T_PORT_MAPPED, NO, REASON_CARRIAGE_OTHER},
	{D(frame_of_other_version), T_PORT_MAPPED, NO, REASON_MIXED_CARRIAGE},
	{D(native_frame_as_ipv4), T_PORT_NATIVE, NO, REASON_CARRIAGE_OTHER},
	{D(all_frames_of_other_version), T_PORT_MAPPED, NO, REASON_CARRIAGE_OTHER},
	{D(one_tap_saw_the_other_version), T_PORT_MAPPED, NO, REASON_CARRIAGE_OTHER},
	{D(ethertype_ipv4_with_version_6), T_PORT_MAPPED, NO, REASON_ETHERTYPE_VERSION_MISMATCH},
	{D(injected_6in4_with_the_inner_tuple), T_PORT_NATIVE, NO, REASON_TUNNEL_6IN4},
	{D(injected_udp_6in4), T_PORT_UDP_NATIVE, NO, REASON_TUNNEL_6IN4},
	{D(injected_4in6_with_the_inner_tuple), T_PORT_MAPPED, NO, REASON_TUNNEL_OTHER},
	{D(api_family_flipped), T_PORT_MAPPED, NO, REASON_KERNEL_FAMILY_MISMATCH},
	{D(kernel_family_flipped), T_PORT_MAPPED, NO, REASON_KERNEL_FAMILY_MISMATCH},
	{D(false_api_peer), T_PORT_FREE, NO, REASON_API_KERNEL_ADDRESS_MISMATCH},
	{D(api_shows_a_native_peer), T_PORT_MAPPED, NO, REASON_API_KERNEL_ADDRESS_MISMATCH},
	{D(api_shows_a_native_peer), T_PORT_MAPPED, NO, REASON_CARRIAGE_OTHER},
	{D(contradicted_and_ring_drops), T_PORT_MAPPED, NO, REASON_CARRIAGE_OTHER},
	{D(contradicted_and_incomplete), T_PORT_MAPPED, NO, REASON_CARRIAGE_OTHER},
	{D(reused_socket), T_PORT_FREE, NO, REASON_CARRIAGE_OTHER},
	{D(reused_socket), T_PORT_FREE + 1, OK, NONE},
	{D(forged_datagram), T_PORT_FREE, NO, REASON_CARRIAGE_OTHER},

	{D(ring_drops), T_PORT_MAPPED, UNSURE, REASON_RING_DROPS},
	{D(ring_drops), T_PORT_UDP_NATIVE, UNSURE, REASON_RING_DROPS},
	{D(consumed_one_more), T_PORT_MAPPED, UNSURE, REASON_IDENTITY_FAILED},
	{D(consumed_one_less), T_PORT_MAPPED, UNSURE, REASON_IDENTITY_FAILED},
	{D(one_packet_more), T_PORT_MAPPED, UNSURE, REASON_IDENTITY_FAILED},
	{D(a_frame_is_not_listed), T_PORT_MAPPED, UNSURE, REASON_IDENTITY_FAILED},
	{D(no_taps), T_PORT_MAPPED, UNSURE, REASON_IDENTITY_FAILED},
	{D(block_gap), T_PORT_MAPPED, UNSURE, REASON_BLOCK_GAP},
	{D(went_down), T_PORT_MAPPED, UNSURE, REASON_IF_DOWN},
	{D(no_canaries), T_PORT_MAPPED, UNSURE, REASON_NO_CANARY},
	{D(no_start_canary_of_the_server), T_PORT_MAPPED, UNSURE, REASON_NO_CANARY},
	{D(no_end_canary_of_the_server), T_PORT_MAPPED, UNSURE, REASON_NO_CANARY},
	{D(canary_seen_on_one_tap), T_PORT_MAPPED, UNSURE, REASON_NO_CANARY},
	{D(clock_forward), T_PORT_MAPPED, UNSURE, REASON_CLOCK_STEP},
	{D(clock_back), T_PORT_MAPPED, UNSURE, REASON_CLOCK_STEP},
	{D(clock_slewed), T_PORT_MAPPED, OK, NONE},
	{D(kernel_events_lost), T_PORT_MAPPED, UNSURE, REASON_KERNEL_EVENTS_LOST},
	{D(exthdr_limit_before_the_ports), T_PORT_UDP_NATIVE, UNSURE, REASON_UNPARSED},
	{D(malformed), T_PORT_MAPPED, UNSURE, REASON_UNPARSED},
	{D(malformed), T_PORT_PLAIN, OK, NONE},
	{D(carriage_unknown), T_PORT_MAPPED, UNSURE, REASON_UNPARSED},
	{D(overflow), T_PORT_MAPPED, UNSURE, REASON_TABLE_FULL},
	{D(too_many_generations), T_PORT_MAPPED, UNSURE, REASON_TABLE_FULL},

	{D(no_frames), T_PORT_MAPPED, UNSURE, REASON_NO_FRAMES},
	{D(no_frames_of_udp), T_PORT_UDP_MAPPED, UNSURE, REASON_NO_FRAMES},
	{D(one_tap_saw_no_frames), T_PORT_MAPPED, UNSURE, REASON_NO_FRAMES},
	{D(started_after_the_syn), T_PORT_MAPPED, UNSURE, REASON_STARTED_LATE},
	{D(started_after_the_handshake), T_PORT_MAPPED, UNSURE, REASON_STARTED_LATE},
	{D(stopped_before_the_fins), T_PORT_MAPPED, UNSURE, REASON_ENDED_EARLY},
	{D(stopped_before_the_last_ack), T_PORT_MAPPED, UNSURE, REASON_ENDED_EARLY},
	{D(still_open), T_PORT_MAPPED, OK, NONE},
	{D(data_missing), T_PORT_MAPPED, UNSURE, REASON_SEQ_HOLE},
	{D(one_tap_saw_less), T_PORT_MAPPED, UNSURE, REASON_TAPS_DISAGREE},
	{D(one_tap_saw_an_ack_twice), T_PORT_MAPPED, UNSURE, REASON_TAPS_DISAGREE},
	{D(an_ack_missing_on_both_taps), T_PORT_MAPPED, UNSURE, REASON_WIRE_LT_SEGS},
	{D(kernel_counted_a_segment_more), T_PORT_MAPPED, UNSURE, REASON_WIRE_LT_SEGS},
	{D(event_before_the_last_dump), T_PORT_MAPPED, UNSURE, REASON_WIRE_LT_SEGS},
	{D(one_tap_saw_a_shorter_datagram), T_PORT_UDP_MAPPED, UNSURE, REASON_TAPS_DISAGREE},
	{D(api_got_a_datagram_more), T_PORT_UDP_MAPPED, UNSURE, REASON_WIRE_LT_API},
	{D(api_got_a_byte_more), T_PORT_UDP_NATIVE, UNSURE, REASON_WIRE_LT_API},
	{D(server_received_a_byte_more), T_PORT_MAPPED, UNSURE, REASON_BYTES_MISMATCH},
	{D(server_received_less), T_PORT_MAPPED, UNSURE, REASON_BYTES_MISMATCH},
	{D(client_was_acknowledged_a_byte_more), T_PORT_MAPPED, UNSURE, REASON_BYTES_MISMATCH},
	{D(server_was_acknowledged_a_byte_more), T_PORT_MAPPED, UNSURE, REASON_BYTES_MISMATCH},
	{D(truncated), T_PORT_MAPPED, UNSURE, REASON_SNAPLEN_SHORT},
	{D(exthdr_limit), T_PORT_MAPPED, UNSURE, REASON_EXTHDR_LIMIT},
	{D(fragmented), T_PORT_UDP_MAPPED, OK, NONE},
	{D(first_fragment_missing), T_PORT_UDP_MAPPED, UNSURE, REASON_FRAGMENTS_UNATTRIBUTED},
	{D(first_fragment_missing), T_PORT_MAPPED, UNSURE, REASON_FRAGMENTS_UNATTRIBUTED},
	{D(first_fragment_missing), T_PORT_NATIVE, OK, NONE},
	{D(last_fragment_missing), T_PORT_UDP_MAPPED, UNSURE, REASON_WIRE_LT_API},
	{D(address_translated), T_PORT_FREE, UNSURE, REASON_NAT_SUSPECTED},
	{D(frames_of_another_host), T_PORT_FREE, UNSURE, REASON_NO_FRAMES},
	{D(frames_of_another_socket), T_PORT_FREE, UNSURE, REASON_NO_FRAMES},
	{D(port_reused), T_PORT_FREE, OK, NONE},
	{D(port_reused_and_the_first_accept_missing), T_PORT_FREE, UNSURE,
	 REASON_GENERATION_AMBIGUOUS},
	{D(port_reused_and_the_last_accept_missing), T_PORT_FREE, UNSURE,
	 REASON_GENERATION_AMBIGUOUS},
	{D(port_reused_and_a_connect_missing), T_PORT_FREE, UNSURE, REASON_GENERATION_AMBIGUOUS},
	{D(one_accept_too_many), T_PORT_FREE, UNSURE, REASON_GENERATION_AMBIGUOUS},
	{D(port_reused_and_recorded_backwards), T_PORT_FREE, OK, NONE},
	{D(port_reused_without_any_record), T_PORT_FREE, OK, NONE},
	{D(refused_then_connected), T_PORT_FREE, OK, NONE},
	{D(wrong_cookie), T_PORT_MAPPED, UNSURE, REASON_COOKIE_MISMATCH},
	{D(cookie_of_another_socket), T_PORT_MAPPED, UNSURE, REASON_COOKIE_MISMATCH},
	{D(kernel_record_missing), T_PORT_MAPPED, UNSURE, REASON_KERNEL_MISSING},
	{D(frames_only), T_PORT_FREE, UNSURE, REASON_NO_CLAIM},
	{D(frames_only), T_PORT_FREE, UNSURE, REASON_KERNEL_MISSING},
	{D(foreign_programs), T_PORT_FREE, OK, NONE},
	{D(refused_with_another_error), T_PORT_REFUSED, UNSURE, REASON_RESULT_MISMATCH},
	{D(reset_of_something_else), T_PORT_REFUSED, UNSURE, REASON_RESULT_MISMATCH},
	{D(refused_but_accepted), T_PORT_MAPPED, UNSURE, REASON_RESULT_MISMATCH},
	{D(superframe), T_PORT_MAPPED, OK, REASON_SUPERFRAMES},
	{D(retransmission), T_PORT_MAPPED, OK, NONE},
};

const size_t T_N_DAMAGES = sizeof(T_DAMAGES) / sizeof(T_DAMAGES[0]);

void t_damage(struct evidence *ev, const char *name)
{
	for (size_t i = 0; i < T_N_DAMAGES; i++)
		if (strcmp(T_DAMAGES[i].name, name) == 0) {
			T_DAMAGES[i].apply(ev);
			return;
		}
	abort(); /* no such damage */
}
