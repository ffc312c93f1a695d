/* SPDX-License-Identifier: MIT */
/* traces.h - an address in somebody else's text, in whatever form it was written */
#ifndef TOOLS_AUDIT_TRACES_H
#define TOOLS_AUDIT_TRACES_H

#include "../../rawstack/addr.h"

/* How often each form of one address occurs. */
struct trace_forms {
	unsigned int plain;	    /* 198.51.100.1, or a native IPv6 address without a zone */
	unsigned int mapped_dotted; /* ::ffff:198.51.100.1 */
	unsigned int mapped_hex;    /* ::ffff:c633:6401, or all eight groups of it */
	unsigned int scoped;	    /* fe80::1%va, fe80::1%3 */
};

/*
 * Counts @a in @text: any spelling that addr_parse() reads, with or without brackets, zone, or a
 * port after it. An address inside a longer word of its own letters is not counted.
 */
struct trace_forms traces_count(const char *text, size_t len, const struct addr *a);

static inline unsigned int traces_mapped(const struct trace_forms *f)
{
	return f->mapped_dotted + f->mapped_hex;
}

static inline unsigned int traces_all(const struct trace_forms *f)
{
	return f->plain + f->mapped_dotted + f->mapped_hex + f->scoped;
}

#endif
