/* SPDX-License-Identifier: MIT */
/* test_drain.c - "10 datagrams, stop after 50 ms": what others lose is in the evidence */
#include "t_bench.h"
#include "t_program.h"

#include "../../rawstack/netlink/netns.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * The socket that is sent to is bound, so that no ICMP answers, and never read. Nobody waits
 * between the last datagram and the stop: that is the hardest case of "at most 50 ms".
 */
enum { DATAGRAMS = 10, STOP_MAX_MS = 50, PORT = 7000 };

static int bound_socket(int netns_fd, int family)
{
	const struct endpoint any = {.addr = family == AF_INET ? ADDR_ANY4 : ADDR_ANY6,
				     .port = PORT};
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(&any, family, &ss);
	int fd = netns_socket(netns_fd, family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&ss, (socklen_t)len) == 0, "bind: %s",
		  strerror(errno));
	return fd;
}

/* From one unconnected socket. Returns when, in ms, the last one was sent. */
static uint64_t send_datagrams(int netns_fd, int family, const struct addr *to)
{
	const struct endpoint ep = {.addr = *to, .port = PORT};
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(&ep, family, &ss);
	int fd = netns_socket(netns_fd, family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0);
	for (int i = 0; i < DATAGRAMS; i++)
		cr_assert(sendto(fd, &i, sizeof(i), 0, (struct sockaddr *)&ss, (socklen_t)len) ==
				  sizeof(i),
			  "sendto: %s", strerror(errno));
	close(fd);
	return bench_now_ms();
}

static size_t datagrams_at(const struct evidence *ev, uint32_t tap)
{
	size_t n = 0;

	for (size_t i = 0; i < ev->n_frames; i++)
		n += ev->frames[i].tap == tap && !ev->frames[i].canary &&
		     ev->frames[i].info.has_ports && ev->frames[i].info.dport == PORT;
	return n;
}

/* V2, V3 as tests use it, and a V3 whose block would wait for 300 ms to be handed over. */
static const struct ring_config RINGS[] = {
	{.version = 2, .block_size = 65536, .block_count = 8, .snaplen = 192},
	{.version = 3, .block_size = 262144, .block_count = 8, .retire_ms = 1, .snaplen = 192},
	{.version = 3, .block_size = 262144, .block_count = 8, .retire_ms = 300, .snaplen = 192},
};

Test(drain, ten_datagrams_right_before_the_stop_are_in_the_evidence)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < 2 * sizeof(RINGS) / sizeof(RINGS[0]); i++) {
		struct bench *b = bench_new();
		const struct lab_host *c = &b->lab.host[LAB_CLIENT], *s = &b->lab.host[LAB_SERVER];
		struct witness_config cfg = bench_watch_config(b);
		int family = families[i % 2];
		const struct evidence *ev;
		uint64_t sent_ms;

		cfg.ring = RINGS[i / 2];
		bench_watch(b, &cfg);
		sent_ms = send_datagrams(c->netns_fd, family,
					 family == AF_INET ? &s->v4[0] : &s->v6[0]);
		cr_assert(bench_now_ms() - sent_ms <= STOP_MAX_MS, "too slow to mean anything");
		cr_assert(witness_stop(b->witness) == 0);
		ev = witness_evidence(b->witness);
		bench_expect_identity(ev);
		for (uint32_t tap = 0; tap < 2; tap++)
			cr_assert(ev->taps[tap].drops == 0 && datagrams_at(ev, tap) == DATAGRAMS,
				  "ring %zu, tap %u: %zu datagrams", i / 2, tap,
				  datagrams_at(ev, tap));
		bench_free(b);
	}
}

static void enter_own_namespace(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int netns = netns_new(), back, fd;

	cr_assert(netns >= 0 && netns_enter(netns, &back) == 0, "no namespace: %s",
		  strerror(netns < 0 ? -netns : EPERM));
	close(back);
	close(netns);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0, "lo: %s", strerror(errno));
	close(fd);
}

/* Waits for the byte by which the program says that it sees frames from now on. */
static void await_ready(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char byte;

	cr_assert(poll(&pfd, 1, BENCH_WAIT_MS) == 1 && read(fd, &byte, 1) == 1, "never ready");
}

