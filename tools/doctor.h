/* SPDX-License-Identifier: MIT */
/* doctor.h - what this machine allows: facts that were found by trying, and what they mean */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include "../uring/caps.h"

#include <stdint.h>

enum { DOCTOR_TEXT = 64 };

/* A call that was tried: 0, or the -errno it gave. */
typedef int tried;

/* Programs and libraries of others that some of dualwire is better with. */
enum doctor_helper {
	HELPER_TSHARK,
	HELPER_LIBPCAP,
	HELPER_GNUPLOT,
	HELPER_DNSMASQ,
	HELPER_NFT,
	HELPER_NUM
};

/* Filled in by doctor_probe(); the judging in doctor_judge() is pure. */
struct doctor_facts {
	char release[DOCTOR_TEXT]; /* of the kernel, "6.18.5" */
	unsigned int cpus;
	bool root;	       /* effective uid 0 */
	uint64_t capabilities; /* effective, bits of CAP_… */
	bool in_chroot;
	bool initial_userns; /* some rights count only there */
	bool unmapped;	     /* in a user namespace where its user has no id */
	int seccomp;	     /* of /proc/self/status: 0 none, 2 a filter; -1 not known */

	struct uring_caps uring;

	/* In a child: the right to make namespaces, then a lab, a ring on it, and its sockets. */
	tried namespaces;
	tried lab;
	uint32_t lab_us; /* how long it took */
	tried lab_ring;	 /* AF_PACKET with a TPACKET_V3 ring, as the witness uses it */
	tried lab_sockdiag;
	/* Sysctls that forbid namespaces; -1: there is no such one. */
	int64_t max_user_namespaces, max_net_namespaces;
	int unprivileged_userns_clone; /* Debian's */
	int apparmor_restricts_userns; /* Ubuntu's */

	/* Here, without any namespace. */
	tried packet; /* socket(AF_PACKET) */
	tried xdp;    /* socket(AF_XDP) */
	tried sockdiag_tcp, sockdiag_udp, sockdiag_tcp6, sockdiag_events;
	tried ipv6;				 /* socket(AF_INET6) */
	int disable_ipv6, bindv6only, somaxconn; /* sysctls of this network namespace; -1 */
	bool sysfs;				 /* /sys/class/net is there */
	bool rps_writable;			 /* as this user, for some receive queue */

	uint64_t nofile_soft, nofile_hard;   /* descriptors; UINT64_MAX: unlimited */
	uint64_t memlock_soft, memlock_hard; /* bytes */
	bool helper[HELPER_NUM];
};

/* Looks and tries. Nothing of it outlasts the call. The process must have one thread. */
void doctor_probe(struct doctor_facts *f);

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_OPTIONAL, /* not there, and hardly missed */
	DOCTOR_LIMITED,	 /* something of dualwire does not run, or only with more rights */
	DOCTOR_BLOCKED,	 /* one of its main parts cannot run at all */
	DOCTOR_STATES
};

enum { DOCTOR_FINDINGS_MAX = 32, DOCTOR_FOUND = 160, DOCTOR_MEANS = 256 };

struct doctor_finding {
	enum doctor_state state;
	const char *what;	   /* "io_uring" */
	char found[DOCTOR_FOUND];  /* "multishot accept, buffer rings" */
	char means[DOCTOR_MEANS];  /* for dualwire; empty when nothing is to be said */
	char remedy[DOCTOR_MEANS]; /* empty when none is needed, or none is known */
};

struct doctor_report {
	struct doctor_finding list[DOCTOR_FINDINGS_MAX];
	size_t n;
	bool lab_runs, witness_runs, uring_runs;
};

/* Pure. */
void doctor_judge(const struct doctor_facts *f, struct doctor_report *r);

/* "ok", "optional", "limited", "blocked". */
const char *doctor_state_name(enum doctor_state s);

/* 0 all fine, 2 something is limited, 3 neither lab nor witness can run. */
int doctor_exit_code(const struct doctor_report *r);

#endif
