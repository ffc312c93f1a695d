/* SPDX-License-Identifier: MIT */
/* link_ring.c - a link over AF_PACKET: frames in through a TPACKET_V2 ring, out through another */
#include "link.h"

#include "../capture/ring.h"
#include "../netlink/netns.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Receiving: V2, because it hands over each frame at once; V3 collects frames in blocks and adds
 * 0.2 to 4 ms, which no handshake can bear. A frame that is longer than a slot (a superframe of a
 * sender with offloads) is fetched whole from the socket's queue, where the kernel has put a copy.
 *
 * Sending: a ring whose slots the kernel takes the frames from, or buffers and sendmmsg(). The
 * former wins where the receiver's work runs on another CPU, the latter on one CPU (docs/stack.md).
 * Two sockets, because the sending one must not receive.
 *
 * Order of opening as in capture/tap.c: filter and ring first, bind last, so that no frame of
 * another interface is ever in the ring.
 *
 * Invariants: slots [tail, head) of the sending ring were committed and not yet known to be taken;
 * pending of the last of them were not yet handed over.
 */
enum {
	RX_SLOTS_USUAL = 4096,
	TX_SLOTS_USUAL = 1024,
	SLOTS_MIN = 64,
	TX_BATCH = 64, /* frames after which we do not wait for flush() */
	SUPERFRAME_MAX = 65535 + 64,
	COPY_THRESHOLD = 1,
	TX_DATA =
		TPACKET2_HDRLEN - sizeof(struct sockaddr_ll), /* offset of the frame in its slot */
};

struct ring_link {
	struct link link;
	int tx_fd;
	struct ring *rx;
	uint8_t *whole; /* a superframe; allocated when the first comes */
	struct link_stats sums;

	uint8_t *tx_map;
	size_t tx_map_len;
	uint32_t slot_size, slots, head;
	uint32_t pending;

	struct mmsghdr *msgs; /* with sendmmsg: TX_BATCH of them, one buffer each */
	struct iovec *iovs;
};

static struct ring_link *of(struct link *l)
{
	return (struct ring_link *)l;
}

/* --- receiving --- */

/* A frame for us or for a group, of one of the three EtherTypes; nothing else enters the ring. */
static int attach_filter(int fd, const uint8_t mac[6])
{
	const uint32_t high =
		(uint32_t)mac[0] << 24 | (uint32_t)mac[1] << 16 | (uint32_t)mac[2] << 8 | mac[3];
	const uint32_t low = (uint32_t)mac[4] << 8 | mac[5];
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 4, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 7),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, 5),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = {.len = sizeof(insns) / sizeof(insns[0]), .filter = insns};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return -errno;
	return 0;
}

static int set_int(int fd, int option, int value)
{
	return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* As many slots as there is memory for, by halves. */
static int open_rx_ring(struct ring_link *r, uint32_t slots)
{
	struct ring_config cfg = {.version = 2, .block_size = 1 << 16};
	uint32_t slot = 1;
	int ret;

	cfg.snaplen = ETH_HDR_LEN + ETH_TAG_LEN + r->link.mtu;
	while (slot < RING_V2_OVERHEAD + cfg.snaplen)
		slot *= 2;
	if (cfg.block_size < slot)
		cfg.block_size = slot;
	for (;;) {
		cfg.block_count =
			(uint32_t)(((uint64_t)slots * slot + cfg.block_size - 1) / cfg.block_size);
		ret = ring_open(r->link.fd, &cfg, &r->rx);
		if (ret != -ENOMEM || slots / 2 < SLOTS_MIN)
			break;
		slots /= 2;
	}
	r->link.slots = slots;
	return ret;
}

static int bind_to(int fd, unsigned int ifindex, uint16_t ethertype)
{
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_protocol = htons(ethertype),
				  .sll_ifindex = (int)ifindex};

	return bind(fd, (struct sockaddr *)&sll, sizeof(sll)) < 0 ? -errno : 0;
}

