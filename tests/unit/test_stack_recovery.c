/* SPDX-License-Identifier: MIT */
/* test_stack_recovery.c - scripts: loss told from disorder by time, probes of the tail, the window
 */
#include "t_script.h"

#include <criterion/criterion.h>

/* Ten segments are out and a round trip of ten milliseconds is over. */
#define SACKED                                                                                     \
	"listen\n"                                                                                 \
	"< S 0 mss 1000 sack\n"                                                                    \
	"> SA 0 ack 1 sack\n"                                                                      \
	"< A 1 ack 1\n"                                                                            \
	"accept\n"                                                                                 \
	"event accept\n"
#define TEN                                                                                        \
	"send 10000\n"                                                                             \
	"> A 1:1001 ack 1\n"                                                                       \
	"> A 1001:2001 ack 1\n"                                                                    \
	"> A 2001:3001 ack 1\n"                                                                    \
	"> A 3001:4001 ack 1\n"                                                                    \
	"> A 4001:5001 ack 1\n"                                                                    \
	"> A 5001:6001 ack 1\n"                                                                    \
	"> A 6001:7001 ack 1\n"                                                                    \
	"> A 7001:8001 ack 1\n"                                                                    \
	"> A 8001:9001 ack 1\n"                                                                    \
	"> PA 9001:10001 ack 1\n"                                                                  \
	"+ 10\n"

