/* SPDX-License-Identifier: MIT */
/* engine.h - one completion interface for whatever moves the bytes */
#ifndef URING_ENGINE_H
#define URING_ENGINE_H

#include "listener.h"

/*
 * An engine owns sockets (or what stands for them) and reports what happened to them as events. It
 * belongs to the thread that opened it; only engine_wake() may be called from elsewhere.
 *
 * A stream connection lives from its ENGINE_ACCEPT to its ENGINE_CLOSED, which is always the last
 * event about it. In between, at most one receive and one send may be under way. Handles carry a
 * generation: calls with the handle of a connection that is gone return -ENOTCONN.
 *
 * Nothing is received until engine_receive() asks for it, once per ENGINE_RECV. This is the
 * back-pressure: a workload that does not ask, or does not release its buffers, slows its peer
 * down.
 */
enum engine_event_type {
	ENGINE_ACCEPT, /* listener, conn, family, peer, local, cookie */
	ENGINE_RECV,   /* conn, data, len, buf; len 0 is the end of the stream, without a buffer */
	ENGINE_SENT,   /* conn, len, error, buf: one for every engine_send() that returned 0 */
	ENGINE_CLOSED, /* conn, error: 0 orderly, -ETIMEDOUT idle, -ECONNRESET ... */
	ENGINE_DGRAM,  /* listener, family, peer, local, cookie, data, len, buf */
	ENGINE_DGRAM_SENT, /* listener, len, error, buf: one for every engine_send_dgram() */
	ENGINE_WOKEN,	   /* engine_wake() was called, once or more */
	ENGINE_PAUSED,	   /* listener, error: too few descriptors or too little memory to accept */
	ENGINE_DRAINED, /* after engine_drain(): every listener is closed, its backlog accepted */
};

typedef uint64_t engine_conn; /* generation << 32 | index; 0 is no connection */
typedef uint32_t engine_buf;  /* a lent receive buffer; one of a datagram: < ENGINE_DGRAMS_MAX */

#define ENGINE_NO_BUF UINT32_MAX

struct engine_event {
	enum engine_event_type type;
	uint32_t listener; /* in the order of engine_listen() */
	int family;	   /* of the socket the addresses came from */
	int error;	   /* 0 or -errno */
	engine_buf buf;
	engine_conn conn;
	/* IPv4 is always the mapped form here; what the socket returned follows from @family. */
	struct endpoint peer, local;
	uint64_t cookie;
	const void *data; /* borrowed until engine_release(buf) */
	size_t len;
};

/*
 * Of the bypass engine alone: the interface it has to itself, and the addresses it brings. It has
 * no kernel socket; connections are made on these addresses by its own TCP.
 */
struct engine_link {
	int netns_fd; /* namespace of the interface, -1: the calling thread's */
	const char *ifname;
	struct engine_link_addr {
		struct addr addr;
		uint8_t prefix_len; /* of its family */
	} addrs[16];
	int n_addrs;
	struct addr gateway4, gateway6; /* the wildcard: none */
	bool xdp;			/* AF_XDP instead of AF_PACKET rings */
	bool sendmmsg;			/* AF_PACKET: no ring to send from */
	bool own_mac;	    /* AF_PACKET on a veth or tap: be a station of our own, which
			       the kernel's IP layer passes by */
	bool skip_dad;	    /* the addresses are used without asking who has them */
	bool keep_queueing; /* AF_PACKET: through the queueing discipline, so that a tap
			       on the same interface sees what is sent */
	/* Called now and then while duplicates are looked for; true ends it. NULL: not called. */
	bool (*give_up)(void *arg);
	void *give_up_arg;
};