static void expect_flow(const char *line, int family)
{
	json_error_t error;
	json_t *o = json_loads(line, 0, &error), *wire = json_object_get(o, "wire");
	const char *proto = json_string_value(json_object_get(o, "proto"));
	const json_t *frames = json_object_get(wire, "frames");
	json_int_t v4 = json_integer_value(json_object_get(frames, "ipv4"));
	json_int_t v6 = json_integer_value(json_object_get(frames, "ipv6"));

	cr_assert(proto && strcmp(proto, "udp") == 0, "%s", line);
	cr_assert(v4 == (family == AF_INET ? DATAGRAMS : 0) &&
			  v6 == (family == AF_INET6 ? DATAGRAMS : 0),
		  "%lld and %lld frames: %s", v4, v6, line);
	json_decref(o);
}

static void drain_program(int family)
{
	const char *const args[] = {"witness",	  "-i", "lo", "-p", "7000",
				    "--ready-fd", "3",	"-J", NULL};
	/* The ten, and a canary at the beginning and at the end. */
	const char *const counted = "12 frames, 0 dropped;";
	struct program_how how = {0};
	struct program_result r;
	struct program p;
	struct addr lo;
	uint64_t sent_ms;
	int ready[2], fd;

	cr_assert(addr_parse(family == AF_INET ? "127.0.0.1" : "::1", &lo, NULL) == 0);
	cr_assert(pipe2(ready, O_CLOEXEC) == 0);
	fd = bound_socket(-1, family);
	how.pass_fd = ready[1];
	program_start(&p, &how, args);
	close(ready[1]);
	await_ready(ready[0]);
	sent_ms = send_datagrams(-1, family, &lo);
	program_signal(&p, SIGINT);
	cr_assert(bench_now_ms() - sent_ms <= STOP_MAX_MS, "too slow to mean anything");
	program_finish(&p, &r);
	/* Two sockets that nobody asked about in time: the program's own verdict is not the point.
	 */
	cr_assert(r.signo == 0 && r.exit_code <= 2, "exit %d, signal %d: %s", r.exit_code, r.signo,
		  r.err);
	cr_assert(strstr(r.err, counted), "no '%s' in: %s", counted, r.err);
	cr_assert(program_count_lines(r.out) == 1, "not one flow: %s", r.out);
	expect_flow(r.out, family);
	program_result_free(&r);
	close(ready[0]);
	close(fd);
}

Test(drain, ten_datagrams_right_before_the_program_is_interrupted_are_reported)
{
	enter_own_namespace();
	drain_program(AF_INET);
	drain_program(AF_INET6);
}

/* A whole connection in less than the millisecond after which a ring block is handed over. */
static void connect_and_close(void)
{
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(7000)};
	struct sockaddr_in6 to = any;
	int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), server;
	char byte;

	to.sin6_addr = in6addr_loopback;
	cr_assert(bind(listener, (const struct sockaddr *)&any, sizeof(any)) == 0);
	cr_assert(listen(listener, 1) == 0);
	cr_assert(connect(client, (const struct sockaddr *)&to, sizeof(to)) == 0);
	server = accept(listener, NULL, NULL);
	cr_assert(server >= 0 && shutdown(client, SHUT_WR) == 0 && read(server, &byte, 1) == 0);
	close(server);
	close(client);
	close(listener);
}

Test(live, a_connection_shorter_than_a_ring_block_is_joined_with_its_socket)
{
	const char *const args[] = {"witness", "-i",	     "lo", "-p", "7000", "-c",
				    "1",       "--ready-fd", "3",  "-J", NULL};
	struct program_how how = {0};
	struct program_result r;
	struct program p;
	int ready[2];

	enter_own_namespace();
	cr_assert(pipe2(ready, O_CLOEXEC) == 0);
	how.pass_fd = ready[1];
	program_start(&p, &how, args);
	close(ready[1]);
	await_ready(ready[0]);
	connect_and_close();
	program_finish(&p, &r);
	cr_assert(r.exit_code == 0, "exit %d: %s", r.exit_code, r.out);
	cr_assert(strstr(r.out, "\"confirmed\""), "%s", r.out);
	program_result_free(&r);
	close(ready[0]);
}
