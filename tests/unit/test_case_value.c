/* SPDX-License-Identifier: MIT */
/* test_case_value.c - addresses, numbers and words of a case, and how they are compared */
#include "../../tools/lab/names.h"
#include "../../tools/lab/value.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>

Test(case_value, addresses_have_names_and_forms)
{
	static const struct {
		const char *text, *printed;
	} rows[] = {
		{"S4", "198.51.100.2"},
		{"S6b", "2001:db8:1::3"},
		{"m(S4)", "::ffff:198.51.100.2"},
		{"m(S4):P+3", "::ffff:198.51.100.2 port 8003"},
		{"any4:*", "0.0.0.0 port 0"},
		{"[::]:P", ":: port 8000"},
		{"[2001:db8::5]:53", "2001:db8::5 port 53"},
		{"compat(S4)", "::198.51.100.2"},
		{"siit(198.51.100.2)", "::ffff:0:c633:6402"},
		{"nat64(S4)", "64:ff9b::c633:6402"},
		{"fe80::1%link", "fe80::1%link"},
		{"[fe80::1%7]:P", "fe80::1%7 port 8000"},
		{"bcast4:P", "198.51.100.255 port 8000"},
	};
	char buf[VALUE_TEXT];
	struct case_value v;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(case_value_parse(rows[i].text, &v), 0);
		cr_assert_eq(v.kind, VALUE_ADDR, "%s", rows[i].text);
		cr_expect_str_eq(case_value_print(&v, 8000, buf), rows[i].printed);
	}
}

static bool meets(const char *want, const char *got)
{
	struct case_value a, b;

	cr_assert(case_value_parse(want, &a) == 0 && case_value_parse(got, &b) == 0);
	return case_value_meets(&a, &b, 8000);
}

Test(case_value, what_meets_what)
{
	static const struct {
		const char *want, *got;
		bool meets;
	} rows[] = {
		{"5", "5", true},
		{"5", "6", false},
		{"0x10", "16", true},
		{"-1", "-1", true},
		{">5", "6", true},
		{">5", "5", false},
		{"!5", "6", true},
		{"!5", "5", false},
		{"5", "five", false},
		{"AF_INET6", "AF_INET6", true},
		{"AF_INET", "AF_INET6", false},
		{"S4", "198.51.100.2", true},
		{"m(S4)", "::ffff:198.51.100.2", true},
		/* The same bytes: what is compared is what a program would be shown. */
		{"S4", "m(S4)", false},
		{"m(S4)", "S4", false},
		{"S4", "S4:P", true},
		{"S4:P", "S4:8000", true},
		{"S4:P", "S4:8001", false},
		{"S4:P", "S4", false},
		{"fe80::1%link", "fe80::1%102", true},
		{"fe80::1%link", "fe80::1", false},
		{"fe80::1%7", "fe80::1%8", false},
		{"fe80::1", "fe80::1%8", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(meets(rows[i].want, rows[i].got), rows[i].meets, "%s, %s",
			     rows[i].want, rows[i].got);
}

/* A name that stands twice, or for two options, would make a case mean something else. */
Test(case_value, names_are_told_apart)
{
	const struct socket_option *o, *p;

	for (size_t i = 0; (o = socket_option_at(i)); i++) {
		cr_expect_eq(socket_option_find(o->name), o, "%s stands twice", o->name);
		for (size_t k = 0; k < i && (p = socket_option_at(k)); k++)
			cr_expect(p->level != o->level || p->number != o->number, "%s is %s",
				  o->name, p->name);
	}
	cr_expect_eq(error_find("ECONNREFUSED"), ECONNREFUSED);
	cr_expect_eq(error_find("ENOTHING"), 0);
	cr_expect(resolver_error_find("EAI_NONAME") != 0);
	cr_expect_str_eq(resolver_error_name(resolver_error_find("EAI_NODATA")), "EAI_NODATA");
	cr_expect_eq(message_item_of(IPPROTO_IPV6, IPV6_PKTINFO),
		     message_item_find("IPV6_PKTINFO"));
}
