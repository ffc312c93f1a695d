/* SPDX-License-Identifier: MIT */
/* exchange.c - the client's half of a TCP conversation, told by its frames */
#include "exchange.h"

#include "../../rawstack/wire/tcp.h"

#include <assert.h>

/* Farther apart than the bytes any connection sends are the sequence numbers of two uses. */
enum { ISN_STEP = 1 << 20 };

static const struct exchange_step NOTHING = {.error = -1, .dislike = -1};

void exchange_choose_isn(struct exchange *x, const struct exchange_rules *rules,
			 const struct siphash_key *key, uint32_t place)
{
	uint64_t bytes = rules->endless ? 0 : (uint64_t)rules->payload * rules->count;
	uint64_t word = place;
	uint32_t step = bytes < ISN_STEP / 2 ? ISN_STEP : (uint32_t)(bytes * 2);

	x->isn = x->used ? x->isn + step : (uint32_t)siphash_words(key, &word, 1);
	x->used = true;
}

/* The sequence number behind all that we sent. */
static uint32_t snd_nxt(const struct exchange *x)
{
	return x->isn + 1 + x->sent + (x->state == EXCHANGE_CLOSING);
}

static void progress(struct exchange *x, const struct exchange_rules *rules, uint64_t now)
{
	x->heard_ns = now;
	x->due_ns = now + rules->retransmit_ns;
	x->tries = 0;
}

static struct exchange_step send_at(enum segment_kind kind, uint32_t seq, uint32_t ack)
{
	struct exchange_step step = NOTHING;

	step.send = kind;
	step.seq = seq;
	step.ack = ack;
	return step;
}

static struct exchange_step acknowledge(const struct exchange *x)
{
	return send_at(SEGMENT_ACK, snd_nxt(x), x->rcv_nxt);
}

static struct exchange_step dislike(struct exchange_step step, enum load_dislike what)
{
	step.dislike = (int)what;
	return step;
}

/* The answer to a segment that cannot be ours: RST at the place it acknowledges (RFC 9293 3.10.7).
 */
static struct exchange_step refuse(const struct exchange_segment *seg, enum load_dislike what)
{
	uint32_t end = seg->seq + seg->len + !!(seg->flags & TCP_SYN) + !!(seg->flags & TCP_FIN);

	if (seg->flags & TCP_RST)
		return dislike(NOTHING, what);
	return dislike(send_at(SEGMENT_RST, seg->ack, end), what);
}

static struct exchange_step fail(struct exchange *x, struct exchange_step step, enum load_error why)
{
	x->state = EXCHANGE_FREE;
	step.error = (int)why;
	return step;
}

static struct exchange_step abort_with(struct exchange *x, enum load_error why)
{
	return fail(x, send_at(SEGMENT_RST, snd_nxt(x), x->rcv_nxt), why);
}

struct exchange_step exchange_begin(struct exchange *x, const struct exchange_rules *rules,
				    uint64_t now, uint64_t since)
{
	assert(x->state == EXCHANGE_FREE);
	*x = (struct exchange){.since_ns = since,
			       .isn = x->isn,
			       .used = x->used,
			       .left = rules->requests ? rules->count : 0,
			       .state = EXCHANGE_SYN_SENT};
	progress(x, rules, now);
	return send_at(SEGMENT_SYN, x->isn, 0);
}

static struct exchange_step send_request(struct exchange *x, const struct exchange_rules *rules)
{
	struct exchange_step step = send_at(SEGMENT_DATA, snd_nxt(x), x->rcv_nxt);

	x->sent += rules->payload;
	x->left -= !rules->endless;
	x->got = 0;
	return step;
}

/* Our turn to close, or to answer the server's close. */
static struct exchange_step close_now(struct exchange *x, const struct exchange_rules *rules)
{
	struct exchange_step step;

	if (rules->close == LOAD_CLOSE_RST) {
		step = send_at(SEGMENT_RST, snd_nxt(x), x->rcv_nxt);
		x->state = EXCHANGE_FREE;
		step.completed = true;
		return step;
	}
	step = send_at(SEGMENT_FIN, snd_nxt(x), x->rcv_nxt);
	x->state = EXCHANGE_CLOSING;
	return step;
}

