/* SPDX-License-Identifier: MIT */
/* test_audit_peers.c - `dualwire audit` against the servers of others, with configurations of our
 * own */
#include "t_program.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What is expected here was checked by hand with ss and tcpdump; docs/audit.md tells how. Each
 * server works in a directory of the test's own, on ports of its own inside the lab.
 */
enum { NOT_STARTED = 3, SLOWEST_MS = 5000 };

/* A question for test.example's address: as UDP has it, and with the length before it as TCP. */
#define QUESTION                                                                                   \
	"\\x64\\x77\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x04test\\x07example\\x00"   \
	"\\x00\\x01\\x00\\x01"
#define RULES "--forbid", "198.51.100.9", "--forbid", "2001:db8:1::9"

static char dir[256];

static void prepare(void)
{
	program_dir_make(dir, sizeof(dir));
}

static void clean_up(void)
{
	program_dir_remove(dir);
}

TestSuite(audit_peers, .init = prepare, .fini = clean_up, .timeout = 60);

/* Where the program is; without it the test is skipped and names Debian's package. */
static const char *need(const char *program, const char *package)
{
	static const char *const places[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};
	static char path[64], why[96];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", places[i], program);
		if (access(path, X_OK) == 0)
			return path;
	}
	snprintf(why, sizeof(why), "%s is missing: Debian's package %s has it", program, package);
	program_skip(why);
}

static const char *in_dir(const char *name)
{
	static char paths[16][320];
	static unsigned int next;
	char *path = paths[next++ % 16];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

/* Writes @text with each '@' replaced by the directory. */
static void write_config(const char *name, const char *text)
{
	char out[4096];
	size_t n = 0;

	for (; *text; text++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, *text == '@' ? "%s" : "%.1s",
				      *text == '@' ? dir : text);
	cr_assert(n < sizeof(out));
	program_write_file(dir, name, out, n);
}

static json_t *audit(const char *const *args)
{
	struct program_result r;
	json_error_t error;
	json_t *o;

	program_run(&r, NULL, args);
	if (r.exit_code == NOT_STARTED && strstr(r.err, "cannot make network namespaces"))
		program_skip("network namespaces cannot be made here");
	cr_assert(r.exit_code != NOT_STARTED, "%s: %s", program_line(args), r.err);
	cr_assert(r.ms < SLOWEST_MS, "it took %u ms", r.ms);
	o = json_loads(r.out, 0, &error);
	cr_assert(o, "%s: %s%s", error.text, r.out, r.err);
	program_result_free(&r);
	return o;
}

static const json_t *check_of(const json_t *o, const char *name)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_object_get(o, "checks"), i, c)
		if (strcmp(json_string_value(json_object_get(c, "name")), name) == 0)
			return c;
	cr_assert(false, "there is no check %s", name);
	return NULL;
}

static void expect(const json_t *o, const char *name, const char *status)
{
	const json_t *c = check_of(o, name);
	char *text = json_dumps(c, JSON_COMPACT);

	cr_assert_str_eq(json_string_value(json_object_get(c, "status")), status, "%s", text);
	free(text);
}

static void expect_evidence(const json_t *o, const char *name, const char *words)
{
	char *text = json_dumps(check_of(o, name), JSON_COMPACT);

	cr_assert(strstr(text, words), "%s is not in %s", words, text);
	free(text);
}

static const char NGINX[] =
	"user root root;\ndaemon off;\npid @/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n"
	"access_log @/access.log;\nclient_body_temp_path @/t; proxy_temp_path @/t;\n"
	"fastcgi_temp_path @/t; uwsgi_temp_path @/t; scgi_temp_path @/t;\n"
	"server {\n%s\ndeny 198.51.100.9; deny 2001:db8:1::9; allow all;\n"
	"root @/html;\n}\n}\n";

static json_t *audit_nginx(const char *listen)
{
	const char *nginx = need("nginx", "nginx");
	const char *const args[] = {
		"audit", "-J",	"--http", "/index.html", "--log", in_dir("access.log"), RULES,
		"--",	 nginx, "-e",	  "stderr",	 "-c",	  in_dir("nginx.conf"), NULL};
	char config[1024];

	snprintf(config, sizeof(config), NGINX, listen);
	write_config("nginx.conf", config);
	write_config("index.html", "welcome\n");
	cr_assert(mkdir(in_dir("html"), 0755) == 0);
	cr_assert(rename(in_dir("index.html"), in_dir("html/index.html")) == 0);
	return audit(args);
}

/* The counterpart of the server that compares raw addresses: the same rule, the same listener. */
Test(audit_peers, nginx_unmaps_before_it_compares_and_not_before_it_logs)
{
	json_t *o = audit_nginx("listen [::]:18080 ipv6only=off;");

	expect(o, "acl", "clean");
	expect(o, "reach", "clean");
	expect(o, "identity", "found");
	expect_evidence(o, "identity", "is written as ::ffff:198.51.100.11");
	expect(o, "restart", "clean");
	json_decref(o);
}

