/* SPDX-License-Identifier: MIT */
/* tcp_cookie.c - SYN cookies (RFC 4987 3.6): a half-open connection kept by the peer */
#include "tcp_internal.h"

/*
 * The sequence number of the SYN-ACK:
 *
 *	 31     27 26    24 23                                0
 *	+---------+--------+-----------------------------------+
 *	| period  |  MSS   | SipHash(addresses, ports, ISN of  |
 *	|         |        | the peer, period, MSS) with a key |
 *	+---------+--------+-----------------------------------+
 *
 * Periods are 64 s long; a cookie is good in its own and the next. Who guesses has one chance in
 * 2^23 for each segment, and only while cookies are being sent at all.
 *
 * Window scale and SACK come back in the low bits of the timestamp, as Linux does it; without
 * timestamps they are not agreed to.
 */
enum {
	PERIOD_MS = 64000,
	PERIOD_SHIFT = 27,
	MSS_SHIFT = 24,
	HASH_MASK = 0xffffff,
	TS_WSCALE_MASK = 0xf, /* 0xf: none */
	TS_SACK = 0x10,
	TS_BITS = 0x1f,
};

/* The largest of these that the peer can take is agreed to; rows by wire family. */
static const uint16_t mss_table[2][8] = {
	{536, 966, 1220, 1300, 1400, 1440, 1452, 1460},
	{1220, 1280, 1340, 1360, 1380, 1400, 1420, 1440},
};

static uint32_t cookie_hash(const struct stack *s, const struct tcp_in *in, uint32_t irs,
			    uint32_t head)
{
	uint64_t words[4];

	memcpy(words, in->p->src.b, sizeof(in->p->src.b));
	words[2] = (uint64_t)in->p->own << 32 | (uint32_t)in->h.sport << 16 | in->h.dport;
	words[3] = (uint64_t)irs << 32 | head;
	return (uint32_t)siphash_words(&s->tcp->cookie_key, words, 4) & HASH_MASK;
}

static uint32_t period(const struct stack *s)
{
	return (uint32_t)(s->tcp->now / 1000000 / PERIOD_MS) & 0x1f;
}

uint32_t cookie_make(const struct stack *s, const struct tcp_in *in, uint16_t mss)
{
	const uint16_t *row = mss_table[in->p->v6];
	uint32_t k = 7, head;

	if (mss == 0)
		mss = in->p->v6 ? TCP_MSS_V6 : TCP_MSS_V4;
	while (k > 0 && row[k] > mss)
		k--;
	head = period(s) << PERIOD_SHIFT | k << MSS_SHIFT;
	return head | cookie_hash(s, in, in->h.seq, head);
}

uint32_t cookie_ts(uint32_t ts, const struct tcp_hdr *syn)
{
	uint32_t bits = syn->sack_permitted ? TS_SACK : 0, made;

	bits |= syn->wscale == TCP_WSCALE_NONE ? TS_WSCALE_MASK
					       : min_u32(syn->wscale, TCP_WSCALE_MAX);
	made = (ts & ~(uint32_t)TS_BITS) | bits;
	/* Never ahead of the clock, or what follows would look old (RFC 7323 5). */
	return seq_lt(ts, made) ? made - (TS_BITS + 1) : made;
}

static bool cookies_expected(const struct stack *s)
{
	return s->tcp->cookies_sent && s->tcp->now_ms - s->tcp->cookie_ms < 2 * PERIOD_MS;
}

bool cookie_check(struct stack *s, const struct tcp_in *in, struct tcp_cookie *out)
{
	uint32_t cookie = in->h.ack - 1, head = cookie & ~(uint32_t)HASH_MASK;
	uint32_t age = (period(s) - (cookie >> PERIOD_SHIFT)) & 0x1f;

	if (!cookies_expected(s))
		return false;
	if (age > 1 || cookie_hash(s, in, in->h.seq - 1, head) != (cookie & HASH_MASK)) {
		s->stats.tcp_cookie_bad++;
		return false;
	}
	*out = (struct tcp_cookie){.mss = mss_table[in->p->v6][cookie >> MSS_SHIFT & 7],
				   .snd_shift = TCP_WSCALE_NONE};
	if (in->h.timestamps && !s->cfg.no_timestamps) {
		uint32_t bits = in->h.ts_ecr;

		out->sack = (bits & TS_SACK) != 0 && !s->cfg.no_sack;
		if ((bits & TS_WSCALE_MASK) != TS_WSCALE_MASK && !s->cfg.no_wscale)
			out->snd_shift = bits & TS_WSCALE_MASK;
	}
	return true;
}
