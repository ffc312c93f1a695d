/* SPDX-License-Identifier: MIT */
/* addr.c - text, sockaddr and hash forms of addresses and endpoints */
#include "addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

int addr_parse(const char *text, struct addr *a, enum addr_form *form)
{
	uint8_t bytes[16];
	enum addr_form written;

	if (inet_pton(AF_INET, text, bytes) == 1) {
		*a = addr_from_v4(bytes);
		written = ADDR_FORM_INET;
	} else if (inet_pton(AF_INET6, text, bytes) == 1) {
		*a = addr_from_v6(bytes);
		written = ADDR_FORM_INET6;
	} else {
		return -EINVAL;
	}
	if (form)
		*form = written;
	return 0;
}

const char *addr_print(const struct addr *a, enum addr_form form, char *buf)
{
	const uint8_t *v4 = form == ADDR_FORM_INET ? addr_v4(a) : NULL;
	const char *text = v4 ? inet_ntop(AF_INET, v4, buf, ADDR_STRLEN)
			      : inet_ntop(AF_INET6, a->b, buf, ADDR_STRLEN);

	assert(text);
	return text;
}

/* Decimal digits and nothing else. Returns 0, -EINVAL, or -ERANGE above @max; @value only on 0. */
static int decimal_parse(const char *text, uint32_t max, uint32_t *value)
{
	uint64_t n = 0;

	if (*text == '\0')
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		/* Kept just above @max, so that any number of digits cannot wrap. */
		n = n * 10 + (uint64_t)(*text - '0');
		if (n > max)
			n = (uint64_t)max + 1;
	}
	if (n > max)
		return -ERANGE;
	*value = (uint32_t)n;
	return 0;
}

int port_parse(const char *text, uint16_t *port)
{
	uint32_t value;
	int rc = decimal_parse(text, UINT16_MAX, &value);

	if (rc < 0)
		return rc;
	if (value == 0)
		return -ERANGE;
	*port = (uint16_t)value;
	return 0;
}

bool addr_takes_zone(const struct addr *a)
{
	uint8_t scope = a->b[1] & 0x0f;

	if (a->b[0] == 0xff)
		return scope == 1 || scope == 2;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* A name wins over an index, because an interface may be named "3". */
static int zone_parse(const char *zone, uint32_t *scope)
{
	uint32_t index;

	if (*zone == '\0')
		return -EINVAL;
	index = if_nametoindex(zone);
	if (index == 0) {
		char name[IF_NAMESIZE];

		if (errno != ENODEV)
			return -errno;
		if (decimal_parse(zone, INT32_MAX, &index) < 0 || !if_indextoname(index, name))
			return -ENODEV;
	}
	*scope = index;
	return 0;
}

/* @host: the inside of the brackets, modified. */
static int bracketed_parse(char *host, struct endpoint *ep, enum addr_form *form)
{
	char *zone = strchr(host, '%');

	if (zone)
		*zone++ = '\0';
	if (addr_parse(host, &ep->addr, form) < 0 || *form != ADDR_FORM_INET6)
		return -EINVAL;
	if (!zone)
		return 0;
	if (!addr_takes_zone(&ep->addr))
		return -EINVAL;
	return zone_parse(zone, &ep->scope);
}

int endpoint_parse(const char *text, struct endpoint *ep, enum addr_form *form)
{
	const char *colon = strrchr(text, ':');
	char host[ENDPOINT_STRLEN];
	struct endpoint parsed = {0};
	enum addr_form written;
	size_t len;
	int rc;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	len = (size_t)(colon - text);
	memcpy(host, text, len);
	host[len] = '\0';

	if (host[0] == '[') {
		if (host[len - 1] != ']')
			return -EINVAL;
		host[len - 1] = '\0';
		rc = bracketed_parse(host + 1, &parsed, &written);
	} else {
		rc = addr_parse(host, &parsed.addr, &written);
		/* Without brackets nothing tells the last group of an address from a port. */
		if (rc == 0 && written != ADDR_FORM_INET)
			rc = -EINVAL;
	}
	if (rc < 0)
		return rc;
	rc = port_parse(colon + 1, &parsed.port);
	if (rc < 0)
		return rc;
	*ep = parsed;
	if (form)
		*form = written;
	return 0;
}

const char *endpoint_print(const struct endpoint *ep, enum addr_form form, char *buf)
{
	char host[ADDR_STRLEN];

	addr_print(&ep->addr, form, host);
	if (form == ADDR_FORM_INET && addr_is_mapped(&ep->addr))
		snprintf(buf, ENDPOINT_STRLEN, "%s:%u", host, ep->port);
	else if (ep->scope)
		snprintf(buf, ENDPOINT_STRLEN, "[%s%%%u]:%u", host, ep->scope, ep->port);
	else
		snprintf(buf, ENDPOINT_STRLEN, "[%s]:%u", host, ep->port);
	return buf;
}

static int from_sockaddr_in(const struct sockaddr *sa, socklen_t len, struct endpoint *ep)
{
	struct sockaddr_in sin;

	if (len < sizeof(sin))
		return -EINVAL;
	memcpy(&sin, sa, sizeof(sin));
	*ep = (struct endpoint){
		.addr = addr_from_v4((const uint8_t *)&sin.sin_addr),
		.port = ntohs(sin.sin_port),
	};
	return AF_INET;
}

static int from_sockaddr_in6(const struct sockaddr *sa, socklen_t len, struct endpoint *ep)
{
	struct sockaddr_in6 sin6;

	if (len < sizeof(sin6))
		return -EINVAL;
	memcpy(&sin6, sa, sizeof(sin6));
	*ep = (struct endpoint){
		.addr = addr_from_v6(sin6.sin6_addr.s6_addr),
		.scope = sin6.sin6_scope_id,
		.port = ntohs(sin6.sin6_port),
	};
	return AF_INET6;
}

int endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct endpoint *ep)
{
	sa_family_t family;

	if (len < sizeof(family))
		return -EINVAL;
	memcpy(&family, sa, sizeof(family));
	switch (family) {
	case AF_INET:
		return from_sockaddr_in(sa, len, ep);
	case AF_INET6:
		return from_sockaddr_in6(sa, len, ep);
	default:
		return -EAFNOSUPPORT;
	}
}

int endpoint_to_sockaddr(const struct endpoint *ep, int family, struct sockaddr_storage *ss)
{
	const uint8_t *v4 = addr_v4(&ep->addr);
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(ep->port)};
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(ep->port),
		.sin6_scope_id = ep->scope,
	};

	if (family != AF_INET6 && (family != AF_INET || !v4))
		return -EAFNOSUPPORT;
	memset(ss, 0, sizeof(*ss));
	if (family == AF_INET) {
		memcpy(&sin.sin_addr, v4, 4);
		memcpy(ss, &sin, sizeof(sin));
		return sizeof(sin);
	}
	memcpy(&sin6.sin6_addr, ep->addr.b, 16);
	memcpy(ss, &sin6, sizeof(sin6));
	return sizeof(sin6);
}
