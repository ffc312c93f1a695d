/* SPDX-License-Identifier: MIT */
/* t_program.h - runs the program as its users do, and catches what it says and leaves behind */
#ifndef TESTS_LAB_T_PROGRAM_H
#define TESTS_LAB_T_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The program is $DUALWIRE, by default build/dualwire. It gets an empty standard input unless @how
 * says otherwise, and is killed by its process id when its deadline passes, which fails the test.
 * All functions assert.
 */
enum { PROGRAM_ARGS_MAX = 24, PROGRAM_DEADLINE_MS = 20000 };

enum program_rights {
	PROGRAM_AS_WE_ARE,
	PROGRAM_UNPRIVILEGED, /* root becomes uid 65534, or one without capabilities where there is
				 no other user; others stay what they are */
	PROGRAM_POWERLESS, /* in namespaces in which it has no capability, and can get none back */
};

/* User namespace in which network namespaces are counted apart from all others. */
struct yard {
	int userns_fd, netns_fd;
};

struct program_how {
	enum program_rights rights;
	const char *dir;	 /* to work in, NULL: here */
	const struct yard *yard; /* to run in, NULL: no */
	const char *exe;	 /* a program of others, a path; NULL: ours */
	int netns_fd;		 /* namespace to run in; 0: ours */
	int pass_fd;		 /* becomes descriptor 3; 0: none */
	const char *input;	 /* file to be standard input */
	const char *output;	 /* file to be standard output, which is then not caught */
	bool closed_reader;	 /* standard output is a pipe that nobody reads */
	bool ignore_sigpipe;
	bool dies_with_us; /* is killed when the thread that started it ends */
};

struct program {
	pid_t pid;
	int pid_fd, out_fd, err_fd;
	uint64_t deadline_ms;
};

struct program_result {
	bool not_run;	 /* the rights could not be had: exit_code is the errno */
	int exit_code;	 /* -1: ended by @signo */
	int signo;	 /* 0: none */
	char *out, *err; /* each ended by a NUL that does not count */
	size_t out_len, err_len;
	unsigned int ms; /* from start to end */
};

/* @args are those after the program's name, up to a NULL. */
void program_start(struct program *p, const struct program_how *how, const char *const *args);
void program_signal(const struct program *p, int signo);
void program_finish(struct program *p, struct program_result *r);
void program_result_free(struct program_result *r);

/* Start and finish. @how NULL: as we are. */
void program_run(struct program_result *r, const struct program_how *how, const char *const *args);

/* The arguments as one line, for messages; static storage. */
const char *program_line(const char *const *args);

/* Lines in @text; one without a newline at the end counts. */
size_t program_count_lines(const char *text);

/* Does the kernel let a process with PROGRAM_UNPRIVILEGED make a user namespace and be root there?
 */
bool program_may_make_namespaces(void);

/* A directory of the test's own, and its end with everything in it. */
void program_dir_make(char *path, size_t size);
void program_dir_remove(const char *path);
size_t program_dir_count(const char *path); /* entries, "." and ".." not counted */
void program_write_file(const char *dir, const char *name, const char *text, size_t len);
char *program_read_file(const char *dir, const char *name, size_t *len); /* to be freed */

/* Returns 0, or -errno where this machine does not let us make one. */
int yard_make(struct yard *y);
void yard_free(struct yard *y);

/*
 * Waits until no network namespace is left that was made in the yard, but its own. Returns whether
 * that happened: the kernel takes namespaces down some time after their last user is gone.
 */
bool yard_is_empty(const struct yard *y, unsigned int wait_ms);

/* Ends the test as skipped; the reason is also printed where Criterion would not. */
_Noreturn void program_skip(const char *why);

uint64_t program_now_ms(void); /* CLOCK_MONOTONIC */

/* Kilobytes of memory that only @pid has: not what it maps from files. */
long program_memory_kb(pid_t pid);

/* The same command as we are and, beside it, as an ordinary user where there may be one (or it says
 * so). */
void program_run_beside_ordinary(const char *const *args, unsigned int patience_ms,
				 struct program_result out[2]);

#endif
