/* SPDX-License-Identifier: MIT */
/* diff_excuse.c - where the stack may answer otherwise than the kernel, each with its RFC */
#include "diff.h"

#include "../../rawstack/wire/tcp.h"

#include <string.h>

/* The packet whose answers differ. */
static const struct diff_step *at(const struct diff_exchange *x, int i)
{
	return &x->step[i];
}

static bool bad_option(const struct diff_exchange *x, int i, const char *kernel, const char *stack)
{
	(void)kernel;
	(void)stack;
	for (int k = 0; k <= i; k++)
		if (at(x, k)->kind == DIFF_TCP && at(x, k)->options & DIFF_OPT_BROKEN)
			return true;
	return false;
}

static bool syn_half_open(const struct diff_exchange *x, int i, const char *kernel,
			  const char *stack)
{
	bool challenged = !*stack || strstr(stack, " A seq");

	if (!(at(x, i)->flags & TCP_SYN) || strstr(stack, "accept"))
		return false;
	/* Linux may also take its acknowledgement for the handshake's last. */
	return challenged && (strstr(kernel, "accept") || strstr(kernel, " R"));
}

static bool fin_behind_gap(const struct diff_exchange *x, int i, const char *kernel,
			   const char *stack)
{
	for (int k = 0; k <= i; k++)
		if (at(x, k)->flags & TCP_FIN)
			return strchr(kernel, '[') || strchr(stack, '[');
	return false;
}

static bool fast_retransmit(const struct diff_exchange *x, int i, const char *kernel,
			    const char *stack)
{
	return i > 2 && at(x, i)->flags & TCP_ACK && !*kernel && strncmp(stack, " FA seq", 7) == 0;
}

static bool ack_never_sent(const struct diff_exchange *x, int i, const char *kernel,
			   const char *stack)
{
	return at(x, i)->flags & TCP_ACK && at(x, i)->ack < 1 &&
	       (strncmp(kernel, " A seq", 6) == 0 || strncmp(stack, " A seq", 6) == 0);
}

static bool tiny_fragment(const struct diff_exchange *x, int i, const char *kernel,
			  const char *stack)
{
	(void)kernel;
	(void)stack;
	for (int k = 0; k <= i; k++) {
		const struct diff_step *st = at(x, k);
		int hdr = 20 + (st->options & DIFF_OPT_MSS ? 4 : 0) +
			  (st->options & DIFF_OPT_WSCALE ? 4 : 0) +
			  (st->options & DIFF_OPT_UNKNOWN ? 8 : 0);

		hdr += st->options & DIFF_OPT_TS ? 12 : st->options & DIFF_OPT_SACK ? 4 : 0;

		if (!x->v6 && st->kind == DIFF_TCP && st->carriage >= DIFF_FRAGMENTS &&
		    st->carriage <= DIFF_FRAGMENT_ALONE && (hdr + st->len) / 2 / 8 * 8 < 20)
			return true;
	}
	return false;
}

static bool reset_after_fin(const struct diff_exchange *x, int i, const char *kernel,
			    const char *stack)
{
	bool fin = false;

	(void)kernel;
	(void)stack;
	for (int k = 0; k < i; k++) {
		if (fin && at(x, k)->flags & TCP_RST)
			return true;
		fin |= (at(x, k)->flags & TCP_FIN) != 0;
	}
	return false;
}

static bool challenge_once(const struct diff_exchange *x, int i, const char *kernel,
			   const char *stack)
{
	(void)x;
	return i >= 2 && strncmp(kernel, " A seq 1 ack", 12) == 0 && !*stack;
}

static bool reset_overlaps(const struct diff_exchange *x, int i, const char *kernel,
			   const char *stack)
{
	return at(x, i)->flags & TCP_RST && strncmp(kernel, " A seq", 6) == 0 && !*stack;
}

static bool fin_before_data(const struct diff_exchange *x, int i, const char *kernel,
			    const char *stack)
{
	for (int k = 0; k < i && at(x, i)->flags & TCP_FIN; k++)
		if (at(x, k)->len && at(x, k)->seq > at(x, i)->seq)
			return strstr(kernel, "(end)") && strstr(stack, "(read");
	return false;
}

static bool soft_error_before(const struct diff_exchange *x, int i, const char *kernel,
			      const char *stack)
{
	(void)stack;
	for (int k = 0; k < i; k++)
		if (at(x, k)->kind == DIFF_ICMP_ERROR)
			return !*kernel || strstr(kernel, " R seq") || strstr(kernel, " new SA");
	return false;
}

