/* SPDX-License-Identifier: MIT */
/* test_foreign.c - other people's servers, watched: each client's connection is confirmed, with the
 * process that had it */
#include "../unit/t_lab.h"
#include "t_witness.h"

#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/netlink/sockdiag.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A lab; the server's program runs on its server's host, and so does `dualwire witness`. Each is
 * talked to in three ways: from an AF_INET socket, from an AF_INET6 one by a mapped address, and by
 * a native one.
 */
enum { PORT = 8080, WAIT_MS = 8000, WAYS = 3, ARGS_MAX = 24, PATH_SIZE = 256 };

static const int FAMILIES[WAYS] = {AF_INET, AF_INET6, AF_INET6};
static const bool NATIVE[WAYS] = {false, false, true};

struct foreign {
	const char *program;
	const char *args[ARGS_MAX]; /* "@key": a file of the test's directory, by its full path */
	const char *request;	    /* what a client sends first */
	size_t request_len;	    /* 0: it is a text */
	const char *process;	    /* how its name begins */
	const char *wants_dir;	    /* in /run, it does not start without; NULL: nothing */
	void (*prepare)(const char *dir);
	int mapped_family; /* of its sockets that serve IPv4 */
	/*
	 * Of the server's addresses the one that Linux answers from: a UDP server that does not
	 * look where a datagram was sent to answers its IPv6 clients from the latest one.
	 */
	int native_addr;
};

struct site {
	struct lab lab;
	pid_t server;
	char dir[PATH_SIZE];
};

/* In a user namespace of one user a program cannot become another one. */
static bool one_user_only(void)
{
	char word[16] = "";
	FILE *f = fopen("/proc/self/setgroups", "re");

	if (!f || !fgets(word, sizeof(word), f))
		word[0] = '\0';
	if (f)
		fclose(f);
	return strncmp(word, "deny", 4) == 0;
}

/* Its full path, which sshd wants to be started by. */
static bool find_program(const char *program, char path[PATH_SIZE])
{
	static const char *const dirs[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, PATH_SIZE, "%s/%s", dirs[i], program);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* A /run of its own, with this directory in it; the host's is not touched. */
static bool give_dir(const char *dir)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/run", "tmpfs", 0, "mode=755") == 0 && mkdir(dir, 0755) == 0;
}

_Noreturn static void become_server(const struct site *s, const struct foreign *f,
				    char *const *argv)
{
	int back, quiet = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(quiet, STDIN_FILENO);
	dup2(quiet, STDOUT_FILENO);
	dup2(quiet, STDERR_FILENO);
	if ((!f->wants_dir || give_dir(f->wants_dir)) && chdir(s->dir) == 0 &&
	    netns_enter(s->lab.host[LAB_SERVER].netns_fd, &back) == 0)
		execv(argv[0], argv);
	_exit(127);
}

static void count_listener(const struct sockdiag_entry *e, void *arg)
{
	*(int *)arg += e->dst.port == 0 && (e->proto == IPPROTO_UDP || e->state == TCP_LISTEN);
}

/* Waits until somebody listens on PORT. Returns false when the program ended instead. */
static bool await_listener(const struct site *s, int proto)
{
	uint64_t deadline = t_lab_now_ms() + WAIT_MS;
	struct sockdiag *sd;
	int found = 0, status;

	cr_assert(sockdiag_open(s->lab.host[LAB_SERVER].netns_fd, &sd) == 0);
	while (!found && t_lab_now_ms() < deadline) {
		cr_assert(sockdiag_dump(sd, proto, AF_INET6, PORT, count_listener, &found) >= 0);
		if (waitpid(s->server, &status, WNOHANG) == s->server)
			break;
		poll(NULL, 0, 5);
	}
	sockdiag_close(sd);
	return found > 0;
}

static void site_free(struct site *s)
{
	uint64_t deadline = t_lab_now_ms() + 2000;
	int status, rc = 0;

	kill(s->server, SIGTERM);
	while ((rc = waitpid(s->server, &status, WNOHANG)) == 0 && t_lab_now_ms() < deadline)
		poll(NULL, 0, 5);
	if (rc == 0) {
		kill(s->server, SIGKILL);
		waitpid(s->server, &status, 0);
	}
	program_dir_remove(s->dir);
	lab_destroy(&s->lab);
}

