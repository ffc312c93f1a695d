/* SPDX-License-Identifier: MIT */
/* t_net.h - a private network namespace with traffic in it, for capture tests */
#ifndef TESTS_UNIT_T_NET_H
#define TESTS_UNIT_T_NET_H

#include <stdbool.h>
#include <stdint.h>

/* All of these assert: a test cannot go on without them. */

enum { T_PORT = 7000 };

/* Moves the calling thread into a new network namespace of its own; lo is up. The right to do so
 * was obtained by main(), see t_main.c. */
void t_net_enter(void);

/* Makes a veth pair, both ends up, IPv4 and IPv6 silent. */
void t_veth_add(const char *a, const char *b);
void t_link_del(const char *name);
void t_link_up(const char *name, bool up);
void t_link_mtu(const char *name, int mtu);
unsigned int t_link_index(const char *name);
/* Gives the kernel an address there, usable at once. */
void t_addr_add(const char *name, const char *address, uint8_t prefix_len);

/*
 * A UDP socket on the loopback address of @family, connected to port T_PORT there, where a second
 * socket waits. t_udp_send() sends @n datagrams of four bytes: @first, @first + 1, …, big-endian,
 * each when the one before has arrived: whatever watches the device has then seen them all.
 */
int t_udp_open(int family);
void t_udp_send(int fd, uint32_t first, uint32_t n);

/* Sends bytes as one frame out of @ifname. */
void t_raw_send(const char *ifname, const uint8_t *frame, unsigned int len);

uint64_t t_now_ms(void); /* CLOCK_MONOTONIC */

#endif
