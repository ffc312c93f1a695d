/* SPDX-License-Identifier: MIT */
/* value.h - what a case file writes for addresses, numbers and names, and how it is compared */
#ifndef TOOLS_LAB_VALUE_H
#define TOOLS_LAB_VALUE_H

#include "../../rawstack/addr.h"

/*
 * Addresses have names, so that a case reads like the truth table: C4, C6 are the client's; S4, S6
 * the server's first, S4b, S6b its second ones; any4, any6, lo4, lo6. Around them: m(A) the
 * IPv4-mapped form, compat(A) ::a.b.c.d, siit(A) ::ffff:0:a.b.c.d, nat64(A) 64:ff9b::a.b.c.d.
 * Literals work as well, IPv6 in brackets where a port follows.
 *
 * How it is written says which sockaddr a call is given: a plain IPv4 address is a sockaddr_in,
 * everything else a sockaddr_in6.
 *
 * Ports: P is the first of the CASE_PORTS server ports that a case has to itself, P+1 the next; a
 * number is itself; * is 0, "any".
 */
enum { CASE_PORTS = 8, VALUE_TEXT = 96 };

struct case_port {
	bool own; /* number counts from the case's first port */
	uint16_t number;
};

enum case_scope { SCOPE_NONE, SCOPE_LINK, SCOPE_NUMBER };

struct case_addr {
	struct addr addr;
	enum addr_form form;
	enum case_scope scope; /* "%link": the index of the socket's own end of the cable */
	uint32_t scope_number;
	bool has_port;
	struct case_port port;
};

enum value_kind { VALUE_NONE, VALUE_NUMBER, VALUE_WORD, VALUE_ADDR };
enum value_relation { VALUE_EQUAL, VALUE_OTHER, VALUE_ABOVE }; /* 5, !5, >5 */

struct case_value {
	enum value_kind kind;
	enum value_relation relation;
	int64_t number;
	char word[VALUE_TEXT];
	struct case_addr addr;
};

/*
 * Reads "m(S4):P", "[::]:P+1", "S6b", "fe80::2%link", … Returns 0, or -EINVAL with @why pointing at
 * a static text that says what is wrong.
 */
int case_addr_parse(const char *text, struct case_addr *a, const char **why);

/* Reads "P", "P+3", "53", "*". Returns 0 or -EINVAL. */
int case_port_parse(const char *text, struct case_port *p);

/* Reads a decimal or 0x number, with a sign. Returns 0 or -EINVAL. */
int case_number_parse(const char *text, int64_t *n);

/* Reads whatever it is: an address, a number (with ! or > before it), else a word. Returns 0, or
 * -EINVAL for a word that is too long. */
int case_value_parse(const char *text, struct case_value *v);

static inline uint16_t case_port_number(const struct case_port *p, uint16_t base)
{
	return p->own ? (uint16_t)(base + p->number) : p->number;
}

/* With the case's first port and the interface index that %link stands for. */
struct endpoint case_addr_endpoint(const struct case_addr *a, uint16_t base, uint32_t link);

/* What a call returned, as a value: without a port when @port is false. */
struct case_value value_of_endpoint(const struct endpoint *ep, int family, bool port);
struct case_value value_of_number(int64_t n);
struct case_value value_of_word(const char *word);

/* Does @got meet @want? Of addresses the form counts too, ports and scopes where @want has them. */
bool case_value_meets(const struct case_value *want, const struct case_value *got, uint16_t base);

/* "::ffff:198.51.100.2 port 7000", "5", "not 5"; into @buf of VALUE_TEXT bytes, returns @buf. */
const char *case_value_print(const struct case_value *v, uint16_t base, char *buf);

#endif
