/* SPDX-License-Identifier: MIT */
/* test_doctor.c - what facts about a machine mean: one thing at a time taken from a good one */
#include "../../tools/doctor.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

static struct doctor_facts good(void)
{
	return (struct doctor_facts){
		.release = "6.18.5-test",
		.cpus = 4,
		.capabilities = UINT64_C(1) << CAP_NET_RAW | UINT64_C(1) << CAP_NET_ADMIN |
				UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_SYS_PTRACE,
		.root = true,
		.initial_userns = true,
		.uring = {.available = true, .sysctl_disabled = 0, .socket_cmd = true},
		.max_user_namespaces = 15000,
		.max_net_namespaces = 15000,
		.unprivileged_userns_clone = -1,
		.apparmor_restricts_userns = -1,
		.disable_ipv6 = 0,
		.bindv6only = 0,
		.somaxconn = 4096,
		.sysfs = true,
		.rps_writable = true,
		.nofile_soft = 1024,
		.nofile_hard = 524288,
		.memlock_soft = 8388608,
		.memlock_hard = 8388608,
		.helper = {true, true, true, true, true},
	};
}

static struct doctor_report judged(const struct doctor_facts *f)
{
	struct doctor_report r;

	doctor_judge(f, &r);
	return r;
}

static const struct doctor_finding *about(const struct doctor_report *r, const char *what)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->list[i].what, what) == 0)
			return &r->list[i];
	cr_assert_fail("nothing about %s", what);
	return NULL;
}

Test(doctor, a_good_machine_has_nothing_to_say)
{
	struct doctor_facts f = good();
	struct doctor_report r = judged(&f);

	for (size_t i = 0; i < r.n; i++) {
		cr_assert(r.list[i].state == DOCTOR_OK, "%s", r.list[i].what);
		cr_assert(r.list[i].found[0] && !r.list[i].remedy[0], "%s", r.list[i].what);
	}
	cr_assert(r.lab_runs && r.witness_runs && r.uring_runs && doctor_exit_code(&r) == 0);
}

/* Each row takes one thing away, and names what must be said of it. */
struct illness {
	const char *name;
	void (*take)(struct doctor_facts *f);
	const char *what;
	enum doctor_state state;
	const char *found, *remedy; /* parts of the texts */
	int exit_code;
};

static void take_old_kernel(struct doctor_facts *f)
{
	strcpy(f->release, "5.15.0-91");
}

static void take_uring_sysctl1(struct doctor_facts *f)
{
	f->uring = (struct uring_caps){.error = -EPERM, .sysctl_disabled = 1};
}

static void take_uring_sysctl2(struct doctor_facts *f)
{
	f->uring = (struct uring_caps){.error = -EPERM, .sysctl_disabled = 2};
}

static void take_uring_seccomp(struct doctor_facts *f)
{
	f->uring = (struct uring_caps){.error = -EPERM, .sysctl_disabled = 0};
}

static void take_uring(struct doctor_facts *f)
{
	f->uring = (struct uring_caps){.error = -ENOSYS, .sysctl_disabled = -1};
}

static void take_memlock(struct doctor_facts *f)
{
	f->memlock_soft = 65536;
}

static void take_user_namespaces(struct doctor_facts *f)
{
	f->namespaces = -EPERM;
	f->max_user_namespaces = 0;
}

static void take_net_namespaces(struct doctor_facts *f)
{
	f->namespaces = -EPERM;
	f->max_net_namespaces = 0;
}

static void take_userns_clone(struct doctor_facts *f)
{
	f->namespaces = -EPERM;
	f->root = false;
	f->unprivileged_userns_clone = 0;
}

static void take_userns_apparmor(struct doctor_facts *f)
{
	f->namespaces = -EPERM;
	f->root = false;
	f->apparmor_restricts_userns = 1;
}

static void take_unshare(struct doctor_facts *f)
{
	f->namespaces = -EPERM;
	f->seccomp = 2;
}

static void take_way_out(struct doctor_facts *f)
{
	f->namespaces = -EPERM;
	f->in_chroot = true;
}

static void take_id(struct doctor_facts *f)
{
	f->namespaces = -EPERM;
	f->unmapped = true;
}

static void take_veth(struct doctor_facts *f)
{
	f->lab = -EOPNOTSUPP;
}

