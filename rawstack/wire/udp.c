/* SPDX-License-Identifier: MIT */
/* udp.c - UDP headers */
#include "udp.h"

#include <errno.h>

int udp_parse(struct span *s, struct udp_hdr *h)
{
	const uint8_t *p = span_peek(s, UDP_HDR_LEN);

	if (!p)
		return -ENODATA;
	h->len = get_be16(p + 4);
	if (h->len < UDP_HDR_LEN)
		return -EBADMSG;
	h->sport = get_be16(p);
	h->dport = get_be16(p + 2);
	h->csum = get_be16(p + UDP_CSUM_OFFSET);
	span_take(s, UDP_HDR_LEN);
	return 0;
}

int udp_build(const struct udp_hdr *h, struct outbuf *out)
{
	uint8_t *p;

	if (h->len < UDP_HDR_LEN)
		return -EINVAL;
	p = outbuf_add(out, UDP_HDR_LEN);
	if (!p)
		return -ENOSPC;
	put_be16(p, h->sport);
	put_be16(p + 2, h->dport);
	put_be16(p + 4, h->len);
	put_be16(p + UDP_CSUM_OFFSET, h->csum);
	return UDP_HDR_LEN;
}