/* By how much the timestamp of step @i is older than the newest before it. */
static int32_t older_by(const struct diff_exchange *x, int i)
{
	int32_t newest = INT32_MAX;

	for (int k = 0; k < i; k++)
		if (at(x, k)->kind == DIFF_TCP && at(x, k)->options & DIFF_OPT_TS &&
		    at(x, k)->ts_back < newest)
			newest = at(x, k)->ts_back;
	if (newest == INT32_MAX || !(at(x, i)->options & DIFF_OPT_TS))
		return 0;
	return at(x, i)->ts_back - newest;
}

static bool timestamp_one_less(const struct diff_exchange *x, int i, const char *kernel,
			       const char *stack)
{
	(void)kernel;
	(void)stack;
	for (int k = 1; k <= i; k++)
		if (older_by(x, k) == 1)
			return true;
	return false;
}

static bool old_pure_ack(const struct diff_exchange *x, int i, const char *kernel,
			 const char *stack)
{
	return older_by(x, i) > 0 && !*kernel && strncmp(stack, " A seq", 6) == 0;
}

static bool no_ack_flag(const struct diff_exchange *x, int i, const char *kernel, const char *stack)
{
	return !(at(x, i)->flags & (TCP_ACK | TCP_RST | TCP_SYN)) && !*kernel &&
	       strncmp(stack, " A seq", 6) == 0;
}

static bool timestamps_agreed(const struct diff_exchange *x, int i)
{
	for (int k = 0; k < i; k++)
		if (at(x, k)->kind == DIFF_TCP && at(x, k)->flags & TCP_SYN)
			return at(x, k)->options & DIFF_OPT_TS;
	return false;
}

static bool no_timestamp(const struct diff_exchange *x, int i, const char *kernel,
			 const char *stack)
{
	(void)kernel;
	(void)stack;
	for (int k = 1; k <= i; k++)
		if (at(x, k)->kind == DIFF_TCP && !(at(x, k)->options & DIFF_OPT_TS) &&
		    !(at(x, k)->flags & TCP_RST) && timestamps_agreed(x, k))
			return true;
	return false;
}

static bool data_behind_fin(const struct diff_exchange *x, int i, const char *kernel,
			    const char *stack)
{
	for (int k = 0; k < i; k++)
		if (at(x, k)->flags & TCP_FIN)
			return at(x, i)->len && strncmp(kernel, " R seq", 6) == 0 && !*stack;
	return false;
}

static bool urgent(const struct diff_exchange *x, int i, const char *kernel, const char *stack)
{
	for (int k = 0; k <= i; k++)
		if (at(x, k)->flags & TCP_URG)
			return strstr(kernel, "(read") || strstr(stack, "(read");
	return false;
}

static bool window_before_ack(const struct diff_exchange *x, int i, const char *kernel,
			      const char *stack)
{
	return at(x, i)->flags & TCP_ACK && at(x, i)->ack != 1 &&
	       strncmp(kernel, " R seq", 6) == 0 &&
	       (strncmp(stack, " A seq 1 ack ", 13) == 0 || (i >= 2 && !*stack));
}

/* Linux keeps a smaller state then, which is silent or resets. */
static bool after_close(const struct diff_exchange *x, int i, const char *kernel, const char *stack)
{
	return x->mode == DIFF_CLOSE && i >= 2 && (!*kernel || strncmp(kernel, " R seq", 6) == 0) &&
	       strncmp(stack, " A seq 2", 8) == 0;
}

static bool old_data_behind_fin(const struct diff_exchange *x, int i, const char *kernel,
				const char *stack)
{
	for (int k = 0; k < i; k++)
		if (at(x, k)->flags & TCP_FIN)
			return !*kernel && strncmp(stack, " A seq", 6) == 0;
	return false;
}

static bool fin_into_closed_window(const struct diff_exchange *x, int i, const char *kernel,
				   const char *stack)
{
	return at(x, i)->window < 4 && !strstr(kernel, " FA seq") && strstr(stack, " FA seq");
}

static bool thrown_away(const struct diff_exchange *x, int i, const char *kernel, const char *stack)
{
	(void)i;
	return x->mode == DIFF_CLOSE && strchr(kernel, '[') && strstr(stack, " FA seq");
}

