/* SPDX-License-Identifier: MIT */
/* sockdiag.c - sock_diag requests and destroy events, parsed into one kind of entry */
#include "sockdiag.h"

#include "nl.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	TCP_STATE_LISTEN = 10, /* <netinet/tcp.h> has the names, but its tcp_info ends too early */
	EVENTS_RCVBUF = 64 << 20, /* where the kernel lets us; an event takes about 1.3 KiB of it */
	EVENT_BATCH = 64,	  /* events read by one system call */
	EVENT_BYTES = 1024,	  /* one event: under 400 bytes as of Linux 6.18 */
};

struct sockdiag {
	struct mnl_socket *nl;
	uint32_t seq;
	_Alignas(struct nlmsghdr) char buf[NL_RECV_BYTES];
};

struct sockdiag_events {
	struct mnl_socket *nl;
	uint64_t lost;
	struct mmsghdr msgs[EVENT_BATCH];
	struct iovec iov[EVENT_BATCH];
	_Alignas(struct nlmsghdr) char buf[EVENT_BATCH][EVENT_BYTES];
};

/* Who gets the entries of one dump, look-up or batch of events, and how many there were. */
struct delivery {
	sockdiag_fn fn;
	void *arg;
	int n;
	uint8_t proto; /* where the kernel does not repeat it */
	bool destroyed;
};

/* Older kernels have a shorter tcp_info: all that follows its end counts as 0. */
static void read_tcp_info(const struct nlattr *attr, struct sockdiag_entry *e)
{
	struct tcp_info info = {0};
	size_t len = mnl_attr_get_payload_len(attr);

	if (len < offsetof(struct tcp_info, tcpi_segs_in) + sizeof(info.tcpi_segs_in))
		return;
	memcpy(&info, mnl_attr_get_payload(attr), len < sizeof(info) ? len : sizeof(info));
	e->has_info = e->state != TCP_STATE_LISTEN; /* a listener counts nothing */
	e->segs_in = info.tcpi_segs_in;
	e->segs_out = info.tcpi_segs_out;
	e->bytes_received = info.tcpi_bytes_received;
	e->bytes_acked = info.tcpi_bytes_acked;
	e->snd_mss = info.tcpi_snd_mss;
	e->advmss = info.tcpi_advmss;
	e->rtt_us = info.tcpi_rtt;
}

static int read_attr(const struct nlattr *attr, void *arg)
{
	struct sockdiag_entry *e = arg;

	switch (mnl_attr_get_type(attr)) {
	case INET_DIAG_INFO:
		read_tcp_info(attr, e);
		break;
	case INET_DIAG_PROTOCOL:
		if (mnl_attr_validate(attr, MNL_TYPE_U8) == 0)
			e->proto = mnl_attr_get_u8(attr);
		break;
	case INET_DIAG_SKV6ONLY:
		if (mnl_attr_validate(attr, MNL_TYPE_U8) == 0)
			e->v6only = mnl_attr_get_u8(attr);
		break;
	}
	return MNL_CB_OK;
}

static bool is_link_local(const struct addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

static struct endpoint read_endpoint(int family, const __be32 *addr, __be16 port, uint32_t ifindex)
{
	struct endpoint ep = {.port = ntohs(port)};
	uint8_t bytes[16];

	memcpy(bytes, addr, sizeof(bytes));
	ep.addr = family == AF_INET ? addr_from_v4(bytes) : addr_from_v6(bytes);
	if (is_link_local(&ep.addr))
		ep.scope = ifindex;
	return ep;
}

static int on_entry(const struct nlmsghdr *nlh, void *arg)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	const struct inet_diag_sockid *id = &msg->id;
	struct delivery *d = arg;
	struct sockdiag_entry e;

	if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return MNL_CB_OK;
	e = (struct sockdiag_entry){
		.family = msg->idiag_family,
		.proto = d->proto,
		.state = msg->idiag_state,
		.destroyed = d->destroyed,
		.src = read_endpoint(msg->idiag_family, id->idiag_src, id->idiag_sport,
				     id->idiag_if),
		.dst = read_endpoint(msg->idiag_family, id->idiag_dst, id->idiag_dport,
				     id->idiag_if),
		.ifindex = id->idiag_if,
		.cookie = (uint64_t)id->idiag_cookie[1] << 32 | id->idiag_cookie[0],
		.inode = msg->idiag_inode,
		.uid = msg->idiag_uid,
		.v6only = -1,
	};
	mnl_attr_parse(nlh, sizeof(*msg), read_attr, &e);
	d->fn(&e, d->arg);
	d->n++;
	return MNL_CB_OK;
}

int sockdiag_open(int netns_fd, struct sockdiag **out)
{
	struct sockdiag *sd = calloc(1, sizeof(*sd));
	int ret;

	if (!sd)
		return -ENOMEM;
	ret = nl_open(netns_fd, NETLINK_SOCK_DIAG, 0, &sd->nl);
	if (ret < 0) {
		free(sd);
		return ret;
	}
	*out = sd;
	return 0;
}

void sockdiag_close(struct sockdiag *sd)
{
	if (!sd)
		return;
	mnl_socket_close(sd->nl);
	free(sd);
}

/* Starts a request in @sd's buffer, which is free until the reply. */
static struct nlmsghdr *put_request(struct sockdiag *sd, int proto, int family, uint16_t flags,
				    struct inet_diag_req_v2 **out)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(sd->buf);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++sd->seq;
	req->sdiag_family = (uint8_t)family;
	req->sdiag_protocol = (uint8_t)proto;
	req->idiag_states = ~0U;
	if (proto == IPPROTO_TCP)
		req->idiag_ext = 1U << (INET_DIAG_INFO - 1);
	*out = req;
	return nlh;
}

