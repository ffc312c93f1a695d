/* SPDX-License-Identifier: MIT */
/* diff_generate.c - exchanges by number: the usual course of a connection, and departures from it
 */
#include "diff.h"

#include "../../rawstack/wire/tcp.h"

#include <string.h>

struct dice {
	uint64_t state;
};

static uint32_t roll(struct dice *d, uint32_t below)
{
	uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % below);
}

static bool one_in(struct dice *d, uint32_t n)
{
	return roll(d, n) == 0;
}

/* Where a connection would be by now, as far as the generator can tell. */
struct course {
	int32_t nxt;   /* our next sequence number */
	int32_t acked; /* the host's next one */
	uint8_t options;
	bool fin;
	bool ended; /* by the host */
};

static uint16_t draw_len(struct dice *d)
{
	static const uint16_t lens[] = {0, 1, 2, 10, 100, 536, 1300};

	return lens[roll(d, 7)];
}

/* Near where it should be, a little off, or far away. */
static int32_t off_by(struct dice *d, int32_t usual)
{
	static const int32_t offs[] = {-1,    1,      -2,      100,	 -100,	    1000,
				       -5000, 200000, -200000, 50000000, -50000000, 2000000000};

	return usual + offs[roll(d, 12)];
}

static void draw_syn(struct dice *d, struct diff_exchange *x, struct course *c)
{
	struct diff_step *st = &x->step[x->n++];

	*st = (struct diff_step){.kind = DIFF_TCP, .flags = TCP_SYN, .window = 65535};
	st->options = (uint8_t)roll(d, 16);
	if (one_in(d, 12))
		st->options |= DIFF_OPT_UNKNOWN;
	if (one_in(d, 40))
		st->options = DIFF_OPT_MSS | DIFF_OPT_BROKEN;
	if (one_in(d, 15))
		st->flags |= (uint8_t)(1 << roll(d, 6));
	if (one_in(d, 20))
		st->len = draw_len(d);
	if (one_in(d, 10))
		st->window = (uint16_t)roll(d, 3000);
	c->nxt = 1;
	c->acked = 1;
	c->options = st->options & DIFF_OPT_TS;
}

/* What a well-behaved peer would send next. */
static void draw_usual(struct dice *d, struct diff_step *st, struct course *c)
{
	*st = (struct diff_step){.kind = DIFF_TCP,
				 .flags = TCP_ACK,
				 .seq = c->nxt,
				 .ack = c->acked,
				 .window = 65535,
				 .options = c->options};
	if (!c->fin)
		st->len = draw_len(d);
	if (st->len && one_in(d, 2))
		st->flags |= TCP_PSH;
	if (!c->fin && one_in(d, 6)) {
		st->flags |= TCP_FIN;
		c->fin = true;
		c->nxt++;
	}
	c->nxt += st->len;
}

static void draw_odd(struct dice *d, struct diff_step *st, struct course *c)
{
	static const uint8_t odd_flags[] = {0,
					    TCP_RST,
					    TCP_RST | TCP_ACK,
					    TCP_SYN,
					    TCP_SYN | TCP_ACK,
					    TCP_SYN | TCP_FIN,
					    TCP_FIN,
					    TCP_URG | TCP_ACK,
					    TCP_PSH,
					    TCP_SYN | TCP_RST,
					    0x3f,
					    TCP_FIN | TCP_URG | TCP_PSH};
	struct course before = *c;

	draw_usual(d, st, c);
	*c = before; /* it may well be refused */
	switch (roll(d, 9)) {
	case 0:
		st->flags = odd_flags[roll(d, 12)];
		break;
	case 1:
		st->flags = odd_flags[roll(d, 12)];
		st->seq = off_by(d, st->seq);
		break;
	case 2:
		st->seq = off_by(d, st->seq);
		break;
	case 3:
		st->ack = off_by(d, st->ack);
		break;
	case 4:
		st->options = (uint8_t)roll(d, 64);
		break;
	case 5:
		st->ts_back = off_by(d, 0);
		if (st->ts_back == 1000) /* about the kernel's timeout, which is real time */
			st->ts_back = 3000;
		break;
	case 6:
		st->bad_csum = true;
		break;
	case 7:
		st->window = (uint16_t)roll(d, 4);
		break;
	default:
		st->flags |= TCP_URG;
		st->urgent = (uint16_t)roll(d, 2000);
	}
}

