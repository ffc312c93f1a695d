/* SPDX-License-Identifier: MIT */
/* t_script_segment.c - the segments of a script: made from words, and compared with words */
#include "t_script_internal.h"

#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/ipv4.h"
#include "../../rawstack/wire/ipv6.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fail(struct run *r, const char *fmt, ...)
{
	va_list ap;

	if (r->failed != NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	r->failed = r->why;
}

/* Octet @n of either stream. */
uint8_t pattern(uint64_t n)
{
	return (uint8_t)(n * 7 + n / 256 + 13);
}

/* --- words --- */

char *word(char **line)
{
	char *w;

	while ((w = strsep(line, " \t")) != NULL && *w == '\0')
		;
	return w;
}

uint32_t number(struct run *r, const char *w)
{
	char *end;
	unsigned long v;

	if (w == NULL) {
		fail(r, "a number is missing");
		return 0;
	}
	if (w[0] == '$') {
		switch (w[1]) {
		case 'm':
			v = r->v6 ? 1440 : 1460;
			break;
		case 's':
			v = r->v6 ? 1428 : 1448;
			break;
		case 't':
			v = r->v6 ? 1208 : 1228;
			break;
		case 'f':
			v = r->v6 ? 1440 : 1460;
			break;
		default:
			v = r->v6 ? 1220 : 536;
			break;
		}
		/* "$s*3+1" */
		if (w[2] == '*')
			v *= strtoul(w + 3, &end, 10);
		else
			end = (char *)w + 2;
		if (*end == '+')
			v += strtoul(end + 1, &end, 10);
	} else {
		v = strtoul(w, &end, 10);
	}
	if (*end != '\0' && *end != ':' && *end != '-' && *end != ',')
		fail(r, "'%s' is not a number", w);
	return (uint32_t)v;
}

static const struct {
	const char *name;
	int value;
} errnos[] = {{"ECONNRESET", ECONNRESET},     {"ETIMEDOUT", ETIMEDOUT},
	      {"ECONNREFUSED", ECONNREFUSED}, {"EPIPE", EPIPE},
	      {"ENOTCONN", ENOTCONN},	      {"EAGAIN", EAGAIN},
	      {"EHOSTUNREACH", EHOSTUNREACH}, {"ENETUNREACH", ENETUNREACH}};

int errno_of(struct run *r, const char *w)
{
	for (size_t i = 0; w != NULL && i < sizeof(errnos) / sizeof(errnos[0]); i++) {
		if (strcmp(w, errnos[i].name) == 0)
			return errnos[i].value;
	}
	fail(r, "'%s' is no errno", w ? w : "");
	return 0;
}

static const char flag_letters[] = "FSRPAUEC";

static uint8_t flags_of(struct run *r, const char *w)
{
	uint8_t flags = 0;

	for (; w != NULL && *w && *w != '-'; w++) {
		const char *at = strchr(flag_letters, *w);

		if (at == NULL)
			fail(r, "'%c' is no flag", *w);
		else
			flags |= (uint8_t)(1 << (at - flag_letters));
	}
	return flags;
}

static const char *flags_text(uint8_t flags, char *buf)
{
	char *p = buf;

	for (int i = 0; i < 8; i++) {
		if (flags & 1 << i)
			*p++ = flag_letters[i];
	}
	*p = '\0';
	return buf;
}

/* "5", "5:70". */
static void range(struct run *r, const char *w, uint32_t *from, uint32_t *to)
{
	const char *colon = w ? strchr(w, ':') : NULL;

	*from = number(r, w);
	*to = colon ? number(r, colon + 1) : *from;
}

static int sacks_of(struct run *r, char *w, uint32_t base, struct tcp_sack *out)
{
	int n = 0;
	char *one;

	while ((one = strsep(&w, ",")) != NULL && n < TCP_SACKS_MAX) {
		char *dash = strchr(one, '-');

		if (dash == NULL) {
			fail(r, "'%s' is no SACK block", one);
			return 0;
		}
		*dash = '\0';
		out[n++] = (struct tcp_sack){base + number(r, one), base + number(r, dash + 1)};
	}
	return n;
}

/* --- segments in --- */

struct incoming {
	struct tcp_hdr h;
	uint32_t len;
	bool bad_checksum, bad_option;
	uint8_t tos;
};

static void incoming_word(struct run *r, struct incoming *in, char *w, char **line, bool *ts_said)
{
	if (strcmp(w, "ack") == 0) {
		in->h.ack = r->our_iss + number(r, word(line));
	} else if (strcmp(w, "win") == 0) {
		in->h.window = (uint16_t)number(r, word(line));
	} else if (strcmp(w, "mss") == 0) {
		in->h.mss = (uint16_t)number(r, word(line));
	} else if (strcmp(w, "sack") == 0) {
		in->h.sack_permitted = true;
	} else if (strcmp(w, "ws") == 0) {
		in->h.wscale = (uint8_t)number(r, word(line));
	} else if (strcmp(w, "ts") == 0) {
		in->h.timestamps = true;
		in->h.ts_val = number(r, word(line));
		in->h.ts_ecr = number(r, word(line));
		if (in->h.ts_ecr != 0)
			in->h.ts_ecr = r->last_tsval;
		*ts_said = true;
	} else if (strcmp(w, "nots") == 0) {
		*ts_said = true;
	} else if (strcmp(w, "sacks") == 0) {
		w = word(line);
		in->h.sacks = (uint8_t)sacks_of(r, w, r->our_iss, in->h.sack);
	} else if (strcmp(w, "badsum") == 0) {
		in->bad_checksum = true;
	} else if (strcmp(w, "badopt") == 0) {
		in->bad_option = true;
	} else if (strcmp(w, "port") == 0) {
		in->h.sport = (uint16_t)number(r, word(line));
	} else {
		fail(r, "'%s' is nothing a segment has", w);
	}
}

static size_t put_ip(const struct run *r, const struct addr *src, const struct addr *dst,
		     uint8_t proto, size_t len, struct outbuf *o)
{
	if (r->v6) {
		struct ipv6_hdr h = {.payload_len = (uint16_t)len,
				     .next = proto,
				     .hop_limit = 64,
				     .src = *src,
				     .dst = *dst};

		return (size_t)ipv6_build(&h, o);
	}
	struct ipv4_hdr h = {.tot_len = (uint16_t)(IPV4_HDR_LEN + len),
			     .df = true,
			     .ttl = 64,
			     .proto = proto,
			     .src = *src,
			     .dst = *dst};

	return (size_t)ipv4_build(&h, o);
}

static void inject(struct run *r, struct incoming *in)
{
	static uint8_t bytes[70000];
	uint8_t options[TCP_HDR_MAX];
	struct outbuf probe = outbuf_of(options, sizeof(options)),
		      o = outbuf_of(bytes, sizeof(bytes));
	int hl = tcp_build(&in->h, &probe);
	size_t at;
	uint16_t sum;

	cr_assert_gt(hl, 0);
	at = put_ip(r, &r->peer, &r->own, IPPROTO_TCP, (size_t)hl + in->len, &o);
	tcp_build(&in->h, &o);
	for (uint32_t i = 0; i < in->len; i++)
		*outbuf_add(&o, 1) =
			pattern(in->h.seq + !!(in->h.flags & TCP_SYN) + i - r->peer_iss - 1);
	if (in->bad_option)
		bytes[at + TCP_HDR_LEN + 1] = 0;
	sum = csum_segment(&r->peer, &r->own, r->v6, IPPROTO_TCP, bytes + at, (size_t)hl + in->len);
	put_be16(bytes + at + TCP_CSUM_OFFSET, (uint16_t)(in->bad_checksum ? sum ^ 0x5555 : sum));
	stack_input(r->s, r->now, bytes, o.len, NULL);
}

void do_segment_in(struct run *r, char *line)
{
	struct incoming in = {.h = {.sport = PEER_PORT,
				    .dport = r->our_port,
				    .window = UINT16_MAX,
				    .wscale = TCP_WSCALE_NONE}};
	bool ts_said = false;
	uint32_t from, to;
	char *w;

	in.h.flags = flags_of(r, word(&line));
	range(r, word(&line), &from, &to);
	in.h.seq = r->peer_iss + from;
	in.len = to - from;
	while ((w = word(&line)) != NULL)
		incoming_word(r, &in, w, &line, &ts_said);
	if (in.h.flags & TCP_SYN) {
		if (!(in.h.flags & TCP_RST) && in.h.timestamps)
			r->peer_ts = true;
	} else if (!ts_said && r->peer_ts && r->our_ts) {
		in.h.timestamps = true;
		in.h.ts_val = (uint32_t)(r->now / NS_MS - START_MS) + 1000;
		in.h.ts_ecr = r->last_tsval;
	}
	inject(r, &in);
}

/* --- segments out --- */

struct outgoing {
	struct tcp_hdr h;
	const uint8_t *data;
	size_t len;
};

static bool outgoing_parse(struct run *r, const struct frame_kept *f, struct outgoing *out)
{
	struct span sp = span_of(f->bytes, f->len);
	struct addr src, dst;
	uint8_t proto;

	if (r->v6) {
		struct ipv6_hdr h;

		if (ipv6_parse(&sp, &h) < 0 || h.payload_len != span_len(&sp))
			return false;
		src = h.src;
		dst = h.dst;
		proto = h.next;
	} else {
		struct ipv4_hdr h;

		if (ipv4_parse(&sp, &h) < 0 || !h.csum_ok || h.tot_len != f->len)
			return false;
		src = h.src;
		dst = h.dst;
		proto = h.proto;
	}
	if (proto != IPPROTO_TCP || !addr_eq(&src, &r->own) || !addr_eq(&dst, &r->peer))
		return false;
	if (csum_segment(&src, &dst, r->v6, IPPROTO_TCP, sp.p, span_len(&sp)) != 0 ||
	    tcp_parse(&sp, &out->h) < 0)
		return false;
	out->data = sp.p;
	out->len = span_len(&sp);
	return true;
}

static void show(struct run *r, const struct outgoing *o, char *buf, size_t size)
{
	char flags[9];

	snprintf(buf, size, "%s %u:%u ack %u win %u mss %u ws %u sacks %u port %u",
		 flags_text(o->h.flags, flags), o->h.seq - r->our_iss,
		 (uint32_t)(o->h.seq - r->our_iss + o->len), o->h.ack - r->peer_iss, o->h.window,
		 o->h.mss, o->h.wscale, o->h.sacks, o->h.dport);
}

static void expect_word(struct run *r, const struct outgoing *o, char *w, char **line,
			const char *got)
{
	struct tcp_sack sacks[TCP_SACKS_MAX];
	uint32_t want;

	if (strcmp(w, "ack") == 0) {
		want = number(r, word(line));
		if (o->h.ack != r->peer_iss + want)
			fail(r, "expected ack %u, got %s", want, got);
	} else if (strcmp(w, "win") == 0) {
		want = number(r, word(line));
		if (o->h.window != want)
			fail(r, "expected window %u, got %s", want, got);
	} else if (strcmp(w, "mss") == 0) {
		want = number(r, word(line));
		if (o->h.mss != want)
			fail(r, "expected mss %u, got %s", want, got);
	} else if (strcmp(w, "ws") == 0) {
		want = number(r, word(line));
		if (o->h.wscale != want)
			fail(r, "expected wscale %u, got %s", want, got);
	} else if (strcmp(w, "nows") == 0) {
		if (o->h.wscale != TCP_WSCALE_NONE)
			fail(r, "expected no wscale, got %s", got);
	} else if (strcmp(w, "sack") == 0 || strcmp(w, "nosack") == 0) {
		if (o->h.sack_permitted != (*w == 's'))
			fail(r, "expected %s, got %s", w, got);
	} else if (strcmp(w, "ts") == 0 || strcmp(w, "nots") == 0) {
		if (o->h.timestamps != (*w == 't'))
			fail(r, "expected %s, got %s", w, got);
	} else if (strcmp(w, "ecr") == 0) {
		want = number(r, word(line));
		if (!o->h.timestamps || o->h.ts_ecr != want)
			fail(r, "expected ecr %u, got %u in %s", want, o->h.ts_ecr, got);
	} else if (strcmp(w, "sacks") == 0) {
		int n = sacks_of(r, word(line), r->peer_iss, sacks);

		if (o->h.sacks != n || memcmp(sacks, o->h.sack, (size_t)n * sizeof(*sacks)) != 0)
			fail(r, "expected other SACK blocks, got %u-%u in %s",
			     o->h.sacks ? o->h.sack[0].left - r->peer_iss : 0,
			     o->h.sacks ? o->h.sack[0].right - r->peer_iss : 0, got);
	} else if (strcmp(w, "nosacks") == 0) {
		if (o->h.sacks != 0)
			fail(r, "expected no SACK blocks, got %s", got);
	} else if (strcmp(w, "port") == 0) {
		want = number(r, word(line));
		if (o->h.dport != want)
			fail(r, "expected port %u, got %s", want, got);
	} else {
		fail(r, "'%s' is nothing to expect", w);
	}
}

/* Sequence numbers of ours begin at the first SYN. */
static void learn(struct run *r, const struct outgoing *o)
{
	if (o->h.flags & TCP_SYN) {
		r->our_iss = o->h.seq;
		r->our_iss_known = true;
		r->our_ts = o->h.timestamps;
		r->our_port = o->h.sport;
	}
	if (o->h.timestamps)
		r->last_tsval = o->h.ts_val;
}

static void check_payload(struct run *r, const struct outgoing *o, const char *got)
{
	uint64_t at = o->h.seq - r->our_iss - 1;

	for (size_t i = 0; i < o->len; i++) {
		if (o->data[i] != pattern(at + i)) {
			fail(r, "payload differs at octet %zu of %s", i, got);
			return;
		}
	}
}

void do_segment_out(struct run *r, char *line)
{
	struct outgoing o;
	const struct frame_kept *f = &r->frames[r->first];
	uint32_t from, to;
	uint8_t flags;
	char *w = word(&line), got[200], letters[9];
	bool any, again;

	if (r->n == 0) {
		if (w == NULL || strcmp(w, "none") != 0)
			fail(r, "nothing has left");
		return;
	}
	if (!outgoing_parse(r, f, &o)) {
		fail(r, "what left is no segment to the peer");
		return;
	}
	/* A later SYN-ACK with numbers said is compared with the former ones. */
	again = r->our_iss_known && w != NULL && strchr(w, 'S') != NULL && line != NULL &&
		strncmp(line, "0", 1) != 0 && line[0] != '?';
	if (!again)
		learn(r, &o);
	show(r, &o, got, sizeof(got));
	if (w != NULL && strcmp(w, "none") == 0) {
		fail(r, "expected nothing, got %s", got);
		return;
	}
	r->first = (r->first + 1) % FRAMES_MAX;
	r->n--;
	flags = flags_of(r, w);
	w = word(&line);
	any = w != NULL && *w == '?';
	if (any)
		from = to = 0;
	else
		range(r, w, &from, &to);
	if (o.h.flags != flags)
		fail(r, "expected flags %s, got %s", flags_text(flags, letters), got);
	/* A reset that answers a segment without ACK has no number of ours. */
	if (!any && !((flags & TCP_RST) && (flags & TCP_ACK) && o.h.seq == 0 && from == 0) &&
	    (!(flags & TCP_RST) || r->our_iss_known) &&
	    (o.h.seq != r->our_iss + from || o.len != to - from))
		fail(r, "expected %u:%u, got %s", from, to, got);
	check_payload(r, &o, got);
	if (again)
		learn(r, &o);
	while ((w = word(&line)) != NULL)
		expect_word(r, &o, w, &line, got);
}
