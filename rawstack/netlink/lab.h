/* SPDX-License-Identifier: MIT */
/* lab.h - two throw-away hosts, client and server, joined by a veth: made by rtnetlink in about two
 * milliseconds */
#ifndef RAWSTACK_NETLINK_LAB_H
#define RAWSTACK_NETLINK_LAB_H

#include "../addr.h"

/*
 *    namespace C (client)                          namespace S (server)
 *    va  02:00:00:00:00:01                         vb  02:00:00:00:00:02
 *    198.51.100.1/24         ------ veth ------    198.51.100.2/24, 198.51.100.3/24
 *    2001:db8:1::1/64                              2001:db8:1::2/64, 2001:db8:1::3/64
 *
 * No names, no processes: both namespaces are descriptors of this process and end with it, however
 * it ends. Neighbours are permanent, there is no DAD, no router solicitation, no multicast listener
 * report, and offloads are off, so every frame on the wire is one that a test caused, with the
 * checksum the wire would carry. The links have their carrier: the first segment is not lost. ICMP
 * rate limits are off, per peer and over all.
 */
enum lab_side { LAB_CLIENT, LAB_SERVER, LAB_SIDES };
enum { LAB_ADDRS_MAX = 2, LAB_FURTHER_MAX = 64, LAB_MTU = 1500 };

struct lab_host {
	int netns_fd;
	unsigned int ifindex; /* of its end of the veth */
	char ifname[16];
	uint8_t mac[6];
	struct addr v4[LAB_ADDRS_MAX]; /* the primary first */
	struct addr v6[LAB_ADDRS_MAX];
	int n_addrs;		/* of each family */
	bool bare;		/* its kernel has none of them: somebody else answers for them */
	struct addr link_local; /* fe80::a:1 or fe80::a:2; zero: none */
	struct addr further[LAB_FURTHER_MAX];
	int n_further;
};

/* What a lab may have beside the usual. All zero: the lab drawn above. */
struct lab_options {
	bool link_local; /* both ends of the veth have a link-local address */
	/*
	 * The server's kernel gets no address and answers for none: for a stack that brings its
	 * own, on the link's MAC address. The addresses it is to have are in the description.
	 */
	bool bare_server;
	bool bare_client; /* the same of the client's */
	bool low_ports;	  /* on the server, everybody may bind ports below 1024 */
	/*
	 * Ports that the server's kernel hands out to sockets that did not choose one; 0: as usual.
	 * A narrow range tells such sockets from those of servers.
	 */
	uint16_t auto_port_first, auto_port_last;
	/*
	 * More addresses of the client's host, of either family and any unicast block: the server
	 * has a route to them. At most LAB_FURTHER_MAX.
	 */
	const struct addr *clients;
	size_t n_clients;
};

struct lab {
	struct lab_host host[LAB_SIDES];
	uint64_t setup_ns; /* what making it took, monotonic */
};

/* What failed, for one line to a person. Text of the kernel's extended acknowledgement where it
 * gave one. */
struct lab_error {
	char step[64]; /* "create the veth pair" */
	char detail[160];
};

/*
 * Makes the lab. The caller needs CAP_NET_ADMIN and CAP_SYS_ADMIN over its namespaces
 * (netns_become_capable()). Returns 0, or -errno with @err filled and nothing left behind. @err may
 * be NULL.
 */
int lab_create(struct lab *lab, struct lab_error *err);

/* The same with what @opt asks for beside it. -E2BIG: too many clients. */
int lab_create_with(const struct lab_options *opt, struct lab *lab, struct lab_error *err);

/* Ends it: closes the descriptors. Sockets that still live in a namespace keep that one alive. */
void lab_destroy(struct lab *lab);

#endif
