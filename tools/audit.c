/* SPDX-License-Identifier: MIT */
/* audit.c - `dualwire audit`: find the dual-stack bugs of a server that is not ours */
#include "audit/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/attach.h"
#include "audit/files.h"
#include "audit/show.h"
#include "cli.h"

enum {
	OPT_ONLY = 256,
	OPT_SKIP,
	OPT_LIST,
	OPT_ALLOW,
	OPT_FORBID,
	OPT_SAY,
	OPT_SEND,
	OPT_EXPECT,
	OPT_HTTP,
	OPT_LOG,
	OPT_CLIENT,
	OPT_ATTACH,
	OPT_WAIT,
	OPT_SETTLE,
	OPT_ANSWER,
	OPT_GRACE,
	OPT_TAP,
	OPT_REPORT,
	OPT_DIR,
};

enum { WAIT_MS = 5000, SETTLE_MS = 60, ANSWER_MS = 400, GRACE_MS = 1000, MS_MAX = 600000 };

struct options {
	struct audit_config cfg;
	bool json, tap, verbose, list;
	const char *page, *dir;
};

static const char HELP[] =
	"usage: dualwire audit [OPTION...] -- COMMAND [ARGUMENT...]\n"
	"       dualwire audit [OPTION...] --attach PID\n"
	"       dualwire audit --list\n\n"
	"Finds the dual-stack bugs of a server before somebody else does. COMMAND starts the "
	"server "
	"in a\n"
	"throw-away host (a network namespace, no root needed, nothing of this machine touched) "
	"with IPv4,\n"
	"IPv6 and link-local addresses; clients of every kind come to it from a second one. What "
	"it "
	"is and\n"
	"what it answers to is found out; then it is stopped, with all that it started.\n\n"
	"What the checks need to know:\n"
	"  -a, --allow ADDR[/LEN]   the server's own rules let this client in; may be repeated\n"
	"  -f, --forbid ADDR[/LEN]  the server's own rules keep this client out; may be repeated\n"
	"      --http PATH      being served is an HTTP status below 400 for this path\n"
	"      --say TEXT       what TCP clients send; \\n \\r \\t \\0 \\\\ \\xHH, or hex:0a0b0c\n"
	"      --send TEXT      what UDP clients send, in the same way\n"
	"      --expect TEXT    being served is an answer that has this\n"
	"      --client CMD     being served is that this shell command succeeds, with $FROM, $TO "
	"and "
	"$PORT\n"
	"                       in its environment: a client for acl when the protocol is not "
	"ours\n"
	"      --log FILE       the file where the server writes about its clients\n"
	"  -p, --port PORT      check this port only; may be repeated\n\n"
	"Which checks, and how long:\n"
	"      --only CHECK     this check only; may be repeated or list several, with commas\n"
	"      --skip CHECK     not this check\n"
	"      --list           the checks\n"
	"      --wait MS        how long the server may take to listen (5000)\n"
	"      --settle MS      how long no further socket may come until all are there (60)\n"
	"      --answer MS      how long it may take to answer (400)\n"
	"      --grace MS       how long it may take to end on SIGTERM before it is killed (1000)\n"
	"      --attach PID     look at a server that runs already, without touching it\n\n"
	"Output:\n"
	"  -v, --verbose        the server's output, the three views of every connection, and for "
	"each "
	"finding\n"
	"                       a ladder of the frames that show it\n"
	"  -J, --json           one JSON document\n"
	"      --tap            Test Anything Protocol, a test for each check\n"
	"      --report FILE    an HTML page, with the ladders\n"
	"      --evidence-dir DIR   audit.json, evidence.json for 'dualwire judge', "
	"capture.pcapng, "
	"server.log\n"
	"  -h, --help           this\n\n"
	"Exit codes: 0 nothing found; 1 findings (bugs or risks; notes are none); 2 a check could "
	"not be\n"
	"carried out; 3 the server did not start or never listened; 64 usage.\n\n"
	"Examples:\n"
	"  dualwire audit -- python3 -m http.server 8000\n"
	"  dualwire audit --forbid 198.51.100.9 --http / -- nginx -g 'daemon off;' -c "
	"$PWD/nginx.conf\n"
	"  dualwire audit --only udp-source,forged-mapped --send 'hello\\n' -- ./my-udp-server\n"
	"  dualwire audit -J -- ./my-server | jq '.checks[].findings[].evidence'\n"
	"  dualwire audit --attach $(pidof -s my-server)\n";

