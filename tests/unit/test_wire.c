/* SPDX-License-Identifier: MIT */
/* test_wire.c - header codecs both ways, and the checksum */
#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/icmp.h"
#include "../../rawstack/wire/ipv4.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/tcp.h"
#include "../../rawstack/wire/udp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Frames captured from Linux on a veth without offloads. */
struct real_frame {
	const char *name;
	const char *hex;
	uint8_t proto;
};

static const struct real_frame real_frames[] = {
	{"IPv4 TCP SYN",
	 "de63fec78cdfca26ce8084db08004500003c616b4000400684e6c6336401c63364029c411b5856bb3cf500000"
	 "000"
	 "a002faf0b2090000020405b40402080a0f35ec18000000000103030a",
	 IPPROTO_TCP},
	{"IPv4 TCP data with timestamps",
	 "de63fec78cdfca26ce8084db080045000039616d4000400684e7c6336401c63364029c411b5856bb3cf6e0da4"
	 "adb"
	 "8018003fde2f00000101080a0f35ec18fd4e906668656c6c6f",
	 IPPROTO_TCP},
	{"IPv4 TCP FIN",
	 "de63fec78cdfca26ce8084db080045000034616f4000400684eac6336401c63364029c411b5856bb3cfbe0da4"
	 "ae1"
	 "8011003f220300000101080a0f35ec18fd4e9066",
	 IPPROTO_TCP},
	{"IPv4 UDP",
	 "de63fec78cdfca26ce8084db080045000021b1f440004011346dc6336401c63364029c421b58000db00564677"
	 "261"
	 "6d",
	 IPPROTO_UDP},
	{"IPv6 TCP SYN",
	 "de63fec78cdfca26ce8084db86dd600e1b750028064020010db800000000000000000000000120010db800000"
	 "000"
	 "00000000000000029c411b583e9bb8b500000000a002fd20bc540000020405a00402080afca1879a000000000"
	 "103"
	 "030a",
	 IPPROTO_TCP},
	{"IPv6 TCP SYN/ACK",
	 "ca26ce8084dbde63fec78cdf86dd60034b4f0028064020010db800000000000000000000000220010db800000"
	 "000"
	 "00000000000000011b589c412484b3803e9bb8b6a012fb04c6b40000020405a00402080ae6e138c4fca1879a0"
	 "103"
	 "030a",
	 IPPROTO_TCP},
	{"IPv6 TCP data with timestamps",
	 "de63fec78cdfca26ce8084db86dd600e1b750025064020010db800000000000000000000000120010db800000"
	 "000"
	 "00000000000000029c411b583e9bb8b62484b38180180040ac5500000101080afca1879ae6e138c468656c6c6"
	 "f",
	 IPPROTO_TCP},
	{"IPv6 UDP",
	 "de63fec78cdfca26ce8084db86dd600af52a000d114020010db800000000000000000000000120010db800000"
	 "000"
	 "00000000000000029c421b58000da8fb646772616d",
	 IPPROTO_UDP},
	{"ICMPv6 neighbour solicitation",
	 "3333ff000002ca26ce8084db86dd6000000000203aff20010db8000000000000000000000001ff02000000000"
	 "000"
	 "00000001ff000002870000a50000000020010db80000000000000000000000020101ca26ce8084db",
	 IPPROTO_ICMPV6},
};

static const char mld_report[] = "333300000016de63fec78cdf86dd6000000000380001000000000000000000000"
				 "00000000000ff02000000000000"
				 "00000000000000163a000502000001008f00dfc70000000204000000ff0200000"
				 "000000000000001ffc78cdf0400"
				 "0000ff0200000000000000000001ff000002";

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned int byte;

		cr_assert(sscanf(hex + 2 * i, "%2x", &byte) == 1);
		out[i] = (uint8_t)byte;
	}
	return n;
}

struct headers {
	struct eth_hdr eth;
	uint8_t proto;
	struct ipv4_hdr ip4;
	struct ipv6_hdr ip6;
	struct tcp_hdr tcp;
	struct udp_hdr udp;
	struct icmp_hdr icmp;
	const uint8_t *segment;
	size_t segment_len;
	struct span payload;
};

static int parse_transport(struct span *s, struct headers *h)
{
	switch (h->proto) {
	case IPPROTO_TCP:
		return tcp_parse(s, &h->tcp);
	case IPPROTO_UDP:
		return udp_parse(s, &h->udp);
	default:
		return icmp_parse(s, &h->icmp);
	}
}

