/* SPDX-License-Identifier: MIT */
/* test_doctor_here.c - `dualwire doctor` where things are really missing: seccomp filters, limits,
 * sysctls and rights */
#include "t_program.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(doctor_here, .timeout = 30);

enum { NOT_TO_BE_HAD = 77, DEADLINE_S = 15 };

/* What is done to the child before it becomes the program: 0, or what is missing here. */
typedef int (*damage_fn)(void);

struct answer {
	int exit_code;
	json_t *doc;
};

static void become_program(damage_fn damage, int out)
{
	const char *path = getenv("DUALWIRE");

	path = path ? path : "build/dualwire";
	alarm(DEADLINE_S);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(out, STDOUT_FILENO) < 0 || damage() != 0)
		_exit(NOT_TO_BE_HAD);
	execl(path, "dualwire", "doctor", "-J", NULL);
	_exit(127);
}

/* Runs `doctor -J` in a damaged environment; skips where the damage itself is not possible. */
static struct answer ask(damage_fn damage)
{
	static char text[1 << 16];
	struct answer a;
	json_error_t error;
	size_t len = 0;
	int fds[2], status;
	ssize_t n;
	pid_t child;

	cr_assert(pipe2(fds, O_CLOEXEC) == 0);
	child = fork();
	cr_assert(child >= 0);
	if (child == 0)
		become_program(damage, fds[1]);
	close(fds[1]);
	while ((n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fds[0]);
	cr_assert(waitpid(child, &status, 0) == child && WIFEXITED(status), "status %#x", status);
	a.exit_code = WEXITSTATUS(status);
	if (a.exit_code == NOT_TO_BE_HAD)
		program_skip("this environment cannot be made here");
	a.doc = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	cr_assert(a.doc, "exit %d, line %d: %s", a.exit_code, error.line, error.text);
	return a;
}

static const json_t *about(const struct answer *a, const char *what)
{
	const json_t *list = json_object_get(a->doc, "findings"), *o;
	size_t i;

	json_array_foreach (list, i, o) {
		if (strcmp(json_string_value(json_object_get(o, "what")), what) == 0)
			return o;
	}
	cr_assert_fail("nothing about %s", what);
	return NULL;
}

static void expect(const struct answer *a, const char *what, const char *state, const char *found,
		   const char *remedy)
{
	const json_t *o = about(a, what);
	const char *s = json_string_value(json_object_get(o, "state"));
	const char *f = json_string_value(json_object_get(o, "found"));
	const char *r = json_string_value(json_object_get(o, "remedy"));

	cr_assert_str_eq(s, state, "%s is %s: %s", what, s, f);
	cr_assert(strstr(f, found), "%s: %s", what, f);
	cr_assert(!remedy || (r && strstr(r, remedy)), "%s: try %s", what, r ? r : "nothing");
}

/* A filter under which one system call, with a first argument (or any: -1), ends with an error. */
static int forbid(int call, int first, int error)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)first, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = sizeof(f) / sizeof(f[0]), .filter = f};

	if (first < 0)
		f[3] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0 ? -errno : 0;
}

static int no_uring(void)
{
	return forbid(SYS_io_uring_setup, -1, EPERM);
}

static int hidden_uring(void)
{
	return forbid(SYS_io_uring_setup, -1, ENOSYS);
}

Test(doctor_here, a_seccomp_filter_that_forbids_io_uring)
{
	struct answer a = ask(no_uring);

	expect(&a, "io_uring", "limited", "seccomp filter forbids it", "seccomp");
	cr_assert(json_is_false(json_object_get(a.doc, "io_uring")) && a.exit_code >= 2);
	json_decref(a.doc);
}

Test(doctor_here, a_seccomp_filter_that_hides_io_uring)
{
	struct answer a = ask(hidden_uring);

	expect(&a, "io_uring", "limited", "this kernel has none, or a seccomp filter hides it",
	       "CONFIG_IO_URING");
	json_decref(a.doc);
}

static int no_unshare(void)
{
	return forbid(SYS_unshare, -1, EPERM);
}

Test(doctor_here, a_seccomp_filter_that_forbids_namespaces)
{
	struct answer a = ask(no_unshare);

	expect(&a, "namespaces", "blocked", "seccomp", "unshare");
	cr_assert(json_is_false(json_object_get(a.doc, "lab")) && a.exit_code >= 2);
	json_decref(a.doc);
}

static int no_packet_sockets(void)
{
	return forbid(SYS_socket, AF_PACKET, EAFNOSUPPORT);
}

Test(doctor_here, a_kernel_without_packet_sockets)
{
	struct answer a = ask(no_packet_sockets);

	expect(&a, "AF_PACKET", "blocked", "the kernel has none", "af_packet");
	expect(&a, "lab network", "blocked", "no capture", "af_packet");
	cr_assert(a.exit_code == 3);
	json_decref(a.doc);
}

static int no_ipv6_sockets(void)
{
	return forbid(SYS_socket, AF_INET6, EAFNOSUPPORT);
}

Test(doctor_here, a_kernel_without_ipv6)
{
	struct answer a = ask(no_ipv6_sockets);

	expect(&a, "IPv6", "limited", "no AF_INET6 sockets", "ipv6.disable");
	json_decref(a.doc);
}

static int no_netlink(void)
{
	return forbid(SYS_socket, AF_NETLINK, EAFNOSUPPORT);
}

