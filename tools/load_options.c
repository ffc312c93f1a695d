/* SPDX-License-Identifier: MIT */
/* load_options.c - the command line of "dualwire load" */
#include "cli.h"
#include "load.h"

#include "../uring/load/template.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_RAW = 256,
	OPT_RESPOND,
	OPT_MAPPED,
	OPT_OWN,
	OPT_NETNS,
	OPT_SOURCE,
	OPT_SOURCES,
	OPT_PORTS,
	OPT_WORKLOAD,
	OPT_PAYLOAD,
	OPT_EXPECT,
	OPT_PATH,
	OPT_REQUESTS,
	OPT_IN_FLIGHT,
	OPT_RATE,
	OPT_CLOSE,
	OPT_HOLD,
	OPT_WARMUP,
	OPT_DURATION,
	OPT_COUNT,
	OPT_TIMEOUT,
	OPT_HISTOGRAM,
	OPT_CPU,
	OPT_READY,
};

enum {
	ANSWER_MAX = 1 << 30,
	REQUESTS_MAX = 1 << 30,
	IN_FLIGHT_MAX = 1 << 20,
	SECONDS_MAX = 86400,
	CPU_MAX = 4095,
	PORT_LO = 1024, /* default of raw frames: nobody else uses these addresses */
	PORT_HI = 65535,
};

static const char help_text[] =
	"usage: dualwire load [OPTION]... ADDRESS PORT\n"
	"Loads a server with connections and says how many it took, and how long each was.\n"
	"\n"
	"      --raw            frames instead of sockets: no kernel TCP on this side, several\n"
	"                       times as many connections; needs -i and --source\n"
	"  -i, --interface IF   raw: a veth in a network namespace of its own\n"
	"      --netns PATH|PID network namespace to work in; default: this one\n"
	"      --i-own-this-network  raw: any interface will do\n"
	"      --mapped         IPv4 through AF_INET6 sockets, as ::ffff:a.b.c.d\n"
	"      --source ADDR    first source address (raw: one that nobody has)\n"
	"      --sources N      so many consecutive ones; default 1\n"
	"      --ports LO-HI    source ports; default 1024-65535, sockets: as the kernel likes\n"
	"\n"
	"      --workload W     accept (default; the server closes), echo, http\n"
	"      --payload N      echo: bytes of a request; default 64\n"
	"      --expect-bytes N bytes of an answer; default: echo what was sent\n"
	"      --path PATH      http: what to GET; default /\n"
	"      --requests N     on each connection; default 1, 0: until the end\n"
	"      --close HOW      rst (default) or fin\n"
	"      --in-flight N    closed loop: connections at a time; default 256\n"
	"      --rate N         open loop: connections per second, latency from when each was due\n"
	"      --duration S     seconds to measure; default 5, without a limit if --count is "
	"given\n"
	"      --count N        connections to measure\n"
	"      --warmup S       before measuring; default 0\n"
	"      --timeout S      without progress, of a connection; default 5\n"
	"      --hold S         raw echo: opens all of --count, holds them in silence for S\n"
	"                       seconds, asks every second one once, and lets all go\n"
	"\n"
	"      --histogram FILE latencies: low, high (microseconds), count, share\n"
	"      --cpu N          run on this processor\n"
	"      --ready-fd N     a line is written there when the load begins\n"
	"  -J, --json           the result as JSON\n"
	"  -q, --quiet          no progress\n"
	"  -h, --help\n"
	"\n"
	"Ctrl-C ends it in order, twice: at once.\n"
	"Exit status: 0 every connection ended well, 1 some did not, 2 none was made, 3 could not\n"
	"start or broke, 64 usage. Fields of the JSON form: docs/load.md.\n"
	"\n"
	"Examples:\n"
	"  dualwire load 127.0.0.1 7000       connect and be closed, with dualwire serve\n"
	"                                     --workload accept in another shell\n"
	"  dualwire load --mapped --workload echo --requests 0 --in-flight 1000 127.0.0.1 7000\n"
	"  dualwire load --rate 5000 --duration 10 --histogram h.txt ::1 7000\n"
	"  dualwire load --raw -i va --source 198.51.100.16 --sources 16 198.51.100.2 7000\n";

