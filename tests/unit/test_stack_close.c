/* SPDX-License-Identifier: MIT */
/* test_stack_close.c - scripts: every way a connection ends, and what lingers */
#include "t_script.h"

#include <criterion/criterion.h>

#define PLAIN                                                                                      \
	"listen\n"                                                                                 \
	"< S 0 mss 1000\n"                                                                         \
	"> SA 0 ack 1\n"                                                                           \
	"< A 1 ack 1\n"                                                                            \
	"accept\n"                                                                                 \
	"event accept\n"
#define STAMPED                                                                                    \
	"listen\n"                                                                                 \
	"< S 0 mss $m ts 100 0\n"                                                                  \
	"> SA 0 ack 1\n"                                                                           \
	"< A 1 ack 1\n"                                                                            \
	"accept\n"                                                                                 \
	"event accept\n"

Test(stack_close, in_order)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"we close first: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT for a minute",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "state fin-wait-1\n"
		 "< A 1 ack 2\n"
		 "state fin-wait-2\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2\n"
		 "state time-wait\n"
		 "stat conns 0\n"
		 "+ 59999\n"
		 "state time-wait\n"
		 "+ 2\n"
		 "state none\n"},
		{"the peer's FIN acknowledges ours: straight to TIME-WAIT",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2\n"
		 "state time-wait\n"},
		{"both at once: CLOSING",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 1\n"
		 "> A 2 ack 2\n"
		 "state closing\n"
		 "< A 2 ack 2\n"
		 "> none\n"
		 "state time-wait\n"},
		{"the peer closes first: CLOSE-WAIT, LAST-ACK, gone",
		 PLAIN
		 "< FA 1 ack 1\n"
		 "> A 1 ack 2\n"
		 "event readable\n"
		 "recv eof\n"
		 "state close-wait\n"
		 "close\n"
		 "> FA 1 ack 2\n"
		 "state last-ack\n"
		 "< A 2 ack 2\n"
		 "> none\n"
		 "state none\n"
		 "stat conns 0\n"},
		{"the answer to FIN is FIN, in one segment",
		 PLAIN
		 "< FA 1 ack 1 ; recv eof ; close\n"
		 "> FA 1 ack 2\n"
		 "< A 2 ack 2\n"
		 "state none\n"},
		{"FIN on the last data",
		 PLAIN
		 "< PA 1:11 ack 1 ; recv 10 ; send 10 ; close\n"
		 "> FPA 1:11 ack 11\n"
		 "< FA 11 ack 12\n"
		 "> A 12 ack 12\n"
		 "state time-wait\n"},
		{"half closed by the peer: we may go on sending",
		 PLAIN
		 "< FA 1 ack 1\n"
		 "> A 1 ack 2\n"
		 "send 100\n"
		 "> PA 1:101 ack 2\n"
		 "< A 2 ack 101\n"
		 "state close-wait\n"
		 "send 100 ; shutdown\n"
		 "> FPA 101:201 ack 2\n"
		 "< A 2 ack 202\n"
		 "event readable\n"
		 "event closed\n"
		 "recv eof\n"
		 "state closed\n"
		 "close\n"
		 "stat conns 0\n"},
		{"half closed by us: we go on receiving",
		 PLAIN
		 "shutdown\n"
		 "> FA 1 ack 1\n"
		 "send EPIPE\n"
		 "< A 1 ack 2\n"
		 "< PA 1:101 ack 2 ; recv 100\n"
		 "+ 41\n"
		 "> A 2 ack 101\n"
		 "< FA 101 ack 2\n"
		 "> A 2 ack 102\n"
		 "recv eof\n"
		 "event readable\n"
		 "event closed\n"
		 "state time-wait\n"
		 "close\n"},
		{"data that came before the end is there after it",
		 PLAIN
		 "< FPA 1:101 ack 1\n"
		 "> A 1 ack 102\n"
		 "shutdown\n"
		 "> FA 1 ack 102\n"
		 "< A 102 ack 2\n"
		 "recv 50\n"
		 "recv 50\n"
		 "recv eof\n"
		 "recv eof\n"
		 "close\n"
		 "stat segments_held 0\n"},
		{"FIN behind a gap is reported by SACK, as an octet of its own or of its data",
		 "listen\n"
		 "< S 0 mss 1000 sack\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1 ; accept\n"
		 "< FA 21 ack 1\n"
		 "> A 1 ack 1 sacks 21-22\n"
		 "< PA 11:21 ack 1\n"
		 "> A 1 ack 1 sacks 11-22\n"
		 "< FA 21 ack 1\n"
		 "> A 1 ack 1 sacks 21-22,11-22\n"
		 "state established\n"
		 "< PA 1:11 ack 1 ; recv 20 ; recv eof\n"
		 "> A 1 ack 22 nosacks\n"
		 "state close-wait\n"
		 "< FA 21 ack 1\n"
		 "> A 1 ack 22 sacks 21-22\n"},
		{"what is there behind a FIN does not count",
		 PLAIN
		 "< PA 21:31 ack 1\n"
		 "> A 1 ack 1\n"
		 "< FPA 1:21 ack 1 ; recv 20 ; recv eof\n"
		 "> A 1 ack 22\n"
		 "state close-wait\n"
		 "stat segments_held 0\n"},
		{"a FIN where data have come since was none",
		 PLAIN
		 "< FA 11 ack 1\n"
		 "> A 1 ack 1\n"
		 "< PA 1:21 ack 1 ; recv 20\n"
		 "+ 41\n"
		 "> A 1 ack 21\n"
		 "state established\n"},
		{"FIN ahead of a gap waits for the data",
		 PLAIN
		 "< FPA 11:21 ack 1\n"
		 "> A 1 ack 1\n"
		 "state established\n"
		 "< PA 1:11 ack 1\n"
		 "> A 1 ack 22\n"
		 "state close-wait\n"
		 "recv 20\n"
		 "recv eof\n"},
		{"FIN alone ahead of a gap",
		 PLAIN
		 "< FA 11 ack 1\n"
		 "> A 1 ack 1\n"
		 "< PA 1:11 ack 1\n"
		 "> A 1 ack 12\n"
		 "recv 10\n"
		 "recv eof\n"},
		{"data behind FIN is not believed",
		 PLAIN
		 "< FA 1 ack 1\n"
		 "> A 1 ack 2\n"
		 "< PA 2:12 ack 1\n"
		 "recv eof\n"
		 "drop\n"},
		{"FIN again in CLOSE-WAIT is acknowledged again",
		 PLAIN
		 "< FA 1 ack 1\n"
		 "> A 1 ack 2\n"
		 "< FA 1 ack 1\n"
		 "> A 1 ack 2\n"
		 "state close-wait\n"},
		{"closed with data queued: all of it, then FIN",
		 PLAIN
		 "< A 1 ack 1 win 1000 ; send 2500 ; close\n"
		 "> A 1:1001 ack 1\n"
		 "< A 1 ack 1001 win 5000\n"
		 "> A 1001:2001 ack 1\n"
		 "> FPA 2001:2501 ack 1\n"
		 "< A 1 ack 2502\n"
		 "state fin-wait-2\n"},
		{"an end without a word: FIN alone is no event before it is accepted",
		 "listen\n"
		 "< S 0 mss 1000\n"
		 "> SA 0 ack 1\n"
		 "< FA 1 ack 1\n"
		 "> A 1 ack 2\n"
		 "event accept\n"
		 "event none\n"
		 "accept\n"
		 "event readable\n"
		 "recv eof\n"},
		{"shut down for receiving: what comes is acknowledged and thrown away",
		 PLAIN
		 "shutdown-recv\n"
		 "event readable\n"
		 "recv eof\n"
		 "< PA 1:11 ack 1\n"
		 "+ 41\n"
		 "> A 1 ack 11\n"
		 "stat segments_held 0\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_close, resets)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"closed with data unread: a reset (SHLD-3)",
		 PLAIN
		 "< PA 1:11 ack 1\n"
		 "close\n"
		 "> RA 1 ack 11\n"
		 "state none\n"
		 "stat segments_held 0\n"},
		{"data for somebody who has closed: a reset",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "< PA 1:11 ack 2\n"
		 "> R 2\n"
		 "state none\n"
		 "stat conns 0\n"},
		{"aborted",
		 PLAIN
		 "send 100 ; abort\n"
		 "> RA 1 ack 1\n"
		 "state none\n"
		 "stat segments_held 0\n"},
		{"aborted in CLOSE-WAIT, FIN-WAIT-1, FIN-WAIT-2: a reset (RFC 9293 3.10.5)",
		 PLAIN
		 "< FA 1 ack 1\n"
		 "> A 1 ack 2\n"
		 "abort\n"
		 "> RA 1 ack 2\n"
		 "state none\n"},
		{"aborted in FIN-WAIT-1",
		 PLAIN
		 "shutdown\n"
		 "> FA 1 ack 1\n"
		 "abort\n"
		 "> RA 2 ack 1\n"
		 "state none\n"},
		{"aborted in FIN-WAIT-2",
		 PLAIN
		 "shutdown\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "abort\n"
		 "> RA 2 ack 1\n"
		 "state none\n"},
		{"aborted in LAST-ACK: both FINs are out, nothing is left to reset",
		 PLAIN
		 "< FA 1 ack 1\n"
		 "> A 1 ack 2\n"
		 "shutdown\n"
		 "> FA 1 ack 2\n"
		 "abort\n"
		 "> none\n"
		 "state none\n"
		 "stat conns 0\n"},
		{"aborted in CLOSING",
		 PLAIN
		 "shutdown\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 1\n"
		 "> A 2 ack 2\n"
		 "abort\n"
		 "> none\n"
		 "state none\n"
		 "stat conns 0\n"},
		{"aborted in LAST-ACK with data unread: a reset (SHLD-3)",
		 PLAIN
		 "< FA 1:11 ack 1\n"
		 "> A 1 ack 12\n"
		 "shutdown\n"
		 "> FA 1 ack 12\n"
		 "abort\n"
		 "> RA 2 ack 12\n"
		 "state none\n"
		 "stat segments_held 0\n"},
		{"aborted when FIN still waits behind data: CLOSE-WAIT to the peer",
		 PLAIN
		 "< FA 1 ack 1 win 1000\n"
		 "> A 1 ack 2\n"
		 "send 1500 ; shutdown\n"
		 "> A 1:1001 ack 2\n"
		 "abort\n"
		 "> RA 1001 ack 2\n"
		 "state none\n"},
		{"a reset in FIN-WAIT-1, FIN-WAIT-2: gone",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< R 1\n"
		 "state none\n"
		 "stat conns 0\n"},
		{"a reset in FIN-WAIT-2",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "< R 1\n"
		 "state none\n"},
		{"a reset in CLOSE-WAIT: EPIPE, as Linux has it",
		 PLAIN
		 "< FA 1 ack 1\n"
		 "> A 1 ack 2\n"
		 "event readable\n"
		 "< R 2\n"
		 "event closed EPIPE\n"},
		{"a reset in LAST-ACK",
		 PLAIN
		 "< FA 1 ack 1 ; recv eof ; close\n"
		 "> FA 1 ack 2\n"
		 "< R 2\n"
		 "state none\n"
		 "stat conns 0\n"},
		{"a reset in CLOSING",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 1\n"
		 "> A 2 ack 2\n"
		 "< R 2\n"
		 "state none\n"},
		{"data before a reset is still there",
		 PLAIN
		 "< PA 1:11 ack 1\n"
		 "< R 11\n"
		 "recv 10\n"
		 "recv ECONNRESET\n"
		 "recv eof\n"
		 "send EPIPE\n"},
		{"after the reset nobody has the four-tuple",
		 PLAIN
		 "< R 1\n"
		 "< PA 1:11 ack 1\n"
		 "> R 1\n"},
		{"closing a handle twice is harmless",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "close\n"
		 "abort\n"
		 "recv ENOTCONN\n"
		 "send ENOTCONN\n"
		 "> none\n"
		 "state fin-wait-1\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_close, lingering)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"TIME-WAIT: FIN again is acknowledged and the wait begins anew",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2\n"
		 "+ 30000\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2\n"
		 "+ 59999\n"
		 "state time-wait\n"
		 "+ 2\n"
		 "state none\n"},
		{"TIME-WAIT: a reset does not end it (RFC 1337), an ACK is not answered",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2\n"
		 "< R 2\n"
		 "< A 2 ack 2\n"
		 "> none\n"
		 "state time-wait\n"},
		{"TIME-WAIT: old data and odd numbers are answered",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2\n"
		 "< PA 2:12 ack 2\n"
		 "> A 2 ack 2\n"
		 "< A 900 ack 2\n"
		 "> A 2 ack 2\n"},
		{"TIME-WAIT: a newer SYN reopens, above the old numbers (MAY-2)",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2\n"
		 "< S 5000 mss 1000\n"
		 "> SA 65538 ack 5001\n"
		 "state half-open\n"
		 "stat tcp_time_wait_reopened 1\n"},
		{"TIME-WAIT: an older SYN does not",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2\n"
		 "< S 1 mss 1000\n"
		 "> A 2 ack 2\n"
		 "state time-wait\n"},
		{"TIME-WAIT: a newer timestamp reopens whatever the number (RFC 6191)",
		 STAMPED
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2\n"
		 "< S 1 mss $m ts 5000 0\n"
		 "> SA ? ack 2\n"
		 "state half-open\n"},
		{"TIME-WAIT: an older timestamp does not",
		 STAMPED
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2 ts\n"
		 "< S 9000 mss $m ts 50 0\n"
		 "> A 2 ack 2 ts\n"
		 "state time-wait\n"},
		{"TIME-WAIT at its limit: the oldest is forgotten",
		 "config max_time_wait 1\n"
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2\n"
		 "state time-wait\n"
		 "< S 0 mss 1000 port 40001\n"
		 "> SA 0 ack 1 port 40001\n"
		 "< A 1 ack 1 port 40001\n"
		 "accept ; close\n"
		 "> FA 1 ack 1 port 40001\n"
		 "< FA 1 ack 2 port 40001\n"
		 "> A 2 ack 2 port 40001\n"
		 "state none\n"
		 "stat tcp_time_wait_evicted 1\n"},
		{"FIN-WAIT-2 of a closed connection ends after a minute",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "+ 59999\n"
		 "state fin-wait-2\n"
		 "+ 2\n"
		 "> none\n"
		 "state none\n"
		 "stat conns 0\n"},
		{"FIN-WAIT-2 of a closed connection costs 64 bytes, and waits for FIN",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "stat conns 0\n"
		 "state fin-wait-2\n"
		 "< A 1 ack 2\n"
		 "> none\n"
		 "< A 1 ack 2 win 1\n"
		 "> none\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2\n"
		 "state time-wait\n"
		 "+ 59999\n"
		 "state time-wait\n"
		 "+ 2\n"
		 "state none\n"},
		{"FIN-WAIT-2 of a closed connection: new data are refused",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "< PA 1:11 ack 2\n"
		 "> R 2\n"
		 "state none\n"},
		{"FIN-WAIT-2 of a closed connection: a FIN behind a gap, too",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "< FA 11 ack 2\n"
		 "> R 2\n"
		 "state none\n"},
		{"FIN-WAIT-2 of a closed connection: old data are acknowledged",
		 PLAIN
		 "< PA 1:11 ack 1 ; recv 10 ; close\n"
		 "> FA 1 ack 11\n"
		 "< A 11 ack 2\n"
		 "state fin-wait-2\n"
		 "< PA 1:11 ack 2\n"
		 "> A 2 ack 11\n"
		 "< PA 100001:100011 ack 2\n"
		 "> A 2 ack 11\n"
		 "state fin-wait-2\n"
		 "< R 100001\n"
		 "state fin-wait-2\n"
		 "< R 12\n"
		 "state none\n"},
		{"FIN-WAIT-2 of a closed connection: SYN there is of a new one",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "< S 10 mss 1000\n"
		 "> RA ? ack 11\n"
		 "state none\n"},
		{"an old timestamp in FIN-WAIT-2 and TIME-WAIT is answered (RFC 7323 5.3)",
		 STAMPED
		 "close\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "< FA 1 ack 2 ts 9 1\n"
		 "> A 2 ack 1 ts\n"
		 "state fin-wait-2\n"
		 "< FA 1 ack 2\n"
		 "> A 2 ack 2 ts\n"
		 "< A 2 ack 2 ts 9 1\n"
		 "> A 2 ack 2 ts\n"
		 "state time-wait\n"},
		{"closed after half a close: what is owed is acknowledged first",
		 PLAIN
		 "shutdown\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "< PA 1:11 ack 2 ; recv 10 ; close\n"
		 "> A 2 ack 11\n"
		 "state fin-wait-2\n"
		 "stat conns 0\n"},
		{"closed with data behind a gap: reported still, and refused when the gap fills",
		 "listen\n"
		 "< S 0 mss 1000 sack\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1 ; accept\n"
		 "< PA 11:21 ack 1\n"
		 "> A 1 ack 1 sacks 11-21\n"
		 "close\n"
		 "> FA 1 ack 1 sacks 11-21\n"
		 "< PA 1:11 ack 1\n"
		 "> R 1\n"
		 "state none\n"
		 "stat segments_held 0\n"},
		{"RST right behind what was SACKed ends it, elsewhere in the window not",
		 "listen\n"
		 "< S 0 mss 1000 sack\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1 ; accept\n"
		 "< PA 11:21 ack 1\n"
		 "> A 1 ack 1 sacks 11-21\n"
		 "< R 11\n"
		 "> A 1 ack 1 sacks 11-21\n"
		 "< R 22\n"
		 "> A 1 ack 1 sacks 11-21\n"
		 "< R 21\n"
		 "> none\n"
		 "recv ECONNRESET\n"},
		{"the end of the stream stays the end, whatever comes behind it",
		 PLAIN
		 "< FPA 1:11 ack 1\n"
		 "> A 1 ack 12\n"
		 "< R 12\n"
		 "state closed\n"
		 "recv 10\n"
		 "recv eof\n"
		 "send EPIPE\n"},
		{"RST from before the peer's own FIN ends it, from before that not",
		 PLAIN
		 "< FA 1 ack 1\n"
		 "> A 1 ack 2\n"
		 "< R 0\n"
		 "> none\n"
		 "state close-wait\n"
		 "< R 1\n"
		 "> none\n"
		 "state closed\n"},
		{"acknowledgements of what never was sent are challenged, however old",
		 PLAIN
		 "send 10\n"
		 "> PA 1:11 ack 1\n"
		 "< A 1 ack 11\n"
		 "< PA 1:2 ack 1\n"
		 "+ 41\n"
		 "> A 11 ack 2\n"
		 "< PA 2:3 ack 0\n"
		 "> A 11 ack 2\n"
		 "recv 1\n"
		 "recv again\n"},
		{"FIN-WAIT-2 of one only half closed does not",
		 PLAIN
		 "shutdown\n"
		 "> FA 1 ack 1\n"
		 "< A 1 ack 2\n"
		 "+ 3600000\n"
		 "state fin-wait-2\n"
		 "close\n"
		 "+ 60001\n"
		 "state none\n"},
		{"FIN is sent again, and given up when nobody answers",
		 PLAIN
		 "close\n"
		 "> FA 1 ack 1\n"
		 "+ 1001\n"
		 "> FA 1 ack 1\n"
		 "+ 2000\n"
		 "> FA 1 ack 1\n"
		 "+ 4000\n"
		 "> FA 1 ack 1\n"
		 "+ 8000\n"
		 "> FA 1 ack 1\n"
		 "+ 16000\n"
		 "> FA 1 ack 1\n"
		 "+ 32000\n"
		 "> FA 1 ack 1\n"
		 "+ 64000\n"
		 "> FA 1 ack 1\n"
		 "+ 120000\n"
		 "> FA 1 ack 1\n"
		 "+ 119990\n"
		 "state fin-wait-1\n"
		 "+ 20\n"
		 "> none\n"
		 "state none\n"
		 "stat conns 0\n"},
		{"our FIN was lost, the peer's data was not: the same FIN again",
		 PLAIN
		 "shutdown\n"
		 "> FA 1 ack 1\n"
		 "< PA 1:11 ack 1 ; recv 10\n"
		 "+ 41\n"
		 "> A 2 ack 11\n"
		 "+ 961\n"
		 "> FA 1 ack 11\n"},
	};
	/* clang-format on */

	RUN(scripts);
}
