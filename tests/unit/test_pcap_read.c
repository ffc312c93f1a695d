/* SPDX-License-Identifier: MIT */
/* test_pcap_read.c - capture files of both formats, in every variant, whole, cut and spoilt */
#include "../../rawstack/capture/pcap_link.h"
#include "../../rawstack/capture/pcap_read.h"
#include "../../rawstack/capture/pcapng_write.h"
#include "frame_vectors.h"
#include "t_capture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

enum { FRAMES_MAX = 16 };

/* All that a reader said of one file. Frames are copied, since the reader only lends them. */
struct reading {
	int open_rc, end_rc;
	char why[PCAP_WHY_MAX];
	size_t n;
	struct ring_frame frames[FRAMES_MAX];
	uint8_t bytes[FRAMES_MAX][256];
	struct pcap_interface interfaces[4];
};

static void drain(struct pcap_reader *r, struct reading *out)
{
	struct ring_frame f;
	int rc;

	while ((rc = pcap_reader_next(r, &f)) == 1) {
		cr_assert(out->n < FRAMES_MAX);
		memcpy(out->bytes[out->n], f.bytes, f.meta.caplen < 256 ? f.meta.caplen : 256);
		out->frames[out->n++] = f;
	}
	out->end_rc = rc;
	cr_expect_eq(pcap_reader_next(r, &f), rc, "the end repeats");
	snprintf(out->why, sizeof(out->why), "%s", pcap_reader_why(r));
	for (uint32_t i = 0; i < 4 && pcap_reader_interface(r, i); i++)
		out->interfaces[i] = *pcap_reader_interface(r, i);
	pcap_reader_close(r);
}

/* From a block of just that size, so that a read past it is seen. */
static struct reading read_bytes(const void *bytes, size_t len)
{
	struct reading out = {0};
	struct pcap_reader *r;
	uint8_t *exact = malloc(len ? len : 1);

	cr_assert(exact);
	memcpy(exact, bytes, len);
	out.open_rc = pcap_reader_open_bytes(exact, len, &r, out.why);
	if (out.open_rc == 0)
		drain(r, &out);
	free(exact);
	return out;
}

static struct reading read_stream(const void *bytes, size_t len)
{
	struct reading out = {0};
	struct pcap_reader *r;
	FILE *f = tmpfile();

	cr_assert(f && fwrite(bytes, 1, len, f) == len);
	rewind(f);
	out.open_rc = pcap_reader_open(f, &r, out.why);
	if (out.open_rc == 0)
		drain(r, &out);
	fclose(f);
	return out;
}

static struct reading read_both(const struct capture *c)
{
	struct reading a = read_bytes(c->b, c->len), b = read_stream(c->b, c->len);

	cr_expect(a.open_rc == b.open_rc && a.end_rc == b.end_rc && a.n == b.n);
	cr_expect_str_eq(a.why, b.why);
	cr_expect(memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0);
	return a;
}

static struct frame_info dissect(const struct reading *r, size_t i)
{
	struct frame_info info;

	frame_dissect(r->bytes[i], &r->frames[i].meta, &info);
	return info;
}

static struct packet made(void (*make)(struct packet *))
{
	struct packet p = packet_empty();

	make(&p);
	return p;
}

Test(pcap_read, pcap_in_both_orders_and_resolutions)
{
	static const uint8_t bytes[60] = {7};

	for (int k = 0; k < 4; k++) {
		struct capture c = {.big = k & 1};
		struct reading r;

		capture_pcap(&c, k & 2, 96, PCAP_LINK_ETHERNET | 0x14000000);
		capture_packet(&c, 1700000000, 123456, bytes, 60, 1500);
		capture_packet(&c, 1700000001, 999999, bytes, 0, 60);
		r = read_both(&c);
		cr_assert(r.open_rc == 0 && r.end_rc == 0 && r.n == 2, "%d: %s", k, r.why);
		cr_expect_eq(r.frames[0].ts_ns,
			     1700000000000000000 + 123456ULL * (k & 2 ? 1 : 1000));
		cr_expect_eq(r.frames[0].meta.caplen, 60);
		cr_expect_eq(r.frames[0].meta.wirelen, 1500);
		cr_expect_eq(r.bytes[0][0], 7);
		cr_expect_eq(r.frames[1].meta.caplen, 0);
		cr_expect_eq(r.interfaces[0].snaplen, 96);
		cr_expect_eq(r.interfaces[0].frames, 2);
	}
}

