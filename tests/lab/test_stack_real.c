/* SPDX-License-Identifier: MIT */
/* test_stack_real.c - the clients that people use, against the user-space stack over a veth */
#include "../../rawstack/netlink/netns.h"
#include "t_forwarder.h"
#include "t_real.h"
#include "t_stream.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The server's host has no kernel address and the server no kernel socket: every answer is the
 * stack's. Where a family is reached over IPv4, the listener is an AF_INET6 one all the same.
 *
 * With SOAK_SECONDS in the environment, streams are SOAK_BYTES long.
 */
enum { FILE_BYTES = 4 << 20, STREAM_BYTES = 64 << 20, SSH_PORT = 18022, IPERF_PORT = 5201 };

#define SOAK_BYTES (1ULL << 30)

static struct real r;

static void prepare(void)
{
	real_make(&r);
}

static void clean_up(void)
{
	real_free(&r);
}

TestSuite(stack_real, .init = prepare, .fini = clean_up, .timeout = 1800);

static const struct target {
	const char *host, *addr, *option; /* as a URL has it, as it is, and for socat and ncat */
	int family;
} targets[] = {
	{"198.51.100.2", "198.51.100.2", "-4", AF_INET},
	{"[2001:db8:1::2]", "2001:db8:1::2", "-6", AF_INET6},
};
enum { TARGETS = sizeof(targets) / sizeof(targets[0]) };

/* Runs a client that must succeed; the result is to be freed. */
static void run(struct program_result *out, const char *const *args)
{
	real_run(&r, out, args, NULL, NULL);
	cr_assert(out->exit_code == 0, "%s: exit %d: %s%s", program_line(args), out->exit_code,
		  out->out, out->err);
}

static const char *url_of(const struct target *t)
{
	static char urls[4][64];
	static unsigned int next;
	char *url = urls[next++ % 4];

	snprintf(url, sizeof(urls[0]), "http://%s:%d/", t->host, REAL_PORT);
	return url;
}

/* Twice the same page: the second connection is counted only where the first was not kept. */
static void expect_curl(const struct target *t, const char *header, const char *want)
{
	const char *curl = real_need("curl", "curl");
	const char *const args[] = {curl,	 "-sS",	      "--max-time",
				    "10",	 "-H",	      header,
				    "-o",	 "/dev/null", "-o",
				    "/dev/null", "-w",	      "%{http_code} %{num_connects} ",
				    url_of(t),	 url_of(t),   NULL};
	struct program_result out;

	run(&out, args);
	cr_assert_str_eq(out.out, want, "%s with %s", t->host, header);
	program_result_free(&out);
}

Test(stack_real, curl_keeps_a_connection_or_makes_one_each)
{
	real_serve(&r, "http", NULL);
	for (int i = 0; i < TARGETS; i++) {
		expect_curl(&targets[i], "Accept: text/plain", "200 1 200 0 ");
		expect_curl(&targets[i], "Connection: close", "200 1 200 1 ");
	}
}

/* Requests that were answered. */
static double wrk(const struct target *t, const char *header)
{
	const char *const args[] = {real_need("wrk", "wrk"),
				    "-t1",
				    "-c32",
				    "-d1s",
				    "--timeout",
				    "5s",
				    "-H",
				    header,
				    url_of(t),
				    NULL};
	struct program_result out;
	const char *at;
	double n;

	run(&out, args);
	cr_assert(!strstr(out.out, "Socket errors") && !strstr(out.out, "Non-2xx"), "%s", out.out);
	at = strstr(out.out, "Requests/sec:");
	cr_assert(at, "%s", out.out);
	n = atof(at + strlen("Requests/sec:"));
	fprintf(stderr, "stack_real: wrk to %s, %s: %.0f requests/s\n", t->host, header, n);
	program_result_free(&out);
	return n;
}

Test(stack_real, wrk_sees_no_error_whether_connections_last_or_not)
{
	real_serve(&r, "http", NULL);
	for (int i = 0; i < TARGETS; i++) {
		cr_assert_gt(wrk(&targets[i], "Connection: keep-alive"), 500);
		cr_assert_gt(wrk(&targets[i], "Connection: close"), 100);
	}
}