/* A whole number of digits only. Returns 0 or EXIT_USAGE after a message. */
static int number_parse(const char *option, const char *text, uint64_t min, uint64_t max,
			uint64_t *out)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min ||
	    value > max)
		return cli_usage_error("load", "%s '%.64s' is not a number from %llu to %llu",
				       option, text, (unsigned long long)min,
				       (unsigned long long)max);
	*out = value;
	return 0;
}

static int number32(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t value = 0;
	int rc = number_parse(option, text, min, max, &value);

	if (rc == 0)
		*out = (uint32_t)value;
	return rc;
}

static int integer(const char *option, const char *text, int max, int *out)
{
	uint64_t value = 0;
	int rc = number_parse(option, text, 0, (uint64_t)max, &value);

	if (rc == 0)
		*out = (int)value;
	return rc;
}

/* "0.5". Returns 0 or EXIT_USAGE after a message. */
static int real_parse(const char *option, const char *text, double min, double max, double *out)
{
	double value;
	char *end;

	value = strtod(text, &end);
	if (text[0] < '.' || text[0] > '9' || *end != '\0' || !(value >= min && value <= max))
		return cli_usage_error("load", "%s '%.64s' is not a number from %g to %g", option,
				       text, min, max);
	*out = value;
	return 0;
}

static int ports_parse(const char *text, struct sources *s)
{
	char low[8];
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : 0;

	if (dash && len < sizeof(low)) {
		memcpy(low, text, len);
		low[len] = '\0';
		if (port_parse(low, &s->port_lo) == 0 && port_parse(dash + 1, &s->port_hi) == 0 &&
		    s->port_lo <= s->port_hi)
			return 0;
	}
	return cli_usage_error("load", "--ports '%.64s' is not a range such as 10000-60000", text);
}

static int workload_parse(const char *text, struct load_plan *plan)
{
	for (enum load_workload w = 0; w < LOAD_WORKLOADS; w++) {
		if (strcmp(text, load_workload_name(w)) == 0) {
			plan->workload = w;
			return 0;
		}
	}
	return cli_usage_error(
		"load", "there is no workload '%.64s'; there are accept, echo and http", text);
}

static int close_parse(const char *text, struct load_plan *plan)
{
	if (strcmp(text, "rst") != 0 && strcmp(text, "fin") != 0)
		return cli_usage_error("load", "--close '%.64s' is neither rst nor fin", text);
	plan->close = text[0] == 'f' ? LOAD_CLOSE_FIN : LOAD_CLOSE_RST;
	return 0;
}

static int source_parse(const char *text, struct load_options *o)
{
	if (addr_parse(text, &o->sources.first, NULL) < 0)
		return cli_usage_error("load", "--source '%.64s' is not an IPv4 or IPv6 address",
				       text);
	o->has_source = true;
	return 0;
}

/* What is done, and how much of it. */
static int plan_apply(struct load_options *o, int c)
{
	struct load_plan *p = &o->plan;
	uint64_t value = 0;
	int rc;

	switch (c) {
	case OPT_WORKLOAD:
		return workload_parse(optarg, p);
	case OPT_PAYLOAD:
		rc = number_parse("--payload", optarg, 1, TEMPLATE_PAYLOAD_MAX, &value);
		o->payload = (int64_t)value;
		return rc;
	case OPT_EXPECT:
		rc = number_parse("--expect-bytes", optarg, 1, ANSWER_MAX, &value);
		o->expect = (int64_t)value;
		return rc;
	case OPT_PATH:
		if (optarg[0] != '/' || strlen(optarg) > LOAD_PATH_MAX ||
		    strpbrk(optarg, " \r\n\t"))
			return cli_usage_error("load", "--path '%.64s' is not a path such as /a/b",
					       optarg);
		o->path = optarg;
		return 0;
	case OPT_REQUESTS:
		return number32("--requests", optarg, 0, REQUESTS_MAX, &p->requests);
	case OPT_IN_FLIGHT:
		return number32("--in-flight", optarg, 1, IN_FLIGHT_MAX, &p->in_flight);
	case OPT_RATE:
		return real_parse("--rate", optarg, 0.1, 1e7, &p->rate);
	case OPT_CLOSE:
		return close_parse(optarg, p);
	case OPT_WARMUP:
		return real_parse("--warmup", optarg, 0, SECONDS_MAX, &o->warmup_s);
	case OPT_DURATION:
		return real_parse("--duration", optarg, 0.01, SECONDS_MAX, &o->duration_s);
	case OPT_HOLD:
		return real_parse("--hold", optarg, 0.001, SECONDS_MAX, &o->hold_s);
	case OPT_COUNT:
		return number_parse("--count", optarg, 1, INT64_MAX, &p->count);
	default:
		return real_parse("--timeout", optarg, 0.1, SECONDS_MAX, &o->timeout_s);
	}
}

