/* SPDX-License-Identifier: MIT */
/* activation.c - sockets that systemd opened for us (sd_listen_fds(3), without its library) */
#include "activation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3 }; /* SD_LISTEN_FDS_START */

/* -1: not a number. */
static long number_of(const char *text)
{
	char *end;
	long value;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return *end == '\0' && errno == 0 ? value : -1;
}

/* Copies the name before the next colon. Returns what follows it. */
static const char *name_take(const char *names, char *out)
{
	size_t len = strcspn(names, ":");

	snprintf(out, ACTIVATION_NAME, "%.*s", (int)len, names);
	return names[len] == ':' ? names + len + 1 : names + len;
}

int activation_take(struct activated *list, int max, int *bad_fd)
{
	long pid = number_of(getenv("LISTEN_PID")), n = number_of(getenv("LISTEN_FDS"));
	const char *names = getenv("LISTEN_FDNAMES");
	int rc = 0;

	*bad_fd = -1;
	if (pid != getpid() || n <= 0)
		n = 0; /* none, or somebody else's */
	if (n > max)
		return -E2BIG;
	for (int i = 0; i < n && rc == 0; i++) {
		rc = listener_describe(FIRST_FD + i, &list[i].spec);
		if (rc < 0)
			*bad_fd = FIRST_FD + i;
		list[i].name[0] = '\0';
		if (names != NULL)
			names = name_take(names, list[i].name);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return rc < 0 ? rc : (int)n;
}
