/* SPDX-License-Identifier: MIT */
/* socket_index.h - the kernel's word on a socket, found by its cookie or by its endpoints */
#ifndef RAWSTACK_WITNESS_SOCKET_INDEX_H
#define RAWSTACK_WITNESS_SOCKET_INDEX_H

#include "evidence.h"

/*
 * Sorted views of evidence->kernel, made once: every look-up is a binary search. Of several words
 * on one socket with the same endpoints only the last counts: an event after a dump, else as
 * listed.
 */
struct socket_index {
	const struct evidence_kernel **sockets; /* by tap, endpoints and cookie */
	size_t n_sockets;
	/* Those that no program's record names with these endpoints, by tap and cookie. */
	const struct evidence_kernel **loose;
	size_t n_loose;
};

/* @tap: the tap that stands at each side. Returns 0 or -ENOMEM; release with socket_index_free().
 */
int socket_index_init(struct socket_index *idx, const struct evidence *ev,
		      const uint32_t tap[SIDE_NUM]);
void socket_index_free(struct socket_index *idx);

/*
 * The @nth of the sockets that have the probe's tap, protocol and endpoints, counted from the
 * probe's cookie on; NULL: there is none.
 */
const struct evidence_kernel *socket_index_at(const struct socket_index *idx,
					      const struct evidence_kernel *probe, size_t nth);

/* The last word on the socket with the probe's tap and cookie where no record names its endpoints.
 */
const struct evidence_kernel *socket_index_elsewhere(const struct socket_index *idx,
						     const struct evidence_kernel *probe);

#endif
