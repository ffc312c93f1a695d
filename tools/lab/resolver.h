/* SPDX-License-Identifier: MIT */
/* resolver.h - the C library's resolver, asked in a process that sees files of our own making */
#ifndef TOOLS_LAB_RESOLVER_H
#define TOOLS_LAB_RESOLVER_H

#include "../../rawstack/addr.h"

/*
 * getaddrinfo() reads /etc/hosts, resolv.conf, nsswitch.conf and gai.conf and nothing else will do.
 * So each question is put by a child that has a mount namespace of its own, in which files made for
 * the occasion lie over those. The host's files are neither read nor touched. That works for an
 * ordinary user inside a user namespace too.
 */
enum { RESOLVER_FILE_MAX = 4096, RESOLVER_ANSWERS_MAX = 16, RESOLVER_NAME = 128 };

struct resolver_files {
	char hosts[RESOLVER_FILE_MAX];
	char resolv[256];
	char nsswitch[64];
	char gai[1024];
};

struct resolver_question {
	bool reverse;	      /* getnameinfo of @addr, else getaddrinfo of @name */
	const char *name;     /* NULL: none */
	int family, flags;    /* AI_*, NI_* */
	struct endpoint addr; /* reverse */
	int addr_family;
	int addr_len; /* reverse: of the sockaddr, -1: its own */
};

struct resolver_answer {
	int code; /* 0 or EAI_* */
	size_t n;
	struct {
		int family;
		struct endpoint ep;
	} list[RESOLVER_ANSWERS_MAX];
	char name[RESOLVER_NAME]; /* reverse */
};

/*
 * Asks in @netns_fd. Returns 0 with @out filled; -ETIMEDOUT after @ms; another -errno when the
 * child could not be made as described (-EPERM: no mount namespaces here).
 */
int resolver_ask(int netns_fd, const struct resolver_files *files,
		 const struct resolver_question *q, unsigned int ms, struct resolver_answer *out);

#endif
