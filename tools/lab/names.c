/* SPDX-License-Identifier: MIT */
/* names.c - the names a case file may use: socket types, options, control messages, flags, errors
 */
#include "names.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Not in glibc 2.36's headers; from linux/in6.h and linux/in.h. */
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#endif
#ifndef IPV6_FLOWINFO_SEND
#define IPV6_FLOWINFO_SEND 33
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

enum { COUNT_OF_ERRNO = 134 };

static const struct socket_type TYPES[] = {
	{"tcp4", AF_INET, SOCK_STREAM, IPPROTO_TCP},
	{"tcp6", AF_INET6, SOCK_STREAM, IPPROTO_TCP},
	{"udp4", AF_INET, SOCK_DGRAM, IPPROTO_UDP},
	{"udp6", AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
	{"raw4", AF_INET, SOCK_RAW, IPPROTO_UDP},
	{"raw6", AF_INET6, SOCK_RAW, IPPROTO_UDP},
	{"ping4", AF_INET, SOCK_DGRAM, IPPROTO_ICMP},
	{"ping6", AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6},
	{"mptcp4", AF_INET, SOCK_STREAM, IPPROTO_MPTCP},
	{"mptcp6", AF_INET6, SOCK_STREAM, IPPROTO_MPTCP},
};

#define OPTION(level, name, kind)                                                                  \
	{                                                                                          \
#name, level, name, kind                                                           \
	}

static const struct socket_option OPTIONS[] = {
	OPTION(SOL_SOCKET, SO_REUSEADDR, OPTION_INT),
	OPTION(SOL_SOCKET, SO_REUSEPORT, OPTION_INT),
	OPTION(SOL_SOCKET, SO_BROADCAST, OPTION_INT),
	OPTION(SOL_SOCKET, SO_DOMAIN, OPTION_INT),
	OPTION(SOL_SOCKET, SO_TYPE, OPTION_INT),
	OPTION(SOL_SOCKET, SO_PROTOCOL, OPTION_INT),
	OPTION(SOL_SOCKET, SO_ERROR, OPTION_INT),
	OPTION(SOL_SOCKET, SO_ACCEPTCONN, OPTION_INT),
	OPTION(SOL_SOCKET, SO_NO_CHECK, OPTION_INT),
	OPTION(SOL_SOCKET, SO_MARK, OPTION_INT),
	OPTION(SOL_SOCKET, SO_RCVBUF, OPTION_INT),
	OPTION(SOL_SOCKET, SO_RCVBUFFORCE, OPTION_INT),
	OPTION(SOL_SOCKET, SO_BINDTODEVICE, OPTION_TEXT),
	OPTION(SOL_SOCKET, SO_ATTACH_FILTER, OPTION_FILTER),
	OPTION(IPPROTO_IP, IP_TTL, OPTION_INT),
	OPTION(IPPROTO_IP, IP_TOS, OPTION_INT),
	OPTION(IPPROTO_IP, IP_MTU, OPTION_INT),
	OPTION(IPPROTO_IP, IP_MTU_DISCOVER, OPTION_INT),
	OPTION(IPPROTO_IP, IP_OPTIONS, OPTION_BYTES),
	OPTION(IPPROTO_IP, IP_FREEBIND, OPTION_INT),
	OPTION(IPPROTO_IP, IP_TRANSPARENT, OPTION_INT),
	OPTION(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, OPTION_INT),
	OPTION(IPPROTO_IP, IP_LOCAL_PORT_RANGE, OPTION_INT),
	OPTION(IPPROTO_IP, IP_UNICAST_IF, OPTION_INDEX),
	OPTION(IPPROTO_IP, IP_PKTINFO, OPTION_INT),
	OPTION(IPPROTO_IP, IP_RECVTTL, OPTION_INT),
	OPTION(IPPROTO_IP, IP_RECVTOS, OPTION_INT),
	OPTION(IPPROTO_IP, IP_RECVORIGDSTADDR, OPTION_INT),
	OPTION(IPPROTO_IP, IP_RECVERR, OPTION_INT),
	OPTION(IPPROTO_IP, IP_RECVERR_RFC4884, OPTION_INT),
	OPTION(IPPROTO_IP, IP_MULTICAST_TTL, OPTION_INT),
	OPTION(IPPROTO_IP, IP_MULTICAST_IF, OPTION_ADDR4),
	OPTION(IPPROTO_IP, IP_ADD_MEMBERSHIP, OPTION_ADDR4),
	OPTION(IPPROTO_IPV6, IPV6_V6ONLY, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_ADDRFORM, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_MULTICAST_IF, OPTION_INDEX),
	OPTION(IPPROTO_IPV6, IPV6_TCLASS, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_MTU, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_DONTFRAG, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_FLOWINFO, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_FLOWINFO_SEND, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_FREEBIND, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_TRANSPARENT, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_UNICAST_IF, OPTION_INDEX),
	OPTION(IPPROTO_IPV6, IPV6_RECVPKTINFO, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_RECVTCLASS, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_RECVERR, OPTION_INT),
	OPTION(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, OPTION_MREQ6),
	OPTION(IPPROTO_IPV6, IPV6_DSTOPTS, OPTION_BYTES),
	OPTION(IPPROTO_IPV6, MCAST_JOIN_GROUP, OPTION_GROUP),
	OPTION(IPPROTO_TCP, TCP_MAXSEG, OPTION_INT),
	OPTION(IPPROTO_TCP, TCP_NODELAY, OPTION_INT),
	OPTION(IPPROTO_TCP, TCP_SAVE_SYN, OPTION_INT),
	OPTION(IPPROTO_TCP, TCP_SAVED_SYN, OPTION_SYN),
	OPTION(IPPROTO_TCP, TCP_MD5SIG, OPTION_MD5),
	OPTION(IPPROTO_TCP, TCP_SYNCNT, OPTION_INT),
	OPTION(IPPROTO_UDP, UDP_NO_CHECK6_TX, OPTION_INT),
	OPTION(IPPROTO_UDP, UDP_NO_CHECK6_RX, OPTION_INT),
};

static const struct message_item MESSAGES[] = {
	{"IP_TTL", IPPROTO_IP, IP_TTL, MESSAGE_INT},
	{"IP_TOS", IPPROTO_IP, IP_TOS, MESSAGE_INT},
	{"IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, MESSAGE_PKTINFO4},
	{"IP_ORIGDSTADDR", IPPROTO_IP, IP_ORIGDSTADDR, MESSAGE_ADDRESS},
	{"IP_RECVERR", IPPROTO_IP, IP_RECVERR, MESSAGE_ERROR},
	{"IP_UNKNOWN", IPPROTO_IP, 99, MESSAGE_INT},
	{"IPV6_HOPLIMIT", IPPROTO_IPV6, IPV6_HOPLIMIT, MESSAGE_INT},
	{"IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, MESSAGE_INT},
	{"IPV6_DONTFRAG", IPPROTO_IPV6, IPV6_DONTFRAG, MESSAGE_INT},
	{"IPV6_FLOWINFO", IPPROTO_IPV6, IPV6_FLOWINFO, MESSAGE_NUMBER32},
	{"IPV6_PKTINFO", IPPROTO_IPV6, IPV6_PKTINFO, MESSAGE_PKTINFO6},
	{"IPV6_ORIGDSTADDR", IPPROTO_IPV6, IPV6_ORIGDSTADDR, MESSAGE_ADDRESS},
	{"IPV6_RECVERR", IPPROTO_IPV6, IPV6_RECVERR, MESSAGE_ERROR},
	{"IPV6_UNKNOWN", IPPROTO_IPV6, 199, MESSAGE_INT},
};

#define NUMBER(name)                                                                               \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct named_number RESOLVER_FLAGS[] = {
	{"V4MAPPED", AI_V4MAPPED},
	{"ALL", AI_ALL},
	{"ADDRCONFIG", AI_ADDRCONFIG},
	{"PASSIVE", AI_PASSIVE},
	{"NUMERICHOST", AI_NUMERICHOST},
	{"CANONNAME", AI_CANONNAME},
	{NULL, 0},
};

static const struct named_number MESSAGE_FLAGS[] = {
	NUMBER(MSG_DONTWAIT), NUMBER(MSG_PEEK),	   NUMBER(MSG_ERRQUEUE),
	NUMBER(MSG_TRUNC),    NUMBER(MSG_WAITALL), NUMBER(MSG_NOSIGNAL),
	NUMBER(MSG_OOB),      NUMBER(MSG_CONFIRM), NUMBER(MSG_FASTOPEN),
	NUMBER(MSG_MORE),     {NULL, 0},
};

static const struct named_number LEVELS[] = {
	NUMBER(SOL_SOCKET),  NUMBER(IPPROTO_IP),  NUMBER(IPPROTO_IPV6),
	NUMBER(IPPROTO_TCP), NUMBER(IPPROTO_UDP), {NULL, 0},
};

static const struct named_number FAMILIES[] = {
	NUMBER(AF_UNSPEC), NUMBER(AF_INET), NUMBER(AF_INET6), {NULL, 0}};

static const struct named_number CONSTANTS[] = {
	NUMBER(AF_UNSPEC),	    NUMBER(AF_INET),	       NUMBER(AF_INET6),
	NUMBER(SOCK_STREAM),	    NUMBER(SOCK_DGRAM),	       NUMBER(IPPROTO_TCP),
	NUMBER(IPPROTO_UDP),	    NUMBER(IP_PMTUDISC_DONT),  NUMBER(IP_PMTUDISC_WANT),
	NUMBER(IP_PMTUDISC_DO),	    NUMBER(IP_PMTUDISC_PROBE), NUMBER(IPV6_PMTUDISC_DONT),
	NUMBER(IPV6_PMTUDISC_WANT), NUMBER(IPV6_PMTUDISC_DO),  {NULL, 0},
};

static const struct named_number RESOLVER_ERRORS[] = {
	NUMBER(EAI_NONAME), NUMBER(EAI_AGAIN),	  NUMBER(EAI_FAIL),	NUMBER(EAI_NODATA),
	NUMBER(EAI_FAMILY), NUMBER(EAI_SOCKTYPE), NUMBER(EAI_SERVICE),	NUMBER(EAI_ADDRFAMILY),
	NUMBER(EAI_MEMORY), NUMBER(EAI_SYSTEM),	  NUMBER(EAI_BADFLAGS), NUMBER(EAI_OVERFLOW),
	{NULL, 0},
};

static const struct named_number *find(const struct named_number *list, const char *name)
{
	for (; list->name; list++)
		if (strcmp(list->name, name) == 0)
			return list;
	return NULL;
}

const struct socket_type *socket_type_find(const char *name)
{
	for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++)
		if (strcmp(TYPES[i].name, name) == 0)
			return &TYPES[i];
	return NULL;
}

const struct socket_option *socket_option_find(const char *name)
{
	const struct socket_option *o;

	for (size_t i = 0; (o = socket_option_at(i)); i++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

const struct socket_option *socket_option_at(size_t i)
{
	return i < sizeof(OPTIONS) / sizeof(OPTIONS[0]) ? &OPTIONS[i] : NULL;
}

const struct message_item *message_item_find(const char *name)
{
	for (size_t i = 0; i < sizeof(MESSAGES) / sizeof(MESSAGES[0]); i++)
		if (strcmp(MESSAGES[i].name, name) == 0)
			return &MESSAGES[i];
	return NULL;
}

const struct message_item *message_item_of(int level, int type)
{
	for (size_t i = 0; i < sizeof(MESSAGES) / sizeof(MESSAGES[0]); i++)
		if (MESSAGES[i].level == level && MESSAGES[i].type == type)
			return &MESSAGES[i];
	return NULL;
}

const struct named_number *resolver_flag_find(const char *name)
{
	return find(RESOLVER_FLAGS, name);
}

const struct named_number *message_flag_find(const char *name)
{
	return find(MESSAGE_FLAGS, name);
}

const struct named_number *level_find(const char *name)
{
	return find(LEVELS, name);
}

const struct named_number *family_find(const char *name)
{
	return find(FAMILIES, name);
}

const struct named_number *constant_find(const char *name)
{
	return find(CONSTANTS, name);
}

int error_find(const char *name)
{
	for (int e = 1; e < COUNT_OF_ERRNO; e++) {
		const char *known = strerrorname_np(e);

		if (known && strcmp(known, name) == 0)
			return e;
	}
	return 0;
}

int resolver_error_find(const char *name)
{
	const struct named_number *n = find(RESOLVER_ERRORS, name);

	return n ? (int)n->number : 0;
}

const char *resolver_error_name(int code)
{
	for (const struct named_number *n = RESOLVER_ERRORS; n->name; n++)
		if (n->number == code)
			return n->name;
	return "EAI_?";
}

const char *tcp_state_name(unsigned int state)
{
	static const char *const names[] = {
		[TCP_ESTABLISHED] = "ESTABLISHED",
		[TCP_SYN_SENT] = "SYN_SENT",
		[TCP_SYN_RECV] = "SYN_RECV",
		[TCP_FIN_WAIT1] = "FIN_WAIT1",
		[TCP_FIN_WAIT2] = "FIN_WAIT2",
		[TCP_TIME_WAIT] = "TIME_WAIT",
		[TCP_CLOSE] = "CLOSE",
		[TCP_CLOSE_WAIT] = "CLOSE_WAIT",
		[TCP_LAST_ACK] = "LAST_ACK",
		[TCP_LISTEN] = "LISTEN",
		[TCP_CLOSING] = "CLOSING",
	};

	return state < sizeof(names) / sizeof(names[0]) && names[state] ? names[state] : "?";
}

void socket_type_names(char *buf, size_t len)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]) && n < len; i++)
		n += (size_t)snprintf(buf + n, len - n, "%s%s", i ? " " : "", TYPES[i].name);
}
