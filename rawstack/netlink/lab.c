/* SPDX-License-Identifier: MIT */
/* lab.c - builds the two hosts of lab.h by rtnetlink, ethtool ioctls and a few sysctls */
#include "lab.h"

#include "../clock.h"
#include "netns.h"
#include "nl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * Order of the work, and why it is not simpler:
 *
 * The kernel joins the solicited-node group of an IPv6 address (RFC 4861 7.2.1) some time after the
 * address was acknowledged, and reports its groups when the link gets its carrier, which happens
 * some time after both ends are up. Left alone, an idle lab sends MLD reports for about a second,
 * and what is sent before the carrier is known is lost. So:
 *
 * 1. sysctls: MLDv1, which reports at once and repeats within an interval that is set beyond the
 *    life of any lab (MLDv2 repeats by a count that cannot be 0);
 * 2. links, addresses, neighbours; wait for the groups to be joined (links are down: no report);
 * 3. a queueing discipline that drops all; links up; wait for the carrier: reports fall into it;
 * 4. the discipline away again: the lab is silent, and the first segment gets through.
 */
enum {
	V4_PREFIX_LEN = 24,
	V6_PREFIX_LEN = 64,
	LOOPBACK_IFINDEX = 1,
	CLIENT_IFINDEX = 101, /* above those of the devices some modules put into each namespace */
	SERVER_IFINDEX = 102,
	WAIT_MS = 1000,	  /* for the kernel's workers; takes microseconds */
	BATCH_ADDRS = 16, /* further addresses in one batch */
};

struct setting {
	const char *path, *value;
};

/*
 * The rate limits are per peer; the masks say which ICMP types are limited at all, and what they
 * leave out is exempt from the limit over all peers together as well.
 */
static const struct setting settings[] = {
	{"/proc/sys/net/ipv4/icmp_ratelimit", "0"},
	{"/proc/sys/net/ipv4/icmp_ratemask", "0"},
	{"/proc/sys/net/ipv6/icmp/ratelimit", "0"},
	{"/proc/sys/net/ipv6/icmp/ratemask", "\n"},
	/* A socket whose program was killed must not keep its namespace until its last FIN is lost.
	 */
	{"/proc/sys/net/ipv4/tcp_orphan_retries", "1"},
	{"/proc/sys/net/ipv6/conf/all/force_mld_version", "1"},
	{"/proc/sys/net/ipv6/conf/default/mldv1_unsolicited_report_interval", "2147483647"},
};

struct offload {
	uint32_t command;
	const char *step;
};

static const struct offload offloads[] = {
	{ETHTOOL_STSO, "turn off TCP segmentation offload"},
	{ETHTOOL_SGSO, "turn off generic segmentation offload"},
	{ETHTOOL_SGRO, "turn off generic receive offload"},
	{ETHTOOL_STXCSUM, "turn off transmit checksum offload"},
	{ETHTOOL_SRXCSUM, "turn off receive checksum offload"},
	{ETHTOOL_SSG, "turn off scatter-gather"},
};

struct builder {
	const struct lab_options *opt;
	struct lab *lab;
	struct lab_error *err;
	struct mnl_socket *nl[LAB_SIDES];
};

/* Notes what failed and returns @ret, a -errno. @detail: what more is known, or "". */
static int fail(struct lab_error *err, int ret, const char *step, const char *detail)
{
	const char *reason = strerrordesc_np(-ret);

	snprintf(err->step, sizeof(err->step), "%s", step);
	snprintf(err->detail, sizeof(err->detail), "%s%s%s", reason ? reason : "unknown error",
		 *detail ? ": " : "", detail);
	return ret;
}

/* 198.51.100.@n (RFC 5737) and 2001:db8:1::@n (RFC 3849). */
static void give_addresses(struct lab_host *host, uint8_t n)
{
	const uint8_t v4[4] = {198, 51, 100, n};
	const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = n};

	host->v4[host->n_addrs] = addr_from_v4(v4);
	host->v6[host->n_addrs] = addr_from_v6(v6);
	host->n_addrs++;
}

/* fe80::a:@n: in the low 24 bits unlike the others, so that it has a multicast group of its own. */
static struct addr link_local(uint8_t n)
{
	return (struct addr){{0xfe, 0x80, [13] = 0x0a, [15] = n}};
}