static void site_make(struct site *s, const struct foreign *f, int proto)
{
	char path[PATH_SIZE], file[2 * PATH_SIZE];
	char *argv[ARGS_MAX + 2] = {path};

	memset(s, 0, sizeof(*s));
	if (!find_program(f->program, path)) {
		char why[64];

		snprintf(why, sizeof(why), "%s is not installed", f->program);
		program_skip(why);
	}
	t_lab_make(&s->lab);
	program_dir_make(s->dir, sizeof(s->dir));
	if (f->prepare)
		f->prepare(s->dir);
	for (int i = 0; f->args[i]; i++) {
		argv[i + 1] = (char *)f->args[i];
		if (f->args[i][0] == '@') {
			snprintf(file, sizeof(file), "%s/%s", s->dir, f->args[i] + 1);
			argv[i + 1] = file;
		}
	}
	s->server = fork();
	cr_assert(s->server >= 0);
	if (s->server == 0)
		become_server(s, f, argv);
	if (!await_listener(s, proto)) {
		site_free(s);
		cr_assert_fail("%s did not begin to listen", f->program);
	}
}

/* Sends the request, wants at least one byte, says that it is done and reads to the end. */
static void talk(const struct site *s, const struct foreign *f, int way, int type)
{
	const struct lab_host *server = &s->lab.host[LAB_SERVER];
	const struct addr *to = NATIVE[way] ? &server->v6[f->native_addr] : &server->v4[0];
	int fd = t_lab_socket(&s->lab, LAB_CLIENT, FAMILIES[way], type, 0);
	size_t len = f->request_len ? f->request_len : strlen(f->request);
	char buf[512];
	ssize_t n;

	cr_assert_eq(t_lab_connect(fd, FAMILIES[way], to, PORT), 0, "way %d", way);
	cr_assert(send(fd, f->request, len, 0) == (ssize_t)len);
	n = recv(fd, buf, sizeof(buf), 0);
	cr_assert(n > 0, "%s answered nothing on way %d: %m", f->program, way);
	if (type == SOCK_STREAM) {
		shutdown(fd, SHUT_WR);
		while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
			;
	}
	close(fd);
}

struct seen {
	const struct foreign *f;
	int n[2]; /* over IPv4, over IPv6 */
};

static void check_line(json_t *o, void *arg)
{
	struct seen *seen = arg;
	const struct foreign *f = seen->f;
	bool v6 = strchr(witness_text(o, "to", NULL), '[') != NULL;
	const char *family = v6 || f->mapped_family == AF_INET6 ? "AF_INET6" : "AF_INET";
	const char *process = witness_text(o, "process", "name");
	char *all = json_dumps(o, JSON_COMPACT);

	cr_expect_str_eq(witness_text(o, "verdict", NULL), "confirmed", "%s", all);
	cr_expect_str_eq(witness_text(o, "kernel", "side"), "server", "%s", all);
	cr_expect_str_eq(witness_text(o, "kernel", "family"), family, "%s", all);
	cr_expect_str_eq(witness_text(o, "wire", "ethertype"), v6 ? "0x86dd" : "0x0800", "%s", all);
	cr_expect(strncmp(process, f->process, strlen(f->process)) == 0, "%s", all);
	seen->n[v6]++;
	free(all);
}

/* Three connections, two of them over IPv4. */
static void check_output(const struct foreign *f, const struct program_result *r)
{
	struct seen seen = {.f = f};

	cr_expect_eq(r->exit_code, 0, "%d: %s%s", r->exit_code, r->out, r->err);
	witness_lines(r->out, check_line, &seen);
	cr_expect(seen.n[0] == 2 && seen.n[1] == 1, "%s: %d over IPv4, %d over IPv6\n%s",
		  f->program, seen.n[0], seen.n[1], r->err);
}

static void watch_it(const struct foreign *f, const char *const *args, int type)
{
	struct program_result r;
	struct program p;
	struct site s;

	site_make(&s, f, type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP);
	witness_program_start(s.lab.host[LAB_SERVER].netns_fd, args, &p);
	for (int way = 0; way < WAYS; way++)
		talk(&s, f, way, type);
	program_finish(&p, &r);
	check_output(f, &r);
	program_result_free(&r);
	site_free(&s);
}

/* Until its third connection has been judged. */
#define WATCH_ONE(...)                                                                             \
	((const char *const[]){"witness", "-i", "vb", "-J", "-c", "3", "--ready-fd", "3", "-t",    \
			       "15", __VA_ARGS__, NULL})

