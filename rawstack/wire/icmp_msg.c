/* SPDX-License-Identifier: MIT */
/* icmp_msg.c - what ICMP and ICMPv6 messages mean */
#include "icmp_msg.h"

#include "csum.h"
#include "ipv4.h"
#include "ipv6.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>

enum {
	ANY_CODE = 256,
	ABSENT = -1, /* this family has no such message */
};

struct wire_form {
	int16_t type, code;
};

/* The first form of a kind is what we send; further ones that are understood follow below. */
static const struct {
	const char *name;
	struct wire_form v4, v6;
} kinds[] = {
	[ICMP_KIND_OTHER] = {"other", {ABSENT, 0}, {ABSENT, 0}},
	[ICMP_KIND_ECHO_REQUEST] = {"echo request", {8, ANY_CODE}, {128, ANY_CODE}},
	[ICMP_KIND_ECHO_REPLY] = {"echo reply", {0, ANY_CODE}, {129, ANY_CODE}},
	[ICMP_KIND_NET_UNREACHABLE] = {"no route", {3, 0}, {1, 0}},
	[ICMP_KIND_HOST_UNREACHABLE] = {"host unreachable", {3, 1}, {1, 3}},
	[ICMP_KIND_PROTO_UNREACHABLE] = {"protocol unreachable", {3, 2}, {4, 1}},
	[ICMP_KIND_PORT_UNREACHABLE] = {"port unreachable", {3, 3}, {1, 4}},
	[ICMP_KIND_TOO_BIG] = {"packet too big", {3, 4}, {2, ANY_CODE}},
	[ICMP_KIND_PROHIBITED] = {"prohibited", {3, 13}, {1, 1}},
	[ICMP_KIND_HOPS_EXCEEDED] = {"hop limit exceeded", {11, 0}, {3, 0}},
	[ICMP_KIND_REASSEMBLY_TIME] = {"reassembly time exceeded", {11, 1}, {3, 1}},
	[ICMP_KIND_BAD_FIELD] = {"bad header field", {12, 0}, {4, 0}},
	[ICMP_KIND_BAD_OPTION] = {"bad option", {ABSENT, 0}, {4, 2}},
	[ICMP_KIND_TINY_FIRST] = {"incomplete header chain", {ABSENT, 0}, {4, 3}},
};
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == ICMP_KIND_NUM, "every kind has its forms");

/* Codes that mean one of the kinds but are never sent (RFC 1122 3.2.2.1, RFC 4443 3.1). */
static const struct {
	bool v6;
	struct wire_form form;
	enum icmp_kind kind;
} synonyms[] = {
	{false, {3, 6}, ICMP_KIND_NET_UNREACHABLE},  /* network unknown */
	{false, {3, 7}, ICMP_KIND_HOST_UNREACHABLE}, /* host unknown */
	{false, {3, 9}, ICMP_KIND_PROHIBITED},	     /* network */
	{false, {3, 10}, ICMP_KIND_PROHIBITED},	     /* host */
	{false, {3, 11}, ICMP_KIND_NET_UNREACHABLE}, /* for this type of service */
	{false, {3, 12}, ICMP_KIND_HOST_UNREACHABLE},
	{true, {1, 2}, ICMP_KIND_HOST_UNREACHABLE}, /* beyond scope of source */
	{true, {1, 5}, ICMP_KIND_PROHIBITED},	    /* source address failed policy */
	{true, {1, 6}, ICMP_KIND_PROHIBITED},	    /* reject route */
};

static bool matches(struct wire_form f, uint8_t type, uint8_t code)
{
	return f.type == type && (f.code == ANY_CODE || f.code == code);
}

const char *icmp_kind_name(enum icmp_kind kind)
{
	assert((unsigned int)kind < ICMP_KIND_NUM);
	return kinds[kind].name;
}

