/* SPDX-License-Identifier: MIT */
/* bench_options.c - the command line of "dualwire bench" */
#include "bench.h"
#include "bench/commands.h"
#include "bench/idle.h"
#include "cli.h"

#include "../uring/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_ENGINES = 256,
	OPT_FAMILIES,
	OPT_WORKLOADS,
	OPT_LOADS,
	OPT_PEER,
	OPT_GENERATOR,
	OPT_RATE,
	OPT_ROUNDS,
	OPT_SECONDS,
	OPT_WARMUP,
	OPT_IN_FLIGHT,
	OPT_KEPT,
	OPT_CLOSE,
	OPT_PEERS,
	OPT_SAVE,
	OPT_PLOT,
	OPT_STRICT,
	OPT_CONNECTIONS,
	OPT_WITNESS,
};

static const char HELP[] =
	"usage: dualwire bench [OPTION]...\n"
	"       dualwire bench idle [--engines LIST] [--connections N] [-J] [-q]\n"
	"Measures servers in a laboratory of its own: every engine, family and workload under the "
	"same load,\n"
	"in turn and several times, each end on a processor of its own. Needs two processors that "
	"have\n"
	"nothing else to do, and no root.\n"
	"\n"
	"'idle' measures what connections cost that are only there: memory of the server, new\n"
	"connections beside them, and whether they still answer.\n"
	"\n"
	"      --engines LIST   of epoll-textbook, epoll, uring, bypass, bypass-xdp (on AF_XDP);\n"
	"                       default: all but the last\n"
	"      --families LIST  of ipv4 (an AF_INET server), mapped (IPv4 to an AF_INET6 server),\n"
	"                       native; default: all\n"
	"      --workloads LIST of accept (accept and close), echo (one answer of 64 bytes), kept\n"
	"                       (64 bytes back and forth on connections that stay), http;\n"
	"                       default: accept,echo,kept\n"
	"      --loads LIST     of raw (frames, the default: the server is the bottleneck) and\n"
	"                       sockets\n"
	"      --peer NAME=COMMAND   somebody else's server too, run by sh with PORT set\n"
	"      --generator NAME=COMMAND   somebody else's generator too, run by sh with HOST,\n"
	"                       PORT, SECONDS_ and CONNECTIONS set; the server's kernel counts\n"
	"      --witness        everything a second time with the witness watching: what that\n"
	"                       costs, and whether it drops a frame\n"
	"      --rate N         at N connections per second instead of as many as possible: then\n"
	"                       latencies, from when each connection was due\n"
	"      --rounds N       times each is measured; default 9; of six and more the ratios have "
	"confidence\n"
	"                       intervals\n"
	"      --seconds S      of each measurement; default 0.3: more and shorter rounds say "
	"more\n"
	"      --warmup S       before each; default 0.1\n"
	"      --in-flight N    connections at a time; default 256\n"
	"      --kept N         connections of 'kept'; default 900: the kernel queues 1000 frames\n"
	"      --close HOW      clients end by rst (default) or fin\n"
	"      --report-peers W our servers ask who connected: on (default) or off\n"
	"      --connections N  of 'idle'; default 15000, for bypass 1000000\n"
	"      --save DIR       results.json, results.txt and latency histograms there\n"
	"      --plot FILE.svg  the rates as a picture; needs gnuplot\n"
	"      --strict         exit 1 where something spoiled a row\n"
	"  -J, --json           the results as JSON\n"
	"  -q, --quiet          no progress\n"
	"  -h, --help\n"
	"\n"
	"Exit status: 0; 1 with --strict when a row is spoiled; 3 could not start; 64 usage.\n"
	"\n"
	"Examples:\n"
	"  dualwire bench\n"
	"  dualwire bench --engines uring,epoll --workloads kept --kept 5000\n"
	"  dualwire bench --engines uring --rate 20000 --workloads accept --families mapped\n"
	"  dualwire bench idle --engines bypass --connections 1000000\n"
	"  dualwire bench --workloads accept --peer 'python=python3 my-server.py $PORT'\n";

static bool engine_exists(const char *name, size_t len)
{
	for (size_t i = 0; engine_name(i); i++)
		if (strlen(engine_name(i)) == len && strncmp(engine_name(i), name, len) == 0)
			return true;
	return strlen(BENCH_BYPASS_XDP) == len && strncmp(BENCH_BYPASS_XDP, name, len) == 0;
}

/* Room for a text of the command line that is cut up. NULL: too long, or too many. */
static char *keep_text(struct bench_options *o, const char *text, size_t len)
{
	char *at;

	if (len >= BENCH_COMMAND_TEXT || o->n_texts == sizeof(o->texts) / sizeof(o->texts[0]))
		return NULL;
	at = o->texts[o->n_texts++];
	memcpy(at, text, len);
	at[len] = '\0';
	return at;
}