static int parse_all(const uint8_t *bytes, size_t len, struct headers *h)
{
	struct span s = span_of(bytes, len);
	int err;

	memset(h, 0, sizeof(*h));
	err = eth_parse(&s, &h->eth);
	if (err)
		return err;
	if (h->eth.ethertype == ETHTYPE_IPV4) {
		err = ipv4_parse(&s, &h->ip4);
		h->proto = h->ip4.proto;
	} else {
		err = ipv6_parse(&s, &h->ip6);
		h->proto = h->ip6.next;
	}
	if (err)
		return err;
	h->segment = s.p;
	h->segment_len = span_len(&s);
	err = parse_transport(&s, h);
	h->payload = s;
	return err;
}

static void build_all(const struct headers *h, struct outbuf *out)
{
	eth_build(&h->eth, out);
	if (h->eth.ethertype == ETHTYPE_IPV4)
		ipv4_build(&h->ip4, out);
	else
		ipv6_build(&h->ip6, out);
	if (h->proto == IPPROTO_TCP)
		tcp_build(&h->tcp, out);
	else if (h->proto == IPPROTO_UDP)
		udp_build(&h->udp, out);
	else
		icmp_build(&h->icmp, out);
	outbuf_put(out, h->payload.p, span_len(&h->payload));
}

Test(wire, real_frames_survive_parse_and_build_unchanged)
{
	for (size_t i = 0; i < COUNT(real_frames); i++) {
		uint8_t bytes[256], again[256];
		struct outbuf out = outbuf_of(again, sizeof(again));
		size_t len = from_hex(real_frames[i].hex, bytes);
		struct headers h;

		cr_assert(parse_all(bytes, len, &h) == 0, "%s", real_frames[i].name);
		cr_assert(h.proto == real_frames[i].proto, "%s", real_frames[i].name);
		build_all(&h, &out);
		cr_assert(!out.overflow && out.len == len, "%s", real_frames[i].name);
		cr_assert(memcmp(bytes, again, len) == 0, "%s", real_frames[i].name);
	}
}

Test(wire, checksums_of_real_frames_are_right_and_no_flipped_bit_passes)
{
	for (size_t i = 0; i < COUNT(real_frames); i++) {
		uint8_t bytes[256];
		size_t len = from_hex(real_frames[i].hex, bytes);
		struct headers h;
		bool v6;

		cr_assert(parse_all(bytes, len, &h) == 0);
		v6 = h.eth.ethertype == ETHTYPE_IPV6;
		cr_assert(v6 || h.ip4.csum_ok, "%s", real_frames[i].name);
		for (size_t bit = 0; bit <= h.segment_len * 8; bit++) {
			uint8_t segment[256];
			uint16_t csum;

			memcpy(segment, h.segment, h.segment_len);
			if (bit)
				segment[(bit - 1) / 8] ^= (uint8_t)(1 << (bit - 1) % 8);
			csum = csum_segment(v6 ? &h.ip6.src : &h.ip4.src,
					    v6 ? &h.ip6.dst : &h.ip4.dst, v6, h.proto, segment,
					    h.segment_len);
			cr_assert((csum == 0) == (bit == 0), "%s, bit %zu", real_frames[i].name,
				  bit);
		}
	}
}

/* Each prefix in a block of its own size, so that a sanitizer sees one byte too many. */
Test(wire, every_prefix_that_cuts_a_header_is_refused)
{
	for (size_t i = 0; i < COUNT(real_frames); i++) {
		uint8_t bytes[256];
		size_t len = from_hex(real_frames[i].hex, bytes);
		struct headers whole, h;
		size_t headers_len;

		cr_assert(parse_all(bytes, len, &whole) == 0);
		headers_len = (size_t)(whole.payload.p - bytes);
		for (size_t n = 0; n <= len; n++) {
			uint8_t *prefix = malloc(n ? n : 1);
			int err;

			cr_assert(prefix != NULL);
			memcpy(prefix, bytes, n);
			err = parse_all(prefix, n, &h);
			cr_assert(err == (n < headers_len ? -ENODATA : 0), "%s: %zu of %zu gave %d",
				  real_frames[i].name, n, len, err);
			free(prefix);
		}
	}
}

