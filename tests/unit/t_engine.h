/* SPDX-License-Identifier: MIT */
/* t_engine.h - tests that every engine over kernel sockets must pass: written once, run for each */
#ifndef TESTS_UNIT_T_ENGINE_H
#define TESTS_UNIT_T_ENGINE_H

#include <criterion/criterion.h>

/* The engine of the test that runs; each test is a process of its own. */
static const char *t_engine = "uring";

/* Like Test(), once per engine. */
#define ENGINE_TEST(suite, name)                                                                   \
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

#endif
