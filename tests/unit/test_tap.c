/* SPDX-License-Identifier: MIT */
/* test_tap.c - a tap from its proven start to its proven stop */
#include "../../rawstack/capture/tap.h"
#include "t_net.h"

#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/wire/span.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEADLINE_MS = 3000 };

static const struct port_range watched[] = {{T_PORT, T_PORT}};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct tap_config config_of(const char *ifname, const struct ring_config *ring)
{
	return (struct tap_config){
		.netns_fd = -1,
		.ifindex = t_link_index(ifname),
		.filter = {.ranges = watched,
			   .n_ranges = 1,
			   .accept_canary = true,
			   .canary_magic = TAP_CANARY_MAGIC},
		.ring = *ring,
		.lock_filter = true,
	};
}

static struct tap *open_with(const struct tap_config *cfg)
{
	struct tap *t = NULL;
	int ret = tap_open(cfg, &t);

	cr_assert(ret == 0, "tap_open: %s", strerror(-ret));
	return t;
}

static struct tap *open_on(const char *ifname)
{
	struct tap_config cfg = config_of(ifname, &RING_CONFIG_SMALL);

	return open_with(&cfg);
}

static struct ring_stats stats_of(struct tap *t)
{
	struct ring_stats s;

	cr_assert(tap_stats(t, &s) == 0);
	return s;
}

static void wait_readable(struct tap *t, int ms)
{
	struct pollfd p = {.fd = tap_fd(t), .events = POLLIN};

	poll(&p, 1, ms);
}

/* The next frame, waited for. */
static struct ring_frame next(struct tap *t)
{
	uint64_t deadline = t_now_ms() + DEADLINE_MS;
	struct ring_frame f;

	while (!tap_next(t, &f)) {
		cr_assert(t_now_ms() < deadline, "no frame in time");
		wait_readable(t, 10);
	}
	return f;
}

/* Reads until the identity holds. Returns the number of frames. */
static uint64_t drain(struct tap *t)
{
	uint64_t deadline = t_now_ms() + DEADLINE_MS, n = 0;
	struct ring_stats s = stats_of(t);
	struct ring_frame f;

	while (s.consumed != s.packets - s.drops) {
		cr_assert(t_now_ms() < deadline, "%lu consumed, %lu packets, %lu drops", s.consumed,
			  s.packets, s.drops);
		wait_readable(t, 1);
		while (tap_next(t, &f))
			n++;
		s = stats_of(t);
	}
	cr_expect(tap_next(t, &f) == 0, "a frame too many");
	return n;
}

static void expect_canary(struct tap *t, uint64_t nonce, bool outgoing)
{
	struct ring_frame f = next(t);
	uint64_t got = 0;

	cr_assert(tap_is_canary(&f, &got), "%u bytes that are no canary", f.meta.caplen);
	cr_expect(got == nonce, "%016lx instead of %016lx", got, nonce);
	cr_expect(!!(f.meta.flags & FRAME_META_OUTGOING) == outgoing, "wrong direction");
}

/* Start. */

struct flood {
	pthread_t thread;
	int fd;
	uint32_t sent;
	bool stop;
};

enum { FLOOD_MAX = 2000000 };

