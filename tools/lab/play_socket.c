/* SPDX-License-Identifier: MIT */
/* play_socket.c - steps that make, connect, look at and end sockets */
#include "play.h"

#include "../../rawstack/clock.h"
#include "../../uring/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

enum { END_MS = 200 };

static const char MESSAGE[] = "dualwire: which way did this travel?\n";

static struct play_socket *socket_of(struct play *p, const struct step *st)
{
	return &p->socks[st->sock];
}

int play_socket(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *s = socket_of(p, st);
	const struct socket_type *t = st->type;
	const struct socket_host *on = &p->hosts[st->side];
	int fd = on->calls->socket(on, t->family, t->type, t->protocol);

	(void)out;
	if (fd < 0)
		return fd;
	if (s->fd >= 0)
		s->on->calls->close(s->on, s->fd);
	*s = (struct play_socket){.fd = fd, .on = on, .side = st->side, .proto = t->protocol};
	return 0;
}

int play_bind(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *s = socket_of(p, st);
	_Alignas(struct sockaddr_storage) uint8_t sa[SOCKADDR_ROOM];
	int len = play_sockaddr(p, st, s->side, sa);
	int rc = s->on->calls->bind(s->on, s->fd, (struct sockaddr *)sa, (socklen_t)len);

	(void)out;
	if (rc == 0)
		play_note_port(s);
	return rc;
}

int play_listen(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *s = socket_of(p, st);
	int rc = s->on->calls->listen(s->on, s->fd, (int)st->size);

	(void)out;
	if (rc == 0)
		play_note_port(s);
	return rc;
}

static int set_blocking(const struct play_socket *s, bool on)
{
	return s->on->calls->set_blocking(s->on, s->fd, on);
}

static int connect_now(const struct play_socket *s, const void *sa, socklen_t len)
{
	return s->on->calls->connect(s->on, s->fd, sa, len);
}

/* SO_ERROR: 0 or -errno. */
static int pending_error(const struct play_socket *s)
{
	socklen_t len = sizeof(int);
	int error = 0, rc;

	rc = s->on->calls->getsockopt(s->on, s->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return rc < 0 ? rc : -error;
}

/*
 * A blocking connect would have taken its outcome: a second call does that now, and leaves the
 * socket as it would be then (a refused one is without address, and can be connected again). Not at
 * once, because the kernel forgets who was refused.
 */
static void take_outcome(struct play_socket *s, const void *sa, socklen_t len)
{
	if (s->half_done && set_blocking(s, false) == 0)
		(void)connect_now(s, sa, len);
	s->half_done = false;
}

/*
 * A connect that is given up after @ms. It begins without waiting, so that the socket can be asked
 * for its address before a refusal takes that away.
 */
static int connect_within(struct play_socket *s, const void *sa, socklen_t len, unsigned int ms,
			  struct endpoint *local)
{
	int rc = set_blocking(s, false);

	if (rc == 0)
		rc = connect_now(s, sa, len);
	socket_host_local(s->on, s->fd, local);
	if (rc == -EINPROGRESS) {
		rc = play_wait(s, POLLOUT, ms);
		rc = rc == 0 ? pending_error(s) : rc;
		s->half_done = rc != -ETIMEDOUT;
		if (rc == 0)
			take_outcome(s, sa, len);
	}
	set_blocking(s, true);
	return rc;
}

/* What the program knows of its connection now. */
static void begin_record(struct play_socket *s, enum evidence_call call,
			 const struct endpoint *local, const struct endpoint *peer, int error)
{
	s->rec = (struct evidence_api){
		.side = s->side == LAB_CLIENT ? SIDE_CLIENT : SIDE_SERVER,
		.call = call,
		.proto = (uint8_t)s->proto,
		.family = socket_host_family(s->on, s->fd),
		.error = error,
		.local = *local,
		.peer = *peer,
		.cookie = socket_host_cookie(s->on, s->fd),
		.ts_ns = clock_ns(CLOCK_REALTIME),
	};
	s->has_rec = true;
}

/* Only an attempt that could send frames is a connection; see play.h about sides. */
static bool is_connection(const struct play_socket *s, int rc)
{
	bool tried = rc == 0 || rc == -ECONNREFUSED || rc == -ETIMEDOUT || rc == -EINPROGRESS;

	return tried && s->side == LAB_CLIENT &&
	       (s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP);
}

static int dissolve(struct play_socket *s)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	s->stream_open = false;
	s->half_done = false;
	return connect_now(s, &nobody, sizeof(nobody));
}

