/* SPDX-License-Identifier: MIT */
/* diff_excuse.c - where the stack may answer otherwise than the kernel, each with its RFC */
#include "diff.h"

#include "../../rawstack/wire/tcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * An excuse names the packet and both answers as narrowly as it can: the answer next to the one
 * that is right must not be excused, which test_differential.c tries with changed answers.
 */

/* A step and its answers, and where the stack's side stood before it. */
struct scene {
	const struct diff_exchange *x;
	int i;
	const struct diff_step *st; /* the packet */
	const char *kernel, *stack;
	int32_t acked, sent;
	bool lags; /* the kernel owes an acknowledgement */
};

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* What came twice ends where the rest begins. */
static bool is_block(const struct scene *c, const char *text)
{
	int left, right;

	return sscanf(text, "[%d-%d]", &left, &right) == 2 && left < right &&
	       (left >= c->acked || right <= c->acked);
}

/* One acknowledgement and nothing else, of what was acknowledged before; @sacks: SACK may follow.
 */
static bool bare_ack(const struct scene *c, const char *text, bool sacks)
{
	char want[64];
	size_t n =
		(size_t)snprintf(want, sizeof(want), " A seq %d ack %d len 0", c->sent, c->acked);

	if (strncmp(text, want, n) != 0)
		return false;
	text += n;
	if (begins(text, " ts"))
		text += 3;
	if (begins(text, " win 0"))
		text += 6;
	if (sacks && begins(text, " ["))
		return strchr(text, ';') == strrchr(text, ';') && is_block(c, text + 1);
	return strcmp(text, ";") == 0;
}

/* One FIN with number @seq and nothing else. */
static bool fin_alone(const struct scene *c, const char *text, int32_t seq)
{
	char want[64];
	size_t n = (size_t)snprintf(want, sizeof(want), " FA seq %d ack %d len 0", seq, c->acked);

	return strncmp(text, want, n) == 0 && strchr(text, ';') == strrchr(text, ';');
}

/* One reset and nothing else: in answer to the packet's acknowledgement. */
static bool reset_of(const struct scene *c, const char *text)
{
	char want[64];

	snprintf(want, sizeof(want), " R seq %d ack 0 len 0;", c->st->ack);
	return c->st->flags & TCP_ACK && strcmp(text, want) == 0;
}

static void strip_reads(const char *text, char *out)
{
	while (*text)
		if (begins(text, " (read "))
			text = strchr(text, ')') + 1;
		else
			*out++ = *text++;
	*out = '\0';
}

/* Nothing on the wire, though the program may have read. */
static bool silent(const char *text)
{
	char rest[DIFF_TEXT_MAX];

	strip_reads(text, rest);
	return !*rest;
}

static int32_t seg_end(const struct diff_step *st)
{
	return st->seq + st->len + !!(st->flags & TCP_SYN) + !!(st->flags & TCP_FIN);
}

/* Of the window of a half-open connection. */
static bool outside(const struct scene *c, const struct diff_step *st)
{
	int32_t edge = c->acked + 65535;

	return seg_end(st) == st->seq ? st->seq < c->acked || st->seq > edge
				      : seg_end(st) <= c->acked || st->seq >= edge;
}

static bool arrives(const struct diff_step *st)
{
	return !st->bad_csum && !st->other_source && !diff_splits_header(st) &&
	       st->carriage != DIFF_FRAGMENTS_OVERLAP && st->carriage != DIFF_FRAGMENT_ALONE &&
	       st->carriage != DIFF_TRUNCATED && st->carriage != DIFF_BAD_IP_CSUM &&
	       st->carriage != DIFF_SOURCE_ROUTE &&
	       (st->carriage < DIFF_ROUTING0 || st->carriage > DIFF_HOPOPTS_LATE);
}