static bool old_in_time_wait(const struct diff_exchange *x, int i, const char *kernel,
			     const char *stack)
{
	return older_by(x, i) > 0 && strncmp(kernel, " A seq 2", 8) == 0 && !*stack;
}

static bool ack_in_closed_window(const struct diff_exchange *x, int i, const char *kernel,
				 const char *stack)
{
	for (int k = 0; k <= i; k++)
		if (at(x, k)->window < 4)
			return strncmp(kernel, " A seq", 6) == 0 &&
			       strncmp(stack, " A seq", 6) == 0;
	return false;
}

static bool reset_behind_sack(const struct diff_exchange *x, int i, const char *kernel,
			      const char *stack)
{
	return at(x, i)->flags & TCP_RST && (!*kernel || strstr(kernel, "(ECONNRESET)")) &&
	       strchr(stack, '[');
}

/* The same list is told in docs/stack-differences.md. */
static const struct {
	const char *name;
	bool (*applies)(const struct diff_exchange *x, int i, const char *kernel,
			const char *stack);
} excuses[] = {
	{"an option of illegal length: the segment is dropped (RFC 9293 3.1, MUST-7)", bad_option},
	{"SYN in SYN-RECEIVED: challenge, not reset (RFC 5961 4.2, RFC 9293 3.10.7.4)",
	 syn_half_open},
	{"FIN behind a gap is not kept, it comes again (RFC 9293 3.10.7.4)", fin_behind_gap},
	{"third duplicate acknowledgement: the only segment goes again (RFC 5681 3.2)",
	 fast_retransmit},
	{"acknowledges what never was sent: taken as old within a window (RFC 5961 5.2)",
	 ack_never_sent},
	{"ICMP errors that pass do not end a half-open connection (RFC 1122 4.2.3.9, MUST-56)",
	 soft_error_before},
	{"a timestamp older by one is old (RFC 7323 5.3)", timestamp_one_less},
	{"an acknowledgement older than the last: answered (RFC 7323 5.3 R1)", old_pure_ack},
	{"out of the window and without ACK: answered, as the window comes first (RFC 9293 "
	 "3.10.7.4)",
	 no_ack_flag},
	{"without the timestamp agreed upon: dropped (RFC 7323 3.2)", no_timestamp},
	{"data behind a FIN: ignored, not reset (RFC 9293 3.10.7.4, seventh)", data_behind_fin},
	{"urgent data is delivered in its place (RFC 6093 3.4)", urgent},
	{"SYN-RECEIVED: the window is looked at before the acknowledgement (RFC 9293 3.10.7.4)",
	 window_before_ack},
	{"IPv4, first fragment shorter than a TCP header: dropped (RFC 3128)", tiny_fragment},
	{"RST whose number is outside the window, though its data are not: dropped (RFC 5961 3.2)",
	 reset_overlaps},
	{"a FIN in front of data that is there already: the data counts (not in any RFC)",
	 fin_before_data},
	{"RST one before what is expected, after a FIN: dropped (RFC 5961 3.2)", reset_after_fin},
	{"half-open, out of the window: answered once a second (RFC 5961 7)", challenge_once},
	{"FIN does not wait for the peer's window to open (as BSD; the timer repeats it)",
	 fin_into_closed_window},
	{"closed here: what waits behind a gap is thrown away at once (RFC 2018 8)", thrown_away},
	{"TIME-WAIT: a segment with an old timestamp is not answered (RFC 1337)", old_in_time_wait},
	{"closed here: FIN-WAIT-2 answers as every state does (RFC 9293 3.10.7.4)", after_close},
	{"what is old, or too new, behind a FIN: answered (RFC 9293 3.10.7.4, first)",
	 old_data_behind_fin},
	{"acknowledgement while the peer's window has shrunk: at SND.NXT (RFC 9293 3.10.7.4)",
	 ack_in_closed_window},
	{"RST right behind what was SACKed: challenged (RFC 5961 3.2)", reset_behind_sack},
	{NULL, NULL},
};

int diff_excuse(const struct diff_exchange *x, int i, const char *kernel, const char *stack)
{
	for (int e = 0; excuses[e].name; e++)
		if (excuses[e].applies(x, i, kernel, stack))
			return e;
	return -1;
}

const char *diff_excuse_name(int e)
{
	return excuses[e].name;
}
