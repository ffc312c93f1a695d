/* SPDX-License-Identifier: MIT */
/* test_sockets.c - `dualwire sockets`: what it says of listeners and connections that are there */
#include "../../rawstack/netlink/netns.h"
#include "../unit/t_lab.h"
#include "t_program.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The server's namespace of a lab, with sockets of this process in it. */
static struct lab lab;
static char netns[64];

static void prepare(void)
{
	t_lab_rights();
	t_lab_make(&lab);
	snprintf(netns, sizeof(netns), "/proc/%d/fd/%d", getpid(), lab.host[LAB_SERVER].netns_fd);
}

static void clean_up(void)
{
	lab_destroy(&lab);
}

TestSuite(sockets, .init = prepare, .fini = clean_up, .timeout = 30);

/* A socket with SO_REUSEPORT that waits on @bound. @v6only: of an AF_INET6 one. */
static int wait_on(int proto, int family, const char *bound, uint16_t port, int v6only)
{
	int fd = t_lab_socket(&lab, LAB_SERVER, family,
			      proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM, 0);
	struct endpoint ep = {.port = port};
	struct sockaddr_storage ss;
	int one = 1, len;

	cr_assert(addr_parse(bound, &ep.addr, NULL) == 0);
	len = endpoint_to_sockaddr(&ep, family, &ss);
	cr_assert(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0);
	if (family == AF_INET6)
		cr_assert(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) == 0);
	cr_assert(bind(fd, (struct sockaddr *)&ss, (socklen_t)len) == 0, "%s: %m", bound);
	cr_assert(proto == IPPROTO_UDP || listen(fd, 8) == 0);
	return fd;
}

static json_t *ask(const char *const *args, int exit_code)
{
	struct program_result r;
	json_error_t error;
	json_t *o;

	program_run(&r, NULL, args);
	cr_assert(r.exit_code == exit_code, "%s: exit %d\n%s", program_line(args), r.exit_code,
		  r.err);
	o = json_loads(r.out, JSON_REJECT_DUPLICATES, &error);
	cr_assert(o, "line %d: %s\n%s", error.line, error.text, r.out);
	program_result_free(&r);
	return o;
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	cr_assert(s, "no text '%s'", key);
	return s;
}

/* The one listener of that name in netstat, address and port. */
static const json_t *listener(const json_t *doc, const char *name, const char *local, uint16_t port)
{
	const json_t *list = json_object_get(doc, "listeners"), *found = NULL, *o;
	size_t i;

	json_array_foreach (list, i, o) {
		if (strcmp(text(o, "netstat"), name) != 0 || strcmp(text(o, "local"), local) != 0 ||
		    json_integer_value(json_object_get(o, "local_port")) != port)
			continue;
		cr_assert(!found, "two of %s %s:%u", name, local, port);
		found = o;
	}
	cr_assert(found, "no %s %s:%u", name, local, port);
	return found;
}

struct expected {
	int proto, family;
	const char *bound;
	uint16_t port;
	int v6only;
	const char *name;
	const char *ipv4, *ipv6; /* "all", or the reason for nothing */
	const char *why;	 /* a part of it */
};

static const struct expected SOCKETS[] = {
	{IPPROTO_TCP, AF_INET6, "::", 80, 0, "tcp6", "all", "all", "V6ONLY off: both families"},
	{IPPROTO_TCP, AF_INET6, "::", 81, 1, "tcp6", "v6only", "all", "V6ONLY on: IPv6 only"},
	{IPPROTO_TCP, AF_INET, "0.0.0.0", 82, 0, "tcp", "all", "socket_family", "IPv4 only"},
	{IPPROTO_TCP, AF_INET6, "::ffff:0.0.0.0", 83, 0, "tcp6", "all", "address",
	 "bound to a mapped address: IPv4 only"},
	{IPPROTO_TCP, AF_INET6, "2001:db8:1::2", 84, 0, "tcp6", "address", "all",
	 "bound to 2001:db8:1::2: IPv6 only"},
	/* Two servers on one port: the textbook's dual-stack one gets no IPv4. */
	{IPPROTO_TCP, AF_INET6, "::", 443, 0, "tcp6", "rival", "all",
	 "IPv4 goes to 0.0.0.0:443 (test_sockets/"},
	{IPPROTO_TCP, AF_INET, "0.0.0.0", 443, 0, "tcp", "all", "socket_family", ""},
	{IPPROTO_UDP, AF_INET6, "::", 53, 0, "udp6", "all", "all",
	 "198.51.100.2 goes to 198.51.100.2:53 (test_sockets/"},
	{IPPROTO_UDP, AF_INET, "198.51.100.2", 53, 0, "udp", "all", "socket_family",
	 "IPv4 only, one address"},
};
enum { N_SOCKETS = sizeof(SOCKETS) / sizeof(SOCKETS[0]) };

