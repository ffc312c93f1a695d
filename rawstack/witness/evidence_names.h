/* SPDX-License-Identifier: MIT */
/* evidence_names.h - the words of the saved form that writer and reader share; not for anybody else
 */
#ifndef RAWSTACK_WITNESS_EVIDENCE_NAMES_H
#define RAWSTACK_WITNESS_EVIDENCE_NAMES_H

#include "evidence.h"

#include <netinet/in.h>

#define EVIDENCE_FORMAT "dualwire-evidence"
enum { EVIDENCE_FORMAT_VERSION = 1 };

/* A word and its value; tables end with a NULL word. */
struct named_value {
	const char *name;
	uint32_t value;
};

static const struct named_value EVIDENCE_PROBLEMS[] = {
	{"truncated", FRAME_TRUNCATED},
	{"malformed", FRAME_MALFORMED},
	{"bad_checksum", FRAME_BAD_CHECKSUM},
	{"exthdr_limit", FRAME_EXTHDR_LIMIT},
	{"unparsed", FRAME_UNPARSED},
	{"superframe", FRAME_SUPERFRAME},
	{"checksum_unchecked", FRAME_CSUM_UNCHECKED},
	{"no_checksum", FRAME_NO_CHECKSUM},
	{NULL, 0},
};

static const struct named_value EVIDENCE_TCP_FLAGS[] = {
	{"SYN", TCP_SYN}, {"ACK", TCP_ACK}, {"PSH", TCP_PSH}, {"FIN", TCP_FIN},
	{"RST", TCP_RST}, {"URG", TCP_URG}, {NULL, 0},
};

static const struct named_value EVIDENCE_FAMILIES[] = {
	{"AF_INET", AF_INET},
	{"AF_INET6", AF_INET6},
	{NULL, 0},
};

static const struct named_value EVIDENCE_PROTOS[] = {
	{"tcp", IPPROTO_TCP},
	{"udp", IPPROTO_UDP},
	{NULL, 0},
};

static inline const char *named_value_name(const struct named_value *table, uint32_t value)
{
	while (table->name && table->value != value)
		table++;
	return table->name;
}

#endif
