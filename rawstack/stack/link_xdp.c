/* SPDX-License-Identifier: MIT */
/* link_xdp.c - a link over AF_XDP in copy mode: no socket buffer is made for what comes in */
#include "link.h"

#include "../clock.h"
#include "../netlink/netns.h"

#include <assert.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Frames live in one area of chunks, half for receiving and half for sending. Four rings of indices
 * go with it: fill (chunks the kernel may receive into), rx, tx and completion (chunks sent). A
 * program of six instructions hands every frame of queue 0 to the socket; the kernel's stack gets
 * none of them.
 *
 * What it does not have: the ring's metadata. Checksums must be finished, so the other end's
 * offloads must be off, and frames longer than a chunk do not arrive. The interface has one queue,
 * as a veth has.
 *
 * Invariants: a chunk is in exactly one place: fill ring, rx ring or lent; or free list, tx ring or
 * completion ring. Producer and consumer of a ring differ by at most its size.
 */
enum {
	CHUNK = 2048,
	RX_CHUNKS_USUAL = 4096,
	TX_CHUNKS_USUAL = 1024,
	TX_BATCH = 32, /* what one call sends in copy mode */
	KICKS_MAX = 256,
	BUSY_MS = 1000,
};

struct ring_view {
	uint32_t *producer, *consumer;
	void *entries;
	uint32_t mask, local; /* local: our side's index, published later */
	void *map;
	size_t map_len;
};

struct xdp_link {
	struct link link;
	int map_fd, prog_fd, attach_fd;
	uint8_t *area;
	size_t area_len;
	struct ring_view fill, rx, tx, done;
	uint64_t *free; /* chunks to send from */
	uint32_t n_free, pending;
	uint64_t lent, reserved;
	bool has_lent;
	struct link_stats sums;
};

static struct xdp_link *of(struct link *l)
{
	return (struct xdp_link *)l;
}

static int bpf_call(enum bpf_cmd cmd, union bpf_attr *attr)
{
	long rc = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return rc < 0 ? -errno : (int)rc;
}

/* return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS); */
static int load_program(struct xdp_link *x)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4, .max_entries = 1};
	enum { RX_QUEUE_INDEX_AT = 16 }; /* in struct xdp_md */
	struct bpf_insn code[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_W,
		 .dst_reg = 2,
		 .src_reg = 1,
		 .off = RX_QUEUE_INDEX_AT},
		{.code = BPF_LD | BPF_DW,
		 /* immediate */ .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_FD},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int rc = bpf_call(BPF_MAP_CREATE, &attr);

	if (rc < 0)
		return rc;
	x->map_fd = rc;
	code[1].imm = rc;
	attr = (union bpf_attr){.prog_type = BPF_PROG_TYPE_XDP,
				.insn_cnt = sizeof(code) / sizeof(code[0]),
				.insns = (uintptr_t)code,
				.license = (uintptr_t) "MIT"};
	rc = bpf_call(BPF_PROG_LOAD, &attr);
	if (rc < 0)
		return rc;
	x->prog_fd = rc;
	return 0;
}

/* The program stays on the interface for as long as the descriptor of the link is open. */
static int attach(struct xdp_link *x, int netns_fd)
{
	union bpf_attr attr = {.link_create = {.prog_fd = (uint32_t)x->prog_fd,
					       .target_ifindex = x->link.ifindex,
					       .attach_type = BPF_XDP,
					       .flags = XDP_FLAGS_SKB_MODE}};
	int back = -1, rc = netns_fd >= 0 ? netns_enter(netns_fd, &back) : 0;

	if (rc < 0)
		return rc;
	rc = bpf_call(BPF_LINK_CREATE, &attr);
	if (netns_fd >= 0)
		netns_leave(back);
	if (rc < 0)
		return rc;
	x->attach_fd = rc;
	return 0;
}

static int set_xdp(int fd, int option, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_XDP, option, value, len) < 0 ? -errno : 0;
}

static int map_ring(int fd, struct ring_view *v, const struct xdp_ring_offset *off, uint64_t where,
		    uint32_t size, size_t entry)
{
	uint8_t *p;

	v->map_len = off->desc + size * entry;
	p = mmap(NULL, v->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		 (off_t)where);
	if (p == MAP_FAILED)
		return -errno;
	v->map = p;
	v->producer = (uint32_t *)(p + off->producer);
	v->consumer = (uint32_t *)(p + off->consumer);
	v->entries = p + off->desc;
	v->mask = size - 1;
	return 0;
}