static void write_nginx_conf(const char *dir)
{
	char text[1024];
	int n = snprintf(
		text, sizeof(text),
		"%s user root; daemon off; pid nginx.pid; error_log stderr; worker_processes 2;\n"
		"events { }\nhttp { access_log off; client_body_temp_path t; "
		"proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; "
		"scgi_temp_path t;\n"
		"server { listen [::]:8080 ipv6only=off; return 200 \"hello\\n\"; } }\n",
		one_user_only() ? "master_process off;" : "");

	program_write_file(dir, "nginx.conf", text, (size_t)n);
}

Test(foreign, nginx_with_one_dual_stack_listener, .timeout = 60)
{
	static const struct foreign f = {.program = "nginx",
					 .args = {"-p", ".", "-c", "nginx.conf", "-e", "stderr"},
					 .request = "GET / HTTP/1.0\r\n\r\n",
					 .process = "nginx",
					 .prepare = write_nginx_conf,
					 .mapped_family = AF_INET6};

	watch_it(&f, WATCH_ONE("--listener", "[::]:8080"), SOCK_STREAM);
}

Test(foreign, socat_that_forks_for_each_connection, .timeout = 60)
{
	static const struct foreign f = {
		.program = "socat",
		.args = {"TCP6-LISTEN:8080,ipv6-v6only=0,reuseaddr,fork", "PIPE"},
		.request = "echo this\n",
		.process = "socat",
		.mapped_family = AF_INET6};

	watch_it(&f, WATCH_ONE("-p", "8080"), SOCK_STREAM);
}

Test(foreign, python_http_server_named_by_its_process, .timeout = 60)
{
	static const struct foreign f = {.program = "python3",
					 .args = {"-m", "http.server", "--bind", "::", "8080"},
					 .request = "GET / HTTP/1.0\r\n\r\n",
					 .process = "python3",
					 .mapped_family = AF_INET6};
	struct program_result r;
	struct program p;
	struct site s;
	char pid[16];

	site_make(&s, &f, IPPROTO_TCP);
	snprintf(pid, sizeof(pid), "%d", s.server);
	witness_program_start(s.lab.host[LAB_SERVER].netns_fd, WATCH_ONE("--pid", pid), &p);
	for (int way = 0; way < WAYS; way++)
		talk(&s, &f, way, SOCK_STREAM);
	program_finish(&p, &r);
	check_output(&f, &r);
	program_result_free(&r);
	site_free(&s);
}

/* ncat starts a program for each connection: by its name, whenever it is looked at, it is ncat's.
 */
static void link_ncat_echo(const char *dir)
{
	char path[PATH_SIZE + 16];

	snprintf(path, sizeof(path), "%s/ncat-echo", dir);
	cr_assert_eq(symlink("/bin/cat", path), 0);
}

/* Two listeners, each for one family: nothing is mapped. */
Test(foreign, ncat_with_a_listener_for_each_family, .timeout = 60)
{
	static const struct foreign f = {.program = "ncat",
					 .args = {"-l", "-k", "8080", "-e", "@ncat-echo"},
					 .request = "echo this\n",
					 .process = "ncat",
					 .prepare = link_ncat_echo,
					 .mapped_family = AF_INET};

	watch_it(&f, WATCH_ONE("--listener", "*:8080"), SOCK_STREAM);
}

static void make_host_key(const char *dir)
{
	char path[PATH_SIZE + 16];
	int status;
	pid_t pid = fork();

	snprintf(path, sizeof(path), "%s/key", dir);
	if (pid == 0) {
		execlp("ssh-keygen", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path,
		       (char *)NULL);
		_exit(127);
	}
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "ssh-keygen");
}

Test(foreign, sshd_that_forks_and_executes_itself, .timeout = 60)
{
	static const struct foreign f = {.program = "sshd",
					 .args = {"-D", "-e", "-f", "/dev/null", "-p", "8080", "-o",
						  "PidFile=none", "-o", "UsePAM=no", "-h", "@key"},
					 .request = "SSH-2.0-dualwire_test\r\n",
					 .process = "sshd",
					 .wants_dir = "/run/sshd",
					 .prepare = make_host_key,
					 .mapped_family = AF_INET};

	watch_it(&f, WATCH_ONE("-p", "8080"), SOCK_STREAM);
}

