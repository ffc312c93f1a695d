/* SPDX-License-Identifier: MIT */
/* test_link.c - the stack's links on a veth: what comes in, what goes out, what is refused */
#include "../../rawstack/stack/link.h"
#include "t_net.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 3000 };

/* Every kind of link does the same. */
static const struct kind {
	const char *name;
	int (*open)(const struct link_config *cfg, struct link **out);
	bool sendmmsg;
} kinds[] = {
	{"ring", link_ring_open, false},
	{"sendmmsg", link_ring_open, true},
	{"xdp", link_xdp_open, false},
};
enum { XDP = 2 };
#define KINDS_END (kinds + sizeof(kinds) / sizeof(kinds[0]))

static int try_kind(const struct kind *k, const char *ifname, struct link **out)
{
	struct link_config cfg = {
		.netns_fd = -1, .ifindex = t_link_index(ifname), .tx_sendmmsg = k->sendmmsg};

	return k->open(&cfg, out);
}

static struct link *open_on(const struct kind *k, const char *ifname)
{
	struct link *l = NULL;
	int ret = try_kind(k, ifname, &l);

	cr_assert(ret == 0, "%s: %s", k->name, strerror(-ret));
	return l;
}

/* BPF wants rights outside of a user namespace; said, not passed over. */
static bool allowed(const struct kind *k)
{
	struct link *l;
	int ret;

	if (k != &kinds[XDP])
		return true;
	t_net_enter();
	t_veth_add("va", "vb");
	ret = try_kind(k, "va", &l);
	if (ret == 0)
		link_close(l);
	else
		cr_log_warn("%s left out: %s", k->name, strerror(-ret));
	cr_assert(ret == 0 || ret == -EPERM || ret == -EACCES, "%s: %s", k->name, strerror(-ret));
	return ret == 0;
}

/* A fresh pair for each kind: both ends are links. */
static void pair(const struct kind *k, struct link **a, struct link **b)
{
	t_net_enter();
	t_veth_add("va", "vb");
	*a = open_on(k, "va");
	*b = open_on(k, "vb");
}

static void unpair(struct link *a, struct link *b)
{
	link_close(a);
	link_close(b);
}

static void wait_rx(struct link *l, struct link_frame *f)
{
	uint64_t deadline = t_now_ms() + WAIT_MS;
	struct pollfd p = {.fd = l->fd, .events = POLLIN};

	while (!link_rx(l, f)) {
		cr_assert(t_now_ms() < deadline, "no frame came");
		poll(&p, 1, 100);
	}
}

static bool nothing_for(struct link *l, int ms)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};
	struct link_frame f;

	poll(&p, 1, ms);
	return !link_rx(l, &f);
}

static void make_frame(uint8_t *frame, size_t len, const uint8_t *dst, const uint8_t *src,
		       uint16_t ethertype, uint32_t mark)
{
	memset(frame, 0, len);
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	put_be16(frame + 12, ethertype);
	put_be32(frame + 14, mark);
}

static bool send_frame(struct link *l, const uint8_t *dst, size_t len, uint32_t mark)
{
	uint8_t *p = link_reserve(l, len);

	if (!p)
		return false;
	make_frame(p, len, dst, l->mac, ETH_P_IP, mark);
	link_commit(l, len);
	return true;
}

Test(link, frames_go_both_ways_in_order)
{
	for (const struct kind *k = kinds; k < KINDS_END; k++) {
		struct link *a, *b;
		struct link_frame f;
		struct link_stats st;

		if (!allowed(k))
			continue;
		pair(k, &a, &b);
		for (uint32_t i = 0; i < 2500; i++) {
			cr_assert(send_frame(a, b->mac, 60 + i % 1455, i));
			if (i % 10 != 9)
				continue;
			cr_assert(link_flush(a) == 0);
			for (uint32_t j = i - 9; j <= i; j++) {
				wait_rx(b, &f);
				cr_assert(f.meta.caplen == 60 + j % 1455 &&
					  f.meta.wirelen == f.meta.caplen);
				cr_assert(get_be32(f.bytes + 14) == j, "%s: %u instead of %u",
					  k->name, get_be32(f.bytes + 14), j);
			}
		}
		cr_assert(link_stats(a, &st) == 0 && st.tx_frames == 2500 && st.rx_frames == 0,
			  "our own frames do not come back");
		cr_assert(link_stats(b, &st) == 0 && st.rx_frames == 2500 && st.rx_drops == 0);
		cr_assert(a->mtu == 1500 && a->mac[0] % 2 == 0);
		unpair(a, b);
	}
}

