/* SPDX-License-Identifier: MIT */
/* processor.c - /proc/stat */
#include "processor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STAT_MAX = 64 * 1024 };

int processor_parse(const char *text, unsigned int cpu, struct processor_time *out)
{
	uint64_t user, nice, sys, idle, iowait, irq, softirq, stolen;
	char name[24];
	const char *line;
	int len = snprintf(name, sizeof(name), "\ncpu%u ", cpu);

	line = strstr(text, name);
	if (!line || sscanf(line + len,
			    "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			    " %" SCNu64 " %" SCNu64,
			    &user, &nice, &sys, &idle, &iowait, &irq, &softirq, &stolen) != 8)
		return -ENOENT;
	*out = (struct processor_time){.user = user + nice,
				       .sys = sys,
				       .softirq = irq + softirq,
				       .idle = idle + iowait,
				       .stolen = stolen};
	return 0;
}

int processor_read(unsigned int cpu, struct processor_time *out)
{
	char text[STAT_MAX + 1];
	size_t len = 0;
	ssize_t n;
	int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (len < STAT_MAX && (n = read(fd, text + len, STAT_MAX - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	return processor_parse(text, cpu, out);
}

struct processor_time processor_since(const struct processor_time *begin,
				      const struct processor_time *end)
{
	return (struct processor_time){.user = end->user - begin->user,
				       .sys = end->sys - begin->sys,
				       .softirq = end->softirq - begin->softirq,
				       .idle = end->idle - begin->idle,
				       .stolen = end->stolen - begin->stolen};
}
