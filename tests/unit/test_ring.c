/* SPDX-License-Identifier: MIT */
/* test_ring.c - both ring versions on lo: every frame, in order, and every lost one counted */
#include "../../rawstack/capture/ring.h"
#include "t_net.h"

#include "../../rawstack/wire/span.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DEADLINE_MS = 3000, UNUSED_ETHERTYPE = 0x88b6 };

static const struct ring_config tiny_v3 = {
	.version = 3, .block_size = 4096, .block_count = 2, .retire_ms = 1, .snaplen = 192};
/* Time enough to send all of a test's datagrams into few blocks, however slow the machine. */
static const struct ring_config patient_v3 = {
	.version = 3, .block_size = 256 << 10, .block_count = 8, .retire_ms = 50, .snaplen = 192};
static const struct ring_config tiny_v2 = {
	.version = 2, .block_size = 4096, .block_count = 2, .snaplen = 192};

struct rig {
	int fd;
	struct ring *ring;
};

static void bind_lo(int fd, uint16_t ethertype)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET,
				   .sll_protocol = htons(ethertype),
				   .sll_ifindex = (int)t_link_index("lo")};

	cr_assert(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
}

static struct rig rig_open(const struct ring_config *cfg)
{
	struct rig rig;
	int one = 1, ret;

	rig.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	cr_assert(rig.fd >= 0);
	ret = ring_open(rig.fd, cfg, &rig.ring);
	cr_assert(ret == 0, "ring_open: %s", strerror(-ret));
	cr_assert(setsockopt(rig.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) == 0);
	bind_lo(rig.fd, ETH_P_ALL);
	return rig;
}

static void rig_stop(const struct rig *rig)
{
	bind_lo(rig->fd, UNUSED_ETHERTYPE);
}

static void rig_close(const struct rig *rig)
{
	ring_close(rig->ring);
	close(rig->fd);
}

static struct ring_stats stats_of(const struct rig *rig)
{
	struct ring_stats s;

	cr_assert(ring_stats(rig->ring, &s) == 0);
	return s;
}

/* The next frame, waited for. The ring fills in all of it, whatever was there before. */
static struct ring_frame next(const struct rig *rig)
{
	uint64_t deadline = t_now_ms() + DEADLINE_MS;
	struct ring_frame f;

	memset(&f, 0xff, sizeof(f));
	while (!ring_next(rig->ring, &f)) {
		struct pollfd p = {.fd = rig->fd, .events = POLLIN};

		cr_assert(t_now_ms() < deadline, "no frame in time");
		poll(&p, 1, 10);
	}
	cr_assert(f.meta.link == LINK_ETHERNET && f.ifindex == 1,
		  "not all of a frame is filled in");
	return f;
}

static uint32_t index_of(const struct ring_frame *f)
{
	size_t at = get_be16(f->bytes + 12) == ETH_P_IP ? 42 : 62;

	cr_assert(f->meta.caplen >= at + 4);
	return get_be32(f->bytes + at);
}

/* Reads until the identity holds; wants increasing indices. Returns the number of frames. */
static uint64_t drain(const struct rig *rig)
{
	uint64_t deadline = t_now_ms() + DEADLINE_MS, n = 0, last = 0;
	struct ring_stats s = stats_of(rig);
	struct ring_frame f;

	while (s.consumed != s.packets - s.drops) {
		struct pollfd p = {.fd = rig->fd, .events = POLLIN};

		cr_assert(t_now_ms() < deadline, "%lu consumed, %lu packets, %lu drops", s.consumed,
			  s.packets, s.drops);
		poll(&p, 1, 1);
		for (; ring_next(rig->ring, &f); n++) {
			cr_expect(n == 0 || index_of(&f) > last, "order");
			last = index_of(&f);
		}
		s = stats_of(rig);
	}
	cr_expect(ring_next(rig->ring, &f) == 0, "a frame too many");
	return n;
}

static const struct {
	const char *name;
	const struct ring_config *cfg;
} runs[] = {
	{"V3 IPv4", &patient_v3},
	{"V3 IPv6", &patient_v3},
	{"V2 IPv4", &RING_CONFIG_LIVE},
	{"V2 IPv6", &RING_CONFIG_LIVE},
};

Test(ring, every_datagram_arrives_once_and_the_identity_is_exact, .init = t_net_enter)
{
	int tx[2] = {t_udp_open(AF_INET), t_udp_open(AF_INET6)};

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		struct rig rig = rig_open(runs[i].cfg);
		uint64_t n;

		t_udp_send(tx[i % 2], 1, 1000);
		rig_stop(&rig);
		n = drain(&rig);
		cr_expect(n == 1000, "%s: %lu frames", runs[i].name, n);
		cr_expect(stats_of(&rig).packets == 1000, "%s", runs[i].name);
		cr_expect(stats_of(&rig).drops == 0, "%s", runs[i].name);
		cr_expect(stats_of(&rig).block_gaps == 0, "%s", runs[i].name);
		rig_close(&rig);
	}
}

