/* SPDX-License-Identifier: MIT */
/* t_net.c - a private network namespace with traffic in it, for capture tests */
#include "t_net.h"

#include "../../rawstack/addr.h"
#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/wire/span.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, PAIRS_MAX = 8 };

/* The sockets of t_udp_open(). */
static struct {
	int tx, rx;
} pairs[PAIRS_MAX];
static size_t n_pairs;

void t_net_enter(void)
{
	int netns = netns_new(), back = -1, ret;

	cr_assert(netns >= 0, "netns_new: %s", strerror(-netns));
	ret = netns_enter(netns, &back);
	cr_assert(ret == 0, "netns_enter: %s", strerror(-ret));
	close(back);
	close(netns);
	t_link_up("lo", true);
}

static void link_ioctl(const char *name, unsigned long request, struct ifreq *req)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0);
	snprintf(req->ifr_name, sizeof(req->ifr_name), "%s", name);
	cr_assert(ioctl(fd, request, req) == 0, "%s: %s", name, strerror(errno));
	close(fd);
}

void t_link_up(const char *name, bool up)
{
	struct ifreq req = {0};

	link_ioctl(name, SIOCGIFFLAGS, &req);
	req.ifr_flags = (short)(up ? req.ifr_flags | IFF_UP : req.ifr_flags & ~IFF_UP);
	link_ioctl(name, SIOCSIFFLAGS, &req);
}

void t_link_mtu(const char *name, int mtu)
{
	struct ifreq req = {.ifr_mtu = mtu};

	link_ioctl(name, SIOCSIFMTU, &req);
}

unsigned int t_link_index(const char *name)
{
	unsigned int index = if_nametoindex(name);

	cr_assert(index != 0, "%s: %s", name, strerror(errno));
	return index;
}

/* Sends one request and wants an acknowledgement without error. */
static void rtnetlink(struct nlmsghdr *nlh)
{
	char answer[4096];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	ssize_t len;

	cr_assert(nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0);
	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	cr_assert(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0);
	len = mnl_socket_recvfrom(nl, answer, sizeof(answer));
	cr_assert(len > 0);
	cr_assert(mnl_cb_run(answer, (size_t)len, 1, mnl_socket_get_portid(nl), NULL, NULL) >= 0,
		  "rtnetlink: %s", strerror(errno));
	mnl_socket_close(nl);
}

/* No link-local address: no neighbour discovery, no duplicate detection. */
static void put_no_link_local(struct nlmsghdr *nlh)
{
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
}

static void silence(const char *name)
{
	uint8_t buf[1024];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *link;

	nlh->nlmsg_type = RTM_NEWLINK;
	link = mnl_nlmsg_put_extra_header(nlh, sizeof(*link));
	link->ifi_index = (int)t_link_index(name);
	put_no_link_local(nlh);
	rtnetlink(nlh);
}

/* Until its carrier is known, which a work queue finds out, a device throws away what it is to
 * send. */
static void await_running(const char *name)
{
	uint64_t deadline = t_now_ms() + PATIENCE_MS;
	struct ifreq req = {0};

	for (;;) {
		link_ioctl(name, SIOCGIFFLAGS, &req);
		if (req.ifr_flags & IFF_RUNNING)
			return;
		cr_assert(t_now_ms() < deadline, "%s does not run", name);
		poll(NULL, 0, 1);
	}
}

void t_veth_add(const char *a, const char *b)
{
	uint8_t buf[1024];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nlattr *info, *data, *peer;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, a);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, b);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	rtnetlink(nlh);
	silence(a);
	silence(b);
	t_link_up(a, true);
	t_link_up(b, true);
	await_running(a);
	await_running(b);
}

void t_link_del(const char *name)
{
	uint8_t buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *link;

	nlh->nlmsg_type = RTM_DELLINK;
	link = mnl_nlmsg_put_extra_header(nlh, sizeof(*link));
	link->ifi_index = (int)t_link_index(name);
	rtnetlink(nlh);
}

void t_addr_add(const char *name, const char *address, uint8_t prefix_len)
{
	uint8_t buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *msg;
	struct addr a;
	bool v4;

	cr_assert(addr_parse(address, &a, NULL) == 0);
	v4 = addr_is_mapped(&a);
	nlh->nlmsg_type = RTM_NEWADDR;
	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	msg->ifa_family = v4 ? AF_INET : AF_INET6;
	msg->ifa_prefixlen = prefix_len;
	msg->ifa_flags = v4 ? 0 : IFA_F_NODAD;
	msg->ifa_index = t_link_index(name);
	mnl_attr_put(nlh, IFA_LOCAL, v4 ? 4 : 16, v4 ? a.b + 12 : a.b);
	mnl_attr_put(nlh, IFA_ADDRESS, v4 ? 4 : 16, v4 ? a.b + 12 : a.b);
	rtnetlink(nlh);
}

static socklen_t loopback(int family, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		v4->sin_port = htons(port);
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*v4);
	}
	v6->sin6_port = htons(port);
	v6->sin6_addr = in6addr_loopback;
	return sizeof(*v6);
}

int t_udp_open(int family)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(family, T_PORT, &ss);
	int rx = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int tx = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert(rx >= 0 && tx >= 0);
	cr_assert(bind(rx, (struct sockaddr *)&ss, len) == 0, "bind: %s", strerror(errno));
	cr_assert(connect(tx, (struct sockaddr *)&ss, len) == 0, "connect: %s", strerror(errno));
	cr_assert(n_pairs < PAIRS_MAX);
	pairs[n_pairs].tx = tx;
	pairs[n_pairs++].rx = rx;
	return tx;
}

/* On a busy machine the loopback device hands on what it got when the kernel's thread has its turn.
 */
static void await_arrival(int tx)
{
	uint8_t payload[4];

	for (size_t i = 0; i < n_pairs; i++) {
		struct pollfd p = {.fd = pairs[i].rx, .events = POLLIN};

		if (pairs[i].tx != tx)
			continue;
		cr_assert(poll(&p, 1, PATIENCE_MS) == 1, "a datagram did not arrive");
		cr_assert(recv(p.fd, payload, sizeof(payload), 0) == sizeof(payload));
	}
}

void t_udp_send(int fd, uint32_t first, uint32_t n)
{
	uint8_t payload[4];

	for (uint32_t i = 0; i < n; i++) {
		put_be32(payload, first + i);
		cr_assert(send(fd, payload, sizeof(payload), 0) == sizeof(payload), "send: %s",
			  strerror(errno));
		await_arrival(fd);
	}
}

void t_raw_send(const char *ifname, const uint8_t *frame, unsigned int len)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(get_be16(frame + 12)),
				 .sll_ifindex = (int)t_link_index(ifname)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0);
	cr_assert(sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) == (ssize_t)len,
		  "sendto: %s", strerror(errno));
	close(fd);
}

uint64_t t_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}
