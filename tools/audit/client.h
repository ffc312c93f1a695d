/* SPDX-License-Identifier: MIT */
/* client.h - somebody else's client as a probe, for protocols that we do not speak */
#ifndef TOOLS_AUDIT_CLIENT_H
#define TOOLS_AUDIT_CLIENT_H

#include "audit.h"

/*
 * Runs cfg->client by /bin/sh on the client's host, once for each probe, with the environment
 * variables FROM, TO and PORT. Exit code 0 means that it was served: the probe is then ANSWERED,
 * else CLOSED, and SILENT when it took longer than cfg->wait_ms. A mapped probe, which no command
 * line can ask for, gets the result of the one before it: the packets are the same. Returns 0 or
 * -errno as audit_probe().
 */
int client_run(struct audit *a, struct probe *list, size_t n);

#endif