static int open_rx(struct ring_link *r, const struct link_config *cfg)
{
	int ret = netns_socket(cfg->netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (ret < 0)
		return ret;
	r->link.fd = ret;
	ret = attach_filter(r->link.fd, r->link.mac);
	if (ret == 0)
		ret = set_int(r->link.fd, PACKET_COPY_THRESH, COPY_THRESHOLD);
	if (ret == 0)
		ret = set_int(r->link.fd, PACKET_IGNORE_OUTGOING, 1);
	if (ret == 0)
		ret = open_rx_ring(r, cfg->rx_slots ? cfg->rx_slots : RX_SLOTS_USUAL);
	if (ret == 0)
		ret = bind_to(r->link.fd, r->link.ifindex, ETH_P_ALL);
	if (ret < 0) {
		ring_close(r->rx);
		close(r->link.fd);
	}
	return ret;
}

/* The copy that the kernel has queued beside the truncated frame in the ring. */
static void fetch_whole(struct ring_link *r, struct link_frame *f)
{
	ssize_t got = -1;

	r->sums.rx_superframes++;
	if (!r->whole)
		r->whole = malloc(SUPERFRAME_MAX);
	if (r->whole)
		got = recv(r->link.fd, r->whole, SUPERFRAME_MAX, MSG_DONTWAIT);
	if (got != (ssize_t)f->meta.wirelen) {
		r->sums.rx_truncated++;
		return;
	}
	f->bytes = r->whole;
	f->meta.caplen = f->meta.wirelen;
}

static int ring_rx(struct link *l, struct link_frame *out)
{
	struct ring_link *r = of(l);
	struct ring_frame f;

	if (!ring_next(r->rx, &f))
		return 0;
	r->sums.rx_frames++;
	out->bytes = f.bytes;
	out->meta = f.meta;
	if (f.meta.caplen < f.meta.wirelen)
		fetch_whole(r, out);
	return 1;
}

/* --- sending through a ring --- */

static struct tpacket2_hdr *slot_at(const struct ring_link *r, uint32_t i)
{
	return (struct tpacket2_hdr *)(r->tx_map + (size_t)i * r->slot_size);
}

static int map_tx_ring(struct ring_link *r, uint32_t slots)
{
	struct tpacket_req req = {.tp_block_size = 1 << 16, .tp_frame_size = 1};
	int ret;

	while (req.tp_frame_size < TX_DATA + ETH_HDR_LEN + r->link.mtu)
		req.tp_frame_size *= 2;
	if (req.tp_block_size < req.tp_frame_size)
		req.tp_block_size = req.tp_frame_size;
	ret = set_int(r->tx_fd, PACKET_VERSION, TPACKET_V2);
	if (ret ==
	    0) /* a frame it does not like is dropped; without this it would stay, and block */
		ret = set_int(r->tx_fd, PACKET_LOSS, 1);
	while (ret == 0) {
		req.tp_block_nr =
			(uint32_t)(((uint64_t)slots * req.tp_frame_size + req.tp_block_size - 1) /
				   req.tp_block_size);
		req.tp_frame_nr = req.tp_block_size / req.tp_frame_size * req.tp_block_nr;
		if (setsockopt(r->tx_fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)) == 0)
			break;
		if (errno != ENOMEM || slots / 2 < SLOTS_MIN)
			return -errno;
		slots /= 2;
	}
	if (ret < 0)
		return ret;
	r->slot_size = req.tp_frame_size;
	r->slots = req.tp_frame_nr;
	r->tx_map_len = (size_t)req.tp_block_size * req.tp_block_nr;
	r->tx_map = mmap(NULL, r->tx_map_len, PROT_READ | PROT_WRITE, MAP_SHARED, r->tx_fd, 0);
	if (r->tx_map != MAP_FAILED)
		return 0;
	r->tx_map = NULL;
	return -errno;
}

static int note_sent(struct ring_link *r)
{
	r->sums.tx_syscalls++;
	r->sums.tx_frames += r->pending;
	r->pending = 0;
	return 0;
}

static int ring_flush(struct link *l)
{
	struct ring_link *r = of(l);

	if (!r->pending)
		return 0;
	/*
	 * Without waiting: what the kernel cannot take now stays in its slot and leaves with the
	 * next call.
	 */
	if (send(r->tx_fd, NULL, 0, MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != ENOBUFS &&
	    errno != EINTR)
		return -errno;
	return note_sent(r);
}

static uint8_t *ring_reserve(struct link *l, size_t len)
{
	struct ring_link *r = of(l);
	struct tpacket2_hdr *hdr = slot_at(r, r->head);
	uint32_t status = __atomic_load_n(&hdr->tp_status, __ATOMIC_ACQUIRE);

	assert(len <= r->slot_size - TX_DATA);
	if (status == TP_STATUS_SEND_REQUEST || status == TP_STATUS_SENDING) {
		ring_flush(l);
		/* Perhaps nothing was pending: an earlier call may not have been taken in full. */
		(void)send(r->tx_fd, NULL, 0, MSG_DONTWAIT);
		status = __atomic_load_n(&hdr->tp_status, __ATOMIC_ACQUIRE);
	}
	if (status == TP_STATUS_AVAILABLE)
		return (uint8_t *)hdr + TX_DATA;
	r->sums.tx_no_room++;
	return NULL;
}

static void ring_commit(struct link *l, size_t len)
{
	struct ring_link *r = of(l);
	struct tpacket2_hdr *hdr = slot_at(r, r->head);

	hdr->tp_len = (uint32_t)len;
	__atomic_store_n(&hdr->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	r->head = r->head + 1 == r->slots ? 0 : r->head + 1;
	if (++r->pending == TX_BATCH)
		ring_flush(l);
}

/* --- sending with sendmmsg --- */

static int make_buffers(struct ring_link *r)
{
	r->slot_size = ETH_HDR_LEN + r->link.mtu;
	r->tx_map = malloc((size_t)r->slot_size * TX_BATCH);
	r->msgs = calloc(TX_BATCH, sizeof(*r->msgs));
	r->iovs = calloc(TX_BATCH, sizeof(*r->iovs));
	if (!r->tx_map || !r->msgs || !r->iovs)
		return -ENOMEM;
	for (size_t i = 0; i < TX_BATCH; i++) {
		r->iovs[i].iov_base = r->tx_map + i * r->slot_size;
		r->msgs[i].msg_hdr = (struct msghdr){.msg_iov = &r->iovs[i], .msg_iovlen = 1};
	}
	return 0;
}

static int mmsg_flush(struct link *l)
{
	struct ring_link *r = of(l);
	uint32_t done = 0;

	while (done < r->pending) {
		int n = sendmmsg(r->tx_fd, r->msgs + done, r->pending - done, MSG_DONTWAIT);

		r->sums.tx_syscalls++;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENETDOWN || errno == ENXIO || errno == ENODEV)) {
			r->pending = 0;
			return -ENETDOWN;
		}
		if (n <= 0) {
			r->sums.tx_refused++; /* this one is lost, as on any wire; the rest is not
					       */
			done++;
			continue;
		}
		r->sums.tx_frames += (uint32_t)n;
		done += (uint32_t)n;
	}
	r->pending = 0;
	return 0;
}

