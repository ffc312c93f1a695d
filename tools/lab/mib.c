/* SPDX-License-Identifier: MIT */
/* mib.c - the kernel's counters of one namespace, as nstat shows them */
#include "mib.h"

#include "../../rawstack/netlink/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SNMP, NETSTAT, SNMP6 };

static int read_file(const char *path, char *buf)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	while (got > 0 && n < MIB_FILE_MAX - 1) {
		got = read(fd, buf + n, MIB_FILE_MAX - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	buf[n] = '\0';
	close(fd);
	return got < 0 ? -EIO : 0;
}

int mib_read(int netns_fd, struct mib *m)
{
	static const char *const paths[MIB_FILES] = {
		[SNMP] = "/proc/thread-self/net/snmp",
		[NETSTAT] = "/proc/thread-self/net/netstat",
		[SNMP6] = "/proc/thread-self/net/snmp6",
	};
	int back = -1, rc = netns_fd < 0 ? 0 : netns_enter(netns_fd, &back);

	if (rc < 0)
		return rc;
	for (int i = 0; i < MIB_FILES && rc == 0; i++)
		rc = read_file(paths[i], m->text[i]);
	if (back >= 0)
		netns_leave(back);
	return rc;
}

static const char *next_line(const char *p)
{
	p = strchr(p, '\n');
	return p ? p + 1 : NULL;
}

/* The @n-th word of a line, 0 being the first. */
static const char *nth_word(const char *line, size_t n)
{
	while (n-- && *line && *line != '\n') {
		line += strcspn(line, " \n");
		line += strspn(line, " ");
	}
	return line;
}

/* The word of a "Group: name name" line that makes @name together with its group, 0: none. */
static size_t find_column(const char *line, const char *name)
{
	size_t group = strcspn(line, ":\n"), rest = strlen(name);

	if (line[group] != ':' || strncmp(line, name, group) != 0)
		return 0;
	name += group;
	rest -= group;
	for (size_t i = 1;; i++) {
		const char *w = nth_word(line, i);
		size_t len = strcspn(w, " \n");

		if (!len)
			return 0;
		if (len == rest && memcmp(w, name, len) == 0)
			return i;
	}
}

/* Two lines a group: names, then numbers. */
static int get_from_pairs(const char *text, const char *name, int64_t *value)
{
	for (const char *line = text; line && *line;) {
		const char *numbers = next_line(line);
		size_t i = numbers ? find_column(line, name) : 0;

		if (i) {
			*value = strtoll(nth_word(numbers, i), NULL, 10);
			return 0;
		}
		line = numbers ? next_line(numbers) : NULL;
	}
	return -ENOENT;
}

/* One "name number" a line. */
static int get_from_list(const char *text, const char *name, int64_t *value)
{
	size_t len = strlen(name);

	for (const char *line = text; line && *line; line = next_line(line)) {
		if (strncmp(line, name, len) != 0 || !strchr(" \t", line[len]))
			continue;
		*value = strtoll(line + len, NULL, 10);
		return 0;
	}
	return -ENOENT;
}

int mib_get(const struct mib *m, const char *name, int64_t *value)
{
	if (get_from_pairs(m->text[SNMP], name, value) == 0 ||
	    get_from_pairs(m->text[NETSTAT], name, value) == 0)
		return 0;
	return get_from_list(m->text[SNMP6], name, value);
}
