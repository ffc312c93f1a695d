/* SPDX-License-Identifier: MIT */
/* icmp.c - ICMP and ICMPv6: echo, the errors we send, and those that tell about what we sent */
#include "stack_internal.h"

#include "../siphash.h"
#include "../wire/csum.h"
#include "../wire/icmp_msg.h"
#include "../wire/ipv4.h"
#include "../wire/ipv6.h"
#include "../wire/nd.h"
#include "rate.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

/*
 * Both families go through one code: icmp_msg.h turns types and codes into meanings.
 *
 * Limits: 1000 errors a second in bursts of 50, 10000 echo replies in bursts of 500. An error takes
 * one to three tokens by chance: a burst whose size is known lets an observer count the errors that
 * others cause, and so find open ports of ours (CVE-2020-25705).
 */
enum {
	ERRORS_PER_SECOND = 1000,
	ERRORS_BURST = 50,
	ECHOES_PER_SECOND = 10000,
	ECHOES_BURST = 500,
	TTL = 64,
	ERROR_MAX = ICMP_ERROR_MAX_V6,
	PMTU_FLOOR_V6 = 1280, /* RFC 8201 4: a smaller value is not believed */
	PMTU_FLOOR_V4 = 552,  /* as Linux's min_pmtu; RFC 1191 allows 68, which is an attack */
	QUOTED_L4 = 8,	      /* bytes behind the IP header that every error quotes */
};

struct icmp {
	struct rate errors, echoes;
	struct siphash_key key;
	uint64_t drawn;
};

int icmp_open(struct stack *s)
{
	struct icmp *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -ENOMEM;
	rate_init(&m->errors, ERRORS_PER_SECOND, ERRORS_BURST);
	rate_init(&m->echoes, ECHOES_PER_SECOND, ECHOES_BURST);
	m->key = siphash_key_from(s->cfg.secret + SECRET_HASH);
	s->icmp = m;
	return 0;
}

void icmp_close(struct stack *s)
{
	free(s->icmp);
}

static uint8_t proto_of(bool v6)
{
	return v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e): about what no error may be sent. */
static bool may_complain(const struct packet *p, enum icmp_kind kind)
{
	bool group_too = p->v6 && (kind == ICMP_KIND_TOO_BIG || kind == ICMP_KIND_BAD_OPTION);

	if (addr_is_any(&p->src) || (p->to_group && !group_too))
		return false;
	if (p->proto != proto_of(p->v6))
		return true;
	return p->l4_len > 0 && !icmp_type_is_error(p->v6, p->l4[0]);
}

static bool errors_allowed(struct icmp *m, uint64_t now)
{
	uint64_t more = siphash_words(&m->key, &m->drawn, 1) % 3;

	m->drawn++;
	if (!rate_take(&m->errors, now))
		return false;
	while (more--)
		(void)rate_take(&m->errors, now);
	return true;
}

/* The datagram as far as it is there: of a reassembled one, header and data are apart. */
static struct span quote(const struct packet *p, uint8_t buf[ERROR_MAX])
{
	struct outbuf q = outbuf_of(buf, ERROR_MAX);
	size_t room, n = p->hdr_len < ERROR_MAX ? p->hdr_len : ERROR_MAX;

	outbuf_put(&q, p->ip, n);
	room = q.cap - q.len;
	outbuf_put(&q, p->l4, p->l4_len < room ? p->l4_len : room);
	return span_of(buf, q.len);
}

