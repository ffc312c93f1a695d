/* SPDX-License-Identifier: MIT */
/* guest.c - somebody else's command in a process namespace of its own */
#include "guest.h"

#include "../rawstack/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Keeper and command tell us what happened through a pipe, in messages of one write each:
 *
 *     us ── go ──> keeper (process 1) ── fork ──> command ──> its own children
 *      <── news ──   │  SIGTERM from us: SIGTERM to all      │
 *      <── output ───┴───────────────────────────────────────┘
 *
 * The keeper starts when it has read a byte from go; if we are dead by then, it reads the end.
 */
enum { READ_STEP = 64 * 1024, KILL_WAIT_MS = 5000 };

enum news_kind { NEWS_EXEC_FAILED = 1, NEWS_MAIN_ENDED };

struct news {
	int kind;
	int value; /* -errno, or a status of waitpid(2) */
};

struct guest {
	pid_t keeper;
	int pid_fd; /* the keeper's: readable when nothing is left */
	int news_fd, output_fd;
	struct guest_state state;
	char *output;
	size_t len;
	uint64_t forgotten;
};

/* What the keeper works with; all of it is prepared before the clone. */
struct keeper {
	const struct guest_config *cfg;
	int go, news, output, null;
	char uid_map[32], gid_map[32];
};

static void tell(int fd, enum news_kind kind, int value)
{
	struct news n = {.kind = kind, .value = value};
	ssize_t ignored = write(fd, &n, sizeof(n));

	(void)ignored;
}

/* A descriptor of ours that the keeper held would keep our sockets open after we closed them. */
static void close_others(const int *keep, size_t n)
{
	int lowest = STDERR_FILENO + 1;

	for (;;) {
		int next = -1;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= lowest && (next < 0 || keep[i] < next))
				next = keep[i];
		if (next < 0)
			break;
		if (next > lowest)
			close_range((unsigned int)lowest, (unsigned int)next - 1, 0);
		lowest = next + 1;
	}
	close_range((unsigned int)lowest, ~0U, 0);
}

static int write_map(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

/*
 * A namespace inside ours, in which 0 has the caller's number again. Its own power ends there: over
 * the network namespace it has none, as the caller has none over the host's.
 */
static int take_ids_back(const struct keeper *k)
{
	if (unshare(CLONE_NEWUSER) < 0 || write_map("/proc/self/setgroups", "deny") < 0 ||
	    write_map("/proc/self/uid_map", k->uid_map) < 0)
		return -1;
	return write_map("/proc/self/gid_map", k->gid_map);
}

static void reset_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void become_command(const struct keeper *k)
{
	reset_signals();
	setsid();
	if ((!k->cfg->map_ids || take_ids_back(k) == 0) && dup2(k->null, STDIN_FILENO) >= 0 &&
	    dup2(k->output, STDOUT_FILENO) >= 0 && dup2(k->output, STDERR_FILENO) >= 0)
		execvp(k->cfg->argv[0], k->cfg->argv);
	tell(k->news, NEWS_EXEC_FAILED, -errno);
	_exit(127);
}

/* So that process ids are the ones the command knows. Where that is forbidden, the host's stay. */
static void mount_proc(void)
{
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* Reaps until nobody is left; returns then. */
static void keep(const struct keeper *k, pid_t command)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	for (;;) {
		int status, signo;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid == command)
			tell(k->news, NEWS_MAIN_ENDED, status);
		if (pid > 0)
			continue;
		if (pid < 0 && errno == ECHILD)
			return;
		signo = sigwaitinfo(&set, NULL);
		if (signo == SIGTERM) {
			kill(-1, SIGTERM);
			kill(-1, SIGCONT); /* one that is stopped could not end */
		}
	}
}

_Noreturn static void be_keeper(const struct keeper *k)
{
	const int needed[] = {k->go, k->news, k->output, k->null};
	sigset_t all;
	pid_t command;
	char byte;

	/* Anywhere else "all processes" would be those of the machine. */
	if (getpid() != 1)
		abort();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "audit-keeper");
	if (read(k->go, &byte, 1) != 1)
		_exit(1);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (setns(k->cfg->netns_fd, CLONE_NEWNET) < 0) {
		tell(k->news, NEWS_EXEC_FAILED, -errno);
		_exit(1);
	}
	close_others(needed, sizeof(needed) / sizeof(needed[0]));
	mount_proc();
	command = fork();
	if (command == 0)
		become_command(k);
	if (command < 0)
		tell(k->news, NEWS_EXEC_FAILED, -errno);
	close(k->output);
	dup2(k->null, STDOUT_FILENO);
	dup2(k->null, STDERR_FILENO);
	keep(k, command);
	_exit(0);
}

static int make_pipe(int ends[2], bool nonblock_reader)
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	if (nonblock_reader)
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
	return 0;
}

static void close_pipe(int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

static int clone_keeper(const struct keeper *k, int go_writer, struct guest *g)
{
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&g->pid_fd,
		.exit_signal = SIGCHLD,
	};
	ssize_t n;

	fflush(NULL); /* or the child would write what we had not yet written */
	g->keeper = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (g->keeper < 0)
		return -errno;
	if (g->keeper == 0) {
		close(go_writer);
		be_keeper(k);
	}
	n = write(go_writer, "g", 1);
	assert(n == 1); /* an empty pipe, and we hold both ends */
	return 0;
}