static void *flood_run(void *arg)
{
	struct flood *fl = arg;

	for (uint32_t i = 0; i < FLOOD_MAX && !__atomic_load_n(&fl->stop, __ATOMIC_ACQUIRE); i++) {
		t_udp_send(fl->fd, i, 1);
		__atomic_store_n(&fl->sent, i + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void wait_flood_past(struct flood *fl, uint32_t more)
{
	uint32_t goal = __atomic_load_n(&fl->sent, __ATOMIC_ACQUIRE) + more;
	uint64_t deadline = t_now_ms() + DEADLINE_MS;

	while (__atomic_load_n(&fl->sent, __ATOMIC_ACQUIRE) < goal)
		cr_assert(t_now_ms() < deadline, "the flood does not flow");
}

Test(tap, no_frame_of_another_interface_is_seen_or_counted, .init = t_net_enter)
{
	struct flood fl = {.fd = t_udp_open(AF_INET)};

	t_veth_add("va", "vb");
	cr_assert(pthread_create(&fl.thread, NULL, flood_run, &fl) == 0);
	wait_flood_past(&fl, 100);
	for (int i = 0; i < 5; i++) {
		struct tap *t = open_on("va");

		cr_assert(tap_send_canary(t, 1, broadcast) == 0);
		expect_canary(t, 1, true);
		wait_flood_past(&fl, 100);
		cr_expect(tap_stop(t) == 0);
		cr_expect(drain(t) == 0);
		cr_expect(stats_of(t).packets == 1, "%lu packets", stats_of(t).packets);
		tap_close(t);
	}
	__atomic_store_n(&fl.stop, true, __ATOMIC_RELEASE);
	pthread_join(fl.thread, NULL);
}

Test(tap, two_canaries_over_a_veth_make_four_observations, .init = t_net_enter)
{
	struct tap *a, *b;

	t_veth_add("va", "vb");
	a = open_on("va");
	b = open_on("vb");
	cr_assert(tap_send_canary(a, 0x1122334455667788, broadcast) == 0);
	expect_canary(a, 0x1122334455667788, true);
	expect_canary(b, 0x1122334455667788, false);
	cr_assert(tap_send_canary(b, UINT64_MAX, NULL) == 0);
	expect_canary(b, UINT64_MAX, true);
	expect_canary(a, UINT64_MAX, false);
	cr_expect(tap_stop(a) == 0 && tap_stop(b) == 0);
	cr_expect(drain(a) == 0 && drain(b) == 0);
	cr_expect(stats_of(a).packets == 2 && stats_of(b).packets == 2);
	tap_close(a);
	tap_close(b);
}

Test(tap, loopback_shows_each_frame_once, .init = t_net_enter)
{
	int tx[2] = {t_udp_open(AF_INET), t_udp_open(AF_INET6)};

	for (size_t i = 0; i < 4; i++) {
		struct tap_config cfg =
			config_of("lo", i & 1 ? &RING_CONFIG_LIVE : &RING_CONFIG_SMALL);
		struct tap *t = open_with(&cfg);
		uint64_t n;

		cr_assert(tap_send_canary(t, 5, NULL) == 0);
		expect_canary(t, 5, false);
		t_udp_send(tx[i / 2], 0, 10);
		cr_expect(tap_stop(t) == 0);
		n = drain(t);
		cr_expect(n == 10, "run %zu: %lu frames", i, n);
		tap_close(t);
	}
}

Test(tap, canary_is_recognised_by_type_magic_and_length)
{
	static const struct {
		const char *name;
		size_t at;
		uint8_t value;
		uint32_t caplen;
		bool canary;
	} rows[] = {
		{"whole", 59, 0, 60, true},
		{"without padding", 59, 0, 26, true},
		{"cut in the nonce", 59, 0, 25, false},
		{"empty", 59, 0, 0, false},
		{"other EtherType", 13, 0xb6, 60, false},
		{"first byte of the magic", 14, 'D', 60, false},
		{"last byte of the magic", 17, 'R', 60, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[60] = {[12] = 0x88, 0xb5, 'd', 'w', 'i', 'r', 1, 2, 3, 4, 5, 6, 7, 8};
		struct ring_frame f = {.bytes = bytes, .meta = {.caplen = rows[i].caplen}};
		uint64_t nonce = 0;

		bytes[rows[i].at] = rows[i].value;
		cr_expect(tap_is_canary(&f, &nonce) == rows[i].canary, "%s", rows[i].name);
		cr_expect(nonce == (rows[i].canary ? 0x0102030405060708 : 0), "%s", rows[i].name);
	}
}

Test(tap, where_names_the_interface_and_its_namespace, .init = t_net_enter)
{
	int home = netns_open_self(), away = netns_new(), back = -1;
	struct tap_config cfg;
	struct tap *lo, *far;
	struct stat st;
	unsigned int index;

	cr_assert(home >= 0 && away >= 0);
	cr_assert(netns_enter(away, &back) == 0);
	t_veth_add("va", "vb");
	t_link_mtu("va", 1400);
	index = t_link_index("va");
	netns_leave(back);

	lo = open_on("lo");
	cr_assert(fstat(home, &st) == 0);
	cr_expect(strcmp(tap_where(lo)->ifname, "lo") == 0);
	cr_expect(tap_where(lo)->loopback);
	cr_expect(tap_where(lo)->mtu == 65536);
	cr_expect(tap_where(lo)->netns_inode == st.st_ino);

	cfg = config_of("lo", &RING_CONFIG_SMALL);
	cfg.netns_fd = away;
	cfg.ifindex = index;
	far = open_with(&cfg);
	cr_assert(fstat(away, &st) == 0);
	cr_expect(strcmp(tap_where(far)->ifname, "va") == 0);
	cr_expect(tap_where(far)->ifindex == index);
	cr_expect(!tap_where(far)->loopback);
	cr_expect(tap_where(far)->mtu == 1400);
	cr_expect(memcmp(tap_where(far)->mac, "\0\0\0\0\0\0", 6) != 0);
	cr_expect(tap_where(far)->netns_inode == st.st_ino);
	cr_expect(if_nametoindex("va") == 0, "the thread has moved");
	cr_assert(tap_send_canary(far, 9, NULL) == 0);
	expect_canary(far, 9, true);
	tap_close(lo);
	tap_close(far);
}

/* What is seen. */

Test(tap, vlan_tag_is_metadata_where_received_and_bytes_where_sent, .init = t_net_enter)
{
	uint8_t frame[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,    0, 0,   0,
			     0,	   9,	 0x81, 0,    0xa0, 5,	 0x08, 0, 0x60};
	struct tap *a, *b;
	struct ring_frame f;

	t_veth_add("va", "vb");
	a = open_on("va");
	b = open_on("vb");
	t_raw_send("va", frame, sizeof(frame));
	f = next(b);
	cr_expect(f.meta.flags & FRAME_META_VLAN);
	cr_expect(f.meta.flags & FRAME_META_VLAN_TPID);
	cr_expect(f.meta.vlan_tci == 0xa005 && f.meta.vlan_tpid == ETH_P_8021Q);
	cr_expect(f.meta.caplen == 60 && get_be16(f.bytes + 12) == ETH_P_IP);
	cr_expect(f.meta.protocol == ETH_P_IP);
	f = next(a);
	cr_expect(f.meta.flags & FRAME_META_OUTGOING);
	cr_expect(!(f.meta.flags & FRAME_META_VLAN) && f.meta.vlan_tci == 0);
	cr_expect(f.meta.caplen == 64 && get_be16(f.bytes + 12) == ETH_P_8021Q);
	tap_close(a);
	tap_close(b);
}

Test(tap, long_frame_is_cut_to_snaplen_and_its_length_is_kept, .init = t_net_enter)
{
	uint8_t payload[1400] = {0};
	int tx = t_udp_open(AF_INET);

	for (size_t i = 0; i < 2; i++) {
		struct tap_config cfg = config_of("lo", i ? &RING_CONFIG_LIVE : &RING_CONFIG_SMALL);
		struct tap *t = open_with(&cfg);
		struct ring_frame f;

		cr_assert(send(tx, payload, sizeof(payload), 0) == sizeof(payload));
		f = next(t);
		cr_expect(f.meta.caplen == FILTER_SNAPLEN, "%u", f.meta.caplen);
		cr_expect(f.meta.wirelen == 1442, "%u", f.meta.wirelen);
		tap_close(t);
	}
}

Test(tap, refusal_of_a_watched_datagram_is_seen, .init = t_net_enter)
{
	static const struct port_range closed[] = {{T_PORT + 1, T_PORT + 1}};
	struct tap_config cfg = config_of("lo", &RING_CONFIG_SMALL);
	int tx = t_udp_open(AF_INET);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ring_frame f;
	struct tap *t;

	cfg.filter.ranges = closed;
	t = open_with(&cfg);
	cr_assert(getpeername(tx, (struct sockaddr *)&ss, &len) == 0);
	((struct sockaddr_in *)&ss)->sin_port = htons(closed[0].lo);
	cr_assert(connect(tx, (struct sockaddr *)&ss, len) == 0);
	cr_assert(send(tx, "none", 4, 0) == 4);
	f = next(t);
	cr_expect(f.bytes[23] == 17);
	f = next(t);
	cr_expect(f.bytes[23] == 1 && f.bytes[34] == 3 && f.bytes[35] == 3);
	tap_close(t);
}

/* Stop. */

Test(tap, ten_datagrams_and_a_stop_before_the_block_is_retired_are_ten_frames, .init = t_net_enter)
{
	struct tap_config cfg = config_of("lo", &RING_CONFIG_SMALL);
	int tx = t_udp_open(AF_INET);
	struct pollfd p = {.events = POLLIN};
	struct ring_frame f;
	struct tap *t;

	cfg.ring.retire_ms = 500;
	t = open_with(&cfg);
	p.fd = tap_fd(t);
	t_udp_send(tx, 0, 10);
	cr_expect(poll(&p, 1, 50) == 0, "the block was retired too early for this test");
	cr_assert(tap_stop(t) == 0);
	cr_expect(tap_next(t, &f) == 0, "the block was retired too early for this test");
	cr_expect(drain(t) == 10);
	cr_expect(stats_of(t).packets == 10 && stats_of(t).drops == 0);
	tap_close(t);
}

Test(tap, frames_sent_after_the_stop_are_absent, .init = t_net_enter)
{
	int tx = t_udp_open(AF_INET);

	for (size_t i = 0; i < 2; i++) {
		struct tap_config cfg = config_of("lo", i ? &RING_CONFIG_LIVE : &RING_CONFIG_SMALL);
		struct tap *t = open_with(&cfg);

		t_udp_send(tx, 0, 10);
		cr_assert(tap_stop(t) == 0);
		cr_assert(tap_stop(t) == 0, "stopping twice");
		t_udp_send(tx, 10, 5);
		cr_expect(drain(t) == 10);
		cr_expect(stats_of(t).packets == 10);
		tap_close(t);
	}
}

Test(tap, locked_filter_cannot_be_replaced_and_the_barrier_still_works, .init = t_net_enter)
{
	struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, 0xffff)};
	struct sock_fprog prog = {.len = 1, .filter = all};
	struct tap_config cfg = config_of("lo", &RING_CONFIG_SMALL);
	int tx = t_udp_open(AF_INET), zero = 0;

	for (int lock = 0; lock < 2; lock++) {
		struct tap *t;
		int fd;

		cfg.lock_filter = lock;
		t = open_with(&cfg);
		fd = tap_fd(t);
		errno = 0;
		setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
		cr_expect(errno == (lock ? EPERM : 0), "attach: %d", errno);
		errno = 0;
		setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &zero, sizeof(zero));
		cr_expect(errno == (lock ? EPERM : 0), "detach: %d", errno);
		errno = 0;
		setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &zero, sizeof(zero));
		cr_expect(errno == (lock ? EPERM : 0), "unlock: %d", errno);
		t_udp_send(tx, 0, 10);
		cr_assert(tap_stop(t) == 0);
		t_udp_send(tx, 10, 5);
		cr_expect(drain(t) == 10);
		tap_close(t);
	}
}

