/* SPDX-License-Identifier: MIT */
/* t_witness.c - `dualwire witness` run on a lab's host, and what it said */
#include "t_witness.h"

#include "../../rawstack/netlink/netns.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void witness_program_start(int netns_fd, const char *const *args, struct program *p)
{
	struct program_how how = {0};
	struct pollfd ready = {.events = POLLIN};
	int pipefd[2], back;
	char byte;

	cr_assert(pipe2(pipefd, O_CLOEXEC) == 0);
	how.pass_fd = pipefd[1];
	cr_assert(netns_enter(netns_fd, &back) == 0);
	program_start(p, &how, args);
	netns_leave(back);
	close(pipefd[1]);
	ready.fd = pipefd[0];
	cr_assert(poll(&ready, 1, WITNESS_WAIT_MS) == 1, "it never got ready");
	cr_assert(read(pipefd[0], &byte, 1) == 1, "it ended before it was ready");
	close(pipefd[0]);
}

size_t witness_lines(const char *text, void (*fn)(json_t *line, void *arg), void *arg)
{
	char *copy = strdup(text), *rest = copy, *line;
	size_t n = 0;

	cr_assert(copy != NULL);
	while ((line = strsep(&rest, "\n"))) {
		json_t *o = *line ? json_loads(line, 0, NULL) : NULL;

		cr_assert(o || !*line, "no JSON: '%s'", line);
		if (o) {
			fn(o, arg);
			n++;
		}
		json_decref(o);
	}
	free(copy);
	return n;
}

const char *witness_text(json_t *line, const char *key, const char *inner)
{
	json_t *v = json_object_get(line, key);
	const char *text = json_string_value(inner ? json_object_get(v, inner) : v);

	return text ? text : "(none)";
}

struct counting {
	const char *verdict, *reason;
	size_t n;
};

static void count_line(json_t *line, void *arg)
{
	struct counting *c = arg;
	json_t *reasons = json_object_get(line, "reasons"), *v;
	bool found = !c->reason;
	size_t i;

	if (strcmp(witness_text(line, "verdict", NULL), c->verdict) != 0)
		return;
	json_array_foreach (reasons, i, v)
		found |= c->reason && strcmp(json_string_value(v), c->reason) == 0;
	c->n += found;
}

size_t witness_count(const char *text, const char *verdict, const char *reason)
{
	struct counting c = {verdict, reason, 0};

	witness_lines(text, count_line, &c);
	return c.n;
}
