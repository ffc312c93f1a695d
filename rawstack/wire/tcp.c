/* SPDX-License-Identifier: MIT */
/* tcp.c - TCP headers and options */
#include "tcp.h"

#include <errno.h>

enum {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_PERMITTED = 4,
	OPT_SACK = 5,
	OPT_TIMESTAMPS = 8,
};

enum {
	OPT_MSS_LEN = 4,
	OPT_WSCALE_LEN = 3,
	OPT_SACK_PERMITTED_LEN = 2,
	OPT_SACK_BLOCK_LEN = 8,
	OPT_TIMESTAMPS_LEN = 10,
};

static int read_sack(const uint8_t *opt, size_t len, struct tcp_hdr *h)
{
	size_t blocks = (len - 2) / OPT_SACK_BLOCK_LEN;

	if (len != 2 + blocks * OPT_SACK_BLOCK_LEN || !blocks || blocks > TCP_SACKS_MAX)
		return -EBADMSG;
	h->sacks = (uint8_t)blocks;
	for (size_t i = 0; i < blocks; i++) {
		const uint8_t *p = opt + 2 + i * OPT_SACK_BLOCK_LEN;

		h->sack[i] = (struct tcp_sack){get_be32(p), get_be32(p + 4)};
	}
	return 0;
}

/* One option of @len >= 2 bytes, all present. */
static int read_option(const uint8_t *opt, size_t len, struct tcp_hdr *h)
{
	switch (opt[0]) {
	case OPT_MSS:
		if (len != OPT_MSS_LEN)
			return -EBADMSG;
		h->mss = get_be16(opt + 2);
		return 0;
	case OPT_WSCALE:
		if (len != OPT_WSCALE_LEN)
			return -EBADMSG;
		h->wscale = opt[2];
		return 0;
	case OPT_SACK_PERMITTED:
		h->sack_permitted = true;
		return len == OPT_SACK_PERMITTED_LEN ? 0 : -EBADMSG;
	case OPT_SACK:
		return read_sack(opt, len, h);
	case OPT_TIMESTAMPS:
		if (len != OPT_TIMESTAMPS_LEN)
			return -EBADMSG;
		h->timestamps = true;
		h->ts_val = get_be32(opt + 2);
		h->ts_ecr = get_be32(opt + 6);
		return 0;
	default:
		return 0;
	}
}

static int read_options(struct span opts, struct tcp_hdr *h)
{
	const uint8_t *p;
	int err;

	while ((p = span_peek(&opts, 1)) && p[0] != OPT_END) {
		if (p[0] == OPT_NOP) {
			span_take(&opts, 1);
			continue;
		}
		if (!span_peek(&opts, 2) || p[1] < 2 || !span_take(&opts, p[1]))
			return -EBADMSG;
		err = read_option(p, p[1], h);
		if (err)
			return err;
	}
	return 0;
}

int tcp_parse(struct span *s, struct tcp_hdr *h)
{
	const uint8_t *p = span_peek(s, TCP_HDR_LEN);
	int err;

	h->hdr_len = TCP_HDR_LEN;
	if (!p)
		return -ENODATA;
	h->hdr_len = (uint8_t)((p[12] >> 4) * 4);
	if (h->hdr_len < TCP_HDR_LEN)
		return -EBADMSG;
	if (!span_peek(s, h->hdr_len))
		return -ENODATA;
	h->sport = get_be16(p);
	h->dport = get_be16(p + 2);
	h->seq = get_be32(p + 4);
	h->ack = get_be32(p + 8);
	h->reserved = p[12] & 0xf;
	h->flags = p[13];
	h->window = get_be16(p + 14);
	h->csum = get_be16(p + TCP_CSUM_OFFSET);
	h->urgent = get_be16(p + 18);
	h->mss = 0;
	h->wscale = TCP_WSCALE_NONE;
	h->sack_permitted = h->timestamps = false;
	h->sacks = 0;
	err = read_options(span_of(p + TCP_HDR_LEN, h->hdr_len - (size_t)TCP_HDR_LEN), h);
	if (err)
		return err;
	span_take(s, h->hdr_len);
	return 0;
}

static uint8_t *put_option(uint8_t *p, uint8_t kind, size_t len)
{
	p[0] = kind;
	p[1] = (uint8_t)len;
	return p + 2;
}

static uint8_t *put_nops(uint8_t *p, size_t n)
{
	memset(p, OPT_NOP, n);
	return p + n;
}

/* Bytes of options, each group padded to a multiple of four. */
static size_t options_len(const struct tcp_hdr *h)
{
	size_t len = 0;

	if (h->mss)
		len += OPT_MSS_LEN;
	if (h->timestamps)
		len += 2 + OPT_TIMESTAMPS_LEN; /* SACK-permitted takes the padding's place */
	else if (h->sack_permitted)
		len += 2 + OPT_SACK_PERMITTED_LEN;
	if (h->wscale != TCP_WSCALE_NONE)
		len += 1 + OPT_WSCALE_LEN;
	if (h->sacks)
		len += 2 + 2 + (size_t)h->sacks * OPT_SACK_BLOCK_LEN;
	return len;
}

static void put_options(const struct tcp_hdr *h, uint8_t *p)
{
	if (h->mss) {
		p = put_option(p, OPT_MSS, OPT_MSS_LEN);
		put_be16(p, h->mss);
		p += 2;
	}
	if (h->sack_permitted) {
		p = h->timestamps ? p : put_nops(p, 2);
		p = put_option(p, OPT_SACK_PERMITTED, OPT_SACK_PERMITTED_LEN);
	}
	if (h->timestamps) {
		p = h->sack_permitted ? p : put_nops(p, 2);
		p = put_option(p, OPT_TIMESTAMPS, OPT_TIMESTAMPS_LEN);
		put_be32(p, h->ts_val);
		put_be32(p + 4, h->ts_ecr);
		p += 8;
	}
	if (h->wscale != TCP_WSCALE_NONE) {
		p = put_option(put_nops(p, 1), OPT_WSCALE, OPT_WSCALE_LEN);
		*p++ = h->wscale;
	}
	if (h->sacks) {
		p = put_option(put_nops(p, 2), OPT_SACK, 2 + (size_t)h->sacks * OPT_SACK_BLOCK_LEN);
		for (size_t i = 0; i < h->sacks; i++, p += OPT_SACK_BLOCK_LEN) {
			put_be32(p, h->sack[i].left);
			put_be32(p + 4, h->sack[i].right);
		}
	}
}

size_t tcp_build_len(const struct tcp_hdr *h)
{
	return TCP_HDR_LEN + options_len(h);
}

int tcp_build(const struct tcp_hdr *h, struct outbuf *out)
{
	size_t len = tcp_build_len(h);
	uint8_t *p;

	if (len > TCP_HDR_MAX || h->sacks > TCP_SACKS_MAX || h->reserved > 0xf)
		return -EINVAL;
	p = outbuf_add(out, len);
	if (!p)
		return -ENOSPC;
	put_be16(p, h->sport);
	put_be16(p + 2, h->dport);
	put_be32(p + 4, h->seq);
	put_be32(p + 8, h->ack);
	p[12] = (uint8_t)(len / 4 << 4 | h->reserved);
	p[13] = h->flags;
	put_be16(p + 14, h->window);
	put_be16(p + TCP_CSUM_OFFSET, h->csum);
	put_be16(p + 18, h->urgent);
	put_options(h, p + TCP_HDR_LEN);
	return (int)len;
}
