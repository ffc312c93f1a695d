/* SPDX-License-Identifier: MIT */
/* load.c - "dualwire load": connection generators, kernel sockets or raw frames */
#include "load.h"
#include "cli.h"
#include "netns_arg.h"

#include "../uring/caps.h"
#include "../uring/load/guard.h"
#include "../uring/load/raw.h"
#include "../uring/load/responder.h"
#include "../uring/load/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int pin(const struct load_options *o)
{
	cpu_set_t set;

	if (o->cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(o->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return cli_fail("load", "cannot run on processor %d: %s; see nproc", o->cpu,
				strerror(errno));
	return 0;
}

static void block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

static int say_ready(const struct load_options *o)
{
	static const char line[] = "ready\n";

	if (o->ready_fd < 0)
		return 0;
	if (write(o->ready_fd, line, sizeof(line) - 1) != (ssize_t)sizeof(line) - 1)
		return cli_fail("load", "cannot write to --ready-fd %d: %s; open it for writing",
				o->ready_fd, strerror(errno));
	if (o->ready_fd > STDERR_FILENO && o->hold_s == 0)
		close(o->ready_fd);
	return 0;
}

static int histogram_save(const struct load_options *o, const struct load_result *r)
{
	FILE *f;
	int rc;

	if (!o->histogram)
		return 0;
	f = fopen(o->histogram, "we");
	if (!f)
		return cli_fail("load", "cannot write '%.256s': %s", o->histogram, strerror(errno));
	rc = histogram_write(&r->latency, 1000, f);
	if (fclose(f) != 0 && rc == 0)
		rc = -errno;
	if (rc < 0)
		return cli_fail("load", "cannot write '%.256s': %s", o->histogram, strerror(-rc));
	return 0;
}

/* What came out, on paper and as an exit code. */
static int conclude(const struct load_options *o, const struct load_result *r)
{
	int rc = load_report(o, r);

	if (rc == 0)
		rc = histogram_save(o, r);
	if (rc != 0)
		return rc;
	if (r->completed == 0 && r->started == 0)
		return EXIT_INCONCLUSIVE;
	return r->started == r->completed ? EXIT_CONFIRMED : EXIT_CONTRADICTED;
}

/* The request: letters to be echoed, or a GET. Returns its length. */
static uint32_t request_fill(const struct load_options *o, char *buf, size_t size)
{
	char host[ENDPOINT_STRLEN];
	int n;

	if (o->plan.workload != LOAD_HTTP) {
		for (uint32_t i = 0; i < o->plan.payload; i++)
			buf[i] = (char)('a' + i % 26);
		return o->plan.payload;
	}
	endpoint_print(&o->target, ADDR_FORM_INET, host);
	n = snprintf(buf, size, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n\r\n", o->path,
		     host, o->plan.requests == 1 ? "close" : "keep-alive");
	return (uint32_t)n;
}

static int guard_check(const struct load_options *o)
{
	struct guard_facts facts;
	enum guard_verdict v;
	int rc = guard_look(-1, o->ifname, &facts);

	if (rc == -ENODEV)
		return cli_fail("load",
				"there is no interface '%.32s' here; ip link lists them, "
				"and --netns names another place",
				o->ifname);
	if (rc < 0)
		return cli_fail("load", "cannot find out about interface '%.32s': %s", o->ifname,
				strerror(-rc));
	v = guard_decide(&facts, &o->sources, o->respond ? NULL : &o->target.addr, o->own_network);
	return v == GUARD_OK ? 0 : cli_usage_error("load", "refused: %s", guard_text(v));
}

static int raw_failure(const struct load_options *o, int rc, const char *what)
{
	return cli_fail("load", "%s on %s: %s%s", what, o->ifname, strerror(-rc),
			rc == -EPERM	  ? "; it takes CAP_NET_RAW: run as root, or in a user "
					    "namespace"
			: rc == -ENETDOWN ? "; bring it up"
			: rc == -EHOSTUNREACH
				? "; nobody answers for that address: is the server's host up, and "
				  "on the same network as --source?"
				: "");
}

static void say_held(const struct run *run, void *arg)
{
	const struct load_progress *p = arg;

	if (p->options->ready_fd >= 0)
		dprintf(p->options->ready_fd, "held %llu\n", (unsigned long long)run->res.held);
}

static int raw_load(const struct load_options *o)
{
	char request[LOAD_REQUEST_MAX];
	struct load_progress progress;
	struct raw_config cfg = {.netns_fd = -1,
				 .ifindex = if_nametoindex(o->ifname),
				 .sources = o->sources,
				 .target = o->target,
				 .plan = o->plan,
				 .payload = request,
				 .tick = load_progress_tick,
				 .held = say_held,
				 .arg = &progress};
	const char *what;
	struct raw *raw;
	int rc;

	load_progress_init(&progress, o);
	cfg.plan.payload = request_fill(o, request, sizeof(request));
	rc = raw_open(&cfg, &raw, &what);
	if (rc < 0)
		return raw_failure(o, rc, what);
	rc = raw_resolve(raw);
	if (rc < 0)
		rc = raw_failure(o, rc, "cannot find the target");
	if (rc == 0)
		rc = say_ready(o);
	if (rc == 0) {
		int broke = raw_run(raw);

		load_progress_end(&progress);
		rc = conclude(o, raw_result(raw));
		if (broke < 0)
			rc = raw_failure(o, broke, "the load broke off");
	}
	raw_close(raw);
	return rc;
}

/* Why the first thing failed that sockets need. */
static int sockets_failure(const struct load_options *o, int rc, const char *what)
{
	char cause[128], remedy[256];
	struct uring_caps caps;

	if (rc == -EMFILE)
		return cli_fail("load",
				"%u connections at a time need as many open files; raise "
				"the limit (ulimit -n), or take a lower --in-flight",
				o->plan.rate > 0 ? SOCKETS_OPEN_LOOP : o->plan.in_flight);
	if (strcmp(what, "io_uring") != 0 || uring_caps_probe(&caps) == 0)
		return cli_fail("load", "%s: %s", what, strerror(-rc));
	uring_caps_explain(&caps, cause, sizeof(cause), remedy, sizeof(remedy));
	return cli_fail("load", "%s; %s", cause, remedy);
}

static int sockets_load(const struct load_options *o)
{
	char request[LOAD_REQUEST_MAX];
	struct load_progress progress;
	struct sockets_config cfg = {
		.family = o->mapped || !addr_is_mapped(&o->target.addr) ? AF_INET6 : AF_INET,
		.target = o->target,
		.bind = o->has_source,
		.sources = o->sources,
		.plan = o->plan,
		.payload = request,
		.tick = load_progress_tick,
		.arg = &progress};
	const char *what;
	struct sockets *s;
	int rc, broke;

	load_progress_init(&progress, o);
	cfg.plan.payload = request_fill(o, request, sizeof(request));
	rc = sockets_open(&cfg, &s, &what);
	if (rc < 0)
		return sockets_failure(o, rc, what);
	rc = say_ready(o);
	if (rc == 0) {
		broke = sockets_run(s);
		load_progress_end(&progress);
		rc = conclude(o, sockets_result(s));
		if (broke < 0)
			rc = cli_fail("load", "io_uring broke off: %s", strerror(-broke));
		else if (sockets_last_error(s, &what) < 0)
			fprintf(stderr, "dualwire load: %s: %s\n", what,
				strerror(-sockets_last_error(s, &what)));
	}
	sockets_close(s);
	return rc;
}

static int responder_tick(void *arg)
{
	struct load_progress *p = arg;
	struct run idle = {0};

	return load_progress_tick(&idle, p);
}

static int respond(const struct load_options *o)
{
	struct load_options silent = *o;
	struct load_progress progress;
	struct responder_config cfg = {
		.netns_fd = -1,
		.ifindex = if_nametoindex(o->ifname),
		.addrs = {.first = o->target.addr,
			  .n_addrs = o->sources.n_addrs,
			  .port_lo = 1,
			  .port_hi = 1},
		.port = o->target.port,
		.echo = o->plan.workload == LOAD_ECHO,
		.tick = responder_tick,
		.arg = &progress,
	};
	const struct responder_stats *st;
	struct responder *r;
	int rc;

	silent.quiet = true;
	load_progress_init(&progress, &silent);
	rc = responder_open(&cfg, &r);
	if (rc < 0)
		return raw_failure(o, rc, "the packet sockets");
	rc = say_ready(o);
	if (rc == 0) {
		rc = responder_run(r);
		rc = rc < 0 ? raw_failure(o, rc, "answering") : 0;
		st = responder_stats(r);
		printf("%llu frames in, %llu out, %llu SYN, %llu unreadable\n",
		       (unsigned long long)st->rx, (unsigned long long)st->tx,
		       (unsigned long long)st->syn, (unsigned long long)st->bad);
	}
	responder_close(r);
	return rc;
}

int cmd_load(int argc, char **argv)
{
	struct load_options o;
	int rc = load_options_read(argc, argv, &o);

	if (rc != 0)
		return rc == CLI_DONE ? 0 : rc;
	block_signals();
	rc = o.netns ? netns_arg_join("load", o.netns) : 0;
	if (rc == 0 && o.generator == LOAD_RAW)
		rc = guard_check(&o);
	if (rc == 0)
		rc = pin(&o);
	if (rc != 0)
		return rc;
	if (o.respond)
		return respond(&o);
	if (o.generator == LOAD_RAW)
		return raw_load(&o);
	return sockets_load(&o);
}