static int engines_known(void)
{
	char list[256] = "";

	for (size_t i = 0; engine_name(i); i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "",
			 engine_name(i));
	return cli_usage_error("bench",
			       "--engines: there is no such engine; there are %s, "
			       "bypass-xdp",
			       list);
}

static int engines_read(struct bench_options *o, const char *text)
{
	for (;; text++) {
		size_t len = strcspn(text, ",");
		char *name;

		if (!engine_exists(text, len))
			return engines_known();
		name = keep_text(o, text, len);
		if (!name || o->plan.n_subjects == PLAN_SUBJECTS_MAX)
			return cli_usage_error("bench", "--engines: at most %d servers at a time",
					       PLAN_SUBJECTS_MAX);
		o->plan.subjects[o->plan.n_subjects++] = (struct bench_subject){.name = name};
		text += len;
		if (*text == '\0')
			return 0;
	}
}

static int loads_read(struct bench_options *o, const char *text)
{
	for (;; text++) {
		size_t len = strcspn(text, ",");
		bool raw = len == 3 && strncmp(text, "raw", len) == 0;

		if (!raw && !(len == 7 && strncmp(text, "sockets", len) == 0))
			return cli_usage_error(
				"bench", "--loads '%.64s': a list of raw and sockets", optarg);
		if (o->plan.n_loads == PLAN_SUBJECTS_MAX)
			return cli_usage_error("bench", "--loads: at most %d at a time",
					       PLAN_SUBJECTS_MAX);
		o->plan.loads[o->plan.n_loads++] =
			(struct bench_load){.name = raw ? "raw" : "sockets", .raw = raw};
		text += len;
		if (*text == '\0')
			return 0;
	}
}

/* Cuts NAME=COMMAND. */
static int pair_read(struct bench_options *o, const char *option, const char **name,
		     const char **command)
{
	const char *eq = strchr(optarg, '=');

	if (!eq || eq == optarg || eq[1] == '\0')
		return cli_usage_error("bench", "%s '%.64s': say NAME=COMMAND", option, optarg);
	*name = keep_text(o, optarg, (size_t)(eq - optarg));
	*command = keep_text(o, eq + 1, strlen(eq + 1));
	if (!*name || !*command)
		return cli_usage_error("bench", "%s: too many, or over %d characters", option,
				       BENCH_COMMAND_TEXT - 1);
	return 0;
}

static int peer_read(struct bench_options *o)
{
	struct bench_subject s;
	int rc = pair_read(o, "--peer", &s.name, &s.command);

	if (rc)
		return rc;
	if (o->plan.n_subjects == PLAN_SUBJECTS_MAX)
		return cli_usage_error("bench", "at most %d servers at a time", PLAN_SUBJECTS_MAX);
	o->plan.subjects[o->plan.n_subjects++] = s;
	return 0;
}

static int generator_read(struct bench_options *o)
{
	struct bench_load l = {.raw = false};
	int rc = pair_read(o, "--generator", &l.name, &l.command);

	if (rc)
		return rc;
	if (o->plan.n_loads == PLAN_SUBJECTS_MAX)
		return cli_usage_error("bench", "at most %d generators at a time",
				       PLAN_SUBJECTS_MAX);
	o->plan.loads[o->plan.n_loads++] = l;
	return 0;
}

/* A positive decimal number up to @max. */
static int number_read(const char *option, double max, double *out)
{
	char *end;
	double value = strtod(optarg, &end);

	if (end == optarg || *end != '\0' || !(value > 0) || value > max)
		return cli_usage_error("bench", "%s '%.64s' is not a number above 0 and up to %.0f",
				       option, optarg, max);
	*out = value;
	return 0;
}

static int count_read(const char *option, double max, uint32_t *out)
{
	double value = 0;
	int rc = number_read(option, max, &value);

	if (rc == 0)
		*out = (uint32_t)value;
	return rc == 0 && *out == 0 ? cli_usage_error("bench", "%s: at least 1", option) : rc;
}

static int lists_read(struct bench_options *o, int c)
{
	char bad[64];

	if (c == OPT_FAMILIES && bench_families_read(optarg, &o->families, bad, sizeof(bad)) < 0)
		return cli_usage_error(
			"bench", "there is no family '%s'; there are ipv4, mapped and native", bad);
	if (c == OPT_WORKLOADS && bench_works_read(optarg, &o->works, bad, sizeof(bad)) < 0)
		return cli_usage_error(
			"bench", "there is no workload '%s'; there are accept, echo, kept and http",
			bad);
	return 0;
}

static int switch_read(struct bench_options *o, int c)
{
	bool *on = c == OPT_CLOSE ? &o->measure.close_fin : &o->measure.report_peers;
	const char *yes = c == OPT_CLOSE ? "fin" : "on", *no = c == OPT_CLOSE ? "rst" : "off";

	*on = strcmp(optarg, yes) == 0;
	if (!*on && strcmp(optarg, no) != 0)
		return cli_usage_error("bench", "%s '%.64s': say %s or %s",
				       c == OPT_CLOSE ? "--close" : "--report-peers", optarg, yes,
				       no);
	return 0;
}

