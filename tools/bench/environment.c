/* SPDX-License-Identifier: MIT */
/* environment.c - kernel, processor, settings */
#include "environment.h"

#include "../../rawstack/netlink/netns.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 512 };

/* The first line of a file, or of it the line that begins with @key. NULL: no. */
static json_t *line_json(const char *path, const char *key)
{
	char line[LINE_MAX_BYTES];
	FILE *f = fopen(path, "re");
	json_t *found = NULL;

	if (!f)
		return json_null();
	while (!found && fgets(line, sizeof(line), f)) {
		char *text = line;

		line[strcspn(line, "\n")] = '\0';
		if (key && strncmp(line, key, strlen(key)) != 0)
			continue;
		if (key && strchr(line, ':'))
			text = strchr(line, ':') + 1;
		found = json_string(text + strspn(text, " \t"));
	}
	fclose(f);
	return found ? found : json_null();
}

/* A sysctl of the server's host. */
static json_t *sysctl_json(const struct arena *a, const char *path)
{
	json_t *value;
	int back;

	for (int kind = 0; kind < ARENA_KINDS; kind++) {
		if (!a->made[kind] ||
		    netns_enter(a->lab[kind].host[LAB_SERVER].netns_fd, &back) < 0)
			continue;
		value = line_json(path, NULL);
		netns_leave(back);
		return value;
	}
	return json_null();
}

json_t *environment_json(const struct arena *a)
{
	struct utsname u;
	json_t *e = json_object();

	uname(&u);
	json_object_set_new(e, "kernel", json_string(u.release));
	json_object_set_new(e, "machine", json_string(u.machine));
	json_object_set_new(e, "cpu", line_json("/proc/cpuinfo", "model name"));
	json_object_set_new(e, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_set_new(e, "client_cpu", json_integer(a->client_cpu));
	json_object_set_new(e, "server_cpu", json_integer(a->server_cpu));
	json_object_set_new(e, "rps",
			    a->one_cpu	   ? json_string("one processor only")
			    : a->rps_error ? json_string(strerror(-a->rps_error))
					   : json_string("each end's on its own processor"));
	json_object_set_new(e, "congestion_control",
			    sysctl_json(a, "/proc/sys/net/ipv4/tcp_congestion_control"));
	json_object_set_new(e, "somaxconn", sysctl_json(a, "/proc/sys/net/core/somaxconn"));
	json_object_set_new(e, "tcp_syncookies",
			    sysctl_json(a, "/proc/sys/net/ipv4/tcp_syncookies"));
	json_object_set_new(e, "dualwire", json_string(DUALWIRE_VERSION));
	return e;
}