static int find_check(const char *name, size_t len)
{
	for (int c = 0; c < CHECK_NUM; c++) {
		const char *known = audit_check_name((enum audit_check)c);

		if (strlen(known) == len && memcmp(known, name, len) == 0)
			return c;
	}
	return -1;
}

/* @wanted: --only, else --skip. The first --only takes all others away. */
static int choose(struct options *o, const char *names, bool wanted)
{
	if (wanted && !o->cfg.chosen) {
		memset(o->cfg.wanted, 0, sizeof(o->cfg.wanted));
		o->cfg.chosen = true;
	}
	for (;;) {
		size_t len = strcspn(names, ",");
		int c = find_check(names, len);

		if (c < 0)
			return cli_usage_error("audit",
					       "there is no check '%.*s'; 'dualwire audit --list' "
					       "shows them",
					       (int)(len < 64 ? len : 64), names);
		o->cfg.wanted[c] = wanted;
		if (!names[len])
			return 0;
		names += len + 1;
	}
}

static int add_rule(struct options *o, const char *text, bool forbid)
{
	const char *option = forbid ? "--forbid" : "--allow";
	int ret;

	if (o->cfg.n_rules == AUDIT_RULES_MAX)
		return cli_usage_error("audit", "more than %d rules; audit them in several runs",
				       AUDIT_RULES_MAX);
	ret = rule_parse(text, forbid, &o->cfg.rules[o->cfg.n_rules]);
	if (ret == -EDOM)
		return cli_usage_error("audit",
				       "%s '%.64s': there are bits set beyond the prefix length; "
				       "write the network's own address",
				       option, text);
	if (ret == -EADDRNOTAVAIL)
		return cli_usage_error("audit",
				       "%s '%.64s': no client on another host can have this "
				       "address (the server's are 198.51.100.2, .3 and "
				       "2001:db8:1::2, ::3)",
				       option, text);
	if (ret < 0)
		return cli_usage_error("audit",
				       "%s '%.64s' is no address or prefix; write 198.51.100.9, "
				       "198.51.100.0/24 or 2001:db8:1::/64",
				       option, text);
	o->cfg.n_rules++;
	return 0;
}

static int read_speech(const char *option, const char *text, bool http, struct speech *s)
{
	int ret = http ? speech_http(text, s) : speech_parse(text, s);

	if (ret == -E2BIG)
		return cli_usage_error("audit", "%s: more than %d bytes; give something shorter",
				       option, SPEECH_MAX);
	if (ret < 0)
		return cli_usage_error("audit",
				       "%s '%.64s': write bytes as \\n \\r \\t \\0 \\\\ \\xHH or "
				       "hex:0a0b0c",
				       option, text);
	return 0;
}

static int read_ms(const char *option, unsigned int *ms)
{
	char *end;
	long value = strtol(optarg, &end, 10);

	if (*optarg < '0' || *optarg > '9' || *end || value > MS_MAX)
		return cli_usage_error("audit", "%s '%.64s' is no number of milliseconds up to %d",
				       option, optarg, MS_MAX);
	*ms = (unsigned int)value;
	return 0;
}

static int add_port(struct options *o)
{
	if (o->cfg.n_ports == AUDIT_PORTS_MAX)
		return cli_usage_error("audit", "more than %d ports; audit them in several runs",
				       AUDIT_PORTS_MAX);
	if (port_parse(optarg, &o->cfg.ports[o->cfg.n_ports]) < 0)
		return cli_usage_error("audit", "'%.64s' is no port; write 1 to 65535", optarg);
	o->cfg.n_ports++;
	return 0;
}