Test(pcap_read, pcapng_in_both_orders)
{
	static const uint8_t bytes[61] = {7};
	static const uint8_t micro = 6, nano = 9, binary = 0x80 | 10, pico = 12;
	static const struct {
		const uint8_t *exponent;
		uint64_t units, ns;
	} times[] = {
		{NULL, 1700000000123456, 1700000000123456000},
		{&micro, 5, 5000},
		{&nano, 1700000000123456789, 1700000000123456789},
		{&binary, 1536, 1500000000},
		{&pico, 1234567, 1234},
	};

	for (size_t k = 0; k < 2 * sizeof(times) / sizeof(times[0]); k++) {
		struct capture c = {.big = k & 1};
		struct reading r;

		capture_section(&c);
		capture_begin(&c, PCAPNG_INTERFACE);
		capture_u16(&c, PCAP_LINK_ETHERNET);
		capture_u16(&c, 0);
		capture_u32(&c, 0);
		capture_option(&c, PCAPNG_IF_NAME, "eth\x1b", 4);
		if (times[k / 2].exponent)
			capture_option(&c, PCAPNG_IF_TSRESOL, times[k / 2].exponent, 1);
		capture_option(&c, PCAPNG_OPT_END, NULL, 0);
		capture_end(&c);
		capture_begin(&c, 0x0bad0bad); /* passed over */
		capture_u32(&c, 1);
		capture_end(&c);
		capture_enhanced(&c, 0, times[k / 2].units, bytes, 61, 61);
		r = read_both(&c);
		cr_assert(r.open_rc == 0 && r.end_rc == 0 && r.n == 1, "%zu: %s", k, r.why);
		cr_expect_eq(r.frames[0].ts_ns, times[k / 2].ns, "%zu: %llu", k,
			     (unsigned long long)r.frames[0].ts_ns);
		cr_expect_eq(r.frames[0].meta.caplen, 61);
		cr_expect_str_eq(r.interfaces[0].name, "eth?", "no escape for the terminal");
	}
}

Test(pcap_read, time_offset_of_an_interface)
{
	struct capture c = {0};
	struct reading r;

	capture_section(&c);
	capture_begin(&c, PCAPNG_INTERFACE);
	capture_u32(&c, PCAP_LINK_ETHERNET);
	capture_u32(&c, 0);
	capture_option(&c, PCAPNG_IF_TSOFFSET, "\x0a\0\0\0\0\0\0\0", 8);
	capture_end(&c);
	capture_enhanced(&c, 0, 1, "", 0, 0);
	r = read_both(&c);
	cr_assert_eq(r.n, 1);
	cr_expect_eq(r.frames[0].ts_ns, 10000001000);
}

