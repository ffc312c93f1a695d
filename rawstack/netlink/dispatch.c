/* SPDX-License-Identifier: MIT */
/* dispatch.c - which of the sockets on a port gets what arrives there */
#include "dispatch.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

/* How closely a socket's address fits. */
enum fit { FIT_NOT, FIT_ANY, FIT_VERY_ADDRESS };

bool dispatch_waits(const struct sockdiag_entry *e)
{
	return !e->destroyed && e->src.port && !e->dst.port &&
	       e->state == (e->proto == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE);
}

/* Rule 1. */
static enum dispatch_reason takes_family(const struct sockdiag_entry *e, bool ipv6)
{
	if (e->family == AF_INET)
		return ipv6 ? DISPATCH_SOCKET_FAMILY : DISPATCH_TAKES_IT;
	if (addr_is_mapped(&e->src.addr))
		return ipv6 ? DISPATCH_ADDRESS : DISPATCH_TAKES_IT;
	if (ipv6)
		return DISPATCH_TAKES_IT;
	if (!addr_is_any(&e->src.addr))
		return DISPATCH_ADDRESS;
	return e->v6only == 1 ? DISPATCH_V6ONLY : DISPATCH_TAKES_IT;
}

/* Rules 1 and 2. */
static enum fit fit(const struct sockdiag_entry *e, const struct dispatch_arrival *a)
{
	bool ipv6 = !addr_is_mapped(&a->dst.addr);

	if (!dispatch_waits(e) || e->proto != a->proto || e->src.port != a->dst.port ||
	    takes_family(e, ipv6) != DISPATCH_TAKES_IT)
		return FIT_NOT;
	if (e->ifindex && e->ifindex != a->dst.scope)
		return FIT_NOT;
	if (addr_eq(&e->src.addr, &a->dst.addr))
		return FIT_VERY_ADDRESS;
	return addr_is_any(&e->src.addr) ? FIT_ANY : FIT_NOT;
}

bool dispatch_takes(const struct sockdiag_entry *e, const struct dispatch_arrival *a)
{
	return fit(e, a) != FIT_NOT;
}

/* Does @x go before @y whatever options they have? Both take @a. Rules 2 and 3. */
static bool goes_before(const struct sockdiag_entry *x, const struct sockdiag_entry *y,
			const struct dispatch_arrival *a)
{
	enum fit fx = fit(x, a), fy = fit(y, a);

	if (fx != fy)
		return fx > fy;
	return x->family == AF_INET && y->family == AF_INET6 &&
	       (a->proto == IPPROTO_TCP || x->ifindex || !y->ifindex);
}

/* May socket @i get @a? */
static bool may_get(const struct sockdiag_entry *list, size_t n, size_t i,
		    const struct dispatch_arrival *a)
{
	if (fit(&list[i], a) == FIT_NOT)
		return false;
	for (size_t k = 0; k < n; k++)
		if (fit(&list[k], a) != FIT_NOT && goes_before(&list[k], &list[i], a))
			return false;
	return true;
}

bool dispatch_same_group(const struct sockdiag_entry *a, const struct sockdiag_entry *b)
{
	return a->family == b->family && a->proto == b->proto && endpoint_eq(&a->src, &b->src) &&
	       a->v6only == b->v6only && a->ifindex == b->ifindex && a->uid == b->uid;
}

size_t dispatch_find(const struct sockdiag_entry *list, size_t n, const struct dispatch_arrival *a,
		     size_t *may, size_t max)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (!may_get(list, n, i, a))
			continue;
		if (found < max)
			may[found] = i;
		found++;
	}
	return found;
}

/* An address of the family, outside everybody's, that no socket of the list is bound to. */
static struct addr free_address(const struct sockdiag_entry *list, size_t n, bool ipv6)
{
	static const uint8_t v4[4] = {198, 51, 100, 0};
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff};
	struct addr a = ipv6 ? addr_from_v6(v6) : addr_from_v4(v4);
	size_t i = 0;

	while (i < n) {
		for (i = 0; i < n && !addr_eq(&list[i].src.addr, &a); i++)
			;
		if (i < n && ++a.b[15] == 0)
			a.b[14]++;
	}
	return a;
}

/* What would reach @e and, if possible, nobody who is bound closer. */
static struct dispatch_arrival arrival_for(const struct sockdiag_entry *e, struct addr other)
{
	bool any = addr_is_any(&e->src.addr);