Test(audit_peers, nginx_with_two_sockets_logs_plain_addresses)
{
	json_t *o = audit_nginx("listen 18080; listen [::]:18080;");

	expect(o, "acl", "clean");
	expect(o, "reach", "clean");
	expect(o, "identity", "clean");
	expect(o, "listeners", "clean");
	json_decref(o);
}

Test(audit_peers, haproxy_unmaps_before_it_compares)
{
	const char *const args[] = {"audit",
				    "-J",
				    RULES,
				    "--http",
				    "/",
				    "--",
				    need("haproxy", "haproxy"),
				    "-f",
				    in_dir("haproxy.cfg"),
				    NULL};
	json_t *o;

	write_config(
		"haproxy.cfg",
		"global\n log stdout format raw local0\ndefaults\n mode http\n log global\n"
		" option httplog\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n"
		"frontend f\n bind :::18081 v4v6\n"
		" http-request deny if { src 198.51.100.9 2001:db8:1::9 }\n"
		" http-request return status 200 content-type text/plain string welcome\n");
	o = audit(args);
	expect(o, "acl", "clean");
	expect(o, "reach", "clean");
	expect(o, "identity", "found");
	expect_evidence(o, "listeners", "SO_REUSEPORT is set");
	json_decref(o);
}

/* Root's right that is missing where a user namespace has the ids of one user only. */
static bool may_change_groups(void)
{
	char text[8] = "";
	FILE *f = fopen("/proc/self/setgroups", "r");
	bool may = f && fgets(text, sizeof(text), f) && strncmp(text, "allow", 5) == 0;

	if (f)
		fclose(f);
	return may && geteuid() == 0;
}

static void make_key(const char *name)
{
	char command[512];

	snprintf(command, sizeof(command), "ssh-keygen -q -t ed25519 -N '' -f '%s'", in_dir(name));
	cr_assert(system(command) == 0);
}

/* In a mount namespace of its own: it wants a directory in /run. */
Test(audit_peers, sshd_applies_match_address_to_every_form)
{
	char client[512];
	json_t *o;
	const char *const args[] = {"audit",   "-J", RULES, "--client",	     client, "--",
				    "unshare", "-m", "sh",  in_dir("start"), NULL};

	snprintf(client, sizeof(client),
		 "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no "
		 "-o UserKnownHostsFile=/dev/null -i %s -b $FROM -p $PORT root@$TO true",
		 in_dir("user"));
	need("sshd", "openssh-server");
	need("ssh", "openssh-client");
	if (!may_change_groups())
		program_skip("sshd needs root, and more ids than one");
	make_key("host");
	make_key("user");
	write_config("config", "Port 18022\nHostKey @/host\nPidFile none\nUsePAM no\n"
			       "AuthorizedKeysFile @/user.pub\nStrictModes no\nLogLevel VERBOSE\n"
			       "PermitRootLogin yes\n"
			       "Match Address 198.51.100.9,2001:db8:1::9\n DenyUsers *\n");
	write_config("start", "mount -t tmpfs none /run && mkdir -m 755 /run/sshd && "
			      "exec /usr/sbin/sshd -D -e -f @/config\n");
	o = audit(args);
	expect(o, "acl", "clean");
	expect(o, "identity", "clean");
	expect(o, "scope", "clean");
	expect(o, "restart", "clean");
	json_decref(o);
}

Test(audit_peers, dnsmasq_answers_from_the_address_that_was_asked)
{
	const char *const args[] = {
		"audit", "-J", "--", need("dnsmasq", "dnsmasq-base"), "-C", in_dir("config"), NULL};
	json_t *o;

	write_config("config", "no-daemon\nport=15300\nno-resolv\nno-hosts\nlog-queries\n"
			       "address=/test.example/198.51.100.2\nlog-facility=-\npid-file=\n"
			       "user=root\n");
	o = audit(args);
	expect(o, "reach", "clean");
	expect(o, "udp-source", "clean");
	expect(o, "forged-mapped", "clean");
	expect(o, "identity", "clean");
	json_decref(o);
}

static json_t *audit_unbound(const char *interfaces)
{
	const char *const args[] = {"audit",
				    "-J",
				    RULES,
				    "--send",
				    QUESTION,
				    "--say",
				    "\\x00\\x1e" QUESTION,
				    "--",
				    need("unbound", "unbound"),
				    "-d",
				    "-c",
				    in_dir("config"),
				    NULL};
	char config[1024];

	snprintf(config, sizeof(config),
		 "server:\n%s port: 15301\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n"
		 " directory: \"@\"\n pidfile: \"\"\n use-syslog: no\n log-queries: yes\n"
		 " module-config: \"iterator\"\n access-control: 0.0.0.0/0 allow\n"
		 " access-control: ::0/0 allow\n access-control: 198.51.100.9/32 refuse\n"
		 " access-control: 2001:db8:1::9/128 refuse\n local-zone: \".\" refuse\n"
		 " local-zone: \"test.example.\" static\n"
		 " local-data: \"test.example. A 198.51.100.2\"\n",
		 interfaces);
	write_config("config", config);
	return audit(args);
}