void icmp_complain(struct stack *s, const struct packet *p, enum icmp_kind kind, uint32_t info)
{
	struct icmp_report e = {.kind = kind, .info = info};
	uint8_t own = p->own != OWN_NONE ? p->own : own_primary(s, p->v6);
	uint8_t quoted[ERROR_MAX], msg[ERROR_MAX];
	struct outbuf out = outbuf_of(msg, sizeof(msg));

	if (own == OWN_NONE || !may_complain(p, kind))
		return;
	if (!errors_allowed(s->icmp, p->now)) {
		s->stats.icmp_limited++;
		return;
	}
	e.quoted = quote(p, quoted);
	if (icmp_error_build(&e, p->v6, &s->own[own].addr, &p->src, &out) < 0)
		return;
	if (out_datagram(s, p->now, own, &p->src, proto_of(p->v6), TTL, 0, msg, out.len) == 0)
		s->stats.icmp_out++;
}

/*
 * RFC 1122 3.2.2.6, RFC 4443 4.2. A request to a group is answered from an address of ours over
 * IPv6; over IPv4 it is not (RFC 1122 allows that, smurf made it the rule).
 */
static void echo(struct stack *s, const struct packet *p)
{
	struct icmp *m = s->icmp;
	uint8_t own = p->own != OWN_NONE ? p->own : own_primary(s, p->v6);
	struct outbuf out = outbuf_of(s->datagram, STACK_DATAGRAM_MAX);
	struct span data = span_of(p->l4 + ICMP_HDR_LEN, p->l4_len - ICMP_HDR_LEN);

	if (own == OWN_NONE || (p->to_group && !p->v6))
		return;
	if (!rate_take(&m->echoes, p->now)) {
		s->stats.icmp_limited++;
		return;
	}
	if (icmp_echo_build(ICMP_KIND_ECHO_REPLY, get_be32(p->l4 + 4), data, p->v6,
			    &s->own[own].addr, &p->src, &out) < 0)
		return;
	if (out_datagram(s, p->now, own, &p->src, proto_of(p->v6), TTL, p->tos, out.buf, out.len) ==
	    0)
		s->stats.icmp_echo++;
}

/* The datagram of ours that an error quotes. Returns whether it can have been ours. */
static bool read_quoted(const struct stack *s, struct span q, bool v6, struct icmp_error *e,
			uint8_t *proto)
{
	struct ipv4_hdr h4;
	struct ipv6_hdr h6;
	struct ipv6_chain chain;
	struct addr src;
	const uint8_t *l4;

	if (v6) {
		/* Only what we send: no extension headers, or one for a fragment. */
		if (ipv6_parse(&q, &h6) < 0 || ipv6_walk(&q, h6.next, &chain) < 0 ||
		    chain.frag_offset)
			return false;
		src = h6.src;
		e->dst = h6.dst;
		*proto = chain.proto;
	} else {
		if (ipv4_parse(&q, &h4) < 0 || h4.frag_offset)
			return false;
		src = h4.src;
		e->dst = h4.dst;
		*proto = h4.proto;
	}
	l4 = span_take(&q, QUOTED_L4);
	e->own = own_find(s, &src);
	if (l4 == NULL || e->own == OWN_NONE || (v6 && addr_is_mapped(&e->dst)))
		return false;
	e->v6 = v6;
	e->sport = get_be16(l4);
	e->dport = get_be16(l4 + 2);
	e->seq = get_be32(l4 + 4);
	return true;
}