static int apply(void *options, int c)
{
	struct bench_options *o = options;
	double number = 0;
	int rc;

	switch (c) {
	case 'J':
		o->json = true;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	case OPT_WITNESS:
		o->witness = true;
		return 0;
	case OPT_STRICT:
		o->strict = true;
		return 0;
	case OPT_SAVE:
		o->save = optarg;
		return 0;
	case OPT_CONNECTIONS:
		rc = number_read("--connections", (double)IDLE_CONNECTIONS_MAX, &number);
		o->connections = (uint64_t)number;
		return rc;
	case OPT_PLOT:
		o->plot = optarg;
		return 0;
	case OPT_ENGINES:
		return engines_read(o, optarg);
	case OPT_LOADS:
		return loads_read(o, optarg);
	case OPT_PEER:
		return peer_read(o);
	case OPT_GENERATOR:
		return generator_read(o);
	case OPT_CLOSE:
	case OPT_PEERS:
		return switch_read(o, c);
	case OPT_ROUNDS:
		return count_read("--rounds", PLAN_ROUNDS_MAX, &o->plan.rounds);
	case OPT_IN_FLIGHT:
		return count_read("--in-flight", 65536, &o->measure.in_flight);
	case OPT_KEPT:
		return count_read("--kept", 65536, &o->measure.kept);
	case OPT_SECONDS:
		return number_read("--seconds", 3600, &o->measure.seconds);
	case OPT_WARMUP:
		return number_read("--warmup", 3600, &o->measure.warmup_s);
	case OPT_RATE:
		return number_read("--rate", 1e7, &o->rate);
	default:
		return lists_read(o, c);
	}
}

static void fill_defaults(struct bench_options *o)
{
	static const char *const engines[] = {"epoll-textbook", "epoll", "uring", "bypass"};

	if (o->plan.n_subjects == 0)
		for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
			if (engine_exists(engines[i], strlen(engines[i])))
				o->plan.subjects[o->plan.n_subjects++] =
					(struct bench_subject){.name = engines[i]};
	if (o->plan.n_loads == 0)
		o->plan.loads[o->plan.n_loads++] = (struct bench_load){.name = "raw", .raw = true};
	for (uint32_t i = 0, n = o->plan.n_loads; o->witness && i < n; i++) {
		struct bench_load watched = o->plan.loads[i];

		if (o->plan.n_loads == PLAN_SUBJECTS_MAX)
			break;
		watched.watched = true;
		watched.name = watched.raw ? "raw, watched" : "sockets, watched";
		if (!watched.command)
			o->plan.loads[o->plan.n_loads++] = watched;
	}
	for (uint32_t i = 0; i < o->plan.n_loads; i++)
		o->plan.loads[i].rate = o->plan.loads[i].command ? 0 : o->rate;
}

int bench_options_read(int argc, char **argv, struct bench_options *o)
{
	static const struct option longs[] = {
		{"engines", required_argument, NULL, OPT_ENGINES},
		{"families", required_argument, NULL, OPT_FAMILIES},
		{"workloads", required_argument, NULL, OPT_WORKLOADS},
		{"loads", required_argument, NULL, OPT_LOADS},
		{"peer", required_argument, NULL, OPT_PEER},
		{"generator", required_argument, NULL, OPT_GENERATOR},
		{"rate", required_argument, NULL, OPT_RATE},
		{"rounds", required_argument, NULL, OPT_ROUNDS},
		{"seconds", required_argument, NULL, OPT_SECONDS},
		{"warmup", required_argument, NULL, OPT_WARMUP},
		{"in-flight", required_argument, NULL, OPT_IN_FLIGHT},
		{"kept", required_argument, NULL, OPT_KEPT},
		{"close", required_argument, NULL, OPT_CLOSE},
		{"report-peers", required_argument, NULL, OPT_PEERS},
		{"save", required_argument, NULL, OPT_SAVE},
		{"plot", required_argument, NULL, OPT_PLOT},
		{"connections", required_argument, NULL, OPT_CONNECTIONS},
		{"witness", no_argument, NULL, OPT_WITNESS},
		{"strict", no_argument, NULL, OPT_STRICT},
		{"json", no_argument, NULL, 'J'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"bench", HELP, ":Jqh", longs, apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	if (rc)
		return rc;
	if (argv[optind] && strcmp(argv[optind], "idle") == 0) {
		o->idle = true;
		optind++;
	}
	if (argv[optind])
		return cli_usage_error("bench",
				       "'%.64s': there is only 'idle', the rest is said by "
				       "options",
				       argv[optind]);
	fill_defaults(o);
	if (plan_fill(&o->plan, o->families, o->works) < 0)
		return cli_usage_error("bench", "that makes over %d rows; choose fewer",
				       PLAN_CELLS_MAX);
	return 0;
}
