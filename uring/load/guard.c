/* SPDX-License-Identifier: MIT */
/* guard.c - where raw load may be sent */
#include "guard.h"

#include "../../rawstack/addr_class.h"
#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/netlink/nl.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/net_namespace.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* PROC_USER_INIT_INO of the kernel: the user namespace that is nobody's child. */
static const uint64_t first_userns_inode = 0xeffffffd;

/* The parent of process @pid, 0: it has none, or it cannot be found out. */
static pid_t parent_of(pid_t pid)
{
	char path[32];
	int parent = 0;
	char line[256] = "";
	const char *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	/* "pid (name) state parent ...", where the name may hold parentheses. */
	end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	if (!end || sscanf(end + 1, " %*c %d", &parent) != 1)
		parent = 0;
	fclose(f);
	return parent;
}

/*
 * The namespace of process 1, or where that may not be looked at, of the oldest of our ancestors
 * that may be. Returns a descriptor or -errno.
 */
static int open_first_netns(void)
{
	char path[32];
	int found = -ENOENT, fd;

	for (pid_t pid = getpid(); pid > 0; pid = parent_of(pid)) {
		snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (found >= 0)
			close(found);
		found = fd;
	}
	return found;
}

/*
 * Is @netns_fd the machine's own namespace? One that a user namespace below the first one made is
 * not. In doubt: yes.
 */
static bool is_first_netns(int netns_fd)
{
	int fd = ioctl(netns_fd, NS_GET_USERNS);
	uint64_t inode;

	if (fd >= 0) {
		inode = netns_inode(fd);
		close(fd);
		if (inode != 0 && inode != first_userns_inode)
			return false;
	}
	fd = open_first_netns();
	if (fd < 0)
		return true;
	inode = netns_inode(fd);
	close(fd);
	return inode == 0 || inode == netns_inode(netns_fd);
}

static bool is_veth(int fd, const char *ifname)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq req = {.ifr_data = (void *)&info};

	strncpy(req.ifr_name, ifname, sizeof(req.ifr_name) - 1);
	return ioctl(fd, SIOCETHTOOL, &req) == 0 && strcmp(info.driver, "veth") == 0;
}

struct nsid {
	int value; /* -1: none */
	uint16_t type;
};

static int read_nsid(const struct nlattr *attr, void *arg)
{
	struct nsid *id = arg;

	if (mnl_attr_get_type(attr) == id->type)
		id->value = (int)mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct ifinfomsg), read_nsid, arg);
}

static int on_nsid(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct rtgenmsg), read_nsid, arg);
}

