/* SPDX-License-Identifier: MIT */
/* ring.c - walks a TPACKET_V3 or V2 receive ring and accounts for every frame */
#include "ring.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The mapping is an array of units of equal size; a unit changes hands as a whole. In V3 a unit is
 * a block of many frames. In V2 it is a slot with one frame; slots are powers of two, so they fill
 * a block without a rest and can be addressed without knowing about blocks.
 *
 * The word that says who owns a unit is the only memory both sides write: it is loaded with acquire
 * (then the kernel's writes to the unit are visible) and stored with release (then our reads of it
 * are over). Everything else in a unit is plain memory while we own it.
 *
 * Invariant: owned says whether we own the unit at index unit. frames_left > 0 only while owned, in
 * V3, and then next_frame points at the next header in it.
 *
 * Limits: RING_BYTES_MAX of memory. It is the kernel's and not charged to RLIMIT_MEMLOCK;
 * MAP_LOCKED would be, and gains nothing.
 */
enum {
	RING_BYTES_MAX = 1 << 30,
	V3_FRAME_SIZE = 2048, /* the kernel wants one that divides the block, and ignores it */
};

/* Linux 6.3 and later; not in older headers. */
enum { STATUS_GSO_TCP = 1 << 8 };

static const uint64_t ns_per_s = 1000000000;

const struct ring_config RING_CONFIG_SMALL = {
	.version = 3, .block_size = 16 << 10, .block_count = 128, .retire_ms = 1, .snaplen = 192};
const struct ring_config RING_CONFIG_LARGE = {
	.version = 3, .block_size = 64 << 10, .block_count = 1024, .retire_ms = 1, .snaplen = 192};
const struct ring_config RING_CONFIG_LIVE = {
	.version = 2, .block_size = 256 << 10, .block_count = 8, .snaplen = 192};

struct ring {
	int fd;
	int version;
	uint8_t *map;
	size_t map_len;
	uint32_t unit_size;
	uint32_t unit_count;
	uint32_t unit;
	bool owned;
	uint32_t frames_left;
	const uint8_t *next_frame;
	uint64_t next_seq; /* V3: sequence number that the next block must have */
	struct ring_stats sums;
};

static size_t config_bytes(const struct ring_config *cfg)
{
	return (size_t)cfg->block_size * cfg->block_count;
}

static uint32_t unit_size_of(const struct ring_config *cfg)
{
	uint32_t size = 1;

	if (cfg->version == 3)
		return cfg->block_size;
	while (size < RING_V2_OVERHEAD + cfg->snaplen)
		size *= 2;
	return size;
}

static bool config_valid(const struct ring_config *cfg)
{
	uint32_t size = cfg->block_size;

	if (cfg->version != 2 && cfg->version != 3)
		return false;
	if (size < (uint32_t)sysconf(_SC_PAGESIZE) || (size & (size - 1)) != 0)
		return false;
	if (cfg->block_count == 0 || config_bytes(cfg) > RING_BYTES_MAX)
		return false;
	if (cfg->version == 3)
		return cfg->retire_ms >= 1;
	return cfg->snaplen <= UINT16_MAX && unit_size_of(cfg) <= size;
}

/* All zero: gives the ring's memory back. */
static int set_rx_ring(int fd, const struct tpacket_req3 *req, int version)
{
	/* The V2 request is a prefix of the V3 one, and its size is how the kernel knows it. */
	socklen_t len = version == 3 ? sizeof(*req) : sizeof(struct tpacket_req);

	return setsockopt(fd, SOL_PACKET, PACKET_RX_RING, req, len) < 0 ? -errno : 0;
}

static int make_ring(int fd, const struct ring_config *cfg)
{
	int version = cfg->version == 3 ? TPACKET_V3 : TPACKET_V2;
	uint32_t frame_size = cfg->version == 3 ? V3_FRAME_SIZE : unit_size_of(cfg);
	struct tpacket_req3 req = {
		.tp_block_size = cfg->block_size,
		.tp_block_nr = cfg->block_count,
		.tp_frame_size = frame_size,
		.tp_frame_nr = (uint32_t)(config_bytes(cfg) / frame_size),
		.tp_retire_blk_tov = cfg->retire_ms,
	};

	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0)
		return -errno;
	return set_rx_ring(fd, &req, cfg->version);
}

int ring_open(int fd, const struct ring_config *cfg, struct ring **out)
{
	static const struct tpacket_req3 nothing;
	struct ring *r;
	int ret;

	if (!config_valid(cfg))
		return -EINVAL;
	r = malloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	*r = (struct ring){.fd = fd, .version = cfg->version, .next_seq = 1};
	r->map_len = config_bytes(cfg);
	r->unit_size = unit_size_of(cfg);
	r->unit_count = (uint32_t)(r->map_len / r->unit_size);

	ret = make_ring(fd, cfg);
	if (ret < 0)
		goto err_free;
	r->map = mmap(NULL, r->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r->map == MAP_FAILED) {
		ret = -errno;
		goto err_ring;
	}
	*out = r;
	return 0;

err_ring:
	set_rx_ring(fd, &nothing, cfg->version);
err_free:
	free(r);
	return ret;
}

/* Kernel ABI structures at fixed, aligned places of the mapping; see packet_mmap in its manual. */
static uint8_t *unit_base(const struct ring *r)
{
	return r->map + (size_t)r->unit * r->unit_size;
}

