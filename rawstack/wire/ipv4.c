/* SPDX-License-Identifier: MIT */
/* ipv4.c - IPv4 headers */
#include "ipv4.h"

#include "csum.h"

#include <errno.h>

enum {
	FLAG_RESERVED = 0x8000,
	FLAG_DF = 0x4000,
	FLAG_MF = 0x2000,
	OFFSET_MASK = 0x1fff, /* in units of 8 bytes */
};

int ipv4_parse(struct span *s, struct ipv4_hdr *h)
{
	const uint8_t *p = span_peek(s, IPV4_HDR_LEN);
	uint16_t frag;

	h->hdr_len = IPV4_HDR_LEN;
	if (!p)
		return -ENODATA;
	if (p[0] >> 4 != 4 || (p[0] & 0xf) * 4 < IPV4_HDR_LEN)
		return -EBADMSG;
	h->hdr_len = (uint8_t)((p[0] & 0xf) * 4);
	h->tos = p[1];
	h->tot_len = get_be16(p + 2);
	if (h->tot_len && h->tot_len < h->hdr_len)
		return -EBADMSG;
	if (!span_take(s, h->hdr_len))
		return -ENODATA;
	h->id = get_be16(p + 4);
	frag = get_be16(p + 6);
	h->reserved_flag = frag & FLAG_RESERVED;
	h->df = frag & FLAG_DF;
	h->mf = frag & FLAG_MF;
	h->frag_offset = (uint16_t)((frag & OFFSET_MASK) * 8);
	h->ttl = p[8];
	h->proto = p[9];
	h->csum = get_be16(p + 10);
	h->csum_ok = csum_of(p, h->hdr_len) == 0;
	h->src = addr_from_v4(p + 12);
	h->dst = addr_from_v4(p + 16);
	h->options = p + IPV4_HDR_LEN;
	return 0;
}

int ipv4_build(const struct ipv4_hdr *h, struct outbuf *out)
{
	size_t len = h->hdr_len ? h->hdr_len : IPV4_HDR_LEN;
	uint16_t frag = h->frag_offset / 8;
	uint8_t *p;

	if (len % 4 || len < IPV4_HDR_LEN || len > IPV4_HDR_LEN + IPV4_OPTIONS_MAX ||
	    h->frag_offset % 8 || !addr_is_mapped(&h->src) || !addr_is_mapped(&h->dst))
		return -EINVAL;
	p = outbuf_add(out, len);
	if (!p)
		return -ENOSPC;
	if (h->reserved_flag)
		frag |= FLAG_RESERVED;
	if (h->df)
		frag |= FLAG_DF;
	if (h->mf)
		frag |= FLAG_MF;
	p[0] = (uint8_t)(0x40 | len / 4);
	p[1] = h->tos;
	put_be16(p + 2, h->tot_len);
	put_be16(p + 4, h->id);
	put_be16(p + 6, frag);
	p[8] = h->ttl;
	p[9] = h->proto;
	put_be16(p + 10, 0);
	memcpy(p + 12, addr_v4(&h->src), 4);
	memcpy(p + 16, addr_v4(&h->dst), 4);
	if (len > IPV4_HDR_LEN)
		memcpy(p + IPV4_HDR_LEN, h->options, len - IPV4_HDR_LEN);
	put_be16(p + 10, csum_of(p, len));
	return (int)len;
}
