/* SPDX-License-Identifier: MIT */
/* play_pure.c - steps that ask the C library and our own tables, and nobody on the network */
#include "play.h"

#include "../../rawstack/addr_class.h"
#include "../../rawstack/wire/csum.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

enum { SEGMENT = 32, PREFIX_OF_NAME = sizeof("IN6_IS_ADDR_") - 1 };

/* The C library's macros themselves; our own table must agree. */
static unsigned int macros_of(const struct in6_addr *a)
{
	const bool is[ADDR_MACRO_NUM] = {
		[ADDR_MACRO_UNSPECIFIED] = IN6_IS_ADDR_UNSPECIFIED(a),
		[ADDR_MACRO_LOOPBACK] = IN6_IS_ADDR_LOOPBACK(a),
		[ADDR_MACRO_MULTICAST] = IN6_IS_ADDR_MULTICAST(a),
		[ADDR_MACRO_LINKLOCAL] = IN6_IS_ADDR_LINKLOCAL(a),
		[ADDR_MACRO_SITELOCAL] = IN6_IS_ADDR_SITELOCAL(a),
		[ADDR_MACRO_V4MAPPED] = IN6_IS_ADDR_V4MAPPED(a),
		[ADDR_MACRO_V4COMPAT] = IN6_IS_ADDR_V4COMPAT(a),
		[ADDR_MACRO_MC_NODELOCAL] = IN6_IS_ADDR_MC_NODELOCAL(a),
		[ADDR_MACRO_MC_LINKLOCAL] = IN6_IS_ADDR_MC_LINKLOCAL(a),
		[ADDR_MACRO_MC_SITELOCAL] = IN6_IS_ADDR_MC_SITELOCAL(a),
		[ADDR_MACRO_MC_ORGLOCAL] = IN6_IS_ADDR_MC_ORGLOCAL(a),
		[ADDR_MACRO_MC_GLOBAL] = IN6_IS_ADDR_MC_GLOBAL(a),
	};
	unsigned int set = 0;

	for (int i = 0; i < ADDR_MACRO_NUM; i++)
		set |= is[i] ? 1U << i : 0;
	return set;
}

int play_classify(struct play *p, const struct step *st, struct outcome *out)
{
	struct in6_addr a;
	unsigned int set;

	(void)p;
	memcpy(&a, st->addr.addr.b, sizeof(a));
	set = macros_of(&a);
	for (int i = 0; i < ADDR_MACRO_NUM; i++) {
		enum addr_macro m = (enum addr_macro)i;

		if (addr_macro_test(m, &st->addr.addr) != ((set >> i & 1) != 0)) {
			snprintf(out->result, sizeof(out->result), "disagree");
			return 0;
		}
		if (set >> i & 1)
			outcome_word(out, "value", addr_macro_name(m) + PREFIX_OF_NAME);
	}
	if (!set)
		outcome_word(out, "value", "nothing");
	return 0;
}

int play_block(struct play *p, const struct step *st, struct outcome *out)
{
	const struct addr_block *b;

	(void)p;
	if (addr_blocks(&st->addr.addr, &b, 1) == 0) {
		outcome_word(out, "value", "nothing");
		return 0;
	}
	outcome_word(out, "value", b->prefix);
	outcome_word(out, "rfc", b->rfc);
	return 0;
}

int play_pton(struct play *p, const struct step *st, struct outcome *out)
{
	struct endpoint ep = {.port = 0};
	uint8_t bytes[16];
	struct case_value v;

	(void)p;
	if (inet_pton(st->family, st->word, bytes) != 1) {
		outcome_word(out, "value", "invalid");
		return 0;
	}
	ep.addr = st->family == AF_INET ? addr_from_v4(bytes) : addr_from_v6(bytes);
	v = value_of_endpoint(&ep, st->family, false);
	outcome_add(out, "value", &v);
	return 0;
}

int play_ntop(struct play *p, const struct step *st, struct outcome *out)
{
	char text[ADDR_STRLEN];
	socklen_t size = st->length >= 0 ? (socklen_t)st->length : sizeof(text);

	(void)p;
	if (!inet_ntop(AF_INET6, st->addr.addr.b, text, size))
		return -errno;
	outcome_word(out, "value", text);
	return 0;
}

static uint16_t checksum(const struct case_addr *src, const struct case_addr *dst, bool v6)
{
	uint8_t segment[SEGMENT] = {0x1f, 0x40, 0x1b, 0x58};

	return csum_segment(&src->addr, &dst->addr, v6, IPPROTO_TCP, segment, sizeof(segment));
}

/* Is the TCP checksum the same behind both pseudo-headers? */
int play_checksum(struct play *p, const struct step *st, struct outcome *out)
{
	uint16_t a = checksum(&st->addr, &st->pair[0], st->v6[0]);
	uint16_t b = checksum(&st->pair[1], &st->pair[2], st->v6[1]);

	(void)p;
	outcome_word(out, "value", a == b ? "same" : "different");
	return 0;
}