/*
 * In answer to the SYN came the acknowledgement of something else: the server still has an old
 * connection from this place and challenges us (RFC 5961 4). RST ends that one, and then the SYN is
 * worth another try at once.
 */
static struct exchange_step challenged(struct exchange *x, const struct exchange_segment *seg,
				       uint64_t now)
{
	if (x->tries == 0 && !(seg->flags & TCP_RST))
		x->due_ns = now;
	return refuse(seg, LOAD_STALE);
}

static struct exchange_step hold(struct exchange *x)
{
	x->state = EXCHANGE_HELD;
	x->due_ns = UINT64_MAX;
	return acknowledge(x);
}

static struct exchange_step syn_sent_input(struct exchange *x, const struct exchange_rules *rules,
					   const struct exchange_segment *seg, uint64_t now)
{
	if (!(seg->flags & TCP_ACK))
		return dislike(NOTHING, LOAD_BAD_FLAGS);
	if (seg->ack != x->isn + 1)
		return challenged(x, seg, now);
	if (seg->flags & TCP_RST)
		return fail(x, NOTHING, LOAD_ERR_REFUSED);
	if (!(seg->flags & TCP_SYN) || (seg->flags & TCP_FIN))
		return dislike(NOTHING, LOAD_BAD_FLAGS);
	x->rcv_nxt = seg->seq + 1;
	x->state = EXCHANGE_OPEN;
	progress(x, rules, now);
	if (rules->hold)
		return hold(x);
	return rules->requests ? send_request(x, rules) : acknowledge(x);
}

/* Is the acknowledgement one of something that we sent and that was not acknowledged long ago? */
static bool ack_possible(const struct exchange *x, const struct exchange_rules *rules, uint32_t ack)
{
	/* At most one request is out, or one and a FIN. */
	uint32_t out = (rules->requests ? rules->payload : 0) + (x->state == EXCHANGE_CLOSING);

	return snd_nxt(x) - ack <= out;
}

static struct exchange_step last_again(const struct exchange *x, const struct exchange_rules *rules)
{
	struct exchange_step step;

	switch ((enum exchange_state)x->state) {
	case EXCHANGE_SYN_SENT:
		step = send_at(SEGMENT_SYN, x->isn, 0);
		break;
	case EXCHANGE_CLOSING:
		step = send_at(SEGMENT_FIN, snd_nxt(x) - 1, x->rcv_nxt);
		break;
	case EXCHANGE_HELD:
		step = acknowledge(x);
		break;
	default:
		step = rules->requests
			       ? send_at(SEGMENT_DATA, snd_nxt(x) - rules->payload, x->rcv_nxt)
			       : acknowledge(x);
	}
	step.again = true;
	return step;
}

/* The answer is complete; the server may have closed behind it. */
static struct exchange_step answer_complete(struct exchange *x, const struct exchange_rules *rules,
					    uint64_t now)
{
	bool again = rules->hold && !rules->stopping;
	bool more = rules->requests && !rules->stopping && (rules->endless || x->left > 0);
	uint64_t since = x->since_ns;
	struct exchange_step step;

	if ((more || again) && x->fin_seen)
		step = abort_with(x, LOAD_ERR_EARLY);
	else if (again)
		step = hold(x);
	else if (more)
		step = send_request(x, rules);
	else
		step = close_now(x, rules);
	x->since_ns = now;
	step.answered = true;
	step.since_ns = since;
	return step;
}

static struct exchange_step closing_input(struct exchange *x, const struct exchange_segment *seg)
{
	struct exchange_step step = NOTHING;

	if (seg->len > 0)
		return abort_with(x, LOAD_ERR_ANSWER);
	if (seg->flags & TCP_FIN)
		step = acknowledge(x);
	if (x->fin_seen && seg->ack == snd_nxt(x)) {
		x->state = EXCHANGE_FREE;
		step.completed = true;
	}
	return step;
}

