/* SPDX-License-Identifier: MIT */
/* socket_msg.c - sendmsg and recvmsg: what travels beside a datagram's bytes */
#include "socket_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

/*
 * As on Linux an AF_INET6 socket has the options and messages of both families, and which of them
 * come tells how a datagram travelled: those of IPv4 only with IPv4, those of IPv6 only with IPv6;
 * IPV6_PKTINFO alone comes with both, mapped for IPv4.
 */
enum {
	BESIDE_PKTINFO6 = 1 << 0,
	BESIDE_HOPLIMIT = 1 << 1,
	BESIDE_TCLASS = 1 << 2,
	BESIDE_ORIGDST6 = 1 << 3,
	BESIDE_PKTINFO4 = 1 << 4,
	BESIDE_TTL = 1 << 5,
	BESIDE_TOS = 1 << 6,
	BESIDE_ORIGDST4 = 1 << 7,
	DATAGRAM_MAX = 65535,
};

unsigned int msg_option(int level, int name)
{
	static const struct {
		int level, name;
		unsigned int bit;
	} options[] = {
		{IPPROTO_IPV6, IPV6_RECVPKTINFO, BESIDE_PKTINFO6},
		{IPPROTO_IPV6, IPV6_RECVHOPLIMIT, BESIDE_HOPLIMIT},
		{IPPROTO_IPV6, IPV6_RECVTCLASS, BESIDE_TCLASS},
		{IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, BESIDE_ORIGDST6},
		{IPPROTO_IP, IP_PKTINFO, BESIDE_PKTINFO4},
		{IPPROTO_IP, IP_RECVTTL, BESIDE_TTL},
		{IPPROTO_IP, IP_RECVTOS, BESIDE_TOS},
		{IPPROTO_IP, IP_RECVORIGDSTADDR, BESIDE_ORIGDST4},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].level == level && options[i].name == name)
			return options[i].bit;
	return 0;
}

/* --- received --- */

struct control {
	struct msghdr *m;
	size_t room, used;
};

