/* SPDX-License-Identifier: MIT */
/* audit.h - one audit: what was asked, the lab with the server in it, and what each check found */
#ifndef TOOLS_AUDIT_AUDIT_H
#define TOOLS_AUDIT_AUDIT_H

#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/witness/judge.h"
#include "../../rawstack/witness/witness.h"
#include "finding.h"
#include "../guest.h"
#include "prefix.h"
#include "probe.h"
#include "service.h"
#include "speech.h"

/*
 * A check acts (connects, asks the kernel, restarts the server) and hands what it saw to its own
 * judge, a pure function that the unit tests call as well.
 *
 * Limits: SERVICES_MAX services are checked; of more the rest is named as not checked.
 * AUDIT_RULES_MAX prefixes in --allow and --forbid together.
 */
enum {
	SERVICES_MAX = 256,
	AUDIT_RULES_MAX = 12,
	AUDIT_PORTS_MAX = 16,
	AUDIT_CLIENTS = 3, /* client pairs .11 and ::11 up, one for each that shall be told apart */
	/* What the server's kernel hands out: a UDP socket with such a port is nobody's service. */
	AUTO_PORT_FIRST = 60000,
	AUTO_PORT_LAST = 60999,
};

enum audit_check {
	CHECK_LISTENERS,
	CHECK_REACH,
	CHECK_ACL,
	CHECK_IDENTITY,
	CHECK_UDP_SOURCE,
	CHECK_FORGED_MAPPED,
	CHECK_SCOPE,
	CHECK_RESTART,
	CHECK_NUM
};

struct audit_config {
	char *const *argv; /* the command; NULL with @attach */
	pid_t attach;	   /* 0: run the command */
	bool wanted[CHECK_NUM];
	bool chosen; /* by --only: a check that cannot be carried out is then a failure */

	struct audit_rule rules[AUDIT_RULES_MAX];
	size_t n_rules;
	struct speech tcp_say, udp_say; /* name "": learn it */
	const char *expect;		/* NULL: any answer */
	const char *client;		/* a shell command, see client.h; NULL: none */
	const char *log;		/* the server's log file, NULL: none */
	uint16_t ports[AUDIT_PORTS_MAX];
	size_t n_ports; /* 0: all */
	unsigned int wait_ms, settle_ms, answer_ms, grace_ms;
	bool keep_evidence;	   /* watch the wire */
	witness_frame_fn on_frame; /* NULL: none; with @keep_evidence */
	void (*on_tap)(const struct tap_where *where, uint32_t snaplen, void *arg);
	void *frame_arg;
};

struct audit {
	const struct audit_config *cfg;
	bool moved; /* into a user namespace, where the command gets its ids back */
	uid_t uid;
	gid_t gid;
	struct lab lab;
	struct sockdiag *server_diag;
	struct guest *guest; /* NULL with --attach */
	struct witness *witness;
	struct listeners listeners;
	struct service services[SERVICES_MAX];
	struct speech speech[SERVICES_MAX];
	size_t n_services, n_unchecked;
	unsigned int start_ms; /* from the start to the last listener */
	bool names_no_client;  /* it was found to write nothing about its clients */
	bool ignores_term;     /* it had to be killed once; it will not be waited for again */
	struct audit_result results[CHECK_NUM];
	struct judge_report report; /* with keep_evidence; evidence is @witness's */
	unsigned int total_ms;
	char *past; /* what runs of the server printed that are over; at most GUEST_OUTPUT_MAX */
	size_t past_len;
};

/* Why an audit could not be started, for a person. */
struct audit_error {
	char what[256], remedy[256];
};

const char *audit_check_name(enum audit_check c);
const char *audit_check_about(enum audit_check c); /* one line for --list */

/* Progress in a few words ("checking reach"), for a terminal. NULL: over. */
typedef void (*audit_progress_fn)(const char *what);

/*
 * Runs it. Returns 0 with a result for every check, or -errno with @err: nothing could be checked;
 * then the server's output is in a->guest, if it was started. Release with audit_free() either way.
 */
int audit_run(const struct audit_config *cfg, struct audit *a, struct audit_error *err,
	      audit_progress_fn progress);
void audit_free(struct audit *a);

/*
 * Starts the command, after the end of an earlier one, and waits until it listens. @expected, if
 * not NULL: as soon as it listens like this nothing more is waited for. Returns 0 or -errno with
 * @err.
 */
int audit_start_server(struct audit *a, const struct listeners *expected, struct listeners *out,
		       struct audit_error *err);

/*
 * Ends it with all its processes: by SIGTERM, or after the grace time by SIGKILL. Returns whether
 * SIGTERM was enough.
 */
bool audit_stop_server(struct audit *a);

/* All that the server printed in all of its runs. Valid until the next call for @a. */
const char *audit_output(struct audit *a, size_t *len);

/* Has the server ended, and how? Writes "ended by signal 11 (SIGSEGV)" into @how. */
bool audit_server_ended(struct audit *a, char *how, size_t size);

/*
 * Runs probes as the client's host. Returns 0; -ECHILD when the server ended meanwhile: then their
 * results say nothing; or another -errno.
 */
int audit_probe(struct audit *a, struct probe *list, size_t n);

/* A probe for a service as its speech says; the caller sets from, to and family. */
struct probe audit_new_probe(const struct audit *a, size_t service);

/* Is what arrives from @from at @to a matter of @service's listeners at all? */
const struct sockdiag_entry *audit_listener(const struct audit *a, size_t service,
					    const struct addr *to);

/* The k-th of the clients that are told apart: 0 <= k < AUDIT_CLIENTS. */
struct addr audit_client(bool ipv6, int k);

#endif