	return (struct dispatch_arrival){.proto = e->proto,
					 .dst = {.addr = any ? other : e->src.addr,
						 .scope = e->ifindex,
						 .port = e->src.port}};
}

static bool same_arrival(const struct dispatch_arrival *a, const struct dispatch_arrival *b)
{
	return endpoint_eq(&a->dst, &b->dst) && a->dst.scope == b->dst.scope;
}

static void find_exceptions(const struct sockdiag_entry *list, size_t n, size_t i,
			    struct addr other, struct dispatch_service *out)
{
	for (size_t r = 0; r < n; r++) {
		struct dispatch_arrival a = arrival_for(&list[r], other);

		if (!a.dst.scope)
			a.dst.scope = list[i].ifindex;
		/* What the sample is about was weighed already. */
		if (r == i || addr_is_mapped(&a.dst.addr) != addr_is_mapped(&other) ||
		    same_arrival(&a, &out->sample) || !dispatch_takes(&list[i], &a) ||
		    !may_get(list, n, r, &a))
			continue;
		if (out->n_except == DISPATCH_EXCEPT_MAX) {
			out->except_overflow = true;
			return;
		}
		out->except[out->n_except++] = (struct dispatch_except){
			.who = r, .certain = dispatch_find(list, n, &a, NULL, 0) == 1, .sample = a};
	}
}

/* The share of socket @i among those that may get the same. */
static void weigh(const struct sockdiag_entry *list, size_t n, size_t i,
		  struct dispatch_service *out)
{
	bool others = false;

	for (size_t k = 0; k < n; k++) {
		if (!may_get(list, n, k, &out->sample))
			continue;
		if (dispatch_same_group(&list[k], &list[i]))
			out->group++;
		else
			others = true;
		if (k != i)
			out->rival = k;
	}
	if (others || (out->group > 1 && list[i].proto == IPPROTO_UDP))
		out->share = DISPATCH_UNKNOWN;
	else
		out->share = out->group > 1 ? DISPATCH_PART : DISPATCH_ALL;
}

/* Socket @i gets nothing, since @rival does. */
static void lose_to(struct dispatch_service *out, size_t rival)
{
	out->share = DISPATCH_NOTHING;
	out->reason = DISPATCH_RIVAL;
	out->rival = rival;
	out->n_except = 0;
}

void dispatch_service_of(const struct sockdiag_entry *list, size_t n, size_t i, bool ipv6,
			 struct dispatch_service *out)
{
	struct addr other = free_address(list, n, ipv6);
	const struct sockdiag_entry *e = &list[i];
	size_t first = i;

	assert(i < n && dispatch_waits(e));
	*out = (struct dispatch_service){.reason = takes_family(e, ipv6)};
	if (out->reason != DISPATCH_TAKES_IT)
		return;
	out->sample = arrival_for(e, other);
	if (!may_get(list, n, i, &out->sample)) {
		dispatch_find(list, n, &out->sample, &first, 1);
		lose_to(out, first);
		return;
	}
	weigh(list, n, i, out);
	find_exceptions(list, n, i, other, out);
}

/* The index of the socket with that cookie, @n: there is none. */
static size_t find_cookie(const struct sockdiag_entry *list, size_t n, uint64_t cookie)
{
	size_t i = 0;

	while (i < n && list[i].cookie != cookie)
		i++;
	return i;
}

bool dispatch_settle(const struct sockdiag_entry *list, size_t n, size_t i, const uint64_t *cookies,
		     size_t n_cookies, struct dispatch_service *out)
{
	size_t first = n_cookies ? find_cookie(list, n, cookies[0]) : n;
	bool several = false;

	for (size_t k = 0; k < n_cookies; k++) {
		size_t who = find_cookie(list, n, cookies[k]);

		/* One look-up ends in one group or at one socket. */
		if (who == n || !may_get(list, n, who, &out->sample) ||
		    !dispatch_same_group(&list[who], &list[first]))
			return false;
		several |= who != first;
	}
	if (first == n)
		return false;
	if (out->share != DISPATCH_UNKNOWN)
		return true;
	if (!dispatch_same_group(&list[first], &list[i]) || (!several && first != i))
		lose_to(out, first);
	else
		out->share = several ? DISPATCH_PART : DISPATCH_ALL;
	return true;
}
