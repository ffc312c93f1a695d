/* SPDX-License-Identifier: MIT */
/* test_netlink.c - namespaces by descriptor, netlink batches, and the lab that is made of them */
#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/netlink/nl.h"
#include "../../rawstack/netlink/rps.h"
#include "t_lab.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PORT = 7000, IDLE_MS = 100, LABS = 20, CONNECT_MAX_MS = 20, REFUSALS = 200 };

TestSuite(netlink, .init = t_lab_rights, .timeout = 30);

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	cr_assert(syscall(SYS_capset, &head, none) == 0, "capset: %m");
}

Test(netlink, namespace_of_thread_is_unchanged_by_making_and_visiting_others)
{
	int home = netns_open_self();
	int fd = netns_new();
	uint64_t home_inode = netns_inode(home);
	int back, here;

	cr_assert(home >= 0 && fd >= 0);
	cr_assert(netns_inode(fd) != 0 && netns_inode(fd) != home_inode);

	cr_assert(netns_enter(fd, &back) == 0);
	here = netns_open_self();
	cr_assert(netns_inode(here) == netns_inode(fd), "entered another namespace");
	close(here);
	netns_leave(back);

	here = netns_open_self();
	cr_assert(netns_inode(here) == home_inode, "did not come back");
	close(here);
	close(fd);
	close(home);
}

Test(netlink, entering_what_is_no_namespace_fails_and_does_not_move_or_leak)
{
	int home = netns_open_self();
	int fds = t_lab_count_fds();
	int not_a_netns = socket(AF_INET, SOCK_DGRAM, 0);
	int back, here;

	cr_assert(netns_enter(not_a_netns, &back) == -EINVAL);
	cr_assert(netns_socket(not_a_netns, AF_INET, SOCK_DGRAM, 0) == -EINVAL);
	cr_assert(netns_inode(-1) == 0);
	close(not_a_netns);
	cr_assert(t_lab_count_fds() == fds);
	here = netns_open_self();
	cr_assert(netns_inode(here) == netns_inode(home));
}

/* In a child of its own, which cannot assert: in a network namespace that somebody else owns. */
static int visit_from_foreign_namespace(int fd)
{
	int home = netns_open_self();
	int back, here;

	if (unshare(CLONE_NEWUSER) < 0)
		return 1;
	if (netns_new() != -EPERM || netns_enter(fd, &back) != -EPERM)
		return 2;
	here = netns_open_self();
	return netns_inode(here) == netns_inode(home) ? 0 : 3;
}

/* Some places forbid user namespaces, even to root: a chroot, many containers. */
static bool user_namespaces_allowed(void)
{
	int status;
	pid_t pid = fork();

	cr_assert(pid >= 0);
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
	cr_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status) == 0;
}

Test(netlink, nobody_leaves_a_namespace_to_which_there_is_no_way_back)
{
	if (!user_namespaces_allowed())
		cr_skip_test("user namespaces are forbidden here");

	int fd = netns_new();
	int status;
	pid_t pid = fork();

	cr_assert(fd >= 0 && pid >= 0);
	if (pid == 0)
		_exit(visit_from_foreign_namespace(fd));
	cr_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	cr_assert(WEXITSTATUS(status) == 0, "failed in step %d", WEXITSTATUS(status));
	close(fd);
}

Test(netlink, without_capabilities_namespaces_and_labs_are_refused_by_name)
{
	int fds = t_lab_count_fds();
	struct lab_error err;
	struct lab lab;

	drop_capabilities();
	cr_assert(netns_new() == -EPERM);
	cr_assert(lab_create(&lab, &err) == -EPERM);
	cr_assert_str_eq(err.step, "make a network namespace");
	cr_assert_str_eq(err.detail, "Operation not permitted");
	cr_assert(lab_create(&lab, NULL) == -EPERM, "err may be NULL");
	cr_assert(lab.host[LAB_CLIENT].netns_fd == -1 && lab.host[LAB_SERVER].netns_fd == -1);
	cr_assert(t_lab_count_fds() == fds);
}

