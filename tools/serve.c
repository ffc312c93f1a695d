/* SPDX-License-Identifier: MIT */
/* serve.c - "dualwire serve": the dual-stack server */
#include "../uring/resolve.h"
#include "../uring/server.h"
#include "cli.h"
#include "report.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { OPT_V6ONLY = 256, OPT_UDP, OPT_WORKLOAD, OPT_ENGINE, OPT_IDLE, OPT_CONNS, OPT_BACKLOG };

enum { CONNS_MAX = 1 << 20, BACKLOG_MAX = 65535, IDLE_MAX_S = 86400 };

static const char help_text[] =
	"usage: dualwire serve [OPTION]...\n"
	"Serves TCP (or UDP) on io_uring: by default IPv6 and IPv4 on one socket, [::]:7000,\n"
	"as an echo server. Each connection is one line of output when it is over.\n"
	"\n"
	"  -4                   an AF_INET socket: IPv4 only, plain addresses\n"
	"  -6                   an AF_INET6 socket (default): IPv4 peers show as ::ffff:a.b.c.d\n"
	"      --v6only         IPV6_V6ONLY=1: IPv6 peers only\n"
	"      --udp            datagrams instead of connections\n"
	"  -p, --port PORT      default 7000\n"
	"  -b, --bind ADDR      address to bind to; default: all. An IPv4 address means -4, with\n"
	"                       -6 it is bound to as ::ffff:a.b.c.d. Link-local: fe80::1%eth0\n"
	"      --workload W     echo (default), discard, or accept (closes at once)\n"
	"      --engine E       uring, epoll, epoll-textbook, or auto (default): uring where it "
	"works\n"
	"      --idle-timeout S close a connection silent for S seconds; default 30\n"
	"      --max-conns N    connections at a time, the rest waits; default 16384\n"
	"      --backlog N      default 4096, which net.core.somaxconn may cut\n"
	"  -J, --json           one JSON object per line\n"
	"  -q, --quiet          no line per connection\n"
	"  -v, --verbose        a line at the beginning of a connection too\n"
	"  -h, --help\n"
	"\n"
	"SIGTERM or SIGINT ends it in order: the backlog is answered, busy connections get 5 s.\n"
	"A second one ends it at once.\n"
	"Exit status: 0 stopped by a signal, 3 could not start or broke, 64 usage.\n"
	"\n"
	"Examples:\n"
	"  dualwire serve                     both families on port 7000; try from another shell:\n"
	"                                     dualwire connect -4 localhost 7000\n"
	"  dualwire serve --v6only -p 7001    IPv6 alone\n"
	"  dualwire serve -4 --udp -J         IPv4 datagrams, for a program to read\n"
	"  dualwire serve -6 -b 127.0.0.1     IPv4 alone on an AF_INET6 socket\n";

struct options {
	int family; /* AF_UNSPEC: not said */
	const char *bind, *port, *workload, *engine;
	bool v6only, udp, json, quiet, verbose;
	uint32_t idle_s, max_conns, backlog; /* 0: the server's default */
};

/* A decimal number of digits only. Returns 0 or EXIT_USAGE after a message. */
static int number_parse(const char *option, const char *text, uint32_t max, uint32_t *out)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < 1 ||
	    value > max)
		return cli_usage_error("serve", "%s '%.64s' is not a number from 1 to %u", option,
				       text, max);
	*out = (uint32_t)value;
	return 0;
}

static int family_choose(struct options *o, int family)
{
	if (o->family != AF_UNSPEC && o->family != family)
		return cli_usage_error("serve", "-4 and -6 exclude each other: give neither for "
						"both families on one socket");
	o->family = family;
	return 0;
}

static int option_apply(void *options, int c)
{
	struct options *o = options;

	switch (c) {
	case '4':
		return family_choose(o, AF_INET);
	case '6':
		return family_choose(o, AF_INET6);
	case 'p':
		o->port = optarg;
		return 0;
	case 'b':
		o->bind = optarg;
		return 0;
	case 'J':
		o->json = true;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case OPT_V6ONLY:
		o->v6only = true;
		return 0;
	case OPT_UDP:
		o->udp = true;
		return 0;
	case OPT_WORKLOAD:
		o->workload = optarg;
		return 0;
	case OPT_ENGINE:
		o->engine = optarg;
		return 0;
	case OPT_IDLE:
		return number_parse("--idle-timeout", optarg, IDLE_MAX_S, &o->idle_s);
	case OPT_CONNS:
		return number_parse("--max-conns", optarg, CONNS_MAX, &o->max_conns);
	default:
		return number_parse("--backlog", optarg, BACKLOG_MAX, &o->backlog);
	}
}