Test(ring, frame_carries_bytes_lengths_time_and_interface, .init = t_net_enter)
{
	for (size_t i = 0; i < 2; i++) {
		struct rig rig = rig_open(i ? &tiny_v2 : &tiny_v3);
		int tx = t_udp_open(i ? AF_INET6 : AF_INET);
		uint32_t size = i ? 66 : 46;
		uint16_t ethertype = i ? ETH_P_IPV6 : ETH_P_IP;
		struct timespec before, after;
		struct ring_frame f;

		clock_gettime(CLOCK_REALTIME, &before);
		t_udp_send(tx, 0xabcd0001, 1);
		f = next(&rig);
		clock_gettime(CLOCK_REALTIME, &after);
		cr_expect(index_of(&f) == 0xabcd0001);
		cr_expect(get_be16(f.bytes + 12) == ethertype);
		cr_expect(f.meta.protocol == ethertype);
		cr_expect(f.meta.caplen == size && f.meta.wirelen == size);
		cr_expect(f.ifindex == t_link_index("lo"));
		cr_expect(!(f.meta.flags & (FRAME_META_OUTGOING | FRAME_META_VLAN)));
		cr_expect(f.meta.vlan_tci == 0 && f.meta.vlan_tpid == 0);
		cr_expect(f.ts_ns >=
			  (uint64_t)before.tv_sec * 1000000000 + (uint64_t)before.tv_nsec);
		cr_expect(f.ts_ns <= (uint64_t)after.tv_sec * 1000000000 + (uint64_t)after.tv_nsec);
		rig_close(&rig);
	}
}

Test(ring, unread_tiny_ring_loses_frames_and_the_identity_still_holds, .init = t_net_enter)
{
	int tx = t_udp_open(AF_INET);

	for (size_t i = 0; i < 2; i++) {
		struct rig rig = rig_open(i ? &tiny_v2 : &tiny_v3);
		struct ring_stats s;
		uint64_t n;

		t_udp_send(tx, 1, 300);
		rig_stop(&rig);
		n = drain(&rig);
		s = stats_of(&rig);
		cr_expect(s.packets == 300, "%lu packets", s.packets);
		cr_expect(s.drops > 0 && n > 0 && n == 300 - s.drops, "%lu read, %lu drops", n,
			  s.drops);
		cr_expect(s.consumed == n);
		cr_expect(s.block_gaps == 0);
		cr_expect((s.freezes > 0) == (i == 0), "only V3 freezes");
		rig_close(&rig);
	}
}

Test(ring, ring_that_lost_frames_goes_on_when_read, .init = t_net_enter)
{
	int tx = t_udp_open(AF_INET);

	for (size_t i = 0; i < 2; i++) {
		struct rig rig = rig_open(i ? &tiny_v2 : &tiny_v3);
		uint64_t lost;

		t_udp_send(tx, 1, 300);
		drain(&rig);
		lost = stats_of(&rig).drops;
		cr_assert(lost > 0);
		for (uint32_t k = 1000; k < 1010; k++) {
			struct ring_frame f;

			t_udp_send(tx, k, 1);
			f = next(&rig);
			cr_expect(index_of(&f) == k);
		}
		cr_expect(stats_of(&rig).drops == lost);
		cr_expect(stats_of(&rig).consumed == 310 - lost);
		rig_close(&rig);
	}
}

Test(ring, tiny_ring_wraps_many_times_without_loss_when_read, .init = t_net_enter)
{
	int tx = t_udp_open(AF_INET);

	for (size_t i = 0; i < 2; i++) {
		struct ring_config cfg = i ? tiny_v2 : tiny_v3;
		struct rig rig;

		/* The two datagrams of a turn, each in a block of its own, and the one still held.
		 */
		cfg.block_count = 4;
		rig = rig_open(&cfg);
		for (uint32_t k = 0; k < 400; k++) {
			struct ring_frame f;

			if (k % 2 == 0)
				t_udp_send(tx, k, 2);
			f = next(&rig);
			cr_assert(index_of(&f) == k, "%u instead of %u", index_of(&f), k);
		}
		cr_expect(stats_of(&rig).consumed == 400);
		cr_expect(stats_of(&rig).drops == 0);
		cr_expect(stats_of(&rig).block_gaps == 0);
		rig_close(&rig);
	}
}

Test(ring, borrowed_frame_stays_unchanged_until_the_next_call, .init = t_net_enter)
{
	int tx = t_udp_open(AF_INET);

	for (size_t i = 0; i < 2; i++) {
		struct rig rig = rig_open(i ? &tiny_v2 : &tiny_v3);
		struct ring_frame f;

		t_udp_send(tx, 7, 1);
		f = next(&rig);
		t_udp_send(tx, 1000,
			   300); /* goes around the ring and must stop before this frame */
		cr_expect(index_of(&f) == 7);
		rig_close(&rig);
	}
}