enum outcome { ALL_WELL, ONE_ID_ONLY, NOT_MOVED, NOT_CAPABLE_THEN, NO_LAB };

/* In a child of its own, which cannot assert. */
static enum outcome make_lab_unprivileged(void)
{
	const uid_t nobody = 65534;
	struct lab lab;

	if (getuid() == 0 &&
	    (setresgid(nobody, nobody, nobody) < 0 || setresuid(nobody, nobody, nobody) < 0))
		return ONE_ID_ONLY;
	prctl(PR_SET_DUMPABLE, 1); /* else /proc/self/uid_map would belong to root */
	if (netns_become_capable() != 1)
		return NOT_MOVED;
	if (netns_become_capable() != 0)
		return NOT_CAPABLE_THEN;
	if (lab_create(&lab, NULL) != 0)
		return NO_LAB;
	lab_destroy(&lab);
	return ALL_WELL;
}

Test(netlink_rights, an_ordinary_user_makes_a_lab_through_a_user_namespace, .timeout = 30)
{
	if (!user_namespaces_allowed())
		cr_skip_test("user namespaces are forbidden here");

	int status;
	pid_t pid = fork();

	cr_assert(pid >= 0);
	if (pid == 0)
		_exit(make_lab_unprivileged());
	cr_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status) == ONE_ID_ONLY)
		cr_skip_test("this user namespace has no id but root's");
	cr_assert(WEXITSTATUS(status) == ALL_WELL, "failed in step %d", WEXITSTATUS(status));
}

static void add_link_up(struct nl_batch *batch, int ifindex, const char *step)
{
	struct nlmsghdr *nlh = nl_batch_add(batch, RTM_NEWLINK, 0, step);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = ifindex;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
}

Test(netlink, a_refused_request_is_named_with_the_kernels_words_and_the_others_are_carried_out)
{
	struct ifreq req = {.ifr_name = "lo"};
	struct nl_refusal why;
	struct mnl_socket *nl;
	struct nl_batch batch;
	struct nlmsghdr *nlh;
	int ns = netns_new();

	cr_assert(nl_open(ns, NETLINK_ROUTE, 0, &nl) == 0);
	cr_assert(nl_batch_init(&batch) == 0);
	nlh = nl_batch_add(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "create nonsense");
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "a/b");
	add_link_up(&batch, 1, "bring up lo");
	nlh = nl_batch_add(&batch, RTM_NEWADDR, 0, "too late to be the first");
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	cr_assert(nl_batch_commit(&batch, nl, &why) < 0);
	cr_assert_str_eq(why.step, "create nonsense");
	cr_assert(why.text[0], "the kernel has a reason");
	cr_assert(ioctl(mnl_socket_get_fd(nl), SIOCGIFFLAGS, &req) == 0 && (req.ifr_flags & IFF_UP),
		  "lo is down");
	nl_batch_free(&batch);
	mnl_socket_close(nl);
	close(ns);
}

/* Sequence numbers repeat from batch to batch, so an answer left over would be believed. */
Test(netlink, a_failed_batch_leaves_no_answer_for_the_next_one)
{
	static const struct {
		int ifindex[3];
		int result;
		const char *step;
	} batches[] = {
		{{99, 99, 1}, -ENODEV, "first"}, {{1, 1, 99}, -ENODEV, "third"},
		{{99, 1, 99}, -ENODEV, "first"}, {{1, 1, 1}, 0, NULL},
		{{1, 99, 1}, -ENODEV, "second"},
	};
	struct nl_refusal why;
	struct mnl_socket *nl;
	struct nl_batch batch;
	int ns = netns_new();

	cr_assert(nl_open(ns, NETLINK_ROUTE, 0, &nl) == 0);
	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
		cr_assert(nl_batch_init(&batch) == 0);
		cr_assert(nl_batch_commit(&batch, nl, &why) == 0, "an empty batch succeeds");
		add_link_up(&batch, batches[i].ifindex[0], "first");
		add_link_up(&batch, batches[i].ifindex[1], "second");
		add_link_up(&batch, batches[i].ifindex[2], "third");
		cr_assert(nl_batch_commit(&batch, nl, &why) == batches[i].result, "batch %zu", i);
		if (batches[i].step)
			cr_assert_str_eq(why.step, batches[i].step, "batch %zu", i);
		else
			cr_assert(!why.step && !why.text[0], "batch %zu", i);
		nl_batch_free(&batch);
	}
	mnl_socket_close(nl);
	close(ns);
}

