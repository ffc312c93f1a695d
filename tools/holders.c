/* SPDX-License-Identifier: MIT */
/* holders.c - which processes hold which sockets, from one walk through /proc */
#include "holders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int add(struct holders *h, const struct holder *one)
{
	if (h->n == h->cap) {
		size_t cap = h->cap ? 2 * h->cap : 256;
		struct holder *list = realloc(h->list, cap * sizeof(*list));

		if (!list)
			return -ENOMEM;
		h->list = list;
		h->cap = cap;
	}
	h->list[h->n++] = *one;
	return 0;
}

/* A process chooses its own name: what is no printable ASCII becomes '?'. */
static void read_name(int proc, char name[HOLDER_NAME_MAX])
{
	int fd = openat(proc, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, name, HOLDER_NAME_MAX - 1);

	if (fd >= 0)
		close(fd);
	name[len > 0 ? len : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	for (char *c = name; *c; c++)
		if (!isascii(*c) || !isprint(*c))
			*c = '?';
}

/* Every socket among the descriptors of one process. */
static int read_process(struct holders *h, int proc, pid_t pid)
{
	int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct holder one = {.pid = pid};
	struct dirent *d;
	int rc = 0;

	if (!dir) {
		h->closed += errno == EACCES || errno == EPERM;
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (rc == 0 && (d = readdir(dir))) {
		char link[32];
		ssize_t len = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);

		link[len > 0 ? len : 0] = '\0';
		if (sscanf(link, "socket:[%u]", &one.inode) != 1)
			continue;
		if (!one.name[0])
			read_name(proc, one.name);
		rc = add(h, &one);
	}
	closedir(dir);
	return rc;
}

static int by_inode(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

/* A process that has the same socket twice is listed once. */
static void sort_out(struct holders *h)
{
	size_t kept = 0;

	if (h->n == 0)
		return;
	qsort(h->list, h->n, sizeof(*h->list), by_inode);
	for (size_t i = 1; i < h->n; i++)
		if (by_inode(&h->list[i], &h->list[kept]) != 0)
			h->list[++kept] = h->list[i];
	h->n = kept + 1;
}

int holders_read(struct holders *h)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	int rc = 0;

	*h = (struct holders){0};
	if (!dir)
		return -errno;
	while (rc == 0 && (d = readdir(dir))) {
		char *end;
		long pid = strtol(d->d_name, &end, 10);
		int proc;

		if (*end || pid <= 0)
			continue;
		proc = openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (proc < 0)
			continue; /* it has ended */
		rc = read_process(h, proc, (pid_t)pid);
		close(proc);
	}
	closedir(dir);
	if (rc == 0)
		sort_out(h);
	else
		holders_free(h);
	return rc;
}

void holders_free(struct holders *h)
{
	free(h->list);
	*h = (struct holders){0};
}

const struct holder *holders_find(const struct holders *h, uint32_t inode, size_t *n)
{
	size_t lo = 0, hi = h->n;

	*n = 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (h->list[mid].inode < inode)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (inode && lo + *n < h->n && h->list[lo + *n].inode == inode)
		(*n)++;
	return *n ? &h->list[lo] : NULL;
}
