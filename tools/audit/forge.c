/* SPDX-License-Identifier: MIT */
/* forge.c - native IPv6 datagrams from a ::ffff: address */
#include "forge.h"

#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/wire/build.h"
#include "../../uring/sockopt.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* Below the IP layer, which would refuse the source. */
static int inject(const struct lab_host *h, const struct outbuf *frame)
{
	struct sockaddr_ll sll = {.sll_family = AF_PACKET, .sll_ifindex = (int)h->ifindex};
	int fd = netns_socket(h->netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (fd < 0)
		return fd;
	if (sendto(fd, frame->buf, frame->len, 0, (struct sockaddr *)&sll, sizeof(sll)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int open_waiter(const struct audit *a, struct forged *f, struct endpoint *local)
{
	bool loopback = addr_v4(&f->source)[0] == 127;
	struct endpoint from = {.addr = f->source};
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(&from, AF_INET, &ss);

	f->fd = netns_socket(a->lab.host[loopback ? LAB_SERVER : LAB_CLIENT].netns_fd, AF_INET,
			     SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->fd < 0)
		return f->fd;
	if (bind(f->fd, (struct sockaddr *)&ss, (socklen_t)len) < 0)
		return -errno;
	return sockopt_local(f->fd, local);
}

static int build_and_send(const struct audit *a, const struct forged *f, const void *say,
			  size_t len)
{
	const struct lab_host *c = &a->lab.host[LAB_CLIENT], *s = &a->lab.host[LAB_SERVER];
	struct frame_spec spec = {
		.ipv6 = true,
		.src = f->source,
		.dst = f->to,
		.proto = IPPROTO_UDP,
		.sport = f->sport,
		.dport = f->port,
	};
	uint8_t bytes[SPEECH_MAX + 128];
	struct outbuf out = outbuf_of(bytes, sizeof(bytes));
	int ret;

	memcpy(spec.src_mac, c->mac, sizeof(spec.src_mac));
	memcpy(spec.dst_mac, s->mac, sizeof(spec.dst_mac));
	ret = frame_build(&spec, say, len, &out);
	return ret < 0 ? ret : inject(c, &out);
}

int forge_send(struct audit *a, struct forged *f, const void *say, size_t len)
{
	struct endpoint local = {0};
	int ret = open_waiter(a, f, &local);

	f->sport = local.port;
	if (ret == 0)
		ret = build_and_send(a, f, say, len);
	if (ret < 0 && f->fd >= 0) {
		close(f->fd);
		f->fd = -1;
	}
	return ret;
}

void forge_finish(struct forged *f)
{
	char byte;

	if (f->fd < 0)
		return;
	f->answered = recv(f->fd, &byte, 1, MSG_TRUNC) >= 0;
	close(f->fd);
	f->fd = -1;
}
