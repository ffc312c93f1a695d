/* SPDX-License-Identifier: MIT */
/* value.c - what a case file writes for addresses, numbers and names, and how it is compared */
#include "value.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

struct name {
	const char *name, *text;
};

static const struct name NAMES[] = {
	{"C4", "198.51.100.1"},	      {"C6", "2001:db8:1::1"},
	{"S4", "198.51.100.2"},	      {"S4b", "198.51.100.3"},
	{"S6", "2001:db8:1::2"},      {"S6b", "2001:db8:1::3"},
	{"any4", "0.0.0.0"},	      {"any6", "::"},
	{"lo4", "127.0.0.1"},	      {"lo6", "::1"},
	{"bcast4", "198.51.100.255"}, {"all4", "255.255.255.255"},
	{"group4", "224.0.0.251"},    {"group6", "ff02::fb"},
};

struct form {
	const char *name;
	uint8_t prefix[12];
};

static const struct form FORMS[] = {
	{"m", {[10] = 0xff, [11] = 0xff}},
	{"compat", {0}},
	{"siit", {[8] = 0xff, [9] = 0xff}},
	{"nat64", {0x00, 0x64, 0xff, 0x9b}},
};

static int parse_plain(const char *text, struct case_addr *a, const char **why)
{
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		if (strcmp(text, NAMES[i].name) == 0)
			text = NAMES[i].text;
	*why = "no address, and no name of one (C4 C6 S4 S4b S6 S6b any4 any6 lo4 lo6 bcast4)";
	return addr_parse(text, &a->addr, &a->form);
}

/* "m(S4)": the bytes of an IPv4 address behind a prefix. */
static int parse_form(const char *text, const char *open, struct case_addr *a, const char **why)
{
	size_t n = strlen(open);
	char inner[ADDR_STRLEN];
	const uint8_t *v4;

	if (n < 3 || n - 2 >= sizeof(inner) || open[n - 1] != ')') {
		*why = "the bracket is not closed";
		return -EINVAL;
	}
	memcpy(inner, open + 1, n - 2);
	inner[n - 2] = '\0';
	if (parse_plain(inner, a, why) < 0)
		return -EINVAL;
	*why = "only an IPv4 address can be put into another form";
	v4 = a->form == ADDR_FORM_INET ? addr_v4(&a->addr) : NULL;
	for (size_t i = 0; v4 && i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
		if (strlen(FORMS[i].name) != (size_t)(open - text) ||
		    strncmp(text, FORMS[i].name, (size_t)(open - text)) != 0)
			continue;
		memcpy(a->addr.b, FORMS[i].prefix, sizeof(FORMS[i].prefix));
		a->form = ADDR_FORM_INET6;
		return 0;
	}
	if (v4)
		*why = "the forms are m(), compat(), siit() and nat64()";
	return -EINVAL;
}

static int parse_scope(const char *text, struct case_addr *a, const char **why)
{
	int64_t n;

	*why = "behind % stands 'link' or a number";
	if (strcmp(text, "link") == 0) {
		a->scope = SCOPE_LINK;
		return 0;
	}
	if (case_number_parse(text, &n) < 0 || n < 0 || n > INT32_MAX)
		return -EINVAL;
	a->scope = SCOPE_NUMBER;
	a->scope_number = (uint32_t)n;
	return 0;
}

/* The address without its port, in a buffer that may be cut. */
static int parse_host(char *text, struct case_addr *a, const char **why)
{
	char *percent = strchr(text, '%'), *open = strchr(text, '(');

	if (percent) {
		*percent = '\0';
		if (parse_scope(percent + 1, a, why) < 0)
			return -EINVAL;
	}
	return open ? parse_form(text, open, a, why) : parse_plain(text, a, why);
}

int case_addr_parse(const char *text, struct case_addr *a, const char **why)
{
	char host[VALUE_TEXT];
	char *port = NULL;
	size_t n = strlen(text);

	*a = (struct case_addr){0};
	*why = "too long for an address";
	if (n == 0 || n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n + 1);
	if (host[0] == '[') {
		char *close = strchr(host, ']');

		*why = "the bracket is not closed, or something else than :PORT follows it";
		if (!close || (close[1] && close[1] != ':'))
			return -EINVAL;
		port = close[1] ? close + 2 : NULL;
		*close = '\0';
		memmove(host, host + 1, strlen(host));
	} else if (strchr(host, ':') == strrchr(host, ':') && strchr(host, ':')) {
		port = strchr(host, ':') + 1;
		port[-1] = '\0';
	}
	if (parse_host(host, a, why) < 0)
		return -EINVAL;
	a->has_port = port != NULL;
	*why = "a port is P, P+1 to P+7, a number, or * for none";
	return port ? case_port_parse(port, &a->port) : 0;
}

