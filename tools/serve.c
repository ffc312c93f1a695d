/* SPDX-License-Identifier: MIT */
/* serve.c - "dualwire serve": the dual-stack server */
#include "../rawstack/clock.h"
#include "../uring/ration.h"
#include "../uring/resolve.h"
#include "../uring/workers.h"
#include "activation.h"
#include "cli.h"
#include "link_arg.h"
#include "metrics_http.h"
#include "serve_output.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
	OPT_V6ONLY = 256,
	OPT_UDP,
	OPT_WORKLOAD,
	OPT_ENGINE,
	OPT_WORKERS,
	OPT_IDLE,
	OPT_CONNS,
	OPT_BACKLOG,
	OPT_PEERS,
	OPT_METRICS,
	OPT_NO_MULTISHOT,
	OPT_DIRECT,
	OPT_ADDRESS,
	OPT_GATEWAY,
	OPT_LINK,
	OPT_MAC,
	OPT_NO_DAD,
};

enum {
	CONNS_MAX = ENGINE_CONNS_MAX,
	BACKLOG_MAX = 65535,
	IDLE_MAX_S = 86400,
	METRICS_WAIT_MS = 1000
};

static const char help_text[] =
	"usage: dualwire serve [OPTION]...\n"
	"Serves TCP (or UDP): by default IPv6 and IPv4 on one socket, [::]:7000, as an echo\n"
	"server, on io_uring where it works, else on epoll. Each connection is one line of output "
	"when it is over.\n"
	"\n"
	"  -4                   an AF_INET socket: IPv4 only, plain addresses\n"
	"  -6                   an AF_INET6 socket (default): IPv4 peers show as ::ffff:a.b.c.d\n"
	"      --v6only         IPV6_V6ONLY=1: IPv6 peers only\n"
	"      --udp            datagrams instead of connections\n"
	"  -p, --port PORT      default 7000\n"
	"  -b, --bind ADDR      address to bind to; default: all. An IPv4 address means -4, with\n"
	"                       -6 it is bound to as ::ffff:a.b.c.d. Link-local: fe80::1%eth0\n"
	"      --workload W     echo (default), discard, accept (closes at once), or http (one\n"
	"                       short answer to every request)\n"
	"      --engine E       uring, epoll, epoll-textbook (one accept per event, for\n"
	"                       comparison), bypass (TCP and UDP of our own on an interface of\n"
	"                       its own), or auto (default): the best kernel one that works here\n"
	"      --workers N      N threads with a listener each (SO_REUSEPORT), one per\n"
	"                       processor; default 1, not pinned\n"
	"      --idle-timeout S close a connection silent for S seconds; default 30\n"
	"      --max-conns N    connections at a time, the rest waits; default 16384\n"
	"      --backlog N      default 4096, which net.core.somaxconn may cut\n"
	"      --report-peers W on (default), or off: do not ask the kernel who connected\n"
	"      --no-multishot   io_uring: one connection per accept request, should a kernel get\n"
	"                       multishot accept wrong\n"
	"      --direct         io_uring, Linux 6.15: connections without descriptors; local\n"
	"                       addresses stay unknown. For comparison: it gains nothing here\n"
	"      --metrics ADDR:PORT\n"
	"                       counters for Prometheus at http://ADDR:PORT/metrics\n"
	"  -i, --interface IF   bypass: an interface on which the kernel has no address\n"
	"      --address A/LEN  bypass: an address to have there, and its prefix; repeat for more\n"
	"      --gateway ADDR   bypass: the router for everybody else; one per family\n"
	"      --link L         bypass: ring (default), sendmmsg (no ring to send from), or xdp\n"
	"                       (AF_XDP: for --mac interface; as root, offloads off)\n"
	"      --mac WHOSE      bypass: own (default: on a veth or tap a MAC of its own, so that "
	"the\n"
	"                       kernel does not look at each frame as well) or interface\n"
	"      --no-dad         bypass: use the addresses without asking whether they are taken\n"
	"  -J, --json           one JSON object per line\n"
	"  -q, --quiet          no line per connection\n"
	"  -v, --verbose        a line at the beginning of a connection too\n"
	"  -h, --help\n"
	"\n"
	"SIGTERM or SIGINT ends it in order: the backlog is answered, busy connections get 5 s.\n"
	"A second one ends it at once. SIGUSR1 writes the counters to standard error.\n"
	"Sockets from systemd (LISTEN_FDS) are served as their unit made them.\n"
	"Exit status: 0 stopped by a signal, 3 could not start or broke, 64 usage.\n"
	"\n"
	"Examples:\n"
	"  dualwire serve                     both families on port 7000; try from another shell:\n"
	"                                     dualwire connect -4 localhost 7000\n"
	"  dualwire serve --v6only -p 7001    IPv6 alone\n"
	"  dualwire serve -4 --udp -J         IPv4 datagrams, for a program to read\n"
	"  dualwire serve -6 -b 127.0.0.1     IPv4 alone on an AF_INET6 socket\n"
	"  dualwire serve --workload http -q --metrics 127.0.0.1:9100\n"
	"                                     for wrk, ab or curl, watched by Prometheus\n"
	"  dualwire serve --engine bypass -i vb --address 198.51.100.2/24 --address "
	"2001:db8:1::2/64\n"
	"                                     without the kernel's TCP\n";

