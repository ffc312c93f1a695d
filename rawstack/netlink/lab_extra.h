/* SPDX-License-Identifier: MIT */
/* lab_extra.h - what a lab's hosts may be given beside what all have: addresses, routes, settings
 */
#ifndef RAWSTACK_NETLINK_LAB_EXTRA_H
#define RAWSTACK_NETLINK_LAB_EXTRA_H

#include "lab.h"

/* Where an address or a route belongs. */
enum lab_device { LAB_DEVICE_LINK, LAB_DEVICE_LO };

/*
 * Each returns 0, or -errno with @err filled (not NULL).
 *
 * An address is also made known to the other host as a permanent neighbour, as all of a lab's are,
 * and can be found by neighbour discovery when this returns.
 * A native IPv6 address whose bytes are ::ffff:a.b.c.d is asked for with @v6.
 */
int lab_add_address(const struct lab *lab, enum lab_side side, const struct addr *a, bool v6,
		    uint8_t prefix, enum lab_device device, struct lab_error *err);

/* Takes one away, also one of those that every lab has. */
int lab_remove_address(const struct lab *lab, enum lab_side side, const struct addr *a, bool v6,
		       uint8_t prefix, enum lab_device device, struct lab_error *err);

struct lab_route {
	struct addr dst;
	bool v6;
	uint8_t prefix;
	uint8_t type;		    /* RTN_UNICAST, RTN_UNREACHABLE, ... */
	const struct addr *gateway; /* NULL: none */
	enum lab_device device;	    /* of RTN_UNICAST and RTN_LOCAL */
};
int lab_add_route(const struct lab *lab, enum lab_side side, const struct lab_route *r,
		  struct lab_error *err);

/* Writes @value to the setting @name, "net.ipv4.ip_default_ttl", of the host's namespace. */
int lab_sysctl(const struct lab *lab, enum lab_side side, const char *name, const char *value,
	       struct lab_error *err);

#endif
