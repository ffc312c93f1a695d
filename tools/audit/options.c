/* SPDX-License-Identifier: MIT */
/* options.c - which options a process has set on a socket of its own */
#include "options.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The number of the descriptor by which @pid has the socket, -1: it has not, or we may not look. */
static int find_fd(pid_t pid, uint32_t inode)
{
	char path[64], link[64], wanted[32];
	struct dirent *e;
	int fd = -1;
	DIR *dir;

	snprintf(wanted, sizeof(wanted), "socket:[%u]", inode);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (fd < 0 && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (strcmp(link, wanted) == 0)
			fd = atoi(e->d_name);
	}
	closedir(dir);
	return fd;
}

static int read_option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value != 0;
}

static struct listener_options read_from(pid_t pid, uint32_t inode)
{
	struct listener_options o = {.reuseaddr = -1, .reuseport = -1};
	int fd = find_fd(pid, inode);
	int pid_fd = fd < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
	int copy = pid_fd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pid_fd, fd, 0);

	if (copy >= 0) {
		o.reuseaddr = read_option(copy, SO_REUSEADDR);
		o.reuseport = read_option(copy, SO_REUSEPORT);
		close(copy);
	}
	if (pid_fd >= 0)
		close(pid_fd);
	return o;
}

struct listener_options options_read(const struct holders *h, uint32_t inode)
{
	struct listener_options o = {.reuseaddr = -1, .reuseport = -1};
	size_t n;
	const struct holder *list = holders_find(h, inode, &n);

	for (size_t i = 0; i < n && o.reuseaddr < 0; i++)
		o = read_from(list[i].pid, inode);
	return o;
}

bool options_holds(const struct holders *h, uint32_t inode, pid_t pid)
{
	size_t n;
	const struct holder *list = holders_find(h, inode, &n);

	for (size_t i = 0; i < n; i++)
		if (list[i].pid == pid)
			return true;
	return false;
}