static const char *share(const json_t *o, const char *family)
{
	const json_t *s = json_object_get(o, family);
	const char *what = text(s, "share");

	return strcmp(what, "nothing") == 0 ? text(s, "reason") : what;
}

Test(sockets, each_listener_serves_what_the_kernel_gives_it)
{
	const char *const args[] = {"sockets", "-J", "--netns", netns, NULL};
	json_t *doc;

	for (size_t i = 0; i < N_SOCKETS; i++)
		wait_on(SOCKETS[i].proto, SOCKETS[i].family, SOCKETS[i].bound, SOCKETS[i].port,
			SOCKETS[i].v6only);
	doc = ask(args, 0);
	cr_assert(json_array_size(json_object_get(doc, "listeners")) == N_SOCKETS);
	for (size_t i = 0; i < N_SOCKETS; i++) {
		const struct expected *e = &SOCKETS[i];
		const json_t *o = listener(doc, e->name, e->bound, e->port);
		const json_t *holder = json_array_get(json_object_get(o, "processes"), 0);

		cr_assert_str_eq(share(o, "ipv4"), e->ipv4, "socket %zu", i);
		cr_assert_str_eq(share(o, "ipv6"), e->ipv6, "socket %zu", i);
		cr_assert(strstr(text(o, "why"), e->why), "socket %zu: %s", i, text(o, "why"));
		cr_assert(json_integer_value(json_object_get(holder, "pid")) == getpid());
		cr_assert_str_eq(text(holder, "name"), "test_sockets");
	}
	json_decref(doc);
}

Test(sockets, equal_listeners_share)
{
	const char *const args[] = {"sockets", "-J", "--netns", netns, NULL};
	const json_t *list, *o;
	json_t *doc;
	size_t i;

	for (int k = 0; k < 3; k++)
		wait_on(IPPROTO_TCP, AF_INET6, "::", 80, 0);
	doc = ask(args, 0);
	list = json_object_get(doc, "listeners");
	cr_assert(json_array_size(list) == 3);
	json_array_foreach (list, i, o) {
		const json_t *v4 = json_object_get(o, "ipv4");

		cr_assert_str_eq(share(o, "ipv4"), "part");
		cr_assert(json_integer_value(json_object_get(v4, "group")) == 3);
		cr_assert(strstr(text(o, "why"), "shared by 3 equal sockets"), "%s",
			  text(o, "why"));
	}
	json_decref(doc);
}

/* One connection of each family to a dual-stack listener. */
static void connect_both(uint16_t port)
{
	int l = wait_on(IPPROTO_TCP, AF_INET6, "::", port, 0);

	for (int v6 = 0; v6 < 2; v6++) {
		int family = v6 ? AF_INET6 : AF_INET;
		int fd = t_lab_socket(&lab, LAB_CLIENT, family, SOCK_STREAM, 0);
		const struct lab_host *h = &lab.host[LAB_SERVER];

		cr_assert(t_lab_connect(fd, family, v6 ? &h->v6[0] : &h->v4[0], port) == 0);
		cr_assert(accept(l, NULL, NULL) >= 0);
	}
}

Test(sockets, a_mapped_connection_is_marked_and_a_native_one_is_not)
{
	const char *const args[] = {"sockets", "-J", "--netns", netns, NULL};
	const json_t *list, *o;
	size_t i, mapped = 0;
	json_t *doc;

	connect_both(80);
	doc = ask(args, 0);
	list = json_object_get(doc, "connections");
	cr_assert(json_array_size(list) == 2);
	json_array_foreach (list, i, o) {
		bool is = json_is_true(json_object_get(o, "mapped"));

		mapped += is;
		cr_assert_str_eq(text(o, "netstat"), "tcp6");
		cr_assert_str_eq(text(o, "travels"), is ? "IPv4" : "IPv6");
		cr_assert_str_eq(text(o, "peer"), is ? "::ffff:198.51.100.1" : "2001:db8:1::1");
		cr_assert_str_eq(text(o, "state"), "ESTAB");
	}
	cr_assert(mapped == 1);
	json_decref(doc);
}

