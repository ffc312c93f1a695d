/* SPDX-License-Identifier: MIT */
/* pktinfo.c - to which address a datagram was sent, and from which one it is answered */
#include "pktinfo.h"

/*
 * The destination comes as IPV6_PKTINFO on an AF_INET6 socket, mapped when the datagram was IPv4,
 * and as IP_PKTINFO on an AF_INET one. The reply names it as its source; otherwise a host with
 * several addresses answers from the wrong one.
 */

void pktinfo_read(struct msghdr *msg, struct endpoint *local)
{
	struct in6_pktinfo info6;
	struct in_pktinfo info4;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info6, CMSG_DATA(c), sizeof(info6));
			local->addr = addr_from_v6(info6.ipi6_addr.s6_addr);
			if (IN6_IS_ADDR_LINKLOCAL(&info6.ipi6_addr))
				local->scope = info6.ipi6_ifindex;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info4, CMSG_DATA(c), sizeof(info4));
			local->addr = addr_from_v4((const uint8_t *)&info4.ipi_addr);
		}
	}
}

static bool is_multicast(const struct addr *a)
{
	const uint8_t *v4 = addr_v4(a);

	return v4 != NULL ? (v4[0] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

static void put(struct msghdr *msg, int level, int type, const void *info, size_t size)
{
	struct cmsghdr *c = msg->msg_control;

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), info, size);
	msg->msg_controllen = CMSG_SPACE(size);
}

void pktinfo_write(struct msghdr *msg, unsigned char *control, int family,
		   const struct endpoint *from)
{
	struct in6_pktinfo info6 = {.ipi6_ifindex = from->scope};
	struct in_pktinfo info4 = {0};

	if (addr_is_any(&from->addr) || is_multicast(&from->addr))
		return;
	memset(control, 0, PKTINFO_SIZE);
	msg->msg_control = control;
	if (family == AF_INET6) {
		memcpy(&info6.ipi6_addr, from->addr.b, sizeof(info6.ipi6_addr));
		put(msg, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
	} else {
		memcpy(&info4.ipi_spec_dst, from->addr.b + 12, sizeof(info4.ipi_spec_dst));
		put(msg, IPPROTO_IP, IP_PKTINFO, &info4, sizeof(info4));
	}
}
