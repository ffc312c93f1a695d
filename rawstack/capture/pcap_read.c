/* SPDX-License-Identifier: MIT */
/* pcap_read.c - the cursor over a capture file, and the pcap format */
#include "pcap_read_internal.h"

#include "pcap_link.h"

#include <errno.h>
#include <stdlib.h>

/*
 * pcap (draft-ietf-opsawg-pcap): a header of 24 bytes, then for each packet 16 bytes and what was
 * captured. The magic number tells byte order and resolution.
 */
enum {
	FILE_HDR = 24,
	PACKET_HDR = 16,
	MAGIC_MICRO = 0xa1b2c3d4,
	MAGIC_NANO = 0xa1b23c4d,
	LINKTYPE_MASK = 0xffff, /* above it: the length of the frame check sequence */
};

static const uint64_t ns_per_s = 1000000000;

int pcap_fail(struct pcap_reader *r, int err, const char *what)
{
	snprintf(r->why, sizeof(r->why), "%s, at byte %llu", what,
		 (unsigned long long)r->passed + r->at);
	r->error = err;
	return err;
}

/* More bytes behind those that are there. Returns 1, 0 at the end of the file, or an error. */
static int refill(struct pcap_reader *r, size_t n)
{
	size_t got;

	if (!r->in)
		return 0;
	memmove(r->buf, r->buf + r->at, r->len - r->at);
	r->passed += r->at;
	r->len -= r->at;
	r->at = 0;
	if (r->len == r->cap && r->cap < n) {
		uint8_t *more = realloc(r->buf, r->cap * 2);

		if (!more)
			return pcap_fail(r, -ENOMEM, "out of memory");
		r->buf = more;
		r->cap *= 2;
	}
	r->bytes = r->buf;
	errno = 0;
	got = fread(r->buf + r->len, 1, r->cap - r->len, r->in);
	r->len += got;
	if (!got && ferror(r->in))
		return pcap_fail(r, errno ? -errno : -EIO, "cannot be read");
	return got > 0;
}

int pcap_need(struct pcap_reader *r, size_t n)
{
	while (r->len - r->at < n) {
		int rc = refill(r, n);

		if (rc < 0)
			return rc;
		if (rc == 0 && r->len == r->at)
			return 0;
		if (rc == 0)
			return pcap_fail(r, -ENODATA, "the file was cut off");
	}
	return 1;
}

static bool link_of(uint16_t linktype, uint8_t *link)
{
	static const struct {
		uint16_t linktype;
		uint8_t link;
	} known[] = {
		{PCAP_LINK_ETHERNET, LINK_ETHERNET}, {PCAP_LINK_LINUX_SLL, LINK_SLL},
		{PCAP_LINK_LINUX_SLL2, LINK_SLL2},   {PCAP_LINK_NULL, LINK_NULL},
		{PCAP_LINK_LOOP, LINK_LOOP},	     {PCAP_LINK_RAW, LINK_RAW},
		{PCAP_LINK_IPV4, LINK_RAW},	     {PCAP_LINK_IPV6, LINK_RAW},
		{PCAP_LINK_RAW_BSD, LINK_RAW},	     {PCAP_LINK_RAW_OPENBSD, LINK_RAW},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].linktype != linktype)
			continue;
		*link = known[i].link;
		return true;
	}
	return false;
}

struct pcap_interface *pcap_add_interface(struct pcap_reader *r, uint16_t linktype)
{
	struct pcap_interface *i;

	if (r->n_interfaces == PCAP_INTERFACES_MAX)
		return NULL;
	i = &r->interfaces[r->n_interfaces++];
	*i = (struct pcap_interface){.linktype = linktype, .exponent = 6};
	i->readable = link_of(linktype, &i->link);
	return i;
}

int pcap_hand_over(struct pcap_reader *r, uint32_t i, const uint8_t *bytes, uint32_t caplen,
		   uint32_t wirelen, struct ring_frame *out)
{
	struct pcap_interface *ifc = &r->interfaces[i];
	struct span s = span_of(bytes, caplen);

	if (!ifc->readable) {
		ifc->skipped++;
		return 0;
	}
	ifc->frames++;
	out->bytes = bytes;
	out->ifindex = i;
	out->meta = (struct frame_meta){.caplen = caplen,
					.wirelen = wirelen,
					.flags = FRAME_META_CSUM_UNKNOWN,
					.link = ifc->link};
	if (ifc->link != LINK_ETHERNET && link_outgoing(&s, (enum link_type)ifc->link))
		out->meta.flags |= FRAME_META_OUTGOING;
	return 1;
}

