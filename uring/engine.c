/* SPDX-License-Identifier: MIT */
/* engine.c - the engines by name */
#include "engine.h"

#include "caps.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

/* In the order "auto" tries them. */
static const struct engine_ops *const engines[] = {&uring_engine_ops};

enum { N_ENGINES = sizeof(engines) / sizeof(engines[0]) };

const char *engine_name(size_t n)
{
	return n < N_ENGINES ? engines[n]->name : NULL;
}

static void explain(int error, struct engine_error *err)
{
	struct uring_caps caps;

	/* When the probe works but the engine did not open, its own error is all there is. */
	uring_caps_probe(&caps);
	if (caps.available)
		caps.error = error;
	uring_caps_explain(&caps, err->what, sizeof(err->what), err->remedy, sizeof(err->remedy));
}

static void explain_unknown(const char *name, struct engine_error *err)
{
	assert(name != NULL);
	snprintf(err->what, sizeof(err->what), "there is no engine called \"%s\"", name);
	snprintf(err->remedy, sizeof(err->remedy), "choose uring or auto");
}

static int open_one(const struct engine_ops *ops, const struct engine_config *cfg,
		    struct engine **out, struct engine_error *err)
{
	int rc = ops->open(cfg, out);

	if (rc < 0)
		explain(rc, err);
	return rc;
}

int engine_open(const char *name, const struct engine_config *cfg, struct engine **out,
		struct engine_error *err)
{
	bool any = strcmp(name, "auto") == 0;
	int rc = -ENOENT;

	explain_unknown(name, err);
	for (size_t i = 0; i < N_ENGINES; i++) {
		if (!any && strcmp(name, engines[i]->name) != 0)
			continue;
		rc = open_one(engines[i], cfg, out, err);
		if (rc == 0 || !any)
			break;
	}
	return rc;
}