static uint32_t *unit_status(const struct ring *r)
{
	uint8_t *base = unit_base(r);

	if (r->version == 3)
		return &((struct tpacket_block_desc *)base)->hdr.bh1.block_status;
	return &((struct tpacket2_hdr *)base)->tp_status;
}

/* Gives the unit back that the previous frame came from, if that is still to be done. */
static void release_unit(struct ring *r)
{
	if (!r->owned)
		return;
	__atomic_store_n(unit_status(r), TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	r->owned = false;
	r->unit = r->unit + 1 == r->unit_count ? 0 : r->unit + 1;
}

static bool acquire_unit(struct ring *r)
{
	r->owned = __atomic_load_n(unit_status(r), __ATOMIC_ACQUIRE) & TP_STATUS_USER;
	return r->owned;
}

static uint32_t meta_flags(uint32_t status, const struct sockaddr_ll *from)
{
	uint32_t flags = 0;

	if (status & TP_STATUS_CSUMNOTREADY)
		flags |= FRAME_META_CSUM_NOT_READY;
	if (status & TP_STATUS_CSUM_VALID)
		flags |= FRAME_META_CSUM_VALID;
	if (status & STATUS_GSO_TCP)
		flags |= FRAME_META_GSO_TCP;
	if (status & TP_STATUS_VLAN_VALID)
		flags |= FRAME_META_VLAN;
	if (status & TP_STATUS_VLAN_TPID_VALID)
		flags |= FRAME_META_VLAN_TPID;
	if (from->sll_pkttype == PACKET_OUTGOING)
		flags |= FRAME_META_OUTGOING;
	return flags;
}

/* What both versions say in the same words. @from is the address the kernel put behind a header. */
static void fill_frame(struct ring_frame *out, uint32_t status, const struct sockaddr_ll *from)
{
	out->meta.link = LINK_ETHERNET;
	out->meta.flags = meta_flags(status, from);
	out->meta.protocol = ntohs(from->sll_protocol);
	out->meta.link = LINK_ETHERNET;
	out->ifindex = (uint32_t)from->sll_ifindex;
	if (!(out->meta.flags & FRAME_META_VLAN))
		out->meta.vlan_tci = 0;
	if (!(out->meta.flags & FRAME_META_VLAN_TPID))
		out->meta.vlan_tpid = 0;
}

static void open_block(struct ring *r)
{
	const struct tpacket_block_desc *block = (const void *)unit_base(r);

	if (block->hdr.bh1.seq_num != r->next_seq)
		r->sums.block_gaps++;
	r->next_seq = block->hdr.bh1.seq_num + 1;
	r->frames_left = block->hdr.bh1.num_pkts;
	r->next_frame = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
}

static int next_v3(struct ring *r, struct ring_frame *out)
{
	const struct tpacket3_hdr *hdr;

	while (r->frames_left == 0) {
		release_unit(r);
		if (!acquire_unit(r))
			return 0;
		open_block(r);
	}
	hdr = (const void *)r->next_frame;
	out->bytes = r->next_frame + hdr->tp_mac;
	assert(out->bytes + hdr->tp_snaplen <= unit_base(r) + r->unit_size);
	out->meta.caplen = hdr->tp_snaplen;
	out->meta.wirelen = hdr->tp_len;
	out->meta.vlan_tci = (uint16_t)hdr->hv1.tp_vlan_tci;
	out->meta.vlan_tpid = hdr->hv1.tp_vlan_tpid;
	out->ts_ns = hdr->tp_sec * ns_per_s + hdr->tp_nsec;
	fill_frame(out, hdr->tp_status,
		   (const void *)(r->next_frame + TPACKET_ALIGN(sizeof(*hdr))));
	r->next_frame += hdr->tp_next_offset;
	r->frames_left--;
	return 1;
}

static int next_v2(struct ring *r, struct ring_frame *out)
{
	const struct tpacket2_hdr *hdr;

	release_unit(r);
	if (!acquire_unit(r))
		return 0;
	hdr = (const void *)unit_base(r);
	out->bytes = (const uint8_t *)hdr + hdr->tp_mac;
	assert(hdr->tp_mac + hdr->tp_snaplen <= r->unit_size);
	out->meta.caplen = hdr->tp_snaplen;
	out->meta.wirelen = hdr->tp_len;
	out->meta.vlan_tci = hdr->tp_vlan_tci;
	out->meta.vlan_tpid = hdr->tp_vlan_tpid;
	out->ts_ns = hdr->tp_sec * ns_per_s + hdr->tp_nsec;
	fill_frame(out, hdr->tp_status,
		   (const void *)((const uint8_t *)hdr + TPACKET_ALIGN(sizeof(*hdr))));
	return 1;
}

int ring_next(struct ring *r, struct ring_frame *out)
{
	int got = r->version == 3 ? next_v3(r, out) : next_v2(r, out);

	r->sums.consumed += (uint64_t)got;
	return got;
}

int ring_stats(struct ring *r, struct ring_stats *out)
{
	/* The V2 answer, of 8 bytes, is a prefix of the V3 one. */
	struct tpacket_stats_v3 now = {0};
	socklen_t len = sizeof(now);

	if (getsockopt(r->fd, SOL_PACKET, PACKET_STATISTICS, &now, &len) < 0)
		return -errno;
	r->sums.packets += now.tp_packets;
	r->sums.drops += now.tp_drops;
	r->sums.freezes += now.tp_freeze_q_cnt;
	*out = r->sums;
	return 0;
}

void ring_close(struct ring *r)
{
	if (!r)
		return;
	munmap(r->map, r->map_len);
	free(r);
}
