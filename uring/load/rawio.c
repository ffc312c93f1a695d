/* SPDX-License-Identifier: MIT */
/* rawio.c - packet rings for a load generator */
#include "rawio.h"

#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/ipv6.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TX_SLOT = 2048,
	TX_SLOTS = 16 * RAWIO_BATCH,
	TX_BLOCK = 64 << 10,
	TX_HDR = TPACKET2_HDRLEN - sizeof(struct sockaddr_ll), /* where the kernel reads from */
};

/* 8192 slots: a burst of that many answers can wait for us. */
static const struct ring_config RX_CONFIG = {
	.version = 2, .block_size = 256 << 10, .block_count = 64, .snaplen = RAWIO_FRAME_MAX + 4};

struct rawio {
	int rx_fd, tx_fd;
	struct ring *rx;
	uint8_t *tx;
	uint32_t next;	 /* slot to fill */
	uint32_t queued; /* slots filled since the last flush */
	bool stalled;	 /* the kernel left some of them for the next one */
	struct rawio_where where;
};

static int describe(struct rawio *io, unsigned int ifindex)
{
	struct ifreq req = {.ifr_ifindex = (int)ifindex};

	if (ioctl(io->rx_fd, SIOCGIFNAME, &req) < 0)
		return -errno;
	memcpy(io->where.ifname, req.ifr_name, sizeof(io->where.ifname));
	if (ioctl(io->rx_fd, SIOCGIFHWADDR, &req) < 0)
		return -errno;
	if (req.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return -EPROTONOSUPPORT;
	memcpy(io->where.mac, req.ifr_hwaddr.sa_data, sizeof(io->where.mac));
	if (ioctl(io->rx_fd, SIOCGIFMTU, &req) < 0)
		return -errno;
	io->where.mtu = (unsigned int)req.ifr_mtu;
	return 0;
}

static int set_packet_option(int fd, int name, int value)
{
	return setsockopt(fd, SOL_PACKET, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* @protocol 0 receives nothing. An interface that is down is told by the socket's error. */
static int bind_to(int fd, unsigned int ifindex, uint16_t protocol)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET,
				   .sll_protocol = htons(protocol),
				   .sll_ifindex = (int)ifindex};
	int err = 0;
	socklen_t len = sizeof(err);

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

/*
 * Fragments and IPv6 extension headers are not followed: what is spoken to on the link sends none.
 * Jumps go to ACCEPT and REJECT, the last two instructions.
 */
static int attach_filter(int fd, const struct rawio_filter *want)
{
	uint32_t port_off = want->from ? 0 : 2;
	struct sock_filter insns[] = {
		/*  0 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		/*  1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHTYPE_ARP, 12, 0),
		/*  2 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHTYPE_IPV6, 6, 0),
		/*  3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHTYPE_IPV4, 0, 9),
		/*  4 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETH_HDR_LEN + 9),
		/*  5 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 7),
		/*  6 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, ETH_HDR_LEN),
		/*  7 */ BPF_STMT(BPF_LD | BPF_H | BPF_IND, ETH_HDR_LEN + port_off),
		/*  8 */ BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
		/*  9 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETH_HDR_LEN + 6),
		/* 10 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 3, 0),
		/* 11 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, ETH_HDR_LEN + IPV6_HDR_LEN + port_off),
		/* 12 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, want->port, 1, 0),
		/* 13: REJECT */ BPF_STMT(BPF_RET | BPF_K, 0),
		/* 14: ACCEPT */ BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog prog = {.len = sizeof(insns) / sizeof(insns[0]), .filter = insns};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

static int open_rx(struct rawio *io, unsigned int ifindex, const struct rawio_filter *filter)
{
	int rc = attach_filter(io->rx_fd, filter);

	if (rc < 0)
		return rc;
	rc = set_packet_option(io->rx_fd, PACKET_IGNORE_OUTGOING, 1);
	if (rc < 0)
		return rc;
	rc = ring_open(io->rx_fd, &RX_CONFIG, &io->rx);
	if (rc < 0)
		return rc;
	rc = bind_to(io->rx_fd, ifindex, ETH_P_ALL);
	if (rc < 0)
		ring_close(io->rx);
	return rc;
}

static int open_tx(struct rawio *io, unsigned int ifindex)
{
	struct tpacket_req req = {.tp_block_size = TX_BLOCK,
				  .tp_block_nr = TX_SLOTS * TX_SLOT / TX_BLOCK,
				  .tp_frame_size = TX_SLOT,
				  .tp_frame_nr = TX_SLOTS};
	int rc = set_packet_option(io->tx_fd, PACKET_VERSION, TPACKET_V2);

	if (rc == 0)
		rc = set_packet_option(io->tx_fd, PACKET_VNET_HDR, 1);
	if (rc == 0)
		rc = set_packet_option(io->tx_fd, PACKET_QDISC_BYPASS, 1);
	if (rc < 0)
		return rc;
	if (setsockopt(io->tx_fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)) < 0)
		return -errno;
	io->tx = mmap(NULL, (size_t)TX_SLOTS * TX_SLOT, PROT_READ | PROT_WRITE, MAP_SHARED,
		      io->tx_fd, 0);
	if (io->tx == MAP_FAILED)
		return -errno;
	rc = bind_to(io->tx_fd, ifindex, 0);
	if (rc < 0)
		munmap(io->tx, (size_t)TX_SLOTS * TX_SLOT);
	return rc;
}

int rawio_open(int netns_fd, unsigned int ifindex, const struct rawio_filter *filter,
	       struct rawio **out)
{
	struct rawio *io = calloc(1, sizeof(*io));
	int rc;

	if (!io)
		return -ENOMEM;
	rc = io->rx_fd = netns_socket(netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (rc < 0)
		goto err_free;
	rc = io->tx_fd = netns_socket(netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (rc < 0)
		goto err_rx_fd;
	rc = describe(io, ifindex);
	if (rc < 0)
		goto err_tx_fd;
	rc = open_rx(io, ifindex, filter);
	if (rc < 0)
		goto err_tx_fd;
	rc = open_tx(io, ifindex);
	if (rc < 0)
		goto err_rx;
	*out = io;
	return 0;

err_rx:
	ring_close(io->rx);
err_tx_fd:
	close(io->tx_fd);
err_rx_fd:
	close(io->rx_fd);
err_free:
	free(io);
	return rc;
}

void rawio_close(struct rawio *io)
{
	if (!io)
		return;
	munmap(io->tx, (size_t)TX_SLOTS * TX_SLOT);
	ring_close(io->rx);
	close(io->tx_fd);
	close(io->rx_fd);
	free(io);
}

const struct rawio_where *rawio_where(const struct rawio *io)
{
	return &io->where;
}

int rawio_next(struct rawio *io, struct ring_frame *f)
{
	return ring_next(io->rx, f);
}

/* Kernel ABI structure at the head of each slot; see packet_mmap in the kernel's documentation. */
static struct tpacket2_hdr *slot_header(const struct rawio *io, uint32_t slot)
{
	return (struct tpacket2_hdr *)(io->tx + (size_t)slot * TX_SLOT);
}

uint8_t *rawio_room(struct rawio *io)
{
	struct tpacket2_hdr *hdr = slot_header(io, io->next);

	if (io->queued == RAWIO_BATCH ||
	    __atomic_load_n(&hdr->tp_status, __ATOMIC_ACQUIRE) != TP_STATUS_AVAILABLE)
		return NULL;
	return (uint8_t *)hdr + TX_HDR + sizeof(struct virtio_net_hdr);
}

void rawio_commit(struct rawio *io, size_t len)
{
	struct tpacket2_hdr *hdr = slot_header(io, io->next);
	struct virtio_net_hdr vnet = {.hdr_len = (uint16_t)len};

	assert(len <= RAWIO_FRAME_MAX && io->queued < RAWIO_BATCH);
	memcpy((uint8_t *)hdr + TX_HDR, &vnet, sizeof(vnet));
	hdr->tp_len = (uint32_t)(len + sizeof(vnet));
	__atomic_store_n(&hdr->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	io->next = (io->next + 1) % TX_SLOTS;
	io->queued++;
}

int rawio_flush(struct rawio *io)
{
	if (io->queued == 0 && !io->stalled)
		return 0;
	io->queued = 0;
	/* ENOBUFS: the receiver's queue is full. The frame it met stays in its slot, and so do
	 * those behind it. */
	io->stalled = send(io->tx_fd, NULL, 0, MSG_DONTWAIT) < 0;
	if (io->stalled && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
		return -errno;
	return 0;
}

int rawio_wait(struct rawio *io, uint64_t timeout_ns)
{
	struct pollfd fd = {.fd = io->rx_fd, .events = POLLIN};
	struct timespec ts = {.tv_sec = (time_t)(timeout_ns / 1000000000),
			      .tv_nsec = (long)(timeout_ns % 1000000000)};

	if (ppoll(&fd, 1, &ts, NULL) < 0)
		return -errno;
	return fd.revents & POLLERR ? -ENETDOWN : 0;
}

uint64_t rawio_dropped(struct rawio *io)
{
	struct ring_stats st;

	return ring_stats(io->rx, &st) == 0 ? st.drops : 0;
}
