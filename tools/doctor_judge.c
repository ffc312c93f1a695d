/* SPDX-License-Identifier: MIT */
/* doctor_judge.c - what the facts about a machine mean for dualwire, and what to do about them */
#include "doctor.h"

#include "cli.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	KERNEL_MAJOR = 6, /* 6.1: what the servers ask of io_uring */
	KERNEL_MINOR = 1,
	NOFILE_WANTED = 16384 + 64, /* serve's default of connections, and what else is open */
	SOMAXCONN_WANTED = 4096,    /* serve's default backlog */
	MEMLOCK_A_WORKER = 1 << 20, /* serve's ring took between 256 KiB and 1 MiB on Linux 6.18 */
	SECCOMP_FILTER = 2,
};

const char *doctor_state_name(enum doctor_state s)
{
	static const char *const names[DOCTOR_STATES] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_OPTIONAL] = "optional",
		[DOCTOR_LIMITED] = "limited",
		[DOCTOR_BLOCKED] = "blocked",
	};

	assert((unsigned int)s < DOCTOR_STATES);
	return names[s];
}

/* A new finding, with what was found. */
__attribute__((format(printf, 4, 5))) static struct doctor_finding *
add(struct doctor_report *r, enum doctor_state state, const char *what, const char *fmt, ...)
{
	struct doctor_finding *d = &r->list[r->n++];
	va_list args;

	assert(r->n <= DOCTOR_FINDINGS_MAX);
	*d = (struct doctor_finding){.state = state, .what = what};
	va_start(args, fmt);
	vsnprintf(d->found, sizeof(d->found), fmt, args);
	va_end(args);
	return d;
}

static void set(struct doctor_finding *d, const char *means, const char *remedy)
{
	snprintf(d->means, sizeof(d->means), "%s", means);
	snprintf(d->remedy, sizeof(d->remedy), "%s", remedy);
}

static void judge_kernel(const struct doctor_facts *f, struct doctor_report *r)
{
	char *rest;
	long major = strtol(f->release, &rest, 10);
	long minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
	bool old = major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR);
	struct doctor_finding *d =
		add(r, old ? DOCTOR_LIMITED : DOCTOR_OK, "kernel", "Linux %s, %u CPU%s", f->release,
		    f->cpus, f->cpus == 1 ? "" : "s");

	if (old)
		set(d, "the io_uring engine needs Linux 6.1; the others run",
		    "use a newer kernel, or serve --engine epoll");
}

/* The newer features, and which are there. */
static void judge_uring(const struct doctor_facts *f, struct doctor_report *r)
{
	const struct uring_caps *c = &f->uring;
	struct doctor_finding *d;

	r->uring_runs = c->available;
	if (c->available) {
		add(r, DOCTOR_OK, "io_uring", "multishot accept and recvmsg, buffer rings%s%s%s%s",
		    c->socket_cmd ? ", socket commands (6.7)" : "",
		    c->recv_bundle ? ", bundles (6.10)" : "",
		    c->min_wait ? ", minimum wait (6.12)" : "",
		    c->direct_descriptors ? ", direct descriptors (6.15)" : "");
		return;
	}
	d = add(r, DOCTOR_LIMITED, "io_uring", "%s", "");
	uring_caps_explain(c, d->found, sizeof(d->found), d->remedy, sizeof(d->remedy));
	snprintf(d->means, sizeof(d->means),
		 "serve and lab fall back to epoll; --engine uring is refused");
}