Test(ring, slot_smaller_than_the_frame_shows_in_caplen, .init = t_net_enter)
{
	static const struct ring_config narrow = {
		.version = 2, .block_size = 4096, .block_count = 2, .snaplen = 0};
	struct rig rig = rig_open(&narrow);
	uint8_t payload[1400] = {0};
	struct ring_frame f;

	cr_assert(send(t_udp_open(AF_INET), payload, sizeof(payload), 0) == sizeof(payload));
	f = next(&rig);
	cr_expect(f.meta.wirelen == 1442);
	cr_expect(f.meta.caplen > 0 && f.meta.caplen < 256, "%u", f.meta.caplen);
	rig_close(&rig);
}

Test(ring, slot_has_room_for_snaplen, .init = t_net_enter)
{
	int tx = t_udp_open(AF_INET);
	uint8_t payload[1400] = {0};

	for (uint32_t snaplen = 64; snaplen <= 1442; snaplen += 53) {
		struct ring_config cfg = tiny_v2;
		struct ring_frame f;
		struct rig rig;

		cfg.snaplen = snaplen;
		rig = rig_open(&cfg);
		cr_assert(send(tx, payload, sizeof(payload), 0) == sizeof(payload));
		f = next(&rig);
		cr_expect(f.meta.caplen >= snaplen, "snaplen %u, kept %u", snaplen, f.meta.caplen);
		rig_close(&rig);
	}
}

Test(ring, offloaded_tcp_is_marked, .init = t_net_enter)
{
	static uint8_t data[60000];
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(to);
	bool superframe = false;
	struct rig rig;

	t_link_mtu("lo", 1500);
	rig = rig_open(&RING_CONFIG_SMALL);
	cr_assert(bind(listener, (struct sockaddr *)&to, sizeof(to)) == 0);
	cr_assert(listen(listener, 1) == 0);
	cr_assert(getsockname(listener, (struct sockaddr *)&to, &len) == 0);
	cr_assert(connect(client, (struct sockaddr *)&to, sizeof(to)) == 0);
	cr_assert(send(client, data, sizeof(data), MSG_DONTWAIT) > 1500);
	for (int i = 0; i < 50 && !superframe; i++) {
		struct ring_frame f = next(&rig);

		if (f.meta.wirelen <= 1514)
			continue;
		superframe = true;
		cr_expect(f.meta.flags & FRAME_META_GSO_TCP);
		cr_expect(f.meta.flags & FRAME_META_CSUM_NOT_READY);
	}
	cr_expect(superframe);
	rig_close(&rig);
	close(client);
	close(listener);
}

/* Leaves room for @bytes more of address space. */
static void limit_address_space(rlim_t bytes)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;
	struct rlimit limit;

	cr_assert(statm && fscanf(statm, "%lu", &pages) == 1);
	fclose(statm);
	cr_assert(getrlimit(RLIMIT_AS, &limit) == 0);
	limit.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + bytes;
	cr_assert(setrlimit(RLIMIT_AS, &limit) == 0);
}

Test(ring, caller_may_retry_smaller_after_enomem, .init = t_net_enter)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct ring *ring = NULL;

	limit_address_space(16 << 20);
	cr_expect(ring_open(fd, &RING_CONFIG_LARGE, &ring) == -ENOMEM);
	cr_assert(ring_open(fd, &RING_CONFIG_SMALL, &ring) == 0);
	ring_close(ring);
	close(fd);
}

Test(ring, impossible_configurations_are_refused, .init = t_net_enter)
{
	static const struct {
		const char *name;
		struct ring_config cfg;
	} bad[] = {
		{"version 1", {1, 4096, 2, 1, 192}},
		{"block of 0 bytes", {3, 0, 2, 1, 192}},
		{"block of less than a page", {3, 2048, 2, 1, 192}},
		{"block not a power of two", {3, 12288, 2, 1, 192}},
		{"no block", {3, 4096, 0, 1, 192}},
		{"too large in all", {3, 1 << 20, 2000, 1, 192}},
		{"V3 without retire timeout", {3, 4096, 2, 0, 192}},
		{"V2 slot larger than a block", {2, 4096, 2, 0, 4000}},
		{"V2 snaplen beyond any frame", {2, 1 << 20, 2, 0, UINT32_MAX}},
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct ring *ring = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect(ring_open(fd, &bad[i].cfg, &ring) == -EINVAL, "%s", bad[i].name);
	cr_expect(ring == NULL);
	cr_expect(ring_open(fd, &tiny_v3, &ring) == 0, "a good one on the same socket");
	ring_close(ring);
	close(fd);
	cr_expect(ring_open(fd, &tiny_v3, &ring) == -EBADF);
	ring_close(NULL);
}