Test(wire, a_failed_parse_says_how_much_it_needs_and_does_not_move)
{
	uint8_t bytes[60] = {0};
	struct tcp_hdr tcp;
	struct ipv4_hdr ip;
	struct eth_hdr eth;
	struct span s;

	s = span_of(bytes, 13);
	cr_assert(eth_parse(&s, &eth) == -ENODATA && eth.hdr_len == 14 && s.p == bytes);
	put_be16(bytes + 12, ETHTYPE_8021Q);
	s = span_of(bytes, 14);
	cr_assert(eth_parse(&s, &eth) == -ENODATA && eth.hdr_len == 18 && s.p == bytes);
	put_be16(bytes + 16, ETHTYPE_8021Q);
	s = span_of(bytes, 18);
	cr_assert(eth_parse(&s, &eth) == -ENODATA && eth.hdr_len == 22 && s.p == bytes);

	bytes[0] = 0x4f;
	s = span_of(bytes, 59);
	cr_assert(ipv4_parse(&s, &ip) == -ENODATA && ip.hdr_len == 60 && s.p == bytes);
	bytes[12] = 0xf0;
	s = span_of(bytes, 59);
	cr_assert(tcp_parse(&s, &tcp) == -ENODATA && tcp.hdr_len == 60 && s.p == bytes);
	bytes[20] = 2;
	s = span_of(bytes, 60);
	cr_assert(tcp_parse(&s, &tcp) == -EBADMSG && s.p == bytes);
}

Test(wire, ethernet_tags_survive_build_and_parse)
{
	for (uint8_t tags = 0; tags <= ETH_TAGS_MAX; tags++) {
		struct eth_hdr h = {.dst = {1, 2, 3, 4, 5, 6},
				    .src = {7, 8, 9, 10, 11, 12},
				    .hdr_len = (uint8_t)(14 + 4 * tags),
				    .tags = tags,
				    .tag = {{ETHTYPE_8021AD, 0xe005}, {ETHTYPE_8021Q, 7}},
				    .ethertype = ETHTYPE_ARP};
		struct eth_hdr got;
		uint8_t buf[64];
		struct outbuf out = outbuf_of(buf, sizeof(buf));
		struct span s;

		cr_assert(eth_build(&h, &out) == 14 + 4 * tags);
		s = span_of(buf, out.len);
		cr_assert(eth_parse(&s, &got) == 0 && span_len(&s) == 0);
		cr_assert(got.tags == tags && got.hdr_len == h.hdr_len);
		cr_assert(got.ethertype == ETHTYPE_ARP);
		cr_assert(memcmp(got.dst, h.dst, 6) == 0 && memcmp(got.src, h.src, 6) == 0);
		cr_assert(memcmp(got.tag, h.tag, tags * sizeof(h.tag[0])) == 0);
	}
}

Test(wire, ipv4_fields_survive_build_and_parse)
{
	static const uint8_t options[40] = {0x94, 4, 0, 0, 1, 1, 1, 0};
	static const uint8_t v4[2][4] = {{198, 51, 100, 1}, {198, 51, 100, 2}};
	static const struct ipv4_hdr table[] = {
		{.hdr_len = 20, .tot_len = 20, .ttl = 1, .proto = 6, .df = true},
		{.hdr_len = 24, .tot_len = 1500, .tos = 0xb8, .id = 0xbeef, .ttl = 255, .mf = true},
		{.hdr_len = 60, .tot_len = 65535, .frag_offset = 65528, .proto = 255},
		{.hdr_len = 20, .tot_len = 0, .reserved_flag = true, .frag_offset = 8},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct ipv4_hdr h = table[i], got;
		uint8_t buf[64];
		struct outbuf out = outbuf_of(buf, sizeof(buf));
		struct span s;

		h.src = addr_from_v4(v4[0]);
		h.dst = addr_from_v4(v4[1]);
		h.options = options;
		cr_assert(ipv4_build(&h, &out) == h.hdr_len, "row %zu", i);
		s = span_of(buf, out.len);
		cr_assert(ipv4_parse(&s, &got) == 0 && span_len(&s) == 0, "row %zu", i);
		cr_assert(got.csum_ok && got.hdr_len == h.hdr_len, "row %zu", i);
		cr_assert(got.tos == h.tos && got.tot_len == h.tot_len && got.id == h.id);
		cr_assert(got.reserved_flag == h.reserved_flag && got.df == h.df && got.mf == h.mf);
		cr_assert(got.frag_offset == h.frag_offset && got.ttl == h.ttl, "row %zu", i);
		cr_assert(got.proto == h.proto, "row %zu", i);
		cr_assert(addr_eq(&got.src, &h.src) && addr_eq(&got.dst, &h.dst), "row %zu", i);
		cr_assert(memcmp(got.options, options, h.hdr_len - 20u) == 0, "row %zu", i);
		buf[8] ^= 1;
		s = span_of(buf, out.len);
		cr_assert(ipv4_parse(&s, &got) == 0 && !got.csum_ok, "row %zu", i);
	}
}