Test(netlink, labs_made_and_ended_leave_no_descriptor_and_share_no_namespace)
{
	int fds = t_lab_count_fds();
	int home = netns_open_self();
	uint64_t home_inode = netns_inode(home);
	struct lab lab;

	close(home);
	for (int i = 0; i < LABS; i++) {
		uint64_t client, server;

		t_lab_make(&lab);
		client = netns_inode(lab.host[LAB_CLIENT].netns_fd);
		server = netns_inode(lab.host[LAB_SERVER].netns_fd);
		cr_assert(client && server && client != server);
		cr_assert(client != home_inode && server != home_inode);
		cr_assert(lab.setup_ns > 0);
		cr_assert(t_lab_count_fds() == fds + LAB_SIDES, "lab %d", i);
		lab_destroy(&lab);
		cr_assert(t_lab_count_fds() == fds, "lab %d", i);
		cr_assert(lab.host[LAB_CLIENT].netns_fd == -1 &&
			  lab.host[LAB_SERVER].netns_fd == -1);
		lab_destroy(&lab); /* twice is harmless */
	}
}

/* Each step that opens something is made to fail once, by running out of descriptors there. */
Test(netlink, a_lab_that_fails_halfway_leaves_nothing_open)
{
	int fds = t_lab_count_fds();
	struct rlimit limit;
	struct lab_error err;
	struct lab lab;
	int next = dup(0), ret = -1, failures = 0;

	close(next);
	cr_assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (int more = 0; ret != 0; more++) {
		limit.rlim_cur = (rlim_t)(next + more);
		cr_assert(more < 20, "does not succeed with %d descriptors", more);
		cr_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
		ret = lab_create(&lab, &err);
		limit.rlim_cur = limit.rlim_max;
		cr_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
		if (ret == 0)
			break;
		failures++;
		cr_assert(ret == -EMFILE, "%s: %s", err.step, err.detail);
		cr_assert(err.step[0] && err.detail[0]);
		cr_assert(t_lab_count_fds() == fds, "after failing to %s", err.step);
	}
	cr_assert(failures >= 4, "only %d places failed", failures);
	lab_destroy(&lab);
	cr_assert(t_lab_count_fds() == fds);
}

Test(netlink, both_families_connect_at_once_from_a_new_lab)
{
	for (int i = 0; i < LABS; i++) {
		struct lab lab;

		t_lab_make(&lab);
		for (int a = 0; a < 2 * lab.host[LAB_SERVER].n_addrs; a++) {
			bool v4 = a % 2;
			int family = v4 ? AF_INET : AF_INET6;
			const struct lab_host *server = &lab.host[LAB_SERVER];
			const struct addr *to = v4 ? &server->v4[a / 2] : &server->v6[a / 2];
			int listener = t_lab_listen(&lab, family, true, PORT);
			int fd = t_lab_socket(&lab, LAB_CLIENT, family, SOCK_STREAM, 0);
			uint64_t start_ms = t_lab_now_ms();
			int ret = t_lab_connect(fd, family, to, PORT);

			cr_assert(ret == 0, "lab %d address %d: %s", i, a, strerror(-ret));
			cr_assert(t_lab_now_ms() - start_ms < CONNECT_MAX_MS, "lab %d address %d",
				  i, a);
			close(fd);
			close(listener);
		}
		lab_destroy(&lab);
	}
}

/* What a dump finds: addresses or neighbours as the lab should have them. */
struct inventory {
	const struct addr *wanted;
	const uint8_t *mac; /* of a neighbour */
	uint32_t ifindex;
	int found;
};

static struct addr attr_addr(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) == 4 ? addr_from_v4(mnl_attr_get_payload(attr))
						   : addr_from_v6(mnl_attr_get_payload(attr));
}

