/* SPDX-License-Identifier: MIT */
/* nl.h - netlink requests over libmnl, and the kernel's own words when it refuses one */
#ifndef RAWSTACK_NETLINK_NL_H
#define RAWSTACK_NETLINK_NL_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NL_RECV_BYTES = 64 * 1024, /* a receive buffer that keeps dumps to few system calls */
	NL_ACK_BYTES = 4096,	   /* enough for acknowledgements, which repeat the request */
	NL_BATCH_BYTES = 4096,
	NL_BATCH_MAX = 32, /* messages in a batch */
	NL_MSG_MAX = 512,  /* bytes of one message in a batch */
};

/* Which request was refused, and why. */
struct nl_refusal {
	const char *step; /* as given to nl_batch_add(); NULL for a failure of the socket itself */
	char text[128];	  /* extended acknowledgement, "" where the kernel gave none */
};

/*
 * Opens a bound netlink socket for @bus (NETLINK_ROUTE, ...) in @netns_fd (-1: here), with extended
 * acknowledgements and strict checking of dump requests. @flags: 0 or SOCK_NONBLOCK. Close it with
 * mnl_socket_close(). Returns 0 or -errno.
 */
int nl_open(int netns_fd, int bus, int flags, struct mnl_socket **out);

/* Several requests that travel in one send and are answered in one receive when all goes well. */
struct nl_batch {
	struct mnl_nlmsg_batch *msgs;
	unsigned int n;
	const char *step[NL_BATCH_MAX];
	_Alignas(struct nlmsghdr) char buf[NL_BATCH_BYTES + NL_MSG_MAX];
};

/* Returns 0 or -ENOMEM. */
int nl_batch_init(struct nl_batch *b);

/*
 * Adds a request of @type with NLM_F_REQUEST and @flags. The caller appends to the message it gets
 * (mnl_nlmsg_put_extra_header(), mnl_attr_put()...), at most NL_MSG_MAX bytes in all, until the
 * next call. @step says what the request does and must outlive the batch. Adding more than the
 * limits above is a mistake of the program and aborts.
 */
struct nlmsghdr *nl_batch_add(struct nl_batch *b, uint16_t type, uint16_t flags, const char *step);

/*
 * Sends the batch and waits for its outcome. The kernel carries out every request even when an
 * earlier one failed. Returns 0 when all succeeded, else the first one's -errno with @why filled.
 */
int nl_batch_commit(struct nl_batch *b, struct mnl_socket *nl, struct nl_refusal *why);

void nl_batch_free(struct nl_batch *b);

/*
 * Sends one request with the sequence number in it and hands each reply to @fn until NLMSG_DONE
 * (NLM_F_DUMP set), the first reply (neither NLM_F_DUMP nor NLM_F_ACK), or the acknowledgement.
 * @buf is where replies are received. Returns 0, or -errno of the socket, the kernel or @fn.
 */
int nl_request(struct mnl_socket *nl, const struct nlmsghdr *req, void *buf, size_t size,
	       mnl_cb_t fn, void *arg);

#endif
