/* SPDX-License-Identifier: MIT */
/* rps.c - receive packet steering, set through a sysfs of the right namespace */
#include "rps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

/* Words of 32 bits; the kernel refuses more of them than its processors fill. */
static int mask_print(char *text, size_t size, uint64_t mask)
{
	uint32_t high = (uint32_t)(mask >> 32), low = (uint32_t)mask;

	if (high == 0)
		return snprintf(text, size, "%" PRIx32 "\n", low);
	return snprintf(text, size, "%" PRIx32 ",%08" PRIx32 "\n", high, low);
}

static int mask_write(const char *path, uint64_t mask)
{
	char text[32];
	int len = mask_print(text, sizeof(text), mask);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = write(fd, text, (size_t)len) == len ? 0 : -errno;
	close(fd);
	return err;
}

/* Runs in the child: what it mounts goes with it. */
static int set_here(int netns_fd, const char *path, uint64_t mask)
{
	if (setns(netns_fd, CLONE_NEWNET) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		return -errno;
	return mask_write(path, mask);
}

int rps_set(int netns_fd, const char *ifname, uint64_t mask)
{
	char path[96];
	int status;
	pid_t pid;

	if (strchr(ifname, '/') ||
	    (size_t)snprintf(path, sizeof(path), "/sys/class/net/%s/queues/rx-0/rps_cpus",
			     ifname) >= sizeof(path))
		return -EINVAL;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(-set_here(netns_fd, path, mask));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}