/* No packet before can have ended the handshake. */
static bool half_open(const struct scene *c)
{
	const struct diff_step *st;

	for (int k = c->i - 1; k > 0 && !(c->x->step[k].flags & TCP_SYN); k--) {
		st = &c->x->step[k];
		if (st->kind == DIFF_TCP && st->ack == 1 && st->ts_back <= 0 && arrives(st) &&
		    (st->flags & (TCP_ACK | TCP_RST)) == TCP_ACK && !outside(c, st))
			return false;
	}
	return true;
}

static bool window_was_shut(const struct scene *c)
{
	for (int k = 0; k < c->i; k++)
		if (c->x->step[k].kind == DIFF_TCP && c->x->step[k].window < 4)
			return true;
	return false;
}

static bool fin_before(const struct scene *c)
{
	for (int k = 0; k < c->i; k++)
		if (c->x->step[k].flags & TCP_FIN)
			return true;
	return false;
}

/* The host's program has closed it. */
static bool closed(const struct scene *c)
{
	for (int k = 0; k < c->i; k++)
		if (c->x->step[k].kind == DIFF_ACT && c->x->step[k].act == DIFF_DROP)
			return true;
	return c->x->mode == DIFF_CLOSE;
}

/* The number behind a FIN of the peer's that has come. */
static bool is_behind_fin(const struct scene *c, int32_t ack)
{
	for (int k = 0; k <= c->i; k++)
		if (c->x->step[k].kind == DIFF_TCP && c->x->step[k].flags & TCP_FIN &&
		    seg_end(&c->x->step[k]) == ack)
			return true;
	return false;
}

/* The host's own FIN is under way. */
static bool ended(const struct scene *c)
{
	for (int k = 0; k < c->i; k++)
		if (c->x->step[k].kind == DIFF_ACT && c->x->step[k].act == DIFF_SHUTDOWN)
			return true;
	return closed(c);
}

static bool bad_option(const struct scene *c)
{
	/* What is unknown ends with the end of the list: behind it nothing is read. */
	return c->st->kind == DIFF_TCP && c->st->options & DIFF_OPT_BROKEN &&
	       !(c->st->options & DIFF_OPT_UNKNOWN) && !*c->stack;
}

static bool no_timestamp(const struct scene *c)
{
	return diff_lacks_timestamp(c->x, c->i) && c->sent && !(c->st->flags & TCP_SYN) &&
	       !*c->stack;
}

static bool tiny_fragment(const struct scene *c)
{
	return diff_is_tiny(c->x, c->st) && !*c->stack;
}

static bool syn_half_open(const struct scene *c)
{
	if (!(c->st->flags & TCP_SYN) || c->sent != 1 || !half_open(c) ||
	    (*c->stack && !bare_ack(c, c->stack, false)))
		return false;
	/* Linux may also take its acknowledgement for the handshake's last. */
	return strstr(c->kernel, "accept") || begins(c->kernel, " R");
}

static bool window_before_ack(const struct scene *c)
{
	return half_open(c) && c->sent == 1 && c->st->flags & TCP_ACK && c->st->ack != 1 &&
	       (outside(c, c->st) || c->st->ts_back > 0) && reset_of(c, c->kernel) &&
	       (!*c->stack || bare_ack(c, c->stack, false));
}

/* Something before has been answered already. */
static bool challenge_once(const struct scene *c)
{
	const struct diff_step *st;
	bool before = false;

	for (int k = 1; k < c->i; k++) {
		st = &c->x->step[k];
		before |= st->kind == DIFF_TCP &&
			  (outside(c, st) || st->ts_back > 0 || st->flags & (TCP_SYN | TCP_RST));
	}
	return before && c->sent == 1 && half_open(c) && bare_ack(c, c->kernel, false) &&
	       !*c->stack;
}

/* The connection is accepted; a gap may have been told before, and the program may close. */
static bool accepts(const struct scene *c)
{
	const char *at = strstr(c->stack, " (accept "), *end = at ? strrchr(c->stack, ')') + 1 : "";
	char before[DIFF_TEXT_MAX];

	if (!at)
		return false;
	snprintf(before, sizeof(before), "%.*s", (int)(at - c->stack), c->stack);
	if (*before && !bare_ack(c, before, true))
		return false;
	return !*end ||
	       ((closed(c) || strstr(at, " (end)")) && strchr(end, ';') == strrchr(end, ';') &&
		(begins(end, " FA seq 1 ack ") || begins(end, " RA seq 1 ack ")));
}

