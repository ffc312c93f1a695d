/* SPDX-License-Identifier: MIT */
/* test_stack_ip.c - the stack without TCP: IP, ICMP, fragments; each rule over both families */
#include "t_stack.h"

#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/icmp_msg.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

static struct t_stack t;

static void finish(void)
{
	t_stack_close(&t);
}

#define BOTH(name)                                                                                 \
	static void name(bool v6);                                                                 \
	Test(stack_ip, name##_v4, .fini = finish)                                                  \
	{                                                                                          \
		t_stack_open(&t, NULL);                                                            \
		name(false);                                                                       \
	}                                                                                          \
	Test(stack_ip, name##_v6, .fini = finish)                                                  \
	{                                                                                          \
		t_stack_open(&t, NULL);                                                            \
		name(true);                                                                        \
	}                                                                                          \
	static void name(bool v6)

static uint8_t icmp_proto(bool v6)
{
	return v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
}

static size_t echo_build(const struct t_ip *ip, size_t data_len, uint8_t *out, size_t cap)
{
	uint8_t *data = calloc(1, data_len + 1);
	struct outbuf o = outbuf_of(out, cap);

	for (size_t i = 0; i < data_len; i++)
		data[i] = (uint8_t)(i * 7);
	cr_assert(icmp_echo_build(ICMP_KIND_ECHO_REQUEST, 0x00420001, span_of(data, data_len),
				  ip->v6, &ip->src, &ip->dst, &o) > 0);
	free(data);
	return o.len;
}

static void ping(const struct t_ip *ip, size_t data_len)
{
	uint8_t *msg = malloc(70000);

	t_stack_ip(&t, ip, msg, echo_build(ip, data_len, msg, 70000));
	free(msg);
}

BOTH(echo_is_answered_from_the_address_that_was_asked)
{
	for (int n = 0; n < 2; n++) {
		struct t_ip ip = t_ip_usual(v6, icmp_proto(v6));
		struct t_seen seen;

		ip.dst = t_own(v6, n);
		ping(&ip, 57);
		cr_assert(t.sent == n + 1);
		seen = t_stack_last(&t);
		cr_assert(addr_eq(&seen.src, &ip.dst) && addr_eq(&seen.dst, &ip.src));
		cr_assert(seen.v6 == v6 && seen.icmp.type == (v6 ? 129 : 0));
		cr_assert(seen.icmp.rest == 0x00420001 && seen.l4_len == 8 + 57);
		cr_assert(seen.l4[8 + 56] == (uint8_t)(56 * 7));
	}
	cr_assert(t_stack_stats(&t).icmp_echo == 2);
}

BOTH(echo_is_bounded)
{
	struct t_ip ip = t_ip_usual(v6, icmp_proto(v6));

	for (int i = 0; i < 1000; i++) {
		t.sent = 0;
		ping(&ip, 8);
	}
	cr_assert(t_stack_stats(&t).icmp_echo == 500);
	cr_assert(t_stack_stats(&t).icmp_limited == 500);
}

BOTH(what_is_damaged_is_dropped_and_counted)
{
	struct t_ip ip = t_ip_usual(v6, icmp_proto(v6));
	uint8_t msg[64];
	size_t len = echo_build(&ip, 16, msg, sizeof(msg));

	msg[20] ^= 1;
	t_stack_ip(&t, &ip, msg, len);
	t_stack_ip(&t, &ip, msg, 7);
	cr_assert(t.sent == 0 && t_stack_stats(&t).icmp_bad == 2);
}

BOTH(a_long_echo_comes_in_fragments_and_leaves_in_fragments)
{
	struct t_ip ip = t_ip_usual(v6, icmp_proto(v6));
	uint8_t msg[8008], part[1500];
	size_t len = echo_build(&ip, 8000, msg, sizeof(msg)), total = 0;

	for (size_t off = 0; off < len; off += 1440) {
		size_t n = len - off < 1440 ? len - off : 1440, extra = v6 ? 8 : 0;
		bool more = off + n < len;

		if (v6) {
			memset(part, 0, 8);
			part[0] = IPPROTO_ICMPV6;
			put_be16(part + 2, (uint16_t)(off | more));
			put_be32(part + 4, 99);
			ip.proto = IPPROTO_FRAGMENT;
		} else {
			ip.id = 99;
			ip.frag = (uint16_t)(off / 8 | (more ? 0x2000 : 0));
		}
		memcpy(part + extra, msg + off, n);
		t_stack_ip(&t, &ip, part, extra + n);
	}
	cr_assert(t.sent == 6, "%d packets", t.sent);
	for (int i = 0; i < t.sent; i++) {
		struct t_seen seen = t_stack_read(&t.out[i]);

		cr_assert(seen.fragment);
		total += seen.l4_len - (v6 ? 8 : 0);
	}
	cr_assert(total == len && t_stack_stats(&t).frag_done == 1);
}

BOTH(nobody_is_at_a_port)
{
	struct addr dst = t_own(v6, 1);
	struct t_seen seen;

	t_stack_udp(&t, v6, &dst, 9, "hello", 5);
	seen = t_stack_last(&t);
	cr_assert(seen.icmp.type == (v6 ? 1 : 3) && seen.icmp.code == (v6 ? 4 : 3));
	cr_assert(addr_eq(&seen.src, &dst) && seen.v6 == v6);
	cr_assert(seen.l4_len == 8 + (size_t)(v6 ? 40 : 20) + 8 + 5, "quotes it whole");
	cr_assert(seen.l4[8] >> 4 == (v6 ? 6 : 4));
}

BOTH(an_unknown_protocol_is_refused)
{
	struct t_ip ip = t_ip_usual(v6, 253);
	struct t_seen seen;

	t_stack_ip(&t, &ip, "data", 4);
	seen = t_stack_last(&t);
	cr_assert(seen.icmp.type == (v6 ? 4 : 3) && seen.icmp.code == (v6 ? 1 : 2));
	cr_assert(!v6 || seen.icmp.rest == 6, "points at the next header field");
	cr_assert(t_stack_stats(&t).drop_protocol == 1);
}

BOTH(errors_are_limited)
{
	struct addr dst = t_own(v6, 0);
	uint64_t out;

	for (int i = 0; i < 1000; i++) {
		t.sent = 0;
		t_stack_udp(&t, v6, &dst, 9, "x", 1);
	}
	out = t_stack_stats(&t).icmp_out;
	cr_assert(out >= 20 && out <= 50, "%lu errors in no time", (unsigned long)out);
	cr_assert(t_stack_stats(&t).icmp_limited == 1000 - out);
	t.now += 10000000000;
	t.sent = 0;
	t_stack_udp(&t, v6, &dst, 9, "x", 1);
	cr_assert(t.sent == 1);
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e) */
BOTH(no_error_is_sent_about)
{
	struct t_ip ip = t_ip_usual(v6, icmp_proto(v6));
	struct icmp_report e = {.kind = ICMP_KIND_PORT_UNREACHABLE};
	uint8_t msg[64], quoted[28] = {0x45};
	struct outbuf o = outbuf_of(msg, sizeof(msg));
	struct addr group;

	/* an error, here one in an unknown protocol's place: quoted in a datagram of protocol 253
	 */
	e.quoted = span_of(quoted, sizeof(quoted));
	icmp_error_build(&e, v6, &ip.src, &ip.dst, &o);
	t_stack_ip(&t, &ip, msg, o.len);
	cr_assert(t.sent == 0 && t_stack_stats(&t).icmp_bad == 1, "an error");

	ip.proto = 253;
	addr_parse(v6 ? "ff02::1" : "224.0.0.1", &group, NULL);
	ip.dst = group;
	t_stack_ip(&t, &ip, "x", 1);
	cr_assert(t.sent == 0 && t_stack_stats(&t).drop_protocol == 1, "a group");
	t_stack_udp(&t, v6, &group, 9, "x", 1);
	cr_assert(t.sent == 0 && t_stack_stats(&t).udp_no_port == 1, "a group");

	ip = t_ip_usual(v6, 253);
	addr_parse(v6 ? "ff02::1" : "255.255.255.255", &ip.src, NULL);
	t_stack_ip(&t, &ip, "x", 1);
	addr_parse(v6 ? "::" : "0.0.0.0", &ip.src, NULL);
	t_stack_ip(&t, &ip, "x", 1);
	addr_parse(v6 ? "::1" : "127.0.0.1", &ip.src, NULL);
	t_stack_ip(&t, &ip, "x", 1);
	ip.src = t_own(v6, 0);
	t_stack_ip(&t, &ip, "x", 1);
	cr_assert(t.sent == 0 && t_stack_stats(&t).drop_source == 4, "impossible sources");
}

BOTH(a_packet_for_somebody_else_is_dropped)
{
	struct t_ip ip = t_ip_usual(v6, 253);

	ip.dst.b[15] = 77;
	t_stack_ip(&t, &ip, "x", 1);
	addr_parse(v6 ? "ff02::fb" : "224.0.0.251", &ip.dst, NULL);
	t_stack_ip(&t, &ip, "x", 1);
	cr_assert(t.sent == 0 && t_stack_stats(&t).drop_not_ours == 2);
}

BOTH(reassembly_gives_up_after_a_minute_and_says_so)
{
	struct t_ip ip = t_ip_usual(v6, v6 ? IPPROTO_FRAGMENT : IPPROTO_UDP);
	uint8_t part[72] = {IPPROTO_UDP, 0, 0, 1, 0, 0, 0, 5};
	struct t_seen seen;

	ip.frag = 0x2000;
	ip.id = 5;
	t_stack_ip(&t, &ip, v6 ? part : part + 8, v6 ? 72 : 64);
	cr_assert(stack_deadline(t.s) == t.now + 60 * UINT64_C(1000000000));
	t.now = stack_deadline(t.s);
	stack_timers(t.s, t.now);
	seen = t_stack_last(&t);
	cr_assert(seen.icmp.type == (v6 ? 3 : 11) && seen.icmp.code == 1);
	cr_assert(seen.l4_len == 8 + (size_t)(v6 ? 48 + 64 : 20 + 64));
	cr_assert(t_stack_stats(&t).frag_timeout == 1);
}

/* draft-itojun: whoever believed it would answer by IPv4 somebody who never wrote. */
Test(stack_ip, a_mapped_address_on_the_wire_is_dropped, .fini = finish)
{
	struct t_ip ip = t_ip_usual(true, IPPROTO_UDP);

	t_stack_open(&t, NULL);
	ip.src = t_peer(false);
	t_stack_ip(&t, &ip, "12345678", 8);
	ip = t_ip_usual(true, IPPROTO_UDP);
	ip.dst = t_own(false, 0);
	t_stack_ip(&t, &ip, "12345678", 8);
	cr_assert(t.sent == 0 && t_stack_stats(&t).drop_forged_mapped == 2);
}

struct chain_row {
	const char *name;
	uint8_t next;
	uint8_t bytes[64];
	size_t len;
	int type, code; /* of the ICMPv6 error, -1: none */
	uint32_t pointer;
};

static const struct chain_row chains[] = {
	{"unknown next header behind options", 0, {253, 0, 1, 4}, 12, 4, 1, 40},
	{"the same behind two headers", 0, {60, 0, 1, 4, [8] = 253, 0, 1, 4}, 20, 4, 1, 48},
	{"hop-by-hop not first", 60, {0, 0, 1, 4, [8] = 59, 0, 1, 4}, 16, 4, 1, 40},
	{"no next header", 59, {0}, 4, -1, 0, 0},
	{"routing type 0", 43, {17, 2, 0, 1}, 32, 4, 0, 42},
	{"routing type 0, none left", 43, {59, 2, 0, 0}, 24, -1, 0, 0},
	{"option to skip", 60, {59, 0, 0x1e, 4}, 8, -1, 0, 0},
	{"option to discard", 60, {17, 0, 0x5e, 4}, 16, -1, 0, 0},
	{"option to report", 60, {17, 0, 0x9e, 4}, 16, 4, 2, 42},
	{"option to report to unicast", 60, {17, 0, 0xde, 4}, 16, 4, 2, 42},
	{"option past its header", 60, {17, 0, 0x1e, 9}, 16, -1, 0, 0},
	{"fragment length no multiple of 8", 44, {17, 0, 0, 1}, 15, 4, 0, 4},
	{"fragment beyond 65535", 44, {17, 0, 0xff, 0xf8}, 24, 4, 0, 42},
	{"first fragment without headers", 44, {60, 0, 0, 1, [8] = 17, 1, 1, 4}, 16, 4, 3, 0},
};

Test(stack_ip, extension_headers_are_refused_as_rfc_8200_says, .fini = finish)
{
	t_stack_open(&t, NULL);
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		const struct chain_row *r = &chains[i];
		struct t_ip ip = t_ip_usual(true, r->next);
		struct t_seen seen;

		t.sent = 0;
		t.now += 1000000000;
		t_stack_ip(&t, &ip, r->bytes, r->len);
		cr_assert(t.sent == (r->type >= 0), "%s: %d answers", r->name, t.sent);
		if (r->type < 0)
			continue;
		seen = t_stack_last(&t);
		cr_assert(seen.icmp.type == r->type && seen.icmp.code == r->code &&
				  seen.icmp.rest == r->pointer,
			  "%s: %u/%u at %u", r->name, seen.icmp.type, seen.icmp.code,
			  seen.icmp.rest);
	}
}

Test(stack_ip, a_group_is_told_only_about_options_that_want_it, .fini = finish)
{
	struct t_ip ip = t_ip_usual(true, IPPROTO_DSTOPTS);
	uint8_t options[16] = {17, 0, 0x9e, 4};

	t_stack_open(&t, NULL);
	addr_parse("ff02::1", &ip.dst, NULL);
	t_stack_ip(&t, &ip, options, sizeof(options));
	cr_assert(t.sent == 1);
	options[2] = 0xde;
	t_stack_ip(&t, &ip, options, sizeof(options));
	cr_assert(t.sent == 1);
}

Test(stack_ip, an_atomic_fragment_is_a_datagram_by_itself, .fini = finish)
{
	struct t_ip ip = t_ip_usual(true, IPPROTO_FRAGMENT);
	uint8_t part[8 + 64] = {IPPROTO_ICMPV6};
	size_t n;

	t_stack_open(&t, NULL);
	n = echo_build(&ip, 16, part + 8, 64);
	t_stack_ip(&t, &ip, part, 8 + n);
	cr_assert(t.sent == 1 && t_stack_stats(&t).frag_in == 0);
}

/* A fragment inside what was put together from fragments: nobody sends that in good faith. */
Test(stack_ip, fragments_inside_fragments_are_dropped, .fini = finish)
{
	struct t_ip ip = t_ip_usual(true, IPPROTO_FRAGMENT);
	uint8_t inner[64] = {IPPROTO_ICMPV6, 0, 0, 1, 0, 0, 0, 9}, part[8 + 32];

	t_stack_open(&t, NULL);
	for (int i = 0; i < 2; i++) {
		memset(part, 0, 8);
		part[0] = IPPROTO_FRAGMENT;
		put_be16(part + 2, (uint16_t)(i * 32 | !i));
		part[7] = 8;
		memcpy(part + 8, inner + (size_t)i * 32, 32);
		t_stack_ip(&t, &ip, part, sizeof(part));
	}
	cr_assert(t_stack_stats(&t).frag_in == 2 && t_stack_stats(&t).frag_done == 1);
	cr_assert(t_stack_stats(&t).drop_ip_header == 1 && t.sent == 0);
}

/* Below 1280 there is no IPv6 (RFC 8200 5). */
Test(stack_ip, a_small_mtu_has_no_ipv6, .fini = finish)
{
	struct stack_config cfg = t_stack_config(&t);
	struct t_ip ip = t_ip_usual(true, IPPROTO_ICMPV6);

	cfg.mtu = 1279;
	t_stack_open(&t, &cfg);
	ping(&ip, 8);
	cr_assert(t.sent == 0);
	ip = t_ip_usual(false, IPPROTO_ICMP);
	ping(&ip, 8);
	cr_assert(t.sent == 1);
}

Test(stack_ip, padding_behind_the_ip_length_is_not_data, .fini = finish)
{
	uint8_t packet[60] = {0}, l4[64];
	struct addr dst = t_own(false, 0), src = t_peer(false);
	struct t_ip ip = t_ip_usual(false, IPPROTO_UDP);
	struct stack_bind b = {.family = AF_INET6, .local = {.port = 7000}};
	struct stack_dgram d;
	size_t n;
	int id;

	t_stack_open(&t, NULL);
	id = stack_udp_bind(t.s, &b);
	n = t_udp_build(false, &src, &dst, 5000, 7000, "abc", 3, l4);
	t_ip_build(&ip, l4, n, packet);
	stack_input(t.s, t.now, packet, 46, NULL);
	cr_assert(stack_udp_recv(t.s, id, &d) == 0 && d.len == 3);
	stack_udp_release(t.s, &d);
	stack_input(t.s, t.now, packet, 30, NULL);
	cr_assert(t_stack_stats(&t).drop_short == 1);
}

Test(stack_ip, source_routes_are_refused, .fini = finish)
{
	uint8_t packet[28] = {0x47, 0, 0,   28, 0,   0, 0,   0, 64, 253, 0, 0, 198, 51,
			      100,  1, 198, 51, 100, 2, 131, 7, 4,  1,	 2, 3, 4,   0};

	t_stack_open(&t, NULL);
	put_be16(packet + 10, csum_of(packet, 28));
	stack_input(t.s, t.now, packet, sizeof(packet), NULL);
	cr_assert(t_stack_stats(&t).drop_ip_options == 1 && t.sent == 0);
	packet[20] = 7; /* record route: ignored */
	put_be16(packet + 10, 0);
	put_be16(packet + 10, csum_of(packet, 28));
	stack_input(t.s, t.now, packet, sizeof(packet), NULL);
	cr_assert(t_stack_stats(&t).drop_protocol == 1 && t.sent == 1);
}
