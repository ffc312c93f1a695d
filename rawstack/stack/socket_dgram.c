/* SPDX-License-Identifier: MIT */
/* socket_dgram.c - datagram sockets over the stack's UDP */
#include "socket_internal.h"

#include <errno.h>
#include <netinet/in.h>

/*
 * Unlike a stream, a datagram socket of AF_INET6 takes an AF_INET address on Linux, and means the
 * mapped one; connecting a V6ONLY socket so is another error than sending.
 */
static int read_peer(const struct sock *s, const struct sockaddr *addr, socklen_t len,
		     bool connecting, struct endpoint *ep)
{
	if (len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (s->family == AF_INET6 && len >= sizeof(struct sockaddr_in) &&
	    addr->sa_family == AF_INET) {
		if (s->v6only)
			return connecting ? -EAFNOSUPPORT : -ENETUNREACH;
		return endpoint_from_sockaddr(addr, len, ep) < 0 ? -EINVAL : 0;
	}
	return sock_read_addr(s, addr, len, ep);
}

static int ensure_bound(struct rawstack_host *h, struct sock *s)
{
	struct endpoint any = {.addr = s->family == AF_INET ? ADDR_ANY4 : ADDR_ANY6};

	return s->binding == SOCK_NO_BINDING ? sock_bind_to(h, s, &any) : 0;
}

static void disconnect(struct rawstack_host *h, struct sock *s)
{
	if (s->state != SOCK_S_CONNECTED)
		return;
	(void)stack_udp_connect(h->stack, s->binding, NULL);
	s->state = SOCK_S_IDLE;
	s->shut_read = s->shut_write = false;
	if (s->asked_for)
		return;
	/* Its port was not asked for, and goes too. */
	stack_udp_close(h->stack, s->binding);
	s->binding = SOCK_NO_BINDING;
	s->local = (struct endpoint){.addr = s->family == AF_INET ? ADDR_ANY4 : ADDR_ANY6};
}

int dgram_connect(struct rawstack_host *h, struct sock *s, const struct sockaddr *addr,
		  socklen_t len)
{
	struct endpoint peer;
	int rc;

	if (addr->sa_family == AF_UNSPEC) {
		disconnect(h, s);
		return 0;
	}
	rc = read_peer(s, addr, len, true, &peer);
	if (rc == 0)
		rc = sock_take_scope(h, &peer, -ENETUNREACH);
	if (rc == 0)
		rc = ensure_bound(h, s);
	if (rc == 0)
		rc = stack_udp_connect(h->stack, s->binding, &peer);
	if (rc < 0)
		return rc;
	s->peer = peer;
	s->state = SOCK_S_CONNECTED;
	if (addr_is_any(&s->local.addr))
		(void)stack_udp_local(h->stack, s->binding, &s->local);
	return 0;
}

static bool is_broadcast(const struct endpoint *ep)
{
	const uint8_t *v4 = addr_v4(&ep->addr);

	return v4 && v4[0] == 255 && v4[1] == 255 && v4[2] == 255 && v4[3] == 255;
}

ssize_t dgram_send(struct rawstack_host *h, struct sock *s, const void *buf, size_t len,
		   const struct msghdr *m)
{
	const struct sockaddr *addr = m->msg_name;
	struct endpoint peer = s->peer;
	struct addr from;
	bool has_from;
	ssize_t n;
	int rc;

	sock_pump(h);
	if (s->shut_write)
		return -EPIPE;
	if (!addr && s->state != SOCK_S_CONNECTED)
		return -EDESTADDRREQ;
	rc = addr ? read_peer(s, addr, m->msg_namelen, false, &peer) : 0;
	if (rc < 0)
		return rc;
	peer.scope = 0; /* there is one link: sending finds it without */
	if (addr && is_broadcast(&peer) && !s->broadcast)
		return -EACCES;
	rc = msg_source(s, m, &peer.addr, &from, &has_from);
	if (rc == 0)
		rc = ensure_bound(h, s);
	if (rc < 0)
		return rc;
	n = stack_udp_send(h->stack, sock_now(h), s->binding, addr ? &peer : NULL,
			   has_from ? &from : NULL, buf, len);
	sock_pump(h);
	return n;
}

ssize_t dgram_recv(struct rawstack_host *h, struct sock *s, struct msghdr *m, int flags)
{
	uint64_t deadline = sock_deadline(h, s, flags, s->recv_timeout_ns);
	struct stack_dgram d;
	size_t n;
	int rc;

	sock_pump(h);
	while ((rc = s->binding == SOCK_NO_BINDING ? -EAGAIN
		     : flags & MSG_PEEK		   ? stack_udp_peek(h->stack, s->binding, &d)
					: stack_udp_recv(h->stack, s->binding, &d)) == -EAGAIN) {
		if (s->shut_read) {
			m->msg_controllen = 0;
			return 0;
		}
		rc = sock_wait(h, deadline);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	n = msg_scatter(m, d.data, d.len);
	if (n < d.len)
		m->msg_flags |= MSG_TRUNC;
	if (flags & MSG_TRUNC)
		n = d.len;
	sock_write_addr(h, s, &d.peer, m->msg_name, &m->msg_namelen);
	msg_describe(h, s, &d, m);
	if (!(flags & MSG_PEEK))
		stack_udp_release(h->stack, &d);
	return (ssize_t)n;
}

void dgram_close(struct rawstack_host *h, struct sock *s)
{
	if (s->binding != SOCK_NO_BINDING)
		stack_udp_close(h->stack, s->binding);
}

short dgram_events(struct rawstack_host *h, struct sock *s)
{
	short events = POLLOUT | POLLWRNORM;
	struct stack_dgram d;
	int rc;

	if (s->binding == SOCK_NO_BINDING)
		return events;
	rc = stack_udp_peek(h->stack, s->binding, &d);
	if (rc == 0 || s->shut_read)
		events |= POLLIN | POLLRDNORM;
	if (stack_udp_error(h->stack, s->binding))
		events |= POLLERR;
	return events;
}
