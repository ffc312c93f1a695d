/* SPDX-License-Identifier: MIT */
/* socket_opt.c - socket options, with Linux's levels, limits and errors */
#include "socket_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>

enum { KEEP_IDLE_USUAL_S = 7200 };

static const uint64_t ns_per_s = 1000000000;

static int apply_keepalive(struct rawstack_host *h, struct sock *s)
{
	int idle = s->keep_idle_s ? s->keep_idle_s : KEEP_IDLE_USUAL_S;

	if (!s->conn)
		return 0;
	return stack_set_keepalive(h->stack, sock_now(h), s->conn,
				   s->keepalive ? (uint32_t)idle * 1000 : 0);
}

static int set_timeout(uint64_t *timeout_ns, const void *value, socklen_t len)
{
	struct timeval tv;

	if (len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, value, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	*timeout_ns =
		tv.tv_sec < 0 ? 0 : (uint64_t)tv.tv_sec * ns_per_s + (uint64_t)tv.tv_usec * 1000;
	return 0;
}

static int set_linger(struct sock *s, const void *value, socklen_t len)
{
	struct linger l;

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, value, sizeof(l));
	s->linger = l.l_onoff;
	s->linger_s = l.l_linger;
	return 0;
}

static int set_socket_level(struct rawstack_host *h, struct sock *s, int name, int on)
{
	switch (name) {
	case SO_REUSEADDR:
		s->reuse_addr = on;
		return 0;
	case SO_REUSEPORT:
		s->reuse_port = on;
		return 0;
	case SO_BROADCAST:
		s->broadcast = on;
		return 0;
	case SO_KEEPALIVE:
		s->keepalive = on;
		return apply_keepalive(h, s);
	case SO_RCVBUF:
	case SO_SNDBUF:
		return 0; /* buffers are the stack's; a wish, as on Linux */
	default:
		return -ENOPROTOOPT;
	}
}

static int set_tcp_level(struct rawstack_host *h, struct sock *s, int name, int value)
{
	if (s->type != SOCK_STREAM)
		return -ENOPROTOOPT;
	switch (name) {
	case TCP_NODELAY:
		s->nodelay = value;
		return s->conn ? stack_set_nodelay(h->stack, s->conn, value) : 0;
	case TCP_KEEPIDLE:
		if (value < 1 || value > 32767)
			return -EINVAL;
		s->keep_idle_s = value;
		return apply_keepalive(h, s);
	default:
		return -ENOPROTOOPT;
	}
}

/* Only before anything has fixed the family: after bind(), connect() and accept() it is EINVAL. */
static int set_v6only(struct sock *s, int on)
{
	if (s->family != AF_INET6)
		return -ENOPROTOOPT;
	if (s->binding != SOCK_NO_BINDING || s->state != SOCK_S_IDLE)
		return -EINVAL;
	s->v6only = on;
	return 0;
}

/* Those that ask for messages beside datagrams: an IPv4 socket has none of IPv6's. */
static unsigned int beside_option(const struct sock *s, int level, int name)
{
	return level == IPPROTO_IPV6 && s->family != AF_INET6 ? 0 : msg_option(level, name);
}

static void set_beside(struct sock *s, unsigned int bit, int on)
{
	s->beside = on ? s->beside | bit : s->beside & ~bit;
}

int sock_set_option(struct rawstack_host *h, struct sock *s, int level, int name, const void *value,
		    socklen_t len)
{
	int i;

	if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
		return set_timeout(name == SO_RCVTIMEO ? &s->recv_timeout_ns : &s->send_timeout_ns,
				   value, len);
	if (level == SOL_SOCKET && name == SO_LINGER)
		return set_linger(s, value, len);
	if (len < sizeof(i))
		return -EINVAL;
	memcpy(&i, value, sizeof(i));
	if (beside_option(s, level, name)) {
		set_beside(s, beside_option(s, level, name), i);
		return 0;
	}
	switch (level) {
	case SOL_SOCKET:
		return set_socket_level(h, s, name, i);
	case IPPROTO_TCP:
		return set_tcp_level(h, s, name, i);
	case IPPROTO_IPV6:
		return name == IPV6_V6ONLY ? set_v6only(s, i) : -ENOPROTOOPT;
	default:
		return -ENOPROTOOPT;
	}
}

static int put(const void *what, socklen_t size, void *value, socklen_t *len)
{
	if (*len > INT_MAX)
		return -EINVAL;
	if (*len > size)
		*len = size;
	memcpy(value, what, *len);
	return 0;
}

static int get_socket_level(struct sock *s, int name, int *out)
{
	switch (name) {
	case SO_ERROR:
		*out = -sock_take_error(s);
		return 0;
	case SO_TYPE:
		*out = s->type;
		return 0;
	case SO_DOMAIN:
		*out = s->family;
		return 0;
	case SO_PROTOCOL:
		*out = s->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
		return 0;
	case SO_ACCEPTCONN:
		*out = s->state == SOCK_S_LISTENING;
		return 0;
	case SO_REUSEADDR:
		*out = s->reuse_addr;
		return 0;
	case SO_REUSEPORT:
		*out = s->reuse_port;
		return 0;
	case SO_BROADCAST:
		*out = s->broadcast;
		return 0;
	case SO_KEEPALIVE:
		*out = s->keepalive;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int get_tcp_level(struct rawstack_host *h, struct sock *s, int name, int *out)
{
	enum { MSS_UNCONNECTED = 536 };
	struct stack_conn_info info;

	if (s->type != SOCK_STREAM)
		return -ENOPROTOOPT;
	switch (name) {
	case TCP_NODELAY:
		*out = s->nodelay;
		return 0;
	case TCP_KEEPIDLE:
		*out = s->keep_idle_s ? s->keep_idle_s : KEEP_IDLE_USUAL_S;
		return 0;
	case TCP_MAXSEG:
		*out = s->conn && stack_conn_info(h->stack, s->conn, &info) == 0 ? info.mss
										 : MSS_UNCONNECTED;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int get_v6only(const struct sock *s, int name, int *out)
{
	if (s->family != AF_INET6)
		return -EOPNOTSUPP;
	if (name != IPV6_V6ONLY)
		return -ENOPROTOOPT;
	*out = s->v6only;
	return 0;
}

static int get_timeout(uint64_t timeout_ns, void *value, socklen_t *len)
{
	struct timeval tv = {.tv_sec = (time_t)(timeout_ns / ns_per_s),
			     .tv_usec = (suseconds_t)(timeout_ns % ns_per_s / 1000)};

	return put(&tv, sizeof(tv), value, len);
}

int sock_get_option(struct rawstack_host *h, struct sock *s, int level, int name, void *value,
		    socklen_t *len)
{
	struct linger l = {.l_onoff = s->linger, .l_linger = s->linger_s};
	int i = 0, rc;

	sock_pump(h);
	if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
		return get_timeout(name == SO_RCVTIMEO ? s->recv_timeout_ns : s->send_timeout_ns,
				   value, len);
	if (level == SOL_SOCKET && name == SO_LINGER)
		return put(&l, sizeof(l), value, len);
	if (beside_option(s, level, name)) {
		i = (s->beside & beside_option(s, level, name)) != 0;
		rc = 0;
	} else if (level == SOL_SOCKET)
		rc = get_socket_level(s, name, &i);
	else if (level == IPPROTO_TCP)
		rc = get_tcp_level(h, s, name, &i);
	else
		rc = level == IPPROTO_IPV6 ? get_v6only(s, name, &i) : -ENOPROTOOPT;
	return rc < 0 ? rc : put(&i, sizeof(i), value, len);
}