Test(sockets, the_table_lists_mapped_connections_or_all)
{
	const char *const some[] = {"sockets", "--netns", netns, NULL};
	const char *const all[] = {"sockets", "-a", "--netns", netns, NULL};
	struct program_result r;

	connect_both(80);
	program_run(&r, NULL, some);
	cr_assert(r.exit_code == 0, "%s", r.err);
	cr_assert(strstr(r.out, "\ntcp6    [::]:80    yes  yes  bound to :: with V6ONLY off: both "
				"families test_sockets/"),
		  "%s", r.out);
	cr_assert(strstr(r.out, "IPv4 (mapped)") && !strstr(r.out, "2001:db8:1::1"), "%s", r.out);
	cr_assert(strstr(r.out, "1 socket that netstat calls tcp6 or udp6 serves IPv4 too"), "%s",
		  r.out);
	cr_assert(strstr(r.out, "2 connections, 1 of them IPv4 on an AF_INET6 socket"), "%s",
		  r.out);
	program_result_free(&r);
	program_run(&r, NULL, all);
	cr_assert(strstr(r.out, "IPv4 (mapped)") && strstr(r.out, "[2001:db8:1::1]:"), "%s", r.out);
	program_result_free(&r);
}

Test(sockets, filters_choose_by_protocol_and_port)
{
	static const struct {
		const char *args[8];
		size_t n;
		int exit_code;
	} rows[] = {
		{{"sockets", "-J", "--netns", netns, NULL}, 3, 0},
		{{"sockets", "-J", "-t", "--netns", netns, NULL}, 2, 0},
		{{"sockets", "-J", "-u", "--netns", netns, NULL}, 1, 0},
		{{"sockets", "-J", "-tu", "--netns", netns, NULL}, 3, 0},
		{{"sockets", "-J", "-p80", "--netns", netns, NULL}, 2, 0},
		{{"sockets", "-J", "-p80", "-p81", "--netns", netns, NULL}, 3, 0},
		{{"sockets", "-J", "-u", "-p81", "--netns", netns, NULL}, 0, 2},
		{{"sockets", "-J", "-p9", "--netns", netns, NULL}, 0, 2},
	};

	wait_on(IPPROTO_TCP, AF_INET6, "::", 80, 0);
	wait_on(IPPROTO_UDP, AF_INET6, "::", 80, 0);
	wait_on(IPPROTO_TCP, AF_INET, "0.0.0.0", 81, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *doc = ask(rows[i].args, rows[i].exit_code);

		cr_assert(json_array_size(json_object_get(doc, "listeners")) == rows[i].n, "%s",
			  program_line(rows[i].args));
		json_decref(doc);
	}
}

Test(sockets, an_empty_namespace_says_so)
{
	const char *const args[] = {"sockets", "--netns", netns, NULL};
	struct program_result r;

	program_run(&r, NULL, args);
	cr_assert(r.exit_code == 2 && r.err_len == 0, "%d %s", r.exit_code, r.err);
	cr_assert_str_eq(r.out, "Nothing listens here and nothing is connected.\n");
	program_result_free(&r);
}

/* Without any right: the list is there, the namespace of somebody else is refused. */
Test(sockets, no_rights_are_needed_here_and_some_elsewhere)
{
	const char *const here[] = {"sockets", "-J", NULL};
	const char *const there[] = {"sockets", "--netns", netns, NULL};
	struct program_how how = {.rights = PROGRAM_UNPRIVILEGED};
	struct program_result r;

	program_run(&r, &how, here);
	if (r.not_run)
		program_skip("no other user can be had here");
	cr_assert((r.exit_code == 0 || r.exit_code == 2) && strstr(r.out, "\"listeners\""), "%s",
		  r.err);
	program_result_free(&r);
	if (geteuid() != 0)
		program_skip("what an unprivileged user made he may also enter");
	program_run(&r, &how, there);
	cr_assert(r.exit_code == 3 && program_count_lines(r.err) == 1, "%d: %s", r.exit_code,
		  r.err);
	program_result_free(&r);
}
