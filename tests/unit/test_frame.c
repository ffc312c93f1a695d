/* SPDX-License-Identifier: MIT */
/* test_frame.c - the dissector: one vector per rule, no byte read past the capture; the builder */
#include "frame_vectors.h"

#include "../../rawstack/wire/build.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

/* Dissects the first @caplen bytes from a block of just that size. */
static struct frame_info dissect_exact(struct packet *p, struct frame_meta meta)
{
	uint8_t *exact = malloc(meta.caplen ? meta.caplen : 1);
	struct frame_info info;

	cr_assert(exact != NULL);
	memcpy(exact, packet_bytes(p), meta.caplen);
	memset(&info, 0xa5, sizeof(info));
	frame_dissect(exact, &meta, &info);
	free(exact);
	return info;
}

static struct frame_info dissect_made(void (*make)(struct packet *))
{
	struct packet p = packet_empty();

	make(&p);
	return dissect_exact(&p, (struct frame_meta){.caplen = (uint32_t)packet_len(&p),
						     .wirelen = (uint32_t)packet_len(&p)});
}

Test(frame, every_vector_reads_as_its_line)
{
	for (size_t i = 0; i < FRAME_VECTORS; i++) {
		const struct frame_vector *v = &frame_vectors[i];
		struct packet p = packet_empty();
		struct frame_info info;
		char line[256];

		v->make(&p);
		info = dissect_exact(&p, vector_meta(v, packet_len(&p)));
		cr_expect(frame_print(&info, line, sizeof(line)) == strlen(line), "%s", v->name);
		cr_expect(strcmp(line, v->line) == 0, "%s:\n  got  %s\n  want %s", v->name, line,
			  v->line);
	}
}

Test(frame, every_prefix_that_cuts_a_header_is_flagged)
{
	for (size_t i = 0; i < FRAME_VECTORS; i++) {
		const struct frame_vector *v = &frame_vectors[i];
		struct packet p = packet_empty();
		struct frame_meta meta;
		struct frame_info whole;

		v->make(&p);
		meta = vector_meta(v, packet_len(&p));
		whole = dissect_exact(&p, meta);
		for (meta.caplen = 0; meta.caplen <= packet_len(&p); meta.caplen++) {
			struct frame_info info = dissect_exact(&p, meta);
			bool cut = info.problems & FRAME_TRUNCATED;

			cr_assert(!cut || info.need > meta.caplen, "%s: %u", v->name, meta.caplen);
			cr_assert(cut || info.need <= meta.caplen, "%s: %u", v->name, meta.caplen);
			if (whole.problems & FRAME_BAD)
				continue;
			cr_assert(cut == (meta.caplen < whole.need), "%s: %u of %u", v->name,
				  meta.caplen, whole.need);
			cr_assert(info.need <= whole.need, "%s: %u", v->name, meta.caplen);
		}
	}
}

/* A frame that was as short on the wire is no victim of the capture. */
Test(frame, every_runt_is_malformed_and_not_truncated)
{
	for (size_t i = 0; i < FRAME_VECTORS; i++) {
		const struct frame_vector *v = &frame_vectors[i];
		struct packet p = packet_empty();
		struct frame_meta meta = v->meta;
		struct frame_info whole;

		v->make(&p);
		whole = dissect_exact(&p, vector_meta(v, packet_len(&p)));
		for (meta.caplen = 0; meta.caplen < packet_len(&p); meta.caplen++) {
			struct frame_info info;

			meta.wirelen = meta.caplen;
			info = dissect_exact(&p, meta);
			cr_assert(!(info.problems & FRAME_TRUNCATED), "%s: %u", v->name,
				  meta.caplen);
			if (meta.caplen < whole.need && !(whole.problems & FRAME_BAD))
				cr_assert(info.problems & FRAME_MALFORMED, "%s: %u", v->name,
					  meta.caplen);
		}
	}
}

Test(frame, all_fields_of_a_syn)
{
	struct frame_info info = dissect_made(v4_syn);

	cr_assert(info.carriage == CARRIAGE_V4 && info.problems == 0);
	cr_assert(info.ethertype == ETHTYPE_IPV4 && info.version == 4);
	cr_assert(info.vlan_tags == 0 && info.vlan_id == 0);
	cr_assert(addr_eq(&info.src, &V4.src) && addr_eq(&info.dst, &V4.dst));
	cr_assert(info.proto == IPPROTO_TCP && info.ttl == 64 && info.tos == 0 && info.df);
	cr_assert(!info.fragment && info.frag_id == 0x1234);
	cr_assert(info.has_ports && info.sport == PORT_A && info.dport == PORT_B);
	cr_assert(info.seq == 1000 && info.ack == 0 && info.tcp_flags == TCP_SYN);
	cr_assert(info.window == 64240 && info.mss == 1460 && info.wscale == 7);
	cr_assert(info.sack_permitted && info.timestamps);
	cr_assert(info.need == 74 && info.payload_off == 74 && info.payload_len == 0);

	info = dissect_made(v6_syn);
	cr_assert(info.carriage == CARRIAGE_V6 && info.flow_label == 0x12345 && info.mss == 1440);
	cr_assert(addr_eq(&info.src, &V6.src) && addr_eq(&info.dst, &V6.dst) && !info.df);
}