Test(wire, ipv4_refuses_illegal_headers)
{
	struct ipv4_hdr h = {.src = ADDR_ANY4, .dst = ADDR_ANY4, .tot_len = 20};
	uint8_t buf[64] = {0x45, 0, 0, 20};
	struct outbuf out = outbuf_of(buf, sizeof(buf));
	struct span s = span_of(buf, 20);

	cr_assert(ipv4_parse(&s, &h) == 0);
	buf[3] = 19;
	s = span_of(buf, 20);
	cr_assert(ipv4_parse(&s, &h) == -EBADMSG, "tot_len below the header");
	buf[3] = 20;
	buf[0] = 0x44;
	cr_assert(ipv4_parse(&s, &h) == -EBADMSG, "IHL 4");
	buf[0] = 0x65;
	cr_assert(ipv4_parse(&s, &h) == -EBADMSG, "version 6");

	h = (struct ipv4_hdr){.src = ADDR_ANY4, .dst = ADDR_ANY4};
	cr_assert(ipv4_build(&h, &out) == 20, "hdr_len 0 means 20");
	h.hdr_len = 22;
	cr_assert(ipv4_build(&h, &out) == -EINVAL, "hdr_len not a multiple of 4");
	h.hdr_len = 64;
	cr_assert(ipv4_build(&h, &out) == -EINVAL, "hdr_len over 60");
	h.hdr_len = 20;
	h.frag_offset = 4;
	cr_assert(ipv4_build(&h, &out) == -EINVAL, "offset not a multiple of 8");
	h.frag_offset = 0;
	h.src = ADDR_ANY6;
	cr_assert(ipv4_build(&h, &out) == -EINVAL, "a native address");
	cr_assert(out.len == 20 && !out.overflow);
}

Test(wire, ipv6_fields_survive_build_and_parse)
{
	struct ipv6_hdr h = {.traffic_class = 0xb9,
			     .flow_label = 0xfedcb,
			     .payload_len = 0x1234,
			     .next = IPPROTO_UDP,
			     .hop_limit = 1,
			     .src = {{0x20, 1, 0xd, 0xb8, [15] = 1}},
			     .dst = {{0x20, 1, 0xd, 0xb8, [15] = 2}}};
	struct ipv6_hdr got;
	uint8_t buf[64];
	struct outbuf out = outbuf_of(buf, sizeof(buf));
	struct span s;

	cr_assert(ipv6_build(&h, &out) == 40);
	s = span_of(buf, out.len);
	cr_assert(ipv6_parse(&s, &got) == 0 && span_len(&s) == 0);
	cr_assert(got.traffic_class == h.traffic_class && got.flow_label == h.flow_label);
	cr_assert(got.payload_len == h.payload_len && got.next == h.next && got.hop_limit == 1);
	cr_assert(addr_eq(&got.src, &h.src) && addr_eq(&got.dst, &h.dst));

	h.flow_label = 0x100000;
	cr_assert(ipv6_build(&h, &out) == -EINVAL);
	buf[0] = 0x45;
	s = span_of(buf, 40);
	cr_assert(ipv6_parse(&s, &got) == -EBADMSG);
}

struct walk_row {
	const char *name;
	uint8_t next;
	uint8_t bytes[80];
	size_t len;
	int result;
	struct ipv6_chain chain;
};

