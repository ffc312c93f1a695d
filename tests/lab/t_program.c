/* SPDX-License-Identifier: MIT */
/* t_program.c - runs the program as its users do, and catches what it says and leaves behind */
#include "t_program.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * Between fork and exec only system calls are made: the test has threads. A child that does not get
 * as far as exec writes its errno to a pipe that exec would have closed.
 */
enum { READ_STEP = 64 * 1024, NOBODY = 65534, PASSED_FD = 3 };

uint64_t program_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void program_skip(const char *why)
{
	fprintf(stderr, "skipped: %s\n", why);
	cr_skip("%s", why);
	abort();
}

static int open_program(const char *path)
{
	int fd;

	if (!path)
		path = getenv("DUALWIRE");
	if (!path || !*path)
		path = "build/dualwire";
	fd = open(path, O_PATH | O_CLOEXEC);
	cr_assert(fd >= 0, "cannot find the program '%s' (set DUALWIRE): %s", path,
		  strerror(errno));
	return fd;
}

/*
 * In a user namespace of one user there is no other to become; there, exec shall not give root its
 * capabilities.
 */
static int become_nobody(void)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	    setresuid(NOBODY, NOBODY, NOBODY) == 0)
		return 0;
	return prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
}

static int enter_yard(const struct yard *y)
{
	return setns(y->userns_fd, CLONE_NEWUSER) < 0 || setns(y->netns_fd, CLONE_NEWNET) < 0 ? -1
											      : 0;
}

/* Without a mapping of its ids it has no capability after exec, and may not write one. */
static int take_rights(const struct program_how *how)
{
	if (how->dies_with_us && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	if (how->netns_fd)
		return setns(how->netns_fd, CLONE_NEWNET);
	if (how->yard)
		return enter_yard(how->yard);
	if (how->rights == PROGRAM_UNPRIVILEGED)
		return become_nobody();
	if (how->rights == PROGRAM_POWERLESS)
		return unshare(CLONE_NEWUSER | CLONE_NEWNET);
	return 0;
}

static int take_descriptors(const struct program_how *how, int out, int err)
{
	int in = open(how->input ? how->input : "/dev/null", O_RDONLY | O_CLOEXEC);

	if (how->output)
		out = open(how->output, O_WRONLY | O_CLOEXEC);
	if (in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0)
		return -1;
	return how->pass_fd ? dup2(how->pass_fd, PASSED_FD) : 0;
}

static void reset_signals(const struct program_how *how)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, how->ignore_sigpipe ? SIG_IGN : SIG_DFL);
}

/* What the child needs, prepared before the fork. */
struct launch {
	const struct program_how *how;
	int exe_fd, out, err, fail;
	char *argv[PROGRAM_ARGS_MAX + 2];
};

_Noreturn static void child(const struct launch *l)
{
	ssize_t ignored;
	int error;

	reset_signals(l->how);
	if (take_rights(l->how) == 0 && (!l->how->dir || chdir(l->how->dir) == 0) &&
	    take_descriptors(l->how, l->out, l->err) >= 0)
		fexecve(l->exe_fd, l->argv, environ);
	error = errno;
	ignored = write(l->fail, &error, sizeof(error));
	(void)ignored;
	_exit(127);
}

/* High enough never to be the descriptor that is passed on. */
static void make_pipe(int ends[2])
{
	cr_assert(pipe2(ends, O_CLOEXEC) == 0);
	for (int i = 0; i < 2; i++) {
		int high = fcntl(ends[i], F_DUPFD_CLOEXEC, 16);

		cr_assert(high >= 0);
		close(ends[i]);
		ends[i] = high;
	}
}

/* What the child wrote instead of becoming the program: an errno, 0: nothing. */
static int child_error(int fd)
{
	int error = 0;

	if (read(fd, &error, sizeof(error)) != sizeof(error))
		error = 0;
	close(fd);
	return error;
}

void program_start(struct program *p, const struct program_how *how, const char *const *args)
{
	static const struct program_how plain;
	struct launch l = {.how = how ? how : &plain,
			   .exe_fd = open_program(how ? how->exe : NULL)};
	const char *name = l.how->exe ? l.how->exe : "dualwire";
	int out[2], err[2], fail[2], error;
	size_t n = 0;

	l.argv[n++] = (char *)name;
	for (; args[n - 1]; n++) {
		cr_assert(n <= PROGRAM_ARGS_MAX);
		l.argv[n] = (char *)args[n - 1];
	}
	make_pipe(out);
	make_pipe(err);
	make_pipe(fail);
	if (l.how->closed_reader)
		close(out[0]);
	l.out = out[1];
	l.err = err[1];
	l.fail = fail[1];
	*p = (struct program){.deadline_ms = program_now_ms() + PROGRAM_DEADLINE_MS};
	p->pid = fork();
	cr_assert(p->pid >= 0);
	if (p->pid == 0)
		child(&l);
	close(l.exe_fd);
	close(l.out);
	close(l.err);
	close(l.fail);
	p->pid_fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	cr_assert(p->pid_fd >= 0);
	p->out_fd = l.how->closed_reader ? -1 : out[0];
	p->err_fd = err[0];
	error = child_error(fail[0]);
	cr_assert(!error || l.how->rights == PROGRAM_POWERLESS, "cannot run the program: %s",
		  strerror(error));
}