static int read_pid(struct options *o)
{
	char *end;
	long value = strtol(optarg, &end, 10);

	if (*optarg < '0' || *optarg > '9' || *end || value < 1 || value > INT32_MAX)
		return cli_usage_error("audit", "--attach '%.64s' is no process id", optarg);
	o->cfg.attach = (pid_t)value;
	return 0;
}

static int apply_knowledge(struct options *o, int c)
{
	switch (c) {
	case 'a':
	case 'f':
		return add_rule(o, optarg, c == 'f');
	case 'p':
		return add_port(o);
	case OPT_HTTP:
		if (*optarg != '/')
			return cli_usage_error("audit", "--http '%.64s': a path begins with '/'",
					       optarg);
		return read_speech("--http", optarg, true, &o->cfg.tcp_say);
	case OPT_SAY:
		return read_speech("--say", optarg, false, &o->cfg.tcp_say);
	case OPT_SEND:
		return read_speech("--send", optarg, false, &o->cfg.udp_say);
	case OPT_EXPECT:
		o->cfg.expect = optarg;
		return *optarg ? 0
			       : cli_usage_error("audit", "--expect '' is in every answer; give "
							  "the text that makes the difference");
	case OPT_CLIENT:
		o->cfg.client = optarg;
		return 0;
	default:
		o->cfg.log = optarg;
		return 0;
	}
}

static int apply(void *options, int c)
{
	struct options *o = options;

	switch (c) {
	case OPT_ONLY:
		return choose(o, optarg, true);
	case OPT_SKIP:
		return choose(o, optarg, false);
	case OPT_WAIT:
		return read_ms("--wait", &o->cfg.wait_ms);
	case OPT_SETTLE:
		return read_ms("--settle", &o->cfg.settle_ms);
	case OPT_ANSWER:
		return read_ms("--answer", &o->cfg.answer_ms);
	case OPT_GRACE:
		return read_ms("--grace", &o->cfg.grace_ms);
	case OPT_ATTACH:
		return read_pid(o);
	case OPT_TAP:
		o->tap = true;
		return 0;
	case OPT_LIST:
		o->list = true;
		return 0;
	case 'J':
		o->json = true;
		return 0;
	case OPT_REPORT:
		o->page = optarg;
		return 0;
	case OPT_DIR:
		o->dir = optarg;
		return 0;
	case 'v':
		o->verbose = o->cfg.keep_evidence = true;
		return 0;
	default:
		return apply_knowledge(o, c);
	}
}

