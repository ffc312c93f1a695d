/* SPDX-License-Identifier: MIT */
/* uring_sock.c - the sockets of streams: descriptors, or slots of the ring's own table of files */
#include "sockopt.h"
#include "uring_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * With engine_config.direct accepted sockets go into a table of the ring ("direct descriptors") and
 * have no descriptor. This file alone knows the difference; conn.fd says which it is: a slot is
 * written as a negative number, so that no system call can take it for a descriptor. The drain
 * accepts by accept4(2), so both kinds can be open at a time.
 *
 * A slot takes no system calls. What is to be asked of it goes by requests, which the kernel
 * answers while they are submitted: one more submission per batch that accepted something. It
 * answers options of SOL_SOCKET only, so the local address stays unknown.
 *
 * Into a full table the kernel cannot put what it has accepted, and the connection is lost. So the
 * table has a slot for every connection and every place of the backlogs, or else fewer connections
 * are allowed.
 */

enum {
	TABLE_MAX = 1 << 20, /* the kernel's */
	SLOT_FIRST = -2,     /* conn.fd of slot 0; -1 stays "none" */
};

/* Newer than the oldest supported liburing. */
enum {
	CMD_GETSOCKOPT = 2,	      /* Linux 6.7 */
	OPCODE_FIXED_FD_INSTALL = 54, /* 6.8 */
};

#ifndef SO_PEERNAME
#define SO_PEERNAME 28
#endif

/* What the kernel writes into while it takes a request. */
struct uring_names {
	struct sockaddr_in6 peer;
	uint64_t cookie;
};

int sock_of_slot(uint32_t slot)
{
	return SLOT_FIRST - (int)slot;
}

static bool is_slot(int sock)
{
	return sock <= SLOT_FIRST;
}

static int slot_of(int sock)
{
	return SLOT_FIRST - sock;
}

void sock_use(struct io_uring_sqe *sqe, int sock)
{
	sqe->fd = is_slot(sock) ? slot_of(sock) : sock;
	if (is_slot(sock))
		sqe->flags |= IOSQE_FIXED_FILE;
}

int sock_table_size(struct engine_config *cfg, struct engine_error *err)
{
	uint64_t want = (uint64_t)cfg->max_conns + cfg->backlog, most = TABLE_MAX;
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < most)
		most = lim.rlim_cur; /* it bounds the table, whatever else is open */
	if (most <= cfg->backlog) {
		snprintf(err->what, sizeof(err->what),
			 "direct descriptors need a table of more than %u files, the sum of the "
			 "backlogs, and may have %llu",
			 cfg->backlog, (unsigned long long)most);
		snprintf(err->remedy, sizeof(err->remedy),
			 "raise the limit of open files (ulimit -n) or lower the backlog "
			 "(--backlog)");
		return -EMFILE;
	}
	if (want > most)
		cfg->max_conns = (uint32_t)most - cfg->backlog;
	return 0;
}

int sock_table_open(struct uring *u)
{
	int rc;

	u->names = calloc(u->cfg.max_conns, sizeof(*u->names));
	if (u->names == NULL)
		return -ENOMEM;
	rc = io_uring_register_files_sparse(&u->ring, u->cfg.max_conns + u->cfg.backlog);
	if (rc < 0) {
		free(u->names);
		u->names = NULL;
	}
	return rc;
}

void sock_table_close(struct uring *u)
{
	/* The end of the ring would close them too, but later, in the background. */
	if (u->names != NULL)
		io_uring_unregister_files(&u->ring);
}

void sock_close(struct uring *u, int sock)
{
	struct io_uring_sqe *sqe = uring_sqe(u);
	int none = -1;

	if (sqe == NULL) {
		if (is_slot(sock))
			io_uring_register_files_update(&u->ring, (unsigned int)slot_of(sock), &none,
						       1);
		else
			close(sock);
		return;
	}
	if (is_slot(sock))
		io_uring_prep_close_direct(sqe, (unsigned int)slot_of(sock));
	else
		io_uring_prep_close(sqe, sock);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(sqe, tag_make(OP_CLOSE, 0, 0));
}

static void ask(struct uring *u, int sock, uint32_t option, void *value, uint32_t size)
{
	const uint32_t level_option[2] = {SOL_SOCKET, option};
	struct io_uring_sqe *sqe = uring_sqe(u);

	if (sqe == NULL)
		return;
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, -1, NULL, 0, 0);
	sqe->cmd_op = CMD_GETSOCKOPT;
	memcpy(&sqe->addr, level_option, sizeof(level_option));
	sqe->splice_fd_in = (int32_t)size;
	sqe->addr3 = (uintptr_t)value;
	sock_use(sqe, sock);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(sqe, tag_make(OP_ASK, 0, 0));
	u->asked++;
}

void sock_ask(struct uring *u, const struct engine_event *ev, int sock, unsigned int bits)
{
	struct uring_names *names;

	if (!is_slot(sock))
		return;
	names = &u->names[engine_conn_index(ev->conn)];
	*names = (struct uring_names){0};
	if (bits & ADMIT_PEER)
		ask(u, sock, SO_PEERNAME, &names->peer,
		    ev->family == AF_INET6 ? sizeof(struct sockaddr_in6)
					   : sizeof(struct sockaddr_in));
	if (bits & ADMIT_COOKIE)
		ask(u, sock, SO_COOKIE, &names->cookie, sizeof(names->cookie));
}

void sock_answers(struct uring *u, struct engine_event *events, int n)
{
	if (u->asked == 0)
		return;
	u->asked = 0;
	io_uring_submit(&u->ring); /* what it does not take now stays unknown: zero */
	u->stats.waits++;
	for (int i = 0; i < n; i++) {
		const struct uring_names *names;
		struct conn *c;

		if (events[i].type != ENGINE_ACCEPT)
			continue;
		c = conns_find(&u->conns, engine_conn_index(events[i].conn),
			       (uint32_t)(events[i].conn >> 32));
		assert(c != NULL); /* just accepted: nobody else knows it yet */
		if (!is_slot(c->fd))
			continue;
		names = &u->names[engine_conn_index(events[i].conn)];
		events[i].cookie = names->cookie;
		if (endpoint_from_sockaddr((const struct sockaddr *)&names->peer,
					   sizeof(names->peer), &events[i].peer) < 0)
			events[i].peer = (struct endpoint){0};
	}
}

bool sock_shutdown(struct uring *u, const struct conn *c, uint64_t tag)
{
	struct io_uring_sqe *sqe;

	if (!is_slot(c->fd)) {
		shutdown(c->fd, SHUT_WR); /* fails only when the peer has gone: then it is done */
		return true;
	}
	sqe = uring_sqe(u);
	if (sqe == NULL)
		return false;
	/* A descriptor for the time of the system call: the operation would run on a kernel thread
	 * and look the slot up there, when it may be somebody else's. */
	io_uring_prep_rw(OPCODE_FIXED_FD_INSTALL, sqe, -1, NULL, 0, 0);
	sock_use(sqe, c->fd);
	io_uring_sqe_set_data64(sqe, tag);
	return true;
}

void sock_shutdown_installed(int fd)
{
	shutdown(fd, SHUT_WR);
	close(fd);
}
