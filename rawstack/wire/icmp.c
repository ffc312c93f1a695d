/* SPDX-License-Identifier: MIT */
/* icmp.c - ICMP and ICMPv6 headers */
#include "icmp.h"

#include <errno.h>

int icmp_parse(struct span *s, struct icmp_hdr *h)
{
	const uint8_t *p = span_take(s, ICMP_HDR_LEN);

	if (!p)
		return -ENODATA;
	h->type = p[0];
	h->code = p[1];
	h->csum = get_be16(p + ICMP_CSUM_OFFSET);
	h->rest = get_be32(p + 4);
	return 0;
}

int icmp_build(const struct icmp_hdr *h, struct outbuf *out)
{
	uint8_t *p = outbuf_add(out, ICMP_HDR_LEN);

	if (!p)
		return -ENOSPC;
	p[0] = h->type;
	p[1] = h->code;
	put_be16(p + ICMP_CSUM_OFFSET, h->csum);
	put_be32(p + 4, h->rest);
	return ICMP_HDR_LEN;
}
