/* SPDX-License-Identifier: MIT */
/* netfix.h - tests: a network namespace of one's own, with addresses on its loopback */
#ifndef TESTS_UNIT_NETFIX_H
#define TESTS_UNIT_NETFIX_H

#include "../../rawstack/addr.h"
#include "../../rawstack/netlink/netns.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { NETFIX_LO_INDEX = 1, NETFIX_WAIT_MS = 2000 };

static inline struct endpoint netfix_ep(const char *addr, uint16_t port)
{
	struct endpoint ep = {.port = port};

	cr_assert(addr_parse(addr, &ep.addr, NULL) == 0, "bad address %s in a test", addr);
	return ep;
}

static inline void netfix_add_v4(int fd, const char *alias, const char *text)
{
	struct endpoint ep = netfix_ep(text, 0);
	struct ifreq ifr = {0};
	struct sockaddr_in sin = {.sin_family = AF_INET};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", alias);
	memcpy(&sin.sin_addr, addr_v4(&ep.addr), 4);
	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	cr_assert(ioctl(fd, SIOCSIFADDR, &ifr) == 0, "%s on %s: %s", text, alias, strerror(errno));
}

/* The kernel makes an IPv6 address usable a moment later, on a work queue: bind(2) tells when. */
static inline void netfix_await_v6(const struct endpoint *ep)
{
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(ep, AF_INET6, &ss);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	int tries = 0;

	while (bind(fd, (struct sockaddr *)&ss, (socklen_t)len)) {
		cr_assert(errno == EADDRNOTAVAIL && ++tries < NETFIX_WAIT_MS, "never usable");
		poll(NULL, 0, 1);
	}
	close(fd);
}

static inline void netfix_add_v6(const char *text)
{
	struct {
		struct in6_addr addr;
		uint32_t prefixlen;
		int ifindex;
	} req = {.prefixlen = 128, .ifindex = NETFIX_LO_INDEX}; /* struct in6_ifreq */
	struct endpoint ep = netfix_ep(text, 0);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	memcpy(&req.addr, ep.addr.b, 16);
	cr_assert(fd >= 0 && ioctl(fd, SIOCSIFADDR, &req) == 0, "%s: %s", text, strerror(errno));
	close(fd);
	netfix_await_v6(&ep);
}

/*
 * A user namespace can only be entered while the process has one thread: before Criterion starts.
 * When this fails, netfix_enter() does, and says so.
 */
__attribute__((constructor)) static void netfix_become_capable(void)
{
	(void)netns_become_capable();
}

/*
 * Moves the (single-threaded) test into a fresh namespace: lo up, 198.51.100.2, .3, 2001:db8:1::2
 * and ::3 beside 127.0.0.1 and ::1.
 */
static inline void netfix_enter(void)
{
	struct ifreq ifr = {.ifr_name = "lo"};
	int fd;

	cr_assert(unshare(CLONE_NEWNET) == 0, "no network namespace of one's own: %s",
		  strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert(fd >= 0);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	cr_assert(ioctl(fd, SIOCSIFFLAGS, &ifr) == 0, "lo up: %s", strerror(errno));
	netfix_add_v4(fd, "lo:1", "198.51.100.2");
	netfix_add_v4(fd, "lo:2", "198.51.100.3");
	close(fd);
	netfix_add_v6("2001:db8:1::2");
	netfix_add_v6("2001:db8:1::3");
}

#endif