int guest_start(const struct guest_config *cfg, struct guest **out)
{
	struct keeper k = {.cfg = cfg};
	struct guest *g = calloc(1, sizeof(*g));
	int go[2], news[2], output[2], ret = -ENOMEM;

	if (!g)
		return -ENOMEM;
	g->output = malloc(GUEST_OUTPUT_MAX + 1);
	if (!g->output)
		goto err_guest;
	ret = make_pipe(go, false);
	if (ret < 0)
		goto err_output;
	ret = make_pipe(news, true);
	if (ret < 0)
		goto err_go;
	ret = make_pipe(output, true);
	if (ret < 0)
		goto err_news;
	k.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ret = k.null < 0 ? -errno : 0;
	if (ret < 0)
		goto err_pipe;
	k.go = go[0];
	k.news = news[1];
	k.output = output[1];
	snprintf(k.uid_map, sizeof(k.uid_map), "%u 0 1", cfg->uid);
	snprintf(k.gid_map, sizeof(k.gid_map), "%u 0 1", cfg->gid);
	g->output[0] = '\0';
	g->news_fd = news[0];
	g->output_fd = output[0];
	ret = clone_keeper(&k, go[1], g);
	close(k.null);
	if (ret < 0)
		goto err_pipe;
	close_pipe(go);
	close(news[1]);
	close(output[1]);
	*out = g;
	return 0;

err_pipe:
	close_pipe(output);
err_news:
	close_pipe(news);
err_go:
	close_pipe(go);
err_output:
	free(g->output);
err_guest:
	free(g);
	return ret;
}

size_t guest_fds(const struct guest *g, struct pollfd *fds)
{
	size_t n = 0;

	if (g->output_fd >= 0)
		fds[n++] = (struct pollfd){.fd = g->output_fd, .events = POLLIN};
	if (g->news_fd >= 0)
		fds[n++] = (struct pollfd){.fd = g->news_fd, .events = POLLIN};
	if (!g->state.all_ended)
		fds[n++] = (struct pollfd){.fd = g->pid_fd, .events = POLLIN};
	return n;
}

/* Reads once. Returns the bytes read, 0 when there are none now; an end closes @fd. */
static size_t read_some(int *fd, void *buf, size_t len)
{
	ssize_t n = *fd < 0 ? -1 : read(*fd, buf, len);

	if (n > 0)
		return (size_t)n;
	if (n == 0) {
		close(*fd);
		*fd = -1;
	}
	return 0;
}

/* At most as much as can be kept, so that a guest that never stops writing cannot hold us. */
static void read_output(struct guest *g)
{
	for (size_t n = 1, sum = 0; n > 0 && sum < GUEST_OUTPUT_MAX; sum += n) {
		if (GUEST_OUTPUT_MAX - g->len < READ_STEP) {
			size_t half = g->len / 2;

			memmove(g->output, g->output + half, g->len - half);
			g->len -= half;
			g->forgotten += half;
		}
		n = read_some(&g->output_fd, g->output + g->len, READ_STEP);
		g->len += n;
	}
	g->output[g->len] = '\0';
}

static void read_news(struct guest *g)
{
	struct news n;

	while (read_some(&g->news_fd, &n, sizeof(n)) == sizeof(n)) {
		if (n.kind == NEWS_EXEC_FAILED) {
			g->state.exec_error = n.value;
		} else {
			g->state.main_ended = true;
			g->state.main_status = n.value;
		}
	}
}

static void reap_keeper(struct guest *g)
{
	struct pollfd p = {.fd = g->pid_fd, .events = POLLIN};

	if (g->state.all_ended || poll(&p, 1, 0) != 1)
		return;
	while (waitpid(g->keeper, NULL, 0) < 0 && errno == EINTR)
		;
	g->state.all_ended = true;
}

/* The keeper's end first: what was said before it is then read completely. */
const struct guest_state *guest_step(struct guest *g)
{
	reap_keeper(g);
	read_news(g);
	read_output(g);
	return &g->state;
}

pid_t guest_pid(const struct guest *g)
{
	char path[64];
	int pid = 0;
	FILE *f;

	/* The command is the keeper's first child. */
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", g->keeper, g->keeper);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

const char *guest_output(const struct guest *g, size_t *len)
{
	*len = g->len;
	return g->output;
}

uint64_t guest_output_mark(const struct guest *g)
{
	return g->forgotten + g->len;
}

const char *guest_output_since(const struct guest *g, uint64_t mark, size_t *len)
{
	uint64_t skip = mark > g->forgotten ? mark - g->forgotten : 0;

	if (skip > g->len)
		skip = g->len;
	*len = g->len - (size_t)skip;
	return g->output + skip;
}

static bool wait_for_all(struct guest *g, unsigned int timeout_ms)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) / NS_PER_MS + timeout_ms;

	while (!guest_step(g)->all_ended) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
		struct pollfd fds[GUEST_FDS];

		if (now >= end)
			return false;
		poll(fds, guest_fds(g, fds), (int)(end - now));
	}
	return true;
}

static void signal_keeper(const struct guest *g, int signo)
{
	syscall(SYS_pidfd_send_signal, g->pid_fd, signo, NULL, 0);
}

int guest_stop(struct guest *g, unsigned int grace_ms)
{
	if (guest_step(g)->all_ended)
		return 0;
	signal_keeper(g, SIGTERM);
	if (wait_for_all(g, grace_ms))
		return 0;
	signal_keeper(g, SIGKILL);
	wait_for_all(g, KILL_WAIT_MS);
	return 1;
}

void guest_free(struct guest *g)
{
	if (!g)
		return;
	guest_stop(g, 0);
	if (g->news_fd >= 0)
		close(g->news_fd);
	if (g->output_fd >= 0)
		close(g->output_fd);
	close(g->pid_fd);
	free(g->output);
	free(g);
}
