/* SPDX-License-Identifier: MIT */
/* cli.c - what every subcommand shares: messages and output */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLI_MESSAGE_MAX = 1024 }; /* longer messages are cut */

__attribute__((format(printf, 2, 0))) static void message_print(const char *cmd, const char *fmt,
								va_list ap, bool with_help)
{
	char message[CLI_MESSAGE_MAX];

	vsnprintf(message, sizeof(message), fmt, ap);
	for (char *c = message; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == '\x7f')
			*c = '?';
	}
	if (with_help)
		fprintf(stderr, "dualwire %s: %s (see 'dualwire %s --help')\n", cmd, message, cmd);
	else
		fprintf(stderr, "dualwire %s: %s\n", cmd, message);
}

int cli_usage_error(const char *cmd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message_print(cmd, fmt, ap, true);
	va_end(ap);
	return EXIT_USAGE;
}

int cli_fail(const char *cmd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message_print(cmd, fmt, ap, false);
	va_end(ap);
	return EXIT_NOT_STARTED;
}

/* The message for what getopt_long() returned when it was no option of @longs. */
static int bad_option(const char *cmd, int c, char **argv, const struct option *longs)
{
	const char *word = argv[optind - 1];

	if (c == ':')
		return cli_usage_error(cmd, "option '%.64s' needs a value", word);
	for (; optopt && longs->name; longs++)
		if (longs->val == optopt)
			return cli_usage_error(cmd, "option '%.64s' takes no value; leave it out",
					       word);
	if (optopt)
		return cli_usage_error(cmd, "there is no option '-%c'; leave it out", optopt);
	return cli_usage_error(cmd, "there is no option '%.64s'; leave it out", word);
}

int cli_options_read(const struct cli_options *spec, int argc, char **argv, void *options)
{
	int c, rc;

	opterr = 0;
	optind = 0; /* start over: the caller may have used getopt on its own arguments */
	while ((c = getopt_long(argc, argv, spec->shorts, spec->longs, NULL)) != -1) {
		if (c == 'h') {
			fputs(spec->help, stdout);
			return CLI_DONE;
		}
		rc = c == '?' || c == ':' ? bad_option(spec->cmd, c, argv, spec->longs)
					  : spec->apply(options, c);
		if (rc)
			return rc;
	}
	return 0;
}

bool cli_color(FILE *f)
{
	const char *no_color = getenv("NO_COLOR");

	return !(no_color && *no_color) && isatty(fileno(f));
}

static int print_json(json_t *json, size_t flags)
{
	int rc = 0;

	if (!json) {
		fprintf(stderr, "dualwire: cannot build the JSON output: out of memory; "
				"free some memory and try again\n");
		return EXIT_NOT_STARTED;
	}
	if (json_dumpf(json, stdout, flags) < 0 || putchar('\n') == EOF || fflush(stdout) == EOF) {
		fprintf(stderr,
			"dualwire: cannot write the JSON output: %s; "
			"check where standard output goes\n",
			strerror(errno));
		rc = EXIT_NOT_STARTED;
	}
	json_decref(json);
	return rc;
}

int cli_print_json(json_t *json)
{
	return print_json(json, JSON_INDENT(2));
}

int cli_print_json_line(json_t *json)
{
	return print_json(json, JSON_COMPACT);
}
