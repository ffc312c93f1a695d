/* SPDX-License-Identifier: MIT */
/* cases.h - cases as data: two hosts, what is done on them, and what each view must show */
#ifndef TOOLS_LAB_CASES_H
#define TOOLS_LAB_CASES_H

#include <stdio.h>

#include "expect.h"

enum {
	CASE_PORT_BASE = 7000, /* first port of the first case */
	CASES_MAX = 1024,      /* of one program run: their ports end below the ephemeral ones */
	CASE_STEPS_MAX = 96,
	CASE_LISTENERS_MAX = 8,
	CASE_SETTINGS_MAX = 48,
	CASE_LINE_MAX = 199, /* characters: what inih reads at a time */
};

/* A listener of our own server, on the server's host. */
struct case_listener {
	int proto, family;
	struct case_addr bind;
	bool v6only;
};

enum setting_kind {
	SETTING_SYSCTL,	 /* name, value */
	SETTING_ADDRESS, /* addr/prefix, on the cable's end or on lo */
	SETTING_ROUTE,	 /* addr/prefix of route_type, or via a gateway */
	SETTING_NFT,	 /* a line of a ruleset */
	SETTING_HOSTS,	 /* a line of /etc/hosts, as the resolver of this case sees it */
	SETTING_GAI,	 /* a line of its /etc/gai.conf */
	SETTING_DNS,	 /* name, addr: a record of the DNS server on the server's host */
};

/* What makes a case's hosts different from everybody's. But for the files that only its own
 * questions to the resolver see, such a case gets a pair of its own. */
struct case_setting {
	enum setting_kind kind;
	int line;
	enum lab_side side;
	char text[STEP_TEXT]; /* name or line */
	char value[VALUE_TEXT];
	struct case_addr addr, via;
	uint8_t prefix;
	uint8_t route_type; /* RTN_UNICAST, RTN_UNREACHABLE, ... */
	bool has_via, on_lo;
	bool gone; /* an address that is taken away */
};

struct lab_case {
	const char *name, *title;
	const char *group;   /* one letter, a section of the truth table: A TCP, B UDP, C binding, D
				options, E names, F addresses, G forged frames, H settings; "own" */
	const char *source;  /* where the rule is written: RFC, manual page, truth table row */
	const char *by_hand; /* how to see the same without this program, "" where nobody could */
	const char *client, *server; /* for people, "" to let the records speak */
	const char *text;	     /* the case as it is written */
	const char *file;
	int line;

	bool judged; /* a verdict is asked for: @expected */
	enum verdict expected;
	bool needs_root;
	bool own_lab; /* it changes its hosts: nobody else may use them */

	struct case_listener listeners[CASE_LISTENERS_MAX];
	size_t n_listeners;
	struct socket_names sockets;
	struct case_setting *settings;
	size_t n_settings;
	struct step *steps;
	size_t n_steps;
	struct expect *expects;
	size_t n_expects;

	/*
	 * The same case as it is to be played against our own stack where that differs from a
	 * kernel on purpose; NULL: as it is. It lends what it does not replace, and @differs says
	 * why, or (@bypass_never) why it is not played at all.
	 */
	struct lab_case *bypass;
	const char *differs;
	bool bypass_never;
};

struct case_list {
	struct lab_case *list;
	size_t n, cap;
};

/* One line: "FILE:LINE: what, why, what to do". */
enum { CASE_ERROR = 400 };

/*
 * Reads a case file and appends its cases to @cases. Returns 0; -EINVAL with @err filled; -EIO;
 * -ENOMEM. After an error @cases holds what it held before.
 */
int case_file_read(FILE *in, const char *name, struct case_list *cases, char err[CASE_ERROR]);

/* Appends the cases that are built in. Returns 0 or as case_file_read(). */
int cases_builtin(struct case_list *cases, char err[CASE_ERROR]);

void case_list_free(struct case_list *cases);

/* Does one of the case's settings have that kind? */
bool case_has_setting(const struct lab_case *c, enum setting_kind kind);

/* Does one of its steps ask the resolver? */
bool case_asks_resolver(const struct lab_case *c);

/* "A" to "TCP: who reaches whom". */
const char *case_group_title(const char *group);

/* The case's text, its source, and the same by hand. */
void case_show(const struct lab_case *c, FILE *out);

#endif