int play_connect(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *s = socket_of(p, st);
	_Alignas(struct sockaddr_storage) uint8_t sa[SOCKADDR_ROOM];
	struct endpoint peer =
		case_addr_endpoint(&st->addr, p->base, p->lab->host[s->side].ifindex);
	struct endpoint local = {.port = 0}, now;
	bool again = s->stream_open; /* a repetition, not another connection */
	int len, rc;

	(void)out;
	/* While the connection before lasts, the kernel knows it. */
	if (s->has_rec && s->proto == IPPROTO_TCP)
		witness_dump_sockets(p->witness);
	if (!again || st->target == TARGET_NOBODY)
		play_flush_record(p, s);
	if (st->target == TARGET_NOBODY)
		return dissolve(s);
	len = play_sockaddr(p, st, s->side, sa);
	take_outcome(s, sa, (socklen_t)len);
	if (st->flags & STEP_NOWAIT) {
		rc = set_blocking(s, false);
		if (rc == 0)
			rc = connect_now(s, sa, (socklen_t)len);
		socket_host_local(s->on, s->fd, &local);
	} else {
		rc = connect_within(s, sa, (socklen_t)len, st->ms, &local);
	}
	/* Before it is connected, a socket of several addresses may not know which it will use. */
	if (socket_host_local(s->on, s->fd, &now) == 0 && now.port)
		local = now;
	if (local.port)
		s->port = local.port;
	if (again)
		return rc;
	if (rc == 0)
		socket_host_peer(s->on, s->fd, &peer);
	if (is_connection(s, rc))
		begin_record(s, CALL_CONNECT, &local, &peer, rc == -EINPROGRESS ? 0 : rc);
	s->unfinished = rc == -ETIMEDOUT || rc == -EINPROGRESS;
	s->stream_open = rc == 0 && s->proto != IPPROTO_UDP;
	return rc;
}

/* The outcome of a connect that did not wait. */
int play_await(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *s = socket_of(p, st);
	int rc = play_wait(s, POLLOUT, st->ms);

	(void)out;
	if (rc == 0)
		rc = pending_error(s);
	s->rec.error = rc;
	s->unfinished = rc == -ETIMEDOUT;
	s->stream_open = rc == 0;
	return rc;
}

int play_accept(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *l = socket_of(p, st), *s = &p->socks[st->other];
	_Alignas(struct sockaddr_storage) uint8_t sa[SOCKADDR_ROOM];
	socklen_t len = st->length >= 0 ? (socklen_t)st->length : sizeof(struct sockaddr_storage);
	struct endpoint peer;
	struct case_value v;
	int fd, family, rc = play_wait(l, POLLIN, st->ms);

	if (rc < 0)
		return rc;
	fd = l->on->calls->accept(l->on, l->fd, (struct sockaddr *)sa, &len);
	if (fd < 0)
		return fd;
	if (s->fd >= 0)
		s->on->calls->close(s->on, s->fd);
	*s = (struct play_socket){
		.fd = fd, .on = l->on, .side = l->side, .proto = l->proto, .stream_open = true};
	v = value_of_number(len);
	outcome_add(out, "length", &v);
	family = st->length >= 0 ? -EINVAL
				 : endpoint_from_sockaddr((struct sockaddr *)sa, len, &peer);
	if (family < 0)
		return st->length >= 0 ? 0 : family;
	v = value_of_endpoint(&peer, family, true);
	outcome_add(out, "from", &v);
	if (s->side == LAB_SERVER && s->proto == IPPROTO_TCP) {
		struct endpoint local;

		socket_host_local(s->on, fd, &local);
		begin_record(s, CALL_ACCEPT, &local, &peer, 0);
	}
	play_note_port(s);
	return 0;
}

int play_talk(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *s = socket_of(p, st);
	char reply[sizeof(MESSAGE)] = "";
	struct client_record rec = {.proto = s->proto};
	int rc = set_blocking(s, true);

	(void)out;
	if (rc == 0)
		rc = client_exchange(s->fd, MESSAGE, sizeof(MESSAGE) - 1, reply, st->ms, &rec);
	s->rec.bytes_in += rec.bytes_in;
	s->rec.bytes_out += rec.bytes_out;
	if (rc >= 0 && (rc != sizeof(MESSAGE) - 1 || memcmp(reply, MESSAGE, (size_t)rc) != 0))
		return -EBADMSG;
	return rc < 0 ? rc : 0;
}

int play_name(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *s = socket_of(p, st);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct case_value v;
	struct endpoint ep;
	const struct socket_calls *calls = s->on->calls;
	int rc = st->verb == VERB_NAME
			 ? calls->getsockname(s->on, s->fd, (struct sockaddr *)&ss, &len)
			 : calls->getpeername(s->on, s->fd, (struct sockaddr *)&ss, &len);

	if (rc < 0)
		return rc;
	rc = endpoint_from_sockaddr((struct sockaddr *)&ss, len, &ep);
	if (rc < 0)
		return rc;
	v = value_of_endpoint(&ep, rc, true);
	outcome_add(out, "address", &v);
	return 0;
}

struct search {
	uint64_t cookie;
	uint16_t port;
	bool found;
	struct sockdiag_entry entry;
};

static void compare_cookie(const struct sockdiag_entry *e, void *arg)
{
	struct search *look = arg;

	/* What a socket was before keeps its cookie, in TIME_WAIT. */
	if (e->cookie != look->cookie || (look->found && e->state == TCP_TIME_WAIT))
		return;
	look->found = true;
	look->entry = *e;
}