static const struct walk_row walks[] = {
	{"no extension header", IPPROTO_TCP, {0}, 0, 0, {.proto = IPPROTO_TCP}},
	{"ESP ends the walk", IPPROTO_ESP, {0}, 8, 0, {.proto = IPPROTO_ESP}},
	{"hop-by-hop, destination options",
	 IPPROTO_HOPOPTS,
	 {60, 0, 5, 2, 0, 0, 1, 0, 17, 1, 1, 12},
	 24,
	 0,
	 {.proto = IPPROTO_UDP, .count = 2, .want = 16}},
	{"mobility, HIP, shim6",
	 135,
	 {139, 0, 0, 0, 0, 0, 0, 0, 140, 0, 0, 0, 0, 0, 0, 0, 59},
	 24,
	 0,
	 {.proto = IPPROTO_NONE, .count = 3, .want = 8}},
	{"AH counts in fours",
	 IPPROTO_AH,
	 {6, 4},
	 24,
	 0,
	 {.proto = IPPROTO_TCP, .count = 1, .want = 24}},
	{"first fragment",
	 IPPROTO_FRAGMENT,
	 {60, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe, 6, 0},
	 16,
	 0,
	 {.proto = IPPROTO_TCP,
	  .count = 2,
	  .want = 8,
	  .fragment = true,
	  .more_fragments = true,
	  .frag_id = 0xcafebabe}},
	{"later fragment: data is not walked",
	 IPPROTO_FRAGMENT,
	 {60, 0, 0x05, 0xa8, 0, 0, 0, 9, 0xff, 0xff},
	 8,
	 0,
	 {.proto = IPPROTO_DSTOPTS,
	  .count = 1,
	  .want = 8,
	  .fragment = true,
	  .frag_offset = 1448,
	  .frag_id = 9}},
	{"atomic fragment",
	 IPPROTO_FRAGMENT,
	 {17, 0, 0, 0, 0, 0, 0, 9},
	 8,
	 0,
	 {.proto = IPPROTO_UDP, .count = 1, .want = 8}},
	{"routing header with segments left",
	 IPPROTO_ROUTING,
	 {6, 0, 4, 1},
	 8,
	 0,
	 {.proto = IPPROTO_TCP, .count = 1, .want = 8, .routed = true}},
	{"jumbo payload",
	 IPPROTO_HOPOPTS,
	 {6, 0, 0xc2, 4, 0, 1, 0, 0},
	 8,
	 0,
	 {.proto = IPPROTO_TCP, .count = 1, .want = 8, .jumbo_len = 65536}},
	{"jumbo payload that is not jumbo",
	 IPPROTO_HOPOPTS,
	 {6, 0, 0xc2, 4, 0, 0, 0xff, 0xff},
	 8,
	 -EBADMSG,
	 {.proto = IPPROTO_HOPOPTS, .count = 1, .want = 8}},
	{"jumbo option of wrong length",
	 IPPROTO_HOPOPTS,
	 {6, 0, 1, 3, 0xc2, 2, 0, 1},
	 8,
	 -EBADMSG,
	 {.proto = IPPROTO_HOPOPTS, .count = 1, .want = 8}},
	{"hop-by-hop option past its header",
	 IPPROTO_HOPOPTS,
	 {6, 0, 5, 5, 0, 0, 0, 0},
	 8,
	 -EBADMSG,
	 {.proto = IPPROTO_HOPOPTS, .count = 1, .want = 8}},
	{"hop-by-hop option without a length",
	 IPPROTO_HOPOPTS,
	 {6, 0, 0, 0, 0, 0, 0, 5},
	 8,
	 -EBADMSG,
	 {.proto = IPPROTO_HOPOPTS, .count = 1, .want = 8}},
	{"hop-by-hop not first",
	 IPPROTO_DSTOPTS,
	 {0, 0, 0, 0, 0, 0, 0, 0, 6},
	 16,
	 -EPROTO,
	 {.proto = IPPROTO_HOPOPTS, .count = 1, .want = 8}},
	{"header cut",
	 IPPROTO_DSTOPTS,
	 {6, 2},
	 23,
	 -ENODATA,
	 {.proto = IPPROTO_DSTOPTS, .want = 24}},
	{"header start cut",
	 IPPROTO_DSTOPTS,
	 {6},
	 7,
	 -ENODATA,
	 {.proto = IPPROTO_DSTOPTS, .want = 8}},
	{"eight headers",
	 IPPROTO_DSTOPTS,
	 {60, [8] = 60, [16] = 60, [24] = 60, [32] = 60, [40] = 60, [48] = 60, [56] = 17},
	 64,
	 0,
	 {.proto = IPPROTO_UDP, .count = 8, .want = 8}},
	{"nine headers",
	 IPPROTO_DSTOPTS,
	 {60, [8] = 60, [16] = 60, [24] = 60, [32] = 60, [40] = 60, [48] = 60, [56] = 60,
	  [64] = 17},
	 72,
	 -E2BIG,
	 {.proto = IPPROTO_DSTOPTS, .count = 8, .want = 8}},
};

Test(wire, ipv6_walk_follows_the_chain)
{
	for (size_t i = 0; i < COUNT(walks); i++) {
		const struct walk_row *w = &walks[i];
		uint8_t *exact = malloc(w->len ? w->len : 1);
		struct span s = span_of(exact, w->len);
		struct ipv6_chain c;
		int result;

		cr_assert(exact != NULL);
		memcpy(exact, w->bytes, w->len);
		result = ipv6_walk(&s, w->next, &c);
		cr_assert(result == w->result, "%s: %d", w->name, result);
		cr_assert(c.proto == w->chain.proto, "%s: proto %u", w->name, c.proto);
		cr_assert(c.count == w->chain.count, "%s: count %u", w->name, c.count);
		cr_assert(c.want == w->chain.want, "%s: want %u", w->name, c.want);
		cr_assert(c.routed == w->chain.routed, "%s", w->name);
		cr_assert(c.fragment == w->chain.fragment, "%s", w->name);
		cr_assert(c.more_fragments == w->chain.more_fragments, "%s", w->name);
		cr_assert(c.frag_offset == w->chain.frag_offset, "%s", w->name);
		cr_assert(c.frag_id == w->chain.frag_id, "%s", w->name);
		cr_assert(c.jumbo_len == w->chain.jumbo_len, "%s", w->name);
		free(exact);
	}
}

