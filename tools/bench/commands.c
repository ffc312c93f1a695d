/* SPDX-License-Identifier: MIT */
/* commands.c - "dualwire serve", "dualwire load", and other people's commands */
#include "commands.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * 64 Ki places: enough that none is used again while the server remembers it, few enough to stay in
 * the generator's cache.
 */
enum { SOURCES_FIRST = 16, SOURCES = 16, PORT_LO = 1024, PORT_HI = 5119, BACKLOG = 4096 };

static void add(struct command *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct command *cmd, const char *fmt, ...)
{
	char *at = cmd->text + cmd->used;
	size_t room = sizeof(cmd->text) - cmd->used;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(at, room, fmt, ap);
	va_end(ap);
	assert(len >= 0 && (size_t)len < room && cmd->n < COMMAND_ARGS);
	cmd->argv[cmd->n++] = at;
	cmd->argv[cmd->n] = NULL;
	cmd->used += (size_t)len + 1;
}

bool command_server_is_bare(const struct bench_subject *s)
{
	return s->command == NULL && strncmp(s->name, "bypass", strlen("bypass")) == 0;
}

struct endpoint command_target(const struct lab *lab, enum bench_family f)
{
	const struct lab_host *host = &lab->host[LAB_SERVER];

	return (struct endpoint){.addr = f == BENCH_NATIVE ? host->v6[0] : host->v4[0],
				 .port = BENCH_PORT};
}

/* The workloads of "dualwire serve" and "dualwire load" have the same names. */
static const char *workload_of(enum bench_work w)
{
	return w == BENCH_ACCEPT ? "accept" : w == BENCH_HTTP ? "http" : "echo";
}

static void add_stack(struct command *cmd, const struct lab_host *host, bool asked_for)
{
	char text[ADDR_STRLEN];

	/* Nobody else is in the lab; asking takes seconds (RFC 5227 2.1). */
	add(cmd, "--no-dad");
	add(cmd, "--mac");
	add(cmd, "%s", asked_for ? "own" : "interface");
	add(cmd, "-i");
	add(cmd, "%s", host->ifname);
	add(cmd, "--address");
	add(cmd, "%s/24", addr_print(&host->v4[0], ADDR_FORM_INET, text));
	add(cmd, "--address");
	add(cmd, "%s/64", addr_print(&host->v6[0], ADDR_FORM_INET, text));
}

void command_server(struct command *cmd, const struct lab *lab, const struct bench_plan *p,
		    const struct bench_cell *c, const struct measure_config *cfg)
{
	const struct bench_subject *s = &p->subjects[c->subject];

	*cmd = (struct command){0};
	if (s->command) {
		add(cmd, "/bin/sh");
		add(cmd, "-c");
		add(cmd, "PORT=%d; export PORT; exec %s", BENCH_PORT, s->command);
		return;
	}
	add(cmd, "/proc/self/exe");
	add(cmd, "serve");
	add(cmd, "-q");
	add(cmd, "-p");
	add(cmd, "%d", BENCH_PORT);
	add(cmd, "%s", c->family == BENCH_IPV4 ? "-4" : "-6");
	add(cmd, "--engine");
	add(cmd, "%s", command_server_is_bare(s) ? "bypass" : s->name);
	add(cmd, "--workload");
	add(cmd, "%s", workload_of(c->work));
	add(cmd, "--backlog");
	add(cmd, "%d", BACKLOG);
	add(cmd, "--report-peers");
	add(cmd, "%s", cfg->report_peers ? "on" : "off");
	if (cfg->max_conns) {
		add(cmd, "--max-conns");
		add(cmd, "%llu", (unsigned long long)cfg->max_conns);
		add(cmd, "--idle-timeout");
		add(cmd, "3600");
	}
	if (!command_server_is_bare(s))
		return;
	/*
	 * Our generator asks who has the address; the kernel in the lab takes it for known, and it
	 * is the kernel's client that learns how long an HTTP answer is.
	 */
	add_stack(cmd, &lab->host[LAB_SERVER], p->loads[c->load].raw && c->work != BENCH_HTTP);
	if (strcmp(s->name, BENCH_BYPASS_XDP) == 0) {
		add(cmd, "--link");
		add(cmd, "xdp");
	}
}

/* What others get to know of the server. */
static void add_environment(struct command *cmd, const char *host, double seconds,
			    const struct measure_config *cfg, const char *command)
{
	add(cmd, "/bin/sh");
	add(cmd, "-c");
	add(cmd,
	    "HOST=%s PORT=%d SECONDS_=%.0f CONNECTIONS=%u; export HOST PORT SECONDS_ CONNECTIONS; "
	    "exec %s",
	    host, BENCH_PORT, seconds < 1 ? 1 : seconds, cfg->in_flight, command);
}

