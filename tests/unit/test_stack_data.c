/* SPDX-License-Identifier: MIT */
/* test_stack_data.c - scripts: data both ways, acknowledgements, windows */
#include "t_script.h"

#include <criterion/criterion.h>

/* An accepted connection with every option, and one with none but the MSS. */
#define OPEN                                                                                       \
	"listen\n"                                                                                 \
	"< S 0 mss $m sack ts 100 0 ws 7\n"                                                        \
	"> SA 0 ack 1\n"                                                                           \
	"< A 1 ack 1\n"                                                                            \
	"accept\n"                                                                                 \
	"event accept\n"
#define PLAIN                                                                                      \
	"listen\n"                                                                                 \
	"< S 0 mss 1000\n"                                                                         \
	"> SA 0 ack 1\n"                                                                           \
	"< A 1 ack 1\n"                                                                            \
	"accept\n"                                                                                 \
	"event accept\n"

Test(stack_data, receiving)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"the acknowledgement rides on the answer",
		 OPEN
		 "< PA 1:65 ack 1 ; event readable ; recv 64 ; send 64\n"
		 "> PA 1:65 ack 65\n"
		 "+ 202\n"
		 "> PA 1:65 ack 65\n"
		 "< A 65 ack 65\n"
		 "+ 100000\n"
		 "> none\n"},
		{"without an answer it leaves after 40 ms (SHLD-18, MUST-40)",
		 OPEN
		 "< PA 1:65 ack 1\n"
		 "> none\n"
		 "+ 39\n"
		 "> none\n"
		 "+ 2\n"
		 "> A 1 ack 65\n"
		 "stat tcp_delayed_acks 1\n"
		 "+ 10000\n"
		 "> none\n"},
		{"every second segment at once (SHLD-19)",
		 OPEN
		 "< A 1:1001 ack 1\n"
		 "> none\n"
		 "< A 1001:2001 ack 1\n"
		 "> A 1 ack 2001\n"
		 "< A 2001:3001 ack 1\n"
		 "> none\n"
		 "< PA 3001:4001 ack 1\n"
		 "> A 1 ack 4001\n"
		 "recv 4000\n"
		 "recv again\n"},
		{"one event until it is looked at",
		 PLAIN
		 "< PA 1:11 ack 1\n"
		 "event readable\n"
		 "event none\n"
		 "< PA 11:21 ack 1\n"
		 "> A 1 ack 21\n"
		 "event readable\n"
		 "recv 5\n"
		 "event readable\n"
		 "recv 15\n"
		 "event none\n"},
		{"borrowed memory: lent until released, one chunk for small segments",
		 PLAIN
		 "< PA 1:11 ack 1\n"
		 "< PA 11:21 ack 1\n"
		 "> A 1 ack 21 win 65535\n"
		 "take 20\n"
		 "recv again\n"
		 "stat segments_held 1\n"
		 "release\n"
		 "stat segments_held 0\n"},
		{"out of order: each is answered at once, with SACK, then all are there",
		 OPEN
		 "< PA 101:201 ack 1\n"
		 "> A 1 ack 1 sacks 101-201\n"
		 "event none\n"
		 "< PA 301:401 ack 1\n"
		 "> A 1 ack 1 sacks 301-401,101-201\n"
		 "< PA 501:601 ack 1\n"
		 "> A 1 ack 1 sacks 501-601,301-401,101-201\n"
		 "< PA 201:301 ack 1\n"
		 "> A 1 ack 1 sacks 101-401,501-601\n"
		 "< PA 1:101 ack 1\n"
		 "> A 1 ack 401 sacks 501-601\n"
		 "recv 400\n"
		 "< PA 401:501 ack 1\n"
		 "> A 1 ack 601 nosacks\n"},
		{"what overlaps is one block, and what came twice is told first (RFC 2883)",
		 OPEN "< PA 21:31 ack 1\n"
		 "> A 1 ack 1 sacks 21-31\n"
		 "< PA 11:41 ack 1\n"
		 "> A 1 ack 1 sacks 21-31,11-41\n"
		 "< PA 15:20 ack 1\n"
		 "> A 1 ack 1 sacks 15-20,11-41\n"
		 "< PA 1:11 ack 1 ; recv 40\n"
		 "> A 1 ack 41 nosacks\n"},
		{"two FINs at different places: one counts, and is told",
		 OPEN
		 "< FA 1101 ack 1\n"
		 "> A 1 ack 1 sacks 1101-1102\n"
		 "< FA 101:102 ack 1\n"
		 "> A 1 ack 1 sacks 101-103\n"},
		{"two FINs behind a gap, with other data: what came twice is told",
		 OPEN
		 "< FA 101:301 ack 1\n"
		 "> A 1 ack 1 sacks 101-302\n"
		 "< FA 101:201 ack 1\n"
		 "> A 1 ack 1 sacks 101-201,101-301\n"},
		{"a FIN in front of what is held: a block of its own",
		 OPEN
		 "< PA 102:112 ack 1\n"
		 "> A 1 ack 1 sacks 102-112\n"
		 "< FA 101 ack 1\n"
		 "> A 1 ack 1 sacks 101-102,102-112\n"},
		{"FIN in FIN-WAIT-2: what was held behind it is not told any more",
		 OPEN
		 "shutdown\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "< PA 101:111 ack 2\n"
		 "> A 2 ack 1 sacks 101-111\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2 nosacks\n"
		 "state time-wait\n"},
		{"a timestamp behind what is acknowledged does not count yet (RFC 7323 4.3)",
		 OPEN
		 "< PA 1:11 ack 1 ts 5000 1 ; recv 10\n"
		 "< A 11 ack 1 ts 5100 1\n"
		 "> none\n"
		 "< PA 12:14 ack 1 ts 5000 1\n"
		 "> A 1 ack 11 sacks 12-14 ecr 5000\n"},
		{"once that is acknowledged it counts: what is older is not taken",
		 OPEN
		 "< PA 1:11 ack 1 ts 5000 1 ; recv 10\n"
		 "+ 41\n"
		 "> A 1 ack 11\n"
		 "< A 11 ack 1 ts 5100 1\n"
		 "> none\n"
		 "< PA 12:14 ack 1 ts 5000 1\n"
		 "> A 1 ack 11 nosacks ecr 5100\n"},
		{"the gap closed: no SACK any more",
		 PLAIN
		 "< PA 11:21 ack 1\n"
		 "> A 1 ack 1\n"
		 "< PA 1:11 ack 1\n"
		 "> A 1 ack 21\n"
		 "recv 20\n"
		 "stat tcp_out_of_order 1\n"},
		{"overlaps: every octet once, the first copy counts",
		 PLAIN
		 "< PA 11:31 ack 1\n"
		 "> A 1 ack 1\n"
		 "< PA 21:41 ack 1\n"
		 "> A 1 ack 1\n"
		 "< PA 5:15 ack 1\n"
		 "> A 1 ack 1\n"
		 "< PA 1:51 ack 1\n"
		 "> A 1 ack 51\n"
		 "recv 50\n"
		 "stat segments_held 0\n"},
		{"old data again is acknowledged at once",
		 PLAIN
		 "< PA 1:11 ack 1 ; recv 10\n"
		 "+ 41\n"
		 "> A 1 ack 11\n"
		 "< PA 1:11 ack 1\n"
		 "> A 1 ack 11\n"
		 "< PA 6:16 ack 1\n"
		 "recv 5\n"
		 "+ 41\n"
		 "> A 1 ack 16\n"},
		{"D-SACK: a segment that came twice, whole or in part",
		 OPEN
		 "< PA 1:11 ack 1 ; recv 10\n"
		 "+ 41\n"
		 "> A 1 ack 11 nosacks\n"
		 "< PA 1:11 ack 1\n"
		 "> A 1 ack 11 sacks 1-11\n"
		 "< PA 6:16 ack 1 ; recv 5\n"
		 "> A 1 ack 16 sacks 6-11\n"
		 "< PA 16:26 ack 1 ; recv 10\n"
		 "+ 41\n"
		 "> A 1 ack 26 nosacks\n"},
		{"D-SACK: once, and before what is behind a gap",
		 OPEN
		 "< PA 11:21 ack 1\n"
		 "> A 1 ack 1 sacks 11-21\n"
		 "< PA 11:21 ack 1\n"
		 "> A 1 ack 1 sacks 11-21,11-21\n"
		 "< PA 31:41 ack 1\n"
		 "> A 1 ack 1 sacks 31-41,11-21\n"},
		{"D-SACK: what fills a gap and more",
		 OPEN
		 "< PA 11:21 ack 1\n"
		 "> A 1 ack 1 sacks 11-21\n"
		 "< PA 1:16 ack 1 ; recv 20\n"
		 "> A 1 ack 21 sacks 11-16\n"},
		{"no D-SACK where SACK was not agreed upon",
		 PLAIN
		 "< PA 1:11 ack 1 ; recv 10\n"
		 "+ 41\n"
		 "> A 1 ack 11\n"
		 "< PA 1:11 ack 1\n"
		 "> A 1 ack 11 nosacks\n"},
		{"a segment without ACK is dropped, wherever its number is",
		 PLAIN
		 "< P 100001:100011\n"
		 "> none\n"
		 "< P 1:11\n"
		 "> none\n"
		 "recv again\n"},
		{"URG changes nothing (in band)",
		 PLAIN
		 "< PUA 1:11 ack 1\n"
		 "recv 10\n"
		 "+ 41\n"
		 "> A 1 ack 11\n"},
		{"many small segments share one chunk of memory",
		 PLAIN
		 "< PA 1:2 ack 1\n"
		 "< PA 2:3 ack 1\n"
		 "> A 1 ack 3\n"
		 "< PA 3:4 ack 1\n"
		 "< PA 4:5 ack 1\n"
		 "> A 1 ack 5\n"
		 "stat segments_held 1\n"
		 "recv 4\n"},
		{"a segment larger than a chunk, as offloading makes them",
		 PLAIN
		 "< PA 1:30001 ack 1\n"
		 "+ 41\n"
		 "> A 1 ack 30001\n"
		 "recv 30000\n"
		 "stat segments_held 0\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_data, windows)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"the buffer fills, the window shuts, and opens when it is read",
		 "config recv_buffer 8192\n"
		 PLAIN
		 "< A 1:4001 ack 1\n"
		 "< A 4001:8001 ack 1\n"
		 "> A 1 ack 8001 win 192\n"
		 "< A 8001:8193 ack 1\n"
		 "+ 41\n"
		 "> A 1 ack 8193 win 0\n"
		 "recv 1000\n"
		 "> none\n"
		 "recv 1000\n"
		 "> none\n"
		 "recv 1000\n"
		 "> A 1 ack 8193 win 3000\n"
		 "recv 5192\n"
		 "> none\n"},
		{"data at a shut window is refused and answered, its acknowledgement believed",
		 "config recv_buffer 4096\n"
		 PLAIN
		 "send 10\n"
		 "> PA 1:11 ack 1\n"
		 "< A 1:4097 ack 1\n"
		 "+ 41\n"
		 "> A 11 ack 4097 win 0\n"
		 "< PA 4097:4098 ack 11\n"
		 "> A 11 ack 4097 win 0\n"
		 "info unacked 0\n"
		 "recv 4096\n"
		 "> A 11 ack 4097 win 4096\n"},
		{"a reset at a shut window is taken (MUST-66)",
		 "config recv_buffer 4096\n"
		 PLAIN
		 "< A 1:4097 ack 1\n"
		 "+ 41\n"
		 "> A 1 ack 4097 win 0\n"
		 "event readable\n"
		 "< R 4097\n"
		 "event closed ECONNRESET\n"},
		{"a segment that reaches over the window is cut",
		 "config recv_buffer 4096\n"
		 PLAIN
		 "< FPA 1:5001 ack 1\n"
		 "+ 41\n"
		 "> A 1 ack 4097 win 0\n"
		 "recv 4096\n"
		 "recv again\n"
		 "> A 1 ack 4097\n"},
		{"outside the window: an acknowledgement, nothing else",
		 PLAIN
		 "< PA 70001:70002 ack 1\n"
		 "> A 1 ack 1\n"
		 "< PA 65536:65540 ack 1\n"
		 "> A 1 ack 1\n"
		 "stat tcp_out_of_window 2\n"},
		{"small reads open it by a segment at least (MUST-39)",
		 "config recv_buffer 8192\n"
		 PLAIN
		 "< A 1:8193 ack 1\n"
		 "+ 41\n"
		 "> A 1 ack 8193 win 0\n"
		 "recv 1\n"
		 "recv 1\n"
		 "recv 100\n"
		 "+ 10000\n"
		 "> none\n"
		 "recv 1946\n"
		 "> A 1 ack 8193 win 2048\n"},
		{"the scaled window is offered with the first acknowledgement",
		 OPEN
		 "< PA 1:2 ack 1 ; recv 1\n"
		 "+ 41\n"
		 "> A 1 ack 2 win 32768\n"},
		{"a scaled window is rounded up: its edge never moves back (SHLD-14)",
		 OPEN "< PA 1:6 ack 1\n"
		 "+ 41\n"
		 "> A 1 ack 6 win 32767\n"
		 "< PA 6:9 ack 1\n"
		 "+ 41\n"
		 "> A 1 ack 9 win 32767\n"},
		{"the window of a SYN is not scaled, later ones are",
		 "listen\n"
		 "< S 0 mss 1000 ws 7 win 2000\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1 win 10 ; accept ; send 5000\n"
		 "> A 1:1001 ack 1\n"
		 "> none\n"
		 "< A 1 ack 1001 win 16\n"
		 "> A 1001:2001 ack 1\n"
		 "> A 2001:3001 ack 1\n"
		 "> none\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_data, sending)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"ten segments to begin with (RFC 6928), PSH on the last (MUST-61)",
		 PLAIN
		 "send 20000\n"
		 "> A 1:1001 ack 1\n"
		 "> A 1001:2001 ack 1\n"
		 "> A 2001:3001 ack 1\n"
		 "> A 3001:4001 ack 1\n"
		 "> A 4001:5001 ack 1\n"
		 "> A 5001:6001 ack 1\n"
		 "> A 6001:7001 ack 1\n"
		 "> A 7001:8001 ack 1\n"
		 "> A 8001:9001 ack 1\n"
		 "> A 9001:10001 ack 1\n"
		 "> none\n"
		 "< A 1 ack 2001\n"
		 "> A 10001:11001 ack 1\n"
		 "> A 11001:12001 ack 1\n"
		 "> A 12001:13001 ack 1\n"
		 "> A 13001:14001 ack 1\n"
		 "> none\n"
		 "info cwnd 12000\n"},
		{"the peer's window limits, not only ours",
		 PLAIN
		 "< A 1 ack 1 win 1500 ; send 5000\n"
		 "> A 1:1001 ack 1\n"
		 "> none\n"
		 "< A 1 ack 1001 win 1500\n"
		 "> A 1001:2001 ack 1\n"},
		{"Nagle: a small segment waits for what is out (SHLD-7)",
		 PLAIN
		 "send 10\n"
		 "> PA 1:11 ack 1\n"
		 "send 10\n"
		 "send 10\n"
		 "> none\n"
		 "< A 1 ack 11\n"
		 "> PA 11:31 ack 1\n"},
		{"Nagle can be switched off (MUST-17)",
		 PLAIN
		 "nodelay\n"
		 "send 10\n"
		 "> PA 1:11 ack 1\n"
		 "send 10\n"
		 "> PA 11:21 ack 1\n"},
		{"a full segment does not wait",
		 PLAIN
		 "send 10\n"
		 "> PA 1:11 ack 1\n"
		 "send 1005\n"
		 "> A 11:1011 ack 1\n"
		 "> none\n"
		 "< A 1 ack 1011\n"
		 "> PA 1011:1016 ack 1\n"},
		{"the last small segment does not wait when FIN goes with it",
		 PLAIN
		 "send 10\n"
		 "> PA 1:11 ack 1\n"
		 "send 10 ; shutdown\n"
		 "> FPA 11:21 ack 1\n"},
		{"what does not fit is refused, and it is said when there is room",
		 "config send_buffer 4096\n"
		 PLAIN
		 "send 5000 takes 4096\n"
		 "> A 1:1001 ack 1\n"
		 "> A 1001:2001 ack 1\n"
		 "> A 2001:3001 ack 1\n"
		 "> A 3001:4001 ack 1\n"
		 "> none\n"
		 "send EAGAIN\n"
		 "< A 1 ack 1001\n"
		 "event none\n"
		 "< A 1 ack 4001\n"
		 "> PA 4001:4097 ack 1\n"
		 "event writable\n"
		 "event none\n"
		 "send 100\n"},
		{"the link has no room: nothing is lost",
		 PLAIN
		 "full\n"
		 "send 1500\n"
		 "> none\n"
		 "room\n"
		 "> A 1:1001 ack 1\n"
		 "> none\n"
		 "nodelay\n"
		 "> PA 1001:1501 ack 1\n"},
		{"the link has no room for an acknowledgement: it leaves when there is",
		 PLAIN
		 "full\n"
		 "< A 1:1001 ack 1\n"
		 "< A 1001:2001 ack 1\n"
		 "> none\n"
		 "room\n"
		 "> A 1 ack 2001\n"},
		{"a segment never exceeds what the peer can take",
		 "listen\n"
		 "< S 0 mss 100\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1 ; accept ; send 250\n"
		 "> A 1:101 ack 1\n"
		 "> A 101:201 ack 1\n"
		 "> none\n"
		 "< A 1 ack 201\n"
		 "> PA 201:251 ack 1\n"},
		{"timestamps take their room from the data",
		 OPEN
		 "send 3000\n"
		 "> A 1:$s+1 ack 1\n"
		 "> A $s+1:$s*2+1 ack 1\n"
		 "> none\n"
		 "< A 1 ack $s*2+1\n"
		 "> PA $s*2+1:3001 ack 1\n"},
		{"a path with a smaller MTU: the same octets again in smaller segments",
		 OPEN
		 "send $s\n"
		 "> PA 1:$s+1 ack 1\n"
		 "icmp big 1280 4000\n"
		 "stat icmp_bad 1\n"
		 "icmp big 1280 1\n"
		 "> A 1:$t+1 ack 1\n"
		 "> PA $t+1:$s+1 ack 1\n"
		 "info mss $t\n"
		 "icmp big 68 1\n"
		 "drop\n"
		 "< A 1 ack $s+1\n"},
		{"the window grows by what is acknowledged only while it is used",
		 PLAIN
		 "send 100\n"
		 "> PA 1:101 ack 1\n"
		 "< A 1 ack 101\n"
		 "info cwnd 10000\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_data, odd_segments)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"an acknowledgement of what was never sent: a challenge (RFC 5961 5)",
		 PLAIN
		 "< A 1 ack 500\n"
		 "> A 1 ack 1\n"
		 "stat tcp_challenge 1\n"},
		{"data with such an acknowledgement is not believed (MAY-12)",
		 PLAIN
		 "< PA 1:11 ack 500\n"
		 "> A 1 ack 1\n"
		 "recv again\n"},
		{"an acknowledgement from before the window: a challenge",
		 PLAIN
		 "< PA 1:11 ack 4294000000\n"
		 "> A 1 ack 1\n"
		 "recv again\n"},
		{"SYN in a synchronised state: a challenge (RFC 5961 4)",
		 PLAIN
		 "< S 5 mss 1000\n"
		 "> A 1 ack 1\n"
		 "< SA 1 ack 1\n"
		 "> A 1 ack 1\n"
		 "state established\n"},
		{"a reset in the window is challenged, the exact one resets (RFC 5961 3)",
		 PLAIN
		 "< R 2\n"
		 "> A 1 ack 1\n"
		 "< R 60000\n"
		 "> A 1 ack 1\n"
		 "< R 70000\n"
		 "> none\n"
		 "< R 1\n"
		 "> none\n"
		 "event closed ECONNRESET\n"
		 "state closed\n"},
		{"challenges are limited for each connection, and there are more a second later",
		 PLAIN
		 "< R 2 ; < R 2 ; < R 2 ; < R 2 ; < R 2 ; < R 2 ; < R 2 ; < R 2\n"
		 "stat tcp_challenge 8\n"
		 "< R 2 ; < R 2 ; < R 2 ; < R 2 ; < R 2 ; < R 2 ; < R 2 ; < R 2\n"
		 "drop\n"
		 "< R 2 ; < R 2 ; < R 2 ; < R 2\n"
		 "> none\n"
		 "state established\n"
		 "+ 1000\n"
		 "< R 2\n"
		 "> A 1 ack 1\n"},
		{"PAWS: an old timestamp is dropped and answered (RFC 7323 5)",
		 OPEN
		 "< PA 1:11 ack 1 ts 5000 1 ; recv 10 ; send 1\n"
		 "> PA 1:2 ack 11 ecr 5000\n"
		 "< PA 11:21 ack 2 ts 4998 1\n"
		 "> A 2 ack 11 ecr 5000\n"
		 "recv again\n"
		 "stat tcp_paws 1\n"},
		{"PAWS: one less is the same tick, and the newer one is echoed",
		 OPEN
		 "< PA 1:11 ack 1 ts 5000 1 ; recv 10 ; send 1\n"
		 "> PA 1:2 ack 11 ecr 5000\n"
		 "< PA 11:21 ack 2 ts 4999 1 ; recv 10 ; send 1\n"
		 "> PA 2:3 ack 21 ecr 5000\n"},
		{"PAWS: an acknowledgement that was overtaken is not answered",
		 OPEN
		 "< PA 1:11 ack 1 ts 5000 1 ; recv 10 ; send 1\n"
		 "> PA 1:2 ack 11\n"
		 "< A 1 ack 1 ts 4000 1\n"
		 "> none\n"
		 "stat tcp_paws 1\n"
		 "< A 11 ack 1 ts 5000 1\n"
		 "< A 11 ack 1 ts 4950 1\n"
		 "> none\n"
		 "stat tcp_paws 2\n"
		 "< A 11 ack 1 ts 100 1\n"
		 "> A 2 ack 11\n"
		 "< A 11 ack 2 ts 4950 1\n"
		 "> A 2 ack 11\n"
		 "stat tcp_paws 4\n"},
		{"PAWS ends after 24 days of silence",
		 OPEN
		 "< PA 1:11 ack 1 ts 5000 1 ; recv 10\n"
		 "+ 41\n"
		 "> A 1 ack 11\n"
		 "+ 2073600001\n"
		 "< PA 11:21 ack 1 ts 10 1 ; recv 10\n"
		 "+ 41\n"
		 "> A 1 ack 21 ecr 10\n"},
		{"PAWS does not look at resets",
		 OPEN
		 "< R 1 ts 1 1\n"
		 "event closed ECONNRESET\n"},
		{"a segment without the agreed timestamp is dropped (RFC 7323 3.2)",
		 OPEN
		 "< PA 1:11 ack 1 nots\n"
		 "> none\n"
		 "recv again\n"
		 "stat tcp_no_timestamp 1\n"
		 "< R 1 nots\n"
		 "event closed ECONNRESET\n"},
		{"the timestamp echoed is that of the segment that closed the gap",
		 OPEN
		 "< PA 11:21 ack 1 ts 5000 1\n"
		 "> A 1 ack 1 ecr 1000\n"
		 "< PA 1:11 ack 1 ts 4000 1 ; recv 20\n"
		 "> A 1 ack 21 ecr 4000\n"},
		{"a keep-alive probe is answered",
		 PLAIN
		 "< A 0 ack 1\n"
		 "> A 1 ack 1\n"
		 "< A 0:1 ack 1\n"
		 "> A 1 ack 1\n"},
		{"our own keep-alive: ten probes that nobody answers, then a reset (MUST-24..28)",
		 PLAIN
		 "keepalive 7200000\n"
		 "+ 7199999\n"
		 "> none\n"
		 "+ 2\n"
		 "> A 0 ack 1\n"
		 "< A 1 ack 1\n"
		 "+ 7200002\n"
		 "> A 0 ack 1\n"
		 "+ 75001\n> A 0 ack 1\n+ 75001\n> A 0 ack 1\n+ 75001\n> A 0 ack 1\n+ 75001\n> A 0 ack 1\n"
		 "+ 75001\n> A 0 ack 1\n+ 75001\n> A 0 ack 1\n+ 75001\n> A 0 ack 1\n+ 75001\n> A 0 ack 1\n"
		 "+ 75001\n"
		 "> RA 1 ack 1\n"
		 "event closed ETIMEDOUT\n"},
		{"a keep-alive waits for silence",
		 PLAIN "keepalive 10000\n"
		 "+ 5000\n"
		 "< PA 1:11 ack 1 ; recv 10\n"
		 "+ 41\n"
		 "> A 1 ack 11\n"
		 "+ 9900\n"
		 "> none\n"
		 "+ 100\n"
		 "> A 0 ack 11\n"},
		{"an ICMP error aborts nothing that is open",
		 PLAIN
		 "send 10\n"
		 "> PA 1:11 ack 1\n"
		 "icmp hard 1\n"
		 "event none\n"
		 "state established\n"
		 "< A 1 ack 11\n"},
	};
	/* clang-format on */

	RUN(scripts);
}