Test(doctor_here, a_sandbox_without_netlink)
{
	struct answer a = ask(no_netlink);

	expect(&a, "sock_diag", "limited", "no TCP no UDP", "tcp_diag");
	json_decref(a.doc);
}

static int few_descriptors(void)
{
	struct rlimit r = {.rlim_cur = 64, .rlim_max = 64};

	return setrlimit(RLIMIT_NOFILE, &r);
}

Test(doctor_here, few_descriptors)
{
	struct answer a = ask(few_descriptors);

	expect(&a, "open files", "limited", "limit 64, may be raised to 64", "LimitNOFILE");
	cr_assert(a.exit_code >= 2);
	json_decref(a.doc);
}

static int no_locked_memory(void)
{
	struct rlimit r = {0};

	return setrlimit(RLIMIT_MEMLOCK, &r);
}

/*
 * Linux 6.18 charges rings to the user, but not to who may lock memory anywhere. What is said of
 * the limit fits what became of io_uring.
 */
Test(doctor_here, no_locked_memory)
{
	struct answer a = ask(no_locked_memory);
	bool works = json_is_true(json_object_get(a.doc, "io_uring"));

	expect(&a, "locked memory", works ? "ok" : "limited", "limit 0 bytes",
	       works ? NULL : "ulimit -l");
	expect(&a, "io_uring", works ? "ok" : "limited", works ? "multishot" : "not enough memory",
	       NULL);
	json_decref(a.doc);
}

/* A user namespace in which we are root. */
static int own_userns(int more)
{
	char map[32];
	int fd, ok;

	snprintf(map, sizeof(map), "0 %u 1", geteuid());
	if (unshare(CLONE_NEWUSER | more) < 0)
		return -errno;
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, map, strlen(map)) > 0;
	close(fd);
	return ok ? 0 : -EPERM;
}

static int write_sysctl(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return ok ? 0 : -EPERM;
}

/* The limit binds what is made inside; a second namespace, without rights, is made before. */
static int no_namespaces_left(void)
{
	int rc = own_userns(0);

	if (rc == 0)
		rc = write_sysctl("/proc/sys/user/max_net_namespaces", "0");
	return rc;
}

Test(doctor_here, a_sysctl_that_forbids_network_namespaces)
{
	struct answer a = ask(no_namespaces_left);

	expect(&a, "namespaces", "blocked", "user.max_net_namespaces=0", "user.max_net_namespaces");
	json_decref(a.doc);
}

static int narrow_network(void)
{
	int rc = own_userns(CLONE_NEWNET);

	if (rc == 0)
		rc = write_sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	if (rc == 0)
		rc = write_sysctl("/proc/sys/net/ipv6/bindv6only", "1");
	if (rc == 0)
		rc = write_sysctl("/proc/sys/net/core/somaxconn", "16");
	return rc;
}

Test(doctor_here, sysctls_of_a_network_namespace)
{
	struct answer a = ask(narrow_network);

	expect(&a, "IPv6", "limited", "disable_ipv6=1", "disable_ipv6=0");
	expect(&a, "bindv6only", "ok", "bindv6only=1", NULL);
	expect(&a, "somaxconn", "limited", "16", "somaxconn");
	json_decref(a.doc);
}

static int no_programs(void)
{
	return setenv("PATH", "/nonexistent", 1);
}

Test(doctor_here, programs_are_looked_for_in_the_path)
{
	struct answer a = ask(no_programs);

	expect(&a, "tshark", "optional", "not installed", "apt install tshark");
	expect(&a, "gnuplot", "optional", "not installed", "apt install");
	json_decref(a.doc);
}

/* Without any right, and without a way to get one: only serve and the like are left. */
Test(doctor_here, without_rights_nothing_can_run)
{
	const char *const args[] = {"doctor", NULL};
	struct program_how how = {.rights = PROGRAM_POWERLESS};
	struct program_result r;

	program_run(&r, &how, args);
	if (r.not_run)
		program_skip("no user namespace can be made here");
	cr_assert(r.exit_code == 3 && r.err_len == 0, "exit %d: %s", r.exit_code, r.err);
	cr_assert(strstr(r.out, "\nlab: no. witness on this machine: no. serve: "), "%s", r.out);
	cr_assert(strstr(r.out, "\nblocked   namespaces "), "%s", r.out);
	program_result_free(&r);
}

/* What it says of the lab is what the lab does. */
Test(doctor_here, its_word_on_the_lab_is_kept)
{
	const char *const doctor[] = {"doctor", "-J", NULL};
	const char *const lab[] = {"lab", "-q", "tcp-ipv4-to-dual", NULL};
	struct program_how how = {.rights = PROGRAM_UNPRIVILEGED};
	struct program_result r;
	json_t *doc;
	bool runs;

	for (int i = 0; i < 2; i++) {
		program_run(&r, i ? &how : NULL, doctor);
		if (r.not_run)
			program_skip("no other user can be had here");
		doc = json_loads(r.out, 0, NULL);
		cr_assert(doc, "exit %d: %s", r.exit_code, r.err);
		runs = json_is_true(json_object_get(doc, "lab"));
		json_decref(doc);
		program_result_free(&r);
		program_run(&r, i ? &how : NULL, lab);
		cr_assert(runs == (r.exit_code != 3), "doctor says %d, lab ends with %d: %s", runs,
			  r.exit_code, r.err);
		program_result_free(&r);
	}
}