enum icmp_kind icmp_kind_of(bool v6, uint8_t type, uint8_t code)
{
	for (int k = 0; k < ICMP_KIND_NUM; k++)
		if (matches(v6 ? kinds[k].v6 : kinds[k].v4, type, code))
			return (enum icmp_kind)k;
	for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++)
		if (synonyms[i].v6 == v6 && matches(synonyms[i].form, type, code))
			return synonyms[i].kind;
	return ICMP_KIND_OTHER;
}

bool icmp_type_is_error(bool v6, uint8_t type)
{
	enum { SOURCE_QUENCH = 4, REDIRECT = 5 };

	if (v6)
		return type < ICMP6_TYPE_ECHO_REQUEST;
	return type == ICMP_TYPE_UNREACHABLE || type == SOURCE_QUENCH || type == REDIRECT ||
	       type == ICMP_TYPE_TIME_EXCEEDED || type == ICMP_TYPE_BAD_PARAMETER;
}

/* Where the second word holds @info: RFC 1191 4 uses its low half, RFC 792 its first byte. */
static int info_shift(bool v6, enum icmp_kind kind)
{
	return !v6 && kind == ICMP_KIND_BAD_FIELD ? 24 : 0;
}

void icmp_error_read(bool v6, const struct icmp_hdr *h, struct span body, struct icmp_report *e)
{
	e->kind = icmp_kind_of(v6, h->type, h->code);
	e->info = h->rest >> info_shift(v6, e->kind);
	if (!v6 && e->kind == ICMP_KIND_TOO_BIG)
		e->info &= 0xffff;
	e->quoted = body;
}

static void finish(uint8_t *msg, size_t len, bool v6, const struct addr *src,
		   const struct addr *dst)
{
	uint8_t proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	put_be16(msg + ICMP_CSUM_OFFSET, csum_segment(src, dst, v6, proto, msg, len));
}

/* The header of @kind and @data behind it. */
static int build(enum icmp_kind kind, uint32_t rest, struct span data, bool v6,
		 const struct addr *src, const struct addr *dst, struct outbuf *out)
{
	struct wire_form form = v6 ? kinds[kind].v6 : kinds[kind].v4;
	size_t len = ICMP_HDR_LEN + span_len(&data);
	uint8_t *msg = out->buf + out->len;
	struct icmp_hdr h = {
		.type = (uint8_t)form.type,
		.code = form.code == ANY_CODE ? 0 : (uint8_t)form.code,
		.rest = rest,
	};

	if (form.type == ABSENT)
		return -EINVAL;
	if (out->overflow || out->cap - out->len < len)
		return -ENOSPC;
	icmp_build(&h, out);
	outbuf_put(out, data.p, span_len(&data));
	finish(msg, len, v6, src, dst);
	return (int)len;
}

int icmp_error_build(const struct icmp_report *e, bool v6, const struct addr *src,
		     const struct addr *dst, struct outbuf *out)
{
	const size_t max_v6 = ICMP_ERROR_MAX_V6 - IPV6_HDR_LEN - ICMP_HDR_LEN;
	const size_t max_v4 = ICMP_ERROR_MAX_V4 - IPV4_HDR_LEN - ICMP_HDR_LEN;
	struct span quoted = e->quoted;

	if (e->kind <= ICMP_KIND_ECHO_REPLY || e->kind >= ICMP_KIND_NUM)
		return -EINVAL;
	span_trim(&quoted, v6 ? max_v6 : max_v4);
	return build(e->kind, e->info << info_shift(v6, e->kind), quoted, v6, src, dst, out);
}

int icmp_echo_build(enum icmp_kind kind, uint32_t rest, struct span data, bool v6,
		    const struct addr *src, const struct addr *dst, struct outbuf *out)
{
	if (kind != ICMP_KIND_ECHO_REQUEST && kind != ICMP_KIND_ECHO_REPLY)
		return -EINVAL;
	return build(kind, rest, data, v6, src, dst, out);
}