/* The flow table must see one flow, the judge two carriages. */
Test(frame, literal_mapped_addresses_in_ipv6_meet_the_ipv4_flow)
{
	struct frame_info v4 = dissect_made(v4_syn), v6 = dissect_made(literal_syn);

	cr_assert(addr_eq(&v4.src, &v6.src) && addr_eq(&v4.dst, &v6.dst));
	cr_assert(v4.sport == v6.sport && v4.dport == v6.dport);
	cr_assert(v4.carriage == CARRIAGE_V4 && v6.carriage == CARRIAGE_V6);
	cr_assert(v6.problems == 0);
}

Test(frame, a_tunnel_shows_the_inner_datagram_and_the_outer_ethertype)
{
	struct frame_info info = dissect_made(six_in_four);

	cr_assert(info.carriage == CARRIAGE_TUN_6IN4 && info.ethertype == ETHTYPE_IPV4);
	cr_assert(info.version == 6 && info.flow_label == 0x12345);
	cr_assert(!info.df && info.frag_id == 0, "nothing is left of the outer header");
	info = dissect_made(four_in_six);
	cr_assert(info.carriage == CARRIAGE_TUN_OTHER && info.ethertype == ETHTYPE_IPV6);
	cr_assert(info.version == 4 && info.flow_label == 0 && info.df);
}

Test(frame, options_of_a_segment_that_is_no_syn_are_not_offers)
{
	struct packet p = packet_empty();
	struct frame_meta meta;
	struct frame_info info;

	push_tcp(&p, &V4, TCP_ACK);
	push_ip(&p, &V4, IPPROTO_TCP);
	push_eth(&p, ETHTYPE_IPV4);
	meta = (struct frame_meta){.caplen = (uint32_t)packet_len(&p)};
	info = dissect_exact(&p, meta);
	cr_assert(info.tcp_flags == TCP_ACK && info.ack == 2000 && info.problems == 0);
	cr_assert(info.mss == 0 && info.wscale == TCP_WSCALE_NONE);
	cr_assert(!info.sack_permitted && !info.timestamps);
}

Test(frame, a_superframe_is_known_by_its_length_above_9018)
{
	struct packet p = packet_empty();
	struct frame_meta meta;

	v4_syn(&p);
	meta = (struct frame_meta){.caplen = (uint32_t)packet_len(&p), .wirelen = 9018};
	cr_assert(!(dissect_exact(&p, meta).problems & FRAME_SUPERFRAME));
	meta.wirelen++;
	cr_assert(dissect_exact(&p, meta).problems & FRAME_SUPERFRAME);
}

Test(frame, payload_is_counted_by_the_ip_length_and_found_in_the_bytes)
{
	struct frame_info info = dissect_made(v4_padded);

	cr_assert(info.payload_len == 5 && info.payload_off == 42 && info.need == 42);
	info = dissect_made(v6_atomic_fragment);
	cr_assert(info.payload_len == 8 && info.payload_off == 14 + 40 + 8 + 8);
}

Test(frame, print_fits_any_buffer)
{
	for (size_t i = 0; i < FRAME_VECTORS; i++) {
		const struct frame_vector *v = &frame_vectors[i];
		size_t full = strlen(v->line);
		struct packet p = packet_empty();
		struct frame_info info;

		v->make(&p);
		info = dissect_exact(&p, vector_meta(v, packet_len(&p)));
		for (size_t cap = 0; cap <= full + 2; cap++) {
			char *buf = malloc(cap ? cap : 1);
			size_t want = cap > full ? full : cap ? cap - 1 : 0;

			cr_assert(buf != NULL);
			cr_assert(frame_print(&info, buf, cap) == want, "%s: %zu", v->name, cap);
			if (cap) {
				cr_assert(memcmp(buf, v->line, want) == 0, "%s", v->name);
				cr_assert(buf[want] == '\0', "%s: %zu", v->name, cap);
			}
			free(buf);
		}
	}
}

Test(frame, every_carriage_has_a_name_of_its_own)
{
	for (int a = 0; a < CARRIAGE_NUM; a++)
		for (int b = 0; b < a; b++)
			cr_assert(strcmp(carriage_name((enum carriage)a),
					 carriage_name((enum carriage)b)) != 0);
	cr_assert(strcmp(carriage_name(CARRIAGE_NUM), "invalid") == 0);
}

