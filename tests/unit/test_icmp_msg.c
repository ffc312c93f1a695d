/* SPDX-License-Identifier: MIT */
/* test_icmp_msg.c - ICMP meanings of both families, and the messages built from them */
#include "../../rawstack/wire/icmp_msg.h"

#include "../../rawstack/wire/csum.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

static struct addr address(const char *text)
{
	struct addr a;

	cr_assert(addr_parse(text, &a, NULL) == 0, "%s", text);
	return a;
}

struct form {
	bool v6;
	uint8_t type, code;
	enum icmp_kind kind;
	bool error;
};

/* Straight from the RFCs' own lists, not from the table under test. */
static const struct form forms[] = {
	{false, 0, 0, ICMP_KIND_ECHO_REPLY, false},
	{false, 8, 0, ICMP_KIND_ECHO_REQUEST, false},
	{false, 3, 0, ICMP_KIND_NET_UNREACHABLE, true},
	{false, 3, 1, ICMP_KIND_HOST_UNREACHABLE, true},
	{false, 3, 2, ICMP_KIND_PROTO_UNREACHABLE, true},
	{false, 3, 3, ICMP_KIND_PORT_UNREACHABLE, true},
	{false, 3, 4, ICMP_KIND_TOO_BIG, true},
	{false, 3, 5, ICMP_KIND_OTHER, true},
	{false, 3, 13, ICMP_KIND_PROHIBITED, true},
	{false, 3, 9, ICMP_KIND_PROHIBITED, true},
	{false, 4, 0, ICMP_KIND_OTHER, true},
	{false, 5, 1, ICMP_KIND_OTHER, true},
	{false, 11, 0, ICMP_KIND_HOPS_EXCEEDED, true},
	{false, 11, 1, ICMP_KIND_REASSEMBLY_TIME, true},
	{false, 12, 0, ICMP_KIND_BAD_FIELD, true},
	{false, 13, 0, ICMP_KIND_OTHER, false},
	{true, 1, 0, ICMP_KIND_NET_UNREACHABLE, true},
	{true, 1, 1, ICMP_KIND_PROHIBITED, true},
	{true, 1, 3, ICMP_KIND_HOST_UNREACHABLE, true},
	{true, 1, 4, ICMP_KIND_PORT_UNREACHABLE, true},
	{true, 2, 0, ICMP_KIND_TOO_BIG, true},
	{true, 2, 9, ICMP_KIND_TOO_BIG, true}, /* RFC 4443 3.2: the code is ignored */
	{true, 3, 0, ICMP_KIND_HOPS_EXCEEDED, true},
	{true, 3, 1, ICMP_KIND_REASSEMBLY_TIME, true},
	{true, 4, 0, ICMP_KIND_BAD_FIELD, true},
	{true, 4, 1, ICMP_KIND_PROTO_UNREACHABLE, true},
	{true, 4, 2, ICMP_KIND_BAD_OPTION, true},
	{true, 4, 3, ICMP_KIND_TINY_FIRST, true},
	{true, 100, 0, ICMP_KIND_OTHER, true},
	{true, 128, 0, ICMP_KIND_ECHO_REQUEST, false},
	{true, 129, 0, ICMP_KIND_ECHO_REPLY, false},
	{true, 135, 0, ICMP_KIND_OTHER, false},
};

Test(icmp_msg, types_and_codes_mean_what_the_rfcs_say)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const struct form *f = &forms[i];

		cr_assert(icmp_kind_of(f->v6, f->type, f->code) == f->kind, "v%d %u/%u is %s",
			  f->v6 ? 6 : 4, f->type, f->code,
			  icmp_kind_name(icmp_kind_of(f->v6, f->type, f->code)));
		cr_assert(icmp_type_is_error(f->v6, f->type) == f->error, "v%d type %u",
			  f->v6 ? 6 : 4, f->type);
	}
}