static int make_rings(struct xdp_link *x, uint32_t rx, uint32_t tx)
{
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)x->area, .len = x->area_len, .chunk_size = CHUNK};
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	int fd = x->link.fd, rc;

	rc = set_xdp(fd, XDP_UMEM_REG, &reg, sizeof(reg));
	if (rc == 0)
		rc = set_xdp(fd, XDP_UMEM_FILL_RING, &rx, sizeof(rx));
	if (rc == 0)
		rc = set_xdp(fd, XDP_UMEM_COMPLETION_RING, &tx, sizeof(tx));
	if (rc == 0)
		rc = set_xdp(fd, XDP_RX_RING, &rx, sizeof(rx));
	if (rc == 0)
		rc = set_xdp(fd, XDP_TX_RING, &tx, sizeof(tx));
	if (rc == 0 && getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) < 0)
		rc = -errno;
	if (rc == 0)
		rc = map_ring(fd, &x->fill, &off.fr, XDP_UMEM_PGOFF_FILL_RING, rx,
			      sizeof(uint64_t));
	if (rc == 0)
		rc = map_ring(fd, &x->done, &off.cr, XDP_UMEM_PGOFF_COMPLETION_RING, tx,
			      sizeof(uint64_t));
	if (rc == 0)
		rc = map_ring(fd, &x->rx, &off.rx, XDP_PGOFF_RX_RING, rx, sizeof(struct xdp_desc));
	if (rc == 0)
		rc = map_ring(fd, &x->tx, &off.tx, XDP_PGOFF_TX_RING, tx, sizeof(struct xdp_desc));
	return rc;
}

static void give_chunk(struct xdp_link *x, uint64_t chunk)
{
	((uint64_t *)x->fill.entries)[x->fill.local++ & x->fill.mask] = chunk;
	__atomic_store_n(x->fill.producer, x->fill.local, __ATOMIC_RELEASE);
}

