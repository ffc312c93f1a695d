/* SPDX-License-Identifier: MIT */
/* doctor_probe.c - what this machine allows, found out by trying */
#include "doctor.h"

#include "../rawstack/capture/tap.h"
#include "../rawstack/netlink/lab.h"
#include "../rawstack/netlink/netns.h"
#include "../rawstack/netlink/sockdiag.h"

#include <cap-ng.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif

/* What the child found; it goes through a pipe. */
struct lab_trial {
	tried namespaces, lab, ring, sockdiag;
	uint32_t lab_us;
};

/* A number from a file in /proc or /sys, -1: not there. */
static int64_t read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long long n = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%lld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

/* The number behind "NAME:" in /proc/self/status, -1: not there. */
static int read_status(const char *name)
{
	FILE *f = fopen("/proc/self/status", "re");
	size_t len = strlen(name);
	char line[256];
	int n = -1;

	if (!f)
		return -1;
	while (n < 0 && fgets(line, sizeof(line), f))
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			n = (int)strtol(line + len + 1, NULL, 10);
	fclose(f);
	return n;
}

static tried try_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void ignore(const struct sockdiag_entry *e, void *arg)
{
	(void)e;
	(void)arg;
}

/* Asks for the sockets of one protocol on a port that is no server's. */
static tried try_sockdiag(int netns_fd, int proto, int family)
{
	struct sockdiag *sd;
	int rc = sockdiag_open(netns_fd, &sd);

	if (rc < 0)
		return rc;
	rc = sockdiag_dump(sd, proto, family, 1, ignore, NULL);
	sockdiag_close(sd);
	return rc < 0 ? rc : 0;
}

static tried try_events(void)
{
	struct sockdiag_events *ev;
	int rc = sockdiag_events_open(-1, 0, &ev);

	if (rc == 0)
		sockdiag_events_close(ev);
	return rc;
}

static void try_lab(struct lab_trial *t)
{
	struct tap_config cfg = {.ring = RING_CONFIG_SMALL, .lock_filter = true};
	struct lab lab;
	struct tap *tap;

	t->namespaces = netns_become_capable();
	if (t->namespaces < 0)
		return;
	t->namespaces = 0;
	t->lab = lab_create(&lab, NULL);
	if (t->lab < 0)
		return;
	t->lab_us = (uint32_t)(lab.setup_ns / 1000);
	cfg.netns_fd = lab.host[LAB_SERVER].netns_fd;
	cfg.ifindex = lab.host[LAB_SERVER].ifindex;
	t->ring = tap_open(&cfg, &tap);
	if (t->ring == 0)
		tap_close(tap);
	t->sockdiag = try_sockdiag(cfg.netns_fd, IPPROTO_TCP, AF_INET6);
	lab_destroy(&lab);
}

/* Namespaces are for good, so a child tries them. */
static void probe_lab(struct doctor_facts *f)
{
	struct lab_trial t = {.namespaces = -EIO};
	int pipe_fds[2];
	pid_t child;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		f->namespaces = -errno;
		return;
	}
	child = fork();
	if (child == 0) {
		try_lab(&t);
		_exit(write(pipe_fds[1], &t, sizeof(t)) != sizeof(t));
	}
	close(pipe_fds[1]);
	if (child < 0)
		t.namespaces = -EAGAIN;
	else if (read(pipe_fds[0], &t, sizeof(t)) != sizeof(t))
		t = (struct lab_trial){.namespaces = -EIO};
	close(pipe_fds[0]);
	if (child > 0)
		waitpid(child, NULL, 0);
	f->namespaces = t.namespaces;
	f->lab = t.lab;
	f->lab_us = t.lab_us;
	f->lab_ring = t.ring;
	f->lab_sockdiag = t.sockdiag;
}

static void probe_limits(struct doctor_facts *f)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		f->nofile_soft = r.rlim_cur;
		f->nofile_hard = r.rlim_max;
	}
	if (getrlimit(RLIMIT_MEMLOCK, &r) == 0) {
		f->memlock_soft = r.rlim_cur;
		f->memlock_hard = r.rlim_max;
	}
}

