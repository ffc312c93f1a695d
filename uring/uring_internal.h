/* SPDX-License-Identifier: MIT */
/* uring_internal.h - state of the io_uring engine; for uring*.c only */
#ifndef URING_URING_INTERNAL_H
#define URING_URING_INTERNAL_H

#include "admit.h"
#include "backoff.h"
#include "bufring.h"
#include "caps.h"
#include "conns.h"
#include "pktinfo.h"

#include <netinet/in.h>

enum {
	SQ_ENTRIES = 2048,
	CQ_ENTRIES_MAX = 65536,
	POLL_BATCH_MAX = 4096, /* completions handled in one poll */
	DESTROY_WAIT_S = 1,    /* for requests that do not end when cancelled; none is known */
	GEN_MASK = CONNS_GEN_MASK,
};

/* Groups of provided buffers. */
enum { GROUP_TCP, GROUP_UDP };

enum uring_op {
	OP_WAKE = 1,
	OP_CANCEL,
	OP_CLOSE,
	OP_ACCEPT,
	OP_RECV,
	OP_SEND,
	OP_DGRAM_RECV,
	OP_DGRAM_SEND,
	OP_ASK,
	OP_SHUTDOWN,
};

/* What waits for a free submission entry or a free buffer. */
enum { WANT_RECV = 1, WANT_CANCEL = 2 };

/* conn.flags */
enum { CONN_DRAINED = 1 }; /* nothing was left to read when something was read last */

struct uring_listener {
	struct listen_info info;
	int fd; /* -1: closed */
	uint32_t gen;
	bool armed;	 /* an accept or receive request is in the kernel */
	bool multishot;	 /* and it is a multishot one */
	bool cancelling; /* and is being cancelled */
	bool ever;	 /* some request on it has succeeded */
	bool done;	 /* drained: nothing more comes from it */
	struct backoff backoff;
	struct msghdr msg; /* UDP: the shape of what is received */
};

/* A datagram being answered, one per receive buffer. */
struct uring_dgram {
	struct msghdr msg;
	struct iovec iov;
	struct sockaddr_storage to;
	_Alignas(struct cmsghdr) unsigned char control[PKTINFO_SIZE];
	uint32_t listener;
	uint32_t gen;
	bool busy;
};

struct uring {
	struct engine engine; /* first: the public handle is this address */
	struct io_uring ring;
	struct uring_caps caps;
	struct engine_config cfg;
	struct engine_stats stats;
	struct bufring tcp_bufs, udp_bufs; /* opened with the first listener that needs them */
	struct uring_dgram *dgrams;
	struct conns conns;
	struct uring_names *names; /* of direct descriptors, by connection; else NULL */
	uint32_t asked;		   /* requests for them since the last answers */
	uint32_t accepts_single;   /* singleshot accepts in flight: each has a place reserved */
	struct uring_listener listeners[ENGINE_LISTENERS_MAX];
	uint32_t n_listeners;
	uint32_t burst; /* sum of the backlogs: what multishot accept may deliver at once */
	int wake_fd;
	uint64_t wake_value;
	bool wake_armed;
	bool no_multishot_accept; /* the kernel refused it */
	bool drained;		  /* ENGINE_DRAINED was delivered */
	int fatal;		  /* -errno of a listener that broke */
	char text[128];
};

static inline struct uring *uring_of(struct engine *e)
{
	return (struct uring *)e;
}

static inline uint64_t tag_make(enum uring_op op, uint32_t gen, uint32_t index)
{
	return (uint64_t)op << 56 | (uint64_t)(gen & GEN_MASK) << 32 | index;
}

static inline enum uring_op tag_op(uint64_t tag)
{
	return (enum uring_op)(tag >> 56);
}

static inline uint32_t tag_gen(uint64_t tag)
{
	return (uint32_t)(tag >> 32) & GEN_MASK;
}

static inline uint32_t tag_index(uint64_t tag)
{
	return (uint32_t)tag;
}