static void take_lab_ring(struct doctor_facts *f)
{
	f->lab_ring = -EAFNOSUPPORT;
}

static void take_lab_sockdiag(struct doctor_facts *f)
{
	f->lab_sockdiag = -ENOENT;
}

static void take_raw_right(struct doctor_facts *f)
{
	f->capabilities = 0;
	f->packet = -EPERM;
}

static void take_packet(struct doctor_facts *f)
{
	f->packet = -EAFNOSUPPORT;
}

static void take_xdp(struct doctor_facts *f)
{
	f->xdp = -EAFNOSUPPORT;
}

static void take_tcp_diag(struct doctor_facts *f)
{
	f->sockdiag_tcp = f->sockdiag_tcp6 = -ENOENT;
}

static void take_ipv6(struct doctor_facts *f)
{
	f->ipv6 = -EAFNOSUPPORT;
}

static void take_ipv6_addresses(struct doctor_facts *f)
{
	f->disable_ipv6 = 1;
}

static void take_descriptors(struct doctor_facts *f)
{
	f->nofile_soft = f->nofile_hard = 1024;
}

static void take_queue(struct doctor_facts *f)
{
	f->somaxconn = 128;
}

static void take_cpus(struct doctor_facts *f)
{
	f->cpus = 1;
}

static void take_sysfs(struct doctor_facts *f)
{
	f->sysfs = f->rps_writable = false;
}

static void take_rps(struct doctor_facts *f)
{
	f->rps_writable = false;
}

static void take_dnsmasq(struct doctor_facts *f)
{
	f->helper[HELPER_DNSMASQ] = false;
}

static const struct illness ILLNESSES[] = {
	{"old kernel", take_old_kernel, "kernel", DOCTOR_LIMITED, "5.15", "newer kernel", 2},
	{"io_uring_disabled=1", take_uring_sysctl1, "io_uring", DOCTOR_LIMITED,
	 "io_uring_disabled=1", "io_uring_group", 2},
	{"io_uring_disabled=2", take_uring_sysctl2, "io_uring", DOCTOR_LIMITED,
	 "io_uring_disabled=2", "io_uring_disabled=0", 2},
	{"io_uring and seccomp", take_uring_seccomp, "io_uring", DOCTOR_LIMITED, "seccomp",
	 "seccomp", 2},
	{"no io_uring", take_uring, "io_uring", DOCTOR_LIMITED, "has none", "CONFIG_IO_URING", 2},
	{"memlock", take_memlock, "locked memory", DOCTOR_LIMITED, "65536", "ulimit -l", 2},
	{"max_user_namespaces", take_user_namespaces, "namespaces", DOCTOR_BLOCKED,
	 "user.max_user_namespaces=0", "user.max_user_namespaces=", 2},
	{"max_net_namespaces", take_net_namespaces, "namespaces", DOCTOR_BLOCKED,
	 "user.max_net_namespaces=0", "user.max_net_namespaces=", 2},
	{"unprivileged_userns_clone", take_userns_clone, "namespaces", DOCTOR_BLOCKED,
	 "unprivileged_userns_clone=0", "unprivileged_userns_clone=1", 2},
	{"AppArmor", take_userns_apparmor, "namespaces", DOCTOR_BLOCKED, "AppArmor", "userns,", 2},
	{"unshare and seccomp", take_unshare, "namespaces", DOCTOR_BLOCKED, "seccomp", "unshare",
	 2},
	{"chroot", take_way_out, "namespaces", DOCTOR_BLOCKED, "chroot", "outside", 2},
	{"no id", take_id, "namespaces", DOCTOR_BLOCKED, "no user id", "unshare -r", 2},
	{"no veth", take_veth, "lab network", DOCTOR_BLOCKED, "not supported", "modprobe veth", 2},
	{"no ring", take_lab_ring, "lab network", DOCTOR_BLOCKED, "capture", "af_packet", 2},
	{"no lab sock_diag", take_lab_sockdiag, "lab network", DOCTOR_BLOCKED, "sock_diag",
	 "tcp_diag", 2},
	{"no CAP_NET_RAW", take_raw_right, "AF_PACKET", DOCTOR_LIMITED, "not open", "setcap", 2},
	{"no AF_PACKET", take_packet, "AF_PACKET", DOCTOR_BLOCKED, "has none", "CONFIG_PACKET", 2},
	{"no AF_XDP", take_xdp, "AF_XDP", DOCTOR_OPTIONAL, "not supported", "", 0},
	{"no tcp_diag", take_tcp_diag, "sock_diag", DOCTOR_LIMITED, "no TCP", "tcp_diag", 2},
	{"no IPv6", take_ipv6, "IPv6", DOCTOR_LIMITED, "AF_INET6", "ipv6.disable", 2},
	{"disable_ipv6", take_ipv6_addresses, "IPv6", DOCTOR_LIMITED, "disable_ipv6=1",
	 "disable_ipv6=0", 2},
	{"nofile", take_descriptors, "open files", DOCTOR_LIMITED, "1024", "LimitNOFILE", 2},
	{"somaxconn", take_queue, "somaxconn", DOCTOR_LIMITED, "128", "somaxconn=4096", 2},
	{"one CPU", take_cpus, "RPS", DOCTOR_LIMITED, "one CPU", "two CPUs", 2},
	{"no sysfs", take_sysfs, "RPS", DOCTOR_LIMITED, "/sys/class/net", "mount", 2},
	{"RPS", take_rps, "RPS", DOCTOR_OPTIONAL, "not to be set", "root", 0},
	{"dnsmasq", take_dnsmasq, "dnsmasq", DOCTOR_OPTIONAL, "not installed", "apt install", 0},
};

