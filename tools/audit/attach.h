/* SPDX-License-Identifier: MIT */
/* attach.h - what can be said of a server that runs already, without touching it */
#ifndef TOOLS_AUDIT_ATTACH_H
#define TOOLS_AUDIT_ATTACH_H

#include "audit.h"

/*
 * Reads the listeners of process cfg->attach and what can be foretold from them. Nothing is sent,
 * nothing is started. As audit_run() else.
 */
int audit_attach(const struct audit_config *cfg, struct audit *a, struct audit_error *err);

#endif
