/* SPDX-License-Identifier: MIT */
/* witness_options.c - the options of `dualwire witness` */
#include "witness_options.h"

#include "../rawstack/witness/tracker.h"
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static const char HELP[] =
	"usage: dualwire witness -i INTERFACE -p PORT [OPTION...]\n"
	"       dualwire witness -r FILE [-p PORT] [OPTION...]\n\n"
	"Watches the frames of a server's port, asks the kernel about its sockets, and says of "
	"each connection\n"
	"as it ends how it really travelled. The server may be any program; what it was told by "
	"accept() is not\n"
	"known here, so the views are two: kernel and wire. Ctrl-C ends the watch without losing a "
	"frame.\n\n"
	"What to watch:\n"
	"  -i, --interface IF   where the clients come in (lo for local ones)\n"
	"  -p, --port PORT      the server's port, or LOW-HIGH; may be given more than once\n"
	"      --pid PID        all ports this process listens on, in its network namespace\n"
	"      --listener A:P   one listener, as ss shows it: '[::]:80', '198.51.100.2:80', "
	"'*:80'\n"
	"      --netns N        in another network namespace: a process id, or a file such as "
	"/run/netns/web\n"
	"  -f, --filter EXPR    only connections with a frame that this tcpdump expression "
	"matches; "
	"needs libpcap\n"
	"  -r, --read FILE      instead of an interface, a pcap or pcapng file ('-': standard "
	"input): wire view only\n\n"
	"What to say and keep:\n"
	"  -J, --json           one JSON object per connection and line\n"
	"      --ladder         with each verdict its frames, as a ladder\n"
	"  -w, --write FILE     every frame as pcapng, the verdicts as comments\n"
	"  -e, --evidence FILE  keep everything for 'dualwire judge FILE'\n"
	"  -q, --quiet          verdicts only, nothing about starting and ending\n"
	"  -v, --verbose        also a line when a connection begins (the habit on a terminal)\n"
	"  -n                   accepted out of habit: names are never looked up\n\n"
	"When to begin and end:\n"
	"      --ready-fd N     write one byte to descriptor N when the first frame can be seen\n"
	"  -c, --count N        end after N connections\n"
	"  -t, --time SECONDS   end after that long\n"
	"      --max-flows N    connections at a time (16384); when there are more, the longest "
	"silent one is\n"
	"                       judged as it stands (table_full)\n"
	"  -h, --help           this\n\n"
	"Exit codes: 0 every connection confirmed; 1 some contradicted; 2 some inconclusive, or "
	"none seen;\n"
	"3 could not start; 64 usage. Needs root or CAP_NET_RAW; both are given up once the watch "
	"has begun.\n"
	"docs/witness.md says what each verdict means.\n\n"
	"Examples:\n"
	"  dualwire witness -i lo -p 8080\n"
	"  dualwire witness -i eth0 --listener '[::]:443' -w proof.pcapng -t 60 -J\n"
	"  dualwire witness -i eth0 --pid \"$(pidof -s nginx)\" --ladder\n"
	"  dualwire witness -r proof.pcapng\n"
	"  dualwire serve -p 7000 & dualwire witness -i lo -p 7000 -c 1 & dualwire connect -4 "
	"localhost 7000\n";

enum {
	OPT_READY_FD = 256,
	OPT_PID,
	OPT_LISTENER,
	OPT_NETNS,
	OPT_LADDER,
	OPT_MAX_FLOWS,
};
enum { COUNT_MAX = 1000000000, SECONDS_MAX = 10000000, FD_MAX = 1000000, PID_MAX = 1 << 22 };

/* "80" or "8000-8010". */
static int parse_range(const char *text, struct port_range *r)
{
	const char *dash = strchr(text, '-');
	char low[8];
	int rc;

	if (!dash) {
		rc = port_parse(text, &r->lo);
		r->hi = r->lo;
		return rc;
	}
	if ((size_t)(dash - text) >= sizeof(low))
		return -EINVAL;
	memcpy(low, text, (size_t)(dash - text));
	low[dash - text] = '\0';
	rc = port_parse(low, &r->lo);
	if (rc == 0)
		rc = port_parse(dash + 1, &r->hi);
	return rc == 0 && r->hi < r->lo ? -ERANGE : rc;
}

int witness_options_add_port(struct witness_options *o, const struct port_range *r)
{
	if (o->n_ports == FILTER_RANGES_MAX)
		return cli_usage_error("witness", "at most %d ports or ranges; use LOW-HIGH",
				       FILTER_RANGES_MAX);
	o->ports[o->n_ports++] = *r;
	return 0;
}

static int add_ports(struct witness_options *o, const char *text)
{
	struct port_range r;

	if (parse_range(text, &r) < 0)
		return cli_usage_error(
			"witness",
			"'%.64s' is not a port; give 1 to 65535, or a range such as 8000-8010",
			text);
	return witness_options_add_port(o, &r);
}

static int parse_count(const char *opt, const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno || *out < 1 || *out > max)
		return cli_usage_error("witness",
				       "'%.64s' is no value for %s; give a number from 1 to %lu",
				       text, opt, max);
	return 0;
}

static int parse_seconds(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (*text < '0' || *text > '9' || *end != '\0' || !(*out > 0) || *out > SECONDS_MAX)
		return cli_usage_error(
			"witness",
			"'%.64s' is no value for --time; give seconds, more than 0 and at most %d",
			text, SECONDS_MAX);
	return 0;
}

static int parse_ready_fd(const char *text, int *out)
{
	unsigned long fd;
	int rc = parse_count("--ready-fd", text, FD_MAX, &fd);

	if (rc)
		return rc;
	if (fcntl((int)fd, F_GETFD) < 0)
		return cli_usage_error("witness", "--ready-fd %lu is not an open descriptor", fd);
	*out = (int)fd;
	return 0;
}