static int dump(struct play *p, const struct play_socket *s, sockdiag_fn fn, void *arg)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct sockdiag *sd;
	int rc = sockdiag_open(p->lab->host[s->side].netns_fd, &sd);

	if (rc < 0)
		return rc;
	for (int i = 0; i < 2 && rc >= 0; i++)
		rc = sockdiag_dump(sd, s->proto, families[i], 0, fn, arg);
	sockdiag_close(sd);
	return rc < 0 ? rc : 0;
}

static int find_socket(struct play *p, const struct play_socket *s, struct search *look)
{
	int rc;

	look->cookie = socket_host_cookie(s->on, s->fd);
	rc = dump(p, s, compare_cookie, look);
	if (rc < 0)
		return rc;
	return look->found ? 0 : -ENOENT;
}

static void compare_port(const struct sockdiag_entry *e, void *arg)
{
	struct search *look = arg;

	look->found |= e->src.port == look->port;
}

/*
 * A socket of our stack is none of the kernel's, so there is nothing to be asked of it, but that:
 * the kernel must not have one on its port.
 */
static int diag_of_stack(struct play *p, const struct step *st)
{
	const struct play_socket *s = socket_of(p, st);
	struct search look = {.port = s->port};
	int rc = dump(p, s, compare_port, &look);

	if (rc < 0)
		return rc;
	case_result_check(p->res, CHECK_KERNEL, !look.found, st->text, PLAY_NO_KERNEL_SOCKET,
			  look.found ? "a socket" : PLAY_NO_KERNEL_SOCKET);
	return 0;
}

int play_diag(struct play *p, const struct step *st, struct outcome *out)
{
	struct search look = {.found = false};
	const struct sockdiag_entry *e = &look.entry;
	struct case_value v;
	int rc;

	if (socket_of(p, st)->on->stack)
		return diag_of_stack(p, st);
	rc = find_socket(p, socket_of(p, st), &look);
	if (rc < 0)
		return rc;
	outcome_word(out, "family", e->family == AF_INET ? "AF_INET" : "AF_INET6");
	outcome_word(out, "state", tcp_state_name(e->state));
	v = value_of_number(e->v6only);
	if (e->v6only < 0)
		outcome_word(out, "v6only", "none");
	else
		outcome_add(out, "v6only", &v);
	v = value_of_endpoint(&e->src, e->family, true);
	outcome_add(out, "local", &v);
	v = value_of_endpoint(&e->dst, e->family, true);
	if (e->dst.port)
		outcome_add(out, "peer", &v);
	else
		outcome_word(out, "peer", "none");
	return 0;
}

/* Nothing has arrived: no connection to accept, no datagram. */
int play_quiet(struct play *p, const struct step *st, struct outcome *out)
{
	int rc = play_wait(socket_of(p, st), POLLIN, st->ms);

	if (rc == 0)
		snprintf(out->result, sizeof(out->result), "readable");
	return rc == -ETIMEDOUT ? 0 : rc;
}

int play_shutdown(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *s = socket_of(p, st);

	(void)out;
	if (s->has_rec && s->proto == IPPROTO_TCP)
		witness_dump_sockets(p->witness);
	return s->on->calls->shutdown(s->on, s->fd, st->how);
}

/* A socket that is still trying is known to the kernel now and not after its end. */
static void end_socket(struct play *p, struct play_socket *s)
{
	if (s->unfinished)
		witness_dump_sockets(p->witness);
	play_flush_record(p, s);
	s->on->calls->close(s->on, s->fd);
	s->fd = -1;
	s->stream_open = false;
}

int play_finish(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *s = socket_of(p, st);
	int rc = set_blocking(s, true);

	(void)out;
	play_flush_record(p, s);
	if (rc == 0)
		rc = client_finish(s->fd, st->ms);
	s->fd = -1;
	s->stream_open = false;
	return rc;
}

int play_close(struct play *p, const struct step *st, struct outcome *out)
{
	(void)out;
	end_socket(p, socket_of(p, st));
	return 0;
}

static void read_to_end(const struct play_socket *s)
{
	char rest[2048];
	struct iovec iov = {.iov_base = rest, .iov_len = sizeof(rest)};
	ssize_t n;

	do {
		struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

		if (play_wait(s, POLLIN, END_MS) < 0)
			return;
		n = s->on->calls->recvmsg(s->on, s->fd, &m, MSG_DONTWAIT);
	} while (n > 0 || n == -EINTR);
}

void play_close_all(struct play *p)
{
	/* Both ends of a connection may be ours: first all say that they are done. */
	for (int i = 0; i < CASE_SOCKETS_MAX; i++)
		if (p->socks[i].fd >= 0 && p->socks[i].stream_open)
			p->socks[i].on->calls->shutdown(p->socks[i].on, p->socks[i].fd, SHUT_WR);
	for (int i = 0; i < CASE_SOCKETS_MAX; i++) {
		struct play_socket *s = &p->socks[i];

		if (s->fd < 0)
			continue;
		if (s->stream_open)
			read_to_end(s);
		end_socket(p, s);
	}
}