static void expect_ab(const struct target *t, const char *option)
{
	const char *const args[] = {real_need("ab", "apache2-utils"),
				    "-q",
				    "-n2000",
				    "-c20",
				    "-s10",
				    option,
				    url_of(t),
				    NULL};
	struct program_result out;

	run(&out, args);
	cr_assert(strstr(out.out, "Complete requests:      2000\n"), "%s", out.out);
	cr_assert(strstr(out.out, "Failed requests:        0\n"), "%s", out.out);
	cr_assert(!strstr(out.out, "Non-2xx") && !strstr(out.out, "Write errors"), "%s", out.out);
	program_result_free(&out);
}

Test(stack_real, ab_completes_what_it_began)
{
	real_serve(&r, "http", NULL);
	for (int i = 0; i < TARGETS; i++) {
		expect_ab(&targets[i], "-k");
		expect_ab(&targets[i], "-d");
	}
}

/* The end of the file becomes a half close; what is still to come back, comes. */
Test(stack_real, socat_gets_a_file_back_whole_after_it_has_shut_its_side_down)
{
	char file[2 * REAL_PATH], to[96];
	const char *socat = real_need("socat", "socat");
	const char *const args[] = {socat, "-t10", "-T10", file, to, NULL};
	struct program_result out;

	real_serve(&r, "echo", NULL);
	real_write_noise(&r, "in", FILE_BYTES);
	for (int i = 0; i < TARGETS; i++) {
		snprintf(file, sizeof(file), "OPEN:%s,rdonly!!CREATE:%s", real_path(&r, "in"),
			 real_path(&r, "out"));
		snprintf(to, sizeof(to), "TCP%s:%s:%d", targets[i].option + 1, targets[i].host,
			 REAL_PORT);
		run(&out, args);
		cr_assert(real_same(&r, "in", "out"), "%s", to);
		program_result_free(&out);
	}
}

Test(stack_real, ncat_gets_a_file_back_whole)
{
	const char *ncat = real_need("ncat", "ncat");
	struct program_result out;

	real_serve(&r, "echo", NULL);
	real_write_noise(&r, "in", FILE_BYTES);
	for (int i = 0; i < TARGETS; i++) {
		const char *const args[] = {ncat,   "-w5", targets[i].option, targets[i].addr,
					    "7000", NULL};

		real_run(&r, &out, args, "in", "out");
		cr_assert(out.exit_code == 0, "%s: %s", program_line(args), out.err);
		cr_assert(real_same(&r, "in", "out"), "%s", program_line(args));
		program_result_free(&out);
	}
}

Test(stack_real, our_own_client_reads_the_mapped_address_that_the_stack_made)
{
	const char *const ways[][2] = {
		{"-4", "198.51.100.2"}, {"-6", "::ffff:198.51.100.2"}, {"-6", "2001:db8:1::2"}};
	struct program_how how = {.netns_fd = r.lab.host[LAB_CLIENT].netns_fd};
	struct program_result out;

	real_serve(&r, "echo", NULL);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const char *const args[] = {"connect", ways[i][0], ways[i][1], "7000", NULL};

		program_run(&out, &how, args);
		cr_assert(out.exit_code == 0, "%s: %s%s", program_line(args), out.out, out.err);
		program_result_free(&out);
	}
}

/* --- servers of others, reached through a forwarder that runs on the stack --- */

static void write_text(const char *name, const char *format)
{
	char text[1024];
	size_t n = 0;

	for (; *format; format++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, *format == '@' ? "%s" : "%.1s",
				      *format == '@' ? r.dir : format);
	program_write_file(r.dir, name, text, n);
}

static void make_key(const char *name)
{
	const char *const args[] = {real_need("ssh-keygen", "openssh-client"),
				    "-q",
				    "-t",
				    "ed25519",
				    "-N",
				    "",
				    "-f",
				    real_path(&r, name),
				    NULL};
	struct program_result out;

	run(&out, args);
	program_result_free(&out);
}

