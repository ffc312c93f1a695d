/* SPDX-License-Identifier: MIT */
/* bypass_open.c - the bypass engine's interface and addresses: what must be true, and is said */
#include "bypass_internal.h"

#include "../rawstack/clock.h"
#include "../rawstack/netlink/netns.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

enum { IPV6_MTU_MIN = 1280, DAD_STEP_MS = 50, DAD_MAX_MS = 15000 };

/* @fmt is what is wrong. Returns @rc. */
static int refuse(struct engine_error *err, int rc, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(struct engine_error *err, int rc, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->what, sizeof(err->what), fmt, ap);
	va_end(ap);
	snprintf(err->remedy, sizeof(err->remedy), "%s", remedy);
	return rc;
}

/* The first or the last of an IPv4 prefix, or no host's address at all. */
static bool names_no_host(const struct engine_link_addr *a)
{
	const uint8_t *v4 = addr_v4(&a->addr);
	uint32_t host, v;

	if (addr_is_any(&a->addr))
		return true;
	if (v4 == NULL)
		return a->addr.b[0] == 0xff || memcmp(a->addr.b, ADDR_ANY6.b, 15) == 0;
	if (v4[0] == 127 || v4[0] == 0 || v4[0] >= 224)
		return true;
	host = a->prefix_len >= 31 ? 0 : UINT32_MAX >> a->prefix_len;
	v = (uint32_t)v4[0] << 24 | (uint32_t)v4[1] << 16 | (uint32_t)v4[2] << 8 | v4[3];
	return host != 0 && ((v & host) == 0 || (v & host) == host);
}

static bool prefix_holds(const struct engine_link_addr *p, const struct addr *a)
{
	unsigned int bits = p->prefix_len + (addr_is_mapped(&p->addr) ? 96U : 0U);

	if (addr_is_mapped(&p->addr) != addr_is_mapped(a))
		return false;
	for (unsigned int i = 0; i < bits; i++) {
		if ((p->addr.b[i / 8] ^ a->b[i / 8]) & 0x80 >> i % 8)
			return false;
	}
	return true;
}

static int check_gateway(const struct engine_link *l, const struct addr *gateway,
			 struct engine_error *err)
{
	char text[ADDR_STRLEN];

	if (addr_is_any(gateway))
		return 0;
	for (int i = 0; i < l->n_addrs; i++) {
		if (prefix_holds(&l->addrs[i], gateway))
			return 0;
	}
	return refuse(err, -EINVAL, "give a gateway that is on the link",
		      "gateway %s is outside every prefix given by --address",
		      addr_print(gateway, ADDR_FORM_INET, text));
}

static int check_addresses(const struct engine_link *l, struct engine_error *err)
{
	char text[ADDR_STRLEN];
	int rc;

	if (l == NULL || l->ifname == NULL || l->n_addrs < 1)
		return refuse(err, -EINVAL,
			      "give -i INTERFACE and --address ADDR/PREFIX: it brings its own "
			      "addresses",
			      "the bypass engine needs an interface and an address");
	for (int i = 0; i < l->n_addrs; i++) {
		addr_print(&l->addrs[i].addr, ADDR_FORM_INET, text);
		if (l->addrs[i].prefix_len > (addr_is_mapped(&l->addrs[i].addr) ? 32 : 128))
			return refuse(err, -EINVAL, "say how long the link's prefix is",
				      "%s/%u: no such prefix", text, l->addrs[i].prefix_len);
		if (names_no_host(&l->addrs[i]))
			return refuse(err, -EINVAL, "choose one of a host inside the link's prefix",
				      "%s/%u is no host's address", text, l->addrs[i].prefix_len);
	}
	rc = check_gateway(l, &l->gateway4, err);
	return rc < 0 ? rc : check_gateway(l, &l->gateway6, err);
}

/* --- the link --- */

static int explain_link(const struct bypass *b, int rc, const struct addr *taken,
			struct engine_error *err)
{
	const char *ifname = b->cfg.link->ifname;
	char text[ADDR_STRLEN];

