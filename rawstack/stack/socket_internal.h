/* SPDX-License-Identifier: MIT */
/* socket_internal.h - for socket*.c only: the table of sockets and what is behind one */
#ifndef RAWSTACK_STACK_SOCKET_INTERNAL_H
#define RAWSTACK_STACK_SOCKET_INTERNAL_H

#include "socket.h"
#include "stack.h"

#include <limits.h>

enum sock_state {
	SOCK_S_UNUSED,
	SOCK_S_IDLE, /* perhaps bound */
	SOCK_S_LISTENING,
	SOCK_S_CONNECTING, /* until connect() was called again and has said how it ended */
	SOCK_S_CONNECTED,  /* a stream, or a datagram socket with a peer */
};

enum { SOCK_NO_BINDING = -1 };

struct sock {
	enum sock_state state;
	int type, family;
	bool nonblock;
	unsigned int beside; /* messages to be received beside datagrams, socket_msg.c */
	bool v6only, reuse_addr, reuse_port, broadcast, nodelay, keepalive;
	bool linger;
	int linger_s, keep_idle_s;
	uint64_t recv_timeout_ns, send_timeout_ns; /* 0: none */
	int binding;				   /* of the stack */
	bool asked_for; /* bind() was called: the port is not given up by disconnecting */
	struct endpoint local;
	struct endpoint peer;
	stack_conn conn;	/* 0: none */
	bool established, over; /* CONNECTED and CLOSED were reported */
	bool shut_read, shut_write;
	int error; /* pending, positive errno */
};

struct rawstack_host {
	struct rawstack_host_config cfg;
	struct stack *stack;
	struct sock socks[RAWSTACK_SOCKETS_MAX];
	uint16_t *by_conn; /* descriptor + 1 of a connection's index, 0: none */
	uint32_t by_conn_n;
	uint8_t *packet; /* being built */
};

/* What follows returns >= 0 or -errno; socket.c turns that into -1 and errno. */

/* NULL where @fd is none. */
struct sock *sock_at(struct rawstack_host *h, int fd);
int sock_new(struct rawstack_host *h, int family, int type);
uint64_t sock_now(const struct rawstack_host *h);

/* Takes timers and events, and sends. */
void sock_pump(struct rawstack_host *h);

/*
 * Waits for something to happen, until @deadline. Returns 0: look again; -EAGAIN: the time is over,
 * or the host cannot wait; or what wait() said.
 */
int sock_wait(struct rawstack_host *h, uint64_t deadline);

/* Until when a call on @s may wait; 0: not at all. */
uint64_t sock_deadline(const struct rawstack_host *h, const struct sock *s, int flags,
		       uint64_t timeout_ns);

int sock_take_error(struct sock *s); /* 0 or -errno, once */

/* Ties a connection to a descriptor, or (fd -1) unties it. 0 or -ENOMEM. */
int sock_map_conn(struct rawstack_host *h, stack_conn conn, int fd);

/* Reads an address as bind(2) and connect(2) of a stream do. 0, -EINVAL, -EAFNOSUPPORT. */
int sock_read_addr(const struct sock *s, const struct sockaddr *addr, socklen_t len,
		   struct endpoint *ep);
/* As the kernel writes an address: truncated to @len, which becomes the whole length. */
void sock_write_addr(const struct rawstack_host *h, const struct sock *s, const struct endpoint *ep,
		     struct sockaddr *addr, socklen_t *len);

/* Takes the scope off an address that may need one. 0, -EINVAL, or @unknown for another link's. */
int sock_take_scope(const struct rawstack_host *h, struct endpoint *ep, int unknown);

/* Makes the binding that a call needs: as asked, or the wildcard with a port of the stack's choice.
 */
int sock_bind_to(struct rawstack_host *h, struct sock *s, const struct endpoint *ep);

/* socket_stream.c */
int stream_listen(struct rawstack_host *h, struct sock *s, int backlog);
int stream_accept(struct rawstack_host *h, struct sock *s, int flags);
int stream_connect(struct rawstack_host *h, int fd, const struct endpoint *peer);
int stream_disconnect(struct rawstack_host *h, struct sock *s);
ssize_t stream_send(struct rawstack_host *h, struct sock *s, const void *buf, size_t len,
		    int flags);
ssize_t stream_recv(struct rawstack_host *h, struct sock *s, void *buf, size_t len, int flags);
int stream_shutdown(struct rawstack_host *h, struct sock *s, int how);
void stream_close(struct rawstack_host *h, struct sock *s);
short stream_events(struct rawstack_host *h, struct sock *s);

/* socket_dgram.c */
int dgram_connect(struct rawstack_host *h, struct sock *s, const struct sockaddr *addr,
		  socklen_t len);
/* @m: the address and what is to be beside it; its bytes are @buf. */
ssize_t dgram_send(struct rawstack_host *h, struct sock *s, const void *buf, size_t len,
		   const struct msghdr *m);
ssize_t dgram_recv(struct rawstack_host *h, struct sock *s, struct msghdr *m, int flags);
void dgram_close(struct rawstack_host *h, struct sock *s);
short dgram_events(struct rawstack_host *h, struct sock *s);

/* socket_msg.c */

ssize_t msg_send(struct rawstack_host *h, struct sock *s, const struct msghdr *m, int flags);
ssize_t msg_receive(struct rawstack_host *h, struct sock *s, struct msghdr *m, int flags);

/* The bit of sock.beside that an option sets, 0: it is none of those. */
unsigned int msg_option(int level, int name);

/* Writes the messages that the socket has asked for. */
void msg_describe(const struct rawstack_host *h, const struct sock *s, const struct stack_dgram *d,
		  struct msghdr *m);

/* The source address that a message asks for, if @any does. 0 or -EINVAL. */
int msg_source(const struct sock *s, const struct msghdr *m, const struct addr *to,
	       struct addr *from, bool *any);

/* Bytes that its pieces of memory hold together, and writing to them: returns how many went in. */
size_t msg_room(const struct msghdr *m);
size_t msg_scatter(const struct msghdr *m, const uint8_t *data, size_t len);

/* socket_opt.c */
int sock_set_option(struct rawstack_host *h, struct sock *s, int level, int name, const void *value,
		    socklen_t len);
int sock_get_option(struct rawstack_host *h, struct sock *s, int level, int name, void *value,
		    socklen_t *len);

#endif