static inline uint32_t gen_next(uint32_t gen)
{
	return gen == GEN_MASK ? 1 : gen + 1;
}

/* uring.c */

/* A submission entry, NULL when the kernel takes no more for now. */
struct io_uring_sqe *uring_sqe(struct uring *u);

/* Asks to cancel the request with @tag. False: no submission entry. */
bool uring_cancel(struct uring *u, uint64_t tag);

/*
 * uring_sock.c: what conn.fd of a stream stands for, a descriptor or a slot of the ring's table.
 * Everything below takes both.
 */

/* Bounds cfg->max_conns by the table it can have. -EMFILE, with @err filled: none worth having. */
int sock_table_size(struct engine_config *cfg, struct engine_error *err);
int sock_table_open(struct uring *u);

/* Closes what is in it. No request may be under way. */
void sock_table_close(struct uring *u);

/* conn.fd of a slot. */
int sock_of_slot(uint32_t slot);

/* Directs a prepared request at @sock. */
void sock_use(struct io_uring_sqe *sqe, int sock);

/* Closes it with the next submission, or at once when there is no entry. */
void sock_close(struct uring *u, int sock);

/* Asks a slot just accepted for the ADMIT_* bits of @ev that it can tell; a descriptor has been
 * asked already. sock_answers() then fills all events that are due. */
void sock_ask(struct uring *u, const struct engine_event *ev, int sock, unsigned int bits);
void sock_answers(struct uring *u, struct engine_event *events, int n);

/* Half-closes: a descriptor now, a slot when @tag completes with a descriptor for
 * sock_shutdown_installed(). False: no submission entry. */
bool sock_shutdown(struct uring *u, const struct conn *c, uint64_t tag);
void sock_shutdown_installed(int fd);

/* uring_accept.c: listeners of streams */

/* Arms what may be armed now. */
void accept_arm(struct uring *u, struct uring_listener *l);

/* True with @ev filled when the completion is a new connection or the beginning of a pause. */
bool accept_complete(struct uring *u, uint32_t index, const struct io_uring_cqe *cqe,
		     struct engine_event *ev);

/* Milliseconds until the accept of some paused listener is to be tried again, -1: none. */
int64_t accept_timeout_ms(const struct uring *u);

/* A connection has gone: descriptors and places are free again. */
void accept_resume(struct uring *u);

/* While draining: takes the backlog by accept4(2). Returns the number of events written. */
int accept_drain(struct uring *u, struct engine_event *events, int max);

/* Stops accepting: cancels the request in flight. */
void accept_stop(struct uring *u, struct uring_listener *l);

void listener_close(struct uring_listener *l);

/* uring_tcp.c: streams */

void conn_close(struct uring *u, struct conn *c, int error);

/* Gives requests that found no entry or buffer another try. */
void conn_retry_waiting(struct uring *u);

/* Closes what has been silent for too long. */
void conn_expire(struct uring *u);

bool conn_recv_complete(struct uring *u, const struct io_uring_cqe *cqe, struct engine_event *ev);
bool conn_send_complete(struct uring *u, const struct io_uring_cqe *cqe, struct engine_event *ev);
int uring_receive(struct engine *e, engine_conn conn);
int uring_send(struct engine *e, engine_conn conn, const void *data, size_t len, engine_buf buf);
void uring_shutdown(struct engine *e, engine_conn conn);
void conn_shutdown_complete(struct uring *u, const struct io_uring_cqe *cqe);
void uring_close(struct engine *e, engine_conn conn);

/* uring_udp.c: datagrams */

int dgram_open(struct uring *u, struct uring_listener *l);
void dgram_arm(struct uring *u, struct uring_listener *l);
bool dgram_recv_complete(struct uring *u, const struct io_uring_cqe *cqe, struct engine_event *ev);
bool dgram_send_complete(struct uring *u, const struct io_uring_cqe *cqe, struct engine_event *ev);
int uring_send_dgram(struct engine *e, uint32_t listener, const struct endpoint *to,
		     const struct endpoint *from, const void *data, size_t len, engine_buf buf);

#endif
