/* SPDX-License-Identifier: MIT */
/* epoll_internal.h - state of the epoll engine; for epoll*.c only */
#ifndef URING_EPOLL_INTERNAL_H
#define URING_EPOLL_INTERNAL_H

#include "backoff.h"
#include "bufpool.h"
#include "conns.h"
#include "pktinfo.h"

#include <netinet/in.h>
#include <sys/epoll.h>

enum {
	EPOLL_EVENTS_MAX = 256, /* readiness taken from the kernel at a time */
	DGRAM_BATCH = 64,	/* datagrams in one recvmmsg(2) or sendmmsg(2) */
};

/* What an epoll event is about: the upper bits of its data. */
enum epoll_kind { KIND_WAKE, KIND_LISTENER, KIND_CONN };

/* Why a connection is on the waiting list. */
enum { WANT_RECV = 1, WANT_SENT = 2 };

/* conn.flags */
enum {
	CONN_IN = 1,	   /* registered for reading */
	CONN_OUT = 2,	   /* registered for writing */
	CONN_READABLE = 4, /* there may be something to read: no need to wait for an event */
	CONN_HUP = 8,	   /* the end of the stream, or an error, is behind what is there to read */
	CONN_STARVED = 16, /* waits for a buffer, and was counted */
};

struct epoll_listener {
	struct listen_info info;
	int fd;		/* -1: closed */
	bool readable;	/* there may be something to take */
	bool muted;	/* textbook form: not registered, since nothing can be taken */
	bool done;	/* drained */
	bool send_wait; /* UDP: a reply waits for room in the socket's buffer */
	struct backoff backoff;
};

/* A datagram received or being answered, one per receive buffer. */
struct epoll_dgram {
	struct iovec iov;
	struct sockaddr_storage name;
	_Alignas(struct cmsghdr) unsigned char control[PKTINFO_SIZE];
	struct msghdr reply;
	uint32_t listener;
	bool busy; /* being answered */
};

struct epolled {
	struct engine engine; /* first: the public handle is this address */
	bool textbook;
	struct engine_config cfg;
	struct engine_stats stats;
	struct conns conns;
	struct bufpool tcp_bufs, udp_bufs; /* opened with the first listener that needs them */
	struct epoll_dgram *dgrams;
	uint8_t replies[ENGINE_DGRAMS_MAX]; /* queue of buffers with a reply to send */
	uint32_t n_replies;
	struct epoll_listener listeners[ENGINE_LISTENERS_MAX];
	uint32_t n_listeners;
	unsigned int admit; /* ADMIT_* */
	int epoll_fd, wake_fd;
	bool skipped; /* the last poll had events without asking the kernel for more */
	bool drained; /* ENGINE_DRAINED was delivered */
	int fatal;    /* -errno of a listener that broke */
	struct epoll_event ready[EPOLL_EVENTS_MAX];
};

static inline struct epolled *epolled_of(struct engine *e)
{
	return (struct epolled *)e;
}

static inline uint64_t epoll_tag(enum epoll_kind kind, uint32_t gen, uint32_t index)
{
	return (uint64_t)kind << 56 | (uint64_t)gen << 32 | index;
}

/* epoll.c */

/* Registers, changes or (@events 0) removes the interest in @fd. Returns 0 or -errno. */
int epoll_interest(struct epolled *ep, int op, int fd, uint32_t events, uint64_t tag);

/* Makes what epoll reports of @l follow from its fields. Returns 0 or -errno. */
int epoll_listener_update(struct epolled *ep, struct epoll_listener *l);

/* Textbook form: what cannot be taken now must not be told again and again. */
void epoll_listener_mute(struct epolled *ep, struct epoll_listener *l, bool mute);

static inline uint32_t epoll_listener_index(const struct epolled *ep,
					    const struct epoll_listener *l)
{
	return (uint32_t)(l - ep->listeners);
}

/* epoll_accept.c: listeners of streams */

/* Whether there is a place for one more connection of @l now. */
bool epoll_may_accept(const struct epolled *ep, const struct epoll_listener *l);

/* Accepts from every listener that may have something. Returns the number of events written. */
int epoll_accept(struct epolled *ep, struct engine_event *events, int max);

/* Whether epoll_accept() would do something at once. */
bool epoll_accept_due(const struct epolled *ep);

/* Milliseconds until some paused listener is to be tried again, -1: none. */
int64_t epoll_accept_timeout_ms(const struct epolled *ep);

/* epoll_tcp.c: streams */

void epoll_conn_close(struct epolled *ep, struct conn *c, int error);

/* The kernel's word on a connection. True with @ev filled when it makes an event. */
bool epoll_conn_ready(struct epolled *ep, struct conn *c, uint32_t events, struct engine_event *ev);

/* Gives waiting connections their turn. Returns the number of events written. */
int epoll_conns_turn(struct epolled *ep, struct engine_event *events, int max);

/* Textbook form: registers a new connection before anything else. */
void epoll_conn_register(struct epolled *ep, struct conn *c);

int epoll_receive(struct engine *e, engine_conn conn);
int epoll_send(struct engine *e, engine_conn conn, const void *data, size_t len, engine_buf buf);
void epoll_close(struct engine *e, engine_conn conn);

/* epoll_udp.c: datagrams */

int epoll_dgram_open(struct epolled *ep);

/* Sends what waits and receives what is there. Returns the number of events written. */
int epoll_dgrams_turn(struct epolled *ep, struct engine_event *events, int max);
bool epoll_dgrams_due(const struct epolled *ep);

/* Whether there is a buffer for one more datagram of @l now. */
bool epoll_may_receive(const struct epolled *ep, const struct epoll_listener *l);

int epoll_send_dgram(struct engine *e, uint32_t listener, const struct endpoint *to,
		     const struct endpoint *from, const void *data, size_t len, engine_buf buf);

#endif
