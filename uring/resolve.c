/* SPDX-License-Identifier: MIT */
/* resolve.c - names to candidate addresses by getaddrinfo */
#include "resolve.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

/*
 * AI_ADDRCONFIG is not used: on a host without a native IPv6 address it makes AF_INET6 with
 * AI_V4MAPPED find nothing at all, and loopback names vanish on a host with loopback only.
 */
static int query_flags(const struct resolve_query *q)
{
	int flags = AI_NUMERICSERV;

	if (q->mapped)
		flags |= AI_V4MAPPED;
	if (q->all)
		flags |= AI_ALL;
	if (q->passive)
		flags |= AI_PASSIVE;
	if (q->numeric)
		flags |= AI_NUMERICHOST;
	else if (q->host != NULL)
		flags |= AI_CANONNAME;
	return flags;
}

static bool is_known(const struct resolve_result *r, const struct candidate *c)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->list[i].family == c->family && endpoint_eq(&r->list[i].ep, &c->ep) &&
		    r->list[i].ep.scope == c->ep.scope)
			return true;
	}
	return false;
}

/* A hosts file may list an address twice: once is enough. */
static void add_candidate(struct resolve_result *r, const struct addrinfo *ai)
{
	struct candidate c = {.family = ai->ai_family};

	if (endpoint_from_sockaddr(ai->ai_addr, ai->ai_addrlen, &c.ep) < 0 || is_known(r, &c))
		return;
	if (r->n == RESOLVE_MAX)
		r->more = true;
	else
		r->list[r->n++] = c;
}

int resolve(const struct resolve_query *q, struct resolve_result *out)
{
	struct addrinfo hints = {
		.ai_family = q->family, .ai_socktype = q->socktype, .ai_flags = query_flags(q)};
	struct addrinfo *list;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = getaddrinfo(q->host, q->port, &hints, &list);
	if (rc != 0)
		return rc;
	/* Only the first entry carries the canonical name. */
	if (list->ai_canonname != NULL)
		snprintf(out->canon, sizeof(out->canon), "%s", list->ai_canonname);
	for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next)
		add_candidate(out, ai);
	freeaddrinfo(list);
	return out->n > 0 ? 0 : EAI_NONAME;
}
