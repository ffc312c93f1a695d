/* SPDX-License-Identifier: MIT */
/* tap.c - opens, proves, stops and closes one witness post */
#include "tap.h"

#include "../netlink/netns.h"
#include "../wire/span.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Two sockets: fd receives through the ring, tx_fd sends canaries. A frame sent on fd itself would
 * not be shown to it. tx_fd is made when opening, because after that the process may have given up
 * CAP_NET_RAW, and stays open, because closing a packet socket waits for a grace period (~15 ms).
 *
 * Invariant: stopped and down never go back to false.
 */
/* IEEE 802 local experimental 2: the filter rejects it as well. */
enum { ETHERTYPE_UNUSED = 0x88b6 };

enum {
	CANARY_LEN = 60, /* shortest Ethernet frame, without its checksum */
	CANARY_TYPE_OFF = 12,
	CANARY_MAGIC_OFF = 14,
	CANARY_NONCE_OFF = 18,
	CANARY_END = 26, /* the rest is padding */
};

struct tap {
	int fd;
	int tx_fd;
	struct ring *ring;
	struct tap_where where;
	bool stopped;
	bool down;
};

static uint64_t inode_of(int netns_fd)
{
	uint64_t inode;
	int self;

	if (netns_fd >= 0)
		return netns_inode(netns_fd);
	self = netns_open_self();
	if (self < 0)
		return 0;
	inode = netns_inode(self);
	close(self);
	return inode;
}

/* Asks through @fd, because that lives in the interface's namespace and the caller may not. */
static int find_interface(int fd, unsigned int ifindex, struct tap_where *where)
{
	struct ifreq req = {.ifr_ifindex = (int)ifindex};

	if (ioctl(fd, SIOCGIFNAME, &req) < 0)
		return -errno;
	memcpy(where->ifname, req.ifr_name, sizeof(where->ifname));
	where->ifindex = ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &req) < 0)
		return -errno;
	if (req.ifr_hwaddr.sa_family != ARPHRD_ETHER && req.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
		return -EPROTONOSUPPORT;
	memcpy(where->mac, req.ifr_hwaddr.sa_data, sizeof(where->mac));
	if (ioctl(fd, SIOCGIFMTU, &req) < 0)
		return -errno;
	where->mtu = (unsigned int)req.ifr_mtu;
	if (ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return -errno;
	where->loopback = req.ifr_flags & IFF_LOOPBACK;
	return 0;
}

static int attach_filter(int fd, const struct filter_spec *spec, bool lock)
{
	struct sock_filter insns[FILTER_INSNS_MAX];
	struct sock_fprog prog = {.filter = insns};
	int one = 1;
	int len = filter_generate(spec, insns, FILTER_INSNS_MAX);

	if (len < 0)
		return len;
	prog.len = (unsigned short)len;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return -errno;
	if (lock && setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)) < 0)
		return -errno;
	return 0;
}

/* On lo each frame would be shown twice, when it is sent and when it is received. Elsewhere the
 * sent ones are the other direction. */