/* Which knob forbids user namespaces, and how to turn it. */
static void explain_namespaces(const struct doctor_facts *f, struct doctor_finding *d)
{
	const char *found = strerrordesc_np(-f->namespaces), *remedy = "run as root";

	if (f->max_user_namespaces == 0) {
		found = "sysctl user.max_user_namespaces=0 forbids them";
		remedy = "run as root, or sysctl user.max_user_namespaces=15000";
	} else if (f->max_net_namespaces == 0) {
		found = "sysctl user.max_net_namespaces=0 forbids network namespaces";
		remedy = "sysctl user.max_net_namespaces=15000";
	} else if (f->unprivileged_userns_clone == 0 && !f->root) {
		found = "sysctl kernel.unprivileged_userns_clone=0 forbids them to users";
		remedy = "run as root, or sysctl kernel.unprivileged_userns_clone=1";
	} else if (f->apparmor_restricts_userns == 1 && !f->root) {
		found = "AppArmor takes all rights in them (kernel.apparmor_restrict_"
			"unprivileged_userns=1)";
		remedy = "run as root, give the program a profile with 'userns,', or set that "
			 "sysctl to 0";
	} else if (f->unmapped) {
		found = "this process has no user id in its user namespace";
		remedy = "map one (unshare -r), or run outside of it";
	} else if (f->seccomp == SECCOMP_FILTER) {
		found = "a seccomp filter forbids them, as in a container";
		remedy = "allow unshare and setns (Docker: --security-opt seccomp=unconfined "
			 "--cap-add SYS_ADMIN --cap-add NET_ADMIN)";
	} else if (f->in_chroot) {
		found = "they cannot be made in a chroot";
		remedy = "run outside of it, or as root";
	}
	snprintf(d->found, sizeof(d->found), "%s", found);
	snprintf(d->remedy, sizeof(d->remedy), "%s", remedy);
}

static void judge_lab(const struct doctor_facts *f, struct doctor_report *r)
{
	struct doctor_finding *d;

	if (f->namespaces < 0) {
		d = add(r, DOCTOR_BLOCKED, "namespaces", "%s", "");
		explain_namespaces(f, d);
		snprintf(d->means, sizeof(d->means),
			 "lab, and the tests that need a network of their own, cannot run");
		return;
	}
	add(r, DOCTOR_OK, "namespaces", "%s",
	    f->root ? "made as root" : "made through a user namespace, no root needed");
	if (f->lab < 0)
		set(add(r, DOCTOR_BLOCKED, "lab network", "no two hosts and a cable: %s",
			strerrordesc_np(-f->lab)),
		    "lab cannot run", "the kernel needs veth (modprobe veth) and IPv6");
	else if (f->lab_ring < 0)
		set(add(r, DOCTOR_BLOCKED, "lab network", "no capture on it: %s",
			strerrordesc_np(-f->lab_ring)),
		    "lab cannot watch its cable",
		    "the kernel needs packet sockets (modprobe af_packet)");
	else if (f->lab_sockdiag < 0)
		set(add(r, DOCTOR_BLOCKED, "lab network", "no sock_diag in it: %s",
			strerrordesc_np(-f->lab_sockdiag)),
		    "lab has no kernel view", "modprobe tcp_diag udp_diag inet_diag");
	else
		add(r, DOCTOR_OK, "lab network", "two hosts, a cable and a capture in %.1f ms",
		    f->lab_us / 1e3);
	r->lab_runs = f->lab >= 0 && f->lab_ring >= 0 && f->lab_sockdiag >= 0;
}

static bool has(const struct doctor_facts *f, unsigned int cap)
{
	return f->capabilities & UINT64_C(1) << cap;
}

static void judge_rights(const struct doctor_facts *f, struct doctor_report *r)
{
	struct doctor_finding *d =
		add(r, has(f, CAP_NET_RAW) ? DOCTOR_OK : DOCTOR_LIMITED, "capabilities", "%s%s%s%s",
		    has(f, CAP_NET_RAW) ? "CAP_NET_RAW " : "",
		    has(f, CAP_NET_ADMIN) ? "CAP_NET_ADMIN " : "",
		    has(f, CAP_SYS_ADMIN) ? "CAP_SYS_ADMIN " : "",
		    has(f, CAP_SYS_PTRACE) ? "CAP_SYS_PTRACE" : "");

	if (!d->found[0])
		snprintf(d->found, sizeof(d->found), "none that matter");
	if (!has(f, CAP_NET_RAW))
		set(d,
		    "witness and load --raw cannot watch this machine's interfaces; the lab "
		    "needs no rights",
		    "sudo, or setcap cap_net_raw+ep on the program");
	else if (!has(f, CAP_SYS_PTRACE))
		set(d, "sockets and witness name only your own processes", "sudo");
}

