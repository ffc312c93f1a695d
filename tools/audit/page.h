/* SPDX-License-Identifier: MIT */
/* page.h - an audit as one HTML file, for a browser */
#ifndef TOOLS_AUDIT_PAGE_H
#define TOOLS_AUDIT_PAGE_H

#include <stdio.h>

#include "audit.h"

/* Writes it: nothing in it is fetched from elsewhere. Returns 0, -ENOMEM or -EIO. */
int page_write(struct audit *a, FILE *out);

#endif
