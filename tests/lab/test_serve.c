/* SPDX-License-Identifier: MIT */
/* test_serve.c - "dualwire serve" as its users start it: engines, workers, metrics, systemd */
#include "../../tools/activation.h"
#include "../../uring/client.h"
#include "../unit/netfix.h"
#include "t_program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { WAIT_MS = 5000, TEXT = 8192 };

TestSuite(serve, .init = netfix_enter, .timeout = 60);

/* Reads up to @until, which must come in time. */
static void read_until(int fd, const char *until, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	while (strstr(out, until) == NULL) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		cr_assert(poll(&p, 1, WAIT_MS) == 1, "waiting for '%s' after: %s", until, out);
		n = read(fd, out + len, size - 1 - len);
		cr_assert(n > 0, "'%s' did not come: %s", until, out);
		len += (size_t)n;
		out[len] = '\0';
	}
}

/* The number behind @what in @text. */
static unsigned long number_after(const char *text, const char *what)
{
	const char *at = strstr(text, what);

	cr_assert(at != NULL, "no '%s' in: %s", what, text);
	return strtoul(at + strlen(what), NULL, 10);
}

static int connect_to(const char *addr, uint16_t port)
{
	struct client_config cfg = {.netns_fd = -1,
				    .proto = IPPROTO_TCP,
				    .family = strchr(addr, ':') ? AF_INET6 : AF_INET,
				    .v6only = -1};
	struct endpoint peer = netfix_ep(addr, port);
	struct timeval patience = {.tv_sec = WAIT_MS / 1000};
	struct client_record rec;
	int fd = client_open(&cfg);

	cr_assert(fd >= 0 && client_connect(fd, &peer, WAIT_MS, &rec) == 0, "connect to %s port %u",
		  addr, port);
	cr_assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	return fd;
}

static void echo_once(const char *addr, uint16_t port)
{
	int fd = connect_to(addr, port);
	char c;

	cr_assert(send(fd, "x", 1, 0) == 1 && recv(fd, &c, 1, 0) == 1 && c == 'x');
	cr_assert(client_finish(fd, WAIT_MS) == 0);
}

static void http_get(const char *addr, uint16_t port, char *out, size_t size)
{
	static const char request[] =
		"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	int fd = connect_to(addr, port);
	size_t len = 0;
	ssize_t n;

	cr_assert(send(fd, request, sizeof(request) - 1, 0) == (ssize_t)sizeof(request) - 1);
	while ((n = recv(fd, out + len, size - 1 - len, 0)) > 0)
		len += (size_t)n;
	cr_assert(n == 0, "%s", strerror(errno));
	out[len] = '\0';
	close(fd);
}

static void end(struct program *p)
{
	struct program_result r;

	program_signal(p, SIGTERM);
	program_finish(p, &r);
	cr_assert(r.exit_code == 0, "exit %d, signal %d: %s", r.exit_code, r.signo, r.err);
	program_result_free(&r);
}

Test(serve, every_engine_can_be_named_and_says_what_it_is)
{
	static const char *const rows[][2] = {{"uring", "; io_uring: multishot accept"},
					      {"epoll", "; epoll: batches"},
					      {"epoll-textbook", "; epoll, textbook form"},
					      {"auto", "; io_uring: multishot accept"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const args[] = {"serve", "--engine", rows[i][0], "-p", "7000", NULL};
		struct program p;
		char text[TEXT];

		program_start(&p, NULL, args);
		read_until(p.out_fd, "\n", text, sizeof(text));
		cr_assert(strstr(text, rows[i][1]), "%s", text);
		echo_once("127.0.0.1", 7000);
		echo_once("::1", 7000);
		end(&p);
	}
}

/* Clients whose descriptors lie above @above, which may then become the limit of open files. */
static void open_clients(int *fds, int n, int above)
{
	struct client_config cfg = {
		.netns_fd = -1, .proto = IPPROTO_TCP, .family = AF_INET, .v6only = -1};

	for (int i = 0; i < n; i++) {
		int fd = client_open(&cfg);

		cr_assert(fd >= 0);
		fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, above);
		cr_assert(fds[i] >= 0, "%s", strerror(errno));
		close(fd);
	}
}

