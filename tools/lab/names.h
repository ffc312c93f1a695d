/* SPDX-License-Identifier: MIT */
/* names.h - the names a case file may use: socket types, options, control messages, flags, errors
 */
#ifndef TOOLS_LAB_NAMES_H
#define TOOLS_LAB_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct socket_type {
	const char *name; /* "tcp6" */
	int family, type, protocol;
};

/* What an option takes and gives. */
enum option_kind {
	OPTION_INT,    /* a number, or a name for one such as AF_INET */
	OPTION_INDEX,  /* an interface by name, link or lo */
	OPTION_ADDR4,  /* an IPv4 address: struct ip_mreq with the group, or with IP_MULTICAST_IF */
	OPTION_MREQ6,  /* a group in struct ipv6_mreq; an IPv4 one as m(group) */
	OPTION_GROUP,  /* a group in struct group_req, in the sockaddr it is written as */
	OPTION_TEXT,   /* a device's name: lo, or link for the end of the cable */
	OPTION_BYTES,  /* hexadecimal digits */
	OPTION_FILTER, /* ipv4, ipv6 or none: a classic BPF program that lets only that EtherType in
			*/
	OPTION_MD5,    /* a peer's address; the key is fixed */
	OPTION_SYN,    /* of TCP_SAVED_SYN: the IP version of the header that was saved */
};

struct socket_option {
	const char *name; /* "IPV6_V6ONLY" */
	int level, number;
	enum option_kind kind;
};

/* What travels beside a datagram's bytes. */
enum message_kind {
	MESSAGE_INT,
	MESSAGE_NUMBER32, /* network order: IPV6_FLOWINFO */
	MESSAGE_PKTINFO4, /* an address: of sending the source, of receiving the destination */
	MESSAGE_PKTINFO6,
	MESSAGE_ADDRESS, /* a sockaddr */
	MESSAGE_ERROR,	 /* ee_origin of struct sock_extended_err */
};

struct message_item {
	const char *name; /* "IPV6_PKTINFO" */
	int level, type;
	enum message_kind kind;
};

struct named_number {
	const char *name;
	int64_t number;
};

/* Each returns NULL when there is no such name. */
const struct socket_type *socket_type_find(const char *name);
const struct socket_option *socket_option_find(const char *name);
const struct message_item *message_item_find(const char *name);
const struct message_item *message_item_of(int level, int type);
const struct named_number *resolver_flag_find(const char *name); /* "V4MAPPED" */
const struct named_number *message_flag_find(const char *name);	 /* "MSG_DONTWAIT" */
const struct named_number *level_find(const char *name);	 /* "IPPROTO_IP" */
const struct named_number *family_find(const char *name);	 /* "AF_INET6" */
const struct named_number *constant_find(const char *name);	 /* values of options */

/* "EINVAL" to 22; 0: no such name. */
int error_find(const char *name);

/* "EAI_NONAME" to its code; 0: no such name. And back, "EAI_?" for an unknown one. */
int resolver_error_find(const char *name);
const char *resolver_error_name(int code);

/* TCP_ESTABLISHED to "ESTABLISHED". */
const char *tcp_state_name(unsigned int state);

/* All of a kind, separated by blanks, for messages: cut to fit @len. */
void socket_type_names(char *buf, size_t len);

/* The @i-th option, NULL behind the last one: for listings. */
const struct socket_option *socket_option_at(size_t i);

#endif
