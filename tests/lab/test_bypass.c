/* SPDX-License-Identifier: MIT */
/* test_bypass.c - the user-space stack behind the engine interface, with the kernel's clients */
#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/netlink/netns.h"
#include "../../uring/client.h"
#include "../../uring/engine.h"
#include "../../uring/server.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PORT = 7000, WAIT_MS = 5000, RECORDS_MAX = 256 };

struct serving {
	struct lab lab;
	struct engine_link link;
	struct listen_spec specs[4];
	struct server_config cfg;
	struct server *server;
	struct server_record records[RECORDS_MAX];
	size_t n;
	pthread_t thread;
	int rc;
};

static struct serving sv;

/* A user namespace can only be entered before Criterion has threads. */
__attribute__((constructor)) static void become_capable(void)
{
	(void)netns_become_capable();
}

static void make_lab(bool bare)
{
	struct lab_options opt = {.bare_server = bare};
	struct lab_error err;
	int rc = lab_create_with(&opt, &sv.lab, &err);

	cr_assert(rc == 0, "%s: %s", err.step, err.detail);
	sv.link = (struct engine_link){.netns_fd = sv.lab.host[LAB_SERVER].netns_fd,
				       .ifname = sv.lab.host[LAB_SERVER].ifname,
				       .skip_dad = true};
	for (int i = 0; i < sv.lab.host[LAB_SERVER].n_addrs; i++) {
		sv.link.addrs[sv.link.n_addrs++] =
			(struct engine_link_addr){sv.lab.host[LAB_SERVER].v4[i], 24};
		sv.link.addrs[sv.link.n_addrs++] =
			(struct engine_link_addr){sv.lab.host[LAB_SERVER].v6[i], 64};
	}
}

static void observe(const struct server_record *rec, void *arg)
{
	(void)arg;
	if (sv.n < RECORDS_MAX)
		sv.records[sv.n++] = *rec;
}

static void *run(void *arg)
{
	(void)arg;
	sv.rc = server_run(sv.server);
	return NULL;
}

static struct endpoint ep(const char *addr, uint16_t port)
{
	struct endpoint e = {.port = port};

	cr_assert(addr_parse(addr, &e.addr, NULL) == 0);
	return e;
}

static void listen_on(int proto, int family, const char *addr, bool v6only)
{
	sv.specs[sv.cfg.n_listeners++] = (struct listen_spec){.proto = proto,
							      .family = family,
							      .bind = ep(addr, PORT),
							      .v6only = v6only,
							      .backlog = 64};
}

static int create(const char *workload, struct server_error *err)
{
	sv.cfg.engine = "bypass";
	sv.cfg.workload = workload;
	sv.cfg.listeners = sv.specs;
	sv.cfg.link = &sv.link;
	sv.cfg.max_conns = 256;
	sv.cfg.observe = observe;
	return server_create(&sv.cfg, &sv.server, err);
}

static void start(const char *workload)
{
	struct server_error err;

	cr_assert(create(workload, &err) == 0, "%s (%s)", err.what, err.remedy);
	cr_assert(pthread_create(&sv.thread, NULL, run, NULL) == 0);
}

static void stop(void)
{
	server_stop(sv.server);
	pthread_join(sv.thread, NULL);
	cr_assert(sv.rc == 0, "%s", strerror(-sv.rc));
	server_destroy(sv.server);
	lab_destroy(&sv.lab);
}

static int client(int proto, int family)
{
	struct client_config cfg = {.netns_fd = sv.lab.host[LAB_CLIENT].netns_fd,
				    .proto = proto,
				    .family = family,
				    .v6only = family == AF_INET6 ? 0 : -1};
	int fd = client_open(&cfg);

	cr_assert(fd >= 0);
	return fd;
}