static int ignore_outgoing_on_loopback(const struct tap *t)
{
	int one = 1;

	if (!t->where.loopback)
		return 0;
	if (setsockopt(t->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0)
		return -errno;
	return 0;
}

static struct sockaddr_ll address_of(const struct tap *t, uint16_t ethertype)
{
	return (struct sockaddr_ll){.sll_family = AF_PACKET,
				    .sll_protocol = htons(ethertype),
				    .sll_ifindex = (int)t->where.ifindex,
				    .sll_halen = sizeof(t->where.mac)};
}

static int bind_to(const struct tap *t, uint16_t ethertype)
{
	struct sockaddr_ll addr = address_of(t, ethertype);

	return bind(t->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

/* Fetches and clears the socket's error; the kernel reports ENETDOWN here, once. */
static int take_socket_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? -errno : -err;
}

/* From the bind on frames arrive, so this is the last step. */
static int start(const struct tap *t)
{
	int ret = bind_to(t, ETH_P_ALL);

	/* On an interface that is down bind() succeeds and leaves ENETDOWN behind. */
	return ret < 0 ? ret : take_socket_error(t->fd);
}

int tap_open(const struct tap_config *cfg, struct tap **out)
{
	struct tap *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return -ENOMEM;
	ret = t->fd = netns_socket(cfg->netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (ret < 0)
		goto err_free;
	ret = t->tx_fd = netns_socket(cfg->netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (ret < 0)
		goto err_fd;
	ret = find_interface(t->fd, cfg->ifindex, &t->where);
	if (ret < 0)
		goto err_tx_fd;
	t->where.netns_inode = inode_of(cfg->netns_fd);
	ret = attach_filter(t->fd, &cfg->filter, cfg->lock_filter);
	if (ret < 0)
		goto err_tx_fd;
	ret = ring_open(t->fd, &cfg->ring, &t->ring);
	if (ret < 0)
		goto err_tx_fd;
	ret = ignore_outgoing_on_loopback(t);
	if (ret < 0)
		goto err_ring;
	ret = start(t);
	if (ret < 0)
		goto err_ring;
	*out = t;
	return 0;

err_ring:
	ring_close(t->ring);
err_tx_fd:
	close(t->tx_fd);
err_fd:
	close(t->fd);
err_free:
	free(t);
	return ret;
}

int tap_fd(const struct tap *t)
{
	return t->fd;
}

int tap_next(struct tap *t, struct ring_frame *out)
{
	return ring_next(t->ring, out);
}

int tap_send_canary(struct tap *t, uint64_t nonce, const uint8_t *dst_mac)
{
	struct sockaddr_ll addr = address_of(t, ETHTYPE_LOCAL1);
	uint8_t frame[CANARY_LEN] = {0};
	ssize_t sent;

	memcpy(frame, dst_mac ? dst_mac : t->where.mac, sizeof(t->where.mac));
	memcpy(frame + sizeof(t->where.mac), t->where.mac, sizeof(t->where.mac));
	put_be16(frame + CANARY_TYPE_OFF, ETHTYPE_LOCAL1);
	put_be32(frame + CANARY_MAGIC_OFF, TAP_CANARY_MAGIC);
	put_be32(frame + CANARY_NONCE_OFF, (uint32_t)(nonce >> 32));
	put_be32(frame + CANARY_NONCE_OFF + 4, (uint32_t)nonce);
	sent = sendto(t->tx_fd, frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&addr,
		      sizeof(addr));
	return sent < 0 ? -errno : 0;
}

bool tap_is_canary(const struct ring_frame *f, uint64_t *nonce)
{
	const uint8_t *b = f->bytes;

	if (f->meta.caplen < CANARY_END || get_be16(b + CANARY_TYPE_OFF) != ETHTYPE_LOCAL1 ||
	    get_be32(b + CANARY_MAGIC_OFF) != TAP_CANARY_MAGIC)
		return false;
	*nonce =
		(uint64_t)get_be32(b + CANARY_NONCE_OFF) << 32 | get_be32(b + CANARY_NONCE_OFF + 4);
	return true;
}

int tap_stop(struct tap *t)
{
	int ret;

	if (t->stopped)
		return 0;
	/* Not protocol 0: the kernel takes that as "keep the old one". */
	ret = bind_to(t, ETHERTYPE_UNUSED);
	if (ret == -ENODEV)
		t->down = true; /* the interface is gone, and took our hook on it along */
	else if (ret < 0)
		return ret;
	t->stopped = true;
	return 0;
}

const struct tap_where *tap_where(const struct tap *t)
{
	return &t->where;
}

int tap_stats(struct tap *t, struct ring_stats *out)
{
	return ring_stats(t->ring, out);
}

int tap_went_down(struct tap *t)
{
	if (take_socket_error(t->fd) == -ENETDOWN)
		t->down = true;
	return t->down;
}

void tap_close(struct tap *t)
{
	if (!t)
		return;
	ring_close(t->ring);
	close(t->tx_fd);
	close(t->fd);
	free(t);
}