Test(tap, unread_tiny_ring_counts_every_loss, .init = t_net_enter)
{
	struct tap_config cfg = config_of("lo", &RING_CONFIG_SMALL);
	int tx = t_udp_open(AF_INET6);
	struct tap *t;
	uint64_t n;

	cfg.ring.block_size = 4096;
	cfg.ring.block_count = 2;
	t = open_with(&cfg);
	t_udp_send(tx, 0, 300);
	cr_assert(tap_stop(t) == 0);
	n = drain(t);
	cr_expect(stats_of(t).packets == 300 && stats_of(t).drops > 0);
	cr_expect(n > 0 && n == 300 - stats_of(t).drops);
	tap_close(t);
}

static void drop_all_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	cr_assert(syscall(SYS_capset, &head, none) == 0);
	cr_assert(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
}

Test(tap, works_to_its_end_without_capabilities_after_opening, .init = t_net_enter)
{
	struct tap *t = open_on("lo");
	int tx = t_udp_open(AF_INET);

	drop_all_capabilities();
	cr_expect(tap_send_canary(t, 3, NULL) == 0);
	expect_canary(t, 3, false);
	t_udp_send(tx, 0, 10);
	cr_expect(tap_stop(t) == 0);
	cr_expect(drain(t) == 10);
	cr_expect(tap_went_down(t) == 0);
	tap_close(t);
}

