/* SPDX-License-Identifier: MIT */
/* pcapng_write.c - builds the blocks of a pcapng section and writes them one after the other */
#include "pcapng_write.h"

#include "../wire/span.h"
#include "pcap_link.h"

#include <errno.h>
#include <stdlib.h>

/*
 * A block is: type, total length, body, options, total length again, everything padded to four
 * bytes. It is built in two parts, what stands before the packet's bytes and what follows them, so
 * that those are never copied.
 *
 * Invariant: once error is set nothing is written any more.
 */
enum {
	BLOCK_OVERHEAD = 12, /* type and the two lengths */
	OPTION_HDR = 4,
	PACKET_HEAD = 28, /* of an enhanced packet block, up to the bytes */
	TAG_AT = 12,	  /* where a VLAN tag stands in an Ethernet frame: behind the addresses */
	TAIL_MAX = 4 * (OPTION_HDR + PCAPNG_TEXT_MAX) + 128,
};

struct pcapng_writer {
	FILE *out;
	int error;
	uint32_t n_interfaces;
	bool ethernet[PCAPNG_INTERFACES_MAX];
	uint8_t tail[TAIL_MAX]; /* of the block that is being built */
};

static void put_le16(struct outbuf *o, uint16_t v)
{
	outbuf_put(o, (const uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8)}, 2);
}

static void put_le32(struct outbuf *o, uint32_t v)
{
	put_le16(o, (uint16_t)v);
	put_le16(o, (uint16_t)(v >> 16));
}

static void put_le64(struct outbuf *o, uint64_t v)
{
	put_le32(o, (uint32_t)v);
	put_le32(o, (uint32_t)(v >> 32));
}

static void put_padding(struct outbuf *o, size_t len)
{
	static const uint8_t zero[4];

	outbuf_put(o, zero, -len & 3);
}

static void put_option(struct outbuf *o, uint16_t code, const void *value, size_t len)
{
	put_le16(o, code);
	put_le16(o, (uint16_t)len);
	outbuf_put(o, value, len);
	put_padding(o, len);
}

/* The length of @text, cut to @max bytes where a character of UTF-8 ends. */
static size_t text_len(const char *text, size_t max)
{
	size_t n = strnlen(text, max + 1);

	if (n <= max)
		return n;
	for (n = max; n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80;)
		n--;
	return n;
}

static void put_text(struct outbuf *o, uint16_t code, const char *text)
{
	if (text)
		put_option(o, code, text, text_len(text, PCAPNG_TEXT_MAX));
}

/* A time as the two 32-bit halves that pcapng keeps it in, high one first. */
static void put_time(struct outbuf *o, uint64_t ns)
{
	put_le32(o, (uint32_t)(ns >> 32));
	put_le32(o, (uint32_t)ns);
}

static void put_time_option(struct outbuf *o, uint16_t code, uint64_t ns)
{
	put_le16(o, code);
	put_le16(o, 8);
	put_time(o, ns);
}

static void put_count(struct outbuf *o, uint16_t code, uint64_t n)
{
	put_le16(o, code);
	put_le16(o, 8);
	put_le64(o, n);
}

static void put_end(struct outbuf *o)
{
	put_le16(o, PCAPNG_OPT_END);
	put_le16(o, 0);
}

static int put(struct pcapng_writer *w, const void *bytes, size_t len)
{
	errno = 0;
	if (!w->error && len && fwrite(bytes, 1, len, w->out) != len)
		w->error = errno ? -errno : -EIO;
	return w->error;
}

static struct outbuf tail_of(struct pcapng_writer *w)
{
	return outbuf_of(w->tail, sizeof(w->tail));
}

/* Writes a block whose body and options are all in @body. */
static int put_block(struct pcapng_writer *w, uint32_t type, const struct outbuf *body)
{
	uint32_t total = (uint32_t)body->len + BLOCK_OVERHEAD;
	uint8_t head[8], end[4];
	struct outbuf h = outbuf_of(head, sizeof(head)), e = outbuf_of(end, sizeof(end));

	if (body->overflow)
		return w->error = w->error ? w->error : -EMSGSIZE;
	put_le32(&h, type);
	put_le32(&h, total);
	put_le32(&e, total);
	put(w, head, sizeof(head));
	put(w, body->buf, body->len);
	return put(w, end, sizeof(end));
}