Test(stack_recovery, time_tells_loss_from_disorder)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"one later segment has come: a quarter of a round trip is waited (RFC 8985 6.2)",
		 SACKED
		 TEN
		 "< A 1 ack 1 sacks 1001-2001\n"
		 "> none\n"
		 "+ 2\n"
		 "> none\n"
		 "+ 1\n"
		 "> A 1:1001 ack 1\n"
		 "> none\n"
		 "stat tcp_timeouts 0\n"
		 "< A 1 ack 10001\n"
		 "info cwnd 5000\n"
		 "+ 100000\n"
		 "> none\n"},
		{"it comes in that time: nothing was lost",
		 SACKED
		 TEN
		 "< A 1 ack 1 sacks 1001-2001\n"
		 "+ 2\n"
		 "< A 1 ack 2001\n"
		 "> none\n"
		 "< A 1 ack 10001\n"
		 "+ 100000\n"
		 "> none\n"
		 "info cwnd 14000\n"
		 "stat tcp_retransmits 0\n"},
		{"disorder was seen: three later ones are not enough, time is",
		 SACKED
		 TEN
		 "< A 1 ack 1 sacks 1001-2001\n"
		 "< A 1 ack 2001\n"
		 "< A 1 ack 2001 sacks 3001-7001\n"
		 "> none\n"
		 "+ 2\n"
		 "> none\n"
		 "+ 1\n"
		 "> A 2001:3001 ack 1\n"},
		{"no disorder was seen: three are enough at once",
		 SACKED
		 TEN
		 "< A 1 ack 2001\n"
		 "< A 1 ack 2001 sacks 3001-6001\n"
		 "> A 2001:3001 ack 1\n"},
		{"one sent again is lost again: what was sent after it has come",
		 SACKED
		 "send 30000\n"
		 "+ 10\n"
		 "drop\n"
		 "< A 1 ack 1 sacks 1001-4001\n"
		 "> A 1:1001 ack 1\n"
		 "< A 1 ack 1 sacks 1001-10001\n"
		 "> A 10001:11001 ack 1\n"
		 "drop\n"
		 "+ 10\n"
		 "< A 1 ack 1 sacks 1001-11001\n"
		 "> A 1:1001 ack 1\n"
		 "stat tcp_timeouts 0\n"
		 "stat tcp_loss_probes 0\n"
		 "drop\n"},
		{"all of several holes, and nothing but holes",
		 SACKED
		 TEN
		 "< A 1 ack 1 sacks 9001-10001,5001-6001,2001-3001\n"
		 "> A 1:1001 ack 1\n"
		 "> A 1001:2001 ack 1\n"
		 "> A 3001:4001 ack 1\n"
		 "> none\n"
		 "< A 1 ack 2001 sacks 9001-10001,5001-6001,2001-3001\n"
		 "> A 4001:5001 ack 1\n"
		 "> A 6001:7001 ack 1\n"
		 "> A 7001:8001 ack 1\n"
		 "> none\n"
		 "< A 1 ack 6001 sacks 9001-10001\n"
		 "> A 8001:9001 ack 1\n"
		 "< A 1 ack 10001\n"
		 "stat tcp_retransmits 7\n"},
		{"small ones that were lost leave again together",
		 SACKED
		 "nodelay\n"
		 "send 100\n" "> PA 1:101 ack 1\n"
		 "send 100\n" "> PA 101:201 ack 1\n"
		 "send 100\n" "> PA 201:301 ack 1\n"
		 "send 100\n" "> PA 301:401 ack 1\n"
		 "send 100\n" "> PA 401:501 ack 1\n"
		 "send 100\n" "> PA 501:601 ack 1\n"
		 "+ 10\n"
		 "< A 1 ack 1 sacks 301-601\n"
		 "> A 1:301 ack 1\n"
		 "< A 1 ack 601\n"
		 "+ 100000\n"
		 "> none\n"},
		{"FIN among what is lost",
		 SACKED
		 "send 5000 ; shutdown\n"
		 "+ 10\n"
		 "drop\n"
		 "< A 1 ack 2001 sacks 3001-5002\n"
		 "+ 3\n"
		 "> A 2001:3001 ack 1\n"
		 "< A 1 ack 5002\n"
		 "state fin-wait-2\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_recovery, the_tail_is_probed)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"after two round trips and two milliseconds the last leaves again (RFC 8985 7)",
		 SACKED
		 TEN
		 "< A 1 ack 7001\n"
		 "+ 21\n"
		 "> none\n"
		 "+ 1\n"
		 "> PA 9001:10001 ack 1\n"
		 "stat tcp_loss_probes 1\n"
		 "+ 10\n"
		 "< A 1 ack 7001 sacks 9001-10001\n"
		 "> A 7001:8001 ack 1\n"
		 "drop\n"
		 "< A 1 ack 10001\n"
		 "stat tcp_timeouts 0\n"},
		{"or a new one, if there is one",
		 SACKED
		 "send 30000\n"
		 "+ 10\n"
		 "drop\n"
		 "< A 1 ack 1001\n"
		 "drop\n"
		 "+ 21\n"
		 "> none\n"
		 "+ 1\n"
		 "> A 12001:13001 ack 1\n"
		 "stat tcp_loss_probes 1\n"
		 "stat tcp_timeouts 0\n"},
		{"it repaired a loss: the window is halved",
		 SACKED
		 TEN
		 "< A 1 ack 8001\n"
		 "+ 22\n"
		 "> PA 9001:10001 ack 1\n"
		 "+ 10\n"
		 "< A 1 ack 8001 sacks 9001-10001\n"
		 "> A 8001:9001 ack 1\n"
		 "< A 1 ack 10001\n"
		 "info cwnd 2000\n"},
		{"everything came, and the last twice: nothing was lost (RFC 2883)",
		 SACKED
		 TEN
		 "< A 1 ack 8001\n"
		 "+ 22\n"
		 "> PA 9001:10001 ack 1\n"
		 "< A 1 ack 10001\n"
		 "< A 1 ack 10001 sacks 9001-10001\n"
		 "send 1000\n"
		 "> PA 10001:11001 ack 1\n"
		 "< A 1 ack 11001\n"
		 "info cwnd 12000\n"},
		{"the probe alone was lost and came in its stead: halved with the next acknowledgement",
		 SACKED
		 TEN
		 "< A 1 ack 8001\n"
		 "+ 22\n"
		 "> PA 9001:10001 ack 1\n"
		 "< A 1 ack 10001 ; send 1000\n"
		 "> PA 10001:11001 ack 1\n"
		 "< A 1 ack 11001\n"
		 "info cwnd 2000\n"},
		{"a single segment: a peer may wait with its acknowledgement, so it is left to the timer",
		 SACKED
		 TEN
		 "< A 1 ack 10001 ; send 100\n"
		 "> PA 10001:10101 ack 1\n"
		 "+ 209\n"
		 "> none\n"
		 "+ 1\n"
		 "> PA 10001:10101 ack 1\n"
		 "stat tcp_loss_probes 0\n"
		 "stat tcp_timeouts 1\n"},
		{"without SACK nothing would be learnt: no probe",
		 "listen\n"
		 "< S 0 mss 1000\n"
		 "> SA 0 ack 1 nosack\n"
		 "< A 1 ack 1 ; accept\n"
		 TEN
		 "< A 1 ack 7001\n"
		 "+ 209\n"
		 "> none\n"
		 "+ 1\n"
		 "> A 7001:8001 ack 1\n"
		 "stat tcp_loss_probes 0\n"},
		{"FIN is a tail, too",
		 SACKED
		 TEN
		 "< A 1 ack 10001 ; send 1000 ; shutdown\n"
		 "drop\n"
		 "+ 300\n"
		 "drop\n"
		 "stat tcp_retransmits 1\n"
		 "< A 1 ack 11002\n"
		 "state fin-wait-2\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_recovery, a_segment_alone)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"the timer of a long path is later than the probe",
		 SACKED
		 "send 100\n"
		 "> PA 1:101 ack 1\n"
		 "+ 300\n"
		 "< A 1 ack 101 ; send 100\n"
		 "> PA 101:201 ack 1\n"
		 "+ 801\n"
		 "> none\n"
		 "+ 1\n"
		 "> PA 101:201 ack 1\n"
		 "stat tcp_loss_probes 1\n"
		 "stat tcp_timeouts 0\n"
		 "< A 1 ack 201\n"
		 "+ 100000\n"
		 "> none\n"},
		{"without SACK: three duplicates",
		 "listen\n"
		 "< S 0 mss 1000\n"
		 "> SA 0 ack 1 nosack\n"
		 "< A 1 ack 1 ; accept ; send 100\n"
		 "> PA 1:101 ack 1\n"
		 "< A 1 ack 1\n"
		 "< A 1 ack 1\n"
		 "> none\n"
		 "< A 1 ack 1\n"
		 "> PA 1:101 ack 1\n"
		 "stat tcp_timeouts 0\n"},
		{"a second one follows: when the first left is not forgotten",
		 "listen\n"
		 "< S 0 mss 1000 sack\n"
		 "> SA 0 ack 1 sack\n"
		 "+ 10\n"
		 "< A 1 ack 1 ; accept ; nodelay ; send 100\n"
		 "> PA 1:101 ack 1\n"
		 "+ 8\n"
		 "send 100\n"
		 "> PA 101:201 ack 1\n"
		 "+ 10\n"
		 "< A 1 ack 1 sacks 101-201\n"
		 "> A 1:101 ack 1\n"
		 "< A 1 ack 201\n"
		 "+ 100000\n"
		 "> none\n"},
		{"a part of it is acknowledged: the rest is sent again",
		 SACKED
		 "send 1000\n"
		 "> PA 1:1001 ack 1\n"
		 "< A 1 ack 501\n"
		 "+ 999\n"
		 "> none\n"
		 "+ 1\n"
		 "> PA 501:1001 ack 1\n"
		 "< A 1 ack 1001\n"
		 "+ 100000\n"
		 "> none\n"},
		{"it finds no room on the link, and goes later",
		 SACKED
		 "full ; send 100\n"
		 "> none\n"
		 "room\n"
		 "> PA 1:101 ack 1\n"
		 "+ 10\n"
		 "nodelay ; send 100\n"
		 "> PA 101:201 ack 1\n"
		 "< A 1 ack 201\n"
		 "+ 100000\n"
		 "> none\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_recovery, the_window)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"while it shrinks one leaves for two that arrive (RFC 6937)",
		 SACKED
		 "send 20000\n"
		 "+ 10\n"
		 "drop\n"
		 "< A 1 ack 1 sacks 1001-4001\n"
		 "> A 1:1001 ack 1\n"
		 "> none\n"
		 "< A 1 ack 1 sacks 1001-5001\n"
		 "< A 1 ack 1 sacks 1001-6001\n"
		 "drop\n"
		 "< A 1 ack 1 sacks 1001-7001\n"
		 "< A 1 ack 1 sacks 1001-8001\n"
		 "< A 1 ack 1 sacks 1001-9001\n"
		 "drop\n"
		 "< A 1 ack 10001\n"
		 "info cwnd 5000\n"
		 "drop\n"},
		{"what was sent again came twice: the window is what it was (RFC 3708)",
		 SACKED
		 TEN
		 "< A 1 ack 1 sacks 1001-4001\n"
		 "> A 1:1001 ack 1\n"
		 "< A 1 ack 9001\n"
		 "< A 1 ack 9001 sacks 1-1001\n"
		 "info cwnd 10000\n"
		 "stat tcp_undone 1\n"
		 "< A 1 ack 10001\n"},
		{"of two only one did: it is not",
		 SACKED
		 TEN
		 "< A 1 ack 1 sacks 2001-5001\n"
		 "> A 1:1001 ack 1\n"
		 "< A 1 ack 1 sacks 2001-8001\n"
		 "> A 1001:2001 ack 1\n"
		 "< A 1 ack 9001\n"
		 "< A 1 ack 9001 sacks 1-1001\n"
		 "stat tcp_undone 0\n"
		 "< A 1 ack 10001\n"
		 "info cwnd 5000\n"},
		{"what came twice by itself says nothing",
		 SACKED
		 TEN
		 "< A 1 ack 9001\n"
		 "< A 1 ack 9001 sacks 1-1001\n"
		 "> none\n"
		 "stat tcp_undone 0\n"
		 "< A 1 ack 10001\n"},
		{"the timer: what left a moment ago is not lost (RFC 8985 6.3)",
		 SACKED
		 TEN
		 "< A 1 ack 10001 ; send 1000\n"
		 "> PA 10001:11001 ack 1\n"
		 "+ 205\n"
		 "nodelay ; send 500\n"
		 "> PA 11001:11501 ack 1\n"
		 "+ 5\n"
		 "> A 10001:11001 ack 1\n"
		 "> none\n"
		 "stat tcp_timeouts 1\n"
		 "< A 1 ack 11001\n"
		 "> none\n"
		 "< A 1 ack 11501\n"
		 "+ 100000\n"
		 "> none\n"},
		{"a peer that takes back what it SACKed (RFC 2018 8)",
		 SACKED
		 TEN
		 "< A 1 ack 1 sacks 1001-4001\n"
		 "> A 1:1001 ack 1\n"
		 "< A 1 ack 1001\n"
		 "> A 1001:2001 ack 1\n"
		 "drop\n"
		 "< A 1 ack 10001\n"
		 "+ 100000\n"
		 "> none\n"},
	};
	/* clang-format on */

	RUN(scripts);
}
