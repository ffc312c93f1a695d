/* SPDX-License-Identifier: MIT */
/* test_addr.c - addresses and endpoints: text, sockaddr, hash */
#include "../../rawstack/addr.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { RANDOM_ROUNDS = 20000 };

/* xorshift64*, so that a failure repeats. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* Random bytes in a random skeleton: zero runs, mapped, and the prefixes the macros look at. */
static struct addr random_addr(uint64_t *state)
{
	static const uint8_t heads[][2] = {{0xfe, 0x80}, {0xfe, 0xbf}, {0xfe, 0xc0}, {0xfe, 0xff},
					   {0xff, 0x00}, {0x20, 0x01}, {0x00, 0x64}};
	uint64_t words[2] = {next_random(state), next_random(state)};
	uint64_t kind = next_random(state);
	struct addr a;

	memcpy(a.b, words, 16);
	if (kind & 1)
		memset(a.b + kind / 2 % 12, 0, kind / 32 % 5);
	switch (kind >> 32 & 7) {
	case 0:
		return addr_from_v4(a.b + 12);
	case 1:
		memset(a.b, 0, 12);
		break;
	case 2:
		memset(a.b, 0, 15);
		break;
	case 3:
		memcpy(a.b, heads[kind >> 40 & 3], 2);
		break;
	case 4:
		a.b[0] = 0xff;
		break;
	default:
		break;
	}
	return a;
}

static struct addr must_parse(const char *text)
{
	struct addr a = {{0}};

	cr_assert(addr_parse(text, &a, NULL) == 0, "'%s' must parse", text);
	return a;
}

/* ---- text ---- */

Test(addr, print_agrees_with_inet_ntop_and_reads_back)
{
	uint64_t state = 0x5eed;

	for (int i = 0; i < RANDOM_ROUNDS; i++) {
		struct addr a = random_addr(&state), back;
		char text[ADDR_STRLEN], expected[INET6_ADDRSTRLEN];
		enum addr_form form;

		cr_assert(addr_print(&a, ADDR_FORM_INET6, text) == text);
		inet_ntop(AF_INET6, a.b, expected, sizeof(expected));
		cr_assert_str_eq(text, expected);
		cr_assert(addr_parse(text, &back, &form) == 0, "'%s' must read back", text);
		cr_assert(addr_eq(&a, &back) && form == ADDR_FORM_INET6, "'%s'", text);

		addr_print(&a, ADDR_FORM_INET, text);
		if (addr_is_mapped(&a))
			inet_ntop(AF_INET, a.b + 12, expected, sizeof(expected));
		cr_assert_str_eq(text, expected);
		cr_assert(addr_parse(text, &back, &form) == 0 && addr_eq(&a, &back), "'%s'", text);
		cr_assert(form == (addr_is_mapped(&a) ? ADDR_FORM_INET : ADDR_FORM_INET6), "'%s'",
			  text);
	}
}

Test(addr, parse_accepts_every_written_form)
{
	static const struct {
		const char *text, *inet, *inet6;
		enum addr_form form;
	} rows[] = {
		{"198.51.100.1", "198.51.100.1", "::ffff:198.51.100.1", ADDR_FORM_INET},
		{"0.0.0.0", "0.0.0.0", "::ffff:0.0.0.0", ADDR_FORM_INET},
		{"255.255.255.255", "255.255.255.255", "::ffff:255.255.255.255", ADDR_FORM_INET},
		{"::ffff:198.51.100.1", "198.51.100.1", "::ffff:198.51.100.1", ADDR_FORM_INET6},
		{"::FFFF:198.51.100.1", "198.51.100.1", "::ffff:198.51.100.1", ADDR_FORM_INET6},
		{"::ffff:c633:6401", "198.51.100.1", "::ffff:198.51.100.1", ADDR_FORM_INET6},
		{"0:0:0:0:0:ffff:c633:6401", "198.51.100.1", "::ffff:198.51.100.1",
		 ADDR_FORM_INET6},
		{"2001:DB8::A", "2001:db8::a", "2001:db8::a", ADDR_FORM_INET6},
		{"2001:0db8:0:0:0:0:0:000a", "2001:db8::a", "2001:db8::a", ADDR_FORM_INET6},
		{"::", "::", "::", ADDR_FORM_INET6},
		{"::1", "::1", "::1", ADDR_FORM_INET6},
		{"::198.51.100.2", "::198.51.100.2", "::198.51.100.2", ADDR_FORM_INET6},
		{"::1:0", "::0.1.0.0", "::0.1.0.0", ADDR_FORM_INET6},
		{"::ffff:0:198.51.100.2", "::ffff:0:c633:6402", "::ffff:0:c633:6402",
		 ADDR_FORM_INET6},
		{"64:ff9b::198.51.100.2", "64:ff9b::c633:6402", "64:ff9b::c633:6402",
		 ADDR_FORM_INET6},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[ADDR_STRLEN];
		enum addr_form form;
		struct addr a;

		cr_assert(addr_parse(rows[i].text, &a, &form) == 0, "'%s'", rows[i].text);
		cr_assert(form == rows[i].form, "form of '%s'", rows[i].text);
		cr_assert_str_eq(addr_print(&a, ADDR_FORM_INET, text), rows[i].inet);
		cr_assert_str_eq(addr_print(&a, ADDR_FORM_INET6, text), rows[i].inet6);
	}
}