int pcapng_writer_open(FILE *out, const struct pcapng_section *s, struct pcapng_writer **w)
{
	struct pcapng_writer *nw = calloc(1, sizeof(*nw));
	struct outbuf o;
	int rc;

	if (!nw)
		return -ENOMEM;
	nw->out = out;
	o = tail_of(nw);
	put_le32(&o, PCAPNG_BYTE_ORDER);
	put_le16(&o, 1); /* version 1.0 */
	put_le16(&o, 0);
	put_le64(&o, UINT64_MAX); /* the section's length: not known */
	put_text(&o, PCAPNG_SHB_HARDWARE, s->hardware);
	put_text(&o, PCAPNG_SHB_OS, s->os);
	put_text(&o, PCAPNG_SHB_APPLICATION, s->application);
	put_text(&o, PCAPNG_OPT_COMMENT, s->comment);
	put_end(&o);
	rc = put_block(nw, PCAPNG_SECTION, &o);
	if (rc < 0) {
		free(nw);
		return rc;
	}
	*w = nw;
	return 0;
}

/* The option's first byte says what kind of filter it is: 0 for an expression. */
static void put_filter(struct outbuf *o, const char *text)
{
	char value[1 + PCAPNG_TEXT_MAX] = {0};
	size_t n = text_len(text, PCAPNG_TEXT_MAX);

	memcpy(value + 1, text, n);
	put_option(o, PCAPNG_IF_FILTER, value, 1 + n);
}

int pcapng_add_interface(struct pcapng_writer *w, const struct pcapng_interface *i)
{
	static const uint8_t nanoseconds = 9;
	struct outbuf o = tail_of(w);
	int rc;

	if (w->n_interfaces == PCAPNG_INTERFACES_MAX)
		return -ENOSPC;
	put_le16(&o, i->linktype);
	put_le16(&o, 0);
	put_le32(&o, i->snaplen);
	put_text(&o, PCAPNG_IF_NAME, i->name);
	put_text(&o, PCAPNG_IF_DESCRIPTION, i->description);
	if (i->mac)
		put_option(&o, PCAPNG_IF_MAC, i->mac, 6);
	put_option(&o, PCAPNG_IF_TSRESOL, &nanoseconds, 1);
	if (i->filter)
		put_filter(&o, i->filter);
	put_end(&o);
	rc = put_block(w, PCAPNG_INTERFACE, &o);
	if (rc < 0)
		return rc;
	w->ethernet[w->n_interfaces] = i->linktype == PCAP_LINK_ETHERNET;
	return (int)w->n_interfaces++;
}

static uint32_t packet_flags(const struct frame_meta *m)
{
	uint32_t flags =
		m->flags & FRAME_META_OUTGOING ? PCAPNG_FLAG_OUTBOUND : PCAPNG_FLAG_INBOUND;

	if (m->flags & FRAME_META_CSUM_NOT_READY)
		flags |= PCAPNG_FLAG_CSUM_NOT_READY;
	if (m->flags & FRAME_META_CSUM_VALID)
		flags |= PCAPNG_FLAG_CSUM_VALID;
	if (m->flags & FRAME_META_GSO_TCP)
		flags |= PCAPNG_FLAG_GSO;
	return flags;
}

/* The tag that the ring holds beside the bytes; false: there is none, or no place for it. */
static bool tag_of(const struct pcapng_writer *w, const struct pcapng_packet *p,
		   uint8_t tag[ETH_TAG_LEN])
{
	const struct frame_meta *m = &p->meta;

	if (!(m->flags & FRAME_META_VLAN) || !w->ethernet[p->interface] || m->caplen < TAG_AT)
		return false;
	put_be16(tag, m->flags & FRAME_META_VLAN_TPID ? m->vlan_tpid : ETHTYPE_8021Q);
	put_be16(tag + 2, m->vlan_tci);
	return true;
}