/* Two workers, and more connections than they have descriptors for. */
static void expect_pause_lines(const char *engine)
{
	enum { LIMIT = 64, N = 160, FOR_MS = 1500 };
	const char *const args[] = {"serve", "-q",	  "--engine", engine, "-p",
				    "7000",  "--workers", "2",	      NULL};
	struct endpoint to = netfix_ep("127.0.0.1", 7000);
	struct client_record rec;
	struct program_result r;
	struct program p;
	char text[TEXT];
	int fds[N];
	uint64_t begin;
	size_t lines, seconds;

	open_clients(fds, N, LIMIT);
	cr_assert(setrlimit(RLIMIT_NOFILE, &(struct rlimit){LIMIT, LIMIT}) == 0);
	program_start(&p, NULL, args);
	read_until(p.out_fd, "\n", text, sizeof(text));
	begin = program_now_ms();
	for (int i = 0; i < N; i++)
		cr_assert(client_connect(fds[i], &to, WAIT_MS, &rec) == 0, "client %d", i);
	while (program_now_ms() < begin + FOR_MS)
		poll(NULL, 0, 10);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	program_signal(&p, SIGTERM);
	program_finish(&p, &r);
	seconds = (size_t)(program_now_ms() - begin) / 1000;
	lines = program_count_lines(r.err);
	cr_assert(r.exit_code == 0 && strstr(r.err, "Too many open files"), "%s", r.err);
	cr_assert(strstr(r.err, "ulimit -n") && strstr(r.err, "times since"), "%s", r.err);
	cr_assert(lines >= 2 && lines <= seconds + 1, "%zu lines in %zu s: %s", lines, seconds,
		  r.err);
	program_result_free(&r);
}

Test(serve, uring_says_once_a_second_that_it_has_no_descriptors_left)
{
	expect_pause_lines("uring");
}

Test(serve, epoll_says_once_a_second_that_it_has_no_descriptors_left)
{
	expect_pause_lines("epoll");
}