/* Only an error about the SYN-ACK, and only Linux has forgotten it. */
static bool soft_error_before(const struct scene *c)
{
	bool forgotten = !*c->kernel || reset_of(c, c->kernel) || begins(c->kernel, " new SA ");
	bool error = false;

	for (int k = 1; k < c->i; k++)
		error |= c->x->step[k].kind == DIFF_ICMP_ERROR && c->x->step[k].seq == 0;
	if (!error || !forgotten || c->sent != 1)
		return false;
	return accepts(c) || begins(c->stack, " SA seq 0 ack ") || bare_ack(c, c->stack, false) ||
	       (!*c->stack && half_open(c));
}

static bool fast_retransmit(const struct scene *c)
{
	int duplicates = 0;

	for (int k = 1; k <= c->i; k++)
		duplicates += c->x->step[k].kind == DIFF_TCP && c->x->step[k].flags & TCP_ACK &&
			      c->x->step[k].ack == c->sent - 1;
	return duplicates > 3 && !*c->kernel && fin_alone(c, c->stack, c->sent - 1);
}

static bool ack_never_sent(const struct scene *c)
{
	return c->st->flags & TCP_ACK && c->st->ack < 1 && c->st->len && silent(c->kernel) &&
	       bare_ack(c, c->stack, false);
}

static bool data_behind_fin(const struct scene *c)
{
	return fin_before(c) && c->st->seq < c->acked && c->st->seq + c->st->len > c->acked - 1 &&
	       c->sent && reset_of(c, c->kernel) &&
	       (!*c->stack || (window_was_shut(c) && fin_alone(c, c->stack, c->sent)));
}

static bool urgent(const struct scene *c)
{
	char k[DIFF_TEXT_MAX], s[DIFF_TEXT_MAX];
	bool any = false;

	for (int i = 0; i <= c->i; i++)
		any |= c->x->step[i].flags & TCP_URG;
	strip_reads(c->kernel, k);
	strip_reads(c->stack, s);
	return any && strcmp(k, s) == 0;
}

/* Older by more than a tick than what came before, which only the stack has kept. */
static bool timestamp_went_back(const struct scene *c)
{
	if (!(c->x->step[0].options & DIFF_OPT_TS))
		return false;
	for (int k = 1; k < c->i; k++)
		if (c->x->step[k].kind == DIFF_TCP && c->st->kind == DIFF_TCP &&
		    c->st->ts_back - c->x->step[k].ts_back > 1)
			return true;
	return false;
}

/* Only the number differs which a later segment acknowledges: Linux has taken one that went back.
 */
static bool taken_by_kernel(const struct scene *c)
{
	const char *k = strstr(c->kernel, " ack "), *s = strstr(c->stack, " ack ");
	struct scene at = *c;
	int ka, sa, n, m;

	if (!k || !s || k - c->kernel != s - c->stack ||
	    strncmp(c->kernel, c->stack, (size_t)(k - c->kernel)) != 0 ||
	    sscanf(k, " ack %d%n", &ka, &n) != 1 || sscanf(s, " ack %d%n", &sa, &m) != 1 ||
	    sa != c->acked || strcmp(k + n, s + m) != 0)
		return false;
	for (at.i = 1; at.i < c->i; at.i++) {
		at.st = &c->x->step[at.i];
		if (at.st->len && seg_end(at.st) == ka && timestamp_went_back(&at))
			return true;
	}
	return false;
}

/*
 * Old by the number, or by the timestamp: no older than what Linux has acknowledged itself, which
 * it puts off. So the segment may open a window there, and its timestamp counts.
 */
