/* SPDX-License-Identifier: MIT */
/* test_pcapng.c - the pcapng writer, its blocks taken apart by hand */
#include "../../rawstack/capture/pcap_link.h"
#include "../../rawstack/capture/pcapng_write.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

/* A file in memory and a walk over its blocks, written down from the draft, not from our reader. */
struct file {
	char *bytes;
	size_t len;
	FILE *f;
};

struct block {
	uint32_t type, total;
	const uint8_t *body;
	size_t body_len;
};

static uint32_t le(const uint8_t *p, size_t n)
{
	uint32_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint32_t)p[i] << (8 * i);
	return v;
}

static void file_open(struct file *f)
{
	*f = (struct file){0};
	f->f = open_memstream(&f->bytes, &f->len);
	cr_assert(f->f);
}

static void file_free(struct file *f)
{
	fclose(f->f);
	free(f->bytes);
}

/* The @nth block; every one up to there has its length twice and in fours. */
static struct block block_at(const struct file *f, size_t nth)
{
	struct block b = {0};
	size_t at = 0;

	for (size_t i = 0; i <= nth; i++) {
		const uint8_t *p = (const uint8_t *)f->bytes + at;

		cr_assert(at + 12 <= f->len, "there is no block %zu", i);
		b = (struct block){le(p, 4), le(p + 4, 4), p + 8, 0};
		cr_assert(b.total >= 12 && b.total % 4 == 0 && at + b.total <= f->len);
		cr_assert_eq(le(p + b.total - 4, 4), b.total, "the two lengths of block %zu", i);
		b.body_len = b.total - 12;
		at += b.total;
	}
	return b;
}

static size_t count_blocks(const struct file *f)
{
	size_t n = 0;

	for (size_t at = 0; at < f->len; n++)
		at += block_at(f, n).total;
	return n;
}

/* The value of an option among those from @at on, NULL: not there. */
static const uint8_t *option_of(const struct block *b, size_t at, uint16_t code, size_t *len)
{
	while (at + 4 <= b->body_len) {
		uint16_t c = (uint16_t)le(b->body + at, 2);

		*len = le(b->body + at + 2, 2);
		if (c == 0)
			return NULL;
		if (c == code)
			return b->body + at + 4;
		at += 4 + (*len + 3) / 4 * 4;
	}
	cr_assert_fail("the options of a block have no end");
	return NULL;
}

static void expect_text(const struct block *b, size_t at, uint16_t code, const char *want)
{
	size_t len = 0;
	const uint8_t *v = option_of(b, at, code, &len);

	cr_assert(v, "option %u is missing", code);
	cr_expect(len == strlen(want) && memcmp(v, want, len) == 0, "option %u is '%.*s'", code,
		  (int)len, (const char *)v);
}

static void expect_number(const struct block *b, size_t at, uint16_t code, size_t size,
			  uint64_t want)
{
	size_t len = 0;
	const uint8_t *v = option_of(b, at, code, &len);

	cr_assert(v && len == size, "option %u", code);
	cr_expect_eq(le(v, 4) | (size == 8 ? (uint64_t)le(v + 4, 4) << 32 : 0), want);
}

static struct pcapng_writer *begin(struct file *f)
{
	static const struct pcapng_section section = {.hardware = "none",
						      .os = "Linux",
						      .application = "dualwire",
						      .comment = "of a test"};
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	static const struct pcapng_interface eth = {.name = "va",
						    .description = "server",
						    .filter = "port 7000",
						    .mac = mac,
						    .snaplen = 192,
						    .linktype = PCAP_LINK_ETHERNET};
	struct pcapng_writer *w;

	file_open(f);
	cr_assert_eq(pcapng_writer_open(f->f, &section, &w), 0);
	cr_assert_eq(pcapng_add_interface(w, &eth), 0);
	return w;
}