/* No more on their way than the kernel's backlog of 1000 holds, whatever else this CPU has to do.
 */
Test(link, a_batch_leaves_without_being_asked_and_all_arrives)
{
	for (const struct kind *k = kinds; k < KINDS_END; k++) {
		struct link *a, *b;
		struct link_frame f;
		uint32_t sent = 0, got = 0;

		if (!allowed(k))
			continue;
		pair(k, &a, &b);
		while (got < 3000) {
			while (sent < 3000 && sent < got + 200 && send_frame(a, b->mac, 66, sent))
				sent++;
			cr_assert(link_flush(a) == 0);
			wait_rx(b, &f);
			do
				cr_assert(get_be32(f.bytes + 14) == got++);
			while (link_rx(b, &f));
		}
		unpair(a, b);
	}
}

Test(link, only_our_frames_arrive)
{
	static const uint8_t other[6] = {2, 9, 9, 9, 9, 9};
	static const uint8_t group[6] = {0x33, 0x33, 0xff, 0, 0, 2};
	const struct kind *k = &kinds[0];
	struct link *a, *b;
	struct link_frame f;
	uint8_t frame[60];

	pair(k, &a, &b);
	make_frame(frame, 60, other, b->mac, ETH_P_IP, 1);
	t_raw_send("vb", frame, 60);
	make_frame(frame, 60, a->mac, b->mac, 0x88cc, 2);
	t_raw_send("vb", frame, 60);
	make_frame(frame, 60, a->mac, b->mac, ETH_P_ARP, 3);
	t_raw_send("vb", frame, 60);
	make_frame(frame, 60, group, b->mac, ETH_P_IPV6, 4);
	t_raw_send("vb", frame, 60);
	wait_rx(a, &f);
	cr_assert(get_be32(f.bytes + 14) == 3);
	wait_rx(a, &f);
	cr_assert(get_be32(f.bytes + 14) == 4);
	cr_assert(nothing_for(a, 50));
	unpair(a, b);
}

/* IPv4 packets that the kernel's own IP layer of this namespace has received. */
static unsigned long kernel_ip_received(void)
{
	FILE *f = fopen("/proc/thread-self/net/snmp", "re");
	unsigned long forwarding, ttl, received = 0;
	char line[512];

	cr_assert(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Ip: %lu %lu %lu", &forwarding, &ttl, &received) == 3)
			break;
	}
	fclose(f);
	return received;
}

static struct link *open_station(const char *ifname, bool own)
{
	struct link_config cfg = {.netns_fd = -1, .ifindex = t_link_index(ifname), .own_mac = own};
	struct link *l = NULL;

	cr_assert(link_ring_open(&cfg, &l) == 0);
	return l;
}

static void send_and_take(struct link *from, struct link *to, uint32_t mark)
{
	uint8_t *p = link_reserve(from, 60);
	struct link_frame f;

	cr_assert(p != NULL);
	make_frame(p, 60, to->mac, from->mac, ETH_P_IP, mark);
	p[14] = 0x45;
	link_commit(from, 60);
	cr_assert(link_flush(from) == 0);
	wait_rx(to, &f);
	cr_assert(memcmp(f.bytes, to->mac, 6) == 0);
}