static bool kernel_lags(const struct scene *c)
{
	bool old = seg_end(c->st) <= c->acked || c->st->seq < c->acked ||
		   c->x->step[0].options & DIFF_OPT_TS;
	size_t k = strlen(c->kernel), s = strlen(c->stack);
	char rest[DIFF_TEXT_MAX];

	if (c->lags && c->st->kind == DIFF_ACT && taken_by_kernel(c))
		return true;
	if (!c->lags || !old)
		return false;
	if (c->x->step[0].options & DIFF_OPT_TS && silent(c->kernel) &&
	    (!*c->stack || bare_ack(c, c->stack, true)))
		return true;
	if (c->st->flags & TCP_RST || timestamp_went_back(c))
		return bare_ack(c, c->kernel, true) && !*c->stack;
	if (*c->kernel && !(window_was_shut(c) && begins(c->kernel, " FA seq 1 ack ")))
		return false;
	if (k < s && strcmp(c->stack + s - k, c->kernel) == 0) {
		snprintf(rest, sizeof(rest), "%.*s", (int)(s - k), c->stack);
		return bare_ack(c, rest, true);
	}
	return !*c->stack || (window_was_shut(c) && bare_ack(c, c->stack, true));
}

static bool old_behind_fin(const struct scene *c)
{
	return (c->sent == 2 || ended(c) || fin_before(c)) && c->st->flags & TCP_ACK &&
	       seg_end(c->st) > c->st->seq && seg_end(c->st) <= c->acked && !*c->kernel &&
	       bare_ack(c, c->stack, true);
}

/* Linux answers even a RST there. */
static bool reset_in_fin_wait_2(const struct scene *c)
{
	return closed(c) && c->st->flags & TCP_RST &&
	       (outside(c, c->st) || c->x->step[0].options & DIFF_OPT_TS) &&
	       bare_ack(c, c->kernel, false) && !*c->stack;
}

static bool reset_in_time_wait(const struct scene *c)
{
	bool fin = false;

	for (int k = 0; k < c->i; k++) {
		if (fin && c->x->step[k].flags & TCP_RST)
			return c->sent == 2 &&
			       (reset_of(c, c->kernel) || begins(c->kernel, " RA seq 0")) &&
			       (!*c->stack || bare_ack(c, c->stack, true));
		fin |= c->x->step[k].flags & TCP_FIN;
	}
	return false;
}

/* Data that fill a segment: Linux leaves room for SACK, and sends less. */
static bool no_room_for_sack(const struct scene *c)
{
	char want[64];
	int k, s;
	const char *from = strstr(c->kernel, " A seq"), *ours = strstr(c->stack, " A seq");

	snprintf(want, sizeof(want), " A seq %d ack %d len ", c->sent, c->acked);
	if (!from || !ours || !begins(from, want) || !begins(ours, want) || !strchr(from, '['))
		return false;
	k = atoi(from + strlen(want));
	s = atoi(ours + strlen(want));
	return k > 0 && s - k >= 12 && s - k <= 36 && s >= 512;
}

/* Of two windows that came with the same numbers Linux keeps the larger; or it has looked at an
 * acknowledgement that came with something old. */
static bool smaller_window(const struct scene *c)
{
	size_t s = strlen(c->stack), k = strlen(c->kernel);
	char want[64];
	bool fin;

	snprintf(want, sizeof(want), " A seq %d ack %d len %u", c->sent, c->acked, c->st->len);
	if (c->lags && c->st->kind == DIFF_ACT && begins(c->stack, c->kernel) &&
	    begins(c->stack + k, want))
		return true;
	if (!begins(c->kernel, c->stack))
		return false;
	fin = begins(c->kernel + s, " FA");
	snprintf(want, sizeof(want), " %sA seq %d ack %d len ", fin ? "F" : "", c->sent, c->acked);
	return (window_was_shut(c) || c->lags) && begins(c->kernel + s, want) &&
	       (fin || c->kernel[s + strlen(want)] != '0');
}

/*
 * The acknowledgement of something out of order is a segment of its own, and then come data: it has
 * told what came twice already, which Linux tells with the data.
 */
