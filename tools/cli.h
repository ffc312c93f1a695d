/* SPDX-License-Identifier: MIT */
/* cli.h - what every subcommand shares: exit codes, messages, output; and the subcommands */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum {
	EXIT_CONFIRMED = 0,
	EXIT_CONTRADICTED = 1,
	EXIT_INCONCLUSIVE = 2,
	EXIT_NOT_STARTED = 3,
	EXIT_USAGE = 64,
};

/*
 * Prints "dualwire CMD: MESSAGE (see 'dualwire CMD --help')" as one line on stderr; control
 * characters in the message become '?', since it may quote what a person typed.
 * Returns EXIT_USAGE.
 */
int cli_usage_error(const char *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Prints "dualwire CMD: MESSAGE" in the same way. Returns EXIT_NOT_STARTED. */
int cli_fail(const char *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What an option parser returns when all is done, after --help: the command ends well. */
enum { CLI_DONE = -1 };

/* A command's options. */
struct cli_options {
	const char *cmd, *help;
	const char *shorts; /* for getopt_long(3), beginning with ':' */
	const struct option *longs;
	int (*apply)(void *options, int c); /* one option, its value in optarg; 0 or an exit code */
};

/*
 * Reads the options of @argv into @options by spec->apply(); 'h' prints the help. On return optind
 * is the first argument that is no option. Returns 0, CLI_DONE after the help, or EXIT_USAGE after
 * a message.
 */
int cli_options_read(const struct cli_options *spec, int argc, char **argv, void *options);

/* Whether to write colours to @f: it is a terminal and NO_COLOR is unset or empty. */
bool cli_color(FILE *f);

/* As cli_print_json(), but on one line: for one object among many. */
int cli_print_json_line(json_t *json);

/*
 * Writes @json, indented and with a final newline, to stdout, and drops the reference. NULL stands
 * for a document that could not be built for want of memory. Returns 0, or EXIT_NOT_STARTED after
 * a message.
 */
int cli_print_json(json_t *json);

/* The subcommands. @argv[0] is the subcommand's name. Each returns the exit code. */
int cmd_addr(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_connect(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_judge(int argc, char **argv);
int cmd_lab(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_sockets(int argc, char **argv);
int cmd_witness(int argc, char **argv);

#endif
