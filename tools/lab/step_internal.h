/* SPDX-License-Identifier: MIT */
/* step_internal.h - shared by the files that read steps, step*.c; for nobody else */
#ifndef TOOLS_LAB_STEP_INTERNAL_H
#define TOOLS_LAB_STEP_INTERNAL_H

#include "step.h"

/* Each reads the arguments of one verb, or of some that are alike. Return 0 or -EINVAL after a
 * complaint. */
typedef int (*step_args_fn)(struct words *ws, struct socket_names *names, struct step *st);

int step_args_inject(struct words *ws, struct socket_names *names, struct step *st);
int step_args_sysctl(struct words *ws, struct socket_names *names, struct step *st);
int step_args_resolve(struct words *ws, struct socket_names *names, struct step *st);
int step_args_nameinfo(struct words *ws, struct socket_names *names, struct step *st);
int step_args_address(struct words *ws, struct socket_names *names, struct step *st);
int step_args_pton(struct words *ws, struct socket_names *names, struct step *st);
int step_args_checksum(struct words *ws, struct socket_names *names, struct step *st);

/* [client|server]; nothing is the client. */
int step_take_side(struct words *ws, struct step *st);

/* BYTES or "TEXT". */
int step_take_payload(struct words *ws, struct step *st);

/* [length N] [family AF_X] [within MS] [nowait], in any order. */
int step_take_manner(struct words *ws, struct step *st);

#endif