static int pcap_next(struct pcap_reader *r, struct ring_frame *out)
{
	for (;;) {
		int rc = pcap_need(r, PACKET_HDR);
		uint32_t fraction, caplen, wirelen;
		const uint8_t *p;

		if (rc <= 0)
			return rc;
		p = r->bytes + r->at;
		fraction = pcap_u32(r, p + 4);
		caplen = pcap_u32(r, p + 8);
		wirelen = pcap_u32(r, p + 12);
		out->ts_ns = pcap_u32(r, p) * ns_per_s +
			     (r->nanoseconds ? fraction : fraction * (uint64_t)1000);
		if (caplen > PCAP_FRAME_MAX)
			return pcap_fail(r, -EBADMSG, "a frame is impossibly long");
		rc = pcap_need(r, PACKET_HDR + (size_t)caplen);
		if (rc <= 0)
			return rc;
		p = r->bytes + r->at + PACKET_HDR;
		r->at += PACKET_HDR + (size_t)caplen;
		if (pcap_hand_over(r, 0, p, caplen, wirelen, out))
			return 1;
	}
}

int pcap_reader_next(struct pcap_reader *r, struct ring_frame *out)
{
	if (r->error)
		return r->error;
	return r->pcapng ? pcapng_next(r, out) : pcap_next(r, out);
}

/* Its first four bytes are there. */
static int read_file_header(struct pcap_reader *r)
{
	const uint8_t *p = r->bytes + r->at;
	uint32_t magic;
	int rc;

	r->big = get_be32(p) == MAGIC_MICRO || get_be32(p) == MAGIC_NANO;
	magic = pcap_u32(r, p);
	if (magic != MAGIC_MICRO && magic != MAGIC_NANO)
		return pcap_fail(r, -EBADMSG, "neither pcap nor pcapng");
	r->nanoseconds = magic == MAGIC_NANO;
	rc = pcap_need(r, FILE_HDR);
	if (rc < 0)
		return rc;
	p = r->bytes + r->at;
	pcap_add_interface(r, (uint16_t)(pcap_u32(r, p + 20) & LINKTYPE_MASK))->snaplen =
		pcap_u32(r, p + 16);
	r->at += FILE_HDR;
	return 0;
}

/* pcapng begins with a block type that reads the same in either byte order. */
static int read_beginning(struct pcap_reader *r)
{
	int rc = pcap_need(r, 4);

	if (rc == 0)
		return pcap_fail(r, -EBADMSG, "the file is empty");
	if (rc < 0)
		return rc == -ENODATA ? pcap_fail(r, -EBADMSG, "neither pcap nor pcapng") : rc;
	r->pcapng = get_be32(r->bytes + r->at) == PCAPNG_SECTION;
	return r->pcapng ? 0 : read_file_header(r);
}

static int begin(struct pcap_reader *r, struct pcap_reader **out, char *why)
{
	int rc = read_beginning(r);

	if (rc < 0) {
		memcpy(why, r->why, PCAP_WHY_MAX);
		pcap_reader_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

int pcap_reader_open(FILE *in, struct pcap_reader **out, char why[PCAP_WHY_MAX])
{
	struct pcap_reader *r = calloc(1, sizeof(*r));

	snprintf(why, PCAP_WHY_MAX, "out of memory");
	if (!r)
		return -ENOMEM;
	r->in = in;
	r->cap = PCAP_BUFFER;
	r->buf = malloc(r->cap);
	if (!r->buf) {
		free(r);
		return -ENOMEM;
	}
	return begin(r, out, why);
}

int pcap_reader_open_bytes(const void *bytes, size_t len, struct pcap_reader **out,
			   char why[PCAP_WHY_MAX])
{
	struct pcap_reader *r = calloc(1, sizeof(*r));

	snprintf(why, PCAP_WHY_MAX, "out of memory");
	if (!r)
		return -ENOMEM;
	r->bytes = bytes;
	r->len = len;
	return begin(r, out, why);
}

bool pcap_reader_is_pcapng(const struct pcap_reader *r)
{
	return r->pcapng;
}

const char *pcap_reader_why(const struct pcap_reader *r)
{
	return r->why;
}

const struct pcap_interface *pcap_reader_interface(const struct pcap_reader *r, uint32_t i)
{
	return i < r->n_interfaces ? &r->interfaces[i] : NULL;
}

void pcap_reader_close(struct pcap_reader *r)
{
	if (!r)
		return;
	free(r->buf);
	free(r);
}
