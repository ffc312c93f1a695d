/* SPDX-License-Identifier: MIT */
/* mib.h - the kernel's counters of one namespace, as nstat shows them */
#ifndef TOOLS_LAB_MIB_H
#define TOOLS_LAB_MIB_H

#include <stdint.h>

/* The text of /proc/net/snmp, netstat and snmp6 at one moment. */
enum { MIB_FILES = 3, MIB_FILE_MAX = 12288 };
struct mib {
	char text[MIB_FILES][MIB_FILE_MAX];
};

/* Reads the counters of @netns_fd (-1: here). Returns 0 or -errno. */
int mib_read(int netns_fd, struct mib *m);

/* "Ip6InHdrErrors", "UdpInDatagrams", "TcpExtListenDrops". Returns 0 or -ENOENT. */
int mib_get(const struct mib *m, const char *name, int64_t *value);

#endif
