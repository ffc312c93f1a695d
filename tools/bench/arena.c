/* SPDX-License-Identifier: MIT */
/* arena.c - labs with a processor for each end */
#include "arena.h"

#include "../../rawstack/netlink/rps.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

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
	a->rps_error = a->one_cpu ? 0 : steer(a, &a->lab[kind]);
	return 0;
}

void arena_free(struct arena *a)
{
	for (int kind = 0; kind < ARENA_KINDS; kind++)
		if (a->made[kind])
			lab_destroy(&a->lab[kind]);
}