static int option_apply(void *options, int c)
{
	struct load_options *o = options;

	switch (c) {
	case OPT_RAW:
		o->generator = LOAD_RAW;
		return 0;
	case OPT_RESPOND:
		o->respond = true;
		return 0;
	case OPT_MAPPED:
		o->mapped = true;
		return 0;
	case OPT_OWN:
		o->own_network = true;
		return 0;
	case 'i':
		o->ifname = optarg;
		return 0;
	case OPT_NETNS:
		o->netns = optarg;
		return 0;
	case OPT_SOURCE:
		return source_parse(optarg, o);
	case OPT_SOURCES:
		return number32("--sources", optarg, 1, SOURCES_ADDRS_MAX, &o->sources.n_addrs);
	case OPT_PORTS:
		return ports_parse(optarg, &o->sources);
	case OPT_HISTOGRAM:
		o->histogram = optarg;
		return 0;
	case OPT_CPU:
		return integer("--cpu", optarg, CPU_MAX, &o->cpu);
	case OPT_READY:
		return integer("--ready-fd", optarg, INT_MAX, &o->ready_fd);
	case 'J':
		o->json = true;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	default:
		return plan_apply(o, c);
	}
}

static int target_parse(struct load_options *o, int argc, char **argv)
{
	if (argc - optind != 2)
		return cli_usage_error("load", "give an address and a port, as in: dualwire load "
					       "127.0.0.1 7000");
	if (addr_parse(argv[optind], &o->target.addr, NULL) < 0)
		return cli_usage_error("load",
				       "'%.64s' is not an IPv4 or IPv6 address; names are not "
				       "looked up here",
				       argv[optind]);
	if (port_parse(argv[optind + 1], &o->target.port) < 0)
		return cli_usage_error("load", "port '%.64s' is not a number from 1 to 65535",
				       argv[optind + 1]);
	return 0;
}

static int sources_fill(struct load_options *o)
{
	struct sources *s = &o->sources;

	if (o->respond) {
		s->first = o->target.addr;
		o->has_source = true;
	}
	if (s->n_addrs && !o->has_source)
		return cli_usage_error("load", "--sources needs the first of them: --source ADDR");
	if (o->has_source && addr_is_mapped(&s->first) != addr_is_mapped(&o->target.addr))
		return cli_usage_error("load", "--source and the target are of different families");
	s->n_addrs = s->n_addrs ? s->n_addrs : 1;
	if (s->port_lo == 0 && o->generator == LOAD_RAW) {
		s->port_lo = PORT_LO;
		s->port_hi = PORT_HI;
	}
	if (o->has_source && s->port_lo != 0 && sources_check(s) < 0)
		return cli_usage_error("load",
				       "there are more than %d pairs of source address and port; "
				       "take fewer --sources or --ports",
				       SOURCES_MAX);
	return 0;
}

static int raw_check(const struct load_options *o)
{
	if (o->generator != LOAD_RAW) {
		if (o->ifname || o->own_network)
			return cli_usage_error("load", "-i and --i-own-this-network are for --raw; "
						       "sockets find their way by routes");
		return 0;
	}
	if (!o->ifname)
		return cli_usage_error("load", "--raw needs an interface: -i IF");
	if (!o->has_source && !o->respond)
		return cli_usage_error("load", "--raw needs source addresses that nobody has, on "
					       "the target's network: --source ADDR");
	if (o->mapped)
		return cli_usage_error("load", "--mapped is for sockets: on the wire it is IPv4");
	return 0;
}