static void describe(struct lab *lab, const struct lab_options *opt)
{
	*lab = (struct lab){
		.host =
			{
				[LAB_CLIENT] = {.netns_fd = -1,
						.ifindex = CLIENT_IFINDEX,
						.ifname = "va",
						.mac = {2, 0, 0, 0, 0, 1}},
				[LAB_SERVER] = {.netns_fd = -1,
						.ifindex = SERVER_IFINDEX,
						.ifname = "vb",
						.mac = {2, 0, 0, 0, 0, 2}},
			},
	};
	give_addresses(&lab->host[LAB_CLIENT], 1);
	give_addresses(&lab->host[LAB_SERVER], 2);
	give_addresses(&lab->host[LAB_SERVER], 3);
	for (int side = 0; side < LAB_SIDES && opt->link_local; side++)
		lab->host[side].link_local = link_local((uint8_t)(side + 1));
	for (size_t i = 0; i < opt->n_clients; i++)
		lab->host[LAB_CLIENT].further[i] = opt->clients[i];
	lab->host[LAB_CLIENT].n_further = (int)opt->n_clients;
	lab->host[LAB_SERVER].bare = opt->bare_server;
	lab->host[LAB_CLIENT].bare = opt->bare_client;
}

static int write_setting(const struct setting *s)
{
	int fd = open(s->path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, s->value, strlen(s->value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int write_settings(struct builder *b, const struct setting *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int ret = write_setting(&list[i]);

		if (ret < 0)
			return fail(b->err, ret, "write a sysctl of the namespace", list[i].path);
	}
	return 0;
}

/* What the options ask of the server's host. */
static int write_options(struct builder *b)
{
	const struct lab_options *opt = b->opt;
	struct setting wanted[2];
	char range[16];
	size_t n = 0;

	if (opt->low_ports)
		wanted[n++] =
			(struct setting){"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"};
	if (opt->auto_port_first) {
		snprintf(range, sizeof(range), "%u %u", opt->auto_port_first, opt->auto_port_last);
		wanted[n++] = (struct setting){"/proc/sys/net/ipv4/ip_local_port_range", range};
	}
	return write_settings(b, wanted, n);
}

/* /proc/sys/net shows the namespace of the thread that opens a file there, so this visits it. */
static int apply_settings(struct builder *b, enum lab_side side)
{
	int back;
	int ret = netns_enter(b->lab->host[side].netns_fd, &back);

	if (ret < 0)
		return fail(b->err, ret, "enter the namespace", "");
	ret = write_settings(b, settings, sizeof(settings) / sizeof(settings[0]));
	if (ret == 0 && side == LAB_SERVER)
		ret = write_options(b);
	netns_leave(back);
	return ret;
}

/* On failure the caller closes what is open. */
static int open_host(struct builder *b, enum lab_side side)
{
	int fd = netns_new();
	int ret;

	if (fd < 0)
		return fail(b->err, fd, "make a network namespace", "");
	b->lab->host[side].netns_fd = fd;
	ret = nl_open(fd, NETLINK_ROUTE, 0, &b->nl[side]);
	if (ret < 0)
		return fail(b->err, ret, "open a netlink socket", "");
	return apply_settings(b, side);
}

/* @up: flags to set, IFF_UP or 0. */
static struct nlmsghdr *add_link(struct nl_batch *batch, uint16_t flags, unsigned int ifindex,
				 unsigned int up, const char *step)
{
	struct nlmsghdr *nlh = nl_batch_add(batch, RTM_NEWLINK, flags, step);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = (int)ifindex;
	ifi->ifi_flags = up;
	ifi->ifi_change = up;
	return nlh;
}

static void put_link_attrs(struct nlmsghdr *nlh, const struct lab_host *host)
{
	mnl_attr_put_strz(nlh, IFLA_IFNAME, host->ifname);
	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(host->mac), host->mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, LAB_MTU);
}

/* Both ends in one request; the other end is born in the server's namespace. */
static void add_veth(struct nl_batch *batch, const struct lab *lab)
{
	const struct lab_host *client = &lab->host[LAB_CLIENT], *server = &lab->host[LAB_SERVER];
	struct nlmsghdr *nlh = add_link(batch, NLM_F_CREATE | NLM_F_EXCL, client->ifindex, 0,
					"create the veth pair");
	struct nlattr *info, *data, *peer;
	struct ifinfomsg *ifi;

	put_link_attrs(nlh, client);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)server->ifindex;
	put_link_attrs(nlh, server);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)server->netns_fd);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

/* No link-local address of the kernel's own making, hence no router solicitation. */
static void add_no_autoconf(struct nl_batch *batch, unsigned int ifindex)
{
	struct nlmsghdr *nlh = add_link(batch, 0, ifindex, 0, "turn off IPv6 address generation");
	struct nlattr *spec, *inet6;

	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
}

