/* SPDX-License-Identifier: MIT */
/* setting.h - reads what a case changes on its hosts, and the listeners it asks for */
#ifndef TOOLS_LAB_SETTING_H
#define TOOLS_LAB_SETTING_H

#include "cases.h"

/* Is @key one of sysctl, address, route, nft, hosts, gai, dns? Fills @kind. */
bool setting_key(const char *key, enum setting_kind *kind);

/* Each reads the value of one key. Returns 0, or -EINVAL with @ws->complaint. */
int setting_parse(enum setting_kind kind, const char *text, struct words *ws,
		  struct case_setting *s);
int listener_parse(const char *text, struct words *ws, struct case_listener *l);

#endif
