/* SPDX-License-Identifier: MIT */
/* connect.c - "dualwire connect": the clients, each address on a socket of its own */
#include "../uring/client.h"
#include "../uring/resolve.h"
#include "cli.h"
#include "report.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPT_MAPPED = 256, OPT_ALL, OPT_V6ONLY };

enum { TEXT_MAX = 65000, TIMEOUT_DEFAULT_MS = 3000, TIMEOUT_MAX_MS = 600000 };

static const char help_text[] =
	"usage: dualwire connect [OPTION]... HOST PORT\n"
	"Tries the addresses of HOST in the resolver's order, each on a fresh socket, until one\n"
	"answers; sends a line, shows what comes back, and what the socket says about itself.\n"
	"\n"
	"  -4                AF_INET sockets: IPv4 addresses\n"
	"  -6                AF_INET6 sockets: IPv6 addresses\n"
	"      --mapped      AF_INET6 sockets; a host without IPv6 address is reached as\n"
	"                    ::ffff:a.b.c.d, over IPv4 (AI_V4MAPPED)\n"
	"      --all         with --mapped: IPv4 addresses also beside IPv6 ones (AI_ALL)\n"
	"      --v6only      IPV6_V6ONLY=1 on AF_INET6 sockets: mapped addresses are refused;\n"
	"                    otherwise it is set to 0\n"
	"  -u, --udp         a datagram instead of a connection\n"
	"  -n, --numeric     HOST is an address: look nothing up\n"
	"  -m, --message M   what to send instead of \"hello from dualwire\"; \"\" sends nothing\n"
	"  -w, --wait MS     for the connection, and again for the answer; default 3000\n"
	"  -J, --json        one JSON object per address tried, a line each\n"
	"  -h, --help\n"
	"\n"
	"HOST may carry a scope: fe80::1%eth0.\n"
	"Exit status: 0 connected (UDP: answered), 1 no address could be reached, 3 HOST was not\n"
	"found, 64 usage.\n"
	"\n"
	"Examples:\n"
	"  dualwire connect localhost 7000              whatever the resolver prefers\n"
	"  dualwire connect --mapped 127.0.0.1 7000     IPv4 on the wire from an IPv6 socket\n"
	"  dualwire connect --mapped --v6only 127.0.0.1 7000   refused by our own kernel\n"
	"  dualwire connect -u -6 ::1 7000 -m ping      one datagram over IPv6\n";

struct options {
	int family;
	const char *host, *port, *message;
	bool mapped, all, v6only, udp, numeric, json;
	unsigned int wait_ms;
};

/* What became of one candidate. */
struct attempt {
	const struct candidate *candidate;
	struct client_record rec;
	const char *step; /* that failed: "socket", "connect", "exchange"; NULL: none */
	int error;	  /* of that step, -errno */
	size_t reply_len;
};

static int wait_parse(const char *text, unsigned int *out)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < 1 ||
	    value > TIMEOUT_MAX_MS)
		return cli_usage_error("connect",
				       "-w '%.64s' is not a number of milliseconds from 1 to %d",
				       text, TIMEOUT_MAX_MS);
	*out = (unsigned int)value;
	return 0;
}

static int option_apply(void *options, int c)
{
	struct options *o = options;

	switch (c) {
	case '4':
	case '6':
		if (o->family != AF_UNSPEC && o->family != (c == '4' ? AF_INET : AF_INET6))
			return cli_usage_error("connect", "-4 and -6 exclude each other: give "
							  "neither to try both families");
		o->family = c == '4' ? AF_INET : AF_INET6;
		return 0;
	case 'u':
		o->udp = true;
		return 0;
	case 'n':
		o->numeric = true;
		return 0;
	case 'm':
		o->message = optarg;
		return 0;
	case 'J':
		o->json = true;
		return 0;
	case OPT_MAPPED:
		o->mapped = true;
		return 0;
	case OPT_ALL:
		o->all = true;
		return 0;
	case OPT_V6ONLY:
		o->v6only = true;
		return 0;
	default:
		return wait_parse(optarg, &o->wait_ms);
	}
}

