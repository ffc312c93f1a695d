/* SPDX-License-Identifier: MIT */
/* link_check.c - what must be true of an interface before a stack may use it */
#include "link.h"

#include "../netlink/nl.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

struct check {
	struct link *l;
	struct addr *kernel_addr;
	int verdict; /* 0 or -errno */
};

/* These have no filter of addresses, and whoever is at the other end made them for us. */
static bool takes_any_mac(const struct nlattr *linkinfo)
{
	struct nlattr *attr;

	mnl_attr_for_each_nested(attr, linkinfo)
	{
		if (mnl_attr_get_type(attr) != IFLA_INFO_KIND ||
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
			continue;
		return strcmp(mnl_attr_get_str(attr), "veth") == 0 ||
		       strcmp(mnl_attr_get_str(attr), "tun") == 0;
	}
	return false;
}

void link_own_mac(uint8_t mac[6])
{
	enum { GROUP = 1, LOCAL = 2, OURS = 0x40 };

	/* A local one differs in one bit more, so that it is not the interface's either. */
	mac[0] = (uint8_t)((mac[0] & LOCAL ? mac[0] ^ OURS : mac[0] | LOCAL) & ~GROUP);
}

static int on_link(const struct nlmsghdr *msg, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
	struct check *c = arg;
	struct nlattr *attr;

	c->l->ifindex = (unsigned int)info->ifi_index;
	if (info->ifi_type != ARPHRD_ETHER)
		c->verdict = -EPROTONOSUPPORT;
	else if (!(info->ifi_flags & IFF_UP))
		c->verdict = -ENETDOWN;
	mnl_attr_for_each(attr, msg, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) == IFLA_MTU)
			c->l->mtu = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == IFLA_ADDRESS &&
		    mnl_attr_get_payload_len(attr) == sizeof(c->l->mac))
			memcpy(c->l->mac, mnl_attr_get_payload(attr), sizeof(c->l->mac));
		if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			c->l->any_mac = takes_any_mac(attr);
	}
	return MNL_CB_OK;
}

static int on_addr(const struct nlmsghdr *msg, void *arg)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(msg);
	struct check *c = arg;
	struct nlattr *attr;

	if (info->ifa_index != c->l->ifindex || c->verdict)
		return MNL_CB_OK;
	c->verdict = -EADDRINUSE;
	mnl_attr_for_each(attr, msg, sizeof(*info))
	{
		const uint8_t *bytes = mnl_attr_get_payload(attr);
		bool v4 = info->ifa_family == AF_INET;

		if (mnl_attr_get_type(attr) != (v4 ? IFA_LOCAL : IFA_ADDRESS) || !c->kernel_addr)
			continue;
		*c->kernel_addr = v4 ? addr_from_v4(bytes) : addr_from_v6(bytes);
	}
	return MNL_CB_OK;
}

static int request(struct mnl_socket *nl, struct check *c, uint16_t type, char *buf)
{
	_Alignas(struct nlmsghdr) char req[NL_MSG_MAX];
	struct nlmsghdr *msg = mnl_nlmsg_put_header(req);
	bool link = type == RTM_GETLINK;

	msg->nlmsg_type = type;
	msg->nlmsg_flags = link ? NLM_F_REQUEST : NLM_F_REQUEST | NLM_F_DUMP;
	msg->nlmsg_seq = type;
	if (link) {
		struct ifinfomsg *info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));

		info->ifi_index = (int)c->l->ifindex;
		return nl_request(nl, msg, buf, NL_RECV_BYTES, on_link, c);
	}
	mnl_nlmsg_put_extra_header(msg, sizeof(struct ifaddrmsg));
	return nl_request(nl, msg, buf, NL_RECV_BYTES, on_addr, c);
}

int link_check(int netns_fd, unsigned int ifindex, struct link *l, struct addr *kernel_addr)
{
	struct check c = {.l = l, .kernel_addr = kernel_addr};
	struct mnl_socket *nl;
	char *buf = malloc(NL_RECV_BYTES);
	int ret = -ENOMEM;

	if (!buf)
		return ret;
	l->ifindex = ifindex;
	ret = nl_open(netns_fd, NETLINK_ROUTE, 0, &nl);
	if (ret < 0)
		goto out_buf;
	ret = request(nl, &c, RTM_GETLINK, buf);
	if (ret == 0 && c.verdict == 0)
		ret = request(nl, &c, RTM_GETADDR, buf);
	mnl_socket_close(nl);
out_buf:
	free(buf);
	return ret ? ret : c.verdict;
}
