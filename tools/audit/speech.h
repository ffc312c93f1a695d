/* SPDX-License-Identifier: MIT */
/* speech.h - what to say to a server that nobody described, so that it answers */
#ifndef TOOLS_AUDIT_SPEECH_H
#define TOOLS_AUDIT_SPEECH_H

#include "probe.h"
#include "service.h"

enum { SPEECH_MAX = 512, SPEECH_NAME = 48 };

struct speech {
	char name[SPEECH_NAME]; /* "an HTTP request" */
	uint8_t bytes[SPEECH_MAX];
	size_t len;   /* 0: the server speaks first, or never */
	bool answers; /* the server was heard to answer it */
};

/*
 * Reads text with the escapes \n \r \t \0 \\ \xHH, or "hex:0a0b0c", into @s. Returns 0, -EINVAL
 * malformed, -E2BIG over SPEECH_MAX bytes; on an error @s is untouched.
 */
int speech_parse(const char *text, struct speech *s);

/* GET of @path, with a Host, and the connection closed after it. -E2BIG when too long. */
int speech_http(const char *path, struct speech *s);

/* The tries for a service, the likeliest by its port first. NULL after the last. */
const struct speech *speech_try(const struct service *svc, size_t i);

/* Is @answer what a server that understood @s would say? 2 surely, 1 some answer, 0 none. */
int speech_understood(const struct speech *s, const char *answer, size_t len);

/*
 * Does this answer give the client what it asked for? False for what says no in a known protocol:
 * an HTTP status of 400 and more, a DNS answer REFUSED, an error of Redis.
 */
bool speech_granted(const char *answer, size_t len);

#endif
