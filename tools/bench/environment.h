/* SPDX-License-Identifier: MIT */
/* environment.h - the machine that figures were taken on */
#ifndef TOOLS_BENCH_ENVIRONMENT_H
#define TOOLS_BENCH_ENVIRONMENT_H

#include "arena.h"

#include <jansson.h>

/*
 * {"kernel","cpu","cpus","rps","congestion_control",...}; what cannot be found
 * out is null. @a: after its first lab was made.
 */
json_t *environment_json(const struct arena *a);

#endif