/* Data, FIN or both, in order. */
static struct exchange_step open_input(struct exchange *x, const struct exchange_rules *rules,
				       const struct exchange_segment *seg, uint64_t now)
{
	uint32_t expect = rules->requests ? rules->expect : 0;

	x->got += seg->len;
	if (x->got > expect || (seg->len > 0 && !seg->content_ok))
		return abort_with(x, LOAD_ERR_ANSWER);
	/* Without requests it is the server's close that is awaited. */
	if (x->got == expect && (rules->requests ? seg->len > 0 : x->fin_seen))
		return answer_complete(x, rules, now);
	if (x->fin_seen)
		return abort_with(x, LOAD_ERR_EARLY);
	return seg->len > 0 ? acknowledge(x) : NOTHING;
}

/* Nothing was asked that is not answered, so the server has nothing to say. */
static struct exchange_step held_input(struct exchange *x, const struct exchange_segment *seg)
{
	if (seg->len > 0)
		return abort_with(x, LOAD_ERR_ANSWER);
	return x->fin_seen ? abort_with(x, LOAD_ERR_EARLY) : NOTHING;
}

static struct exchange_step reset_input(struct exchange *x, const struct exchange_segment *seg)
{
	if (seg->seq != x->rcv_nxt)
		return dislike(NOTHING, LOAD_BAD_SEQ);
	return fail(x, NOTHING, LOAD_ERR_RESET);
}

struct exchange_step exchange_input(struct exchange *x, const struct exchange_rules *rules,
				    const struct exchange_segment *seg, uint64_t now)
{
	uint32_t advance = seg->len + !!(seg->flags & TCP_FIN);

	if (x->state == EXCHANGE_FREE)
		return refuse(seg, LOAD_STALE);
	if (x->state == EXCHANGE_SYN_SENT)
		return syn_sent_input(x, rules, seg, now);
	if (seg->flags & TCP_RST)
		return reset_input(x, seg);
	/* A SYN-ACK again: what we sent upon the first one was lost. */
	if (seg->flags & TCP_SYN)
		return dislike(last_again(x, rules), LOAD_REPEATED);
	if (!(seg->flags & TCP_ACK))
		return dislike(NOTHING, LOAD_BAD_FLAGS);
	if (!ack_possible(x, rules, seg->ack))
		return dislike(NOTHING, LOAD_BAD_ACK);
	if (seg->seq != x->rcv_nxt)
		return dislike(acknowledge(x),
			       (int32_t)(seg->seq - x->rcv_nxt) < 0 ? LOAD_REPEATED : LOAD_BAD_SEQ);
	if (x->state != EXCHANGE_HELD && (advance > 0 || seg->ack == snd_nxt(x)))
		progress(x, rules, now);
	x->rcv_nxt += advance;
	x->fin_seen |= !!(seg->flags & TCP_FIN);
	if (x->state == EXCHANGE_CLOSING)
		return closing_input(x, seg);
	if (x->state == EXCHANGE_HELD)
		return held_input(x, seg);
	return open_input(x, rules, seg, now);
}

struct exchange_step exchange_speak(struct exchange *x, const struct exchange_rules *rules,
				    uint64_t now)
{
	assert(x->state == EXCHANGE_HELD && rules->requests);
	x->state = EXCHANGE_OPEN;
	x->since_ns = now;
	progress(x, rules, now);
	return send_request(x, rules);
}

struct exchange_step exchange_let_go(struct exchange *x, const struct exchange_rules *rules,
				     uint64_t now)
{
	assert(x->state == EXCHANGE_HELD);
	progress(x, rules, now);
	return close_now(x, rules);
}

struct exchange_step exchange_timer(struct exchange *x, const struct exchange_rules *rules,
				    uint64_t now)
{
	struct exchange_step step;

	if (x->state == EXCHANGE_SYN_SENT && now - x->heard_ns >= rules->timeout_ns)
		return fail(x, NOTHING, LOAD_ERR_TIMEOUT);
	if (now - x->heard_ns >= rules->timeout_ns)
		return abort_with(x, LOAD_ERR_TIMEOUT);
	step = last_again(x, rules);
	if (x->tries < 16)
		x->tries++;
	x->due_ns = now + (rules->retransmit_ns << x->tries);
	if (x->due_ns > x->heard_ns + rules->timeout_ns)
		x->due_ns = x->heard_ns + rules->timeout_ns;
	return step;
}