struct options {
	int family; /* AF_UNSPEC: not said */
	const char *bind, *port, *workload, *engine;
	bool v6only, udp, json, quiet, verbose, no_addresses, no_multishot, direct;
	bool where; /* an option said where to listen */
	bool has_metrics;
	struct endpoint metrics;
	uint32_t idle_s, max_conns, backlog; /* 0: the server's default */
	uint32_t workers;
	struct engine_link link;
	bool has_link; /* an option named a part of it */
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
	o->where = true;
	return 0;
}

static int peers_parse(struct options *o)
{
	o->no_addresses = strcmp(optarg, "off") == 0;
	if (!o->no_addresses && strcmp(optarg, "on") != 0)
		return cli_usage_error("serve", "--report-peers '%.64s': say on or off", optarg);
	return 0;
}

static int metrics_parse(struct options *o)
{
	o->has_metrics = true;
	if (endpoint_parse(optarg, &o->metrics, NULL) < 0)
		return cli_usage_error("serve",
				       "--metrics '%.64s' is not an address and a port, such as "
				       "127.0.0.1:9100 or [::1]:9100",
				       optarg);
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
		o->where = true;
		return 0;
	case 'b':
		o->bind = optarg;
		o->where = true;
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
		o->v6only = o->where = true;
		return 0;
	case OPT_UDP:
		o->udp = o->where = true;
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
	case OPT_WORKERS:
		return number_parse("--workers", optarg, WORKERS_MAX, &o->workers);
	case 'i':
		o->link.ifname = optarg;
		o->has_link = true;
		return 0;
	case OPT_ADDRESS:
		o->has_link = true;
		return link_arg_address("serve", &o->link, optarg);
	case OPT_GATEWAY:
		o->has_link = true;
		return link_arg_gateway("serve", &o->link, optarg);
	case OPT_LINK:
		o->has_link = true;
		return link_arg_kind("serve", &o->link, optarg);
	case OPT_MAC:
		o->has_link = true;
		return link_arg_mac("serve", &o->link, optarg);
	case OPT_NO_DAD:
		o->link.skip_dad = o->has_link = true;
		return 0;
	case OPT_PEERS:
		return peers_parse(o);
	case OPT_NO_MULTISHOT:
		o->no_multishot = true;
		return 0;
	case OPT_DIRECT:
		o->direct = true;
		return 0;
	case OPT_METRICS:
		return metrics_parse(o);
	default:
		return number_parse("--backlog", optarg, BACKLOG_MAX, &o->backlog);
	}
}