static bool acknowledged_apart(const struct scene *c)
{
	const char *end = strchr(c->stack, ';'), *block = end ? strchr(c->stack, '[') : NULL;
	char first[DIFF_TEXT_MAX], want[DIFF_TEXT_MAX];
	size_t same;

	if (!end || !end[1] || !begins(c->kernel, " A seq "))
		return false;
	snprintf(first, sizeof(first), "%.*s;", (int)(end - c->stack), c->stack);
	if (!bare_ack(c, first, true))
		return false;
	if (strcmp(end + 1, c->kernel) == 0)
		return true;
	if (!block || block > end)
		return false;
	same = strcspn(end + 1, "[;"); /* there it would have its place */
	snprintf(want, sizeof(want), "%.*s%s%.*s%s%s", (int)same, end + 1,
		 end[1 + same] == '[' ? "" : " ", (int)(strchr(block, ']') + 1 - block), block,
		 end[1 + same] == '[' ? " " : "", end + 1 + same);
	return end[1 + same] && strcmp(want, c->kernel) == 0;
}

/* Octets up to @end may be sent early: the program has given them, and something is out. */
static bool may_go_early(const struct scene *c, int32_t end)
{
	const struct diff_step *st;
	int32_t given = 1;

	for (int k = 0; k <= c->i; k++) {
		st = &c->x->step[k];
		if (st->kind == DIFF_TCP && st->flags & TCP_ACK && st->ack == c->sent)
			return false;
		if (st->kind == DIFF_ACT && st->act == DIFF_SEND)
			given += st->len;
	}
	return c->sent > 1 && end <= given;
}

/* The last that was sent goes again, or what comes next goes early: between packets more time goes
 * by here than there. */
static bool tail_probe(const struct scene *c)
{
	const char *at = strstr(c->stack, " FA seq "), *end;
	char rest[DIFF_TEXT_MAX];
	int seq, ack, len, fin = at != NULL;

	at = at ? at : strstr(c->stack, " A seq ");
	end = at ? strchr(at, ';') : NULL;
	if (!end || sscanf(strstr(at, "seq"), "seq %d ack %d len %d", &seq, &ack, &len) != 3)
		return false;
	snprintf(rest, sizeof(rest), "%.*s%s", (int)(at - c->stack), c->stack, end + 1);
	return len + fin > 0 && ack == c->acked && strcmp(rest, c->kernel) == 0 &&
	       (seq + len + fin == c->sent ||
		(!fin && seq == c->sent && may_go_early(c, seq + len)));
}

/* What came twice is told by a later segment. */
static bool told_later(const struct scene *c)
{
	const char *block = strchr(c->kernel, '['), *end = block ? strchr(block, ']') : NULL;
	char rest[DIFF_TEXT_MAX];
	int left, right;

	if (!end || sscanf(block, "[%d-%d]", &left, &right) != 2 || right > c->acked)
		return false;
	snprintf(rest, sizeof(rest), "%.*s%s", (int)(block - 1 - c->kernel), c->kernel, end + 1);
	return left < right && strcmp(rest, c->stack) == 0;
}

/* What both said is equal but for SACK blocks, and is one segment. */
static bool same_but_sacks(const struct scene *c)
{
	size_t k = strcspn(c->kernel, "["), s = strcspn(c->stack, "[");

	return c->stack[s] && c->kernel[k] && k == s && strncmp(c->kernel, c->stack, k) == 0 &&
	       strchr(c->stack, ';') == strrchr(c->stack, ';');
}

/* The last octet of a block is a FIN, which Linux counts. */
static bool one_more(const char *kernel, const char *stack)
{
	int k[2], s[2], n, m;

	while (*kernel == '[' && *stack == '[') {
		if (sscanf(kernel, "[%d-%d]%n", &k[0], &k[1], &n) != 2 ||
		    sscanf(stack, "[%d-%d]%n", &s[0], &s[1], &m) != 2)
			return false;
		if (k[0] != s[0] || k[1] - s[1] < 0 || k[1] - s[1] > 1)
			return false;
		kernel += n + (kernel[n] == ' ');
		stack += m + (stack[m] == ' ');
	}
	return strcmp(kernel, stack) == 0;
}

