/* SPDX-License-Identifier: MIT */
/* watching.c - a witness started and ended beside a measurement */
#include "watching.h"

#include "../../rawstack/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { READY_MS = 5000, STOP_MS = 15000, POLL_MS = 5, WORDS_MAX = 160 };

int watching_begin(struct session *s, struct guest **out)
{
	uint64_t limit = clock_ns(CLOCK_MONOTONIC) + (uint64_t)READY_MS * NS_PER_MS;
	const struct lab_host *host = &s->lab->host[LAB_SERVER];
	struct command cmd;
	size_t len;
	int ret;

	command_witness(&cmd, s->lab);
	ret = session_spawn(s->arena->client_cpu, host->netns_fd, &cmd, out);
	if (ret < 0)
		return session_fail(s, ret, "dualwire witness", strerror(-ret), NULL);
	while (strstr(guest_output(*out, &len), "watching ") == NULL) {
		if (guest_step(*out)->all_ended)
			return session_fail(s, -ECHILD, "dualwire witness", "did not start", *out);
		if (clock_ns(CLOCK_MONOTONIC) > limit)
			return session_fail(s, -ETIMEDOUT, "dualwire witness", "is not ready",
					    *out);
		ret = session_wait(s, *out, POLL_MS);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* The last line with the totals; verdicts of connections stand before it. */
static const char *totals_line(const char *text, size_t len)
{
	static const char word[] = " frames, ";
	const char *found = NULL, *at = len > WORDS_MAX ? text + len - WORDS_MAX : text;

	while ((at = strstr(at, word)) != NULL)
		found = at++;
	while (found && found > text && found[-1] != '\n')
		found--;
	return found;
}

int watching_end(const struct session *s, struct guest *g, uint64_t *frames, uint64_t *dropped)
{
	const char *text, *line;
	size_t len;

	guest_stop(g, STOP_MS);
	text = guest_output(g, &len);
	line = totals_line(text, len);
	if (!line || sscanf(line, "%" SCNu64 " frames, %" SCNu64 " dropped", frames, dropped) != 2)
		return session_fail(s, -EPROTO, "dualwire witness", "did not say what it saw",
				    NULL);
	return 0;
}