static int options_check(struct options *o, int argc, char **argv)
{
	uint16_t port;

	if (argc - optind != 2)
		return cli_usage_error("connect", "give a host and a port, as in: dualwire connect "
						  "localhost 7000");
	o->host = argv[optind];
	o->port = argv[optind + 1];
	if (port_parse(o->port, &port) != 0)
		return cli_usage_error("connect", "port '%.64s' is not a number from 1 to 65535",
				       o->port);
	if (o->family == AF_INET && (o->mapped || o->v6only))
		return cli_usage_error("connect", "--mapped and --v6only are options of IPv6 "
						  "sockets: drop -4");
	if (o->all && !o->mapped)
		return cli_usage_error("connect", "--all needs --mapped beside it");
	if (strlen(o->message) > TEXT_MAX)
		return cli_usage_error("connect", "the message is longer than %d bytes", TEXT_MAX);
	if (o->mapped)
		o->family = AF_INET6;
	return 0;
}

/* Returns 0 to go on, CLI_DONE, or EXIT_USAGE. */
static int options_read(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"mapped", no_argument, NULL, OPT_MAPPED},
		{"all", no_argument, NULL, OPT_ALL},
		{"v6only", no_argument, NULL, OPT_V6ONLY},
		{"udp", no_argument, NULL, 'u'},
		{"numeric", no_argument, NULL, 'n'},
		{"message", required_argument, NULL, 'm'},
		{"wait", required_argument, NULL, 'w'},
		{"json", no_argument, NULL, 'J'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"connect", help_text, ":46unm:w:Jh", longs,
						option_apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	return rc != 0 ? rc : options_check(o, argc, argv);
}

/* Sends the message and reads the answer; a stream is then ended in order. Closes @fd. */
static void talk(int fd, const struct options *o, char *reply, struct attempt *a)
{
	size_t len = strlen(o->message);
	int rc = 0;

	if (len > 0)
		rc = client_exchange(fd, o->message, len, reply, o->wait_ms, &a->rec);
	a->reply_len = rc > 0 ? (size_t)rc : 0;
	if (rc < 0) {
		a->step = "exchange";
		a->error = rc;
	}
	if (rc < 0 || o->udp)
		close(fd);
	else
		client_finish(fd, o->wait_ms);
}

/* True when the address was reached. */
static bool attempt_make(const struct options *o, const struct candidate *c, char *reply,
			 struct attempt *a)
{
	struct client_config cfg = {.netns_fd = -1,
				    .proto = o->udp ? IPPROTO_UDP : IPPROTO_TCP,
				    .family = c->family,
				    .v6only = c->family == AF_INET6 ? o->v6only : -1};
	int fd = client_open(&cfg);

	*a = (struct attempt){.candidate = c};
	if (fd < 0) {
		a->step = "socket";
		a->error = fd;
		return false;
	}
	a->error = client_connect(fd, &c->ep, o->wait_ms, &a->rec);
	if (a->error < 0) {
		a->step = "connect";
		close(fd);
		return false;
	}
	talk(fd, o, reply, a);
	/* Connecting a datagram socket proves nothing: somebody must answer. */
	return !o->udp || a->error == 0;
}

/* What a server sent is not fit for a terminal as it is. */
static void text_print(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		putchar(text[i] < ' ' || text[i] == 0x7f ? '?' : text[i]);
}

