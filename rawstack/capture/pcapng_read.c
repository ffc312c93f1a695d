/* SPDX-License-Identifier: MIT */
/* pcapng_read.c - the blocks of a pcapng file */
#include "pcap_read_internal.h"

#include "pcap_link.h"

#include <errno.h>

/*
 * Each block states its length in front and behind; both must agree. A section may be in another
 * byte order than the one before it, and numbers its interfaces anew. Blocks of unknown types are
 * passed over (draft-ietf-opsawg-pcapng, section 3.1).
 */
enum {
	BLOCK_HEAD = 8,
	BLOCK_END = 4,
	BLOCK_MIN = BLOCK_HEAD + BLOCK_END,
	SECTION_BODY = 16,
	INTERFACE_BODY = 8,
	STATISTICS_BODY = 12,
	PACKET_BODY = 20, /* of the enhanced one and of the obsolete one */
	SIMPLE_BODY = 4,
	EXPONENT_BINARY = 0x80, /* in the option: a power of 2, not of 10 */
};

static const uint64_t ns_per_s = 1000000000;

struct block {
	uint32_t type;
	struct span body; /* options included, the final length not */
};

static int bad(struct pcap_reader *r, const char *what)
{
	return pcap_fail(r, -EBADMSG, what);
}

/* The section header comes first: only its second word says how to read the first length. */
static int learn_byte_order(struct pcap_reader *r)
{
	const uint8_t *p;
	int rc = pcap_need(r, BLOCK_HEAD + 4);

	if (rc <= 0)
		return rc;
	p = r->bytes + r->at + BLOCK_HEAD;
	r->big = get_be32(p) == PCAPNG_BYTE_ORDER;
	if (!r->big && pcap_u32(r, p) != PCAPNG_BYTE_ORDER)
		return bad(r, "a section has no byte order");
	return 1;
}

/* Reads one block and moves past it. Returns 1, 0 at the end, or an error. */
static int next_block(struct pcap_reader *r, struct block *b)
{
	const uint8_t *p;
	uint32_t total;
	int rc = pcap_need(r, BLOCK_HEAD);

	if (rc <= 0)
		return rc;
	if (get_be32(r->bytes + r->at) == PCAPNG_SECTION) {
		rc = learn_byte_order(r);
		if (rc <= 0)
			return rc;
	}
	p = r->bytes + r->at;
	total = pcap_u32(r, p + 4);
	if (total < BLOCK_MIN || total % 4 || total > PCAP_BLOCK_MAX)
		return bad(r, "a block has an impossible length");
	b->type = pcap_u32(r, p);
	rc = pcap_need(r, total);
	if (rc <= 0)
		return rc;
	p = r->bytes + r->at;
	if (pcap_u32(r, p + total - BLOCK_END) != total)
		return bad(r, "a block's two lengths differ");
	b->body = span_of(p + BLOCK_HEAD, total - BLOCK_MIN);
	r->at += total;
	return 1;
}

/* One option; its value goes to @value. Returns its code, 0 at the end of the options. */
static uint16_t next_option(const struct pcap_reader *r, struct span *s, struct span *value)
{
	const uint8_t *p = span_take(s, 4);
	uint16_t code, len;

	if (!p)
		return 0;
	code = pcap_u16(r, p);
	len = pcap_u16(r, p + 2);
	p = span_take(s, len);
	if (!p)
		return 0;
	*value = span_of(p, len);
	span_take(s, -(size_t)len & 3);
	return code;
}

/* What people will read on a terminal: control characters do not belong there. */
static void copy_text(char out[PCAP_NAME_MAX], const struct span *value)
{
	size_t n = span_len(value) < PCAP_NAME_MAX - 1 ? span_len(value) : PCAP_NAME_MAX - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(value->p[i] < ' ' || value->p[i] == 0x7f ? '?' : value->p[i]);
	out[n] = '\0';
}