Test(pcap_read, every_link_type_finds_the_same_datagram)
{
	static const uint8_t sll[16] = {0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0};
	static const uint8_t sll_tag[20] = {0, 0, 0, 1, 0,    6, 2, 0,	  0, 0,
					    0, 1, 0, 0, 0x81, 0, 0, 0x05, 8, 0};
	static const uint8_t sll2[20] = {0x08, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1};
	static const struct {
		uint32_t linktype;
		const void *head;
		size_t head_len;
		uint16_t ethertype;
		bool outgoing;
	} links[] = {
		{PCAP_LINK_ETHERNET, "\2\0\0\0\0\2\2\0\0\0\0\1\x08", 14, 0x0800, false},
		{PCAP_LINK_LINUX_SLL, sll, 16, 0x0800, true},
		{PCAP_LINK_LINUX_SLL, sll_tag, 20, 0x0800, false},
		{PCAP_LINK_LINUX_SLL2, sll2, 20, 0x0800, true},
		{PCAP_LINK_NULL, "\2\0\0\0", 4, 0x0800, false},
		{PCAP_LINK_NULL, "\0\0\0\2", 4, 0x0800, false},
		{PCAP_LINK_LOOP, "\0\0\0\2", 4, 0x0800, false},
		{PCAP_LINK_RAW, "", 0, 0, false},
		{PCAP_LINK_RAW_BSD, "", 0, 0, false},
		{PCAP_LINK_RAW_OPENBSD, "", 0, 0, false},
		{PCAP_LINK_IPV4, "", 0, 0, false},
	};
	struct packet p = made(v4_syn);
	size_t ip_len = packet_len(&p) - ETH_HDR_LEN;

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct capture c = {.big = i & 1};
		uint8_t frame[256];
		struct frame_info info;
		struct reading r;
		uint32_t len = (uint32_t)(links[i].head_len + ip_len);

		memcpy(frame, links[i].head, links[i].head_len);
		memcpy(frame + links[i].head_len, packet_bytes(&p) + ETH_HDR_LEN, ip_len);
		capture_pcap(&c, false, 65535, links[i].linktype);
		capture_packet(&c, 1, 0, frame, len, len);
		r = read_both(&c);
		cr_assert(r.n == 1 && r.end_rc == 0, "link type %u: %s", links[i].linktype, r.why);
		info = dissect(&r, 0);
		cr_expect(info.carriage == CARRIAGE_V4 && info.problems == 0, "%zu: %x", i,
			  info.problems);
		cr_expect_eq(info.ethertype, links[i].ethertype, "%zu", i);
		cr_expect(addr_eq(&info.src, &V4.src) && info.dport == PORT_B && info.mss == 1460);
		cr_expect_eq((r.frames[0].meta.flags & FRAME_META_OUTGOING) != 0, links[i].outgoing,
			     "%zu", i);
		cr_expect_eq(info.need, len, "%zu: %u", i, info.need);
		for (uint32_t cut = 0; cut < len; cut++) {
			r.frames[0].meta.caplen = cut;
			info = dissect(&r, 0);
			cr_assert(info.problems & FRAME_TRUNCATED, "%zu cut to %u", i, cut);
		}
	}
}

/* What a link header says is compared with the version nibble like an EtherType. */
Test(pcap_read, loopback_family_that_disagrees_is_a_mismatch)
{
	static const uint8_t families[] = {10, 24, 28, 30};
	struct packet p4 = made(v4_syn), p6 = made(v6_syn);

	for (size_t i = 0; i < sizeof(families); i++) {
		for (int v6 = 0; v6 < 2; v6++) {
			struct packet *p = v6 ? &p6 : &p4;
			uint8_t frame[256] = {families[i]};
			uint32_t len = (uint32_t)packet_len(p) - ETH_HDR_LEN + 4;
			struct capture c = {0};
			struct reading r;

			memcpy(frame + 4, packet_bytes(p) + ETH_HDR_LEN, len - 4);
			capture_pcap(&c, false, 65535, PCAP_LINK_NULL);
			capture_packet(&c, 1, 0, frame, len, len);
			r = read_both(&c);
			cr_expect_eq(dissect(&r, 0).carriage, v6 ? CARRIAGE_V6 : CARRIAGE_MISMATCH,
				     "family %u", families[i]);
		}
	}
}

Test(pcap_read, unknown_links_are_skipped_and_counted)
{
	struct capture c = {0};
	struct reading r;

	capture_section(&c);
	capture_interface(&c, 105, 0); /* 802.11 */
	capture_interface(&c, PCAP_LINK_ETHERNET, 0);
	capture_enhanced(&c, 0, 1, "\1\2\3\4", 4, 4);
	capture_enhanced(&c, 1, 1, "\5\6\7\0", 4, 4);
	r = read_both(&c);
	cr_assert(r.n == 1 && r.end_rc == 0);
	cr_expect_eq(r.frames[0].ifindex, 1);
	cr_expect_eq(r.bytes[0][0], 5);
	cr_expect(!r.interfaces[0].readable && r.interfaces[0].skipped == 1);
}