/* Packet sockets on this machine's own interfaces. */
static void judge_packet(const struct doctor_facts *f, struct doctor_report *r)
{
	r->witness_runs = f->packet == 0;
	if (f->packet == 0)
		add(r, DOCTOR_OK, "AF_PACKET", "open to this user");
	else if (f->packet == -EPERM)
		set(add(r, DOCTOR_LIMITED, "AF_PACKET", "not open to this user"),
		    "witness does not run on this machine's interfaces",
		    has(f, CAP_NET_RAW) ? "a security module or seccomp filter forbids it"
					: "sudo, or setcap cap_net_raw+ep on the program");
	else
		set(add(r, DOCTOR_BLOCKED, "AF_PACKET", "the kernel has none: %s",
			strerrordesc_np(-f->packet)),
		    "neither witness nor lab can see a frame",
		    "modprobe af_packet, or a kernel with CONFIG_PACKET");
	if (f->xdp == 0 || f->xdp == -EPERM)
		add(r, DOCTOR_OK, "AF_XDP", "the kernel has it");
	else
		set(add(r, DOCTOR_OPTIONAL, "AF_XDP", "%s", strerrordesc_np(-f->xdp)),
		    "nothing here needs it", "");
}

static void judge_sockdiag(const struct doctor_facts *f, struct doctor_report *r)
{
	tried worst = f->sockdiag_tcp < 0    ? f->sockdiag_tcp
		      : f->sockdiag_udp < 0  ? f->sockdiag_udp
		      : f->sockdiag_tcp6 < 0 ? f->sockdiag_tcp6
					     : f->sockdiag_events;
	struct doctor_finding *d;

	if (worst == 0) {
		add(r, DOCTOR_OK, "sock_diag", "TCP, UDP, and events when a socket ends");
		return;
	}
	d = add(r, DOCTOR_LIMITED, "sock_diag", "%s%s%s%s: %s", f->sockdiag_tcp ? "no TCP " : "",
		f->sockdiag_udp ? "no UDP " : "", f->sockdiag_tcp6 ? "no IPv6 " : "",
		f->sockdiag_events ? "no events" : "", strerrordesc_np(-worst));
	set(d, "sockets lists nothing, and no verdict has a kernel view",
	    "modprobe inet_diag tcp_diag udp_diag");
	if (f->sockdiag_tcp == 0 && f->sockdiag_udp == 0 && f->sockdiag_events == 0)
		set(d, "expected where there is no IPv6", "");
}

static void judge_ipv6(const struct doctor_facts *f, struct doctor_report *r)
{
	if (f->ipv6 < 0)
		set(add(r, DOCTOR_LIMITED, "IPv6", "no AF_INET6 sockets: %s",
			strerrordesc_np(-f->ipv6)),
		    "there is no dual stack without them",
		    "boot without ipv6.disable=1, or modprobe ipv6");
	else if (f->disable_ipv6 == 1)
		set(add(r, DOCTOR_LIMITED, "IPv6", "net.ipv6.conf.all.disable_ipv6=1"),
		    "AF_INET6 sockets work and carry IPv4; nothing travels as IPv6 here",
		    "sysctl net.ipv6.conf.all.disable_ipv6=0");
	else
		add(r, DOCTOR_OK, "IPv6", "AF_INET6 sockets, addresses allowed");
	if (f->bindv6only == 1)
		set(add(r, DOCTOR_OK, "bindv6only", "net.ipv6.bindv6only=1"),
		    "other programs' [::] listeners take no IPv4; serve sets V6ONLY itself", "");
	else
		add(r, DOCTOR_OK, "bindv6only", "0: a [::] listener takes IPv4 too");
}

static const char *limit_text(uint64_t n, char buf[32])
{
	if (n == UINT64_MAX)
		return "unlimited";
	snprintf(buf, 32, "%llu", (unsigned long long)n);
	return buf;
}

/* Linux 6.18 charges rings to the user, unlike what was true of 5.12. */
static bool short_of_memlock(const struct doctor_facts *f)
{
	if (!f->uring.available && f->uring.error == -ENOMEM)
		return true;
	return !(has(f, CAP_IPC_LOCK) && f->initial_userns) &&
	       f->memlock_soft < (uint64_t)f->cpus * MEMLOCK_A_WORKER;
}

