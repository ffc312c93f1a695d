/* SPDX-License-Identifier: MIT */
/* activation.h - sockets that systemd opened for us (sd_listen_fds(3), without its library) */
#ifndef TOOLS_ACTIVATION_H
#define TOOLS_ACTIVATION_H

#include "../uring/listener.h"

enum { ACTIVATION_NAME = 64 };

struct activated {
	struct listen_spec spec;
	char name[ACTIVATION_NAME]; /* FileDescriptorName= of the unit, "" without */
};

/*
 * Describes the sockets passed by LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, and takes the
 * variables out of the environment, so that no child believes they are its own. Returns their
 * number, 0 when there are none for this process, or -errno with @bad_fd set to the one that is no
 * socket we can serve; -E2BIG for more than @max.
 */
int activation_take(struct activated *list, int max, int *bad_fd);

#endif