/* Every kind that a family can send is read back as what it was, with a right checksum. */
Test(icmp_msg, errors_go_both_ways)
{
	const struct addr ends[2][2] = {
		{address("198.51.100.2"), address("198.51.100.1")},
		{address("2001:db8:1::2"), address("2001:db8:1::1")},
	};
	uint8_t datagram[2000], buf[2000];
	int sent = 0;

	memset(datagram, 0x45, sizeof(datagram));
	for (int k = 0; k < ICMP_KIND_NUM; k++) {
		for (int v6 = 0; v6 < 2; v6++) {
			struct icmp_report e = {.kind = (enum icmp_kind)k, .info = 40}, back;
			struct outbuf out = outbuf_of(buf, sizeof(buf));
			struct icmp_hdr h;
			struct span s;
			int len;

			e.quoted = span_of(datagram, sizeof(datagram));
			len = icmp_error_build(&e, v6, &ends[v6][0], &ends[v6][1], &out);
			if (len == -EINVAL) {
				cr_assert(out.len == 0);
				continue;
			}
			sent++;
			cr_assert(len == (v6 ? 1280 - 40 : 576 - 20), "quotes %d bytes", len);
			cr_assert(csum_segment(&ends[v6][0], &ends[v6][1], v6,
					       v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, buf,
					       (size_t)len) == 0,
				  "%s: checksum", icmp_kind_name(e.kind));
			s = span_of(buf, (size_t)len);
			cr_assert(icmp_parse(&s, &h) == 0);
			icmp_error_read(v6, &h, s, &back);
			cr_assert(back.kind == e.kind && back.info == 40, "%s v6 %d: %s info %u",
				  icmp_kind_name(e.kind), v6, icmp_kind_name(back.kind), back.info);
			cr_assert(memcmp(back.quoted.p, datagram, span_len(&back.quoted)) == 0);
		}
	}
	cr_assert(sent == 9 + 11, "%d kinds of error can be sent", sent);
}

Test(icmp_msg, a_short_datagram_is_quoted_whole_and_no_room_is_said)
{
	struct addr a = address("198.51.100.2"), b = address("198.51.100.1");
	struct icmp_report e = {.kind = ICMP_KIND_PORT_UNREACHABLE};
	uint8_t datagram[28] = {0x45}, buf[36];
	struct outbuf out = outbuf_of(buf, sizeof(buf));

	e.quoted = span_of(datagram, sizeof(datagram));
	cr_assert(icmp_error_build(&e, false, &a, &b, &out) == 36);
	out = outbuf_of(buf, 35);
	cr_assert(icmp_error_build(&e, false, &a, &b, &out) == -ENOSPC && out.len == 0);
}

Test(icmp_msg, where_a_parameter_is_bad_stands_where_its_family_wants_it)
{
	struct addr a = address("198.51.100.2"), b = address("198.51.100.1");
	struct icmp_report e = {.kind = ICMP_KIND_BAD_FIELD, .info = 6};
	uint8_t buf[8];
	struct outbuf out = outbuf_of(buf, sizeof(buf));

	cr_assert(icmp_error_build(&e, false, &a, &b, &out) == 8);
	cr_assert(buf[4] == 6 && buf[7] == 0, "RFC 792: one byte, the first");
	out = outbuf_of(buf, sizeof(buf));
	a = address("2001:db8::1");
	cr_assert(icmp_error_build(&e, true, &a, &a, &out) == 8);
	cr_assert(buf[4] == 0 && buf[7] == 6, "RFC 4443: 32 bits");
}

/* An echo of Linux, answered: only type and checksum change. */
Test(icmp_msg, an_echo_reply_returns_what_came)
{
	struct addr a = address("2001:db8:1::1"), b = address("2001:db8:1::2");
	static const char data[] = "payload of odd length";
	uint8_t request[64], reply[64];
	struct outbuf q = outbuf_of(request, sizeof(request)), r = outbuf_of(reply, sizeof(reply));
	struct span body = span_of(data, sizeof(data) - 1);

	cr_assert(icmp_echo_build(ICMP_KIND_ECHO_REQUEST, 0x12340007, body, true, &a, &b, &q) ==
		  8 + (int)sizeof(data) - 1);
	cr_assert(icmp_echo_build(ICMP_KIND_ECHO_REPLY, 0x12340007, body, true, &b, &a, &r) ==
		  8 + (int)sizeof(data) - 1);
	cr_assert(request[0] == 128 && reply[0] == 129);
	cr_assert(memcmp(request + 4, reply + 4, q.len - 4) == 0);
	cr_assert(csum_segment(&b, &a, true, IPPROTO_ICMPV6, reply, r.len) == 0);
	cr_assert(icmp_echo_build(ICMP_KIND_TOO_BIG, 0, body, true, &b, &a, &r) == -EINVAL);
}