/* A server has a line on its standard error or output once it is ready. */
static void await_words(struct program *p, int fd, const char *words)
{
	char text[4096];
	size_t n = 0;

	text[0] = '\0';
	while (!strstr(text, words)) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		ssize_t got = 0;

		if (poll(&ready, 1, REAL_WAIT_MS) == 1)
			got = read(fd, text + n, sizeof(text) - 1 - n);
		cr_assert(got > 0, "process %d does not say '%s' but: %s", (int)p->pid, words,
			  text);
		n += (size_t)got;
		text[n] = '\0';
	}
}

static void expect_ssh(const struct target *t)
{
	const char *const args[] = {real_need("ssh", "openssh-client"),
				    "-F",
				    "none",
				    "-o",
				    "BatchMode=yes",
				    "-o",
				    "StrictHostKeyChecking=no",
				    "-o",
				    "UserKnownHostsFile=/dev/null",
				    "-o",
				    "ConnectTimeout=10",
				    "-i",
				    real_path(&r, "user"),
				    "-p",
				    "18022",
				    "-l",
				    "root",
				    t->addr,
				    "cat",
				    NULL};
	struct program_result out;

	real_run(&r, &out, args, "in", "out");
	cr_assert(out.exit_code == 0, "%s: %s", t->addr, out.err);
	cr_assert(real_same(&r, "in", "out"), "%s", t->addr);
	program_result_free(&out);
}

/* In a mount namespace of its own: it wants a directory in /run. */
Test(stack_real, ssh_logs_in_through_the_stack_and_carries_a_file_both_ways)
{
	const char *const args[] = {real_need("unshare", "util-linux"), "-m", "sh",
				    real_path(&r, "start"), NULL};
	const uint16_t ports[] = {SSH_PORT};
	struct forwarder_result result;
	struct forwarder *f;
	struct program sshd;

	real_need("sshd", "openssh-server");
	if (!real_may_change_groups())
		program_skip("sshd needs root, and more ids than one");
	make_key("host");
	make_key("user");
	real_write_noise(&r, "in", FILE_BYTES);
	write_text("config", "Port 18022\nHostKey @/host\nPidFile none\nUsePAM no\n"
			     "AuthorizedKeysFile @/user.pub\nStrictModes no\nLogLevel VERBOSE\n"
			     "PermitRootLogin yes\n");
	write_text("start", "mount -t tmpfs none /run && mkdir -m 755 /run/sshd && "
			    "exec /usr/sbin/sshd -D -e -f @/config\n");
	real_start(&r, &sshd, args);
	await_words(&sshd, sshd.err_fd, "Server listening on ::");
	f = forwarder_start(&r.lab, ports, 1);
	for (int i = 0; i < TARGETS; i++)
		expect_ssh(&targets[i]);
	forwarder_stop(f, &result);
	real_kill(&sshd);
	cr_assert_eq(result.accepted, TARGETS);
	cr_assert_eq(result.connected, TARGETS);
}

/* Megabits per second as the receiver counted them. */
static double iperf(const struct target *t, const char *direction)
{
	const char *const args[] = {
		real_need("iperf3", "iperf3"), "-c",   t->addr, "-t", "1",	 "-P", "2",
		"--connect-timeout",	       "5000", "-f",	"m",  direction, NULL};
	struct program_result out;
	const char *sum = NULL, *at;
	uint64_t end = program_now_ms() + REAL_WAIT_MS;
	double rate;
	bool busy;

	/* It may still be busy with the end of the test before. */
	do {
		real_run(&r, &out, args, NULL, NULL);
		busy = out.exit_code != 0 && strstr(out.err, "busy");
		if (busy)
			program_result_free(&out);
	} while (busy && program_now_ms() < end);
	cr_assert(!busy && out.exit_code == 0, "%s: %s", program_line(args),
		  busy ? "busy for too long" : out.err);
	for (at = out.out; (at = strstr(at, "[SUM]")) != NULL; at++)
		sum = at;
	at = sum ? strstr(sum, "MBytes") : NULL;
	cr_assert(at && strstr(sum, "receiver"), "%s", out.out);
	rate = atof(at + strlen("MBytes"));
	fprintf(stderr, "stack_real: iperf3 %s to %s, through the stack twice: %.0f Mbit/s\n",
		direction, t->addr, rate);
	program_result_free(&out);
	return rate;
}

