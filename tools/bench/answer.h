/* SPDX-License-Identifier: MIT */
/* answer.h - how long a web server's answer is */
#ifndef TOOLS_BENCH_ANSWER_H
#define TOOLS_BENCH_ANSWER_H

#include "../../rawstack/addr.h"

/*
 * Asks once for "/", to be closed afterwards, from a socket in @netns_fd, and counts the bytes up
 * to the end of the stream: raw frames carry the same request, but their generator reads no HTTP.
 * Returns the length, -EPROTO (nothing came, or over a megabyte), -ETIMEDOUT, or another -errno.
 */
int answer_length(int netns_fd, const struct endpoint *server);

#endif