static void judge_limits(const struct doctor_facts *f, struct doctor_report *r)
{
	char soft[32], hard[32];
	struct doctor_finding *d =
		add(r, f->nofile_hard < NOFILE_WANTED ? DOCTOR_LIMITED : DOCTOR_OK, "open files",
		    "limit %s, may be raised to %s", limit_text(f->nofile_soft, soft),
		    limit_text(f->nofile_hard, hard));

	if (f->nofile_hard < NOFILE_WANTED) {
		snprintf(d->means, sizeof(d->means),
			 "serve and load hold at most about %s connections at a time", hard);
		snprintf(d->remedy, sizeof(d->remedy),
			 "raise the hard limit: /etc/security/limits.conf, LimitNOFILE= of the "
			 "service");
	}
	d = add(r, short_of_memlock(f) ? DOCTOR_LIMITED : DOCTOR_OK, "locked memory",
		"limit %s bytes", limit_text(f->memlock_soft, soft));
	if (d->state != DOCTOR_OK)
		set(d,
		    "without CAP_IPC_LOCK each io_uring worker is charged up to 1 MiB: serve may "
		    "fall back to epoll",
		    "ulimit -l 8192, /etc/security/limits.conf, LimitMEMLOCK= of the service");
	if (f->somaxconn >= 0 && f->somaxconn < SOMAXCONN_WANTED)
		set(add(r, DOCTOR_LIMITED, "somaxconn", "%d", f->somaxconn),
		    "listeners queue no more connections than that: serve --backlog is cut, and "
		    "bursts are dropped",
		    "sysctl net.core.somaxconn=4096");
	else
		add(r, DOCTOR_OK, "somaxconn", "%d", f->somaxconn);
}

static void judge_rps(const struct doctor_facts *f, struct doctor_report *r)
{
	if (f->cpus < 2)
		set(add(r, DOCTOR_LIMITED, "RPS", "one CPU"),
		    "generator and server share it: numbers of load and bench say little",
		    "a machine with two CPUs or more");
	else if (!f->sysfs)
		set(add(r, DOCTOR_LIMITED, "RPS", "no /sys/class/net"),
		    "receive work cannot be given to a CPU of its own", "mount sysfs on /sys");
	else if (!f->rps_writable)
		set(add(r, DOCTOR_OPTIONAL, "RPS", "not to be set by this user"),
		    "for steady numbers of load and bench only", "run these as root");
	else
		add(r, DOCTOR_OK, "RPS", "may be set");
}

static void judge_helpers(const struct doctor_facts *f, struct doctor_report *r)
{
	static const struct {
		const char *name, *without, *package;
	} helpers[HELPER_NUM] = {
		[HELPER_TSHARK] = {"tshark", "captures are not cross-checked in the tests",
				   "tshark"},
		[HELPER_LIBPCAP] = {"libpcap", "witness takes no -f 'tcpdump expression'",
				    "libpcap0.8"},
		[HELPER_GNUPLOT] = {"gnuplot", "bench prints numbers, and no plot", "gnuplot-nox"},
		[HELPER_DNSMASQ] = {"dnsmasq", "cases with a name server are skipped",
				    "dnsmasq-base"},
		[HELPER_NFT] = {"nft", "cases with firewall rules are skipped", "nftables"},
	};

	for (int i = 0; i < HELPER_NUM; i++) {
		struct doctor_finding *d =
			add(r, f->helper[i] ? DOCTOR_OK : DOCTOR_OPTIONAL, helpers[i].name, "%s",
			    f->helper[i] ? "installed" : "not installed");

		if (f->helper[i])
			continue;
		snprintf(d->means, sizeof(d->means), "%s", helpers[i].without);
		snprintf(d->remedy, sizeof(d->remedy), "apt install %s", helpers[i].package);
	}
}

void doctor_judge(const struct doctor_facts *f, struct doctor_report *r)
{
	*r = (struct doctor_report){0};
	judge_kernel(f, r);
	judge_uring(f, r);
	judge_lab(f, r);
	judge_rights(f, r);
	judge_packet(f, r);
	judge_sockdiag(f, r);
	judge_ipv6(f, r);
	judge_limits(f, r);
	judge_rps(f, r);
	judge_helpers(f, r);
}

int doctor_exit_code(const struct doctor_report *r)
{
	if (!r->lab_runs && !r->witness_runs)
		return EXIT_NOT_STARTED;
	for (size_t i = 0; i < r->n; i++)
		if (r->list[i].state >= DOCTOR_LIMITED)
			return EXIT_INCONCLUSIVE;
	return 0;
}