/* Trouble. */

Test(tap, interface_that_went_down_is_remembered, .init = t_net_enter)
{
	struct tap *a, *b;

	t_veth_add("va", "vb");
	a = open_on("va");
	b = open_on("vb");
	cr_expect(tap_went_down(a) == 0 && tap_went_down(b) == 0);
	t_link_up("va", false);
	t_link_up("va", true);
	cr_expect(tap_went_down(a) == 1);
	cr_expect(tap_went_down(a) == 1, "asked again");
	cr_expect(tap_went_down(b) == 0, "the peer only lost its carrier");
	cr_expect(tap_stop(a) == 0);
	tap_close(a);
	tap_close(b);
}

Test(tap, interface_that_vanished_can_still_be_stopped_and_drained, .init = t_net_enter)
{
	struct tap *t;

	t_veth_add("va", "vb");
	t = open_on("va");
	cr_assert(tap_send_canary(t, 1, NULL) == 0);
	t_link_del("va");
	cr_expect(tap_stop(t) == 0);
	cr_expect(drain(t) == 1);
	cr_expect(tap_went_down(t) == 1);
	cr_expect(tap_send_canary(t, 2, NULL) == -ENXIO);
	tap_close(t);
}

static unsigned int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	cr_assert(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static unsigned int mapped_sockets(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned int n = 0;
	char line[512];

	cr_assert(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "socket:") != NULL;
	fclose(maps);
	return n;
}

/* An interface without Ethernet header; it lives as long as the descriptor. */
static int tun_open(const char *name)
{
	struct ifreq req = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	cr_assert(ioctl(fd, TUNSETIFF, &req) == 0, "TUNSETIFF: %s", strerror(errno));
	return fd;
}

Test(tap, interface_without_ethernet_header_is_refused, .init = t_net_enter)
{
	int tun = tun_open("tun0");
	struct tap_config cfg;
	struct tap *t;

	if (tun < 0) {
		/* Criterion itself gives the reason only when verbose. */
		fprintf(stderr, "skipped, no tun interface: /dev/net/tun: %s\n", strerror(-tun));
		cr_skip_test("/dev/net/tun: %s", strerror(-tun));
	}
	cfg = config_of("tun0", &RING_CONFIG_SMALL);
	cr_expect(tap_open(&cfg, &t) == -EPROTONOSUPPORT);
	close(tun);
}

Test(tap, failed_open_says_why_and_leaves_nothing_open, .init = t_net_enter)
{
	static const struct port_range upside_down[] = {{8, 7}};
	struct tap_config good = config_of("lo", &RING_CONFIG_SMALL), bad;
	unsigned int before = open_descriptors();
	struct tap *t = NULL;

	bad = good;
	bad.ifindex = 4711;
	cr_expect(tap_open(&bad, &t) == -ENODEV);
	bad = good;
	bad.filter.ranges = upside_down;
	cr_expect(tap_open(&bad, &t) == -EINVAL);
	bad = good;
	bad.ring.block_size = 1000;
	cr_expect(tap_open(&bad, &t) == -EINVAL);
	bad = good;
	bad.netns_fd = open_descriptors() + 1000;
	cr_expect(tap_open(&bad, &t) == -EBADF);
	t_link_up("lo", false);
	cr_expect(tap_open(&good, &t) == -ENETDOWN);
	cr_expect(t == NULL);
	cr_expect(open_descriptors() == before);
	cr_expect(mapped_sockets() == 0);
	t_link_up("lo", true);
	t = open_with(&good);
	cr_expect(mapped_sockets() == 1, "this test cannot see rings");
	tap_close(t);
	cr_expect(open_descriptors() == before);
	cr_expect(mapped_sockets() == 0);
	tap_close(NULL);
}