/* "localhost", type A, recursion desired (RFC 1035 4.1). */
static const char DNS_QUERY[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\x09localhost\0\0\1\0\1";

/* One socket takes everybody's datagrams: the kernel is asked who takes these. */
Test(foreign, dnsmasq_whose_sockets_are_connected_to_nobody, .timeout = 60)
{
	static const struct foreign f = {.program = "dnsmasq",
					 .args = {"--no-daemon", "--conf-file=/dev/null",
						  "--port=8080", "--no-resolv", "--no-hosts",
						  "--user=root", "--pid-file=", "--log-facility=-"},
					 .request = DNS_QUERY,
					 .request_len = sizeof(DNS_QUERY) - 1,
					 .process = "dnsmasq",
					 .mapped_family = AF_INET};

	watch_it(&f, WATCH_ONE("-p", "8080"), SOCK_DGRAM);
}

/* What the kernel answered is evidence too: the saved file gives the same verdict. */
Test(foreign, a_dual_stack_udp_server_connected_to_nobody, .timeout = 60)
{
	char dir[PATH_SIZE], file[PATH_SIZE + 16];
	struct program_result r;

	static const struct foreign f = {
		.program = "python3",
		.args = {"-c", "import socket\n"
			       "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
			       "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)\n"
			       "s.bind(('::', 8080))\n"
			       "while True:\n"
			       "    data, peer = s.recvfrom(2048)\n"
			       "    s.sendto(data, peer)\n"},
		.request = "echo this\n",
		.process = "python3",
		.mapped_family = AF_INET6,
		.native_addr = 1};

	program_dir_make(dir, sizeof(dir));
	snprintf(file, sizeof(file), "%s/udp.json", dir);
	watch_it(&f, WATCH_ONE("-p", "8080", "-e", file), SOCK_DGRAM);
	program_run(&r, NULL, (const char *const[]){"judge", "-q", file, NULL});
	cr_expect_eq(r.exit_code, 0, "%s", r.err);
	program_result_free(&r);
	program_dir_remove(dir);
}

static void check_refused(json_t *o, void *arg)
{
	unsigned int *n = arg;

	cr_assert_str_eq(witness_text(o, "result", NULL), "refused");
	++*n;
}

/* Without blocking, and the outcome left where it is; or blocking. */
static void be_refused(const struct lab *lab, int way, bool blocking)
{
	const struct lab_host *s = &lab->host[LAB_SERVER];
	int fd = t_lab_socket(lab, LAB_SERVER, FAMILIES[way], SOCK_STREAM, 0);
	struct pollfd end = {.fd = fd, .events = POLLOUT};
	int want = blocking ? -ECONNREFUSED : -EINPROGRESS;

	cr_assert(fcntl(fd, F_SETFL, blocking ? 0 : O_NONBLOCK) == 0);
	cr_assert_eq(
		t_lab_connect(fd, FAMILIES[way], way == WAYS - 1 ? &s->v6[0] : &s->v4[0], PORT),
		want);
	cr_assert(blocking || poll(&end, 1, WAIT_MS) == 1);
	close(fd);
}

/*
 * No program of ours anywhere: the client's socket in the kernel, a SYN and a RST. A blocking
 * connect() has the kernel forget the socket's addresses, and with them the claim.
 */
Test(foreign, clients_that_nobody_listens_to_are_refused_in_their_family, .timeout = 60)
{
	static const char *const args[] = {"witness", "-i", "lo", "-J", "-q",	      "-p", "8080",
					   "-c",      "3",  "-t", "15", "--ready-fd", "3",  NULL};
	struct lab lab;

	t_lab_make(&lab);
	for (int blocking = 0; blocking < 2; blocking++) {
		unsigned int n = 0;
		struct program_result r;
		struct program p;

		witness_program_start(lab.host[LAB_SERVER].netns_fd, args, &p);
		for (int way = 0; way < WAYS; way++)
			be_refused(&lab, way, blocking);
		program_finish(&p, &r);
		witness_lines(r.out, check_refused, &n);
		cr_assert(n == WAYS, "%s%s", r.out, r.err);
		cr_assert_eq(witness_count(r.out, "confirmed", NULL), blocking ? 0 : WAYS, "%s",
			     r.out);
		cr_assert_eq(witness_count(r.out, "inconclusive", "no_claim"), blocking ? WAYS : 0,
			     "%s", r.out);
		program_result_free(&r);
	}
	lab_destroy(&lab);
}
