/* SPDX-License-Identifier: MIT */
/* test_stack_loss.c - scripts: what is lost comes again, when and how often; shut windows */
#include "t_script.h"

#include <criterion/criterion.h>

#define PLAIN                                                                                      \
	"listen\n"                                                                                 \
	"< S 0 mss 1000\n"                                                                         \
	"> SA 0 ack 1\n"                                                                           \
	"< A 1 ack 1\n"                                                                            \
	"accept\n"                                                                                 \
	"event accept\n"
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
	"> PA 9001:10001 ack 1\n"

Test(stack_loss, timer)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"after one second, then two, then four (RFC 6298)",
		 PLAIN
		 "send 100\n"
		 "> PA 1:101 ack 1\n"
		 "+ 999\n"
		 "> none\n"
		 "+ 2\n"
		 "> PA 1:101 ack 1\n"
		 "+ 1997\n"
		 "> none\n"
		 "+ 3\n"
		 "> PA 1:101 ack 1\n"
		 "+ 4000\n"
		 "> PA 1:101 ack 1\n"
		 "stat tcp_timeouts 3\n"
		 "< A 1 ack 101\n"
		 "+ 100000\n"
		 "> none\n"},
		{"with a round trip known: that and 200 ms",
		 PLAIN
		 "send 100\n"
		 "> PA 1:101 ack 1\n"
		 "+ 50\n"
		 "< A 1 ack 101 ; send 100\n"
		 "> PA 101:201 ack 1\n"
		 "+ 249\n"
		 "> none\n"
		 "+ 2\n"
		 "> PA 101:201 ack 1\n"},
		{"a long round trip: four times its variance (RFC 6298 2.2)",
		 PLAIN
		 "send 100\n"
		 "> PA 1:101 ack 1\n"
		 "+ 900\n"
		 "< A 1 ack 101 ; send 100\n"
		 "> PA 101:201 ack 1\n"
		 "+ 2699\n"
		 "> none\n"
		 "+ 2\n"
		 "> PA 101:201 ack 1\n"},
		{"an acknowledgement of what was sent twice is no measure (MUST-18)",
		 PLAIN
		 "send 100\n"
		 "> PA 1:101 ack 1\n"
		 "+ 1001\n"
		 "> PA 1:101 ack 1\n"
		 "+ 5\n"
		 "< A 1 ack 101 ; send 100\n"
		 "> PA 101:201 ack 1\n"
		 "+ 2998\n"
		 "> none\n"
		 "+ 3\n"
		 "> PA 101:201 ack 1\n"},
		{"everything out is sent again from the first on, one segment to begin with",
		 PLAIN
		 TEN
		 "+ 1001\n"
		 "> A 1:1001 ack 1\n"
		 "> none\n"
		 "< A 1 ack 1001\n"
		 "> A 1001:2001 ack 1\n"
		 "> A 2001:3001 ack 1\n"
		 "> none\n"
		 "< A 1 ack 10001\n"
		 "+ 1000000\n"
		 "> none\n"},
		{"after the timer the window grows fast up to half of what was out, then slowly",
		 PLAIN
		 TEN
		 "+ 1001\n"
		 "> A 1:1001 ack 1\n"
		 "< A 1 ack 1001\n"
		 "info cwnd 2000\n"
		 "< A 1 ack 3001\n"
		 "info cwnd 4000\n"
		 "< A 1 ack 7001\n"
		 "info cwnd 6000\n"
		 "< A 1 ack 8001\n"
		 "info cwnd 6000\n"
		 "drop\n"
		 "< A 1 ack 10001\n"},
		{"what the peer has already is not sent again (RFC 2018)",
		 SACKED
		 TEN
		 "+ 10\n"
		 "< A 1 ack 1 sacks 3001-5001\n"
		 "+ 3\n"
		 "> A 1:1001 ack 1\n"
		 "+ 230\n"
		 "drop\n"
		 "stat tcp_loss_probes 3\n"
		 "stat tcp_timeouts 0\n"
		 "+ 10\n"
		 "> A 1:1001 ack 1\n"
		 "stat tcp_timeouts 1\n"
		 "< A 1 ack 1001 sacks 3001-5001\n"
		 "> A 1001:2001 ack 1\n"
		 "> A 2001:3001 ack 1\n"
		 "< A 1 ack 5001\n"
		 "> A 5001:6001 ack 1\n"
		 "drop\n"},
		{"given up after fifteen times, about a quarter of an hour (MUST-20)",
		 PLAIN
		 "send 100\n"
		 "> PA 1:101 ack 1\n"
		 "+ 800000\n"
		 "drop\n"
		 "state established\n"
		 "event none\n"
		 "+ 500000\n"
		 "drop\n"
		 "event closed ETIMEDOUT\n"
		 "stat tcp_timeouts 15\n"
		 "close\n"
		 "stat segments_held 0\n"},
		{"or as soon as the user's own limit is over",
		 "config user_timeout_ms 5000\n"
		 PLAIN
		 "send 100\n"
		 "> PA 1:101 ack 1\n"
		 "+ 6999\n"
		 "event none\n"
		 "+ 2\n"
		 "drop\n"
		 "event closed ETIMEDOUT\n"},
		{"a soft error is the reason in the end",
		 "config user_timeout_ms 5000\n"
		 PLAIN
		 "send 100\n"
		 "> PA 1:101 ack 1\n"
		 "icmp soft 1\n"
		 "+ 7001\n"
		 "drop\n"
		 "event closed EHOSTUNREACH\n"},
		{"after silence the window is small again (RFC 5681 4.1)",
		 PLAIN
		 TEN
		 "< A 1 ack 5001\n"
		 "< A 1 ack 10001\n"
		 "info cwnd 12000\n"
		 "+ 10000 ; send 12000\n"
		 "info cwnd 10000\n"
		 "drop\n"},
		{"with a round trip measured by timestamps a lost segment is measured too (RFC 7323)",
		 "listen\n"
		 "< S 0 mss $m ts 100 0\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1\n"
		 "accept ; send 100\n"
		 "> PA 1:101 ack 1\n"
		 "+ 202\n"
		 "> PA 1:101 ack 1\n"
		 "+ 100\n"
		 "< A 1 ack 101\n"
		 "stat tcp_timeouts 1\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_loss, duplicates)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"three duplicates: again at once (RFC 5681 3.2)",
		 PLAIN
		 TEN
		 "< A 1 ack 1\n"
		 "< A 1 ack 1\n"
		 "> none\n"
		 "< A 1 ack 1\n"
		 "> A 1:1001 ack 1\n"
		 "> none\n"
		 "stat tcp_fast_retransmits 1\n"
		 "< A 1 ack 10001\n"
		 "info cwnd 5000\n"
		 "+ 100000\n"
		 "> none\n"},
		{"the first two let new data out (RFC 3042)",
		 PLAIN
		 "send 20000\n"
		 "drop\n"
		 "< A 1 ack 1\n"
		 "> A 10001:11001 ack 1\n"
		 "< A 1 ack 1\n"
		 "> A 11001:12001 ack 1\n"
		 "> none\n"
		 "< A 1 ack 1\n"
		 "> A 1:1001 ack 1\n"
		 "> none\n"},
		{"a partial acknowledgement: the next one is lost too (RFC 6582)",
		 PLAIN
		 TEN
		 "< A 1 ack 1\n"
		 "< A 1 ack 1\n"
		 "< A 1 ack 1\n"
		 "> A 1:1001 ack 1\n"
		 "< A 1 ack 3001\n"
		 "> A 3001:4001 ack 1\n"
		 "> none\n"
		 "< A 1 ack 10001\n"
		 "info cwnd 5000\n"},
		{"an acknowledgement with data or a new window is no duplicate",
		 PLAIN
		 TEN
		 "< A 1 ack 1 win 60000\n"
		 "< A 1 ack 1 win 60001\n"
		 "< PA 1:2 ack 1 win 60001\n"
		 "< PA 2:3 ack 1 win 60001\n"
		 "> A 10001 ack 3\n"
		 "< A 3 ack 1 win 60002\n"
		 "> none\n"
		 "stat tcp_fast_retransmits 0\n"},
		{"a second loss after a recovery is recovered, too",
		 PLAIN
		 TEN
		 "< A 1 ack 1 ; < A 1 ack 1 ; < A 1 ack 1\n"
		 "> A 1:1001 ack 1\n"
		 "< A 1 ack 10001 ; send 4000\n"
		 "> A 10001:11001 ack 1\n"
		 "> A 11001:12001 ack 1\n"
		 "> A 12001:13001 ack 1\n"
		 "> PA 13001:14001 ack 1\n"
		 "< A 1 ack 10001 ; < A 1 ack 10001 ; < A 1 ack 10001\n"
		 "> A 10001:11001 ack 1\n"
		 "stat tcp_fast_retransmits 2\n"
		 "< A 1 ack 14001\n"},
		{"with SACK: only the holes, all of them",
		 SACKED
		 TEN
		 "+ 10\n"
		 "< A 1 ack 1 sacks 1001-2001\n"
		 "< A 1 ack 1 sacks 3001-4001,1001-2001\n"
		 "> none\n"
		 "< A 1 ack 1 sacks 3001-5001,1001-2001\n"
		 "> A 1:1001 ack 1\n"
		 "< A 1 ack 1 sacks 3001-6001,1001-2001\n"
		 "< A 1 ack 1 sacks 3001-7001,1001-2001\n"
		 "< A 1 ack 1 sacks 3001-8001,1001-2001\n"
		 "> A 2001:3001 ack 1\n"
		 "< A 1 ack 2001 sacks 3001-8001\n"
		 "< A 1 ack 8001\n"
		 "< A 1 ack 10001\n"
		 "> none\n"
		 "+ 100000\n"
		 "> none\n"
		 "stat tcp_timeouts 0\n"},
		{"with SACK: three segments' worth at once does as well",
		 SACKED
		 TEN
		 "< A 1 ack 1 sacks 1001-4001\n"
		 "> A 1:1001 ack 1\n"},
		{"the first segment lost again and again: three probes, then the timer",
		 SACKED
		 TEN
		 "+ 10\n"
		 "< A 1 ack 1 sacks 1001-4001\n"
		 "> A 1:1001 ack 1\n"
		 "< A 1 ack 1 sacks 1001-10001\n"
		 "> none\n"
		 "+ 21\n"
		 "> none\n"
		 "+ 1\n"
		 "> A 1:1001 ack 1\n"
		 "+ 43\n"
		 "> none\n"
		 "+ 1\n"
		 "> A 1:1001 ack 1\n"
		 "+ 87\n"
		 "> none\n"
		 "+ 1\n"
		 "> A 1:1001 ack 1\n"
		 "stat tcp_loss_probes 3\n"
		 "stat tcp_timeouts 0\n"
		 "+ 77\n"
		 "> none\n"
		 "+ 1\n"
		 "> A 1:1001 ack 1\n"
		 "< A 1 ack 10001\n"
		 "+ 100000\n"
		 "> none\n"},
		{"nonsense in SACK blocks is not believed",
		 SACKED
		 TEN
		 "< A 1 ack 1 sacks 20001-30001\n"
		 "< A 1 ack 1 sacks 5001-4001\n"
		 "> none\n"
		 "info unacked 10000\n"
		 "< A 1 ack 10001 sacks 5001-6001\n"
		 "+ 100000\n"
		 "> none\n"},
		{"FIN lost with data: both again",
		 PLAIN
		 "send 1500 ; shutdown\n"
		 "> A 1:1001 ack 1\n"
		 "> FPA 1001:1501 ack 1\n"
		 "< A 1 ack 1001\n"
		 "+ 202\n"
		 "> FPA 1001:1501 ack 1\n"
		 "< A 1 ack 1502\n"
		 "state fin-wait-2\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_loss, shut_windows)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"a shut window is probed with one octet, ever more slowly (MUST-36, SHLD-30)",
		 PLAIN
		 "< A 1 ack 1 win 0 ; send 100\n"
		 "> none\n"
		 "+ 999\n"
		 "> none\n"
		 "+ 2\n"
		 "> A 1:2 ack 1\n"
		 "< A 1 ack 1 win 0\n"
		 "+ 1997\n"
		 "> none\n"
		 "+ 3\n"
		 "> A 1:2 ack 1\n"
		 "< A 1 ack 1 win 0\n"
		 "+ 4001\n"
		 "> A 1:2 ack 1\n"
		 "< A 1 ack 1 win 1000\n"
		 "> PA 1:101 ack 1\n"
		 "stat tcp_probes 3\n"
		 "stat tcp_fast_retransmits 0\n"},
		{"the probe is taken: the rest follows",
		 PLAIN
		 "< A 1 ack 1 win 0 ; send 100\n"
		 "+ 1001\n"
		 "> A 1:2 ack 1\n"
		 "< A 1 ack 2 win 100\n"
		 "> PA 2:101 ack 1\n"},
		{"it is probed for as long as the peer answers (MUST-37)",
		 PLAIN
		 "< A 1 ack 1 win 0 ; send 100\n"
		 "+ 1001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 2001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 4001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 8001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 16001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 32001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 64001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 120001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 120001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 120001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 120001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 120001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 120001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 120001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 120001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 120001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "+ 120001\n> A 1:2 ack 1\n< A 1 ack 1 win 0\n"
		 "state established\n"},
		{"but not when it is silent",
		 PLAIN
		 "< A 1 ack 1 win 0 ; send 100\n"
		 "+ 2000000\n"
		 "drop\n"
		 "event closed ETIMEDOUT\n"},
		{"a peer that takes its window back is survived (MUST-34)",
		 PLAIN
		 TEN
		 "< A 1 ack 1001 win 0\n"
		 "> none\n"
		 "+ 301\n"
		 "> A 1001:1002 ack 1\n"
		 "< A 1 ack 1001 win 20000\n"
		 "+ 1000\n"
		 "drop\n"
		 "< A 1 ack 10001\n"
		 "+ 100000\n"
		 "> none\n"},
		{"FIN waits for a window: it is asked for, without an octet",
		 PLAIN
		 "< A 1 ack 1 win 0 ; shutdown\n"
		 "> none\n"
		 "+ 1001\n"
		 "> A 0 ack 1\n"
		 "< A 1 ack 1 win 0\n"
		 "+ 1998\n"
		 "> none\n"
		 "+ 2\n"
		 "> A 0 ack 1\n"
		 "< A 1 ack 1 win 1\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2 win 0\n"
		 "state fin-wait-2\n"},
		{"FIN waits behind data that fill the window",
		 PLAIN
		 "< A 1 ack 1 win 100 ; send 100 ; shutdown\n"
		 "> PA 1:101 ack 1\n"
		 "< A 1 ack 101 win 0\n"
		 "> none\n"
		 "< A 1 ack 101 win 10\n"
		 "> FA 101 ack 1\n"},
		{"FIN once sent is sent again into a window that has shut",
		 PLAIN
		 "shutdown\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 1 win 0\n"
		 "+ 1001\n"
		 "> FA 1 ack 1\n"},
		{"the window taken back: acknowledgements at its edge, which the peer looks at",
		 PLAIN
		 "send 200\n"
		 "> PA 1:201 ack 1\n"
		 "< A 1 ack 1 win 50\n"
		 "< PA 11:21 ack 1 win 50\n"
		 "> A 51 ack 1\n"
		 "< PA 11:21 ack 1 win 200\n"
		 "> A 201 ack 1\n"},
		{"a window of less than a segment is used after a while (MUST-38)",
		 PLAIN
		 "< A 1 ack 1 win 100 ; send 1000\n"
		 "> none\n"
		 "+ 1001\n"
		 "> PA 1:101 ack 1\n"},
		{"the window of the SYN is one that was offered",
		 "listen\n"
		 "< S 0 mss 1000 win 1000\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1 win 300 ; accept ; send 1000\n"
		 "> none\n"
		 "+ 1001\n"
		 "> PA 1:301 ack 1\n"},
		{"half of the largest window ever offered is used at once",
		 "listen\n"
		 "< S 0 mss 1000 win 500\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1 win 300 ; accept ; send 1000\n"
		 "> A 1:301 ack 1\n"},
		{"old acknowledgements do not move the window",
		 PLAIN
		 "send 1000\n"
		 "> PA 1:1001 ack 1\n"
		 "< PA 1:11 ack 1001 win 5000 ; recv 10\n"
		 "< A 1 ack 1 win 0\n"
		 "drop\n"
		 "send 1000\n"
		 "> PA 1001:2001 ack 11\n"},
	};
	/* clang-format on */

	RUN(scripts);
}