Test(stack_real, iperf3_measures_a_server_behind_the_stack_both_ways)
{
	const char *const args[] = {real_need("iperf3", "iperf3"), "-s", "--forceflush", NULL};
	const uint16_t ports[] = {IPERF_PORT};
	struct forwarder_result result;
	struct forwarder *f;
	struct program server;

	real_start(&r, &server, args);
	await_words(&server, server.out_fd, "Server listening");
	f = forwarder_start(&r.lab, ports, 1);
	for (int i = 0; i < TARGETS; i++) {
		cr_assert_gt(iperf(&targets[i], "-Z"), 10);
		cr_assert_gt(iperf(&targets[i], "-R"), 10);
	}
	forwarder_stop(f, &result);
	real_kill(&server);
	cr_assert_geq(result.accepted, 6UL * TARGETS); /* one that steers and two that carry */
	cr_assert_eq(result.connected, result.accepted);
}

/* --- much of it --- */

Test(stack_real, a_long_stream_is_the_same_each_way)
{
	uint64_t bytes = getenv("SOAK_SECONDS") ? SOAK_BYTES : STREAM_BYTES;
	struct stream_result s;

	real_serve(&r, "echo", NULL);
	for (int i = 0; i < TARGETS; i++) {
		int fd = real_connect(&r, targets[i].family, targets[i].addr, REAL_PORT);

		stream_through(fd, bytes, (uint64_t)i, REAL_WAIT_MS, 600000, &s);
		fprintf(stderr,
			"stack_real: %s: %llu MiB each way in %.2f s: %.0f MB/s each way; %s\n",
			targets[i].addr, (unsigned long long)(bytes >> 20), s.seconds,
			(double)bytes / 1e6 / s.seconds, s.received_sha);
		cr_assert_eq(s.received, bytes);
		cr_assert_str_eq(s.sent_sha, s.received_sha);
	}
}

/* --- what it counts --- */

enum { METRICS_PORT = 9100, METRICS_TEXT = 1 << 16 };

static int to_ipv4(int netns_fd, const char *addr, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = netns_socket(netns_fd, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0 && inet_pton(AF_INET, addr, &to.sin_addr) == 1);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -errno;
}

