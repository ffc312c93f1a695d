/* SPDX-License-Identifier: MIT */
/* owner.c - which process holds a socket */
#include "owner.h"

#include "../rawstack/clock.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FDS_MAX = 65536, HELPER_NICE = 10 };

struct question {
	uint64_t tag;
	uint32_t inode;
	bool listener;
};

struct answer {
	uint64_t tag;
	struct owner_name name;
};

struct owner {
	int fd;
	pid_t helper;
};

/* What the helper remembers: processes that held a socket, the latest first. */
struct memory {
	pid_t pid[OWNER_KNOWN_MAX];
	size_t n;
	uint64_t searched_ns; /* when all of /proc was last gone through */
};

static pid_t number_of(const char *name)
{
	char *end;
	long n = strtol(name, &end, 10);

	return *end || n <= 0 ? 0 : (pid_t)n;
}

static int holds(pid_t pid, uint32_t inode)
{
	char path[64], want[32], link[32];
	struct dirent *d;
	int found = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	snprintf(want, sizeof(want), "socket:[%u]", inode);
	dir = opendir(path);
	if (!dir)
		return 0;
	for (int n = 0; !found && n < FDS_MAX && (d = readdir(dir)); n++) {
		ssize_t len = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);

		link[len < 0 ? 0 : len] = '\0';
		found = strcmp(link, want) == 0;
	}
	closedir(dir);
	return found;
}

static void read_name(pid_t pid, char name[OWNER_NAME_MAX])
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	snprintf(name, OWNER_NAME_MAX, "?");
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(name, OWNER_NAME_MAX, f))
		snprintf(name, OWNER_NAME_MAX, "?");
	fclose(f);
	/* A process names itself: what it chose goes to terminals. */
	for (char *c = name; *c; c++)
		*c = (char)(*c == '\n' ? '\0' : (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c);
}

static void remember(struct memory *m, pid_t pid)
{
	size_t at = 0;

	while (at < m->n && m->pid[at] != pid)
		at++;
	if (at == OWNER_KNOWN_MAX)
		at--;
	else if (at == m->n)
		m->n++;
	memmove(m->pid + 1, m->pid, at * sizeof(m->pid[0]));
	m->pid[0] = pid;
}

static pid_t search_known(const struct memory *m, uint32_t inode)
{
	for (size_t i = 0; i < m->n; i++)
		if (holds(m->pid[i], inode))
			return m->pid[i];
	return 0;
}

/*
 * From the youngest: a server that forks for each connection has just done so. What it forks may
 * hold its listener for a moment too: that one is searched for from the oldest.
 */
static pid_t search_all(struct memory *m, uint32_t inode, bool listener)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct dirent **list;
	pid_t found = 0, init = 0;
	int n;

	if (!listener && m->searched_ns &&
	    now - m->searched_ns < (uint64_t)OWNER_SEARCH_MS * NS_PER_MS)
		return 0;
	n = scandir("/proc", &list, NULL, versionsort);
	for (int i = n - 1; i >= 0; i--) {
		pid_t pid = found ? 0 : number_of(list[listener ? n - 1 - i : i]->d_name);

		/* Process 1 holds the listeners that it passed to others. */
		if (pid && holds(pid, inode))
			*(listener && pid == 1 ? &init : &found) = pid;
	}
	for (int i = 0; i < n; i++)
		free(list[i]);
	if (n >= 0)
		free(list);
	m->searched_ns = clock_ns(CLOCK_MONOTONIC);
	return found ? found : init;
}

static void answer_question(struct memory *m, const struct question *q, struct answer *a)
{
	pid_t pid = search_known(m, q->inode);

	if (!pid)
		pid = search_all(m, q->inode, q->listener);
	*a = (struct answer){.tag = q->tag, .name = {.pid = pid}};
	if (!pid)
		return;
	remember(m, pid);
	read_name(pid, a->name.name);
}

/* Of root's rights only those that /proc asks for. */
static void keep_few_rights(void)
{
	static const unsigned int wanted[] = {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};
	bool have[2];

	for (int i = 0; i < 2; i++)
		have[i] = capng_have_capability(CAPNG_EFFECTIVE, wanted[i]);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	for (int i = 0; i < 2; i++)
		if (have[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, wanted[i]);
	capng_apply(CAPNG_SELECT_BOTH);
}

_Noreturn static void help(int fd, pid_t parent)
{
	struct memory m = {0};
	struct question q;
	struct answer a;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "dualwire-owner");
	if (getppid() != parent)
		_exit(0);
	signal(SIGINT, SIG_IGN); /* the terminal's Ctrl-C is for the parent */
	if (fd > 3)
		close_range(3, (unsigned int)fd - 1, 0);
	close_range((unsigned int)fd + 1, UINT32_MAX, 0);
	keep_few_rights();
	if (nice(HELPER_NICE) < 0)
		errno = 0;
	while (recv(fd, &q, sizeof(q), 0) == sizeof(q)) {
		answer_question(&m, &q, &a);
		if (send(fd, &a, sizeof(a), MSG_NOSIGNAL) != sizeof(a))
			break;
	}
	_exit(0);
}

int owner_open(struct owner **out)
{
	struct owner *o = calloc(1, sizeof(*o));
	pid_t self = getpid();
	int pair[2];

	if (!o)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		goto err_free;
	fflush(NULL); /* or the child would have a copy of what is not written yet */
	o->helper = fork();
	if (o->helper < 0)
		goto err_pair;
	if (o->helper == 0)
		help(pair[1], self);
	close(pair[1]);
	o->fd = pair[0];
	*out = o;
	return 0;
err_pair:
	close(pair[0]);
	close(pair[1]);
err_free:
	free(o);
	return -errno;
}

int owner_fd(const struct owner *o)
{
	return o->fd;
}

int owner_ask(struct owner *o, uint64_t tag, uint32_t inode, bool listener)
{
	struct question q;

	memset(&q, 0, sizeof(q));
	q.tag = tag;
	q.inode = inode;
	q.listener = listener;
	return send(o->fd, &q, sizeof(q), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(q) ? 0 : -EAGAIN;
}

int owner_answer(struct owner *o, uint64_t *tag, struct owner_name *name)
{
	struct answer a;
	ssize_t n = recv(o->fd, &a, sizeof(a), MSG_DONTWAIT);

	if (n != sizeof(a))
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
	a.name.name[OWNER_NAME_MAX - 1] = '\0';
	*tag = a.tag;
	*name = a.name;
	return 1;
}

void owner_close(struct owner *o)
{
	if (!o)
		return;
	close(o->fd); /* it reads the end, and ends */
	kill(o->helper, SIGKILL);
	waitpid(o->helper, NULL, 0);
	free(o);
}
