/* SPDX-License-Identifier: MIT */
/* engine.c - the engines by name */
#include "engine.h"
#include "stackstats.h"

#include "caps.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

static void explain_uring(int error, struct engine_error *err)
{
	struct uring_caps caps;

	/* When the probe works but the engine did not open, its own error is all there is. */
	uring_caps_probe(&caps);
	if (caps.available)
		caps.error = error;
	uring_caps_explain(&caps, err->what, sizeof(err->what), err->remedy, sizeof(err->remedy));
}

static void explain_epoll(int error, struct engine_error *err)
{
	const char *remedy = "";

	if (error == -EMFILE || error == -ENFILE)
		remedy = "raise the limit of open files (ulimit -n)";
	else if (error == -ENOMEM)
		remedy = "lower the number of connections (--max-conns)";
	snprintf(err->what, sizeof(err->what), "epoll is not usable: %s", strerror(-error));
	snprintf(err->remedy, sizeof(err->remedy), "%s", remedy);
}

struct entry {
	const struct engine_ops *ops;
	bool automatic; /* "auto" may take it */
	void (*explain)(int error, struct engine_error *err);
};

/* In the order "auto" tries them. */
static const struct entry engines[] = {
	{&uring_engine_ops, true, explain_uring},
	{&epoll_engine_ops, true, explain_epoll},
	{&epoll_textbook_engine_ops, false, explain_epoll},
	{&bypass_engine_ops, false, NULL}, /* explains itself */
};

enum { N_ENGINES = sizeof(engines) / sizeof(engines[0]) };

const char *engine_name(size_t n)
{
	return n < N_ENGINES ? engines[n].ops->name : NULL;
}

static void explain_unknown(const char *name, struct engine_error *err)
{
	size_t at = 0;

	snprintf(err->what, sizeof(err->what), "there is no engine called \"%s\"", name);
	at += (size_t)snprintf(err->remedy, sizeof(err->remedy), "choose ");
	for (size_t i = 0; i < N_ENGINES; i++)
		at += (size_t)snprintf(err->remedy + at, sizeof(err->remedy) - at, "%s, ",
				       engines[i].ops->name);
	assert(at < sizeof(err->remedy)); /* the table is short */
	snprintf(err->remedy + at - 2, sizeof(err->remedy) - at + 2, " or auto");
}

static int open_named(const char *name, const struct engine_config *cfg, struct engine **out,
		      struct engine_error *err)
{
	for (size_t i = 0; i < N_ENGINES; i++) {
		int rc;

		if (strcmp(name, engines[i].ops->name) != 0)
			continue;
		rc = engines[i].ops->open(cfg, out, err);
		if (rc < 0 && err->what[0] == '\0')
			engines[i].explain(rc, err);
		return rc;
	}
	explain_unknown(name, err);
	return -ENOENT;
}

/* What is passed over is remembered in @err: the first of them is the one to repair. */
static int open_best(const struct engine_config *cfg, struct engine **out, struct engine_error *err)
{
	int first = 0;

	for (size_t i = 0; i < N_ENGINES; i++) {
		int rc;

		if (!engines[i].automatic)
			continue;
		rc = engines[i].ops->open(cfg, out, err);
		if (rc == 0)
			return 0;
		if (first == 0) {
			first = rc;
			if (err->what[0] == '\0')
				engines[i].explain(rc, err);
		}
	}
	return first;
}

int engine_open(const char *name, const struct engine_config *cfg, struct engine **out,
		struct engine_error *err)
{
	*err = (struct engine_error){0};
	if (strcmp(name, "auto") == 0)
		return open_best(cfg, out, err);
	return open_named(name, cfg, out, err);
}

void engine_stackstats(const struct engine *e, struct stackstats *out)
{
	*out = (struct stackstats){0};
	if (e->ops->stackstats != NULL)
		e->ops->stackstats(e, out);
}