	switch (rc) {
	case -ENODEV:
		return refuse(err, rc, "`ip link` lists those there are", "no interface %s",
			      ifname);
	case -ENETDOWN:
		return refuse(err, rc, "ip link set up", "%s is down", ifname);
	case -EPROTONOSUPPORT:
		return refuse(err, rc, "use a veth or another Ethernet interface",
			      "%s carries no Ethernet", ifname);
	case -EADDRINUSE:
		return refuse(err, rc,
			      "take an interface without addresses (ip addr flush dev ..., and "
			      "sysctl net.ipv6.conf....disable_ipv6=1)",
			      "the kernel has %s on %s and would answer, too",
			      addr_print(taken, ADDR_FORM_INET, text), ifname);
	case -EPERM:
	case -EACCES:
		if (b->cfg.link->xdp)
			return refuse(err, -EPERM,
				      "run as root (BPF wants that), or say --link ring",
				      "AF_XDP on %s is not permitted", ifname);
		return refuse(err, -EPERM, "run as root, or with CAP_NET_RAW in that namespace",
			      "raw frames on %s are not permitted", ifname);
	case -EINVAL:
		if (b->cfg.link->xdp)
			return refuse(err, rc, "say --link ring, or lower the MTU",
				      "AF_XDP carries an MTU of up to 2034, %s has more", ifname);
		return refuse(err, rc, "", "cannot use %s: %s", ifname, strerror(-rc));
	default:
		return refuse(err, rc, "", "cannot use %s: %s", ifname, strerror(-rc));
	}
}

