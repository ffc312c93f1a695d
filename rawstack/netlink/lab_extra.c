/* SPDX-License-Identifier: MIT */
/* lab_extra.c - what a lab's hosts may be given beside what all have: addresses, routes, settings
 */
#include "lab_extra.h"

#include "../clock.h"
#include "netns.h"
#include "nl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum { LO_INDEX = 1, PATH_LEN = 128, ADDRESS_MS = 2000 };

static int fail(struct lab_error *err, int ret, const char *step, const char *detail)
{
	const char *reason = strerrordesc_np(-ret);

	snprintf(err->step, sizeof(err->step), "%s", step);
	snprintf(err->detail, sizeof(err->detail), "%s%s%s", reason ? reason : "unknown error",
		 *detail ? ": " : "", detail);
	return ret;
}

static void put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *a, bool v6)
{
	mnl_attr_put(nlh, type, v6 ? 16 : 4, v6 ? a->b : a->b + 12);
}

/* Sends the batch to @side's kernel and releases it. */
static int commit(const struct lab *lab, enum lab_side side, struct nl_batch *batch,
		  struct lab_error *err)
{
	struct nl_refusal why = {0};
	struct mnl_socket *nl;
	int ret = nl_open(lab->host[side].netns_fd, NETLINK_ROUTE, 0, &nl);

	if (ret == 0) {
		ret = nl_batch_commit(batch, nl, &why);
		mnl_socket_close(nl);
	}
	nl_batch_free(batch);
	return ret < 0 ? fail(err, ret, why.step ? why.step : "talk to rtnetlink", why.text) : 0;
}

static unsigned int index_of(const struct lab *lab, enum lab_side side, enum lab_device device)
{
	return device == LAB_DEVICE_LO ? LO_INDEX : lab->host[side].ifindex;
}

static void put_address(struct nl_batch *batch, unsigned int ifindex, const struct addr *a, bool v6,
			uint8_t prefix)
{
	struct nlmsghdr *nlh =
		nl_batch_add(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "add an address");
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = v6 ? AF_INET6 : AF_INET;
	ifa->ifa_prefixlen = prefix;
	ifa->ifa_index = ifindex;
	put_addr(nlh, IFA_LOCAL, a, v6);
	put_addr(nlh, IFA_ADDRESS, a, v6);
	if (v6)
		mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NODAD);
}

int lab_remove_address(const struct lab *lab, enum lab_side side, const struct addr *a, bool v6,
		       uint8_t prefix, enum lab_device device, struct lab_error *err)
{
	struct nl_batch batch;
	struct nlmsghdr *nlh;
	struct ifaddrmsg *ifa;
	int ret = nl_batch_init(&batch);

	if (ret < 0)
		return fail(err, ret, "prepare a netlink batch", "");
	nlh = nl_batch_add(&batch, RTM_DELADDR, 0, "remove an address");
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = v6 ? AF_INET6 : AF_INET;
	ifa->ifa_prefixlen = prefix;
	ifa->ifa_index = index_of(lab, side, device);
	put_addr(nlh, IFA_LOCAL, a, v6);
	put_addr(nlh, IFA_ADDRESS, a, v6);
	return commit(lab, side, &batch, err);
}

static void put_neighbour(struct nl_batch *batch, const struct lab *lab, enum lab_side side,
			  const struct addr *a, bool v6)
{
	struct nlmsghdr *nlh = nl_batch_add(batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE,
					    "add a permanent neighbour");
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	ndm->ndm_family = v6 ? AF_INET6 : AF_INET;
	ndm->ndm_ifindex = (int)lab->host[side].ifindex;
	ndm->ndm_state = NUD_PERMANENT;
	put_addr(nlh, NDA_DST, a, v6);
	mnl_attr_put(nlh, NDA_LLADDR, 6, lab->host[!side].mac);
}

static int note_type(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	*(bool *)arg = rtm->rtm_type == RTN_LOCAL;
	return MNL_CB_OK;
}

