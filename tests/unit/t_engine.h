/* SPDX-License-Identifier: MIT */
/* t_engine.h - tests that every engine must pass: written once, run for each */
#ifndef TESTS_UNIT_T_ENGINE_H
#define TESTS_UNIT_T_ENGINE_H

#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/netlink/netns.h"
#include "../../uring/caps.h"
#include "../../uring/engine.h"

#include <criterion/criterion.h>

/* The engine of the test that runs; each test is a process of its own. */
static const char *t_engine = "uring";

/* The uring engine with direct descriptors: for engine_config and server_config. */
static bool t_direct;

static inline void t_engine_direct(void)
{
	struct uring_caps caps;

	uring_caps_probe(&caps);
	if (!caps.direct_descriptors)
		cr_skip_test("direct descriptors need Linux 6.15 or newer");
	t_engine = "uring";
	t_direct = true;
}

/* Of the bypass engine, else NULL: for engine_config and server_config. */
static const struct engine_link *t_link;

/*
 * The bypass engine has a host of its own at the other end of a link, with the same addresses as
 * netfix.h gives: 198.51.100.2, .3, 2001:db8:1::2 and ::3. The test moves to the client's host.
 */
static inline void t_engine_bypass(void)
{
	static struct engine_link link;
	static struct lab lab;
	struct lab_options opt = {.bare_server = true};
	struct lab_host *host = &lab.host[LAB_SERVER];
	struct lab_error err;
	int back, rc = lab_create_with(&opt, &lab, &err);

	cr_assert(rc == 0, "%s: %s", err.step, err.detail);
	cr_assert(netns_enter(lab.host[LAB_CLIENT].netns_fd, &back) == 0);
	link = (struct engine_link){
		.netns_fd = host->netns_fd, .ifname = host->ifname, .skip_dad = true};
	for (int i = 0; i < host->n_addrs; i++) {
		link.addrs[link.n_addrs++] = (struct engine_link_addr){host->v4[i], 24};
		link.addrs[link.n_addrs++] = (struct engine_link_addr){host->v6[i], 64};
	}
	t_engine = "bypass";
	t_link = &link;
}

/* Like Test(), once per engine over kernel sockets, with ordinary descriptors. */
#define ENGINE_TEST_FD(suite, name)                                                                \
	static void name(void);                                                                    \
	Test(suite, name##__uring)                                                                 \
	{                                                                                          \
		t_engine = "uring";                                                                \
		name();                                                                            \
	}                                                                                          \
	Test(suite, name##__epoll)                                                                 \
	{                                                                                          \
		t_engine = "epoll";                                                                \
		name();                                                                            \
	}                                                                                          \
	Test(suite, name##__epoll_textbook)                                                        \
	{                                                                                          \
		t_engine = "epoll-textbook";                                                       \
		name();                                                                            \
	}                                                                                          \
	static void name(void)

/* And for sockets without descriptors. */
#define ENGINE_TEST(suite, name)                                                                   \
	static void name(void);                                                                    \
	Test(suite, name##__uring_direct)                                                          \
	{                                                                                          \
		t_engine_direct();                                                                 \
		name();                                                                            \
	}                                                                                          \
	ENGINE_TEST_FD(suite, name)

/* And for the one without sockets. Nothing may be asked of it before it runs, and no lo is there.
 */
#define ENGINE_TEST_ALL(suite, name)                                                               \
	static void name(void);                                                                    \
	Test(suite, name##__bypass)                                                                \
	{                                                                                          \
		t_engine_bypass();                                                                 \
		name();                                                                            \
	}                                                                                          \
	ENGINE_TEST(suite, name)

#endif
