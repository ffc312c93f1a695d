/* SPDX-License-Identifier: MIT */
/* socket.c - sockets on the user-space stack: the host, its table of sockets, names and waiting */
#include "socket_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

/*
 * The stack below speaks in events and handles; this turns them into the calls of section 2. State
 * that a call may ask for twice (established, over, error) is kept here, because an event is
 * reported once.
 *
 * Invariant: by_conn[index of a handle] names the descriptor that has the connection.
 */
enum {
	PACKET_MAX = 65535,
	SIN6_LEN_MIN = 24, /* RFC 2133: without the scope; Linux still takes it */
	MS_NS = 1000000,
};

/* --- the host --- */

static uint8_t *reserve(void *arg, size_t len)
{
	struct rawstack_host *h = arg;

	return len <= PACKET_MAX ? h->packet : NULL;
}

static void commit(void *arg, size_t len)
{
	struct rawstack_host *h = arg;

	h->cfg.output(h->cfg.arg, h->packet, len);
}

static int stack_config_of(struct rawstack_host *h, struct stack_config *sc)
{
	static const uint8_t no_mac[sizeof(sc->mac)];
	const struct rawstack_host_config *cfg = &h->cfg;

	*sc = (struct stack_config){.link = {reserve, commit, h}, .skip_dad = true};
	sc->l3 = memcmp(cfg->mac, no_mac, sizeof(no_mac)) == 0;
	memcpy(sc->mac, cfg->mac, sizeof(sc->mac));
	if (!cfg->output || !cfg->clock || cfg->n_addrs < 1 || cfg->n_addrs > RAWSTACK_ADDRS_MAX ||
	    cfg->mtu < 0 || cfg->mtu > STACK_MTU_MAX)
		return -EINVAL;
	sc->mtu = (uint16_t)cfg->mtu;
	sc->n_addrs = cfg->n_addrs;
	for (int i = 0; i < cfg->n_addrs; i++) {
		int len = cfg->addrs[i].prefix_len;

		if (len < 0 || len > 128 ||
		    addr_parse(cfg->addrs[i].address, &sc->addrs[i].addr, NULL))
			return -EINVAL;
		sc->addrs[i].prefix_len = (uint8_t)len;
	}
	memcpy(sc->secret, cfg->secret, sizeof(sc->secret));
	return 0;
}

struct rawstack_host *rawstack_host_new(const struct rawstack_host_config *cfg)
{
	struct rawstack_host *h = calloc(1, sizeof(*h));
	struct stack_config sc;
	int rc = -ENOMEM;

	_Static_assert((int)RAWSTACK_ADDRS_MAX == (int)STACK_ADDRS_MAX, "one limit");
	if (!h)
		goto err;
	h->cfg = *cfg;
	h->packet = malloc(PACKET_MAX);
	if (!h->packet)
		goto err_host;
	rc = stack_config_of(h, &sc);
	if (rc == 0)
		rc = stack_create(&sc, cfg->clock(cfg->arg), &h->stack);
	if (rc < 0)
		goto err_packet;
	return h;

err_packet:
	free(h->packet);
err_host:
	free(h);
err:
	errno = -rc;
	return NULL;
}

void rawstack_host_free(struct rawstack_host *h)
{
	if (!h)
		return;
	stack_destroy(h->stack);
	free(h->by_conn);
	free(h->packet);
	free(h);
}

uint64_t sock_now(const struct rawstack_host *h)
{
	return h->cfg.clock(h->cfg.arg);
}

void rawstack_host_input(struct rawstack_host *h, const void *packet, size_t len)
{
	stack_input(h->stack, sock_now(h), packet, len, NULL);
	sock_pump(h);
}

void rawstack_host_run(struct rawstack_host *h)
{
	stack_timers(h->stack, sock_now(h));
	sock_pump(h);
}

uint64_t rawstack_host_deadline(const struct rawstack_host *h)
{
	return stack_deadline(h->stack);
}

