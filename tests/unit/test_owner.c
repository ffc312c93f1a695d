/* SPDX-License-Identifier: MIT */
/* test_owner.c - the helper that knows which process holds a socket */
#include "../../tools/owner.h"

#include "../../rawstack/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 5000 };

static uint32_t inode_of(int fd)
{
	struct stat st;

	cr_assert(fstat(fd, &st) == 0);
	return (uint32_t)st.st_ino;
}

static struct owner_name answer_to(struct owner *o, uint64_t tag, uint32_t inode, bool listener)
{
	struct pollfd p = {.fd = owner_fd(o), .events = POLLIN};
	struct owner_name name;
	uint64_t got;

	cr_assert_eq(owner_ask(o, tag, inode, listener), 0);
	cr_assert(poll(&p, 1, WAIT_MS) == 1, "no answer");
	cr_assert_eq(owner_answer(o, &got, &name), 1);
	cr_assert_eq(got, tag);
	return name;
}

/* A process of its own that alone holds a socket. */
static pid_t start_holder(uint32_t *inode)
{
	int said[2], fd;
	pid_t pid;

	cr_assert(pipe(said) == 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "hol\x1b[1mder");
		fd = socket(AF_INET6, SOCK_DGRAM, 0);
		*inode = inode_of(fd);
		if (write(said[1], inode, sizeof(*inode)) != sizeof(*inode))
			_exit(1);
		for (;;)
			pause();
	}
	cr_assert(pid > 0 && read(said[0], inode, sizeof(*inode)) == sizeof(*inode));
	close(said[0]);
	close(said[1]);
	return pid;
}

static void end_holder(pid_t pid)
{
	int status;

	cr_assert(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
}

/* The helper is started first: it knows what others do afterwards, and holds nothing itself. */
Test(owner, names_the_process_that_holds_a_socket)
{
	struct owner_name name;
	struct owner *o;
	uint32_t inode;
	pid_t pid;

	cr_assert_eq(owner_open(&o), 0);
	pid = start_holder(&inode);
	for (uint64_t i = 0; i < 3; i++) {
		name = answer_to(o, 7 + i, inode, false);
		cr_expect_eq(name.pid, pid);
		cr_expect_str_eq(name.name, "hol?[1mder", "no escape for the terminal");
	}
	end_holder(pid);
	name = answer_to(o, 99, inode, false);
	cr_expect_eq(name.pid, 0, "it is gone");
	owner_close(o);
}

/* Two processes with a socket each, asked for one after the other, for at most @patience_ms each.
 */
static void expect_both_named(bool listeners, uint64_t patience_ms)
{
	struct owner *o;
	uint32_t inode[2];
	pid_t pid[2];

	cr_assert_eq(owner_open(&o), 0);
	for (int i = 0; i < 2; i++)
		pid[i] = start_holder(&inode[i]);
	for (int i = 0; i < 2; i++) {
		uint64_t end = clock_ns(CLOCK_MONOTONIC) + patience_ms * NS_PER_MS;
		struct owner_name name;

		do
			name = answer_to(o, (uint64_t)i, inode[i], listeners);
		while (name.pid == 0 && clock_ns(CLOCK_MONOTONIC) < end);
		cr_expect_eq(name.pid, pid[i], "%d", i);
	}
	for (int i = 0; i < 2; i++)
		end_holder(pid[i]);
	owner_close(o);
}

/* The first search of all of /proc is not repeated at once: the second one may have to wait. */
Test(owner, knows_one_process_from_another)
{
	expect_both_named(false, WAIT_MS);
}

/* The limit on searches is for connections: of two listeners at once both are found. */
Test(owner, listeners_are_searched_for_without_a_pause)
{
	expect_both_named(true, 0);
}

/* @listener: what the socket that parent and child both hold is taken for. Returns who is named. */
static pid_t named_of_two(bool listener, pid_t *child)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct owner *o;
	pid_t named;

	cr_assert_eq(owner_open(&o), 0);
	*child = fork();
	if (*child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	cr_assert(*child > getpid(), "process numbers went round: run it again");
	named = answer_to(o, 1, inode_of(fd), listener).pid;
	end_holder(*child);
	owner_close(o);
	close(fd);
	return named;
}

/* A parent's listener is also its child's, whom it forked for a connection. */
Test(owner, a_listener_belongs_to_the_oldest_and_a_connection_to_the_youngest)
{
	pid_t child;

	cr_expect_eq(named_of_two(true, &child), getpid());
	cr_expect_eq(named_of_two(false, &child), child);
}

Test(owner, a_helper_that_is_gone_is_noticed)
{
	struct owner_name name;
	struct owner *o;
	uint64_t tag;

	cr_assert_eq(owner_open(&o), 0);
	cr_expect_eq(owner_answer(o, &tag, &name), 0, "nothing was asked");
	cr_assert(shutdown(owner_fd(o), SHUT_RDWR) == 0);
	cr_expect_eq(owner_ask(o, 1, 1, false), -EAGAIN);
	cr_expect_eq(owner_answer(o, &tag, &name), -EPIPE);
	owner_close(o);
}