Test(pcap_read, simple_and_obsolete_packet_blocks)
{
	struct capture c = {.big = true};
	struct reading r;

	capture_section(&c);
	capture_interface(&c, PCAP_LINK_ETHERNET, 5);
	capture_begin(&c, PCAPNG_PACKET_SIMPLE);
	capture_u32(&c, 9); /* on the wire; the snap length says that five are here */
	capture_bytes(&c, "\1\2\3\4\5\0\0\0", 8);
	capture_end(&c);
	capture_begin(&c, PCAPNG_PACKET_OBSOLETE);
	capture_u16(&c, 0);
	capture_u16(&c, 1);
	capture_u32(&c, 0);
	capture_u32(&c, 1000000);
	capture_u32(&c, 4);
	capture_u32(&c, 60);
	capture_bytes(&c, "\6\7\7\7", 4);
	capture_end(&c);
	r = read_both(&c);
	cr_assert(r.n == 2 && r.end_rc == 0, "%s", r.why);
	cr_expect(r.frames[0].meta.caplen == 5 && r.frames[0].meta.wirelen == 9);
	cr_expect(r.frames[1].ts_ns == 1000000000 && r.frames[1].meta.wirelen == 60);
	cr_expect_eq(r.bytes[1][0], 6);
}

Test(pcap_read, a_second_section_starts_over_in_its_own_order)
{
	struct capture c = {0};
	struct reading r;

	capture_section(&c);
	capture_interface(&c, PCAP_LINK_ETHERNET, 0);
	capture_enhanced(&c, 0, 1, "\1", 1, 1);
	c.big = true;
	capture_section(&c);
	capture_interface(&c, PCAP_LINK_RAW, 0);
	capture_enhanced(&c, 0, 2, "\2", 1, 1);
	r = read_both(&c);
	cr_assert(r.n == 2 && r.end_rc == 0, "%s", r.why);
	cr_expect(r.frames[0].ifindex == 0 && r.frames[0].meta.link == LINK_ETHERNET);
	cr_expect(r.frames[1].ifindex == 1 && r.frames[1].meta.link == LINK_RAW);
	cr_expect_eq(r.frames[1].ts_ns, 2000);
}

Test(pcap_read, reads_what_we_write)
{
	static const struct pcapng_section section = {.os = "Linux"};
	static const struct pcapng_interface eth = {
		.name = "va", .description = "server", .linktype = PCAP_LINK_ETHERNET};
	struct packet p = made(v6_syn);
	struct pcapng_packet out = {
		.ts_ns = 1700000000123456789,
		.bytes = packet_bytes(&p),
		.meta = {.caplen = (uint32_t)packet_len(&p),
			 .wirelen = (uint32_t)packet_len(&p),
			 .flags = FRAME_META_OUTGOING | FRAME_META_CSUM_VALID | FRAME_META_VLAN,
			 .vlan_tci = 5}};
	struct pcapng_statistics st = {.received = 9, .dropped = 2, .delivered = 7};
	struct pcapng_writer *w;
	struct frame_info info;
	struct reading r;
	char *bytes;
	size_t len;
	FILE *f = open_memstream(&bytes, &len);

	cr_assert(f && pcapng_writer_open(f, &section, &w) == 0);
	cr_assert(pcapng_add_interface(w, &eth) == 0 && pcapng_add_packet(w, &out) == 0 &&
		  pcapng_add_statistics(w, &st) == 0 && pcapng_writer_end(w) == 0);
	r = read_bytes(bytes, len);
	cr_assert(r.n == 1 && r.end_rc == 0, "%s", r.why);
	cr_expect_eq(r.frames[0].ts_ns, out.ts_ns);
	cr_expect_eq(r.frames[0].meta.flags,
		     FRAME_META_OUTGOING | FRAME_META_CSUM_VALID | FRAME_META_CSUM_UNKNOWN);
	info = dissect(&r, 0);
	cr_expect(info.carriage == CARRIAGE_V6 && info.vlan_tags == 1 && info.vlan_id == 5);
	cr_expect(r.interfaces[0].has_received && r.interfaces[0].received == 9);
	cr_expect(r.interfaces[0].has_dropped && r.interfaces[0].dropped == 2);
	cr_expect(r.interfaces[0].has_delivered && r.interfaces[0].delivered == 7);
	cr_expect_str_eq(r.interfaces[0].name, "va");
	fclose(f);
	free(bytes);
}

