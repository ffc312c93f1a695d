/* SPDX-License-Identifier: MIT */
/* checks.h - the checks: what each does, and the pure judges inside them */
#ifndef TOOLS_AUDIT_CHECKS_H
#define TOOLS_AUDIT_CHECKS_H

#include "audit.h"
#include "traces.h"

struct audit_check_info {
	const char *name, *about;
	void (*run)(struct audit *a, struct audit_result *r);
};

extern const struct audit_check_info audit_checks[CHECK_NUM];

void check_listeners_run(struct audit *a, struct audit_result *r);
void check_reach_run(struct audit *a, struct audit_result *r);
void check_acl_run(struct audit *a, struct audit_result *r);
void check_identity_run(struct audit *a, struct audit_result *r);
void check_udp_source_run(struct audit *a, struct audit_result *r);
void check_forged_mapped_run(struct audit *a, struct audit_result *r);
void check_scope_run(struct audit *a, struct audit_result *r);
void check_restart_run(struct audit *a, struct audit_result *r);

/* What is known about the options of a listening socket; -1: not known. */
struct listener_options {
	int reuseaddr, reuseport;
};

/*
 * Two starts of one server, the second one with net.ipv6.bindv6only=1; @second_failed: it did not
 * listen then.
 */
void listeners_judge(const struct listeners *first, const struct listeners *second,
		     bool second_failed, struct audit_result *r);

/* What a second program could take from a service, by its sockets' options. */
void listeners_judge_sharing(const struct listeners *l, const struct service *s,
			     const struct listener_options *o, struct audit_result *r);

/* All probes of one service, in any order. */
void reach_judge(const char *where, const struct probe *list, size_t n, struct audit_result *r);

/*
 * One probe of a service, and the rule for its client, NULL: none. Then @baseline says whether a
 * client of its family (0: IPv4, 1: IPv6) without a rule is served.
 */
struct acl_seen {
	const struct probe *probe;
	const struct audit_rule *rule;
	const struct sockdiag_entry *listener;
};
void acl_judge(const char *where, const struct acl_seen *seen, size_t n, const bool baseline[2],
	       struct audit_result *r);

/* How one client was written: what traces_count() found of it. */
struct identity_seen {
	struct addr client;
	struct trace_forms forms;
};
void identity_judge(const struct identity_seen *seen, size_t n, struct audit_result *r);

/* An answer that came from an address that was not asked. */
void udp_source_judge(const char *where, const struct probe *list, size_t n,
		      struct audit_result *r);

/* Where the answer to a forged datagram went. */
enum forged_answer { FORGED_NONE, FORGED_TO_CLIENT, FORGED_TO_SELF };
void forged_judge(const char *where, const struct addr *source, enum forged_answer answer,
		  struct audit_result *r);

/* Link-local clients of one service beside its other IPv6 clients. */
struct scope_seen {
	bool native_served, local_served, answers;
	enum probe_result local_result;
	const struct probe *local; /* NULL: none to show */
	struct trace_forms forms;  /* of the link-local client */
};
void scope_judge(const char *where, const struct scope_seen *s, struct audit_result *r);

/* A second start while connections of the first one were alive or in TIME_WAIT. */
struct restart_seen {
	bool port_blocked; /* a socket without SO_REUSEADDR could not have bound the port */
	bool started;	   /* it listens again */
	unsigned int alive, time_wait;
	char said[160]; /* its last words when it did not start */
};
void restart_judge(const struct restart_seen *s, const struct listeners *before,
		   const struct listeners *after, struct audit_result *r);

#endif
