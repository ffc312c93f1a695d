/* SPDX-License-Identifier: MIT */
/* processor.h - where one processor spent its time, as /proc/stat counts it */
#ifndef TOOLS_BENCH_PROCESSOR_H
#define TOOLS_BENCH_PROCESSOR_H

#include <stdint.h>

/*
 * Of the whole processor, not of a process: whatever a server is made of (threads, workers, the
 * kernel's softirq on its behalf) and nothing else runs there. In ticks, 1/sysconf(_SC_CLK_TCK) s.
 */
struct processor_time {
	uint64_t user, sys, softirq, idle, stolen;
};

/* Returns 0, -ENOENT (no such processor) or another -errno. */
int processor_read(unsigned int cpu, struct processor_time *out);

/* The text of /proc/stat to times. Pure. Returns 0 or -ENOENT. */
int processor_parse(const char *text, unsigned int cpu, struct processor_time *out);

static inline uint64_t processor_total(const struct processor_time *t)
{
	return t->user + t->sys + t->softirq + t->idle + t->stolen;
}

struct processor_time processor_since(const struct processor_time *begin,
				      const struct processor_time *end);

#endif
