/* SPDX-License-Identifier: MIT */
/* dispatch_ask.c - the kernel's own look-up, asked where the rules leave something open */
#include "dispatch.h"

#include <errno.h>

enum { PROBES = 32, PROBE_PORT = 1024, PROBE_STEP = 257 };

/* The look-up of the @k-th connection as @a, from a peer that exists nowhere. */
static int look_up(struct sockdiag *sd, const struct dispatch_arrival *a, unsigned int k,
		   struct sockdiag_entry *e)
{
	static const uint8_t v4[4] = {198, 51, 100, 254};
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xfe, [15] = 1};
	bool ipv6 = !addr_is_mapped(&a->dst.addr);
	struct endpoint peer = {.addr = ipv6 ? addr_from_v6(v6) : addr_from_v4(v4),
				.port = (uint16_t)(PROBE_PORT + PROBE_STEP * k)};

	return sockdiag_get(sd, a->proto, ipv6 ? AF_INET6 : AF_INET, &a->dst, &peer, e);
}

/* Keeps of the exceptions those that the kernel confirms. */
static int ask_exceptions(struct sockdiag *sd, const struct sockdiag_entry *list,
			  struct dispatch_service *s)
{
	size_t kept = 0;

	for (size_t k = 0; k < s->n_except; k++) {
		struct dispatch_except x = s->except[k];
		struct sockdiag_entry e;
		bool its = false;

		/* A group's members take turns, so one look-up may find another. */
		for (unsigned int i = 0; i < PROBES && !its; i++) {
			int rc = look_up(sd, &x.sample, i, &e);

			if (rc < 0 && rc != -ENOENT)
				return rc;
			its = rc == 0 && e.cookie == list[x.who].cookie;
		}
		if (!its && x.certain)
			return 0;
		x.certain = true;
		if (its)
			s->except[kept++] = x;
	}
	s->n_except = kept;
	return 1;
}

int dispatch_ask(struct sockdiag *sd, const struct sockdiag_entry *list, size_t n, size_t i,
		 struct dispatch_service *s)
{
	uint64_t cookies[PROBES];
	size_t found = 0;

	if (s->reason != DISPATCH_TAKES_IT && s->reason != DISPATCH_RIVAL)
		return 1;
	for (unsigned int k = 0; k < PROBES; k++) {
		struct sockdiag_entry e;
		int rc = look_up(sd, &s->sample, k, &e);

		if (rc < 0 && rc != -ENOENT)
			return rc;
		if (rc == 0)
			cookies[found++] = e.cookie;
	}
	if (!dispatch_settle(list, n, i, cookies, found, s))
		return 0;
	return ask_exceptions(sd, list, s);
}
