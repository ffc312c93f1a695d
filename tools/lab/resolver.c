/* SPDX-License-Identifier: MIT */
/* resolver.c - the C library's resolver, asked in a process that sees files of our own making */
#include "resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the files are made before they are bound over the others: a file system of the child's own.
 */
#define SCRATCH "/tmp"

/* What the child writes, at once: less than a pipe takes whole. */
struct report {
	int setup; /* 0 or -errno */
	struct resolver_answer answer;
};
_Static_assert(sizeof(struct report) <= 4096, "a report is written whole");

static int put_file(const char *path, const char *text)
{
	char made[64];
	int fd;

	snprintf(made, sizeof(made), SCRATCH "/%s", strrchr(path, '/') + 1);
	fd = open(made, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0) {
		close(fd);
		return -EIO;
	}
	close(fd);
	return mount(made, path, "none", MS_BIND, NULL) < 0 ? -errno : 0;
}

/* Only this process sees what is mounted here. */
static int put_files(const struct resolver_files *f)
{
	int rc;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", SCRATCH, "tmpfs", 0, NULL) < 0)
		return -errno;
	rc = put_file("/etc/hosts", f->hosts);
	if (rc == 0)
		rc = put_file("/etc/nsswitch.conf", f->nsswitch);
	if (rc == 0 && f->resolv[0])
		rc = put_file("/etc/resolv.conf", f->resolv);
	if (rc == 0 && f->gai[0])
		rc = put_file("/etc/gai.conf", f->gai);
	/* A name service cache of the host would answer for its own files. */
	if (rc == 0 && access("/run/nscd", F_OK) == 0)
		mount("tmpfs", "/run/nscd", "tmpfs", 0, NULL);
	return rc;
}

static void ask_forward(const struct resolver_question *q, struct resolver_answer *out)
{
	struct addrinfo hints = {
		.ai_family = q->family, .ai_socktype = SOCK_STREAM, .ai_flags = q->flags};
	struct addrinfo *list;

	out->code = getaddrinfo(q->name, "7000", &hints, &list);
	if (out->code != 0)
		return;
	for (struct addrinfo *ai = list; ai && out->n < RESOLVER_ANSWERS_MAX; ai = ai->ai_next) {
		int family =
			endpoint_from_sockaddr(ai->ai_addr, ai->ai_addrlen, &out->list[out->n].ep);

		if (family > 0)
			out->list[out->n++].family = family;
	}
	freeaddrinfo(list);
}

static void ask_reverse(const struct resolver_question *q, struct resolver_answer *out)
{
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(&q->addr, q->addr_family, &ss);

	out->code = getnameinfo((struct sockaddr *)&ss,
				(socklen_t)(q->addr_len >= 0 ? q->addr_len : len), out->name,
				sizeof(out->name), NULL, 0, q->flags);
}

static void child(int netns_fd, const struct resolver_files *files,
		  const struct resolver_question *q, int pipe_fd, pid_t parent)
{
	struct report r = {0};
	ssize_t n;

	/* Who was orphaned before it asked to be told will not be told. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	r.setup = put_files(files);
	if (r.setup == 0 && setns(netns_fd, CLONE_NEWNET) < 0)
		r.setup = -errno;
	if (r.setup == 0 && q->reverse)
		ask_reverse(q, &r.answer);
	else if (r.setup == 0)
		ask_forward(q, &r.answer);
	n = write(pipe_fd, &r, sizeof(r));
	_exit(n == sizeof(r) ? 0 : 1);
}

static int receive(int fd, unsigned int ms, struct report *r)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	int rc;

	do {
		rc = poll(&pfd, 1, (int)ms);
	} while (rc < 0 && errno == EINTR);
	if (rc <= 0)
		return rc < 0 ? -errno : -ETIMEDOUT;
	return read(fd, r, sizeof(*r)) == sizeof(*r) ? 0 : -EIO;
}

int resolver_ask(int netns_fd, const struct resolver_files *files,
		 const struct resolver_question *q, unsigned int ms, struct resolver_answer *out)
{
	struct report r = {0};
	int fd[2], rc;
	pid_t pid, parent;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	parent = getpid();
	pid = fork();
	if (pid < 0) {
		rc = -errno;
		close(fd[0]);
		close(fd[1]);
		return rc;
	}
	if (pid == 0)
		child(netns_fd, files, q, fd[1], parent);
	close(fd[1]);
	rc = receive(fd[0], ms, &r);
	close(fd[0]);
	if (rc < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (rc == 0)
		rc = r.setup;
	if (rc == 0)
		*out = r.answer;
	return rc;
}