static int make_area(struct xdp_link *x, uint32_t rx, uint32_t tx)
{
	x->area_len = (size_t)(rx + tx) * CHUNK;
	x->area =
		mmap(NULL, x->area_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (x->area == MAP_FAILED) {
		x->area = NULL;
		return -errno;
	}
	x->free = malloc(tx * sizeof(*x->free));
	if (!x->free)
		return -ENOMEM;
	for (uint32_t i = 0; i < tx; i++)
		x->free[x->n_free++] = (uint64_t)(rx + i) * CHUNK;
	return 0;
}

static int xdp_rx(struct link *l, struct link_frame *out)
{
	struct xdp_link *x = of(l);
	const struct xdp_desc *d;

	if (x->has_lent) {
		give_chunk(x, x->lent);
		x->has_lent = false;
	}
	if (x->rx.local == __atomic_load_n(x->rx.producer, __ATOMIC_ACQUIRE))
		return 0;
	d = &((const struct xdp_desc *)x->rx.entries)[x->rx.local & x->rx.mask];
	x->lent = d->addr / CHUNK * CHUNK;
	x->has_lent = true;
	*out = (struct link_frame){.bytes = x->area + d->addr,
				   .meta = {.caplen = d->len, .wirelen = d->len}};
	x->rx.local++;
	__atomic_store_n(x->rx.consumer, x->rx.local, __ATOMIC_RELEASE);
	x->sums.rx_frames++;
	return 1;
}

static void reap(struct xdp_link *x)
{
	uint32_t end = __atomic_load_n(x->done.producer, __ATOMIC_ACQUIRE);

	while (x->done.local != end)
		x->free[x->n_free++] =
			((const uint64_t *)x->done.entries)[x->done.local++ & x->done.mask];
	__atomic_store_n(x->done.consumer, x->done.local, __ATOMIC_RELEASE);
}

/* A call takes TX_BATCH frames at most and says EAGAIN when there are more. */
static int xdp_flush(struct link *l)
{
	struct xdp_link *x = of(l);
	ssize_t rc = 0;

	if (!x->pending)
		return 0;
	__atomic_store_n(x->tx.producer, x->tx.local, __ATOMIC_RELEASE);
	for (int i = 0; i < KICKS_MAX; i++) {
		rc = sendto(l->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		x->sums.tx_syscalls++;
		if (rc == 0 || (errno != EAGAIN && errno != EBUSY))
			break;
	}
	x->sums.tx_frames += x->pending;
	x->pending = 0;
	return rc < 0 && errno != EAGAIN && errno != EBUSY && errno != ENOBUFS ? -errno : 0;
}

static uint8_t *xdp_reserve(struct link *l, size_t len)
{
	struct xdp_link *x = of(l);

	assert(len <= CHUNK);
	if (!x->n_free)
		reap(x);
	if (!x->n_free) {
		xdp_flush(l);
		reap(x);
	}
	if (!x->n_free) {
		x->sums.tx_no_room++;
		return NULL;
	}
	x->reserved = x->free[x->n_free - 1];
	return x->area + x->reserved;
}

static void xdp_commit(struct link *l, size_t len)
{
	struct xdp_link *x = of(l);

	x->n_free--;
	((struct xdp_desc *)x->tx.entries)[x->tx.local++ & x->tx.mask] =
		(struct xdp_desc){.addr = x->reserved, .len = (uint32_t)len};
	if (++x->pending == TX_BATCH)
		xdp_flush(l);
}

static int xdp_stats(struct link *l, struct link_stats *out)
{
	struct xdp_statistics st;
	socklen_t len = sizeof(st);

	*out = of(l)->sums;
	if (getsockopt(l->fd, SOL_XDP, XDP_STATISTICS, &st, &len) < 0)
		return -errno;
	out->rx_drops = st.rx_dropped + st.rx_ring_full + st.rx_fill_ring_empty_descs;
	out->tx_refused = st.tx_invalid_descs;
	return 0;
}

static void unmap(struct ring_view *v)
{
	if (v->map)
		munmap(v->map, v->map_len);
}

static void xdp_close(struct link *l)
{
	struct xdp_link *x = of(l);
	const int fds[] = {x->attach_fd, x->prog_fd, x->map_fd, x->link.fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	unmap(&x->fill);
	unmap(&x->done);
	unmap(&x->rx);
	unmap(&x->tx);
	if (x->area)
		munmap(x->area, x->area_len);
	free(x->free);
	free(x);
}

/*
 * The kernel frees a queue some time after the socket on it was closed: right after a predecessor's
 * end it is still busy, and there is nothing to wait on but the call itself.
 */
static int bind_when_free(int fd, const struct sockaddr_xdp *sx)
{
	uint64_t limit = clock_ns(CLOCK_MONOTONIC) + (uint64_t)BUSY_MS * NS_PER_MS;

	while (bind(fd, (const struct sockaddr *)sx, sizeof(*sx)) < 0) {
		if (errno != EBUSY || clock_ns(CLOCK_MONOTONIC) > limit)
			return -errno;
		poll(NULL, 0, 1);
	}
	return 0;
}

static int start(struct xdp_link *x, const struct link_config *cfg)
{
	struct sockaddr_xdp sx = {
		.sxdp_family = AF_XDP, .sxdp_ifindex = x->link.ifindex, .sxdp_flags = XDP_COPY};
	uint32_t rx = cfg->rx_slots ? cfg->rx_slots : RX_CHUNKS_USUAL;
	uint32_t tx = cfg->tx_slots ? cfg->tx_slots : TX_CHUNKS_USUAL;
	uint32_t queue = 0;
	union bpf_attr attr;
	int rc;

	if (rx & (rx - 1) || tx & (tx - 1) || x->link.mtu + ETH_HDR_LEN > CHUNK)
		return -EINVAL;
	rc = netns_socket(cfg->netns_fd, AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (rc < 0)
		return rc;
	x->link.fd = rc;
	x->link.slots = rx;
	/* The program first: without the right to it, the area would fail for a limit on memory. */
	rc = load_program(x);
	if (rc == 0)
		rc = make_area(x, rx, tx);
	if (rc == 0)
		rc = make_rings(x, rx, tx);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < rx; i++)
		give_chunk(x, (uint64_t)i * CHUNK);
	rc = bind_when_free(x->link.fd, &sx);
	if (rc < 0)
		return rc;
	attr = (union bpf_attr){.map_fd = (uint32_t)x->map_fd,
				.key = (uintptr_t)&queue,
				.value = (uintptr_t)&x->link.fd};
	rc = bpf_call(BPF_MAP_UPDATE_ELEM, &attr);
	return rc < 0 ? rc : attach(x, cfg->netns_fd);
}

int link_xdp_open(const struct link_config *cfg, struct link **out)
{
	static const struct link_ops ops = {"xdp",     xdp_rx,	  xdp_reserve, xdp_commit,
					    xdp_flush, xdp_stats, xdp_close};
	struct xdp_link *x = calloc(1, sizeof(*x));
	int rc;

	if (!x)
		return -ENOMEM;
	x->map_fd = x->prog_fd = x->attach_fd = x->link.fd = -1;
	x->link.ops = &ops;
	rc = link_check(cfg->netns_fd, cfg->ifindex, &x->link, NULL);
	if (rc == 0)
		rc = start(x, cfg);
	if (rc < 0) {
		xdp_close(&x->link);
		return rc;
	}
	*out = &x->link;
	return 0;
}