Test(wire, ipv6_walk_reads_a_real_router_alert)
{
	uint8_t bytes[256];
	size_t len = from_hex(mld_report, bytes);
	struct span s = span_of(bytes + ETH_HDR_LEN, len - ETH_HDR_LEN);
	struct ipv6_chain c;
	struct ipv6_hdr ip;
	struct icmp_hdr icmp;

	cr_assert(ipv6_parse(&s, &ip) == 0 && ip.next == IPPROTO_HOPOPTS);
	cr_assert(ipv6_walk(&s, ip.next, &c) == 0);
	cr_assert(c.proto == IPPROTO_ICMPV6 && c.count == 1 && c.jumbo_len == 0);
	cr_assert(csum_segment(&ip.src, &ip.dst, true, c.proto, s.p, span_len(&s)) == 0);
	cr_assert(icmp_parse(&s, &icmp) == 0 && icmp.type == 143 && icmp.rest == 2);
}

static const struct tcp_hdr tcp_headers[] = {
	{.sport = 1,
	 .dport = 65535,
	 .seq = 0xfffffffe,
	 .ack = 0x80000001,
	 .hdr_len = 20,
	 .reserved = 0xf,
	 .flags = 0xff,
	 .window = 0x8001,
	 .csum = 0xabcd,
	 .urgent = 0x1234,
	 .wscale = TCP_WSCALE_NONE},
	{.hdr_len = 24, .flags = TCP_SYN, .mss = 1460, .wscale = TCP_WSCALE_NONE},
	{.hdr_len = 24, .flags = TCP_SYN, .wscale = 0},
	{.hdr_len = 24, .flags = TCP_SYN, .sack_permitted = true, .wscale = TCP_WSCALE_NONE},
	{.hdr_len = 40,
	 .flags = TCP_SYN,
	 .mss = 65535,
	 .wscale = 14,
	 .sack_permitted = true,
	 .timestamps = true,
	 .ts_val = 0xffffffff,
	 .ts_ecr = 1},
	{.hdr_len = 32,
	 .flags = TCP_ACK,
	 .wscale = TCP_WSCALE_NONE,
	 .timestamps = true,
	 .ts_val = 1,
	 .ts_ecr = 2},
	{.hdr_len = 32,
	 .flags = TCP_ACK,
	 .wscale = TCP_WSCALE_NONE,
	 .sacks = 1,
	 .sack = {{0xfffffff0, 0x10}}},
	{.hdr_len = 60,
	 .flags = TCP_ACK,
	 .wscale = TCP_WSCALE_NONE,
	 .timestamps = true,
	 .ts_val = 3,
	 .ts_ecr = 4,
	 .sacks = 3,
	 .sack = {{1, 2}, {3, 4}, {5, 6}}},
	{.hdr_len = 56,
	 .flags = TCP_ACK,
	 .wscale = TCP_WSCALE_NONE,
	 .sacks = 4,
	 .sack = {{1, 2}, {3, 4}, {5, 6}, {7, 8}}},
};

Test(wire, tcp_fields_and_options_survive_build_and_parse)
{
	for (size_t i = 0; i < COUNT(tcp_headers); i++) {
		const struct tcp_hdr *h = &tcp_headers[i];
		struct tcp_hdr got = {0};
		uint8_t buf[64];
		struct outbuf out = outbuf_of(buf, sizeof(buf));
		struct span s;

		cr_assert(tcp_build(h, &out) == h->hdr_len, "row %zu", i);
		s = span_of(buf, out.len);
		cr_assert(tcp_parse(&s, &got) == 0 && span_len(&s) == 0, "row %zu", i);
		cr_assert(got.sport == h->sport && got.dport == h->dport, "row %zu", i);
		cr_assert(got.seq == h->seq && got.ack == h->ack, "row %zu", i);
		cr_assert(got.hdr_len == h->hdr_len && got.reserved == h->reserved, "row %zu", i);
		cr_assert(got.flags == h->flags && got.window == h->window, "row %zu", i);
		cr_assert(got.csum == h->csum && got.urgent == h->urgent, "row %zu", i);
		cr_assert(got.mss == h->mss && got.wscale == h->wscale, "row %zu", i);
		cr_assert(got.sack_permitted == h->sack_permitted, "row %zu", i);
		cr_assert(got.timestamps == h->timestamps, "row %zu", i);
		cr_assert(got.ts_val == h->ts_val && got.ts_ecr == h->ts_ecr, "row %zu", i);
		cr_assert(got.sacks == h->sacks, "row %zu", i);
		cr_assert(memcmp(got.sack, h->sack, sizeof(got.sack)) == 0, "row %zu", i);
	}
}

