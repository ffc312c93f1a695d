/* SPDX-License-Identifier: MIT */
/* witness.c - `dualwire witness`: watch an interface and judge a server's connections as they
 * happen */
#include "../rawstack/clock.h"
#include "cli.h"
#include "evidence_file.h"
#include "report.h"
#include "watch.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static const char HELP[] =
	"usage: dualwire witness -i INTERFACE -p PORT [-J] [-e FILE]\n\n"
	"Watches the frames of a server's port, asks the kernel about its sockets, and says of "
	"each connection\n"
	"as it ends how it really travelled. The server may be any program; what it was told by "
	"accept() is not\n"
	"known here, so the views are two: kernel and wire. Ctrl-C ends the watch without losing a "
	"frame.\n\n"
	"  -i, --interface IF   where the clients come in (lo for local ones)\n"
	"  -p, --port PORT      the server's port, or LOW-HIGH; may be given more than once\n"
	"  -J, --json           one JSON object per connection and line\n"
	"  -c, --count N        end after N connections\n"
	"  -t, --time SECONDS   end after that long\n"
	"  -e, --evidence FILE  keep everything for 'dualwire judge FILE'\n"
	"      --ready-fd N     write one byte to descriptor N when the first frame can be seen\n"
	"  -n                   accepted out of habit: names are never looked up\n"
	"  -q, --quiet          verdicts only, nothing about starting and ending\n"
	"  -v, --verbose        also a line when a connection begins (the habit on a terminal)\n"
	"  -h, --help           this\n\n"
	"Exit codes: 0 every connection confirmed; 1 some contradicted; 2 some inconclusive, or "
	"none seen;\n"
	"3 could not start; 64 usage. Needs root or CAP_NET_RAW; both are given up once the watch "
	"has begun.\n\n"
	"Examples:\n"
	"  dualwire witness -i lo -p 8080\n"
	"  dualwire witness -i eth0 -p 80 -p 443 -t 60 -J\n"
	"  dualwire serve -p 7000 & dualwire witness -i lo -p 7000 -c 1 & dualwire connect -4 "
	"localhost 7000\n";

enum { OPT_READY_FD = 256, POLL_MS = 50 };
enum { COUNT_MAX = 1000000000, SECONDS_MAX = 10000000, FD_MAX = 1000000 };

struct options {
	const char *interface, *evidence;
	struct port_range ports[FILTER_RANGES_MAX];
	size_t n_ports;
	bool json, quiet, verbose;
	unsigned long count;
	double seconds;
	int ready_fd;
};

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

static int add_ports(struct options *o, const char *text)
{
	int rc;

	if (o->n_ports == FILTER_RANGES_MAX)
		return cli_usage_error("witness", "at most %d ports or ranges; use LOW-HIGH",
				       FILTER_RANGES_MAX);
	rc = parse_range(text, &o->ports[o->n_ports]);
	if (rc < 0)
		return cli_usage_error(
			"witness",
			"'%.64s' is not a port; give 1 to 65535, or a range such as 8000-8010",
			text);
	o->n_ports++;
	return 0;
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

static int apply(void *options, int c)
{
	struct options *o = options;
	switch (c) {
	case 'i':
		o->interface = optarg;
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
		return parse_ready_fd(optarg, &o->ready_fd);
	}
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"interface", required_argument, NULL, 'i'},
		{"port", required_argument, NULL, 'p'},
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
	static const struct cli_options spec = {"witness", HELP, ":i:p:Jc:t:e:nqvh", longs, apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	if (rc)
		return rc;
	if (optind < argc)
		return cli_usage_error("witness",
				       "what is '%.64s'? every argument belongs to an option",
				       argv[optind]);
	if (!o->interface || !o->n_ports)
		return cli_usage_error("witness", "%s",
				       o->interface ? "which port? give -p PORT"
						    : "which interface? give -i INTERFACE");
	return 0;
}

struct printer {
	const struct options *o;
	bool color, begin_lines;
	unsigned long judged;
};

static void flatten(char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			*text = ' ';
}

static void print_people(const struct printer *p, const struct judge_report *rep,
			 const struct judged *j, bool verdict)
{
	struct endpoint client = {.addr = j->c.key.client, .port = j->c.key.client_port};
	struct endpoint server = {.addr = j->c.key.server, .port = j->c.key.server_port};
	char from[ENDPOINT_STRLEN], to[ENDPOINT_STRLEN], kernel[REPORT_TEXT], wire[REPORT_TEXT];
	char words[REPORT_TEXT], clock[16];
	time_t seconds = (time_t)(j->c.flow->first_ns / 1000000000U);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	endpoint_print(&client, ADDR_FORM_INET, from);
	endpoint_print(&server, ADDR_FORM_INET, to);
	printf("%s %s %s > %s", clock, j->c.key.proto == IPPROTO_TCP ? "TCP" : "UDP", from, to);
	if (!verdict) {
		printf("  begins\n");
		return;
	}
	report_kernel_text(j, kernel);
	report_wire_text(rep, j, wire);
	report_verdict_text(j, words);
	flatten(kernel);
	flatten(wire);
	flatten(words);
	printf("  %s  kernel: %s  wire: %s  %s%s%s\n", j->result, kernel, wire,
	       report_color(j->j.verdict, p->color), words, report_color_off(p->color));
}

static void on_report(const struct judge_report *rep, const struct judged *j, bool verdict,
		      void *arg)
{
	struct printer *p = arg;

	if (verdict)
		p->judged++;
	else if (p->o->json || !p->begin_lines)
		return;
	if (p->o->json) {
		cli_print_json_line(report_connection_json(rep, j));
	} else {
		print_people(p, rep, j, verdict);
		fflush(stdout);
	}
}

/*
 * Everything is open: from here on the network needs no right. Root without any could not put the
 * finished evidence beside other people's files, so that one is kept where it will be wanted.
 */
static void give_up_privileges(bool keep_files)
{
	bool file_right = keep_files && capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_OVERRIDE);

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	if (file_right)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_OVERRIDE);
	capng_apply(CAPNG_SELECT_BOTH);
}

