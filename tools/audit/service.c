/* SPDX-License-Identifier: MIT */
/* service.c - listening sockets, and the services they make */
#include "service.h"

#include "../../rawstack/netlink/dispatch.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a dump puts what it finds. */
struct collector {
	struct listeners *l;
	uint16_t auto_first, auto_last;
};

static bool is_listener(const struct sockdiag_entry *e, const struct collector *c)
{
	bool automatic = e->src.port >= c->auto_first && e->src.port <= c->auto_last;

	return dispatch_waits(e) && !(e->proto == IPPROTO_UDP && automatic);
}

static void collect(const struct sockdiag_entry *e, void *arg)
{
	struct collector *c = arg;

	if (!is_listener(e, c))
		return;
	if (c->l->n < LISTENERS_MAX)
		c->l->list[c->l->n++] = *e;
	else
		c->l->unlisted++;
}

/* What a client can tell of two listeners: < 0, 0, > 0. */
static int compare(const struct sockdiag_entry *a, const struct sockdiag_entry *b)
{
	if (a->proto != b->proto)
		return a->proto - b->proto;
	if (a->src.port != b->src.port)
		return a->src.port - b->src.port;
	if (a->family != b->family)
		return a->family - b->family;
	if (a->v6only != b->v6only)
		return a->v6only - b->v6only;
	if (a->ifindex != b->ifindex)
		return a->ifindex < b->ifindex ? -1 : 1;
	return memcmp(a->src.addr.b, b->src.addr.b, sizeof(a->src.addr.b));
}

static int compare_for_sort(const void *a, const void *b)
{
	return compare(a, b);
}

int listeners_read(struct sockdiag *sd, uint16_t auto_first, uint16_t auto_last,
		   struct listeners *out)
{
	static const int protos[] = {IPPROTO_TCP, IPPROTO_UDP}, families[] = {AF_INET, AF_INET6};
	struct collector c = {.l = out, .auto_first = auto_first, .auto_last = auto_last};

	out->n = 0;
	out->unlisted = 0;
	for (int p = 0; p < 2; p++) {
		for (int f = 0; f < 2; f++) {
			int ret = sockdiag_dump(sd, protos[p], families[f], 0, collect, &c);

			if (ret < 0)
				return ret;
		}
	}
	qsort(out->list, out->n, sizeof(out->list[0]), compare_for_sort);
	return 0;
}

bool listeners_equal(const struct listeners *a, const struct listeners *b)
{
	if (a->n != b->n || a->unlisted != b->unlisted)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (compare(&a->list[i], &b->list[i]) != 0)
			return false;
	return true;
}

const char *listener_text(const struct sockdiag_entry *e, char *buf)
{
	bool any = addr_eq(&e->src.addr, &ADDR_ANY6);
	char at[ENDPOINT_STRLEN];

	endpoint_print(&e->src, e->family == AF_INET ? ADDR_FORM_INET : ADDR_FORM_INET6, at);
	snprintf(buf, LISTENER_TEXT, "%s %s%s", e->proto == IPPROTO_TCP ? "TCP" : "UDP", at,
		 !any		  ? ""
		 : e->v6only == 0 ? " (IPv6 and IPv4)"
				  : " (IPv6 only)");
	return buf;
}

static bool is_loopback(const struct addr *a)
{
	static const struct addr loopback6 = {{[15] = 1}};
	const uint8_t *v4 = addr_v4(a);

	return v4 ? v4[0] == 127 : addr_eq(a, &loopback6);
}

/* Adds the families that one listener takes from other hosts. */
static void add_families(struct service *s, const struct sockdiag_entry *e)
{
	const struct addr *a = &e->src.addr;

	if (is_loopback(a))
		return;
	if (addr_is_mapped(a))
		s->v4 = true;
	else
		s->v6 = true;
	if (addr_eq(a, &ADDR_ANY6) && e->v6only == 0)
		s->v4 = true;
}

size_t services_of(const struct listeners *l, struct service *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct sockdiag_entry *e = &l->list[i];
		struct service *s = n ? &out[n - 1] : NULL;

		if (!s || s->proto != e->proto || s->port != e->src.port) {
			if (n == max)
				break;
			s = &out[n++];
			*s = (struct service){.proto = e->proto, .port = e->src.port, .first = i};
		}
		s->n++;
		add_families(s, e);
	}
	return n;
}

const struct sockdiag_entry *service_listener(const struct listeners *l, const struct service *s,
					      const struct addr *to, uint32_t ifindex)
{
	struct dispatch_arrival a = {
		.proto = s->proto,
		.dst = {.addr = *to, .port = s->port, .scope = ifindex},
	};
	size_t first;

	return dispatch_find(l->list + s->first, s->n, &a, &first, 1) ? &l->list[s->first + first]
								      : NULL;
}

const char *service_text(const struct service *s, char *buf)
{
	snprintf(buf, SERVICE_TEXT, "%s %u", s->proto == IPPROTO_TCP ? "TCP" : "UDP", s->port);
	return buf;
}