/* Cut off at the end of the room, as put_cmsg() does it. */
static void put(struct control *c, int level, int type, const void *data, size_t len)
{
	struct cmsghdr hdr = {.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
	size_t left = c->room - c->used;
	uint8_t *at = (uint8_t *)c->m->msg_control + c->used;

	if (left < sizeof(hdr)) {
		c->m->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (hdr.cmsg_len > left) {
		c->m->msg_flags |= MSG_CTRUNC;
		hdr.cmsg_len = left;
	}
	memcpy(at, &hdr, sizeof(hdr));
	memcpy(at + CMSG_LEN(0), data, hdr.cmsg_len - CMSG_LEN(0));
	c->used += CMSG_SPACE(len) < left ? CMSG_SPACE(len) : left;
}

static void put_address(struct control *c, int level, int type, const struct endpoint *ep,
			int family)
{
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(ep, family, &ss);

	if (len > 0)
		put(c, level, type, &ss, (size_t)len);
}

static void put_ipv4(const struct rawstack_host *h, unsigned int wanted,
		     const struct stack_dgram *d, struct control *c)
{
	struct in_pktinfo info = {.ipi_ifindex = (int)h->cfg.ifindex};
	const uint8_t *v4 = addr_v4(&d->local.addr);
	int ttl = d->ttl;

	if (wanted & BESIDE_PKTINFO4) {
		memcpy(&info.ipi_addr, v4, 4);
		memcpy(&info.ipi_spec_dst, v4, 4);
		put(c, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
	if (wanted & BESIDE_TTL)
		put(c, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (wanted & BESIDE_TOS)
		put(c, IPPROTO_IP, IP_TOS, &d->tos, sizeof(d->tos));
	if (wanted & BESIDE_ORIGDST4)
		put_address(c, IPPROTO_IP, IP_ORIGDSTADDR, &d->local, AF_INET);
}

static void put_ipv6(unsigned int wanted, const struct stack_dgram *d, struct control *c)
{
	int ttl = d->ttl, tos = d->tos;

	if (wanted & BESIDE_HOPLIMIT)
		put(c, IPPROTO_IPV6, IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	if (wanted & BESIDE_TCLASS)
		put(c, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	if (wanted & BESIDE_ORIGDST6)
		put_address(c, IPPROTO_IPV6, IPV6_ORIGDSTADDR, &d->local, AF_INET6);
}

void msg_describe(const struct rawstack_host *h, const struct sock *s, const struct stack_dgram *d,
		  struct msghdr *m)
{
	struct control c = {.m = m, .room = m->msg_control ? m->msg_controllen : 0};
	struct in6_pktinfo info = {.ipi6_ifindex = h->cfg.ifindex};

	if (s->beside & BESIDE_PKTINFO6) {
		memcpy(&info.ipi6_addr, d->local.addr.b, sizeof(info.ipi6_addr));
		put(&c, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
	if (d->wire_v6)
		put_ipv6(s->beside, d, &c);
	else
		put_ipv4(h, s->beside, d, &c);
	m->msg_controllen = c.used;
}

/* --- sent --- */

/* Of IPv6 towards a native peer; ::  leaves the choice to the stack. */
static int take_source6(const struct in6_pktinfo *info, bool to_v4, struct addr *from, bool *any)
{
	*from = addr_from_v6((const uint8_t *)&info->ipi6_addr);
	if (addr_is_mapped(from) != to_v4)
		return -EINVAL;
	*any = !addr_is_any(from);
	return 0;
}

/* One message. What is of the other family does not count; what the stack cannot do is EINVAL. */
static int take_control(const struct sock *s, const struct cmsghdr *hdr, const uint8_t *data,
			bool to_v4, struct addr *from, bool *any)
{
	size_t len = hdr->cmsg_len - CMSG_LEN(0);
	struct in6_pktinfo info6;
	struct in_pktinfo info4;

	if (hdr->cmsg_level == IPPROTO_IPV6 && s->family == AF_INET6) {
		if (hdr->cmsg_type != IPV6_PKTINFO)
			return to_v4 ? 0 : -EINVAL;
		if (len < sizeof(info6))
			return -EINVAL;
		memcpy(&info6, data, sizeof(info6));
		return take_source6(&info6, to_v4, from, any);
	}
	if (hdr->cmsg_level != IPPROTO_IP || !to_v4)
		return 0;
	if (hdr->cmsg_type != IP_PKTINFO || len != sizeof(info4))
		return -EINVAL;
	memcpy(&info4, data, sizeof(info4));
	*from = addr_from_v4((const uint8_t *)&info4.ipi_spec_dst);
	*any = !addr_is_any(from);
	return 0;
}

int msg_source(const struct sock *s, const struct msghdr *m, const struct addr *to,
	       struct addr *from, bool *any)
{
	const uint8_t *control = m->msg_control;
	size_t at = 0, room = control ? m->msg_controllen : 0;
	int rc = 0;

	*any = false;
	while (rc == 0 && room - at >= sizeof(struct cmsghdr)) {
		struct cmsghdr hdr;

		memcpy(&hdr, control + at, sizeof(hdr));
		if (hdr.cmsg_len < CMSG_LEN(0) || hdr.cmsg_len > room - at)
			return -EINVAL;
		rc = take_control(s, &hdr, control + at + CMSG_LEN(0), addr_is_mapped(to), from,
				  any);
		at += CMSG_ALIGN(hdr.cmsg_len) < room - at ? CMSG_ALIGN(hdr.cmsg_len) : room - at;
	}
	return rc;
}

/* --- several pieces of memory --- */

size_t msg_room(const struct msghdr *m)
{
	size_t sum = 0;

	for (size_t i = 0; i < m->msg_iovlen; i++)
		sum += m->msg_iov[i].iov_len;
	return sum;
}

size_t msg_scatter(const struct msghdr *m, const uint8_t *data, size_t len)
{
	size_t done = 0;

	for (size_t i = 0; i < m->msg_iovlen && done < len; i++) {
		size_t n = m->msg_iov[i].iov_len < len - done ? m->msg_iov[i].iov_len : len - done;

		memcpy(m->msg_iov[i].iov_base, data + done, n);
		done += n;
	}
	return done;
}

static uint8_t *gather(const struct msghdr *m, size_t len)
{
	uint8_t *all = malloc(len ? len : 1);
	size_t done = 0;

	for (size_t i = 0; all && i < m->msg_iovlen; i++) {
		memcpy(all + done, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
		done += m->msg_iov[i].iov_len;
	}
	return all;
}

ssize_t msg_send(struct rawstack_host *h, struct sock *s, const struct msghdr *m, int flags)
{
	size_t len = msg_room(m);
	uint8_t *all;
	ssize_t n;

	if (s->type == SOCK_DGRAM && len > DATAGRAM_MAX)
		return -EMSGSIZE;
	if (m->msg_iovlen == 1)
		return s->type == SOCK_STREAM ? stream_send(h, s, m->msg_iov->iov_base, len, flags)
					      : dgram_send(h, s, m->msg_iov->iov_base, len, m);
	all = gather(m, len);
	if (!all)
		return -ENOBUFS;
	n = s->type == SOCK_STREAM ? stream_send(h, s, all, len, flags)
				   : dgram_send(h, s, all, len, m);
	free(all);
	return n;
}

/* Of a stream: into the first piece as long as it takes, into the others what is there. */
static ssize_t receive_stream(struct rawstack_host *h, struct sock *s, struct msghdr *m, int flags)
{
	ssize_t sum = 0, n;

	for (size_t i = 0; i < m->msg_iovlen; i++) {
		n = stream_recv(h, s, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len,
				sum ? flags | MSG_DONTWAIT : flags);
		if (n < 0)
			return sum ? sum : n;
		sum += n;
		if ((size_t)n < m->msg_iov[i].iov_len || flags & MSG_PEEK)
			break;
	}
	return sum;
}

ssize_t msg_receive(struct rawstack_host *h, struct sock *s, struct msghdr *m, int flags)
{
	ssize_t n;

	m->msg_flags = 0;
	if (s->type == SOCK_DGRAM)
		return dgram_recv(h, s, m, flags);
	n = receive_stream(h, s, m, flags);
	if (n >= 0) {
		m->msg_namelen = 0; /* as Linux: a stream's peer has a call of its own */
		m->msg_controllen = 0;
	}
	return n;
}
