/* SPDX-License-Identifier: MIT */
/* play_message.c - steps that send and receive, with what travels beside the bytes */
#include "play.h"

#include "../../rawstack/clock.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

enum { CONTROL_ROOM = 1024 };

struct message {
	struct msghdr hdr;
	struct iovec iov;
	_Alignas(struct sockaddr_storage) uint8_t name[SOCKADDR_ROOM];
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_ROOM];
	char bytes[STEP_PAYLOAD_MAX + 1];
};

static void add_control(struct message *m, const struct message_item *it, const void *data,
			size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(m->control + m->hdr.msg_controllen);

	m->hdr.msg_control = m->control;
	m->hdr.msg_controllen += CMSG_SPACE(len);
	c->cmsg_level = it->level;
	c->cmsg_type = it->type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
}

static void add_item(struct message *m, const struct step_item *item)
{
	int number = (int)item->value.number;
	uint32_t word = htonl((uint32_t)item->value.number);
	struct in_pktinfo p4 = {0};
	struct in6_pktinfo p6 = {0};

	switch (item->item->kind) {
	case MESSAGE_NUMBER32:
		add_control(m, item->item, &word, sizeof(word));
		break;
	case MESSAGE_PKTINFO4:
		memcpy(&p4.ipi_spec_dst, item->value.addr.addr.b + 12, 4);
		add_control(m, item->item, &p4, sizeof(p4));
		break;
	case MESSAGE_PKTINFO6:
		memcpy(&p6.ipi6_addr, item->value.addr.addr.b, 16);
		add_control(m, item->item, &p6, sizeof(p6));
		break;
	default:
		add_control(m, item->item, &number, sizeof(number));
	}
}

static int put_target(struct play *p, const struct step *st, struct message *m)
{
	struct play_socket *s = &p->socks[st->sock];
	int len;

	if (st->target == TARGET_NONE)
		return 0;
	m->hdr.msg_name = m->name;
	if (st->target == TARGET_ADDR) {
		m->hdr.msg_namelen = (socklen_t)play_sockaddr(p, st, s->side, m->name);
		return 0;
	}
	if (!s->sender_family)
		return -EDESTADDRREQ;
	len = endpoint_to_sockaddr(&s->sender, s->sender_family,
				   (struct sockaddr_storage *)m->name);
	m->hdr.msg_namelen = (socklen_t)len;
	return len < 0 ? len : 0;
}

int play_send(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *s = &p->socks[st->sock];
	struct message m = {.iov = {.iov_len = st->size}};
	struct case_value v;
	ssize_t n;
	int rc;

	m.iov.iov_base = m.bytes;
	m.hdr.msg_iov = &m.iov;
	m.hdr.msg_iovlen = 1;
	memset(m.bytes, 'x', st->size);
	if (st->word[0])
		memcpy(m.bytes, st->word, st->size);
	for (size_t i = 0; i < st->n_items; i++)
		add_item(&m, &st->items[i]);
	rc = put_target(p, st, &m);
	if (rc < 0)
		return rc;
	n = s->on->calls->sendmsg(s->on, s->fd, &m.hdr, st->msg_flags | MSG_NOSIGNAL);
	if (n < 0)
		return (int)n;
	s->rec.bytes_out += (uint64_t)n;
	play_note_port(s);
	v = value_of_number(n);
	outcome_add(out, "bytes", &v);
	return 0;
}

static struct case_value address_value(const uint8_t *bytes, int family)
{
	struct endpoint ep = {.addr = family == AF_INET ? addr_from_v4(bytes)
							: addr_from_v6(bytes)};

	return value_of_endpoint(&ep, family, false);
}

/* What one control message says. Returns false for one that is too short. */
static bool read_control(const struct message_item *it, const struct cmsghdr *c,
			 struct case_value *v)
{
	const uint8_t *data = CMSG_DATA(c);
	size_t len = c->cmsg_len - CMSG_LEN(0);
	struct endpoint ep;
	uint32_t word;
	int number = 0, family;

	switch (it->kind) {
	case MESSAGE_PKTINFO4:
		if (len < sizeof(struct in_pktinfo))
			return false;
		*v = address_value(data + offsetof(struct in_pktinfo, ipi_addr), AF_INET);
		return true;
	case MESSAGE_PKTINFO6:
		if (len < sizeof(struct in6_pktinfo))
			return false;
		*v = address_value(data + offsetof(struct in6_pktinfo, ipi6_addr), AF_INET6);
		return true;
	case MESSAGE_ADDRESS:
		family = endpoint_from_sockaddr((const struct sockaddr *)data, (socklen_t)len, &ep);
		if (family < 0)
			return false;
		*v = value_of_endpoint(&ep, family, true);
		return true;
	case MESSAGE_ERROR:
		if (len < sizeof(struct sock_extended_err))
			return false;
		*v = value_of_number(data[offsetof(struct sock_extended_err, ee_origin)]);
		return true;
	case MESSAGE_NUMBER32:
		if (len < sizeof(word))
			return false;
		memcpy(&word, data, sizeof(word));
		*v = value_of_number(ntohl(word));
		return true;
	default:
		memcpy(&number, data, len < sizeof(number) ? len : sizeof(number));
		*v = value_of_number(number);
		return true;
	}
}