/* One line: what was tried, what became of it, what the socket says about itself. */
static void attempt_print(const struct options *o, const struct attempt *a, const char *reply)
{
	const struct candidate *c = a->candidate;
	const struct client_record *rec = &a->rec;
	enum addr_form form = evidence_form(c->family);
	char peer[ENDPOINT_STRLEN], local[ENDPOINT_STRLEN] = "";

	if (rec->local.port != 0)
		endpoint_print(&rec->local, form, local);
	printf("%s %s %s -> %s %s%s", rec->connected ? o->udp ? "set" : "connected" : "failed",
	       o->udp ? "udp" : "tcp", local[0] ? local : "-", endpoint_print(&c->ep, form, peer),
	       report_family_name(c->family),
	       c->family == AF_INET			  ? ""
	       : report_is_mapped(c->family, &c->ep.addr) ? " mapped"
							  : " native");
	if (c->family == AF_INET6)
		printf(" V6ONLY=%d", o->v6only);
	if (rec->connected)
		printf(" cookie %llu out %llu in %llu", (unsigned long long)rec->cookie,
		       (unsigned long long)rec->bytes_out, (unsigned long long)rec->bytes_in);
	if (a->error < 0)
		printf(": %s: %s", a->step, strerror(-a->error));
	if (a->reply_len > 0) {
		printf(": ");
		text_print(reply, a->reply_len);
	}
	putchar('\n');
}

static json_t *attempt_json(const struct options *o, const struct attempt *a)
{
	int family = a->candidate->family;
	const struct client_record *rec = &a->rec;
	json_t *json =
		json_pack("{s:s, s:s, s:s, s:b, s:o, s:I, s:I, s:I, s:s?, s:s?}", "event",
			  rec->connected ? "connected" : "failed", "proto", o->udp ? "udp" : "tcp",
			  "family", report_family_name(family), "mapped",
			  report_is_mapped(family, &a->candidate->ep.addr), "v6only",
			  family == AF_INET6 ? json_boolean(o->v6only) : json_null(), "cookie",
			  (json_int_t)rec->cookie, "bytes_in", (json_int_t)rec->bytes_in,
			  "bytes_out", (json_int_t)rec->bytes_out, "error",
			  a->error ? strerrorname_np(-a->error) : NULL, "step", a->step);

	if (json != NULL) {
		report_set_endpoint(json, "peer", &a->candidate->ep, family);
		if (rec->local.port != 0)
			report_set_endpoint(json, "local", &rec->local, family);
		else
			json_object_set_new(json, "local", json_null());
	}
	return json;
}

static int candidates_try(const struct options *o, const struct resolve_result *r, char *reply)
{
	bool reached = false;
	int rc = 0;

	for (size_t i = 0; i < r->n && !reached && rc == 0; i++) {
		struct attempt a;

		reached = attempt_make(o, &r->list[i], reply, &a);
		if (o->json)
			rc = cli_print_json_line(attempt_json(o, &a));
		else
			attempt_print(o, &a, reply);
	}
	if (rc != 0)
		return rc;
	return reached ? EXIT_CONFIRMED : EXIT_CONTRADICTED;
}

static int resolve_fail(const struct options *o, int rc)
{
	return cli_fail("connect", "cannot find an address of '%.128s' for %s: %s; %s", o->host,
			o->family == AF_INET	? "AF_INET"
			: o->family == AF_INET6 ? "AF_INET6"
						: "any family",
			rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc),
			o->family == AF_INET6 && !o->mapped
				? "an IPv4-only host needs --mapped, or no -6"
				: "check the name, and -4 or -6");
}

int cmd_connect(int argc, char **argv)
{
	struct options o = {.message = "hello from dualwire", .wait_ms = TIMEOUT_DEFAULT_MS};
	struct resolve_result r;
	struct resolve_query q;
	char *reply;
	int rc = options_read(argc, argv, &o);

	if (rc != 0)
		return rc == CLI_DONE ? 0 : rc;
	q = (struct resolve_query){.host = o.host,
				   .port = o.port,
				   .family = o.family,
				   .mapped = o.mapped,
				   .all = o.all,
				   .numeric = o.numeric,
				   .socktype = o.udp ? SOCK_DGRAM : SOCK_STREAM};
	rc = resolve(&q, &r);
	if (rc != 0)
		return resolve_fail(&o, rc);
	reply = calloc(1, TEXT_MAX);
	if (reply == NULL)
		return cli_fail("connect", "out of memory; free some and try again");
	rc = candidates_try(&o, &r, reply);
	free(reply);
	return rc;
}