/* What Linux makes of each meaning (icmp_err_convert, icmpv6_err_convert). */
static bool verdict_of(const struct icmp_report *r, bool v6, uint16_t mtu, struct icmp_error *e)
{
	static const struct {
		enum icmp_verdict verdict;
		int v4, v6;
	} rows[ICMP_KIND_NUM] = {
		[ICMP_KIND_NET_UNREACHABLE] = {ICMP_SOFT, ENETUNREACH, ENETUNREACH},
		[ICMP_KIND_HOST_UNREACHABLE] = {ICMP_SOFT, EHOSTUNREACH, EHOSTUNREACH},
		[ICMP_KIND_PROTO_UNREACHABLE] = {ICMP_HARD, ENOPROTOOPT, EPROTO},
		[ICMP_KIND_PORT_UNREACHABLE] = {ICMP_HARD, ECONNREFUSED, ECONNREFUSED},
		[ICMP_KIND_TOO_BIG] = {ICMP_TOO_BIG, EMSGSIZE, EMSGSIZE},
		[ICMP_KIND_PROHIBITED] = {ICMP_HARD, EHOSTUNREACH, EACCES},
		[ICMP_KIND_HOPS_EXCEEDED] = {ICMP_SOFT, EHOSTUNREACH, EHOSTUNREACH},
		[ICMP_KIND_REASSEMBLY_TIME] = {ICMP_SOFT, EHOSTUNREACH, EHOSTUNREACH},
		[ICMP_KIND_BAD_FIELD] = {ICMP_HARD, EPROTO, EPROTO},
		[ICMP_KIND_BAD_OPTION] = {ICMP_HARD, EPROTO, EPROTO},
		[ICMP_KIND_TINY_FIRST] = {ICMP_HARD, EPROTO, EPROTO},
	};
	uint32_t floor = v6 ? PMTU_FLOOR_V6 : PMTU_FLOOR_V4;

	if (rows[r->kind].v4 == 0)
		return false;
	e->verdict = rows[r->kind].verdict;
	e->error = -(v6 ? rows[r->kind].v6 : rows[r->kind].v4);
	/* A router that does not say (RFC 1191 3), or less than anybody may ask for: the floor. */
	e->mtu = (uint16_t)(r->info < floor ? floor : r->info);
	return e->verdict != ICMP_TOO_BIG || r->info < mtu;
}

/* Who sent the quoted datagram decides whether to believe it (RFC 5927 4.1). */
static void dispatch(struct stack *s, uint64_t now, const struct icmp_error *e, uint8_t proto)
{
	if (proto == IPPROTO_TCP)
		tcp_icmp_error(s, now, e);
	else if (proto == IPPROTO_UDP)
		udp_icmp_error(s, e);
}

static void take_error(struct stack *s, const struct packet *p, const struct icmp_hdr *h,
		       struct span body)
{
	struct icmp_report r;
	struct icmp_error e;
	uint8_t proto;

	icmp_error_read(p->v6, h, body, &r);
	if (p->to_group || !read_quoted(s, r.quoted, p->v6, &e, &proto)) {
		s->stats.icmp_bad++;
		return;
	}
	if (verdict_of(&r, p->v6, s->cfg.mtu, &e))
		dispatch(s, p->now, &e, proto);
}

void icmp_unreachable(struct stack *s, uint64_t now, const uint8_t *ip, size_t len)
{
	bool v6 = len > 0 && ip[0] >> 4 == 6;
	struct icmp_error e = {0};
	uint8_t proto;

	if (!read_quoted(s, span_of(ip, len), v6, &e, &proto))
		return;
	e.verdict = ICMP_SOFT;
	e.error = -EHOSTUNREACH;
	dispatch(s, now, &e, proto);
}

void icmp_input(struct stack *s, const struct packet *p)
{
	struct span body = span_of(p->l4, p->l4_len);
	struct icmp_hdr h;

	s->stats.icmp_in++;
	if (icmp_parse(&body, &h) < 0 ||
	    (!p->csum_trusted &&
	     csum_segment(&p->src, &p->dst, p->v6, p->proto, p->l4, p->l4_len) != 0)) {
		s->stats.icmp_bad++;
		return;
	}
	if (p->v6 && nd_is_type(h.type)) {
		neighbours_nd(s, p);
		return;
	}
	/* Only duplicate address detection speaks from nowhere, or with our own address. */
	if (addr_is_any(&p->src) || own_find(s, &p->src) != OWN_NONE) {
		s->stats.drop_source++;
		return;
	}
	if (icmp_type_is_error(p->v6, h.type))
		take_error(s, p, &h, body);
	else if (icmp_kind_of(p->v6, h.type, h.code) == ICMP_KIND_ECHO_REQUEST)
		echo(s, p);
}
