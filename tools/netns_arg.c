/* SPDX-License-Identifier: MIT */
/* netns_arg.c - the --netns option: work in another network namespace */
#include "netns_arg.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int open_namespace(const char *cmd, const char *arg)
{
	char path[64];
	int fd;

	if (*arg && strspn(arg, "0123456789") == strlen(arg)) {
		snprintf(path, sizeof(path), "/proc/%.20s/ns/net", arg);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT) {
			cli_fail(cmd, "there is no process %.20s; name one that runs, or a file",
				 arg);
			return -1;
		}
	} else {
		fd = open(arg, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		cli_fail(cmd,
			 "cannot open the network namespace '%.128s': %s; name a process or a file "
			 "such as /run/netns/NAME",
			 arg, strerrordesc_np(errno));
	return fd;
}

/* Rights over a namespace come from the user namespace that owns it. Returns 0 or -errno. */
static int enter(int fd)
{
	int owner, rc;

	if (setns(fd, CLONE_NEWNET) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	owner = ioctl(fd, NS_GET_USERNS);
	if (owner < 0)
		return -EPERM;
	rc = setns(owner, CLONE_NEWUSER) == 0 && setns(fd, CLONE_NEWNET) == 0 ? 0 : -errno;
	close(owner);
	return rc;
}

int netns_arg_join(const char *cmd, const char *arg)
{
	int fd = open_namespace(cmd, arg), rc;

	if (fd < 0)
		return EXIT_NOT_STARTED;
	rc = enter(fd);
	close(fd);
	if (rc == -EINVAL)
		return cli_fail(cmd,
				"'%.128s' is no network namespace; name a process or a file "
				"such as /run/netns/NAME",
				arg);
	if (rc < 0)
		return cli_fail(
			cmd,
			"cannot enter the network namespace '%.128s': %s; run as root, or as the "
			"user who made it",
			arg, strerrordesc_np(-rc));
	return 0;
}
