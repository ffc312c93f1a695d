/* SPDX-License-Identifier: MIT */
/* t_real.c - the program serving over its own stack in a lab, and programs of others as its clients
 */
#include "t_real.h"

#include "../../uring/client.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void real_make(struct real *r)
{
	struct lab_options opt = {.bare_server = true};
	struct lab_error err;
	int rc = lab_create_with(&opt, &r->lab, &err);

	if (rc == -EPERM)
		program_skip("network namespaces cannot be made here");
	cr_assert(rc == 0, "%s: %s", err.step, err.detail);
	r->server_netns = r->lab.host[LAB_SERVER].netns_fd;
	r->ifname = r->lab.host[LAB_SERVER].ifname;
	program_dir_make(r->dir, sizeof(r->dir));
}

void real_serve(struct real *r, const char *workload, const char *const *args)
{
	const char *all[PROGRAM_ARGS_MAX] = {"serve", "-q", "--workload", workload};
	const char *const own[] = {"--engine", "bypass", "-i", r->ifname, "--no-dad", "--address",
				   "198.51.100.2/24", "--address", "2001:db8:1::2/64",
				   /* A lab's neighbours are permanent. */
				   "--mac", "interface"};
	struct program_how how = {.netns_fd = r->server_netns, .dies_with_us = true};
	struct pollfd ready;
	char line[512];
	size_t n = 4;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]) && !r->kernel; i++)
		all[n++] = own[i];
	while (args && *args)
		all[n++] = *args++;
	program_start(&r->server, &how, all);
	r->server.deadline_ms += UINT64_C(24) * 3600 * 1000; /* the test has one of its own */
	ready = (struct pollfd){.fd = r->server.out_fd, .events = POLLIN};
	cr_assert(poll(&ready, 1, REAL_WAIT_MS) == 1 &&
			  read(r->server.out_fd, line, sizeof(line)) > 0,
		  "it does not start");
}

void real_serve_end(struct real *r, struct program_result *out)
{
	program_signal(&r->server, SIGTERM);
	r->server.deadline_ms = program_now_ms() + REAL_WAIT_MS;
	program_finish(&r->server, out);
	r->server.pid = 0;
	cr_assert(out->exit_code == 0, "exit %d, signal %d: %s", out->exit_code, out->signo,
		  out->err);
}

void real_free(struct real *r)
{
	struct program_result out;

	if (r->server.pid > 0) {
		real_serve_end(r, &out);
		program_result_free(&out);
	}
	program_dir_remove(r->dir);
	lab_destroy(&r->lab);
}

const char *real_need(const char *program, const char *package)
{
	static const char *const places[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};
	static char paths[8][64];
	static unsigned int next;
	char *path = paths[next++ % 8], why[96];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(paths[0]), "%s/%s", places[i], program);
		if (access(path, X_OK) == 0)
			return path;
	}
	snprintf(why, sizeof(why), "%s is missing: Debian's package %s has it", program, package);
	program_skip(why);
}

void real_run(struct real *r, struct program_result *out, const char *const *args,
	      const char *input, const char *output)
{
	struct program_how how = {
		.exe = args[0], .netns_fd = r->lab.host[LAB_CLIENT].netns_fd, .dies_with_us = true};

	if (input)
		how.input = real_path(r, input);
	if (output) {
		program_write_file(r->dir, output, "", 0);
		how.output = real_path(r, output);
	}
	program_run(out, &how, args + 1);
}

void real_start(struct real *r, struct program *p, const char *const *args)
{
	struct program_how how = {
		.exe = args[0], .netns_fd = r->lab.host[LAB_CLIENT].netns_fd, .dies_with_us = true};

	program_start(p, &how, args + 1);
}

void real_kill(struct program *p)
{
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	close(p->pid_fd);
	close(p->out_fd);
	close(p->err_fd);
}

const char *real_path(const struct real *r, const char *name)
{
	static char paths[16][REAL_PATH];
	static unsigned int next;
	char *path = paths[next++ % 16];

	snprintf(path, REAL_PATH, "%s/%s", r->dir, name);
	return path;
}

void real_write_noise(const struct real *r, const char *name, size_t bytes)
{
	char *noise = malloc(bytes);
	uint32_t x = 1;

	cr_assert(noise);
	for (size_t i = 0; i < bytes; i++) {
		x = x * 1664525 + 1013904223;
		noise[i] = (char)(x >> 24);
	}
	program_write_file(r->dir, name, noise, bytes);
	free(noise);
}

bool real_same(const struct real *r, const char *a, const char *b)
{
	size_t len_a, len_b;
	char *text_a = program_read_file(r->dir, a, &len_a);
	char *text_b = program_read_file(r->dir, b, &len_b);
	bool same = len_a == len_b && memcmp(text_a, text_b, len_a) == 0;

	free(text_a);
	free(text_b);
	return same;
}

int real_connect(const struct real *r, int family, const char *addr, uint16_t port)
{
	struct client_config cfg = {.netns_fd = r->lab.host[LAB_CLIENT].netns_fd,
				    .proto = IPPROTO_TCP,
				    .family = family,
				    .v6only = -1};
	struct endpoint peer = {.port = port};
	struct client_record rec;
	int fd = client_open(&cfg), rc;

	cr_assert(fd >= 0 && addr_parse(addr, &peer.addr, NULL) == 0);
	rc = client_connect(fd, &peer, REAL_WAIT_MS, &rec);
	cr_assert(rc == 0, "%s port %u: %s", addr, port, strerror(-rc));
	return fd;
}

bool real_may_change_groups(void)
{
	char text[8] = "";
	FILE *f = fopen("/proc/self/setgroups", "r");
	bool may = f && fgets(text, sizeof(text), f) && strncmp(text, "allow", 5) == 0;

	if (f)
		fclose(f);
	return may && geteuid() == 0;
}

bool real_is_running(const struct program *p)
{
	struct pollfd over = {.fd = p->pid_fd, .events = POLLIN};

	return poll(&over, 1, 0) == 0;
}