static int plan_fill(struct load_options *o)
{
	struct load_plan *p = &o->plan;

	if (p->workload == LOAD_ACCEPT && (o->payload >= 0 || o->expect >= 0 || p->requests != 1))
		return cli_usage_error("load", "--payload, --expect-bytes and --requests need "
					       "--workload echo or http");
	if (o->generator == LOAD_RAW && p->workload == LOAD_HTTP && o->expect < 0)
		return cli_usage_error("load", "--raw does not read answers: tell it how long they "
					       "are, by --expect-bytes");
	if (o->mapped && !addr_is_mapped(&o->target.addr))
		return cli_usage_error("load", "--mapped needs an IPv4 address");
	if (o->hold_s > 0 &&
	    (o->generator != LOAD_RAW || p->workload != LOAD_ECHO || !p->count || p->rate > 0 ||
	     p->count > sources_count(&o->sources) || o->duration_s > 0))
		return cli_usage_error("load",
				       "--hold is for --raw --workload echo with --count, as "
				       "many as there are source addresses and ports at "
				       "most, without --rate and --duration");
	if (o->hold_s > 0) {
		p->in_flight = (uint32_t)p->count;
		p->hold_ns = (uint64_t)(o->hold_s * 1e9);
	}
	p->payload = p->workload == LOAD_ACCEPT ? 0 : o->payload < 0 ? 64 : (uint32_t)o->payload;
	p->expect = p->workload == LOAD_ACCEPT ? 0
		    : o->expect < 0	       ? p->payload
					       : (uint32_t)o->expect;
	if (p->count && o->duration_s == 0)
		p->duration_ns = 0;
	else
		p->duration_ns = (uint64_t)((o->duration_s > 0 ? o->duration_s : 5) * 1e9);
	p->warmup_ns = (uint64_t)(o->warmup_s * 1e9);
	p->timeout_ns = (uint64_t)(o->timeout_s * 1e9);
	return 0;
}

int load_options_read(int argc, char **argv, struct load_options *o)
{
	static const struct option longs[] = {
		{"raw", no_argument, NULL, OPT_RAW},
		{"respond", no_argument, NULL, OPT_RESPOND},
		{"mapped", no_argument, NULL, OPT_MAPPED},
		{"i-own-this-network", no_argument, NULL, OPT_OWN},
		{"interface", required_argument, NULL, 'i'},
		{"netns", required_argument, NULL, OPT_NETNS},
		{"source", required_argument, NULL, OPT_SOURCE},
		{"sources", required_argument, NULL, OPT_SOURCES},
		{"ports", required_argument, NULL, OPT_PORTS},
		{"workload", required_argument, NULL, OPT_WORKLOAD},
		{"payload", required_argument, NULL, OPT_PAYLOAD},
		{"expect-bytes", required_argument, NULL, OPT_EXPECT},
		{"path", required_argument, NULL, OPT_PATH},
		{"requests", required_argument, NULL, OPT_REQUESTS},
		{"in-flight", required_argument, NULL, OPT_IN_FLIGHT},
		{"rate", required_argument, NULL, OPT_RATE},
		{"hold", required_argument, NULL, OPT_HOLD},
		{"close", required_argument, NULL, OPT_CLOSE},
		{"warmup", required_argument, NULL, OPT_WARMUP},
		{"duration", required_argument, NULL, OPT_DURATION},
		{"count", required_argument, NULL, OPT_COUNT},
		{"timeout", required_argument, NULL, OPT_TIMEOUT},
		{"histogram", required_argument, NULL, OPT_HISTOGRAM},
		{"cpu", required_argument, NULL, OPT_CPU},
		{"ready-fd", required_argument, NULL, OPT_READY},
		{"json", no_argument, NULL, 'J'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"load", help_text, ":i:Jqh", longs, option_apply};
	int rc;

	*o = (struct load_options){.cpu = -1, .ready_fd = -1, .timeout_s = 5, .path = "/"};
	o->payload = o->expect = -1;
	o->plan.in_flight = 256;
	o->plan.requests = 1;
	rc = cli_options_read(&spec, argc, argv, o);
	if (rc == 0)
		rc = target_parse(o, argc, argv);
	if (rc == 0)
		rc = raw_check(o);
	if (rc == 0)
		rc = sources_fill(o);
	return rc ? rc : plan_fill(o);
}