/* Does @side take packets for the address? Asked of its routing table. 0 or -errno. */
static int ask_whether_local(const struct lab *lab, enum lab_side side, const struct addr *a,
			     struct mnl_socket *nl, bool *local)
{
	_Alignas(struct nlmsghdr) char buf[NL_ACK_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	int ret;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	rtm->rtm_family = AF_INET6;
	rtm->rtm_dst_len = 128;
	put_addr(nlh, RTA_DST, a, true);
	mnl_attr_put_u32(nlh, RTA_OIF, lab->host[side].ifindex);
	ret = nl_request(nl, nlh, buf, sizeof(buf), note_type, local);
	return ret == -ENETUNREACH ? 0 : ret;
}

/*
 * The kernel takes packets for a new IPv6 address, and is a member of its solicited-node group (RFC
 * 4291 2.7.1), only after a work queue has seen to it, in the other order. Before, its neighbours
 * do not find it, and what they answer it is lost: whoever tries waits for a second.
 */
static int await_address(const struct lab *lab, enum lab_side side, const struct addr *a,
			 struct lab_error *err)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ADDRESS_MS * NS_PER_MS;
	struct mnl_socket *nl;
	bool local = false;
	int ret = nl_open(lab->host[side].netns_fd, NETLINK_ROUTE, 0, &nl);

	if (ret < 0)
		return fail(err, ret, "talk to rtnetlink", "");
	while (ret == 0 && !local) {
		ret = ask_whether_local(lab, side, a, nl, &local);
		if (ret == 0 && !local && clock_ns(CLOCK_MONOTONIC) > deadline)
			ret = -ETIMEDOUT;
		if (ret == 0 && !local)
			sched_yield();
	}
	mnl_socket_close(nl);
	return ret < 0 ? fail(err, ret, "wait for an address", "") : 0;
}

int lab_add_address(const struct lab *lab, enum lab_side side, const struct addr *a, bool v6,
		    uint8_t prefix, enum lab_device device, struct lab_error *err)
{
	struct nl_batch batch;
	int ret = nl_batch_init(&batch);

	if (ret < 0)
		return fail(err, ret, "prepare a netlink batch", "");
	put_address(&batch, index_of(lab, side, device), a, v6, prefix);
	ret = commit(lab, side, &batch, err);
	if (ret == 0 && v6 && device == LAB_DEVICE_LINK)
		ret = await_address(lab, side, a, err);
	if (ret < 0)
		return ret;
	ret = nl_batch_init(&batch);
	if (ret < 0)
		return fail(err, ret, "prepare a netlink batch", "");
	put_neighbour(&batch, lab, !side, a, v6);
	return commit(lab, !side, &batch, err);
}

int lab_add_route(const struct lab *lab, enum lab_side side, const struct lab_route *r,
		  struct lab_error *err)
{
	struct nl_batch batch;
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;
	int ret = nl_batch_init(&batch);

	if (ret < 0)
		return fail(err, ret, "prepare a netlink batch", "");
	nlh = nl_batch_add(&batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "add a route");
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = r->v6 ? AF_INET6 : AF_INET;
	rtm->rtm_dst_len = r->prefix;
	rtm->rtm_table = r->type == RTN_LOCAL ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = r->type == RTN_LOCAL				   ? RT_SCOPE_HOST
			 : r->type == RTN_UNICAST && !r->gateway && !r->v6 ? RT_SCOPE_LINK
									   : RT_SCOPE_UNIVERSE;
	rtm->rtm_type = r->type;
	if (r->prefix)
		put_addr(nlh, RTA_DST, &r->dst, r->v6);
	if (r->gateway)
		put_addr(nlh, RTA_GATEWAY, r->gateway, r->v6);
	if (r->type == RTN_UNICAST || r->type == RTN_LOCAL)
		mnl_attr_put_u32(nlh, RTA_OIF, index_of(lab, side, r->device));
	return commit(lab, side, &batch, err);
}

/* Interface names have no dots here, so all dots are slashes. */
static int open_setting(const char *name)
{
	char path[PATH_LEN];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "/proc/sys/%s", name) >= sizeof(path))
		return -ENAMETOOLONG;
	for (char *c = path; *c; c++)
		if (*c == '.')
			*c = '/';
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int lab_sysctl(const struct lab *lab, enum lab_side side, const char *name, const char *value,
	       struct lab_error *err)
{
	int back, fd, ret = netns_enter(lab->host[side].netns_fd, &back);

	if (ret < 0)
		return fail(err, ret, "enter the namespace", "");
	fd = open_setting(name);
	ret = fd < 0 ? fd : 0;
	if (fd >= 0) {
		if (write(fd, value, strlen(value)) < 0)
			ret = -errno;
		close(fd);
	}
	netns_leave(back);
	return ret < 0 ? fail(err, ret, "write a setting of the namespace", name) : 0;
}
