/* SPDX-License-Identifier: MIT */
/* evidence_file.c - evidence on disk: whole or not at all */
#include "evidence_file.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * While the work goes on the file has no name, so that even a killed program leaves nothing. Where
 * the file system cannot do that it is made at the end, under a name beside the final one.
 */
struct evidence_file {
	FILE *f;       /* NULL: to be made at the end */
	bool in_place; /* a pipe or device, written to directly */
	char path[PATH_MAX];
	char temp[PATH_MAX + 8]; /* set while a file of that name exists */
};

static int open_nameless(struct evidence_file *e)
{
	char dir[PATH_MAX];
	int fd;

	memcpy(dir, e->path, sizeof(dir));
	fd = open(dirname(dir), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	if (fd >= 0) {
		e->f = fdopen(fd, "w");
		return e->f ? 0 : -errno;
	}
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	memcpy(dir, e->path, sizeof(dir));
	return access(dirname(dir), W_OK | X_OK) < 0 ? -errno : 0;
}

static int open_place(struct evidence_file *e)
{
	struct stat st;

	if (stat(e->path, &st) < 0 || S_ISREG(st.st_mode))
		return open_nameless(e);
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	e->in_place = true;
	e->f = fopen(e->path, "we");
	return e->f ? 0 : -errno;
}

int evidence_file_open(const char *cmd, const char *path, struct evidence_file **out)
{
	struct evidence_file *e = calloc(1, sizeof(*e));
	int rc = e ? 0 : -ENOMEM;

	if (rc == 0 && (size_t)snprintf(e->path, sizeof(e->path), "%s", path) >= sizeof(e->path))
		rc = -ENAMETOOLONG;
	if (rc == 0)
		rc = *path ? open_place(e) : -ENOENT;
	if (rc < 0) {
		free(e);
		return cli_fail(cmd, "cannot write '%s': %s; choose a place that can be written to",
				path, strerrordesc_np(-rc));
	}
	*out = e;
	return 0;
}

/* A name of our own beside the final one, for the moment before it replaces an older file. */
static int make_temp(struct evidence_file *e)
{
	int fd;

	snprintf(e->temp, sizeof(e->temp), "%s.XXXXXX", e->path);
	fd = mkstemp(e->temp);
	if (fd < 0)
		e->temp[0] = '\0';
	return fd < 0 ? -errno : fd;
}

/* Gives the complete file its name. */
static int give_name(struct evidence_file *e)
{
	char self[40];
	int fd;

	if (e->in_place)
		return 0;
	if (!e->temp[0]) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", fileno(e->f));
		if (linkat(AT_FDCWD, self, AT_FDCWD, e->path, AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		fd = make_temp(e);
		if (fd < 0)
			return fd;
		close(fd);
		unlink(e->temp);
		if (linkat(AT_FDCWD, self, AT_FDCWD, e->temp, AT_SYMLINK_FOLLOW) < 0)
			return -errno;
	}
	if (rename(e->temp, e->path) < 0)
		return -errno;
	e->temp[0] = '\0';
	return 0;
}

static int write_all(struct evidence_file *e, int (*write)(FILE *out, const void *arg),
		     const void *arg)
{
	int rc;

	if (!e->f) {
		mode_t mask = umask(0);

		umask(mask);
		rc = make_temp(e);
		if (rc < 0)
			return rc;
		if (fchmod(rc, 0666 & ~mask) < 0)
			return -errno;
		e->f = fdopen(rc, "w");
		if (!e->f)
			return -errno;
	}
	rc = write(e->f, arg);
	if (rc == 0 && (fflush(e->f) == EOF || ferror(e->f)))
		rc = -EIO;
	return rc < 0 ? rc : give_name(e);
}

int evidence_file_fill(const char *cmd, struct evidence_file *e,
		       int (*write)(FILE *out, const void *arg), const void *arg)
{
	int rc = write_all(e, write, arg), exit_code = 0;

	if (rc < 0)
		exit_code = cli_fail(cmd, "cannot write '%s': %s; nothing was saved", e->path,
				     strerrordesc_np(-rc));
	evidence_file_abandon(e);
	return exit_code;
}

static int write_evidence(FILE *out, const void *arg)
{
	return evidence_write(arg, out);
}

int evidence_file_save(const char *cmd, struct evidence_file *e, const struct evidence *ev)
{
	return evidence_file_fill(cmd, e, write_evidence, ev);
}

void evidence_file_abandon(struct evidence_file *e)
{
	if (!e)
		return;
	if (e->f)
		fclose(e->f);
	if (e->temp[0])
		unlink(e->temp);
	free(e);
}
