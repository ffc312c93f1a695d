/* SPDX-License-Identifier: MIT */
/* fuzz_addr.c - arbitrary text against addr_parse, endpoint_parse and port_parse */
#include "../../rawstack/addr.h"
#include "../../rawstack/addr_class.h"

#include <cap-ng.h>
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Properties: an address parses exactly when inet_pton reads it, into the same bytes; whatever
 * parses prints, and what was printed parses to the same again; an error leaves the result alone.
 */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* With privilege, the kernel may load a module for an interface name it does not know, and zones
 * are such names: so privileges end here, and with them every interface but lo. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 || geteuid() != 0)
		return 0;
	/* Root where user namespaces are forbidden, as in a chroot. */
	capng_clear(CAPNG_SELECT_BOTH);
	if (unshare(CLONE_NEWNET) < 0 || capng_apply(CAPNG_SELECT_BOTH) < 0) {
		perror("fuzz_addr: cannot give up its privileges; run it unprivileged");
		exit(3);
	}
	return 0;
}

static void check_addr(const char *text)
{
	const struct addr before = {{0xa5, [15] = 0x5a}};
	struct addr a = before, back;
	enum addr_form form, back_form;
	uint8_t v4[4], v6[16];
	bool is_v4 = inet_pton(AF_INET, text, v4) == 1;
	bool is_v6 = inet_pton(AF_INET6, text, v6) == 1;
	char printed[ADDR_STRLEN];
	const struct addr_block *blocks[8];

	if (addr_parse(text, &a, &form) < 0) {
		REQUIRE(!is_v4 && !is_v6 && addr_eq(&a, &before));
		return;
	}
	REQUIRE(is_v4 != is_v6);
	REQUIRE(form == (is_v4 ? ADDR_FORM_INET : ADDR_FORM_INET6));
	REQUIRE(is_v4 ? addr_v4(&a) && memcmp(addr_v4(&a), v4, 4) == 0 : memcmp(a.b, v6, 16) == 0);
	addr_print(&a, form, printed);
	REQUIRE(addr_parse(printed, &back, &back_form) == 0);
	REQUIRE(addr_eq(&a, &back) && form == back_form);
	REQUIRE(addr_blocks(&a, blocks, 8) < 8);
	REQUIRE(addr_macro_test(ADDR_MACRO_V4MAPPED, &a) == addr_is_mapped(&a));
}

static void check_endpoint(const char *text)
{
	const struct endpoint before = {.scope = 6, .port = 7};
	struct endpoint ep = before, back;
	enum addr_form form, back_form;
	char printed[ENDPOINT_STRLEN];
	struct sockaddr_storage ss;
	int family, len;

	if (endpoint_parse(text, &ep, &form) < 0) {
		REQUIRE(endpoint_eq(&ep, &before) && ep.scope == 6);
		return;
	}
	REQUIRE(ep.port != 0);
	endpoint_print(&ep, form, printed);
	REQUIRE(endpoint_parse(printed, &back, &back_form) == 0);
	REQUIRE(endpoint_eq(&ep, &back) && ep.scope == back.scope && form == back_form);

	family = form == ADDR_FORM_INET ? AF_INET : AF_INET6;
	len = endpoint_to_sockaddr(&ep, family, &ss);
	REQUIRE(len > 0);
	REQUIRE(endpoint_from_sockaddr((const struct sockaddr *)&ss, (socklen_t)len, &back) ==
		family);
	REQUIRE(endpoint_eq(&ep, &back) && ep.scope == back.scope);
}

static void check_port(const char *text)
{
	uint16_t port = 0;
	int rc = port_parse(text, &port);

	REQUIRE(rc == 0 ? port == strtoul(text, NULL, 10) && port != 0
			: (rc == -EINVAL || rc == -ERANGE) && port == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1); /* of the very length, so that a byte too many is seen */

	REQUIRE(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_addr(text);
	check_endpoint(text);
	check_port(text);
	free(text);
	return 0;
}
