/* SPDX-License-Identifier: MIT */
/* netns.c - network namespaces by file descriptor */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int netns_open_self(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * As netns_open_self(), but only when the thread could also come back through the descriptor. It
 * could not when a user namespace it has no power over owns the namespace it is in; the kernel
 * makes the same check for entering the namespace one is already in, so that is how to find out.
 */
static int open_way_back(void)
{
	int fd = netns_open_self();
	int ret;

	if (fd < 0)
		return fd;
	if (setns(fd, CLONE_NEWNET) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

int netns_new(void)
{
	int back = open_way_back();
	int fd;

	if (back < 0)
		return back;
	if (unshare(CLONE_NEWNET) < 0) {
		fd = -errno;
		close(back);
		return fd;
	}
	fd = netns_open_self();
	netns_leave(back);
	return fd;
}

int netns_enter(int netns_fd, int *back)
{
	int old = open_way_back();
	int ret;

	if (old < 0)
		return old;
	if (setns(netns_fd, CLONE_NEWNET) < 0) {
		ret = -errno;
		close(old);
		return ret;
	}
	*back = old;
	return 0;
}

void netns_leave(int back)
{
	/* Going on in the wrong namespace would touch somebody else's network. */
	if (setns(back, CLONE_NEWNET) < 0)
		abort();
	close(back);
}

int netns_socket(int netns_fd, int domain, int type, int protocol)
{
	int back = -1, fd, ret;

	if (netns_fd >= 0) {
		ret = netns_enter(netns_fd, &back);
		if (ret < 0)
			return ret;
	}
	fd = socket(domain, type, protocol);
	if (fd < 0)
		fd = -errno;
	if (back >= 0)
		netns_leave(back);
	return fd;
}

uint64_t netns_inode(int netns_fd)
{
	struct stat st;

	return fstat(netns_fd, &st) < 0 ? 0 : st.st_ino;
}

/* capget(2) itself: libcap-ng keeps its state per process, and that belongs to the tools. */
static bool have_effective(uint32_t caps)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	return (data[0].effective & caps) == caps;
}

/* Capabilities alone do not tell: a seccomp filter or the namespace's owner can still forbid it. */
static bool can_make_namespaces(void)
{
	uint32_t need = 1U << CAP_SYS_ADMIN | 1U << CAP_NET_ADMIN | 1U << CAP_NET_RAW;
	int fd;

	if (!have_effective(need))
		return false;
	fd = netns_new();
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int map_id(const char *path, unsigned int id)
{
	char text[32];

	snprintf(text, sizeof(text), "0 %u 1", id);
	return write_file(path, text);
}

static int loopback_up(void)
{
	struct ifreq req = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int enter_user_namespace(void)
{
	unsigned int uid = geteuid(), gid = getegid();
	int ret;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -errno;
	/* Without "deny" an unprivileged process may not write its gid_map: user_namespaces(7). */
	ret = write_file("/proc/self/setgroups", "deny");
	if (ret < 0)
		return ret;
	ret = map_id("/proc/self/uid_map", uid);
	if (ret < 0)
		return ret;
	ret = map_id("/proc/self/gid_map", gid);
	if (ret < 0)
		return ret;
	return loopback_up();
}

int netns_become_capable(void)
{
	int ret;

	if (can_make_namespaces())
		return 0;
	ret = enter_user_namespace();
	if (ret == -EACCES || ret == -ENOSPC) /* a security module; user.max_user_namespaces=0 */
		ret = -EPERM;
	if (ret < 0)
		return ret;
	return can_make_namespaces() ? 1 : -EPERM;
}
