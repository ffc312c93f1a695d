/* SPDX-License-Identifier: MIT */
/* test_addr_class.c - the IN6_IS_ADDR_* tests and the table of special-purpose blocks */
#include "../../rawstack/addr_class.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { BLOCKS_MAX = 8 };

static struct addr must_parse(const char *text)
{
	struct addr a = {{0}};

	cr_assert(addr_parse(text, &a, NULL) == 0, "'%s' must parse", text);
	return a;
}

/* ---- macros ---- */

/* The same questions, asked of <netinet/in.h> in its own order. */
static unsigned int system_macros(const struct addr *a)
{
	struct in6_addr in6;
	unsigned int set = 0;

	memcpy(&in6, a->b, 16);
	const bool answers[] = {
		IN6_IS_ADDR_UNSPECIFIED(&in6),	IN6_IS_ADDR_LOOPBACK(&in6),
		IN6_IS_ADDR_MULTICAST(&in6),	IN6_IS_ADDR_LINKLOCAL(&in6),
		IN6_IS_ADDR_SITELOCAL(&in6),	IN6_IS_ADDR_V4MAPPED(&in6),
		IN6_IS_ADDR_V4COMPAT(&in6),	IN6_IS_ADDR_MC_NODELOCAL(&in6),
		IN6_IS_ADDR_MC_LINKLOCAL(&in6), IN6_IS_ADDR_MC_SITELOCAL(&in6),
		IN6_IS_ADDR_MC_ORGLOCAL(&in6),	IN6_IS_ADDR_MC_GLOBAL(&in6),
	};
	for (size_t m = 0; m < ARRAY_LEN(answers); m++)
		set |= (unsigned int)answers[m] << m;
	return set;
}

static unsigned int our_macros(const struct addr *a)
{
	unsigned int set = 0;

	for (int m = 0; m < ADDR_MACRO_NUM; m++)
		set |= (unsigned int)addr_macro_test(m, a) << m;
	return set;
}