Test(addr, parse_refuses_what_inet_pton_refuses_and_leaves_the_result_alone)
{
	static const char *const rows[] = {
		"",
		" ",
		".",
		":",
		":::",
		"198.51.100",
		"198.51.100.",
		"198.51.100.256",
		"300.1.1.1",
		"198.51.100.1.1",
		"198.51.100.002",
		"0198.51.100.2",
		"0x7f.1",
		"0x7f.0.0.1",
		"127.1",
		"198.51.100.-1",
		" 198.51.100.1",
		"198.51.100.1 ",
		"198.51.100.1\n",
		"198.51.100.1/24",
		"198.51.100.1:80",
		"198.51.100.1%lo",
		"::ffff:198.51.100.002",
		"::ffff:198.51.100",
		"::ffff:300.1.1.1",
		"::ffff:0x7f.0.0.1",
		"::ffff:198.51.100.1/96",
		"::ffff:198.51.100.1:80",
		"[::1]",
		"[::1]:80",
		"::1]",
		"fe80::1%lo",
		"fe80::1%1",
		"fe80::1%",
		"2001:db8::/32",
		"2001:db8::1 ",
		" 2001:db8::1",
		"2001:db8::1::2",
		"2001:db8::12345",
		"2001:db8::g",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"1:2:3:4:5:6:7:198.51.100.1",
		"1:2:3:4:5:6:7:",
		"localhost",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct addr before = {{0xa5, [15] = 0x5a}};
		struct addr a = before;
		enum addr_form form = ADDR_FORM_INET6;
		uint8_t bytes[16];

		cr_assert(inet_pton(AF_INET, rows[i], bytes) != 1 &&
				  inet_pton(AF_INET6, rows[i], bytes) != 1,
			  "'%s' is a good address: a wrong row", rows[i]);
		cr_assert(addr_parse(rows[i], &a, &form) == -EINVAL, "'%s'", rows[i]);
		cr_assert(addr_eq(&a, &before) && form == ADDR_FORM_INET6, "'%s'", rows[i]);
	}
}

Test(addr, one_byte_changes_parse_exactly_when_inet_pton_does)
{
	static const char alphabet[] = "0123456789abcdefABCDEF:.%/[] xg";
	static const char *const seeds[] = {"198.51.100.1", "::ffff:198.51.100.1", "2001:db8::1",
					    "1:2:3:4:5:6:7:8"};
	uint64_t state = 0xc0ffee;

	for (int i = 0; i < RANDOM_ROUNDS; i++) {
		const char *seed = seeds[next_random(&state) % ARRAY_LEN(seeds)];
		char text[ADDR_STRLEN];
		uint8_t v4[4], v6[16];
		struct addr a;
		bool is_v4, is_v6;

		snprintf(text, sizeof(text), "%s", seed);
		text[next_random(&state) % strlen(seed)] =
			alphabet[next_random(&state) % (sizeof(alphabet) - 1)];
		is_v4 = inet_pton(AF_INET, text, v4) == 1;
		is_v6 = inet_pton(AF_INET6, text, v6) == 1;
		cr_assert((addr_parse(text, &a, NULL) == 0) == (is_v4 || is_v6), "'%s'", text);
		if (is_v4)
			cr_assert(memcmp(addr_v4(&a), v4, 4) == 0, "'%s'", text);
		if (is_v6)
			cr_assert(memcmp(a.b, v6, 16) == 0, "'%s'", text);
	}
}