/* Returns 0 to go on, CLI_DONE, or EXIT_USAGE. */
static int options_read(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"v6only", no_argument, NULL, OPT_V6ONLY},
		{"udp", no_argument, NULL, OPT_UDP},
		{"port", required_argument, NULL, 'p'},
		{"bind", required_argument, NULL, 'b'},
		{"workload", required_argument, NULL, OPT_WORKLOAD},
		{"engine", required_argument, NULL, OPT_ENGINE},
		{"idle-timeout", required_argument, NULL, OPT_IDLE},
		{"max-conns", required_argument, NULL, OPT_CONNS},
		{"backlog", required_argument, NULL, OPT_BACKLOG},
		{"json", no_argument, NULL, 'J'},
		{"quiet", no_argument, NULL, 'q'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"serve", help_text, ":46p:b:Jqvh", longs,
						option_apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	if (rc != 0)
		return rc;
	if (optind < argc)
		return cli_usage_error("serve", "'%.64s' is not an option; the port is given by -p",
				       argv[optind]);
	if (o->v6only && o->family == AF_INET)
		return cli_usage_error("serve", "--v6only is an option of IPv6 sockets: drop -4");
	return 0;
}

/* An address as inet_pton(3) reads it, with or without a zone; the resolver alone would take
 * "1.2.3" too. */
static bool is_address(const char *text)
{
	char bare[ADDR_STRLEN];
	size_t len = strcspn(text, "%");
	struct addr a;

	if (len >= sizeof(bare))
		return false;
	memcpy(bare, text, len);
	bare[len] = '\0';
	return addr_parse(bare, &a, NULL) == 0;
}

/* Returns 0 or EXIT_USAGE. */
static int bind_resolve(const struct options *o, struct listen_spec *spec)
{
	struct resolve_query q = {.host = o->bind,
				  .port = o->port,
				  .family = o->family,
				  .mapped = o->family == AF_INET6,
				  .passive = true,
				  .numeric = true,
				  .socktype = o->udp ? SOCK_DGRAM : SOCK_STREAM};
	struct resolve_result r;
	uint16_t port;

	if (port_parse(o->port, &port) != 0)
		return cli_usage_error("serve", "port '%.64s' is not a number from 1 to 65535",
				       o->port);
	if (o->bind == NULL && o->family == AF_UNSPEC)
		q.family = AF_INET6;
	if ((o->bind != NULL && !is_address(o->bind)) || resolve(&q, &r) != 0)
		return cli_usage_error("serve",
				       "'%.64s' is not an %s address; names are not "
				       "looked up here",
				       o->bind ? o->bind : "",
				       o->family == AF_INET    ? "IPv4"
				       : o->family == AF_INET6 ? "IPv6"
							       : "IP");
	spec->family = r.list[0].family;
	spec->bind = r.list[0].ep;
	if (o->v6only && spec->family == AF_INET)
		return cli_usage_error("serve",
				       "--v6only and the IPv4 address %.64s contradict "
				       "each other",
				       o->bind);
	return 0;
}

static const char *proto_name(int proto)
{
	return proto == IPPROTO_UDP ? "udp" : "tcp";
}

/* Which peers can reach a listener, and how that is known. */
static const char *serves_text(const struct listen_info *info)
{
	if (info->family == AF_INET)
		return "IPv4 (an AF_INET socket)";
	if (addr_is_mapped(&info->local.addr))
		return "IPv4, as ::ffff:a.b.c.d (bound to a mapped address)";
	if (!addr_is_any(&info->local.addr))
		return "IPv6 (V6ONLY=1, read back: one IPv6 address serves no IPv4)";
	if (info->v6only)
		return "IPv6 (V6ONLY=1, read back)";
	return "IPv6 and, as ::ffff:a.b.c.d, IPv4 (V6ONLY=0, read back)";
}

static json_t *ready_json(const struct listen_info *info, const struct server *s)
{
	json_t *json =
		json_pack("{s:s, s:s, s:s, s:o, s:I, s:s, s:s}", "event", "listening", "proto",
			  proto_name(info->proto), "family", report_family_name(info->family),
			  "v6only", info->v6only < 0 ? json_null() : json_boolean(info->v6only),
			  "cookie", (json_int_t)info->cookie, "serves", serves_text(info), "engine",
			  server_engine_text(s));

	if (json != NULL)
		report_set_endpoint(json, "local", &info->local, info->family);
	return json;
}

static void ready_print(const struct options *o, const struct server *s)
{
	const struct listen_info *info = server_listener(s, 0);
	char ep[ENDPOINT_STRLEN];

	endpoint_print(&info->local, evidence_form(info->family), ep);
	if (o->json)
		cli_print_json_line(ready_json(info, s));
	else
		printf("listening on %s %s: %s; %s\n", proto_name(info->proto), ep,
		       serves_text(info), server_engine_text(s));
	fflush(stdout);
}

static const char *event_name(enum server_event event)
{
	switch (event) {
	case SERVER_ACCEPTED:
		return "accepted";
	case SERVER_CLOSED:
		return "closed";
	case SERVER_DATAGRAM:
		break;
	}
	return "datagram";
}