static uint8_t *mmsg_reserve(struct link *l, size_t len)
{
	struct ring_link *r = of(l);

	assert(len <= r->slot_size);
	return r->iovs[r->pending].iov_base;
}

static void mmsg_commit(struct link *l, size_t len)
{
	struct ring_link *r = of(l);

	r->iovs[r->pending].iov_len = len;
	if (++r->pending == TX_BATCH)
		mmsg_flush(l);
}

/* --- both --- */

static int open_tx(struct ring_link *r, const struct link_config *cfg)
{
	int ret = netns_socket(cfg->netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (ret < 0)
		return ret;
	r->tx_fd = ret;
	ret = 0;
	if (!cfg->keep_queueing)
		ret = set_int(r->tx_fd, PACKET_QDISC_BYPASS, 1);
	if (ret == 0)
		ret = cfg->tx_sendmmsg
			      ? make_buffers(r)
			      : map_tx_ring(r, cfg->tx_slots ? cfg->tx_slots : TX_SLOTS_USUAL);
	if (ret == 0) /* protocol 0: it never receives */
		ret = bind_to(r->tx_fd, r->link.ifindex, 0);
	return ret;
}

static int ring_stats_of(struct link *l, struct link_stats *out)
{
	struct ring_link *r = of(l);
	struct ring_stats rx;
	int ret = ring_stats(r->rx, &rx);

	*out = r->sums;
	out->rx_drops = rx.drops;
	return ret;
}

static void free_tx(struct ring_link *r)
{
	if (r->tx_map && r->tx_map_len)
		munmap(r->tx_map, r->tx_map_len);
	else
		free(r->tx_map);
	free(r->msgs);
	free(r->iovs);
	if (r->tx_fd >= 0)
		close(r->tx_fd);
}

static void ring_link_close(struct link *l)
{
	struct ring_link *r = of(l);

	(void)l->ops->flush(l);
	free_tx(r);
	ring_close(r->rx);
	close(r->link.fd);
	free(r->whole);
	free(r);
}

int link_ring_open(const struct link_config *cfg, struct link **out)
{
	static const struct link_ops ring_ops = {"ring",	 ring_rx,    ring_reserve,
						 ring_commit,	 ring_flush, ring_stats_of,
						 ring_link_close};
	static const struct link_ops mmsg_ops = {"sendmmsg",	 ring_rx,    mmsg_reserve,
						 mmsg_commit,	 mmsg_flush, ring_stats_of,
						 ring_link_close};
	struct ring_link *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return -ENOMEM;
	r->tx_fd = -1;
	r->link.ops = cfg->tx_sendmmsg ? &mmsg_ops : &ring_ops;
	ret = link_check(cfg->netns_fd, cfg->ifindex, &r->link, NULL);
	if (ret < 0)
		goto err_free;
	if (cfg->own_mac && r->link.any_mac)
		link_own_mac(r->link.mac);
	ret = open_rx(r, cfg);
	if (ret < 0)
		goto err_free;
	ret = open_tx(r, cfg);
	if (ret < 0)
		goto err_tx;
	*out = &r->link;
	return 0;

err_tx:
	free_tx(r);
	ring_close(r->rx);
	close(r->link.fd);
err_free:
	free(r);
	return ret;
}