/* The address as its family's attributes carry it. */
static void put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *a)
{
	const uint8_t *v4 = addr_v4(a);

	mnl_attr_put(nlh, type, v4 ? 4 : sizeof(a->b), v4 ? v4 : a->b);
}

static uint8_t family_of(const struct addr *a)
{
	return addr_is_mapped(a) ? AF_INET : AF_INET6;
}

/* @prefix_len 0: that of the lab's network of the address's family. */
static void add_address(struct nl_batch *batch, unsigned int ifindex, const struct addr *a,
			uint8_t prefix_len)
{
	struct nlmsghdr *nlh =
		nl_batch_add(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "add an address");
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = family_of(a);
	ifa->ifa_prefixlen = prefix_len			  ? prefix_len
			     : ifa->ifa_family == AF_INET ? V4_PREFIX_LEN
							  : V6_PREFIX_LEN;
	ifa->ifa_index = ifindex;
	put_addr(nlh, IFA_LOCAL, a);
	put_addr(nlh, IFA_ADDRESS, a);
	if (ifa->ifa_family == AF_INET6)
		mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NODAD);
}

static void add_neighbour(struct nl_batch *batch, unsigned int ifindex, const struct addr *a,
			  const uint8_t *mac)
{
	struct nlmsghdr *nlh = nl_batch_add(batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE,
					    "add a permanent neighbour");
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	ndm->ndm_family = family_of(a);
	ndm->ndm_ifindex = (int)ifindex;
	ndm->ndm_state = NUD_PERMANENT;
	put_addr(nlh, NDA_DST, a);
	mnl_attr_put(nlh, NDA_LLADDR, 6, mac);
}

/* Takes all that the link sends until add_unmute(). */
static void add_mute(struct nl_batch *batch, unsigned int ifindex)
{
	struct nlmsghdr *nlh = nl_batch_add(batch, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE,
					    "mute the link with a blackhole queueing discipline");
	struct tcmsg *tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));

	tcm->tcm_ifindex = (int)ifindex;
	tcm->tcm_parent = TC_H_ROOT;
	mnl_attr_put_strz(nlh, TCA_KIND, "blackhole");
}

static void add_unmute(struct nl_batch *batch, unsigned int ifindex)
{
	struct nlmsghdr *nlh =
		nl_batch_add(batch, RTM_DELQDISC, 0, "remove the blackhole queueing discipline");
	struct tcmsg *tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));

	tcm->tcm_ifindex = (int)ifindex;
	tcm->tcm_parent = TC_H_ROOT;
}

/* So many of its addresses of each family its kernel shall have. */
static int kernel_addrs(const struct lab_host *host)
{
	return host->bare ? 0 : host->n_addrs;
}

static void plan_hosts(struct nl_batch *batch, const struct lab *lab, enum lab_side side)
{
	const struct lab_host *host = &lab->host[side], *peer = &lab->host[!side];

	add_link(batch, 0, LOOPBACK_IFINDEX, IFF_UP, "bring up lo");
	if (side == LAB_CLIENT)
		add_veth(batch, lab);
	add_no_autoconf(batch, host->ifindex);
	for (int i = 0; i < kernel_addrs(host); i++) {
		add_address(batch, host->ifindex, &host->v4[i], 0);
		add_address(batch, host->ifindex, &host->v6[i], 0);
	}
	for (int i = 0; i < peer->n_addrs; i++) {
		add_neighbour(batch, host->ifindex, &peer->v4[i], peer->mac);
		add_neighbour(batch, host->ifindex, &peer->v6[i], peer->mac);
	}
	if (addr_is_any(&host->link_local))
		return;
	add_address(batch, host->ifindex, &host->link_local, 0);
	add_neighbour(batch, host->ifindex, &peer->link_local, peer->mac);
}

/* Everything is on the link. */
static void add_default_route(struct nl_batch *batch, unsigned int ifindex, uint8_t family)
{
	struct nlmsghdr *nlh =
		nl_batch_add(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "add a default route");
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	rtm->rtm_family = family;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
}

static void plan_links(struct nl_batch *batch, const struct lab *lab, enum lab_side side)
{
	unsigned int ifindex = lab->host[side].ifindex;

	add_mute(batch, ifindex);
	add_link(batch, 0, ifindex, IFF_UP, "bring up the link");
	if (side == LAB_SERVER && lab->host[LAB_CLIENT].n_further) {
		add_default_route(batch, ifindex, AF_INET);
		add_default_route(batch, ifindex, AF_INET6);
	}
}

