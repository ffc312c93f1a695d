/* SPDX-License-Identifier: MIT */
/* files.c - what an audit leaves on disk */
#include "files.h"

#include "../cli.h"
#include "../evidence_file.h"
#include "../trace.h"
#include "page.h"
#include "show.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096 };

struct files {
	FILE *page;
	const char *page_path, *dir;
	struct trace *trace;
	struct evidence_file *evidence;
};

static int cannot_write(const char *path, int error)
{
	return cli_fail("audit", "cannot write '%s': %s; choose a place that can be written to",
			path, strerrordesc_np(error));
}

/* Without the verdicts: here connections are of interest, and evidence.json has those. */
static void keep_frame(const struct evidence_frame *f, const struct ring_frame *raw, void *arg)
{
	struct files *files = arg;

	trace_frame(files->trace, f->tap, f, raw, SIZE_MAX);
}

static void note_tap(const struct tap_where *where, uint32_t snaplen, void *arg)
{
	struct files *files = arg;

	trace_add_tap(files->trace, where, snaplen, NULL);
}

static int path_in(const struct files *f, const char *name, char *path)
{
	return snprintf(path, PATH_BYTES, "%s/%s", f->dir, name) < PATH_BYTES ? 0 : -ENAMETOOLONG;
}

static int open_dir(struct files *f)
{
	char path[PATH_BYTES];
	int rc;

	if (mkdir(f->dir, 0777) < 0 && errno != EEXIST)
		return cannot_write(f->dir, errno);
	if (path_in(f, "capture.pcapng", path) < 0)
		return cannot_write(f->dir, ENAMETOOLONG);
	rc = trace_open("audit", path, 1, &f->trace);
	if (rc)
		return rc;
	if (path_in(f, "evidence.json", path) < 0)
		return cannot_write(f->dir, ENAMETOOLONG);
	return evidence_file_open("audit", path, &f->evidence);
}

int files_open(const char *page, const char *dir, struct audit_config *cfg, struct files **out)
{
	struct files *f = calloc(1, sizeof(*f));
	int rc = 0;

	if (!f)
		return cli_fail("audit", "out of memory");
	f->page_path = page;
	f->dir = dir;
	if (page) {
		f->page = fopen(page, "we");
		rc = f->page ? 0 : cannot_write(page, errno);
	}
	if (rc == 0 && dir)
		rc = open_dir(f);
	if (rc) {
		files_close(f);
		return rc;
	}
	cfg->keep_evidence = true;
	if (dir) {
		cfg->on_frame = keep_frame;
		cfg->on_tap = note_tap;
		cfg->frame_arg = f;
	}
	*out = f;
	return 0;
}

/* Writes one file of the directory with @write. */
static int save_one(const struct files *f, const char *name, struct audit *a,
		    int (*write)(struct audit *a, FILE *out))
{
	char path[PATH_BYTES];
	FILE *out;
	int ret;

	if (path_in(f, name, path) < 0)
		return cannot_write(f->dir, ENAMETOOLONG);
	out = fopen(path, "we");
	if (!out)
		return cannot_write(path, errno);
	ret = write(a, out);
	if (fclose(out) == EOF && ret == 0)
		ret = -errno;
	return ret < 0 ? cannot_write(path, -ret) : 0;
}

static int write_json(struct audit *a, FILE *out)
{
	json_t *o = show_json(a);
	int ret = o ? 0 : -ENOMEM;

	if (o && (json_dumpf(o, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF))
		ret = -EIO;
	json_decref(o);
	return ret;
}

static int write_output(struct audit *a, FILE *out)
{
	size_t len;
	const char *text = audit_output(a, &len);

	return fwrite(text, 1, len, out) == len ? 0 : -EIO;
}

static int save_page(struct files *f, struct audit *a)
{
	int ret = page_write(a, f->page);

	if (fclose(f->page) == EOF && ret == 0)
		ret = -errno;
	f->page = NULL;
	return ret < 0 ? cannot_write(f->page_path, -ret) : 0;
}

static int save_dir(struct files *f, struct audit *a)
{
	struct evidence *ev = a->witness ? witness_evidence(a->witness) : NULL;
	int rc = 0;

	for (uint32_t i = 0; ev && i < ev->n_taps; i++)
		trace_counters(f->trace, i, &ev->taps[i], NULL);
	if (trace_close(f->trace) < 0)
		rc = EXIT_NOT_STARTED;
	f->trace = NULL;
	if (rc == 0 && ev) {
		rc = evidence_file_save("audit", f->evidence, ev);
		f->evidence = NULL;
	}
	if (rc == 0)
		rc = save_one(f, "audit.json", a, write_json);
	if (rc == 0)
		rc = save_one(f, "server.log", a, write_output);
	return rc;
}

int files_save(struct files *f, struct audit *a)
{
	int rc = f->page ? save_page(f, a) : 0;

	return rc == 0 && f->dir ? save_dir(f, a) : rc;
}

void files_close(struct files *f)
{
	if (!f)
		return;
	if (f->page)
		fclose(f->page);
	trace_close(f->trace);
	evidence_file_abandon(f->evidence);
	free(f);
}
