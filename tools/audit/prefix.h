/* SPDX-License-Identifier: MIT */
/* prefix.h - access rules as their author gave them, and the clients that show whether they hold */
#ifndef TOOLS_AUDIT_PREFIX_H
#define TOOLS_AUDIT_PREFIX_H

#include "../../rawstack/addr.h"

/* "--forbid 198.51.100.0/24" */
struct audit_rule {
	struct addr addr;
	uint8_t len; /* of an IPv4 one 0..32, of an IPv6 one 0..128 */
	bool forbid;
};

enum { RULE_TEXT = 64, RULE_CLIENTS = 4 };

/*
 * Reads "ADDRESS" or "ADDRESS/LENGTH"; bits beyond the length must be 0. IPv4 may be written mapped
 * ("::ffff:198.51.100.9/128"), that is the same rule. Returns 0; -EINVAL malformed; -EDOM bits
 * beyond the length; -EADDRNOTAVAIL no address that a client on another host can have.
 */
int rule_parse(const char *text, bool forbid, struct audit_rule *out);

bool rule_covers(const struct audit_rule *r, const struct addr *a);

/* The last word on @a: the longest prefix wins, then forbid. NULL: no rule. */
const struct audit_rule *rules_find(const struct audit_rule *list, size_t n, const struct addr *a);

/*
 * Addresses that show where @r begins and ends: the first and last one inside and the ones just
 * outside, without those a client cannot have. Returns how many were put into @out.
 */
size_t rule_clients(const struct audit_rule *r, struct addr out[RULE_CLIENTS]);

/* Can a client in the lab have this address? Not the server's, no broadcast, loopback, multicast.
 */
bool rule_client_possible(const struct addr *a);

/* "198.51.100.0/24" in @buf of RULE_TEXT bytes. Returns @buf. */
const char *rule_text(const struct audit_rule *r, char *buf);

#endif