static void record_json(const struct server_record *rec)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:s?, s:I}", "event",
				 event_name(rec->event), "proto", proto_name(rec->proto), "family",
				 report_family_name(rec->family), "mapped",
				 report_is_mapped(rec->family, &rec->peer.addr), "cookie",
				 (json_int_t)rec->cookie, "bytes_in", (json_int_t)rec->bytes_in,
				 "bytes_out", (json_int_t)rec->bytes_out, "error",
				 rec->error ? strerrorname_np(-rec->error) : NULL, "real_ns",
				 (json_int_t)rec->real_ns);

	if (json != NULL) {
		report_set_endpoint(json, "peer", &rec->peer, rec->family);
		report_set_endpoint(json, "local", &rec->local, rec->family);
	}
	if (json != NULL && rec->event == SERVER_DATAGRAM)
		json_object_set_new(json, "forged_mapped", json_boolean(rec->forged_mapped));
	cli_print_json_line(json);
}

/* What kind of address an AF_INET6 socket showed; nothing to add on an AF_INET one. */
static const char *kind_text(const struct server_record *rec)
{
	if (rec->forged_mapped)
		return " FORGED (mapped source in an IPv6 packet), not answered";
	if (rec->family == AF_INET)
		return "";
	return addr_is_mapped(&rec->peer.addr) ? " mapped" : " native";
}

static void record_text(const struct server_record *rec)
{
	char peer[ENDPOINT_STRLEN], local[ENDPOINT_STRLEN];

	endpoint_print(&rec->peer, evidence_form(rec->family), peer);
	endpoint_print(&rec->local, evidence_form(rec->family), local);
	printf("%-8s %s %s -> %s %s%s cookie %llu", event_name(rec->event), proto_name(rec->proto),
	       peer, local, report_family_name(rec->family), kind_text(rec),
	       (unsigned long long)rec->cookie);
	if (rec->event != SERVER_ACCEPTED)
		printf(" in %llu out %llu", (unsigned long long)rec->bytes_in,
		       (unsigned long long)rec->bytes_out);
	if (rec->error)
		printf(": %s", strerror(-rec->error));
	putchar('\n');
}

static void observe(const struct server_record *rec, void *arg)
{
	const struct options *o = arg;

	if (rec->event == SERVER_ACCEPTED && !o->verbose)
		return;
	if (o->json)
		record_json(rec);
	else
		record_text(rec);
}

struct stopper {
	struct server *server;
	sigset_t signals;
	bool over; /* the server has stopped; atomic */
};

/* The signals are blocked everywhere; this thread takes them one by one. */
static void *stop_on_signals(void *arg)
{
	struct stopper *st = arg;
	int signo;

	while (sigwait(&st->signals, &signo) == 0 && !__atomic_load_n(&st->over, __ATOMIC_ACQUIRE))
		server_stop(st->server);
	return NULL;
}

static int run(struct server *s, const sigset_t *signals)
{
	struct stopper st = {.server = s, .signals = *signals};
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, stop_on_signals, &st);

	if (rc != 0)
		return cli_fail("serve", "cannot start a thread: %s", strerror(rc));
	rc = server_run(s);
	__atomic_store_n(&st.over, true, __ATOMIC_RELEASE);
	/* The signal is blocked everywhere: it wakes the thread's sigwait() and ends nobody. */
	pthread_kill(thread, SIGTERM); /* NOLINT(bugprone-bad-signal-to-kill-thread) */
	pthread_join(thread, NULL);
	if (rc < 0)
		return cli_fail("serve", "stopped serving: %s", strerror(-rc));
	return 0;
}

/* A connection is a descriptor: take as many as this process may have. */
static void raise_file_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
}

static int serve(struct options *o, const struct listen_spec *spec)
{
	struct server_config cfg = {.engine = o->engine,
				    .workload = o->workload,
				    .listeners = spec,
				    .n_listeners = 1,
				    .max_conns = o->max_conns,
				    .idle_timeout_ms = o->idle_s * 1000,
				    .observe = o->quiet ? NULL : observe,
				    .observe_arg = o};
	struct server_error err;
	struct server *s;
	sigset_t signals;
	int rc;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	raise_file_limit();
	rc = server_create(&cfg, &s, &err);
	if (rc == -ENOENT)
		return cli_usage_error("serve", "%s: %s", err.what, err.remedy);
	if (rc < 0)
		return cli_fail("serve", "%s%s%s", err.what, err.remedy[0] ? "; " : "", err.remedy);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ready_print(o, s);
	rc = run(s, &signals);
	server_destroy(s);
	return rc;
}

int cmd_serve(int argc, char **argv)
{
	struct options o = {.port = "7000", .workload = "echo", .engine = "auto"};
	struct listen_spec spec = {0};
	int rc = options_read(argc, argv, &o);

	if (rc != 0)
		return rc == CLI_DONE ? 0 : rc;
	rc = bind_resolve(&o, &spec);
	if (rc != 0)
		return rc;
	spec.proto = o.udp ? IPPROTO_UDP : IPPROTO_TCP;
	spec.v6only = o.v6only;
	spec.backlog = (int)o.backlog;
	return serve(&o, &spec);
}