Test(addr_class, macros_agree_with_netinet_in_h_for_every_first_two_bytes)
{
	static const char *const tails[] = {"::",	    "::1",
					    "::2",	    "::ffff",
					    "::1:0",	    "::ffff:198.51.100.1",
					    "::ffff:0:0:0", "::1:0:0:0",
					    "0:0:0:1::",    "0:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

	for (size_t t = 0; t < ARRAY_LEN(tails); t++) {
		struct addr a = must_parse(tails[t]);

		for (unsigned int head = 0; head <= 0xffff; head++) {
			a.b[0] = (uint8_t)(head >> 8);
			a.b[1] = (uint8_t)head;
			cr_assert(our_macros(&a) == system_macros(&a), "%04x, tail %s", head,
				  tails[t]);
		}
	}
}

Test(addr_class, macros_agree_with_netinet_in_h_one_bit_away_from_each_special_address)
{
	static const char *const centres[] = {
		"::",	   "::1",     "::ffff:0:0", "::ffff:127.0.0.1", "::198.51.100.2",
		"fe80::1", "fec0::1", "ff02::1"};

	for (size_t c = 0; c < ARRAY_LEN(centres); c++) {
		for (size_t bit = 0; bit < 128; bit++) {
			struct addr a = must_parse(centres[c]);

			a.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
			cr_assert(our_macros(&a) == system_macros(&a), "%s, bit %zu", centres[c],
				  bit);
		}
	}
}

Test(addr_class, macros_answer_as_rfc_4291_and_linux_say)
{
	static const struct {
		const char *text;
		const char *macros; /* all that hold, without the common beginning */
	} rows[] = {
		{"::", "UNSPECIFIED"},
		{"::1", "LOOPBACK"},
		{"::2", "V4COMPAT"},
		{"::ffff", "V4COMPAT"},
		{"::198.51.100.2", "V4COMPAT"},
		{"::127.0.0.1", "V4COMPAT"},
		{"::ffff:0.0.0.0", "V4MAPPED"},
		{"::ffff:127.0.0.1", "V4MAPPED"},
		{"::ffff:224.0.0.1", "V4MAPPED"},
		{"::ffff:169.254.0.1", "V4MAPPED"},
		{"198.51.100.1", "V4MAPPED"},
		{"127.0.0.1", "V4MAPPED"},
		{"::ffff:0:198.51.100.1", ""},
		{"64:ff9b::198.51.100.1", ""},
		{"2001:db8::1", ""},
		{"fc00::1", ""},
		{"fe7f:ffff::", ""},
		{"fe80::", "LINKLOCAL"},
		{"febf::1", "LINKLOCAL"},
		{"fec0::", "SITELOCAL"},
		{"feff::1", "SITELOCAL"},
		{"ff00::1", "MULTICAST"},
		{"ff01::1", "MULTICAST MC_NODELOCAL"},
		{"ff02::1", "MULTICAST MC_LINKLOCAL"},
		{"ff03::1", "MULTICAST"},
		{"ff04::1", "MULTICAST"},
		{"ff05::1", "MULTICAST MC_SITELOCAL"},
		{"ff08::1", "MULTICAST MC_ORGLOCAL"},
		{"ff0e::1", "MULTICAST MC_GLOBAL"},
		{"ff0f::1", "MULTICAST"},
		{"ff31::1", "MULTICAST MC_NODELOCAL"},
		{"ff75::1", "MULTICAST MC_SITELOCAL"},
		{"fffe::1", "MULTICAST MC_GLOBAL"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a = must_parse(rows[i].text);
		char held[256] = "";

		for (int m = 0; m < ADDR_MACRO_NUM; m++) {
			if (!addr_macro_test(m, &a))
				continue;
			snprintf(held + strlen(held), sizeof(held) - strlen(held), "%s%s",
				 *held ? " " : "", addr_macro_name(m) + strlen("IN6_IS_ADDR_"));
		}
		cr_assert_str_eq(held, rows[i].macros, "%s: '%s', not '%s'", rows[i].text, held,
				 rows[i].macros);
	}
}

Test(addr_class, macros_have_the_names_of_netinet_in_h)
{
	static const char *const names[] = {"UNSPECIFIED",  "LOOPBACK",	    "MULTICAST",
					    "LINKLOCAL",    "SITELOCAL",    "V4MAPPED",
					    "V4COMPAT",	    "MC_NODELOCAL", "MC_LINKLOCAL",
					    "MC_SITELOCAL", "MC_ORGLOCAL",  "MC_GLOBAL"};

	cr_assert(ARRAY_LEN(names) == ADDR_MACRO_NUM);
	for (int m = 0; m < ADDR_MACRO_NUM; m++) {
		cr_assert(strncmp(addr_macro_name(m), "IN6_IS_ADDR_", 12) == 0);
		cr_assert_str_eq(addr_macro_name(m) + 12, names[m]);
	}
}

/* ---- special-purpose blocks ---- */

/* Whether the first @len bits of @a are those of @base, a bit at a time. */
static bool same_prefix(const struct addr *a, const struct addr *base, unsigned int len)
{
	for (unsigned int bit = 0; bit < len; bit++) {
		unsigned int shift = 7 - bit % 8;

		if ((a->b[bit / 8] >> shift & 1) != (base->b[bit / 8] >> shift & 1))
			return false;
	}
	return true;
}

Test(addr_class, block_table_is_consistent)
{
	size_t n;
	const struct addr_block *table = addr_block_table(&n);

	cr_assert(n > 0);
	for (size_t i = 0; i < n; i++) {
		const struct addr_block *b = &table[i];
		char base[ADDR_STRLEN] = "";
		const char *slash = strchr(b->prefix, '/');
		char canonical[ADDR_STRLEN];
		enum addr_form form;
		struct addr a;
		int len;

		cr_assert(slash && (size_t)(slash - b->prefix) < sizeof(base), "%s", b->prefix);
		memcpy(base, b->prefix, (size_t)(slash - b->prefix));
		cr_assert(addr_parse(base, &a, &form) == 0 && addr_eq(&a, &b->base), "%s",
			  b->prefix);
		/* ::ffff:0:0 is how the registry writes what inet_ntop writes ::ffff:0.0.0.0. */
		if (form == ADDR_FORM_INET || !addr_is_mapped(&a))
			cr_assert_str_eq(addr_print(&a, form, canonical), base);
		len = atoi(slash + 1) + (form == ADDR_FORM_INET ? 96 : 0);
		cr_assert(len == b->len && len > 0 && len <= 128, "%s: %u", b->prefix, b->len);
		for (unsigned int bit = b->len; bit < 128; bit++)
			cr_assert((b->base.b[bit / 8] >> (7 - bit % 8) & 1) == 0, "%s: host bit %u",
				  b->prefix, bit);

		cr_assert(b->name && *b->name, "%s", b->prefix);
		cr_assert(b->rfc && strncmp(b->rfc, "RFC ", 4) == 0 && atoi(b->rfc + 4) > 0 &&
				  strspn(b->rfc + 4, "0123456789") == strlen(b->rfc + 4),
			  "%s: '%s'", b->prefix, b->rfc);
		for (size_t j = 0; j < i; j++)
			cr_assert(table[j].len != b->len || !addr_eq(&table[j].base, &b->base),
				  "%s twice", b->prefix);
	}
}

Test(addr_class, blocks_of_an_address_are_all_that_contain_it_longest_first)
{
	size_t n;
	const struct addr_block *table = addr_block_table(&n);

	/* The first and last address of every block, and their neighbours outside. */
	for (size_t i = 0; i < 4 * n; i++) {
		const struct addr_block *b = &table[i / 4], *found[BLOCKS_MAX];
		struct addr a = b->base;
		size_t num, expected = 0;

		if (i & 1)
			for (unsigned int bit = b->len; bit < 128; bit++)
				a.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		if (i & 2)
			a.b[(b->len - 1) / 8] ^= (uint8_t)(0x80 >> (b->len - 1) % 8);
		num = addr_blocks(&a, found, BLOCKS_MAX);
		cr_assert(num < BLOCKS_MAX, "%s", b->prefix);
		for (size_t j = 0; j < n; j++)
			expected += same_prefix(&a, &table[j].base, table[j].len);
		cr_assert(num == expected, "%s, case %zu: %zu of %zu", b->prefix, i % 4, num,
			  expected);
		for (size_t j = 0; j < num; j++) {
			cr_assert(same_prefix(&a, &found[j]->base, found[j]->len), "%s in %s",
				  b->prefix, found[j]->prefix);
			cr_assert(j == 0 || found[j]->len < found[j - 1]->len, "%s: %s after %s",
				  b->prefix, found[j]->prefix, j ? found[j - 1]->prefix : "");
		}
	}
}

Test(addr_class, blocks_stores_no_more_than_it_may)
{
	struct addr a = must_parse("255.255.255.255");
	const struct addr_block *found[3] = {NULL};

	cr_assert(addr_blocks(&a, found, 0) == 0 && found[0] == NULL);
	cr_assert(addr_blocks(&a, found, 2) == 2 && found[2] == NULL);
	cr_assert_str_eq(found[0]->prefix, "255.255.255.255/32");
	cr_assert_str_eq(found[1]->prefix, "240.0.0.0/4");
}

Test(addr_class, each_address_is_in_the_blocks_its_rfcs_define)
{
	static const struct {
		const char *text;
		const char *blocks; /* "prefix rfc, prefix rfc" without ::ffff:0:0/96 */
	} rows[] = {
		{"0.0.0.0", "0.0.0.0/32 1122, 0.0.0.0/8 791"},
		{"0.1.2.3", "0.0.0.0/8 791"},
		{"9.255.255.255", ""},
		{"10.0.0.1", "10.0.0.0/8 1918"},
		{"11.0.0.0", ""},
		{"100.63.255.255", ""},
		{"100.64.0.0", "100.64.0.0/10 6598"},
		{"100.127.255.255", "100.64.0.0/10 6598"},
		{"100.128.0.0", ""},
		{"127.0.0.1", "127.0.0.0/8 1122"},
		{"127.255.255.255", "127.0.0.0/8 1122"},
		{"169.254.169.254", "169.254.0.0/16 3927"},
		{"172.15.255.255", ""},
		{"172.16.0.1", "172.16.0.0/12 1918"},
		{"172.31.255.255", "172.16.0.0/12 1918"},
		{"172.32.0.0", ""},
		{"192.0.0.1", "192.0.0.0/29 7335, 192.0.0.0/24 6890"},
		{"192.0.0.8", "192.0.0.8/32 7600, 192.0.0.0/24 6890"},
		{"192.0.0.9", "192.0.0.9/32 7723, 192.0.0.0/24 6890"},
		{"192.0.0.10", "192.0.0.10/32 8155, 192.0.0.0/24 6890"},
		{"192.0.0.170", "192.0.0.170/32 7050, 192.0.0.0/24 6890"},
		{"192.0.2.1", "192.0.2.0/24 5737"},
		{"192.31.196.1", "192.31.196.0/24 7535"},
		{"192.52.193.1", "192.52.193.0/24 7450"},
		{"192.88.99.1", "192.88.99.0/24 7526"},
		{"192.88.99.2", "192.88.99.2/32 6751, 192.88.99.0/24 7526"},
		{"192.168.1.1", "192.168.0.0/16 1918"},
		{"192.175.48.1", "192.175.48.0/24 7534"},
		{"198.17.255.255", ""},
		{"198.18.0.0", "198.18.0.0/15 2544"},
		{"198.19.255.255", "198.18.0.0/15 2544"},
		{"198.51.100.1", "198.51.100.0/24 5737"},
		{"203.0.113.255", "203.0.113.0/24 5737"},
		{"224.0.0.1", "224.0.0.0/24 5771, 224.0.0.0/4 5771"},
		{"232.1.1.1", "232.0.0.0/8 4607, 224.0.0.0/4 5771"},
		{"233.252.0.1", "233.252.0.0/24 6676, 224.0.0.0/4 5771"},
		{"239.255.255.255", "239.0.0.0/8 2365, 224.0.0.0/4 5771"},
		{"240.0.0.1", "240.0.0.0/4 1112"},
		{"255.255.255.255", "255.255.255.255/32 919, 240.0.0.0/4 1112"},
		{"8.8.8.8", ""},
		{"::", "::/128 4291, ::/96 4291"},
		{"::1", "::1/128 4291, ::/96 4291"},
		{"::198.51.100.2", "::/96 4291"},
		{"::ffff:0:198.51.100.2", "::ffff:0:0:0/96 2765"},
		{"64:ff9b::198.51.100.2", "64:ff9b::/96 6052"},
		{"64:ff9b::1:0:0", ""},
		{"64:ff9b:1::198.51.100.2", "64:ff9b:1::/48 8215"},
		{"64:ff9b:2::1", ""},
		{"100::1", "100::/64 6666"},
		{"100:0:0:1::1", "100:0:0:1::/64 9780"},
		{"100:0:0:2::1", ""},
		{"2001::1", "2001::/32 4380, 2001::/23 2928"},
		{"2001:1::1", "2001:1::1/128 7723, 2001::/23 2928"},
		{"2001:1::2", "2001:1::2/128 8155, 2001::/23 2928"},
		{"2001:1::3", "2001:1::3/128 9665, 2001::/23 2928"},
		{"2001:1::4", "2001::/23 2928"},
		{"2001:2::1", "2001:2::/48 5180, 2001::/23 2928"},
		{"2001:2:1::1", "2001::/23 2928"},
		{"2001:3::1", "2001:3::/32 7450, 2001::/23 2928"},
		{"2001:4:112::1", "2001:4:112::/48 7535, 2001::/23 2928"},
		{"2001:1f::1", "2001:10::/28 4843, 2001::/23 2928"},
		{"2001:2f::1", "2001:20::/28 7343, 2001::/23 2928"},
		{"2001:3f::1", "2001:30::/28 9374, 2001::/23 2928"},
		{"2001:200::1", ""},
		{"2001:db8::1", "2001:db8::/32 3849"},
		{"2002:c633:6401::1", "2002::/16 3056"},
		{"2620:4f:8000::42", "2620:4f:8000::/48 7534"},
		{"3ffe::1", "3ffe::/16 3701"},
		{"3fff:fff::1", "3fff::/20 9637"},
		{"3fff:1000::1", ""},
		{"5f00::1", "5f00::/16 9602"},
		{"fbff::1", ""},
		{"fd00::1", "fc00::/7 4193"},
		{"febf::1", "fe80::/10 4291"},
		{"feff::1", "fec0::/10 3879"},
		{"ff01::1", "ff01::/16 4291, ff00::/8 4291"},
		{"ff02::1:ff00:1", "ff02::1:ff00:0/104 4291, ff02::/16 4291, ff00::/8 4291"},
		{"ff03::1", "ff03::/16 7346, ff00::/8 4291"},
		{"ff0e::1", "ff0e::/16 4291, ff00::/8 4291"},
		{"ff0f::1", "ff00::/8 4291"},
		{"ff12::1", "ff10::/12 4291, ff00::/8 4291"},
		{"ff3e::8000:1", "ff3e::/32 4607, ff30::/12 3306, ff00::/8 4291"},
		{"ff35:30:2001:db8::1", "ff30::/12 3306, ff00::/8 4291"},
		{"ff7e:140:2001:db8::1", "ff70::/12 3956, ff00::/8 4291"},
		{"2606:4700::1111", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a = must_parse(rows[i].text);
		const struct addr_block *found[BLOCKS_MAX];
		size_t num = addr_blocks(&a, found, BLOCKS_MAX);
		char list[256] = "";

		if (addr_is_mapped(&a)) {
			cr_assert(num > 0, "%s", rows[i].text);
			cr_assert_str_eq(found[--num]->prefix, "::ffff:0:0/96", "%s", rows[i].text);
		}
		for (size_t j = 0; j < num; j++)
			snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s %s",
				 j ? ", " : "", found[j]->prefix, found[j]->rfc + strlen("RFC "));
		cr_assert_str_eq(list, rows[i].blocks, "%s: '%s', not '%s'", rows[i].text, list,
				 rows[i].blocks);
	}
}