int case_port_parse(const char *text, struct case_port *p)
{
	int64_t n = 0;

	*p = (struct case_port){0};
	if (strcmp(text, "*") == 0)
		return 0;
	if (text[0] == 'P') {
		p->own = true;
		if (text[1] && (text[1] != '+' || case_number_parse(text + 2, &n) < 0))
			return -EINVAL;
		if (n < 0 || n >= CASE_PORTS)
			return -EINVAL;
	} else if (case_number_parse(text, &n) < 0 || n < 0 || n > UINT16_MAX) {
		return -EINVAL;
	}
	p->number = (uint16_t)n;
	return 0;
}

int case_number_parse(const char *text, int64_t *n)
{
	char *end;
	long long value;

	if (!strchr("-0123456789", text[0]) || !text[0])
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10);
	if (errno || *end || end == text)
		return -EINVAL;
	*n = value;
	return 0;
}

int case_value_parse(const char *text, struct case_value *v)
{
	const char *why;

	*v = (struct case_value){.kind = VALUE_NUMBER};
	if ((text[0] == '!' || text[0] == '>') && case_number_parse(text + 1, &v->number) == 0) {
		v->relation = text[0] == '!' ? VALUE_OTHER : VALUE_ABOVE;
		return 0;
	}
	if (case_number_parse(text, &v->number) == 0)
		return 0;
	if (case_addr_parse(text, &v->addr, &why) == 0) {
		v->kind = VALUE_ADDR;
		return 0;
	}
	v->kind = VALUE_WORD;
	if (strlen(text) >= sizeof(v->word))
		return -EINVAL;
	memcpy(v->word, text, strlen(text) + 1);
	return 0;
}

struct endpoint case_addr_endpoint(const struct case_addr *a, uint16_t base, uint32_t link)
{
	struct endpoint ep = {.addr = a->addr};

	if (a->scope != SCOPE_NONE)
		ep.scope = a->scope == SCOPE_LINK ? link : a->scope_number;
	if (a->has_port)
		ep.port = case_port_number(&a->port, base);
	return ep;
}

struct case_value value_of_endpoint(const struct endpoint *ep, int family, bool port)
{
	struct case_value v = {.kind = VALUE_ADDR};

	v.addr.addr = ep->addr;
	v.addr.form = family == AF_INET ? ADDR_FORM_INET : ADDR_FORM_INET6;
	v.addr.scope = ep->scope ? SCOPE_NUMBER : SCOPE_NONE;
	v.addr.scope_number = ep->scope;
	v.addr.has_port = port;
	v.addr.port.number = ep->port;
	return v;
}

struct case_value value_of_number(int64_t n)
{
	return (struct case_value){.kind = VALUE_NUMBER, .number = n};
}

struct case_value value_of_word(const char *word)
{
	struct case_value v = {.kind = VALUE_WORD};

	snprintf(v.word, sizeof(v.word), "%s", word);
	return v;
}

static bool addr_meets(const struct case_addr *want, const struct case_addr *got, uint16_t base)
{
	if (!addr_eq(&want->addr, &got->addr) || want->form != got->form)
		return false;
	if (want->scope == SCOPE_NUMBER && want->scope_number != got->scope_number)
		return false;
	/* Which index "the link" has depends on who looks: that there is one is what counts. */
	if (want->scope == SCOPE_LINK && got->scope_number == 0)
		return false;
	return !want->has_port || (got->has_port && case_port_number(&want->port, base) ==
							    case_port_number(&got->port, base));
}

bool case_value_meets(const struct case_value *want, const struct case_value *got, uint16_t base)
{
	if (want->kind != got->kind)
		return false;
	switch (want->kind) {
	case VALUE_NUMBER:
		if (want->relation == VALUE_ABOVE)
			return got->number > want->number;
		return (got->number == want->number) == (want->relation == VALUE_EQUAL);
	case VALUE_ADDR:
		return addr_meets(&want->addr, &got->addr, base);
	default:
		return strcmp(want->word, got->word) == 0;
	}
}

static void print_addr(const struct case_addr *a, uint16_t base, char *buf)
{
	char text[ADDR_STRLEN];
	size_t n;

	addr_print(&a->addr, a->form, text);
	n = (size_t)snprintf(buf, VALUE_TEXT, "%s", text);
	if (a->scope == SCOPE_LINK)
		n += (size_t)snprintf(buf + n, VALUE_TEXT - n, "%%link");
	else if (a->scope == SCOPE_NUMBER)
		n += (size_t)snprintf(buf + n, VALUE_TEXT - n, "%%%u", a->scope_number);
	if (a->has_port)
		snprintf(buf + n, VALUE_TEXT - n, " port %u", case_port_number(&a->port, base));
}

const char *case_value_print(const struct case_value *v, uint16_t base, char *buf)
{
	static const char *const before[] = {
		[VALUE_EQUAL] = "", [VALUE_OTHER] = "not ", [VALUE_ABOVE] = "more than "};

	if (v->kind == VALUE_ADDR)
		print_addr(&v->addr, base, buf);
	else if (v->kind == VALUE_NUMBER)
		snprintf(buf, VALUE_TEXT, "%s%lld", before[v->relation], (long long)v->number);
	else
		snprintf(buf, VALUE_TEXT, "%s", v->kind == VALUE_WORD ? v->word : "nothing");
	return buf;
}