static void plan_silence(struct nl_batch *batch, const struct lab *lab, enum lab_side side)
{
	add_unmute(batch, lab->host[side].ifindex);
}

static int commit(struct builder *b, struct nl_batch *batch, enum lab_side side)
{
	struct nl_refusal why;
	int ret = nl_batch_commit(batch, b->nl[side], &why);

	if (ret < 0)
		fail(b->err, ret, why.step ? why.step : "talk to rtnetlink", why.text);
	nl_batch_free(batch);
	return ret;
}

typedef void (*plan_fn)(struct nl_batch *batch, const struct lab *lab, enum lab_side side);

/* Carries out @plan on both hosts, the client's first: one batch each. */
static int carry_out(struct builder *b, plan_fn plan)
{
	struct nl_batch batch;
	int ret = 0;

	for (int side = 0; side < LAB_SIDES && ret == 0; side++) {
		ret = nl_batch_init(&batch);
		if (ret < 0)
			return fail(b->err, ret, "prepare a netlink batch", "");
		plan(&batch, b->lab, side);
		ret = commit(b, &batch, side);
	}
	return ret;
}

/* A host's own address, without the network around it, and the other host knows where it is. */
static int add_further(struct builder *b, int first, int end)
{
	const struct lab_host *client = &b->lab->host[LAB_CLIENT];
	struct nl_batch batch;
	int ret = 0;

	for (int side = 0; side < LAB_SIDES && ret == 0; side++) {
		ret = nl_batch_init(&batch);
		if (ret < 0)
			return fail(b->err, ret, "prepare a netlink batch", "");
		for (int i = first; i < end; i++) {
			const struct addr *a = &client->further[i];

			if (side == LAB_CLIENT)
				add_address(&batch, client->ifindex, a,
					    addr_is_mapped(a) ? 32 : 128);
			else
				add_neighbour(&batch, b->lab->host[side].ifindex, a, client->mac);
		}
		ret = commit(b, &batch, side);
	}
	return ret;
}

static int add_all_further(struct builder *b)
{
	int n = b->lab->host[LAB_CLIENT].n_further;
	int ret = 0;

	for (int i = 0; i < n && ret == 0; i += BATCH_ADDRS)
		ret = add_further(b, i, i + BATCH_ADDRS < n ? i + BATCH_ADDRS : n);
	return ret;
}

/*
 * Device ioctls work on any socket. On the one we have, so that no socket of ours in there ends in
 * a destroy event (sockdiag.h) after the lab was handed over.
 */
static int turn_off_offloads(struct builder *b, enum lab_side side)
{
	struct ethtool_value off = {0};
	struct ifreq req = {.ifr_data = (void *)&off};
	int ret;

	memcpy(req.ifr_name, b->lab->host[side].ifname, sizeof(req.ifr_name));
	for (size_t i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++) {
		off.cmd = offloads[i].command;
		if (ioctl(mnl_socket_get_fd(b->nl[side]), SIOCETHTOOL, &req) < 0) {
			ret = -errno;
			return fail(b->err, ret, offloads[i].step, req.ifr_name);
		}
	}
	return 0;
}

static int count_solicited_node(const struct nlattr *attr, void *arg)
{
	static const uint8_t prefix[13] = {0xff, 0x02, [11] = 0x01, 0xff}; /* RFC 4291 2.7.1 */
	int *n = arg;

	if (mnl_attr_get_type(attr) == IFA_MULTICAST &&
	    mnl_attr_get_payload_len(attr) == sizeof(struct addr) &&
	    memcmp(mnl_attr_get_payload(attr), prefix, sizeof(prefix)) == 0)
		++*n;
	return MNL_CB_OK;
}

static int on_group(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct ifaddrmsg), count_solicited_node, arg);
}

/* The last 24 bits are all that the group has of an address (RFC 4291 2.7.1). */
static void note_group(uint32_t *groups, int *n, const struct addr *a)
{
	uint32_t group = (uint32_t)a->b[13] << 16 | (uint32_t)a->b[14] << 8 | a->b[15];

	if (addr_is_mapped(a) || addr_is_any(a))
		return;
	for (int i = 0; i < *n; i++)
		if (groups[i] == group)
			return;
	groups[(*n)++] = group;
}