/* An interface was to finish the sum: no fault of the frame. Any other wrong sum is one. */
Test(pcap_read, unfinished_checksum_is_no_bad_one)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet p = made(v6 ? v6_syn : v4_syn);
		struct frame_meta meta = {.caplen = (uint32_t)packet_len(&p),
					  .wirelen = (uint32_t)packet_len(&p),
					  .flags = FRAME_META_CSUM_UNKNOWN};
		const struct pair *ends = v6 ? &V6 : &V4;
		size_t at = ETH_HDR_LEN + (v6 ? IPV6_HDR_LEN : IPV4_HDR_LEN) + TCP_CSUM_OFFSET;
		struct csum pseudo = {0};
		struct frame_info info;

		csum_add_pseudo(&pseudo, &ends->src, &ends->dst, v6, IPPROTO_TCP,
				(uint32_t)(packet_len(&p) - at + TCP_CSUM_OFFSET));
		put_be16(packet_bytes(&p) + at, (uint16_t)~csum_finish(&pseudo));
		frame_dissect(packet_bytes(&p), &meta, &info);
		cr_expect_eq(info.problems, FRAME_CSUM_UNCHECKED);
		meta.flags = 0;
		frame_dissect(packet_bytes(&p), &meta, &info);
		cr_expect_eq(info.problems, FRAME_BAD_CHECKSUM, "where the ring would say so");
		meta.flags = FRAME_META_CSUM_UNKNOWN;
		packet_bytes(&p)[at] ^= 1;
		frame_dissect(packet_bytes(&p), &meta, &info);
		cr_expect_eq(info.problems, FRAME_BAD_CHECKSUM);
	}
}

/* A file of each format with everything in it. */
static void make_rich(struct capture *c, bool pcapng)
{
	struct packet p = made(v4_syn);
	uint32_t len = (uint32_t)packet_len(&p);

	if (!pcapng) {
		capture_pcap(c, false, 65535, PCAP_LINK_ETHERNET);
		capture_packet(c, 1, 2, packet_bytes(&p), len, len);
		capture_packet(c, 2, 3, packet_bytes(&p), len, len);
		return;
	}
	capture_section(c);
	capture_begin(c, PCAPNG_INTERFACE);
	capture_u32(c, PCAP_LINK_ETHERNET);
	capture_u32(c, 0);
	capture_option(c, PCAPNG_IF_NAME, "va", 2);
	capture_option(c, PCAPNG_IF_TSRESOL, "\x09", 1);
	capture_end(c);
	capture_enhanced(c, 0, 1, packet_bytes(&p), len, len);
	capture_begin(c, PCAPNG_STATISTICS);
	capture_u32(c, 0);
	capture_u32(c, 0);
	capture_u32(c, 0);
	capture_option(c, PCAPNG_ISB_OS_DROPPED, "\1\0\0\0\0\0\0\0", 8);
	capture_end(c);
	capture_enhanced(c, 0, 1, packet_bytes(&p), len, len);
}

Test(pcap_read, every_cut_is_an_end_or_is_reported)
{
	for (int pcapng = 0; pcapng < 2; pcapng++) {
		struct capture c = {0};
		size_t clean = 0;

		make_rich(&c, pcapng);
		for (size_t len = 0; len < c.len; len++) {
			struct reading r = read_bytes(c.b, len);

			if (r.open_rc == 0 && r.end_rc == 0) {
				clean++;
				continue;
			}
			cr_expect(r.open_rc == -EBADMSG || r.open_rc == -ENODATA ||
				  (r.open_rc == 0 && r.end_rc == -ENODATA));
			cr_expect(strstr(r.why, "byte") != NULL, "'%s'", r.why);
		}
		/* pcap: behind the header and one packet; pcapng: behind each of four blocks. */
		cr_expect_eq(clean, pcapng ? 4 : 2, "%zu", clean);
	}
}