/* So it does where it came twice: then Linux has one block more, in front or behind. */
static bool one_block_more(const char *kernel, const char *stack)
{
	const char *second = strchr(kernel + 1, '[');

	return one_more(kernel, stack) || (second && one_more(second, stack)) ||
	       (second && strncmp(kernel, stack, strlen(stack) - 1) == 0);
}

/* The shorter of two with a FIN: Linux may not tell that its data came twice, either. */
static bool shorter_repeated(const struct scene *c)
{
	const char *block = strchr(c->stack, '['), *rest = block ? strchr(block, ']') : NULL;
	int left, right;

	return c->st->flags & TCP_FIN && same_but_sacks(c) && rest && rest[1] == ' ' &&
	       sscanf(block, "[%d-%d]", &left, &right) == 2 && left == c->st->seq &&
	       right == c->st->seq + c->st->len && one_more(strchr(c->kernel, '['), rest + 2);
}

/* A FIN in front of data that are held: Linux counts it to them. */
static bool fin_before_data(const struct scene *c)
{
	const char *kernel = strchr(c->kernel, '['), *stack = strchr(c->stack, '[');
	int k[2], s[4], n = 0, m = 0;

	if (!(c->st->flags & TCP_FIN) || !same_but_sacks(c) ||
	    sscanf(kernel, "[%d-%d]%n", &k[0], &k[1], &n) != 2 ||
	    sscanf(stack, "[%d-%d] [%d-%d]%n", &s[0], &s[1], &s[2], &s[3], &m) != 4)
		return false;
	return s[1] == seg_end(c->st) && s[2] == s[1] && k[0] == s[0] && k[1] == s[3] &&
	       strcmp(kernel + n, stack + m) == 0;
}

/* Of two FINs Linux keeps both, each as an octet of its own. */
static bool second_fin(const struct scene *c)
{
	const char *last = strrchr(c->kernel, '[');
	const char *blocks = strchr(c->stack, '[');
	int left, right, behind = blocks ? (int)(strrchr(c->stack, ']') + 1 - blocks) : 0;

	if (!(c->st->flags & TCP_FIN) || !same_but_sacks(c) || !last || !blocks ||
	    strncmp(strchr(c->kernel, '['), blocks, (size_t)behind) != 0 ||
	    last != strchr(c->kernel, '[') + behind + 1)
		return false;
	return sscanf(last, "[%d-%d]", &left, &right) == 2 && right == left + 1 &&
	       right != seg_end(c->st) && is_behind_fin(c, right);
}

static bool fin_contradicted(const struct scene *c)
{
	bool plain = !*c->kernel && bare_ack(c, c->stack, false);
	bool over = !*c->stack && begins(c->kernel, " A seq ") && strchr(c->kernel, '[');

	bool two = begins(c->kernel, " FA seq ") && fin_alone(c, c->stack, c->sent);

	if (second_fin(c) || fin_before_data(c))
		return true;
	if ((two || shorter_repeated(c)) && diff_contradicts(c->x, c->i))
		return true;
	return diff_contradicts(c->x, c->i) &&
	       ((same_but_sacks(c) &&
		 one_block_more(strchr(c->kernel, '['), strchr(c->stack, '['))) ||
		plain || over);
}

/* Merged with a neighbour before it is found to be there already: then Linux does not tell. */
static bool duplicate_untold(const struct scene *c)
{
	const char *block = strchr(c->stack, '['), *rest = block ? strchr(block, ']') : NULL;
	int left, right;

	if (!same_but_sacks(c) || !rest || strcmp(strchr(c->kernel, '['), rest + 2) != 0)
		return false;
	return sscanf(block, "[%d-%d]", &left, &right) == 2 && left >= c->st->seq &&
	       right <= seg_end(c->st) && left < right;
}