static int count_groups(const struct lab_host *host)
{
	uint32_t groups[LAB_ADDRS_MAX + 1 + LAB_FURTHER_MAX];
	int n = 0;

	for (int i = 0; i < kernel_addrs(host); i++)
		note_group(groups, &n, &host->v6[i]);
	note_group(groups, &n, &host->link_local);
	for (int i = 0; i < host->n_further; i++)
		note_group(groups, &n, &host->further[i]);
	return n;
}

/* Returns 1 when @host has joined the group of each of its IPv6 addresses, 0 not yet, or -errno. */
static int groups_joined(struct mnl_socket *nl, const struct lab_host *host)
{
	_Alignas(struct nlmsghdr) char buf[NL_ACK_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	int n = 0;
	int ret;

	nlh->nlmsg_type = RTM_GETMULTICAST;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	ifa->ifa_family = AF_INET6;
	ifa->ifa_index = host->ifindex;
	ret = nl_request(nl, nlh, buf, sizeof(buf), on_group, &n);
	return ret < 0 ? ret : n >= count_groups(host);
}

static int read_operstate(const struct nlattr *attr, void *arg)
{
	int *up = arg;

	if (mnl_attr_get_type(attr) == IFLA_OPERSTATE && mnl_attr_get_u8(attr) == IF_OPER_UP)
		*up = 1;
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct ifinfomsg), read_operstate, arg);
}

/* Returns 1 when the kernel has acted on the carrier of @host's link, 0 not yet, or -errno. */
static int carrier_known(struct mnl_socket *nl, const struct lab_host *host)
{
	_Alignas(struct nlmsghdr) char buf[NL_ACK_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	int up = 0;
	int ret;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ifi->ifi_index = (int)host->ifindex;
	ret = nl_request(nl, nlh, buf, sizeof(buf), on_link, &up);
	return ret < 0 ? ret : up;
}

typedef int (*state_fn)(struct mnl_socket *nl, const struct lab_host *host);

/* Asks both hosts until @reached says yes. */
static int wait_for(struct builder *b, state_fn reached, const char *step)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + (uint64_t)WAIT_MS * NS_PER_MS;
	int side = 0, ret;

	while (side < LAB_SIDES) {
		ret = reached(b->nl[side], &b->lab->host[side]);
		if (ret == 0 && clock_ns(CLOCK_MONOTONIC) > deadline)
			ret = -ETIMEDOUT;
		if (ret < 0)
			return fail(b->err, ret, step, b->lab->host[side].ifname);
		if (ret > 0)
			side++;
		else
			sched_yield();
	}
	return 0;
}

static int build(struct builder *b)
{
	int ret;

	for (int side = 0; side < LAB_SIDES; side++) {
		ret = open_host(b, side);
		if (ret < 0)
			return ret;
	}
	ret = carry_out(b, plan_hosts);
	if (ret < 0)
		return ret;
	ret = add_all_further(b);
	if (ret < 0)
		return ret;
	for (int side = 0; side < LAB_SIDES; side++) {
		ret = turn_off_offloads(b, side);
		if (ret < 0)
			return ret;
	}
	ret = wait_for(b, groups_joined, "wait for the multicast groups of the addresses");
	if (ret < 0)
		return ret;
	ret = carry_out(b, plan_links);
	if (ret < 0)
		return ret;
	ret = wait_for(b, carrier_known, "wait for the carrier");
	if (ret < 0)
		return ret;
	return carry_out(b, plan_silence);
}

int lab_create(struct lab *lab, struct lab_error *err)
{
	return lab_create_with(&(struct lab_options){0}, lab, err);
}

int lab_create_with(const struct lab_options *opt, struct lab *lab, struct lab_error *err)
{
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	struct lab_error ignored = {0};
	struct builder b = {
		.opt = opt,
		.lab = lab,
		.err = err ? err : &ignored,
	};
	int ret;

	if (opt->n_clients > LAB_FURTHER_MAX)
		return fail(b.err, -E2BIG, "give the client its addresses", "");
	describe(lab, opt);
	ret = build(&b);
	for (int side = 0; side < LAB_SIDES; side++)
		if (b.nl[side])
			mnl_socket_close(b.nl[side]);
	if (ret < 0)
		lab_destroy(lab);
	lab->setup_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
	return ret;
}

void lab_destroy(struct lab *lab)
{
	for (int side = 0; side < LAB_SIDES; side++) {
		if (lab->host[side].netns_fd >= 0)
			close(lab->host[side].netns_fd);
		lab->host[side].netns_fd = -1;
	}
}
