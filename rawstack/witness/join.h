/* SPDX-License-Identifier: MIT */
/* join.h - joins the records of three views into connections */
#ifndef RAWSTACK_WITNESS_JOIN_H
#define RAWSTACK_WITNESS_JOIN_H

#include "flow.h"

/* The three views of one connection, joined. Pointers lead into the evidence and the flow table. */
struct connection {
	struct flow_key key;
	const struct flow *flow; /* NULL: no frame */
	bool flow_by_ports;	 /* the flow has this socket's ports but other addresses */
	bool ambiguous;		 /* records and generations of this key do not pair up */
	struct connection_side {
		const struct evidence_api *api; /* the first record, NULL: none */
		uint32_t api_records;
		uint64_t bytes_in, bytes_out;	     /* over all records */
		const struct sockdiag_entry *kernel; /* NULL: none */
		bool by_lookup;			     /* @kernel is what the kernel's own look-up
						      * of these addresses found */
		bool cookie_mismatch;
		bool own_stack; /* that host's kernel has no sockets: evidence.h */
	} side[SIDE_NUM];
};

/*
 * Joins what programs and kernel said to the flows of @flows, from which nothing has been
 * forgotten. @tap: which tap stands at each side. @list (the caller's to free) gets a connection
 * for each flow, and one for each record without frames. Returns 0 or -ENOMEM.
 */
int join_views(const struct evidence *ev, const struct flow_table *flows,
	       const uint32_t tap[SIDE_NUM], struct connection **list, size_t *n);

#endif