/* The interface's index, or -errno. */
static int index_in(int netns_fd, const char *ifname)
{
	int fd = netns_socket(netns_fd, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {0};
	int rc;

	if (fd < 0)
		return fd;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", ifname);
	rc = ioctl(fd, SIOCGIFINDEX, &req) == 0 ? req.ifr_ifindex : -errno;
	close(fd);
	return rc;
}

static int open_link(struct bypass *b, struct engine_error *err)
{
	const struct engine_link *l = b->cfg.link;
	struct link_config cfg = {.netns_fd = l->netns_fd,
				  .rx_slots = BYPASS_RX_SLOTS,
				  .tx_sendmmsg = l->sendmmsg,
				  .own_mac = l->own_mac,
				  .keep_queueing = l->keep_queueing};
	struct link probe = {0};
	struct addr taken = ADDR_ANY6;
	int rc = index_in(l->netns_fd, l->ifname);

	cfg.ifindex = rc < 0 ? 0 : (unsigned int)rc;
	if (rc >= 0)
		rc = link_check(l->netns_fd, cfg.ifindex, &probe, &taken);
	if (rc == 0)
		rc = l->xdp ? link_xdp_open(&cfg, &b->link) : link_ring_open(&cfg, &b->link);
	return rc < 0 ? explain_link(b, rc, &taken, err) : 0;
}

/* --- the stack --- */

static int fill_config(struct bypass *b, struct stack_config *cfg, struct engine_error *err)
{
	const struct engine_link *l = b->cfg.link;

	*cfg = (struct stack_config){
		.link = {link_reserve, link_commit, b->link},
		.mtu = (uint16_t)(b->link->mtu > STACK_MTU_MAX ? STACK_MTU_MAX : b->link->mtu),
		.gateway4 = l->gateway4,
		.gateway6 = l->gateway6,
		.skip_dad = l->skip_dad,
		.max_conns = 2 * b->cfg.max_conns + b->cfg.backlog + BYPASS_CLOSING_EXTRA,
		.max_half_open = b->cfg.backlog > 4096 ? b->cfg.backlog : 4096,
	};
	memcpy(cfg->mac, b->link->mac, sizeof(cfg->mac));
	for (int i = 0; i < l->n_addrs; i++) {
		if (b->link->mtu < IPV6_MTU_MIN && !addr_is_mapped(&l->addrs[i].addr))
			continue;
		cfg->addrs[cfg->n_addrs++] =
			(struct stack_addr){l->addrs[i].addr, l->addrs[i].prefix_len};
	}
	if (cfg->n_addrs == 0)
		return refuse(err, -EINVAL,
			      "raise the MTU of the interface, or give an IPv4 address",
			      "IPv6 needs an MTU of %d, %s has %u", IPV6_MTU_MIN, l->ifname,
			      b->link->mtu);
	if (getrandom(cfg->secret, sizeof(cfg->secret), 0) != (ssize_t)sizeof(cfg->secret))
		return refuse(err, -EIO, "", "no random numbers: %s", strerror(errno));
	return 0;
}

static void describe(struct bypass *b)
{
	const struct engine_link *l = b->cfg.link;
	char text[ADDR_STRLEN];
	size_t at;

	at = (size_t)snprintf(b->text, sizeof(b->text), "bypass: user-space TCP on %s (%s)",
			      l->ifname, l->xdp ? "AF_XDP" : "AF_PACKET rings");
	if (!l->xdp && l->own_mac && b->link->any_mac)
		at += (size_t)snprintf(b->text + at, sizeof(b->text) - at,
				       ", station %02x:%02x:%02x:%02x:%02x:%02x", b->link->mac[0],
				       b->link->mac[1], b->link->mac[2], b->link->mac[3],
				       b->link->mac[4], b->link->mac[5]);
	for (int i = 0; i < l->n_addrs && at < sizeof(b->text); i++) {
		if (b->link->mtu < IPV6_MTU_MIN && !addr_is_mapped(&l->addrs[i].addr))
			continue;
		at += (size_t)snprintf(b->text + at, sizeof(b->text) - at, " %s/%u",
				       addr_print(&l->addrs[i].addr, ADDR_FORM_INET, text),
				       l->addrs[i].prefix_len);
	}
	if (b->link->mtu < IPV6_MTU_MIN && at < sizeof(b->text))
		at += (size_t)snprintf(b->text + at, sizeof(b->text) - at,
				       "; no IPv6: the MTU is %u, it needs %d", b->link->mtu,
				       IPV6_MTU_MIN);
	if (!l->xdp && b->link->slots < BYPASS_RX_SLOTS && at < sizeof(b->text))
		snprintf(b->text + at, sizeof(b->text) - at,
			 "; short of memory: a ring of %u frames instead of %d", b->link->slots,
			 BYPASS_RX_SLOTS);
}

/* 1: all are ours; 0: not known yet; -EADDRINUSE with @err filled. */
static int dad_state(const struct bypass *b, int n, struct engine_error *err)
{
	const struct engine_link *l = b->cfg.link;
	char text[ADDR_STRLEN];
	uint8_t m[6];
	int ready = 0;

	for (int i = 0; i < n; i++) {
		switch (stack_addr_state(b->stack, i, m)) {
		case STACK_ADDR_READY:
			ready++;
			break;
		case STACK_ADDR_TENTATIVE:
			break;
		case STACK_ADDR_DUPLICATE:
			return refuse(err, -EADDRINUSE, "choose another address",
				      "%s is in use on this link, by %02x:%02x:%02x:%02x:%02x:%02x",
				      addr_print(&l->addrs[i].addr, ADDR_FORM_INET, text), m[0],
				      m[1], m[2], m[3], m[4], m[5]);
		}
	}
	return ready == n;
}

/* Duplicate address detection (RFC 4862 5.4, RFC 5227 2.1): some seconds before the first packet.
 */
static int detect_duplicates(struct bypass *b, int n, struct engine_error *err)
{
	const struct engine_link *l = b->cfg.link;
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)DAD_MAX_MS * NS_PER_MS;
	struct link_frame f;
	int rc;

	while ((rc = dad_state(b, n, err)) == 0) {
		struct pollfd p = {.fd = b->link->fd, .events = POLLIN};
		uint64_t now = clock_ns(CLOCK_MONOTONIC);

		if (now > end)
			return refuse(err, -ETIMEDOUT, "try again, or --no-dad",
				      "duplicate address detection did not end");
		while (link_rx(b->link, &f) > 0)
			stack_input(b->stack, now, f.bytes, f.meta.caplen, &f.meta);
		stack_timers(b->stack, now);
		stack_flush(b->stack, now);
		link_flush(b->link);
		if (l->give_up != NULL && l->give_up(l->give_up_arg))
			return refuse(err, -EINTR, "", "stopped");
		poll(&p, 1, DAD_STEP_MS);
	}
	return rc < 0 ? rc : 0;
}

int bypass_open_stack(struct bypass *b, struct engine_error *err)
{
	struct stack_config cfg;
	int rc = check_addresses(b->cfg.link, err);

	if (rc == 0)
		rc = open_link(b, err);
	if (rc < 0)
		return rc;
	rc = fill_config(b, &cfg, err);
	if (rc < 0)
		goto err_config;
	rc = stack_create(&cfg, b->now, &b->stack);
	if (rc < 0) {
		refuse(err, rc, "lower the number of connections (--max-conns)",
		       "no stack of that size: %s", strerror(-rc));
		goto err_config;
	}
	rc = detect_duplicates(b, cfg.n_addrs, err);
	if (rc < 0)
		goto err_dad;
	describe(b);
	return 0;

err_dad:
	stack_destroy(b->stack);
err_config:
	link_close(b->link);
	return rc;
}

void bypass_close_stack(struct bypass *b)
{
	stack_destroy(b->stack);
	link_close(b->link);
}