Test(audit_peers, unbound_on_wildcards_answers_from_another_address)
{
	json_t *o = audit_unbound(" interface: 0.0.0.0\n interface: ::0\n");

	expect(o, "acl", "clean");
	expect(o, "udp-source", "found");
	expect_evidence(o, "udp-source", "asked 198.51.100.3, it answered from 198.51.100.2");
	json_decref(o);
}

Test(audit_peers, unbound_with_interface_automatic_does_not)
{
	json_t *o = audit_unbound(" interface-automatic: yes\n");

	expect(o, "acl", "clean");
	expect(o, "udp-source", "clean");
	expect(o, "forged-mapped", "clean");
	json_decref(o);
}

Test(audit_peers, redis_in_protected_mode_refuses_every_form)
{
	const char *const args[] = {
		"audit",	  "-J",	  "--forbid", "0.0.0.0/0",
		"--forbid",	  "::/0", "--",	      need("redis-server", "redis-server"),
		in_dir("config"), NULL};
	json_t *o;

	write_config("config", "port 16300\nbind * -::*\nprotected-mode yes\nsave \"\"\ndir @\n");
	o = audit(args);
	expect(o, "acl", "clean");
	expect(o, "reach", "clean");
	expect(o, "listeners", "clean");
	expect(o, "restart", "clean");
	json_decref(o);
}

/*
 * Only these: this socat forks for each datagram, may lose some and at times gets stuck. The audit
 * tries again with a fresh one; here nothing is repeated.
 */
Test(audit_peers, socat_takes_a_forged_datagram_for_an_ipv4_client)
{
	const char *const args[] = {"audit",
				    "-J",
				    "--only",
				    "udp-source,forged-mapped",
				    "--",
				    need("socat", "socat"),
				    "UDP6-RECVFROM:17000,fork,ipv6only=0",
				    "EXEC:cat",
				    NULL};
	json_t *o = audit(args);

	expect(o, "forged-mapped", "found");
	expect(o, "udp-source", "found");
	json_decref(o);
}

Test(audit_peers, socat_without_reuseaddr_cannot_listen_again)
{
	const char *const args[] = {
		"audit",    "-J", "--", need("socat", "socat"), "TCP-LISTEN:17001,fork",
		"EXEC:cat", NULL};
	json_t *o = audit(args);

	expect(o, "restart", "found");
	expect(o, "reach", "found");
	expect_evidence(o, "restart", "Address already in use");
	json_decref(o);
}

Test(audit_peers, python_logs_mapped_addresses)
{
	const char *const args[] = {
		"audit", "-J",	  "--", need("python3", "python3"), "-m", "http.server", "--bind",
		"::",	 "18000", NULL};
	json_t *o = audit(args);

	expect(o, "reach", "clean");
	expect(o, "identity", "found");
	expect(o, "scope", "found");
	json_decref(o);
}

/* Two ports of one program: one compares what it is shown, the other one unmaps first. */
Test(audit_peers, node_shows_mapped_addresses_to_its_programs)
{
	const char *const args[] = {"audit",
				    "-J",
				    "--forbid",
				    "198.51.100.9",
				    "--",
				    need("node", "nodejs"),
				    in_dir("server.js"),
				    NULL};
	json_t *o;

	write_config("server.js",
		     "const http = require('http'), net = require('net');\n"
		     "const banned = new net.BlockList(); banned.addAddress('198.51.100.9');\n"
		     "const serve = (port, is_banned) => http.createServer((q, s) => {\n"
		     "  console.log(q.socket.remoteAddress);\n"
		     "  if (is_banned(q.socket)) s.writeHead(403);\n"
		     "  s.end('welcome\\n'); }).listen(port);\n"
		     "serve(18090, s => s.remoteAddress === '198.51.100.9');\n"
		     "serve(18091, s => banned.check(s.remoteAddress.replace(/^::ffff:/, ''),\n"
		     "  s.remoteAddress.startsWith('::ffff:') ? 'ipv4' : 'ipv6'));\n");
	o = audit(args);
	expect(o, "acl", "found");
	expect_evidence(o, "acl", "TCP 18090");
	cr_assert(json_array_size(json_object_get(check_of(o, "acl"), "findings")) == 1);
	expect(o, "identity", "found");
	json_decref(o);
}