static void draw_carriage(struct dice *d, bool v6, struct diff_step *st)
{
	static const enum diff_carriage both[] = {
		DIFF_FRAGMENTS,	     DIFF_FRAGMENTS_REVERSED, DIFF_FRAGMENTS_OVERLAP,
		DIFF_FRAGMENT_TWICE, DIFF_FRAGMENT_ALONE,     DIFF_TRUNCATED,
		DIFF_PADDED};
	static const enum diff_carriage six[] = {
		DIFF_ATOMIC,	     DIFF_HOPOPTS,	 DIFF_DSTOPTS,	   DIFF_ROUTING0,
		DIFF_OPTION_DISCARD, DIFF_OPTION_REPORT, DIFF_HOPOPTS_LATE};
	static const enum diff_carriage four[] = {DIFF_IP_OPTIONS, DIFF_SOURCE_ROUTE,
						  DIFF_BAD_IP_CSUM};

	if (one_in(d, 2))
		st->carriage = both[roll(d, 7)];
	else
		st->carriage = v6 ? six[roll(d, 7)] : four[roll(d, 3)];
}

static void draw_error(struct dice *d, bool v6, struct diff_step *st, const struct course *c)
{
	static const uint8_t four[][2] = {{3, 0},  {3, 1}, {3, 2}, {3, 3},  {3, 4},  {3, 5}, {3, 9},
					  {3, 13}, {4, 0}, {5, 1}, {11, 0}, {11, 1}, {12, 0}};
	static const uint8_t six[][2] = {{1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5},  {1, 6},
					 {2, 0}, {3, 0}, {3, 1}, {4, 0}, {4, 1}, {100, 0}};
	const uint8_t *which = v6 ? six[roll(d, 13)] : four[roll(d, 13)];
	bool big = v6 ? which[0] == 2 : which[0] == 3 && which[1] == 4;

	*st = (struct diff_step){.kind = DIFF_ICMP_ERROR,
				 .icmp_type = which[0],
				 .icmp_code = which[1],
				 .seq = one_in(d, 2) ? c->acked - 1 : off_by(d, c->acked)};
	/* One that is believed would change the kernel's route for ten minutes; here, none is. */
	if (big) {
		st->icmp_info = 1280 + roll(d, 200);
		st->seq = c->acked + 50000000;
	}
}

static void draw_datagram(struct dice *d, const struct diff_exchange *x, struct diff_step *st)
{
	static const uint8_t protocols[] = {59, 89, 132, 200, 253};

	*st = (struct diff_step){.kind = one_in(d, 3) ? DIFF_ECHO : DIFF_UDP, .len = draw_len(d)};
	if (one_in(d, 8)) {
		st->kind = DIFF_OTHER_PROTO;
		st->icmp_type = protocols[roll(d, 5)];
	}
	st->seq = (int32_t)roll(d, 1000000); /* sets identification and content apart */
	st->bad_csum = one_in(d, 12);
	st->no_csum = st->kind == DIFF_UDP && one_in(d, 8);
	if (one_in(d, 3))
		draw_carriage(d, x->v6, st);
	/* The lab's links have no IPv4 multicast: that is their quiet, not the kernel's answer. */
	if (st->carriage == DIFF_WHOLE && one_in(d, 12))
		st->to_group = x->v6 || st->kind == DIFF_ECHO;
}

bool diff_lacks_timestamp(const struct diff_exchange *x, int i)
{
	const struct diff_step *st = &x->step[i];

	if (st->kind != DIFF_TCP || st->options & DIFF_OPT_TS || st->flags & TCP_RST)
		return false;
	for (int k = 0; k < i; k++)
		if (x->step[k].kind == DIFF_TCP && x->step[k].flags & TCP_SYN)
			return x->step[k].options & DIFF_OPT_TS;
	return false;
}

static bool has_fin_among(const struct diff_step *fin, const struct diff_step *data)
{
	int32_t at = fin->seq + fin->len + !!(fin->flags & TCP_SYN);

	return fin->flags & TCP_FIN && data->len && data->seq + data->len > at;
}

bool diff_contradicts(const struct diff_exchange *x, int i)
{
	const struct diff_step *st = &x->step[i];

	for (int k = 0; k < i && st->kind == DIFF_TCP; k++)
		if (x->step[k].kind == DIFF_TCP &&
		    (has_fin_among(&x->step[k], st) || has_fin_among(st, &x->step[k])))
			return true;
	return false;
}

