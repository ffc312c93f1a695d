/* SPDX-License-Identifier: MIT */
/* sockets.c - `dualwire sockets`: which families the listeners really serve, and which connections
 * are mapped */
#include "cli.h"
#include "netns_arg.h"
#include "sockets_view.h"

#include <errno.h>
#include <string.h>

static const char HELP[] =
	"usage: dualwire sockets [-t] [-u] [-p PORT] [-a] [--netns PATH|PID] [-J]\n\n"
	"Lists what listens here, which of IPv4 and IPv6 it really serves, and why; then the "
	"connections that\n"
	"are IPv4 on an AF_INET6 socket. netstat calls all of these tcp6, for the family of the "
	"socket.\n\n"
	"Whether a socket on [::]:80 gets IPv4 depends on V6ONLY and on the others on port 80: "
	"each "
	"answer is\n"
	"worked out by the kernel's rules and checked by the kernel's own look-up.\n\n"
	"  -t, --tcp            TCP only\n"
	"  -u, --udp            UDP only\n"
	"  -p, --port PORT      only this local port; may be given more than once\n"
	"  -a, --all            all connections, not only mapped ones\n"
	"      --netns NS       another network namespace: a file such as /run/netns/NAME, or a "
	"process id\n"
	"  -J, --json           one JSON document, with all connections\n"
	"  -n                   accepted out of habit: names are never looked up\n"
	"  -h, --help           this\n\n"
	"  IPv4, IPv6: yes; mostly (some addresses go elsewhere); shared (SO_REUSEPORT); TAKEN by "
	"another\n"
	"  socket; - not a family of this one; ? the kernel was asked and contradicts the "
	"rules.\n\n"
	"Exit codes: 0 something is listed; 2 nothing is; 3 the kernel could not be asked; 64 "
	"usage.\n"
	"No rights are needed, but root sees which process holds every socket.\n\n"
	"Examples:\n"
	"  dualwire sockets\n"
	"  dualwire sockets -t -p 80 -p 443\n"
	"  dualwire sockets --netns /run/netns/blue -a\n"
	"  dualwire sockets -J | jq '.listeners[] | select(.ipv4.reason == \"rival\") | .why'\n";

enum { OPT_NETNS = 256 };

struct options {
	struct sockets_filter filter;
	const char *netns;
	bool json, all;
};

static int add_port(struct sockets_filter *f)
{
	uint16_t port;

	if (port_parse(optarg, &port) < 0)
		return cli_usage_error("sockets",
				       "'%.64s' is no port; give a number from 1 to 65535", optarg);
	if (f->n_ports == SOCKETS_PORTS_MAX)
		return cli_usage_error("sockets", "more than %d ports; leave some out",
				       SOCKETS_PORTS_MAX);
	f->ports[f->n_ports++] = port;
	return 0;
}

static int apply(void *options, int c)
{
	struct options *o = options;

	switch (c) {
	case 't':
		o->filter.tcp = true;
		break;
	case 'u':
		o->filter.udp = true;
		break;
	case 'p':
		return add_port(&o->filter);
	case 'a':
		o->all = true;
		break;
	case 'J':
		o->json = true;
		break;
	case OPT_NETNS:
		o->netns = optarg;
		break;
	}
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"tcp", no_argument, NULL, 't'},
		{"udp", no_argument, NULL, 'u'},
		{"port", required_argument, NULL, 'p'},
		{"all", no_argument, NULL, 'a'},
		{"netns", required_argument, NULL, OPT_NETNS},
		{"json", no_argument, NULL, 'J'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"sockets", HELP, ":tup:aJnh", longs, apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	if (rc)
		return rc;
	if (optind < argc)
		return cli_usage_error("sockets", "'%.64s' is no option; for a port write -p %.64s",
				       argv[optind], argv[optind]);
	if (!o->filter.tcp && !o->filter.udp)
		o->filter.tcp = o->filter.udp = true;
	return 0;
}

static int show(const struct options *o, const struct sockets_view *v)
{
	if (o->json)
		return cli_print_json(sockets_json(v));
	if (v->n_listeners + v->n_connections == 0) {
		printf("Nothing listens here and nothing is connected%s.\n",
		       o->filter.n_ports ? " on that port" : "");
		return 0;
	}
	if (sockets_print(v, o->all) < 0)
		return cli_fail("sockets", "cannot print the table: out of memory");
	return 0;
}

int cmd_sockets(int argc, char **argv)
{
	struct options o = {0};
	struct sockets_view v;
	int rc = parse_options(argc, argv, &o);

	if (rc)
		return rc == CLI_DONE ? 0 : rc;
	if (o.netns)
		rc = netns_arg_join("sockets", o.netns);
	if (rc)
		return rc;
	rc = sockets_view_read(&o.filter, &v);
	if (rc < 0)
		return cli_fail("sockets", "cannot ask the kernel for its sockets: %s%s",
				strerrordesc_np(-rc),
				rc == -ENOENT ? "; load its modules: modprobe tcp_diag udp_diag"
					      : "");
	rc = show(&o, &v);
	if (rc == 0 && v.n_listeners + v.n_connections == 0)
		rc = EXIT_INCONCLUSIVE;
	sockets_view_free(&v);
	return rc;
}