static int open_failed(const struct options *o, int rc, const char *what)
{
	if (rc == -EPERM || rc == -EACCES)
		return cli_fail(
			"witness",
			"cannot watch %s: no permission to %s; run it as root or with CAP_NET_RAW",
			o->interface, what);
	if (rc == -ETIMEDOUT || rc == -ENETDOWN)
		return cli_fail(
			"witness",
			"cannot watch %s: it carries no frame; is it up? (ip link set %s up)",
			o->interface, o->interface);
	return cli_fail("witness", "cannot watch %s: failed to %s: %s", o->interface, what,
			strerrordesc_np(-rc));
}

static int no_such_interface(const char *name)
{
	struct if_nameindex *list = if_nameindex();
	char known[256] = "";
	size_t n = 0;

	for (size_t i = 0; list && list[i].if_name && n < sizeof(known); i++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, " %s", list[i].if_name);
	if_freenameindex(list);
	return cli_fail("witness", "there is no interface '%.32s'; there are:%s", name, known);
}

/* Until a signal, the count or the time. */
static int watch_on(const struct options *o, struct watch *w, const struct printer *p, int sigfd)
{
	uint64_t end_ns = o->seconds > 0 ? clock_ns(CLOCK_MONOTONIC) + (uint64_t)(o->seconds * 1e9)
					 : UINT64_MAX;
	struct pollfd fds[WITNESS_FDS_MAX + 1];

	while (clock_ns(CLOCK_MONOTONIC) < end_ns && (!o->count || p->judged < o->count)) {
		size_t n = watch_fds(w, fds);
		int rc;

		fds[n] = (struct pollfd){.fd = sigfd, .events = POLLIN};
		if (poll(fds, n + 1, POLL_MS) < 0 && errno != EINTR)
			return -errno;
		rc = watch_step(w);
		if (rc < 0)
			return rc;
		if (fds[n].revents)
			break;
	}
	return 0;
}

static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void say_ready(const struct options *o)
{
	if (o->ready_fd > 0 && write(o->ready_fd, "\n", 1) == 1)
		close(o->ready_fd);
	if (!o->quiet)
		fprintf(stderr, "watching %s; Ctrl-C ends it\n", o->interface);
}

static int finish(const struct options *o, struct watch *w, int rc)
{
	struct watch_totals t;

	watch_totals(w, &t);
	if (!o->quiet)
		fprintf(stderr,
			"%" JSON_INTEGER_FORMAT " frames, %" JSON_INTEGER_FORMAT
			" dropped; connections: %u confirmed, %u contradicted, %u inconclusive\n",
			(json_int_t)t.frames, (json_int_t)t.drops,
			(unsigned)t.verdicts[VERDICT_CONFIRMED],
			(unsigned)t.verdicts[VERDICT_CONTRADICTED],
			(unsigned)t.verdicts[VERDICT_INCONCLUSIVE]);
	if (rc < 0)
		return cli_fail("witness", "the watch broke off: %s", strerrordesc_np(-rc));
	if (t.verdicts[VERDICT_CONTRADICTED])
		return EXIT_CONTRADICTED;
	if (t.verdicts[VERDICT_INCONCLUSIVE] || !t.verdicts[VERDICT_CONFIRMED])
		return EXIT_INCONCLUSIVE;
	return EXIT_CONFIRMED;
}

static int run(const struct options *o, unsigned int ifindex, struct evidence_file **file)
{
	struct printer p = {.o = o,
			    .color = cli_color(stdout),
			    .begin_lines = o->verbose || (isatty(STDOUT_FILENO) && !o->quiet)};
	struct watch_config cfg = {.ifindex = ifindex,
				   .n_ports = o->n_ports,
				   .live = isatty(STDOUT_FILENO) != 0,
				   .evidence = *file != NULL,
				   .report = on_report,
				   .arg = &p};
	const char *what;
	struct watch *w;
	int rc, exit_code, sigfd;

	memcpy(cfg.ports, o->ports, sizeof(cfg.ports));
	sigfd = block_signals();
	rc = watch_open(&cfg, &w, &what);
	if (rc < 0)
		return open_failed(o, rc, what);
	give_up_privileges(*file != NULL);
	say_ready(o);
	rc = watch_on(o, w, &p, sigfd);
	watch_stop(w);
	exit_code = finish(o, w, rc);
	if (*file) {
		int saved = evidence_file_save("witness", *file, watch_evidence(w));

		*file = NULL;
		exit_code = saved ? saved : exit_code;
	}
	watch_close(w);
	close(sigfd);
	return exit_code;
}

int cmd_witness(int argc, char **argv)
{
	struct options o = {0};
	struct evidence_file *file = NULL;
	unsigned int ifindex;
	int rc = parse_options(argc, argv, &o);

	if (rc)
		return rc == CLI_DONE ? 0 : rc;
	ifindex = if_nametoindex(o.interface);
	if (!ifindex)
		return no_such_interface(o.interface);
	if (o.evidence) {
		rc = evidence_file_open("witness", o.evidence, &file);
		if (rc)
			return rc;
	}
	rc = run(&o, ifindex, &file);
	evidence_file_abandon(file);
	return rc;
}