static int link_check_options(const struct options *o)
{
	bool bypass = strcmp(o->engine, "bypass") == 0;

	if (o->has_link && !bypass)
		return cli_usage_error("serve",
				       "-i, --address, --gateway, --link, --mac and --no-dad are "
				       "options of --engine bypass: add it");
	if (bypass && (o->link.ifname == NULL || o->link.n_addrs == 0))
		return cli_usage_error("serve", "--engine bypass needs -i INTERFACE and --address "
						"ADDR/PREFIX: it brings its own addresses");
	if (bypass && o->workers > 1)
		return cli_usage_error("serve", "--engine bypass is one thread: drop --workers");
	return 0;
}

/* Whoever asks for it by name is told when it does not work: no other engine instead. */
static int direct_check_options(struct options *o)
{
	if (!o->direct)
		return 0;
	if (strcmp(o->engine, "auto") == 0)
		o->engine = "uring";
	if (strcmp(o->engine, "uring") != 0)
		return cli_usage_error("serve", "--direct is an option of --engine uring: drop one "
						"of them");
	if (o->udp)
		return cli_usage_error("serve",
				       "--direct is about connections, and --udp has none: "
				       "drop one of them");
	return 0;
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
		{"workers", required_argument, NULL, OPT_WORKERS},
		{"report-peers", required_argument, NULL, OPT_PEERS},
		{"metrics", required_argument, NULL, OPT_METRICS},
		{"no-multishot", no_argument, NULL, OPT_NO_MULTISHOT},
		{"direct", no_argument, NULL, OPT_DIRECT},
		{"interface", required_argument, NULL, 'i'},
		{"address", required_argument, NULL, OPT_ADDRESS},
		{"gateway", required_argument, NULL, OPT_GATEWAY},
		{"link", required_argument, NULL, OPT_LINK},
		{"mac", required_argument, NULL, OPT_MAC},
		{"no-dad", no_argument, NULL, OPT_NO_DAD},
		{"idle-timeout", required_argument, NULL, OPT_IDLE},
		{"max-conns", required_argument, NULL, OPT_CONNS},
		{"backlog", required_argument, NULL, OPT_BACKLOG},
		{"json", no_argument, NULL, 'J'},
		{"quiet", no_argument, NULL, 'q'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"serve", help_text, ":46p:b:i:Jqvh", longs,
						option_apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	if (rc != 0)
		return rc;
	if (optind < argc)
		return cli_usage_error("serve", "'%.64s' is not an option; the port is given by -p",
				       argv[optind]);
	if (o->v6only && o->family == AF_INET)
		return cli_usage_error("serve", "--v6only is an option of IPv6 sockets: drop -4");
	rc = direct_check_options(o);
	return rc != 0 ? rc : link_check_options(o);
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

/* What is served, and by whom it was opened. */
struct service {
	struct options *options;
	struct activated listeners[SERVER_LISTENERS_MAX];
	int n;
	struct workers *workers;
	struct metrics_http *metrics;
	int signal_fd;
	bool stopping;
	struct ration pause_lines;
};

static void observe(const struct server_record *rec, void *arg)
{
	const struct options *o = arg;

	if (rec->event != SERVER_ACCEPTED || o->verbose)
		serve_print_record(rec, o->json);
}

/* On the threads of all workers, which share one ration. */
static void paused(const struct server_pause *pause, void *arg)
{
	struct service *sv = arg;
	uint64_t held;

	if (ration_take(&sv->pause_lines, pause->mono_ns / NS_PER_MS, &held))
		serve_print_pause(pause->error, held);
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

/* Prometheus asks: NULL when the workers do not answer in time. */
static char *metrics_text(void *arg, size_t *len)
{
	struct service *sv = arg;
	struct metrics m;
	char *text = NULL;
	FILE *f;

	if (workers_metrics(sv->workers, &m, METRICS_WAIT_MS) < 0)
		return NULL;
	f = open_memstream(&text, len);
	if (f == NULL)
		return NULL;
	metrics_print_prometheus(f, &m);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void metrics_to_stderr(struct service *sv)
{
	struct metrics m;

	if (workers_metrics(sv->workers, &m, METRICS_WAIT_MS) < 0)
		fprintf(stderr, "dualwire serve: no metrics: a worker does not answer\n");
	else if (sv->options->json)
		metrics_print_json(stderr, &m);
	else
		metrics_print_text(stderr, &m);
}

static void stop(struct service *sv)
{
	sv->stopping = true;
	workers_stop(sv->workers);
}

static void signals_take(struct service *sv)
{
	struct signalfd_siginfo info;

	if (read(sv->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1)
		metrics_to_stderr(sv);
	else
		stop(sv);
}

/* Until a worker ends. */
static void wait_for_end(struct service *sv)
{
	enum { SIGNALS, ENDED, OTHERS };
	struct pollfd fds[OTHERS + METRICS_FDS_MAX] = {
		[SIGNALS] = {.fd = sv->signal_fd, .events = POLLIN},
		[ENDED] = {.fd = workers_ended_fd(sv->workers), .events = POLLIN},
	};

	while (!(fds[ENDED].revents & POLLIN)) {
		int n = 0, timeout_ms = -1;

		if (sv->metrics != NULL) {
			n = metrics_http_fds(sv->metrics, fds + OTHERS);
			timeout_ms = metrics_http_timeout_ms(sv->metrics,
							     clock_ns(CLOCK_MONOTONIC) / NS_PER_MS);
		}
		if (poll(fds, OTHERS + (nfds_t)n, timeout_ms) < 0)
			continue;
		if (fds[SIGNALS].revents & POLLIN)
			signals_take(sv);
		if (sv->metrics != NULL)
			metrics_http_turn(sv->metrics, fds + OTHERS, n,
					  clock_ns(CLOCK_MONOTONIC) / NS_PER_MS);
	}
}

/* While some are still busy a second signal must reach them; one that broke ends the others. */
static int wait_for_all(struct service *sv)
{
	uint64_t ended = 0, value;

	while (ended < sv->options->workers) {
		wait_for_end(sv);
		if (read(workers_ended_fd(sv->workers), &value, sizeof(value)) == sizeof(value))
			ended += value;
		if (!sv->stopping)
			stop(sv);
	}
	return workers_wait(sv->workers);
}

static int metrics_open(struct service *sv)
{
	struct listen_spec spec = {.proto = IPPROTO_TCP,
				   .family = addr_is_mapped(&sv->options->metrics.addr) ? AF_INET
											: AF_INET6,
				   .bind = sv->options->metrics};
	char what[160], remedy[200];
	struct listen_info info;
	enum listen_step step;
	int rc;

	if (!sv->options->has_metrics)
		return 0;
	rc = metrics_http_open(&spec, metrics_text, sv, &sv->metrics, &info, &step);
	if (rc == 0)
		return 0;
	listener_explain(&spec, step, rc, what, sizeof(what), remedy, sizeof(remedy));
	return cli_fail("serve", "metrics: %s%s%s", what, remedy[0] ? "; " : "", remedy);
}

/* While the link is asked whether anybody has the addresses: has a signal come? */
static bool signal_pending(void *arg)
{
	const struct service *sv = arg;
	struct pollfd p = {.fd = sv->signal_fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

/* What the bypass engine needs; NULL for the others. */
static const struct engine_link *link_of(struct service *sv, struct engine_link *l)
{
	const struct options *o = sv->options;

	if (!o->has_link)
		return NULL;
	*l = o->link;
	l->give_up = signal_pending;
	l->give_up_arg = sv;
	if (!l->skip_dad && !o->quiet && isatty(STDERR_FILENO))
		fprintf(stderr,
			"dualwire serve: asking on %s whether anybody has these addresses; "
			"this takes some seconds\n",
			l->ifname);
	return l;
}

static int workers_open(struct service *sv)
{
	const struct options *o = sv->options;
	struct listen_spec specs[SERVER_LISTENERS_MAX];
	struct server_config cfg = {.engine = o->engine,
				    .workload = o->workload,
				    .listeners = specs,
				    .n_listeners = (size_t)sv->n,
				    .max_conns = o->max_conns,
				    .idle_timeout_ms = o->idle_s * 1000,
				    .no_addresses = o->no_addresses,
				    .no_multishot = o->no_multishot,
				    .direct = o->direct,
				    .observe = o->quiet ? NULL : observe,
				    .observe_arg = sv->options,
				    .paused = paused,
				    .paused_arg = sv};
	struct engine_link link;
	struct server_error err;
	int rc;

	cfg.link = link_of(sv, &link);

	for (int i = 0; i < sv->n; i++)
		specs[i] = sv->listeners[i].spec;
	rc = workers_start(&cfg, o->workers, &sv->workers, &err);
	if (rc == -ENOENT || rc == -EPROTOTYPE)
		return cli_usage_error("serve", "%s: %s", err.what, err.remedy);
	if (rc < 0)
		return cli_fail("serve", "%s%s%s", err.what, err.remedy[0] ? "; " : "", err.remedy);
	return 0;
}

static int serve(struct service *sv)
{
	int rc = workers_open(sv);

	if (rc != 0)
		return rc;
	rc = metrics_open(sv);
	if (rc != 0)
		goto out;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < sv->n; i++)
		serve_print_listening(workers_listener(sv->workers, (size_t)i),
				      sv->listeners[i].name, workers_engine_text(sv->workers),
				      sv->options->json);
	rc = wait_for_all(sv);
	if (rc < 0)
		rc = cli_fail("serve", "stopped serving: %s", strerror(-rc));
	metrics_http_close(sv->metrics);
out:
	workers_free(sv->workers);
	return rc;
}

/* The listeners of the command line or, when systemd passed some, those. Returns 0 or an exit
 * code. */
static int listeners_find(struct service *sv)
{
	const struct options *o = sv->options;
	struct listen_spec *spec = &sv->listeners[0].spec;
	int bad_fd, n, rc;

	n = activation_take(sv->listeners, SERVER_LISTENERS_MAX, &bad_fd);
	if (n < 0)
		return cli_fail("serve",
				"descriptor %d from LISTEN_FDS cannot be served: %s; pass TCP "
				"listeners or UDP sockets",
				bad_fd, strerror(-n));
	sv->n = n > 0 ? n : 1;
	if (n > 0 && o->where)
		return cli_usage_error("serve", "the sockets come from systemd (LISTEN_FDS): its "
						"unit decides address, port and family; drop "
						"-4, -6, -p, -b, --udp, --v6only");
	if (n > 0 && o->workers > 1)
		return cli_usage_error("serve", "--workers needs sockets of its own, and these "
						"come from systemd (LISTEN_FDS): drop it");
	if (n > 0)
		return 0;
	rc = bind_resolve(o, spec);
	if (rc != 0)
		return rc;
	spec->proto = o->udp ? IPPROTO_UDP : IPPROTO_TCP;
	spec->v6only = o->v6only;
	spec->backlog = (int)o->backlog;
	return 0;
}

/* Blocks the signals it lives by, here and in every thread to come. Returns 0 or an exit code. */
static int signals_open(struct service *sv)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	sv->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (sv->signal_fd < 0)
		return cli_fail("serve", "cannot wait for signals: %s", strerror(errno));
	return 0;
}

int cmd_serve(int argc, char **argv)
{
	struct options o = {.port = "7000", .workload = "echo", .engine = "auto", .workers = 1};
	struct service *sv;
	int rc;

	link_arg_init(&o.link);
	rc = options_read(argc, argv, &o);
	if (rc != 0)
		return rc == CLI_DONE ? 0 : rc;
	sv = calloc(1, sizeof(*sv));
	if (sv == NULL)
		return cli_fail("serve", "not enough memory");
	sv->options = &o;
	rc = listeners_find(sv);
	if (rc == 0)
		rc = signals_open(sv);
	if (rc == 0) {
		raise_file_limit();
		rc = serve(sv);
		close(sv->signal_fd);
	}
	free(sv);
	return rc;
}