uint64_t rawstack_host_counter(const struct rawstack_host *h, const char *name)
{
	struct stack_stats st;
	const char *each, *text;
	uint64_t value;

	stack_stats(h->stack, &st);
	for (size_t i = 0; stack_stat_name(&st, i, &each, &text, &value); i++)
		if (strcmp(each, name) == 0)
			return value;
	return UINT64_MAX;
}

/* --- events --- */

int sock_map_conn(struct rawstack_host *h, stack_conn conn, int fd)
{
	uint32_t i = (uint32_t)conn, n = h->by_conn_n ? h->by_conn_n : 64;
	uint16_t *grown;

	if (i >= h->by_conn_n) {
		while (n <= i)
			n *= 2;
		grown = realloc(h->by_conn, n * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		memset(grown + h->by_conn_n, 0, (n - h->by_conn_n) * sizeof(*grown));
		h->by_conn = grown;
		h->by_conn_n = n;
	}
	h->by_conn[i] = (uint16_t)(fd + 1);
	return 0;
}

static struct sock *sock_of_conn(struct rawstack_host *h, stack_conn conn)
{
	uint32_t i = (uint32_t)conn;
	struct sock *s;

	if (i >= h->by_conn_n || !h->by_conn[i])
		return NULL;
	s = &h->socks[h->by_conn[i] - 1];
	return s->conn == conn ? s : NULL;
}

static void take_event(struct rawstack_host *h, const struct stack_event *ev)
{
	struct sock *s = ev->conn ? sock_of_conn(h, ev->conn) : NULL;

	if (!s)
		return; /* of a binding, or of a connection nobody has accepted: looked at when
			   asked */
	if (ev->type == STACK_EV_CONNECTED)
		s->established = true;
	if (ev->type == STACK_EV_CLOSED) {
		s->over = true;
		if (ev->error && !s->error)
			s->error = -ev->error;
	}
}

void sock_pump(struct rawstack_host *h)
{
	struct stack_event ev;

	while (stack_event(h->stack, &ev))
		take_event(h, &ev);
	stack_flush(h->stack, sock_now(h));
}

uint64_t sock_deadline(const struct rawstack_host *h, const struct sock *s, int flags,
		       uint64_t timeout_ns)
{
	if (s->nonblock || flags & MSG_DONTWAIT)
		return 0;
	return timeout_ns ? sock_now(h) + timeout_ns : UINT64_MAX;
}

int sock_wait(struct rawstack_host *h, uint64_t deadline)
{
	uint64_t until = stack_deadline(h->stack);
	int rc;

	sock_pump(h);
	if (!h->cfg.wait || sock_now(h) >= deadline)
		return -EAGAIN;
	rc = h->cfg.wait(h->cfg.arg, until < deadline ? until : deadline);
	if (rc < 0)
		return rc;
	rawstack_host_run(h);
	return 0;
}

/* --- the table --- */

struct sock *sock_at(struct rawstack_host *h, int fd)
{
	if (fd < 0 || fd >= RAWSTACK_SOCKETS_MAX || h->socks[fd].state == SOCK_S_UNUSED)
		return NULL;
	return &h->socks[fd];
}

int sock_new(struct rawstack_host *h, int family, int type)
{
	for (int fd = 0; fd < RAWSTACK_SOCKETS_MAX; fd++) {
		if (h->socks[fd].state != SOCK_S_UNUSED)
			continue;
		h->socks[fd] = (struct sock){.state = SOCK_S_IDLE,
					     .family = family,
					     .type = type,
					     .binding = SOCK_NO_BINDING};
		if (family == AF_INET)
			h->socks[fd].local.addr = ADDR_ANY4;
		return fd;
	}
	return -EMFILE;
}

int sock_take_error(struct sock *s)
{
	int error = s->error;

	s->error = 0;
	return -error;
}

static int open_socket(struct rawstack_host *h, int domain, int type, int protocol)
{
	int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), fd;

	if (domain != AF_INET && domain != AF_INET6)
		return -EAFNOSUPPORT;
	if (kind != SOCK_STREAM && kind != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (protocol && protocol != (kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP))
		return -EPROTONOSUPPORT;
	fd = sock_new(h, domain, kind);
	if (fd >= 0)
		h->socks[fd].nonblock = type & SOCK_NONBLOCK;
	return fd;
}

/* --- names --- */

int sock_read_addr(const struct sock *s, const struct sockaddr *addr, socklen_t len,
		   struct endpoint *ep)
{
	struct sockaddr_in6 sin6 = {0};

	if (len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (s->family == AF_INET) {
		if (len < sizeof(struct sockaddr_in))
			return -EINVAL;
		return addr->sa_family == AF_INET && endpoint_from_sockaddr(addr, len, ep) >= 0
			       ? 0
			       : -EAFNOSUPPORT;
	}
	if (len < SIN6_LEN_MIN)
		return -EINVAL;
	if (addr->sa_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(&sin6, addr, len < sizeof(sin6) ? len : sizeof(sin6));
	return endpoint_from_sockaddr((struct sockaddr *)&sin6, sizeof(sin6), ep) >= 0
		       ? 0
		       : -EAFNOSUPPORT;
}

/*
 * Linux says EINVAL to a link-local address without a scope; what it says to a scope that is not
 * there is the caller's @unknown. There is one link, so inside the stack there are no scopes.
 */
int sock_take_scope(const struct rawstack_host *h, struct endpoint *ep, int unknown)
{
	uint32_t scope = ep->scope;

	ep->scope = 0;
	if (!h->cfg.ifindex || !addr_takes_zone(&ep->addr) || ep->addr.b[0] == 0xff)
		return 0;
	if (!scope)
		return -EINVAL;
	return scope == h->cfg.ifindex ? 0 : unknown;
}

void sock_write_addr(const struct rawstack_host *h, const struct sock *s, const struct endpoint *ep,
		     struct sockaddr *addr, socklen_t *len)
{
	struct endpoint shown = *ep;
	struct sockaddr_storage ss;
	int whole;

	if (addr_takes_zone(&ep->addr))
		shown.scope = h->cfg.ifindex;
	whole = endpoint_to_sockaddr(&shown, s->family, &ss);
	if (!addr || !len || whole < 0)
		return;
	memcpy(addr, &ss, *len < (socklen_t)whole ? *len : (socklen_t)whole);
	*len = (socklen_t)whole;
}

int sock_bind_to(struct rawstack_host *h, struct sock *s, const struct endpoint *ep)
{
	struct stack_bind b = {.family = s->family,
			       .local = *ep,
			       .v6only = s->v6only,
			       .reuse_addr = s->reuse_addr,
			       .reuse_port = s->reuse_port};
	int id = s->type == SOCK_STREAM ? stack_tcp_bind(h->stack, &b)
					: stack_udp_bind(h->stack, &b);

	if (id < 0)
		return id;
	s->binding = id;
	s->local = b.local;
	if (!addr_is_any(&b.local.addr) && !addr_is_mapped(&b.local.addr))
		s->v6only = true;
	return 0;
}

/* AF_INET with no family given and no address is taken for AF_INET (inet_bind(), for old programs).
 */
static bool is_old_any(const struct sock *s, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_in sin;

	if (s->family != AF_INET || len < sizeof(sin) || addr->sa_family != AF_UNSPEC)
		return false;
	memcpy(&sin, addr, sizeof(sin));
	return sin.sin_addr.s_addr == 0;
}

static int bind_socket(struct rawstack_host *h, struct sock *s, const struct sockaddr *addr,
		       socklen_t len)
{
	struct sockaddr_storage ss = {0};
	struct endpoint ep;
	int rc;

	if (len <= sizeof(ss))
		memcpy(&ss, addr, len);
	if (is_old_any(s, addr, len))
		ss.ss_family = AF_INET;
	rc = sock_read_addr(s, (struct sockaddr *)&ss, len, &ep);
	if (rc < 0)
		return rc;
	if (s->binding != SOCK_NO_BINDING || s->state != SOCK_S_IDLE)
		return -EINVAL;
	rc = sock_take_scope(h, &ep, -ENODEV);
	if (rc < 0)
		return rc;
	rc = sock_bind_to(h, s, &ep);
	s->asked_for = rc == 0;
	return rc;
}

static int name_of(const struct rawstack_host *h, struct sock *s, bool peer, struct sockaddr *addr,
		   socklen_t *len)
{
	struct endpoint local = s->local;

	if (*len > INT_MAX)
		return -EINVAL;
	if (peer &&
	    (s->type == SOCK_STREAM ? !s->established || s->over : s->state != SOCK_S_CONNECTED))
		return -ENOTCONN;
	sock_write_addr(h, s, peer ? &s->peer : &local, addr, len);
	return 0;
}

/* --- calls --- */

static int result(int rc)
{
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}

static ssize_t result_len(ssize_t rc)
{
	if (rc >= 0)
		return rc;
	errno = (int)-rc;
	return -1;
}

int rawstack_socket(struct rawstack_host *h, int domain, int type, int protocol)
{
	return result(open_socket(h, domain, type, protocol));
}

int rawstack_bind(struct rawstack_host *h, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sock *s = sock_at(h, fd);

	return result(s ? bind_socket(h, s, addr, len) : -EBADF);
}

int rawstack_listen(struct rawstack_host *h, int fd, int backlog)
{
	struct sock *s = sock_at(h, fd);

	if (!s)
		return result(-EBADF);
	return result(s->type == SOCK_STREAM ? stream_listen(h, s, backlog) : -EOPNOTSUPP);
}

int rawstack_accept(struct rawstack_host *h, int fd, struct sockaddr *addr, socklen_t *len,
		    int flags)
{
	struct sock *s = sock_at(h, fd);
	int got;

	if (!s)
		return result(-EBADF);
	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return result(-EINVAL);
	got = s->type == SOCK_STREAM ? stream_accept(h, s, flags) : -EOPNOTSUPP;
	if (got >= 0)
		sock_write_addr(h, &h->socks[got], &h->socks[got].peer, addr, len);
	return result(got);
}

int rawstack_connect(struct rawstack_host *h, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sock *s = sock_at(h, fd);
	struct endpoint peer;
	int rc;

	if (!s)
		return result(-EBADF);
	if (len < sizeof(addr->sa_family))
		return result(-EINVAL);
	if (s->type == SOCK_DGRAM)
		return result(dgram_connect(h, s, addr, len));
	if (addr->sa_family == AF_UNSPEC)
		return result(stream_disconnect(h, s));
	rc = sock_read_addr(s, addr, len, &peer);
	if (rc == 0)
		rc = sock_take_scope(h, &peer, -ENETUNREACH);
	return result(rc < 0 ? rc : stream_connect(h, fd, &peer));
}

ssize_t rawstack_send(struct rawstack_host *h, int fd, const void *buf, size_t len, int flags)
{
	return rawstack_sendto(h, fd, buf, len, flags, NULL, 0);
}

ssize_t rawstack_recv(struct rawstack_host *h, int fd, void *buf, size_t len, int flags)
{
	return rawstack_recvfrom(h, fd, buf, len, flags, NULL, NULL);
}

/* Addresses and bytes are only read; msghdr has no const for that. */
ssize_t rawstack_sendto(struct rawstack_host *h, int fd, const void *buf, size_t len, int flags,
			const struct sockaddr *addr, socklen_t addr_len)
{
	struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};
	struct msghdr m = {.msg_name = (void *)addr,
			   .msg_namelen = addr_len,
			   .msg_iov = &iov,
			   .msg_iovlen = 1};

	return rawstack_sendmsg(h, fd, &m, flags);
}

ssize_t rawstack_recvfrom(struct rawstack_host *h, int fd, void *buf, size_t len, int flags,
			  struct sockaddr *addr, socklen_t *addr_len)
{
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr m = {.msg_name = addr_len ? addr : NULL,
			   .msg_namelen = addr_len ? *addr_len : 0,
			   .msg_iov = &iov,
			   .msg_iovlen = 1};
	ssize_t n = rawstack_recvmsg(h, fd, &m, flags);

	if (n >= 0 && addr_len)
		*addr_len = m.msg_namelen;
	return n;
}

ssize_t rawstack_sendmsg(struct rawstack_host *h, int fd, const struct msghdr *m, int flags)
{
	struct sock *s = sock_at(h, fd);

	return result_len(s ? msg_send(h, s, m, flags) : -EBADF);
}

ssize_t rawstack_recvmsg(struct rawstack_host *h, int fd, struct msghdr *m, int flags)
{
	struct sock *s = sock_at(h, fd);

	return result_len(s ? msg_receive(h, s, m, flags) : -EBADF);
}

int rawstack_shutdown(struct rawstack_host *h, int fd, int how)
{
	struct sock *s = sock_at(h, fd);

	if (!s)
		return result(-EBADF);
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return result(-EINVAL);
	if (s->type == SOCK_STREAM)
		return result(stream_shutdown(h, s, how));
	if (s->state != SOCK_S_CONNECTED)
		return result(-ENOTCONN);
	s->shut_read |= how != SHUT_WR;
	s->shut_write |= how != SHUT_RD;
	return 0;
}

int rawstack_close(struct rawstack_host *h, int fd)
{
	struct sock *s = sock_at(h, fd);

	if (!s)
		return result(-EBADF);
	if (s->type == SOCK_STREAM)
		stream_close(h, s);
	else
		dgram_close(h, s);
	*s = (struct sock){.state = SOCK_S_UNUSED};
	sock_pump(h);
	return 0;
}

int rawstack_getsockname(struct rawstack_host *h, int fd, struct sockaddr *addr, socklen_t *len)
{
	struct sock *s = sock_at(h, fd);

	return result(s ? name_of(h, s, false, addr, len) : -EBADF);
}

int rawstack_getpeername(struct rawstack_host *h, int fd, struct sockaddr *addr, socklen_t *len)
{
	struct sock *s = sock_at(h, fd);

	return result(s ? name_of(h, s, true, addr, len) : -EBADF);
}

int rawstack_setsockopt(struct rawstack_host *h, int fd, int level, int name, const void *value,
			socklen_t len)
{
	struct sock *s = sock_at(h, fd);

	return result(s ? sock_set_option(h, s, level, name, value, len) : -EBADF);
}

int rawstack_getsockopt(struct rawstack_host *h, int fd, int level, int name, void *value,
			socklen_t *len)
{
	struct sock *s = sock_at(h, fd);

	return result(s ? sock_get_option(h, s, level, name, value, len) : -EBADF);
}

int rawstack_set_nonblock(struct rawstack_host *h, int fd, int on)
{
	struct sock *s = sock_at(h, fd);

	if (!s)
		return result(-EBADF);
	s->nonblock = on;
	return 0;
}

static int ready(struct rawstack_host *h, struct pollfd *fds, nfds_t n)
{
	int found = 0;

	for (nfds_t i = 0; i < n; i++) {
		struct sock *s = sock_at(h, fds[i].fd);
		short events;

		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		if (!s)
			events = POLLNVAL;
		else
			events = s->type == SOCK_STREAM ? stream_events(h, s) : dgram_events(h, s);
		fds[i].revents = (short)(events & (fds[i].events | POLLERR | POLLHUP | POLLNVAL));
		found += fds[i].revents != 0;
	}
	return found;
}

int rawstack_poll(struct rawstack_host *h, struct pollfd *fds, nfds_t n, int timeout_ms)
{
	uint64_t deadline =
		timeout_ms < 0 ? UINT64_MAX : sock_now(h) + (uint64_t)timeout_ms * MS_NS;
	int found, rc;

	sock_pump(h);
	while ((found = ready(h, fds, n)) == 0) {
		rc = sock_wait(h, deadline);
		if (rc == -EAGAIN)
			return 0;
		if (rc < 0)
			return result(rc);
	}
	return found;
}