static int parse_pid(const char *text, int *out)
{
	unsigned long pid;
	int rc = parse_count("--pid", text, PID_MAX, &pid);

	*out = (int)pid;
	return rc;
}

static int parse_listener(const char *text, struct witness_options *o)
{
	struct port_range r;
	int rc;

	o->listener = text;
	o->listener_any = strncmp(text, "*:", 2) == 0;
	rc = o->listener_any ? port_parse(text + 2, &o->listener_at.port)
			     : endpoint_parse(text, &o->listener_at, NULL);
	if (rc < 0)
		return cli_usage_error("witness",
				       "'%.64s' is no listener; write it as ss does: '[::]:80', "
				       "'198.51.100.2:80' or '*:80'",
				       text);
	r = (struct port_range){o->listener_at.port, o->listener_at.port};
	return witness_options_add_port(o, &r);
}

static int apply_long(struct witness_options *o, int c)
{
	switch (c) {
	case OPT_PID:
		return parse_pid(optarg, &o->pid);
	case OPT_LISTENER:
		return o->listener ? cli_usage_error("witness", "one --listener at a time; for "
								"more, give their ports with -p")
				   : parse_listener(optarg, o);
	case OPT_NETNS:
		o->netns = optarg;
		return 0;
	case OPT_LADDER:
		o->ladder = true;
		return 0;
	case OPT_MAX_FLOWS:
		return parse_count("--max-flows", optarg, TRACKER_FLOWS_MAX, &o->max_flows);
	default:
		return parse_ready_fd(optarg, &o->ready_fd);
	}
}

static int apply(void *options, int c)
{
	struct witness_options *o = options;

	switch (c) {
	case 'i':
		o->interface = optarg;
		break;
	case 'r':
		o->file = optarg;
		break;
	case 'w':
		o->trace = optarg;
		break;
	case 'f':
		o->expr = optarg;
		break;
	case 'p':
		return add_ports(o, optarg);
	case 'J':
		o->json = true;
		break;
	case 'q':
		o->quiet = true;
		break;
	case 'v':
		o->verbose = true;
		break;
	case 'n':
		break;
	case 'e':
		o->evidence = optarg;
		break;
	case 'c':
		return parse_count("--count", optarg, COUNT_MAX, &o->count);
	case 't':
		return parse_seconds(optarg, &o->seconds);
	default:
		return apply_long(o, c);
	}
	return 0;
}

/* A file has no processes, no namespace and no end to wait for. */
static int check_file_options(const struct witness_options *o)
{
	const char *wrong = o->interface  ? "-i"
			    : o->pid	  ? "--pid"
			    : o->listener ? "--listener"
			    : o->netns	  ? "--netns"
			    : o->count	  ? "-c"
			    : o->seconds  ? "-t"
			    : o->ready_fd ? "--ready-fd"
			    : o->evidence ? "-e"
					  : NULL;

	if (wrong)
		return cli_usage_error("witness", "-r reads a file: leave out %s", wrong);
	return 0;
}

static int check(const struct witness_options *o)
{
	const char *trace = o->trace ? o->trace : "", *evidence = o->evidence ? o->evidence : "";

	if (o->json && o->ladder)
		return cli_usage_error("witness", "--ladder is for people, -J for programs; "
						  "leave one of them out");
	if (strcmp(trace, "-") == 0 && !o->quiet)
		return cli_usage_error("witness", "-w - writes to standard output: say -q, "
						  "too, or verdicts and frames get mixed");
	if (o->trace && strcmp(trace, evidence) == 0)
		return cli_usage_error("witness", "-w and -e name the same file");
	if (o->file)
		return o->trace && strcmp(o->file, trace) == 0 && strcmp(trace, "-") != 0
			       ? cli_usage_error("witness", "-r and -w name the same file")
			       : check_file_options(o);
	if (!o->interface)
		return cli_usage_error("witness", "%s",
				       o->n_ports || o->pid || o->expr
					       ? "which interface? give -i INTERFACE"
					       : "what to watch? give -i INTERFACE -p PORT, or "
						 "-r FILE");
	if (!o->n_ports && !o->pid && !o->expr)
		return cli_usage_error("witness", "which port? give -p PORT");
	return 0;
}

int witness_options_read(int argc, char **argv, struct witness_options *o)
{
	static const struct option longs[] = {
		{"interface", required_argument, NULL, 'i'},
		{"read", required_argument, NULL, 'r'},
		{"write", required_argument, NULL, 'w'},
		{"filter", required_argument, NULL, 'f'},
		{"port", required_argument, NULL, 'p'},
		{"pid", required_argument, NULL, OPT_PID},
		{"listener", required_argument, NULL, OPT_LISTENER},
		{"netns", required_argument, NULL, OPT_NETNS},
		{"ladder", no_argument, NULL, OPT_LADDER},
		{"max-flows", required_argument, NULL, OPT_MAX_FLOWS},
		{"json", no_argument, NULL, 'J'},
		{"count", required_argument, NULL, 'c'},
		{"time", required_argument, NULL, 't'},
		{"evidence", required_argument, NULL, 'e'},
		{"quiet", no_argument, NULL, 'q'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{"ready-fd", required_argument, NULL, OPT_READY_FD},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"witness", HELP, ":i:r:w:f:p:Jc:t:e:nqvh", longs,
						apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	if (rc)
		return rc;
	if (optind < argc)
		return cli_usage_error("witness",
				       "what is '%.64s'? every argument belongs to an option",
				       argv[optind]);
	return check(o);
}
