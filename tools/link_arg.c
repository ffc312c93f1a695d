/* SPDX-License-Identifier: MIT */
/* link_arg.c - options that name a link for the user-space stack */
#include "link_arg.h"

#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LINK_ADDRS_MAX = sizeof(((struct engine_link *)0)->addrs) / sizeof(struct engine_link_addr)
};

void link_arg_init(struct engine_link *l)
{
	*l = (struct engine_link){.netns_fd = -1, .own_mac = true};
}

int link_arg_address(const char *command, struct engine_link *l, const char *text)
{
	const char *slash = strchr(text, '/');
	struct engine_link_addr a = {0};
	char bare[ADDR_STRLEN];
	char *end = NULL;
	long len;

	if (l->n_addrs == LINK_ADDRS_MAX)
		return cli_usage_error(command, "--address: at most %d", LINK_ADDRS_MAX);
	if (slash == NULL || (size_t)(slash - text) >= sizeof(bare))
		return cli_usage_error(command,
				       "--address '%.64s': give it with the length of the link's "
				       "prefix, such as 198.51.100.2/24",
				       text);
	snprintf(bare, sizeof(bare), "%.*s", (int)(slash - text), text);
	len = strtol(slash + 1, &end, 10);
	if (addr_parse(bare, &a.addr, NULL) < 0 || slash[1] < '0' || slash[1] > '9' ||
	    *end != '\0' || len > (addr_is_mapped(&a.addr) ? 32 : 128))
		return cli_usage_error(command,
				       "--address '%.64s' is no address and prefix length, such "
				       "as 2001:db8:1::2/64",
				       text);
	a.prefix_len = (uint8_t)len;
	l->addrs[l->n_addrs++] = a;
	return 0;
}

int link_arg_gateway(const char *command, struct engine_link *l, const char *text)
{
	struct addr a;

	if (addr_parse(text, &a, NULL) < 0)
		return cli_usage_error(command, "--gateway '%.64s' is no address", text);
	if (addr_is_mapped(&a))
		l->gateway4 = a;
	else
		l->gateway6 = a;
	return 0;
}

int link_arg_kind(const char *command, struct engine_link *l, const char *text)
{
	l->xdp = strcmp(text, "xdp") == 0;
	l->sendmmsg = strcmp(text, "sendmmsg") == 0;
	if (l->xdp || l->sendmmsg || strcmp(text, "ring") == 0)
		return 0;
	return cli_usage_error(command, "--link '%.64s': say ring, sendmmsg or xdp", text);
}

int link_arg_mac(const char *command, struct engine_link *l, const char *text)
{
	l->own_mac = strcmp(text, "own") == 0;
	if (l->own_mac || strcmp(text, "interface") == 0)
		return 0;
	return cli_usage_error(command, "--mac '%.64s': say own or interface", text);
}