static void add_sources(struct command *cmd, enum bench_family f)
{
	/* A process namespace of its own hides from the generator that this network is our lab. */
	add(cmd, "--i-own-this-network");
	add(cmd, "--raw");
	add(cmd, "-i");
	add(cmd, "va");
	add(cmd, "--source");
	add(cmd, f == BENCH_NATIVE ? "2001:db8:1::%x" : "198.51.100.%d", SOURCES_FIRST);
	add(cmd, "--sources");
	add(cmd, "%d", SOURCES);
	add(cmd, "--ports");
	add(cmd, "%d-%d", PORT_LO, PORT_HI);
}

static void add_shape(struct command *cmd, const struct bench_cell *c,
		      const struct bench_load *load, const struct measure_config *cfg)
{
	add(cmd, "--workload");
	add(cmd, "%s", workload_of(c->work));
	add(cmd, "--close");
	add(cmd, cfg->close_fin ? "fin" : "rst");
	if (load->rate > 0) {
		add(cmd, "--rate");
		add(cmd, "%.0f", load->rate);
		return;
	}
	add(cmd, "--in-flight");
	add(cmd, "%u", c->work == BENCH_KEPT ? cfg->kept : cfg->in_flight);
	if (c->work == BENCH_KEPT) {
		add(cmd, "--requests");
		add(cmd, "0");
	}
}

void command_load(struct command *cmd, const struct lab *lab, const struct bench_plan *p,
		  const struct bench_cell *c, const struct measure_config *cfg,
		  const struct command_run *run)
{
	const struct bench_load *load = &p->loads[c->load];
	struct endpoint target = command_target(lab, c->family);
	char host[ADDR_STRLEN];

	*cmd = (struct command){0};
	addr_print(&target.addr, ADDR_FORM_INET, host);
	if (load->command) {
		add_environment(cmd, host, run->seconds, cfg, load->command);
		return;
	}
	add(cmd, "/proc/self/exe");
	add(cmd, "load");
	add(cmd, "-J");
	add(cmd, "-q");
	if (load->raw)
		add_sources(cmd, c->family);
	add_shape(cmd, c, load, cfg);
	if (load->raw && run->answer > 0) {
		add(cmd, "--expect-bytes");
		add(cmd, "%d", run->answer);
	}
	add(cmd, "--duration");
	add(cmd, "%.3f", run->seconds);
	if (run->measured && cfg->histograms && load->rate > 0) {
		add(cmd, "--histogram");
		add(cmd, "%s/%s-%s-%s.txt", cfg->histograms, p->subjects[c->subject].name,
		    bench_family_name(c->family), bench_work_name(c->work));
	}
	add(cmd, "%s", host);
	add(cmd, "%d", BENCH_PORT);
}

void command_witness(struct command *cmd, const struct lab *lab)
{
	char self[512];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = '\0';
	*cmd = (struct command){0};
	add(cmd, "/bin/sh");
	add(cmd, "-c");
	/* Of what it says we need the totals alone, on stderr. Who reads a pipe costs time, too. */
	add(cmd, "exec \"$0\" witness -i %s -p %d >/dev/null", lab->host[LAB_SERVER].ifname,
	    BENCH_PORT);
	add(cmd, "%s", self);
}

void command_hold(struct command *cmd, const struct lab *lab, uint64_t connections, int first,
		  int ports, int seconds)
{
	struct endpoint target = command_target(lab, BENCH_MAPPED);
	char host[ADDR_STRLEN];

	*cmd = (struct command){0};
	add(cmd, "/proc/self/exe");
	add(cmd, "load");
	add(cmd, "-J");
	add(cmd, "-q");
	add(cmd, "--i-own-this-network");
	add(cmd, "--raw");
	add(cmd, "-i");
	add(cmd, "va");
	add(cmd, "--source");
	add(cmd, "198.51.100.%d", first);
	add(cmd, "--sources");
	add(cmd, "%llu",
	    (unsigned long long)(connections + (unsigned int)ports - 1) / (unsigned int)ports);
	add(cmd, "--ports");
	add(cmd, "%d-%d", 65536 - ports, 65535);
	add(cmd, "--workload");
	add(cmd, "echo");
	add(cmd, "--count");
	add(cmd, "%llu", (unsigned long long)connections);
	add(cmd, "--hold");
	add(cmd, "%d", seconds);
	add(cmd, "--timeout");
	add(cmd, "30");
	add(cmd, "--ready-fd");
	add(cmd, "2");
	add(cmd, "%s", addr_print(&target.addr, ADDR_FORM_INET, host));
	add(cmd, "%d", target.port);
}
