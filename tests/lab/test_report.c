/* SPDX-License-Identifier: MIT */
/* test_report.c - what a lab run leaves for people and for CI, from the program itself */
#include "t_program.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static char dir[256];

static void prepare(void)
{
	program_dir_make(dir, sizeof(dir));
}

static void clean_up(void)
{
	program_dir_remove(dir);
}

TestSuite(report, .init = prepare, .fini = clean_up);

static void run_well(const struct program_how *how, const char *const *args,
		     struct program_result *r)
{
	program_run(r, how, args);
	cr_assert(r->exit_code == 0, "%s: exit code %d\n%s", program_line(args), r->exit_code,
		  r->err);
}

/* The ladder. */

Test(report, a_ladder_takes_the_six_steps_and_is_drawn_again_from_the_evidence)
{
	const char *const lab[] = {"lab", "--ladder", "-e", "run.json", "tcp-ipv4-to-dual", NULL};
	const char *const judge[] = {"judge", "--ladder", "run.json", NULL};
	static const char *const said[] = {
		"|-- 0x0800 IPv4  SYN  seq 0 mss 1460 ---",
		"1  client program: connects an AF_INET socket to 198.51.100.2:",
		"2  wire: arrives as an IPv4 datagram, EtherType 0x0800\n",
		"3  server kernel: TCP finds the AF_INET6 listener [::]:",
		"4  server kernel: the addresses are mapped: it keeps an AF_INET6 socket,",
		"--- 0x0800 IPv4  SYN ACK  seq 0 ack 1 mss 1460 --|  5  wire: the SYN/ACK goes",
		"6  server program: accept returns [::ffff:198.51.100.1]:",
	};
	struct program_how how = {.dir = dir};
	struct program_result first, second;
	const char *at;

	run_well(&how, lab, &first);
	at = first.out;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		const char *next = strstr(at, said[i]);

		cr_assert(next, "missing after the others: %s in\n%s", said[i], first.out);
		at = next;
	}
	run_well(&how, judge, &second);
	*strstr(first.out, "\n1 of 1 cases ended as expected.") = '\0';
	*strstr(second.out, "\n1 connection, every case as expected") = '\0';
	cr_assert_str_eq(first.out, second.out);
	program_result_free(&first);
	program_result_free(&second);
}
