/* SPDX-License-Identifier: MIT */
/* arena.c - labs with a processor for each end */
#include "arena.h"

#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/netlink/rps.h"
#include "taskclock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int arena_init(struct arena *a)
{
	unsigned int found = 0;
	cpu_set_t set;

	*a = (struct arena){0};
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -errno;
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (found++ == 0)
			a->client_cpu = a->server_cpu = cpu;
		else
			a->server_cpu = cpu;
	}
	a->one_cpu = found < 2;
	a->softirqd = taskclock_softirqd(a->server_cpu);
	return 0;
}

static int steer(struct arena *a, const struct lab *lab)
{
	const unsigned int cpus[LAB_SIDES] = {
		[LAB_CLIENT] = a->client_cpu,
		[LAB_SERVER] = a->server_cpu,
	};

	for (int side = 0; side < LAB_SIDES; side++) {
		int ret;

		if (cpus[side] >= RPS_CPUS_MAX)
			return -ERANGE;
		ret = rps_set(lab->host[side].netns_fd, lab->host[side].ifname,
			      (uint64_t)1 << cpus[side]);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/*
 * BBR, where it is the default, paces with a timer for each socket, which would be measured along.
 * A namespace may only choose what the machine allows to all, which Reno always is.
 */
static void choose_congestion_control(const struct lab_host *host)
{
	static const char *const names[] = {"cubic", "reno"};
	bool chosen = false;
	int back, fd;

	if (netns_enter(host->netns_fd, &back) < 0)
		return;
	fd = open("/proc/sys/net/ipv4/tcp_congestion_control", O_WRONLY | O_CLOEXEC);
	for (size_t i = 0; fd >= 0 && !chosen && i < sizeof(names) / sizeof(names[0]); i++)
		chosen = write(fd, names[i], strlen(names[i])) > 0;
	if (fd >= 0)
		close(fd);
	netns_leave(back);
}

int arena_need(struct arena *a, enum arena_kind kind, struct arena_error *err)
{
	struct lab_error why = {{0}, {0}};
	int ret;

	if (a->made[kind])
		return 0;
	ret = lab_create_with(&(struct lab_options){.bare_server = kind == ARENA_BARE},
			      &a->lab[kind], &why);
	if (ret < 0) {
		snprintf(err->what, sizeof(err->what), "cannot %s: %s%s%s", why.step,
			 strerror(-ret), why.detail[0] ? ": " : "", why.detail);
		return ret;
	}
	a->made[kind] = true;
	for (int side = 0; side < LAB_SIDES; side++)
		choose_congestion_control(&a->lab[kind].host[side]);
	a->rps_error = a->one_cpu ? 0 : steer(a, &a->lab[kind]);
	return 0;
}

void arena_free(struct arena *a)
{
	for (int kind = 0; kind < ARENA_KINDS; kind++)
		if (a->made[kind])
			lab_destroy(&a->lab[kind]);
}