struct engine_config {
	const struct engine_link *link; /* NULL: none, which bypass refuses */
	uint32_t max_conns;		/* 0: ENGINE_CONNS_DEFAULT */
	uint32_t backlog;		/* sum over all listeners, for sizing; 0: 4096 */
	uint32_t idle_timeout_ms;	/* 0: ENGINE_IDLE_DEFAULT_MS */
	uint32_t recv_buffers;		/* for streams, a power of two; 0: as many as are useful */
	uint32_t queue_entries;		/* io_uring: of both queues; 0: so that none overflows */
	bool no_multishot;		/* io_uring: one connection per accept request */
	/*
	 * io_uring, Linux 6.15: accepted sockets have no descriptor but a slot of the ring's own
	 * table, which RLIMIT_NOFILE bounds, less the backlogs: @max_conns may become less. Their
	 * local address stays zero.
	 */
	bool direct;
	/* Of streams; each address and the cookie cost a system call. */
	bool no_addresses; /* leave out peer, local and cookie */
	bool peer_only;	   /* leave out local and cookie */
};

enum {
	ENGINE_CONNS_DEFAULT = 16384,
	ENGINE_CONNS_MAX = 1 << 24,
	ENGINE_IDLE_DEFAULT_MS = 30000,
	ENGINE_DRAIN_IDLE_MS = 200, /* while draining, a stream this long silent is done */
	ENGINE_LISTENERS_MAX = 64,
	ENGINE_DGRAMS_MAX = 128, /* datagrams received and not yet released, at a time */
};

struct engine_stats {
	uint64_t accepted;
	uint64_t accept_errors; /* passing ones, such as -ECONNABORTED */
	uint64_t accept_pauses; /* for want of descriptors or memory */
	uint64_t accept_arms;	/* accept requests submitted */
	uint64_t refused_full;	/* accepted beyond max_conns and closed at once */
	uint64_t recv_starved;	/* receives that found no free buffer */
	uint64_t waits;		/* system calls that submitted and waited */
	uint64_t completions;
	uint64_t overflows; /* completions the kernel had to keep aside, or lost */
};

/* Why an engine could not be opened, and what to do about it. */
struct engine_error {
	char what[160];
	char remedy[200];
};

struct engine {
	const struct engine_ops *ops;
};

struct stackstats;

struct engine_ops {
	const char *name;
	/* May fill @err; where it does not, engine.c explains the number returned. */
	int (*open)(const struct engine_config *cfg, struct engine **out, struct engine_error *err);
	int (*listen)(struct engine *e, const struct listen_spec *spec, struct listen_info *info,
		      enum listen_step *step);
	int (*poll)(struct engine *e, struct engine_event *events, int max, int timeout_ms);
	int (*receive)(struct engine *e, engine_conn conn);
	int (*send)(struct engine *e, engine_conn conn, const void *data, size_t len,
		    engine_buf buf);
	int (*send_dgram)(struct engine *e, uint32_t listener, const struct endpoint *to,
			  const struct endpoint *from, const void *data, size_t len,
			  engine_buf buf);
	void (*release)(struct engine *e, engine_buf buf);
	void (*close)(struct engine *e, engine_conn conn);
	void (*shutdown)(struct engine *e, engine_conn conn); /* NULL: as close */
	void (*wake)(struct engine *e);
	void (*drain)(struct engine *e);
	void (*stats)(const struct engine *e, struct engine_stats *out);
	/* NULL: it has no stack of its own. */
	void (*stackstats)(const struct engine *e, struct stackstats *out);
	const char *(*text)(const struct engine *e);
	void (*destroy)(struct engine *e);
};

/*
 * Opens the engine called @name in the calling thread; "auto" takes the best one that works here.
 * Returns 0, -ENOENT for an unknown name, or another -errno. @err is filled on failure; after
 * success it says why "auto" passed over a better engine, and is empty otherwise.
 */
int engine_open(const char *name, const struct engine_config *cfg, struct engine **out,
		struct engine_error *err);

/* The n-th engine name, NULL past the last. */
const char *engine_name(size_t n);

/* Opens a listener. Returns its index or -errno, with @step as listener_open() sets it. */
static inline int engine_listen(struct engine *e, const struct listen_spec *spec,
				struct listen_info *info, enum listen_step *step)
{
	return e->ops->listen(e, spec, info, step);
}