/* Eight bytes as a number: the value of a counter. */
static uint64_t u64_of(const struct pcap_reader *r, const uint8_t *p)
{
	uint64_t first = pcap_u32(r, p), second = pcap_u32(r, p + 4);

	return r->big ? first << 32 | second : second << 32 | first;
}

static int read_section(struct pcap_reader *r, const struct block *b)
{
	const uint8_t *p = span_peek(&b->body, SECTION_BODY);

	if (!p)
		return bad(r, "a section header is too short");
	if (pcap_u16(r, p + 4) != 1)
		return bad(r, "an unknown version of pcapng");
	r->first = r->n_interfaces;
	return 0;
}

static void read_interface_option(const struct pcap_reader *r, struct pcap_interface *i,
				  uint16_t code, const struct span *v)
{
	if (code == PCAPNG_IF_NAME)
		copy_text(i->name, v);
	else if (code == PCAPNG_IF_DESCRIPTION)
		copy_text(i->description, v);
	else if (code == PCAPNG_IF_TSOFFSET && span_len(v) == 8)
		i->offset_s = (int64_t)u64_of(r, v->p);
	else if (code == PCAPNG_IF_TSRESOL && span_len(v) == 1) {
		i->binary = v->p[0] & EXPONENT_BINARY;
		i->exponent = v->p[0] & ~EXPONENT_BINARY;
	}
}

static int read_interface(struct pcap_reader *r, struct block *b)
{
	const uint8_t *p = span_take(&b->body, INTERFACE_BODY);
	struct pcap_interface *i;
	struct span value = {0};
	uint16_t code;

	if (!p)
		return bad(r, "an interface description is too short");
	i = pcap_add_interface(r, pcap_u16(r, p));
	if (!i)
		return bad(r, "too many interfaces");
	i->snaplen = pcap_u32(r, p + 4);
	while ((code = next_option(r, &b->body, &value)))
		read_interface_option(r, i, code, &value);
	return 0;
}

/* The last statistics block of an interface counts. */
static int read_statistics(struct pcap_reader *r, struct block *b)
{
	const uint8_t *p = span_take(&b->body, STATISTICS_BODY);
	struct pcap_interface *i;
	struct span v = {0};
	uint16_t code;

	if (!p)
		return bad(r, "a statistics block is too short");
	if (pcap_u32(r, p) >= r->n_interfaces - r->first)
		return bad(r, "statistics of an unknown interface");
	i = &r->interfaces[r->first + pcap_u32(r, p)];
	while ((code = next_option(r, &b->body, &v))) {
		if (span_len(&v) != 8)
			continue;
		if (code == PCAPNG_ISB_RECEIVED) {
			i->has_received = true;
			i->received = u64_of(r, v.p);
		} else if (code == PCAPNG_ISB_OS_DROPPED) {
			i->has_dropped = true;
			i->dropped = u64_of(r, v.p);
		} else if (code == PCAPNG_ISB_DELIVERED) {
			i->has_delivered = true;
			i->delivered = u64_of(r, v.p);
		}
	}
	return 0;
}

/* Units of an interface to nanoseconds; what does not fit wraps, and means nothing anyway. */
static uint64_t to_ns(const struct pcap_interface *i, uint64_t units)
{
	unsigned __int128 ns = units;

	if (i->binary) {
		ns = i->exponent < 64 ? ns * ns_per_s >> i->exponent : 0;
	} else if (i->exponent <= 9) {
		for (int e = i->exponent; e < 9; e++)
			ns *= 10;
	} else {
		for (int e = i->exponent; e > 9 && ns; e--)
			ns /= 10;
	}
	return (uint64_t)ns + (uint64_t)i->offset_s * ns_per_s;
}