static struct frame_spec spec_of(const struct pair *a, uint8_t proto)
{
	return (struct frame_spec){.dst_mac = {2, 0, 0, 0, 0, 2},
				   .src_mac = {2, 0, 0, 0, 0, 1},
				   .ipv6 = a->v6,
				   .src = a->src,
				   .dst = a->dst,
				   .proto = proto,
				   .tos = 0x10,
				   .ip_id = 77,
				   .sport = PORT_A,
				   .dport = PORT_B,
				   .seq = 1,
				   .ack = 2,
				   .tcp_flags = TCP_SYN | TCP_ACK,
				   .mss = 1440};
}

static struct frame_info dissect_built(const struct outbuf *out)
{
	struct frame_meta meta = {.caplen = (uint32_t)out->len};
	struct frame_info info;

	frame_dissect(out->buf, &meta, &info);
	return info;
}

Test(build, a_frame_reads_as_its_spec)
{
	static const struct {
		const struct pair *pair;
		uint8_t proto;
		const char *line;
	} table[] = {
		{&V4, IPPROTO_UDP, "IPv4 " PORTS4 " UDP len 5"},
		{&V6, IPPROTO_UDP, "IPv6 " PORTS6 " UDP len 5"},
		{&V4, IPPROTO_TCP, "IPv4 " PORTS4 " SYN ACK seq 1 ack 2 win 65535 mss 1440 len 5"},
		{&V6, IPPROTO_TCP, "IPv6 " PORTS6 " SYN ACK seq 1 ack 2 win 65535 mss 1440 len 5"},
		{&LITERAL, IPPROTO_UDP,
		 "IPv6 [::ffff:198.51.100.1]:40001 > [::ffff:198.51.100.2]:7000 UDP len 5"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct frame_spec spec = spec_of(table[i].pair, table[i].proto);
		uint8_t buf[128];
		struct outbuf out = outbuf_of(buf, sizeof(buf));
		struct frame_info info;
		char line[256];

		cr_assert(frame_build(&spec, "hello", 5, &out) == (int)out.len, "row %zu", i);
		info = dissect_built(&out);
		frame_print(&info, line, sizeof(line));
		cr_assert(strcmp(line, table[i].line) == 0, "row %zu: %s", i, line);
		cr_assert(memcmp(buf, spec.dst_mac, 6) == 0 &&
			  memcmp(buf + 6, spec.src_mac, 6) == 0);
		cr_assert(info.ttl == 64 && info.tos == 0x10, "row %zu", i);
		cr_assert(spec.ipv6 || (info.frag_id == 77 && info.df), "row %zu", i);
		cr_assert(info.payload_off + 5 == out.len, "row %zu", i);
		cr_assert(memcmp(buf + info.payload_off, "hello", 5) == 0, "row %zu", i);
	}
}

Test(build, the_ethertype_can_lie)
{
	struct frame_spec spec = spec_of(&V6, IPPROTO_UDP);
	uint8_t buf[128];
	struct outbuf out = outbuf_of(buf, sizeof(buf));

	spec.ethertype = ETHTYPE_IPV4;
	cr_assert(frame_build(&spec, NULL, 0, &out) == 62);
	cr_assert(dissect_built(&out).carriage == CARRIAGE_MISMATCH);
}

Test(build, a_udp_checksum_is_never_zero)
{
	struct frame_spec spec = spec_of(&V4, IPPROTO_UDP);
	uint8_t payload[2];

	for (unsigned int i = 0; i <= UINT16_MAX; i++) {
		uint8_t buf[128];
		struct outbuf out = outbuf_of(buf, sizeof(buf));

		put_be16(payload, (uint16_t)i);
		cr_assert(frame_build(&spec, payload, 2, &out) == 44);
		cr_assert(get_be16(buf + 40) != 0, "payload %04x", i);
		cr_assert(dissect_built(&out).problems == 0, "payload %04x", i);
	}
}

Test(build, a_failure_appends_nothing)
{
	static uint8_t big[70000], payload[UINT16_MAX];
	struct frame_spec spec = spec_of(&V4, IPPROTO_ICMP);
	struct outbuf out = outbuf_of(big, sizeof(big));

	cr_assert(frame_build(&spec, NULL, 0, &out) == -EINVAL, "protocol");
	spec = spec_of(&V6, IPPROTO_UDP);
	spec.ipv6 = false;
	cr_assert(frame_build(&spec, NULL, 0, &out) == -EINVAL, "native address in IPv4");
	spec = spec_of(&V4, IPPROTO_UDP);
	cr_assert(frame_build(&spec, payload, 65535 - 28 + 1, &out) == -EMSGSIZE);
	cr_assert(out.len == 0 && !out.overflow);
	cr_assert(frame_build(&spec, payload, 65535 - 28, &out) == 14 + 65535);

	out = outbuf_of(big, 46);
	cr_assert(frame_build(&spec, "hello", 5, &out) == -ENOSPC && out.len == 0);
	out = outbuf_of(big, 47);
	cr_assert(frame_build(&spec, "hello", 5, &out) == 47);
	cr_assert(frame_build(&spec, "hello", 5, &out) == -ENOSPC && out.len == 47);
}