static void put_packet_tail(struct outbuf *o, const struct pcapng_packet *p, uint32_t caplen)
{
	uint32_t flags = packet_flags(&p->meta);

	put_padding(o, caplen);
	put_le16(o, PCAPNG_EPB_FLAGS);
	put_le16(o, 4);
	put_le32(o, flags);
	if (p->id)
		put_count(o, PCAPNG_EPB_PACKETID, p->id);
	put_text(o, PCAPNG_OPT_COMMENT, p->comment);
	put_end(o);
}

int pcapng_add_packet(struct pcapng_writer *w, const struct pcapng_packet *p)
{
	const struct frame_meta *m = &p->meta;
	uint8_t tag[ETH_TAG_LEN], head[PACKET_HEAD];
	struct outbuf h = outbuf_of(head, sizeof(head)), o = tail_of(w);
	uint32_t caplen = m->caplen, wirelen = m->wirelen > caplen ? m->wirelen : caplen, total;
	size_t before = 0;

	if (p->interface >= w->n_interfaces)
		return -EINVAL;
	if (tag_of(w, p, tag)) {
		before = TAG_AT;
		caplen += ETH_TAG_LEN;
		wirelen += ETH_TAG_LEN;
	}
	put_packet_tail(&o, p, caplen);
	total = PACKET_HEAD + caplen + (uint32_t)o.len + 4;
	put_le32(&o, total);
	put_le32(&h, PCAPNG_PACKET);
	put_le32(&h, total);
	put_le32(&h, p->interface);
	put_time(&h, p->ts_ns);
	put_le32(&h, caplen);
	put_le32(&h, wirelen);
	put(w, head, h.len);
	put(w, p->bytes, before);
	if (before)
		put(w, tag, sizeof(tag));
	put(w, p->bytes + before, m->caplen - before);
	return put(w, o.buf, o.len);
}

/* One record; its value is the address and the name with its NUL. */
static void put_name(struct outbuf *o, const struct pcapng_name *n)
{
	static const uint8_t nul;
	const uint8_t *v4 = addr_v4(&n->addr);
	size_t addr_len = v4 ? 4 : 16, len = text_len(n->name, PCAPNG_TEXT_MAX);

	put_le16(o, v4 ? PCAPNG_NAME_IPV4 : PCAPNG_NAME_IPV6);
	put_le16(o, (uint16_t)(addr_len + len + 1));
	outbuf_put(o, v4 ? v4 : n->addr.b, addr_len);
	outbuf_put(o, n->name, len);
	outbuf_put(o, &nul, 1);
	put_padding(o, addr_len + len + 1);
}

int pcapng_add_names(struct pcapng_writer *w, const struct pcapng_name *names, size_t n)
{
	size_t size = 4 + n * (OPTION_HDR + 20 + PCAPNG_TEXT_MAX);
	struct outbuf o = outbuf_of(malloc(size), size);
	int rc;

	if (!o.buf)
		return w->error = w->error ? w->error : -ENOMEM;
	for (size_t i = 0; i < n; i++)
		put_name(&o, &names[i]);
	put_le16(&o, PCAPNG_NAME_END);
	put_le16(&o, 0);
	rc = put_block(w, PCAPNG_NAMES, &o);
	free(o.buf);
	return rc;
}

int pcapng_add_statistics(struct pcapng_writer *w, const struct pcapng_statistics *s)
{
	struct outbuf o = tail_of(w);

	if (s->interface >= w->n_interfaces)
		return -EINVAL;
	put_le32(&o, s->interface);
	put_time(&o, s->end_ns);
	put_text(&o, PCAPNG_OPT_COMMENT, s->comment);
	put_time_option(&o, PCAPNG_ISB_START, s->start_ns);
	put_time_option(&o, PCAPNG_ISB_END, s->end_ns);
	put_count(&o, PCAPNG_ISB_RECEIVED, s->received);
	put_count(&o, PCAPNG_ISB_OS_DROPPED, s->dropped);
	put_count(&o, PCAPNG_ISB_DELIVERED, s->delivered);
	put_end(&o);
	return put_block(w, PCAPNG_STATISTICS, &o);
}

int pcapng_writer_end(struct pcapng_writer *w)
{
	int rc;

	if (!w)
		return 0;
	rc = w->error;
	if (rc == 0 && fflush(w->out) == EOF)
		rc = errno ? -errno : -EIO;
	free(w);
	return rc;
}