Test(addr, any_is_the_wildcard_of_either_family_only)
{
	cr_assert(addr_is_any(&ADDR_ANY4) && addr_is_any(&ADDR_ANY6));
	cr_assert(!addr_eq(&ADDR_ANY4, &ADDR_ANY6));
	for (size_t bit = 0; bit < 128; bit++) {
		struct addr a = ADDR_ANY6, b = ADDR_ANY4;

		a.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		b.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert(!addr_is_any(&a) && !addr_is_any(&b), "bit %zu", bit);
		cr_assert((addr_v4(&b) != NULL) == (bit >= 96), "bit %zu", bit);
	}
}

/* ---- ports and endpoints ---- */

Test(addr, port_parse_takes_a_decimal_from_1_to_65535)
{
	static const struct {
		const char *text;
		int rc;
		uint16_t port;
	} rows[] = {
		{"1", 0, 1},
		{"80", 0, 80},
		{"65535", 0, 65535},
		{"0080", 0, 80},
		{"0", -ERANGE, 0},
		{"00", -ERANGE, 0},
		{"65536", -ERANGE, 0},
		{"70000", -ERANGE, 0},
		{"4294967376", -ERANGE, 0},
		{"18446744073709551696", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+80", -EINVAL, 0},
		{" 80", -EINVAL, 0},
		{"80 ", -EINVAL, 0},
		{"80x", -EINVAL, 0},
		{"99999x", -EINVAL, 0},
		{"0x50", -EINVAL, 0},
		{"http", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint16_t port = 7;

		cr_assert(port_parse(rows[i].text, &port) == rows[i].rc, "'%s'", rows[i].text);
		cr_assert(port == (rows[i].rc == 0 ? rows[i].port : 7), "'%s'", rows[i].text);
	}
}

Test(addr, endpoint_parse_reads_what_endpoint_print_writes)
{
	static const struct {
		const char *text, *inet, *inet6;
		enum addr_form form;
		uint16_t port;
	} rows[] = {
		{"198.51.100.2:80", "198.51.100.2:80", "[::ffff:198.51.100.2]:80", ADDR_FORM_INET,
		 80},
		{"255.255.255.255:65535", "255.255.255.255:65535", "[::ffff:255.255.255.255]:65535",
		 ADDR_FORM_INET, 65535},
		{"[::ffff:c633:6402]:80", "198.51.100.2:80", "[::ffff:198.51.100.2]:80",
		 ADDR_FORM_INET6, 80},
		{"[2001:DB8::1]:9999", "[2001:db8::1]:9999", "[2001:db8::1]:9999", ADDR_FORM_INET6,
		 9999},
		{"[::]:1", "[::]:1", "[::]:1", ADDR_FORM_INET6, 1},
		{"[fe80::1]:80", "[fe80::1]:80", "[fe80::1]:80", ADDR_FORM_INET6, 80},
		{"[fe80::1%lo]:80", "[fe80::1%1]:80", "[fe80::1%1]:80", ADDR_FORM_INET6, 80},
		{"[fe80::1%1]:80", "[fe80::1%1]:80", "[fe80::1%1]:80", ADDR_FORM_INET6, 80},
		{"[ff02::1%lo]:80", "[ff02::1%1]:80", "[ff02::1%1]:80", ADDR_FORM_INET6, 80},
		{"[ff11::1%lo]:80", "[ff11::1%1]:80", "[ff11::1%1]:80", ADDR_FORM_INET6, 80},
	};

	cr_assert(if_nametoindex("lo") == 1, "the rows name lo by its index, 1");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[ENDPOINT_STRLEN];
		struct endpoint ep, back;
		enum addr_form form;

		cr_assert(endpoint_parse(rows[i].text, &ep, &form) == 0, "'%s'", rows[i].text);
		cr_assert(form == rows[i].form && ep.port == rows[i].port, "'%s'", rows[i].text);
		cr_assert(ep.scope == (strchr(rows[i].text, '%') ? 1 : 0), "'%s'", rows[i].text);
		cr_assert_str_eq(endpoint_print(&ep, ADDR_FORM_INET, text), rows[i].inet);
		cr_assert_str_eq(endpoint_print(&ep, ADDR_FORM_INET6, text), rows[i].inet6);
		cr_assert(endpoint_parse(text, &back, NULL) == 0, "'%s'", text);
		cr_assert(endpoint_eq(&ep, &back) && ep.scope == back.scope, "'%s'", text);
	}
}

Test(addr, endpoint_parse_says_what_is_wrong_and_leaves_the_result_alone)
{
	static const struct {
		const char *text;
		int rc;
	} rows[] = {
		{"", -EINVAL},
		{":", -EINVAL},
		{":80", -EINVAL},
		{"80", -EINVAL},
		{"198.51.100.2", -EINVAL},
		{"198.51.100.2:", -EINVAL},
		{"198.51.100.2:0", -ERANGE},
		{"198.51.100.2:70000", -ERANGE},
		{"198.51.100.2:65536", -ERANGE},
		{"198.51.100.2:80x", -EINVAL},
		{"198.51.100.2:80 ", -EINVAL},
		{"198.51.100.2: 80", -EINVAL},
		{"198.51.100.2:-1", -EINVAL},
		{"198.51.100.2:http", -EINVAL},
		{"198.51.100.002:80", -EINVAL},
		{"198.51.100.2%lo:80", -EINVAL},
		{" 198.51.100.2:80", -EINVAL},
		{"[198.51.100.2]:80", -EINVAL},
		{"2001:db8::1", -EINVAL},
		{"2001:db8::1:80", -EINVAL},
		{"::ffff:198.51.100.2:80", -EINVAL},
		{"[2001:db8::1]", -EINVAL},
		{"[2001:db8::1]:", -EINVAL},
		{"[2001:db8::1]80", -EINVAL},
		{"[2001:db8::1]:0", -ERANGE},
		{"[2001:db8::1]:70000", -ERANGE},
		{"[2001:db8::1]:80:", -EINVAL},
		{"[2001:db8::1:80", -EINVAL},
		{"2001:db8::1]:80", -EINVAL},
		{"[[2001:db8::1]]:80", -EINVAL},
		{"[]:80", -EINVAL},
		{"[:80", -EINVAL},
		{"[%lo]:80", -EINVAL},
		{"[fe80::1%]:80", -EINVAL},
		{"[fe80::1%nosuchif]:80", -ENODEV},
		{"[fe80::1%0]:80", -ENODEV},
		{"[fe80::1%4294967297]:80", -ENODEV},
		{"[fe80::1%2147483647]:80", -ENODEV},
		{"[fe80::1%-1]:80", -ENODEV},
		{"[fe80::1%aaaaaaaaaaaaaaaa]:80", -ENODEV},
		{"[2001:db8::1%lo]:80", -EINVAL},
		{"[::ffff:198.51.100.2%lo]:80", -EINVAL},
		{"[ff05::1%lo]:80", -EINVAL},
		{"[fec0::1%lo]:80", -EINVAL},
		{"[fe7f::1%lo]:80", -EINVAL},
		{"[fe80::1%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]:80",
		 -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct endpoint before = {.addr = {{0xa5}}, .scope = 6, .port = 7};
		struct endpoint ep = before;
		enum addr_form form;
		int rc = endpoint_parse(rows[i].text, &ep, &form);

		cr_assert(rc == rows[i].rc, "'%s': %d, not %d", rows[i].text, rc, rows[i].rc);
		cr_assert(endpoint_eq(&ep, &before) && ep.scope == 6, "'%s'", rows[i].text);
	}
}

Test(addr, the_longest_endpoint_fits_its_buffer)
{
	struct endpoint ep = {.scope = UINT32_MAX, .port = UINT16_MAX};
	char text[ENDPOINT_STRLEN];

	memset(ep.addr.b, 0xff, 16);
	cr_assert_str_eq(endpoint_print(&ep, ADDR_FORM_INET6, text),
			 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

/* ---- sockaddr ---- */

Test(addr, sockaddr_of_either_family_keeps_address_port_and_scope)
{
	static const struct {
		const char *text;
		uint32_t scope;
		int family, from; /* to a socket of family; from: back, or the error */
		socklen_t len;
	} rows[] = {
		{"198.51.100.2", 0, AF_INET, AF_INET, 16},
		{"198.51.100.2", 0, AF_INET6, AF_INET6, 28},
		{"::ffff:198.51.100.2", 0, AF_INET, AF_INET, 16},
		{"0.0.0.0", 0, AF_INET, AF_INET, 16},
		{"2001:db8::1", 0, AF_INET6, AF_INET6, 28},
		{"fe80::1", 5, AF_INET6, AF_INET6, 28},
		{"::", 0, AF_INET6, AF_INET6, 28},
		{"2001:db8::1", 0, AF_INET, -EAFNOSUPPORT, 0},
		{"::", 0, AF_INET, -EAFNOSUPPORT, 0},
		{"2001:db8::1", 0, AF_UNIX, -EAFNOSUPPORT, 0},
		{"198.51.100.2", 0, AF_UNSPEC, -EAFNOSUPPORT, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct endpoint ep = {
			.addr = must_parse(rows[i].text), .scope = rows[i].scope, .port = 0x1234};
		struct endpoint back;
		struct sockaddr_storage ss;
		int rc = endpoint_to_sockaddr(&ep, rows[i].family, &ss);

		if (rows[i].from < 0) {
			cr_assert(rc == rows[i].from, "row %zu: %d", i, rc);
			continue;
		}
		cr_assert((socklen_t)rc == rows[i].len, "row %zu: length %d", i, rc);
		cr_assert(ss.ss_family == rows[i].family, "row %zu", i);
		cr_assert(memcmp((const uint8_t *)&ss + 2, "\x12\x34", 2) == 0,
			  "row %zu: port in network order", i);
		cr_assert(endpoint_from_sockaddr((const struct sockaddr *)&ss, (socklen_t)rc,
						 &back) == rows[i].from,
			  "row %zu", i);
		cr_assert(endpoint_eq(&ep, &back) && ep.scope == back.scope, "row %zu", i);
	}
}

Test(addr, sockaddr_matches_the_structures_field_by_field)
{
	struct endpoint ep = {.addr = must_parse("fe80::1"), .scope = 5, .port = 80};
	struct sockaddr_storage ss;
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;

	memset(&ss, 0xff, sizeof(ss));
	endpoint_to_sockaddr(&ep, AF_INET6, &ss);
	memcpy(&sin6, &ss, sizeof(sin6));
	cr_assert(sin6.sin6_port == htons(80) && sin6.sin6_scope_id == 5);
	cr_assert(sin6.sin6_flowinfo == 0, "stale bytes must not become a flow label");
	cr_assert(memcmp(&sin6.sin6_addr, ep.addr.b, 16) == 0);

	ep.addr = must_parse("198.51.100.2");
	memset(&ss, 0xff, sizeof(ss));
	endpoint_to_sockaddr(&ep, AF_INET, &ss);
	memcpy(&sin, &ss, sizeof(sin));
	cr_assert(sin.sin_addr.s_addr == inet_addr("198.51.100.2"));
	cr_assert(memcmp(sin.sin_zero, "\0\0\0\0\0\0\0\0", 8) == 0);
}

Test(addr, sockaddr_that_is_cut_short_or_foreign_is_refused)
{
	static const struct {
		sa_family_t family;
		socklen_t len;
		int rc;
	} rows[] = {{AF_INET, 0, -EINVAL},	    {AF_INET, 1, -EINVAL},
		    {AF_INET, 2, -EINVAL},	    {AF_INET, 8, -EINVAL},
		    {AF_INET, 15, -EINVAL},	    {AF_INET, 16, AF_INET},
		    {AF_INET, 28, AF_INET},	    {AF_INET6, 2, -EINVAL},
		    {AF_INET6, 16, -EINVAL},	    {AF_INET6, 24, -EINVAL},
		    {AF_INET6, 27, -EINVAL},	    {AF_INET6, 28, AF_INET6},
		    {AF_INET6, 128, AF_INET6},	    {AF_UNSPEC, 16, -EAFNOSUPPORT},
		    {AF_UNIX, 110, -EAFNOSUPPORT},  {AF_UNIX, 2, -EAFNOSUPPORT},
		    {AF_NETLINK, 12, -EAFNOSUPPORT}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* A heap block of the very length, at an odd address, so that ASan sees any byte
		 * read beyond it and UBSan any aligned access. */
		uint8_t *block = calloc(1, rows[i].len + 1);
		struct sockaddr_storage ss = {.ss_family = rows[i].family};
		struct endpoint ep;
		int rc;

		cr_assert(block != NULL);
		memcpy(block + 1, &ss, rows[i].len);
		rc = endpoint_from_sockaddr((const void *)(block + 1), rows[i].len, &ep);
		cr_assert(rc == rows[i].rc, "row %zu: %d", i, rc);
		free(block);
	}
}