bool diff_splits_header(const struct diff_step *st)
{
	int hdr = 20 + (st->options & DIFF_OPT_MSS ? 4 : 0) +
		  (st->options & DIFF_OPT_WSCALE ? 4 : 0) +
		  (st->options & DIFF_OPT_UNKNOWN ? 8 : 0) +
		  (st->options & DIFF_OPT_BROKEN ? 4 : 0);

	hdr += st->options & DIFF_OPT_TS ? 12 : st->options & DIFF_OPT_SACK ? 4 : 0;
	return st->kind == DIFF_TCP && st->carriage >= DIFF_FRAGMENTS &&
	       st->carriage <= DIFF_FRAGMENT_ALONE && hdr + st->len >= 40 &&
	       (hdr + st->len) / 2 / 8 * 8 < 20;
}

bool diff_is_tiny(const struct diff_exchange *x, const struct diff_step *st)
{
	return !x->v6 && diff_splits_header(st);
}

/* Where the two are known to go on in different states, there is nothing left to compare. */
static void cut(struct diff_exchange *x)
{
	for (int i = 0; i < x->n; i++) {
		const struct diff_step *st = &x->step[i];

		if ((st->kind == DIFF_TCP && st->options & DIFF_OPT_BROKEN) ||
		    (st->kind == DIFF_TCP && st->flags & TCP_ACK && st->ack < 1 && st->len) ||
		    diff_lacks_timestamp(x, i) || diff_is_tiny(x, st) || diff_contradicts(x, i))
			x->n = i + 1;
	}
}

/* What a program does, and what the host's peer expects to come of it. */
static void draw_act(struct dice *d, struct diff_step *st, struct course *c)
{
	static const uint16_t lens[] = {1, 10, 100, 500};

	*st = (struct diff_step){.kind = DIFF_ACT};
	st->act = roll(d, 3) ? DIFF_SEND : roll(d, DIFF_ACTS);
	if (st->act == DIFF_SEND)
		st->len = lens[roll(d, 4)];
	if (c->ended)
		return;
	c->acked +=
		st->act == DIFF_SEND ? st->len : st->act == DIFF_SHUTDOWN || st->act == DIFF_DROP;
	c->ended = st->act == DIFF_SHUTDOWN || st->act == DIFF_DROP;
}

static void draw_connection(struct dice *d, struct diff_exchange *x)
{
	struct course c = {0};
	int steps = 2 + (int)roll(d, DIFF_STEPS_MAX - 3);

	if (one_in(d, 10)) { /* without a connection: what a closed port or a listener says */
		c.nxt = 1;
		c.acked = 1;
	} else {
		draw_syn(d, x, &c);
		if (!one_in(d, 12)) {
			struct diff_step *st = &x->step[x->n++];

			draw_usual(d, st, &c);
			c.nxt = 1;
			c.fin = false;
			st->flags = TCP_ACK;
			st->len = 0;
		}
	}
	if (x->mode == DIFF_CLOSE && one_in(d, 2))
		c.acked = 2; /* the host's FIN too */
	while (x->n < steps) {
		struct diff_step *st = &x->step[x->n++];

		if (x->n > 2 && x->mode != DIFF_CLOSE && one_in(d, 5)) {
			draw_act(d, st, &c);
			continue;
		}
		if (one_in(d, 3))
			draw_odd(d, st, &c);
		else
			draw_usual(d, st, &c);
		if (one_in(d, 12))
			draw_carriage(d, x->v6, st);
		if (one_in(d, 40))
			st->other_source = true;
		if (one_in(d, 12))
			draw_error(d, x->v6, st, &c);
	}
	cut(x);
}

void diff_generate(uint64_t number, struct diff_exchange *x)
{
	struct dice d = {number * UINT64_C(0x2545f4914f6cdd1d) + 1};

	memset(x, 0, sizeof(*x));
	x->v6 = roll(&d, 2);
	x->listener = (uint8_t)roll(&d, DIFF_PORTS);
	x->mode = roll(&d, DIFF_MODES);
	x->source = (uint8_t)(number / 30000 % 2);
	x->sport = (uint16_t)(20000 + number % 30000);
	x->iss = one_in(&d, 8) ? UINT32_MAX - roll(&d, 2000) : roll(&d, UINT32_MAX);
	if (one_in(&d, 4)) {
		x->n = 1 + (int)roll(&d, 3);
		for (int i = 0; i < x->n; i++)
			draw_datagram(&d, x, &x->step[i]);
	} else {
		draw_connection(&d, x);
	}
}