void program_signal(const struct program *p, int signo)
{
	cr_assert(kill(p->pid, signo) == 0);
}

struct catcher {
	int fd; /* -1: at its end */
	char *text;
	size_t len, cap;
};

static void catch_some(struct catcher *c)
{
	ssize_t n;

	if (c->cap - c->len < READ_STEP) {
		c->cap = 2 * c->cap + READ_STEP + 1;
		c->text = realloc(c->text, c->cap);
		cr_assert(c->text);
	}
	n = read(c->fd, c->text + c->len, READ_STEP);
	if (n > 0) {
		c->len += (size_t)n;
		return;
	}
	close(c->fd);
	c->fd = -1;
}

static void end_text(struct catcher *c)
{
	c->text = realloc(c->text, c->len + 1);
	cr_assert(c->text);
	c->text[c->len] = '\0';
}

/* To the end of both streams and of the process, or to the deadline. */
static bool catch_all(const struct program *p, struct catcher *c)
{
	struct pollfd fds[3] = {{.fd = p->pid_fd, .events = POLLIN}};

	while (fds[0].fd >= 0 || c[0].fd >= 0 || c[1].fd >= 0) {
		uint64_t now = program_now_ms();

		if (now >= p->deadline_ms)
			return false;
		for (int i = 0; i < 2; i++)
			fds[1 + i] = (struct pollfd){.fd = c[i].fd, .events = POLLIN};
		poll(fds, 3, (int)(p->deadline_ms - now));
		if (fds[0].revents)
			fds[0].fd = -1;
		for (int i = 0; i < 2; i++)
			if (fds[1 + i].revents)
				catch_some(&c[i]);
	}
	return true;
}

void program_finish(struct program *p, struct program_result *r)
{
	struct catcher c[2] = {{.fd = p->out_fd}, {.fd = p->err_fd}};
	bool in_time = catch_all(p, c);
	int status;

	if (!in_time)
		kill(p->pid, SIGKILL);
	cr_assert(waitpid(p->pid, &status, 0) == p->pid);
	close(p->pid_fd);
	end_text(&c[0]);
	end_text(&c[1]);
	cr_assert(in_time, "the program did not end; it said: %s", c[1].text);
	*r = (struct program_result){
		.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.out = c[0].text,
		.out_len = c[0].len,
		.err = c[1].text,
		.err_len = c[1].len,
		.ms = (unsigned int)(program_now_ms() + PROGRAM_DEADLINE_MS - p->deadline_ms),
	};
	r->not_run = r->exit_code == 127 && r->err_len == 0;
}

void program_result_free(struct program_result *r)
{
	free(r->out);
	free(r->err);
	*r = (struct program_result){0};
}

void program_run(struct program_result *r, const struct program_how *how, const char *const *args)
{
	struct program p;

	program_start(&p, how, args);
	program_finish(&p, r);
}

const char *program_line(const char *const *args)
{
	static char line[512];
	size_t n = 0;

	line[0] = '\0';
	for (; *args && n < sizeof(line); args++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " '%s'", *args);
	return line;
}

size_t program_count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n' || text[1] == '\0';
	return n;
}

void program_dir_make(char *path, size_t size)
{
	const char *base = getenv("TMPDIR");

	snprintf(path, size, "%s/dualwire-test.XXXXXX", base && *base ? base : "/tmp");
	cr_assert(mkdtemp(path), "%s: %s", path, strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void program_dir_remove(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

size_t program_dir_count(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	cr_assert(dir, "%s: %s", path, strerror(errno));
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void join_path(char *out, size_t size, const char *dir, const char *name)
{
	cr_assert(snprintf(out, size, "%s/%s", dir, name) < (int)size);
}

void program_write_file(const char *dir, const char *name, const char *text, size_t len)
{
	char path[512];
	FILE *f;

	join_path(path, sizeof(path), dir, name);
	f = fopen(path, "w");
	cr_assert(f && fwrite(text, 1, len, f) == len && fclose(f) == 0, "%s: %s", path,
		  strerror(errno));
}

char *program_read_file(const char *dir, const char *name, size_t *len)
{
	struct stat st;
	char path[512];
	char *text;
	FILE *f;

	join_path(path, sizeof(path), dir, name);
	f = fopen(path, "r");
	cr_assert(f && fstat(fileno(f), &st) == 0, "%s: %s", path, strerror(errno));
	text = malloc((size_t)st.st_size + 1);
	cr_assert(text);
	*len = fread(text, 1, (size_t)st.st_size, f);
	cr_assert(*len == (size_t)st.st_size);
	text[*len] = '\0';
	fclose(f);
	return text;
}

static int write_text(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, len);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)len ? 0 : -1;
}

/* Of the calling process's user namespace, for every user in it. */
static int limit_namespaces(bool to_two)
{
	return write_text("/proc/sys/user/max_net_namespaces", to_two ? "2" : "999",
			  to_two ? 1 : 3);
}

/* Runs @fn in a process of its own. Returns 0 or its -errno. */
static int apart(int (*fn)(const void *arg), const void *arg)
{
	pid_t pid = fork();
	int status;

	cr_assert(pid >= 0);
	if (pid == 0)
		_exit(fn(arg) == 0 ? 0 : errno);
	cr_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return -WEXITSTATUS(status);
}

/* Texts for /proc, written before a fork. */
struct id_maps {
	char uid[32], gid[32];
};

static struct id_maps maps_of(unsigned int uid, unsigned int gid)
{
	struct id_maps m;

	snprintf(m.uid, sizeof(m.uid), "0 %u 1", uid);
	snprintf(m.gid, sizeof(m.gid), "0 %u 1", gid);
	return m;
}

/* Namespaces of our own, in which we are root. */
static int enter_new_namespaces(const struct id_maps *m)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ||
	    write_text("/proc/self/setgroups", "deny", 4) < 0 ||
	    write_text("/proc/self/uid_map", m->uid, strlen(m->uid)) < 0)
		return -1;
	return write_text("/proc/self/gid_map", m->gid, strlen(m->gid));
}

