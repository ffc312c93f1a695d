/* SPDX-License-Identifier: MIT */
/* test_nd.c - ARP and neighbour discovery codecs: real packets, all truncations, every rule */
#include "../../rawstack/wire/arp.h"
#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/nd.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

static struct addr address(const char *text)
{
	struct addr a;

	cr_assert(addr_parse(text, &a, NULL) == 0, "%s", text);
	return a;
}

/* A request as Linux sends it: who has 198.51.100.2, tell 198.51.100.1. */
static const uint8_t arp_request[] = {0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x02, 0x00,
				      0x00, 0x00, 0x00, 0x01, 0xc6, 0x33, 0x64, 0x01, 0x00, 0x00,
				      0x00, 0x00, 0x00, 0x00, 0xc6, 0x33, 0x64, 0x02};

Test(arp, goes_both_ways)
{
	struct span s = span_of(arp_request, sizeof(arp_request));
	uint8_t buf[ARP_LEN];
	struct outbuf out = outbuf_of(buf, sizeof(buf));
	struct addr from = address("198.51.100.1"), target = address("198.51.100.2");
	struct arp_packet a;

	cr_assert(arp_parse(&s, &a) == 0 && span_len(&s) == 0);
	cr_assert(a.op == ARP_REQUEST && addr_eq(&a.sender, &from) && addr_eq(&a.target, &target));
	cr_assert(a.sender_mac[5] == 1 && a.target_mac[5] == 0);
	cr_assert(arp_build(&a, &out) == ARP_LEN);
	cr_assert(memcmp(buf, arp_request, sizeof(buf)) == 0);
	out = outbuf_of(buf, ARP_LEN - 1);
	cr_assert(arp_build(&a, &out) == -ENOSPC);
	a.sender = address("2001:db8::1");
	cr_assert(arp_build(&a, &out) == -EINVAL);
}

Test(arp, refuses_every_prefix_and_everything_but_ipv4_over_ethernet)
{
	uint8_t bytes[ARP_LEN];
	struct arp_packet a;

	for (size_t n = 0; n < sizeof(arp_request); n++) {
		uint8_t *exact = malloc(n ? n : 1);
		struct span s = span_of(exact, n);

		memcpy(exact, arp_request, n);
		cr_assert(arp_parse(&s, &a) == -ENODATA && span_len(&s) == n, "%zu bytes", n);
		free(exact);
	}
	for (size_t i = 0; i < 6; i++) {
		struct span s = span_of(bytes, sizeof(bytes));

		memcpy(bytes, arp_request, sizeof(bytes));
		bytes[i] ^= 0x10;
		cr_assert(arp_parse(&s, &a) == -EBADMSG, "byte %zu", i);
	}
}

struct nd_case {
	struct nd_msg msg;
	struct nd_carrier ip;
};

static struct nd_case solicitation(void)
{
	struct nd_case c = {
		.msg = {.type = ND_SOLICIT,
			.target = address("2001:db8:1::2"),
			.has_lladdr = true,
			.lladdr = {2, 0, 0, 0, 0, 1}},
		.ip = {.src = address("2001:db8:1::1"), .hop_limit = 255},
	};

	c.ip.dst = nd_solicited_node(&c.msg.target);
	return c;
}

static struct nd_case advertisement(void)
{
	struct nd_case c = solicitation();

	c.msg.type = ND_ADVERT;
	c.msg.solicited = c.msg.override = true;
	c.ip.src = c.msg.target;
	c.ip.dst = address("2001:db8:1::1");
	return c;
}

static int build(const struct nd_case *c, uint8_t *buf, size_t cap)
{
	struct outbuf out = outbuf_of(buf, cap);

	return nd_build(&c->msg, &c->ip.src, &c->ip.dst, &out);
}

static int parse(const struct nd_case *c, const uint8_t *buf, size_t len, struct nd_msg *m)
{
	uint8_t *exact = malloc(len ? len : 1);
	int ret;

	memcpy(exact, buf, len);
	ret = nd_parse(span_of(exact, len), &c->ip, m);
	free(exact);
	return ret;
}

