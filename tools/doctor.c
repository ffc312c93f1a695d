/* SPDX-License-Identifier: MIT */
/* doctor.c - `dualwire doctor`: what this machine allows, and how to get what is missing */
#include "doctor.h"

#include "cli.h"
#include "show_ladder.h"

#include <string.h>

static const char HELP[] =
	"usage: dualwire doctor [-J] [-v]\n\n"
	"Tries what the other commands will need on this machine: io_uring, namespaces, raw "
	"capture, the\n"
	"kernel's lists of sockets, limits. Of each it says what was found, what that means, and "
	"what to do.\n"
	"It changes nothing.\n\n"
	"  -J, --json     one JSON document\n"
	"  -v, --verbose  also what is merely optional and not there\n"
	"  -q, --quiet    only the exit code\n"
	"  -h, --help     this\n\n"
	"Exit codes: 0 all fine (what is optional may be missing); 2 something is limited; 3 "
	"neither lab nor\n"
	"witness can run; 64 usage.\n\n"
	"Examples:\n"
	"  dualwire doctor\n"
	"  sudo dualwire doctor\n"
	"  dualwire doctor -J | jq '.findings[] | select(.state == \"limited\")'\n";

struct options {
	bool json, verbose, quiet;
};

static int apply(void *options, int c)
{
	struct options *o = options;

	if (c == 'J')
		o->json = true;
	else if (c == 'v')
		o->verbose = true;
	else
		o->quiet = true;
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'J'},
		{"verbose", no_argument, NULL, 'v'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"doctor", HELP, ":Jvqh", longs, apply};
	int rc = cli_options_read(&spec, argc, argv, o);

	if (rc == 0 && optind < argc)
		rc = cli_usage_error("doctor", "'%.64s' is no option; leave it out", argv[optind]);
	return rc;
}

enum { STATE_COLUMNS = 10, NAME_COLUMNS = 16, INDENT = STATE_COLUMNS + NAME_COLUMNS };

/* Writes @text behind what stands in @INDENT columns already, and further lines below it. */
static void print_wrapped(const char *text, size_t width)
{
	size_t room = width > INDENT + 30 ? width - INDENT : 30;

	for (bool first = true; *text; first = false) {
		size_t n = strlen(text);

		if (n > room)
			for (n = room; n > 0 && text[n] != ' ';)
				n--;
		if (n == 0)
			n = room;
		printf("%*s%.*s\n", first ? 0 : INDENT, "", (int)n, text);
		text += n;
		text += strspn(text, " ");
	}
}

static const char *color_of(enum doctor_state s)
{
	static const char *const codes[DOCTOR_STATES] = {
		[DOCTOR_OK] = "\033[32m",
		[DOCTOR_OPTIONAL] = "\033[36m",
		[DOCTOR_LIMITED] = "\033[33m",
		[DOCTOR_BLOCKED] = "\033[31m",
	};

	return codes[s];
}

static void print_finding(const struct doctor_finding *d, size_t width, bool color)
{
	printf("%s%-*s%s%-*s", color ? color_of(d->state) : "", STATE_COLUMNS,
	       doctor_state_name(d->state), color ? "\033[0m" : "", NAME_COLUMNS, d->what);
	print_wrapped(d->found, width);
	if (d->means[0]) {
		printf("%*s", INDENT, "");
		print_wrapped(d->means, width);
	}
	if (d->remedy[0]) {
		char text[DOCTOR_MEANS + 8];

		snprintf(text, sizeof(text), "try: %s", d->remedy);
		printf("%*s", INDENT, "");
		print_wrapped(text, width);
	}
}

static void print_report(const struct doctor_report *r, bool verbose)
{
	size_t width = show_ladder_width(), hidden = 0;
	bool color = cli_color(stdout);

	for (size_t i = 0; i < r->n; i++) {
		if (r->list[i].state == DOCTOR_OPTIONAL && !verbose)
			hidden++;
		else
			print_finding(&r->list[i], width, color);
	}
	printf("\nlab: %s. witness on this machine: %s. serve: %s.\n", r->lab_runs ? "yes" : "no",
	       r->witness_runs ? "yes" : "no", r->uring_runs ? "io_uring, epoll" : "epoll");
	if (hidden)
		printf("%zu optional thing%s missing; -v lists %s.\n", hidden,
		       hidden == 1 ? " is" : "s are", hidden == 1 ? "it" : "them");
}

static json_t *report_json(const struct doctor_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++) {
		const struct doctor_finding *d = &r->list[i];

		json_array_append_new(list,
				      json_pack("{s:s,s:s,s:s,s:s?,s:s?}", "what", d->what, "state",
						doctor_state_name(d->state), "found", d->found,
						"means", d->means[0] ? d->means : NULL, "remedy",
						d->remedy[0] ? d->remedy : NULL));
	}
	return json_pack("{s:b,s:b,s:b,s:o}", "lab", r->lab_runs, "witness", r->witness_runs,
			 "io_uring", r->uring_runs, "findings", list);
}

int cmd_doctor(int argc, char **argv)
{
	struct options o = {0};
	struct doctor_facts facts;
	struct doctor_report report;
	int rc = parse_options(argc, argv, &o);

	if (rc)
		return rc == CLI_DONE ? 0 : rc;
	doctor_probe(&facts);
	doctor_judge(&facts, &report);
	if (o.json)
		rc = cli_print_json(report_json(&report));
	else if (!o.quiet)
		print_report(&report, o.verbose);
	return rc ? rc : doctor_exit_code(&report);
}
