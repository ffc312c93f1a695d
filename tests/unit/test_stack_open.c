/* SPDX-License-Identifier: MIT */
/* test_stack_open.c - scripts: opening a connection, from either side and from both */
#include "t_script.h"

#include <criterion/criterion.h>

/* A SYN as Linux sends it, answered. */
#define HANDSHAKE                                                                                  \
	"listen\n"                                                                                 \
	"< S 0 mss $m sack ts 100 0 ws 7\n"                                                        \
	"> SA 0 ack 1 mss $m sack ts ecr 100 ws 3\n"                                               \
	"< A 1 ack 1\n"                                                                            \
	"accept\n"

Test(stack_open, passive)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"a handshake with every option",
		 "listen\n"
		 "state none\n"
		 "< S 0 mss $m sack ts 100 0 ws 7\n"
		 "> SA 0 ack 1 mss $m sack ts ecr 100 ws 3 win 65535\n"
		 "state half-open\n"
		 "accept none\n"
		 "< A 1 ack 1\n"
		 "> none\n"
		 "state established\n"
		 "event accept\n"
		 "accept\n"
		 "accept none\n"
		 "event none\n"
		 "info mss $s\n"},
		{"a handshake with no option: the default MSS of the wire family",
		 "listen\n"
		 "< S 0\n"
		 "> SA 0 ack 1 mss $m nosack nots nows\n"
		 "< A 1 ack 1\n"
		 "accept\n"
		 "info mss $d\n"},
		{"options are agreed to one by one: timestamps alone",
		 "listen\n"
		 "< S 0 mss 1000 ts 7 0\n"
		 "> SA 0 ack 1 nosack ts ecr 7 nows\n"
		 "< A 1 ack 1\n"
		 "accept\n"
		 "info mss 988\n"},
		{"SACK alone",
		 "listen\n"
		 "< S 0 mss 1000 sack\n"
		 "> SA 0 ack 1 sack nots nows\n"
		 "< A 1 ack 1\n"
		 "accept\n"
		 "info mss 1000\n"},
		{"window scale alone",
		 "listen\n"
		 "< S 0 mss 1000 ws 7\n"
		 "> SA 0 ack 1 nosack nots ws 3\n"},
		{"what we do not offer is not agreed to",
		 "config no_timestamps\n"
		 "config no_sack\n"
		 "config no_wscale\n"
		 "listen\n"
		 "< S 0 mss $m sack ts 100 0 ws 7\n"
		 "> SA 0 ack 1 nosack nots nows\n"},
		{"an MSS too small to live with is raised, too large a one cut",
		 "listen\n"
		 "< S 0 mss 1\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1\n"
		 "accept\n"
		 "info mss 64\n"
		 "< S 0 mss 9000 port 40001\n"
		 "> SA 0 ack 1 port 40001\n"
		 "< A 1 ack 1 port 40001\n"},
		{"data with the final ACK",
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< PA 1:101 ack 1 ; accept ; recv 100 ; send 5\n"
		 "> PA 1:6 ack 101\n"},
		{"data and FIN with the final ACK, answered in one segment",
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< FPA 1:101 ack 1 ; accept ; recv 100 ; recv eof ; send 100 ; close\n"
		 "> FPA 1:101 ack 102\n"
		 "< A 102 ack 102\n"
		 "> none\n"
		 "state none\n"
		 "stat conns 0\n"
		 "stat segments_held 0\n"},
		{"the SYN again: the SYN-ACK again, the same",
		 "listen\n"
		 "< S 0 mss $m ts 1 0\n"
		 "> SA 0 ack 1\n"
		 "< S 0 mss $m ts 2 0\n"
		 "> SA 0 ack 1\n"
		 "stat tcp_syn_in 1\n"},
		{"no answer: the SYN-ACK at 1, 3, 7, 15 and 31 s, then it is forgotten",
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "+ 999\n"
		 "> none\n"
		 "+ 2\n"
		 "> SA 0 ack 1\n"
		 "+ 1997\n"
		 "> none\n"
		 "+ 3\n"
		 "> SA 0 ack 1\n"
		 "+ 4000\n"
		 "> SA 0 ack 1\n"
		 "+ 8000\n"
		 "> SA 0 ack 1\n"
		 "+ 16000\n"
		 "> SA 0 ack 1\n"
		 "+ 31000\n"
		 "> none\n"
		 "state half-open\n"
		 "+ 1001\n"
		 "> none\n"
		 "state none\n"
		 "stat tcp_half_open_expired 1\n"},
		{"after a lost SYN-ACK the window starts at one segment (RFC 5681 3.1)",
		 "listen\n"
		 "< S 0 mss 1000\n"
		 "> SA 0 ack 1\n"
		 "+ 1001\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1 ; accept ; send 5000\n"
		 "> A 1:1001 ack 1\n"
		 "> none\n"},
		{"a reset in SYN-RECEIVED: back to LISTEN, nobody is told (MUST-11)",
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< R 1\n"
		 "> none\n"
		 "state none\n"
		 "event none\n"
		 "accept none\n"},
		{"a reset in the window but not exact: a challenge, and nothing is forgotten",
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< R 500\n"
		 "> A 1 ack 1\n"
		 "state half-open\n"
		 "< R 70000\n"
		 "> none\n"
		 "state half-open\n"},
		{"an acknowledgement of something else: a reset with its number",
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 77\n"
		 "> R 77\n"
		 "state half-open\n"
		 "< A 1 ack 1\n"
		 "state established\n"},
		{"a new SYN with another number in SYN-RECEIVED: a challenge",
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< S 300 mss $m\n"
		 "> A 1 ack 1\n"
		 "state half-open\n"},
		{"SYN is counted where the window is looked at: a reset that reaches into it by one",
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< SR 0:1\n"
		 "> A 1 ack 1\n"
		 "state half-open\n"},
		{"segments without ACK are not looked at in SYN-RECEIVED",
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< - 1:11\n"
		 "> none\n"
		 "state half-open\n"},
		{"outside the window in SYN-RECEIVED: one acknowledgement, not many",
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< A 70001 ack 1\n"
		 "> A 1 ack 1\n"
		 "< A 70001 ack 1\n"
		 "> none\n"
		 "stat tcp_out_of_window 2\n"},
		{"an old timestamp in SYN-RECEIVED",
		 "listen\n"
		 "< S 0 mss $m ts 100 0\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1 ts 99 1\n"
		 "> A 1 ack 1 ts\n"
		 "state half-open\n"
		 "stat tcp_paws 1\n"},
		{"SYN and FIN together are dropped, SYN and RST too",
		 "listen\n"
		 "< SF 0 mss $m\n"
		 "> none\n"
		 "< SR 0 mss $m\n"
		 "> none\n"
		 "state none\n"},
		{"nothing to say in LISTEN: no flags, FIN, URG",
		 "listen\n"
		 "< - 0\n"
		 "< F 0\n"
		 "< FPU 0\n"
		 "> none\n"},
		{"an ACK in LISTEN is reset with its own number",
		 "listen\n"
		 "< A 5 ack 77\n"
		 "> R 77\n"
		 "< SA 5 ack 78\n"
		 "> R 78\n"
		 "< FA 5 ack 79\n"
		 "> R 79\n"},
		{"a full accept queue drops the final ACK and keeps the request",
		 "listen 0\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< S 0 mss $m port 40001\n"
		 "> SA 0 ack 1 port 40001\n"
		 "< A 1 ack 1 port 40001\n"
		 "+ 1001\n"
		 "> SA 0 ack 1 port 40000\n"
		 "< A 1 ack 1\n"
		 "> none\n"
		 "state half-open\n"
		 "stat tcp_accept_full 1\n"
		 "accept\n"
		 "< PA 1:11 ack 1 ; accept ; recv 10\n"
		 "state established\n"},
		{"a SYN finds the accept queue full: dropped",
		 "listen 0\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1\n"
		 "< S 0 mss $m port 40001\n"
		 "> none\n"
		 "stat tcp_accept_full 1\n"
		 "accept\n"
		 "< S 0 mss $m port 40001\n"
		 "> SA 0 ack 1 port 40001\n"},
		{"closing the listener resets what was not accepted, forgets what is half open",
		 "listen\n"
		 "< S 0 mss $m port 40001\n"
		 "> SA 0 ack 1 port 40001\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1\n"
		 "unlisten\n"
		 "> RA 1 ack 1 port 40000\n"
		 "state none\n"
		 "< S 0 mss $m\n"
		 "> RA 0 ack 1\n"
		 "stat conns 0\n"},
		{"a reset before accept: accept still returns it",
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1\n"
		 "< PA 1:11 ack 1\n"
		 "< R 11\n"
		 "event accept\n"
		 "event none\n"
		 "accept\n"
		 "event readable\n"
		 "event closed ECONNRESET\n"
		 "recv 10\n"
		 "recv ECONNRESET\n"
		 "recv eof\n"
		 "close\n"
		 "stat conns 0\n"},
		{"the timestamp of the peer is echoed, ours moves with the clock",
		 HANDSHAKE
		 "+ 500\n"
		 "< PA 1:2 ack 1 ts 5000 1 ; recv 1 ; send 1\n"
		 "> PA 1:2 ack 2 ecr 5000\n"},
		{"a bad checksum is dropped, an option of length 0 too (MUST-3, MUST-7)",
		 "listen\n"
		 "< S 0 mss $m badsum\n"
		 "< S 0 mss $m badopt\n"
		 "> none\n"
		 "stat tcp_bad 2\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_open, nobody_listens)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"a SYN: RST and ACK of what it occupies",
		 "< S 0 mss $m\n"
		 "> RA 0 ack 1\n"
		 "stat tcp_no_port 1\n"},
		{"a SYN with data",
		 "< S 0:100 mss $m\n"
		 "> RA 0 ack 101\n"},
		{"an ACK: a bare RST with its number",
		 "< A 5 ack 4242\n"
		 "> R 4242\n"},
		{"FIN, no flags, all flags",
		 "< F 5\n"
		 "> RA 0 ack 6\n"
		 "< - 5\n"
		 "> RA 0 ack 5\n"
		 "< FPU 5\n"
		 "> RA 0 ack 6\n"},
		{"a RST is answered by nothing",
		 "< R 5\n"
		 "< RA 5 ack 6\n"
		 "> none\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_open, active)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"connect with every option",
		 "connect\n"
		 "> S 0 mss $m sack ts ws 3 win 65535\n"
		 "state syn-sent\n"
		 "< SA 0 ack 1 mss 1400 sack ts 100 1 ws 7\n"
		 "> A 1 ack 1 ts ecr 100\n"
		 "state established\n"
		 "event connected\n"
		 "event writable\n"
		 "event none\n"
		 "info mss 1388\n"},
		{"connect to a peer without options",
		 "connect\n"
		 "> S 0\n"
		 "< SA 0 ack 1\n"
		 "> A 1 ack 1 nots\n"
		 "info mss $d\n"},
		{"data queued before the answer leaves with it",
		 "connect ; send 10\n"
		 "> S 0\n"
		 "< SA 0 ack 1 mss $m\n"
		 "> PA 1:11 ack 1\n"},
		{"refused",
		 "connect\n"
		 "> S 0\n"
		 "< RA 0 ack 1\n"
		 "event closed ECONNREFUSED\n"
		 "recv ECONNREFUSED\n"
		 "state closed\n"
		 "close\n"
		 "stat conns 0\n"},
		{"a reset without ACK, or with a wrong one, refuses nothing",
		 "connect\n"
		 "> S 0\n"
		 "< R 0\n"
		 "< RA 0 ack 2\n"
		 "> none\n"
		 "state syn-sent\n"},
		{"a SYN-ACK of something else is reset",
		 "connect\n"
		 "> S 0\n"
		 "< SA 0 ack 2\n"
		 "> R 2\n"
		 "state syn-sent\n"
		 "< SA 0 ack 1\n"
		 "> A 1 ack 1\n"},
		{"an ACK alone is not an answer",
		 "connect\n"
		 "> S 0\n"
		 "< A 0 ack 1\n"
		 "> none\n"
		 "state syn-sent\n"},
		{"nobody answers: SYN at 1, 3, 7 ... s, over three minutes (MUST-23)",
		 "connect\n"
		 "> S 0\n"
		 "+ 999\n"
		 "> none\n"
		 "+ 2\n"
		 "> S 0\n"
		 "+ 2000\n"
		 "> S 0\n"
		 "+ 4000\n"
		 "> S 0\n"
		 "+ 8000\n"
		 "> S 0\n"
		 "+ 16000\n"
		 "> S 0\n"
		 "+ 32000\n"
		 "> S 0\n"
		 "+ 64000\n"
		 "> S 0\n"
		 "+ 119000\n"
		 "state syn-sent\n"
		 "+ 1001\n"
		 "> none\n"
		 "event closed ETIMEDOUT\n"
		 "state closed\n"},
		{"after a lost SYN the window starts at one segment (RFC 5681 3.1)",
		 "connect ; send 5000\n"
		 "> S 0\n"
		 "+ 1001\n"
		 "> S 0\n"
		 "< SA 0 ack 1 mss 1000\n"
		 "> A 1:1001 ack 1\n"
		 "> none\n"},
		{"closed before it was answered: forgotten; what comes is reset",
		 "connect\n"
		 "> S 0\n"
		 "close\n"
		 "> none\n"
		 "< SA 0 ack 1\n"
		 "> R 1\n"
		 "stat conns 0\n"},
		{"data with the SYN-ACK",
		 "connect\n"
		 "> S 0\n"
		 "< SA 0:10 ack 1 mss $m ; recv 10\n"
		 "> A 1 ack 11\n"},
		{"a port unreachable aborts what is not open yet (SHLD-26)",
		 "connect\n"
		 "> S 0\n"
		 "icmp hard 0\n"
		 "event closed ECONNREFUSED\n"},
		{"a host unreachable does not (MUST-56), but is the reason in the end",
		 "connect\n"
		 "> S 0\n"
		 "icmp soft 0\n"
		 "event none\n"
		 "+ 130000\n"
		 "> S 0\n"
		 "> S 0\n"
		 "> S 0\n"
		 "> S 0\n"
		 "> S 0\n"
		 "> S 0\n"
		 "> S 0\n"
		 "+ 130000\n"
		 "event closed EHOSTUNREACH\n"},
		{"an ICMP error about a number that is not in flight is forged (RFC 5927)",
		 "connect\n"
		 "> S 0\n"
		 "icmp hard 1\n"
		 "icmp hard 4000\n"
		 "event none\n"
		 "state syn-sent\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_open, both_at_once)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"simultaneous open (MUST-10)",
		 "connect\n"
		 "> S 0\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1 mss $m\n"
		 "state syn-received\n"
		 "< SA 0 ack 1 mss $m\n"
		 "state established\n"
		 "event connected\n"
		 "event writable\n"
		 "send 3\n"
		 "> PA 1:4 ack 1\n"},
		{"its last ACK alone does as well",
		 "connect\n"
		 "> S 0\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1\n"
		 "state established\n"},
		{"its SYN-ACK is sent again",
		 "connect\n"
		 "> S 0\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "+ 1001\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1\n"
		 "state established\n"},
		{"a reset in it is a refusal",
		 "connect\n"
		 "> S 0\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< R 1\n"
		 "event closed ECONNREFUSED\n"},
		{"closed in it: FIN follows once it is open",
		 "connect\n"
		 "> S 0\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "close\n"
		 "< A 1 ack 1\n"
		 "> FA 1 ack 1\n"
		 "state fin-wait-1\n"},
		{"a wrong acknowledgement in it is reset",
		 "connect\n"
		 "> S 0\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 9\n"
		 "> R 9\n"
		 "state syn-received\n"},
	};
	/* clang-format on */

	RUN(scripts);
}

