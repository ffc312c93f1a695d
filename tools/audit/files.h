/* SPDX-License-Identifier: MIT */
/* files.h - what an audit leaves on disk: a page, and a directory with all of the evidence */
#ifndef TOOLS_AUDIT_FILES_H
#define TOOLS_AUDIT_FILES_H

#include "audit.h"

/*
 * The directory holds
 *
 *   audit.json      as --json prints it
 *   evidence.json   what the verdicts on connections rest on, for `dualwire judge`
 *   capture.pcapng  every frame of both ends
 *   server.log      what the server printed in all of its runs
 */
struct files;

/*
 * Opens what can be opened before the work, so that a place which cannot be written to is found
 * then. @page and @dir may be NULL, and outlive @out. Sets what @cfg needs. Returns 0, or an exit
 * code after a message.
 */
int files_open(const char *page, const char *dir, struct audit_config *cfg, struct files **out);

/* Writes all of it. Returns 0, or an exit code after a message. */
int files_save(struct files *f, struct audit *a);

/* NULL is allowed. */
void files_close(struct files *f);

#endif