static void read_metrics(char *text)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = to_ipv4(r.server_netns, "127.0.0.1", METRICS_PORT);
	size_t len = 0;
	ssize_t n;

	cr_assert(fd >= 0, "%s", strerror(-fd));
	cr_assert(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == sizeof(request) - 1);
	while ((n = recv(fd, text + len, METRICS_TEXT - 1 - len, 0)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
}

static long counted(const char *text, const char *name)
{
	char line[80];
	const char *at;

	snprintf(line, sizeof(line), "\ndualwire_stack_%s ", name);
	at = strstr(text, line);
	cr_assert(at != NULL, "no %s in %s", name, text);
	return strtol(at + strlen(line), NULL, 10);
}

/* Up to the end of the line that has @word in it: what a program says may come in pieces. */
static void read_errors_until(struct program *p, const char *word, char text[METRICS_TEXT])
{
	struct pollfd said = {.fd = p->err_fd, .events = POLLIN};
	const char *at = NULL;
	size_t len = 0;

	while (!at || !strchr(at, '\n')) {
		ssize_t n;

		cr_assert(len < METRICS_TEXT - 1 && poll(&said, 1, REAL_WAIT_MS) == 1,
			  "no %s in %s", word, text);
		n = read(p->err_fd, text + len, METRICS_TEXT - 1 - len);
		cr_assert(n > 0);
		len += (size_t)n;
		text[len] = '\0';
		at = strstr(text, word);
	}
}

Test(stack_real, prometheus_and_sigusr1_tell_what_the_stack_counted)
{
	static const char *const metrics[] = {"--metrics", "127.0.0.1:9100", NULL};
	static char text[METRICS_TEXT];
	int v4, v6;

	real_serve(&r, "echo", metrics);
	v4 = real_connect(&r, AF_INET, "198.51.100.2", REAL_PORT);
	v6 = real_connect(&r, AF_INET6, "2001:db8:1::2", REAL_PORT);
	cr_assert(send(v4, "x", 1, 0) == 1 && recv(v4, text, 1, 0) == 1);
	cr_assert(to_ipv4(r.lab.host[LAB_CLIENT].netns_fd, "198.51.100.2", 9) == -ECONNREFUSED);
	read_metrics(text);
	cr_expect(counted(text, "tcp_opened_total") == 2 && counted(text, "conns") == 2);
	cr_expect(counted(text, "tcp_syn_in_total") == 2);
	cr_expect(counted(text, "tcp_no_port_total") == 1, "the closed port");
	cr_expect(counted(text, "tcp_rst_out_total") == 1);
	cr_expect(counted(text, "drop_forged_mapped_total") == 0);
	cr_expect(counted(text, "link_rx_frames_total") == counted(text, "frames_in_total"));
	cr_expect(counted(text, "link_tx_frames_total") > 0 && counted(text, "memory") > 0);
	cr_expect(counted(text, "neighbours") >= 2);
	close(v4);
	close(v6);

	program_signal(&r.server, SIGUSR1);
	read_errors_until(&r.server, "stack (", text);
	cr_expect(strstr(text, "stack (") && strstr(text, "tcp_no_port 1"), "%s", text);
	cr_expect(strstr(text, "tcp_cookie_out") == NULL, "what is zero is left out: %s", text);
}

/* A server that does not run for longer than the shortest retransmission timeout, 200 ms. */
enum { STALL_MS = 350, STALL_TRIES = 5 };

static const char *const stall_load[] = {"load",
					 "--raw",
					 "--i-own-this-network",
					 "-i",
					 "va",
					 "--source",
					 "198.51.100.16",
					 "--sources",
					 "16",
					 "--ports",
					 "1024-5119",
					 "--workload",
					 "echo",
					 "--requests",
					 "0",
					 "--in-flight",
					 "500",
					 "--duration",
					 "1",
					 "198.51.100.2",
					 "7000",
					 NULL};

/* What the timers did while a generator had 500 requests on their way, and the server stood still.
 */
static long timeouts_of_a_stall(void)
{
	static char text[METRICS_TEXT];
	struct program_how how = {.netns_fd = r.lab.host[LAB_CLIENT].netns_fd,
				  .dies_with_us = true};
	struct program_result out;
	struct program load;
	uint64_t end = program_now_ms() + REAL_WAIT_MS;
	long before, taken;

	read_metrics(text);
	before = counted(text, "tcp_timeouts_total");
	taken = counted(text, "tcp_in_total");
	program_start(&load, &how, stall_load);
	do {
		cr_assert(program_now_ms() < end, "nothing is asked");
		read_metrics(text);
	} while (counted(text, "tcp_in_total") < taken + 5000);
	cr_assert(kill(r.server.pid, SIGSTOP) == 0);
	cr_assert(poll(NULL, 0, STALL_MS) == 0);
	cr_assert(kill(r.server.pid, SIGCONT) == 0);
	program_finish(&load, &out);
	cr_assert(out.exit_code == 0, "%s", out.err);
	program_result_free(&out);
	read_metrics(text);
	return counted(text, "tcp_timeouts_total") - before;
}

/* Acknowledgements wait in the ring: no timer may fire before they were looked at. */
Test(stack_real, what_came_while_the_server_did_not_run_is_not_sent_again)
{
	static const char *const metrics[] = {"--metrics", "127.0.0.1:9100", NULL};
	long timeouts = 1;

	real_serve(&r, "echo", metrics);
	/* On a busy machine the generator, too, may stand still so long. */
	for (int i = 0; i < STALL_TRIES && timeouts > 0; i++) {
		timeouts = timeouts_of_a_stall();
		cr_log_info("stack_real: %ld timeouts in a stall of %d ms", timeouts, STALL_MS);
	}
	cr_assert(timeouts == 0, "%ld timeouts", timeouts);
}
