/* SPDX-License-Identifier: MIT */
/* t_script.h - scripts against the TCP of the user-space stack, in virtual time */
#ifndef TESTS_T_SCRIPT_H
#define TESTS_T_SCRIPT_H

#include <stddef.h>

/*
 * A script is lines; a line is commands with " ; " between them. What a line caused leaves at its
 * end, so "< PA 1:65 ; recv 64 ; send 64" is a server that answers at once. Sequence numbers are
 * relative: of the peer to its ISN (which makes them wrap), of the stack to its own.
 *
 * config KEY [N] - before anything else: a field of struct stack_config by name, or v6only.
 *
 * listen [BACKLOG] - on port 80 of ::, both families. connect - to the peer.
 *
 * < FLAGS SEQ[:END] ... - a segment arrives. FLAGS are of SFRPAUEC, or "-" for none. Then any of:
 * ack N, win N (65535), mss N, sack, ws N, ts VAL ECR, sacks L-R,L-R, nots, badsum, badopt, port N
 * (other than 40000). Once both have offered timestamps they are there without saying so.
 *
 * > FLAGS SEQ[:END] ... - the next segment that left; ack N, win N, mss N, sack, nosack, ws N,
 * nows, ts, nots, ecr N, sacks L-R,L-R, nosacks, port N. What is not said is not looked at, except
 * that payload must be what was sent. "?" for SEQ: any. "> none": nothing has left.
 *
 * + MS - time goes by, timers do what is due.
 *
 * accept, accept none; recv N, recv eof, recv again, recv ERRNO; take N and release: as recv, but
 * borrowed; send N, send N takes M, send ERRNO; shutdown, shutdown-recv, close, abort, unlisten,
 * nodelay, keepalive MS - the user's calls.
 *
 * event none|accept|connected|readable|writable|closed [ERRNO]; state NAME, none, half-open or
 * time-wait; stat NAME N: a field of struct stack_stats; info mss|cwnd|unacked|unsent N - what
 * there must be.
 *
 * icmp hard|soft SEQ, icmp big MTU SEQ - an error that quotes a segment of ours. drop - forgets
 * what has left. full, room - the link takes no more frames; takes them again.
 *
 * Every script runs twice: with an IPv4 peer on the dual-stack socket, and with an IPv6 peer. Where
 * the families differ, in a script: "$m" is the MSS option at MTU 1500, "$s" the data of a full
 * segment with timestamps, "$f" without, "$t" with them at MTU 1280, "$d" the default MSS.
 */
struct script {
	const char *name;
	const char *text;
};

/* Runs all of them, each in both families; fails the test with name, family and line. */
void run_scripts(const struct script *scripts, size_t n);

#define RUN(scripts) run_scripts(scripts, sizeof(scripts) / sizeof((scripts)[0]))

#endif