/*
 * Waits up to @timeout_ms (-1: without limit) and writes at most @max events. Returns their number,
 * which may be 0 early (signal, internal work), or -errno when the engine or a listener is broken.
 */
static inline int engine_poll(struct engine *e, struct engine_event *events, int max,
			      int timeout_ms)
{
	return e->ops->poll(e, events, max, timeout_ms);
}

/* Asks for the next ENGINE_RECV. -ENOTCONN, or -EALREADY when one was asked for. */
static inline int engine_receive(struct engine *e, engine_conn conn)
{
	return e->ops->receive(e, conn);
}

/*
 * Sends @len > 0 bytes, all of them unless the connection fails; @data stays the engine's until
 * ENGINE_SENT, which returns @buf unchanged. -ENOTCONN, or -EALREADY while one is under way.
 */
static inline int engine_send(struct engine *e, engine_conn conn, const void *data, size_t len,
			      engine_buf buf)
{
	return e->ops->send(e, conn, data, len, buf);
}

/*
 * Sends one datagram from @from (the address the request was sent to; multicast or the wildcard
 * leaves the choice to the kernel). @buf is the buffer of the ENGINE_DGRAM being answered; @data
 * stays the engine's until ENGINE_DGRAM_SENT. -EALREADY when @buf is being answered already.
 */
static inline int engine_send_dgram(struct engine *e, uint32_t listener, const struct endpoint *to,
				    const struct endpoint *from, const void *data, size_t len,
				    engine_buf buf)
{
	return e->ops->send_dgram(e, listener, to, from, data, len, buf);
}

/* Gives a buffer back. ENGINE_NO_BUF is allowed. */
static inline void engine_release(struct engine *e, engine_buf buf)
{
	if (buf != ENGINE_NO_BUF)
		e->ops->release(e, buf);
}

/* Closes @conn; its ENGINE_CLOSED follows. A handle that is gone is ignored. */
static inline void engine_close(struct engine *e, engine_conn conn)
{
	e->ops->close(e, conn);
}

/*
 * Ends the sending side: FIN follows what was sent, and receiving goes on. For answers to peers
 * that may still be sending: closing instead would make the kernel send RST, which can destroy the
 * answer on its way. An engine that cannot do it closes.
 */
static inline void engine_shutdown(struct engine *e, engine_conn conn)
{
	if (e->ops->shutdown != NULL)
		e->ops->shutdown(e, conn);
	else
		e->ops->close(e, conn);
}

/* Makes engine_poll() return ENGINE_WOKEN. From any thread or signal handler. */
static inline void engine_wake(struct engine *e)
{
	e->ops->wake(e);
}

/* Stops listening once the backlog is accepted, and gives silent streams only little more time. */
static inline void engine_drain(struct engine *e)
{
	e->ops->drain(e);
}

static inline void engine_stats(const struct engine *e, struct engine_stats *out)
{
	e->ops->stats(e, out);
}

/* What its own stack counts; all zero where it has none. Include stackstats.h. */
void engine_stackstats(const struct engine *e, struct stackstats *out);

/* One line: what it is and the path it takes on this kernel. */
static inline const char *engine_text(const struct engine *e)
{
	return e->ops->text(e);
}

/*
 * Closes everything without further events. NULL is allowed. Of io_uring: some milliseconds later
 * the kernel interrupts the thread once more, so a blocking call with a timeout may end with EINTR.
 */
static inline void engine_destroy(struct engine *e)
{
	if (e != NULL)
		e->ops->destroy(e);
}

/* Index of a connection, below max_conns: for tables beside the engine's own. */
static inline uint32_t engine_conn_index(engine_conn conn)
{
	return (uint32_t)conn;
}

extern const struct engine_ops uring_engine_ops;
extern const struct engine_ops epoll_engine_ops;
extern const struct engine_ops epoll_textbook_engine_ops;
extern const struct engine_ops bypass_engine_ops;

#endif
