/* SPDX-License-Identifier: MIT */
/* eth.c - Ethernet II headers with VLAN tags */
#include "eth.h"

#include <errno.h>

int eth_parse_tags(struct span *s, struct eth_hdr *h)
{
	const uint8_t *p = s->p;

	for (h->tags = 0; h->tags < ETH_TAGS_MAX && eth_is_tag(h->ethertype); h->tags++) {
		size_t at = h->hdr_len;

		h->hdr_len += ETH_TAG_LEN;
		if (!span_peek(s, h->hdr_len))
			return -ENODATA;
		h->tag[h->tags] = (struct eth_tag){h->ethertype, get_be16(p + at)};
		h->ethertype = get_be16(p + at + 2);
	}
	span_take(s, h->hdr_len);
	return 0;
}

int eth_parse(struct span *s, struct eth_hdr *h)
{
	const uint8_t *p = span_peek(s, ETH_HDR_LEN);

	h->hdr_len = ETH_HDR_LEN;
	if (!p)
		return -ENODATA;
	memcpy(h->dst, p, 6);
	memcpy(h->src, p + 6, 6);
	h->ethertype = get_be16(p + 12);
	return eth_parse_tags(s, h);
}

int eth_build(const struct eth_hdr *h, struct outbuf *out)
{
	size_t len = ETH_HDR_LEN + (size_t)h->tags * ETH_TAG_LEN;
	uint8_t *p;

	if (h->tags > ETH_TAGS_MAX)
		return -EINVAL;
	p = outbuf_add(out, len);
	if (!p)
		return -ENOSPC;
	memcpy(p, h->dst, 6);
	memcpy(p + 6, h->src, 6);
	p += 12;
	for (unsigned int i = 0; i < h->tags; i++, p += ETH_TAG_LEN) {
		put_be16(p, h->tag[i].tpid);
		put_be16(p + 2, h->tag[i].tci);
	}
	put_be16(p, h->ethertype);
	return (int)len;
}