static void probe_rights(struct doctor_facts *f)
{
	struct stat ours, first;
	FILE *map = fopen("/proc/self/uid_map", "re");
	unsigned long inside, outside, count;

	if (map) {
		int n = fscanf(map, "%lu %lu %lu", &inside, &outside, &count);

		f->unmapped = n != 3;
		/* The first one has all ids there are, mapped to themselves. */
		f->initial_userns = n == 3 && inside == 0 && outside == 0 && count == UINT32_MAX;
		fclose(map);
	}

	f->root = geteuid() == 0;
	f->seccomp = read_status("Seccomp");
	/* The root of process 1, where we may see it, is the machine's or the container's. */
	f->in_chroot = stat("/", &ours) == 0 && stat("/proc/1/root/.", &first) == 0 &&
		       (ours.st_ino != first.st_ino || ours.st_dev != first.st_dev);
	capng_get_caps_process();
	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (capng_have_capability(CAPNG_EFFECTIVE, cap))
			f->capabilities |= UINT64_C(1) << cap;
}

static void probe_network(struct doctor_facts *f)
{
	f->packet = try_socket(AF_PACKET, SOCK_RAW, 0);
	f->xdp = try_socket(AF_XDP, SOCK_RAW, 0);
	f->ipv6 = try_socket(AF_INET6, SOCK_STREAM, 0);
	f->sockdiag_tcp = try_sockdiag(-1, IPPROTO_TCP, AF_INET);
	f->sockdiag_tcp6 = try_sockdiag(-1, IPPROTO_TCP, AF_INET6);
	f->sockdiag_udp = try_sockdiag(-1, IPPROTO_UDP, AF_INET);
	f->sockdiag_events = try_events();
	f->disable_ipv6 = (int)read_number("/proc/sys/net/ipv6/conf/all/disable_ipv6");
	f->bindv6only = (int)read_number("/proc/sys/net/ipv6/bindv6only");
	f->somaxconn = (int)read_number("/proc/sys/net/core/somaxconn");
}

static void probe_rps(struct doctor_facts *f)
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *d;

	f->sysfs = dir != NULL;
	while (dir && (d = readdir(dir))) {
		char path[320];

		snprintf(path, sizeof(path), "/sys/class/net/%.255s/queues/rx-0/rps_cpus",
			 d->d_name);
		if (access(path, W_OK) == 0)
			f->rps_writable = true;
	}
	if (dir)
		closedir(dir);
}

/* Is there an executable of that name in $PATH? */
static bool in_path(const char *name)
{
	const char *path = getenv("PATH");

	for (; path && *path; path += strcspn(path, ":"), path += *path == ':') {
		char file[512];
		int n = snprintf(file, sizeof(file), "%.*s/%s", (int)strcspn(path, ":"), path,
				 name);

		if (n > 0 && (size_t)n < sizeof(file) && access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static bool has_library(const char *name)
{
	void *lib = dlopen(name, RTLD_LAZY | RTLD_LOCAL);

	if (!lib)
		return false;
	dlclose(lib);
	return true;
}

/* Some that only root uses are not in everybody's path. */
static bool has_program(const char *name)
{
	static const char *const places[] = {"/usr/sbin", "/sbin", "/usr/local/sbin"};
	char file[128];

	if (in_path(name))
		return true;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", places[i], name);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static void probe_helpers(struct doctor_facts *f)
{
	f->helper[HELPER_TSHARK] = in_path("tshark");
	f->helper[HELPER_LIBPCAP] = has_library("libpcap.so.1") || has_library("libpcap.so.0.8");
	f->helper[HELPER_GNUPLOT] = in_path("gnuplot");
	f->helper[HELPER_DNSMASQ] = has_program("dnsmasq");
	f->helper[HELPER_NFT] = has_program("nft");
}

void doctor_probe(struct doctor_facts *f)
{
	struct utsname u;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	*f = (struct doctor_facts){.cpus = cpus > 0 ? (unsigned int)cpus : 1};
	if (uname(&u) == 0)
		snprintf(f->release, sizeof(f->release), "%.63s", u.release);
	f->max_user_namespaces = read_number("/proc/sys/user/max_user_namespaces");
	f->max_net_namespaces = read_number("/proc/sys/user/max_net_namespaces");
	f->unprivileged_userns_clone =
		(int)read_number("/proc/sys/kernel/unprivileged_userns_clone");
	f->apparmor_restricts_userns =
		(int)read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	probe_rights(f);
	probe_lab(f);
	(void)uring_caps_probe(&f->uring); /* its error is in it */
	probe_network(f);
	probe_rps(f);
	probe_limits(f);
	probe_helpers(f);
}