Test(nd, goes_both_ways)
{
	struct nd_case cases[] = {solicitation(), advertisement(), solicitation()};
	struct nd_msg m;
	uint8_t buf[64];

	cases[2].ip.src = ADDR_ANY6;
	cases[2].msg.has_lladdr = false;
	cases[2].msg.has_nonce = true;
	memcpy(cases[2].msg.nonce, "nonce!", 6);
	for (size_t i = 0; i < 3; i++) {
		struct nd_case *c = &cases[i];
		int len = build(c, buf, sizeof(buf));

		cr_assert(len == ND_LEN + ND_OPTION_LEN);
		cr_assert(csum_segment(&c->ip.src, &c->ip.dst, true, IPPROTO_ICMPV6, buf,
				       (size_t)len) == 0);
		cr_assert(parse(c, buf, (size_t)len, &m) == 0, "case %zu", i);
		cr_assert(m.type == c->msg.type && addr_eq(&m.target, &c->msg.target));
		cr_assert(m.solicited == c->msg.solicited && m.override == c->msg.override &&
			  !m.router);
		cr_assert(m.has_lladdr == c->msg.has_lladdr &&
			  (!m.has_lladdr || memcmp(m.lladdr, c->msg.lladdr, 6) == 0));
		cr_assert(m.has_nonce == c->msg.has_nonce &&
			  (!m.has_nonce || memcmp(m.nonce, c->msg.nonce, 6) == 0));
		cr_assert(build(c, buf, (size_t)len - 1) == -ENOSPC);
	}
}

Test(nd, refuses_every_prefix)
{
	struct nd_case c = solicitation();
	struct nd_msg m;
	uint8_t buf[64];
	int len = build(&c, buf, sizeof(buf));

	for (int n = 0; n < len; n++)
		cr_assert((parse(&c, buf, (size_t)n, &m) == 0) == (n == ND_LEN), "%d bytes", n);
}

Test(nd, applies_the_rules_of_rfc_4861)
{
	struct nd_case c;
	struct nd_msg m;
	uint8_t buf[64];

#define REFUSED(change, why)                                                                       \
	do {                                                                                       \
		int len_ = build(&c, buf, sizeof(buf));                                            \
		change;                                                                            \
		cr_assert(parse(&c, buf, (size_t)len_, &m) == -EBADMSG, "accepted: " why);         \
	} while (0)
	c = solicitation();
	REFUSED(c.ip.hop_limit = 254, "a hop limit that shows a router between");
	c = solicitation();
	REFUSED(buf[1] = 1, "a code");
	c = solicitation();
	c.msg.target = address("ff02::1");
	REFUSED(, "a multicast target");
	c = solicitation();
	REFUSED(buf[ND_LEN + 1] = 0, "an option of length 0");
	c = solicitation();
	REFUSED(buf[ND_LEN + 1] = 2, "an option past the end");
	c = solicitation();
	REFUSED(c.ip.src = ADDR_ANY6, "a source address option from nobody");
	c = solicitation();
	c.msg.has_lladdr = false;
	REFUSED((c.ip.src = ADDR_ANY6, c.ip.dst = c.msg.target), "a probe sent to one station");
	c = solicitation();
	REFUSED(c.ip.src = address("ff02::1"), "a multicast source");
	c = advertisement();
	REFUSED(c.ip.dst = address("ff02::1"), "an answer to everybody that says solicited");
	c = advertisement();
	c.msg.target = address("ff02::1");
	REFUSED(, "an advertised group");
#undef REFUSED
}

Test(nd, recognises_the_other_types_and_reads_nothing_of_them)
{
	struct nd_case c = solicitation();
	uint8_t buf[40] = {0};
	struct nd_msg m;

	buf[0] = ND_ROUTER_ADVERT;
	cr_assert(parse(&c, buf, 16, &m) == 0 && m.type == ND_ROUTER_ADVERT && !m.has_lladdr);
	cr_assert(parse(&c, buf, 15, &m) == -ENODATA);
	buf[0] = ND_REDIRECT;
	cr_assert(parse(&c, buf, 40, &m) == 0 && m.type == ND_REDIRECT && addr_is_any(&m.target));
	cr_assert(parse(&c, buf, 39, &m) == -ENODATA);
	buf[0] = 138;
	cr_assert(parse(&c, buf, 40, &m) == -EBADMSG);
}

Test(nd, groups_follow_the_address)
{
	struct addr a = address("2001:db8::12:3456"), g = address("ff02::1:ff12:3456");
	struct addr made = nd_solicited_node(&a);
	static const uint8_t mac[6] = {0x33, 0x33, 0xff, 0x12, 0x34, 0x56};
	uint8_t got[6];

	cr_assert(addr_eq(&made, &g));
	nd_group_mac(&made, got);
	cr_assert(memcmp(got, mac, 6) == 0);
}
