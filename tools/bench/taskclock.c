/* SPDX-License-Identifier: MIT */
/* taskclock.c - how long processes have run on a processor, to the nanosecond */
#include "taskclock.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 96, DEPTH_MAX = 8 }; /* sh, a server, its workers: nobody nests deeper */

static uint64_t thread_ns(pid_t pid, int tid)
{
	char path[PATH];
	uint64_t ns = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &ns) != 1)
		ns = 0;
	fclose(f);
	return ns;
}

static uint64_t tree_ns(pid_t pid, int depth);

/* What one thread has started. */
static uint64_t children_ns(pid_t pid, int tid, int depth)
{
	char path[PATH];
	uint64_t ns = 0;
	int child;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fscanf(f, "%d", &child) == 1)
		ns += tree_ns(child, depth + 1);
	fclose(f);
	return ns;
}

static uint64_t tree_ns(pid_t pid, int depth)
{
	char path[PATH];
	struct dirent *d;
	uint64_t ns = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = depth < DEPTH_MAX ? opendir(path) : NULL;
	if (!dir)
		return 0;
	while ((d = readdir(dir)) != NULL) {
		int tid = atoi(d->d_name);

		if (tid > 0)
			ns += thread_ns(pid, tid) + children_ns(pid, tid, depth);
	}
	closedir(dir);
	return ns;
}

uint64_t taskclock_tree(pid_t pid)
{
	return pid > 0 ? tree_ns(pid, 0) : 0;
}

static int is_called(const char *pid, const char *name)
{
	char path[PATH], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = '\0';
	fclose(f);
	comm[strcspn(comm, "\n")] = '\0';
	return strcmp(comm, name) == 0;
}

pid_t taskclock_softirqd(unsigned int cpu)
{
	char name[32];
	struct dirent *d;
	pid_t found = 0;
	DIR *dir = opendir("/proc");

	if (!dir)
		return 0;
	snprintf(name, sizeof(name), "ksoftirqd/%u", cpu);
	while (found == 0 && (d = readdir(dir)) != NULL)
		if (isdigit((unsigned char)d->d_name[0]) && is_called(d->d_name, name))
			found = atoi(d->d_name);
	closedir(dir);
	return found;
}