Test(pcapng, section_and_interface_say_where_it_was_captured)
{
	struct file f;
	struct pcapng_writer *w = begin(&f);
	struct block b;
	size_t len;

	cr_expect_eq(pcapng_writer_end(w), 0);
	b = block_at(&f, 0);
	cr_expect_eq(b.type, PCAPNG_SECTION);
	cr_expect_eq(le(b.body, 4), PCAPNG_BYTE_ORDER);
	cr_expect_eq(le(b.body + 4, 4), 1, "version 1.0");
	expect_text(&b, 16, PCAPNG_SHB_HARDWARE, "none");
	expect_text(&b, 16, PCAPNG_SHB_OS, "Linux");
	expect_text(&b, 16, PCAPNG_SHB_APPLICATION, "dualwire");
	expect_text(&b, 16, PCAPNG_OPT_COMMENT, "of a test");
	b = block_at(&f, 1);
	cr_expect_eq(b.type, PCAPNG_INTERFACE);
	cr_expect_eq(le(b.body, 2), PCAP_LINK_ETHERNET);
	cr_expect_eq(le(b.body + 4, 4), 192);
	expect_text(&b, 8, PCAPNG_IF_NAME, "va");
	expect_text(&b, 8, PCAPNG_IF_DESCRIPTION, "server");
	cr_expect_eq(option_of(&b, 8, PCAPNG_IF_MAC, &len)[5], 1);
	cr_expect_eq(option_of(&b, 8, PCAPNG_IF_TSRESOL, &len)[0], 9);
	cr_expect_eq(memcmp(option_of(&b, 8, PCAPNG_IF_FILTER, &len), "\0port 7000", 10), 0);
	cr_expect_eq(count_blocks(&f), 2);
	file_free(&f);
}

Test(pcapng, packet_keeps_time_lengths_direction_and_comment)
{
	static const uint8_t bytes[61] = {1, 2, 3};
	struct file f;
	struct pcapng_writer *w = begin(&f);
	struct pcapng_packet p = {.ts_ns = 0x123456789abcdefULL,
				  .bytes = bytes,
				  .meta = {.caplen = 61,
					   .wirelen = 1500,
					   .flags = FRAME_META_OUTGOING |
						    FRAME_META_CSUM_NOT_READY | FRAME_META_GSO_TCP},
				  .id = 7,
				  .comment = "confirmed"};
	struct block b;

	cr_expect_eq(pcapng_add_packet(w, &p), 0);
	p.meta.flags = 0;
	p.comment = NULL;
	cr_expect_eq(pcapng_add_packet(w, &p), 0);
	p.interface = 1;
	cr_expect_eq(pcapng_add_packet(w, &p), -EINVAL, "an interface that is not described");
	cr_expect_eq(pcapng_writer_end(w), 0);
	cr_expect_eq(count_blocks(&f), 4, "what was refused left nothing");
	b = block_at(&f, 2);
	cr_expect_eq(b.type, PCAPNG_PACKET);
	cr_expect_eq((uint64_t)le(b.body + 4, 4) << 32 | le(b.body + 8, 4), 0x123456789abcdefULL);
	cr_expect_eq(le(b.body + 12, 4), 61);
	cr_expect_eq(le(b.body + 16, 4), 1500);
	cr_expect_eq(memcmp(b.body + 20, bytes, sizeof(bytes)), 0);
	expect_number(&b, 84, PCAPNG_EPB_FLAGS, 4,
		      PCAPNG_FLAG_OUTBOUND | PCAPNG_FLAG_CSUM_NOT_READY | PCAPNG_FLAG_GSO);
	expect_number(&b, 84, PCAPNG_EPB_PACKETID, 8, 7);
	expect_text(&b, 84, PCAPNG_OPT_COMMENT, "confirmed");
	b = block_at(&f, 3);
	expect_number(&b, 84, PCAPNG_EPB_FLAGS, 4, PCAPNG_FLAG_INBOUND);
	file_free(&f);
}

Test(pcapng, vlan_tag_goes_back_into_the_bytes)
{
	static const uint8_t bytes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x08, 0x00, 0x45, 0};
	struct file f;
	struct pcapng_writer *w = begin(&f);
	struct pcapng_packet p = {.bytes = bytes,
				  .meta = {.caplen = 16,
					   .wirelen = 56,
					   .flags = FRAME_META_VLAN | FRAME_META_VLAN_TPID,
					   .vlan_tci = 0x2005,
					   .vlan_tpid = 0x88a8}};
	struct block b;

	cr_expect_eq(pcapng_add_packet(w, &p), 0);
	p.meta.flags = FRAME_META_VLAN;
	cr_expect_eq(pcapng_add_packet(w, &p), 0);
	p.meta.caplen = 11; /* no room for a tag: kept as it is */
	cr_expect_eq(pcapng_add_packet(w, &p), 0);
	cr_expect_eq(pcapng_writer_end(w), 0);
	b = block_at(&f, 2);
	cr_expect_eq(le(b.body + 12, 4), 20);
	cr_expect_eq(le(b.body + 16, 4), 60);
	cr_expect_eq(memcmp(b.body + 20, bytes, 12), 0);
	cr_expect_eq(memcmp(b.body + 32, "\x88\xa8\x20\x05\x08\x00\x45\x00", 8), 0);
	b = block_at(&f, 3);
	cr_expect_eq(memcmp(b.body + 32, "\x81\x00\x20\x05\x08\x00", 6), 0, "0x8100 is assumed");
	b = block_at(&f, 4);
	cr_expect_eq(le(b.body + 12, 4), 11);
	file_free(&f);
}