Test(serve, prometheus_reads_what_was_counted_and_sigusr1_writes_it)
{
	const char *const args[] = {"serve", "-q",	  "--workers",	    "2", "-J", "-p",
				    "7000",  "--metrics", "127.0.0.1:9100", NULL};
	struct program p;
	char text[TEXT];
	int fd;

	program_start(&p, NULL, args);
	read_until(p.out_fd, "\n", text, sizeof(text));
	for (int i = 0; i < 5; i++)
		echo_once("127.0.0.1", 7000);
	echo_once("2001:db8:1::2", 7000);
	fd = connect_to("2001:db8:1::2", 7000);
	cr_assert(send(fd, "x", 1, 0) == 1 && recv(fd, text, 1, 0) == 1);
	http_get("127.0.0.1", 9100, text, sizeof(text));
	cr_assert(strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", text);
	cr_assert(number_after(text, "dualwire_accepted_total{family=\"mapped\"} ") == 5);
	cr_assert(number_after(text, "dualwire_accepted_total{family=\"native\"} ") == 2);
	cr_assert(number_after(text, "dualwire_closed_total{cause=\"orderly\"} ") == 6);
	cr_assert(number_after(text, "\ndualwire_open_connections ") == 1);
	cr_assert(number_after(text, "\ndualwire_received_bytes_total ") == 7);
	close(fd);
	/* One that says nothing holds up nobody. */
	fd = connect_to("127.0.0.1", 9100);
	program_signal(&p, SIGUSR1);
	read_until(p.err_fd, "\n", text, sizeof(text));
	cr_assert(strncmp(text, "{\"event\": \"metrics\"", 19) == 0, "%s", text);
	cr_assert(number_after(text, "\"mapped\": ") == 5, "%s", text);
	http_get("127.0.0.1", 9100, text, sizeof(text));
	cr_assert(number_after(text, "\ndualwire_sent_bytes_total ") == 7);
	close(fd);
	end(&p);
}

/* Each line of the text format is a comment or "name{labels} number". */
Test(serve, metrics_are_well_formed)
{
	const char *const args[] = {"serve", "-q", "-p", "7000", "--metrics", "[::1]:9100", NULL};
	struct program p;
	char text[TEXT], *save, *line;
	int values = 0;

	program_start(&p, NULL, args);
	read_until(p.out_fd, "\n", text, sizeof(text));
	http_get("::1", 9100, text, sizeof(text));
	for (line = strtok_r(strstr(text, "\r\n\r\n") + 4, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char name[80], type[16];
		double value;

		if (line[0] == '#') {
			cr_assert(strncmp(line, "# HELP dualwire_", 16) == 0 ||
					  sscanf(line, "# TYPE dualwire_%79s %15s", name, type) ==
						  2,
				  "%s", line);
			continue;
		}
		cr_assert(strncmp(line, "dualwire_", 9) == 0, "%s", line);
		cr_assert(sscanf(strrchr(line, ' '), " %lf", &value) == 1, "%s", line);
		values++;
	}
	cr_assert(values > 20, "%d values", values);
	end(&p);
}

Test(serve, peers_that_were_not_asked_for_are_not_reported)
{
	const char *const args[] = {"serve", "--report-peers", "off", "-p", "7000", NULL};
	struct program p;
	char text[TEXT];

	program_start(&p, NULL, args);
	read_until(p.out_fd, "\n", text, sizeof(text));
	cr_assert(strstr(text, "no addresses"), "%s", text);
	echo_once("127.0.0.1", 7000);
	read_until(p.out_fd, "closed", text, sizeof(text));
	cr_assert(strstr(text, "tcp - -> - AF_INET6 cookie 0 in 1 out 1"), "%s", text);
	end(&p);
}

/* What systemd does: opens and binds, then starts the program with the sockets from 3 on. */
static pid_t activate(const int *fds, int n, const char *names, int out, const char *const *args)
{
	const char *exe = getenv("DUALWIRE");
	pid_t pid = fork();
	char text[16];

	cr_assert(pid >= 0);
	if (pid != 0)
		return pid;
	/* Out of the way first: a descriptor may be where another must go. */
	int high[8], high_out = fcntl(out, F_DUPFD, 100);

	for (int i = 0; i < n; i++)
		high[i] = fcntl(fds[i], F_DUPFD, 100);
	for (int i = 0; i < n; i++)
		dup2(high[i], 3 + i);
	dup2(high_out, STDOUT_FILENO);
	dup2(high_out, STDERR_FILENO);
	snprintf(text, sizeof(text), "%d", getpid());
	setenv("LISTEN_PID", text, 1);
	snprintf(text, sizeof(text), "%d", n);
	setenv("LISTEN_FDS", text, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	execv(exe ? exe : "build/dualwire", (char *const *)(uintptr_t)args);
	_exit(127);
}

/* A socket as a unit would make it. Returns the descriptor, @port what it is bound to. */
static int unit_socket(int type, const char *addr, int v6only, uint16_t *port)
{
	struct endpoint ep = netfix_ep(addr, 0);
	struct sockaddr_storage ss;
	socklen_t len = (socklen_t)endpoint_to_sockaddr(&ep, AF_INET6, &ss);
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0);
	cr_assert(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) == 0);
	cr_assert(bind(fd, (struct sockaddr *)&ss, len) == 0, "%s", strerror(errno));
	cr_assert(type != SOCK_STREAM || listen(fd, 16) == 0);
	cr_assert(getsockname(fd, (struct sockaddr *)&ss, &len) == 0);
	*port = ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
	return fd;
}

static void expect_exit(pid_t pid, int code)
{
	int status;

	cr_assert(waitpid(pid, &status, 0) == pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == code, "status %x", status);
}

Test(serve, sockets_of_a_unit_are_served_as_the_unit_made_them)
{
	static const char *const engines[] = {"uring", "epoll", "epoll-textbook"};

	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		const char *const args[] = {"dualwire", "serve", "--engine", engines[i], NULL};
		uint16_t both, only, udp;
		int fds[3] = {unit_socket(SOCK_STREAM, "::", 0, &both),
			      unit_socket(SOCK_STREAM, "::", 1, &only),
			      unit_socket(SOCK_DGRAM, "::", 0, &udp)};
		struct client_config cfg = {
			.netns_fd = -1, .proto = IPPROTO_UDP, .family = AF_INET, .v6only = -1};
		struct endpoint peer = netfix_ep("198.51.100.3", udp);
		struct client_record rec;
		char text[TEXT], c;
		int out[2], fd;
		pid_t pid;

		cr_assert(pipe2(out, O_CLOEXEC) == 0);
		pid = activate(fds, 3, "web:six:", out[1], args);
		close(out[1]);
		read_until(out[0], "udp [::]", text, sizeof(text));
		cr_assert(strstr(text, "(web): IPv6 and, as ::ffff:a.b.c.d, IPv4 (V6ONLY=0"), "%s",
			  text);
		cr_assert(strstr(text, "(six): IPv6 (V6ONLY=1, read back)"), "%s", text);
		for (int k = 0; k < 3; k++)
			close(fds[k]);
		echo_once("127.0.0.1", both);
		echo_once("::1", both);
		echo_once("::1", only);
		/* The reply comes from the address that was asked, so it was told which. */
		fd = client_open(&cfg);
		cr_assert(client_connect(fd, &peer, WAIT_MS, &rec) == 0);
		cr_assert(client_exchange(fd, "u", 1, &c, WAIT_MS, &rec) == 1);
		close(fd);
		kill(pid, SIGTERM);
		expect_exit(pid, 0);
		close(out[0]);
	}
}