static int try_namespaces(const void *arg)
{
	const struct id_maps *maps = arg;

	/* A change of ids takes /proc/self away until exec. */
	if (become_nobody() < 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return -1;
	/* Without capabilities, but called root still: such a one may not map its id. */
	if (geteuid() == 0) {
		errno = EPERM;
		return -1;
	}
	return enter_new_namespaces(&maps[geteuid() == NOBODY]);
}

bool program_may_make_namespaces(void)
{
	const struct id_maps maps[] = {maps_of(geteuid(), getegid()), maps_of(NOBODY, NOBODY)};

	return apart(try_namespaces, maps) == 0;
}

struct yard_order {
	struct id_maps maps;
	int ready, done;
};

/* Makes the namespaces and stays until they have been opened. */
static int hold_yard(const struct yard_order *o)
{
	char byte = 0;

	if (enter_new_namespaces(&o->maps) < 0 || limit_namespaces(false) < 0 ||
	    write(o->ready, &byte, 1) != 1)
		return -1;
	return read(o->done, &byte, 1) < 0 ? -1 : 0;
}

static int open_of(pid_t pid, const char *kind)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

int yard_make(struct yard *y)
{
	struct yard_order o;
	int ready[2], done[2], status;
	char byte;
	pid_t pid;

	make_pipe(ready);
	make_pipe(done);
	o.ready = ready[1];
	o.done = done[0];
	o.maps = maps_of(geteuid(), getegid());
	pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0) {
		close(done[1]);
		_exit(hold_yard(&o) == 0 ? 0 : errno);
	}
	close(ready[1]);
	close(done[0]);
	if (read(ready[0], &byte, 1) == 1) {
		y->userns_fd = open_of(pid, "user");
		y->netns_fd = open_of(pid, "net");
	}
	close(ready[0]);
	close(done[1]);
	cr_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return -WEXITSTATUS(status);
}

void yard_free(struct yard *y)
{
	close(y->userns_fd);
	close(y->netns_fd);
}

/* Succeeds when there is room for one beside the yard's own. */
static int make_second(const void *arg)
{
	bool made;

	if (enter_yard(arg) < 0 || limit_namespaces(true) < 0)
		return -1;
	made = unshare(CLONE_NEWNET) == 0;
	if (limit_namespaces(false) < 0)
		return -1;
	errno = ENOSPC;
	return made ? 0 : -1;
}

bool yard_is_empty(const struct yard *y, unsigned int wait_ms)
{
	uint64_t end = program_now_ms() + wait_ms;
	int rc = apart(make_second, y);

	while (rc == -ENOSPC && program_now_ms() < end) {
		poll(NULL, 0, 5);
		rc = apart(make_second, y);
	}
	cr_assert(rc == 0 || rc == -ENOSPC, "cannot count namespaces: %s", strerror(-rc));
	return rc == 0;
}

long program_memory_kb(pid_t pid)
{
	char path[64], line[256];
	long kb = 0, n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	cr_assert(f != NULL, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "RssAnon: %ld", &n) == 1 || sscanf(line, "RssShmem: %ld", &n) == 1)
			kb += n;
	}
	fclose(f);
	return kb;
}

void program_run_beside_ordinary(const char *const *args, unsigned int patience_ms,
				 struct program_result out[2])
{
	struct program_how ordinary = {.rights = PROGRAM_UNPRIVILEGED};
	struct program p[2];

	if (!program_may_make_namespaces()) {
		fprintf(stderr, "no user without rights here who may make user namespaces: both "
				"run as we are\n");
		ordinary.rights = PROGRAM_AS_WE_ARE;
	}
	program_start(&p[0], NULL, args);
	program_start(&p[1], &ordinary, args);
	p[0].deadline_ms = p[1].deadline_ms = program_now_ms() + patience_ms;
	for (int i = 0; i < 2; i++)
		program_finish(&p[i], &out[i]);
}