static int on_address(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct inventory *inv = arg;
	bool same = false, tentative = false;
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		if (mnl_attr_get_type(attr) == IFA_ADDRESS) {
			struct addr a = attr_addr(attr);

			same = addr_eq(&a, inv->wanted);
		}
		if (mnl_attr_get_type(attr) == IFA_FLAGS)
			tentative = mnl_attr_get_u32(attr) & (IFA_F_TENTATIVE | IFA_F_DADFAILED);
	}
	inv->found += same && !tentative && ifa->ifa_index == inv->ifindex &&
		      ifa->ifa_prefixlen == (ifa->ifa_family == AF_INET ? 24 : 64);
	return MNL_CB_OK;
}

static int on_any_address(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct inventory *inv = arg;

	inv->found += ifa->ifa_index == inv->ifindex;
	return MNL_CB_OK;
}

static int on_neighbour(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct inventory *inv = arg;
	bool same = false, mac = false;
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		if (mnl_attr_get_type(attr) == NDA_DST) {
			struct addr a = attr_addr(attr);

			same = addr_eq(&a, inv->wanted);
		}
		if (mnl_attr_get_type(attr) == NDA_LLADDR)
			mac = memcmp(mnl_attr_get_payload(attr), inv->mac, 6) == 0;
	}
	inv->found += same && mac && ndm->ndm_state == NUD_PERMANENT;
	return MNL_CB_OK;
}

static int count(struct mnl_socket *nl, uint16_t type, size_t header, mnl_cb_t fn,
		 struct inventory inv)
{
	_Alignas(struct nlmsghdr) static char buf[NL_RECV_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	uint8_t *family = mnl_nlmsg_put_extra_header(nlh, header);

	*family = addr_is_mapped(inv.wanted) ? AF_INET : AF_INET6;
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	cr_assert(nl_request(nl, nlh, buf, sizeof(buf), fn, &inv) == 0);
	return inv.found;
}

Test(netlink, each_host_has_its_addresses_and_permanent_neighbours_for_the_others)
{
	struct lab lab;

	t_lab_make(&lab);
	for (int side = 0; side < LAB_SIDES; side++) {
		const struct lab_host *host = &lab.host[side], *peer = &lab.host[!side];
		struct mnl_socket *nl;

		cr_assert(nl_open(host->netns_fd, NETLINK_ROUTE, 0, &nl) == 0);
		for (int i = 0; i < 2 * host->n_addrs; i++) {
			struct inventory inv = {
				.wanted = i % 2 ? &host->v4[i / 2] : &host->v6[i / 2],
				.ifindex = host->ifindex,
			};

			cr_assert(count(nl, RTM_GETADDR, sizeof(struct ifaddrmsg), on_address,
					inv) == 1,
				  "side %d address %d", side, i);
			cr_assert(count(nl, RTM_GETADDR, sizeof(struct ifaddrmsg), on_any_address,
					inv) == host->n_addrs,
				  "side %d has addresses of the kernel's own making", side);
		}
		for (int i = 0; i < 2 * peer->n_addrs; i++) {
			struct inventory inv = {
				.wanted = i % 2 ? &peer->v4[i / 2] : &peer->v6[i / 2],
				.mac = peer->mac,
			};

			cr_assert(count(nl, RTM_GETNEIGH, sizeof(struct ndmsg), on_neighbour,
					inv) == 1,
				  "side %d neighbour %d", side, i);
		}
		mnl_socket_close(nl);
	}
	lab_destroy(&lab);
}

Test(netlink, the_links_are_as_described_and_offloads_are_off)
{
	static const struct {
		uint32_t get;
		const char *name;
	} offloads[] = {
		{ETHTOOL_GTSO, "tso"},	 {ETHTOOL_GGSO, "gso"},	  {ETHTOOL_GGRO, "gro"},
		{ETHTOOL_GTXCSUM, "tx"}, {ETHTOOL_GRXCSUM, "rx"}, {ETHTOOL_GSG, "sg"},
	};
	struct lab lab;

	t_lab_make(&lab);
	for (int side = 0; side < LAB_SIDES; side++) {
		const struct lab_host *host = &lab.host[side];
		int fd = t_lab_socket(&lab, side, AF_INET, SOCK_DGRAM, 0);
		struct ifreq req = {0};

		strcpy(req.ifr_name, host->ifname);
		cr_assert(ioctl(fd, SIOCGIFINDEX, &req) == 0 &&
			  (unsigned int)req.ifr_ifindex == host->ifindex);
		cr_assert(ioctl(fd, SIOCGIFMTU, &req) == 0 && req.ifr_mtu == LAB_MTU);
		cr_assert(ioctl(fd, SIOCGIFHWADDR, &req) == 0 &&
			  memcmp(req.ifr_hwaddr.sa_data, host->mac, 6) == 0);
		cr_assert(ioctl(fd, SIOCGIFFLAGS, &req) == 0 && (req.ifr_flags & IFF_RUNNING));
		for (size_t i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++) {
			struct ethtool_value value = {.cmd = offloads[i].get, .data = 1};

			req.ifr_data = (void *)&value;
			cr_assert(ioctl(fd, SIOCETHTOOL, &req) == 0 && value.data == 0,
				  "side %d %s", side, offloads[i].name);
		}
		strcpy(req.ifr_name, "lo");
		cr_assert(ioctl(fd, SIOCGIFFLAGS, &req) == 0 && (req.ifr_flags & IFF_UP), "lo");
		close(fd);
	}
	lab_destroy(&lab);
}

static int read_stats(const struct nlmsghdr *nlh, void *arg)
{
	struct rtnl_link_stats64 *stats = arg;
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attr) == IFLA_STATS64)
			memcpy(stats, mnl_attr_get_payload(attr), sizeof(*stats));
	}
	return MNL_CB_OK;
}