/* FIN in FIN-WAIT-2: Linux forgets what waited behind gaps only after it has acknowledged. */
static bool stale_sacks(const struct scene *c)
{
	const char *end = strchr(c->kernel, ';'), *block = strchr(c->kernel, '[');
	int seq, ack, n = 0;

	if (!end || !block || block > end || !ended(c) || strcmp(end + 1, c->stack) != 0 ||
	    sscanf(c->kernel, " A seq %d ack %d len 0%n", &seq, &ack, &n) != 2 || n == 0)
		return false;
	n += begins(c->kernel + n, " ts") ? 3 : 0;
	return seq == c->sent && c->kernel + n + 1 == block && is_behind_fin(c, ack);
}

/* The same list is told in docs/stack-differences.md. */
static const struct {
	const char *name;
	bool (*applies)(const struct scene *c);
} excuses[] = {
	{"an option of illegal length: the segment is dropped (RFC 9293 3.1, MUST-7)", bad_option},
	{"without the timestamp agreed upon: dropped (RFC 7323 3.2)", no_timestamp},
	{"IPv4, first fragment shorter than a TCP header: dropped (RFC 3128)", tiny_fragment},
	{"SYN in SYN-RECEIVED: challenge, not reset (RFC 5961 4.2, RFC 9293 3.10.7.4)",
	 syn_half_open},
	{"SYN-RECEIVED: the window is looked at before the acknowledgement (RFC 9293 3.10.7.4)",
	 window_before_ack},
	{"half-open, out of the window: answered once a second (RFC 5961 7)", challenge_once},
	{"ICMP errors that pass do not end a half-open connection (RFC 1122 4.2.3.9, MUST-56)",
	 soft_error_before},
	{"third duplicate acknowledgement: the only segment goes again (RFC 5681 3.2)",
	 fast_retransmit},
	{"acknowledges what never was sent, with data: challenged in every case (RFC 5961 5.2)",
	 ack_never_sent},
	{"data behind a FIN: ignored, not reset (RFC 9293 3.10.7.4, seventh)", data_behind_fin},
	{"urgent data is delivered in its place (RFC 6093 3.4)", urgent},
	{"older than what was acknowledged, though not by Linux yet (RFC 9293 3.10.7.4, first)",
	 kernel_lags},
	{"old data behind a FIN of either side: acknowledged again at once (RFC 9293 3.10.7.4)",
	 old_behind_fin},
	{"FIN-WAIT-2 without a user: RST outside the window is not answered (RFC 9293 3.10.7.4)",
	 reset_in_fin_wait_2},
	{"TIME-WAIT: RST does not end it (RFC 1337 3)", reset_in_time_wait},
	{"data where a FIN was, a FIN among data: what SACK says of it (not in any RFC)",
	 fin_contradicted},
	{"a smaller window with nothing else new: taken (RFC 9293 3.10.7.4, fifth)",
	 smaller_window},
	{"what is out of order is acknowledged before data leave, not with them (RFC 5681 3.2)",
	 acknowledged_apart},
	{"the last segment goes again, after twice the round-trip time (RFC 8985 7.3)", tail_probe},
	{"what came twice is told at once, by an acknowledgement (RFC 2883 4)", told_later},
	{"a segment full of data has no room for SACK (RFC 2018 3)", no_room_for_sack},
	{"FIN in FIN-WAIT-2: nothing is held any more, nor told by SACK (RFC 2018 3)", stale_sacks},
	{"what came twice is told, also next to what it touches (RFC 2883 4)", duplicate_untold},
	{NULL, NULL},
};

int diff_excuse(const struct diff_exchange *x, int i, const char *kernel, const char *stack,
		const struct diff_before *before)
{
	struct scene c = {
		x, i, &x->step[i], kernel, stack, before->acked, before->sent, before->kernel_lags};

	for (int e = 0; excuses[e].name; e++)
		if (excuses[e].applies(&c))
			return e;
	return -1;
}

const char *diff_excuse_name(int e)
{
	return excuses[e].name;
}