Test(wire, tcp_build_refuses_what_does_not_fit)
{
	struct tcp_hdr h = {.wscale = TCP_WSCALE_NONE, .timestamps = true, .sacks = 4};
	uint8_t buf[64];
	struct outbuf out = outbuf_of(buf, sizeof(buf));

	cr_assert(tcp_build(&h, &out) == -EINVAL, "52 bytes of options");
	h = (struct tcp_hdr){.wscale = TCP_WSCALE_NONE, .sacks = 5};
	cr_assert(tcp_build(&h, &out) == -EINVAL, "five blocks");
	h = (struct tcp_hdr){.wscale = TCP_WSCALE_NONE, .reserved = 16};
	cr_assert(tcp_build(&h, &out) == -EINVAL, "five reserved bits");
	cr_assert(out.len == 0 && !out.overflow);
	out = outbuf_of(buf, 19);
	h.reserved = 0;
	cr_assert(tcp_build(&h, &out) == -ENOSPC && out.overflow && out.len == 0);
}

/* RFC 9293 MUST-7 and MUST-6. */
static const struct {
	const char *name;
	uint8_t options[12];
	int result;
} tcp_options[] = {
	{"NOPs", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 0},
	{"nothing counts after the end of options", {0, 2, 0, 0}, 0},
	{"unknown kind is skipped", {254, 6, 0, 0, 0, 0, 2, 4, 5, 180}, 0},
	{"unaligned MSS", {1, 2, 4, 5, 180, 0}, 0},
	{"length 0", {254, 0}, -EBADMSG},
	{"length 1", {254, 1}, -EBADMSG},
	{"length past the end", {1, 1, 1, 1, 1, 1, 1, 1, 254, 5, 0, 0}, -EBADMSG},
	{"kind without length", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2}, -EBADMSG},
	{"MSS of 3", {2, 3, 5}, -EBADMSG},
	{"MSS of 5", {2, 5, 5, 180, 0}, -EBADMSG},
	{"window scale of 4", {3, 4, 1, 1}, -EBADMSG},
	{"SACK permitted of 3", {4, 3, 1}, -EBADMSG},
	{"SACK without a block", {5, 2}, -EBADMSG},
	{"SACK of half a block", {5, 6, 0, 0, 0, 0}, -EBADMSG},
	{"SACK of a block and a byte", {5, 11}, -EBADMSG},
	{"timestamps of 9", {8, 9, 0, 0, 0, 0, 0, 0, 0}, -EBADMSG},
};

Test(wire, tcp_options_of_illegal_length_are_refused)
{
	for (size_t i = 0; i < COUNT(tcp_options); i++) {
		uint8_t bytes[32] = {[12] = 0x80};
		struct span s = span_of(bytes, sizeof(bytes));
		struct tcp_hdr h;

		memcpy(bytes + 20, tcp_options[i].options, 12);
		cr_assert(tcp_parse(&s, &h) == tcp_options[i].result, "%s", tcp_options[i].name);
		if (strstr(tcp_options[i].name, "unaligned") || tcp_options[i].options[6] == 2)
			cr_assert(h.mss == 1460, "%s", tcp_options[i].name);
	}
}

Test(wire, tcp_refuses_every_data_offset_below_five)
{
	for (uint8_t doff = 0; doff < 16; doff++) {
		uint8_t bytes[60] = {[12] = (uint8_t)(doff << 4)};
		struct span s = span_of(bytes, sizeof(bytes));
		struct tcp_hdr h;

		cr_assert(tcp_parse(&s, &h) == (doff < 5 ? -EBADMSG : 0), "offset %u", doff);
	}
}