Test(stack_open, cookies)
{
	/* clang-format off */
	static const struct script scripts[] = {
		{"always: nothing is kept until the final ACK, and nothing is lost",
		 "config always_cookies\n"
		 "listen\n"
		 "< S 0 mss $m sack ts 100 0 ws 7\n"
		 "> SA 0 ack 1 mss $m sack ts ecr 100 ws 3\n"
		 "state none\n"
		 "+ 50\n"
		 "< A 1 ack 1\n"
		 "> none\n"
		 "accept\n"
		 "info mss $s\n"
		 "stat tcp_cookie_ok 1\n"
		 "send 5\n"
		 "> PA 1:6 ack 1 ts\n"},
		{"without timestamps: no SACK, no window scale, an MSS of the table",
		 "config always_cookies\n"
		 "listen\n"
		 "< S 0 mss 1405 sack ws 7\n"
		 "> SA 0 ack 1 nosack nots nows\n"
		 "< A 1 ack 1\n"
		 "accept\n"
		 "info mss 1400\n"},
		{"data with the final ACK",
		 "config always_cookies\n"
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< PA 1:11 ack 1 ; accept ; recv 10 ; send 1\n"
		 "> PA 1:2 ack 11\n"},
		{"a wrong one is reset",
		 "config always_cookies\n"
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 2\n"
		 "> R 2\n"
		 "< A 2 ack 1\n"
		 "> R 1\n"
		 "stat tcp_cookie_bad 2\n"
		 "stat conns 0\n"},
		{"an old one is reset",
		 "config always_cookies\n"
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "+ 128000\n"
		 "< S 0 mss $m port 40001\n"
		 "< A 1 ack 1\n"
		 "stat tcp_cookie_bad 1\n"
		 "> SA 0 ack 1 port 40001\n"
		 "> R ? port 40000\n"},
		{"of another port is reset",
		 "config always_cookies\n"
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "< A 1 ack 1 port 40001\n"
		 "> R 1 port 40001\n"},
		{"when the table is full, and not before",
		 "config max_half_open 1\n"
		 "listen\n"
		 "< S 0 mss $m port 40001\n"
		 "> SA 0 ack 1 port 40001\n"
		 "stat tcp_cookie_out 0\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "stat tcp_cookie_out 1\n"
		 "state none\n"
		 "< A 1 ack 1\n"
		 "accept\n"},
		{"the listener is gone when it comes back: a reset",
		 "config always_cookies\n"
		 "listen\n"
		 "< S 0 mss $m\n"
		 "> SA 0 ack 1\n"
		 "unlisten\n"
		 "< A 1 ack 1\n"
		 "> R 1\n"},
		{"a full accept queue drops it",
		 "config always_cookies\n"
		 "listen 0\n"
		 "< S 0 mss $m port 40001\n"
		 "> SA 0 ack 1 port 40001\n"
		 "< A 1 ack 1 port 40001\n"
		 "stat conns 1\n"},
	};
	/* clang-format on */

	RUN(scripts);
}