static int connect_to(int proto, int family, const char *addr, uint16_t port,
		      struct client_record *rec)
{
	struct endpoint peer = ep(addr, port);
	int fd = client(proto, family);
	int rc = client_connect(fd, &peer, WAIT_MS, rec);

	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

static const struct way {
	int family;
	const char *to;
} ways[] = {
	{AF_INET, "198.51.100.2"},
	{AF_INET6, "::ffff:198.51.100.3"},
	{AF_INET6, "2001:db8:1::2"},
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

TestSuite(bypass, .timeout = 60);

Test(bypass, streams_of_every_kind_are_echoed_and_show_their_addresses)
{
	struct client_record rec[WAYS];
	char reply[5];

	make_lab(true);
	listen_on(IPPROTO_TCP, AF_INET6, "::", false);
	start("echo");
	for (int i = 0; i < WAYS; i++) {
		int fd = connect_to(IPPROTO_TCP, ways[i].family, ways[i].to, PORT, &rec[i]);

		cr_assert(fd >= 0, "%s: %s", ways[i].to, strerror(-fd));
		cr_assert(client_exchange(fd, "hello", 5, reply, WAIT_MS, &rec[i]) == 5);
		cr_assert(memcmp(reply, "hello", 5) == 0);
		cr_assert(client_finish(fd, WAIT_MS) == 0);
	}
	stop();
	cr_assert_eq(sv.n, 2 * (size_t)WAYS);
	for (int i = 0; i < WAYS; i++) {
		const struct server_record *r = &sv.records[2 * i];

		cr_assert(r->event == SERVER_ACCEPTED && r->family == AF_INET6);
		cr_assert(endpoint_eq(&r->peer, &rec[i].local) &&
			  endpoint_eq(&r->local, &rec[i].peer));
		cr_assert(sv.records[2 * i + 1].event == SERVER_CLOSED &&
			  sv.records[2 * i + 1].error == 0 && sv.records[2 * i + 1].bytes_out == 5);
	}
}

Test(bypass, datagrams_are_answered_from_the_address_that_was_asked)
{
	struct client_record rec;
	char reply[4];

	make_lab(true);
	listen_on(IPPROTO_UDP, AF_INET6, "::", false);
	start("echo");
	for (int i = 0; i < WAYS; i++) {
		int fd = connect_to(IPPROTO_UDP, ways[i].family, ways[i].to, PORT, &rec);

		/* Connected: an answer from another address would not be heard. */
		cr_assert(client_exchange(fd, "ping", 4, reply, WAIT_MS, &rec) == 4, "%s",
			  ways[i].to);
		close(fd);
	}
	stop();
}

Test(bypass, who_does_not_listen_refuses_in_the_family_that_asked)
{
	struct client_record rec;

	make_lab(true);
	listen_on(IPPROTO_TCP, AF_INET6, "::", true);
	start("echo");
	cr_assert_eq(connect_to(IPPROTO_TCP, AF_INET, "198.51.100.2", PORT, &rec), -ECONNREFUSED);
	cr_assert_eq(connect_to(IPPROTO_TCP, AF_INET6, "::ffff:198.51.100.2", PORT, &rec),
		     -ECONNREFUSED);
	cr_assert_eq(connect_to(IPPROTO_TCP, AF_INET6, "2001:db8:1::2", PORT + 1, &rec),
		     -ECONNREFUSED);
	for (int i = 0; i < WAYS; i++) {
		int fd = connect_to(IPPROTO_UDP, ways[i].family, ways[i].to, PORT, &rec);
		char c;

		cr_assert_eq(client_exchange(fd, "x", 1, &c, WAIT_MS, &rec), -ECONNREFUSED, "%s",
			     ways[i].to);
		close(fd);
	}
	stop();
}

enum { BULK = 4 << 20 };

/* Writes while another thread reads: more than all buffers hold. */
static void *write_bulk(void *arg)
{
	int fd = *(int *)arg;
	uint8_t block[8192];

	for (size_t at = 0; at < BULK; at += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (uint8_t)((at + i) * 2654435761U >> 13);
		cr_assert(send(fd, block, sizeof(block), MSG_NOSIGNAL) == sizeof(block));
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void bulk_both_ways(void)
{
	struct client_record rec;

	for (int i = 0; i < WAYS; i++) {
		int fd = connect_to(IPPROTO_TCP, ways[i].family, ways[i].to, PORT, &rec);
		struct timeval tv = {.tv_sec = WAIT_MS / 1000};
		static uint8_t buf[65536];
		pthread_t writer;
		size_t at = 0;
		ssize_t n;

		cr_assert(fd >= 0);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		cr_assert(pthread_create(&writer, NULL, write_bulk, &fd) == 0);
		while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
			for (ssize_t k = 0; k < n; k++)
				cr_assert_eq(buf[k],
					     (uint8_t)((at + (size_t)k) * 2654435761U >> 13),
					     "octet %zu", at + (size_t)k);
			at += (size_t)n;
		}
		pthread_join(writer, NULL);
		cr_assert(n == 0 && at == BULK, "%zd after %zu octets: %s", n, at, strerror(errno));
		close(fd);
	}
}

Test(bypass, megabytes_come_back_whole)
{
	make_lab(true);
	listen_on(IPPROTO_TCP, AF_INET6, "::", false);
	start("echo");
	bulk_both_ways();
	stop();
}

Test(bypass, megabytes_come_back_whole_over_af_xdp)
{
	struct server_error err;
	int rc;

	make_lab(true);
	sv.link.xdp = true;
	listen_on(IPPROTO_TCP, AF_INET6, "::", false);
	rc = create("echo", &err);
	if (rc == -EPERM)
		cr_skip_test("%s", err.what);
	cr_assert(rc == 0, "%s (%s)", err.what, err.remedy);
	cr_assert(pthread_create(&sv.thread, NULL, run, NULL) == 0);
	bulk_both_ways();
	stop();
}

static void expect_refusal(int error, const char *what)
{
	struct server_error err;
	int rc = create("echo", &err);

	cr_assert_eq(rc, -error, "%s: %s", strerror(-rc), err.what);
	cr_assert(strstr(err.what, what) != NULL, "%s", err.what);
	cr_assert(strlen(err.remedy) > 0, "%s: no remedy", err.what);
}

Test(bypass, an_interface_on_which_the_kernel_answers_too_is_refused)
{
	make_lab(false);
	listen_on(IPPROTO_TCP, AF_INET6, "::", false);
	expect_refusal(EADDRINUSE, "would answer, too");
	lab_destroy(&sv.lab);
}

Test(bypass, what_cannot_be_an_address_or_a_gateway_is_refused)
{
	make_lab(true);
	listen_on(IPPROTO_TCP, AF_INET6, "::", false);
	sv.link.gateway4 = ep("203.0.113.1", 0).addr;
	expect_refusal(EINVAL, "203.0.113.1 is outside");
	sv.link.gateway4 = ADDR_ANY6;
	sv.link.addrs[0].addr = ep("198.51.100.255", 0).addr;
	expect_refusal(EINVAL, "no host's address");
	sv.link.addrs[0].addr = ep("198.51.100.0", 0).addr;
	expect_refusal(EINVAL, "no host's address");
	sv.link.addrs[0].addr = ep("224.0.0.1", 0).addr;
	expect_refusal(EINVAL, "no host's address");
	sv.link.addrs[0].addr = ep("ff02::1", 0).addr;
	expect_refusal(EINVAL, "no host's address");
	sv.link.n_addrs = 0;
	expect_refusal(EINVAL, "needs an interface and an address");
	sv.link.n_addrs = 1;
	sv.link.addrs[0].addr = ep("198.51.100.2", 0).addr;
	sv.link.ifname = "nosuchif";
	expect_refusal(ENODEV, "nosuchif");
	lab_destroy(&sv.lab);
}

Test(bypass, a_duplicate_address_is_found_and_named)
{
	make_lab(true);
	listen_on(IPPROTO_TCP, AF_INET6, "::", false);
	sv.link.skip_dad = false;
	sv.link.n_addrs = 1;
	sv.link.addrs[0].addr = ep("198.51.100.1", 0).addr; /* the client's */
	expect_refusal(EADDRINUSE, "198.51.100.1 is in use on this link, by 02:00:00:00:00:01");
	lab_destroy(&sv.lab);
}

Test(bypass, without_the_right_to_raw_frames_it_says_so)
{
	struct server_error err;
	pid_t pid;

	make_lab(true);
	listen_on(IPPROTO_TCP, AF_INET6, "::", false);
	pid = fork();
	if (pid == 0) {
		/* As another user, without any capability. */
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(2);
		_exit(create("echo", &err) == -EPERM && strstr(err.what, "not permitted") ? 0 : 1);
	}
	cr_assert(pid > 0);
	cr_assert(waitpid(pid, &sv.rc, 0) == pid && WIFEXITED(sv.rc));
	if (WEXITSTATUS(sv.rc) == 2)
		cr_skip_test("no second user in this namespace");
	cr_assert_eq(WEXITSTATUS(sv.rc), 0);
	lab_destroy(&sv.lab);
}