/* Adds each control message, and finds the address the datagram was sent to. */
static void read_controls(struct message *m, struct outcome *out, struct addr *local)
{
	struct case_value v;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m->hdr); c; c = CMSG_NXTHDR(&m->hdr, c)) {
		const struct message_item *it = message_item_of(c->cmsg_level, c->cmsg_type);

		if (!it || !read_control(it, c, &v))
			continue;
		outcome_add(out, it->name, &v);
		if (it->kind == MESSAGE_PKTINFO4 || it->kind == MESSAGE_PKTINFO6)
			*local = v.addr.addr;
	}
}

/*
 * The kernel of a stack's host cannot be asked who took it. That of the other end can, who would
 * take an answer: a sender that is connected to nobody is found in no other way.
 */
static void ask_other_kernel(struct play *p, const struct play_socket *s,
			     const struct evidence_api *a)
{
	struct sockdiag_entry found;

	if (s->on->stack)
		(void)witness_lookup(p->witness, s->side == LAB_SERVER ? SIDE_CLIENT : SIDE_SERVER,
				     IPPROTO_UDP, &a->peer, &a->local, &found);
}

/* A datagram whose both ends are known is what a program's log would say. */
static void record_datagram(struct play *p, struct play_socket *s, const struct addr *to, ssize_t n)
{
	struct evidence_api a = {
		.side = s->side == LAB_CLIENT ? SIDE_CLIENT : SIDE_SERVER,
		.call = CALL_RECVFROM,
		.proto = IPPROTO_UDP,
		.family = socket_host_family(s->on, s->fd),
		.peer = s->sender,
		.cookie = socket_host_cookie(s->on, s->fd),
		.ts_ns = clock_ns(CLOCK_REALTIME),
		.bytes_in = (uint64_t)n,
	};

	if (s->proto != IPPROTO_UDP || s->has_rec || !a.family ||
	    socket_host_local(s->on, s->fd, &a.local) < 0)
		return;
	if (addr_is_any(&a.local.addr))
		a.local.addr = *to;
	if (addr_is_any(&a.local.addr))
		return;
	evidence_add_api(witness_evidence(p->witness), &a);
	ask_other_kernel(p, s, &a);
}

static void note_sender(struct play_socket *s, const struct message *m, struct outcome *out)
{
	struct case_value v;

	s->sender_family = 0;
	if (!m->hdr.msg_namelen)
		return;
	s->sender_family = endpoint_from_sockaddr((const struct sockaddr *)m->name,
						  m->hdr.msg_namelen, &s->sender);
	if (s->sender_family < 0) {
		s->sender_family = 0;
		return;
	}
	v = value_of_endpoint(&s->sender, s->sender_family, true);
	outcome_add(out, "from", &v);
}

int play_recv(struct play *p, const struct step *st, struct outcome *out)
{
	struct play_socket *s = &p->socks[st->sock];
	struct message m = {.iov = {.iov_len = STEP_PAYLOAD_MAX}};
	bool errors = (st->msg_flags & MSG_ERRQUEUE) != 0;
	bool waits = !(st->msg_flags & MSG_DONTWAIT);
	struct addr to = ADDR_ANY6;
	struct case_value v;
	ssize_t n;
	int rc = waits ? play_wait(s, errors ? 0 : POLLIN, st->ms) : 0;

	if (rc < 0)
		return rc;
	m.iov.iov_base = m.bytes;
	m.hdr = (struct msghdr){.msg_name = m.name,
				.msg_namelen = sizeof(m.name),
				.msg_iov = &m.iov,
				.msg_iovlen = 1,
				.msg_control = m.control,
				.msg_controllen = sizeof(m.control)};
	n = s->on->calls->recvmsg(s->on, s->fd, &m.hdr, st->msg_flags | MSG_DONTWAIT);
	if (n < 0)
		return (int)n;
	v = value_of_number(n);
	outcome_add(out, "bytes", &v);
	m.bytes[n] = '\0';
	outcome_word(out, "text", m.bytes);
	note_sender(s, &m, out);
	read_controls(&m, out, &to);
	if (errors || (st->msg_flags & MSG_PEEK))
		return 0;
	s->rec.bytes_in += (uint64_t)n;
	if (s->sender_family)
		record_datagram(p, s, &to, n);
	return 0;
}