Test(link, the_kernel_passes_by_what_is_for_a_station_of_our_own)
{
	struct link where = {0}, *own, *plain, *from;
	unsigned long before;

	t_net_enter();
	t_veth_add("va", "vb");
	cr_assert(link_check(-1, t_link_index("va"), &where, NULL) == 0 && where.any_mac);
	from = open_station("vb", false);
	plain = open_station("va", false);
	cr_assert(memcmp(plain->mac, where.mac, 6) == 0);
	before = kernel_ip_received();
	send_and_take(from, plain, 1);
	cr_expect(kernel_ip_received() == before + 1, "the kernel looks at it, too");
	link_close(plain);

	own = open_station("va", true);
	cr_assert(memcmp(own->mac, where.mac, 6) != 0 && (own->mac[0] & 3) == 2);
	before = kernel_ip_received();
	for (uint32_t i = 0; i < 10; i++)
		send_and_take(from, own, i);
	cr_expect(kernel_ip_received() == before, "the kernel does not look at it");
	send_frame(from, where.mac, 60, 99);
	cr_assert(link_flush(from) == 0 && nothing_for(own, 50), "the interface's is not ours");
	unpair(own, from);
}

Test(link, a_station_of_our_own_is_another_one_whatever_the_interface_is)
{
	uint8_t universal[6] = {0x00, 1, 2, 3, 4, 5}, local[6] = {0x0a, 1, 2, 3, 4, 5};

	link_own_mac(universal);
	link_own_mac(local);
	cr_expect(universal[0] == 0x02 && local[0] == 0x4a);
}

/* What a kernel sends with segmentation offload: one frame of 30000 bytes, checksum unfinished. */
Test(link, a_superframe_is_fetched_whole)
{
	enum { LEN = 30000 };
	const struct kind *k = &kinds[0];
	struct link *a, *b;
	struct link_frame f;
	struct link_stats st;
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
	struct virtio_net_hdr vh = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				    .hdr_len = 54,
				    .gso_size = 1448,
				    .csum_start = 34,
				    .csum_offset = 16};
	uint8_t *buf = malloc(sizeof(vh) + LEN), *frame = buf + sizeof(vh);
	int fd, one = 1;

	pair(k, &a, &b);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	cr_assert(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) == 0);
	to.sll_ifindex = (int)t_link_index("vb");
	make_frame(frame, LEN, a->mac, b->mac, ETH_P_IP, 0);
	for (size_t i = 34; i < LEN; i++)
		frame[i] = (uint8_t)(i * 3);
	frame[14] = 0x45;
	put_be16(frame + 16, LEN - 14);
	frame[23] = 6;
	frame[46] = 0x50;
	memcpy(buf, &vh, sizeof(vh));
	for (int i = 0; i < 2; i++) {
		cr_assert(sendto(fd, buf, sizeof(vh) + LEN, 0, (struct sockaddr *)&to,
				 sizeof(to)) == (ssize_t)sizeof(vh) + LEN,
			  "%s", strerror(errno));
		wait_rx(a, &f);
		cr_assert(f.meta.caplen == LEN && f.meta.wirelen == LEN);
		cr_assert(memcmp(f.bytes + 52, frame + 52, LEN - 52) == 0);
		cr_assert(f.meta.flags & FRAME_META_CSUM_NOT_READY);
	}
	cr_assert(link_stats(a, &st) == 0 && st.rx_superframes == 2 && st.rx_truncated == 0);
	close(fd);
	free(buf);
	unpair(a, b);
}

/* Through the queueing discipline, taps see what we send; the link itself must not. */
Test(link, ones_own_broadcast_does_not_come_back)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct link_config cfg = {.netns_fd = -1, .keep_queueing = true};
	struct link_frame f;
	struct link *a, *b;

	t_net_enter();
	t_veth_add("va", "vb");
	cfg.ifindex = t_link_index("va");
	cr_assert(link_ring_open(&cfg, &a) == 0);
	b = open_on(&kinds[0], "vb");
	cr_assert(send_frame(a, everybody, 60, 5) && link_flush(a) == 0);
	wait_rx(b, &f);
	cr_assert(get_be32(f.bytes + 14) == 5);
	cr_assert(nothing_for(a, 50));
	unpair(a, b);
}