int sockdiag_dump(struct sockdiag *sd, int proto, int family, uint16_t port, sockdiag_fn fn,
		  void *arg)
{
	struct delivery d = {.fn = fn, .arg = arg, .proto = (uint8_t)proto};
	struct inet_diag_req_v2 *req;
	struct nlmsghdr *nlh = put_request(sd, proto, family, NLM_F_DUMP, &req);
	int ret;

	req->id.idiag_sport = htons(port);
	ret = nl_request(sd->nl, nlh, sd->buf, sizeof(sd->buf), on_entry, &d);
	return ret < 0 ? ret : d.n;
}

/* Writes @a as a socket id of @family has it. */
static int put_addr(__be32 *id, int family, const struct addr *a)
{
	const uint8_t *v4 = addr_v4(a);

	if (family == AF_INET && !v4)
		return -EAFNOSUPPORT;
	if (family == AF_INET)
		memcpy(id, v4, 4);
	else
		memcpy(id, a->b, sizeof(a->b));
	return 0;
}

static void keep_entry(const struct sockdiag_entry *e, void *arg)
{
	struct sockdiag_entry *out = arg;

	*out = *e;
}

int sockdiag_get(struct sockdiag *sd, int proto, int family, const struct endpoint *local,
		 const struct endpoint *peer, struct sockdiag_entry *out)
{
	struct delivery d = {.fn = keep_entry, .arg = out, .proto = (uint8_t)proto};
	/* udp_diag looks up the datagram it is asked for, tcp_diag the socket: src is its sender.
	 */
	const struct endpoint *src = proto == IPPROTO_UDP ? peer : local;
	const struct endpoint *dst = proto == IPPROTO_UDP ? local : peer;
	struct inet_diag_req_v2 *req;
	struct nlmsghdr *nlh = put_request(sd, proto, family, 0, &req);
	int ret;

	req->id.idiag_sport = htons(src->port);
	req->id.idiag_dport = htons(dst->port);
	req->id.idiag_if = local->scope;
	req->id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	req->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	ret = put_addr(req->id.idiag_src, family, &src->addr);
	if (ret < 0)
		return ret;
	ret = put_addr(req->id.idiag_dst, family, &dst->addr);
	if (ret < 0)
		return ret;
	ret = nl_request(sd->nl, nlh, sd->buf, sizeof(sd->buf), on_entry, &d);
	if (ret < 0)
		return ret;
	return d.n > 0 ? 0 : -ENOENT;
}

/* SO_RCVBUF is cut to net.core.rmem_max without an error: as large as allowed. */
static int set_queue_size(struct mnl_socket *nl, int bytes)
{
	int fd = mnl_socket_get_fd(nl);

	if (bytes == 0)
		bytes = EVENTS_RCVBUF;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) == 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0 ? -errno : 0;
}

static int subscribe(struct mnl_socket *nl)
{
	for (int group = SKNLGRP_INET_TCP_DESTROY; group <= SKNLGRP_INET6_UDP_DESTROY; group++)
		if (mnl_socket_setsockopt(nl, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	return 0;
}

int sockdiag_events_open(int netns_fd, int rcvbuf, struct sockdiag_events **out)
{
	struct sockdiag_events *ev = calloc(1, sizeof(*ev));
	int ret;

	if (!ev)
		return -ENOMEM;
	for (int i = 0; i < EVENT_BATCH; i++) {
		ev->iov[i] = (struct iovec){.iov_base = ev->buf[i], .iov_len = EVENT_BYTES};
		ev->msgs[i].msg_hdr = (struct msghdr){.msg_iov = &ev->iov[i], .msg_iovlen = 1};
	}
	ret = nl_open(netns_fd, NETLINK_SOCK_DIAG, SOCK_NONBLOCK, &ev->nl);
	if (ret < 0)
		goto err_free;
	ret = set_queue_size(ev->nl, rcvbuf);
	if (ret < 0)
		goto err_socket;
	ret = subscribe(ev->nl);
	if (ret < 0)
		goto err_socket;
	*out = ev;
	return 0;

err_socket:
	mnl_socket_close(ev->nl);
err_free:
	free(ev);
	return ret;
}

int sockdiag_events_fd(const struct sockdiag_events *ev)
{
	return mnl_socket_get_fd(ev->nl);
}

uint64_t sockdiag_events_lost(const struct sockdiag_events *ev)
{
	return ev->lost;
}

void sockdiag_events_close(struct sockdiag_events *ev)
{
	if (!ev)
		return;
	mnl_socket_close(ev->nl);
	free(ev);
}

/* An event that did not fit is one we do not have. */
static void deliver(struct sockdiag_events *ev, int n, struct delivery *d)
{
	for (int i = 0; i < n; i++)
		if (ev->msgs[i].msg_hdr.msg_flags & MSG_TRUNC)
			ev->lost++;
		else
			mnl_cb_run(ev->buf[i], ev->msgs[i].msg_len, 0, 0, on_entry, d);
}

/* recvmmsg(2) because libmnl reads one datagram, hence one event, per system call. */
int sockdiag_events_read(struct sockdiag_events *ev, sockdiag_fn fn, void *arg)
{
	struct delivery d = {.fn = fn, .arg = arg, .destroyed = true};
	int n;

	for (;;) {
		n = recvmmsg(mnl_socket_get_fd(ev->nl), ev->msgs, EVENT_BATCH, 0, NULL);
		if (n >= 0)
			deliver(ev, n, &d);
		else if (errno == EAGAIN)
			return d.n;
		else if (errno == ENOBUFS)
			ev->lost++;
		else if (errno != EINTR)
			return -errno;
	}
}