/* All frames the link has sent since it was made, also while nobody was listening. */
static uint64_t frames_sent(const struct lab_host *host)
{
	_Alignas(struct nlmsghdr) char buf[NL_ACK_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct rtnl_link_stats64 stats = {.tx_packets = UINT64_MAX};
	struct mnl_socket *nl;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ifi->ifi_index = (int)host->ifindex;
	cr_assert(nl_open(host->netns_fd, NETLINK_ROUTE, 0, &nl) == 0);
	cr_assert(nl_request(nl, nlh, buf, sizeof(buf), read_stats, &stats) == 0);
	mnl_socket_close(nl);
	return stats.tx_packets;
}

/* How many frames come in on either socket until @end_ms, or until @enough. */
static int count_frames(struct pollfd p[LAB_SIDES], uint64_t end_ms, int enough)
{
	char frame[LAB_MTU];
	uint64_t now = t_lab_now_ms();
	int n = 0;

	while (n < enough && now < end_ms) {
		poll(p, LAB_SIDES, (int)(end_ms - now));
		for (int i = 0; i < LAB_SIDES; i++)
			n += recv(p[i].fd, frame, sizeof(frame), MSG_DONTWAIT) > 0;
		now = t_lab_now_ms();
	}
	return n;
}

Test(netlink, an_idle_lab_is_silent_from_the_start_and_then_carries_what_is_sent)
{
	struct pollfd p[LAB_SIDES];
	struct lab lab;
	int fd;

	t_lab_make(&lab);
	for (int side = 0; side < LAB_SIDES; side++) {
		p[side].fd = netns_socket(lab.host[side].netns_fd, AF_PACKET, SOCK_RAW,
					  htons(ETH_P_ALL));
		p[side].events = POLLIN;
		cr_assert(p[side].fd >= 0);
	}
	cr_assert(count_frames(p, t_lab_now_ms() + IDLE_MS, 1) == 0);
	for (int side = 0; side < LAB_SIDES; side++)
		cr_assert(frames_sent(&lab.host[side]) == 0, "side %d", side);

	fd = t_lab_socket(&lab, LAB_CLIENT, AF_INET6, SOCK_DGRAM, 0);
	cr_assert(t_lab_connect(fd, AF_INET6, &lab.host[LAB_SERVER].v6[0], PORT) == 0);
	cr_assert(send(fd, "x", 1, 0) == 1);
	/* The datagram and its refusal, each seen on both ends: the counting above can count. */
	cr_assert(count_frames(p, t_lab_now_ms() + 1000, 4) == 4);
	cr_assert(frames_sent(&lab.host[LAB_CLIENT]) == 1);
	lab_destroy(&lab);
}

Test(netlink, icmp_refusals_are_not_rate_limited)
{
	struct lab lab;

	t_lab_make(&lab);
	for (int v4 = 0; v4 < 2; v4++) {
		const struct lab_host *server = &lab.host[LAB_SERVER];
		int family = v4 ? AF_INET : AF_INET6;
		int fd = t_lab_socket(&lab, LAB_CLIENT, family, SOCK_DGRAM, 0);
		char c;

		cr_assert(t_lab_connect(fd, family, v4 ? &server->v4[0] : &server->v6[0], PORT) ==
			  0);
		for (int i = 0; i < REFUSALS; i++) {
			cr_assert(send(fd, "x", 1, 0) == 1);
			cr_assert(recv(fd, &c, 1, 0) < 0 && errno == ECONNREFUSED,
				  "family %d datagram %d: %m", family, i);
		}
		close(fd);
	}
	lab_destroy(&lab);
}

Test(netlink, two_labs_side_by_side_do_not_meet)
{
	struct lab a, b;
	int listener, in_a, in_b;

	t_lab_make(&a);
	t_lab_make(&b);
	listener = t_lab_listen(&b, AF_INET6, false, PORT);
	in_a = t_lab_socket(&a, LAB_CLIENT, AF_INET, SOCK_STREAM, 0);
	in_b = t_lab_socket(&b, LAB_CLIENT, AF_INET, SOCK_STREAM, 0);
	cr_assert(t_lab_connect(in_a, AF_INET, &a.host[LAB_SERVER].v4[0], PORT) == -ECONNREFUSED);
	cr_assert(t_lab_connect(in_b, AF_INET, &b.host[LAB_SERVER].v4[0], PORT) == 0);
	lab_destroy(&a);
	cr_assert(send(in_b, "x", 1, 0) == 1, "the other lab lives on");
	close(listener);
	lab_destroy(&b);
}

static size_t count_addresses(int netns_fd)
{
	struct ifaddrs *list;
	size_t n = 0;
	int back;

	cr_assert(netns_enter(netns_fd, &back) == 0);
	cr_assert(getifaddrs(&list) == 0);
	netns_leave(back);
	for (struct ifaddrs *i = list; i; i = i->ifa_next)
		n += strcmp(i->ifa_name, "lo") != 0 && i->ifa_addr &&
		     i->ifa_addr->sa_family != AF_PACKET;
	freeifaddrs(list);
	return n;
}

Test(netlink, a_bare_server_has_no_address_of_its_own_and_its_client_the_usual_ones)
{
	struct lab lab;

	cr_assert(lab_create_with(&(struct lab_options){.bare_server = true}, &lab, NULL) == 0);
	cr_assert(count_addresses(lab.host[LAB_SERVER].netns_fd) == 0);
	cr_assert(count_addresses(lab.host[LAB_CLIENT].netns_fd) == 2);
	cr_assert(lab.host[LAB_SERVER].n_addrs == 2, "what it is to have is described");
	lab_destroy(&lab);
}

Test(netlink, receive_work_moves_only_where_it_is_told_and_says_why_not)
{
	struct lab lab;

	cr_assert(lab_create(&lab, NULL) == 0);
	cr_assert(rps_set(lab.host[LAB_SERVER].netns_fd, "vb", 1) == 0);
	cr_assert(rps_set(lab.host[LAB_SERVER].netns_fd, "vb", 0) == 0);
	cr_assert(rps_set(lab.host[LAB_SERVER].netns_fd, "va", 1) == -ENOENT,
		  "va is the other host's");
	cr_assert(rps_set(lab.host[LAB_SERVER].netns_fd, "../lo", 1) == -EINVAL);
	lab_destroy(&lab);
}
