/* SPDX-License-Identifier: MIT */
/* caps.h - what this kernel's io_uring can do, found out by trying, and why it cannot */
#ifndef URING_CAPS_H
#define URING_CAPS_H

#include <stdbool.h>
#include <stddef.h>

struct uring_caps {
	bool available;		 /* a ring with the flags we need exists, and all we need works */
	int error;		 /* -errno of the step that failed, 0 */
	int sysctl_disabled;	 /* /proc/sys/kernel/io_uring_disabled: 0, 1, 2; -1 absent */
	bool setup;		 /* io_uring_setup(2) works at all */
	bool defer_taskrun;	 /* SINGLE_ISSUER | DEFER_TASKRUN (Linux 6.1) */
	bool buf_ring;		 /* provided-buffer rings (5.19) */
	bool multishot_accept;	 /* 5.19 */
	bool recvmsg_multishot;	 /* 6.0 */
	bool socket_cmd;	 /* socket commands by SQE (6.7) */
	bool recv_bundle;	 /* 6.10 */
	bool min_wait;		 /* 6.12 */
	bool direct_descriptors; /* safe to use: closing one does not wait for others (6.15) */
};

/*
 * Tries everything on a small ring of its own, in a thread of its own, with local sockets only.
 * Leaves nothing open, and nothing that would interrupt the caller later. Returns 0 when io_uring
 * is usable, else caps->error.
 */
int uring_caps_probe(struct uring_caps *caps);

/* Puts a failed probe into words: the cause, and what to do. Pure; both texts end in NUL. */
void uring_caps_explain(const struct uring_caps *caps, char *what, size_t what_size, char *remedy,
			size_t remedy_size);

/*
 * Whether direct descriptors are to be used: 0, or -EOPNOTSUPP with cause and remedy. Pure; both
 * texts end in NUL.
 */
int uring_caps_check_direct(const struct uring_caps *caps, char *what, size_t what_size,
			    char *remedy, size_t remedy_size);

#endif
