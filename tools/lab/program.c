/* SPDX-License-Identifier: MIT */
/* program.c - programs of others that a case needs, run in a namespace of the lab */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_RUN = 127 };

bool program_find(const char *name, char path[PROGRAM_PATH])
{
	static const char *const dirs[] = {"/usr/sbin", "/usr/bin",	   "/sbin",
					   "/bin",	"/usr/local/sbin", "/usr/local/bin"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, PROGRAM_PATH, "%s/%s", dirs[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* Between fork and exec: only calls that are safe there. */
static void become(int netns_fd, const char *const *argv, int in, int out, pid_t parent)
{
	/* Who was orphaned before it asked to be told will not be told. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
	    setns(netns_fd, CLONE_NEWNET) < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		_exit(NOT_RUN);
	execv(argv[0], (char *const *)argv);
	_exit(NOT_RUN);
}

static pid_t spawn(int netns_fd, const char *const *argv, int in, int out)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(netns_fd, argv, in, out, parent);
	return pid;
}

/* Reads up to the end of what it says, keeping the first line. */
static int listen_to(int fd, unsigned int ms, char *said, size_t len)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char buf[512];
	size_t n = 0;

	said[0] = '\0';
	for (;;) {
		int rc = poll(&pfd, 1, (int)ms);
		ssize_t got;

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc <= 0)
			return -ETIMEDOUT;
		got = read(fd, buf, sizeof(buf));
		if (got <= 0)
			break;
		for (ssize_t i = 0; i < got && n + 1 < len; i++)
			said[n++] = buf[i];
		said[n] = '\0';
	}
	said[strcspn(said, "\n")] = '\0';
	return 0;
}

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPROTO;
}

int program_run(int netns_fd, const char *const *argv, const char *input, unsigned int ms,
		char *said, size_t said_len)
{
	int in[2], out[2], rc, ended;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		rc = -errno;
		goto err_in;
	}
	/* What is written here is far less than a pipe holds. */
	if (write(in[1], input, strlen(input)) < 0) {
		rc = -errno;
		goto err_out;
	}
	pid = spawn(netns_fd, argv, in[0], out[1]);
	rc = pid < 0 ? (int)pid : 0;
	if (rc < 0)
		goto err_out;
	close(in[0]);
	close(in[1]);
	close(out[1]);
	rc = listen_to(out[0], ms, said, said_len);
	close(out[0]);
	if (rc < 0)
		kill(pid, SIGKILL);
	ended = reap(pid);
	return rc < 0 ? rc : ended;
err_out:
	close(out[0]);
	close(out[1]);
err_in:
	close(in[0]);
	close(in[1]);
	return rc;
}

pid_t program_start(int netns_fd, const char *const *argv)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid;

	if (null < 0)
		return -errno;
	pid = spawn(netns_fd, argv, null, null);
	close(null);
	return pid;
}

void program_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	reap(pid);
}