Test(link, drops_are_counted)
{
	struct link_config cfg = {.netns_fd = -1, .rx_slots = 64};
	struct link *a, *b;
	struct link_stats st;
	struct link_frame f;
	uint32_t got = 0;

	t_net_enter();
	t_veth_add("va", "vb");
	cfg.ifindex = t_link_index("va");
	cr_assert(link_ring_open(&cfg, &a) == 0);
	b = open_on(&kinds[0], "vb");
	for (uint32_t i = 0; i < 1000; i++) {
		cr_assert(send_frame(b, a->mac, 66, i));
		link_flush(b);
	}
	wait_rx(a, &f);
	do
		got++;
	while (link_rx(a, &f));
	cr_assert(link_stats(a, &st) == 0);
	cr_assert(got >= a->slots && got < 1000, "%u of %u slots", got, a->slots);
	cr_assert(st.rx_frames == got && st.rx_drops == 1000 - got, "%lu dropped, %u got",
		  (unsigned long)st.rx_drops, got);
	unpair(a, b);
}

static int try_open(const char *ifname)
{
	struct link_config cfg = {.netns_fd = -1, .ifindex = t_link_index(ifname)};
	struct link *l;
	int ret = link_ring_open(&cfg, &l);

	if (ret == 0)
		link_close(l);
	return ret;
}

Test(link, what_an_interface_must_be)
{
	struct link_config cfg = {.netns_fd = -1, .ifindex = 4711};
	struct addr found, want;
	struct link where = {0};
	struct link *l;

	t_net_enter();
	t_veth_add("va", "vb");
	cr_assert(link_ring_open(&cfg, &l) == -ENODEV);
	cr_assert(try_open("lo") == -EPROTONOSUPPORT);
	t_link_up("va", false);
	cr_assert(try_open("va") == -ENETDOWN);
	t_link_up("va", true);
	cr_assert(try_open("va") == 0);
	t_addr_add("va", "198.51.100.9", 24);
	cr_assert(try_open("va") == -EADDRINUSE);
	cr_assert(try_open("vb") == 0, "the other end's addresses are its own business");
	cr_assert(link_check(-1, t_link_index("va"), &where, &found) == -EADDRINUSE);
	addr_parse("198.51.100.9", &want, NULL);
	cr_assert(addr_eq(&found, &want));
	t_addr_add("vb", "2001:db8:1::9", 64);
	cr_assert(link_check(-1, t_link_index("vb"), &where, &found) == -EADDRINUSE);
	addr_parse("2001:db8:1::9", &want, NULL);
	cr_assert(addr_eq(&found, &want));
}

Test(link, an_interface_that_goes_away_is_an_error_not_a_crash)
{
	for (const struct kind *k = kinds; k < KINDS_END; k++) {
		struct link *a, *b;
		struct link_frame f;
		int ret = 0;

		if (!allowed(k))
			continue;
		pair(k, &a, &b);
		t_link_del("va");
		for (int i = 0; i < 3 && ret == 0; i++) {
			send_frame(a, b->mac, 66, 0);
			ret = link_flush(a);
		}
		cr_assert(ret < 0, "%s: nothing was said", k->name);
		cr_assert(link_rx(a, &f) == 0);
		unpair(a, b);
	}
}

Test(link, jumbo_frames_fit_where_the_mtu_allows_them)
{
	for (const struct kind *k = kinds; k < KINDS_END; k++) {
		struct link *a, *b;
		struct link_frame f;

		t_net_enter();
		t_veth_add("va", "vb");
		t_link_mtu("va", 9000);
		if (k == &kinds[XDP]) {
			cr_assert(try_kind(k, "va", &a) == -EINVAL, "a chunk holds 2048 bytes");
			continue;
		}
		t_link_mtu("vb", 9000);
		a = open_on(k, "va");
		b = open_on(k, "vb");
		cr_assert(send_frame(a, b->mac, 9014, 7) && link_flush(a) == 0);
		wait_rx(b, &f);
		cr_assert(f.meta.caplen == 9014);
		unpair(a, b);
	}
}
