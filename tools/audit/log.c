/* SPDX-License-Identifier: MIT */
/* log.c - what a server wrote about its clients */
#include "log.h"

#include "../../rawstack/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 5, AFTER_MS = 20, FILE_MAX = GUEST_OUTPUT_MAX };

static uint64_t file_size(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

struct log_mark log_now(const struct audit *a)
{
	guest_step(a->guest);
	return (struct log_mark){.output = guest_output_mark(a->guest),
				 .file = file_size(a->cfg->log)};
}

/* What @path has from @from on, at most FILE_MAX bytes; NULL: nothing. To be freed. */
static char *read_file(const char *path, uint64_t from, size_t *len)
{
	uint64_t size = file_size(path);
	char *text;
	ssize_t n;
	int fd;

	*len = 0;
	if (size < from)
		from = 0; /* it was rotated or emptied */
	if (!path || size == from)
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	*len = size - from < FILE_MAX ? (size_t)(size - from) : FILE_MAX;
	text = malloc(*len);
	n = text ? pread(fd, text, *len, (off_t)from) : -1;
	close(fd);
	*len = n < 0 ? 0 : (size_t)n;
	return text;
}

static struct trace_forms sum(struct trace_forms a, struct trace_forms b)
{
	return (struct trace_forms){
		.plain = a.plain + b.plain,
		.mapped_dotted = a.mapped_dotted + b.mapped_dotted,
		.mapped_hex = a.mapped_hex + b.mapped_hex,
		.scoped = a.scoped + b.scoped,
	};
}

/* Returns how many of the clients occur. */
static size_t look(struct audit *a, const struct log_mark *mark, const struct addr *clients,
		   struct trace_forms *forms, size_t n)
{
	size_t out_len, file_len, found = 0;
	const char *out = guest_output_since(a->guest, mark->output, &out_len);
	char *file = read_file(a->cfg->log, mark->file, &file_len);

	for (size_t i = 0; i < n; i++) {
		forms[i] = sum(traces_count(out, out_len, &clients[i]),
			       traces_count(file ? file : "", file_len, &clients[i]));
		found += traces_all(&forms[i]) > 0;
	}
	free(file);
	return found;
}

/* Until the guest says something, at most LOOK_MS: a file cannot be waited for. */
static void pass_time(struct audit *a)
{
	struct pollfd fds[GUEST_FDS];

	poll(fds, guest_fds(a->guest, fds), LOOK_MS);
	guest_step(a->guest);
}

bool log_find(struct audit *a, const struct log_mark *mark, const struct addr *clients,
	      struct trace_forms *forms, size_t n, unsigned int wait_ms)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC), end = start + (uint64_t)wait_ms * NS_PER_MS;
	bool all = false;
	size_t found = 0;

	while (clock_ns(CLOCK_MONOTONIC) < end) {
		pass_time(a);
		found = look(a, mark, clients, forms, n);
		if (found == n && !all) {
			all = true;
			end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)AFTER_MS * NS_PER_MS;
		}
	}
	return found > 0;
}
