/* SPDX-License-Identifier: MIT */
/* main.c - the table of subcommands */
#include "cli.h"

#include <string.h>

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
};

static const struct command COMMANDS[] = {
	{"lab", cmd_lab,
	 "run dual-stack cases in throw-away namespaces and judge each on three views"},
	{"witness", cmd_witness, "watch an interface and judge every connection of a server"},
	{"audit", cmd_audit, "find the dual-stack bugs of any server, before others do"},
	{"serve", cmd_serve, "the dual-stack server, on io_uring"},
	{"connect", cmd_connect, "the clients: IPv4, IPv6, and IPv6 to IPv4 by mapped addresses"},
	{"load", cmd_load, "load a server with connections: sockets, or raw frames without a TCP"},
	{"sockets", cmd_sockets,
	 "which families the listeners really serve, and mapped connections"},
	{"bench", cmd_bench, "measure engines, families and workloads, in turn and several times"},
	{"addr", cmd_addr, "say what an address is, and what the stack will do with it"},
	{"judge", cmd_judge, "judge saved evidence again"},
	{"doctor", cmd_doctor, "what this machine allows, and how to get what is missing"},
};
enum { N_COMMANDS = sizeof(COMMANDS) / sizeof(COMMANDS[0]) };

static void print_help(FILE *f)
{
	fprintf(f, "usage: dualwire COMMAND [ARGUMENT...]\n\n"
		   "Proves, connection by connection, how dual-stack traffic really travels.\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(f, "  %-8s %s\n", COMMANDS[i].name, COMMANDS[i].what);
	fprintf(f, "\nStart with:  dualwire lab\n"
		   "More:        dualwire COMMAND --help\n");
}

/* Output that was lost is a failure, whatever else went well. */
static int finish(int rc)
{
	/* A command that could not go on has said why. */
	if (rc == EXIT_NOT_STARTED || (fflush(stdout) == 0 && !ferror(stdout)))
		return rc;
	fprintf(stderr, "dualwire: output was lost: check where standard output goes\n");
	return EXIT_NOT_STARTED;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return finish(0);
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("dualwire %s\n", DUALWIRE_VERSION);
		return finish(0);
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(argv[1], COMMANDS[i].name) == 0)
			return finish(COMMANDS[i].run(argc - 1, argv + 1));
	fprintf(stderr, "dualwire: there is no command '%s'; 'dualwire --help' lists them\n",
		argv[1]);
	return EXIT_USAGE;
}