Test(wire, udp_and_icmp_survive_build_and_parse)
{
	struct udp_hdr udp = {.sport = 1, .dport = 0xfffe, .len = 8, .csum = 0x1234}, got_udp;
	struct icmp_hdr icmp = {.type = 128, .code = 3, .csum = 5, .rest = 0x89abcdef}, got_icmp;
	uint8_t buf[16];
	struct outbuf out = outbuf_of(buf, sizeof(buf));
	struct span s;

	cr_assert(udp_build(&udp, &out) == 8 && icmp_build(&icmp, &out) == 8);
	s = span_of(buf, out.len);
	cr_assert(udp_parse(&s, &got_udp) == 0 && icmp_parse(&s, &got_icmp) == 0);
	cr_assert(memcmp(&got_udp, &udp, sizeof(udp)) == 0);
	cr_assert(memcmp(&got_icmp, &icmp, sizeof(icmp)) == 0);
	cr_assert(udp_build(&udp, &out) == -ENOSPC && icmp_build(&icmp, &out) == -ENOSPC);

	buf[5] = 7;
	s = span_of(buf, 8);
	cr_assert(udp_parse(&s, &got_udp) == -EBADMSG && s.p == buf);
	udp.len = 7;
	cr_assert(udp_build(&udp, &out) == -EINVAL);
}

/* RFC 1071 by the letter: big-endian words, one at a time. */
static uint16_t naive_csum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

Test(wire, checksum_agrees_with_the_rfc_on_random_pieces)
{
	static uint8_t data[70000];
	unsigned int seed = 1071;

	for (int round = 0; round < 3000; round++) {
		size_t n = (size_t)rand_r(&seed) % (round % 100 ? 200 : sizeof(data));
		size_t at = (size_t)rand_r(&seed) % 9;
		int fill = round % 10 == 0 ? 0xff : -1;
		struct csum c = {0};

		n = n < at ? 0 : n - at;
		for (size_t i = 0; i < n; i++)
			data[at + i] = (uint8_t)(fill < 0 ? rand_r(&seed) : fill);
		for (size_t done = 0, piece; done < n; done += piece) {
			piece = 1 + (size_t)rand_r(&seed) % (n - done);
			csum_add(&c, data + at + done, piece);
		}
		cr_assert(csum_finish(&c) == naive_csum(data + at, n), "round %d, %zu bytes", round,
			  n);
		cr_assert(csum_of(data + at, n) == naive_csum(data + at, n), "round %d", round);
	}
}

Test(wire, pseudo_headers_are_those_of_both_families)
{
	struct addr src = {{[10] = 0xff, 0xff, 198, 51, 100, 1}};
	struct addr dst = {{[10] = 0xff, 0xff, 198, 51, 100, 2}};
	uint8_t v4[12 + 3] = {198, 51, 100, 1, 198, 51, 100, 2, 0, 17, 0, 3, 'a', 'b', 'c'};
	uint8_t v6[40 + 3] = {[32] = 0, 0, 0, 3, 0, 0, 0, 17, 'a', 'b', 'c'};

	memcpy(v6, src.b, 16);
	memcpy(v6 + 16, dst.b, 16);
	cr_assert(csum_segment(&src, &dst, false, 17, "abc", 3) == naive_csum(v4, sizeof(v4)));
	cr_assert(csum_segment(&src, &dst, true, 17, "abc", 3) == naive_csum(v6, sizeof(v6)));
	cr_assert(csum_segment(&src, &dst, false, IPPROTO_ICMP, "abc", 3) ==
		  naive_csum((const uint8_t *)"abc", 3));
}

/* Where a refusal has to point: RFC 4443 3.4, RFC 8200 4.2, 4.4, 4.5. */
Test(wire, ipv6_walk_says_where_things_stand)
{
	static const uint8_t bytes[] = {
		60,  0, 5,    2, 0, 0, 0xc3, 0, /* hop-by-hop: router alert, a reportable unknown */
		43,  0, 0x1e, 2, 0, 0, 0x42, 0, /* destination: skip one, another unknown */
		44,  0, 9,    1, 0, 0, 0,    0, /* routing of type 9, a segment left */
		60,  0, 0,    1, 0, 0, 0,    7, /* fragment: the first of more */
		200, 0, 0x80, 0, 1, 2, 0,    0, /* destination options inside the fragment */
	};
	struct span s = span_of(bytes, sizeof(bytes));
	struct ipv6_chain c;

	cr_assert(ipv6_walk(&s, IPPROTO_HOPOPTS, &c) == 0);
	cr_assert(c.proto == 200 && c.next_at == 32);
	cr_assert(c.option_action == IPV6_OPTION_REPORT_UNICAST && c.option_at == 6);
	cr_assert(c.routed && c.routing_at == 16);
	cr_assert(c.fragment && c.fragment_at == 24 && c.frag_id == 7);
	s = span_of(bytes + 32, 8);
	cr_assert(ipv6_walk(&s, IPPROTO_DSTOPTS, &c) == 0);
	cr_assert(c.option_action == IPV6_OPTION_REPORT && c.option_at == 2 && c.next_at == 0);
}