/* The number this namespace has for the one that the other end of the veth is in, -1: none. */
static int peer_nsid(struct mnl_socket *nl, unsigned int ifindex)
{
	_Alignas(struct nlmsghdr) char buf[NL_RECV_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct nsid id = {.value = -1, .type = IFLA_LINK_NETNSID};

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ifi->ifi_index = (int)ifindex;
	return nl_request(nl, nlh, buf, sizeof(buf), on_link, &id) < 0 ? -1 : id.value;
}

/* The number this namespace has for process 1's, -1: none, or it cannot be asked for. */
static int first_nsid(struct mnl_socket *nl)
{
	_Alignas(struct nlmsghdr) char buf[NL_ACK_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *gen = mnl_nlmsg_put_extra_header(nlh, sizeof(*gen));
	struct nsid id = {.value = -1, .type = NETNSA_NSID};
	int fd = open_first_netns();

	if (fd < 0)
		return -1;
	nlh->nlmsg_type = RTM_GETNSID;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	gen->rtgen_family = 0;
	mnl_attr_put_u32(nlh, NETNSA_FD, (uint32_t)fd);
	if (nl_request(nl, nlh, buf, sizeof(buf), on_nsid, &id) < 0)
		id.value = -1;
	close(fd);
	return id.value;
}

static bool leads_out(int netns_fd, unsigned int ifindex)
{
	struct mnl_socket *nl;
	int first;
	bool out;

	if (nl_open(netns_fd, NETLINK_ROUTE, 0, &nl) < 0)
		return true;
	first = first_nsid(nl);
	out = first >= 0 && first == peer_nsid(nl, ifindex);
	mnl_socket_close(nl);
	return out;
}

static void keep(struct addr *list, size_t *n, const struct sockaddr *sa)
{
	struct endpoint ep;
	socklen_t len = sizeof(struct sockaddr_storage);

	if (sa && *n < GUARD_ADDRS_MAX && endpoint_from_sockaddr(sa, len, &ep) >= 0)
		list[(*n)++] = ep.addr;
}

/*
 * The last address of an IPv4 network is everybody's, whether the kernel was told so or not. On a
 * network of one or two hosts (RFC 3021) there is none. What getifaddrs(3) calls the broadcast
 * address is the address itself where the kernel was not told.
 */
static void keep_broadcast(struct guard_facts *facts, const struct ifaddrs *i)
{
	struct endpoint addr, mask, told;
	socklen_t len = sizeof(struct sockaddr_in);

	if (!(i->ifa_flags & IFF_BROADCAST) || !i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
	    !i->ifa_netmask || facts->n_broadcast + 2 > GUARD_ADDRS_MAX ||
	    endpoint_from_sockaddr(i->ifa_addr, len, &addr) < 0 ||
	    endpoint_from_sockaddr(i->ifa_netmask, len, &mask) < 0)
		return;
	if (i->ifa_broadaddr && endpoint_from_sockaddr(i->ifa_broadaddr, len, &told) >= 0 &&
	    !addr_eq(&told.addr, &addr.addr))
		facts->broadcast[facts->n_broadcast++] = told.addr;
	if ((mask.addr.b[15] & 3) != 0)
		return;
	for (int b = 12; b < 16; b++)
		addr.addr.b[b] |= (uint8_t)~mask.addr.b[b];
	facts->broadcast[facts->n_broadcast++] = addr.addr;
}

/* Of the calling thread's namespace. */
static int look_at_addresses(struct guard_facts *facts)
{
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		keep(facts->own, &facts->n_own, i->ifa_addr);
		keep_broadcast(facts, i);
	}
	freeifaddrs(list);
	return 0;
}

static int look_inside(int netns_fd, const char *ifname, struct guard_facts *facts)
{
	unsigned int ifindex = if_nametoindex(ifname);
	int fd;

	if (ifindex == 0)
		return -ENODEV;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	facts->first_netns = is_first_netns(netns_fd);
	facts->veth = is_veth(fd, ifname);
	close(fd);
	facts->leads_out = facts->veth && leads_out(netns_fd, ifindex);
	return look_at_addresses(facts);
}

int guard_look(int netns_fd, const char *ifname, struct guard_facts *facts)
{
	int fd = netns_fd < 0 ? netns_open_self() : netns_fd;
	int back = -1, rc = 0;

	memset(facts, 0, sizeof(*facts));
	if (fd < 0)
		return fd;
	if (netns_fd >= 0)
		rc = netns_enter(netns_fd, &back);
	if (rc == 0)
		rc = look_inside(fd, ifname, facts);
	if (back >= 0)
		netns_leave(back);
	if (netns_fd < 0)
		close(fd);
	return rc;
}

/* Not an address of one host on a network. */
static bool bad_class(const struct addr *a)
{
	const uint8_t *v4 = addr_v4(a);

	if (v4)
		return v4[0] == 0 || v4[0] == 127 || v4[0] >= 224;
	return addr_macro_test(ADDR_MACRO_MULTICAST, a) || addr_is_any(a) ||
	       addr_macro_test(ADDR_MACRO_LOOPBACK, a);
}

static bool among(const struct addr *a, const struct addr *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (addr_eq(a, &list[i]))
			return true;
	return false;
}

/* A range has no gaps, so its ends and what it contains tell. */
static enum guard_verdict check_sources(const struct guard_facts *facts, const struct sources *s,
					const struct addr *target)
{
	struct addr last = sources_addr(s, s->n_addrs - 1);

	if (bad_class(&s->first) || bad_class(&last))
		return GUARD_SOURCE_CLASS;
	for (size_t i = 0; i < facts->n_broadcast; i++)
		if (sources_contain(s, &facts->broadcast[i]))
			return GUARD_SOURCE_CLASS;
	if (target && sources_contain(s, target))
		return GUARD_SOURCE_TARGET;
	for (size_t i = 0; i < facts->n_own; i++)
		if (sources_contain(s, &facts->own[i]))
			return GUARD_SOURCE_OWN;
	return GUARD_OK;
}

enum guard_verdict guard_decide(const struct guard_facts *facts, const struct sources *sources,
				const struct addr *target, bool own_network)
{
	enum guard_verdict v;

	if (target && (bad_class(target) || among(target, facts->broadcast, facts->n_broadcast)))
		return GUARD_TARGET_CLASS;
	if (target && among(target, facts->own, facts->n_own))
		return GUARD_TARGET_OWN;
	v = check_sources(facts, sources, target);
	if (v != GUARD_OK || own_network)
		return v;
	if (facts->first_netns)
		return GUARD_FIRST_NETNS;
	if (!facts->veth)
		return GUARD_NOT_VETH;
	return facts->leads_out ? GUARD_LEADS_OUT : GUARD_OK;
}

const char *guard_text(enum guard_verdict v)
{
	static const char *const texts[] = {
		[GUARD_OK] = "",
		[GUARD_TARGET_CLASS] =
			"the target is not the address of one host (it is broadcast, "
			"multicast, loopback or unspecified); name a host on the link",
		[GUARD_TARGET_OWN] = "the target is this host itself; name the host at the other "
				     "end of the link",
		[GUARD_SOURCE_CLASS] = "the range of sources holds an address that is not one "
				       "host's; choose another --source",
		[GUARD_SOURCE_TARGET] = "the target is among the sources; choose another --source",
		[GUARD_SOURCE_OWN] =
			"a source is an address of this host, whose kernel would reset "
			"the connections; choose a --source that nobody has",
		[GUARD_FIRST_NETNS] = "the interface is in the machine's own network namespace; "
				      "use one in a namespace of its own (--netns), or say "
				      "--i-own-this-network",
		[GUARD_NOT_VETH] =
			"the interface is not a veth, so it may lead out of this machine; "
			"use a veth, or say --i-own-this-network",
		[GUARD_LEADS_OUT] = "the other end of the veth is in the machine's own network "
				    "namespace; move it to one of its own, or say "
				    "--i-own-this-network",
	};

	return texts[v];
}
