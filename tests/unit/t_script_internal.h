/* SPDX-License-Identifier: MIT */
/* t_script_internal.h - what the two halves of the script runner share */
#ifndef TESTS_T_SCRIPT_INTERNAL_H
#define TESTS_T_SCRIPT_INTERNAL_H

#include "../../rawstack/stack/tcp_internal.h"
#include "t_script.h"

enum {
	FRAMES_MAX = 4096,
	FRAME_SIZE = 2048,
	PEER_PORT = 40000,
	PORT = 80,
	START_MS = 5000000,
	NS_MS = 1000000,
	LINE_MAX_LEN = 512,
};

struct frame_kept {
	size_t len;
	uint8_t bytes[FRAME_SIZE];
};

struct run {
	const struct script *script;
	bool v6;
	int line;
	struct stack *s;
	struct stack_config cfg;
	bool cfg_v6only, link_full;
	uint64_t now;
	int listener;
	stack_conn conn;
	struct addr own, peer;
	uint32_t peer_iss, our_iss;
	bool our_iss_known;
	bool peer_ts, our_ts;
	uint32_t last_tsval;
	uint16_t our_port;
	struct stack_buf buf;
	uint64_t received, sent; /* octets of the stream so far, to check their content */
	struct frame_kept *frames;
	size_t first, n;
	uint8_t room[FRAME_SIZE];
	const char *failed;
	char why[400];
};

/* The first failure of a run counts. */
void fail(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Octet @n of either stream. */
uint8_t pattern(uint64_t n);

/* The next word of a line, NULL at its end. */
char *word(char **line);
uint32_t number(struct run *r, const char *w);
int errno_of(struct run *r, const char *w);

void do_segment_in(struct run *r, char *line);
void do_segment_out(struct run *r, char *line);

#endif