Test(pcap_read, spoilt_files_are_refused_with_a_reason)
{
	static const struct {
		bool pcapng;
		size_t at;
		uint8_t value;
		const char *why;
	} spoils[] = {
		{false, 0, 0xd5, "neither pcap nor pcapng"},
		{false, 24 + 11, 0x80, "a frame is impossibly long"},
		{true, 4, 27, "a block has an impossible length"},
		{true, 4, 8, "a block has an impossible length"},
		{true, 8, 0, "a section has no byte order"},
		{true, 12, 2, "an unknown version of pcapng"},
		{true, 24, 32, "a block's two lengths differ"},
		{true, 28 + 7, 0x7f, "a block has an impossible length"},
	};

	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		struct capture c = {0};
		struct reading r;

		make_rich(&c, spoils[i].pcapng);
		c.b[spoils[i].at] = spoils[i].value;
		r = read_both(&c);
		cr_expect(r.open_rc == -EBADMSG || r.end_rc == -EBADMSG, "%s", spoils[i].why);
		cr_expect(strncmp(r.why, spoils[i].why, strlen(spoils[i].why)) == 0, "'%s'", r.why);
	}
}

Test(pcap_read, frames_and_statistics_of_unknown_interfaces_are_refused)
{
	for (int k = 0; k < 3; k++) {
		struct capture c = {0};
		struct reading r;

		capture_section(&c);
		if (k == 0) {
			capture_enhanced(&c, 0, 1, "", 0, 0);
		} else if (k == 1) {
			capture_begin(&c, PCAPNG_PACKET_SIMPLE);
			capture_u32(&c, 0);
			capture_end(&c);
		} else {
			capture_interface(&c, PCAP_LINK_ETHERNET, 0);
			capture_begin(&c, PCAPNG_STATISTICS);
			capture_u32(&c, 1);
			capture_u32(&c, 0);
			capture_u32(&c, 0);
			capture_end(&c);
		}
		r = read_both(&c);
		cr_expect_eq(r.end_rc, -EBADMSG, "%d", k);
	}
}

Test(pcap_read, a_frame_longer_than_its_block_is_refused)
{
	struct capture c = {0};
	struct reading r;

	capture_section(&c);
	capture_interface(&c, PCAP_LINK_ETHERNET, 0);
	capture_begin(&c, PCAPNG_PACKET);
	for (int i = 0; i < 3; i++)
		capture_u32(&c, 0);
	capture_u32(&c, 5);
	capture_u32(&c, 5);
	capture_u32(&c, 0);
	capture_end(&c);
	r = read_both(&c);
	cr_expect_eq(r.end_rc, -EBADMSG);
}

Test(pcap_read, too_many_interfaces_are_refused)
{
	static struct capture c;
	struct reading r;

	capture_section(&c);
	for (int i = 0; i <= PCAP_INTERFACES_MAX; i++)
		capture_interface(&c, PCAP_LINK_ETHERNET, 0);
	r = read_both(&c);
	cr_expect_eq(r.end_rc, -EBADMSG);
	cr_expect(strstr(r.why, "too many interfaces"));
}

/* A block may be longer than the buffer; a length that no bytes follow allocates nothing. */
Test(pcap_read, long_blocks)
{
	static uint8_t file[3 * PCAP_BUFFER];
	struct capture c = {0};
	struct reading r;
	uint32_t total = 2 * PCAP_BUFFER;
	size_t len;

	capture_section(&c);
	capture_interface(&c, PCAP_LINK_ETHERNET, 0);
	memcpy(file, c.b, c.len);
	len = c.len;
	memcpy(file + len, "\x01\x0b\xad\x0b", 4);
	memcpy(file + len + 4, &total, 4);
	memcpy(file + len + total - 4, &total, 4);
	c.len = 0;
	capture_enhanced(&c, 0, 1, "\1", 1, 1);
	memcpy(file + len + total, c.b, c.len);
	r = read_stream(file, len + total + c.len);
	cr_expect(r.n == 1 && r.end_rc == 0, "%zu %d %s", r.n, r.end_rc, r.why);
	r = read_stream(file, len + 100);
	cr_expect(r.n == 0 && r.end_rc == -ENODATA);
}

Test(pcap_read, a_stream_that_cannot_be_read_is_reported)
{
	struct pcap_reader *r;
	char why[PCAP_WHY_MAX];
	FILE *dir = fopen("/", "re");

	cr_assert(dir);
	cr_expect_eq(pcap_reader_open(dir, &r, why), -EISDIR);
	fclose(dir);
}
