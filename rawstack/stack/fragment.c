/* SPDX-License-Identifier: MIT */
/* fragment.c - fragments inside the stack: those received, and those of what we send */
#include "stack_internal.h"

#include "../siphash.h"
#include "../wire/csum.h"
#include "../wire/ipv4.h"
#include "../wire/ipv6.h"

#include <errno.h>
#include <netinet/in.h>

enum { FRAGMENT_HDR_LEN = 8 };

int fragment_open(struct stack *s)
{
	struct siphash_key key = siphash_key_from(s->cfg.secret + SECRET_HASH);

	return reasm_new(&REASM_CONFIG_USUAL, &key, &s->reasm);
}

void fragment_close(struct stack *s)
{
	reasm_free(s->reasm);
}

/* The datagram as a packet, in the place of its last fragment @p. */
static void deliver_whole(struct stack *s, struct packet *p, const struct reasm_datagram *d)
{
	struct packet whole = *p;

	whole.reassembled = true;
	whole.csum_trusted = false; /* nobody has seen the whole before */
	whole.proto = d->proto;
	whole.ip = d->header.p;
	whole.hdr_len = span_len(&d->header);
	whole.l4 = d->data.p;
	whole.l4_len = span_len(&d->data);
	whole.ip_len = whole.hdr_len + whole.l4_len;
	s->stats.frag_done++;
	ip_deliver(s, &whole);
}

void fragment_input(struct stack *s, struct packet *p, const struct reasm_fragment *f)
{
	enum { PAYLOAD_LENGTH_AT = 4, FRAGMENT_OFFSET_AT = 2 };
	uint32_t offset_at = (uint32_t)(p->hdr_len - FRAGMENT_HDR_LEN + FRAGMENT_OFFSET_AT);
	struct reasm_datagram d;

	s->stats.frag_in++;
	switch (reasm_add(s->reasm, p->now, f, &d)) {
	case REASM_WAIT:
	case REASM_DUPLICATE:
		return;
	case REASM_DONE:
		deliver_whole(s, p, &d);
		return;
	case REASM_OVERLAP:
		s->stats.frag_overlap++;
		return;
	case REASM_LIMIT:
		s->stats.frag_limit++;
		return;
	case REASM_BAD_LENGTH: /* RFC 8200 4.5 asks for these two, RFC 7112 for the third */
		s->stats.drop_fragment++;
		if (p->v6)
			icmp_complain(s, p, ICMP_KIND_BAD_FIELD, PAYLOAD_LENGTH_AT);
		return;
	case REASM_TOO_LONG:
		s->stats.drop_fragment++;
		if (p->v6)
			icmp_complain(s, p, ICMP_KIND_BAD_FIELD, offset_at);
		return;
	case REASM_TINY_FIRST:
		s->stats.drop_fragment++;
		if (p->v6)
			icmp_complain(s, p, ICMP_KIND_TINY_FIRST, 0);
		return;
	default:
		s->stats.drop_fragment++;
	}
}

void fragment_timers(struct stack *s, uint64_t now)
{
	struct reasm_datagram d;

	while (reasm_expire(s->reasm, now, &d)) {
		struct packet p = {.now = now,
				   .src = d.src,
				   .dst = d.dst,
				   .v6 = d.v6,
				   .proto = d.proto,
				   .own = own_find(s, &d.dst),
				   .ip = d.header.p,
				   .hdr_len = span_len(&d.header),
				   .l4 = d.data.p,
				   .l4_len = span_len(&d.data)};

		s->stats.frag_timeout++;
		p.to_group = p.own == OWN_NONE;
		if (p.hdr_len > 0)
			icmp_complain(s, &p, ICMP_KIND_REASSEMBLY_TIME, 0);
	}
}

uint64_t fragment_deadline(const struct stack *s)
{
	return reasm_next_ns(s->reasm);
}

/* Cannot be guessed (RFC 7739): with it, what others send could be told apart or spoilt. */
static uint32_t draw_id(struct stack *s)
{
	struct siphash_key key = siphash_key_from(s->cfg.secret + SECRET_ISN);
	uint64_t words[2] = {s->frag_ids++, UINT64_C(0x6672616764696473)};

	return (uint32_t)siphash_words(&key, words, 2);
}

struct cut {
	uint32_t id;
	uint16_t offset;
	bool more;
};

/* Instead of the usual "never fragmented": identification, flags and offset. */
static void mark_ipv4(const struct out *o, const struct cut *c)
{
	uint8_t *ip = o->l4 - IPV4_HDR_LEN;

	put_be16(ip + 4, (uint16_t)c->id);
	put_be16(ip + 6, (uint16_t)((c->more ? 0x2000 : 0) | c->offset / 8));
	put_be16(ip + 10, 0);
	put_be16(ip + 10, csum_of(ip, IPV4_HDR_LEN));
}

static void put_fragment_hdr(uint8_t *p, uint8_t proto, const struct cut *c)
{
	p[0] = proto;
	p[1] = 0;
	put_be16(p + 2, (uint16_t)(c->offset | (c->more ? 1 : 0)));
	put_be32(p + 4, c->id);
}

int out_datagram(struct stack *s, uint64_t now, uint8_t own, const struct addr *dst, uint8_t proto,
		 uint8_t ttl, uint8_t tos, const uint8_t *l4, size_t l4_len)
{
	bool v6 = !addr_is_mapped(dst);
	size_t room = s->cfg.mtu - (size_t)(v6 ? IPV6_HDR_LEN : IPV4_HDR_LEN);
	bool whole = l4_len <= room;
	size_t extra = v6 && !whole ? FRAGMENT_HDR_LEN : 0;
	size_t step = whole ? l4_len : (room - extra) / 8 * 8;
	struct cut c = {.id = whole ? 0 : draw_id(s)};
	size_t off = 0, n;
	struct out o;
	int rc;

	if (l4_len + (v6 ? 0 : IPV4_HDR_LEN) > STACK_DATAGRAM_MAX)
		return -EMSGSIZE;
	do {
		n = l4_len - off < step ? l4_len - off : step;
		rc = out_begin(s, now, &o, own, dst, extra ? IPPROTO_FRAGMENT : proto, ttl, tos,
			       extra + n);
		if (rc < 0)
			return rc;
		c.offset = (uint16_t)off;
		c.more = off + n < l4_len;
		if (extra)
			put_fragment_hdr(o.l4, proto, &c);
		else if (!whole)
			mark_ipv4(&o, &c);
		memcpy(o.l4 + extra, l4 + off, n);
		out_end(s, now, &o);
		off += n;
	} while (off < l4_len);
	return 0;
}