static uint32_t meta_flags(uint32_t flags)
{
	uint32_t meta = 0;

	if ((flags & PCAPNG_FLAG_DIRECTION) == PCAPNG_FLAG_OUTBOUND)
		meta |= FRAME_META_OUTGOING;
	if (flags & PCAPNG_FLAG_CSUM_NOT_READY)
		meta |= FRAME_META_CSUM_NOT_READY;
	if (flags & PCAPNG_FLAG_CSUM_VALID)
		meta |= FRAME_META_CSUM_VALID;
	if (flags & PCAPNG_FLAG_GSO)
		meta |= FRAME_META_GSO_TCP;
	return meta;
}

static void read_packet_options(const struct pcap_reader *r, struct span s, struct ring_frame *out)
{
	struct span v = {0};
	uint16_t code;

	while ((code = next_option(r, &s, &v)))
		if (code == PCAPNG_EPB_FLAGS && span_len(&v) == 4)
			out->meta.flags |= meta_flags(pcap_u32(r, v.p));
}

/* Returns 1, 0 when its frame cannot be read, or an error. */
static int read_packet(struct pcap_reader *r, struct block *b, struct ring_frame *out)
{
	const uint8_t *p = span_take(&b->body, PACKET_BODY), *bytes;
	uint32_t number, caplen;

	if (!p)
		return bad(r, "a packet block is too short");
	number = b->type == PCAPNG_PACKET ? pcap_u32(r, p) : pcap_u16(r, p);
	caplen = pcap_u32(r, p + 12);
	if (number >= r->n_interfaces - r->first)
		return bad(r, "a frame of an unknown interface");
	bytes = caplen <= PCAP_FRAME_MAX ? span_take(&b->body, caplen) : NULL;
	if (!bytes)
		return bad(r, "a frame is longer than its block");
	span_take(&b->body, -(size_t)caplen & 3);
	number += r->first;
	out->ts_ns = to_ns(&r->interfaces[number],
			   (uint64_t)pcap_u32(r, p + 4) << 32 | pcap_u32(r, p + 8));
	if (!pcap_hand_over(r, number, bytes, caplen, pcap_u32(r, p + 16), out))
		return 0;
	read_packet_options(r, b->body, out);
	return 1;
}

/* It has no time, and belongs to the section's first interface. */
static int read_simple(struct pcap_reader *r, struct block *b, struct ring_frame *out)
{
	const uint8_t *p = span_take(&b->body, SIMPLE_BODY), *bytes;
	uint32_t wirelen, caplen, snaplen;

	if (!p)
		return bad(r, "a simple packet block is too short");
	if (r->n_interfaces == r->first)
		return bad(r, "a frame of an unknown interface");
	wirelen = pcap_u32(r, p);
	snaplen = r->interfaces[r->first].snaplen;
	caplen = snaplen && snaplen < wirelen ? snaplen : wirelen;
	bytes = caplen <= PCAP_FRAME_MAX ? span_take(&b->body, caplen) : NULL;
	if (!bytes)
		return bad(r, "a frame is longer than its block");
	out->ts_ns = 0;
	return pcap_hand_over(r, r->first, bytes, caplen, wirelen, out);
}

/* Returns 1 with a frame, 0 when the block had none, or an error. */
static int read_block(struct pcap_reader *r, struct block *b, struct ring_frame *out)
{
	switch (b->type) {
	case PCAPNG_SECTION:
		return read_section(r, b);
	case PCAPNG_INTERFACE:
		return read_interface(r, b);
	case PCAPNG_STATISTICS:
		return read_statistics(r, b);
	case PCAPNG_PACKET:
	case PCAPNG_PACKET_OBSOLETE:
		return read_packet(r, b, out);
	case PCAPNG_PACKET_SIMPLE:
		return read_simple(r, b, out);
	default:
		return 0;
	}
}

int pcapng_next(struct pcap_reader *r, struct ring_frame *out)
{
	struct block b = {0};
	int rc;

	do {
		rc = next_block(r, &b);
		if (rc <= 0)
			return rc;
		rc = read_block(r, &b, out);
	} while (rc == 0);
	return rc;
}
