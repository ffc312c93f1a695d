/* SPDX-License-Identifier: MIT */
/* serve_output.h - what "dualwire serve" says: where it listens, and each connection */
#ifndef TOOLS_SERVE_OUTPUT_H
#define TOOLS_SERVE_OUTPUT_H

#include "../uring/server.h"

/* One line, or one object, about a listener. @name as systemd calls it, "" without. */
void serve_print_listening(const struct listen_info *info, const char *name, const char *engine,
			   bool json);

/* One line, or one object, about a connection or a datagram. From any thread. */
void serve_print_record(const struct server_record *rec, bool json);

/* On stderr: accepting waits, because of @error. @held such pauses were not told. From any thread.
 */
void serve_print_pause(int error, uint64_t held);

#endif
