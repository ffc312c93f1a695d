/* SPDX-License-Identifier: MIT */
/* witness_options.h - the options of `dualwire witness` */
#ifndef TOOLS_WITNESS_OPTIONS_H
#define TOOLS_WITNESS_OPTIONS_H

#include "../rawstack/addr.h"
#include "../rawstack/capture/filter.h"

struct witness_options {
	const char *interface, *file;	     /* one of them is set */
	const char *evidence, *trace, *expr; /* files to write, tcpdump's language; NULL: none */
	const char *netns;		     /* path or process id; NULL: here */
	int pid;			     /* its listeners; 0: not given */
	const char *listener;		     /* as it was written; NULL: not given */
	struct endpoint listener_at;
	bool listener_any; /* "*:80": whatever its address */
	struct port_range ports[FILTER_RANGES_MAX];
	size_t n_ports;
	bool json, quiet, verbose, ladder;
	unsigned long count, max_flows; /* 0: not given */
	double seconds;
	int ready_fd; /* 0: none */
};

/* Returns 0, CLI_DONE after the help, or EXIT_USAGE after a message. */
int witness_options_read(int argc, char **argv, struct witness_options *o);

/* Adds a range. Returns 0, or EXIT_USAGE after a message when there are too many. */
int witness_options_add_port(struct witness_options *o, const struct port_range *r);

#endif