static const struct option LONGS[] = {
	{"allow", required_argument, NULL, 'a'},
	{"forbid", required_argument, NULL, 'f'},
	{"http", required_argument, NULL, OPT_HTTP},
	{"say", required_argument, NULL, OPT_SAY},
	{"send", required_argument, NULL, OPT_SEND},
	{"expect", required_argument, NULL, OPT_EXPECT},
	{"client", required_argument, NULL, OPT_CLIENT},
	{"log", required_argument, NULL, OPT_LOG},
	{"port", required_argument, NULL, 'p'},
	{"only", required_argument, NULL, OPT_ONLY},
	{"skip", required_argument, NULL, OPT_SKIP},
	{"list", no_argument, NULL, OPT_LIST},
	{"wait", required_argument, NULL, OPT_WAIT},
	{"settle", required_argument, NULL, OPT_SETTLE},
	{"answer", required_argument, NULL, OPT_ANSWER},
	{"grace", required_argument, NULL, OPT_GRACE},
	{"attach", required_argument, NULL, OPT_ATTACH},
	{"verbose", no_argument, NULL, 'v'},
	{"json", no_argument, NULL, 'J'},
	{"tap", no_argument, NULL, OPT_TAP},
	{"report", required_argument, NULL, OPT_REPORT},
	{"evidence-dir", required_argument, NULL, OPT_DIR},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int check_options(const struct options *o)
{
	if (o->list)
		return 0;
	if (!*o->cfg.argv && !o->cfg.attach)
		return cli_usage_error("audit", "no server: give its command after '--'");
	if (*o->cfg.argv && o->cfg.attach)
		return cli_usage_error("audit", "both a command and --attach; give one of them");
	if (o->json && o->tap)
		return cli_usage_error("audit", "--json and --tap both go to standard output; "
						"give one of them");
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	/* '+': what follows the command's name is the command's. */
	static const struct cli_options spec = {"audit", HELP, "+:a:f:p:vJh", LONGS, apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	o->cfg.argv = argv + optind;
	return rc ? rc : check_options(o);
}

static int list_checks(void)
{
	for (int c = 0; c < CHECK_NUM; c++)
		printf("%-14s %s\n", audit_check_name((enum audit_check)c),
		       audit_check_about((enum audit_check)c));
	return 0;
}

/* On a terminal an audit says what it is doing, on a line that the next one overwrites. */
static void progress(const char *what)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (what)
		fprintf(stderr, "\r\033[Kdualwire audit: %s ...", what);
	else
		fprintf(stderr, "\r\033[K");
}

/* What the server printed, for a person who must find out what is wrong; at most its end. */
static void show_output(struct audit *a)
{
	enum { SHOWN_MAX = 4096 };
	size_t len;
	const char *text = audit_output(a, &len);

	if (len == 0)
		return;
	fprintf(stderr, "--- the server's output%s\n", len > SHOWN_MAX ? ", its end" : "");
	if (len > SHOWN_MAX) {
		text += len - SHOWN_MAX;
		len = SHOWN_MAX;
	}
	fwrite(text, 1, len, stderr);
	if (text[len - 1] != '\n')
		fputc('\n', stderr);
	fprintf(stderr, "---\n");
}

static int report(const struct options *o, struct audit *a)
{
	int code = results_exit_code(a->results, CHECK_NUM);
	int rc = 0;

	if (o->verbose)
		show_output(a);
	if (o->json)
		rc = cli_print_json(show_json(a));
	else if (o->tap)
		show_tap(a, stdout);
	else
		show_text(a, cli_color(stdout), stdout);
	if (o->verbose && !o->json && !o->tap && show_views(a, cli_color(stdout)) < 0)
		rc = cli_fail("audit", "cannot show the connections: out of memory");
	return rc ? rc : code;
}

/* The audit itself, and what is said and written of it. */
static int carry_out(struct options *o, struct audit *a)
{
	struct files *files = NULL;
	struct audit_error err;
	int rc = 0;

	if (o->page || o->dir)
		rc = files_open(o->page, o->dir, &o->cfg, &files);
	if (rc)
		return rc;
	rc = o->cfg.attach ? audit_attach(&o->cfg, a, &err) : audit_run(&o->cfg, a, &err, progress);
	if (rc < 0) {
		show_output(a);
		rc = cli_fail("audit", "%s%s%s", err.what, err.remedy[0] ? "; " : "", err.remedy);
	} else {
		rc = files ? files_save(files, a) : 0;
		rc = rc ? rc : report(o, a);
	}
	files_close(files);
	audit_free(a);
	return rc;
}

int cmd_audit(int argc, char **argv)
{
	struct options o = {.cfg = {.wait_ms = WAIT_MS,
				    .settle_ms = SETTLE_MS,
				    .answer_ms = ANSWER_MS,
				    .grace_ms = GRACE_MS}};
	struct audit *a;
	int rc;

	memset(o.cfg.wanted, true, sizeof(o.cfg.wanted));
	rc = parse_options(argc, argv, &o);
	if (rc)
		return rc == CLI_DONE ? 0 : rc;
	if (o.list)
		return list_checks();
	a = malloc(sizeof(*a));
	if (!a)
		return cli_fail("audit", "out of memory");
	rc = carry_out(&o, a);
	free(a);
	return rc;
}
