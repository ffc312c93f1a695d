/* SPDX-License-Identifier: MIT */
/* tcp_sack.c - what the peer has of what we sent: the scoreboard of RFC 2018 and RFC 6675 */
#include "tcp_internal.h"

/*
 * Ranges are in order, disjoint, not adjacent, all within (snd_una, snd_max]. A board exists only
 * while there is a range in it. Limit: TCP_BOARD_RANGES; what does not fit is not remembered, which
 * costs a retransmission at most.
 */

const struct tcp_board *board_of(const struct stack *s, const struct tcp_conn *c)
{
	return c->board == 0 ? NULL : (const struct tcp_board *)slab_at(&s->tcp->boards, c->board);
}

static struct tcp_board *board(struct stack *s, struct tcp_conn *c)
{
	return c->board == 0 ? NULL : (struct tcp_board *)slab_at(&s->tcp->boards, c->board);
}

void board_free(struct stack *s, struct tcp_conn *c)
{
	if (c->board != 0)
		slab_free(&s->tcp->boards, c->board);
	c->board = 0;
}

static void recount(struct tcp_board *b)
{
	b->bytes = 0;
	for (uint32_t k = 0; k < b->n; k++)
		b->bytes += b->range[k].right - b->range[k].left;
}

static void remove_ranges(struct tcp_board *b, uint32_t first, uint32_t n)
{
	memmove(&b->range[first], &b->range[first + n], (b->n - first - n) * sizeof(b->range[0]));
	b->n -= n;
}

/* One range, merged with those it touches. */
static void add_range(struct tcp_board *b, struct tcp_sack r)
{
	uint32_t first = 0, n = 0;

	while (first < b->n && seq_lt(b->range[first].right, r.left))
		first++;
	while (first + n < b->n && seq_le(b->range[first + n].left, r.right))
		n++;
	if (n == 0) {
		if (b->n == TCP_BOARD_RANGES)
			return;
		memmove(&b->range[first + 1], &b->range[first],
			(b->n - first) * sizeof(b->range[0]));
		b->range[first] = r;
		b->n++;
		return;
	}
	if (seq_lt(b->range[first].left, r.left))
		r.left = b->range[first].left;
	if (seq_lt(r.right, b->range[first + n - 1].right))
		r.right = b->range[first + n - 1].right;
	b->range[first] = r;
	remove_ranges(b, first + 1, n - 1);
}

void board_add(struct stack *s, struct tcp_conn *c, const struct tcp_hdr *h)
{
	struct tcp_board *b;

	for (int k = 0; k < h->sacks; k++) {
		struct tcp_sack r = h->sack[k];

		/* Ours only: what is below snd_una is a duplicate's (RFC 2883) or nonsense. */
		if (!seq_lt(r.left, r.right) || !seq_lt(c->snd_una, r.left) ||
		    seq_lt(c->snd_max, r.right))
			continue;
		if (c->board == 0) {
			c->board = slab_alloc(&s->tcp->boards);
			if (c->board == 0)
				return;
			board(s, c)->n = 0;
		}
		add_range(board(s, c), r);
	}
	b = board(s, c);
	if (b != NULL)
		recount(b);
}

void board_acked(struct stack *s, struct tcp_conn *c)
{
	struct tcp_board *b = board(s, c);
	uint32_t n = 0;

	if (b == NULL)
		return;
	while (n < b->n && seq_le(b->range[n].right, c->snd_una))
		n++;
	remove_ranges(b, 0, n);
	if (b->n == 0) {
		board_free(s, c);
		return;
	}
	/* SND.UNA inside a range: the peer has taken its word back (RFC 2018 8) */
	if (seq_le(b->range[0].left, c->snd_una))
		remove_ranges(b, 0, 1);
	recount(b);
	if (b->n == 0)
		board_free(s, c);
}

uint32_t board_below(const struct stack *s, const struct tcp_conn *c, uint32_t seq)
{
	const struct tcp_board *b = board_of(s, c);
	uint32_t bytes = 0;

	for (uint32_t k = 0; b != NULL && k < b->n && seq_lt(b->range[k].left, seq); k++) {
		uint32_t right = seq_lt(seq, b->range[k].right) ? seq : b->range[k].right;

		bytes += right - b->range[k].left;
	}
	return bytes;
}

uint32_t board_hole(const struct stack *s, const struct tcp_conn *c, uint32_t *seq, uint32_t end)
{
	const struct tcp_board *b = board_of(s, c);

	for (uint32_t k = 0; b != NULL && k < b->n; k++) {
		if (seq_le(b->range[k].right, *seq))
			continue;
		if (seq_lt(*seq, b->range[k].left)) {
			if (seq_lt(b->range[k].left, end))
				end = b->range[k].left;
			break;
		}
		*seq = b->range[k].right;
	}
	return seq_lt(*seq, end) ? end - *seq : 0;
}
