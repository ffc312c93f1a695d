/* SPDX-License-Identifier: MIT */
/* t_main.c - main() of the unit tests: Criterion's own, with the right to make namespaces */
#include "../../rawstack/netlink/netns.h"

#include <criterion/criterion.h>

/* LeakSanitizer asks for this where it is linked in: what Criterion itself forgets is not ours. */
const char *__lsan_default_suppressions(void); /* NOLINT(bugprone-reserved-identifier) */

const char *__lsan_default_suppressions(void) /* NOLINT(bugprone-reserved-identifier) */
{
	return "leak:libcriterion.so";
}

/*
 * A user namespace can only be entered by a process of one thread. Criterion runs each test in a
 * process of several, so an unprivileged run enters it here and the tests inherit it. Where it
 * fails, tests that need it say so when they ask for it themselves.
 */
int main(int argc, char *argv[])
{
	struct criterion_test_set *tests;
	int ret = 0;

	(void)netns_become_capable();
	tests = criterion_initialize();
	if (criterion_handle_args(argc, argv, true))
		ret = !criterion_run_all_tests(tests);
	criterion_finalize(tests);
	return ret;
}
