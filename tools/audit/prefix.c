/* SPDX-License-Identifier: MIT */
/* prefix.c - access rules, and the clients at their edges */
#include "prefix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { V4_AT = 96 }; /* where the IPv4 address begins in the sixteen bytes, in bits */

static bool bit_at(const struct addr *a, unsigned int i)
{
	return a->b[i / 8] & (0x80 >> i % 8);
}

/* Length over all sixteen bytes. */
static unsigned int full_len(const struct audit_rule *r)
{
	return r->len + (addr_is_mapped(&r->addr) ? V4_AT : 0U);
}

/* Sets all bits from @len on. */
static struct addr fill(struct addr a, unsigned int len, bool ones)
{
	for (unsigned int i = len; i < 128; i++) {
		uint8_t mask = (uint8_t)(0x80 >> i % 8);

		a.b[i / 8] = (uint8_t)(ones ? a.b[i / 8] | mask : a.b[i / 8] & ~mask);
	}
	return a;
}

/* The next address up or down; wraps around. */
static struct addr step(struct addr a, bool up)
{
	for (int i = 15; i >= 0; i--) {
		a.b[i] = (uint8_t)(up ? a.b[i] + 1 : a.b[i] - 1);
		if (a.b[i] != (up ? 0 : 0xff))
			break;
	}
	return a;
}

/* The lab's own network, whose first and last address mean the network and everybody in it. */
static bool is_lab_edge(const uint8_t *v4)
{
	return v4[0] == 198 && v4[1] == 51 && v4[2] == 100 && (v4[3] == 0 || v4[3] == 255);
}

static bool is_server(const struct addr *a)
{
	static const uint8_t net4[4] = {198, 51, 100, 0};
	static const uint8_t net6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1};
	const uint8_t *v4 = addr_v4(a);
	bool local = v4 ? memcmp(v4, net4, 3) == 0 : memcmp(a->b, net6, 15) == 0;

	return local && (a->b[15] == 2 || a->b[15] == 3);
}

bool rule_client_possible(const struct addr *a)
{
	const uint8_t *v4 = addr_v4(a);

	if (is_server(a))
		return false;
	if (v4)
		return v4[0] != 0 && v4[0] != 127 && v4[0] < 224 && !is_lab_edge(v4);
	/* Global unicast and ULA: not ::/8 (::1, compat), not fe80::/9, not multicast. */
	return (a->b[0] & 0xe0) == 0x20 || (a->b[0] & 0xfe) == 0xfc;
}

int rule_parse(const char *text, bool forbid, struct audit_rule *out)
{
	const char *slash = strchr(text, '/');
	char addr[ADDR_STRLEN];
	struct audit_rule r = {.forbid = forbid};
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	enum addr_form form;
	long len;
	char *end;

	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (addr_parse(addr, &r.addr, &form) < 0)
		return -EINVAL;
	len = form == ADDR_FORM_INET ? 32 : 128;
	if (slash) {
		long given = strtol(slash + 1, &end, 10);

		if (slash[1] < '0' || slash[1] > '9' || *end || given > len)
			return -EINVAL;
		len = given;
	}
	if (form == ADDR_FORM_INET6 && addr_is_mapped(&r.addr)) {
		if (len < V4_AT)
			return -EINVAL;
		len -= V4_AT;
	}
	r.len = (uint8_t)len;
	for (unsigned int i = full_len(&r); i < 128; i++)
		if (bit_at(&r.addr, i))
			return -EDOM;
	if (len == (addr_is_mapped(&r.addr) ? 32 : 128) && !rule_client_possible(&r.addr))
		return -EADDRNOTAVAIL;
	*out = r;
	return 0;
}

bool rule_covers(const struct audit_rule *r, const struct addr *a)
{
	unsigned int len = full_len(r);

	/* ::/0 means IPv6; it has the same bits as all of IPv4 and does not mean it. */
	if (addr_is_mapped(a) != addr_is_mapped(&r->addr))
		return false;
	for (unsigned int i = 0; i < len; i++)
		if (bit_at(a, i) != bit_at(&r->addr, i))
			return false;
	return true;
}

const struct audit_rule *rules_find(const struct audit_rule *list, size_t n, const struct addr *a)
{
	const struct audit_rule *best = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!rule_covers(&list[i], a))
			continue;
		if (!best || list[i].len > best->len ||
		    (list[i].len == best->len && list[i].forbid))
			best = &list[i];
	}
	return best;
}

size_t rule_clients(const struct audit_rule *r, struct addr out[RULE_CLIENTS])
{
	unsigned int len = full_len(r);
	struct addr first = fill(r->addr, len, false), last = fill(r->addr, len, true);
	struct addr list[RULE_CLIENTS];
	size_t n = 0;

	/* An edge that no client can have: its neighbour inside is the next best. */
	list[0] = rule_client_possible(&first) ? first : step(first, true);
	list[1] = rule_client_possible(&last) ? last : step(last, false);
	list[2] = step(first, false);
	list[3] = step(last, true);
	for (int i = 0; i < RULE_CLIENTS; i++) {
		bool inside = i < 2;

		if (!rule_client_possible(&list[i]) || rule_covers(r, &list[i]) != inside ||
		    addr_is_mapped(&list[i]) != addr_is_mapped(&r->addr) ||
		    (i == 1 && addr_eq(&list[0], &list[1])))
			continue;
		out[n++] = list[i];
	}
	return n;
}

const char *rule_text(const struct audit_rule *r, char *buf)
{
	bool whole = r->len == (addr_is_mapped(&r->addr) ? 32 : 128);
	char addr[ADDR_STRLEN];

	addr_print(&r->addr, ADDR_FORM_INET, addr);
	if (whole)
		snprintf(buf, RULE_TEXT, "%s", addr);
	else
		snprintf(buf, RULE_TEXT, "%s/%u", addr, r->len);
	return buf;
}