Test(serve, what_a_unit_and_the_command_line_cannot_both_decide_is_refused)
{
	static const struct {
		const char *args[6];
		bool bad;
		int code;
		const char *text;
	} rows[] = {
		{{"dualwire", "serve", "-p", "7001", NULL}, false, 64, "drop -4, -6, -p"},
		{{"dualwire", "serve", "--workers", "2", NULL}, false, 64, "--workers"},
		{{"dualwire", "serve", NULL}, true, 3, "descriptor 3"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t port;
		int fd = rows[i].bad ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
				     : unit_socket(SOCK_STREAM, "::", 0, &port);
		char text[TEXT];
		int out[2];
		pid_t pid;

		cr_assert(fd >= 0 && pipe2(out, O_CLOEXEC) == 0);
		pid = activate(&fd, 1, "x", out[1], rows[i].args);
		close(out[1]);
		read_until(out[0], "\n", text, sizeof(text));
		cr_assert(strstr(text, rows[i].text), "%s", text);
		expect_exit(pid, rows[i].code);
		close(out[0]);
		close(fd);
	}
}

Test(serve, no_child_believes_that_the_sockets_are_its_own)
{
	struct activated list[1];
	char text[16];
	int bad_fd;

	snprintf(text, sizeof(text), "%d", getpid() + 1);
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "x", 1);
	cr_assert(activation_take(list, 1, &bad_fd) == 0, "they are somebody else's");
	cr_assert(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
	snprintf(text, sizeof(text), "%d", getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "2", 1);
	cr_assert(activation_take(list, 1, &bad_fd) == -E2BIG);
}

/* Other people's clients, where they are installed. */
static bool installed(const char *program)
{
	char path[64];

	snprintf(path, sizeof(path), "/usr/bin/%s", program);
	return access(path, X_OK) == 0;
}

static void expect_output(const char *command, const char *want, const char *never)
{
	FILE *f = popen(command, "r");
	char text[TEXT];
	size_t len;

	cr_assert(f != NULL);
	len = fread(text, 1, sizeof(text) - 1, f);
	text[len] = '\0';
	cr_assert(pclose(f) == 0, "%s: %s", command, text);
	cr_assert(strstr(text, want), "%s said: %s", command, text);
	cr_assert(!strstr(text, never), "%s said: %s", command, text);
}

Test(serve, curl_ab_and_wrk_are_content)
{
	static const char *const engines[] = {"uring", "epoll", "epoll-textbook"};
	bool any = false;

	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		const char *const args[] = {"serve",	"-q", "--workload", "http", "--engine",
					    engines[i], "-p", "7000",	    NULL};
		struct program p;
		char text[TEXT];

		program_start(&p, NULL, args);
		read_until(p.out_fd, "\n", text, sizeof(text));
		if (installed("curl")) {
			expect_output("curl -s -g http://127.0.0.1:7000/ 'http://[::1]:7000/x'",
				      "ok\nok\n", "HTTP");
			any = true;
		}
		if (installed("ab")) {
			expect_output("ab -q -k -n 2000 -c 20 http://127.0.0.1:7000/ 2>&1",
				      "Failed requests:        0", "Non-2xx");
			expect_output("ab -q -n 500 -c 20 http://127.0.0.1:7000/ 2>&1",
				      "Failed requests:        0", "Non-2xx");
			any = true;
		}
		if (installed("wrk")) {
			expect_output("wrk -t1 -c20 -d1s http://127.0.0.1:7000/ 2>&1",
				      "Requests/sec:", "rrors");
			any = true;
		}
		end(&p);
	}
	if (!any)
		program_skip("neither curl nor ab nor wrk is installed (scripts/setup peers)");
}