Test(pcapng, names_and_statistics)
{
	struct file f;
	struct pcapng_writer *w = begin(&f);
	struct pcapng_name names[] = {{.name = "client"}, {.name = "server-six"}};
	struct pcapng_statistics st = {.start_ns = 5,
				       .end_ns = 0x100000009ULL,
				       .received = 10,
				       .dropped = 3,
				       .delivered = 7,
				       .comment = "2 confirmed"};
	struct block b;

	cr_assert_eq(addr_parse("198.51.100.1", &names[0].addr, NULL), 0);
	cr_assert_eq(addr_parse("2001:db8::2", &names[1].addr, NULL), 0);
	cr_expect_eq(pcapng_add_names(w, names, 2), 0);
	cr_expect_eq(pcapng_add_statistics(w, &st), 0);
	st.interface = 1;
	cr_expect_eq(pcapng_add_statistics(w, &st), -EINVAL);
	cr_expect_eq(pcapng_writer_end(w), 0);
	b = block_at(&f, 2);
	cr_expect_eq(b.type, PCAPNG_NAMES);
	cr_expect_eq(memcmp(b.body,
			    "\x01\x00\x0b\x00\xc6\x33\x64\x01"
			    "client\0\0",
			    16),
		     0);
	cr_expect_eq(le(b.body + 16, 2), PCAPNG_NAME_IPV6);
	cr_expect_eq(le(b.body + 18, 2), 16 + 11);
	b = block_at(&f, 3);
	cr_expect_eq(b.type, PCAPNG_STATISTICS);
	expect_number(&b, 12, PCAPNG_ISB_RECEIVED, 8, 10);
	expect_number(&b, 12, PCAPNG_ISB_OS_DROPPED, 8, 3);
	expect_number(&b, 12, PCAPNG_ISB_DELIVERED, 8, 7);
	/* Of a time the high half comes first. */
	expect_number(&b, 12, PCAPNG_ISB_END, 8, 0x900000001ULL);
	expect_text(&b, 12, PCAPNG_OPT_COMMENT, "2 confirmed");
	file_free(&f);
}

Test(pcapng, long_text_is_cut_where_a_character_ends)
{
	char text[PCAPNG_TEXT_MAX + 8];
	static const uint8_t bytes[4];
	struct pcapng_packet p = {.bytes = bytes, .meta = {.caplen = 4}, .comment = text};
	struct file f;
	struct pcapng_writer *w = begin(&f);
	struct block b;
	size_t len;

	memset(text, 'x', sizeof(text));
	memcpy(text + PCAPNG_TEXT_MAX - 1, "\xc3\xa9", 2); /* one character across the limit */
	text[sizeof(text) - 1] = '\0';
	cr_expect_eq(pcapng_add_packet(w, &p), 0);
	cr_expect_eq(pcapng_writer_end(w), 0);
	b = block_at(&f, 2);
	cr_assert(option_of(&b, 24, PCAPNG_OPT_COMMENT, &len));
	cr_expect_eq(len, PCAPNG_TEXT_MAX - 1);
	file_free(&f);
}

Test(pcapng, a_full_disk_is_reported_and_sticks)
{
	static const struct pcapng_section section = {.os = "Linux"};
	static const struct pcapng_interface eth = {.linktype = PCAP_LINK_ETHERNET};
	static const uint8_t bytes[1024];
	struct pcapng_packet p = {.bytes = bytes, .meta = {.caplen = sizeof(bytes)}};
	struct pcapng_writer *w;
	FILE *full = fopen("/dev/full", "we");
	int rc = 0;

	cr_assert(full);
	cr_assert_eq(pcapng_writer_open(full, &section, &w), 0);
	cr_assert_eq(pcapng_add_interface(w, &eth), 0);
	for (int i = 0; i < 64 && rc == 0; i++)
		rc = pcapng_add_packet(w, &p);
	cr_expect_eq(rc, -ENOSPC);
	cr_expect_eq(pcapng_add_packet(w, &p), -ENOSPC, "it sticks");
	cr_expect_eq(pcapng_writer_end(w), -ENOSPC);
	fclose(full);
}

Test(pcapng, what_is_lost_at_the_end_is_reported_too)
{
	static const struct pcapng_section section = {.os = "Linux"};
	struct pcapng_writer *w;
	FILE *full = fopen("/dev/full", "we");

	cr_assert(full);
	cr_assert_eq(pcapng_writer_open(full, &section, &w), 0);
	cr_expect_eq(pcapng_writer_end(w), -ENOSPC);
	fclose(full);
}
