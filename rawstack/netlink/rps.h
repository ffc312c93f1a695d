/* SPDX-License-Identifier: MIT */
/* rps.h - which processors do an interface's receive work */
#ifndef RAWSTACK_NETLINK_RPS_H
#define RAWSTACK_NETLINK_RPS_H

#include <stdint.h>

enum { RPS_CPUS_MAX = 64 };

/*
 * On a veth the sender's processor pays for the receiver's work, unless receive packet steering
 * moves it. Steers what arrives on @ifname of @netns_fd to the processors in @mask (bit n:
 * processor n, 0: no steering).
 *
 * The knob is in sysfs, which shows the network namespace that it was mounted from: so this is done
 * by a child process that mounts one for itself. Returns 0; -EPERM (no right to mount, or not the
 * owner of the namespace), -ENOENT (no such interface, or a kernel without RPS), other -errno.
 */
int rps_set(int netns_fd, const char *ifname, uint64_t mask);

#endif