Test(doctor, each_illness_is_named_with_its_remedy)
{
	for (size_t i = 0; i < sizeof(ILLNESSES) / sizeof(ILLNESSES[0]); i++) {
		const struct illness *ill = &ILLNESSES[i];
		struct doctor_facts f = good();
		struct doctor_report r;
		const struct doctor_finding *d;

		ill->take(&f);
		r = judged(&f);
		d = about(&r, ill->what);
		cr_assert(d->state == ill->state, "%s: %s", ill->name, doctor_state_name(d->state));
		cr_assert(strstr(d->found, ill->found), "%s: found '%s'", ill->name, d->found);
		cr_assert(strstr(d->remedy, ill->remedy), "%s: remedy '%s'", ill->name, d->remedy);
		cr_assert(d->means[0], "%s: what does it mean?", ill->name);
		cr_assert(doctor_exit_code(&r) == ill->exit_code, "%s: exit %d", ill->name,
			  doctor_exit_code(&r));
	}
}

Test(doctor, without_lab_and_witness_nothing_can_run)
{
	struct doctor_facts f = good();
	struct doctor_report r;

	f.namespaces = -EPERM;
	r = judged(&f);
	cr_assert(!r.lab_runs && r.witness_runs && doctor_exit_code(&r) == 2);
	take_raw_right(&f);
	r = judged(&f);
	cr_assert(!r.lab_runs && !r.witness_runs && doctor_exit_code(&r) == 3);
}

Test(doctor, sysctls_that_bind_only_users_are_no_excuse_for_root)
{
	struct doctor_facts f = good();
	struct doctor_report r;

	f.namespaces = -EPERM;
	f.unprivileged_userns_clone = 0;
	f.apparmor_restricts_userns = 1;
	r = judged(&f);
	cr_assert_str_eq(about(&r, "namespaces")->found, "Operation not permitted");
}

Test(doctor, locked_memory_does_not_matter_to_who_may_lock_it)
{
	struct doctor_facts f = good();
	struct doctor_report r;

	f.memlock_soft = 0;
	f.capabilities |= UINT64_C(1) << CAP_IPC_LOCK;
	f.initial_userns = false;
	r = judged(&f);
	cr_assert(about(&r, "locked memory")->state == DOCTOR_LIMITED, "counts nothing there");
	f.initial_userns = true;
	r = judged(&f);
	cr_assert(about(&r, "locked memory")->state == DOCTOR_OK);
	f.uring = (struct uring_caps){.error = -ENOMEM};
	r = judged(&f);
	cr_assert(about(&r, "locked memory")->state == DOCTOR_LIMITED);
}

Test(doctor, bindv6only_is_told_and_no_fault)
{
	struct doctor_facts f = good();
	struct doctor_report r;

	f.bindv6only = 1;
	r = judged(&f);
	cr_assert(about(&r, "bindv6only")->state == DOCTOR_OK &&
		  strstr(about(&r, "bindv6only")->means, "take no IPv4"));
	cr_assert(doctor_exit_code(&r) == 0);
}
