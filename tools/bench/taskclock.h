/* SPDX-License-Identifier: MIT */
/* taskclock.h - how long processes have run on a processor, to the nanosecond */
#ifndef TOOLS_BENCH_TASKCLOCK_H
#define TOOLS_BENCH_TASKCLOCK_H

#include <stdint.h>
#include <sys/types.h>

/*
 * The scheduler's own clock of each thread (/proc/PID/task/TID/schedstat). It stands while others
 * run, so on a machine that is shared it tells what a server cost far better than the ticks of its
 * processor do. What the kernel's softirqs do in a thread's time is in it, whoever they work for.
 */

/* Of @pid, all its threads and what it has started. 0: it is gone, or this kernel does not tell. */
uint64_t taskclock_tree(pid_t pid);

/* The thread that does a processor's softirqs when there are many; 0: not to be seen from here. */
pid_t taskclock_softirqd(unsigned int cpu);

#endif
